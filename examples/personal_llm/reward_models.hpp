// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "lore/core/types.hpp"

/// PersonalLLM: prompts with eight responses each, scored by ten reward models.
namespace lore_examples::personal_llm {

using lore::Index;

inline constexpr std::size_t response_count = 8;

/// The reward models in the order of the data set's columns: the rows of the scores.
inline constexpr std::array<std::string_view, 10> reward_models{
    "gemma_2b",      "gemma_7b",         "mistral_raft", "mistral_ray",     "mistral_weqweasdas",
    "llama3_sfairx", "oasst_deberta_v3", "beaver_7b",    "oasst_pythia_7b", "oasst_pythia_1b"};

/// Column of a response's text; i counts from 0, the name from 1.
[[nodiscard]] inline std::string response_column(std::size_t i) {
  return "response_" + std::to_string(i + 1);
}

/// Column of a response's score under reward model r.
[[nodiscard]] inline std::string score_column(std::size_t i, std::size_t r) {
  return response_column(i) + "_" + std::string(reward_models[r]);
}

}  // namespace lore_examples::personal_llm
