// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// What the default fit promises new users, what they get, and how far its probabilities can be believed.
// 08_guard_and_calibration [preferences.safetensors]
#include <cstdio>
#include <exception>

#include "lore/io/preference_file.hpp"
#include "lore/lore.hpp"

using lore::Index;

int main(int argc, char** argv) try {
  const lore::PlantedOptions planted{
      .dimension = 24, .rank = 3, .margin_deviation = 4, .seen_users = 120, .unseen_users = 120};
  const lore::Preferences<> data =
      argc > 1 ? lore::read_preferences(argv[1]) : lore::simulate_planted(planted).preferences;
  const lore::Threads threads;
  const lore::DefaultFit<> fit{.executor = threads};

  // The guard holds seen users out of the basis, treats them as new, and compares with Bradley-Terry.
  const auto [selection, result, guard] = fit(data.seen_train());
  const lore::RewardModel<float>& model = result.model;
  if (model.rank > 1) {
    std::printf("rank %d; %scovariance of new users' prior times %g; population: %s\n\n", int(model.rank),
                guard.estimated ? "estimated " : "", guard.factor,
                guard.population ? "Bradley-Terry's reward" : "the mean user's reward");

    // What it promised, beside what users get whom the fit has never seen.
    const lore::RewardModel<float> common = fit.fit(data.seen_train(), selection.bradley_terry).model;
    const auto adapt = [&](const lore::Matrix<float>& Z, const lore::Comparisons<>& shots, Index = 0) {
      return lore::fit_users(model, Z, shots, threads);
    };
    const auto nobody = [&](const lore::Matrix<float>& Z, const lore::Comparisons<>& shots) {
      return lore::fit_users(common, Z, shots, threads);
    };
    const lore::Accuracy base = lore::measure(common, data, threads, nobody).unseen_test.accuracy;
    std::printf("gain over Bradley-Terry in points\nshots  promised, 95 %% interval  new users\n");
    for (const lore::GuardPoint& point : model.guard) {
      const lore::CurveOptions one{.shots = {point.shots}, .first = true};
      const auto found = lore::few_shot_curve(model, data, threads, one, adapt).front();
      const lore::UserScores gain = lore::paired_difference(found.unseen_test.accuracy.by_user, base.by_user);
      std::printf("%5d  %+5.1f (%+5.1f to %+5.1f)    %+5.1f +- %.1f\n", int(point.shots),
                  100 * point.accuracy.mean, 100 * point.accuracy.lower, 100 * point.accuracy.upper,
                  100 * gain.mean, 100 * gain.standard_error);
    }
  } else {
    std::printf("rank 1: the fit became Bradley-Terry, which is the same for all users\n");
  }

  // Probabilities for new users: averaged over what is still uncertain of them, or with their weights plugged
  // in as if they were known.
  std::printf("\nlog loss of new users' test comparisons\nshots  averaged  plug-in  difference\n");
  const lore::CurveOptions shots{.shots = {1, 3, 5, 10, 20, 50}, .first = true};
  const auto curve = lore::calibration_curve(model, data, threads, shots);
  for (const lore::CalibrationPoint& point : curve)
    std::printf("%5d    %.4f   %.4f  %+.4f +- %.4f\n", int(point.shots), point.averaged.log_loss.mean,
                point.plug_in.log_loss.mean, point.log_loss_gain.mean, point.log_loss_gain.standard_error);

  std::printf("\nafter 3 shots: of pairs for which they say .., so many came out that way\n");
  std::printf("between       averaged        plug-in\n");
  const auto& averaged = curve[1].averaged.calibration.bins;
  const auto& plug_in = curve[1].plug_in.calibration.bins;
  for (std::size_t b = averaged.size() / 2; b < averaged.size(); ++b)  // the lower half mirrors the upper
    std::printf("%.1f and %.1f   %.3f: %.3f    %.3f: %.3f\n", averaged[b].lower, averaged[b].upper,
                averaged[b].predicted, averaged[b].observed, plug_in[b].predicted, plug_in[b].observed);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
