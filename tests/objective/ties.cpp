// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/ties.hpp"

#include <limits>
#include <stdexcept>

#include "lore_catch.hpp"
#include "objective/losses.hpp"

namespace {

using lore::Davidson;
using lore::RaoKupper;
using lore_test::Approx;
using lore_test::margins;

static_assert(lore::AnswerLoss<Davidson, float> && lore::AnswerLoss<Davidson, double>);
static_assert(lore::AnswerLoss<RaoKupper, float> && lore::AnswerLoss<RaoKupper, double>);

constexpr lore::Answer won{};
constexpr lore::Answer tie{.outcome = lore::Outcome::tie};

/// What holds of every model of ties.
template <class Loss>
void check_laws(const Loss& loss) {
  lore_test::check_answer(loss, won);
  lore_test::check_answer(loss, tie);
  for (const double t : margins()) {
    CAPTURE(t);
    CHECK(loss(t).value == loss(t, won).value);
    // Exchanging the replies leaves a tie as it is.
    const auto here = loss(t, tie), there = loss(-t, tie);
    CHECK(here.value == Approx(there.value));
    CHECK(here.slope == Approx(-there.slope).margin(1e-15));
    CHECK(here.curvature == Approx(there.curvature));
    for (const auto& answer : {won, tie}) {
      CHECK(loss(t, answer).curvature >= 0);
      CHECK(std::abs(loss(t, answer).slope) <= 1);
    }
    if (std::abs(t) < 500) CHECK(lore_test::total_probability(loss, t) == Approx(1));
  }
}

}  // namespace

TEST_CASE("Davidson's ties: derivatives, symmetry, probabilities that sum to one") {
  for (const double nu : {1e-4, 0.3, 1.0, 8.0}) {
    CAPTURE(nu);
    check_laws(Davidson(nu));
    CHECK(std::exp(-Davidson(nu)(0.0, tie).value) == Approx(nu / (2 + nu)));
    // The odds of winning are Bradley-Terry's whatever nu.
    CHECK(Davidson(nu)(1.3).value - Davidson(nu)(-1.3).value == Approx(-1.3));
  }
}

TEST_CASE("Rao and Kupper's ties: derivatives, symmetry, probabilities that sum to one") {
  for (const double theta : {1.01, 1.5, 4.0, 100.0}) {
    CAPTURE(theta);
    check_laws(RaoKupper(theta));
    CHECK(std::exp(-RaoKupper(theta)(0.0, tie).value) == Approx((theta - 1) / (theta + 1)));
    const double t = 0.7;
    CHECK(std::exp(-RaoKupper(theta)(t).value) == Approx(std::exp(t) / (std::exp(t) + theta)));
  }
}

TEST_CASE("Without ties both are Bradley-Terry") {
  for (const double t : margins()) {
    CAPTURE(t);
    lore_test::check_same(Davidson(0)(t), lore::BradleyTerry{}(t));
    lore_test::check_same(RaoKupper(1)(t), lore::BradleyTerry{}(t));
  }
  const Davidson davidson = {};  // as a default argument
  const RaoKupper rao_kupper = {};
  CHECK(davidson.nu() == 1);
  CHECK(rao_kupper.theta() == 2);
  CHECK_FALSE(Davidson(0).reads_ties());
  CHECK_FALSE(RaoKupper(1).reads_ties());
  CHECK(Davidson(0.1).reads_ties());
  CHECK(RaoKupper(1.1).reads_ties());
}

TEST_CASE("Ties need parameters that make sense") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(Davidson(-0.1), std::domain_error);
  CHECK_THROWS_AS(Davidson(nan), std::domain_error);
  CHECK_THROWS_AS(RaoKupper(0.9), std::domain_error);
  CHECK_THROWS_AS(RaoKupper(nan), std::domain_error);
}
