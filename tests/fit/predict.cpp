// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/predict.hpp"

#include <cmath>
#include <cstdint>
#include <stdexcept>

#include <Eigen/Cholesky>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/objective/graded.hpp"
#include "lore/objective/label_noise.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/objective/ties.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore::MarginEstimate;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

/// E sigma(t), t ~ N(mean, deviation^2), by the trapezium rule.
double expected_sigmoid(double mean, double deviation) {
  double sum = 0;
  const double h = 1e-3;
  for (double z = -9; z <= 9; z += h)
    sum += h * std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0)) * lore::sigmoid(mean + deviation * z);
  return sum;
}

}  // namespace

TEST_CASE("A margin under signed weights has the exact mean and deviation") {
  const Vector z = (Vector(3) << 2, -1, 0.5).finished();
  const Vector p = (Vector(3) << 1, 0.3, -0.4).finished();
  Matrix C = Matrix::Zero(3, 3);
  C.bottomRightCorner(2, 2) << 0.5, 0.1, 0.1, 0.2;
  const MarginEstimate margin = lore::estimate_margin(lore::Signed{}, z, p, C);
  CHECK(margin.mean == Approx(2 - 0.3 - 0.2));
  CHECK(margin.deviation == Approx(std::sqrt(0.5 - 2 * 0.5 * 0.1 + 0.25 * 0.2)));
  const MarginEstimate cooler = lore::estimate_margin(lore::Signed{}, z, p, C, 4);
  CHECK(cooler.mean == Approx(margin.mean / 4));
  CHECK(cooler.deviation == Approx(margin.deviation / 4));
  CHECK(lore::estimate_margin(lore::Signed{}, z, p, Matrix::Zero(3, 3)).deviation == 0);
}

TEST_CASE("A margin under simplex weights is as wide as samples of it") {
  lore::Rng rng(3);
  const Vector z = (Vector(3) << 3, -2, 1).finished();
  const Vector p = (Vector(3) << 0.5, -0.2, 0.1).finished();
  Matrix root(3, 3);
  root << 0.05, 0, 0, 0.02, 0.04, 0, -0.01, 0.03, 0.06;
  const MarginEstimate margin = lore::estimate_margin(lore::Simplex{}, z, p, root * root.transpose());
  const Index draws = 20000;
  double sum = 0, squares = 0;
  Vector noise(3), w(3);
  for (Index s = 0; s < draws; ++s) {
    lore::fill_normal(rng, noise);
    lore::Simplex{}.weights(Vector(p + root * noise), w);
    sum += w.dot(z);
    squares += w.dot(z) * w.dot(z);
  }
  const double mean = sum / static_cast<double>(draws);
  CHECK(margin.mean == Approx(mean).margin(0.01));
  CHECK(margin.deviation ==
        Approx(std::sqrt(squares / static_cast<double>(draws) - mean * mean)).epsilon(0.03));
  // A shift of all logits means nothing.
  CHECK(lore::estimate_margin(lore::Simplex{}, z, Vector(p.array() + 7), Matrix::Ones(3, 3)).deviation <
        1e-7);
}

TEST_CASE("Uncertainty about the margin pulls the probability towards one half") {
  const lore::BradleyTerry loss;
  CHECK(lore::preference_probability(loss, MarginEstimate{1.3, 0}) == Approx(lore::sigmoid(1.3)));
  double before = lore::sigmoid(2.0);
  for (const double deviation : {0.5, 1.0, 2.0, 4.0}) {
    CAPTURE(deviation);
    const double p = lore::preference_probability(loss, MarginEstimate{2, deviation});
    CHECK(p < before);
    CHECK(p > 0.5);
    CHECK(p == Approx(expected_sigmoid(2, deviation)).margin(1e-6));
    CHECK(p + lore::preference_probability(loss, MarginEstimate{-2, deviation}) == Approx(1));
    before = p;
  }
}

TEST_CASE("Probabilities stay probabilities at extreme margins") {
  for (const double mean : {-1e4, -50.0, 0.0, 50.0, 1e4})
    for (const double deviation : {0.0, 1.0, 1e4}) {
      CAPTURE(mean, deviation);
      const double p = lore::preference_probability(lore::BradleyTerry{}, MarginEstimate{mean, deviation});
      CHECK(p >= 0);
      CHECK(p <= 1 + 1e-12);
    }
  // With label noise nobody is ever surer than the judge is careful.
  const lore::LabelNoise noise(0.1);
  CHECK(lore::preference_probability(noise, MarginEstimate{1e4, 0}) == Approx(0.9));
  CHECK(lore::preference_probability(noise, MarginEstimate{-1e4, 0}) == Approx(0.1));
}

TEST_CASE("Average probabilities agree with a fine integral at any margin and width") {
  const lore::LabelNoise noise(0.1);
  for (const double mean : {-30.0, -11.0, -3.7, -0.4, 0.0, 1.0, 2.6, 7.3, 18.0, 30.0})
    for (const double deviation : {0.01, 0.3, 0.99, 1.0, 1.01, 1.7, 2.5, 4.0, 8.0, 15.0, 30.0}) {
      CAPTURE(mean, deviation);
      const double wanted = expected_sigmoid(mean, deviation);
      CHECK(lore::preference_probability(lore::BradleyTerry{}, MarginEstimate{mean, deviation}) ==
            Approx(wanted).margin(1e-6));
      CHECK(lore::preference_probability(noise, MarginEstimate{mean, deviation}) ==
            Approx(0.1 + 0.8 * wanted).margin(1e-6));
    }
  // A log loss of such a probability stays finite.
  CHECK(lore::preference_probability(lore::BradleyTerry{}, MarginEstimate{-60, 1.2}) > 0);
}

TEST_CASE(
    "Intervals of new users' margins hold the truth as often as they say, and averaged probabilities too") {
  // delta ~ N(0, I) as the prior says; margins z'w with scores of deviation 1.5.
  const Index K = 4;
  const lore::Signed map;
  const lore::GaussianPrior<double> prior{Vector::Unit(K, 0),
                                          Matrix(Vector(Vector::Ones(K) - Vector::Unit(K, 0)).asDiagonal())};
  const lore::FewShotFit<lore::BradleyTerry, lore::Signed, double> fit(
      lore::Basis<double>(Matrix(Matrix::Identity(K, K))), prior);
  for (const Index shots : {0, 1, 5, 20, 60}) {
    lore::Rng rng(static_cast<std::uint64_t>(shots));
    double inside_one = 0, inside_two = 0, averaged = 0, plug_in = 0;
    const int users = 1500;
    for (int i = 0; i < users; ++i) {
      Vector w = Vector::Ones(K), z(K);
      for (Index k = 1; k < K; ++k) w(k) = lore::normal<double>(rng);
      Matrix Z(K, shots);
      for (Index j = 0; j < shots; ++j) {
        for (Index k = 0; k < K; ++k) z(k) = 1.5 * lore::normal<double>(rng);
        Z.col(j) = lore::bernoulli(rng, lore::sigmoid(z.dot(w))) ? z : Vector(-z);
      }
      const auto user = fit.from_scores(Z);
      for (Index k = 0; k < K; ++k) z(k) = 1.5 * lore::normal<double>(rng);
      const MarginEstimate margin = lore::estimate_margin(map, z, user.parameters, user.covariance);
      const double off = std::abs(z.dot(w) - margin.mean) / margin.deviation;
      inside_one += off < 1 ? 1.0 / users : 0;
      inside_two += off < 1.96 ? 1.0 / users : 0;
      const double p = lore::sigmoid(z.dot(w)),
                   q = lore::preference_probability(lore::BradleyTerry{}, margin),
                   r = lore::sigmoid(margin.mean);
      averaged -= (p * std::log(q) + (1 - p) * std::log(1 - q)) / users;
      plug_in -= (p * std::log(r) + (1 - p) * std::log(1 - r)) / users;
    }
    CAPTURE(shots, inside_one, inside_two, averaged, plug_in);
    // Three Monte Carlo errors, and 0.015 for the Gaussian form of the posterior.
    CHECK(std::abs(inside_one - 0.683) < 3 * std::sqrt(0.683 * 0.317 / users) + 0.015);
    CHECK(std::abs(inside_two - 0.950) < 3 * std::sqrt(0.950 * 0.050 / users) + 0.015);
    CHECK(averaged < plug_in);
  }
}

TEST_CASE("A judgement abstains where it is not sure enough") {
  const lore::BradleyTerry loss;
  using lore::Choice;
  CHECK(lore::preference(loss, {2, 0}, 0.8).choice == Choice::first);
  CHECK(lore::preference(loss, {-2, 0}, 0.8).choice == Choice::second);
  CHECK(lore::preference(loss, {2, 0}, 0.9).choice == Choice::abstain);
  CHECK(lore::preference(loss, {-2, 0}, 0.9).choice == Choice::abstain);
  // The same mean margin, less surely known.
  CHECK(lore::preference(loss, {2, 5}, 0.8).choice == Choice::abstain);
  CHECK(lore::preference(loss, {0, 3}).choice == Choice::abstain);
  CHECK(lore::preference(loss, {0.01, 3}).choice == Choice::first);
  CHECK(lore::preference(loss, {1.5, 0}).probability == Approx(lore::sigmoid(1.5)));
  CHECK_THROWS_AS(lore::preference(loss, {1, 1}, 0.4), std::domain_error);
  CHECK_THROWS_AS(lore::preference(loss, {1, 1}, 1.1), std::domain_error);
  CHECK_THROWS_AS(lore::preference(loss, {std::nan(""), 1}), std::domain_error);
  CHECK_THROWS_AS(lore::preference(loss, {1, -1}), std::domain_error);
}

TEST_CASE("A margin's parts must fit together") {
  const Vector two = Vector::Ones(2), three = Vector::Ones(3);
  CHECK_THROWS_AS(lore::estimate_margin(lore::Signed{}, two, three, Matrix::Zero(3, 3)),
                  std::invalid_argument);
  CHECK_THROWS_AS(lore::estimate_margin(lore::Signed{}, three, three, Matrix::Zero(2, 2)),
                  std::invalid_argument);
}

TEST_CASE("Probabilities of wins and ties sum to one at any uncertainty, and are those of a sample") {
  lore::Rng rng(8);
  const auto check = [&](const auto& loss) {
    const lore::Answer tie{.outcome = lore::Outcome::tie};
    for (const double mean : {0.0, 0.4, -3.0, 12.0})
      for (const double deviation : {0.0, 0.7, 1.5, 6.0}) {
        CAPTURE(mean, deviation);
        const lore::MarginEstimate here{mean, deviation}, there{-mean, deviation};
        const double first = lore::preference_probability(loss, here);
        const double second = lore::preference_probability(loss, there);
        const double tied = lore::answer_probability(loss, tie, here);
        CHECK(first + second + tied == Approx(1).margin(1e-5));
        double sampled = 0;
        constexpr int draws = 20000;
        for (int k = 0; k < draws; ++k)
          sampled += std::exp(-loss(mean + deviation * lore::normal(rng), tie).value) / draws;
        CHECK(tied == Approx(sampled).margin(0.015));
        const lore::Judgement says = lore::preference(loss, here);
        CHECK(says.tie == Approx(tied).margin(1e-5));
        CHECK(says.probability == Approx(first / (first + second)));
        CHECK((says.choice == lore::Choice::first) == (mean > 0));
      }
  };
  check(lore::Davidson(0.8));
  check(lore::RaoKupper(3));
  check(lore::PlackettLuce<lore::Ordinal>{lore::Ordinal({0.7})});
}

TEST_CASE("The log loss of a user's answers takes each as what it is") {
  const lore::PlackettLuce<lore::Davidson> loss{lore::Davidson(0.8)};
  lore::Rng rng(4);
  const Index K = 3;
  lore::Matrix<double> Z(K, 6);
  lore::fill_normal(rng, Z);
  const lore::Vector<double> p = (lore::Vector<double>(K) << 1, 0.4, -0.3).finished();
  lore::Matrix<double> C = lore::Matrix<double>::Zero(K, K);
  std::vector<lore::Answer> answer(6);
  answer[1].outcome = lore::Outcome::tie;
  for (std::size_t j : {3U, 4U, 5U}) answer[j].choice = 0;
  const std::vector<float> omega{1, 2, 1, 3, 3, 3};
  const auto known = lore::answers_log_loss(loss, lore::Signed{}, Z, answer.data(), omega.data(), p, C);
  CHECK(known.second == 7);
  const lore::Vector<double> t = Z.transpose() * p;
  lore::Vector<double> q(3);
  CHECK(known.first == Approx(loss(t(0)).value + 2 * loss(t(1), answer[1]).value + loss(t(2)).value +
                              3 * lore::detail::choice_cost(t.tail(3), q))
                           .epsilon(1e-6));
  // Uncertain weights: the mean of the probabilities, not of the costs.
  C.bottomRightCorner(2, 2) << 0.8, 0.2, 0.2, 0.5;
  const auto uncertain =
      lore::answers_log_loss(loss, lore::Signed{}, Z.rightCols(3), answer.data() + 3, nullptr, p, C);
  const lore::Matrix<double> G = lore::Matrix<double>(C.bottomRightCorner(2, 2)).llt().matrixL();
  double mean = 0;
  constexpr int draws = 40000;
  for (int k = 0; k < draws; ++k) {
    lore::Vector<double> w = p, x(2);
    lore::fill_normal(rng, x);
    w.tail(2) += G * x;
    mean += std::exp(-lore::detail::choice_cost(Z.rightCols(3).transpose() * w, q)) / draws;
  }
  CHECK(uncertain.second == 1);
  CHECK(std::exp(-uncertain.first) == Approx(mean).margin(0.01));
}
