// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>

namespace lore_examples {

/// One line on a terminal that is rewritten while work goes on: what, how many, rate, time left. Nothing at
/// all where standard error is a pipe or a file. May be called from several threads.
class Progress {
 public:
  /// Shows only if standard error is a terminal.
  Progress();
  explicit Progress(bool visible);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Starts a stage. @param total  0 if it is not known how many
  void begin(std::string label, std::size_t total);
  /// `count` more are done; draws at most ten times a second.
  void advance(std::size_t count = 1);
  /// The same with the absolute count; `note` (may be empty) is shown at the end of the line.
  void update(std::size_t done, const std::string& note = {});
  /// Ends the stage and clears the line.
  void end();

  [[nodiscard]] bool visible() const noexcept { return visible_; }

 private:
  using Clock = std::chrono::steady_clock;

  void draw();

  std::mutex mutex_;
  std::string label_;
  std::string note_;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
  Clock::time_point start_{};
  Clock::time_point drawn_{};
  bool visible_ = false;
  bool shown_ = false;
};

/// "1 h 02 min", "3 min 20 s", "12 s", "0.4 s".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace lore_examples
