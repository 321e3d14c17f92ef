// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/log_loss.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using lore::Vector;
using lore_test::Approx;

TEMPLATE_TEST_CASE("log loss is averaged by user, then over users, and pooled beside", "[log_loss]", float,
                   double) {
  Vector<TestType> z(3);
  z << TestType(std::log(3.0)), TestType(std::log(3.0)), TestType(-std::log(3.0));  // P = 3/4, 3/4, 1/4
  const lore::UserScores loss = lore::log_loss(z, std::vector<Index>{0, 1, 3});
  const double good = std::log(4.0 / 3);
  const double bad = std::log(4.0);
  CHECK(loss.by_user[0] == Approx(good));
  CHECK(loss.by_user[1] == Approx((good + bad) / 2));
  CHECK(loss.mean == Approx((good + (good + bad) / 2) / 2));
  CHECK(loss.pooled == Approx((2 * good + bad) / 3));
  CHECK(loss.standard_error == Approx((bad - good) / 4));
}

TEST_CASE("log loss of a coin is log 2, and extreme margins neither overflow nor vanish", "[log_loss]") {
  const std::vector<Index> one{0, 1};
  const auto of = [&](double z) { return lore::log_loss(Vector<double>::Constant(1, z), one).mean; };
  CHECK(of(0) == Approx(std::log(2.0)));
  CHECK(of(-1e6) == Approx(1e6));
  CHECK(of(40) == Approx(std::exp(-40.0)));
  CHECK(of(1e6) == 0);
  CHECK(of(std::numeric_limits<double>::infinity()) == 0);
  CHECK(std::isinf(of(-std::numeric_limits<double>::infinity())));
  CHECK_THROWS_AS(of(std::numeric_limits<double>::quiet_NaN()), std::domain_error);
}
