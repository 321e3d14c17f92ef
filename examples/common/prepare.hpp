// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lore/data/preferences.hpp"
#include "lore/data/split.hpp"

#include "command_line.hpp"
#include "conversation.hpp"
#include "encoder.hpp"
#include "progress.hpp"

namespace lore_examples {

/// Comparisons between the rows of a table of conversations: what a data set's parser and protocol make of
/// its files, before anything is embedded. All vectors but `user_names` have one entry a comparison.
struct RawPreferences {
  ConversationTable texts;
  std::vector<Index> chosen;    ///< rows of `texts`
  std::vector<Index> rejected;  ///< rows of `texts`
  std::vector<Index> user;      ///< 0 .. user_names.size()-1
  std::vector<lore::Partition> partition;
  std::vector<Index> group;  ///< may be empty
  std::vector<std::string> user_names;
  std::vector<lore::Dropped> dropped;
  std::string dataset;
  lore::ShotUnit shot_unit = lore::ShotUnit::comparison;
  std::map<std::string, std::string> metadata{};  ///< how the data were prepared
  std::vector<signed char> chosen_first{};  ///< +1: the chosen reply came first in the original data, -1:
                                            ///< later, 0: unknown; empty where none is known
};

/// The encoder that the options ask for. @throws std::exception when it cannot be set up
[[nodiscard]] std::unique_ptr<Encoder> make_encoder(const PrepareOptions& options);

/// Users and comparisons of each partition, and what was dropped and why.
void print_counts(std::ostream& out, const RawPreferences& raw);

/// Embeds the conversations, adds the reference head, writes the preference file and what belongs beside it,
/// and prints what it did. Statistics of an encoder come from the comparisons of seen users' training alone.
/// With only --write-texts it writes those and stops.
/// @return the exit code   @throws std::exception; no half-written file stays behind
int embed_and_write(const RawPreferences& raw, const PrepareOptions& options, std::ostream& out);

}  // namespace lore_examples
