// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <concepts>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// The strength of a regulariser over a run.
///   schedule(t, T)   factor at iteration t = 0 .. T-1 of T
template <class S>
concept Schedule = std::copy_constructible<S> && requires(const S& schedule, Index t) {
  { schedule(t, t) } -> std::convertible_to<double>;
};

/// Full strength throughout.
struct Constant {
  [[nodiscard]] double operator()(Index, Index) const noexcept { return 1; }
};

/// 0 before floor(start T), 1 from floor(end T) on, linear in between: the warm-up of the `regularised`
/// protocol.
struct LinearWarmUp {
  double start = 0.2;  ///< share of the run, 0 .. end
  double end = 0.8;    ///< share of the run, start .. 1

  /// @throws std::domain_error unless 0 <= start <= end <= 1
  void validate() const {
    if (!(start >= 0) || !(start <= end))
      detail::raise_value("LinearWarmUp", "start", start, "0 <= start <= end");
    if (!(end <= 1)) detail::raise_value("LinearWarmUp", "end", end, "at most 1");
  }

  [[nodiscard]] double operator()(Index t, Index total) const noexcept {
    const double s = std::floor(start * static_cast<double>(total)),
                 e = std::floor(end * static_cast<double>(total));
    const auto now = static_cast<double>(t);
    if (now >= e) return 1;
    return now < s ? 0 : (now - s) / (e - s);
  }
};

}  // namespace lore
