// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "common/training.hpp"

namespace lore_examples::prism {

/// Ranks and shots (dialogues) of the paper's PRISM experiments.
inline const TrainingDefaults training{.dataset = "prism",
                                       .ranks = {0, 1, 5, 10, 15, 20, 25, 50},
                                       .curve_rank = 5,
                                       .shots = {1, 2, 3},
                                       .trials = 20};

}  // namespace lore_examples::prism
