// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// The planted population at full size: d = 1024, five reward directions, 300 seen and 200 new users.

#include "lore/data/simulate.hpp"
#include "lore/evaluate/calibration_curve.hpp"
#include "lore/evaluate/few_shot_curve.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/default_fit.hpp"
#include "lore/select/figures.hpp"

#include "lore_catch.hpp"

TEST_CASE("Planted: the default fit finds five directions, beats Bradley-Terry and is calibrated") {
  const lore::Threads threads(2);
  lore::PlantedOptions options;
  options.seen_test = 100;
  options.unseen_test = 100;
  const lore::Preferences<> data = lore::simulate_planted(options, threads).preferences;
  lore::DefaultFit<> fit{.executor = threads};
  fit.selection.ranks = {1, 4, 5, 6};
  fit.selection.grow = false;
  const auto [selection, result, guard] = fit(data.seen_train());
  const lore::RewardModel<float> one = fit.fit(data.seen_train(), selection.bradley_terry).model;
  CHECK(selection.selected >= 5);
  CHECK_FALSE(result.model.guard.empty());
  const auto adapt_to = [&](const lore::RewardModel<float>& model) {
    return [&](const lore::Matrix<float>& Z, const lore::Comparisons<>& comparisons, lore::Index = 0) {
      return lore::fit_users(model, Z, comparisons, threads);
    };
  };
  const double population = lore::measure(one, data, threads, adapt_to(one)).unseen_test.accuracy.mean;
  CHECK(lore::measure(result.model, data, threads, adapt_to(result.model)).seen_test.accuracy.mean >= 0.84);
  const lore::CurveOptions curve{.shots = {1, 3, 5, 10, 20, 50}, .first = true};
  for (const auto& point : lore::few_shot_curve(result.model, data, threads, curve, adapt_to(result.model))) {
    CAPTURE(point.shots, population);
    CHECK(point.unseen_test.accuracy.mean >= population);
  }
  for (const lore::CalibrationPoint& point : lore::calibration_curve(result.model, data, threads, curve)) {
    CAPTURE(point.shots, point.averaged.log_loss.mean, point.plug_in.log_loss.mean);
    // With many comparisons little is uncertain, and margins that are linear in the logits overstate it.
    CHECK(point.log_loss_gain.mean > (point.shots <= 20 ? 0 : -0.003));
  }
}
