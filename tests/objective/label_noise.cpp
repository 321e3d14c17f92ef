// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/label_noise.hpp"

#include <limits>
#include <stdexcept>

#include "lore/objective/graded.hpp"
#include "lore/objective/ties.hpp"

#include "lore_catch.hpp"
#include "objective/losses.hpp"

namespace {

using lore_test::Approx;
using lore_test::margins;
using lore_test::Of;
using lore_test::tolerance;

static_assert(lore::PairwiseLoss<lore::LabelNoise, float> && lore::PairwiseLoss<lore::LabelNoise, double>);
static_assert(lore::AnswerLoss<lore::LabelNoiseByUser<>, float>);

}  // namespace

TEST_CASE("Label noise states its derivatives") {
  for (const double flip : {0.0, 1e-6, 0.05, 0.3, 0.49}) {
    CAPTURE(flip);
    lore_test::check_derivatives(lore::LabelNoise(flip));
  }
}

TEMPLATE_TEST_CASE("Label noise of probability 0 is Bradley-Terry", "", float, double) {
  using Scalar = TestType;
  for (const double m : margins()) {
    CAPTURE(m);
    const auto t = static_cast<Scalar>(m);
    const auto noisy = lore::LabelNoise(0)(t);
    const auto plain = lore::BradleyTerry{}(t);
    const double close = 4 * tolerance<Scalar>(Of::rounding);
    CHECK(static_cast<double>(noisy.value) == Approx(static_cast<double>(plain.value)).epsilon(close));
    CHECK(static_cast<double>(noisy.slope) == Approx(static_cast<double>(plain.slope)).epsilon(close));
    CHECK(static_cast<double>(noisy.curvature) ==
          Approx(static_cast<double>(plain.curvature)).epsilon(close).margin(close));
  }
}

TEMPLATE_TEST_CASE("Label noise bounds what one careless answer can cost", "", float, double) {
  using Scalar = TestType;
  for (const double flip : {0.01, 0.2, 0.45}) {
    const lore::LabelNoise loss(flip);
    CHECK(loss.flip() == flip);
    Scalar last = std::numeric_limits<Scalar>::infinity();
    for (double m = -200; m <= 200; m += 0.5) {
      CAPTURE(flip, m);
      const auto terms = loss(static_cast<Scalar>(m));
      CHECK(static_cast<double>(terms.value) <= -std::log(flip) * (1 + 1e-6));
      CHECK(static_cast<double>(terms.value) >= -std::log(1 - flip) * (1 - 1e-6));
      CHECK((terms.slope <= 0 && terms.slope >= -1));
      CHECK(terms.value <= last);
      last = terms.value;
    }
    // Unlike Bradley-Terry, the pull of a comparison that is far off fades.
    CHECK(std::abs(loss(Scalar(-50)).slope) < 1e-6);
    // P(recorded) of a comparison and of its mirror image sum to 1.
    const double p = std::exp(-static_cast<double>(loss(Scalar(0.7)).value)) +
                     std::exp(-static_cast<double>(loss(Scalar(-0.7)).value));
    CHECK(p == Approx(1).epsilon(1e-6));
  }
}

TEST_CASE("Label noise needs a probability below one half") {
  CHECK_THROWS_AS(lore::LabelNoise(-0.01), std::domain_error);
  CHECK_THROWS_AS(lore::LabelNoise(0.5), std::domain_error);
  CHECK_THROWS_AS(lore::LabelNoise(std::numeric_limits<double>::quiet_NaN()), std::domain_error);
  CHECK_NOTHROW(lore::LabelNoise(0.4999));
}

TEST_CASE("Label noise by user is the mixture of what was meant and its opposite") {
  const lore::LabelNoiseByUser<> plain;
  const lore::LabelNoiseByUser<lore::Davidson> tied{lore::Davidson(0.7)};
  const lore::LabelNoiseByUser<lore::Ordinal> graded{lore::Ordinal({0.3, 1.1, 2.5})};
  for (const float flip : {0.0F, 0.05F, 0.3F}) {
    CAPTURE(flip);
    const lore::Answer answer{.strength = 2, .flip = flip};
    const lore::Answer tie{.outcome = lore::Outcome::tie, .flip = flip};
    lore_test::check_answer(plain, answer);
    lore_test::check_answer(tied, answer);
    lore_test::check_answer(tied, tie);
    lore_test::check_answer(graded, answer);
    for (const double t : margins()) {
      if (std::abs(t) > 300) continue;
      CAPTURE(t);
      const auto terms = plain(t, answer), fixed = lore::LabelNoise(static_cast<double>(flip))(t);
      CHECK(terms.value == Approx(fixed.value).epsilon(1e-12));
      CHECK(terms.slope == Approx(fixed.slope).epsilon(1e-9).margin(1e-12));
      CHECK(terms.curvature == Approx(fixed.curvature).epsilon(1e-9).margin(1e-12));
      CHECK(tied(t, tie).value == Approx(tied.base(t, tie).value));  // a tie has no opposite
    }
    CHECK(plain(1.5).value == lore::BradleyTerry{}(1.5).value);  // a prediction is of what is meant
  }
  CHECK(tied.reads_ties());
  CHECK_FALSE(plain.reads_ties());
}
