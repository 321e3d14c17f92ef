// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "interrupt.hpp"

#include <atomic>
#include <csignal>

namespace lore_examples {
namespace {

std::atomic<bool> flag{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int signal) {
  flag = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool interrupted() noexcept { return flag; }

}  // namespace lore_examples
