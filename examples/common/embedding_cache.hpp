// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>

#include "lore/core/types.hpp"
#include "lore/io/mapped_file.hpp"

namespace lore_examples {

/// 128 bits that stand for everything a vector depends on.
struct CacheKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  bool operator==(const CacheKey&) const = default;
};

/// The key of several texts; no two splits of the same bytes into parts agree.
[[nodiscard]] CacheKey cache_key(std::initializer_list<std::string_view> parts) noexcept;

/// A file to which vectors are appended as they are computed, so that an interrupted run loses at most those
/// under way.
///
/// Layout, little endian: 32 bytes of header ("lore.embeddings\0", u32 version 1, u32 dimension d, u64 0),
/// then records of 24 + 4 d bytes: key (2 x u64), checksum of key and values (u64), d values (f32). A record
/// that a kill or a power cut tore is found by its length or checksum: at the end of the file it is cut off,
/// elsewhere passed over.
///
/// One process at a time (the file is locked); `append` and the readers must not run at the same time.
class EmbeddingCache {
 public:
  /// Opens the file, or creates it.
  /// @throws lore::io_error if it cannot be opened, is something else, of another version, or in use by
  ///         another process
  explicit EmbeddingCache(std::filesystem::path path);
  ~EmbeddingCache();
  EmbeddingCache(const EmbeddingCache&) = delete;
  EmbeddingCache& operator=(const EmbeddingCache&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// d, or 0 as long as nothing has been appended.
  [[nodiscard]] lore::Index dimension() const noexcept { return dimension_; }
  [[nodiscard]] std::size_t size() const noexcept { return place_.size(); }
  [[nodiscard]] bool contains(const CacheKey& key) const { return place_.contains(key); }
  /// Bytes of torn records that were passed over or cut off when the file was opened.
  [[nodiscard]] std::size_t torn_bytes() const noexcept { return torn_bytes_; }

  /// Writes keys.size() vectors of `dimension` values, one after the other, in one go. Keys that the file has
  /// are left as they are.
  /// @throws std::invalid_argument if the sizes do not fit or the file holds another dimension;
  ///         lore::io_error if writing fails, and then nothing of it stays
  void append(std::span<const CacheKey> keys, std::span<const float> values, lore::Index dimension);

  /// The d values of a key, in the mapped file; valid until the next `append`.
  /// @throws std::out_of_range if the file does not have it
  [[nodiscard]] const float* find(const CacheKey& key) const;

 private:
  struct Hash {
    std::size_t operator()(const CacheKey& key) const noexcept { return static_cast<std::size_t>(key.first); }
  };

  void read_header();
  void scan();
  [[nodiscard]] std::size_t record_bytes() const noexcept;
  void write_all(const void* data, std::size_t bytes, std::size_t at);

  std::filesystem::path path_;
  int file_ = -1;
  lore::Index dimension_ = 0;
  std::size_t bytes_ = 0;  // length of the file
  std::size_t torn_bytes_ = 0;
  std::unordered_map<CacheKey, std::size_t, Hash> place_;  // offset of the values
  mutable std::shared_ptr<const lore::MappedFile> mapped_;
};

}  // namespace lore_examples
