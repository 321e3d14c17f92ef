// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "progress.hpp"

#include <cmath>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace lore_examples {

Progress::Progress() : Progress(isatty(STDERR_FILENO) == 1) {}
Progress::Progress(bool visible) : visible_(visible) {}
Progress::~Progress() { end(); }

void Progress::begin(std::string label, std::size_t total) {
  end();
  const std::lock_guard lock(mutex_);
  label_ = std::move(label);
  note_.clear();
  done_ = 0;
  total_ = total;
  start_ = Clock::now();
  drawn_ = start_;
}

void Progress::advance(std::size_t count) {
  if (!visible_) return;
  const std::lock_guard lock(mutex_);
  done_ += count;
  draw();
}

void Progress::update(std::size_t done, const std::string& note) {
  if (!visible_) return;
  const std::lock_guard lock(mutex_);
  done_ = done;
  note_ = note;
  draw();
}

void Progress::end() {
  const std::lock_guard lock(mutex_);
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void Progress::draw() {
  const auto now = Clock::now();
  if (now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done_) / seconds;
  std::string line = label_ + ": " + std::to_string(done_);
  char text[64];
  if (total_ > 0) {
    std::snprintf(text, sizeof text, " of %zu (%.0f %%)", total_,
                  100.0 * static_cast<double>(done_) / static_cast<double>(total_));
    line += text;
  }
  if (done_ > 0) {
    std::snprintf(text, sizeof text, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
    line += text;
    if (total_ > done_) line += ", " + duration_text(static_cast<double>(total_ - done_) / rate) + " left";
  }
  if (!note_.empty()) line += ", " + note_;
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  shown_ = true;
}

std::string duration_text(double seconds) {
  char text[64];
  if (!(seconds >= 0) || seconds > 1e9) return "unknown time";
  const auto whole = std::llround(seconds);
  if (seconds < 9.95)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else if (whole < 60)
    std::snprintf(text, sizeof text, "%lld s", whole);
  else if (whole < 3600)
    std::snprintf(text, sizeof text, "%lld min %02lld s", whole / 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
  return text;
}

}  // namespace lore_examples
