// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/types.hpp"
#include "lore/objective/kernels.hpp"
#include "lore/parallel/threads.hpp"

/// What the benchmarks share: the machine's limits, measured in the same run, and how rows are written.
namespace bench {

/// The shortest of `repeats` runs, in seconds.
template <class Work>
double best_of(int repeats, const Work& work) {
  double best = 1e300;
  for (int r = 0; r < repeats; ++r) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

namespace detail {

using Line = std::uint64_t __attribute__((vector_size(64)));

/// Reads a buffer in blocks, each as `Streams` streams.   @return seconds
template <int Streams>
double read_seconds(const void* data, std::size_t bytes, const lore::Threads& executor, int repeats,
                    std::size_t blocks) {
  const auto* values = static_cast<const char*>(data);
  std::vector<std::uint64_t> found(blocks);
  volatile std::uint64_t sink = 0;
  return best_of(repeats, [&] {
    executor.for_each(static_cast<lore::Index>(blocks), [&](lore::Index b) {
      const std::size_t begin = bytes / blocks * static_cast<std::size_t>(b);
      const std::size_t length = bytes / blocks / Streams / sizeof(Line) * sizeof(Line);
      Line bits[Streams] = {};
      for (std::size_t i = 0; i < length; i += sizeof(Line))
#pragma GCC unroll 16
        for (std::size_t s = 0; s < Streams; ++s) {
          Line line;
          std::memcpy(&line, values + begin + s * length + i, sizeof line);
          bits[s] |= line;
        }
      for (std::size_t s = 1; s < Streams; ++s) bits[0] |= bits[s];
      found[static_cast<std::size_t>(b)] = bits[0][0];
    });
    for (const std::uint64_t each : found) sink = sink + each;
  });
}

}  // namespace detail

/// Bytes a second that all threads together read of a buffer, block by block: the best of one to sixteen
/// streams within a block.
inline double read_bandwidth(const void* data, std::size_t bytes, const lore::Threads& executor, int repeats,
                             std::size_t blocks = 64) {
  const double seconds = std::min({detail::read_seconds<1>(data, bytes, executor, repeats, blocks),
                                   detail::read_seconds<2>(data, bytes, executor, repeats, blocks),
                                   detail::read_seconds<4>(data, bytes, executor, repeats, blocks),
                                   detail::read_seconds<8>(data, bytes, executor, repeats, blocks),
                                   detail::read_seconds<16>(data, bytes, executor, repeats, blocks)});
  return static_cast<double>(bytes) / seconds;
}

/// Multiply-adds (two operations each) a second of independent chains on all threads.
inline double multiply_add_peak(const lore::Threads& executor, int repeats) {
  using lore::Index;
  using P = lore::detail::Packet<float>;
  constexpr Index rounds = 2'000'000;
  constexpr int chains = 12;
  std::vector<float> out(static_cast<std::size_t>(executor.concurrency()));
  const double seconds = best_of(repeats, [&] {
    executor.for_each(executor.concurrency(), [&](Index t) {
      P sum[chains];
      const P a = Eigen::internal::pset1<P>(0.999F), b = Eigen::internal::pset1<P>(1e-3F);
      for (int c = 0; c < chains; ++c) sum[c] = Eigen::internal::pset1<P>(static_cast<float>(c));
      for (Index r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int c = 0; c < chains; ++c) sum[c] = Eigen::internal::pmadd(sum[c], a, b);
      float total = 0;
      for (int c = 0; c < chains; ++c) total += Eigen::internal::predux(sum[c]);
      out[static_cast<std::size_t>(t)] = total;
    });
  });
  return 2.0 * chains * static_cast<double>(rounds * lore::detail::lanes<float> * executor.concurrency()) /
         seconds;
}

/// Compiler, flags and instruction set of this program.
inline std::string build_description() {
  return std::string("compiler ") + __VERSION__ + ", flags " + LORE_BENCH_FLAGS + ", instructions " +
         Eigen::SimdInstructionSetsInUse();
}

/// Writes the report where asked. @return whether that worked; an empty path asks for nothing
inline bool write_report(const std::string& path, const nlohmann::json& report) {
  if (path.empty()) return true;
  std::ofstream out(path);
  out << report.dump(1) << '\n';
  if (out.flush()) return true;
  std::cerr << "error: " << path << ": cannot be written\n";
  return false;
}

}  // namespace bench
