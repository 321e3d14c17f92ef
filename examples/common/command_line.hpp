// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lore/core/types.hpp"
#include "lore/data/features.hpp"

#include "server_encoder.hpp"

namespace CLI {
class App;
}

namespace lore_examples {

/// Where `prepare` of a data set writes, and where the other programs look, unless told otherwise:
/// "<dataset>.prepared.safetensors" in the current directory.
[[nodiscard]] std::filesystem::path default_data(std::string_view dataset);

enum class EncoderKind : std::uint8_t { hashing, file, server };

/// Options that every `prepare` shares.
struct PrepareOptions {
  std::filesystem::path out;
  std::optional<EncoderKind> encoder;        ///< absent: file if there are embeddings, else hashing
  lore::Index dimension = 512;               ///< of the hashing encoder
  std::filesystem::path hashing_statistics;  ///< reuse those of an earlier run instead of learning them
  std::filesystem::path embeddings;
  std::filesystem::path ids;
  std::filesystem::path write_texts;
  std::filesystem::path reference_head;
  std::string tensor = "score.weight";
  std::optional<lore::Storage> storage;  ///< absent: as the encoder prefers
  std::uint64_t seed = 0;
  ServerOptions server;

  [[nodiscard]] EncoderKind encoder_kind() const;
  /// --write-texts without anything that embeds: write the texts and stop.
  [[nodiscard]] bool only_texts() const;
  /// @throws std::invalid_argument on options that contradict each other
  void validate() const;
};

/// Options of `train_basis`.
struct TrainOptions {
  std::filesystem::path data;
  std::vector<lore::Index> ranks;  ///< ascending, each once; empty: the data set's own
  std::string protocol = "default";
  std::optional<lore::Index> iterations;  ///< absent: the protocol's own
  std::optional<double> cosine_alpha;     ///< absent: the protocol's own
  std::uint64_t seed = 0;
  int threads = 0;  ///< at least 1 after parsing; 0 on the command line: all cores
  std::filesystem::path results;
  std::filesystem::path model;
  std::filesystem::path csv;
  std::filesystem::path plot;
  std::filesystem::path directions;
};

/// Options of `vary_fewshot`.
struct FewShotOptions {
  std::filesystem::path data;
  std::filesystem::path model;      ///< a model file, or
  std::optional<lore::Index> rank;  ///< a rank to fit here
  std::string protocol = "default";
  std::optional<lore::Index> iterations;  ///< of a basis fitted here; absent: the protocol's own
  std::vector<lore::Index> shots;         ///< ascending, each once; empty: the data set's own
  std::optional<lore::Index> trials;
  bool first = false;  ///< each user's first s comparisons in file order: one trial
  std::uint64_t seed = 0;
  int threads = 0;
  std::filesystem::path results;
  std::filesystem::path csv;
  std::filesystem::path plot;
};

/// Add the options to a program; the struct must outlive `app`. Defaults that depend on the data set
/// (`out`, `data`) are set from `dataset`.
void add_prepare_options(CLI::App& app, PrepareOptions& options, std::string_view dataset);
/// Those of them that say how texts become embeddings and where the reference head is.
void add_encoder_options(CLI::App& app, PrepareOptions& options);
void add_train_options(CLI::App& app, TrainOptions& options, std::string_view dataset);
void add_few_shot_options(CLI::App& app, FewShotOptions& options, std::string_view dataset);

/// Parses the command line, catches interrupts, runs `body` and turns what it throws into one line on
/// standard error: "error: ..". @return the exit code: the body's, 1 on an error, 130 when interrupted, or
/// the parser's
int run_program(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

}  // namespace lore_examples
