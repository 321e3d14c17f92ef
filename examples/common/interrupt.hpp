// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

namespace lore_examples {

/// From here on an interrupt (Ctrl-C, SIGINT or SIGTERM) sets a flag; a second one ends the program at once.
void catch_interrupts();

/// Whether one came. Long loops and the fits' observers ask this and stop.
[[nodiscard]] bool interrupted() noexcept;

/// What a shell expects of an interrupted program.
inline constexpr int interrupted_exit_code = 130;

}  // namespace lore_examples
