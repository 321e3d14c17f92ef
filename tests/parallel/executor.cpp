// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/parallel/executor.hpp"

#include <atomic>
#include <stdexcept>
#include <vector>

#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

TEST_CASE("Serial runs in order on the caller's thread and stops at an exception") {
  const lore::Serial serial;
  CHECK(serial.concurrency() == 1);
  std::vector<lore::Index> order;
  serial.for_each(4, [&](lore::Index i) { order.push_back(i); });
  CHECK(order == std::vector<lore::Index>{0, 1, 2, 3});
  order.clear();
  serial.for_each(0, [&](lore::Index i) { order.push_back(i); });
  CHECK(order.empty());
  CHECK_THROWS_AS(serial.for_each(5,
                                  [&](lore::Index i) {
                                    order.push_back(i);
                                    if (i == 2) throw std::runtime_error("two");
                                  }),
                  std::runtime_error);
  CHECK(order.size() == 3);
}

namespace {

struct Backwards {
  [[nodiscard]] int concurrency() const { return 1; }
  template <class Body>
  void for_each(lore::Index count, Body&& body) const {
    while (count-- > 0) body(count);
  }
};

struct Nothing {};

}  // namespace

TEST_CASE("anything with concurrency and for_each is an executor") {
  STATIC_REQUIRE(lore::Executor<lore::Serial>);
  STATIC_REQUIRE(lore::Executor<Backwards>);
  STATIC_REQUIRE(!lore::Executor<Nothing>);
}

TEST_CASE("Any executor runs as the one it was made from, copies too") {
  std::vector<lore::Index> order;
  const auto note = [&](lore::Index i) { order.push_back(i); };
  lore::AnyExecutor executor;
  CHECK(executor.concurrency() == 1);
  executor.for_each(3, note);
  CHECK(order == std::vector<lore::Index>{0, 1, 2});
  order.clear();
  executor = Backwards{};
  const lore::AnyExecutor copy = executor;
  executor = lore::Threads(2);
  CHECK(executor.concurrency() == 2);
  copy.for_each(3, note);
  CHECK(order == std::vector<lore::Index>{2, 1, 0});
  std::atomic<int> count{0};
  executor.for_each(100, [&](lore::Index) { ++count; });
  CHECK(count == 100);
  CHECK_THROWS_AS(executor.for_each(5, [](lore::Index) { throw std::runtime_error("no"); }),
                  std::runtime_error);
}
