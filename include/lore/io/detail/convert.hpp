// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/dtype.hpp"

namespace lore::detail {

/// A matrix over bytes of a file: in place when they are aligned, otherwise a copy.
[[nodiscard]] inline FeatureMatrix view_or_copy(const std::byte* bytes, Storage storage, Index dimension,
                                                Index count, std::shared_ptr<const void> keep_alive) {
  if (reinterpret_cast<std::uintptr_t>(bytes) % bytes_of(storage) == 0)
    return FeatureMatrix::view(bytes, storage, dimension, count, std::move(keep_alive));
  const std::size_t size = static_cast<std::size_t>(dimension * count) * bytes_of(storage);
  const std::shared_ptr<double[]> copy(new double[(size + sizeof(double) - 1) / sizeof(double)]);
  std::memcpy(copy.get(), bytes, size);
  return FeatureMatrix::view(copy.get(), storage, dimension, count, copy);
}

/// The row of the first NaN or infinity of a column. Looks at exponent bits only, so it runs at the speed of
/// memory.
[[nodiscard]] inline std::optional<Index> non_finite_row(const FeatureMatrix& table, Index column) {
  return table.visit([&](const auto* values) -> std::optional<Index> {
    using T = std::remove_cvref_t<decltype(*values)>;
    using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
    constexpr Bits exponent = std::is_same_v<T, double>        ? Bits(0x7ff0000000000000U)
                              : std::is_same_v<T, Eigen::half> ? Bits(0x7c00U)
                              : std::is_same_v<T, float>       ? Bits(0x7f800000U)
                                                               : Bits(0x7f80U);
    const T* const from = values + column * table.dimension();
    const auto bad = [&](Index row) {
      Bits bits;
      std::memcpy(&bits, from + row, sizeof bits);
      return (bits & exponent) == exponent;
    };
    unsigned any = 0;
    for (Index row = 0; row < table.dimension(); ++row) any |= static_cast<unsigned>(bad(row));
    if (any == 0) return std::nullopt;
    Index row = 0;
    while (!bad(row)) ++row;
    return row;
  });
}

/// One value of the table, for messages.
[[nodiscard]] inline double value_at(const FeatureMatrix& table, Index row, Index column) {
  return table.visit(
      [&](const auto* values) { return static_cast<double>(values[column * table.dimension() + row]); });
}

/// The largest finite value of a storage type.
[[nodiscard]] inline double largest(Storage storage) {
  switch (storage) {
    case Storage::f64:
      return std::numeric_limits<double>::max();
    case Storage::f16:
      return 65504;
    case Storage::bf16:
      return static_cast<double>(std::bit_cast<float>(0x7f7f0000U));
    case Storage::f32:
      break;
  }
  return static_cast<double>(std::numeric_limits<float>::max());
}

/// Writes `count` values from `from` as type To, rounded to nearest.
/// @return the place of the first finite value that becomes infinite, if any
template <class To, class From>
[[nodiscard]] std::optional<Index> convert(const From* from, Index count, To* to) {
  for (Index i = 0; i < count; ++i) {
    const double value = static_cast<double>(from[i]);
    if constexpr (std::is_same_v<To, double>) {
      to[i] = value;
    } else {
      // A double beyond float's range has no defined conversion; NaN and infinity pass through.
      const bool beyond = std::isfinite(value) && std::abs(value) > largest(Storage::f32);
      to[i] = static_cast<To>(beyond ? 0.0F : static_cast<float>(value));
      if (beyond || (std::isfinite(value) && !std::isfinite(static_cast<float>(to[i])))) return i;
    }
  }
  return std::nullopt;
}

/// Calls f(To{}) with the C++ type of a storage.
template <class F>
decltype(auto) with_storage_type(Storage storage, F&& f) {
  switch (storage) {
    case Storage::f64:
      return f(double{});
    case Storage::f16:
      return f(Eigen::half{});
    case Storage::bf16:
      return f(Eigen::bfloat16{});
    case Storage::f32:
      break;
  }
  return f(float{});
}

/// Hands the table's bytes, column after column and stored as `wanted`, to append(data, bytes): in one piece
/// when nothing is to be converted, else block by block, so that no second table is ever in memory.
/// @throws io_error about `path` and `name` when a finite value does not fit; the text suggests a type that
/// fits
template <class Append>
void append_as(const FeatureMatrix& table, Storage wanted, const std::filesystem::path& path,
               std::string_view name, Append&& append) {
  const Index total = table.dimension() * table.count();
  if (table.storage() == wanted) {
    append(table.data(), static_cast<std::size_t>(total) * bytes_of(wanted));
    return;
  }
  constexpr Index block = 1 << 15;
  table.visit([&](const auto* values) {
    with_storage_type(wanted, [&](auto type) {
      using To = decltype(type);
      std::vector<To> buffer(static_cast<std::size_t>(std::min(block, total)));
      for (Index start = 0; start < total; start += block) {
        const Index count = std::min(block, total - start);
        const std::optional<Index> overflow = convert(values + start, count, buffer.data());
        if (overflow) {
          const Index at = start + *overflow;
          const double size = std::abs(static_cast<double>(values[at]));
          const Storage fits = wanted == Storage::f16 && size <= largest(Storage::bf16)  ? Storage::bf16
                               : wanted != Storage::f32 && size <= largest(Storage::f32) ? Storage::f32
                                                                                         : Storage::f64;
          raise_io(path,
                   "tensor " + in_quotes(name) + ", row " + to_text(at / table.dimension()) + ", column " +
                       to_text(at % table.dimension()),
                   static_cast<double>(values[at]),
                   "at most " + to_text(largest(wanted)) + ", the largest " +
                       std::string(name_of(dtype_of(wanted))) + "; store it as " +
                       std::string(name_of(dtype_of(fits))) + " instead");
        }
        append(buffer.data(), static_cast<std::size_t>(count) * sizeof(To));
      }
    });
  });
}

}  // namespace lore::detail
