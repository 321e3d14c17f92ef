// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "interrupt.hpp"

#include <csignal>

namespace lore_examples {
namespace {

volatile std::sig_atomic_t flag = 0;

extern "C" void on_interrupt(int signal) {
  flag = 1;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool interrupted() noexcept { return flag != 0; }

}  // namespace lore_examples
