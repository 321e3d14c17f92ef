// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/parallel/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using lore::Threads;

namespace {

struct OddError {  // derives from nothing
  Index where;
};

/// A sum over fixed blocks in block order, each block in float so that order matters.
float blocked_sum(const Threads& threads, const std::vector<float>& values, Index blocks) {
  std::vector<float> part(static_cast<std::size_t>(blocks));
  const Index size = static_cast<Index>(values.size()) / blocks;
  threads.for_each(blocks, [&](Index b) {
    float sum = 0;
    for (Index i = b * size; i < (b + 1) * size; ++i) sum += values[static_cast<std::size_t>(i)];
    part[static_cast<std::size_t>(b)] = sum;
  });
  return std::accumulate(part.begin(), part.end(), 0.0F);
}

}  // namespace

TEST_CASE("every body runs exactly once, whatever the counts") {
  const int concurrency = GENERATE(0, 1, 2, 3, 8);
  const Threads threads(concurrency);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  CHECK(threads.concurrency() == (concurrency == 0 ? cores : concurrency));
  for (const Index count : {Index(0), Index(1), Index(2), Index(7), Index(1000)}) {
    std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
    threads.for_each(count, [&](Index i) { hits[static_cast<std::size_t>(i)].fetch_add(1); });
    int wrong = 0;
    for (const auto& h : hits) wrong += h.load() == 1 ? 0 : 1;
    CAPTURE(concurrency, count);
    CHECK(wrong == 0);
  }
  CHECK_THROWS_AS(Threads(-1), std::domain_error);
}

TEST_CASE("many short loops in a row are all complete when they return") {
  const Threads threads(4);
  std::vector<std::int64_t> part(5);
  std::int64_t wrong = 0;
  for (int round = 0; round < 5000; ++round) {
    threads.for_each(5, [&](Index i) { part[static_cast<std::size_t>(i)] = round + i; });
    for (std::size_t i = 0; i < 5; ++i) wrong += part[i] == round + static_cast<std::int64_t>(i) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("workers that fell asleep wake up again") {
  const Threads threads(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    // Three bodies that wait for each other end only if three threads run them.
    std::atomic<int> arrived{0};
    threads.for_each(3, [&](Index) {
      arrived.fetch_add(1);
      while (arrived.load() < 3) std::this_thread::yield();
    });
    REQUIRE(arrived.load() == 3);
  }
}

TEST_CASE("sums over fixed blocks have the same bits for any number of threads") {
  std::vector<float> values(64 * 100);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = 1.0F / static_cast<float>(1 + (i * 7919) % 1013) - 0.003F;
  const float wanted = blocked_sum(Threads(1), values, 64);
  for (const int concurrency : {2, 3, 8}) {
    const Threads threads(concurrency);
    int different = 0;
    for (int round = 0; round < 50; ++round) different += blocked_sum(threads, values, 64) == wanted ? 0 : 1;
    CAPTURE(concurrency);
    CHECK(different == 0);
  }
}

TEST_CASE("the first exception reaches the caller with its own type") {
  const int concurrency = GENERATE(1, 2, 4);
  const Threads threads(concurrency);
  CAPTURE(concurrency);
  CHECK_THROWS_AS(threads.for_each(8,
                                   [](Index i) {
                                     if (i == 5) throw OddError{i};
                                   }),
                  OddError);
  CHECK_THROWS_AS(threads.for_each(8, [](Index) { throw 42; }), int);
  try {
    threads.for_each(100, [](Index i) {
      if (i == 3) throw std::runtime_error("block 3");
    });
    FAIL("nothing thrown");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "block 3");
  }
  // The pool is none the worse for it.
  std::atomic<int> hits{0};
  threads.for_each(50, [&](Index) { hits.fetch_add(1); });
  CHECK(hits.load() == 50);
}

TEST_CASE("bodies not yet begun are left out after an exception") {
  const Threads threads(2);
  std::atomic<Index> begun{0};
  CHECK_THROWS_AS(threads.for_each(1000000,
                                   [&](Index) {
                                     if (begun.fetch_add(1) == 10) throw OddError{0};
                                     std::this_thread::sleep_for(std::chrono::microseconds(50));
                                   }),
                  OddError);
  CHECK(begun.load() < 100000);
}

TEST_CASE("a loop inside a body runs, without deadlock, and passes its exceptions on") {
  const Threads threads(3);
  std::vector<std::atomic<int>> hits(20);
  threads.for_each(20, [&](Index i) {
    int inner = 0;  // no race: a nested loop stays on this thread
    threads.for_each(30, [&](Index) { ++inner; });
    hits[static_cast<std::size_t>(i)] = inner;
  });
  int wrong = 0;
  for (const auto& h : hits) wrong += h.load() == 30 ? 0 : 1;
  CHECK(wrong == 0);
  CHECK_THROWS_AS(threads.for_each(4,
                                   [&](Index) {
                                     threads.for_each(4, [](Index j) {
                                       if (j == 2) throw OddError{j};
                                     });
                                   }),
                  OddError);
}

TEST_CASE("several threads may share one pool") {
  const Threads threads(3);
  std::vector<std::int64_t> sums(4, 0);
  std::vector<std::thread> callers;
  for (std::size_t c = 0; c < 4; ++c)
    callers.emplace_back([&, c, copy = threads] {
      for (int round = 0; round < 300; ++round) {
        std::atomic<std::int64_t> sum{0};
        copy.for_each(10, [&](Index i) { sum.fetch_add(i); });
        sums[c] += sum.load();
      }
    });
  for (auto& caller : callers) caller.join();
  for (const auto sum : sums) CHECK(sum == 300 * 45);
}

TEST_CASE("copies share the pool, and it outlives the first of them") {
  auto first = std::make_unique<Threads>(3);
  const Threads copy = *first;
  Threads moved = std::move(*first);
  CHECK(first->concurrency() == 3);  // still usable
  first.reset();
  std::atomic<int> hits{0};
  copy.for_each(10, [&](Index) { hits.fetch_add(1); });
  moved.for_each(10, [&](Index) { hits.fetch_add(1); });
  CHECK(hits.load() == 20);
}

TEST_CASE("pools come and go, used or not") {
  int sum = 0;
  for (int round = 0; round < 50; ++round) {
    const Threads unused(4);
    const Threads used(4);
    std::atomic<int> hits{0};
    used.for_each(4, [&](Index) { hits.fetch_add(1); });
    sum += hits.load();
  }
  CHECK(sum == 200);
}

TEST_CASE("functions, functors and temporaries are bodies too") {
  static std::atomic<int> calls;
  calls = 0;
  const Threads threads(2);
  threads.for_each(
      3, +[](Index) { calls.fetch_add(1); });
  struct Functor {
    void operator()(Index) const { calls.fetch_add(1); }
  };
  threads.for_each(3, Functor{});
  const Functor functor;
  threads.for_each(3, functor);
  CHECK(calls.load() == 9);
}
