// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/answer_model.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/data/rankings.hpp"

#include "comparisons.hpp"
#include "lore_catch.hpp"

namespace {

using lore::Answer;
using lore::Index;
using lore::Outcome;
using lore::Rank;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

/// 60 people with rewards of their own, w = (1, delta), over 16 features.
struct People {
  lore::Rng rng;
  Matrix rewards;  ///< d x users

  explicit People(std::uint64_t seed, double scale) : rng(seed), rewards(16, 60) {
    Matrix B(16, 3), W(3, 60);
    lore::fill_normal(rng, B);
    lore::fill_normal(rng, W);
    W.row(0).setOnes();
    rewards = scale / 4 * B * W;
  }

  /// Calls answer(t, x, answer) for `each` pairs of everybody, which may turn x and sets the answer.
  template <class F>
  [[nodiscard]] lore::Comparisons<> asked(Index each, F&& answer_to) {
    Matrix X(16, 60 * each);
    lore::fill_normal(rng, X);
    std::vector<Answer> answer(static_cast<std::size_t>(X.cols()));
    for (Index j = 0; j < X.cols(); ++j) {
      Vector x = X.col(j);
      answer_to(j / each, rewards.col(j / each).dot(x), x, answer[static_cast<std::size_t>(j)]);
      X.col(j) = x;
    }
    auto out = lore_test::comparisons_of(X, std::vector<Index>(60, each));
    out.answer = std::move(answer);
    return out;
  }

  /// Share of new pairs that a fit puts in the right order.
  [[nodiscard]] double accuracy(const lore::JointResult<float>& fitted) const {
    lore::Rng test(99);
    Matrix X(16, 400);
    lore::fill_normal(test, X);
    const Matrix learned = fitted.model.basis.matrix().cast<double>() * fitted.model.weights.cast<double>();
    return ((X.transpose() * rewards).array() * (X.transpose() * learned).array() > 0).cast<double>().mean();
  }
};

}  // namespace

TEST_CASE("How readily people call a tie is found again, and thresholds of strength") {
  for (const double nu : {0.4, 2.0}) {
    CAPTURE(nu);
    People people(7, 2);
    const auto comparisons = people.asked(60, [&](Index, double t, Vector& x, Answer& answer) {
      const double win = std::exp(t / 2), loss = std::exp(-t / 2);
      const double u = lore::uniform01<double>(people.rng) * (win + loss + nu);
      if (u < nu)
        answer.outcome = Outcome::tie;
      else if (u > nu + win)
        x = -x;
    });
    const lore::JointFit<lore::Davidson> fit{.regularizer = {2, 2}};
    const auto found = lore::fit_answer_model(fit, comparisons, Rank{3});
    CHECK(found.loss.nu() == Approx(nu).epsilon(0.2));
    CHECK(found.flip.empty());
  }
  const std::vector<double> thresholds{0.5, 1.5, 3};
  People people(8, 3);
  const auto comparisons = people.asked(80, [&](Index, double t, Vector& x, Answer& answer) {
    const double p = lore::uniform01<double>(people.rng), u = t + std::log(p / (1 - p));
    if (std::abs(u) < thresholds[0]) answer.outcome = Outcome::tie;
    answer.strength = std::abs(u) < thresholds[1] ? 1 : std::abs(u) < thresholds[2] ? 2 : 3;
    if (u < 0) x = -x;
  });
  const lore::JointFit<lore::Ordinal> fit{.loss = lore::ordinal_for(comparisons), .regularizer = {3, 3}};
  CHECK(fit.loss.cuts() == std::vector<float>{2, 3});
  const auto found = lore::fit_answer_model(fit, comparisons, Rank{3});
  for (std::size_t s = 0; s < 3; ++s)
    CHECK(found.loss.thresholds()[s] == Approx(thresholds[s]).epsilon(0.15));
  // Knowing how strongly is worth something.
  auto plain = comparisons;
  for (Answer& answer : plain.answer) answer.strength = 1;
  const auto without =
      lore::fit_answer_model(lore::JointFit<lore::RaoKupper>{.regularizer = {3, 3}}, plain, Rank{3});
  CHECK(people.accuracy(found.result) > people.accuracy(without.result));
  CHECK(std::log(without.loss.theta()) == Approx(0.5).epsilon(0.15));
}

TEST_CASE("A ranking of four tells more than the best of four, and that more than one pair") {
  double pair = 0, best = 0, whole = 0;
  for (const std::uint64_t seed : {1, 2}) {
    People people(seed, 2);
    Matrix items(16, 60 * 20 * 4);
    lore::fill_normal(people.rng, items);
    const auto table = lore::FeatureMatrix::own(items);
    std::vector<lore::Ranking> rankings[3];
    for (Index r = 0; r < 60 * 20; ++r) {
      std::vector<std::pair<double, Index>> worth;
      for (Index item = 4 * r; item < 4 * r + 4; ++item) {
        const double gumbel = -std::log(-std::log(lore::detail::uniform_open(people.rng)));
        worth.emplace_back(-people.rewards.col(r / 20).dot(items.col(item)) - gumbel, item);
      }
      std::sort(worth.begin(), worth.end());
      lore::Ranking order{.user = r / 20, .items = {}};
      for (const auto& [cost, item] : worth) order.items.push_back(item);
      rankings[2].push_back(order);
      order.places = 1;
      rankings[1].push_back(order);
      auto two = lore::sample_without_replacement(people.rng, 4, 2);
      std::sort(two.begin(), two.end());
      order.items = {order.items[static_cast<std::size_t>(two[0])],
                     order.items[static_cast<std::size_t>(two[1])]};
      rankings[0].push_back(order);
    }
    const auto accuracy = [&](const std::vector<lore::Ranking>& given) {
      const lore::JointFit<lore::PlackettLuce<>> fit{.regularizer = {2, 2}};
      const auto fitted = fit(lore::rankings_as_preferences(table, given, 60).seen_train(), Rank{3});
      CHECK(fitted.status != lore::Status::not_finite);
      return people.accuracy(fitted);
    };
    pair += accuracy(rankings[0]);
    best += accuracy(rankings[1]);
    whole += accuracy(rankings[2]);
  }
  CAPTURE(pair, best, whole);
  CHECK(best > pair + 0.02);
  CHECK(whole > best + 0.02);
}

TEST_CASE("Careless annotators are found, and the fit is better for it") {
  double before = 0, after = 0;
  for (const std::uint64_t seed : {1, 2}) {
    People people(seed, 4);
    const auto comparisons = people.asked(80, [&](Index user, double t, Vector& x, Answer&) {
      const bool careless = user % 6 == 0 && lore::bernoulli(people.rng, 0.35);
      if (lore::bernoulli(people.rng, lore::sigmoid(t)) == careless) x = -x;
    });
    const lore::JointFit<lore::LabelNoiseByUser<>> fit{.regularizer = {4, 4}};
    const auto found =
        lore::fit_answer_model(fit, comparisons, Rank{3}, 0, {.rounds = 4, .label_noise = true});
    REQUIRE(found.flip.size() == 60);
    double least_careless = 1, most_careful = 0;
    for (std::size_t i = 0; i < 60; ++i)
      if (i % 6 == 0)
        least_careless = std::min(least_careless, found.flip[i]);
      else
        most_careful = std::max(most_careful, found.flip[i]);
    CAPTURE(least_careless, most_careful);
    CHECK(least_careless > most_careful);
    before += people.accuracy(fit(comparisons, Rank{3}));
    after += people.accuracy(found.result);
  }
  CHECK(after > before);
}

TEST_CASE("One user's flip rate: none without errors, the prior's mode without answers") {
  const lore::LabelNoiseByUser<> loss;
  const lore::FlipPrior prior{3, 10};
  CHECK(lore::estimate_flip(loss, {}, prior) == Approx(2.0 / 11).epsilon(1e-6));
  lore::AnsweredMargins seen;
  for (int j = 0; j < 200; ++j) {
    seen.margin.push_back({j % 5 == 0 ? -8.0 : 8.0, 0.1});
    seen.answer.emplace_back();
    seen.weight.push_back(1);
  }
  CHECK(lore::estimate_flip(loss, seen, {1, 1}) == Approx(0.2).epsilon(1e-2));
  for (auto& margin : seen.margin) margin.mean = 8;
  CHECK(lore::estimate_flip(loss, seen, {1, 1}) < 1e-2);
  CHECK_THROWS_AS(lore::estimate_flip(loss, seen, {0.5, 1}), std::domain_error);
}

TEST_CASE("Grades are made for the strengths that there are") {
  lore::Comparisons<> all;
  for (const float s : {0.5F, 3.0F, 0.5F, 1.0F}) all.answer.push_back({.strength = s});
  CHECK(lore::ordinal_for(all).cuts() == std::vector<float>{1, 3});
  CHECK(lore::ordinal_for(all).thresholds() == std::vector<double>{0, 1, 2});
  CHECK(lore::ordinal_for(all, 1).cuts().empty());
  all.answer.push_back({.outcome = Outcome::tie});
  CHECK(lore::ordinal_for(all).thresholds().front() == 0.5);
  all.answer.clear();
  for (int j = 0; j < 100; ++j) all.answer.push_back({.strength = static_cast<float>(j)});
  CHECK(lore::ordinal_for(all, 4).cuts() == std::vector<float>{25, 50, 75});
  CHECK(lore::ordinal_for(lore::Comparisons<>{}).thresholds() == std::vector<double>{0});
}

TEST_CASE("Fits refuse answers that they would misread") {
  People people(3, 2);
  auto comparisons =
      people.asked(4, [](Index, double, Vector&, Answer& answer) { answer.outcome = Outcome::tie; });
  CHECK_THROWS_AS(lore::JointFit<>{}(comparisons, Rank{1}), std::domain_error);
  const lore::JointFit<lore::Davidson> fit;
  CHECK_THROWS_AS(lore::fit_answer_model(fit, comparisons, Rank{1}, 0, {.rounds = 0}), std::domain_error);
  CHECK_THROWS_AS(lore::fit_answer_model(fit, comparisons, Rank{1}, 0, {.label_noise = true}),
                  std::invalid_argument);
}
