// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// PRISM's survey and conversations to a preference file.
#include "common/prepare.hpp"

#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>

#include "common/command_line.hpp"
#include "common/json_lines.hpp"
#include "prism/prism.hpp"

int main(int argc, char** argv) {
  using namespace lore_examples;
  CLI::App app("PRISM: rated replies in dialogues with language models to a preference file");
  std::filesystem::path survey, conversations;
  lore::GroupProtocol protocol;
  bool shuffle = false;
  bool keep_going = false;
  PrepareOptions options;
  app.add_option("--survey", survey, "survey.jsonl: the participants; - for standard input")->required();
  app.add_option("--conversations", conversations, "conversations.jsonl: their dialogues")->required();
  app.add_option("--min-dialogues", protocol.min_groups, "Users with fewer are left out")
      ->check(CLI::Range(lore::Index{0}, lore::Index{1} << 40))
      ->capture_default_str();
  app.add_option("--train-share", protocol.train.fraction,
                 "Share of each user's dialogues that trains, rounded down")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--seen-share", protocol.seen.fraction,
                 "Share of the users that are seen: 0.5 as in the paper, or 0.8")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--shuffle", shuffle,
               "Train on a random choice of each user's dialogues instead of the first in the file");
  app.add_flag("--keep-going", keep_going,
               "Cut a dialogue where it contradicts itself (two chosen replies in a turn, missing turns), "
               "leave out those of unknown users, and count both, instead of stopping");
  add_prepare_options(app, options, "prism");

  return run_program(app, argc, argv, [&] {
    options.validate();
    protocol.seed = options.seed;
    if (shuffle) protocol.order = lore::Order::shuffled;
    prism::Dialogues dialogues(keep_going ? prism::Contradictions::cut : prism::Contradictions::refuse);
    Progress progress;
    JsonLines participants(survey);
    dialogues.read_survey(participants, survey.string(), progress);
    JsonLines lines(conversations);
    dialogues.read(lines, conversations.string(), progress);
    const RawPreferences raw = dialogues.split(protocol);
    prism::print_comparison_with_paper(std::cout, dialogues.counts(), raw);
    return embed_and_write(raw, options, std::cout);
  });
}
