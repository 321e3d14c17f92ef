// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// A preference file in, a table out.   01_one_call [preferences.safetensors]
// Without a file it writes a small simulated one and reads that.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "lore/io/preference_file.hpp"
#include "lore/lore.hpp"

namespace {

std::filesystem::path simulated_file() {
  const std::filesystem::path path = "01_preferences.safetensors";
  lore::PlantedOptions population{.dimension = 8, .rank = 3, .seen_users = 40, .unseen_users = 40};
  population.unseen_shots = 10;
  lore::write_preferences(path, lore::simulate_planted(population).preferences);
  return path;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto file = argc > 1 ? std::filesystem::path(argv[1]) : simulated_file();
    const lore::Preferences<> preferences = lore::read_preferences(file);
    const lore::Comparisons<> train = preferences.seen_train();

    const lore::DefaultFit<> fit{.executor = lore::Threads()};
    // The one call: rank, weight map and prior scales, chosen by cross-validation on the training
    // comparisons.
    const lore::Selection selection = fit.select(train);

    std::printf("rank          held-out loss  seen users      unseen users\n");
    for (const lore::RankChoice& choice : selection.ranks) {
      const lore::Index rank = choice.candidate.rank;
      const auto result = fit.fit(train, choice.candidate);
      const auto adapt = [&](const auto& Z, const auto& shots) {  // unseen users, from their few shots
        return lore::fit_users(result.model, Z, shots, fit.executor);
      };
      const lore::FourFigures figures = lore::measure(result.model, preferences, fit.executor, adapt);
      std::printf("%2d %-13s %10.4f", static_cast<int>(rank),
                  rank == selection.selected ? "selected"
                  : rank == 1                ? "Bradley-Terry"
                                             : "",
                  choice.log_loss);
      for (const lore::Figure& figure : {figures.seen_test, figures.unseen_test})
        std::printf("  %.3f +- %.3f", figure.accuracy.mean, figure.accuracy.standard_error);
      std::printf("\n");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
