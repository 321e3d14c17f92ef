// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "command_line.hpp"

#include <algorithm>
#include <exception>
#include <iostream>
#include <map>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>

#include "interrupt.hpp"
#include "server_options.hpp"

namespace lore_examples {
namespace {

const std::map<std::string, EncoderKind> encoder_names{
    {"hashing", EncoderKind::hashing}, {"file", EncoderKind::file}, {"server", EncoderKind::server}};
const std::map<std::string, lore::Storage> storage_names{
    {"f32", lore::Storage::f32}, {"f16", lore::Storage::f16}, {"bf16", lore::Storage::bf16}};
const std::vector<std::string> protocol_names{"default", "paper", "regularised"};

/// An option that takes one of the names of a map.
template <class Value>
void add_choice(CLI::App& app, const char* name, std::optional<Value>& value,
                const std::map<std::string, Value>& names, const char* help) {
  std::vector<std::string> known;
  for (const auto& [text, unused] : names) known.push_back(text);
  app.add_option_function<std::string>(
         name, [&value, &names](const std::string& text) { value = names.at(text); }, help)
      ->check(CLI::IsMember(known));
}

template <class Value>
void add_optional(CLI::App& app, const char* name, std::optional<Value>& value, const CLI::Validator& check,
                  const char* help) {
  app.add_option_function<Value>(
         name, [&value](const Value& given) { value = given; }, help)
      ->check(check);
}

/// A list such as 1,3,5: sorted, and each number once.
void add_list(CLI::App& app, const char* name, std::vector<lore::Index>& values, lore::Index least,
              const char* help) {
  app.add_option_function<std::vector<lore::Index>>(
         name,
         [&values](std::vector<lore::Index> given) {
           std::sort(given.begin(), given.end());
           given.erase(std::unique(given.begin(), given.end()), given.end());
           values = std::move(given);
         },
         help)
      ->delimiter(',')
      ->check(CLI::Range(least, lore::Index{1} << 40))
      ->type_name("INT,INT,..");
}

void add_threads(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "Threads; 0 for all cores. Results do not depend on it")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  app.parse_complete_callback([&threads] {
    if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  });
}

void add_iterations(CLI::App& app, std::optional<lore::Index>& iterations) {
  add_optional<lore::Index>(app, "--iterations", iterations, CLI::Range(lore::Index{1}, lore::Index{1} << 40),
                            "Iterations of the fit, instead of the protocol's");
}

void add_data(CLI::App& app, std::filesystem::path& data, std::string_view dataset) {
  data = default_data(dataset);
  app.add_option("--data", data, "Preference file, from prepare or any other program")->capture_default_str();
}

}  // namespace

std::filesystem::path default_data(std::string_view dataset) {
  return std::string(dataset) + ".prepared.safetensors";
}

EncoderKind PrepareOptions::encoder_kind() const {
  return encoder.value_or(embeddings.empty() ? EncoderKind::hashing : EncoderKind::file);
}

bool PrepareOptions::only_texts() const {
  return !write_texts.empty() && embeddings.empty() && (!encoder || *encoder == EncoderKind::file);
}

void PrepareOptions::validate() const {
  const EncoderKind kind = encoder_kind();
  if (kind == EncoderKind::file && embeddings.empty() && write_texts.empty())
    throw std::invalid_argument(
        "--encoder file: got no --embeddings, wanted a safetensors or npy file (or --write-texts, to have "
        "the "
        "texts written that it is made of)");
  if (kind != EncoderKind::file && !embeddings.empty())
    throw std::invalid_argument("--embeddings: got another --encoder, wanted --encoder file");
  if (embeddings.empty() && !ids.empty())
    throw std::invalid_argument("--ids: got no --embeddings, wanted the file whose rows the ids name");
  if (kind != EncoderKind::hashing && !hashing_statistics.empty())
    throw std::invalid_argument("--hashing-statistics: got another --encoder, wanted --encoder hashing");
}

void add_prepare_options(CLI::App& app, PrepareOptions& options, std::string_view dataset) {
  options.out = default_data(dataset);
  app.add_option("--out", options.out, "Preference file to write")->capture_default_str();
  add_choice(app, "--storage", options.storage, storage_names, "How to store the embeddings");
  app.add_option("--seed", options.seed, "Seed of the split")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_encoder_options(app, options);
}

void add_encoder_options(CLI::App& app, PrepareOptions& options) {
  add_choice(app, "--encoder", options.encoder, encoder_names,
             "hashing (words and surface features; needs no model), file (computed elsewhere) or server (a "
             "running model)");
  app.add_option("--dim", options.dimension, "Dimension of the hashing encoder")->capture_default_str();
  app.add_option("--hashing-statistics", options.hashing_statistics,
                 "Statistics that an earlier run wrote, instead of those of this training data");
  app.add_option("--embeddings", options.embeddings, "Embeddings computed elsewhere: safetensors or npy");
  app.add_option("--ids", options.ids,
                 "JSON lines of one {\"id\"} for each row of the embeddings; else by order");
  app.add_option("--write-texts", options.write_texts,
                 "Write the conversations to embed, one JSON object a line");
  app.add_option("--reference-head", options.reference_head,
                 "Reward head of the backbone: checkpoint folder, safetensors or npy file");
  app.add_option("--tensor", options.tensor, "Name of the head in the checkpoint")->capture_default_str();
  add_server_options(app, options.server);
}

void add_train_options(CLI::App& app, TrainOptions& options, std::string_view dataset) {
  add_data(app, options.data, dataset);
  add_list(app, "--ranks", options.ranks, 0,
           "Ranks to fit: 0 the reference reward, 1 Bradley-Terry, 2 and more personalised");
  app.add_option("--protocol", options.protocol, "default, paper or regularised")
      ->check(CLI::IsMember(protocol_names))
      ->capture_default_str();
  add_iterations(app, options.iterations);
  add_optional<double>(app, "--cosine-alpha", options.cosine_alpha, CLI::Range(0.0, 1e12),
                       "Strength of the cosine regularisation (protocol regularised)");
  app.add_option("--seed", options.seed, "Seed of starting points and folds")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_threads(app, options.threads);
  app.add_option("--results", options.results, "Results as JSON; finished ranks are kept on an interrupt");
  app.add_option("--model", options.model, "Model file of the selected rank");
  app.add_option("--csv", options.csv, "Table as CSV");
  app.add_option("--plot", options.plot, "Accuracy against rank as SVG");
  app.add_option(
      "--directions", options.directions,
      "What users of the selected rank disagree about: axes with the comparisons and users that show "
      "them, JSON or .csv");
}

void add_few_shot_options(CLI::App& app, FewShotOptions& options, std::string_view dataset) {
  add_data(app, options.data, dataset);
  auto* model = app.add_option("--model", options.model, "Model file of train_basis");
  auto* rank = app.add_option_function<lore::Index>(
      "--rank", [&options](const lore::Index& given) { options.rank = given; },
      "Rank of a basis to fit first, instead of a model file");
  rank->check(CLI::Range(lore::Index{0}, lore::Index{1} << 40))->excludes(model);
  app.add_option("--protocol", options.protocol, "default, paper or regularised")
      ->check(CLI::IsMember(protocol_names))
      ->capture_default_str();
  add_iterations(app, options.iterations);
  add_list(app, "--shots", options.shots, 0, "Numbers of shots");
  auto* first =
      app.add_flag("--first", options.first, "Each user's first comparisons in file order: one trial");
  app.add_option_function<lore::Index>(
         "--trials", [&options](const lore::Index& given) { options.trials = given; },
         "Random choices of the shots to average over")
      ->check(CLI::Range(lore::Index{1}, lore::Index{1} << 30))
      ->excludes(first);
  app.add_option("--seed", options.seed, "Seed of starting points and choices")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_threads(app, options.threads);
  app.add_option("--results", options.results, "Results as JSON");
  app.add_option("--csv", options.csv, "Table as CSV");
  app.add_option("--plot", options.plot, "Accuracy against shots as SVG");
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  catch_interrupts();
  int code = 1;
  try {
    code = body();
    std::cout.flush();
    if (!std::cout) throw std::runtime_error("standard output cannot be written");
  } catch (const std::bad_alloc&) {
    std::cerr << "error: not enough memory\n";
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
  }
  return interrupted() ? interrupted_exit_code : code;
}

}  // namespace lore_examples
