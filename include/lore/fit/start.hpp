// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lore/core/compiled.hpp"
#include "lore/core/types.hpp"
#include "lore/fit/spectrum.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/solve/dense.hpp"

/// Where joint fits start: near the answer, so that few passes are needed and no column starts useless.
namespace lore::detail {

/// Slopes of the comparisons' losses with respect to their scores under a population reward, times omega.
template <Real Scalar>
struct Residuals {
  Vector<Scalar> slope;  ///< n
  double curvature = 0;  ///< sum of the losses' second derivatives
};

/// @param margins  1 x n, x_j'v0
template <class Loss, Real Scalar, class Store>
[[nodiscard, gnu::noinline]] Residuals<Scalar> residuals_of(const Comparisons<Store>& comparisons,
                                                            const Loss& loss, const Matrix<Scalar>& margins,
                                                            double temperature) {
  Residuals<Scalar> out{Vector<Scalar>(margins.size())};
  Vector<double> t, values, slopes, curvatures;
  for (Index i = 0; i < comparisons.users(); ++i) {
    t.resize(comparisons.count(i));
    for (Index j = 0; j < t.size(); ++j)
      t(j) = static_cast<double>(margins(0, comparisons.begin(i) + j)) / temperature;
    answer_terms(loss, t, comparisons.answers(i), values, slopes, curvatures);
    for (Index j = 0; j < t.size(); ++j) {
      const Index p = comparisons.begin(i) + j;
      const double omega = comparisons.weight.empty()
                               ? 1
                               : static_cast<double>(comparisons.weight[static_cast<std::size_t>(p)]);
      out.slope(p) = static_cast<Scalar>(omega * slopes(j) / temperature);
      out.curvature += std::max(curvatures(j), 0.0) / (temperature * temperature);
    }
  }
  return out;
}

/// Deviation columns for a population reward v0 (d): the leading directions of the users' residual gradients
/// r_i = sum_j omega_j loss'(x_j'v0 / tau) x_j / tau, in coordinates where an average user's Fisher
/// information plus `precision` is the identity, as long as the gradients say. Two or three readings of the
/// data with columns + 8.
/// @return d x columns
template <Real Scalar, class Store>
[[nodiscard, gnu::noinline]] Matrix<Scalar> residual_directions(Pass<Scalar, Store>& pass,
                                                                const Spectrum<Scalar>& spectrum,
                                                                const Residuals<Scalar>& residuals,
                                                                Index columns, double precision,
                                                                std::uint64_t seed) {
  using Block = typename Pass<Scalar, Store>::ScoreBlock;
  using Column = typename Pass<Scalar, Store>::Column;
  const auto& comparisons = pass.comparisons();
  const Vector<Scalar>& slope = residuals.slope;
  const auto n = static_cast<double>(std::max<Index>(slope.size(), 1));
  const auto users = static_cast<double>(comparisons.users());
  const Index d = comparisons.dimension(), width = std::min<Index>(d, columns + 8);
  const auto fisher = [&](Index count) {
    return Whitening<Scalar>(spectrum, Vector<double>::Constant(count, residuals.curvature / n / users),
                             Vector<double>::Constant(count, precision));
  };
  const Whitening<Scalar> wide = fisher(width);
  const auto outer = [&](Index i, const Block& Z, Column& g, Vector<Scalar>& w) {
    g = slope.segment(comparisons.begin(i), Z.cols());
    w.noalias() = Z * g;
    return 0.0;
  };
  Matrix<Scalar> product;
  const LeadingPairs pairs = LeadingPairs::of(d, width, 2, seed, [&](const Matrix<double>& Q) {
    Matrix<Scalar> V = Q.template cast<Scalar>();
    wide.apply(V);
    pass.value_and_gradient(V, outer, product);
    wide.apply(product);
    return Matrix<double>(product.template cast<double>());
  });
  Matrix<Scalar> directions = pairs.vectors.leftCols(columns).template cast<Scalar>();
  for (Index k = 0; k < columns; ++k)
    directions.col(k) *= static_cast<Scalar>(std::sqrt(std::max(pairs.values(k) / users, 0.05)));
  fisher(columns).apply(directions);
  return directions;
}

/// Users that span the others best: successive projection on the rows of C (users x D) picks `count` of them
/// as vertices, moved outwards from the mean by `expand`.   @ref Araujo et al. 2001
/// @return count x D
template <class Lazy = void>
[[nodiscard, gnu::noinline]] Matrix<double> vertices_of(const Matrix<double>& C, Index count, double expand);

/// A basis for `Simplex` weights from a `Signed` fit: column k is that fit's reward at vertex k of its users'
/// cloud.
/// @param V  d x K   @param parameters  K x N, (1, delta) of the users   @return d x K
template <Real Scalar>
[[nodiscard, gnu::noinline]] Matrix<Scalar> simplex_vertices(const Matrix<Scalar>& V,
                                                             const Matrix<Scalar>& parameters) {
  const Index K = V.cols();
  const Matrix<double> deviations = parameters.bottomRows(K - 1).transpose().template cast<double>();
  Matrix<double> corners(K, K);  // column k: (1, delta) at vertex k
  corners.row(0).setOnes();
  corners.bottomRows(K - 1) = vertices_of(deviations, K, 1.3).transpose();
  return times<Scalar>(V, corners.template cast<Scalar>());
}

/// The `rank` - 1 strongest deviations of a `Signed` basis, by the variance that they give to margins (by
/// their length where the spectrum is not known), turned to principal axes, beside its first column: where a
/// fit of lower rank starts.
template <Real Scalar>
[[nodiscard, gnu::noinline]] Matrix<Scalar> leading_deviations(const Matrix<Scalar>& V,
                                                               const Spectrum<Scalar>& spectrum, Index rank) {
  const Matrix<double> B = V.rightCols(V.cols() - 1).template cast<double>();
  Matrix<double> S = transposed_times<double>(B, B);
  if (spectrum.values.size() > 0) {
    const Matrix<double> P = transposed_times<double>(spectrum.vectors.template cast<double>(), B);
    const Vector<double> above = spectrum.values.array() - spectrum.rest;
    S = transposed_times<double>(P, above.asDiagonal() * P) + spectrum.rest * S;
  }
  const PositiveEigen eigen = eigen_of_positive(0.5 * (S + S.transpose()));
  Matrix<Scalar> out(V.rows(), rank);
  out.col(0) = V.col(0);
  out.rightCols(rank - 1) = times<double>(B, eigen.vectors.leftCols(rank - 1)).template cast<Scalar>();
  return out;
}

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
Matrix<double> vertices_of(const Matrix<double>& C, Index count, double expand) {
  const Eigen::RowVectorXd mean = C.colwise().mean();
  const Matrix<double> centred = C.rowwise() - mean;
  // One more coordinate lets the first pick be the farthest user and keeps D + 1 picks independent.
  Matrix<double> rest(C.rows(), C.cols() + 1);
  rest.leftCols(C.cols()) = centred;
  rest.rightCols(1).setConstant(std::sqrt(centred.squaredNorm() / static_cast<double>(C.rows())) + 1e-12);
  Matrix<double> vertices(count, C.cols());
  for (Index k = 0; k < count; ++k) {
    Index pick = 0;
    rest.rowwise().squaredNorm().maxCoeff(&pick);
    vertices.row(k) = mean + expand * centred.row(pick);
    const Vector<double> u = rest.row(pick).transpose().normalized();
    const Vector<double> along = rest.lazyProduct(u);
    for (Index c = 0; c < rest.cols(); ++c) rest.col(c) -= u(c) * along;
  }
  return vertices;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Matrix<float> residual_directions(Pass<float, Features>&, const Spectrum<float>&,
                                                         const Residuals<float>&, Index, double,
                                                         std::uint64_t);
LORE_COMPILED_TEMPLATE Matrix<float> simplex_vertices(const Matrix<float>&, const Matrix<float>&);
LORE_COMPILED_TEMPLATE Matrix<float> leading_deviations(const Matrix<float>&, const Spectrum<float>&, Index);
LORE_COMPILED_TEMPLATE Matrix<double> vertices_of<>(const Matrix<double>&, Index, double);
#endif

}  // namespace lore::detail
