// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/loss.hpp"

#include <limits>
#include <vector>

#include "lore_catch.hpp"
#include "objective/losses.hpp"

namespace {

using lore_test::Approx;
using lore_test::Of;
using lore_test::tolerance;

static_assert(lore::PairwiseLoss<lore::BradleyTerry, float> &&
              lore::PairwiseLoss<lore::BradleyTerry, double>);
static_assert(!lore::AnswerLoss<lore::BradleyTerry, double>);

using lore_test::margins;

}  // namespace

TEST_CASE("Bradley-Terry states its derivatives") { lore_test::check_derivatives(lore::BradleyTerry{}); }
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

TEST_CASE("Ties and choices are not read as something else") {
  std::vector<lore::Answer> answer(3);
  CHECK_NOTHROW(lore::detail::check_readable("f", lore::BradleyTerry{}, answer));
  answer[0].choice = 1;  // alone
  answer[1].strength = 3;
  CHECK_NOTHROW(lore::detail::check_readable("f", lore::BradleyTerry{}, answer));
  answer[1].choice = 1;
  CHECK_THROWS_WITH(
      lore::detail::check_readable("f", lore::BradleyTerry{}, answer),
      "lore::f: answer[0]: got a choice among several replies, wanted a loss that reads choices "
      "(PlackettLuce)");
  answer.assign(3, {});
  answer[2].outcome = lore::Outcome::tie;
  CHECK_THROWS_WITH(lore::detail::check_readable("f", lore::BradleyTerry{}, answer),
                    "lore::f: answer[2]: got a tie, wanted a loss that reads ties (Davidson, RaoKupper, "
                    "Ordinal), or Comparisons::decided()");
}
