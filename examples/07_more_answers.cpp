// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Answers that say more than which of two replies is better: rankings, best of n, and ties.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "lore/lore.hpp"

using lore::Index;
using Vector = lore::Vector<float>;

int main() {
  // 60 people with rewards of their own over 16 features; each sees 20 prompts with four replies.
  constexpr Index people = 60, prompts = 20, d = 16;
  lore::Rng rng = lore::make_rng(7);
  lore::Matrix<float> common(d, 3), replies(d, people * prompts * 4), rewards(d, people);
  lore::fill_normal(rng, common);
  lore::fill_normal(rng, replies);
  for (Index u = 0; u < people; ++u) {
    const Vector w = Vector::NullaryExpr(3, [&](Index k) { return k == 0 ? 1 : lore::normal<float>(rng); });
    rewards.col(u) = 0.5F * common * w;
  }
  const auto noise = [&] { return -std::log(-std::log(1 - lore::uniform01(rng))); };  // Luce's rule

  std::vector<lore::Ranking> rankings, best, pairs;
  for (Index u = 0; u < people; ++u)
    for (Index q = 0; q < prompts; ++q) {
      std::vector<std::pair<double, Index>> worth;
      for (Index item = (u * prompts + q) * 4, k = 0; k < 4; ++k, ++item)
        worth.emplace_back(rewards.col(u).dot(replies.col(item)) + noise(), item);
      std::sort(worth.rbegin(), worth.rend());
      lore::Ranking order{.user = u, .items = {}};
      for (const auto& [reward, item] : worth) order.items.push_back(item);
      rankings.push_back(order);  // all four in order
      order.places = 1;
      best.push_back(order);  // the best of four
      auto two = lore::sample_without_replacement(rng, 4, 2);
      std::sort(two.begin(), two.end());
      pairs.push_back(
          {.user = u, .items = {order.items[std::size_t(two[0])], order.items[std::size_t(two[1])]}});
    }
  const auto table = lore::FeatureMatrix::own(replies);
  lore::Matrix<float> test(d, 200);  // pairs to be judged for everybody
  lore::fill_normal(rng, test);
  for (const auto& [name, answers] : {std::pair{"one pair of the four", pairs},
                                      {"the best of four", best},
                                      {"all four in order", rankings}}) {
    const lore::Preferences<> data = lore::rankings_as_preferences(table, answers, people);
    const lore::JointFit<lore::PlackettLuce<>> fit{.regularizer = {2, 2}};
    const auto model = fit(data.seen_train(), lore::Rank{3}).model;
    const lore::Matrix<float> truth = test.transpose() * rewards;
    const lore::Matrix<float> learned = test.transpose() * model.basis.matrix() * model.weights;
    std::printf("%-21s %5d comparisons, accuracy %.3f\n", name, int(data.size()),
                (truth.array() * learned.array() > 0).cast<double>().mean());
  }

  // The same pairs, where people call a tie what is nearly as good: how readily is estimated with the fit.
  lore::Preferences<> data = lore::rankings_as_preferences(table, pairs, people);
  for (Index j = 0; j < data.size(); ++j) {
    const Vector x = replies.col(data.features->chosen(j)) - replies.col(data.features->rejected(j));
    const double t = rewards.col(data.user[std::size_t(j)]).dot(x), nu = 1;
    if (lore::bernoulli(rng, nu / (std::exp(t / 2) + std::exp(-t / 2) + nu)))
      data.answer[std::size_t(j)] = {.outcome = lore::Outcome::tie};
  }
  const auto ties = lore::fit_answer_model(lore::JointFit<lore::Davidson>{.regularizer = {2, 2}},
                                           data.seen_train(), lore::Rank{3});
  std::printf("\n%d ties among %d answers: nu = %.2f (truth 1)\n", int(data.count(lore::Outcome::tie)),
              int(data.size()), ties.loss.nu());
  for (const double t : {0.0, 1.0, 4.0}) {
    const lore::Judgement says = lore::preference(ties.loss, {.mean = t, .deviation = 0.5});
    std::printf("margin %.0f +- 0.5: tie %.2f; if not, the first with %.2f\n", t, says.tie, says.probability);
  }
}
