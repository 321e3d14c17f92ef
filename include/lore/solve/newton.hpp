// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "lore/solve/dense.hpp"
#include "lore/solve/problem.hpp"

namespace lore {

/// The square matrix that belongs to a vector type: fixed where that is, with the same maximal size.
template <Point P>
using HessianOf = Eigen::Matrix<typename P::Scalar, P::RowsAtCompileTime, P::RowsAtCompileTime,
                                Eigen::ColMajor, P::MaxRowsAtCompileTime, P::MaxRowsAtCompileTime>;

/// f(x, gradient, hessian) writes both, which have their sizes already, and returns the value. The Hessian is
/// written in full and is symmetric.
template <class F, class P>
concept SecondOrderObjective = Point<P> && requires(F& f, const P& x, P& gradient, HessianOf<P>& hessian) {
  { f(x, gradient, hessian) } -> std::convertible_to<double>;
};

struct NewtonOptions {
  Index max_iterations = 100;  ///< >= 0
  /// Converged when half the squared Newton decrement, g' H^-1 g / 2, which estimates f(x) - min f, is at
  /// most tolerance * max(1, |f|), or too small to be seen in f; and the Hessian has no negative eigenvalue.
  double tolerance = 1e-12;
  double decrease = 1e-4;   ///< Armijo's factor, 0 < decrease < 1/2
  int max_backtracks = 60;  ///< shorter trials of one step, >= 0
  double max_step = 1e3;    ///< longest step, in units of max(1, |x|)

  /// @throws std::domain_error naming the field
  void validate() const {
    constexpr auto name = "NewtonOptions";
    detail::check_non_negative(name, "max_iterations", max_iterations);
    detail::check_non_negative(name, "tolerance", tolerance);
    if (!(decrease > 0 && decrease < 0.5))
      detail::raise_value(name, "decrease", decrease, "0 < decrease < 0.5");
    detail::check_non_negative(name, "max_backtracks", max_backtracks);
    detail::check_positive(name, "max_step", max_step);
  }
};

/// Where Newton's method ended.
template <Point P>
struct [[nodiscard]] NewtonMinimum {
  P x;
  P gradient;            ///< at x
  HessianOf<P> hessian;  ///< at x, as the objective gave it
  double value = 0;      ///< at x
  /// The Hessian at x has no Cholesky factorisation: it is indefinite or singular, and x is no proper
  /// minimum.
  bool indefinite = false;
  Index modified = 0;  ///< iterations whose Hessian had to be modified
  Index iterations = 0;
  Index evaluations = 0;  ///< calls of the objective
  Status status = Status::not_finite;

  [[nodiscard]] bool converged() const noexcept { return status == Status::converged; }
};

namespace detail {

/// A step against the gradient through the quadratic model of f, and what that model says.
template <Point P>
struct NewtonStep {
  P step;
  P lowest_direction;      ///< eigenvector of `lowest`; set where `saddle`
  HessianOf<P> factor, Q;  ///< working space
  double slope = 0;        ///< g'step: minus the squared Newton decrement, unless the step was cut
  double lowest = 0;       ///< smallest eigenvalue; set where `modified`
  bool modified = false;   ///< the Hessian has no Cholesky factorisation
  bool saddle = false;     ///< an eigenvalue is negative beyond rounding

  /// @param reach  the longest step
  void find(const P& gradient, const HessianOf<P>& hessian, double reach) {
    using Scalar = typename P::Scalar;
    modified = saddle = false;
    step = -gradient;
    factor = hessian;
    bool definite = cholesky_in_place(factor);
    if (definite) {
      cholesky_solve(factor, step);
      slope = dot(gradient, step);
      definite = slope <= 0 && std::isfinite(slope);
    }
    if (!definite) {
      modified = true;
      factor = hessian;
      jacobi_eigen(factor, Q);
      Index worst = 0;
      double largest = 0;
      for (Index k = 0; k < factor.rows(); ++k) {
        largest = std::max(largest, std::abs(static_cast<double>(factor(k, k))));
        if (factor(k, k) < factor(worst, worst)) worst = k;
      }
      const double root = std::sqrt(static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
      const double floor = std::max(root * largest, norm(gradient) / reach);
      step.setZero();
      for (Index k = 0; k < factor.rows() && floor > 0; ++k) {
        const double bounded = std::max(std::abs(static_cast<double>(factor(k, k))), floor);
        step -= static_cast<Scalar>(dot(Q.col(k).data(), gradient) / bounded) * Q.col(k);
      }
      lowest = static_cast<double>(factor(worst, worst));
      saddle = lowest < -root * largest;
      if (saddle) lowest_direction = Q.col(worst);
    }
    if (const double length = norm(step); length > reach) step *= static_cast<Scalar>(reach / length);
    slope = dot(gradient, step);
  }
};

/// Whether a value with its derivatives can be worked with.
template <Point P>
[[nodiscard]] bool all_finite(double value, const P& gradient, const HessianOf<P>& hessian) {
  return std::isfinite(value) && std::isfinite(dot(gradient, gradient)) && hessian.allFinite();
}

}  // namespace detail

/// Memory of `Newton::minimize` that serves one minimisation after another; what was found last is in `at`.
template <Point P>
struct NewtonWorkspace {
  NewtonMinimum<P> at;
  P trial, trial_gradient;
  HessianOf<P> trial_hessian;
  detail::NewtonStep<P> model;
};

/// Damped Newton's method for small dense problems, of one to some dozens of variables.
///
///     #include "lore/solve/newton.hpp"
///
///     void example(std::ostream& log) {
///       // f(x) = exp(x_0 + x_1) + (x_0 - 1)^2 + x_1^2
///       auto f = [](const Eigen::Vector2d& x, Eigen::Vector2d& gradient, Eigen::Matrix2d& hessian) {
///         const double e = std::exp(x[0] + x[1]);
///         gradient << e + 2 * (x[0] - 1), e + 2 * x[1];
///         hessian << e + 2, e, e, e + 2;
///         return e + (x[0] - 1) * (x[0] - 1) + x[1] * x[1];
///       };
///       const auto result = lore::Newton{}.minimize(f, Eigen::Vector2d(3, 3));
///       log << lore::name_of(result.status) << " after " << result.iterations << " iterations at "
///                 << result.x.transpose() << '\n';
///     }
///
/// A Hessian that is positive definite is used as it is, by Cholesky; otherwise each eigenvalue is replaced
/// by its absolute value, bounded away from zero, so that steps leave saddle points instead of seeking them,
/// and at a stationary point with a negative eigenvalue the step follows its eigenvector. Steps are shortened
/// until the value falls by Armijo's condition; trials that are not finite are shortened further.
///
/// Nothing is allocated on the heap when the size is fixed or bounded at compile time
/// (`Eigen::Matrix<double, Eigen::Dynamic, 1, 0, 64, 1>`).
/// @ref Nocedal & Wright 2006, section 3.4; Dauphin et al. 2014
struct Newton {
  NewtonOptions options{};

  void validate() const { options.validate(); }

  /// Lowers f from `start`. Never throws for not converging: see `status`.
  /// @param f         SecondOrderObjective
  /// @param start     vector, or an expression of one
  /// @param observer  called at the start and after every iteration; returns true to stop
  /// @throws std::domain_error if an option is out of range; whatever f or observer throw
  /// @cost  an iteration: one evaluation or a few, and O(size^3)
  template <class F, class Derived, class O = NoObserver>
  NewtonMinimum<detail::PointOf<Derived>> minimize(F&& f, const Eigen::MatrixBase<Derived>& start,
                                                   O&& observer = O{}) const {
    NewtonWorkspace<detail::PointOf<Derived>> work;
    (void)minimize(std::forward<F>(f), start, work, std::forward<O>(observer));
    return std::move(work.at);
  }

  /// The same in a workspace, which allocates where it grows only: returns work.at.
  template <class F, class Derived, class P, class O = NoObserver>
  const NewtonMinimum<P>& minimize(F&& f, const Eigen::MatrixBase<Derived>& start, NewtonWorkspace<P>& work,
                                   O&& observer = O{}) const {
    static_assert(Point<P> && P::ColsAtCompileTime == 1,
                  "the start must be a column vector of float or double");
    static_assert(
        SecondOrderObjective<F, P>,
        "the objective must be callable as double f(const P& x, P& gradient, HessianOf<P>& hessian)");
    static_assert(SolverObserver<O, P>, "the observer must take (progress) or (progress, x)");
    using Scalar = typename P::Scalar;
    validate();

    const Index n = start.size();
    auto& [at, trial, trial_gradient, trial_hessian, model] = work;
    at.x = start;
    at.gradient.setZero(n);
    at.hessian.setZero(n, n);
    at.indefinite = false;
    at.modified = at.iterations = 0;
    at.status = Status::not_finite;
    at.value = static_cast<double>(f(std::as_const(at.x), at.gradient, at.hessian));
    at.evaluations = 1;
    if (!detail::all_finite(at.value, at.gradient, at.hessian)) return at;
    trial = at.x;
    model.lowest_direction = trial_gradient = at.gradient;
    model.Q = trial_hessian = at.hessian;
    double length = 0;  // of the last step
    for (;;) {
      const SolverProgress progress{at.iterations, at.evaluations, at.value, detail::norm(at.gradient),
                                    length};
      const bool stop = detail::observe(observer, progress, std::as_const(at.x));
      model.find(at.gradient, at.hessian, options.max_step * std::max(1.0, detail::norm(at.x)));
      at.indefinite = model.modified;
      const double noise = detail::noise_of<Scalar>(at.value);
      const bool stationary =
          -0.5 * model.slope <= std::max(options.tolerance * std::max(1.0, std::abs(at.value)), noise);
      if (stop || (stationary && !model.saddle) || at.iterations >= options.max_iterations) {
        at.status = stop ? Status::stopped
                         : (stationary && !model.saddle ? Status::converged : Status::iteration_limit);
        return at;
      }
      if (model.modified) ++at.modified;
      // Where what is promised drowns in rounding, values may rise by as much and a failed search is the end.
      const bool drowned = !stationary && -0.5 * model.slope <= 32 * noise;
      double curvature = 0;
      const double slack = drowned ? noise : 0;
      if (stationary) {  // along the most negative curvature, first as far as x is long
        model.step = model.lowest_direction * static_cast<Scalar>(std::max(1.0, detail::norm(at.x)));
        model.slope = detail::dot(at.gradient, model.step);
        if (model.slope > 0) {
          model.step = -model.step;
          model.slope = -model.slope;
        }
        curvature = model.lowest * detail::dot(model.step, model.step);
      }
      bool moved = false;
      double a = 1;
      for (int i = 0; i <= options.max_backtracks; ++i) {
        trial = at.x + static_cast<Scalar>(a) * model.step;
        if (trial == at.x) break;
        const double value = static_cast<double>(f(std::as_const(trial), trial_gradient, trial_hessian));
        ++at.evaluations;
        const bool usable = detail::all_finite(value, trial_gradient, trial_hessian);
        const double promised = a * model.slope + 0.5 * a * a * curvature;
        if (usable && value <= at.value + options.decrease * promised + slack) {
          length = a * detail::norm(model.step);
          at.value = value;
          at.x.swap(trial);
          at.gradient.swap(trial_gradient);
          at.hessian.swap(trial_hessian);
          moved = true;
          break;
        }
        // The parabola through f, its slope and the trial's value, kept within [0.1, 0.5] of the trial.
        const double parabola = -0.5 * a * a * model.slope / (value - at.value - a * model.slope);
        a = usable && std::isfinite(parabola) ? std::clamp(parabola, 0.1 * a, 0.5 * a) : 0.2 * a;
      }
      if (!moved) {
        at.status = drowned && !model.saddle ? Status::converged : Status::stalled;
        return at;
      }
      ++at.iterations;
    }
  }
};

}  // namespace lore
