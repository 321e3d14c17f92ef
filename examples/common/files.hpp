// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "lore/data/preferences.hpp"
#include "lore/model/reward_model.hpp"

/// The library's files behind plain functions, so that the JSON headers are compiled once.
namespace lore_examples {

/// @param dataset  its name where the file has none   @throws lore::io_error
[[nodiscard]] lore::Preferences<> read_preferences(const std::filesystem::path& path,
                                                   const std::string& dataset);
/// @throws lore::io_error
void write_preferences(const std::filesystem::path& path, const lore::Preferences<>& preferences);

/// @throws lore::io_error
[[nodiscard]] lore::RewardModel<float> read_model(const std::filesystem::path& path);
/// @throws lore::io_error
void write_model(const std::filesystem::path& path, const lore::RewardModel<float>& model);

/// A warning where the encoders differ. @throws lore::io_error or std::invalid_argument where the dimensions
/// do
[[nodiscard]] std::optional<std::string> check_compatible(const lore::RewardModel<float>& model,
                                                          const lore::Preferences<>& preferences);

}  // namespace lore_examples
