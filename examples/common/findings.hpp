// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>

#include <nlohmann/json_fwd.hpp>

#include "lore/evaluate/controls.hpp"
#include "lore/evaluate/diagnosis.hpp"
#include "lore/evaluate/directions.hpp"

#include "formatting_probe.hpp"

namespace lore_examples {

class Protocol;

/// What there is to know of one model beside its accuracies.
struct Findings {
  Index rank = 0;
  std::optional<lore::Controls> seen_test;    ///< seen users' test comparisons
  std::optional<lore::Controls> unseen_test;  ///< unseen users', fitted to all their few-shot comparisons
  std::optional<lore::Diagnosis> diagnosis;   ///< with training comparisons
  double refit_seconds = 0;
};

/// Controls and diagnosis of a fitted model. @param bradley_terry  rank 1 on the same comparisons
/// @cost three fits of the model's rank (protocol `default`, rank 2 and above) and a few readings of the data
[[nodiscard]] Findings findings_of(const Protocol& protocol, const lore::RewardModel<float>& model,
                                   const lore::RewardModel<float>& bradley_terry, Progress& progress);

/// The table of controls: accuracies, and what personalising gains over each, in points with intervals.
void print_controls(std::ostream& out, const Findings& findings);
/// The diagnosis in a few lines.
void print_diagnosis(std::ostream& out, const Findings& findings);
/// Keys `controls` and `diagnosis` of a results file.
void add_json(nlohmann::ordered_json& json, const Findings& findings);

/// Principal and varimax axes of a model with the comparisons and users that show them, as CSV where the name
/// ends so, else JSON. @throws lore::io_error when it cannot be written
void write_directions(const std::filesystem::path& path, const Protocol& protocol,
                      const lore::RewardModel<float>& model);

}  // namespace lore_examples
