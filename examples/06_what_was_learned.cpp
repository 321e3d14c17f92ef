// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// What a fit has learned: controls beside its accuracy, collapse, and directions to look at.
// 06_what_was_learned [preferences.safetensors rank]
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "lore/io/preference_file.hpp"
#include "lore/lore.hpp"

using lore::Index;

int main(int argc, char** argv) try {
  const lore::PlantedOptions planted{.dimension = 32, .rank = 3, .seen_users = 120, .unseen_users = 0};
  const lore::Preferences<> data =
      argc > 1 ? lore::read_preferences(argv[1]) : lore::simulate_planted(planted).preferences;
  const auto train = data.seen_train(), test = data.seen_test();
  const lore::JointFit<> fit;
  const auto common = fit(train, lore::Rank{1}).model;
  const auto model = fit(train, lore::Rank{argc > 2 ? std::atoi(argv[2]) : 3}).model;

  // Every way to judge the same test comparisons, and by how much the personalised one is better.
  const lore::Vector<float> population = lore::population_weights(model);
  const auto at = [&](Index i) -> lore::Vector<float> { return model.weights.col(i); };
  const auto weights = lore::weights_by_id(model.user, at, population);
  const auto controls = lore::compare_controls(model, common, train, test, lore::Threads(), weights);
  std::printf("%-16s %.3f +- %.3f   gain of personalising, 95 %% interval\n", "personalised",
              controls.personalised.mean, controls.personalised.standard_error);
  for (const lore::Control& control : controls.others)
    std::printf("%-16s %.3f +- %.3f   %+.3f  (%+.3f to %+.3f)\n", control.name.c_str(), control.accuracy.mean,
                control.accuracy.standard_error, control.gain.mean, control.interval.lower,
                control.interval.upper);

  const lore::CollapseDiagnosis collapse = lore::diagnose_collapse(model);
  std::printf("\n%d columns, effective rank %.1f, mean cosine %.2f\n", int(model.rank),
              collapse.effective_rank, collapse.mean_cosine());

  // Directions of disagreement, turned so that each user is large on few of them.
  lore::Pass<float, lore::Features, lore::Serial> pass(train, lore::Serial{});
  const lore::Matrix<double> V = model.basis.matrix().cast<double>(), W = model.weights.cast<double>();
  const auto axes = lore::principal_axes(V, W, pass.scores(model.basis.matrix()).cast<double>());
  const auto scores_of = [&](const lore::RotatedBasis& rotated) -> lore::Matrix<double> {
    return pass.scores(lore::Matrix<float>(rotated.directions.cast<float>())).cast<double>();
  };
  const auto directions = lore::varimax(axes, scores_of(axes));
  const lore::Matrix<double> scores = scores_of(directions);
  for (Index k = 0; k < scores.rows(); ++k) {
    std::printf("direction %d: %4.1f %% of the variance of margins; moves most comparisons", int(k),
                100 * directions.variance(k) / directions.variance.sum());
    const lore::Vector<double> row = scores.row(k).transpose();
    for (const Index j : lore::most_moved(row, 3)) std::printf("  %d (%+.1f)", int(j), row(j));
    std::printf("\n");
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
