// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "file_encoder.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/io/atomic_file.hpp"
#include "lore/io/npy.hpp"
#include "lore/io/safetensors.hpp"

#include "embedding_table.hpp"
#include "json_lines.hpp"

namespace lore_examples {
namespace {

/// The tensor `embeddings`, or the only matrix there is.
std::string matrix_name(const lore::SafetensorsFile& file) {
  if (file.contains("embeddings")) return "embeddings";
  std::vector<std::string> matrices;
  for (const auto& tensor : file.tensors())
    if (tensor.shape.size() == 2) matrices.push_back(tensor.name);
  if (matrices.size() == 1) return matrices.front();
  throw lore::io_error(file.path().string(), "got " + std::to_string(matrices.size()) +
                                                 " matrices and none of them is called 'embeddings', wanted "
                                                 "one matrix [n, d] of that name");
}

}  // namespace

FileEncoder::FileEncoder(std::filesystem::path embeddings, std::filesystem::path ids)
    : path_(std::move(embeddings)), ids_path_(std::move(ids)), name_("file " + path_.filename().string()) {
  if (path_.extension() == ".npy") {
    table_ = lore::read_npy(path_);
  } else {
    const lore::SafetensorsFile file = lore::SafetensorsFile::open(path_);
    table_ = file.feature_matrix(matrix_name(file));
    if (const auto known = file.metadata().find("encoder"); known != file.metadata().end())
      name_ = known->second;
  }
  if (table_.dimension() < 1)
    throw lore::io_error(path_.string(), "got a matrix of 0 columns, wanted at least 1");
  if (ids_path_.empty()) return;
  row_.emplace();
  JsonLines lines(ids_path_);
  while (const auto line = lines.next()) {
    const JsonField id = (*line)["id"];
    const auto row = static_cast<Index>(row_->size());
    const auto [place, is_new] = row_->try_emplace(id.text(), row);
    if (!is_new)
      id.fail("'" + id.text() + "', as in row " + std::to_string(place->second + 1), "each id once");
  }
  if (static_cast<Index>(row_->size()) != table_.count())
    throw lore::io_error(ids_path_.string(),
                         "got " + std::to_string(row_->size()) + " ids, wanted one for each of the " +
                             std::to_string(table_.count()) + " rows of " + path_.string());
}

lore::Storage FileEncoder::preferred_storage() const {
  return table_.storage() == lore::Storage::f64 ? lore::Storage::f32 : table_.storage();
}

lore::FeatureMatrix FileEncoder::encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                                        Progress& progress) {
  const auto count = static_cast<Index>(items.size());
  std::vector<Index> row(items.size());
  if (row_) {
    std::size_t missing = 0;
    const std::string* first = nullptr;
    for (std::size_t j = 0; j < items.size(); ++j) {
      const auto found = row_->find(items[j].id);
      if (found == row_->end()) {
        if (missing++ == 0) first = &items[j].id;
      } else {
        row[j] = found->second;
      }
    }
    if (missing > 0)
      throw lore::io_error(ids_path_.string(),
                           "got no row for " + std::to_string(missing) + " of " + std::to_string(count) +
                               " conversations, '" + *first +
                               "' the first of them; wanted one for each id that --write-texts "
                               "gives with the same options");
  } else {
    if (table_.count() != count)
      throw lore::io_error(
          path_.string(), "got " + std::to_string(table_.count()) + " rows, wanted " + std::to_string(count) +
                              ", one for each line that --write-texts gives with the same options");
    if (storage == table_.storage()) return table_;
    for (Index j = 0; j < count; ++j) row[static_cast<std::size_t>(j)] = j;
  }
  EmbeddingTable out(table_.dimension(), count, storage);
  std::vector<float> values(static_cast<std::size_t>(table_.dimension()));
  progress.begin("reading embeddings", items.size());
  for (Index j = 0; j < count; ++j) {
    const Index from = row[static_cast<std::size_t>(j)];
    table_.load(from, values.data());
    try {
      out.store(j, values.data());
    } catch (const std::domain_error& error) {
      throw lore::io_error(path_.string(), "row " + std::to_string(from) + " (" +
                                               items[static_cast<std::size_t>(j)].id + "): " + error.what());
    }
    progress.advance();
  }
  progress.end();
  return out.finish();
}

void write_texts(const std::filesystem::path& path, const std::vector<EncodeItem>& items) {
  lore::AtomicFile file(path);
  for (const EncodeItem& item : items) {
    nlohmann::ordered_json line{{"id", item.id}, {"messages", nlohmann::ordered_json::array()}};
    for (const Message& message : item.messages)
      line["messages"].push_back({{"role", message.role}, {"content", message.content}});
    file.write(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  file.commit();
}

}  // namespace lore_examples
