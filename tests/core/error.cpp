// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/core/error.hpp"

#include <limits>
#include <string>

#include "lore_catch.hpp"

namespace {

template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("error texts name function, argument, what was got and what was wanted") {
  CHECK(message_of([] { lore::detail::check_size("Basis::project", "e", 3, 4); }) ==
        "lore::Basis::project: e: got 3, wanted 4");
  CHECK(message_of([] { lore::detail::check_positive("Ridge", "lambda", -0.5); }) ==
        "lore::Ridge: lambda: got -0.5, wanted a finite number above 0");
  CHECK(message_of([] { lore::detail::check_positive("f", "count", 0); }) ==
        "lore::f: count: got 0, wanted a whole number above 0");
  lore::Matrix<float> X = lore::Matrix<float>::Zero(3, 4);
  X(2, 1) = std::numeric_limits<float>::quiet_NaN();
  CHECK(message_of([&] { lore::detail::check_finite("f", "X", X); }) ==
        "lore::f: X(2, 1): got nan, wanted a finite number");
}

TEST_CASE("checks let good values pass and throw the documented types") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_NOTHROW(lore::detail::check_size("f", "x", 2, 2));
  CHECK_NOTHROW(lore::detail::check_positive("f", "x", 1e-300));
  CHECK_NOTHROW(lore::detail::check_non_negative("f", "x", 0.0));
  CHECK_NOTHROW(lore::detail::check_non_negative("f", "x", 0));
  CHECK_THROWS_AS(lore::detail::check_size("f", "x", 2, 3), std::invalid_argument);
  CHECK_THROWS_AS(lore::detail::check_positive("f", "x", 0.0), std::domain_error);
  CHECK_THROWS_AS(lore::detail::check_positive("f", "x", infinity), std::domain_error);
  CHECK_THROWS_AS(lore::detail::check_positive("f", "x", std::nan("")), std::domain_error);
  CHECK_THROWS_AS(lore::detail::check_non_negative("f", "x", -1), std::domain_error);
  CHECK_THROWS_AS(lore::detail::check_non_negative("f", "x", infinity), std::domain_error);
}

TEST_CASE("io_error carries the path, whatever letters it has") {
  const lore::io_error error("data/Prüfung eins.npy", "12 bytes, wanted at least 128");
  CHECK(error.path() == "data/Prüfung eins.npy");
  CHECK(std::string(error.what()) == "data/Prüfung eins.npy: 12 bytes, wanted at least 128");
}

TEST_CASE("numbers in messages read back as the same number") {
  CHECK(lore::detail::to_text(0.1) == "0.1");
  CHECK(lore::detail::to_text(-1e300) == "-1e+300");
  CHECK(lore::detail::to_text(std::size_t(18446744073709551615U)) == "18446744073709551615");
  CHECK(lore::detail::to_text("text") == "text");
  CHECK(lore::detail::to_text(std::string("text")) == "text");
}
