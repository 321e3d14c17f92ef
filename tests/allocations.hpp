// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <atomic>

namespace lore_test {

/// Calls of operator new in this program, where one of its files includes count_allocations.hpp; Eigen's
/// matrices do not come this way.
inline std::atomic<long> allocations{0};

}  // namespace lore_test
