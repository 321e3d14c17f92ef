// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <string_view>
#include <utility>

#include <Eigen/Cholesky>

#include "lore/core/types.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_objective.hpp"

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
/// by Newton steps on c, each followed by C = (P + sum_j omega_j E loss''(t_j) y_j y_j')^-1; `map` finds the
/// mode and the same C there. At the optimum the derivative with respect to the scores needs no derivative of
/// (c, C).
/// @ref Challis & Barber 2013
template <class Loss, WeightMap Map>
class UserPosterior {
 public:
  UserPosterior(Loss loss, Map map, double temperature)
      : objective_(std::move(loss), std::move(map), temperature) {}

  int max_iterations = 25;  ///< few are enough where the next pass goes on from here
  double tolerance = 1e-6;  ///< on the squared Newton decrement, in nats

  bool settled = false;  ///< the last fit met the tolerance

  [[nodiscard]] UserObjective<Loss, Map>& objective() noexcept { return objective_; }

  /// Moves (c, C) from a warm start to the optimum of the user that `objective()` has taken.
  /// @return the minimum, in nats   @cost O(m K^2 + K^3) an iteration, one to four from a warm start
  [[gnu::noinline]] double fit(const CoordinatePrior& prior, Posterior posterior, Vector<double>& c,
                               Matrix<double>& C) {
    const Index D = prior.degrees();
    const Matrix<double>* spread = posterior == Posterior::variational ? &C : nullptr;
    settled = D == 0;
    if (D == 0) return objective_.value(c, spread);
    gradient_.resize(D);
    hessian_.resize(D, D);
    double value = 0, log_determinant = 0;
    for (int iteration = 0;; ++iteration) {
      value = objective_.value(c, spread);
      objective_.derivatives(gradient_, hessian_, false);
      factor_.compute(hessian_);
      const double before = log_determinant;
      log_determinant = 2 * factor_.matrixLLT().diagonal().array().log().sum();
      step_ = gradient_;
      factor_.solveInPlace(step_);
      C.setIdentity();
      factor_.solveInPlace(C);
      const double decrement = gradient_.dot(step_);
      const bool steady = spread == nullptr || (iteration > 0 && std::abs(log_determinant - before) <
                                                                     1e-4 * static_cast<double>(D));
      settled = decrement < tolerance && steady;
      if (settled || iteration >= max_iterations || !std::isfinite(decrement)) break;
      move(c, spread != nullptr, value, decrement);
    }
    if (spread == nullptr) return value;
    return value + 0.5 * (prior.precision.cwiseProduct(C).sum() - static_cast<double>(D) -
                          prior.log_determinant + log_determinant);
  }

 private:
  /// The Newton step; away from the optimum halved until the objective, at the margins' present deviations,
  /// falls.
  void move(Vector<double>& c, bool averaged, double start, double decrement) {
    c -= step_;
    double length = 1;
    while (decrement > 0.1 && length > 1e-6) {
      const double value = averaged ? objective_.value_with_deviations_kept(c) : objective_.value(c, nullptr);
      if (value <= start - 1e-4 * length * decrement) return;
      length *= 0.5;
      c += length * step_;
    }
  }

  UserObjective<Loss, Map> objective_;
  Vector<double> gradient_, step_;
  Matrix<double> hessian_;
  Eigen::LLT<Matrix<double>> factor_;
};

}  // namespace detail
}  // namespace lore
