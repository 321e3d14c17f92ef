// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <concepts>

#include "lore/core/types.hpp"

namespace lore {

/// Runs body(0), .., body(count-1), each exactly once, in any order and possibly at the same time, and
/// returns when all are done. The first exception of a body reaches the caller; bodies not yet begun are then
/// left out. Callers sum over fixed blocks in block order, so results never depend on the executor.
///   concurrency()           how many bodies may run at once
///   for_each(count, body)   body takes an Index, and may itself call for_each
template <class E>
concept Executor = requires(const E& executor, Index count, void (*body)(Index)) {
  { executor.concurrency() } -> std::convertible_to<int>;
  executor.for_each(count, body);
};

/// Everything on the caller's thread, in order.
struct Serial {
  [[nodiscard]] int concurrency() const noexcept { return 1; }

  template <class Body>
  void for_each(Index count, Body&& body) const {
    for (Index i = 0; i < count; ++i) body(i);
  }
};

static_assert(Executor<Serial>);

}  // namespace lore
