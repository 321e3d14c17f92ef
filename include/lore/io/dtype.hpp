// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "lore/core/types.hpp"
#include "lore/data/features.hpp"

namespace lore {

static_assert(std::endian::native == std::endian::little,
              "lore/io maps little-endian files and needs a little-endian machine");
static_assert(sizeof(Index) == 8, "lore/io needs a 64-bit Eigen::Index");

/// The element types of a safetensors file. The library computes with the floating ones that `Storage` names
/// and with I64 and U8; the others are known so that files of other programs open.
enum class Dtype : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u64,
  u32,
  u16,
  u8,
  boolean,
  c64,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  f6_e2m3,
  f6_e3m2,
  f4
};

namespace detail {
struct DtypeRow {
  std::string_view name;
  unsigned bits;
};
/// In the order of the enumeration.
inline constexpr std::array<DtypeRow, 22> dtype_rows{
    {{"F64", 64},        {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"I64", 64},    {"I32", 32},
     {"I16", 16},        {"I8", 8},      {"U64", 64},    {"U32", 32},    {"U16", 16},    {"U8", 8},
     {"BOOL", 8},        {"C64", 64},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
     {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}}};

template <class T>
struct dtype_trait;
template <>
struct dtype_trait<double> : std::integral_constant<Dtype, Dtype::f64> {};
template <>
struct dtype_trait<float> : std::integral_constant<Dtype, Dtype::f32> {};
template <>
struct dtype_trait<Eigen::half> : std::integral_constant<Dtype, Dtype::f16> {};
template <>
struct dtype_trait<Eigen::bfloat16> : std::integral_constant<Dtype, Dtype::bf16> {};
template <>
struct dtype_trait<std::int64_t> : std::integral_constant<Dtype, Dtype::i64> {};
template <>
struct dtype_trait<std::int32_t> : std::integral_constant<Dtype, Dtype::i32> {};
template <>
struct dtype_trait<std::uint8_t> : std::integral_constant<Dtype, Dtype::u8> {};
}  // namespace detail

/// "F32", as in a safetensors header.
[[nodiscard]] constexpr std::string_view name_of(Dtype dtype) noexcept {
  return detail::dtype_rows[static_cast<std::size_t>(dtype)].name;
}

/// Bits of one element; 4 and 6 occur.
[[nodiscard]] constexpr unsigned bits_of(Dtype dtype) noexcept {
  return detail::dtype_rows[static_cast<std::size_t>(dtype)].bits;
}

[[nodiscard]] constexpr std::optional<Dtype> dtype_named(std::string_view name) noexcept {
  for (std::size_t i = 0; i < detail::dtype_rows.size(); ++i)
    if (detail::dtype_rows[i].name == name) return static_cast<Dtype>(i);
  return std::nullopt;
}

[[nodiscard]] constexpr std::optional<Storage> storage_of(Dtype dtype) noexcept {
  switch (dtype) {
    case Dtype::f64:
      return Storage::f64;
    case Dtype::f32:
      return Storage::f32;
    case Dtype::f16:
      return Storage::f16;
    case Dtype::bf16:
      return Storage::bf16;
    default:
      return std::nullopt;
  }
}

[[nodiscard]] constexpr Dtype dtype_of(Storage storage) noexcept {
  switch (storage) {
    case Storage::f64:
      return Dtype::f64;
    case Storage::f16:
      return Dtype::f16;
    case Storage::bf16:
      return Dtype::bf16;
    case Storage::f32:
      break;
  }
  return Dtype::f32;
}

}  // namespace lore
