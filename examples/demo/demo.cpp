// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>

#include "lore/data/simulate.hpp"
#include "lore/parallel/threads.hpp"

#include "common/files.hpp"
#include "common/training.hpp"

/// The main job on a simulated population whose truth is known: preferences, a sweep over ranks, new users.
int main(int argc, char** argv) {
  using namespace lore_examples;
  CLI::App app("lore: the main job on a simulated population, in the current directory");
  lore::PlantedOptions population;
  population.dimension = 256;
  population.strong = 128;
  population.seen_users = 200;
  population.seen_test = 100;
  population.unseen_users = 150;
  population.unseen_test = 100;
  population.seed = 1;
  app.add_option("--seed", population.seed, "Seed of the population")->capture_default_str();
  app.add_option("--dim", population.dimension, "Dimension of the embeddings")->capture_default_str();
  app.add_option("--seen", population.seen_users, "Seen users")->capture_default_str();
  app.add_option("--unseen", population.unseen_users, "Unseen users")->capture_default_str();

  return run_program(app, argc, argv, [&] {
    const lore::Threads executor;
    auto planted = lore::simulate_planted(population, executor);
    planted.preferences.dataset = "planted population";
    planted.preferences.encoder = "simulated";
    const std::filesystem::path here = std::filesystem::current_path();
    const TrainingDefaults defaults{.dataset = "demo",
                                    .ranks = {1, 2, 3, 4, 5, 6},
                                    .curve_rank = 5,
                                    .shots = {1, 3, 5, 10, 20, 50},
                                    .trials = 5};

    TrainOptions train;
    train.data = here / "demo.preferences.safetensors";
    train.ranks = defaults.ranks;
    train.seed = population.seed;
    train.threads = executor.concurrency();
    train.results = here / "demo.results.json";
    train.csv = here / "demo.results.csv";
    train.plot = here / "demo.ranks.svg";
    train.model = here / "demo.model.safetensors";
    write_preferences(train.data, planted.preferences);
    std::cout << "1. A planted population: " << population.seen_users << " seen and "
              << population.unseen_users << " unseen users, " << population.rank << " reward directions\n";
    if (const int code = train_basis(train, defaults, std::cout); code != 0) return code;

    std::cout << "\n2. New users, fitted with the basis frozen\n";
    FewShotOptions curve;
    curve.data = train.data;
    curve.model = train.model;
    curve.seed = population.seed;
    curve.threads = train.threads;
    curve.results = here / "demo.few_shot.json";
    curve.csv = here / "demo.few_shot.csv";
    curve.plot = here / "demo.few_shot.svg";
    return vary_fewshot(curve, defaults, std::cout);
  });
}
