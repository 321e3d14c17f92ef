// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lore_examples {

/// Words of a UTF-8 text, lower-cased: runs of letters and digits with apostrophes inside; each Chinese,
/// Japanese or Korean character is a word of its own. Invalid bytes separate words.
[[nodiscard]] std::vector<std::string> words_of(std::string_view text);

/// How often each hashed feature occurs in a text, ordered by hash: words, pairs of neighbouring words, and
/// the pieces of 3 and 4 characters of each word with its boundaries.
struct NgramCounts {
  using Counts = std::vector<std::pair<std::uint64_t, int>>;
  Counts words;
  Counts pairs;
  Counts pieces;
};
[[nodiscard]] NgramCounts count_ngrams(std::string_view text);

inline constexpr std::size_t surface_count = 28;

/// What the surface features are, in order.
extern const std::array<std::string_view, surface_count> surface_names;

/// How a reply looks, whatever it says: lengths, punctuation, digits, capitals, lines, quotations, links, and
/// what it shares with the prompt. Counts enter as log(1 + count), the rest are shares between 0 and 1.
[[nodiscard]] std::array<float, surface_count> surface_features(std::string_view reply,
                                                                std::string_view prompt);

}  // namespace lore_examples
