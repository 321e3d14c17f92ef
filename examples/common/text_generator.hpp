// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/random.hpp"
#include "lore/core/types.hpp"

/// Generated English, for raw data in the schema of data sets that are not at hand: texts that differ in how
/// they are written, and readers who like some ways of writing better than others. Nothing here knows how
/// texts will be embedded. The same engine gives the same texts.
namespace lore_examples {

/// Ways in which texts differ, each from about -1 to 1.
enum class Trait : std::uint8_t { length, list, formality, excitement, caution, figures, courtesy };
inline constexpr std::size_t trait_count = 7;
using Traits = std::array<double, trait_count>;

/// What a post, question or reply is about.
struct Subject {
  std::vector<std::string> people;
  std::vector<std::string> things;
};

/// A text, with its traits as counted in the text itself.
struct Writing {
  std::string text;
  Traits traits{};
};

/// How much a reader likes each trait, in units of log odds.
struct Taste {
  Traits liking{};

  [[nodiscard]] double of(const Traits& traits) const noexcept {
    double sum = 0;
    for (std::size_t t = 0; t < trait_count; ++t) sum += liking[t] * traits[t];
    return sum;
  }
};

[[nodiscard]] Subject draw_subject(lore::Rng& rng);
/// A few words, without a stop.
[[nodiscard]] std::string draw_title(lore::Rng& rng, const Subject& subject);
/// One or two sentences that ask for something.
[[nodiscard]] std::string draw_question(lore::Rng& rng, const Subject& subject);
/// Paragraphs in a plain way of writing. @param sentences  >= 1
[[nodiscard]] std::string draw_story(lore::Rng& rng, const Subject& subject, int sentences);
/// A reply or summary of `sentences` / 3 to `sentences` * 3 sentences, with traits drawn at random.
[[nodiscard]] Writing draw_reply(lore::Rng& rng, const Subject& subject, int sentences);

/// A mixture of a few kinds of readers, mostly of one, with a part that all readers share and one that is the
/// reader's own. @param strength  typical log odds between two replies, > 0
[[nodiscard]] Taste draw_taste(lore::Rng& rng, double strength);

/// One of the elements.
template <class Container>
[[nodiscard]] const auto& pick(lore::Rng& rng, const Container& among) {
  return among[static_cast<std::size_t>(
      lore::uniform_index(rng, static_cast<lore::Index>(std::size(among))))];
}

/// The rows as JSON lines, some with everything outside ASCII escaped, as files from several writers are.
/// @throws lore::io_error when the file cannot be written
void write_json_lines(const std::filesystem::path& path, const std::vector<nlohmann::ordered_json>& rows);

}  // namespace lore_examples
