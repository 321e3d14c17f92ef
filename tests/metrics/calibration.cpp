// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/calibration.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Index;
using lore::Vector;
using lore_test::Approx;

TEST_CASE("predictions that come true as often as they say have no calibration error", "[calibration]") {
  const double z = std::log(3.0);  // P = 3/4: of four comparisons three go its way
  Vector<double> logits(4);
  logits << z, z, z, -z;
  const lore::Calibration result = lore::calibration(logits, 10);
  CHECK(result.expected_error == Approx(0).margin(1e-12));
  REQUIRE(result.bins.size() == 10);
  CHECK(result.bins[7].lower == Approx(0.7));
  CHECK(result.bins[7].upper == Approx(0.8));
  CHECK(result.bins[7].count == 4);
  CHECK(result.bins[7].predicted == Approx(0.75));
  CHECK(result.bins[7].observed == Approx(0.75));
  CHECK(result.bins[2].count == 4);
  CHECK(result.bins[2].observed == Approx(0.25));
  CHECK(result.bins[5].count == 0);
  CHECK(std::isnan(result.bins[5].predicted));
}

TEST_CASE("calibration error of over- and underconfidence", "[calibration]") {
  Vector<double> logits(2);
  logits << 1e4, -1e4;  // certain, and right half of the time
  CHECK(lore::calibration(logits).expected_error == Approx(0.5));
  CHECK(lore::calibration(logits).bins.back().count == 2);
  CHECK(lore::calibration(Vector<double>::Zero(3)).expected_error == Approx(0).margin(1e-15));
  CHECK(lore::calibration(Vector<double>::Constant(5, std::log(3.0))).expected_error == Approx(0.25));
}

TEMPLATE_TEST_CASE("calibration does not ask which response is called chosen", "[calibration]", float,
                   double) {
  // A well calibrated model: choices drawn from its own probabilities.
  lore::Rng rng = lore::make_rng(11);
  Vector<TestType> logits(20000);
  for (TestType& z : logits) {
    z = TestType(2) * lore::normal<TestType>(rng);
    if (!lore::bernoulli(rng, lore::sigmoid(static_cast<double>(z)))) z = -z;
  }
  CHECK(lore::calibration(logits, 20).expected_error < 0.02);
  const Vector<TestType> overconfident = TestType(4) * logits;
  CHECK(lore::calibration(overconfident, 20).expected_error > 0.1);
}

TEST_CASE("calibration with nothing to go by, and bad input", "[calibration]") {
  const lore::Calibration none = lore::calibration(Vector<double>(0), 3);
  CHECK(std::isnan(none.expected_error));
  CHECK(none.bins.size() == 3);
  CHECK_THROWS_AS(lore::calibration(Vector<double>::Zero(1), 0), std::invalid_argument);
  CHECK_THROWS_AS(lore::calibration(Vector<double>::Constant(1, std::numeric_limits<double>::quiet_NaN())),
                  std::domain_error);
}
