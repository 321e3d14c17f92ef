// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/schedule.hpp"

#include <limits>
#include <stdexcept>
#include <utility>

#include "lore_catch.hpp"

static_assert(lore::Schedule<lore::Constant> && lore::Schedule<lore::LinearWarmUp>);

using lore_test::Approx;

TEST_CASE("A constant schedule is at full strength throughout") {
  CHECK(lore::Constant{}(0, 10) == 1);
  CHECK(lore::Constant{}(9, 10) == 1);
}

TEST_CASE("The warm-up follows the published strengths") {
  // alpha = 3 over 200 iterations, from the reference run.
  const lore::LinearWarmUp schedule;
  for (const auto& [t, alpha] :
       {std::pair(0, 0.0), std::pair(39, 0.0), std::pair(40, 0.0), std::pair(41, 0.025), std::pair(100, 1.5),
        std::pair(159, 2.975), std::pair(160, 3.0), std::pair(199, 3.0)})
    CHECK(3 * schedule(t, 200) == Approx(alpha).epsilon(1e-14));
}

TEST_CASE("Every length of run has a warm-up that rises from 0 to 1") {
  const lore::LinearWarmUp schedule;
  for (const lore::Index total : {1, 2, 3, 4, 5, 7, 10, 11, 99, 20000}) {
    CAPTURE(total);
    double last = 0;
    for (lore::Index t = 0; t < total; ++t) {
      const double now = schedule(t, total);
      CHECK((now >= last && now <= 1));
      last = now;
    }
    CHECK(last == 1);
  }
  CHECK(schedule(0, 1) == 1);  // both ends round down to iteration 0
  CHECK(lore::LinearWarmUp{0, 0}(0, 5) == 1);
  CHECK(lore::LinearWarmUp{1, 1}(4, 5) == 0);
  CHECK(lore::LinearWarmUp{0.5, 0.5}(4, 10) == 0);
  CHECK(lore::LinearWarmUp{0.5, 0.5}(5, 10) == 1);
}

TEST_CASE("A warm-up must begin before it ends, within the run") {
  CHECK_NOTHROW(lore::LinearWarmUp{}.validate());
  CHECK_THROWS_AS((lore::LinearWarmUp{-0.1, 0.5}.validate()), std::domain_error);
  CHECK_THROWS_AS((lore::LinearWarmUp{0.6, 0.5}.validate()), std::domain_error);
  CHECK_THROWS_AS((lore::LinearWarmUp{0.6, 1.1}.validate()), std::domain_error);
  CHECK_THROWS_AS((lore::LinearWarmUp{std::numeric_limits<double>::quiet_NaN(), 0.5}.validate()),
                  std::domain_error);
}
