// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/guard.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "lore/data/simulate.hpp"
#include "lore/metrics/user_scores.hpp"

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

TEST_CASE("A prior that is too narrow is widened, and one that is too wide no further") {
  const lore::Comparisons<> train = lore_test::people(3, 2).seen_train();
  auto fit = plain;
  fit.new_users.estimate = false;
  // A basis that is fitted for other deviations than new users' is what a wrong scale leaves behind.
  const auto report = [&](double deviation) {
    return guard(fit, train, {3, WeightMapKind::signed_deviations, {1, deviation}}, bradley_terry);
  };
  const GuardReport narrow = report(0.1);
  CHECK(narrow.factor > 1);
  CHECK(report(20).factor <= narrow.factor);
  // Where the covariance may be estimated, that is taken instead if it is judged better still.
  fit.new_users.estimate = true;
  const GuardReport either = report(0.1);
  CHECK((either.estimated || either.factor == narrow.factor));
  CHECK(lore::summarize_users(either.loss_by_user).mean <= lore::summarize_users(narrow.loss_by_user).mean);
}

TEST_CASE("A covariance estimated after the fit is taken where few users have said most") {
  const lore::Comparisons<> train = lore_test::quiet_and_loud(1).seen_train();
  const Candidate faint{4, WeightMapKind::signed_deviations, {4, 0.1}};  // as cross-validation may leave it
  auto fixed = plain;
  fixed.new_users.smallest_factor = fixed.new_users.largest_factor = 1;
  fixed.new_users.estimate = false;
  auto estimating = fixed;
  estimating.new_users.estimate = true;
  const GuardReport as_fitted = guard(fixed, train, faint, bradley_terry),
                    estimated = guard(estimating, train, faint, bradley_terry);
  CHECK_FALSE(as_fitted.estimated);
  CHECK(estimated.estimated);
  CHECK(lore::summarize_users(estimated.loss_by_user).mean <
        lore::summarize_users(as_fitted.loss_by_user).mean - plain.new_users.least_improvement);
  const lore::RewardModel<float> model = lore_test::heeded(plain, train, faint, estimated);
  CHECK(model.prior.covariance.trace() > 2 * lore_test::fit_at(plain, train, faint).prior.covariance.trace());
}

TEST_CASE("A narrower prior is taken until nobody surely loses") {
  // People who are all alike under a rank and a scale that nobody should choose.
  const lore::Comparisons<> train = lore_test::people(1, 3, 14).seen_train();
  const Candidate reckless{14, WeightMapKind::signed_deviations, {20, 20}};
  auto fit = lore_test::default_fit(2);
  fit.joint.posterior = lore::Posterior::map;  // bends the basis to noise
  auto fixed = fit;
  fixed.new_users.smallest_factor = fixed.new_users.largest_factor = 1;
  fixed.new_users.estimate = false;
  const GuardReport as_it_is = guard(fixed, train, reckless, bradley_terry);
  CHECK(as_it_is.factor == 1);
  CHECK(as_it_is.loses);
  const GuardReport report = guard(fit, train, reckless, bradley_terry);
  CHECK(report.factor < 1);
  CHECK(at(report, 10).log_loss.mean > at(as_it_is, 10).log_loss.mean);
  CHECK((!report.loses || report.factor * 0.5 < fit.new_users.smallest_factor));  // or none is left to try
}

TEST_CASE("Nobody is left surely worse off after few shots for what many gain") {
  // Deviations that are far too wide, at which one answer is believed too much and many are enough.
  const lore::Comparisons<> train = lore_test::people(3, 7).seen_train();
  const Candidate wide{3, WeightMapKind::signed_deviations, {1, 25}};
  auto fit = lore_test::default_fit(2);
  fit.joint.posterior = lore::Posterior::map;
  auto fixed = fit;
  fixed.new_users.smallest_factor = fixed.new_users.largest_factor = 1;
  fixed.new_users.estimate = false;
  const GuardReport as_it_is = guard(fixed, train, wide, bradley_terry);
  CHECK(at(as_it_is, 3).log_loss.upper < 0);
  CHECK(at(as_it_is, 20).log_loss.lower > 0);
  CHECK(as_it_is.loses);  // nothing else may be tried
  const GuardReport report = guard(fit, train, wide, bradley_terry);
  CHECK_FALSE(report.loses);
  CHECK(report.factor < 1);
  for (const GuardPoint& point : report.points) {
    CAPTURE(point.shots);
    CHECK(point.log_loss.upper >= -fit.new_users.tolerated_loss);
  }
  CHECK(at(report, 20).log_loss.lower > 0);
}

TEST_CASE("The guard speaks of the model that is written") {
  lore::PlantedOptions options{.dimension = 8,
                               .rank = 3,
                               .margin_deviation = 4,
                               .seen_users = 120,
                               .seen_train = 40,
                               .seen_test = 0,
                               .unseen_users = 200,
                               .unseen_shots = 20,
                               .unseen_test = 60,
                               .seed = 3};
  const lore::Preferences<> data = lore::simulate_planted(options).preferences;
  const lore::Comparisons<> train = data.seen_train(), test = data.unseen_test();
  const Candidate three{3, WeightMapKind::signed_deviations, {1, 1}};
  const GuardReport report = guard(plain, train, three, bradley_terry);
  REQUIRE(report.population);
  // Of somebody of whom nothing is known it says what Bradley-Terry says.
  CHECK(at(report, 0).accuracy.mean == 0);
  CHECK(std::abs(at(report, 0).log_loss.mean) < 0.02);
  // Users whom nobody has seen get what it promised.
  const lore::RewardModel<float> model = lore_test::heeded(plain, train, three, report);
  const lore::RewardModel<float> one = lore_test::fit_at(plain, train, bradley_terry);
  for (const Index shots : {1, 5, 20}) {
    CAPTURE(shots);
    const lore::UserScores gain = lore_test::gain_of_new_users(model, one, data, shots);
    const lore::Gain promised = at(report, shots).accuracy;
    CHECK(std::abs(gain.mean - promised.mean) < 3 * std::hypot(gain.standard_error, promised.standard_error));
  }
  const lore::UserScores unknown = lore_test::gain_of_new_users(model, one, data, 0);
  CHECK(unknown.mean == 0);
}

TEST_CASE("Comparisons of weight 0 say nothing, and folds without others are left out") {
  lore::Comparisons<> train = lore_test::people(3, 4).seen_train();
  const Candidate two{2, WeightMapKind::signed_deviations, {1, 1}};
  const auto weigh = [&](Index users) {
    train.weight.assign(static_cast<std::size_t>(train.size()), 0);
    std::fill_n(train.weight.begin(), train.end(users - 1), 1.0F);
  };
  weigh(1);  // whoever holds this one out has nothing to fit to
  const GuardReport nobody = guard(plain, train, two, bradley_terry);
  CHECK(nobody.points.empty());
  CHECK(nobody.skipped == plain.new_users.folds);
  CHECK_NOTHROW(lore_test::run(plain, train));
  weigh(30);
  const GuardReport half = guard(plain, train, two, bradley_terry);
  CHECK(half.skipped == 0);
  REQUIRE_FALSE(half.points.empty());
  CHECK(half.points.front().users == 30);
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

TEST_CASE("A guard refuses weights that are not one a comparison, or no weights at all") {
  lore::Comparisons<> train = lore_test::people(3, 4).seen_train();
  const Candidate two{2, WeightMapKind::signed_deviations, {1, 1}};
  train.weight = {1, 1, 1};
  CHECK_THROWS_AS(guard(plain, train, two, bradley_terry), std::invalid_argument);
  train.weight.assign(static_cast<std::size_t>(train.size()), 1);
  train.weight[7] = -1;
  CHECK_THROWS_AS(guard(plain, train, two, bradley_terry), std::domain_error);
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
  options = {};
  options.most_judged = 0;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {};
  options.least_improvement = -1;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {};
  options.tolerated_loss = -1;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
}
