// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "common/training.hpp"

namespace lore_examples::personal_llm {

/// Ranks and shots of the paper's PersonalLLM experiments.
inline const TrainingDefaults training{.dataset = "personal_llm",
                                       .ranks = {0, 1, 2, 3, 4, 5},
                                       .curve_rank = 5,
                                       .shots = {1, 3, 5, 7, 9},
                                       .trials = 20};

}  // namespace lore_examples::personal_llm
