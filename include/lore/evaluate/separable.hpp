// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/solve/dense.hpp"

namespace lore {

namespace detail {

template <class Lazy = void>
[[nodiscard]] bool separable_columns(const Matrix<double>& Z);

}  // namespace detail

/// Whether some weights get every comparison right: a w in R^K with z_j'w > 0 for all j. Then the likelihood
/// of w has no maximum: it grows for ever along w. Comparisons without scores (z_j = 0) say nothing and are
/// left out; none at all are not separable.
///
/// By Gordan's theorem there is such a w or 0 lies in the convex hull of the z_j, never both: the point of
/// the hull nearest to 0 is sought by non-negative least squares on [Z; 1'] lambda = [0; 1], z_j at length 1.
/// What is left of the right-hand side is the separating w, and it is checked on every comparison.
/// @param Z  K x m scores V'X of one user   @throws std::domain_error on a value that is not finite
/// @cost  O(m K + K^3) an iteration, a few times K of them   @ref Albert & Anderson 1984; Lawson & Hanson
/// 1974
template <Real Scalar>
[[nodiscard]] bool separable(const ConstMatrixRef<Scalar>& Z) {
  detail::check_finite("separable", "Z", Z);
  return detail::separable_columns(Z.template cast<double>());
}

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
bool detail::separable_columns(const Matrix<double>& Z) {
  const Index K = Z.rows();
  Matrix<double> A(K + 1, Z.cols());
  Index m = 0;
  for (Index j = 0; j < Z.cols(); ++j) {
    const double norm = Z.col(j).norm();
    if (norm > 0) A.col(m++) << Z.col(j) / norm, 1;
  }
  if (m == 0) return false;
  const auto separates = [&](const Vector<double>& w) {
    return w.norm() > 0 && (A.topLeftCorner(K, m).transpose() * w).minCoeff() > 1e-9 * w.norm();
  };
  Vector<double> rest = Vector<double>::Unit(K + 1, K), lambda = Vector<double>::Zero(m);
  std::vector<Index> active;
  for (Index iteration = 0; iteration < 30 * (K + 1); ++iteration) {
    if (separates(-rest.head(K))) return true;
    Index enters = 0;
    if (!((A.leftCols(m).transpose() * rest).maxCoeff(&enters) > 1e-10)) return false;
    if (lambda(enters) > 0) return false;  // rounding alone is left
    active.push_back(enters);
    while (!active.empty()) {
      Matrix<double> chosen(K + 1, static_cast<Index>(active.size()));
      for (std::size_t a = 0; a < active.size(); ++a) chosen.col(static_cast<Index>(a)) = A.col(active[a]);
      const Vector<double> wanted = least_squares(chosen, Vector<double>::Unit(K + 1, K));
      double step = 1;
      for (std::size_t a = 0; a < active.size(); ++a) {
        const double from = lambda(active[a]), to = wanted(static_cast<Index>(a));
        if (to <= 0) step = std::min(step, from > 0 ? from / (from - to) : 0.0);
      }
      std::vector<Index> stays;
      for (std::size_t a = 0; a < active.size(); ++a) {
        double& value = lambda(active[a]);
        value += step * (wanted(static_cast<Index>(a)) - value);
        if (value > 1e-14)
          stays.push_back(active[a]);
        else
          value = 0;
      }
      const bool whole = stays.size() == active.size();
      active = std::move(stays);
      if (whole) break;
    }
    rest = Vector<double>::Unit(K + 1, K);
    for (const Index j : active) rest -= lambda(j) * A.col(j);
    if (rest.squaredNorm() < 1e-18) return false;
  }
  return false;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE bool detail::separable_columns<>(const Matrix<double>&);
#endif

}  // namespace lore
