// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "lore/core/compiled.hpp"
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

/// Widens `lanes` stored 16-bit values, exactly for every finite one, in plain vector code.
template <class T>
[[gnu::always_inline]] inline Packet<float> widen(const T* from) {
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

/// Reads `lanes` stored values as a packet of Scalar: `widen`, or the processor's own conversion where it has
/// one.
template <Real Scalar, class T>
[[gnu::always_inline]] inline Packet<Scalar> load_packet(const T* from) {
  if constexpr (std::is_same_v<T, Scalar>) {
    return Eigen::internal::ploadu<Packet<Scalar>>(from);
  } else {
    static_assert(std::is_same_v<Scalar, float>);
#if defined(__F16C__)
    if constexpr (std::is_same_v<T, Eigen::half>) {
      const auto* words = reinterpret_cast<const __m128i*>(from);
      if constexpr (float_lanes == 4) return _mm_cvtph_ps(_mm_loadl_epi64(words));
      if constexpr (float_lanes == 8) return _mm256_cvtph_ps(_mm_loadu_si128(words));
#if defined(__AVX512F__)
      if constexpr (float_lanes == 16)
        return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#endif
    }
#endif
    return widen(from);
  }
}

/// True where the kernels read T in place; other columns are converted to Scalar first.
template <Real Scalar, class T>
inline constexpr bool readable_in_place = std::is_same_v<T, Scalar> || (std::is_same_v<Scalar, float> &&
                                                                        (std::is_same_v<T, Eigen::bfloat16> ||
                                                                         std::is_same_v<T, Eigen::half>));

/// Vector registers to spread sums over.
#ifdef EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS
inline constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;
#else
inline constexpr bool many_registers = false;
#endif

/// Calls body(begin, std::integral_constant<int, B>) for blocks of nearly equal width that cover 0 .. count,
/// none wider than Most.
template <int Most, class Body>
[[gnu::always_inline]] inline void for_blocks(Index count, Body&& body) {
  const Index blocks = (count + Most - 1) / Most;
  for (Index block = 0; block < blocks; ++block) {
    const Index begin = count * block / blocks, width = count * (block + 1) / blocks - begin;
    [&]<int... B>(std::integer_sequence<int, B...>) {
      (void)((width == B + 1 && (body(begin, std::integral_constant<int, B + 1>{}), true)) || ...);
    }
    (std::make_integer_sequence<int, Most>{});
  }
}

/// Z(b, j) = x_j' V_b over rows begin .. end for J columns and B basis columns at once; added when `add`.
/// Brings the J columns `next` nearer.
template <int J, int B, Real Scalar, class T>
[[gnu::always_inline]] inline void dot_block(const T* const* x, const T* const* next, Index begin, Index end,
                                             const Scalar* V, Index stride, Scalar* Z, Index rank, bool add) {
  using namespace Eigen::internal;
  using P = Packet<Scalar>;
  constexpr Index n = lanes<Scalar>;
  P sum[J][B];
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j)
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) sum[j][b] = pset1<P>(Scalar(0));
  Index r = begin;
  for (; r + n <= end; r += n) {
    P v[B];
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) v[b] = ploadu<P>(V + b * stride + r);
#pragma GCC unroll 8
    for (int j = 0; j < J; ++j) {
      __builtin_prefetch(next[j] + r, 0, 2);
      const P e = load_packet<Scalar>(x[j] + r);
#pragma GCC unroll 8
      for (int b = 0; b < B; ++b) sum[j][b] = pmadd(e, v[b], sum[j][b]);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j)
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) {
      Scalar total = predux(sum[j][b]);
      for (Index q = r; q < end; ++q) total += static_cast<Scalar>(x[j][q]) * V[b * stride + q];
      Scalar& out = Z[j * rank + b];
      out = add ? out + total : total;
    }
}

/// G_b += sum_j c(b, j) x_j over rows r .. r + P packets for B basis columns at once.
template <int B, int P, Real Scalar, class T>
[[gnu::always_inline]] inline void outer_block(const T* const* x, Index m, Index r, const Scalar* c,
                                               Index c_stride, Scalar* G, Index stride) {
  using namespace Eigen::internal;
  using Pack = Packet<Scalar>;
  constexpr Index n = lanes<Scalar>;
  Pack sum[P][B];
#pragma GCC unroll 8
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) sum[p][b] = ploadu<Pack>(G + b * stride + r + p * n);
  for (Index j = 0; j < m; ++j) {
    Pack e[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) e[p] = load_packet<Scalar>(x[j] + r + p * n);
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b) {
      const Pack factor = pset1<Pack>(c[j * c_stride + b]);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p) sum[p][b] = pmadd(e[p], factor, sum[p][b]);
    }
  }
#pragma GCC unroll 8
  for (int b = 0; b < B; ++b)
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) pstoreu(G + b * stride + r + p * n, sum[p][b]);
}

/// Z (rank x m) = V' X, with X given by the addresses of its m columns; `known` - m further addresses are
/// those of columns that will be wanted next.
template <Real Scalar, class T>
[[gnu::noinline]] void scores_of_columns(const T* const* x, Index m, Index d, const Scalar* V, Index rank,
                                         Scalar* Z, Index known = 0) {
  known = std::max(known, m);
  // Where V is too wide for the nearest cache it is worked through by blocks of rows.
  const Index rows = rank <= 12 ? std::max<Index>(d, 1) : 1024;
  for (Index begin = 0; begin == 0 || begin < d; begin += rows) {
    const Index end = std::min(d, begin + rows);
    const auto columns = [&]<int J>(std::integral_constant<int, J>, Index j) {
      const T* const* next = x + std::min(j + J, known - J);
      for_blocks<many_registers ? 5 : 3>(rank, [&]<int B>(Index k, std::integral_constant<int, B>) {
        dot_block<J, B>(x + j, next, begin, end, V + k * d, d, Z + j * rank + k, rank, begin > 0);
        next = x + j;
      });
    };
    Index j = 0;
    if constexpr (many_registers)
      for (; j + 5 <= m && m - j != 8; j += 5) columns(std::integral_constant<int, 5>{}, j);
    for (; j + 4 <= m; j += 4) columns(std::integral_constant<int, 4>{}, j);
    for (; j + 2 <= m; j += 2) columns(std::integral_constant<int, 2>{}, j);
    for (; j < m; ++j) columns(std::integral_constant<int, 1>{}, j);
  }
}

/// G (d x rank, columns `stride` apart) += X C', with X given by the addresses of its m columns and C (rank x
/// m, columns `C_stride` apart).
template <Real Scalar, class T>
[[gnu::noinline]] void add_outer_products(const T* const* x, Index m, Index d, const Scalar* C,
                                          Index C_stride, Index rank, Scalar* G, Index stride) {
  constexpr Index n = lanes<Scalar>;
  constexpr int most = many_registers ? 8 : 4;
  Index r = 0;
  const auto sweep = [&]<int P>(std::integral_constant<int, P>) {
    for (; r + P * n <= d; r += P * n) {
      for_blocks<most>(rank, [&]<int B>(Index k, std::integral_constant<int, B>) {
        outer_block<B, P>(x, m, r, C + k, C_stride, G + k * stride, stride);
      });
    }
  };
  if (rank == 1)
    for (; r + 8 * n <= d; r += 8 * n) outer_block<1, 8>(x, m, r, C, C_stride, G, stride);
  sweep(std::integral_constant<int, 2>{});
  sweep(std::integral_constant<int, 1>{});
  for (; r < d; ++r)
    for (Index j = 0; j < m; ++j)
      for (Index b = 0; b < rank; ++b)
        G[b * stride + r] += C[j * C_stride + b] * static_cast<Scalar>(x[j][r]);
}

/// Columns that `stream_dots` and `stream_sums` take at once. More would evict each other from the nearest
/// cache when columns lie a power of two apart.
inline constexpr int stream_width = many_registers ? 6 : 4;

template <Real Scalar>
struct PacketPair {
  Packet<Scalar> first, second;
};

/// Two packets of stored values; of bf16 the even ones and the odd ones, which needs no shuffle.
template <Real Scalar, class T>
[[gnu::always_inline]] inline PacketPair<Scalar> load_pair(const T* from) {
  constexpr Index n = lanes<Scalar>;
  if constexpr (std::is_same_v<T, Eigen::bfloat16>) {
    WideLanes raw;
    std::memcpy(&raw, from, sizeof raw);
    const WideLanes even = raw << 16, odd = raw & 0xffff0000U;
    PacketPair<Scalar> out;
    std::memcpy(&out.first, &even, sizeof even);
    std::memcpy(&out.second, &odd, sizeof odd);
    return out;
  } else {
    return {load_packet<Scalar>(from), load_packet<Scalar>(from + n)};
  }
}

/// Calls pair(r) for every 2 `lanes` rows below d, and asks memory for one cache line of each of
/// `stream_width` `next` columns, from row `from` on, in the time of two of a column's own.   @return the
/// first row left over
template <Real Scalar, class T, class Pair>
[[gnu::always_inline]] inline Index for_pairs(Index d, const T* const* next, Index from, Pair&& pair) {
  constexpr Index two = 2 * lanes<Scalar>, line = 64 / static_cast<Index>(sizeof(T));
  const T* wanted[stream_width];
#pragma GCC unroll 8
  for (int j = 0; j < stream_width; ++j) wanted[j] = next[j] + from;
  Index r = 0;
  for (Index ahead = 0; r + 2 * line <= d; r += 2 * line, ahead += line) {
#pragma GCC unroll 8
    for (int j = 0; j < stream_width; ++j) __builtin_prefetch(wanted[j] + ahead, 0, 2);
#pragma GCC unroll 8
    for (Index q = 0; q < 2 * line; q += two) pair(r + q);
  }
  for (; r + two <= d; r += two) pair(r);
  return r;
}

/// t_j = x_j'u for `stream_width` columns; u in the order of `load_pair`. Brings the front halves of the
/// `next` columns nearer meanwhile: memory must never be idle, nor asked for more at once than it can serve.
template <Real Scalar, class T>
[[gnu::noinline]] void stream_dots(const T* const* column, const Scalar* u, Index d, Scalar* t,
                                   const T* const* next) {
  using namespace Eigen::internal;
  using P = Packet<Scalar>;
  constexpr Index n = lanes<Scalar>;
  constexpr int J = stream_width;
  P sum[J];
  const T* x[J];
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j) {
    sum[j] = pset1<P>(Scalar(0));
    x[j] = column[j];
  }
  const Index rest = for_pairs<Scalar, T>(d, next, 0, [&](Index r) {
    const P first = ploadu<P>(u + r), second = ploadu<P>(u + r + n);
#pragma GCC unroll 8
    for (int j = 0; j < J; ++j) {
      const PacketPair<Scalar> e = load_pair<Scalar>(x[j] + r);
      sum[j] = pmadd(e.first, first, sum[j]);
      sum[j] = pmadd(e.second, second, sum[j]);
    }
  });
  for (int j = 0; j < J; ++j) {
    Scalar total = predux(sum[j]);
    for (Index q = rest; q < d; ++q) total += static_cast<Scalar>(x[j][q]) * u[q];
    t[j] = total;
  }
}

/// h += sum_j g_j x_j for `stream_width` columns, which are near; h in the order of `load_pair`. Brings
/// the back halves of the `next` columns nearer meanwhile.
template <Real Scalar, class T>
[[gnu::noinline]] void stream_sums(const T* const* column, const Scalar* g, Index d, Scalar* h,
                                   const T* const* next) {
  using namespace Eigen::internal;
  using P = Packet<Scalar>;
  constexpr Index n = lanes<Scalar>;
  constexpr int J = stream_width;
  P factor[J];
  const T* x[J];
#pragma GCC unroll 8
  for (int j = 0; j < J; ++j) {
    factor[j] = pset1<P>(g[j]);
    x[j] = column[j];
  }
  const Index rest = for_pairs<Scalar, T>(d, next, d / 2, [&](Index r) {
    P first = ploadu<P>(h + r), second = ploadu<P>(h + r + n);
#pragma GCC unroll 8
    for (int j = 0; j < J; ++j) {
      const PacketPair<Scalar> e = load_pair<Scalar>(x[j] + r);
      first = pmadd(e.first, factor[j], first);
      second = pmadd(e.second, factor[j], second);
    }
    pstoreu(h + r, first);
    pstoreu(h + r + n, second);
  });
  for (Index r = rest; r < d; ++r)
    for (int j = 0; j < J; ++j) h[r] += g[j] * static_cast<Scalar>(x[j][r]);
}

#ifdef LORE_COMPILED_TEMPLATE
#define LORE_COMPILED_KERNELS(T)                                                                            \
  LORE_COMPILED_TEMPLATE void scores_of_columns(const T* const*, Index, Index, const float*, Index, float*, \
                                                Index);                                                     \
  LORE_COMPILED_TEMPLATE void add_outer_products(const T* const*, Index, Index, const float*, Index, Index, \
                                                 float*, Index);                                            \
  LORE_COMPILED_TEMPLATE void stream_dots(const T* const*, const float*, Index, float*, const T* const*);   \
  LORE_COMPILED_TEMPLATE void stream_sums(const T* const*, const float*, Index, float*, const T* const*)
LORE_COMPILED_KERNELS(float);
LORE_COMPILED_KERNELS(Eigen::half);
LORE_COMPILED_KERNELS(Eigen::bfloat16);
#undef LORE_COMPILED_KERNELS
#endif

}  // namespace lore::detail
