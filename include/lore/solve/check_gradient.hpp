// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "lore/solve/newton.hpp"
#include "lore/solve/problem.hpp"

namespace lore {

struct GradientCheckOptions {
  /// Distance h between difference points; 0 takes epsilon^(1/5) of the scalar (7e-4 for double, 0.04 for
  /// float), which suits functions that bend over distances of order one. Lengthened where a coordinate is so
  /// large that it could not resolve h.
  double step = 0;
  /// Check at most this many coordinates, evenly spread; 0 checks all.
  Index max_coordinates = 0;

  /// @throws std::domain_error naming the field
  void validate() const {
    detail::check_non_negative("GradientCheckOptions", "step", step);
    detail::check_non_negative("GradientCheckOptions", "max_coordinates", max_coordinates);
  }
};

/// How far derivatives are from differences.
struct [[nodiscard]] DerivativeReport {
  double max_absolute_error = 0;
  /// The largest |analytic - numeric| / max(|analytic|, |numeric|, 1e-3 of the largest derivative met).
  /// Infinite when a value or derivative is NaN or infinite.
  double max_relative_error = 0;
  Index row = -1, column = -1;  ///< the worst coordinate: of x for a gradient, of the matrix for a Hessian
  double analytic = 0;          ///< derivative there
  double numeric = 0;           ///< difference there
  Index checked = 0;            ///< derivatives compared

  [[nodiscard]] bool agrees(double relative_tolerance) const noexcept {
    return max_relative_error <= relative_tolerance;
  }
};

/// A Hessian's report, with that of the gradient beside it.
struct [[nodiscard]] HessianReport {
  DerivativeReport gradient;  ///< gradient against differences of the value
  DerivativeReport hessian;   ///< Hessian against differences of the gradient
  double asymmetry = 0;       ///< largest |H_ij - H_ji|

  [[nodiscard]] bool agrees(double relative_tolerance) const noexcept {
    return gradient.agrees(relative_tolerance) && hessian.agrees(relative_tolerance) &&
           asymmetry <= relative_tolerance * std::max(1.0, std::abs(hessian.analytic));
  }
};

namespace detail {

/// x with coordinate i moved by up to two steps: differences are taken over the distances really travelled.
template <Real Scalar>
[[nodiscard]] double resolvable_step(double step, Scalar x) noexcept {
  const double epsilon = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
  const double wanted = step > 0 ? step : std::pow(epsilon, 0.2);
  const double h = std::max(wanted, 256.0 * epsilon * std::abs(static_cast<double>(x)));
  return std::exp2(std::round(std::log2(h)));  // a power of two, so that x + h and x - h round least
}

/// Fourth-order central difference of any quantity at -2h, -h, h, 2h.
[[nodiscard]] inline double central_difference(double minus2, double minus1, double plus1, double plus2,
                                               double h) noexcept {
  return ((minus2 - plus2) + 8.0 * (plus1 - minus1)) / (12.0 * h);
}

/// Collects comparisons; the scale of the relative error is known only at the end.
class DerivativeComparison {
 public:
  explicit DerivativeComparison(double largest) : floor_(1e-3 * largest) {}

  void add(Index row, Index column, double analytic, double numeric) {
    ++report_.checked;
    double error = std::abs(analytic - numeric);
    if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
    const double scale = std::max({std::abs(analytic), std::abs(numeric), floor_});
    double relative = error == 0 ? 0.0 : error / scale;
    if (std::isinf(error)) relative = error;
    report_.max_absolute_error = std::max(report_.max_absolute_error, error);
    if (relative > report_.max_relative_error || report_.row < 0) {
      report_.max_relative_error = relative;
      report_.row = row;
      report_.column = column;
      report_.analytic = analytic;
      report_.numeric = numeric;
    }
  }

  [[nodiscard]] const DerivativeReport& report() const noexcept { return report_; }

 private:
  DerivativeReport report_;
  double floor_;
};

}  // namespace detail

/// Compares the gradient that a function states with fourth-order central differences of its value. For
/// losses, regularisers and objectives of your own:
///
///     auto f = [](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
///       gradient = 2 * x;
///       return x.squaredNorm();
///     };
///     const auto report = lore::check_gradient(f, Eigen::VectorXd::LinSpaced(5, -1, 1));
///     if (!report.agrees(1e-8)) log << "coordinate " << report.row << ": " << report.analytic
///                                         << " stated, " << report.numeric << " found\n";
///
/// Expect a relative error of 1e-9 or less in double and of 1e-3 in float where f is smooth and its values
/// are exact to rounding; check in double what you use in float. Look at several points: random ones, extreme
/// ones.
/// @param f  Objective   @param x  vector or column-major matrix, or an expression of one
/// @throws std::domain_error if an option is out of range; whatever f throws
/// @cost   4 evaluations a coordinate
template <class F, class Derived>
DerivativeReport check_gradient(F&& f, const Eigen::MatrixBase<Derived>& x,
                                const GradientCheckOptions& options = {}) {
  using P = detail::PointOf<Derived>;
  static_assert(Objective<F, P>, "the objective must be callable as double f(const P& x, P& gradient)");
  using Scalar = typename P::Scalar;
  options.validate();
  P at = x, gradient = P::Zero(x.rows(), x.cols()), ignored = gradient;
  const double value = static_cast<double>(f(std::as_const(at), gradient));
  const Index size = at.size();
  detail::DerivativeComparison comparison(size > 0 ? static_cast<double>(gradient.cwiseAbs().maxCoeff())
                                                   : 0.0);
  const Index count = options.max_coordinates > 0 ? std::min(options.max_coordinates, size) : size;
  for (Index k = 0; k < count; ++k) {
    const Index i = count == size ? k : (2 * k + 1) * size / (2 * count);
    const Scalar centre = at.data()[i];
    const double h = detail::resolvable_step(options.step, centre);
    const auto moved = [&](int steps) {
      at.data()[i] = static_cast<Scalar>(static_cast<double>(centre) + steps * h);
      // Values relative to the centre lose less in the differences below.
      return static_cast<double>(f(std::as_const(at), ignored)) - value;
    };
    const double minus2 = moved(-2), minus1 = moved(-1), plus1 = moved(1), plus2 = moved(2);
    at.data()[i] = centre;
    comparison.add(i % at.rows(), i / at.rows(), static_cast<double>(gradient.data()[i]),
                   detail::central_difference(minus2, minus1, plus1, plus2, h));
  }
  return comparison.report();
}

/// The same for a function with a Hessian: the gradient against differences of the value, each column of the
/// Hessian against differences of the gradient.
/// @param f  SecondOrderObjective   @param x  column vector, or an expression of one
/// @throws std::domain_error if an option is out of range; whatever f throws
/// @cost   8 evaluations a coordinate
template <class F, class Derived>
HessianReport check_hessian(F&& f, const Eigen::MatrixBase<Derived>& x,
                            const GradientCheckOptions& options = {}) {
  using P = detail::PointOf<Derived>;
  static_assert(SecondOrderObjective<F, P>,
                "the objective must be callable as double f(const P& x, P& gradient, HessianOf<P>& hessian)");
  using Scalar = typename P::Scalar;
  options.validate();
  P at = x;
  const Index n = at.size();
  P gradient = P::Zero(n);
  HessianOf<P> hessian = HessianOf<P>::Zero(n, n), ignored = hessian;
  HessianReport report;
  report.gradient = check_gradient(
      [&](const P& point, P& g) { return static_cast<double>(f(point, g, ignored)); }, at, options);
  static_cast<void>(f(std::as_const(at), gradient, hessian));
  detail::DerivativeComparison comparison(n > 0 ? static_cast<double>(hessian.cwiseAbs().maxCoeff()) : 0.0);
  const Index count = options.max_coordinates > 0 ? std::min(options.max_coordinates, n) : n;
  P minus2 = gradient, minus1 = gradient, plus1 = gradient, plus2 = gradient;
  for (Index k = 0; k < count; ++k) {
    const Index j = count == n ? k : (2 * k + 1) * n / (2 * count);
    const Scalar centre = at[j];
    const double h = detail::resolvable_step(options.step, centre);
    const auto move = [&](int steps, P& into) {
      at[j] = static_cast<Scalar>(static_cast<double>(centre) + steps * h);
      static_cast<void>(f(std::as_const(at), into, ignored));
    };
    move(-2, minus2);
    move(-1, minus1);
    move(1, plus1);
    move(2, plus2);
    at[j] = centre;
    for (Index i = 0; i < n; ++i)
      comparison.add(
          i, j, static_cast<double>(hessian(i, j)),
          detail::central_difference(static_cast<double>(minus2[i]), static_cast<double>(minus1[i]),
                                     static_cast<double>(plus1[i]), static_cast<double>(plus2[i]), h));
  }
  report.hessian = comparison.report();
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < i; ++j)
      report.asymmetry = std::max(report.asymmetry, std::abs(static_cast<double>(hessian(i, j)) -
                                                             static_cast<double>(hessian(j, i))));
  return report;
}

}  // namespace lore
