// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/data/shots.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/figures.hpp"

namespace lore {

/// The observer of a curve that looks away.
struct NoCurveObserver {
  template <class Point>
  bool operator()(const Point&) const noexcept {
    return false;
  }
};

/// How a few-shot curve is drawn.
struct CurveOptions {
  std::vector<Index> shots{1, 3, 5, 10, 20, 50};  ///< each >= 0
  Index trials = 20;                              ///< random subsets a point, >= 1; 1 with `first`
  bool first = false;                             ///< each user's first comparisons in file order
  std::uint64_t seed = 0;

  /// @throws std::domain_error naming the field
  void validate() const {
    for (const Index s : shots) detail::check_non_negative("CurveOptions", "shots", s);
    detail::check_positive("CurveOptions", "trials", trials);
  }
};

/// Accuracy after so many shots.
struct CurvePoint {
  Index shots = 0;
  Index users_with_at_least = 0;  ///< users that had so many; the others used all they had
  Figure few_shot_train;
  Figure unseen_test;
  double trial_deviation = std::numeric_limits<double>::quiet_NaN();  ///< of unseen_test over trials
  double seconds = 0;                                                 ///< fitting all users, a trial
};

/// Accuracy of new users against the number of shots. Scores are projected once; a trial fits every unseen
/// user anew by adapt(Z, comparisons, trial). Users are averaged over trials first. The observer is called
/// after each point and may return true to stop.
/// @throws std::invalid_argument when the dimension differs or a shot is a group and there are none
/// @cost one reading of the unseen partitions, then users x trials fits a point
template <Real Scalar, class Store, class Adapt, class Observer = NoCurveObserver>
[[nodiscard]] std::vector<CurvePoint> few_shot_curve(const RewardModel<Scalar>& model,
                                                     const Preferences<Store>& preferences,
                                                     const AnyExecutor& executor, const CurveOptions& options,
                                                     const Adapt& adapt, Observer&& observer = {}) {
  options.validate();
  const ScoredPartition<Scalar, Store> pool(preferences.few_shot(), model.basis, executor);
  const ScoredPartition<Scalar, Store> test(preferences.unseen_test(), model.basis, executor);
  const Vector<Scalar> population = population_weights(model);
  std::vector<Index> place(static_cast<std::size_t>(preferences.size()),
                           0);  // position in the pool by store column
  for (Index p = 0; p < pool.comparisons.size(); ++p)
    place[static_cast<std::size_t>(pool.comparisons.column[static_cast<std::size_t>(p)])] = p;
  std::vector<CurvePoint> points;
  for (const Index shots : options.shots) {
    CurvePoint point;
    point.shots = shots;
    const Index trials = options.first ? 1 : options.trials;
    std::vector<Accuracy> on_train, on_test;
    point.users_with_at_least = users_with_at_least(pool.comparisons, shots, preferences.shot_unit);
    for (Index trial = 0; trial < trials; ++trial) {
      const Comparisons<Store> subset =
          options.first ? first_shots(pool.comparisons, shots, preferences.shot_unit)
                        : sample_shots(pool.comparisons, shots, preferences.shot_unit,
                                       derive_seed(options.seed, static_cast<std::uint64_t>(trial)));
      ScoredPartition<Scalar, Store> chosen(subset, pool, place);
      const auto start = std::chrono::steady_clock::now();
      const UserFits<Scalar> fits = adapt(chosen.Z, chosen.comparisons, trial);
      point.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                       static_cast<double>(trials);
      const auto at = [&](Index i) -> Vector<Scalar> { return fits.weights.col(i); };
      const auto weights = weights_by_id(chosen.comparisons.user, at, population);
      const auto keep = [&](const ScoredPartition<Scalar, Store>& judged, std::vector<Accuracy>& trials_of) {
        Figure figure = judged.accuracy_with(weights, "nothing but ties");
        if (figure.exists()) trials_of.push_back(std::move(figure.accuracy));
      };
      keep(chosen, on_train);
      keep(test, on_test);
    }
    const auto summarised = [](const std::vector<Accuracy>& over_trials, const char* missing,
                               double* deviation) {
      if (over_trials.empty()) return Figure{{}, missing};
      TrialAccuracy averaged = average_trials(over_trials);
      if (deviation != nullptr) *deviation = averaged.trial_deviation;
      return Figure{std::move(averaged.accuracy), {}};
    };
    point.few_shot_train =
        summarised(on_train, shots == 0 ? "no shots" : "no few-shot comparisons of unseen users", nullptr);
    point.unseen_test = summarised(on_test, "no test comparisons of unseen users", &point.trial_deviation);
    points.push_back(std::move(point));
    if (observer(points.back())) break;
  }
  return points;
}

}  // namespace lore
