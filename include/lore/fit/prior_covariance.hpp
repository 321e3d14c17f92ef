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
/// from the model's own Sigma on, shrunk towards its diagonal when users are few, until it changes by less
/// than 1 % or `rounds` are over: users whom the basis was fitted to closely would have it grow for ever, so
/// judge it by others (`guard_new_users`). `JointFit` keeps N(0, I) for the deviations of `Signed` weights,
/// which is far from what users are like where their numbers of comparisons differ much.
/// @param Z  K x n, V'X of all positions   @param rounds  at most, >= 1
/// @throws as `FewShotFit`; std::invalid_argument without users   @cost a few-shot fit a user and round
/// @ref Dempster, Laird & Rubin 1977
template <Real Scalar, class Store, class Loss = BradleyTerry>
[[nodiscard]] Matrix<Scalar> estimate_prior_covariance(RewardModel<Scalar> model, const Matrix<Scalar>& Z,
                                                       const Comparisons<Store>& comparisons,
                                                       const AnyExecutor& executor, const Loss& loss = {},
                                                       int rounds = 20) {
  constexpr const char* where = "estimate_prior_covariance";
  const Index users = comparisons.users(), K = model.prior.size();
  if (users < 1) detail::raise_shape(where, "users", users, "at least 1");
  detail::check_positive(where, "rounds", rounds);
  for (int round = 0; round < rounds && K > 1; ++round) {
    const UserFits<Scalar> fits = fit_users(model, Z, comparisons, executor, loss);
    Matrix<double> sum = Matrix<double>::Zero(K, K);
    for (Index i = 0; i < users; ++i) {
      const Vector<double> p = (fits.parameters.col(i) - model.prior.mean).template cast<double>();
      sum.noalias() += p * p.transpose();
      sum += fits.covariance_of(i).template cast<double>();
    }
    Matrix<double> estimate = sum / static_cast<double>(users);
    detail::shrink_to_diagonal(estimate, K - 1, users);
    const double change = (estimate - model.prior.covariance.template cast<double>()).norm();
    model.prior.covariance = estimate.template cast<Scalar>();
    if (change < 0.01 * estimate.norm()) break;
  }
  return model.prior.covariance;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Matrix<float> estimate_prior_covariance(RewardModel<float>, const Matrix<float>&,
                                                               const Comparisons<Features>&,
                                                               const AnyExecutor&, const BradleyTerry&, int);
#endif

}  // namespace lore
