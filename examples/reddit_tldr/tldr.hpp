// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/data/split.hpp"

#include "common/conversation.hpp"
#include "common/json_lines.hpp"
#include "common/prepare.hpp"
#include "common/progress.hpp"

/// Human comparisons of summaries, `comparisons` of openai/summarize_from_feedback: one JSON object a line
/// with info{id, post, title, subreddit} or, for news, info{id, site, title, article}, summaries[2]{text},
/// choice and worker. Other fields are ignored.
namespace lore_examples::tldr {

/// One row of the file.
struct Row {
  std::string post_id;
  std::string prompt;  ///< what the summary is of, as the user's message
  std::array<std::string, 2> summaries;
  int choice = 0;  ///< place of the chosen summary
  std::string worker;
  std::optional<lore::Side> split;  ///< what the row says of itself: train, or valid1 and valid2
};

[[nodiscard]] inline std::string trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(space) - first + 1));
}

/// The post with what is known of it, then "TL;DR:", as summarisation models are asked.
[[nodiscard]] inline std::string prompt_of(const JsonField& info) {
  std::string prompt;
  const auto add = [&](const char* title, const char* before, const std::optional<JsonField>& field) {
    if (!field) return;
    const std::string text = trimmed(field->text());
    if (!text.empty()) prompt.append(title).append(": ").append(before).append(text).append("\n\n");
  };
  const std::optional<JsonField> article = info.find("article");
  const std::optional<JsonField> post = info.find("post");
  if (!article && !post) (void)info["post"].text();  // says what is missing, and where
  add("SUBREDDIT", "r/", info.find("subreddit"));
  add("SITE", "", info.find("site"));
  add("TITLE", "", info.find("title"));
  add("POST", "", post);
  add("ARTICLE", "", article);
  return prompt + "TL;DR:";
}

/// @throws lore::io_error with file, line and field
[[nodiscard]] inline Row parse(const JsonField& json) {
  Row row;
  const JsonField info = json["info"];
  row.post_id = info["id"].text();
  row.prompt = prompt_of(info);
  const JsonField summaries = json["summaries"];
  if (summaries.size() != 2) summaries.fail(std::to_string(summaries.size()) + " summaries", "2");
  for (std::size_t s = 0; s < 2; ++s) row.summaries[s] = trimmed(summaries.at(s)["text"].text());
  const JsonField choice = json["choice"];
  if (!choice.value().is_number_integer() || choice.integer() < 0 || choice.integer() > 1)
    choice.fail("0 or 1, the place of the preferred summary");
  row.choice = static_cast<int>(choice.integer());
  row.worker = json["worker"].text();
  if (row.worker.empty()) json["worker"].fail("an empty string", "the worker's name");
  if (const auto split = json.find("split"))
    row.split = split->text() == "train" ? lore::Side::train : lore::Side::test;
  return row;
}

/// All comparisons of the training and validation files, with equal texts kept once.
class Comparisons {
 public:
  /// Reads one file to its end. Rows that call themselves part of the other side are left out, so the
  /// original batch files, which hold both, may be given for both. @throws lore::io_error, also for a file
  /// without a single row
  void read(JsonLines& lines, lore::Side side, const std::string& name, Progress& progress) {
    progress.begin("reading " + name, 0);
    std::size_t count = 0;
    while (const auto line = lines.next()) {
      add(parse(*line), side);
      ++count;
      progress.advance();
    }
    progress.end();
    if (count == 0) throw lore::io_error(name, "got no comparisons, wanted at least one line");
  }

  void add(const Row& row, lore::Side side) {
    if (row.split && *row.split != side) {
      ++other_split_;
      return;
    }
    if (row.summaries[0] == row.summaries[1]) {
      ++equal_;
      return;
    }
    const auto chosen = static_cast<std::size_t>(row.choice);
    user_.push_back(place_of(workers_, worker_names_, row.worker));
    group_.push_back(place_of(posts_, post_ids_, row.post_id));
    prompt_.push_back(place_of(prompts_, prompt_texts_, row.prompt));
    chosen_.push_back(place_of(replies_, reply_texts_, row.summaries[chosen]));
    rejected_.push_back(place_of(replies_, reply_texts_, row.summaries[1 - chosen]));
    first_.push_back(row.choice == 0 ? 1 : -1);
    side_.push_back(side);
  }

  [[nodiscard]] std::size_t size() const noexcept { return user_.size(); }

  /// Applies the protocol. With a shuffled order, comparisons are also written in random order, so that each
  /// user's first shots are a random choice; else all stay in the order of the files.
  [[nodiscard]] RawPreferences split(const lore::TwoPartProtocol& protocol) const {
    const lore::Split split = lore::split_two_parts(user_, side_, group_, protocol);
    std::vector<std::size_t> order(split.kept.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (protocol.order == lore::Order::shuffled) {
      lore::Rng rng = lore::make_rng(protocol.seed, 2);
      lore::shuffle(rng, std::span(order));
    }
    RawPreferences raw;
    raw.dataset = "reddit_tldr";
    for (const Index original : split.original_user)
      raw.user_names.push_back(worker_names_[static_cast<std::size_t>(original)]);
    for (const std::size_t k : order) {
      const auto j = static_cast<std::size_t>(split.kept[k]);
      raw.user.push_back(split.user[k]);
      raw.partition.push_back(split.partition[k]);
      raw.group.push_back(group_[j]);
      raw.chosen_first.push_back(first_[j]);
      raw.chosen.push_back(raw.texts.add(conversation(prompt_[j], chosen_[j])));
      raw.rejected.push_back(raw.texts.add(conversation(prompt_[j], rejected_[j])));
    }
    raw.dropped = split.dropped;
    const auto drop = [&](const char* reason, Index count) {
      if (count > 0) raw.dropped.push_back({.reason = reason, .users = 0, .comparisons = count});
    };
    drop("comparisons of two equal summaries", equal_);
    drop("rows of another split than the file was given for", other_split_);
    return raw;
  }

 private:
  using Places = std::unordered_map<std::string, Index>;

  static Index place_of(Places& places, std::vector<std::string>& texts, const std::string& text) {
    const auto [place, is_new] = places.try_emplace(text, static_cast<Index>(texts.size()));
    if (is_new) texts.push_back(text);
    return place->second;
  }

  [[nodiscard]] Conversation conversation(Index prompt, Index reply) const {
    return {{"user", prompt_texts_[static_cast<std::size_t>(prompt)]},
            {"assistant", reply_texts_[static_cast<std::size_t>(reply)]}};
  }

  Places workers_, posts_, prompts_, replies_;
  std::vector<std::string> worker_names_, post_ids_, prompt_texts_, reply_texts_;
  std::vector<Index> user_, group_, prompt_, chosen_, rejected_;
  std::vector<signed char> first_;  ///< whether the chosen summary stands first
  std::vector<lore::Side> side_;
  Index equal_ = 0;
  Index other_split_ = 0;
};

}  // namespace lore_examples::tldr
