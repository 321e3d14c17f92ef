// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lore/data/features.hpp"

#include "conversation.hpp"
#include "progress.hpp"

namespace lore_examples {

/// Turns conversations into embeddings. A program calls `learn` once, then `encode`, then `save_beside`.
class Encoder {
 public:
  Encoder() = default;
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  virtual ~Encoder() = default;

  /// What a preference file says of its embeddings: two files with equal names can be used together.
  [[nodiscard]] virtual std::string name() const = 0;

  /// Column j is the embedding of items[j]; d x items.size().
  /// @param storage  f32, f16 or bf16   @param progress  told of every item done
  /// @throws lore::io_error or std::runtime_error with what, where, got, wanted; never returns a value that
  ///         is not finite
  [[nodiscard]] virtual lore::FeatureMatrix encode(const std::vector<EncodeItem>& items,
                                                   lore::Storage storage, Progress& progress) = 0;

  /// How to store its embeddings unless the user says otherwise.
  [[nodiscard]] virtual lore::Storage preferred_storage() const { return lore::Storage::f32; }

  /// Takes statistics (such as document frequencies) from training conversations alone. Most encoders need
  /// none.
  virtual void learn(const std::vector<const EncodeItem*>& /*training*/) {}

  /// Writes what an application needs to embed new replies the same way, and returns the files written.
  /// @param data  the preference file, beside which they go
  virtual std::vector<std::filesystem::path> save_beside(const std::filesystem::path& /*data*/) const {
    return {};
  }
};

}  // namespace lore_examples
