// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/selection.hpp"

#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"
#include "support.hpp"

namespace {

using lore::Candidate;
using lore::Index;
using lore::RankChoice;
using lore::Selection;
using lore::SelectionOptions;
using lore::WeightMapKind;
using lore_test::Approx;

bool same(const Candidate& a, const Candidate& b) {
  return a.rank == b.rank && a.weight_map == b.weight_map && a.scale.first == b.scale.first &&
         a.scale.others == b.scale.others;
}

bool same(const Selection& a, const Selection& b) {
  if (a.selected != b.selected || a.ranks.size() != b.ranks.size() || a.candidates != b.candidates)
    return false;
  for (std::size_t r = 0; r < a.ranks.size(); ++r)
    if (!same(a.ranks[r].candidate, b.ranks[r].candidate) || a.ranks[r].log_loss != b.ranks[r].log_loss)
      return false;
  return true;
}

}  // namespace

TEST_CASE("People who are all alike get one reward, or nothing that is worse") {
  const std::uint64_t seed = GENERATE(1, 2, 3);
  CAPTURE(seed);
  const lore::Preferences<> data = lore_test::people(1, seed, 14);
  const auto fit = lore_test::default_fit(2);
  const auto [selection, result, guard] = lore_test::run(fit, data.seen_train());
  CAPTURE(selection.selected);
  CHECK_FALSE(selection.stopped);
  if (selection.selected > 1) {
    const double one = lore_test::accuracy_of_seen(
        lore_test::fit_at(fit, data.seen_train(), selection.at(1).candidate), data.seen_test());
    CHECK(lore_test::accuracy_of_seen(result.model, data.seen_test()) > one - 0.003);
  }
}

TEST_CASE("People who differ get a rank above 1 that predicts them better than Bradley-Terry") {
  const std::uint64_t seed = GENERATE(1, 2, 3);
  CAPTURE(seed);
  const lore::Preferences<> data = lore_test::people(3, seed);
  const auto fit = lore_test::default_fit(2);
  const auto [selection, result, guard] = lore_test::run(fit, data.seen_train());
  CAPTURE(selection.selected);
  CHECK(selection.selected > 1);
  CHECK(selection.candidates > 5);
  CHECK(selection.passes > selection.candidates);
  const double one = lore_test::accuracy_of_seen(
      lore_test::fit_at(fit, data.seen_train(), selection.at(1).candidate), data.seen_test());
  CHECK(lore_test::accuracy_of_seen(result.model, data.seen_test()) > one + 0.02);
  // What is said of each rank agrees with itself.
  Index before = 0;
  for (const RankChoice& choice : selection.ranks) {
    CHECK(choice.candidate.rank > before);
    before = choice.candidate.rank;
    CHECK(choice.against_first.mean == Approx(choice.log_loss - selection.at(1).log_loss).margin(1e-12));
    CHECK(choice.candidate.scale.first >= 0.05);
    CHECK(choice.candidate.scale.others <= 5000);
  }
  CHECK(selection.at(1).against_first.mean == 0);
  CHECK(selection.at(selection.selected).against_first.mean < 0);
  CHECK_THROWS_AS(selection.at(1000), std::invalid_argument);
}

TEST_CASE("A selection depends on its seed alone, not on threads") {
  const lore::Comparisons<> train = lore_test::people(3, 4).seen_train();
  const Selection one = lore_test::run(lore_test::default_fit(1), train).selection;
  CHECK(same(one, lore_test::run(lore_test::default_fit(2), train).selection));
  auto fit = lore_test::default_fit(2);
  fit.selection.seed = 77;
  CHECK_FALSE(same(one, lore_test::run(fit, train).selection));
}

TEST_CASE("A selection keeps to the ranks, weight maps and scales that it is given") {
  const lore::Comparisons<> train = lore_test::people(3, 5).seen_train();
  auto fit = lore_test::default_fit(2);
  fit.selection.ranks = {4, 2};
  fit.selection.grow = false;
  fit.selection.simplex = false;
  fit.selection.smallest_scale = 0.3;
  fit.selection.largest_scale = 1;
  std::vector<Candidate> tried;
  const auto [selection, result, guard] = lore_test::run(fit, train, [&](const Candidate& candidate) {
    tried.push_back(candidate);
    return false;
  });
  REQUIRE(selection.ranks.size() == 2);
  CHECK(selection.ranks[0].candidate.rank == 2);
  CHECK(selection.ranks[1].candidate.rank == 4);
  CHECK((selection.selected == 2 || selection.selected == 4));
  CHECK(static_cast<Index>(tried.size()) ==
        selection.candidates + fit.new_users.folds);  // the guard asks too
  for (const Candidate& candidate : tried) {
    CHECK(candidate.weight_map == WeightMapKind::signed_deviations);
    CHECK(candidate.scale.first >= 0.3);
    CHECK(candidate.scale.first <= 1);
    CHECK(candidate.scale.others >= 0.3);
    CHECK(candidate.scale.others <= 1);
  }
  fit.selection = {.ranks = {3}, .grow = false, .with_signed = false};
  const Selection simplex = lore_test::run(fit, train).selection;
  REQUIRE(simplex.ranks.size() == 1);
  CHECK(simplex.ranks[0].candidate.weight_map == WeightMapKind::simplex);
}

TEST_CASE("An observer ends a selection, which keeps what was scored") {
  const lore::Comparisons<> train = lore_test::people(3, 6).seen_train();
  const auto fit = lore_test::default_fit(2);
  Index asked = 0;
  const auto [selection, result, guard] =
      lore_test::run(fit, train, [&](const Candidate&) { return ++asked > 4; });
  CHECK(selection.stopped);
  CHECK(selection.candidates == 4);
  CHECK(asked == 5);
  CHECK(selection.at(selection.selected).log_loss > 0);
  CHECK(result.model.rank == selection.selected);
  // Even before anything was scored there is a fit to be had.
  const auto [none, first, unheld] = lore_test::run(fit, train, [](const Candidate&) { return true; });
  CHECK(none.stopped);
  CHECK(none.candidates == 0);
  CHECK(none.selected == 1);
  CHECK(first.model.rank == 1);
}

TEST_CASE("Settings that are selected take the place of those of their rank, or one of their own") {
  const auto choice = [](Index rank, double loss) {
    return lore::RankChoice{{rank, lore::WeightMapKind::signed_deviations, {1, 1}}, loss, {}};
  };
  lore::Selection selection;
  selection.ranks = {choice(1, 0.6), choice(4, 0.5)};
  selection.select(choice(4, 0.4));
  CHECK(selection.selected == 4);
  CHECK(selection.at(4).log_loss == 0.4);
  CHECK(selection.ranks.size() == 2);
  selection.select(choice(2, 0.3));
  CHECK(selection.selected == 2);
  CHECK(selection.ranks[1].log_loss == 0.3);
  selection.select(choice(9, 0.2));
  CHECK(selection.ranks.back().candidate.rank == 9);
}

TEST_CASE("A selection refuses options out of range and ranks that the data cannot have") {
  SelectionOptions options;
  options.folds = 1;
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {.ranks = {2, 0}};
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {.simplex = false, .with_signed = false};
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {.smallest_scale = 0};
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  options = {.smallest_scale = 2, .largest_scale = 1};
  CHECK_THROWS_AS(options.validate(), std::domain_error);
  CHECK_NOTHROW(SelectionOptions{}.validate());
  auto fit = lore_test::default_fit();
  fit.selection.ranks = {1, 4};  // d = 3
  CHECK_THROWS_AS(lore_test::run(fit, lore_test::small({5, 5, 5, 5, 5}, 1).seen_train()),
                  std::invalid_argument);
  fit.selection.ranks = {3};  // two users
  CHECK_THROWS_AS(lore_test::run(fit, lore_test::small({5, 5}, 1).seen_train()), std::invalid_argument);
}
