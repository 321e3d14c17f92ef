// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "lore/core/compiled.hpp"
#include "lore/core/types.hpp"
#include "lore/model/prior.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/solve/dense.hpp"

namespace lore::detail {

/// Takes D / (D + users) of what stands beside the diagonal of a covariance that so many users tell of.
/// @param degrees  D, of freedom
inline void shrink_to_diagonal(Matrix<double>& covariance, Index degrees, Index users) {
  const Vector<double> diagonal = covariance.diagonal();
  covariance *= static_cast<double>(users) / static_cast<double>(degrees + users);
  covariance.diagonal() = diagonal;
}

/// A GaussianPrior in the D = K - 1 coordinates c of a weight map: p = origin + Q c.
struct CoordinatePrior {
  Vector<double> origin;       ///< K
  Matrix<double> Q;            ///< K x D
  Vector<double> mean;         ///< D
  Matrix<double> covariance;   ///< D x D
  Matrix<double> precision;    ///< D x D
  double log_determinant = 0;  ///< of the precision

  [[nodiscard]] Index degrees() const noexcept { return mean.size(); }

  /// Mean 0 and covariance deviation^2 I.
  template <WeightMap Map>
  [[nodiscard]] static CoordinatePrior isotropic(const Map& map, Index rank, double deviation) {
    CoordinatePrior prior;
    prior.origin.resize(rank);
    map.origin(prior.origin);
    prior.Q = map.template directions<double, Dynamic>(rank);
    prior.set(Vector<double>::Zero(rank - 1),
              Matrix<double>::Identity(rank - 1, rank - 1) * (deviation * deviation));
    return prior;
  }

  template <WeightMap Map, Real Scalar, int K>
  [[nodiscard]] static CoordinatePrior from(const Map& map, const GaussianPrior<Scalar, K>& given) {
    CoordinatePrior prior = isotropic(map, given.size(), 1);
    const Vector<double> mean = given.mean.template cast<double>();
    const Matrix<double> covariance = given.covariance.template cast<double>();
    prior.set_parameters(mean, covariance);
    return prior;
  }

  template <Real Scalar, int K>
  [[nodiscard]] static CoordinatePrior from(WeightMapKind kind, const GaussianPrior<Scalar, K>& given) {
    return kind == WeightMapKind::simplex ? from(Simplex{}, given) : from(Signed{}, given);
  }

  /// The same prior of the K parameters.
  template <Real Scalar>
  [[nodiscard]] GaussianPrior<Scalar> of_parameters() const {
    const Vector<double> p = origin + Q.lazyProduct(mean);
    return {p.cast<Scalar>(), parameter_covariance(covariance).template cast<Scalar>()};
  }

  /// Q C Q', the covariance of the parameters where C is that of the coordinates.
  template <class Lazy = void>
  [[nodiscard]] Matrix<double> parameter_covariance(const Matrix<double>& C) const;

  /// To a mean and covariance of the K parameters.
  template <class Lazy = void>
  void set_parameters(const Vector<double>& parameters, const Matrix<double>& new_covariance);

  /// A covariance that is singular in a direction is held up there, from 1e-8 of its largest variance on.
  template <class Lazy = void>
  void set(Vector<double> new_mean, const Matrix<double>& new_covariance);
};

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
Matrix<double> CoordinatePrior::parameter_covariance(const Matrix<double>& C) const {
  const Matrix<double> QC = Q.lazyProduct(C);
  return QC.lazyProduct(Q.transpose());
}

template <class Lazy>
void CoordinatePrior::set_parameters(const Vector<double>& parameters, const Matrix<double>& new_covariance) {
  const Vector<double> shift = parameters - origin;
  const Matrix<double> CQ = new_covariance.lazyProduct(Q);
  set(Q.transpose().lazyProduct(shift), Q.transpose().lazyProduct(CQ));
}

template <class Lazy>
void CoordinatePrior::set(Vector<double> new_mean, const Matrix<double>& new_covariance) {
  mean = std::move(new_mean);
  covariance = 0.5 * (new_covariance + new_covariance.transpose());
  const Index D = mean.size();
  precision = Matrix<double>::Identity(D, D);
  log_determinant = 0;
  if (D == 0) return;
  double lift = 1e-8 * std::max(covariance.diagonal().maxCoeff(), 1e-8);
  for (Matrix<double> factor = covariance;
       std::isnan(log_determinant = -invert_positive(factor, precision)) && std::isfinite(lift); lift *= 10) {
    covariance.diagonal().array() += lift;
    factor = covariance;
  }
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Matrix<double> CoordinatePrior::parameter_covariance<>(const Matrix<double>&) const;
LORE_COMPILED_TEMPLATE void CoordinatePrior::set_parameters<>(const Vector<double>&, const Matrix<double>&);
LORE_COMPILED_TEMPLATE void CoordinatePrior::set<>(Vector<double>, const Matrix<double>&);
#endif

}  // namespace lore::detail
