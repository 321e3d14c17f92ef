// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/cross_validation.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include <Eigen/Cholesky>

#include "lore/core/numerics.hpp"
#include "lore/select/folds.hpp"

#include "lore_catch.hpp"
#include "support.hpp"

namespace {

using lore::Candidate;
using lore::Index;
using lore::WeightMapKind;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Matrix vectors(const lore::Comparisons<>& part) {
  Matrix X(part.dimension(), part.size());
  for (Index p = 0; p < part.size(); ++p) part.features->load(part.column[at(p)], X.col(p).data());
  return X;
}

Vector omega(const lore::Comparisons<>& part) {
  Vector out = Vector::Ones(part.size());
  for (Index p = 0; p < part.size() && !part.weight.empty(); ++p)
    out(p) = static_cast<double>(part.weight[at(p)]);
  return out;
}

/// The Bradley-Terry fit with a ridge, by plain Newton.
Vector bradley_terry(const Matrix& X, const Vector& weight, double ridge) {
  Vector v = Vector::Zero(X.rows());
  for (int step = 0; step < 30; ++step) {
    Vector gradient = ridge * v;
    Matrix hessian = ridge * Matrix::Identity(X.rows(), X.rows());
    for (Index j = 0; j < X.cols(); ++j) {
      const double p = lore::sigmoid(X.col(j).dot(v));
      gradient -= weight(j) * (1 - p) * X.col(j);
      hessian += weight(j) * p * (1 - p) * X.col(j) * X.col(j).transpose();
    }
    v -= hessian.ldlt().solve(gradient);
  }
  return v;
}

}  // namespace

TEST_CASE("The score of rank 1 is the held-out loss of a ridge fit on each fold") {
  lore::Preferences<> preferences = lore_test::small({9, 4, 12, 7}, 5);
  const bool weighted = GENERATE(false, true);
  if (weighted)
    for (Index j = 0; j < preferences.size(); ++j)
      preferences.weight.push_back(j % 5 == 0 ? 0.0F : 0.5F + 0.25F * static_cast<float>(j % 3));
  const lore::Comparisons<> whole = preferences.seen_train();
  const double q = 0.7;
  const Matrix all = vectors(whole);
  const Vector weight = omega(whole);
  const double mean_square =
      all.colwise().squaredNorm().transpose().cwiseProduct(weight).sum() / weight.sum();
  Vector wanted = Vector::Zero(4);
  for (const lore::Fold<>& fold : lore::make_folds(whole, 3, 8)) {
    const Vector v = bradley_terry(vectors(fold.train), omega(fold.train), mean_square / (q * q));
    const Matrix X = vectors(fold.held_out);
    const Vector held_out = omega(fold.held_out);
    for (Index i = 0; i < 4; ++i)
      for (Index p = fold.held_out.begin(i); p < fold.held_out.end(i); ++p)
        wanted(i) += held_out(p) * lore::softplus(-X.col(p).dot(v));
  }
  const auto validation = lore_test::make_validation(whole, 3, 8);
  CHECK(validation->folds() == 3);
  const auto result = lore_test::score(*validation, {1, WeightMapKind::signed_deviations, {q, q}});
  REQUIRE(result.score.by_user.size() == 4);
  CHECK(result.score.weight == Approx(weight.sum()));
  for (Index i = 0; i < 4; ++i) CHECK(result.score.by_user(i) == Approx(wanted(i)).epsilon(2e-3));
  CHECK(result.score.mean() == Approx(wanted.sum() / weight.sum()).epsilon(1e-3));
  CHECK(validation->passes() > 0);
}

TEST_CASE("With one column both weight maps are Bradley-Terry") {
  const auto validation = lore_test::make_validation(lore_test::small({10, 12, 11}, 6).seen_train(), 4, 1);
  const auto deviations = lore_test::score(*validation, {1, WeightMapKind::signed_deviations, {0.5, 0.5}});
  const auto simplex = lore_test::score(*validation, {1, WeightMapKind::simplex, {0.5, 0.5}});
  CHECK(simplex.score.mean() == Approx(deviations.score.mean()).epsilon(1e-3));
}

TEST_CASE("Scores are the same bits for any number of threads, and again") {
  const lore::Comparisons<> train = lore_test::people(3, 1).seen_train();
  for (const WeightMapKind map : {WeightMapKind::signed_deviations, WeightMapKind::simplex}) {
    const Candidate candidate{3, map, {0.8, 0.8}};
    const auto one = lore_test::score(*lore_test::make_validation(train, 3, 1, 1), candidate);
    // Two threads share out the folds, and more threads than folds the users inside a fold.
    for (const int threads : {1, 2, 4}) {
      CAPTURE(threads);
      const auto other = lore_test::score(*lore_test::make_validation(train, 3, 1, threads), candidate);
      CHECK(other.score.by_user == one.score.by_user);
      REQUIRE(other.bases.size() == 3);
      CHECK(other.bases[2] == one.bases[2]);
      CHECK(other.parameters[1] == one.parameters[1]);
    }
  }
}

TEST_CASE("What personalises is scored above what does not") {
  const auto validation = lore_test::make_validation(lore_test::people(3, 2).seen_train(), 5, 1);
  const auto one = lore_test::score(*validation, {1, WeightMapKind::signed_deviations, {1, 1}});
  const auto three = lore_test::score(*validation, {3, WeightMapKind::signed_deviations, {1, 1}});
  const lore::ScoreDifference difference = three.score - one.score;
  CHECK(difference.mean == Approx(three.score.mean() - one.score.mean()));
  CHECK(difference.mean < -2 * difference.standard_error);
  CHECK(difference.standard_error > 0);
}

TEST_CASE("A difference of scores has the standard error of a sum over users") {
  lore::CrossValidationScore a, b;
  a.by_user = (Vector(3) << 4, 6, 5).finished();
  b.by_user = (Vector(3) << 3, 3, 3).finished();
  a.weight = b.weight = 10;
  const lore::ScoreDifference difference = a - b;
  CHECK(difference.mean == Approx(0.6));                          // (1 + 3 + 2) / 10
  CHECK(difference.standard_error == Approx(std::sqrt(3) / 10));  // sample deviation 1, three users
  CHECK((a - a).standard_error == 0);
  CHECK(lore::CrossValidationScore{}.mean() == std::numeric_limits<double>::infinity());
}

TEST_CASE("Cross-validation without anything to hold out has no folds") {
  CHECK(lore_test::make_validation(lore_test::small({1}, 1).seen_train(), 5, 1)->folds() == 0);
  // Two comparisons of one user make two folds, of five asked for.
  CHECK(lore_test::make_validation(lore_test::small({2}, 1).seen_train(), 5, 1)->folds() == 2);
}

TEST_CASE("Cross-validation refuses what it cannot score") {
  const lore::Comparisons<> train = lore_test::small({6, 6}, 1).seen_train();
  CHECK_THROWS_AS(lore_test::make_validation(train, 1, 0), std::invalid_argument);
  const auto validation = lore_test::make_validation(train, 3, 0);
  const auto kind = WeightMapKind::signed_deviations;
  CHECK_THROWS_AS(lore_test::score(*validation, {3, kind, {1, 1}}), std::invalid_argument);  // two users
  CHECK_THROWS_AS(lore_test::score(*validation, {0, kind, {1, 1}}), std::invalid_argument);
  CHECK_THROWS_AS(lore_test::score(*validation, {1, kind, {0, 1}}), std::domain_error);
  CHECK_THROWS_AS(lore_test::score(*validation, {1, kind, {1, -1}}), std::domain_error);
  CHECK_THROWS_AS(lore_test::make_validation(
                      lore_test::scaled(lore_test::small({6, 6}, 1), std::numeric_limits<float>::quiet_NaN())
                          .seen_train(),
                      3, 0),
                  std::domain_error);
}
