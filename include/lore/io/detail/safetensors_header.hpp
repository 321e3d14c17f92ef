// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/dtype.hpp"

namespace lore {

/// What a safetensors header says of one tensor.
struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<Index> shape;
  std::uint64_t begin = 0;  ///< first byte, from the start of the data
  std::uint64_t end = 0;    ///< one past the last byte

  /// Number of elements, known to fit.
  [[nodiscard]] Index elements() const noexcept {
    Index product = 1;
    for (const Index size : shape) product *= size;
    return product;
  }
};

namespace detail {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  ///< in the order of their bytes
  std::map<std::string, std::string> metadata;
};

/// Reads a header as it streams by: no document is built, nesting is bounded, and a name that comes twice is
/// seen. Each callback returns false, with the reason in `problem`, at the first thing that is not as the
/// format says.
class SafetensorsHeaderReader {
 public:
  using Json = nlohmann::json;

  explicit SafetensorsHeaderReader(SafetensorsHeader& out) : out_(out) {}

  std::string problem;

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("true or false"); }
  bool number_integer(Json::number_integer_t) { return unexpected("a negative number"); }
  bool number_float(Json::number_float_t, const std::string&) {
    return unexpected("a number that is not whole or too large");
  }
  bool binary(Json::binary_t&) { return unexpected("binary data"); }

  bool number_unsigned(Json::number_unsigned_t value) {
    if (place_ == Place::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max()))
        return unexpected("a size of " + to_text(value));
      tensor().shape.push_back(static_cast<Index>(value));
      return true;
    }
    if (place_ != Place::offsets || offsets_ == 2) return unexpected("the number " + to_text(value));
    (offsets_++ == 0 ? tensor().begin : tensor().end) = value;
    return true;
  }

  bool string(Json::string_t& value) {
    if (place_ == Place::metadata) {
      out_.metadata.emplace(key_, std::move(value));
      return true;
    }
    if (place_ != Place::tensor || key_ != "dtype") return unexpected("the text " + in_quotes(value));
    const std::optional<Dtype> dtype = dtype_named(value);
    if (!dtype) return unexpected("the type " + in_quotes(value));
    tensor().dtype = *dtype;
    return true;
  }

  bool start_object(std::size_t) {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top) {
      place_ = key_ == "__metadata__" ? Place::metadata : Place::tensor;
      if (place_ == Place::tensor) out_.tensors.emplace_back().name = key_;
      keys_.clear();
      offsets_ = 0;
    } else {
      return unexpected("an object");
    }
    return true;
  }

  bool key(Json::string_t& name) {
    if (place_ == Place::top) {
      if (!names_.insert(name).second) {
        problem = "the name " + in_quotes(name) + " comes twice";
        return false;
      }
    } else {
      if (!keys_.insert(name).second) {
        problem = where() + ": the key " + in_quotes(name) + " comes twice";
        return false;
      }
      if (place_ == Place::tensor && name != "dtype" && name != "shape" && name != "data_offsets") {
        problem = where() + ": got the key " + in_quotes(name) + ", wanted dtype, shape and data_offsets";
        return false;
      }
    }
    key_ = std::move(name);
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor && keys_.size() != 3) {
      problem = where() + ": wanted all of dtype, shape and data_offsets";
      return false;
    }
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::tensor && key_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::tensor && key_ == "data_offsets") {
      place_ = Place::offsets;
    } else {
      return unexpected("a list");
    }
    return true;
  }

  bool end_array() {
    if (place_ == Place::offsets && offsets_ != 2) {
      problem = where() + ": data_offsets: got " + to_text(offsets_) + " numbers, wanted 2";
      return false;
    }
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) {
    const std::string_view text = error.what();
    const auto bracket = text.find("] ");
    problem = "not valid JSON at byte " + to_text(position) + ": " +
              std::string(bracket == std::string_view::npos ? text : text.substr(bracket + 2));
    return false;
  }

 private:
  enum class Place { outside, top, metadata, tensor, shape, offsets };

  TensorInfo& tensor() { return out_.tensors.back(); }

  [[nodiscard]] std::string where() const {
    return place_ == Place::metadata || place_ == Place::top || place_ == Place::outside
               ? "__metadata__"
               : "tensor " + in_quotes(out_.tensors.back().name);
  }

  bool unexpected(const std::string& got) {
    switch (place_) {
      case Place::outside:
        problem = "got " + got + ", wanted an object";
        break;
      case Place::top:
        problem = in_quotes(key_) + ": got " + got + ", wanted an object";
        break;
      case Place::metadata:
        problem = "__metadata__: key " + in_quotes(key_) + ": got " + got + ", wanted a text";
        break;
      case Place::tensor:
        problem = where() + ": " + key_ + ": got " + got + ", wanted " +
                  (key_ == "dtype" ? "the name of a type such as F32" : "a list of whole numbers");
        break;
      case Place::shape:
      case Place::offsets:
        problem = where() + ": " + key_ + ": got " + got + ", wanted " +
                  (place_ == Place::shape ? "whole numbers, 0 or above" : "two whole numbers, 0 or above");
        break;
    }
    return false;
  }

  SafetensorsHeader& out_;
  Place place_ = Place::outside;
  std::string key_;
  std::set<std::string> names_;
  std::set<std::string> keys_;
  unsigned offsets_ = 0;
};

/// Checks that shapes and offsets describe exactly the `size` bytes of data that follow the header: no
/// overflow, no overlap, no hole, nothing missing and nothing left over. Sorts the tensors by their bytes.
inline void check_layout(std::vector<TensorInfo>& tensors, std::uint64_t size,
                         const std::filesystem::path& path) {
  const auto name = [](const TensorInfo& tensor) { return "tensor " + in_quotes(tensor.name); };
  for (const TensorInfo& tensor : tensors) {
    constexpr std::uint64_t limit = std::numeric_limits<std::int64_t>::max();
    std::uint64_t product = 1;
    for (const Index extent : tensor.shape) {
      const auto factor = static_cast<std::uint64_t>(extent);
      if (factor != 0 && product > limit / factor)
        raise_io(path, name(tensor), "the shape " + shape_text(tensor.shape), "fewer than 2^63 elements");
      product *= factor;
    }
    const unsigned bits = bits_of(tensor.dtype);
    if (product > limit / bits)
      raise_io(path, name(tensor), "the shape " + shape_text(tensor.shape), "fewer than 2^63 bits");
    const std::uint64_t bytes = product * bits / 8;
    if (product * bits % 8 != 0)
      raise_io(path, name(tensor),
               "the shape " + shape_text(tensor.shape) + " of " + std::string(name_of(tensor.dtype)),
               "a whole number of bytes");
    if (tensor.begin > tensor.end)
      raise_io(path, name(tensor),
               "data_offsets [" + to_text(tensor.begin) + ", " + to_text(tensor.end) + "]",
               "the first not above the second");
    if (tensor.end > size)
      raise_io(path, name(tensor), "data_offsets up to byte " + to_text(tensor.end),
               "at most the " + to_text(size) + " bytes of data that the file has");
    if (tensor.end - tensor.begin != bytes)
      raise_io(path, name(tensor), "data_offsets that span " + to_text(tensor.end - tensor.begin) + " bytes",
               to_text(bytes) + " bytes for the shape " + shape_text(tensor.shape) + " of " +
                   std::string(name_of(tensor.dtype)));
  }
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].begin < expected)
      raise_io(path, name(tensors[i]),
               "first byte " + to_text(tensors[i].begin) + ", which overlaps " + name(tensors[i - 1]),
               "first byte " + to_text(expected));
    if (tensors[i].begin > expected)
      raise_io(path, name(tensors[i]),
               "first byte " + to_text(tensors[i].begin) + ", which leaves a hole before it",
               "first byte " + to_text(expected));
    expected = tensors[i].end;
  }
  if (expected != size)
    raise_io(path, "data", to_text(size) + " bytes",
             to_text(expected) + " bytes, the end of the last tensor");
}

/// @param text  the JSON of a header   @param size  bytes of data that follow it
/// @throws io_error on anything that the format does not allow
[[nodiscard]] inline SafetensorsHeader read_safetensors_header(std::string_view text, std::uint64_t size,
                                                               const std::filesystem::path& path) {
  SafetensorsHeader header;
  if (text.empty() || text.front() != '{')
    throw io_error(path.string(),
                   "header: wanted a JSON object that begins with '{'; this is not safetensors");
  SafetensorsHeaderReader reader(header);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &reader))
    throw io_error(path.string(), "header: " + reader.problem);
  check_layout(header.tensors, size, path);
  return header;
}

/// The JSON of a header for tensors whose offsets are set, padded with spaces so that the data starts at a
/// multiple of 64.
[[nodiscard]] inline std::string write_safetensors_header(const SafetensorsHeader& header,
                                                          const std::filesystem::path& path) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json["__metadata__"] = header.metadata;
  for (const TensorInfo& tensor : header.tensors)
    json[tensor.name] = {{"dtype", std::string(name_of(tensor.dtype))},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.begin, tensor.end}}};
  try {
    std::string text = json.dump();
    constexpr std::size_t alignment = 64;
    text.append((alignment - (text.size() + 8) % alignment) % alignment, ' ');
    return text;
  } catch (const nlohmann::json::exception& error) {
    throw io_error(path.string(), std::string("header: wanted names and metadata in UTF-8: ") + error.what());
  }
}

}  // namespace detail
}  // namespace lore
