// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "files.hpp"

#include "lore/io/model_file.hpp"
#include "lore/io/preference_file.hpp"

namespace lore_examples {

lore::Preferences<> read_preferences(const std::filesystem::path& path, const std::string& dataset) {
  if (!std::filesystem::exists(path))
    throw lore::io_error(path.string(),
                         "no such file; `prepare` writes it, or name another preference file with --data");
  lore::Preferences<> preferences = lore::read_preferences(path);
  if (preferences.dataset.empty()) preferences.dataset = dataset;
  return preferences;
}

void write_preferences(const std::filesystem::path& path, const lore::Preferences<>& preferences) {
  lore::write_preferences(path, preferences);
}

lore::RewardModel<float> read_model(const std::filesystem::path& path) { return lore::read_model(path); }

void write_model(const std::filesystem::path& path, const lore::RewardModel<float>& model) {
  lore::write_model(path, model);
}

std::optional<std::string> check_compatible(const lore::RewardModel<float>& model,
                                            const lore::Preferences<>& preferences) {
  return lore::check_compatible(model, preferences);
}

}  // namespace lore_examples
