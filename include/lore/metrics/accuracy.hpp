// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/metrics/user_scores.hpp"

namespace lore {

/// Share of comparisons whose margin is above 0, by user, and its mean over users. Users without comparisons
/// are left out.
struct Accuracy {
  double mean = std::numeric_limits<double>::quiet_NaN();            ///< over users; NaN without users
  double standard_error = std::numeric_limits<double>::quiet_NaN();  ///< NaN with fewer than two users
  Index users = 0;                                                   ///< users with a comparison
  double ties = std::numeric_limits<double>::quiet_NaN();  ///< mean over users of the share of margins = 0
  std::vector<double> by_user{};                           ///< one a user; NaN where left out
  Index users_without = 0;                                 ///< users left out
};

/// Accuracy from margins grouped by user: margin j belongs to user i when offset[i] <= j < offset[i+1].
/// A margin of exactly 0 prefers neither response: it is wrong, and its share is reported.
/// @param margins  n reward differences, chosen minus rejected, in any unit
/// @param offset   users + 1 positions (`Comparisons::offset`)
/// @throws std::invalid_argument when offset does not fit the margins; std::domain_error on a NaN margin
/// @cost O(n)
template <class Derived>
[[nodiscard]] Accuracy accuracy(const Eigen::MatrixBase<Derived>& margins, std::span<const Index> offset) {
  UserScores right =
      detail::score_users("accuracy", margins, offset, [](double margin) { return margin > 0 ? 1.0 : 0.0; });
  const UserScores ties =
      detail::score_users("accuracy", margins, offset, [](double margin) { return margin == 0 ? 1.0 : 0.0; });
  Accuracy out;
  out.mean = right.mean;
  out.standard_error = right.standard_error;
  out.users = right.users;
  out.users_without = right.users_without;
  out.ties = ties.mean;
  out.by_user = std::move(right.by_user);
  return out;
}

/// Several trials on the same users.
struct TrialAccuracy {
  Accuracy accuracy{};  ///< each user's mean over trials, then over users; the standard error is over users
  double trial_deviation = std::numeric_limits<double>::quiet_NaN();  ///< sample deviation of the trials'
                                                                      ///< means; NaN with one trial
  Index trials = 0;
};

/// Averages each user over trials, and only then over users. A user counts in the trials that have a score
/// for it.
/// @param trials  at least one, all with the same users in the same order
/// @throws std::invalid_argument without trials, or when they differ in the number of users
/// @cost O(trials * users)
[[nodiscard]] inline TrialAccuracy average_trials(std::span<const Accuracy> trials) {
  if (trials.empty()) detail::raise_shape("average_trials", "trials", 0, "at least 1");
  const std::size_t users = trials.front().by_user.size();
  std::vector<double> by_user(users, 0);
  std::vector<Index> counted(users, 0);
  std::vector<double> means;
  double ties = 0;
  Index with_users = 0;
  for (const Accuracy& trial : trials) {
    detail::check_size("average_trials", "users of a trial", static_cast<Index>(trial.by_user.size()),
                       static_cast<Index>(users));
    for (std::size_t i = 0; i < users; ++i) {
      if (std::isnan(trial.by_user[i])) continue;
      by_user[i] += trial.by_user[i];
      ++counted[i];
    }
    if (trial.users > 0) {
      ties += trial.ties;
      ++with_users;
    }
    means.push_back(trial.mean);
  }
  for (std::size_t i = 0; i < users; ++i)
    by_user[i] = counted[i] > 0 ? by_user[i] / static_cast<double>(counted[i])
                                : std::numeric_limits<double>::quiet_NaN();
  UserScores over_users = summarize_users(std::move(by_user));
  const UserScores over_trials = summarize_users(std::move(means));
  TrialAccuracy out;
  out.accuracy.mean = over_users.mean;
  out.accuracy.standard_error = over_users.standard_error;
  out.accuracy.users = over_users.users;
  out.accuracy.users_without = over_users.users_without;
  out.accuracy.by_user = std::move(over_users.by_user);
  if (with_users > 0) out.accuracy.ties = ties / static_cast<double>(with_users);
  out.trials = static_cast<Index>(trials.size());
  out.trial_deviation = over_trials.standard_error * std::sqrt(static_cast<double>(over_trials.users));
  return out;
}

}  // namespace lore
