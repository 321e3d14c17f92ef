// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/brier.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using lore::Vector;
using lore_test::Approx;

TEMPLATE_TEST_CASE("Brier score by hand", "[brier]", float, double) {
  Vector<TestType> z(3);
  z << TestType(0), TestType(std::log(3.0)), TestType(-std::log(3.0));  // P = 1/2, 3/4, 1/4
  const lore::UserScores score = lore::brier_score(z, std::vector<Index>{0, 1, 3});
  CHECK(score.by_user[0] == Approx(0.25));
  CHECK(score.by_user[1] == Approx((1.0 / 16 + 9.0 / 16) / 2));
  CHECK(score.mean == Approx((0.25 + 0.3125) / 2));
  CHECK(score.pooled == Approx((0.25 + 0.625) / 3));
}

TEST_CASE("Brier score at extreme margins", "[brier]") {
  const std::vector<Index> one{0, 1};
  const auto of = [&](double z) { return lore::brier_score(Vector<double>::Constant(1, z), one).mean; };
  CHECK(of(1e5) == 0);
  CHECK(of(-1e5) == 1);
  CHECK(of(50) == Approx(std::exp(-100.0)));
  CHECK_THROWS_AS(of(std::numeric_limits<double>::quiet_NaN()), std::domain_error);
}
