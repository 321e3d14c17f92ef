// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "common/training.hpp"

namespace lore_examples::reddit_tldr {

/// Ranks and shots of the paper's Reddit TLDR experiments.
inline const TrainingDefaults training{.dataset = "reddit_tldr",
                                       .ranks = {0, 1, 2, 3, 4, 5, 6},
                                       .curve_rank = 5,
                                       .shots = {5, 10, 15, 20, 25, 30, 35, 40, 45, 50},
                                       .trials = 20};

}  // namespace lore_examples::reddit_tldr
