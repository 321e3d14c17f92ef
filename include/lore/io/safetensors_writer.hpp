// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/io/atomic_file.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/detail/convert.hpp"
#include "lore/io/detail/safetensors_header.hpp"
#include "lore/io/dtype.hpp"

namespace lore {

/// Writes a safetensors file. Tensors are named first and streamed by write(), so one larger than memory can
/// be written as it is made. Wide types come first and the data start at a multiple of 64 bytes, so every
/// tensor is aligned and maps without a copy. The file appears whole or not at all (`AtomicFile`).
///
///     lore::SafetensorsWriter writer;
///     writer.add_table("embeddings", table, lore::Storage::f16);
///     writer.add("user", std::span<const std::int64_t>(users));
///     writer.write("preferences.safetensors");
class SafetensorsWriter {
 public:
  using Append = std::function<void(const void* data, std::size_t bytes)>;
  using Source = std::function<void(const Append& append)>;

  void metadata(std::string key, std::string value) { metadata_[std::move(key)] = std::move(value); }

  /// A tensor that `source` hands over piece by piece, in order, when write() calls it.
  /// @throws std::domain_error when the name is taken or a size is negative
  void add(std::string name, Dtype dtype, std::vector<Index> shape, Source source) {
    add_item(
        std::move(name), dtype, std::move(shape),
        [source = std::move(source)](const std::filesystem::path&, const Append& append) { source(append); });
  }

  /// A tensor of the values, which must live until write() returns.
  /// @throws std::invalid_argument unless the shape (default [n]) has as many elements
  template <class T>
  void add(std::string name, std::span<const T> values, std::vector<Index> shape = {}) {
    if (shape.empty()) shape = {static_cast<Index>(values.size())};
    const Index elements = checked_elements(name, detail::dtype_trait<T>::value, shape);
    detail::check_size("SafetensorsWriter::add", name, static_cast<Index>(values.size()), elements);
    add_item(std::move(name), detail::dtype_trait<T>::value, std::move(shape),
             [values](const std::filesystem::path&, const Append& append) {
               append(values.data(), values.size_bytes());
             });
  }

  /// The d x n table as a tensor [n, d], converted to `storage` block by block while it is written.
  void add_table(std::string name, FeatureMatrix table, Storage storage) {
    std::vector<Index> shape{table.count(), table.dimension()};
    add_item(
        name, dtype_of(storage), std::move(shape),
        [name, table = std::move(table), storage](const std::filesystem::path& path, const Append& append) {
          detail::append_as(table, storage, path, name, append);
        });
  }

  /// @throws io_error when the file cannot be written, or a value does not fit the storage that was asked for
  ///         (the text suggests another); std::invalid_argument when a source gives more or fewer bytes than
  ///         it said. An older file of that name stays untouched then.
  void write(const std::filesystem::path& path) const {
    std::vector<const Item*> order;
    for (const Item& item : items_) order.push_back(&item);
    std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
      return bits_of(a->info.dtype) > bits_of(b->info.dtype);
    });
    detail::SafetensorsHeader header;
    header.metadata = metadata_;
    std::uint64_t end = 0;
    for (const Item* item : order) {
      TensorInfo info = item->info;
      info.begin = end;
      end += info.end;
      info.end = end;
      header.tensors.push_back(std::move(info));
    }
    const std::string text = detail::write_safetensors_header(header, path);
    const std::uint64_t length = text.size();
    AtomicFile file(path);
    file.write(&length, sizeof length);
    file.write(text);
    for (const Item* item : order) {
      std::uint64_t given = 0;
      item->source(path, [&](const void* data, std::size_t bytes) {
        given += bytes;
        if (given <= item->info.end) file.write(data, bytes);
      });
      if (given != item->info.end)
        detail::raise_shape("SafetensorsWriter::write",
                            "bytes of tensor " + detail::in_quotes(item->info.name), given, item->info.end);
    }
    file.commit();
  }

 private:
  using PathSource = std::function<void(const std::filesystem::path& path, const Append& append)>;

  struct Item {
    TensorInfo info;  ///< end: its number of bytes
    PathSource source;
  };

  /// The product of the shape, when that many elements of this type are a whole number of bytes and fit.
  [[nodiscard]] static Index checked_elements(std::string_view name, Dtype dtype,
                                              const std::vector<Index>& shape) {
    constexpr const char* where = "SafetensorsWriter::add";
    const std::string what = "shape of " + detail::in_quotes(name);
    const Index limit = std::numeric_limits<Index>::max() / static_cast<Index>(bits_of(dtype));
    Index elements = 1;
    for (const Index size : shape) {
      if (size < 0 || (size > 0 && elements > limit / size))
        detail::raise_value(where, what, detail::shape_text(shape),
                            "sizes of 0 or above with a product below 2^63 bits");
      elements *= size;
    }
    if (elements * static_cast<Index>(bits_of(dtype)) % 8 != 0)
      detail::raise_value(where, what, detail::shape_text(shape), "a whole number of bytes");
    return elements;
  }

  void add_item(std::string name, Dtype dtype, std::vector<Index> shape, PathSource source) {
    constexpr const char* where = "SafetensorsWriter::add";
    for (const Item& item : items_)
      if (item.info.name == name)
        detail::raise_value(where, detail::in_quotes(name), "a second tensor", "one");
    if (name == "__metadata__") detail::raise_value(where, "name", name, "another one");
    const Index bits = checked_elements(name, dtype, shape) * static_cast<Index>(bits_of(dtype));
    items_.push_back({{std::move(name), dtype, std::move(shape), 0, static_cast<std::uint64_t>(bits / 8)},
                      std::move(source)});
  }

  std::vector<Item> items_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lore
