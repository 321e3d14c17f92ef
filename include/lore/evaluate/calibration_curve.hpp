// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/preferences.hpp"
#include "lore/data/shots.hpp"
#include "lore/evaluate/few_shot_curve.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/predict.hpp"
#include "lore/metrics/calibration.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/metrics/user_scores.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/figures.hpp"

namespace lore {

/// How good one kind of predicted probability is.
struct ProbabilityScores {
  UserScores log_loss;           ///< nats a comparison
  UserScores brier;              ///< (1 - p)^2 a comparison
  Calibration calibration;       ///< all comparisons of all users and trials alike
  double expected_error_se = 0;  ///< standard error of its expected error, bootstrapped over users
};

/// Predictions for new users after so many shots: averaged over the posterior of their weights, and plugged
/// in at its mean as if the weights were known.
struct CalibrationPoint {
  Index shots = 0;
  Index users_with_at_least = 0;
  ProbabilityScores averaged, plug_in;
  UserScores log_loss_gain;  ///< plug-in minus averaged, by user: above 0 averaging is better
  UserScores brier_gain;
};

namespace detail {

/// What one kind of prediction did to each user, added up over trials.
struct ProbabilityTally {
  std::vector<double> log_loss, brier;
  std::vector<CalibrationCounts> counts;

  ProbabilityTally(Index users, int bins)
      : log_loss(static_cast<std::size_t>(users), 0),
        brier(static_cast<std::size_t>(users), 0),
        counts(static_cast<std::size_t>(users), CalibrationCounts(bins)) {}

  void add(std::size_t user, double probability) {
    log_loss[user] -= std::log(std::max(probability, 1e-300));
    brier[user] += (1 - probability) * (1 - probability);
    counts[user].add(probability);
  }

  [[nodiscard]] ProbabilityScores scores(const std::vector<double>& number, int bins,
                                         const BootstrapOptions& bootstrap) const {
    ProbabilityScores out;
    const auto mean = [&](std::vector<double> sum) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= number[i];
      return summarize_users(std::move(sum));
    };
    out.log_loss = mean(log_loss);
    out.brier = mean(brier);
    const auto pooled = [&](const auto& user_at) {
      CalibrationCounts all(bins);
      for (std::size_t i = 0; i < counts.size(); ++i) all += counts[user_at(i)];
      return all.result();
    };
    out.calibration = pooled([](std::size_t i) { return i; });
    Rng rng = make_rng(bootstrap.seed);
    double sum = 0, squares = 0;
    const auto resamples = static_cast<double>(bootstrap.resamples);
    for (Index r = 0; r < bootstrap.resamples && !counts.empty(); ++r) {
      const double error =
          pooled([&](std::size_t) {
            return static_cast<std::size_t>(uniform_index(rng, static_cast<Index>(counts.size())));
          }).expected_error;
      sum += error;
      squares += error * error;
    }
    out.expected_error_se =
        std::sqrt(std::max(squares / resamples - (sum / resamples) * (sum / resamples), 0.0));
    return out;
  }
};

}  // namespace detail

/// Calibration of the probabilities predicted for new users against the number of shots: log loss, Brier
/// score and expected calibration error, averaged over the posterior of the weights and plugged in at its
/// mean. Ties are left out, and a choice among several is as many pairs; probabilities are those of the
/// chosen reply if one of the two is preferred.
/// @param options  shots and trials as of `few_shot_curve`   @param bins  of the calibration error, >= 1
/// @throws as `few_shot_curve`, `calibration`
/// @cost   one reading of the unseen partitions, users x trials fits a point, O(K^2) a prediction
template <Real Scalar, class Store, class Loss = BradleyTerry>
[[nodiscard]] std::vector<CalibrationPoint> calibration_curve(const RewardModel<Scalar>& model,
                                                              const Preferences<Store>& preferences,
                                                              const AnyExecutor& executor,
                                                              const CurveOptions& options = {},
                                                              const Loss& loss = {}, int bins = 10) {
  options.validate();
  if (bins < 1) detail::raise_shape("calibration_curve", "bins", bins, "at least 1");
  const ScoredPartition<Scalar, Store> pool(preferences.few_shot(), model.basis, executor);
  const ScoredPartition<Scalar, Store> test(preferences.unseen_test(), model.basis, executor);
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const Matrix<double> Z = test.Z.template cast<double>();
  std::vector<Index> place(at(preferences.size()), 0);
  for (Index p = 0; p < pool.comparisons.size(); ++p) place[at(pool.comparisons.column[at(p)])] = p;
  const UserFit<Scalar> unknown{{}, model.prior.mean, model.prior.covariance, 0, false, Status::converged};
  const auto temperature = static_cast<double>(model.temperature);
  const BootstrapOptions bootstrap{.resamples = 200, .seed = options.seed};
  std::vector<CalibrationPoint> points;
  for (const Index shots : options.shots) {
    const Index trials = options.first ? 1 : options.trials, users = test.comparisons.users();
    detail::ProbabilityTally averaged(users, bins), plug_in(users, bins);
    std::vector<double> number(at(users), 0);
    for (Index trial = 0; trial < trials; ++trial) {
      const ScoredPartition<Scalar, Store> given(
          options.first ? first_shots(pool.comparisons, shots, preferences.shot_unit)
                        : sample_shots(pool.comparisons, shots, preferences.shot_unit,
                                       derive_seed(options.seed, static_cast<std::uint64_t>(trial))),
          pool, place);
      const auto fits = fit_users(model, given.Z, given.comparisons, executor, loss);
      std::unordered_map<Index, Index> fit_of;
      for (Index i = 0; i < given.comparisons.users(); ++i) fit_of.emplace(given.comparisons.user[at(i)], i);
      executor.for_each(users, [&](Index i) {
        const auto found = fit_of.find(test.comparisons.user[at(i)]);
        const UserFit<Scalar>& fit = found == fit_of.end() ? unknown : fits[at(found->second)];
        const Vector<double> parameters = fit.parameters.template cast<double>();
        const Matrix<double> covariance = fit.covariance.template cast<double>();
        for (Index p = test.comparisons.begin(i); p < test.comparisons.end(i); ++p) {
          const auto& answer = test.comparisons.answer;
          if (!answer.empty() && answer[at(p)].outcome == Outcome::tie) continue;
          const MarginEstimate margin =
              model.weight_map == WeightMapKind::simplex
                  ? estimate_margin(Simplex{}, Z.col(p), parameters, covariance, temperature)
                  : estimate_margin(Signed{}, Z.col(p), parameters, covariance, temperature);
          averaged.add(at(i), preference(loss, margin).probability);
          plug_in.add(at(i), preference(loss, MarginEstimate{margin.mean, 0}).probability);
          number[at(i)] += 1;
        }
      });
    }
    CalibrationPoint point;
    point.shots = shots;
    point.users_with_at_least = users_with_at_least(pool.comparisons, shots, preferences.shot_unit);
    point.averaged = averaged.scores(number, bins, bootstrap);
    point.plug_in = plug_in.scores(number, bins, bootstrap);
    point.log_loss_gain = paired_difference(point.plug_in.log_loss.by_user, point.averaged.log_loss.by_user);
    point.brier_gain = paired_difference(point.plug_in.brier.by_user, point.averaged.brier.by_user);
    points.push_back(std::move(point));
  }
  return points;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE std::vector<CalibrationPoint> calibration_curve(const RewardModel<float>&,
                                                                       const Preferences<Features>&,
                                                                       const AnyExecutor&,
                                                                       const CurveOptions&,
                                                                       const BradleyTerry&, int);
#endif

}  // namespace lore
