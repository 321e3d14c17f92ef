// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

/// What every test uses: Catch2 (version 2 or 3), one table of tolerances, and the optional test data.
namespace lore_test {

#if __has_include(<catch2/catch_all.hpp>)
using Catch::Approx;
#else
using Catch::Detail::Approx;
#endif

/// What two numbers that should agree may differ by, relative to their size.
enum class Of {
  rounding,    ///< the same few operations, written in another order
  sum,         ///< a reduction over many terms, a matrix product, a factorisation of a small matrix
  derivative,  ///< an analytic derivative against central differences with step `difference_step`
  solver,      ///< where a converged solver ends
};

/// The one table of tolerances.
template <class Scalar>
[[nodiscard]] constexpr Scalar tolerance(Of what = Of::sum) {
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>);
  constexpr bool single = std::is_same_v<Scalar, float>;
  switch (what) {
    case Of::rounding:
      return single ? Scalar(2e-6) : Scalar(4e-15);
    case Of::sum:
      return single ? Scalar(1e-4) : Scalar(1e-11);
    case Of::derivative:
      return single ? Scalar(2e-2) : Scalar(1e-6);
    case Of::solver:
      return single ? Scalar(2e-3) : Scalar(1e-6);
  }
  return Scalar(0);
}

/// Step of central differences, for arguments of order one.
template <class Scalar>
inline constexpr Scalar difference_step = std::is_same_v<Scalar, float> ? Scalar(1e-2) : Scalar(1e-5);

/// The directory named by the environment variable LORE_TEST_DATA, or `inside` that directory; nothing if the
/// variable is unset or no such file or directory exists.
[[nodiscard]] inline std::optional<std::filesystem::path> test_data(
    const std::filesystem::path& inside = {}) {
  const char* directory = std::getenv("LORE_TEST_DATA");
  if (directory == nullptr || *directory == '\0') return std::nullopt;
  std::filesystem::path path(directory);
  if (!inside.empty()) path /= inside;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return path;
}

/// Ends a test that cannot run here; ctest then counts it as skipped (it recognises the printed line).
///
///     TEST_CASE("...") {
///       const auto data = lore_test::test_data("polis/preferences.safetensors");
///       if (!data) return lore_test::skip();
///       ... read *data ...
///     }
inline void skip(const std::string& why = "no LORE_TEST_DATA") {
  std::printf("\nlore_test skipped: %s\n", why.c_str());
  std::fflush(stdout);
  SUCCEED("skipped: " << why);
}

}  // namespace lore_test
