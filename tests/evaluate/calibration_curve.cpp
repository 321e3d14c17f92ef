// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/calibration_curve.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

namespace {

using lore::CalibrationPoint;
using lore::Index;
using lore::Partition;
using lore_test::Approx;
using Matrix = lore::Matrix<float>;
using Vector = lore::Vector<float>;

constexpr Index rank = 4;

/// The basis is the identity; a new user's deviations are N(0, I).
lore::RewardModel<float> model() {
  lore::RewardModel<float> model;
  model.basis = lore::Basis<float>(Matrix(Matrix::Identity(rank, rank)));
  model.rank = rank;
  model.weight_map = lore::WeightMapKind::signed_deviations;
  model.weights.resize(rank, 0);
  model.parameters.resize(rank, 0);
  Matrix covariance = Matrix::Identity(rank, rank);
  covariance(0, 0) = 0;
  model.prior = {Vector::Unit(rank, 0), covariance};
  return model;
}

/// 300 newcomers from the model's own prior, 20 shots and 40 test comparisons each.
lore::Preferences<> newcomers(std::uint64_t seed) {
  lore::Preferences<> out;
  out.users = 300;
  lore::Rng rng(seed);
  Matrix X(rank, out.users * 60);
  lore::fill_normal(rng, X);
  X *= 1.5F;
  for (Index i = 0; i < out.users; ++i) {
    Vector w = Vector::Ones(rank);
    for (Index k = 1; k < rank; ++k) w(k) = lore::normal<float>(rng);
    for (Index j = 0; j < 60; ++j) {
      out.user.push_back(i);
      out.partition.push_back(j < 20 ? Partition::unseen_few_shot : Partition::unseen_test);
      auto x = X.col(60 * i + j);
      if (!lore::bernoulli(rng, lore::sigmoid(static_cast<double>(x.dot(w))))) x = -x;
    }
  }
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return out;
}

}  // namespace

TEST_CASE("Probabilities averaged over the posterior are calibrated, and better than plugged-in ones") {
  const auto points =
      lore::calibration_curve(model(), newcomers(1), lore::Serial{}, {.shots = {0, 1, 5, 20}, .first = true});
  REQUIRE(points.size() == 4);
  for (const CalibrationPoint& point : points) {
    CAPTURE(point.shots);
    CHECK(point.users_with_at_least == 300);
    CHECK(point.averaged.calibration.expected_error < 0.02);
    CHECK(point.averaged.expected_error_se > 0);
    CHECK(point.averaged.expected_error_se < 0.01);
    CHECK(point.log_loss_gain.mean > 2 * point.log_loss_gain.standard_error);
    CHECK(point.brier_gain.mean > 2 * point.brier_gain.standard_error);
    CHECK(point.log_loss_gain.mean ==
          Approx(point.plug_in.log_loss.mean - point.averaged.log_loss.mean).margin(1e-12));
  }
  CHECK(points[0].plug_in.calibration.expected_error > 0.05);
  CHECK(points[3].averaged.log_loss.mean < points[0].averaged.log_loss.mean);
  CHECK(points[3].log_loss_gain.mean < points[1].log_loss_gain.mean);
  CHECK(points.size() == 4);
}

TEST_CASE("A calibration curve is fixed by its seed, whatever the threads, and may have nobody to judge") {
  lore::Preferences<> data = newcomers(2);
  const lore::CurveOptions options{.shots = {3}, .trials = 2, .seed = 5};
  const auto one = lore::calibration_curve(model(), data, lore::Serial{}, options);
  const auto two = lore::calibration_curve(model(), data, lore::Threads(2), options);
  REQUIRE(one.size() == 1);
  REQUIRE(two.size() == 1);
  for (const auto side : {&lore::CalibrationPoint::averaged, &lore::CalibrationPoint::plug_in}) {
    CHECK((one[0].*side).log_loss.by_user == (two[0].*side).log_loss.by_user);
    CHECK((one[0].*side).brier.by_user == (two[0].*side).brier.by_user);
    CHECK((one[0].*side).calibration.expected_error == (two[0].*side).calibration.expected_error);
    CHECK((one[0].*side).expected_error_se == (two[0].*side).expected_error_se);
  }
  for (Partition& partition : data.partition) partition = Partition::unseen_few_shot;
  const auto none = lore::calibration_curve(model(), data, lore::Serial{}, options);
  CHECK(none[0].averaged.log_loss.users == 0);
  CHECK(std::isnan(none[0].averaged.calibration.expected_error));
  CHECK_THROWS_AS(lore::calibration_curve(model(), data, lore::Serial{}, options, lore::BradleyTerry{}, 0),
                  std::invalid_argument);
}
