// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <utility>

#include <Eigen/Cholesky>

#include "lore/core/types.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_objective.hpp"

namespace lore {

/// How a joint fit treats a user's weights while it fits the basis.
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

  int max_iterations = 40;
  double tolerance = 1e-6;  ///< on the squared Newton decrement, in nats

  [[nodiscard]] UserObjective<Loss, Map>& objective() noexcept { return objective_; }

  /// Moves (c, C) from a warm start to the optimum of the user that `objective()` has taken.
  /// @return the minimum, in nats   @cost O(m K^2 + K^3) an iteration, one to four from a warm start
  double fit(const CoordinatePrior& prior, Posterior posterior, Vector<double>& c, Matrix<double>& C) {
    const Index D = prior.degrees();
    const Matrix<double>* spread = posterior == Posterior::variational ? &C : nullptr;
    double value = objective_.value(c, spread);
    if (D == 0) return value;
    gradient_.resize(D);
    hessian_.resize(D, D);
    double log_determinant = 0;
    for (int iteration = 0; iteration < max_iterations; ++iteration) {
      objective_.derivatives(gradient_, hessian_, false);
      factor_.compute(hessian_);
      const double before = log_determinant;
      log_determinant = 2 * factor_.matrixLLT().diagonal().array().log().sum();
      step_ = gradient_;
      factor_.solveInPlace(step_);
      C.setIdentity();
      factor_.solveInPlace(C);
      const double decrement = gradient_.dot(step_);
      const bool settled = spread == nullptr || (iteration > 0 && std::abs(log_determinant - before) <
                                                                      1e-4 * static_cast<double>(D));
      if (decrement < tolerance && settled) break;
      value = search(c, spread, decrement);
    }
    if (spread == nullptr) return value;
    return value + 0.5 * (prior.precision.cwiseProduct(C).sum() - static_cast<double>(D) -
                          prior.log_determinant + log_determinant);
  }

 private:
  double move(Vector<double>& c, const Matrix<double>* C, double length) {
    c -= length * step_;
    return objective_.value(c, C);
  }

  /// The Newton step, halved until the objective falls; near the optimum it is taken as it is.
  double search(Vector<double>& c, const Matrix<double>* C, double decrement) {
    if (decrement < 0.1) return move(c, C, 1);
    const double start = objective_.value(c, C);
    double length = 1, tried = 0;
    for (int halvings = 0; halvings < 30; ++halvings) {
      const double value = move(c, C, length - tried);
      tried = length;
      if (value <= start - 1e-4 * length * decrement) return value;
      length *= 0.5;
    }
    return move(c, C, -tried);
  }

  UserObjective<Loss, Map> objective_;
  Vector<double> gradient_, step_;
  Matrix<double> hessian_;
  Eigen::LLT<Matrix<double>> factor_;
};

}  // namespace detail
}  // namespace lore
