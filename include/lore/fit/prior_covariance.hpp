// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/objective/loss.hpp"
#include "lore/parallel/executor.hpp"

namespace lore {

/// The covariance of the users' parameters, estimated with the basis and the prior's mean p0 held (EM):
///
///   Sigma <- mean_i [ (p_i - p0)(p_i - p0)' + C_i ]     p_i, C_i: user i's posterior under the last Sigma
///
/// from the model's own Sigma on, until it changes by less than 1 % or `rounds` are over; then shrunk towards
/// its diagonal, the more the fewer the users, in the coordinates of the weight map. Users whom the basis was
/// fitted to closely would have it grow for ever, so judge it by others (`guard_new_users`). `JointFit` keeps
/// N(0, I) for the deviations of `Signed` weights, which is far from what users are like where their numbers
/// of comparisons differ much. Users whose fit is not finite are left out.
/// @param Z  K x n, V'X of all positions   @param rounds  at most, >= 1
/// @throws as `FewShotFit`; std::invalid_argument without users   @cost a few-shot fit a user and round
/// @ref Dempster, Laird & Rubin 1977
template <Real Scalar, class Store, class Loss = BradleyTerry>
[[nodiscard]] Matrix<Scalar> estimate_prior_covariance(RewardModel<Scalar> model, const Matrix<Scalar>& Z,
                                                       const Comparisons<Store>& comparisons,
                                                       const AnyExecutor& executor, const Loss& loss = {},
                                                       int rounds = 20) {
  constexpr const char* where = "estimate_prior_covariance";
  const Index users = comparisons.users(), D = model.prior.size() - 1;
  if (users < 1) detail::raise_shape(where, "users", users, "at least 1");
  detail::check_positive(where, "rounds", rounds);
  if (D < 1) return model.prior.covariance;
  model.prior.validate();
  auto prior = detail::CoordinatePrior::from(model.weight_map, model.prior);
  Index known = 0;
  for (int round = 0; round < rounds; ++round) {
    const UserFits<Scalar> fits = fit_users(model, Z, comparisons, executor, loss);
    Matrix<double> sum = Matrix<double>::Zero(D, D);
    known = 0;
    for (Index i = 0; i < users; ++i) {
      const Vector<double> p = (fits.parameters.col(i) - model.prior.mean).template cast<double>();
      const Matrix<double> C = fits.covariance_of(i).template cast<double>();
      if (!p.allFinite() || !C.allFinite()) continue;
      const Vector<double> c = prior.Q.transpose() * p;
      sum += c * c.transpose() + prior.Q.transpose() * C * prior.Q;
      ++known;
    }
    if (known == 0) return model.prior.covariance;
    const Matrix<double> before = prior.covariance;
    prior.set(prior.mean, sum / static_cast<double>(known));
    model.prior.covariance = prior.parameter_covariance(prior.covariance).template cast<Scalar>();
    if ((prior.covariance - before).norm() < 0.01 * prior.covariance.norm()) break;
  }
  detail::shrink_to_diagonal(prior.covariance, D, known);
  return prior.parameter_covariance(prior.covariance).template cast<Scalar>();
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Matrix<float> estimate_prior_covariance(RewardModel<float>, const Matrix<float>&,
                                                               const Comparisons<Features>&,
                                                               const AnyExecutor&, const BradleyTerry&, int);
#endif

}  // namespace lore
