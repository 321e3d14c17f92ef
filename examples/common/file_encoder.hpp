// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "encoder.hpp"

namespace lore_examples {

/// Takes embeddings that another program computed for the conversations of `write_texts`: a matrix [n, d] in
/// a safetensors file (tensor `embeddings`, or its only matrix) or a NumPy .npy file. Rows are matched by
/// order, or by an ids file of one {"id": ".."} a line that names row after row (the texts file itself is
/// one).
class FileEncoder final : public Encoder {
 public:
  /// @param ids  empty: rows are in the order of the texts
  /// @throws lore::io_error when a file cannot be read, holds no matrix, names an id twice, or the ids are
  /// not
  ///         as many as the rows
  explicit FileEncoder(std::filesystem::path embeddings, std::filesystem::path ids = {});

  /// What the file's metadata say under `encoder`, else "file <name of the file>".
  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] lore::Storage preferred_storage() const override;

  /// @throws lore::io_error when rows and conversations do not agree in number (matched by order), or a
  ///         conversation has no row (matched by id); rows that nobody asks for are ignored
  [[nodiscard]] lore::FeatureMatrix encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                                           Progress& progress) override;

 private:
  std::filesystem::path path_;
  std::filesystem::path ids_path_;
  std::string name_;
  lore::FeatureMatrix table_;
  std::optional<std::unordered_map<std::string, Index>> row_;
};

/// Writes one {"id": "..", "messages": [{"role": "..", "content": ".."}, ..]} a line, in order.
/// @throws lore::io_error
void write_texts(const std::filesystem::path& path, const std::vector<EncodeItem>& items);

}  // namespace lore_examples
