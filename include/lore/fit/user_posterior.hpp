// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "lore/core/types.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_objective.hpp"
#include "lore/solve/anderson.hpp"
#include "lore/solve/dense.hpp"
#include "lore/solve/newton.hpp"

namespace lore {

/// How a fit treats a user's weights.
enum class Posterior {
  map,          ///< at their mode, as if they were known
  variational,  ///< as the closest Gaussian, so that users with few comparisons do not bend the basis to
                ///< their noise
};

[[nodiscard]] constexpr std::string_view name_of(Posterior posterior) noexcept {
  return posterior == Posterior::map ? "map" : "variational";
}

namespace detail {

/// One user's posterior N(c, C) in the coordinates of a weight map. `variational` finds the Gaussian closest
/// to it,
///   min_{c, C}  sum_j omega_j E loss(t_j) + KL(N(c, C) || prior),
/// as the fixed point of a Newton step on c with C = (P + sum_j omega_j E loss''(t_j) y_j y_j')^-1; `map`
/// finds the mode and the same C there. At the optimum the derivative with respect to the scores needs no
/// derivative of (c, C).
/// @ref Challis & Barber 2013
template <class Loss, WeightMap Map>
class UserPosterior {
 public:
  UserPosterior(Loss loss, Map map, double temperature)
      : objective_(std::move(loss), std::move(map), temperature) {}

  int max_iterations = 25;  ///< few are enough where the next pass goes on from here
  double tolerance = 1e-6;  ///< on the squared Newton decrement, in nats

  bool settled = false;  ///< the last fit met the tolerance

  Vector<double> mean;        ///< D, room for callers that keep no Gaussian of their own
  Matrix<double> covariance;  ///< D x D

  [[nodiscard]] UserObjective<Loss, Map>& objective() noexcept { return objective_; }

  /// A start from nothing: one Newton step from the prior mean towards the mode, and the inverse Hessian at
  /// the prior mean.
  void start(const CoordinatePrior& prior) {
    mean = prior.mean;
    covariance = prior.covariance;
    if (prior.degrees() == 0) return;
    resize(prior.degrees());
    differentiate(mean, nullptr);
    if (!std::isfinite(invert_positive(hessian_, covariance))) return;
    find_step(covariance);
    move(mean, gradient_.dot(step_));
  }

  /// Moves (c, C) from a warm start to the optimum of the user that `objective()` has taken, or as near as
  /// `max_iterations` reach.
  /// @return the minimum, in nats   @cost O(m K^2 + K^3) an iteration: four or five, more where margins are
  /// spread over many nats, fewer from a start nearby
  [[gnu::noinline]] double fit(const CoordinatePrior& prior, Posterior posterior, Vector<double>& c,
                               Matrix<double>& C) {
    settled = prior.degrees() == 0;
    if (settled) {
      objective_.evaluate(c, posterior == Posterior::variational ? &C : nullptr);
      return objective_.value();
    }
    resize(prior.degrees());
    return posterior == Posterior::variational ? fit_gaussian(prior, c, C) : fit_mode(c, C);
  }

  /// Where a settled variational fit() would go on to: closer still than c.
  [[nodiscard]] auto mean_ahead() const { return next_.tail(step_.size()); }

  /// Moves (mean, covariance) to the mode, by damped Newton from the prior mean, and the inverse Hessian
  /// there: without the weight map's curvature and concave losses where it is indefinite.
  /// @cost O(m K^2 + K^3) an iteration, about four
  const NewtonMinimum<Vector<double>>& find_mode(const CoordinatePrior& prior, const NewtonOptions& options) {
    const auto& minimum = Newton{options}.minimize(objective_, prior.mean, newton_);
    mean = minimum.x;
    hessian_ = minimum.hessian;
    if (minimum.indefinite) {
      objective_.evaluate(mean, nullptr);
      objective_.derivatives(gradient_, hessian_, false);
    } else {
      objective_.move_to(mean);
    }
    (void)invert_positive(hessian_, covariance);
    return minimum;
  }

  /// Q C Q', the covariance of the K parameters.
  [[nodiscard]] const Matrix<double>& of_parameters(const CoordinatePrior& prior, const Matrix<double>& C) {
    half_.noalias() = prior.Q.lazyProduct(C);
    of_parameters_.noalias() = half_.lazyProduct(prior.Q.transpose());
    return of_parameters_;
  }

 private:
  static constexpr int restart_after = 32;  ///< iterations of mixing, which ends the few cycles there are
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  static constexpr int watch_after = 10;  ///< iterations after which each is watched
  /// Nats that a watched iterate may lose: mixing goes up and down, and where the weight map bends the fixed
  /// point is not quite where the bound is lowest.
  static constexpr double slack = 0.05;

  [[nodiscard]] double fit_mode(Vector<double>& c, Matrix<double>& C) {
    for (int iteration = 0;; ++iteration) {
      differentiate(c, nullptr);
      if (!std::isfinite(invert_positive(hessian_, inverse_))) break;
      find_step(inverse_);
      C = inverse_;
      const double decrement = gradient_.dot(step_);
      settled = decrement < tolerance;
      if (settled || iteration >= max_iterations || !std::isfinite(decrement)) break;
      move(c, decrement);
    }
    return objective_.value();
  }

  /// Mixing goes without checks at first. From then on, and where it ends unsettled, an iterate must not
  /// have a much higher bound than the best one before, the anchor; else it starts again from a damped step
  /// off that.
  [[nodiscard]] double fit_gaussian(const CoordinatePrior& prior, Vector<double>& c, Matrix<double>& C) {
    const Index D = prior.degrees();
    // (C, c) is a fixed point of its update, which overshoots where margins are spread over many nats.
    mixing_.start(D * D + D);
    const double unit = std::sqrt(prior.covariance.trace() / static_cast<double>(D));
    const double steady = std::min(1e-4, std::sqrt(tolerance));
    double damping = 1;
    for (int iteration = 0;; ++iteration) {
      differentiate(c, &C);
      const double log_determinant = invert_positive(hessian_, inverse_);
      double decrement = log_determinant;
      if (std::isfinite(log_determinant)) {
        find_step(inverse_);
        decrement = gradient_.dot(step_);
      }
      const bool lost = !std::isfinite(decrement), last = iteration >= max_iterations;
      if (lost && iteration == 0) return decrement;
      if (!lost) {
        settled = mix(c, C, unit, steady) && decrement < tolerance;
        if (settled) {
          C = inverse_;
          return bound(prior, objective_.value(), -log_determinant, C);
        }
      }
      bool better = true;
      if (iteration == 0) {
        take_anchor(c, C);
      } else if (lost || last || iteration >= watch_after) {
        if (std::isnan(anchor_.bound)) anchor_.bound = bound(prior, anchor_.value, anchor_.C);
        const double now = lost ? infinity : bound(prior, objective_.value(), C);
        better = std::isfinite(now) && now <= anchor_.bound + slack;
        if (now <= anchor_.bound) {
          take_anchor(c, C);
          anchor_.bound = now;
        }
        damping = better ? std::min(1.0, 2 * damping) : damping / 2;
      }
      if (last) {
        if (!better) {
          c = anchor_.c;
          C = anchor_.C;
          objective_.evaluate(c, &C);
        }
        return bound(prior, objective_.value(), C);
      }
      if (better) {
        if (iteration % restart_after == restart_after - 2) mixing_.restart();
        C = Eigen::Map<const Matrix<double>>(next_.data(), D, D);
        c = next_.tail(D);
      } else {
        mixing_.restart();
        step_off(damping, c, C);
      }
    }
  }

  /// Writes where (c, C) should go next to next_.   @return whether C hardly moves
  [[nodiscard]] bool mix(const Vector<double>& c, const Matrix<double>& C, double unit, double steady) {
    const Index D = c.size();
    for (Index k = 0; k < D * D; ++k) {
      mixing_.image()[k] = inverse_.data()[k];
      mixing_.residual()[k] = inverse_.data()[k] - C.data()[k];
    }
    for (Index a = 0; a < D; ++a) {
      mixing_.image()[D * D + a] = c(a) - step_(a);
      mixing_.residual()[D * D + a] = -unit * step_(a);
    }
    const double change = mixing_.mix(next_), small = steady * inverse_.trace();
    return change < small * small;
  }

  /// E loss + KL(N(c, C) || prior), from the mean's part of it and log det C.
  [[nodiscard]] static double bound(const CoordinatePrior& prior, double value, double log_determinant,
                                    const Matrix<double>& C) {
    return value + 0.5 * (prior.precision.cwiseProduct(C).sum() - static_cast<double>(prior.degrees()) -
                          prior.log_determinant - log_determinant);
  }

  /// The same; infinite where C is no covariance.
  [[nodiscard]] double bound(const CoordinatePrior& prior, double value, const Matrix<double>& C) {
    exact_ = C;
    if (!cholesky_in_place(exact_)) return infinity;
    double log_determinant = 0;
    for (Index a = 0; a < C.rows(); ++a) log_determinant += 2 * std::log(exact_(a, a));
    const double out = bound(prior, value, log_determinant, C);
    return std::isnan(out) ? infinity : out;
  }

  void take_anchor(const Vector<double>& c, const Matrix<double>& C) {
    anchor_.c = c;
    anchor_.C = C;
    anchor_.step = step_;
    anchor_.image = inverse_;
    anchor_.value = objective_.value();
    anchor_.bound = std::numeric_limits<double>::quiet_NaN();
  }

  /// The anchor moved by a share of its step, and of that of its precision.
  void step_off(double share, Vector<double>& c, Matrix<double>& C) {
    c = anchor_.c - share * anchor_.step;
    exact_ = anchor_.image;
    (void)invert_positive(exact_, hessian_);
    exact_ = anchor_.C;
    (void)invert_positive(exact_, inverse_);
    exact_ = (1 - share) * inverse_ + share * hessian_;
    (void)invert_positive(exact_, C);
  }

  void resize(Index D) {
    gradient_.resize(D);
    hessian_.resize(D, D);
    step_.resize(D);
    next_.resize(D * D + D);
  }

  /// Gradient and Hessians at c, averaged over N(c, C) unless C is nullptr.
  void differentiate(const Vector<double>& c, const Matrix<double>* C) {
    objective_.evaluate(c, C);
    objective_.derivatives(gradient_, hessian_, false);
    if constexpr (!UserObjective<Loss, Map>::linear) {
      exact_ = hessian_;
      objective_.add_bend(exact_);
    }
  }

  /// Along the exact Hessian where it is positive definite; by C, which knows nothing of the weight map's
  /// curvature, elsewhere.
  void find_step(const Matrix<double>& C) {
    if constexpr (!UserObjective<Loss, Map>::linear)
      if (cholesky_in_place(exact_)) {
        step_ = gradient_;
        cholesky_solve(exact_, step_);
        return;
      }
    for (Index a = 0; a < step_.size(); ++a) step_(a) = C.col(a).dot(gradient_);
  }

  /// The Newton step towards the mode; away from it halved until the objective falls. A step that changes no
  /// margin by more than 1.5 lowers a self-concordant f by a tenth of its decrement at least.
  /// @ref Bach 2010, proposition 1
  void move(Vector<double>& c, double decrement) {
    if (decrement <= 0.1 || (objective_.self_concordant() && objective_.reach(step_) <= 1.5)) {
      c -= step_;
      return;
    }
    const double start = objective_.value();
    c -= step_;
    for (double length = 1; length > 1e-6; c += length * step_) {
      if (objective_.value_at(c) <= start - 1e-4 * length * decrement) return;
      length *= 0.5;
    }
  }

  UserObjective<Loss, Map> objective_;
  NewtonWorkspace<Vector<double>> newton_;
  Anderson mixing_;

  /// Where fit_gaussian() was at its best.
  struct Anchor {
    Vector<double> c, step;
    Matrix<double> C, image;  ///< image: the C that the fixed point's map leads to
    double value = 0;         ///< of the objective, averaged over N(c, C)
    double bound = 0;         ///< NaN: not known yet
  };
  Anchor anchor_;

  Vector<double> gradient_, step_, next_;
  Matrix<double> hessian_, inverse_, exact_, half_, of_parameters_;
};

}  // namespace detail
}  // namespace lore
