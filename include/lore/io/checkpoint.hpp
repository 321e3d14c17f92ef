// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/mapped_file.hpp"
#include "lore/io/npy.hpp"
#include "lore/io/safetensors.hpp"

namespace lore {

namespace detail {

inline constexpr const char* checkpoint_index = "model.safetensors.index.json";
inline constexpr const char* checkpoint_file = "model.safetensors";

/// The shard of a Hugging Face checkpoint that holds the tensor, from the index's weight_map.
[[nodiscard]] inline std::filesystem::path shard_of(const std::filesystem::path& index,
                                                    std::string_view name) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(index);
  const auto* text = reinterpret_cast<const char*>(file->bytes().data());
  const nlohmann::json json = nlohmann::json::parse(text, text + file->bytes().size(), nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
    throw io_error(index.string(), "wanted a JSON object with the object 'weight_map'");
  const nlohmann::json& map = json["weight_map"];
  const auto found = map.find(std::string(name));
  if (found == map.end()) {
    std::vector<std::string> names;
    for (const auto& entry : map.items()) names.push_back(entry.key());
    throw io_error(index.string(), "tensor " + in_quotes(name) +
                                       ": not in the checkpoint; the nearest names are " +
                                       nearest_names(name, names));
  }
  const std::filesystem::path shard =
      found->is_string() ? std::filesystem::path(found->get<std::string>()) : std::filesystem::path();
  if (shard.empty() || shard.has_parent_path() || shard == "..")
    raise_io(index, "weight_map: tensor " + in_quotes(name), in_quotes(found->dump()),
             "the name of a file in the same folder");
  return index.parent_path() / shard;
}

/// A table of one vector as Vector<float>, finite.
[[nodiscard]] inline Vector<float> single_vector(const FeatureMatrix& table,
                                                 const std::filesystem::path& path, std::string_view name) {
  if (table.count() != 1 || table.dimension() < 1)
    raise_io(path, "tensor " + in_quotes(name), "the shape " + shape_text({table.count(), table.dimension()}),
             "[d] or [1, d]");
  Vector<float> values(table.dimension());
  table.load(0, values.data());
  blame_file(path, [&] { check_finite("read", "tensor " + in_quotes(name), values); });
  return values;
}

}  // namespace detail

/// One named vector, of shape [d] or [1, d] and type F32, F16, BF16 or F64, of a Hugging Face checkpoint: a
/// folder with model.safetensors.index.json or model.safetensors, such an index, or one .safetensors file.
/// Only the pages of the header and of that tensor are read, however large the shard is.
/// @throws io_error that lists the nearest names when there is no such tensor
[[nodiscard]] inline Vector<float> read_named_tensor(const std::filesystem::path& path,
                                                     std::string_view name) {
  std::filesystem::path file = path;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    file = path / detail::checkpoint_index;
    if (!std::filesystem::exists(file, ignored)) file = path / detail::checkpoint_file;
    if (!std::filesystem::exists(file, ignored))
      throw io_error(path.string(), std::string("wanted a folder with ") + detail::checkpoint_index + " or " +
                                        detail::checkpoint_file);
  }
  if (file.extension() == ".json") file = detail::shard_of(file, name);
  const SafetensorsFile shard = SafetensorsFile::open(file);
  return detail::single_vector(shard.feature_matrix(name), file, name);
}

/// v_ref: the reward head of a checkpoint (see `read_named_tensor`), or a NumPy array [d] or [1, d].
/// @param tensor  its name in the checkpoint; not used for .npy
/// @throws io_error
[[nodiscard]] inline Vector<float> read_reference_head(const std::filesystem::path& path,
                                                       std::string_view tensor = "score.weight") {
  if (path.extension() == ".npy") return detail::single_vector(read_npy(path), path, "array");
  return read_named_tensor(path, tensor);
}

}  // namespace lore
