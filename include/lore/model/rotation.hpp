// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/solve/dense.hpp"

namespace lore {

/// Directions of a basis that a person can look at, and every user's weights on them: the same rewards,
/// V W = directions * weights, up to the mean reward that is set apart.
struct RotatedBasis {
  Matrix<double> directions;  ///< d x r, how a unit of each weight moves rewards
  Matrix<double> rotation;    ///< K x r, directions = V * rotation and their scores rotation' * Z
  Matrix<double> weights;     ///< r x users, mean 0 over users, variance 1 for principal axes
  Vector<double> mean;        ///< d, the mean reward direction V mean(w)
  Vector<double> variance;    ///< r, of the rewards' margins over users and comparisons, descending
};

/// Principal axes of what users disagree about. With weights centred over users and scores Z = V'X of some
/// comparisons, the axes make weights uncorrelated with variance 1 and scores uncorrelated, most variance of
/// the margins first. Axes that carry less than 1e-12 of the variance are left out.
/// @param V  d x K   @param W  K x users   @param Z  K x n, n >= 1
/// @throws std::invalid_argument on a shape mismatch; std::domain_error on a value that is not finite
/// @cost  O(d K^2 + (users + n) K^2 + K^3)   @ref Jolliffe 2002
template <class Lazy = void>
[[nodiscard]] RotatedBasis principal_axes(const ConstMatrixRef<double>& V, const ConstMatrixRef<double>& W,
                                          const ConstMatrixRef<double>& Z);

/// Rotates the axes so that users' weights are simple: each user large on few of them (varimax of the
/// weights). Directions and weights turn together, so rewards stay as they are.
/// @param axes  from `principal_axes`   @param scores  r x n, directions' scores of the comparisons
/// @throws std::invalid_argument on a shape mismatch   @cost O(sweeps r^2 users)   @ref Kaiser 1958
template <class Lazy = void>
[[nodiscard]] RotatedBasis varimax(RotatedBasis axes, const ConstMatrixRef<double>& scores);

/// The comparisons that move one direction most, first those with the largest |score|; ties in file order.
/// @param scores  n, x'direction of every comparison   @param count  wanted, >= 0; fewer when n is smaller
/// @return positions; the sign of their score says which way   @cost O(n log count)
template <class Lazy = void>
[[nodiscard]] std::vector<Index> most_moved(const ConstVectorRef<double>& scores, Index count);

#ifndef LORE_COMPILED_ELSEWHERE

namespace detail {

/// Descending by variance; each column's largest entry in size is positive.
template <class Lazy = void>
void order_and_sign(RotatedBasis& rotated, const Matrix<double>& scores) {
  const Index r = rotated.directions.cols();
  std::vector<Index> order(static_cast<std::size_t>(r));
  std::iota(order.begin(), order.end(), Index{0});
  Vector<double> variance(r);
  for (Index k = 0; k < r; ++k)
    variance(k) = scores.row(k).squaredNorm() / static_cast<double>(std::max<Index>(scores.cols(), 1)) *
                  rotated.weights.row(k).squaredNorm() /
                  static_cast<double>(std::max<Index>(rotated.weights.cols(), 1));
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return variance(a) > variance(b); });
  RotatedBasis sorted = rotated;
  sorted.variance.resize(r);
  for (Index k = 0; k < r; ++k) {
    const Index from = order[static_cast<std::size_t>(k)];
    Index largest = 0;
    rotated.directions.col(from).cwiseAbs().maxCoeff(&largest);
    const double sign = rotated.directions(largest, from) < 0 ? -1 : 1;
    sorted.directions.col(k) = sign * rotated.directions.col(from);
    sorted.rotation.col(k) = sign * rotated.rotation.col(from);
    sorted.weights.row(k) = sign * rotated.weights.row(from);
    sorted.variance(k) = variance(from);
  }
  rotated = std::move(sorted);
}

}  // namespace detail

template <class Lazy>
RotatedBasis principal_axes(const ConstMatrixRef<double>& V, const ConstMatrixRef<double>& W,
                            const ConstMatrixRef<double>& Z) {
  const Index K = V.cols();
  detail::check_size("principal_axes", "rows of W", W.rows(), K);
  detail::check_size("principal_axes", "rows of Z", Z.rows(), K);
  if (W.cols() < 1 || Z.cols() < 1)
    detail::raise_shape("principal_axes", "users or comparisons", std::min(W.cols(), Z.cols()), "at least 1");
  detail::check_finite("principal_axes", "V", V);
  detail::check_finite("principal_axes", "W", W);
  detail::check_finite("principal_axes", "Z", Z);
  const Vector<double> mean = W.rowwise().mean();
  const Matrix<double> centred = W.colwise() - mean;
  const Matrix<double> S = Z * Z.transpose() / static_cast<double>(Z.cols());
  const Matrix<double> C = centred * centred.transpose() / static_cast<double>(W.cols());
  // C = R R'; the eigenvectors Q of R'SR give directions V R Q and weights Q'R^+ w.
  const detail::PositiveEigen weights = detail::eigen_of_positive(C);
  const auto above = [](const Vector<double>& values) {
    return (values.array() > 1e-12 * values(0)).count();
  };
  const Index used = above(weights.values);
  RotatedBasis out;
  out.mean = V * mean;
  const Vector<double> root = weights.values.head(used).cwiseSqrt();
  const Matrix<double> R = weights.vectors.leftCols(used) * root.asDiagonal();
  const Matrix<double> inverse =
      root.cwiseInverse().asDiagonal() * weights.vectors.leftCols(used).transpose();
  if (used == 0) {
    out.directions.resize(V.rows(), 0);
    out.rotation.resize(K, 0);
    out.weights.resize(0, W.cols());
    return out;
  }
  const detail::PositiveEigen margins = detail::eigen_of_positive(R.transpose() * S * R);
  const Matrix<double> Q = margins.vectors.leftCols(above(margins.values));
  out.rotation = R * Q;
  out.directions = V * out.rotation;
  out.weights = Q.transpose() * inverse * centred;
  detail::order_and_sign(out, out.rotation.transpose() * Z);
  return out;
}

template <class Lazy>
RotatedBasis varimax(RotatedBasis axes, const ConstMatrixRef<double>& scores) {
  const Index r = axes.directions.cols();
  Matrix<double> turn = Matrix<double>::Identity(r, r);
  detail::check_size("varimax", "rows of scores", scores.rows(), r);
  detail::check_size("varimax", "rows of weights", axes.weights.rows(), r);
  const auto users = static_cast<double>(std::max<Index>(axes.weights.cols(), 1));
  for (int sweep = 0; sweep < 200; ++sweep) {
    double turned = 0;
    for (Index a = 0; a < r; ++a)
      for (Index b = a + 1; b < r; ++b) {
        const Eigen::ArrayXd x = axes.weights.row(a).transpose().array();
        const Eigen::ArrayXd y = axes.weights.row(b).transpose().array();
        const Eigen::ArrayXd u = x.square() - y.square(), v = 2 * x * y;
        const double A = u.sum(), B = v.sum();
        const double numerator = 2 * (u * v).sum() - 2 * A * B / users;
        const double denominator = (u.square() - v.square()).sum() - (A * A - B * B) / users;
        const double angle = 0.25 * std::atan2(numerator, denominator);
        if (!(std::abs(angle) > 1e-12)) continue;
        turned = std::max(turned, std::abs(angle));
        const double c = std::cos(angle), s = std::sin(angle);
        const Eigen::RowVectorXd first = axes.weights.row(a), second = axes.weights.row(b);
        axes.weights.row(a) = c * first + s * second;
        axes.weights.row(b) = c * second - s * first;
        const Vector<double> one = turn.col(a), two = turn.col(b);
        turn.col(a) = c * one + s * two;
        turn.col(b) = c * two - s * one;
      }
    if (turned < 1e-9) break;
  }
  axes.directions *= turn;
  axes.rotation *= turn;
  detail::order_and_sign(axes, turn.transpose() * scores);
  return axes;
}

template <class Lazy>
std::vector<Index> most_moved(const ConstVectorRef<double>& scores, Index count) {
  detail::check_non_negative("most_moved", "count", count);
  std::vector<Index> order(static_cast<std::size_t>(scores.size()));
  std::iota(order.begin(), order.end(), Index{0});
  const auto wanted = std::min(count, scores.size());
  std::partial_sort(order.begin(), order.begin() + wanted, order.end(), [&](Index a, Index b) {
    const double x = std::abs(scores(a)), y = std::abs(scores(b));
    return x != y ? x > y : a < b;
  });
  order.resize(static_cast<std::size_t>(wanted));
  return order;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE RotatedBasis principal_axes<>(const ConstMatrixRef<double>&,
                                                     const ConstMatrixRef<double>&,
                                                     const ConstMatrixRef<double>&);
LORE_COMPILED_TEMPLATE RotatedBasis varimax<>(RotatedBasis, const ConstMatrixRef<double>&);
LORE_COMPILED_TEMPLATE std::vector<Index> most_moved<>(const ConstVectorRef<double>&, Index);
#endif

}  // namespace lore
