// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// PersonalLLM's scored responses, or generated ones, and simulated users to a preference file.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "lore/io/preference_file.hpp"
#include "lore/parallel/threads.hpp"

#include "common/command_line.hpp"
#include "common/interrupt.hpp"
#include "personal_llm/personal_llm.hpp"
#include "personal_llm/planted.hpp"

namespace {

using namespace lore_examples;
using personal_llm::Protocol;

/// Writes users over generated embeddings and scores. No text, no encoder: d, sizes and seed say it all.
int generate(const personal_llm::PlantedResponsesOptions& planted, const Protocol& protocol,
             const PrepareOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  personal_llm::PlantedResponses data = personal_llm::plant_responses(planted, lore::Threads());
  if (interrupted()) throw std::runtime_error("interrupted; nothing was written to " + options.out.string());
  lore::Preferences<> preferences =
      personal_llm::simulate(data.responses, std::move(data.embeddings), protocol).preferences;
  preferences.reference_head = std::move(data.reference_head);
  preferences.user_names = personal_llm::user_names(protocol.users);
  preferences.dataset = "personal_llm (generated)";
  preferences.encoder = personal_llm::encoder_name(planted);
  lore::PreferenceWriteOptions write;
  write.metadata = personal_llm::describe(protocol);
  write.metadata["seed"] = std::to_string(options.seed);
  lore::write_preferences(options.out, preferences, write);
  std::cout << preferences.dataset << ": " << planted.prompts << " prompts (" << planted.test_prompts
            << " of them test) x " << personal_llm::response_count << " responses, d = " << planted.dimension
            << ", " << name_of(planted.storage) << '\n'
            << "  users: " << protocol.users.seen_users << " seen with " << protocol.users.pairs
            << " training comparisons, " << protocol.users.unseen_users << " unseen with "
            << protocol.users.shots << " shots; Dirichlet alpha " << protocol.users.alpha << "; "
            << preferences.size() << " comparisons\n"
            << "wrote " << options.out.string() << " in "
            << duration_text(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count())
            << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "PersonalLLM: users who mix ten reward models, over eight scored responses to each prompt, to a "
      "preference file");
  std::vector<std::filesystem::path> train, test;
  bool generated = false;
  Protocol protocol;
  personal_llm::PlantedResponsesOptions planted;
  PrepareOptions options;
  const CLI::Range count(lore::Index{0}, lore::Index{1} << 30);
  const CLI::Range at_least_one(lore::Index{1}, lore::Index{1} << 30);
  auto* train_option =
      app.add_option("--train", train, "Training prompts: JSON lines or .csv; - for standard input");
  auto* test_option =
      app.add_option("--test", test, "Test prompts: JSON lines or .csv; - for standard input");
  app.add_option("--dirichlet-alpha", protocol.users.alpha,
                 "Users' tastes: small, each follows one reward model; large, all the same mixture")
      ->check(CLI::Range(1e-6, 1e6))
      ->capture_default_str();
  app.add_option("--seen", protocol.users.seen_users, "Seen users")->check(count)->capture_default_str();
  app.add_option("--unseen", protocol.users.unseen_users, "Unseen users")
      ->check(count)
      ->capture_default_str();
  app.add_option("--pairs", protocol.users.pairs, "Training comparisons of a seen user")
      ->check(at_least_one)
      ->capture_default_str();
  app.add_option("--shots", protocol.users.shots, "Few-shot comparisons of an unseen user")
      ->check(count)
      ->capture_default_str();
  app.add_flag("--standardise", protocol.standardise,
               "Bring the reward models to one scale (mean and deviation of the training responses)");
  auto* generate_option = app.add_flag("--generate", generated,
                                       "Generated embeddings and scores of the same shape; reads nothing");
  app.add_option("--prompts", planted.prompts, "Generated prompts, test prompts included")
      ->check(at_least_one)
      ->needs(generate_option)
      ->capture_default_str();
  app.add_option("--test-prompts", planted.test_prompts, "Generated test prompts")
      ->check(at_least_one)
      ->needs(generate_option)
      ->capture_default_str();
  add_prepare_options(app, options, "personal_llm");
  CLI::Option* dimension = app.get_option("--dim");
  dimension->description(dimension->get_description() + "; with --generate of the embeddings (4096)");
  generate_option->excludes(train_option)->excludes(test_option);
  for (const char* name :
       {"--encoder", "--embeddings", "--ids", "--write-texts", "--hashing-statistics", "--reference-head"})
    generate_option->excludes(app.get_option(name));

  return run_program(app, argc, argv, [&] {
    options.validate();
    if (!options.storage) options.storage = lore::Storage::bf16;
    protocol.users.seed = options.seed;
    if (generated) {
      if (dimension->count() > 0) planted.dimension = options.dimension;
      planted.storage = *options.storage;
      planted.seed = options.seed;
      return generate(planted, protocol, options);
    }
    if (train.empty() || test.empty())
      throw std::invalid_argument(
          "--train and --test: got " +
          std::string(train.empty() ? test.empty() ? "neither" : "only --test" : "only --train") +
          ", wanted both (or --generate)");
    personal_llm::Responses responses;
    Progress progress;
    for (const auto& path : train) responses.read(path, false, progress);
    for (const auto& path : test) responses.read(path, true, progress);
    if (const Index repeated = responses.repeated(); repeated > 0)
      std::cout << "left " << repeated << " training prompts out that are test prompts too\n";
    return embed_and_write(responses.simulate(protocol), options, std::cout);
  });
}
