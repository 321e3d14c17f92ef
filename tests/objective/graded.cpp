// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/graded.hpp"

#include <limits>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"
#include "objective/losses.hpp"

namespace {

using lore::GradedMargin;
using lore::GradedWeight;
using lore::Ordinal;
using lore_test::Approx;
using lore_test::margins;

static_assert(lore::AnswerLoss<GradedMargin, float> && lore::AnswerLoss<GradedWeight, float> &&
              lore::AnswerLoss<Ordinal, float>);

constexpr lore::Answer tie{.outcome = lore::Outcome::tie};

[[nodiscard]] constexpr lore::Answer of_strength(float strength) { return {.strength = strength}; }

}  // namespace

TEST_CASE("Strength as a margin or a weight: derivatives, and Bradley-Terry at 0 or 1") {
  const lore::BradleyTerry plain;
  for (const float s : {0.0F, 0.5F, 1.0F, 3.0F}) {
    CAPTURE(s);
    lore_test::check_answer(GradedMargin(0.8), of_strength(s));
    lore_test::check_answer(GradedWeight{}, of_strength(s));
    const double t = 0.4, strength = s;
    CHECK(GradedMargin(0.8)(t, of_strength(s)).value == Approx(plain(t - 0.8 * strength).value));
    CHECK(GradedWeight{}(t, of_strength(s)).value == Approx(strength * plain(t).value));
  }
  for (const double t : margins()) {
    CAPTURE(t);
    lore_test::check_same(GradedMargin(0.8)(t, of_strength(0)), plain(t));
    lore_test::check_same(GradedMargin(0)(t, of_strength(2)), plain(t));
    lore_test::check_same(GradedWeight{}(t, of_strength(1)), plain(t));
    lore_test::check_same(GradedMargin(2)(t), plain(t));
  }
  CHECK(GradedWeight{}(3.0, of_strength(0)).value == 0);
  CHECK_THROWS_AS(GradedMargin(-1), std::domain_error);
}

TEST_CASE("Ordinal grades: derivatives, symmetry, probabilities that sum to one") {
  for (const Ordinal& loss :
       {Ordinal({0.0, 1.5}), Ordinal({0.4}), Ordinal({0.2, 0.9, 2.5, 7.0}, {1, 2, 4})}) {
    for (const lore::Answer& answer : loss.outcomes()) lore_test::check_answer(loss, answer);
    for (const double t : margins()) {
      CAPTURE(t);
      for (const lore::Answer& answer : loss.outcomes()) CHECK(loss(t, answer).curvature >= 0);
      if (std::abs(t) < 300) {
        CHECK(lore_test::total_probability(loss, t) == Approx(1));
        // loss(t): preferred, at whatever strength.
        double preferred = 0;
        for (const lore::Answer& answer : loss.outcomes())
          if (answer.outcome == lore::Outcome::preferred) preferred += std::exp(-loss(t, answer).value);
        CHECK(std::exp(-loss(t).value) == Approx(preferred).margin(1e-300));
      }
    }
  }
}

TEST_CASE("One threshold is Rao-Kupper's model, one of 0 is Bradley-Terry") {
  const Ordinal loss({std::log(3.0)});
  const lore::RaoKupper same(3);
  for (const double t : margins()) {
    CAPTURE(t);
    lore_test::check_same(loss(t, of_strength(1)), same(t));
    lore_test::check_same(loss(t, tie), same(t, tie));
    lore_test::check_same(Ordinal()(t, of_strength(5)), lore::BradleyTerry{}(t));
  }
}

TEST_CASE("A grade begins at its cut") {
  const Ordinal loss({0, 1, 2}, {0.25F, 10});
  CHECK(loss.grade(0) == 1);
  CHECK(loss.grade(0.2F) == 1);
  CHECK(loss.grade(0.25F) == 2);
  CHECK(loss.grade(9) == 2);
  CHECK(loss.grade(1e6F) == 3);
  CHECK(Ordinal({0, 1, 2}).grade(2) == 2);
  CHECK(Ordinal({0, 1, 2}).grade(0) == 1);
}

TEST_CASE("Ordinal thresholds ascend from 0 on") {
  CHECK_THROWS_AS(Ordinal(std::vector<double>{}), std::invalid_argument);
  CHECK_THROWS_AS(Ordinal({0, 1}, {1, 2}), std::invalid_argument);
  CHECK_THROWS_AS(Ordinal({-0.1}), std::domain_error);
  CHECK_THROWS_AS(Ordinal({1, 1}), std::domain_error);
  CHECK_THROWS_AS(Ordinal({0, 1, 2}, {2, 2}), std::domain_error);
  CHECK_THROWS_AS(Ordinal({0, 1}, {0}), std::domain_error);
  CHECK_THROWS_AS(Ordinal({std::numeric_limits<double>::infinity()}), std::domain_error);
}

TEST_CASE("Ordinal in vector code is what it is one by one") {
  const Ordinal loss({0.7, 2});
  const lore::Vector<double> t = lore::Vector<double>::LinSpaced(31, -40, 40);
  lore::Vector<double> value(31), slope(31), curvature(31), again(31), alone(31);
  loss.array(t, value, slope, curvature);
  loss.array_derivatives(t, again, alone);
  for (lore::Index j = 0; j < 31; ++j) {
    lore_test::check_same(loss(t(j)), {value(j), slope(j), curvature(j)});
    CHECK(again(j) == slope(j));
    CHECK(alone(j) == curvature(j));
  }
}
