// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "lore/core/types.hpp"

#include "command_line.hpp"

namespace lore_examples {

/// What a data set's own program states about training; everything else is shared.
struct TrainingDefaults {
  std::string dataset;  ///< names files and results where the preference file names none
  std::vector<lore::Index>
      ranks;  ///< of train_basis without --ranks; protocol `default` goes on above while it pays
  lore::Index curve_rank = 5;      ///< of vary_fewshot without --model and --rank
  std::vector<lore::Index> shots;  ///< of vary_fewshot without --shots
  lore::Index trials = 20;         ///< of vary_fewshot without --trials
};

/// Fits every rank of the sweep, prints the table and writes what the options ask for; finished ranks are in
/// the results file from the moment they are finished. @return the exit code
int train_basis(const TrainOptions& options, const TrainingDefaults& defaults, std::ostream& out);

/// Draws the few-shot curve of a model file or of a rank fitted here. @return the exit code
int vary_fewshot(const FewShotOptions& options, const TrainingDefaults& defaults, std::ostream& out);

/// The whole of a data set's `train_basis` and `vary_fewshot` programs.
int train_basis_main(int argc, char** argv, const TrainingDefaults& defaults);
int vary_fewshot_main(int argc, char** argv, const TrainingDefaults& defaults);

}  // namespace lore_examples
