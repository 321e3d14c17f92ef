// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>

#include "lore/core/compiled.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/objective/pass.hpp"
#include "lore/objective/user_step.hpp"
#include "lore/solve/dense.hpp"

namespace lore::detail {

/// Leading eigenpairs of a symmetric positive d x d operator that is known by its products M Omega:
/// randomised subspace iteration with a Rayleigh-Ritz step.   @ref Halko, Martinsson & Tropp 2011
struct LeadingPairs {
  Matrix<double> vectors;  ///< d x r, orthonormal
  Vector<double> values;   ///< r, descending, >= 0

  /// @param apply  Q -> M Q   @cost `rounds` + 1 products of r columns
  template <class Lazy = void>
  [[nodiscard]] static LeadingPairs of(Index d, Index r, int rounds, std::uint64_t seed,
                                       const std::function<Matrix<double>(const Matrix<double>&)>& apply);
};

/// The spectrum of sum_j omega_j x_j x_j': leading pairs, and the mean of what they leave.
template <Real Scalar>
struct Spectrum {
  Matrix<Scalar> vectors;  ///< d x r
  Vector<double> values;   ///< r, descending
  double rest = 0;         ///< mean of the d - r other eigenvalues; the smallest where there are none

  /// @param total  sum_j omega_j ||x_j||^2   @cost two readings of the data with `width` columns
  template <class Store>
  [[nodiscard]] static Spectrum of(Pass<Scalar, Store>& pass, Index width, double total, std::uint64_t seed);
};

/// V = T A, where T_k = (curvature_k second moment + precision_k I)^(-1/2) is symmetric and has one set of
/// factors a column: coordinates in which the objective is about equally curved in every direction, so that
/// any solver needs few passes.
template <Real Scalar>
class Whitening {
 public:
  Whitening() = default;

  /// @param curvature, precision  one of each a column of V, > 0 and >= 0
  Whitening(const Spectrum<Scalar>& spectrum, const Vector<double>& curvature,
            const Vector<double>& precision);

  /// M_k = T_k M_k.   @cost 4 d r K operations
  void apply(Matrix<Scalar>& M) const { multiply(M, factor_, rest_); }

  /// M_k = T_k^-1 M_k.
  void unapply(Matrix<Scalar>& M) const;

 private:
  void multiply(Matrix<Scalar>& M, const Matrix<Scalar>& factor, const Vector<Scalar>& rest) const;

  const Spectrum<Scalar>* spectrum_ = nullptr;
  Matrix<Scalar> factor_;  ///< r x K, minus the rest's
  Vector<Scalar> rest_;    ///< K
};

template <Real Scalar>
template <class Store>
Spectrum<Scalar> Spectrum<Scalar>::of(Pass<Scalar, Store>& pass, Index width, double total,
                                      std::uint64_t seed) {
  using Block = typename Pass<Scalar, Store>::ScoreBlock;
  using Gradient = typename Pass<Scalar, Store>::GradientBlock;
  const auto& comparisons = pass.comparisons();
  const Index d = comparisons.dimension();
  const auto second_moment = [&](Index i, const Block& Z, Gradient& G) {
    G = Z;
    if (!comparisons.weight.empty())
      for (Index j = 0; j < Z.cols(); ++j)
        G.col(j) *=
            static_cast<Scalar>(comparisons.weight[static_cast<std::size_t>(comparisons.begin(i) + j)]);
    return 0.0;
  };
  Matrix<Scalar> product;
  const LeadingPairs pairs = LeadingPairs::of(d, width, 1, seed, [&](const Matrix<double>& Q) {
    value_and_gradient<Scalar, Store>(pass, Q.template cast<Scalar>(), second_moment, product);
    return Matrix<double>(product.template cast<double>());
  });
  Spectrum spectrum;
  spectrum.vectors = pairs.vectors.template cast<Scalar>();
  spectrum.values = pairs.values;
  const Index others = d - pairs.values.size();
  spectrum.rest = others > 0 ? std::max(total - pairs.values.sum(), 0.0) / static_cast<double>(others)
                             : pairs.values.minCoeff();
  return spectrum;
}

template <Real Scalar>
Whitening<Scalar>::Whitening(const Spectrum<Scalar>& spectrum, const Vector<double>& curvature,
                             const Vector<double>& precision)
    : spectrum_(&spectrum), factor_(spectrum.values.size(), curvature.size()), rest_(curvature.size()) {
  for (Index k = 0; k < curvature.size(); ++k) {
    const double floor = 1e-12 * (curvature(k) * spectrum.values.maxCoeff() + precision(k)) + 1e-300;
    for (Index r = 0; r < spectrum.values.size(); ++r)
      factor_(r, k) = static_cast<Scalar>(
          1 / std::sqrt(std::max(curvature(k) * spectrum.values(r) + precision(k), floor)));
    rest_(k) =
        static_cast<Scalar>(1 / std::sqrt(std::max(curvature(k) * spectrum.rest + precision(k), floor)));
  }
  factor_.rowwise() -= rest_.transpose();
}

template <Real Scalar>
void Whitening<Scalar>::unapply(Matrix<Scalar>& M) const {
  const Vector<Scalar> rest = rest_.cwiseInverse();
  Matrix<Scalar> factor = (factor_.rowwise() + rest_.transpose()).cwiseInverse();
  factor.rowwise() -= rest.transpose();
  multiply(M, factor, rest);
}

template <Real Scalar>
void Whitening<Scalar>::multiply(Matrix<Scalar>& M, const Matrix<Scalar>& factor,
                                 const Vector<Scalar>& rest) const {
  const Matrix<Scalar> inner = transposed_times<Scalar>(spectrum_->vectors, M).cwiseProduct(factor);
  for (Index k = 0; k < M.cols(); ++k) M.col(k) *= rest(k);
  M += times<Scalar>(spectrum_->vectors, inner);
}

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
LeadingPairs LeadingPairs::of(Index d, Index r, int rounds, std::uint64_t seed,
                              const std::function<Matrix<double>(const Matrix<double>&)>& apply) {
  Matrix<double> Q;
  if (r >= d) {
    r = d;
    Q = Matrix<double>::Identity(d, d);
  } else {
    Rng rng(seed);
    Q.resize(d, r);
    fill_normal(rng, Q);
    Q = orthonormalised(std::move(Q));
    for (int round = 0; round < rounds; ++round) Q = orthonormalised(apply(Q));
  }
  const Matrix<double> MQ = apply(Q);
  const Matrix<double> small = transposed_times<double>(Q, MQ);
  PositiveEigen eigen = eigen_of_positive(0.5 * (small + small.transpose()));
  return {times<double>(Q, eigen.vectors), std::move(eigen.values)};
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE LeadingPairs LeadingPairs::of<>(
    Index, Index, int, std::uint64_t, const std::function<Matrix<double>(const Matrix<double>&)>&);
LORE_COMPILED_TEMPLATE Spectrum<float> Spectrum<float>::of(Pass<float, Features>&, Index, double,
                                                           std::uint64_t);
LORE_COMPILED_TEMPLATE class Whitening<float>;
#endif

}  // namespace lore::detail
