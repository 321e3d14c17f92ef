// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/detail/convert.hpp"
#include "lore/io/detail/safetensors_header.hpp"
#include "lore/io/dtype.hpp"
#include "lore/io/mapped_file.hpp"

namespace lore {

/// A safetensors file, mapped and checked: the header's length and JSON, names, types, shapes and offsets are
/// all verified before anything else looks at the data. Copies are cheap and share the mapping.
///
///     const auto file = lore::SafetensorsFile::open("embeddings.safetensors");
///     const lore::FeatureMatrix table = file.feature_matrix("embeddings");
///
/// @ref the safetensors format of Hugging Face: 8 bytes header length, header in JSON, data
class SafetensorsFile {
 public:
  /// A longer header is refused before it is looked at, as the reference implementation does.
  static constexpr std::uint64_t longest_header = 100'000'000;

  /// @throws io_error that names the path, the place in the header, what was found and what was expected
  /// @cost O(header); tensors are not read
  [[nodiscard]] static SafetensorsFile open(const std::filesystem::path& path) {
    SafetensorsFile file;
    file.mapping_ = MappedFile::open(path);
    const std::span<const std::byte> bytes = file.mapping_->bytes();
    if (bytes.size() < 8)
      detail::raise_io(path, "header length", to_text_bytes(bytes.size()), "at least 8 bytes of safetensors");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    if (length > longest_header)
      detail::raise_io(path, "header length", length,
                       "at most " + detail::to_text(longest_header) + "; this is not safetensors");
    if (length > bytes.size() - 8)
      detail::raise_io(path, "header length", length,
                       "at most " + detail::to_text(bytes.size() - 8) + ", what the file holds");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8,
                                static_cast<std::size_t>(length));
    file.data_ = bytes.subspan(8 + static_cast<std::size_t>(length));
    detail::SafetensorsHeader header = detail::read_safetensors_header(text, file.data_.size(), path);
    for (std::size_t i = 0; i < header.tensors.size(); ++i) file.places_[header.tensors[i].name] = i;
    file.tensors_ = std::move(header.tensors);
    file.metadata_ = std::move(header.metadata);
    return file;
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return mapping_->path(); }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

  /// All tensors in the order of their bytes.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const noexcept { return tensors_; }

  [[nodiscard]] bool contains(std::string_view name) const { return places_.find(name) != places_.end(); }

  /// @throws io_error that lists the names most like it when there is no such tensor
  [[nodiscard]] const TensorInfo& info(std::string_view name) const {
    const auto found = places_.find(name);
    if (found != places_.end()) return tensors_[found->second];
    std::vector<std::string> names;
    for (const TensorInfo& tensor : tensors_) names.push_back(tensor.name);
    throw io_error(path().string(), "tensor " + detail::in_quotes(name) +
                                        ": not in the file; the nearest names are " +
                                        detail::nearest_names(name, names));
  }

  /// The raw bytes of a tensor, valid as long as a copy of this object lives; not aligned to anything.
  [[nodiscard]] std::span<const std::byte> bytes(std::string_view name) const {
    const TensorInfo& tensor = info(name);
    return data_.subspan(static_cast<std::size_t>(tensor.begin),
                         static_cast<std::size_t>(tensor.end - tensor.begin));
  }

  /// A copy of a one-dimensional tensor of exactly this type: float F32, double F64, std::int64_t I64,
  /// std::int32_t I32, std::uint8_t U8.
  /// @param length  when given, the number of elements it must have
  /// @throws io_error on another type, number of dimensions or length
  template <class T>
  [[nodiscard]] std::vector<T> read_vector(std::string_view name,
                                           std::optional<Index> length = std::nullopt) const {
    const TensorInfo& tensor = info(name);
    require_dtype(name, detail::dtype_trait<T>::value);
    if (tensor.shape.size() != 1 || (length && tensor.shape[0] != *length))
      detail::raise_io(path(), "tensor " + detail::in_quotes(name),
                       "the shape " + detail::shape_text(tensor.shape),
                       length ? "[" + detail::to_text(*length) + "]" : "one dimension");
    std::vector<T> values(static_cast<std::size_t>(tensor.elements()));
    const std::span<const std::byte> from = bytes(name);
    if (!values.empty()) std::memcpy(values.data(), from.data(), from.size());
    return values;
  }

  /// A two-dimensional tensor [n, d] of F32, F16, BF16 or F64 as a d x n matrix: in place, without a copy,
  /// unless the file has it at an unaligned address. One-dimensional [d] is d x 1.
  /// @throws io_error on another type or number of dimensions
  [[nodiscard]] FeatureMatrix feature_matrix(std::string_view name) const {
    const TensorInfo& tensor = info(name);
    const std::optional<Storage> storage = storage_of(tensor.dtype);
    if (!storage)
      detail::raise_io(path(), "tensor " + detail::in_quotes(name), name_of(tensor.dtype),
                       "F32, F16, BF16 or F64");
    if (tensor.shape.empty() || tensor.shape.size() > 2)
      detail::raise_io(path(), "tensor " + detail::in_quotes(name),
                       "the shape " + detail::shape_text(tensor.shape), "[n, d] or [d]");
    const Index count = tensor.shape.size() == 2 ? tensor.shape[0] : 1;
    return detail::view_or_copy(bytes(name).data(), *storage, tensor.shape.back(), count, mapping_);
  }

  /// A tensor [n, d] or [d] of F32, F16, BF16 or F64, converted to a d x n matrix of Scalar.
  /// @throws io_error on another type or number of dimensions   @cost O(dn)
  template <Real Scalar>
  [[nodiscard]] Matrix<Scalar> read_matrix(std::string_view name) const {
    const FeatureMatrix table = feature_matrix(name);
    Matrix<Scalar> values(table.dimension(), table.count());
    for (Index column = 0; column < table.count(); ++column) table.load(column, values.col(column).data());
    return values;
  }

  /// @throws io_error unless the tensor has this type
  void require_dtype(std::string_view name, Dtype wanted) const {
    const TensorInfo& tensor = info(name);
    if (tensor.dtype != wanted)
      detail::raise_io(path(), "tensor " + detail::in_quotes(name), name_of(tensor.dtype), name_of(wanted));
  }

  /// @throws io_error unless the tensor has this shape
  void require_shape(std::string_view name, const std::vector<Index>& wanted) const {
    const TensorInfo& tensor = info(name);
    if (tensor.shape != wanted)
      detail::raise_io(path(), "tensor " + detail::in_quotes(name),
                       "the shape " + detail::shape_text(tensor.shape), detail::shape_text(wanted));
  }

  /// @param versions  what the text says was wanted, where a reader knows several
  /// @throws io_error unless the metadata say that this is a `format` of version `version`
  void require_format(std::string_view format, std::string_view version,
                      std::string_view versions = {}) const {
    const auto check = [&](const char* key, std::string_view wanted, std::string_view all) {
      const auto found = metadata_.find(key);
      if (found == metadata_.end())
        detail::raise_io(path(), std::string("metadata '") + key + "'", "nothing", all);
      if (found->second != wanted)
        detail::raise_io(path(), std::string("metadata '") + key + "'", detail::in_quotes(found->second),
                         all);
    };
    check("format", format, detail::in_quotes(format));
    check("version", version, versions.empty() ? detail::in_quotes(version) : std::string(versions));
  }

 private:
  SafetensorsFile() = default;

  [[nodiscard]] static std::string to_text_bytes(std::size_t count) {
    return "a file of " + detail::to_text(count) + " bytes";
  }

  std::shared_ptr<const MappedFile> mapping_;
  std::span<const std::byte> data_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t, std::less<>> places_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lore
