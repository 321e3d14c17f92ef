// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lore/core/types.hpp"
#include "lore/data/simulate.hpp"

#include "common/json_lines.hpp"
#include "common/prepare.hpp"
#include "common/progress.hpp"
#include "personal_llm/csv.hpp"
#include "personal_llm/reward_models.hpp"

namespace lore_examples::personal_llm {

/// A prompt with its responses and their scores.
struct Row {
  std::string prompt;
  std::array<std::string, response_count> responses;
  lore::Matrix<double, static_cast<int>(reward_models.size()), static_cast<int>(response_count)> scores;
};

/// A row of a JSON-lines file with the interface of CsvFile.
struct JsonRow {
  const JsonField& json;

  [[nodiscard]] const std::string& text(const std::string& column) const { return json[column].text(); }
  [[nodiscard]] double number(const std::string& column) const { return json[column].number(); }
};

/// Reads `prompt`, `response_1` .. `response_8` and `response_i_<reward model>`; other columns are ignored.
/// @throws lore::io_error with file, row and column
template <class Source>
[[nodiscard]] Row parse(const Source& source) {
  Row row;
  row.prompt = source.text("prompt");
  for (std::size_t i = 0; i < response_count; ++i) {
    row.responses[i] = source.text(response_column(i));
    for (std::size_t r = 0; r < reward_models.size(); ++r)
      row.scores(static_cast<Index>(r), static_cast<Index>(i)) = source.number(score_column(i, r));
  }
  return row;
}

/// Whether a file is read as CSV: by its name's ending.
[[nodiscard]] inline bool is_csv(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".csv";
}

/// The users' numbers, taste and choices.
struct Protocol {
  lore::MixtureOptions users{};
  bool standardise = false;  ///< bring the reward models to one scale by the training responses
};

/// Names of simulated users: "seen 0", .., "unseen 0", ..
[[nodiscard]] inline std::vector<std::string> user_names(const lore::MixtureOptions& users) {
  std::vector<std::string> names;
  for (Index i = 0; i < users.seen_users; ++i) names.push_back("seen " + std::to_string(i));
  for (Index i = 0; i < users.unseen_users; ++i) names.push_back("unseen " + std::to_string(i));
  return names;
}

/// What a preference file says of its users, beside what every one says.
[[nodiscard]] inline std::map<std::string, std::string> describe(const Protocol& protocol) {
  return {{"dirichlet_alpha", lore::detail::to_text(protocol.users.alpha)},
          {"standardised", protocol.standardise ? "true" : "false"}};
}

/// Draws the users of the protocol over any scored responses.
/// @throws std::runtime_error when there are fewer prompts than asked for; as `lore::simulate_mixtures`
[[nodiscard]] inline lore::MixturePopulation simulate(const lore::ScoredResponses& responses,
                                                      lore::FeatureMatrix embeddings, Protocol protocol) {
  std::vector<Index> training_items;
  Index training = 0;
  for (Index p = 0; p < responses.prompts(); ++p) {
    const auto at = static_cast<std::size_t>(p);
    if (responses.is_test[at] != 0) continue;
    ++training;
    for (Index i = responses.prompt_offset[at]; i < responses.prompt_offset[at + 1]; ++i)
      training_items.push_back(i);
  }
  const lore::MixtureOptions& users = protocol.users;
  const auto need = [&](const char* option, Index wanted) {
    if (wanted > training)
      throw std::runtime_error("personal_llm: got " + std::to_string(training) +
                               " training prompts, wanted at least " + std::to_string(wanted) + " (" +
                               option + ")");
  };
  if (users.seen_users > 0) need("--pairs", users.pairs);
  if (users.unseen_users > 0) need("--shots", users.shots);
  if (training == responses.prompts())
    throw std::runtime_error("personal_llm: got no test prompts, wanted at least one");
  if (protocol.standardise) protocol.users.scale = lore::score_scale(responses.scores, training_items);
  return lore::simulate_mixtures(responses, std::move(embeddings), protocol.users);
}

/// All prompts of the training and test files.
class Responses {
 public:
  /// Reads one file to its end: CSV if its name ends so, else JSON lines ("-": standard input).
  /// @throws lore::io_error, also for a file without a single row
  void read(const std::filesystem::path& path, bool is_test, Progress& progress) {
    progress.begin("reading " + path.string(), 0);
    const std::size_t before = rows_.size();
    const auto take = [&](const auto& source) {
      add(parse(source), is_test);
      progress.advance();
    };
    if (is_csv(path)) {
      CsvFile csv(path);
      while (csv.next()) take(csv);
    } else {
      JsonLines lines(path);
      while (const auto line = lines.next()) take(JsonRow{*line});
    }
    progress.end();
    if (rows_.size() == before)
      throw lore::io_error(path.string(), "got no prompts, wanted at least one row");
  }

  void add(Row row, bool is_test) {
    const auto place = prompts_.try_emplace(row.prompt, static_cast<Index>(prompts_.size())).first;
    if (static_cast<std::size_t>(place->second) == tested_.size()) tested_.push_back(false);
    if (is_test) tested_[static_cast<std::size_t>(place->second)] = true;
    group_.push_back(place->second);
    is_test_.push_back(is_test ? 1 : 0);
    rows_.push_back(std::move(row));
  }

  [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }

  /// Training prompts that are test prompts too; the protocol leaves them out of training.
  [[nodiscard]] Index repeated() const {
    Index count = 0;
    for (std::size_t p = 0; p < rows_.size(); ++p) count += is_repeated(p) ? 1 : 0;
    return count;
  }

  /// Simulates the users. The comparisons point into one table of all responses; `group` is the prompt.
  /// @throws as `simulate`
  [[nodiscard]] RawPreferences simulate(const Protocol& protocol) const {
    RawPreferences raw;
    raw.dataset = "personal_llm";
    raw.user_names = user_names(protocol.users);
    raw.metadata = describe(protocol);
    lore::ScoredResponses scored;
    std::vector<Index> row_of_item;
    std::vector<std::size_t> kept;
    scored.prompt_offset.push_back(0);
    for (std::size_t p = 0; p < rows_.size(); ++p) {
      if (is_repeated(p)) continue;
      for (const std::string& response : rows_[p].responses)
        row_of_item.push_back(raw.texts.add({{"user", rows_[p].prompt}, {"assistant", response}}));
      kept.push_back(p);
      scored.is_test.push_back(is_test_[p]);
      scored.prompt_offset.push_back(static_cast<Index>(row_of_item.size()));
    }
    constexpr auto each = static_cast<Index>(response_count);
    scored.scores.resize(static_cast<Index>(reward_models.size()), static_cast<Index>(row_of_item.size()));
    for (std::size_t k = 0; k < kept.size(); ++k)
      scored.scores.middleCols(static_cast<Index>(k) * each, each) = rows_[kept[k]].scores;

    // The simulation needs to know how many vectors there are, not what they are.
    const auto none = lore::FeatureMatrix::view(nullptr, lore::Storage::f32, 0, scored.items(), nullptr);
    const lore::MixturePopulation population = personal_llm::simulate(scored, none, protocol);
    const lore::Preferences<>& preferences = population.preferences;
    Index equal = 0;
    for (Index j = 0; j < preferences.size(); ++j) {
      const auto at = static_cast<std::size_t>(j);
      const Index best = preferences.features->chosen(j), worst = preferences.features->rejected(j);
      const Index chosen = row_of_item[static_cast<std::size_t>(best)];
      const Index rejected = row_of_item[static_cast<std::size_t>(worst)];
      if (chosen == rejected) {
        ++equal;
        continue;
      }
      raw.chosen.push_back(chosen);
      raw.rejected.push_back(rejected);
      raw.chosen_first.push_back(best < worst ? 1 : -1);
      raw.user.push_back(preferences.user[at]);
      raw.partition.push_back(preferences.partition[at]);
      raw.group.push_back(group_[kept[static_cast<std::size_t>(preferences.group[at])]]);
    }
    const auto drop = [&](const char* reason, Index count) {
      if (count > 0) raw.dropped.push_back({.reason = reason, .users = 0, .comparisons = count});
    };
    drop("all responses score the same for the user", population.indifferent);
    drop("best and worst response are the same text", equal);
    return raw;
  }

 private:
  [[nodiscard]] bool is_repeated(std::size_t p) const {
    return is_test_[p] == 0 && tested_[static_cast<std::size_t>(group_[p])];
  }

  std::vector<Row> rows_;
  std::vector<std::uint8_t> is_test_;  ///< by row
  std::vector<Index> group_;           ///< by row: the place of its prompt's text
  std::unordered_map<std::string, Index> prompts_;
  std::vector<bool> tested_;  ///< by place: whether a test row has the prompt
};

}  // namespace lore_examples::personal_llm
