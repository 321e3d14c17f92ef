// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "encoder.hpp"
#include "text_features.hpp"

namespace lore_examples {

/// Embeds the last message of a conversation, the reply, by its words: a lexical baseline that needs no
/// model. It knows how a reply looks and which words it uses, not what it means, and is no reward model; it
/// is there so that every pipeline runs on raw text, and as the figure that a real backbone has to beat.
///
/// Coordinates 0 .. surface_count-1: surface features (lengths, punctuation, overlap with the prompt; see
/// text_features.hpp), standardised on the training texts, clipped at 5 and divided by sqrt(surface_count).
/// The others: words, pairs of words and pieces of words with weight (1 + log count) * idf (pairs and pieces
/// half of that), each added with its sign at its place, both from its 64-bit hash; then scaled to length 1.
/// idf = 1 + log((1 + N) / (1 + n)), n of the N training texts holding the feature. So both parts have about
/// unit length. @ref Weinberger et al. 2009 (signed feature hashing)
class HashingEncoder final : public Encoder {
 public:
  static constexpr Index smallest_dimension = static_cast<Index>(surface_count) + 4;

  /// Knows no training texts yet: every idf is 1 and surface features are taken as they are.
  /// @throws std::invalid_argument when dimension < smallest_dimension
  explicit HashingEncoder(Index dimension = 512);

  /// An encoder that `save` wrote: it embeds new texts exactly as the data were.
  /// @throws lore::io_error
  [[nodiscard]] static std::unique_ptr<HashingEncoder> load(const std::filesystem::path& path);

  /// @throws lore::io_error
  void save(const std::filesystem::path& path) const;

  /// Where `save_beside` puts it: data.safetensors gives data.hashing.safetensors.
  [[nodiscard]] static std::filesystem::path path_beside(const std::filesystem::path& data);

  [[nodiscard]] Index dimension() const noexcept { return dimension_; }
  [[nodiscard]] Index documents() const noexcept { return documents_; }

  /// Writes the embedding of one conversation to out[0..dimension()). @throws std::invalid_argument when it
  /// is empty @cost O(length)
  void embed(const Conversation& messages, float* out) const;

  /// "hashing-1 d=512 <fingerprint of the training statistics>"
  [[nodiscard]] std::string name() const override;
  [[nodiscard]] lore::FeatureMatrix encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                                           Progress& progress) override;
  void learn(const std::vector<const EncodeItem*>& training) override;
  std::vector<std::filesystem::path> save_beside(const std::filesystem::path& data) const override;

 private:
  static constexpr std::size_t buckets = std::size_t{1} << 18;

  Index dimension_;
  Index documents_ = 0;
  /// Training texts that hold a feature, counted by the low bits of its hash.
  std::vector<float> document_frequency_;
  std::array<float, surface_count> surface_mean_{};
  std::array<float, surface_count> surface_deviation_;
};

}  // namespace lore_examples
