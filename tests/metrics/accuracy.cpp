// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/accuracy.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"

using lore::Accuracy;
using lore::Index;
using lore::Vector;
using lore_test::Approx;

namespace {

template <class Scalar>
Vector<Scalar> vector_of(const std::vector<double>& values) {
  Vector<Scalar> out(static_cast<Index>(values.size()));
  for (std::size_t j = 0; j < values.size(); ++j) out(static_cast<Index>(j)) = static_cast<Scalar>(values[j]);
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("accuracy is the mean over users, not over comparisons", "[accuracy]", float, double) {
  // User 0: 1 of 1; user 1: 1 of 4 with one tie; user 2: none; user 3: 1 of 2 (a tie is wrong).
  const auto margins = vector_of<TestType>({2, 1, -1, 0, -3, 5, 0});
  const std::vector<Index> offset{0, 1, 5, 5, 7};
  const Accuracy result = lore::accuracy(margins, offset);
  CHECK(result.users == 3);
  CHECK(result.users_without == 1);
  CHECK(result.mean == Approx((1 + 0.25 + 0.5) / 3));
  CHECK(result.ties == Approx((0 + 0.25 + 0.5) / 3));
  // Sample variance of 1, 1/4, 1/2 is 7/48.
  CHECK(result.standard_error == Approx(std::sqrt(7.0 / 48 / 3)));
  REQUIRE(result.by_user.size() == 4);
  CHECK(result.by_user[1] == Approx(0.25));
  CHECK(std::isnan(result.by_user[2]));
}

TEST_CASE("accuracy takes blocks and maps, and any unit", "[accuracy]") {
  const Vector<double> margins = vector_of<double>({9, 1e-300, -1e-300, 9});
  const std::vector<Index> offset{0, 2};
  CHECK(lore::accuracy(margins.segment(1, 2), offset).mean == Approx(0.5));
  CHECK(lore::accuracy(Eigen::Map<const Vector<double>>(margins.data() + 2, 2), offset).mean == Approx(0.5));
  const Vector<double> swapped = -margins;
  CHECK(lore::accuracy(swapped.segment(1, 2), offset).mean == Approx(0.5));
  CHECK(lore::accuracy(swapped, std::vector<Index>{0, 4}).mean == Approx(0.25));
}

TEST_CASE("accuracy without users or with one user has no standard error", "[accuracy]") {
  const Accuracy none = lore::accuracy(Vector<float>(0), std::vector<Index>{0, 0});
  CHECK(none.users == 0);
  CHECK(none.users_without == 1);
  CHECK(std::isnan(none.mean));
  CHECK(std::isnan(none.ties));
  const Accuracy one = lore::accuracy(vector_of<float>({1, -1}), std::vector<Index>{0, 2});
  CHECK(one.mean == Approx(0.5));
  CHECK(std::isnan(one.standard_error));
}

TEST_CASE("accuracy refuses NaN margins and offsets that do not fit", "[accuracy]") {
  const Vector<double> margins = vector_of<double>({1, std::numeric_limits<double>::quiet_NaN()});
  CHECK_THROWS_AS(lore::accuracy(margins, std::vector<Index>{0, 2}), std::domain_error);
  const Vector<double> fine = vector_of<double>({1, 2});
  CHECK_THROWS_AS(lore::accuracy(fine, std::vector<Index>{}), std::invalid_argument);
  CHECK_THROWS_AS(lore::accuracy(fine, std::vector<Index>{0, 1}), std::invalid_argument);
  CHECK_THROWS_AS(lore::accuracy(fine, std::vector<Index>{1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(lore::accuracy(fine, std::vector<Index>{0, 3, 2}), std::invalid_argument);
  CHECK_THROWS_WITH(lore::accuracy(margins, std::vector<Index>{0, 2}),
                    "lore::accuracy: margin 1: got nan, wanted a number");
}

TEST_CASE("trials are averaged by user before the standard error is taken", "[accuracy]") {
  const std::vector<Index> offset{0, 2, 4, 4};
  const std::vector<Accuracy> trials{lore::accuracy(vector_of<double>({1, 1, -1, -1}), offset),
                                     lore::accuracy(vector_of<double>({1, -1, 1, 0}), offset)};
  const lore::TrialAccuracy result = lore::average_trials(trials);
  CHECK(result.trials == 2);
  CHECK(result.accuracy.users == 2);
  CHECK(result.accuracy.users_without == 1);
  CHECK(result.accuracy.by_user[0] == Approx(0.75));
  CHECK(result.accuracy.by_user[1] == Approx(0.25));
  CHECK(result.accuracy.mean == Approx(0.5));
  CHECK(result.accuracy.standard_error == Approx(0.25));
  CHECK(result.accuracy.ties == Approx((0.0 + 0.25) / 2));
  CHECK(result.trial_deviation == Approx(0.0).margin(1e-12));

  const std::vector<Accuracy> apart{lore::accuracy(vector_of<double>({1, 1, 1, 1}), offset),
                                    lore::accuracy(vector_of<double>({1, 1, -1, -1}), offset)};
  CHECK(lore::average_trials(apart).trial_deviation == Approx(std::sqrt(0.125)));
  CHECK(std::isnan(lore::average_trials(std::vector<Accuracy>{trials[0]}).trial_deviation));
  CHECK_THROWS_AS(lore::average_trials(std::vector<Accuracy>{}), std::invalid_argument);
  const std::vector<Accuracy> unequal{trials[0],
                                      lore::accuracy(vector_of<double>({1}), std::vector<Index>{0, 1})};
  CHECK_THROWS_AS(lore::average_trials(unequal), std::invalid_argument);
}
