// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "lore/core/types.hpp"

/// The inner loops of a pass, over columns given by address so that neither order nor storage needs a copy.
/// Vector width comes from Eigen's packets, so the same source serves every instruction set that Eigen knows.
namespace lore::detail {

template <Real Scalar>
using Packet = typename Eigen::internal::packet_traits<Scalar>::type;

template <Real Scalar>
inline constexpr Index lanes = Eigen::internal::packet_traits<Scalar>::size;

inline constexpr int float_lanes = static_cast<int>(lanes<float>);
using NarrowLanes = std::uint16_t __attribute__((vector_size(2 * float_lanes)));
using WideLanes = std::uint32_t __attribute__((vector_size(4 * float_lanes)));
using FloatLanes = float __attribute__((vector_size(4 * float_lanes)));

/// Reads `lanes` stored values as a packet of Scalar. Widening is exact for every finite value.
template <Real Scalar, class T>
[[gnu::always_inline]] inline Packet<Scalar> load_packet(const T* from) {
  if constexpr (std::is_same_v<T, Scalar>) {
    return Eigen::internal::ploadu<Packet<Scalar>>(from);
  } else {
    static_assert(std::is_same_v<Scalar, float>);
    NarrowLanes raw;
    std::memcpy(&raw, from, sizeof raw);
    const WideLanes bits = __builtin_convertvector(raw, WideLanes);
    WideLanes widened;
    if constexpr (std::is_same_v<T, Eigen::bfloat16>) {
      widened = bits << 16;
    } else {
      // f16: exponent and mantissa moved into place, then rescaled by 2^112, which also serves subnormals.
      const WideLanes magnitude = (bits & 0x7fffU) << 13;
      FloatLanes value;
      std::memcpy(&value, &magnitude, sizeof value);
      value = value * 0x1p112F;
      std::memcpy(&widened, &value, sizeof widened);
      widened |= (bits & 0x8000U) << 16;
    }
    Packet<float> out;
    std::memcpy(&out, &widened, sizeof out);
    return out;
  }
}

/// True where the kernels read T in place; other columns are converted to Scalar first.
template <Real Scalar, class T>
inline constexpr bool readable_in_place = std::is_same_v<T, Scalar> || (std::is_same_v<Scalar, float> &&
                                                                        (std::is_same_v<T, Eigen::bfloat16> ||
                                                                         std::is_same_v<T, Eigen::half>));

/// Z(k, j) = x_j' V_k for J columns and B basis columns at once.
template <int J, int B, Real Scalar, class T>
[[gnu::always_inline]] inline void dot_block(const T* const* x, Index d, const Scalar* V, Index stride,
                                             Scalar* Z, Index rank) {
  using namespace Eigen::internal;
  using P = Packet<Scalar>;
  constexpr Index n = lanes<Scalar>;
  P sum[J][B];
#pragma GCC unroll 4
  for (int j = 0; j < J; ++j)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) sum[j][b] = pset1<P>(Scalar(0));
  Index r = 0;
  for (; r + n <= d; r += n) {
    P v[B];
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) v[b] = ploadu<P>(V + b * stride + r);
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) {
      const P e = load_packet<Scalar>(x[j] + r);
#pragma GCC unroll 4
      for (int b = 0; b < B; ++b) sum[j][b] = pmadd(e, v[b], sum[j][b]);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < J; ++j)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      Scalar total = predux(sum[j][b]);
      for (Index q = r; q < d; ++q) total += static_cast<Scalar>(x[j][q]) * V[b * stride + q];
      Z[j * rank + b] = total;
    }
}

/// G_b += sum_j c(b, j) x_j for J columns and B basis columns at once.
template <int J, int B, Real Scalar, class T>
[[gnu::always_inline]] inline void axpy_block(const T* const* x, Index d, const Scalar* c, Index rank,
                                              Scalar* G, Index stride) {
  using namespace Eigen::internal;
  using P = Packet<Scalar>;
  constexpr Index n = lanes<Scalar>;
  P factor[J][B];
#pragma GCC unroll 4
  for (int j = 0; j < J; ++j)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) factor[j][b] = pset1<P>(c[j * rank + b]);
  Index r = 0;
  for (; r + n <= d; r += n) {
    P e[J];
#pragma GCC unroll 4
    for (int j = 0; j < J; ++j) e[j] = load_packet<Scalar>(x[j] + r);
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) {
      P sum = ploadu<P>(G + b * stride + r);
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) sum = pmadd(e[j], factor[j][b], sum);
      pstoreu(G + b * stride + r, sum);
    }
  }
  for (; r < d; ++r)
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b)
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) G[b * stride + r] += c[j * rank + b] * static_cast<Scalar>(x[j][r]);
}

/// Z (rank x m) = V' X, with X given by the addresses of its m columns.
template <Real Scalar, class T>
[[gnu::noinline]] void scores_of_columns(const T* const* x, Index m, Index d, const Scalar* V, Index rank,
                                         Scalar* Z) {
  const auto columns = [&]<int J>(std::integral_constant<int, J>, Index j) {
    Index k = 0;
    for (; k + 4 <= rank; k += 4) dot_block<J, 4>(x + j, d, V + k * d, d, Z + j * rank + k, rank);
    switch (rank - k) {
      case 3:
        dot_block<J, 3>(x + j, d, V + k * d, d, Z + j * rank + k, rank);
        break;
      case 2:
        dot_block<J, 2>(x + j, d, V + k * d, d, Z + j * rank + k, rank);
        break;
      case 1:
        dot_block<J, 1>(x + j, d, V + k * d, d, Z + j * rank + k, rank);
        break;
      default:
        break;
    }
  };
  Index j = 0;
  for (; j + 4 <= m; j += 4) columns(std::integral_constant<int, 4>{}, j);
  for (; j < m; ++j) columns(std::integral_constant<int, 1>{}, j);
}

/// G (d x rank) += X C', with X given by the addresses of its m columns and C (rank x m).
template <Real Scalar, class T>
[[gnu::noinline]] void add_outer_products(const T* const* x, Index m, Index d, const Scalar* C, Index rank,
                                          Scalar* G) {
  const auto columns = [&]<int J>(std::integral_constant<int, J>, Index j) {
    Index k = 0;
    for (; k + 4 <= rank; k += 4) axpy_block<J, 4>(x + j, d, C + j * rank + k, rank, G + k * d, d);
    switch (rank - k) {
      case 3:
        axpy_block<J, 3>(x + j, d, C + j * rank + k, rank, G + k * d, d);
        break;
      case 2:
        axpy_block<J, 2>(x + j, d, C + j * rank + k, rank, G + k * d, d);
        break;
      case 1:
        axpy_block<J, 1>(x + j, d, C + j * rank + k, rank, G + k * d, d);
        break;
      default:
        break;
    }
  };
  Index j = 0;
  for (; j + 4 <= m; j += 4) columns(std::integral_constant<int, 4>{}, j);
  for (; j < m; ++j) columns(std::integral_constant<int, 1>{}, j);
}

}  // namespace lore::detail
