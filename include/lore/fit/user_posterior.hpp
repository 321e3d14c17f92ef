// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "lore/core/types.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_objective.hpp"
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

  Vector<double> mean;        ///< D, room for callers that keep no Gaussian of their own
  Matrix<double> covariance;  ///< D x D

  [[nodiscard]] UserObjective<Loss, Map>& objective() noexcept { return objective_; }

  /// Moves (c, C) from a warm start to the optimum of the user that `objective()` has taken.
  /// @return the minimum, in nats   @cost O(m K^2 + K^3) an iteration, one to four from a warm start
  [[gnu::noinline]] double fit(const CoordinatePrior& prior, Posterior posterior, Vector<double>& c,
                               Matrix<double>& C) {
    const Index D = prior.degrees();
    const Matrix<double>* spread = posterior == Posterior::variational ? &C : nullptr;
    settled = D == 0;
    if (D == 0) {
      objective_.evaluate(c, spread);
      return objective_.value();
    }
    gradient_.resize(D);
    hessian_.resize(D, D);
    step_.resize(D);
    double log_determinant = 0;
    for (int iteration = 0;; ++iteration) {
      objective_.evaluate(c, spread);
      objective_.derivatives(gradient_, hessian_, false);
      const double before = log_determinant;
      log_determinant = invert(hessian_, C);
      if (!std::isfinite(log_determinant)) break;
      for (Index a = 0; a < D; ++a) step_(a) = C.col(a).dot(gradient_);
      const double decrement = gradient_.dot(step_);
      const bool steady = spread == nullptr || (iteration > 0 && std::abs(log_determinant - before) <
                                                                     1e-4 * static_cast<double>(D));
      settled = decrement < tolerance && steady;
      if (settled || iteration >= max_iterations || !std::isfinite(decrement)) break;
      move(c, spread != nullptr, decrement);
    }
    const double value = objective_.value();
    if (spread == nullptr) return value;
    return value + 0.5 * (prior.precision.cwiseProduct(C).sum() - static_cast<double>(D) -
                          prior.log_determinant + log_determinant);
  }

  /// Q C Q', the covariance of the K parameters.
  [[nodiscard]] const Matrix<double>& of_parameters(const CoordinatePrior& prior, const Matrix<double>& C) {
    half_.noalias() = prior.Q.lazyProduct(C);
    of_parameters_.noalias() = half_.lazyProduct(prior.Q.transpose());
    return of_parameters_;
  }

 private:
  /// The Newton step; away from the optimum halved until the objective, at the margins' present deviations,
  /// falls.
  void move(Vector<double>& c, bool averaged, double decrement) {
    const bool far = decrement > 0.1;
    const double start = far ? objective_.value() : 0.0;
    c -= step_;
    double length = 1;
    while (far && length > 1e-6) {
      if (averaged)
        objective_.evaluate_with_deviations_kept(c);
      else
        objective_.evaluate(c, nullptr);
      if (objective_.value() <= start - 1e-4 * length * decrement) return;
      length *= 0.5;
      c += length * step_;
    }
  }

  /// C = H^-1, spoiling H.   @return log det H; NaN, C being left alone, unless H is positive definite
  [[gnu::noinline]] static double invert(Matrix<double>& H, Matrix<double>& C) {
    const Index D = H.rows();
    if (!cholesky_in_place(H)) return std::numeric_limits<double>::quiet_NaN();
    double log_determinant = 0, product = 1;
    for (Index j = 0; j < D; ++j) {  // L^-1 below the diagonal of H, one over the diagonal on it
      product *= H(j, j);
      if (j % 8 == 7 || j + 1 == D) {
        log_determinant += 2 * std::log(product);
        product = 1;
      }
      H(j, j) = 1 / H(j, j);
      for (Index i = j + 1; i < D; ++i) {
        double sum = 0;
        for (Index k = j; k < i; ++k) sum -= H(i, k) * H(k, j);
        H(i, j) = sum / H(i, i);
      }
    }
    C.resize(D, D);
    for (Index a = 0; a < D; ++a)
      for (Index b = a; b < D; ++b)
        C(a, b) = C(b, a) = H.col(a).segment(b, D - b).dot(H.col(b).segment(b, D - b));
    return log_determinant;
  }

  UserObjective<Loss, Map> objective_;
  Vector<double> gradient_, step_;
  Matrix<double> hessian_, half_, of_parameters_;
};

}  // namespace detail
}  // namespace lore
