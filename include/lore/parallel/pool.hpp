// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lore::detail {

/// Objects that one body at a time borrows; as many exist as bodies ever ran at once.
template <class T>
class Pool {
 public:
  template <class Make, class Use>
  auto with(Make&& make, Use&& use) {
    std::unique_ptr<T> mine;
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        mine = std::move(free_.back());
        free_.pop_back();
      }
    }
    if (!mine) mine = std::make_unique<T>(make());
    const auto result = use(*mine);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(mine));
    return result;
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

}  // namespace lore::detail
