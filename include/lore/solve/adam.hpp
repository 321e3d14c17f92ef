// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>

#include "lore/solve/problem.hpp"

namespace lore {

struct AdamOptions {
  double learning_rate = 1e-3;  ///< > 0, finite
  double beta1 = 0.9;           ///< decay of the mean gradient, in [0, 1)
  double beta2 = 0.999;         ///< decay of the mean square, in [0, 1)
  double epsilon = 1e-8;        ///< added to the root of the mean square, >= 0

  /// @throws std::domain_error naming the field
  void validate() const {
    detail::check_positive("AdamOptions", "learning_rate", learning_rate);
    if (!(beta1 >= 0 && beta1 < 1)) detail::raise_value("AdamOptions", "beta1", beta1, "0 <= beta1 < 1");
    if (!(beta2 >= 0 && beta2 < 1)) detail::raise_value("AdamOptions", "beta2", beta2, "0 <= beta2 < 1");
    detail::check_non_negative("AdamOptions", "epsilon", epsilon);
  }
};

/// The moments of one Adam run over points of type P, for loops that take their steps themselves:
///
///     lore::AdamState<Eigen::MatrixXd> state({.learning_rate = 0.5});
///     for (...) state.step(V, gradient);
///
/// m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
/// x -= learning_rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
/// @ref Kingma & Ba 2015, algorithm 1; operation for operation as torch.optim.Adam
template <Point P>
class AdamState {
 public:
  using Scalar = typename P::Scalar;

  /// @throws std::domain_error if the options are out of range
  explicit AdamState(const AdamOptions& options = {}) : options_(options) { options_.validate(); }

  /// One step. The first call fixes the size; x may be a block or a map.
  /// @throws std::invalid_argument if x or the gradient has another size   @cost O(size), no allocation after
  /// the first call
  template <Writable X, class G>
  void step(X&& x, const Eigen::MatrixBase<G>& gradient) {
    detail::check_size("AdamState::step", "rows of gradient", gradient.rows(), x.rows());
    detail::check_size("AdamState::step", "columns of gradient", gradient.cols(), x.cols());
    if (steps_ == 0) {
      m_ = P::Zero(x.rows(), x.cols());
      v_ = P::Zero(x.rows(), x.cols());
    }
    detail::check_size("AdamState::step", "rows of x", x.rows(), m_.rows());
    detail::check_size("AdamState::step", "columns of x", x.cols(), m_.cols());
    ++steps_;
    const auto t = static_cast<double>(steps_);
    const auto rate = static_cast<Scalar>(options_.learning_rate / (1.0 - std::pow(options_.beta1, t)));
    const auto root = static_cast<Scalar>(std::sqrt(1.0 - std::pow(options_.beta2, t)));
    const auto beta1 = static_cast<Scalar>(options_.beta1), beta2 = static_cast<Scalar>(options_.beta2);
    const auto rest1 = static_cast<Scalar>(1.0 - options_.beta1);
    const auto rest2 = static_cast<Scalar>(1.0 - options_.beta2);
    const auto epsilon = static_cast<Scalar>(options_.epsilon);
    m_.array() = beta1 * m_.array() + rest1 * gradient.array();
    v_.array() = beta2 * v_.array() + rest2 * gradient.array().square();
    x.array() -= rate * (m_.array() / (v_.array().sqrt() / root + epsilon));
  }

  [[nodiscard]] Index steps() const noexcept { return steps_; }  ///< taken so far

 private:
  AdamOptions options_;
  P m_, v_;
  Index steps_ = 0;
};

/// Adam with a fixed number of steps: slow and sure of nothing, but what published protocols use.
/// Prefer `Lbfgs` for a smooth objective of your own.
struct Adam {
  AdamOptions options{};
  Index iterations = 1000;  ///< steps, >= 0

  /// @throws std::domain_error naming the field
  void validate() const {
    options.validate();
    detail::check_non_negative("Adam", "iterations", iterations);
  }

  /// Takes `iterations` steps from `start` and returns the last point, with `Status::iteration_limit`; stops
  /// early if the observer says so or the objective is not finite. The observer sees points 0 .. iterations.
  /// @param f  Objective   @param start  vector or column-major matrix, or an expression of one
  /// @throws std::domain_error if an option is out of range   @cost iterations + 1 evaluations
  template <class F, class Derived, class O = NoObserver>
  Minimum<detail::PointOf<Derived>> minimize(F&& f, const Eigen::MatrixBase<Derived>& start,
                                             O&& observer = O{}) const {
    using P = detail::PointOf<Derived>;
    static_assert(Point<P>, "the start must be a vector or a column-major matrix of float or double");
    static_assert(Objective<F, P>, "the objective must be callable as double f(const P& x, P& gradient)");
    static_assert(SolverObserver<O, P>, "the observer must take (progress) or (progress, x)");
    validate();
    Minimum<P> at{.x = start, .gradient = P::Zero(start.rows(), start.cols())};
    AdamState<P> state(options);
    P before = at.x;
    double step = 0;
    for (;;) {
      at.value = static_cast<double>(f(std::as_const(at.x), at.gradient));
      ++at.evaluations;
      at.gradient_norm = detail::norm(at.gradient);
      if (!std::isfinite(at.value) || !std::isfinite(at.gradient_norm)) {
        at.status = Status::not_finite;
        return at;
      }
      const SolverProgress progress{at.iterations, at.evaluations, at.value, at.gradient_norm, step};
      if (detail::observe(observer, progress, std::as_const(at.x))) {
        at.status = Status::stopped;
        return at;
      }
      if (at.iterations == iterations) {
        at.status = Status::iteration_limit;
        return at;
      }
      before = at.x;
      state.step(at.x, at.gradient);
      before -= at.x;
      step = detail::norm(before);
      ++at.iterations;
    }
  }
};

}  // namespace lore
