// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <concepts>
#include <memory>
#include <utility>

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

/// Any executor, as a value: what fits and passes hold, so that one compiled fit serves all of them. Copies
/// share the executor that it was made from. It costs a call through a pointer a body and allocates nothing
/// in a loop. One that was moved from may only be assigned to or destroyed.
class AnyExecutor {
 public:
  AnyExecutor() : AnyExecutor(Serial{}) {}

  template <class E>
  requires(Executor<E> && !std::same_as<E, AnyExecutor>) AnyExecutor(E executor)  // NOLINT: meant to convert
      : executor_(std::make_shared<const E>(std::move(executor))),
        concurrency_([](const void* e) -> int { return static_cast<const E*>(e)->concurrency(); }),
        for_each_([](const void* e, Index count, Call call, void* body) {
          static_cast<const E*>(e)->for_each(count, [call, body](Index i) { call(body, i); });
        }) {}

  [[nodiscard]] int concurrency() const { return concurrency_(executor_.get()); }

  template <class Body>
  void for_each(Index count, Body&& body) const {
    auto call = [&body](Index i) { body(i); };
    for_each_(
        executor_.get(), count, [](void* f, Index i) { (*static_cast<decltype(call)*>(f))(i); }, &call);
  }

 private:
  using Call = void (*)(void* body, Index i);

  std::shared_ptr<const void> executor_;
  int (*concurrency_)(const void*);
  void (*for_each_)(const void*, Index, Call, void*);
};

static_assert(Executor<AnyExecutor>);

}  // namespace lore
