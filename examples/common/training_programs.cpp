// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include <iostream>

#include <CLI/CLI.hpp>

#include "training.hpp"

namespace lore_examples {

int train_basis_main(int argc, char** argv, const TrainingDefaults& defaults) {
  CLI::App app(defaults.dataset + ": fit the shared basis for several ranks");
  TrainOptions options;
  add_train_options(app, options, defaults.dataset);
  return run_program(app, argc, argv, [&] { return train_basis(options, defaults, std::cout); });
}

int vary_fewshot_main(int argc, char** argv, const TrainingDefaults& defaults) {
  CLI::App app(defaults.dataset + ": accuracy of new users against the number of shots");
  FewShotOptions options;
  add_few_shot_options(app, options, defaults.dataset);
  return run_program(app, argc, argv, [&] { return vary_fewshot(options, defaults, std::cout); });
}

}  // namespace lore_examples
