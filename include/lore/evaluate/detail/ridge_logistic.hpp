// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"
#include "lore/solve/dense.hpp"

namespace lore::detail {

/// One reward vector for all comparisons given, v ~ N(0, I / lambda) in d dimensions:
///   min_v  sum_j omega_j softplus(-x_j'v) + (lambda / 2) ||v||^2
/// by damped Newton steps in d coordinates or, with fewer comparisons than dimensions, in the m margins
/// through the Gram matrix X'X. The same comparisons serve any number of lambdas.
/// @cost  O(m d q + q^3) a step, about six, with q = min(m, d)   @ref Rasmussen & Williams 2006, alg. 3.1
class RidgeLogistic {
 public:
  /// @param X  d x m   @param omega  m weights, or empty for 1
  explicit RidgeLogistic(Matrix<double> X, std::vector<float> omega = {})
      : X_(std::move(X)), omega_(std::move(omega)), dual_(X_.cols() <= X_.rows()) {}

  /// @return v, d
  template <class Lazy = void>
  [[nodiscard]] Vector<double> fit(double lambda);

 private:
  [[nodiscard]] double omega(Index j) const {
    return omega_.empty() ? 1.0 : static_cast<double>(omega_[static_cast<std::size_t>(j)]);
  }

  template <class Lazy = void>
  [[nodiscard]] double at(const Vector<double>& c, const Vector<double>& t, double lambda) const;
  template <class Lazy = void>
  [[nodiscard]] Vector<double> in_margins(const Vector<double>& t, const Vector<double>& slope,
                                          const Vector<double>& curvature, double lambda) const;
  template <class Lazy = void>
  [[nodiscard]] Vector<double> in_coordinates(const Vector<double>& v, const Vector<double>& slope,
                                              const Vector<double>& curvature, double lambda) const;

  Matrix<double> X_, gram_;
  std::vector<float> omega_;
  bool dual_;
};

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
Vector<double> RidgeLogistic::fit(double lambda) {
  const Index m = X_.cols();
  if (dual_ && gram_.cols() < m) gram_.noalias() = X_.transpose() * X_;
  Vector<double> c = Vector<double>::Zero(dual_ ? m : X_.rows());  // a with v = X a / lambda, or v
  Vector<double> t = Vector<double>::Zero(m), slope(m), curvature(m);
  double value = at(c, t, lambda);
  for (int step = 0; step < 50 && m > 0; ++step) {
    for (Index j = 0; j < m; ++j) {
      const double p = sigmoid(-t(j));
      slope(j) = omega(j) * p;
      curvature(j) = omega(j) * p * (1 - p);
    }
    Vector<double> move =
        (dual_ ? in_margins(t, slope, curvature, lambda) : in_coordinates(c, slope, curvature, lambda)) - c;
    Vector<double> shift =
        dual_ ? Vector<double>(gram_ * move / lambda) : Vector<double>(X_.transpose() * move);
    double length = 1, next = at(c + move, t + shift, lambda);
    while (!(next <= value) && length > 1e-8) {
      length *= 0.5;
      next = at(c + length * move, t + length * shift, lambda);
    }
    c += length * move;
    t += length * shift;
    const double gained = value - next;
    value = next;
    if (!(gained > 1e-9 * (1 + std::abs(value)))) break;
  }
  return dual_ ? Vector<double>(X_ * c / lambda) : c;
}

template <class Lazy>
double RidgeLogistic::at(const Vector<double>& c, const Vector<double>& t, double lambda) const {
  double value = dual_ ? 0.5 * c.dot(t) : 0.5 * lambda * c.squaredNorm();
  for (Index j = 0; j < t.size(); ++j) value += omega(j) * softplus(-t(j));
  return value;
}

template <class Lazy>
Vector<double> RidgeLogistic::in_margins(const Vector<double>& t, const Vector<double>& slope,
                                         const Vector<double>& curvature, double lambda) const {
  const Vector<double> root = curvature.cwiseSqrt(), b = curvature.cwiseProduct(t) + slope;
  Matrix<double> B = root.asDiagonal() * gram_ * root.asDiagonal() / lambda;
  B.diagonal().array() += 1;
  Vector<double> inner = root.cwiseProduct(gram_ * b) / lambda;
  solve_positive(B, inner);
  return b - root.cwiseProduct(inner);
}

template <class Lazy>
Vector<double> RidgeLogistic::in_coordinates(const Vector<double>& v, const Vector<double>& slope,
                                             const Vector<double>& curvature, double lambda) const {
  const Matrix<double> scaled = X_ * curvature.cwiseSqrt().asDiagonal();
  Matrix<double> H = scaled * scaled.transpose();
  H.diagonal().array() += lambda;
  Vector<double> move = X_ * slope - lambda * v;
  solve_positive(H, move);
  return v + move;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Vector<double> RidgeLogistic::fit<>(double);
#endif

}  // namespace lore::detail
