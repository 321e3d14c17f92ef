// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/user_choices.hpp"

#include <stdexcept>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/objective/ties.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Answer;
using lore::Index;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;
using Loss = lore::PlackettLuce<lore::Davidson>;
using Objective = lore::detail::UserObjective<Loss, lore::Signed>;

[[nodiscard]] Matrix random(lore::Rng& rng, Index rows, Index cols, double scale = 1) {
  Matrix out(rows, cols);
  lore::fill_normal(rng, out);
  return out * scale;
}

/// Nine comparisons: a choice of three, a plain one, a choice of two, a tie, a choice alone in its number,
/// one more.
[[nodiscard]] std::vector<Answer> mixed() {
  std::vector<Answer> out(9);
  out[0].choice = out[1].choice = out[2].choice = 5;
  out[4].choice = out[5].choice = 6;
  out[6].outcome = lore::Outcome::tie;
  out[7].choice = 7;
  return out;
}

[[nodiscard]] lore::GaussianPrior<double> wide_prior(Index K) {
  lore::GaussianPrior<double> prior{Vector::Unit(K, 0), Matrix::Identity(K, K) * 1.7};
  prior.covariance.row(0).setZero();
  prior.covariance.col(0).setZero();
  return prior;
}

}  // namespace

TEST_CASE("The objective of a user with choices states its derivatives") {
  lore::Rng rng(2);
  const Index K = 4, D = 3;
  const auto prior = lore::detail::CoordinatePrior::from(lore::Signed{}, wide_prior(K));
  const std::vector<Answer> answer = mixed();
  const std::vector<float> omega{2, 2, 2, 1, 0.5F, 0.5F, 1, 3, 1};
  for (const double scale : {0.5, 3.0}) {
    const Matrix Z = random(rng, K, 9, scale);
    Objective f(Loss{lore::Davidson(0.6)}, {}, 1.3);
    f.take(Z, omega.data(), answer.data(), prior);
    const Vector c = random(rng, D, 1);
    Vector gradient(D), up(D), down(D);
    Matrix hessian(D, D), ignored(D, D);
    const auto value = [&](const Vector& at) {
      f.evaluate(at, nullptr);
      return f.value();
    };
    f(c, gradient, hessian);
    for (Index a = 0; a < D; ++a) {
      const Vector step = 1e-5 * Vector::Unit(D, a);
      CHECK(gradient(a) == Approx((value(c + step) - value(c - step)) / 2e-5).epsilon(1e-6).margin(1e-7));
      f(c + step, up, ignored);
      f(c - step, down, ignored);
      CHECK(((up - down) / 2e-5 - hessian.col(a)).norm() < 1e-5 * (1 + hessian.norm()));
    }
    // Averaged: gradient by c, and 2 d/dC - precision where the Hessian is.
    const Matrix A = random(rng, D, D, 0.6);
    const Matrix C = A * A.transpose() + 0.1 * Matrix::Identity(D, D);
    const auto averaged = [&](const Vector& at, const Matrix& S) {
      f.evaluate(at, &S);
      return f.value();
    };
    f.evaluate(c, &C);
    f.derivatives(gradient, hessian, false);
    const Matrix kept = hessian;
    for (Index a = 0; a < D; ++a) {
      const Vector step = 1e-5 * Vector::Unit(D, a);
      CHECK(gradient(a) ==
            Approx((averaged(c + step, C) - averaged(c - step, C)) / 2e-5).epsilon(1e-6).margin(1e-7));
      for (Index b = 0; b <= a; ++b) {
        Matrix turn = Matrix::Zero(D, D);
        turn(a, b) = turn(b, a) = 1e-5;
        const double slope = (averaged(c, C + turn) - averaged(c, C - turn)) / 2e-5;
        const double curvature = kept(a, b) - prior.precision(a, b);
        CHECK((a == b ? 2 : 1) * slope == Approx(curvature).epsilon(2e-3).margin(2e-3));
      }
    }
  }
}

TEST_CASE("A choice of one reply among two is a comparison to a fit") {
  lore::Rng rng(3);
  const Index K = 3;
  const Matrix Z = random(rng, K, 6, 2);
  std::vector<Answer> answer(6);
  for (std::size_t j = 0; j < 6; ++j) answer[j].choice = static_cast<Index>(j);
  const lore::Basis<double> basis(Matrix::Identity(K, K));
  for (const auto posterior : {lore::Posterior::map, lore::Posterior::variational}) {
    lore::FewShotFit<lore::BradleyTerry, lore::Signed, double> plain(basis, wide_prior(K));
    lore::FewShotFit<lore::PlackettLuce<>, lore::Signed, double> luce(basis, wide_prior(K));
    plain.posterior = luce.posterior = posterior;
    const auto a = plain.from_scores(Z), b = luce.from_scores(Z, {}, answer), c = luce.from_scores(Z);
    CHECK((a.weights - b.weights).norm() < 1e-6);
    CHECK((a.covariance - b.covariance).norm() < 1e-6);
    CHECK(a.objective == Approx(b.objective).epsilon(1e-7));
    CHECK((a.weights - c.weights).norm() < 1e-6);
  }
}

TEST_CASE("A fit to choices finds the posterior that sampling finds") {
  // Importance sampling from the prior, D = 2, four choices among four.
  lore::Rng rng(9);
  const Index K = 3;
  const Matrix Z = random(rng, K, 12, 1.2);
  std::vector<Answer> answer(12);
  for (std::size_t j = 0; j < 12; ++j) answer[j].choice = static_cast<Index>(j / 3);
  const lore::Basis<double> basis(Matrix::Identity(K, K));
  const lore::FewShotFit<lore::PlackettLuce<>, lore::Signed, double> luce(basis, wide_prior(K));
  const auto fit = luce.from_scores(Z, {}, answer);
  Vector mean = Vector::Zero(2), q(3);
  Matrix square = Matrix::Zero(2, 2);
  double total = 0;
  for (int draw = 0; draw < 100000; ++draw) {
    const Vector delta = random(rng, 2, 1, std::sqrt(1.7));
    Vector w = Vector::Ones(3);
    w.tail(2) = delta;
    const Vector t = Z.transpose() * w;
    double cost = 0;
    for (Index k = 0; k < 4; ++k) cost += lore::detail::choice_cost(t.segment(3 * k, 3), q);
    const double weight = std::exp(-cost);
    total += weight;
    mean += weight * delta;
    square += weight * delta * delta.transpose();
  }
  mean /= total;
  const Matrix C = square / total - mean * mean.transpose();
  CHECK((fit.parameters.tail(2) - mean).norm() < 0.1);
  CHECK((fit.covariance.bottomRightCorner(2, 2) - C).norm() < 0.15 * C.norm());
}

TEST_CASE("A fit refuses answers that its loss does not read") {
  const lore::Basis<double> basis(Matrix::Identity(2, 2));
  const lore::FewShotFit<lore::BradleyTerry, lore::Signed, double> plain(basis, wide_prior(2));
  const Matrix Z = Matrix::Ones(2, 2);
  std::vector<Answer> answer(2);
  answer[1].outcome = lore::Outcome::tie;
  CHECK_THROWS_AS(plain.from_scores(Z, {}, answer), std::domain_error);
  answer.assign(2, {.choice = 1});
  CHECK_THROWS_AS(plain.from_scores(Z, {}, answer), std::domain_error);
  const lore::FewShotFit<lore::PlackettLuce<>, lore::Signed, double> luce(basis, wide_prior(2));
  CHECK_NOTHROW(luce.from_scores(Z, {}, answer));
  answer.pop_back();
  CHECK_THROWS_AS(luce.from_scores(Z, {}, answer), std::invalid_argument);
}
