// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/ranking.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/objective/ties.hpp"

#include "lore_catch.hpp"
#include "objective/losses.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
using Vector = lore::Vector<double>;
using Matrix = lore::Matrix<double>;

[[nodiscard]] Matrix random(lore::Rng& rng, Index rows, Index cols, double scale) {
  Matrix out(rows, cols);
  lore::fill_normal(rng, out);
  return out * scale;
}

}  // namespace

TEST_CASE("A choice of two is Bradley-Terry") {
  for (const double t : lore_test::margins()) {
    CAPTURE(t);
    Vector q(1);
    const double cost = lore::detail::choice_cost(Vector::Constant(1, t), q);
    const auto plain = lore::BradleyTerry{}(t);
    CHECK(cost == Approx(plain.value).epsilon(1e-12).margin(1e-16));
    CHECK(-q(0) == Approx(plain.slope).epsilon(1e-12).margin(1e-300));
    lore_test::check_same(lore::PlackettLuce<>{}(t), plain);
    lore_test::check_same(lore::PlackettLuce<>{}(t, {.choice = 4}), plain);
  }
}

TEST_CASE("A choice's slopes are minus its probabilities, at any margins") {
  lore::Rng rng(3);
  for (const double scale : {0.1, 1.0, 10.0, 300.0})
    for (const Index m : {1, 2, 7}) {
      CAPTURE(scale, m);
      const Vector t = random(rng, m, 1, scale);
      Vector q(m), ignored(m);
      const double cost = lore::detail::choice_cost(t, q);
      CHECK(std::isfinite(cost));
      CHECK(q.minCoeff() >= 0);
      CHECK(std::exp(-cost) + q.sum() == Approx(1));
      for (Index j = 0; j < m; ++j) {
        Vector up = t, down = t;
        up(j) += 1e-5;
        down(j) -= 1e-5;
        CHECK(
            -q(j) ==
            Approx((lore::detail::choice_cost(up, ignored) - lore::detail::choice_cost(down, ignored)) / 2e-5)
                .epsilon(1e-5)
                .margin(1e-8));
      }
    }
}

TEST_CASE("The stages of a ranking have probabilities that sum to one over all rankings") {
  const std::vector<double> reward{0.3, -1.2, 0.8, 2.0};
  std::vector<std::size_t> order(4);
  std::iota(order.begin(), order.end(), std::size_t{0});
  double total = 0;
  do {
    double cost = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      Vector t(static_cast<Index>(3 - k)), q(t.size());
      for (std::size_t j = k + 1; j < 4; ++j)
        t(static_cast<Index>(j - k - 1)) = reward[order[k]] - reward[order[j]];
      cost += lore::detail::choice_cost(t, q);
    }
    total += std::exp(-cost);
  } while (std::next_permutation(order.begin(), order.end()));
  CHECK(total == Approx(1));
}

TEST_CASE("Gaussian nodes have the moments of a Gaussian") {
  for (const Index D : {1, 2, 3, 5, 8, 17}) {
    CAPTURE(D);
    const auto nodes = lore::detail::GaussianNodes<double>::in(D);
    CHECK(nodes.weight.minCoeff() > 0);
    CHECK(nodes.weight.sum() == Approx(1));
    CHECK((nodes.at.transpose() * nodes.weight).norm() < 1e-12);
    CHECK((nodes.at.transpose() * nodes.weight.asDiagonal() * nodes.at - Matrix::Identity(D, D)).norm() <
          1e-10);
    const Vector square = nodes.at.rowwise().squaredNorm();
    const auto d = static_cast<double>(D);
    CHECK(nodes.weight.dot(square.cwiseAbs2()) == Approx(d * (d + 2)));
    CHECK(nodes.weight.dot(square.array().cube().matrix()) == Approx(d * (d + 2) * (d + 4)));
  }
}

TEST_CASE("The mean cost of a choice is near the truth and has exact derivatives") {
  lore::Rng rng(5);
  lore::detail::ChoiceMean<double> means;
  for (const double scale : {0.0, 0.3, 1.0, 3.0})
    for (const Index m : {1, 3, 6}) {
      CAPTURE(scale, m);
      const Index D = 3;
      const auto nodes = lore::detail::GaussianNodes<double>::in(D);
      const Matrix A = random(rng, m, D, scale / std::sqrt(3.0));
      const Vector mean = random(rng, m, 1, 1 + scale);
      Vector slope(m), ignored(m);
      Matrix pull(m, D), pull_ignored(m, D);
      const double cost = means.cost(mean, A, nodes, slope, pull);
      double sampled = 0, probability = 0;
      constexpr int draws = 20000;
      for (int draw = 0; draw < draws; ++draw) {
        const Vector t = mean + A * random(rng, D, 1, 1);
        const double at = lore::detail::choice_cost(t, ignored);
        sampled += at / draws;
        probability += std::exp(-at) / draws;
      }
      CHECK(cost == Approx(sampled).epsilon(0.04));
      CHECK(means.probability(mean, A, nodes) == Approx(probability).margin(0.02));
      for (Index j = 0; j < m; ++j) {
        Vector up = mean, down = mean;
        up(j) += 1e-5;
        down(j) -= 1e-5;
        CHECK(slope(j) == Approx((means.cost(up, A, nodes, ignored, pull_ignored) -
                                  means.cost(down, A, nodes, ignored, pull_ignored)) /
                                 2e-5)
                              .margin(1e-8));
        for (Index k = 0; k < D; ++k) {
          Matrix more = A, less = A;
          more(j, k) += 1e-5;
          less(j, k) -= 1e-5;
          CHECK(pull(j, k) == Approx((means.cost(mean, more, nodes, ignored, pull_ignored) -
                                      means.cost(mean, less, nodes, ignored, pull_ignored)) /
                                     2e-5)
                                  .margin(1e-8));
        }
      }
    }
}

TEST_CASE("Choices compose with what single comparisons cost") {
  const lore::PlackettLuce<lore::Davidson> loss{lore::Davidson(0.5)};
  CHECK(loss.reads_ties());
  CHECK(loss.reads_choices());
  const lore::Answer tie{.outcome = lore::Outcome::tie};
  CHECK(loss(0.3, tie).value == lore::Davidson(0.5)(0.3, tie).value);
  static_assert(lore::PlackettLuce<lore::Davidson>::convex);
}
