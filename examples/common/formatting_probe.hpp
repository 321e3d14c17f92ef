// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "lore/core/types.hpp"

#include "prepare.hpp"

namespace lore_examples {

/// How well replies' formatting alone predicts which is chosen: held-out accuracy, mean over users.
struct FormattingProbe {
  struct Part {
    std::string name;  ///< length, punctuation, layout, position
    double accuracy = 0;
    double standard_error = 0;  ///< over users; NaN with a single user
  };
  Part together;
  std::vector<Part> parts;
  Index comparisons = 0;
  Index users = 0;
  bool suspicious = false;  ///< above nine tenths: something gives the answer away
};

/// Probes seen users' training comparisons, whole prompts held out. Nothing without five of them.
/// @cost reading every reply once, then a few small fits
[[nodiscard]] std::optional<FormattingProbe> probe_formatting(const RawPreferences& raw);

/// One line, and a warning below it when the formatting predicts suspiciously well.
void print(std::ostream& out, const FormattingProbe& probe);

/// The probe as a value of a preference file's metadata (JSON), under this key.
inline constexpr const char* formatting_probe_key = "formatting_probe";
[[nodiscard]] std::string metadata_text(const FormattingProbe& probe);

/// What `prepare` noted in a preference file. Nothing where there is none or it cannot be understood.
[[nodiscard]] std::optional<FormattingProbe> read_formatting_probe(const std::filesystem::path& path);

}  // namespace lore_examples
