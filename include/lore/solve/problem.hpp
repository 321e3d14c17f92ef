// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <concepts>
#include <limits>
#include <string_view>
#include <type_traits>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

/// What every solver shares: points, objectives, observers, results. Solvers know functions, not rewards.
namespace lore {

/// What a solver moves: a plain vector or column-major matrix, of fixed or dynamic size.
template <class P>
concept Point = std::derived_from<P, Eigen::PlainObjectBase<P>> && Real<typename P::Scalar> &&
    (bool(P::IsVectorAtCompileTime) || !bool(P::IsRowMajor));

/// f(x, gradient) writes the gradient, which has the size of x already, and returns the value. Return a
/// double where you can, even for a float point: line searches compare values that differ in their last
/// digits.
template <class F, class P>
concept Objective = Point<P> && requires(F& f, const P& x, P& gradient) {
  { f(x, gradient) } -> std::convertible_to<double>;
};

/// Why a solver returned. Only `converged` says that a tolerance was met; none is an exception.
enum class Status {
  converged,         ///< a tolerance is met
  iteration_limit,   ///< max_iterations used up
  evaluation_limit,  ///< max_evaluations used up
  stopped,           ///< the observer asked for it
  stalled,           ///< no step lowers the value any more: usually the end of working precision
  not_finite,        ///< the value or gradient at the returned point is NaN or infinite
};

[[nodiscard]] constexpr std::string_view name_of(Status status) noexcept {
  switch (status) {
    case Status::converged:
      return "converged";
    case Status::iteration_limit:
      return "iteration limit";
    case Status::evaluation_limit:
      return "evaluation limit";
    case Status::stopped:
      return "stopped";
    case Status::stalled:
      return "stalled";
    case Status::not_finite:
      return "not finite";
  }
  return "unknown";
}

/// What an observer sees after every iteration; iteration 0 is the starting point.
struct SolverProgress {
  Index iteration = 0;
  Index evaluations = 0;     ///< calls of the objective so far ("passes")
  double value = 0;          ///< at the current point
  double gradient_norm = 0;  ///< Euclidean (Frobenius), at the current point
  double step = 0;           ///< length of the step that led here
};

/// An observer takes (progress) or (progress, x). It returns nothing, or true to stop the solver.
template <class O, class P>
concept SolverObserver =
    std::invocable<O&, const SolverProgress&> || std::invocable<O&, const SolverProgress&, const P&>;

/// The observer that looks away.
struct NoObserver {
  void operator()(const SolverProgress&) const noexcept {}

  template <class P>
  void operator()(const SolverProgress&, const P&) const noexcept {}
};

/// Where a first-order solver ended.
template <Point P>
struct [[nodiscard]] Minimum {
  P x;
  P gradient;                ///< at x
  double value = 0;          ///< at x
  double gradient_norm = 0;  ///< Euclidean (Frobenius)
  Index iterations = 0;
  Index evaluations = 0;  ///< calls of the objective ("passes")
  Status status = Status::not_finite;

  [[nodiscard]] bool converged() const noexcept { return status == Status::converged; }
};

namespace detail {

/// The plain type behind a starting point that may be an expression, block or map.
template <class Derived>
using PointOf = typename Derived::PlainObject;

struct AnyObjective {
  template <class P>
  double operator()(const P& x, P& gradient) const {
    gradient = x;
    return 0.0;
  }
};

/// Calls the observer in the form that it takes. @return true to stop
template <class O, class P>
[[nodiscard]] bool observe(O& observer, const SolverProgress& progress, const P& x) {
  const auto call = [&]() -> decltype(auto) {
    if constexpr (std::invocable<O&, const SolverProgress&, const P&>) {
      return observer(progress, x);
    } else {
      return observer(progress);
    }
  };
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return false;
  } else {
    return static_cast<bool>(call());
  }
}

/// sum_i a_i b_i accumulated in double over eight fixed lanes, whatever the scalar.
template <Point P>
[[nodiscard]] double dot(const typename P::Scalar* a, const P& b) noexcept {
  const typename P::Scalar* const q = b.data();
  const Index size = b.size();
  double lane[8] = {};
  Index i = 0;
  for (; i + 8 <= size; i += 8)
    for (Index j = 0; j < 8; ++j) lane[j] += static_cast<double>(a[i + j]) * static_cast<double>(q[i + j]);
  for (Index j = 0; i < size; ++i, ++j) lane[j] += static_cast<double>(a[i]) * static_cast<double>(q[i]);
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

template <Point P>
[[nodiscard]] double dot(const P& a, const P& b) noexcept {
  return dot(a.data(), b);
}

template <Point P>
[[nodiscard]] double norm(const P& a) noexcept {
  return std::sqrt(dot(a, a));
}

/// What two equal values may differ by after rounding in the scalar of the point.
template <Real Scalar>
[[nodiscard]] double noise_of(double value) noexcept {
  return 4.0 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()) * std::abs(value);
}

}  // namespace detail

/// A solver of smooth problems that the fits can use: `minimize(f, start, observer)` returns something with
/// the members of `Minimum`, and calls observer(progress, x) after each iteration, which says true to stop.
/// `Lbfgs` and `Adam` are such; write your own with that one member.
template <class S, class P>
concept Minimizer = Point<P> &&
    requires(const S& solver, detail::AnyObjective& f, const P& start, NoObserver& observer) {
  { solver.minimize(f, start, observer).x } -> std::convertible_to<P>;
  { solver.minimize(f, start, observer).value } -> std::convertible_to<double>;
  { solver.minimize(f, start, observer).status } -> std::convertible_to<Status>;
  { solver.minimize(f, start, observer).iterations } -> std::convertible_to<Index>;
  { solver.minimize(f, start, observer).evaluations } -> std::convertible_to<Index>;
};

}  // namespace lore
