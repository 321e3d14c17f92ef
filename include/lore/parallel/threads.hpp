// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/parallel/executor.hpp"

namespace lore {

namespace detail {

/// Tells the processor that this thread is only waiting for another.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits for `ready` without giving up the core, for at most a moment. @return whether it became true
template <class Ready>
[[nodiscard]] bool spin_until(std::chrono::microseconds at_most, const Ready& ready) {
  if (ready()) return true;
  if (at_most.count() == 0) return false;
  const auto end = std::chrono::steady_clock::now() + at_most;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

/// The threads behind `Threads`. One loop at a time is spread over them: the caller writes it down, opens the
/// gate, works along, closes the gate and waits for those who came in. A worker that wakes too late finds the
/// gate closed, so nobody ever waits for a sleeping thread.
class ThreadPool {
 public:
  using Call = void (*)(void* body, Index i);

  explicit ThreadPool(int concurrency) {
    const unsigned cores = std::thread::hardware_concurrency();
    if (static_cast<unsigned>(concurrency) <= cores) spin_ = std::chrono::microseconds(100);
    workers_.reserve(static_cast<std::size_t>(concurrency - 1));
    try {
      for (int i = 1; i < concurrency; ++i) workers_.emplace_back([this] { work(); });
    } catch (...) {
      shut_down();
      throw;
    }
  }

  ~ThreadPool() { shut_down(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int concurrency() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  /// @return false when another loop has the pool, this loop's own caller included; nothing has then been run
  [[nodiscard]] bool try_run(Index count, Call call, void* body) {
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    call_ = call;
    body_ = body;
    count_ = count;
    failed_.store(false, std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    gate_.store(0, std::memory_order_release);
    round_.fetch_add(1);
    if (const int sleepers = sleepers_.load(); sleepers > 0) {
      { const std::lock_guard lock(mutex_); }
      if (count - 1 >= sleepers) {
        wake_.notify_all();
      } else {
        for (Index i = 1; i < count; ++i) wake_.notify_one();
      }
    }
    take_part();
    gate_.fetch_or(closed_bit);
    const auto all_left = [this] { return gate_.load() == closed_bit; };
    if (!spin_until(spin_, all_left)) {
      std::unique_lock lock(mutex_);
      left_.wait(lock, all_left);
    }
    const std::exception_ptr error = std::exchange(error_, nullptr);
    busy_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  static constexpr std::uint32_t closed_bit = 0x80000000U;

  void take_part() noexcept {
    for (;;) {
      if (failed_.load(std::memory_order_relaxed)) return;
      const Index i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= count_) return;
      try {
        call_(body_, i);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
  }

  [[nodiscard]] bool enter() noexcept {
    std::uint32_t seen = gate_.load();
    while ((seen & closed_bit) == 0)
      if (gate_.compare_exchange_weak(seen, seen + 1)) return true;
    return false;
  }

  void leave() {
    if (gate_.fetch_sub(1) == (closed_bit | 1U)) {
      { const std::lock_guard lock(mutex_); }
      left_.notify_one();
    }
  }

  void work() {
    std::uint64_t seen = 0;
    const auto called = [&] { return stop_.load() || round_.load() != seen; };
    for (;;) {
      if (!spin_until(spin_, called)) {
        std::unique_lock lock(mutex_);
        sleepers_.fetch_add(1);
        wake_.wait(lock, called);
        sleepers_.fetch_sub(1);
      }
      if (stop_.load()) return;
      seen = round_.load();
      if (enter()) {
        take_part();
        leave();
      }
    }
  }

  void shut_down() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stop_.store(true);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  // The loop at hand: written while the gate is closed and empty, read by those inside.
  Call call_ = nullptr;
  void* body_ = nullptr;
  Index count_ = 0;
  std::exception_ptr error_;

  alignas(64) std::atomic<Index> next_{0};
  alignas(64) std::atomic<std::uint32_t> gate_{closed_bit};  // closed bit, and how many workers are inside
  alignas(64) std::atomic<std::uint64_t> round_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> busy_{false};
  std::atomic<bool> stop_{false};
  std::chrono::microseconds spin_{0};
  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::vector<std::thread> workers_;
};

}  // namespace detail

/// Spreads the bodies over a pool of threads that lives as long as any copy of this object; the caller's
/// thread takes part. A body is handed to whichever thread is free, so make bodies blocks of work, not single
/// numbers.
///
///     lore::Threads threads(4);
///     std::vector<double> part(blocks);
///     threads.for_each(blocks, [&](lore::Index b) { part[b] = sum_of_block(b); });
///     const double sum = std::accumulate(part.begin(), part.end(), 0.0);   // the same bits for any number
///
/// Several threads may use one pool: while it is busy a further loop runs on its own caller's thread. So does
/// a loop inside a body. Nothing here can deadlock, and a call allocates nothing. A waiting thread spins for
/// 0.1 ms before it sleeps, unless there are more threads than cores.
class Threads {
 public:
  /// @param concurrency  how many bodies run at once, the caller's included; 0 takes the machine's cores
  /// @throws std::domain_error if negative; std::system_error if the system refuses a thread
  explicit Threads(int concurrency = 0) {
    detail::check_non_negative("Threads", "concurrency", concurrency);
    if (concurrency == 0) concurrency = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    pool_ = std::make_shared<detail::ThreadPool>(concurrency);
  }

  // Copies share the pool; a moved-from object stays usable, since moving copies.
  Threads(const Threads&) = default;
  Threads& operator=(const Threads&) = default;
  ~Threads() = default;

  [[nodiscard]] int concurrency() const noexcept { return pool_->concurrency(); }

  /// Runs body(0), .., body(count-1), each once, in any order, and returns when all are done.
  /// @throws what the first failing body threw, of whatever type; bodies not yet begun are left out
  template <class Body>
  void for_each(Index count, Body&& body) const {
    auto call = [&body](Index i) { body(i); };
    using Call = decltype(call);
    if (count > 1 && pool_->concurrency() > 1 &&
        pool_->try_run(
            count, [](void* f, Index i) { (*static_cast<Call*>(f))(i); }, &call))
      return;
    for (Index i = 0; i < count; ++i) call(i);
  }

 private:
  std::shared_ptr<detail::ThreadPool> pool_;
};

static_assert(Executor<Threads>);

}  // namespace lore
