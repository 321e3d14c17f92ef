// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "lore/data/preferences.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/cross_validation.hpp"
#include "lore/select/default_fit.hpp"

/// The fits of this room, compiled once, in support.cpp, and the data they are tested on.
namespace lore_test {

using lore::Index;

using Validation = lore::CrossValidation<>;
using DefaultFit = lore::DefaultFit<>;

[[nodiscard]] std::unique_ptr<Validation> make_validation(const lore::Comparisons<>& comparisons, Index folds,
                                                          std::uint64_t seed, int threads = 1);

[[nodiscard]] Validation::Result score(Validation& validation, const lore::Candidate& candidate,
                                       const std::function<bool()>& stop = {});

[[nodiscard]] DefaultFit default_fit(int threads = 1);

/// @param stop  asked before each candidate
[[nodiscard]] DefaultFit::Outcome run(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                      const std::function<bool(const lore::Candidate&)>& stop = {});

[[nodiscard]] lore::RewardModel<float> fit_at(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                              const lore::Candidate& candidate);

/// @param stop  asked before each fold
[[nodiscard]] lore::GuardReport guard(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                      const lore::Candidate& candidate, const lore::Candidate& bradley_terry,
                                      const std::function<bool()>& stop = {});

/// The same of what a selection chose, which the guard may change.
[[nodiscard]] lore::GuardReport guard(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                      lore::Selection& settings);

/// A fit at these settings into which a guard's word is written.
[[nodiscard]] lore::RewardModel<float> heeded(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                              const lore::Candidate& candidate,
                                              const lore::GuardReport& report);

/// What unseen users gain in accuracy over another model after their first shots.
[[nodiscard]] lore::UserScores gain_of_new_users(const lore::RewardModel<float>& model,
                                                 const lore::RewardModel<float>& other,
                                                 const lore::Preferences<>& preferences, Index shots);

/// Planted people: `rank` reward directions that they mix, or 1 for people who are all alike; 60 seen users
/// with 20 to 80 training and 100 test comparisons.
[[nodiscard]] lore::Preferences<> people(Index rank, std::uint64_t seed, Index dimension = 6);

/// 54 quiet seen users with 5 comparisons each and 6 loud ones with 800, whose rewards deviate from a common
/// one in three directions, d = 12; 150 new users like them with 20 shots and 60 test comparisons.
[[nodiscard]] lore::Preferences<> quiet_and_loud(std::uint64_t seed);

/// The same with every vector multiplied by `factor`.
[[nodiscard]] lore::Preferences<> scaled(const lore::Preferences<>& preferences, float factor);

/// n comparisons, dense, d = 3, with a population reward and the given numbers of comparisons a user.
[[nodiscard]] lore::Preferences<> small(const std::vector<Index>& counts, std::uint64_t seed);

/// Mean accuracy over users on a partition with the model's weights of each user.
[[nodiscard]] double accuracy_of_seen(const lore::RewardModel<float>& model,
                                      const lore::Comparisons<>& comparisons);

}  // namespace lore_test
