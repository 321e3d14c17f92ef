// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <limits>
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
#include "lore/io/atomic_file.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/detail/convert.hpp"
#include "lore/io/dtype.hpp"
#include "lore/io/mapped_file.hpp"

namespace lore {

namespace detail {

struct NpyHeader {
  Dtype dtype = Dtype::f32;
  bool fortran_order = false;
  std::vector<Index> shape;
};

/// The types of an .npy file that the library knows, little-endian.
struct NpyType {
  std::string_view descr;
  Dtype dtype;
};
inline constexpr std::array<NpyType, 12> npy_types{{{"<f4", Dtype::f32},
                                                    {"<f8", Dtype::f64},
                                                    {"<f2", Dtype::f16},
                                                    {"<i8", Dtype::i64},
                                                    {"<i4", Dtype::i32},
                                                    {"<i2", Dtype::i16},
                                                    {"|i1", Dtype::i8},
                                                    {"<u8", Dtype::u64},
                                                    {"<u4", Dtype::u32},
                                                    {"<u2", Dtype::u16},
                                                    {"|u1", Dtype::u8},
                                                    {"|b1", Dtype::boolean}}};

/// Reads the dictionary of an .npy header, a Python literal with the keys descr, fortran_order and shape.
class NpyHeaderReader {
 public:
  NpyHeaderReader(std::string_view text, const std::filesystem::path& path) : rest_(text), path_(path) {}

  [[nodiscard]] NpyHeader read() {
    NpyHeader header;
    std::array<bool, 3> seen{};
    const auto once = [&](std::size_t which, std::string_view key) {
      if (std::exchange(seen[which], true)) fail("the key " + in_quotes(key) + " a second time");
    };
    expect('{');
    while (!accept('}')) {
      const std::string_view key = text();
      expect(':');
      if (key == "descr") {
        once(0, key);
        header.dtype = dtype();
      } else if (key == "fortran_order") {
        once(1, key);
        header.fortran_order = boolean();
      } else if (key == "shape") {
        once(2, key);
        header.shape = shape();
      } else {
        fail("the key " + in_quotes(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (!rest_.empty()) fail("text after the dictionary");
    if (!seen[0] || !seen[1] || !seen[2]) fail("fewer keys");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& got) const {
    raise_io(path_, "npy header", got, "a dictionary of descr, fortran_order and shape");
  }

  void skip() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
  }

  [[nodiscard]] bool accept(char c) {
    skip();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!accept(c))
      fail((rest_.empty() ? std::string("its end") : in_quotes(rest_.substr(0, 20))) + " instead of '" + c +
           "'");
  }

  [[nodiscard]] std::string_view text() {
    skip();
    const char quote = !rest_.empty() && rest_.front() == '"' ? '"' : '\'';
    expect(quote);
    const auto end = rest_.find(quote);
    if (end == std::string_view::npos) fail("a text without an end");
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }

  [[nodiscard]] Dtype dtype() {
    skip();
    if (!rest_.empty() && rest_.front() == '[')
      raise_io(path_, "npy header: descr", "a structured type", "one plain number type such as '<f4'");
    const std::string_view found = text();
    for (const NpyType& type : npy_types)
      if (type.descr == found) return type.dtype;
    raise_io(path_, "npy header: descr", in_quotes(found),
             !found.empty() && found.front() == '>' ? "little-endian values such as '<f4'"
                                                    : "a plain number type such as '<f2', '<f4' or '<i8'");
  }

  [[nodiscard]] bool boolean() {
    skip();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (rest_.substr(0, word.size()) != word) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    fail("fortran_order other than True and False");
  }

  [[nodiscard]] std::vector<Index> shape() {
    std::vector<Index> sizes;
    expect('(');
    while (!accept(')')) {
      Index size = 0;
      skip();
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) fail("a size that is no whole number, 0 or above");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      sizes.push_back(size);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::string_view rest_;
  const std::filesystem::path& path_;
};

struct NpyContent {
  NpyHeader header;
  std::span<const std::byte> data;
  Index elements = 0;
};

/// Checks everything up to the number of bytes of the data.
[[nodiscard]] inline NpyContent check_npy(const MappedFile& file) {
  const std::filesystem::path& path = file.path();
  const std::span<const std::byte> bytes = file.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view magic = "\x93NUMPY";
  if (text.size() < 10 || text.substr(0, magic.size()) != magic)
    raise_io(path, "npy header", "other first bytes", "those of an .npy file");
  const auto byte = [&](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(text[at]));
  };
  const std::size_t major = byte(6);
  if (major < 1 || major > 3) raise_io(path, "npy header: version", major, "1, 2 or 3");
  const std::size_t start = major == 1 ? 10 : 12;
  if (text.size() < start) raise_io(path, "npy header", "a file cut short", "its length in 4 bytes");
  std::size_t length = byte(8) | byte(9) << 8U;
  if (major > 1) length |= byte(10) << 16U | byte(11) << 24U;
  if (length > text.size() - start)
    raise_io(path, "npy header: length", length,
             "at most " + to_text(text.size() - start) + ", what the file holds");
  NpyContent content;
  content.header = NpyHeaderReader(text.substr(start, length), path).read();
  content.data = bytes.subspan(start + length);
  const Index size = static_cast<Index>(bits_of(content.header.dtype) / 8);
  const Index limit = std::numeric_limits<Index>::max() / size;
  content.elements = 1;
  for (const Index extent : content.header.shape) {
    if (extent > 0 && content.elements > limit / extent)
      raise_io(path, "npy header: shape", shape_text(content.header.shape), "a product below 2^63 bytes");
    content.elements *= extent;
  }
  if (content.data.size() != static_cast<std::size_t>(content.elements * size))
    raise_io(path, "npy data", to_text(content.data.size()) + " bytes",
             to_text(content.elements * size) + " bytes for the shape " + shape_text(content.header.shape) +
                 " of " + std::string(name_of(content.header.dtype)));
  return content;
}

/// The header of a C-order array, padded so that the data starts at a multiple of 64.
[[nodiscard]] inline std::string npy_header(Dtype dtype, const std::vector<Index>& shape) {
  std::string text = "{'descr': '";
  for (const NpyType& type : npy_types)
    if (type.dtype == dtype) text.append(type.descr);
  text.append("', 'fortran_order': False, 'shape': (");
  for (const Index size : shape) text.append(to_text(size)).append(shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) text.resize(text.size() - 2);
  text.append("), }");
  constexpr std::size_t alignment = 64, before = 10;
  text.append((alignment - (before + text.size() + 1) % alignment) % alignment, ' ').push_back('\n');
  std::string all("\x93NUMPY\x01\x00", 8);
  all.push_back(static_cast<char>(text.size() & 0xffU));
  all.push_back(static_cast<char>(text.size() >> 8U));
  return all + text;
}

}  // namespace detail

/// A NumPy array [n, d] of <f2, <f4 or <f8 as a d x n matrix: mapped, without a copy, when it is in C order;
/// in Fortran order it is transposed into memory. One-dimensional [d] is d x 1.
/// @throws io_error on a damaged file, another type or number of dimensions, or bytes missing or left over
/// @cost O(1), or O(dn) for Fortran order   @ref NEP 1, versions 1 to 3 of the format
[[nodiscard]] inline FeatureMatrix read_npy(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const detail::NpyContent content = detail::check_npy(*file);
  const std::optional<Storage> storage = storage_of(content.header.dtype);
  const std::vector<Index>& shape = content.header.shape;
  if (!storage) detail::raise_io(path, "npy header: descr", name_of(content.header.dtype), "F16, F32 or F64");
  if (shape.empty() || shape.size() > 2)
    detail::raise_io(path, "npy header: shape", detail::shape_text(shape), "[n, d] or [d]");
  const Index dimension = shape.back();
  const Index count = shape.size() == 2 ? shape[0] : 1;
  if (!content.header.fortran_order || dimension <= 1 || count <= 1)
    return detail::view_or_copy(content.data.data(), *storage, dimension, count, file);
  const FeatureMatrix columns = detail::view_or_copy(content.data.data(), *storage, count, dimension, file);
  return columns.visit([&](const auto* values) {
    using T = std::remove_cvref_t<decltype(*values)>;
    using Dense = Eigen::Matrix<T, Dynamic, Dynamic>;
    return FeatureMatrix::own<T>(Dense(Eigen::Map<const Dense>(values, count, dimension).transpose()));
  });
}

/// A one-dimensional NumPy array of exactly this type: float <f4, double <f8, std::int64_t <i8, std::int32_t
/// <i4, std::uint8_t |u1.
/// @throws io_error on a damaged file, another type or number of dimensions
template <class T>
[[nodiscard]] std::vector<T> read_npy_vector(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const detail::NpyContent content = detail::check_npy(*file);
  if (content.header.dtype != detail::dtype_trait<T>::value)
    detail::raise_io(path, "npy header: descr", name_of(content.header.dtype),
                     name_of(detail::dtype_trait<T>::value));
  if (content.header.shape.size() != 1)
    detail::raise_io(path, "npy header: shape", detail::shape_text(content.header.shape), "one dimension");
  std::vector<T> values(static_cast<std::size_t>(content.elements));
  if (!values.empty()) std::memcpy(values.data(), content.data.data(), content.data.size());
  return values;
}

/// Writes the d x n table as an [n, d] array in C order. NumPy has no bf16: such a table is written as <f4,
/// which holds the same values.
/// @throws io_error; an older file of that name stays untouched then
inline void write_npy(const std::filesystem::path& path, const FeatureMatrix& table) {
  const Storage storage = table.storage() == Storage::bf16 ? Storage::f32 : table.storage();
  AtomicFile file(path);
  file.write(detail::npy_header(dtype_of(storage), {table.count(), table.dimension()}));
  detail::append_as(table, storage, path, "array",
                    [&](const void* data, std::size_t bytes) { file.write(data, bytes); });
  file.commit();
}

/// Writes a one-dimensional array.
/// @throws io_error; an older file of that name stays untouched then
template <class T>
void write_npy(const std::filesystem::path& path, std::span<const T> values) {
  AtomicFile file(path);
  file.write(detail::npy_header(detail::dtype_trait<T>::value, {static_cast<Index>(values.size())}));
  file.write(values.data(), values.size_bytes());
  file.commit();
}

}  // namespace lore
