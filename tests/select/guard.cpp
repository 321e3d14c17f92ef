// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/guard.hpp"

#include <cmath>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"
#include "support.hpp"

namespace {

using lore::Candidate;
using lore::GuardPoint;
using lore::GuardReport;
using lore::Index;
using lore::WeightMapKind;
using lore_test::Approx;

using lore_test::guard;

const auto plain = lore_test::default_fit(2);
constexpr Candidate bradley_terry{1, WeightMapKind::signed_deviations, {1, 1}};

const GuardPoint& at(const GuardReport& report, Index shots) {
  for (const GuardPoint& point : report.points)
    if (point.shots == shots) return point;
  throw std::invalid_argument("no such number of shots");
}

}  // namespace

TEST_CASE("People who differ gain as new users, the more the more is known of them") {
  const lore::Comparisons<> train = lore_test::people(3, 1).seen_train();
  const GuardReport report =
      guard(plain, train, {3, WeightMapKind::signed_deviations, {1, 1}}, bradley_terry);
  CHECK_FALSE(report.loses);
  CHECK(at(report, 0).users == 60);
  CHECK(at(report, 20).users < at(report, 5).users);  // half of 20 to 80 comparisons
  CHECK(std::abs(at(report, 0).accuracy.mean) < 0.02);
  CHECK(at(report, 20).accuracy.lower > 0.02);
  CHECK(at(report, 20).log_loss.mean > at(report, 3).log_loss.mean);
  for (const GuardPoint& point : report.points) {
    CAPTURE(point.shots);
    CHECK_NOTHROW(point.validate());
    CHECK(point.log_loss.lower <= point.log_loss.mean);
    CHECK(point.log_loss.mean <= point.log_loss.upper);
    CHECK(point.log_loss.upper - point.log_loss.lower ==
          Approx(2 * 1.96 * point.log_loss.standard_error).epsilon(0.25));
  }
}

TEST_CASE("A prior that is too wide is narrowed, one that is too narrow widened") {
  const lore::Comparisons<> train = lore_test::people(3, 2).seen_train();
  const auto factor = [&](double deviation) {
    // A basis that is fitted for other deviations than new users' is what a wrong scale leaves behind.
    return guard(plain, train, {3, WeightMapKind::signed_deviations, {1, deviation}}, bradley_terry).factor;
  };
  CHECK(factor(0.1) > 1);
  CHECK(factor(20) <= factor(0.1));
}

TEST_CASE("A narrower prior is taken until nobody surely loses") {
  // People who are all alike under a rank and a scale that nobody should choose.
  const lore::Comparisons<> train = lore_test::people(1, 3, 14).seen_train();
  const Candidate reckless{14, WeightMapKind::signed_deviations, {20, 20}};
  auto fit = lore_test::default_fit(2);
  fit.joint.posterior = lore::Posterior::map;  // bends the basis to noise
  auto fixed = fit;
  fixed.new_users.smallest_factor = fixed.new_users.largest_factor = 1;
  const GuardReport as_it_is = guard(fixed, train, reckless, bradley_terry);
  CHECK(as_it_is.factor == 1);
  CHECK(as_it_is.loses);
  const GuardReport report = guard(fit, train, reckless, bradley_terry);
  CHECK(report.factor < 1);
  CHECK(at(report, 10).log_loss.mean > at(as_it_is, 10).log_loss.mean);
  for (const GuardPoint& point : report.points)
    if (!report.loses) CHECK(point.log_loss.upper >= 0);
}

TEST_CASE("Where there is nobody to ask the guard is silent, and off it does nothing") {
  const lore::Comparisons<> train = lore_test::people(3, 4).seen_train();
  CHECK(guard(plain, train, bradley_terry, bradley_terry).points.empty());
  const Candidate two{2, WeightMapKind::simplex, {1, 1}};
  CHECK(guard(plain, lore_test::small({9, 9, 9}, 1).seen_train(), two, bradley_terry).points.empty());
  const auto single =
      guard(plain, lore_test::small(std::vector<Index>(20, 1), 1).seen_train(), two, bradley_terry);
  CHECK(single.points.size() == 1);  // one comparison: judged without any shots
  CHECK(single.points.front().shots == 0);
  auto off = plain;
  off.new_users.enabled = false;
  CHECK(guard(off, train, two, bradley_terry).points.empty());
  CHECK(guard(plain, train, two, bradley_terry, [] { return true; }).points.empty());
}

TEST_CASE("A guard refuses options out of range") {
  lore::GuardOptions options;
  CHECK_NOTHROW(options.validate());
  options.folds = 1;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {};
  options.shots = {-1};
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {};
  options.smallest_factor = 0;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {};
  options.largest_factor = 0.5;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {};
  options.least_users = 1;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
}
