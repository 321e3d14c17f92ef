// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#define EIGEN_RUNTIME_NO_MALLOC  // in every file of this room, as pass.cpp needs it
#include "lore/objective/loss.hpp"

#include <limits>
#include <stdexcept>
#include <vector>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

namespace {

using lore_test::Approx;
using lore_test::Of;
using lore_test::tolerance;

static_assert(lore::PairwiseLoss<lore::BradleyTerry, float> &&
              lore::PairwiseLoss<lore::BradleyTerry, double>);
static_assert(lore::PairwiseLoss<lore::LabelNoise, float> && lore::PairwiseLoss<lore::LabelNoise, double>);

[[nodiscard]] std::vector<double> margins() {
  std::vector<double> out = {0, 1e-9, -1e-9, 1, -1, 5, -5, 20, -20, 36, -36, 80, -80, 700, -700, 1e4, -1e4};
  lore::Rng rng(1);
  for (int i = 0; i < 50; ++i) out.push_back(6 * lore::normal(rng));
  return out;
}

/// Slope and curvature against central differences of value and slope, in double.
template <class Loss>
void check_derivatives(const Loss& loss) {
  for (const double t : margins()) {
    if (std::abs(t) > 1000) continue;
    CAPTURE(t);
    const double h = 1e-4;
    const double slope = (loss(t + h).value - loss(t - h).value) / (2 * h);
    const double curvature = (loss(t + h).slope - loss(t - h).slope) / (2 * h);
    CHECK(loss(t).slope == Approx(slope).epsilon(1e-6).margin(1e-9));
    CHECK(loss(t).curvature == Approx(curvature).epsilon(1e-6).margin(1e-9));
  }
}

}  // namespace

TEST_CASE("Losses state their derivatives") {
  check_derivatives(lore::BradleyTerry{});
  for (const double flip : {0.0, 1e-6, 0.05, 0.3, 0.49}) {
    CAPTURE(flip);
    check_derivatives(lore::LabelNoise(flip));
  }
}

TEMPLATE_TEST_CASE("Bradley-Terry is -log sigma at any margin", "", float, double) {
  using Scalar = TestType;
  const lore::BradleyTerry loss;
  CHECK(loss(Scalar(0)).value == Approx(std::log(2.0)));
  CHECK(loss(Scalar(0)).slope == Approx(-0.5));
  CHECK(loss(Scalar(0)).curvature == Approx(0.25));
  for (const double t : margins()) {
    CAPTURE(t);
    const auto terms = loss(static_cast<Scalar>(t));
    const auto wide = loss(t);
    CHECK(std::isfinite(terms.value));
    CHECK(terms.value >= 0);
    CHECK((terms.slope <= 0 && terms.slope >= -1));
    CHECK((terms.curvature >= 0 && terms.curvature <= Scalar(0.25)));
    CHECK(static_cast<double>(terms.value) == Approx(wide.value).epsilon(tolerance<Scalar>()).margin(1e-30));
    // A comparison and its mirror image: -log sigma(t) + log sigma(-t) = -t, and the slopes sum to -1.
    const auto mirror = loss(static_cast<Scalar>(-t));
    CHECK(static_cast<double>(terms.value - mirror.value) ==
          Approx(-t).epsilon(tolerance<Scalar>()).margin(tolerance<Scalar>(Of::rounding)));
    CHECK(static_cast<double>(terms.slope + mirror.slope) == Approx(-1));
    CHECK(terms.curvature == mirror.curvature);
  }
  // Far from zero the small tail keeps its relative precision, and the large one is the margin itself.
  CHECK(static_cast<double>(loss(Scalar(60)).value) == Approx(std::exp(-60.0)).epsilon(1e-4).margin(0));
  CHECK(static_cast<double>(loss(Scalar(60)).slope) == Approx(-std::exp(-60.0)).epsilon(1e-4).margin(0));
  CHECK(loss(Scalar(-1e30)).value == Scalar(1e30));
  constexpr Scalar infinity = std::numeric_limits<Scalar>::infinity();
  CHECK(loss(infinity).value == 0);
  CHECK(loss(infinity).slope == 0);
  CHECK(loss(-infinity).value == infinity);
  CHECK(loss(-infinity).slope == -1);
}

TEMPLATE_TEST_CASE("An array of margins costs what the margins cost one by one", "", float, double) {
  using Scalar = TestType;
  const lore::BradleyTerry loss;
  const std::vector<double> list = margins();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}, list.size()}) {
    lore::Vector<Scalar> t(static_cast<lore::Index>(size));
    for (std::size_t j = 0; j < size; ++j) t(static_cast<lore::Index>(j)) = static_cast<Scalar>(list[j]);
    lore::Vector<Scalar> value(t.size()), slope(t.size()), curvature(t.size());
    loss.array(t, value, slope, curvature);
    for (lore::Index j = 0; j < t.size(); ++j) {
      CAPTURE(t(j));
      const auto terms = loss(t(j));
      const double close = 4 * tolerance<Scalar>(Of::rounding);
      CHECK(static_cast<double>(value(j)) ==
            Approx(static_cast<double>(terms.value)).epsilon(close).margin(1e-35));
      CHECK(static_cast<double>(slope(j)) ==
            Approx(static_cast<double>(terms.slope)).epsilon(close).margin(1e-35));
      CHECK(static_cast<double>(curvature(j)) ==
            Approx(static_cast<double>(terms.curvature)).epsilon(close).margin(1e-35));
    }
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
