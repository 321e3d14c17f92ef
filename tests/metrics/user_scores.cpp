// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/user_scores.hpp"

#include <cmath>
#include <limits>

#include "lore_catch.hpp"

using lore_test::Approx;

TEST_CASE("mean and standard error over the users that have a score", "[user_scores]") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const lore::UserScores scores = lore::summarize_users({1, none, 2, 6});
  CHECK(scores.users == 3);
  CHECK(scores.users_without == 1);
  CHECK(scores.mean == Approx(3));
  CHECK(scores.standard_error == Approx(std::sqrt(7.0 / 3)));
  CHECK(std::isnan(scores.pooled));
  CHECK(std::isnan(lore::summarize_users({none}).mean));
  CHECK(std::isnan(lore::summarize_users({4}).standard_error));
  CHECK(lore::summarize_users({4}).mean == 4);
  CHECK(std::isnan(lore::summarize_users({}).mean));
}

TEST_CASE("the standard error survives a large common offset", "[user_scores]") {
  const lore::UserScores scores = lore::summarize_users({1e9 + 1, 1e9 + 2, 1e9 + 6});
  CHECK(scores.standard_error == Approx(std::sqrt(7.0 / 3)));
}
