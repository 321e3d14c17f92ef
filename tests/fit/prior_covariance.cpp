// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/prior_covariance.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <Eigen/Cholesky>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"

#include "comparisons.hpp"
#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
using Matrix = lore::Matrix<float>;
using Double = lore::Matrix<double>;

const Double truth = (Double(2, 2) << 4, 1, 1, 0.5).finished();  // of the deviations

/// People whose deviations are drawn from N(0, truth), and a model in whose basis they are what they are,
/// with N(0, I) for a prior. Comparisons are their own scores.
struct People {
  lore::RewardModel<float> model;
  lore::Comparisons<> comparisons;
  Matrix Z;
};

People draw(const std::vector<Index>& counts, std::uint64_t seed) {
  lore::Rng rng = lore::make_rng(seed);
  const Double root = truth.llt().matrixL();
  Double Z(3, std::accumulate(counts.begin(), counts.end(), Index{0}));
  lore::fill_normal(rng, Z);
  Index p = 0;
  for (const Index count : counts) {
    lore::Vector<double> w = lore::Vector<double>::Ones(3), normal(2);
    lore::fill_normal(rng, normal);
    w.tail(2) = root * normal;
    for (const Index end = p + count; p < end; ++p)
      if (!lore::bernoulli(rng, lore::sigmoid(w.dot(Z.col(p))))) Z.col(p) *= -1;
  }
  People out;
  out.Z = Z.cast<float>();
  out.comparisons = lore_test::comparisons_of<float>(out.Z, counts);
  out.model.basis = lore::Basis<float>(Matrix(Matrix::Identity(3, 3)));
  out.model.rank = 3;
  out.model.weight_map = lore::WeightMapKind::signed_deviations;
  out.model.prior.mean = lore::Vector<float>::Unit(3, 0);
  out.model.prior.covariance = Matrix::Identity(3, 3);
  out.model.prior.covariance(0, 0) = 0;
  return out;
}

Double estimate(const People& people, int rounds = 20) {
  return lore::estimate_prior_covariance(people.model, people.Z, people.comparisons, lore::Serial{},
                                         lore::BradleyTerry{}, rounds)
      .cast<double>();
}

/// Largest entry of what an estimate of the deviations is off by, in units of the truth's standard
/// deviations.
double error_of(const Double& covariance) {
  double most = 0;
  for (Index a = 0; a < 2; ++a)
    for (Index b = 0; b < 2; ++b)
      most = std::max(
          most, std::abs(covariance(a + 1, b + 1) - truth(a, b)) / std::sqrt(truth(a, a) * truth(b, b)));
  return most;
}

}  // namespace

TEST_CASE("The covariance of the users' weights is found, however unequal their numbers of answers") {
  // The sample covariance of 600 users has a relative deviation of sqrt(2 / 600) = 0.06.
  CHECK(error_of(estimate(draw(std::vector<Index>(600, 100), 1))) < 0.2);
  std::vector<Index> unequal(1200, 4);
  for (std::size_t i = 0; i < unequal.size(); i += 4) unequal[i] = 300;
  CHECK(error_of(estimate(draw(unequal, 2))) < 0.25);
  CHECK(error_of(Double(Double::Identity(3, 3))) > 0.4);  // where it started
}

TEST_CASE("The reward that all share does not vary") {
  const Double covariance = estimate(draw(std::vector<Index>(30, 20), 3));
  CHECK(covariance.row(0).norm() == 0);
  CHECK(covariance.col(0).norm() == 0);
  CHECK(covariance == covariance.transpose());
}

TEST_CASE("Users who said nothing leave the prior as it was, but for the shrinkage of so few") {
  People people = draw(std::vector<Index>(10, 0), 4);
  people.model.prior.covariance.bottomRightCorner(2, 2) << 2, 1, 1, 3;
  Double wanted = people.model.prior.covariance.cast<double>();
  wanted(1, 2) = wanted(2, 1) = 10.0 / 12;  // users / (D + users)
  CHECK((estimate(people) - wanted).norm() < 1e-5);
}

TEST_CASE("The covariance of simplex logits stays where logits differ") {
  People people = draw(std::vector<Index>(20, 30), 9);
  people.model.weight_map = lore::WeightMapKind::simplex;
  people.model.prior.mean.setZero();
  people.model.prior.covariance = Matrix::Identity(3, 3) - Matrix::Constant(3, 3, 1.0F / 3);
  const Double covariance = estimate(people);
  CHECK(covariance.rowwise().sum().norm() < 1e-5 * covariance.norm());
  CHECK(covariance.trace() > 0);
}

TEST_CASE("The order of the users does not matter") {
  const People people = draw({3, 40, 7, 90, 1, 20}, 5);
  People reversed = people;
  reversed.comparisons = people.comparisons.subset(std::vector<Index>{5, 4, 3, 2, 1, 0});
  for (Index p = 0; p < reversed.Z.cols(); ++p)
    reversed.Z.col(p) = people.Z.col(reversed.comparisons.column[static_cast<std::size_t>(p)]);
  CHECK((estimate(people) - estimate(reversed)).norm() < 1e-4 * estimate(people).norm());
}

TEST_CASE("One user alone says how far out such users are, and of rank 1 there is nothing to estimate") {
  People one = draw({400}, 6);
  const Double alone = estimate(one);
  const auto fit = lore::fit_users(one.model, one.Z, one.comparisons, lore::Serial{});
  CHECK(alone(1, 1) == Approx(std::pow(fit.parameters(1, 0), 2)).epsilon(0.3));
  CHECK(alone(2, 2) == Approx(std::pow(fit.parameters(2, 0), 2)).margin(0.1));
  People common = draw({5, 5}, 7);
  common.model.basis = lore::Basis<float>(Matrix(Matrix::Ones(3, 1)));
  common.model.rank = 1;
  common.model.prior = {lore::Vector<float>::Ones(1), Matrix::Zero(1, 1)};
  common.Z = Matrix(common.Z.topRows(1));
  CHECK(estimate(common).norm() == 0);
}

TEST_CASE("An estimate of the prior's covariance refuses what it cannot use") {
  const People people = draw({5, 5}, 8);
  CHECK_THROWS_AS(estimate(people, 0), std::domain_error);
  People nobody = people;
  nobody.comparisons = people.comparisons.subset(std::vector<Index>{});
  nobody.Z.resize(3, 0);
  CHECK_THROWS_AS(estimate(nobody), std::invalid_argument);
  People short_of_scores = people;
  short_of_scores.Z.conservativeResize(3, 9);
  CHECK_THROWS_AS(estimate(short_of_scores), std::invalid_argument);
  People unknown = people;
  unknown.Z(1, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(estimate(unknown), std::domain_error);
}
