// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// What a fit has learned: controls beside its accuracy, what it rests on, and directions to look at.
// 06_what_was_learned [preferences.safetensors rank]
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "lore/io/preference_file.hpp"
#include "lore/lore.hpp"

using lore::Index;

int main(int argc, char** argv) try {
  const lore::PlantedOptions planted{.dimension = 32, .rank = 3, .seen_users = 120, .unseen_users = 0};
  const lore::Preferences<> data =
      argc > 1 ? lore::read_preferences(argv[1]) : lore::simulate_planted(planted).preferences;
  const Index rank = argc > 2 ? std::atoi(argv[2]) : 3;
  const auto train = data.seen_train(), test = data.seen_test();
  const auto fit = [&](const lore::Comparisons<>& part, std::uint64_t seed) {
    return lore::JointFit<>{}(part, lore::Rank{rank}, seed).model;
  };
  const auto model = fit(train, 0);
  const auto common = lore::JointFit<>{}(train, lore::Rank{1}).model;
  const lore::Threads threads;

  // Every way to judge the same test comparisons, and by how much the personalised one is better.
  const lore::Vector<float> population = lore::population_weights(model);
  const auto at = [&](Index i) -> lore::Vector<float> { return model.weights.col(i); };
  const auto weights = lore::weights_by_id(model.user, at, population);
  const auto controls = lore::compare_controls(model, common, train, test, threads, weights);
  std::printf("%-16s %.3f +- %.3f   gain of personalising, 95 %% interval\n", "personalised",
              controls.personalised.mean, controls.personalised.standard_error);
  for (const lore::Control& control : controls.others)
    std::printf("%-16s %.3f +- %.3f   %+.3f  (%+.3f to %+.3f)\n", control.name.c_str(), control.accuracy.mean,
                control.accuracy.standard_error, control.gain.mean, control.interval.lower,
                control.interval.upper);

  // Another seed on the same comparisons, and two halves of them.
  const auto found = lore::diagnose(model, train, threads, lore::refit(train, 1, 2, 0, fit));
  const lore::Identifiability& refits = found.identifiability;
  std::printf(
      "\n%.0f weights, of which the data decide %.0f; %d users with less than one bit, %d separable\n",
      found.parameters, found.effective_parameters, int(found.too_little), int(found.separable));
  std::printf("effective rank %.1f of %d; personal rewards agree: another seed %.2f, two halves %.2f\n\n",
              found.collapse.effective_rank, int(rank), refits.seeds.personal, refits.parts.personal);

  // What users disagree about, turned so that each user is large on few of the directions.
  const auto directions = lore::directions_of(model, train, threads, {.comparisons = 3, .users = 2});
  std::printf("%.0f %% of the margins is personal\n", 100 * directions.personal_share());
  for (const lore::Direction& direction : directions.directions) {
    std::printf("%4.1f %% of that: users ", 100 * direction.share);
    for (const auto& user : direction.highest) std::printf("%d (%+.1f) ", int(user.user), user.weight);
    std::printf("against ");
    for (const auto& user : direction.lowest) std::printf("%d (%+.1f) ", int(user.user), user.weight);
    std::printf("as in comparisons");
    for (const auto& one : direction.most_moved) std::printf(" %d (%+.1f)", int(one.position), one.score);
    std::printf("\n");
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
