// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Comparisons of Reddit TLDR summaries to a preference file.
#include "common/prepare.hpp"

#include <filesystem>
#include <iostream>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/command_line.hpp"
#include "common/interrupt.hpp"
#include "common/json_lines.hpp"
#include "reddit_tldr/tldr.hpp"

int main(int argc, char** argv) {
  using namespace lore_examples;
  CLI::App app("Reddit TLDR: human comparisons of summaries to a preference file");
  std::vector<std::filesystem::path> train, validation;
  lore::TwoPartProtocol protocol;
  protocol.order = lore::Order::shuffled;
  bool file_order = false;
  PrepareOptions options;
  app.add_option("--train", train, "JSON-lines files of training comparisons; - for standard input")
      ->required();
  app.add_option("--validation", validation, "JSON-lines files of validation comparisons")->required();
  app.add_option("--max-seen", protocol.max_train, "Most training comparisons of a seen worker")
      ->check(CLI::Range(lore::Index{1}, lore::Index{1} << 40))
      ->capture_default_str();
  app.add_option("--max-shots", protocol.max_shots, "Most training comparisons of an unseen worker")
      ->check(CLI::Range(lore::Index{0}, lore::Index{1} << 40))
      ->capture_default_str();
  app.add_option("--drop-smallest", protocol.drop_smallest, "Workers to leave out, those with the fewest")
      ->check(CLI::Range(lore::Index{0}, lore::Index{1} << 40))
      ->capture_default_str();
  app.add_option("--seen-fraction", protocol.seen.fraction, "Share of the workers that are seen")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--file-order", file_order,
               "Keep the first comparisons in the files instead of a random choice");
  add_prepare_options(app, options, "reddit_tldr");

  return run_program(app, argc, argv, [&] {
    options.validate();
    protocol.seed = options.seed;
    if (file_order) protocol.order = lore::Order::file;
    tldr::Comparisons comparisons;
    Progress progress;
    const auto read = [&](const std::vector<std::filesystem::path>& paths, lore::Side side) {
      for (const auto& path : paths) {
        JsonLines lines(path);
        comparisons.read(lines, side, path.string(), progress);
      }
    };
    read(train, lore::Side::train);
    read(validation, lore::Side::test);
    return embed_and_write(comparisons.split(protocol), options, std::cout);
  });
}
