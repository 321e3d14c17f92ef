// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <cstdio>
#include <string>

namespace lore_examples {

/// One number by a printf pattern.
[[nodiscard]] inline std::string formatted(const char* pattern, double value) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value);
  return text;
}

/// A share in percent with its standard error, "66.9 +- 0.5"; without one where it is not finite.
[[nodiscard]] inline std::string percent(double share, double standard_error) {
  std::string text = formatted("%.1f", 100 * share);
  if (std::isfinite(standard_error)) text += " +- " + formatted("%.1f", 100 * standard_error);
  return text;
}

}  // namespace lore_examples
