// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lore/evaluate/rewardbench2.hpp"

#include "common/conversation.hpp"
#include "common/json_lines.hpp"
#include "common/progress.hpp"

/// RewardBench 2: one JSON object a line with id, subset, prompt, chosen[], rejected[], num_correct and
/// num_incorrect. Other fields are ignored.
namespace lore_examples::rewardbench2 {

/// The rows and their candidates, the correct ones of each row first.
struct Benchmark {
  std::vector<lore::RewardBench2Row> rows;    ///< scores hold one number a candidate, to be replaced
  std::vector<std::vector<Index>> candidate;  ///< of each row: rows of `texts`, in the order of its scores
  ConversationTable texts;                    ///< prompt and reply, equal ones once
};

/// Reads a file to its end.
/// @throws lore::io_error with file, line and field, also for a file without a single row;
///         std::invalid_argument or std::domain_error where rows cannot be scored together, such as a Ties
///         row without its partner
[[nodiscard]] inline Benchmark read(JsonLines& lines, const std::string& name, Progress& progress) {
  Benchmark benchmark;
  progress.begin("reading " + name, 0);
  while (const auto line = lines.next()) {
    const JsonField id = (*line)["id"];
    lore::RewardBench2Row row{.id = id.value().is_number_integer() ? std::to_string(id.integer()) : id.text(),
                              .subset = (*line)["subset"].text()};
    const std::string& prompt = (*line)["prompt"].text();
    std::vector<Index> candidate;
    const auto add = [&](const char* list, const char* number) {
      const JsonField replies = (*line)[list];
      const JsonField count = (*line)[number];
      const auto size = static_cast<std::int64_t>(replies.size());
      if (size < 1) replies.fail("no reply", "at least one");
      if (count.integer() != size)
        count.fail(std::to_string(count.integer()),
                   std::to_string(size) + ", the replies under '" + list + "'");
      for (std::size_t r = 0; r < replies.size(); ++r)
        candidate.push_back(benchmark.texts.add({{"user", prompt}, {"assistant", replies.at(r).text()}}));
      return static_cast<Index>(size);
    };
    row.number_correct = add("chosen", "num_correct");
    (void)add("rejected", "num_incorrect");
    if (row.subset != "Ties" && row.number_correct != 1)
      (*line)["chosen"].fail(std::to_string(row.number_correct) + " correct replies in subset " + row.subset,
                             "1, as everywhere but in Ties");
    row.scores.assign(candidate.size(), 0.0);
    benchmark.rows.push_back(std::move(row));
    benchmark.candidate.push_back(std::move(candidate));
    progress.advance();
  }
  progress.end();
  if (benchmark.rows.empty()) throw lore::io_error(name, "got no rows, wanted at least one line");
  // What cannot be scored shall show before hours of embedding, not after.
  (void)lore::score_rewardbench2(benchmark.rows);
  return benchmark;
}

/// Scores of one head. @param reward  of each row of `texts`
[[nodiscard]] inline lore::RewardBench2Scores score(Benchmark& benchmark, std::span<const double> reward) {
  for (std::size_t r = 0; r < benchmark.rows.size(); ++r)
    for (std::size_t c = 0; c < benchmark.candidate[r].size(); ++c)
      benchmark.rows[r].scores[c] = reward[static_cast<std::size_t>(benchmark.candidate[r][c])];
  return lore::score_rewardbench2(benchmark.rows);
}

}  // namespace lore_examples::rewardbench2
