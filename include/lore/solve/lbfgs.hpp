// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/solve/problem.hpp"

namespace lore {

struct LbfgsOptions {
  int memory = 10;                ///< curvature pairs kept, >= 1
  Index max_iterations = 1000;    ///< >= 0
  Index max_evaluations = 10000;  ///< calls of the objective, >= 1

  /// Converged when |g| <= gradient_tolerance * max(1, |x|). 0 switches it off.
  double gradient_tolerance = 1e-6;
  /// Converged when |g| <= relative_gradient_tolerance * |g at the start|. 0 switches it off.
  double relative_gradient_tolerance = 0;
  /// Converged when the value fell by at most objective_tolerance * |value| in the last objective_window
  /// iterations together. 0 switches it off; a window above 1 does not mistake a short plateau for the end.
  double objective_tolerance = 0;
  int objective_window = 5;  ///< >= 1

  double wolfe_decrease = 1e-4;  ///< c1 of the strong Wolfe conditions, 0 < c1 < c2
  double wolfe_curvature = 0.9;  ///< c2, c1 < c2 < 1
  int max_search = 30;           ///< evaluations in one line search, >= 1
  /// Factor on the first direction -H0 g. 0 lets the solver choose: a first trial of length 1, or the
  /// preconditioner's own step where one is given.
  double initial_step = 0;
  /// Scale a preconditioner by s'y / y'H0y in every iteration (one more application each), so that only its
  /// shape matters; otherwise it is applied as it is.
  bool scale_preconditioner = true;

  /// @throws std::domain_error naming the field
  void validate() const {
    constexpr auto name = "LbfgsOptions";
    detail::check_positive(name, "memory", memory);
    detail::check_non_negative(name, "max_iterations", max_iterations);
    detail::check_positive(name, "max_evaluations", max_evaluations);
    detail::check_non_negative(name, "gradient_tolerance", gradient_tolerance);
    detail::check_non_negative(name, "relative_gradient_tolerance", relative_gradient_tolerance);
    detail::check_non_negative(name, "objective_tolerance", objective_tolerance);
    detail::check_positive(name, "objective_window", objective_window);
    if (!(wolfe_decrease > 0 && wolfe_decrease < 0.5))
      detail::raise_value(name, "wolfe_decrease", wolfe_decrease, "0 < wolfe_decrease < 0.5");
    if (!(wolfe_curvature > wolfe_decrease && wolfe_curvature < 1))
      detail::raise_value(name, "wolfe_curvature", wolfe_curvature, "wolfe_decrease < wolfe_curvature < 1");
    detail::check_positive(name, "max_search", max_search);
    detail::check_non_negative(name, "initial_step", initial_step);
  }
};

/// The default start of the inverse Hessian: a multiple of the identity, from the newest curvature pair.
struct ScaledIdentity {};

namespace detail {

/// One trial of a line search: phi(a) = f(x + a p) and phi'(a).
struct Trial {
  double a = 0, value = 0, slope = 0;
  [[nodiscard]] bool finite() const noexcept { return std::isfinite(value) && std::isfinite(slope); }
};

/// Minimiser of the cubic through two trials; NaN if it has none. @ref Nocedal & Wright 2006, eq. 3.59
[[nodiscard]] inline double cubic_minimizer(const Trial& p, const Trial& q) noexcept {
  const double d1 = p.slope + q.slope - 3.0 * (p.value - q.value) / (p.a - q.a);
  const double d2 = std::copysign(std::sqrt(d1 * d1 - p.slope * q.slope), q.a - p.a);
  return q.a - (q.a - p.a) * (q.slope + d2 - d1) / (q.slope - p.slope + 2.0 * d2);
}

/// Chooses the trials of a strong Wolfe search: grows until a bracket is found, then interpolates inside it.
/// Trials that are not finite are far ends of a bracket. @ref Nocedal & Wright 2006, algorithms 3.5 and 3.6
class WolfeSearch {
 public:
  enum class Verdict { accept, better, worse };

  WolfeSearch(double value, double slope, double decrease, double curvature, double noise)
      : start_{0, value, slope}, low_(start_), decrease_(decrease), curvature_(curvature), noise_(noise) {}

  /// accept: both conditions hold. better: the new lower end of the bracket. worse: the new far end.
  [[nodiscard]] Verdict consider(const Trial& trial) {
    const double wanted = start_.value + decrease_ * trial.a * start_.slope;
    // Near the end of precision values say nothing; slopes still do (approximate Wolfe, Hager & Zhang 2005).
    const bool fell =
        trial.finite() && (trial.value <= wanted || (trial.value <= start_.value + noise_ &&
                                                     trial.slope <= (2.0 * decrease_ - 1.0) * start_.slope));
    if (fell && std::abs(trial.slope) <= -curvature_ * start_.slope) return Verdict::accept;
    if (!fell || (low_.a > 0 && trial.value >= low_.value)) {
      high_ = trial;
      bracketed_ = true;
      return Verdict::worse;
    }
    if (bracketed_ ? trial.slope * (high_.a - low_.a) >= 0 : trial.slope >= 0) {
      high_ = low_;
      bracketed_ = true;
    }
    before_ = low_;
    low_ = trial;
    return Verdict::better;
  }

  /// The next step length; 0 when the bracket has shrunk to nothing.
  [[nodiscard]] double next() const noexcept {
    if (!bracketed_) {
      const double rise = low_.slope - before_.slope;
      const double secant = rise > 0 ? low_.a - low_.slope * (low_.a - before_.a) / rise : 4.0 * low_.a;
      return std::clamp(secant, 1.5 * low_.a, 10.0 * low_.a);
    }
    const double width = high_.a - low_.a;  // negative when the far end is nearer to the start
    if (std::abs(width) <= 1e-12 * std::max(std::abs(high_.a), std::abs(low_.a))) return 0;
    if (!high_.finite()) return low_.a + (low_.a > 0 ? 0.5 : 0.1) * width;
    const double a = cubic_minimizer(low_, high_);
    const double near = low_.a + 0.1 * width, far = high_.a - 0.1 * width;
    if (!std::isfinite(a)) return low_.a + 0.5 * width;
    return std::clamp(a, std::min(near, far), std::max(near, far));
  }

  [[nodiscard]] const Trial& low() const noexcept { return low_; }

 private:
  Trial start_, low_, before_, high_;
  double decrease_, curvature_, noise_;
  bool bracketed_ = false;
};

}  // namespace detail

/// Limited-memory BFGS with a strong Wolfe line search, for smooth objectives of many variables.
///
///     #include "lore/solve/lbfgs.hpp"
///
///     void example(std::ostream& log) {
///       // f(x) = sum_i (1 - x_2i)^2 + 100 (x_2i+1 - x_2i^2)^2
///       auto rosenbrock = [](const Eigen::VectorXd& x, Eigen::VectorXd& gradient) {
///         double value = 0;
///         for (Eigen::Index i = 0; i < x.size(); i += 2) {
///           const double a = 1 - x[i], b = x[i + 1] - x[i] * x[i];
///           value += a * a + 100 * b * b;
///           gradient[i] = -2 * a - 400 * x[i] * b;
///           gradient[i + 1] = 200 * b;
///         }
///         return value;
///       };
///       const lore::Lbfgs solver{{.memory = 6, .gradient_tolerance = 1e-8}};
///       const auto result = solver.minimize(rosenbrock, Eigen::VectorXd::Zero(10));
///       log << lore::name_of(result.status) << " after " << result.evaluations << " evaluations, f = "
///                 << result.value << '\n';
///     }
///
/// The point may be a vector or a matrix (inner products are then Frobenius), float or double; sums over
/// coordinates are taken in double. One configured object may be used any number of times, by several
/// threads.
///
/// A preconditioner is any callable `h0(P& v)` that overwrites v with H0 v, where H0 is symmetric positive
/// definite and resembles the inverse Hessian:
///
///     solver.minimize(f, start, lore::NoObserver{}, [&](Eigen::MatrixXd& v) { v = cholesky.solve(v); });
///
/// @ref Liu & Nocedal 1989; Nocedal & Wright 2006, chapters 3 and 7
struct Lbfgs {
  LbfgsOptions options{};

  void validate() const { options.validate(); }

  /// Lowers f from `start` until a tolerance of the options is met. Never throws for not converging: see
  /// `status`. Values never rise by more than rounding, so the last point is the best one.
  /// @param f         Objective
  /// @param start     vector or column-major matrix, or an expression of one
  /// @param observer  called at the start and after every iteration; returns true to stop
  /// @param h0        preconditioner
  /// @throws std::domain_error if an option is out of range; whatever f, observer or h0 throw
  /// @cost  mostly one evaluation an iteration, and 4 memory size operations; memory for 2 memory + 6 points,
  ///        allocated once
  template <class F, class Derived, class O = NoObserver, class H0 = ScaledIdentity>
  Minimum<detail::PointOf<Derived>> minimize(F&& f, const Eigen::MatrixBase<Derived>& start,
                                             O&& observer = O{}, H0&& h0 = H0{}) const {
    using P = detail::PointOf<Derived>;
    static_assert(Point<P>, "the start must be a vector or a column-major matrix of float or double");
    static_assert(Objective<F, P>, "the objective must be callable as double f(const P& x, P& gradient)");
    static_assert(SolverObserver<O, P>, "the observer must take (progress) or (progress, x)");
    static_assert(std::is_same_v<std::remove_cvref_t<H0>, ScaledIdentity> || std::invocable<H0&, P&>,
                  "the preconditioner must be callable as h0(P& v), overwriting v with H0 v");
    validate();
    Run<P, std::remove_reference_t<F>, std::remove_reference_t<O>, std::remove_reference_t<H0>> run(
        options, f, observer, h0, start);
    run();
    return std::move(run.at);
  }

 private:
  /// Curvature pairs, newest last, in a ring of columns.
  template <Point P>
  class History {
   public:
    using Scalar = typename P::Scalar;

    History(Index size, int memory)
        : s_(size, memory), y_(size, memory), inverse_(at(memory)), alpha_(at(memory)) {}

    void clear() noexcept { count_ = 0; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] double newest_gamma() const noexcept { return gamma_; }

    /// Keeps a step s and its change of gradient y, if their curvature s'y is safely positive.
    void add(const P& s, const P& y) {
      const double sy = detail::dot(s, y), yy = detail::dot(y, y);
      const double rounding = static_cast<double>(std::numeric_limits<Scalar>::epsilon());
      if (!(sy > rounding * detail::norm(s) * std::sqrt(yy)) || !std::isfinite(sy)) return;
      const Index slot = (first_ + count_) % s_.cols();
      Eigen::Map<P>(s_.col(slot).data(), s.rows(), s.cols()) = s;
      Eigen::Map<P>(y_.col(slot).data(), y.rows(), y.cols()) = y;
      inverse_[at(slot)] = 1.0 / sy;
      gamma_ = sy / yy;
      if (count_ < s_.cols()) {
        ++count_;
      } else {
        first_ = (first_ + 1) % s_.cols();
      }
    }

    /// v = H v by the two-loop recursion, `middle` standing for H0.
    template <class Middle>
    void apply(P& v, const Middle& middle) {
      for (Index i = count_; i-- > 0;) {
        const Index slot = (first_ + i) % s_.cols();
        alpha_[at(slot)] = inverse_[at(slot)] * detail::dot(s_.col(slot).data(), v);
        v -= static_cast<Scalar>(alpha_[at(slot)]) * pair(y_, slot, v);
      }
      middle(v);
      for (Index i = 0; i < count_; ++i) {
        const Index slot = (first_ + i) % s_.cols();
        const double beta = inverse_[at(slot)] * detail::dot(y_.col(slot).data(), v);
        v += static_cast<Scalar>(alpha_[at(slot)] - beta) * pair(s_, slot, v);
      }
    }

    /// The newest y, and s'y of the newest pair.
    void newest_y(P& y) const { y = pair(y_, (first_ + count_ - 1) % s_.cols(), y); }
    [[nodiscard]] double newest_sy() const noexcept {
      return 1.0 / inverse_[at((first_ + count_ - 1) % s_.cols())];
    }
    [[nodiscard]] double newest_y_dot(const P& v) const noexcept {
      return detail::dot(y_.col((first_ + count_ - 1) % s_.cols()).data(), v);
    }

   private:
    [[nodiscard]] static std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }
    [[nodiscard]] static Eigen::Map<const P> pair(const Matrix<Scalar>& all, Index slot, const P& like) {
      return Eigen::Map<const P>(all.col(slot).data(), like.rows(), like.cols());
    }

    Matrix<Scalar> s_, y_;                 // size x memory
    std::vector<double> inverse_, alpha_;  // 1 / s'y, and the first loop's factors
    Index first_ = 0, count_ = 0;
    double gamma_ = 1;
  };

  /// The state of one run.
  template <Point P, class F, class O, class H0>
  struct Run {
    using Scalar = typename P::Scalar;
    static constexpr bool preconditioned = !std::is_same_v<std::remove_cv_t<H0>, ScaledIdentity>;

    template <class Start>
    Run(const LbfgsOptions& settings, F& objective, O& watcher, H0& preconditioner, const Start& start)
        : options(settings),
          f(objective),
          observer(watcher),
          h0(preconditioner),
          at{.x = start, .gradient = P::Zero(start.rows(), start.cols())},
          direction(at.gradient),
          trial_x(at.x),
          trial_gradient(at.gradient),
          low_x(at.x),
          low_gradient(at.gradient),
          history(at.x.size(), settings.memory),
          recent(static_cast<std::size_t>(settings.objective_window)) {}

    void operator()() {
      at.value = static_cast<double>(f(std::as_const(at.x), at.gradient));
      at.evaluations = 1;
      at.gradient_norm = detail::norm(at.gradient);
      if (!std::isfinite(at.value) || !std::isfinite(at.gradient_norm)) return;  // status not_finite
      const double first_norm = at.gradient_norm;
      double best_value = at.value, best_norm = at.gradient_norm;
      int idle = 0;     // iterations since the value or the gradient last got smaller
      double step = 0;  // length of the last step
      for (;;) {
        const SolverProgress progress{at.iterations, at.evaluations, at.value, at.gradient_norm, step};
        if (detail::observe(observer, progress, std::as_const(at.x))) return finish(Status::stopped);
        if (at.gradient_norm <= options.gradient_tolerance * std::max(1.0, detail::norm(at.x)) ||
            at.gradient_norm <= options.relative_gradient_tolerance * first_norm || at.gradient_norm == 0)
          return finish(Status::converged);
        double& before = recent[static_cast<std::size_t>(at.iterations % static_cast<Index>(recent.size()))];
        if (options.objective_tolerance > 0 && at.iterations >= static_cast<Index>(recent.size()) &&
            before - at.value <= options.objective_tolerance * std::abs(at.value))
          return finish(Status::converged);
        before = at.value;
        if (idle >= 10) return finish(Status::stalled);
        if (at.iterations >= options.max_iterations) return finish(Status::iteration_limit);
        if (at.evaluations >= options.max_evaluations) return finish(Status::evaluation_limit);
        double slope = find_direction();
        bool moved = search(slope, first_trial(step));
        if (!moved && !history.empty() && at.evaluations < options.max_evaluations) {
          history.clear();
          slope = find_direction();
          moved = search(slope, first_trial(step));
        }
        if (!moved)
          return finish(at.evaluations >= options.max_evaluations ? Status::evaluation_limit
                                                                  : Status::stalled);
        // The new point is in low_x, low_gradient.
        trial_x = low_x - at.x;
        trial_gradient = low_gradient - at.gradient;
        history.add(trial_x, trial_gradient);
        step = detail::norm(trial_x);
        at.x.swap(low_x);
        at.gradient.swap(low_gradient);
        at.gradient_norm = detail::norm(at.gradient);
        ++at.iterations;
        idle = at.value < best_value || at.gradient_norm < 0.9 * best_norm ? 0 : idle + 1;
        best_value = std::min(best_value, at.value);
        best_norm = std::min(best_norm, at.gradient_norm);
      }
    }

    void finish(Status status) { at.status = status; }

    void apply_h0(P& v) {
      if constexpr (preconditioned) {
        h0(v);
        if (!history.empty() && options.scale_preconditioner) v *= static_cast<Scalar>(scale);
      } else {
        if (!history.empty()) v *= static_cast<Scalar>(history.newest_gamma());
      }
    }

    /// direction = -H g, or -g if that does not descend. @return slope g'direction
    double find_direction() {
      if constexpr (preconditioned) {
        if (!history.empty() && options.scale_preconditioner) {
          history.newest_y(trial_gradient);
          h0(trial_gradient);
          scale = history.newest_sy() / history.newest_y_dot(trial_gradient);
          if (!(scale > 0) || !std::isfinite(scale)) history.clear();
        }
      }
      for (int attempt = 0; attempt < 2; ++attempt) {
        direction = at.gradient;
        history.apply(direction, [this](P& v) { apply_h0(v); });
        direction *= Scalar(-1);
        const double slope = detail::dot(at.gradient, direction);
        if (slope < 0 && std::isfinite(slope) && std::isfinite(detail::norm(direction))) return slope;
        history.clear();
      }
      direction = -at.gradient;
      return detail::dot(at.gradient, direction);
    }

    /// First step length of a search: 1 where the direction carries a scale, else what moved last time.
    double first_trial(double last_step) const {
      if (!history.empty()) return 1.0;
      if (at.iterations == 0 && options.initial_step > 0) return options.initial_step;
      if (preconditioned && at.iterations == 0) return 1.0;
      const double length = at.iterations == 0 || last_step == 0 ? 1.0 : last_step;
      return length / detail::norm(direction);
    }

    /// Strong Wolfe search along `direction`. @return whether low_x, low_gradient hold a lower point
    bool search(double slope, double a) {
      detail::WolfeSearch bracket(at.value, slope, options.wolfe_decrease, options.wolfe_curvature,
                                  detail::noise_of<Scalar>(at.value));
      double value = at.value;
      bool found = false;
      for (int i = 0; i < options.max_search && at.evaluations < options.max_evaluations; ++i) {
        trial_x = at.x + static_cast<Scalar>(a) * direction;
        if (trial_x == at.x) break;  // the step is lost in rounding
        const double trial_value = static_cast<double>(f(std::as_const(trial_x), trial_gradient));
        ++at.evaluations;
        const detail::Trial trial{a, trial_value, detail::dot(trial_gradient, direction)};
        const auto verdict = bracket.consider(trial);
        if (verdict != detail::WolfeSearch::Verdict::worse) {
          low_x.swap(trial_x);
          low_gradient.swap(trial_gradient);
          value = trial_value;
          found = true;
          if (verdict == detail::WolfeSearch::Verdict::accept) break;
        }
        a = bracket.next();
        if (a == 0) break;
      }
      if (found) at.value = value;
      return found;
    }

    const LbfgsOptions& options;
    F& f;
    O& observer;
    H0& h0;
    Minimum<P> at;
    P direction, trial_x, trial_gradient, low_x, low_gradient;
    History<P> history;
    std::vector<double> recent;  // values of the last iterations
    double scale = 1;            // of the preconditioner
  };
};

}  // namespace lore
