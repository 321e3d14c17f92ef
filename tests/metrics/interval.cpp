// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/interval.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::BootstrapOptions;
using lore::Interval;
using lore_test::Approx;

namespace {
const double none = std::numeric_limits<double>::quiet_NaN();
}

TEST_CASE("paired difference takes each user's own difference", "[interval]") {
  // Users differ widely, the fits hardly: paired, the difference is clear.
  const std::vector<double> a{0.91, 0.52, 0.73, none, 0.4};
  const std::vector<double> b{0.90, 0.50, 0.70, 0.6, none};
  const lore::UserScores difference = lore::paired_difference(a, b);
  CHECK(difference.users == 3);
  CHECK(difference.users_without == 2);
  CHECK(difference.mean == Approx(0.02));
  CHECK(difference.standard_error == Approx(0.01 / std::sqrt(3.0)));
  CHECK(lore::paired_difference(b, a).mean == Approx(-0.02));
  CHECK_THROWS_AS(lore::paired_difference(a, std::vector<double>{1}), std::invalid_argument);
}

TEST_CASE("bootstrap interval agrees with the normal one on many users", "[interval]") {
  lore::Rng rng = lore::make_rng(5);
  std::vector<double> scores(400);
  for (double& score : scores) score = 0.7 + 0.1 * lore::normal(rng);
  const lore::UserScores summary = lore::summarize_users(scores);
  const Interval interval = lore::bootstrap_interval(scores, {.resamples = 4000, .seed = 1});
  CHECK(interval.lower == Approx(summary.mean - 1.96 * summary.standard_error).margin(0.001));
  CHECK(interval.upper == Approx(summary.mean + 1.96 * summary.standard_error).margin(0.001));
  const Interval narrow = lore::bootstrap_interval(scores, {.level = 0.5, .resamples = 4000, .seed = 1});
  CHECK(narrow.lower > interval.lower);
  CHECK(narrow.upper < interval.upper);
}

TEST_CASE("bootstrap intervals cover the mean as often as they say", "[interval]") {
  lore::Rng rng = lore::make_rng(6);
  constexpr int samples = 1000;
  int covered = 0;
  for (int sample = 0; sample < samples; ++sample) {
    std::vector<double> scores(60);
    for (double& score : scores) score = lore::bernoulli(rng, 0.7) + 0.2 * lore::normal(rng);
    const Interval interval =
        lore::bootstrap_interval(scores, {.resamples = 300, .seed = static_cast<std::uint64_t>(sample)});
    covered += interval.lower < 0.7 && 0.7 < interval.upper ? 1 : 0;
  }
  // Three standard errors of the share are 0.02; percentiles of 60 users are a little narrow.
  CHECK(covered / double(samples) > 0.92);
  CHECK(covered / double(samples) < 0.97);
}

TEST_CASE("bootstrap interval is fixed by its seed and leaves out users without a score", "[interval]") {
  const std::vector<double> scores{0.1, 0.5, none, 0.9, 0.3};
  const std::vector<double> present{0.1, 0.5, 0.9, 0.3};
  const Interval first = lore::bootstrap_interval(scores, {.seed = 9});
  const Interval again = lore::bootstrap_interval(present, {.seed = 9});
  CHECK(first.lower == again.lower);
  CHECK(first.upper == again.upper);
  const Interval other = lore::bootstrap_interval(scores, {.resamples = 50, .seed = 10});
  CHECK((other.lower != first.lower || other.upper != first.upper));
  CHECK(first.lower >= 0.1);
  CHECK(first.upper <= 0.9);
}

TEST_CASE("bootstrap of users that agree, of nobody, and of bad input", "[interval]") {
  const Interval same = lore::bootstrap_interval(std::vector<double>{0.5, 0.5, 0.5});
  CHECK(same.lower == 0.5);
  CHECK(same.upper == 0.5);
  CHECK(std::isnan(lore::bootstrap_interval(std::vector<double>{none}).lower));
  const std::vector<double> scores{0.1, 0.2};
  CHECK_THROWS_AS(lore::bootstrap_interval(scores, {.level = 1}), std::domain_error);
  CHECK_THROWS_AS(lore::bootstrap_interval(scores, {.level = none}), std::domain_error);
  CHECK_THROWS_AS(lore::bootstrap_interval(scores, {.resamples = 0}), std::domain_error);
  const std::vector<double> infinite{0.1, std::numeric_limits<double>::infinity()};
  CHECK_THROWS_AS(lore::bootstrap_interval(infinite), std::domain_error);
}

TEST_CASE("paired bootstrap draws users in pairs", "[interval]") {
  std::vector<double> a;
  std::vector<double> b;
  for (int i = 0; i < 50; ++i) {
    b.push_back(0.02 * i);
    a.push_back(0.02 * i + 0.01);
  }
  const Interval interval = lore::paired_bootstrap(a, b, {.seed = 3});
  CHECK(interval.lower == Approx(0.01));
  CHECK(interval.upper == Approx(0.01));
  CHECK_THROWS_AS(lore::paired_bootstrap(a, std::vector<double>{1}), std::invalid_argument);
}
