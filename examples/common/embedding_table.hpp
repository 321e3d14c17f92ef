// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lore/data/features.hpp"

namespace lore_examples {

/// A table of embeddings under construction: columns arrive as floats and are stored as f32, f16 or bf16.
class EmbeddingTable {
 public:
  /// @throws std::invalid_argument on a size below 0 or a storage that preference files do not know
  EmbeddingTable(lore::Index dimension, lore::Index count, lore::Storage storage);

  /// Column `column` = values[0..d). Different columns may be written from different threads.
  /// @throws std::domain_error when a value is not finite, or too large for f16 (the text suggests bf16)
  void store(lore::Index column, const float* values);

  /// The finished table; columns never stored are zero. Call once.
  [[nodiscard]] lore::FeatureMatrix finish();

 private:
  lore::Index dimension_;
  lore::Index count_;
  lore::Storage storage_;
  std::shared_ptr<std::vector<std::byte>> bytes_;
};

/// Runs work(0), .., work(count-1) on all processor cores; the first exception reaches the caller.
void for_each_in_parallel(lore::Index count, const std::function<void(lore::Index)>& work);

}  // namespace lore_examples
