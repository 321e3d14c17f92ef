// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/default_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/data/rankings.hpp"
#include "lore/data/simulate.hpp"
#include "lore/fit/answer_model.hpp"

#include "lore_catch.hpp"
#include "support.hpp"

namespace {

using lore::Index;
using lore_test::Approx;

}  // namespace

TEST_CASE("The default fit does not know the features' unit") {
  const lore::Preferences<> data = lore_test::people(3, 7);
  const auto fit = lore_test::default_fit(2);
  const auto plain = lore_test::run(fit, data.seen_train());
  const double accuracy = lore_test::accuracy_of_seen(plain.result.model, data.seen_test());
  for (const float factor : {1.0F / 128, 128.0F, 0.01F, 100.0F}) {
    CAPTURE(factor);
    const bool exact = factor == 128 || factor == 1.0F / 128;  // every digit is the same but for the exponent
    const lore::Preferences<> other = lore_test::scaled(data, factor);
    const auto [selection, result, guard] = lore_test::run(fit, other.seen_train());
    // Rounding may decide between neighbours that predict alike, but not how well they predict.
    CHECK(std::abs(selection.selected - plain.selection.selected) <= (exact ? 0 : 1));
    const lore::RankChoice &mine = selection.at(selection.selected),
                           &wanted = plain.selection.at(selection.selected);
    CHECK(mine.candidate.weight_map == wanted.candidate.weight_map);
    CHECK(mine.log_loss == Approx(wanted.log_loss).epsilon(exact ? 1e-6 : 4e-3));
    CHECK(lore_test::accuracy_of_seen(result.model, other.seen_test()) ==
          Approx(accuracy).margin(exact ? 1e-6 : 5e-3));
  }
}

TEST_CASE("The default fit says what it did, and gives the same model for any number of threads") {
  const lore::Preferences<> data = lore_test::people(2, 8);
  const auto one = lore_test::run(lore_test::default_fit(1), data.seen_train());
  const auto two = lore_test::run(lore_test::default_fit(2), data.seen_train());
  const lore::RewardModel<float>& model = one.result.model;
  CHECK(two.result.model.basis.matrix() == model.basis.matrix());
  CHECK(two.result.model.weights == model.weights);
  CHECK(two.result.objective == one.result.objective);
  CHECK_NOTHROW(model.validate());
  CHECK(model.rank == one.selection.selected);
  CHECK(model.user == data.seen_train().user);
  CHECK(model.training.at("seed") == "0");
  CHECK(model.training.at("posterior") == "variational");
  const lore::MarginScale& scale = one.selection.at(model.rank).candidate.scale;
  CHECK(std::stod(model.training.at("margin_scale_others")) == Approx(scale.others));
  CHECK(model.training.at("status") == lore::name_of(one.result.status));
  REQUIRE(model.rank > 1);
  CHECK(model.guard == one.guard.points);
  CHECK(two.guard.points == one.guard.points);
  CHECK(std::stod(model.training.at("prior_covariance_factor")) == one.guard.factor);
}

TEST_CASE("Users with 5 comparisons beside users with 1,500: both gain") {
  // 60 users with few, then 6 with many; three directions among them.
  const lore::PlantedOptions options{.dimension = 12,
                                     .rank = 3,
                                     .margin_deviation = 4,
                                     .seen_users = 66,
                                     .seen_train = 1500,
                                     .seen_test = 100,
                                     .unseen_users = 0,
                                     .seed = 6};
  const lore::Preferences<> all = lore::simulate_planted(options).preferences;
  std::vector<Index> used(66, 0);
  const lore::Comparisons<> whole = all.seen_train(), test = all.seen_test();
  const lore::Comparisons<> train = whole.filtered([&](Index p) {
    const auto user = static_cast<std::size_t>(
        all.user[static_cast<std::size_t>(whole.column[static_cast<std::size_t>(p)])]);
    return user >= 60 || used[user]++ < 5;
  });
  REQUIRE(train.size() == 60 * 5 + 6 * 1500);
  const auto fit = lore_test::default_fit(2);
  const auto [selection, result, guard] = lore_test::run(fit, train);
  const auto one = lore_test::fit_at(fit, train, selection.bradley_terry);
  CHECK(selection.selected > 1);
  const lore::RewardModel<float>& personal = result.model;
  const auto gain = [&](Index from, Index to) {
    std::vector<Index> which;
    for (Index i = from; i < to; ++i) which.push_back(i);
    const auto part = [&](lore::RewardModel<float> model) {
      model.weights = lore::Matrix<float>(model.weights.middleCols(from, to - from));
      return lore_test::accuracy_of_seen(model, test.subset(which));
    };
    return part(personal) - part(one);
  };
  CAPTURE(guard.factor);
  CHECK(gain(0, 60) > 0.01);
  CHECK(gain(60, 66) > 0.05);
}

TEST_CASE("New users gain where seen ones have said 5 things or 800, with weights of either kind") {
  // A joint fit of deviations to few loud users leaves a prior that is far narrower than people are.
  const lore::Preferences<> all = lore_test::quiet_and_loud(1);
  const lore::Comparisons<> train = all.seen_train();
  auto fit = lore_test::default_fit(2);
  for (const bool simplex : {true, false}) {
    CAPTURE(simplex);
    fit.selection.simplex = simplex;
    const auto outcome = lore_test::run(fit, train);
    const lore::RewardModel<float>& model = outcome.result.model;
    REQUIRE(model.rank > 1);
    const auto one = lore_test::fit_at(fit, train, outcome.selection.bradley_terry);
    CAPTURE(outcome.guard.estimated, outcome.guard.factor);
    const auto gain = [&](Index shots) { return lore_test::gain_of_new_users(model, one, all, shots); };
    CHECK(gain(1).mean > -2 * gain(1).standard_error);
    CHECK(gain(5).mean > 0.02);
    CHECK(gain(20).mean > 0.06);
    CHECK(std::stod(model.training.at("prior_covariance_factor")) == outcome.guard.factor);
    CHECK(model.training.at("prior_covariance_estimated") == (outcome.guard.estimated ? "true" : "false"));
  }
}

TEST_CASE("Simplex weights give way to signed ones that new users are judged better by, and to no others") {
  const lore::Comparisons<> train = lore_test::people(3, 1).seen_train();
  const auto fit = lore_test::default_fit(2);
  const auto choice = [](Index rank, lore::WeightMapKind map, double q) {
    return lore::RankChoice{{rank, map, {q, q}}, 0.5, {}};
  };
  const auto chosen = [&](const lore::RankChoice& simplex, const lore::RankChoice& deviations) {
    lore::Selection selection;
    selection.ranks = {choice(1, lore::WeightMapKind::signed_deviations, 1), simplex};
    if (deviations.candidate.rank != simplex.candidate.rank)
      selection.ranks.push_back(
          choice(deviations.candidate.rank, lore::WeightMapKind::signed_deviations, 0.2));
    selection.selected = simplex.candidate.rank;
    selection.bradley_terry = selection.ranks.front().candidate;
    selection.deviations = deviations;
    const lore::GuardReport report = lore_test::guard(fit, train, selection);
    const lore::RankChoice& now = selection.at(selection.selected);
    CHECK_FALSE(report.points.empty());
    CHECK(selection.deviations.has_value() == (now.candidate.weight_map == lore::WeightMapKind::simplex));
    return now.candidate;
  };
  using Kind = lore::WeightMapKind;
  const lore::RankChoice good_simplex = choice(3, Kind::simplex, 3),
                         poor_simplex = choice(3, Kind::simplex, 0.1),
                         good = choice(3, Kind::signed_deviations, 1),
                         of_rank_two = choice(2, Kind::signed_deviations, 1),
                         poor = choice(3, Kind::signed_deviations, 0.05);
  CHECK(chosen(poor_simplex, good).weight_map == Kind::signed_deviations);
  CHECK(chosen(poor_simplex, good).scale.others == 1);
  CHECK(chosen(poor_simplex, of_rank_two).rank == 2);
  CHECK(chosen(poor_simplex, of_rank_two).scale.others == 1);
  CHECK(chosen(good_simplex, poor).weight_map == Kind::simplex);
}

TEST_CASE("Simplex weights that harm nobody do not give way to signed ones that do") {
  using Kind = lore::WeightMapKind;
  const lore::Comparisons<> train = lore_test::people(3, 7).seen_train();
  auto fit = lore_test::default_fit(2);
  fit.joint.posterior = lore::Posterior::map;
  fit.new_users.smallest_factor = fit.new_users.largest_factor = 1;
  fit.new_users.estimate = false;
  const lore::Candidate bradley_terry{1, Kind::signed_deviations, {1, 1}}, shy{3, Kind::simplex, {0.3, 0.3}},
      reckless{3, Kind::signed_deviations, {1, 25}};
  REQUIRE(lore_test::guard(fit, train, reckless, bradley_terry).loses);
  REQUIRE_FALSE(lore_test::guard(fit, train, shy, bradley_terry).loses);
  lore::Selection selection;
  selection.ranks = {{bradley_terry, 0.6, {}}, {shy, 0.5, {}}};
  selection.selected = 3;
  selection.bradley_terry = bradley_terry;
  selection.deviations = lore::RankChoice{reckless, 0.5, {}};
  const lore::GuardReport report = lore_test::guard(fit, train, selection);
  CHECK(selection.selected == 3);
  CHECK(selection.at(3).candidate.weight_map == Kind::simplex);
  CHECK(report.candidate.weight_map == Kind::simplex);
  CHECK_FALSE(report.loses);
}

TEST_CASE("The default fit takes as few people and comparisons as there are") {
  const auto fit = lore_test::default_fit();
  for (const std::vector<Index>& counts :
       {std::vector<Index>{1}, std::vector<Index>{30}, std::vector<Index>{1, 1}, std::vector<Index>{20, 3},
        std::vector<Index>(40, 1), std::vector<Index>{1, 1, 1, 25}}) {
    CAPTURE(counts);
    const lore::Comparisons<> train = lore_test::small(counts, 2).seen_train();
    const auto [selection, result, guard] = lore_test::run(fit, train);
    const lore::RewardModel<float>& model = result.model;
    CHECK_NOTHROW(model.validate());
    CHECK(model.rank <= train.users());
    CHECK(model.weights.cols() == train.users());
    CHECK(model.basis.matrix().norm() > 0);
  }
  // One comparison each is still enough to learn what they share.
  const lore::Preferences<> shared = lore_test::small(std::vector<Index>(200, 1), 3);
  const auto model = lore_test::run(fit, shared.seen_train()).result.model;
  const lore::Preferences<> fresh = lore_test::small(std::vector<Index>(200, 30), 4);
  CHECK(lore_test::accuracy_of_seen(model, fresh.seen_train()) > 0.7);
}

TEST_CASE("Comparisons that contradict each other teach nothing and break nothing") {
  // Every comparison is there both ways round.
  const lore::Preferences<> once = lore_test::small(std::vector<Index>(12, 10), 5);
  lore::Preferences<> both = once;
  lore::Matrix<float> X(3, 2 * once.size());
  for (Index j = 0; j < once.size(); ++j) {
    once.features->load(j, X.col(2 * j).data());
    X.col(2 * j + 1) = -X.col(2 * j);
  }
  both.user.clear();
  for (Index j = 0; j < 2 * once.size(); ++j) {
    both.user.push_back(once.user[static_cast<std::size_t>(j / 2)]);
    both.group.push_back(j / 2);
  }
  both.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  const auto [selection, result, guard] = lore_test::run(lore_test::default_fit(2), both.seen_train());
  CHECK(selection.at(selection.selected).log_loss == Approx(std::log(2.0)).epsilon(1e-3));
  CHECK(result.model.basis.matrix().norm() < 0.05);
}

TEST_CASE("Ranks are also refused where there is nothing to choose by") {
  auto fit = lore_test::default_fit();
  fit.selection.ranks = {2};
  CHECK_THROWS_AS(lore_test::run(fit, lore_test::small({1}, 1).seen_train()), std::invalid_argument);
  CHECK_THROWS_AS(lore_test::run(fit, lore::Comparisons<>{}), std::invalid_argument);
  fit.selection.ranks = {3, 1, 3};  // stopped at once: ascending all the same
  const auto outcome = lore_test::run(fit, lore_test::small({6, 6, 6}, 1).seen_train(),
                                      [](const lore::Candidate&) { return true; });
  REQUIRE(outcome.selection.ranks.size() == 2);
  CHECK(outcome.selection.ranks.front().candidate.rank == 1);
  CHECK(outcome.selection.selected == 1);
  // Vectors that are all zero.
  CHECK_THROWS_AS(lore_test::run(lore_test::default_fit(),
                                 lore_test::scaled(lore_test::small({6, 6}, 1), 0).seen_train()),
                  std::domain_error);
  CHECK_THROWS_AS(
      lore_test::run(lore_test::default_fit(),
                     lore_test::scaled(lore_test::small({6, 6}, 1), std::numeric_limits<float>::infinity())
                         .seen_train()),
      std::domain_error);
}

TEST_CASE("The default fit reads ties, grades and rankings where its loss does") {
  // Rankings of three replies by 30 people with two opposite tastes, and graded pairs with ties.
  lore::Rng rng(4);
  lore::Matrix<float> items(6, 1200), taste(6, 2);
  lore::fill_normal(rng, items);
  lore::fill_normal(rng, taste);
  std::vector<lore::Ranking> rankings;
  for (Index r = 0; r < 400; ++r) {
    const auto worth = [&](Index item) {
      return static_cast<double>(taste.col(r % 2).dot(items.col(item))) + lore::normal(rng);
    };
    std::vector<std::pair<double, Index>> order;
    for (Index item = 3 * r; item < 3 * r + 3; ++item) order.emplace_back(-worth(item), item);
    std::sort(order.begin(), order.end());
    rankings.push_back({.user = r % 30, .items = {order[0].second, order[1].second, order[2].second}});
  }
  auto preferences = lore::rankings_as_preferences(lore::FeatureMatrix::own(items), rankings, 30);
  for (std::size_t j = 2; j < preferences.answer.size(); j += 6) {  // last places, as pairs of their own
    preferences.answer[j].choice = -1;
    if (j % 12 == 2) preferences.answer[j].outcome = lore::Outcome::tie;
    if (j % 12 == 8) preferences.answer[j].strength = 3;
  }
  const auto train = preferences.seen_train();
  lore::DefaultFit<lore::PlackettLuce<lore::Ordinal>> fit;
  fit.loss = lore::loss_of_answers(train, lore::Serial{});
  CHECK(fit.loss.base.thresholds().size() == 2);
  CHECK(fit.loss.base.reads_ties());
  fit.selection.folds = 3;
  fit.selection.ranks = {1, 2};
  fit.selection.grow = false;
  fit.selection.simplex = false;
  const auto outcome = fit(train);
  CHECK(outcome.selection.at(2).log_loss < outcome.selection.at(1).log_loss);
  CHECK(std::isfinite(outcome.result.objective));
  CHECK_THROWS_AS(lore_test::run(lore_test::default_fit(1), train), std::domain_error);
}
