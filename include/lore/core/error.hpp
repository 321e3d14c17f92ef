// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "lore/core/types.hpp"

namespace lore {

/// A file that cannot be read or written, or whose content is not what it should be.
/// what() names the path, the place, what was found and what was expected.
class io_error : public std::runtime_error {
 public:
  io_error(std::string path, const std::string& message)
      : std::runtime_error(path + ": " + message), path_(std::move(path)) {}

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

namespace detail {

/// Shortest text that reads back as the same number; strings pass through.
template <class T>
[[nodiscard]] std::string to_text(const T& value) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return std::string(std::string_view(value));
  } else {
    char buffer[64];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return std::string(buffer, end);
  }
}

/// "function: argument: got <got>, wanted <wanted>"
template <class Got, class Wanted>
[[nodiscard, gnu::cold, gnu::noinline]] std::string complaint(std::string_view function,
                                                              std::string_view argument, const Got& got,
                                                              const Wanted& wanted) {
  std::string text;
  text.append("lore::").append(function).append(": ").append(argument);
  text.append(": got ").append(to_text(got)).append(", wanted ").append(to_text(wanted));
  return text;
}

/// A wrong shape is std::invalid_argument.
template <class Got, class Wanted>
[[noreturn, gnu::cold, gnu::noinline]] void raise_shape(std::string_view function, std::string_view argument,
                                                        const Got& got, const Wanted& wanted) {
  throw std::invalid_argument(complaint(function, argument, got, wanted));
}

/// A wrong value, NaN included, is std::domain_error.
template <class Got, class Wanted>
[[noreturn, gnu::cold, gnu::noinline]] void raise_value(std::string_view function, std::string_view argument,
                                                        const Got& got, const Wanted& wanted) {
  throw std::domain_error(complaint(function, argument, got, wanted));
}

/// @throws std::invalid_argument unless got == wanted
inline void check_size(std::string_view function, std::string_view argument, Index got, Index wanted) {
  if (got != wanted) [[unlikely]]
    raise_shape(function, argument, got, wanted);
}

/// @throws std::domain_error unless value > 0 and finite
template <class T>
void check_positive(std::string_view function, std::string_view argument, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!(value > T(0)) || !std::isfinite(value)) [[unlikely]]
      raise_value(function, argument, value, "a finite number above 0");
  } else {
    if (!(value > T(0))) [[unlikely]]
      raise_value(function, argument, value, "a whole number above 0");
  }
}

/// @throws std::domain_error unless value >= 0 and finite
template <class T>
void check_non_negative(std::string_view function, std::string_view argument, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!(value >= T(0)) || !std::isfinite(value)) [[unlikely]]
      raise_value(function, argument, value, "a finite number, 0 or above");
  } else {
    if (value < T(0)) [[unlikely]]
      raise_value(function, argument, value, "a whole number, 0 or above");
  }
}

/// @throws std::domain_error when an entry is NaN or infinite; the text names its row and column
template <class Derived>
void check_finite(std::string_view function, std::string_view argument,
                  const Eigen::DenseBase<Derived>& values) {
  for (Index c = 0; c < values.cols(); ++c)
    for (Index r = 0; r < values.rows(); ++r)
      if (!std::isfinite(static_cast<double>(values.derived().coeff(r, c)))) [[unlikely]]
        raise_value(function, std::string(argument) + "(" + to_text(r) + ", " + to_text(c) + ")",
                    static_cast<double>(values.derived().coeff(r, c)), "a finite number");
}

}  // namespace detail
}  // namespace lore
