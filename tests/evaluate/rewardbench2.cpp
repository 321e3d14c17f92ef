// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/rewardbench2.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using lore::RewardBench2Row;
using lore::RewardBench2Scores;
using lore_test::Approx;

namespace {

RewardBench2Row plain(std::string subset, std::vector<double> scores) {
  return {.id = "7", .subset = std::move(subset), .number_correct = 1, .scores = std::move(scores)};
}

RewardBench2Row ties(std::string id, Index correct, std::vector<double> scores) {
  return {.id = std::move(id), .subset = "Ties", .number_correct = correct, .scores = std::move(scores)};
}

lore::RewardBench2Ties ties_of(const std::vector<RewardBench2Row>& rows) {
  return *lore::score_rewardbench2(rows).ties;
}

}  // namespace

TEST_CASE("RewardBench 2: a shared maximum counts in parts, and not at all in the LoRe variant",
          "[rewardbench2]") {
  const std::vector<RewardBench2Row> rows{
      plain("Math", {3, 1, 2, 0}),      // alone at the top: 1
      plain("Math", {2, 2, 1, 0}),      // shared by two: 1/2
      plain("Math", {-1, -1, -1, -1}),  // shared by all four: 1/4
      plain("Math", {1, 2, 0, 0}),      // beaten: 0
      plain("Math", {1, 2, 2, 1}),      // beaten by two, level with one: 0
  };
  const RewardBench2Scores scores = lore::score_rewardbench2(rows);
  REQUIRE(scores.subsets.size() == 1);
  CHECK(scores.subsets[0].name == "Math");
  CHECK(scores.subsets[0].rows == 5);
  CHECK(scores.subsets[0].official == Approx(1.75 / 5));
  CHECK(scores.subsets[0].lore_variant == Approx(1.0 / 5));
  CHECK(scores.official_by_row == std::vector<double>{1, 0.5, 0.25, 0, 0});
  CHECK(scores.lore_variant_by_row == std::vector<double>{1, 0, 0, 0, 0});
  CHECK_FALSE(scores.complete);
  CHECK_FALSE(scores.ties.has_value());
}

TEST_CASE("RewardBench 2 Ties: one pair by hand", "[rewardbench2]") {
  // tied: correct 5, 4, incorrect 2: spread 1, gap 2. ref: correct 3, incorrect 1.5: gap 1.5.
  const std::vector<RewardBench2Row> rows{ties("ref:1", 1, {3, 1.5, 0}), ties("tied:1", 2, {5, 4, 2, -7})};
  const lore::RewardBench2Ties result = ties_of(rows);
  CHECK(result.pairs == 1);
  CHECK(result.tied_accuracy == 1);
  CHECK(result.ref_accuracy == 1);
  CHECK(result.preferred == 1);
  CHECK(result.preferred_hard == 1);
  CHECK(result.margin == Approx(std::tanh(0.5)));
  const RewardBench2Scores scores = lore::score_rewardbench2(rows);
  CHECK(scores.subsets[0].official == Approx(0.3 + 0.3 + 0.2 + 0.2 + 0.01 * std::tanh(0.5)));
  CHECK(scores.subsets[0].lore_variant == Approx(1));
  CHECK(scores.official == Approx(scores.subsets[0].official));
}

TEST_CASE("RewardBench 2 Ties: every part can fail by itself", "[rewardbench2]") {
  SECTION("the reference gap is smaller than the spread: only the hard part fails") {
    const auto result = ties_of({ties("ref:1", 1, {1, 0.5}), ties("tied:1", 2, {5, 4, 2})});
    CHECK(result.preferred == 1);
    CHECK(result.preferred_hard == 0);
    CHECK(result.margin == Approx(std::tanh(-0.5)));
    CHECK(result.score() == Approx(0.8 + 0.01 * std::tanh(-0.5)));
  }
  SECTION("the tied gap is smaller than the spread: both preferences fail, accuracies stand") {
    const auto result = ties_of({ties("ref:1", 1, {9, 0}), ties("tied:1", 2, {8, 4, 2})});
    CHECK(result.tied_accuracy == 1);
    CHECK(result.preferred == 0);
    CHECK(result.preferred_hard == 0);
    CHECK(result.margin == Approx(std::tanh(2.0 / 4 - 1)));
    CHECK(result.score() == Approx(0.6 + 0.01 * std::tanh(-0.5)));
  }
  SECTION("a gap equal to the spread is not above it") {
    const auto result = ties_of({ties("ref:1", 1, {9, 0}), ties("tied:1", 2, {4, 2, 0})});
    CHECK(result.preferred == 0);
    CHECK(result.margin == 0);
  }
  SECTION("the reference row is wrong") {
    const auto result = ties_of({ties("ref:1", 1, {0, 1}), ties("tied:1", 2, {5, 4, 2})});
    CHECK(result.ref_accuracy == 0);
    CHECK(result.tied_accuracy == 1);
    CHECK(result.preferred_hard == 0);
    CHECK(result.margin == Approx(std::tanh(-2.0)));
  }
  SECTION("one incorrect response above the lowest correct one: the tied row is wrong") {
    const auto result = ties_of({ties("ref:1", 1, {9, 0}), ties("tied:1", 2, {5, 4, 4.5, 0})});
    CHECK(result.tied_accuracy == 0);
    CHECK(result.ref_accuracy == 1);
    CHECK(result.preferred == 0);
    CHECK(result.margin == Approx(std::tanh(-0.5 - 1)));
  }
  SECTION("level with the best incorrect response is wrong") {
    const auto result = ties_of({ties("ref:1", 1, {1, 1}), ties("tied:1", 2, {5, 4, 4})});
    CHECK(result.tied_accuracy == 0);
    CHECK(result.ref_accuracy == 0);
  }
}

TEST_CASE("RewardBench 2 Ties: a spread of 0 takes the limits of division", "[rewardbench2]") {
  const auto margin = [](double ref_gap) {
    return ties_of({ties("ref:1", 1, {ref_gap, 0}), ties("tied:1", 2, {3, 3, 0})});
  };
  CHECK(margin(1).margin == 1);
  CHECK(margin(1).preferred_hard == 1);
  CHECK(margin(1).score() == Approx(1.01));
  CHECK(margin(-1).margin == -1);
  CHECK(margin(-1).preferred == 1);
  CHECK(margin(-1).preferred_hard == 0);
  CHECK(margin(0).margin == 0);
  CHECK(margin(0).preferred_hard == 0);
  SECTION("a tied row with one correct response has no spread") {
    CHECK(ties_of({ties("ref:1", 1, {1, 0}), ties("tied:1", 1, {3, 0})}).margin == 1);
  }
}

TEST_CASE("RewardBench 2 Ties: means over pairs, matched by number in any order", "[rewardbench2]") {
  const std::vector<RewardBench2Row> rows{
      ties("tied:12", 2, {5, 4, 2}),
      ties("ref:3", 1, {0, 1}),
      ties("ref:12", 1, {3, 1.5}),
      ties("tied:3", 3, {8, 6, 4, 2, 1}),
  };
  // Pair 12 passes all (margin tanh 0.5); pair 3: tied right, spread 4, gap 2; ref wrong, gap -1.
  const lore::RewardBench2Ties result = ties_of(rows);
  CHECK(result.pairs == 2);
  CHECK(result.tied_accuracy == 1);
  CHECK(result.ref_accuracy == 0.5);
  CHECK(result.preferred == 0.5);
  CHECK(result.preferred_hard == 0.5);
  CHECK(result.margin == Approx((std::tanh(0.5) + std::tanh(-1.25)) / 2));
  // LoRe variant by row: tied:12 1, ref:3 0, ref:12 1, tied:3 accurate only.
  CHECK(lore::score_rewardbench2(rows).subsets[0].lore_variant == Approx(2.5 / 4));
}

TEST_CASE("RewardBench 2: overall is the mean of the six subsets, whatever their sizes", "[rewardbench2]") {
  std::vector<RewardBench2Row> rows{plain("Focus", {1, 0}),      plain("Focus", {1, 0}),
                                    plain("Factuality", {1, 1}), plain("Safety", {0, 1}),
                                    plain("Precise IF", {2, 0}), plain("Math", {2, 0}),
                                    ties("ref:1", 1, {9, 0}),    ties("tied:1", 2, {4, 4, 2})};
  const RewardBench2Scores scores = lore::score_rewardbench2(rows);
  CHECK(scores.complete);
  REQUIRE(scores.subsets.size() == 6);
  CHECK(scores.subsets.front().name == "Factuality");
  CHECK(scores.subsets.back().name == "Ties");
  CHECK(scores.official == Approx((0.5 + 1 + 1 + 0 + 1 + 1.01) / 6));
  CHECK(scores.lore_variant == Approx((0.0 + 1 + 1 + 0 + 1 + 1) / 6));
  rows.push_back(plain("Ours", {1, 0}));
  CHECK_FALSE(lore::score_rewardbench2(rows).complete);
  CHECK(lore::score_rewardbench2(rows).subsets.back().name == "Ours");
  CHECK(std::isnan(lore::score_rewardbench2(std::vector<RewardBench2Row>{}).official));
}

TEST_CASE("RewardBench 2: scaling and shifting a head's scores changes nothing", "[rewardbench2]") {
  std::vector<RewardBench2Row> rows{plain("Math", {1, 0.5, 0.25}), ties("ref:1", 1, {3, 1.5, 0}),
                                    ties("tied:1", 2, {5, 4, 2, -7})};
  const double before = lore::score_rewardbench2(rows).official;
  for (RewardBench2Row& row : rows)
    for (double& score : row.scores) score = 8 * score - 16;
  CHECK(lore::score_rewardbench2(rows).official == Approx(before));
}

TEST_CASE("RewardBench 2: bad rows are named", "[rewardbench2]") {
  const auto score = [](const std::vector<RewardBench2Row>& rows) { return lore::score_rewardbench2(rows); };
  CHECK_THROWS_WITH(score({ties("ref:1", 1, {1, 0}), ties("ref:2", 1, {1, 0}), ties("tied:2", 2, {1, 1, 0})}),
                    "lore::score_rewardbench2: Ties: got ref:1 alone, wanted also tied:1");
  CHECK_THROWS_AS(score({ties("tied:1", 2, {1, 1, 0})}), std::domain_error);
  CHECK_THROWS_AS(score({ties("ref:1", 1, {1, 0}), ties("ref:1", 1, {1, 0})}), std::domain_error);
  for (const char* id : {"1", "ref1", "ref:", "ref:x", "ref:1b", "Tied:1", ""}) {
    CAPTURE(id);
    CHECK_THROWS_AS(score({ties(id, 1, {1, 0})}), std::domain_error);
  }
  CHECK_THROWS_WITH(score({plain("Math", {1, 0}), plain("Math", {1, std::nan("")})}),
                    "lore::score_rewardbench2: row 1 (Math, id 7): score 1: got nan, wanted a finite number");
  CHECK_THROWS_AS(score({plain("Math", {1, std::numeric_limits<double>::infinity()})}), std::domain_error);
  CHECK_THROWS_AS(score({plain("Math", {1})}), std::invalid_argument);
  CHECK_THROWS_AS(score({ties("ref:1", 2, {1, 1})}), std::invalid_argument);
  CHECK_THROWS_AS(score({ties("ref:1", 0, {1, 1})}), std::domain_error);
  RewardBench2Row two = plain("Math", {1, 1, 0});
  two.number_correct = 2;
  CHECK_THROWS_AS(score({two}), std::domain_error);
}
