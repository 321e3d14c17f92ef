// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/few_shot_curve.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/parallel/executor.hpp"

#include "lore_catch.hpp"

namespace {

using lore::CurveOptions;
using lore::CurvePoint;
using lore::Index;
using lore::Partition;
using lore_test::Approx;
using Matrix = lore::Matrix<float>;
using Vector = lore::Vector<float>;

constexpr Index shots_of[] = {2, 6, 12};  ///< of the three unseen users, ids 0, 1, 2

/// Three newcomers who like one of two coordinates each, and 40 test comparisons of each.
lore::Preferences<> newcomers(std::uint64_t seed) {
  lore::Preferences<> out;
  out.users = 3;
  for (Index i = 0; i < 3; ++i)
    for (Index j = 0; j < shots_of[i] + 40; ++j) {
      out.user.push_back(i);
      out.partition.push_back(j < shots_of[i] ? Partition::unseen_few_shot : Partition::unseen_test);
      out.group.push_back(j < shots_of[i] ? j / 2 : 100 + j);
    }
  Matrix X(2, out.size());
  lore::Rng rng(seed);
  lore::fill_normal(rng, X);
  for (Index j = 0; j < X.cols(); ++j)
    if (X(out.user[static_cast<std::size_t>(j)] % 2, j) < 0) X.col(j) *= -1;
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return out;
}

lore::RewardModel<float> model() {
  lore::RewardModel<float> model;
  model.basis = lore::Basis<float>(Matrix(4 * Matrix::Identity(2, 2)));
  model.rank = 2;
  model.weight_map = lore::WeightMapKind::simplex;
  model.weights.resize(2, 0);
  model.parameters.resize(2, 0);
  model.prior = {(Vector(2) << 0.1F, -0.1F).finished(),
                 4 * Matrix(Matrix::Identity(2, 2) - Matrix::Constant(2, 2, 0.5F))};
  return model;
}

const auto adapt = [](const Matrix& Z, const lore::Comparisons<>& comparisons, Index) {
  return lore::fit_users(model(), Z, comparisons, lore::Serial{});
};
const auto go_on = [](const CurvePoint&) { return false; };

std::vector<CurvePoint> curve(const lore::Preferences<>& data, const CurveOptions& options) {
  return lore::few_shot_curve(model(), data, lore::Serial{}, options, adapt, go_on);
}

}  // namespace

TEST_CASE("A curve rises from the population's accuracy and says who had so many shots") {
  const lore::Preferences<> data = newcomers(1);
  const auto points = curve(data, {.shots = {0, 1, 3, 6, 100}, .trials = 10});
  REQUIRE(points.size() == 5);
  CHECK(points[0].users_with_at_least == 3);
  CHECK(points[1].users_with_at_least == 3);
  CHECK(points[2].users_with_at_least == 2);
  CHECK(points[3].users_with_at_least == 2);
  CHECK(points[4].users_with_at_least == 0);
  // Without shots: what the model says of a stranger.
  CHECK(points[0].few_shot_train.missing == "no shots");
  const auto stranger = [](Index) -> Vector { return lore::population_weights(model()); };
  const lore::ScoredPartition<float> test(data.unseen_test(), model().basis, lore::Serial{});
  const std::vector<double> wanted = test.accuracy_with(stranger, "").accuracy.by_user;
  for (std::size_t i = 0; i < 3; ++i) CHECK(points[0].unseen_test.accuracy.by_user[i] == Approx(wanted[i]));
  CHECK(points[0].trial_deviation == Approx(0).margin(1e-12));
  CHECK(points[4].unseen_test.accuracy.mean > points[0].unseen_test.accuracy.mean + 0.05);
  CHECK(points[4].few_shot_train.accuracy.mean > 0.9);
  for (const CurvePoint& point : points) {
    CHECK(point.unseen_test.accuracy.users == 3);
    CHECK(point.seconds >= 0);
  }
  // Everybody uses all they have: nothing is left to chance.
  CHECK(points[4].trial_deviation == Approx(0).margin(1e-12));
}

TEST_CASE("First shots are one trial in file order; sampled shots are averaged over trials") {
  const lore::Preferences<> data = newcomers(2);
  std::vector<std::vector<Index>> columns;
  const auto watched = [&](const Matrix& Z, const lore::Comparisons<>& comparisons, Index trial) {
    CHECK(trial == static_cast<Index>(columns.size()));
    columns.push_back(comparisons.column);
    return adapt(Z, comparisons, trial);
  };
  const auto first =
      lore::few_shot_curve(model(), data, lore::Serial{}, {.shots = {3}, .first = true}, watched, go_on);
  REQUIRE(columns.size() == 1);
  CHECK(columns[0] == std::vector<Index>{0, 1, 42, 43, 44, 88, 89, 90});
  CHECK(std::isnan(first[0].trial_deviation));
  columns.clear();
  const auto sampled =
      lore::few_shot_curve(model(), data, lore::Serial{}, {.shots = {1}, .trials = 6}, watched, go_on);
  REQUIRE(columns.size() == 6);
  CHECK(columns[0] != columns[1]);
  // By hand: each trial's accuracy, users averaged over trials first.
  std::vector<lore::Accuracy> trials;
  const lore::ScoredPartition<float> test(data.unseen_test(), model().basis, lore::Serial{});
  for (const auto& chosen : columns) {
    const lore::Comparisons<> subset = data.few_shot().filtered([&](Index p) {
      return std::find(chosen.begin(), chosen.end(), data.few_shot().column[static_cast<std::size_t>(p)]) !=
             chosen.end();
    });
    REQUIRE(subset.size() == 3);
    const lore::ScoredPartition<float> shots(subset, model().basis, lore::Serial{});
    const auto fits = adapt(shots.Z, subset, 0);
    const auto own = [&](Index id) -> Vector { return fits[static_cast<std::size_t>(id)].weights; };
    trials.push_back(test.accuracy_with(own, "").accuracy);
  }
  const lore::TrialAccuracy wanted = lore::average_trials(trials);
  CHECK(sampled[0].unseen_test.accuracy.mean == Approx(wanted.accuracy.mean));
  CHECK(sampled[0].unseen_test.accuracy.standard_error == Approx(wanted.accuracy.standard_error));
  CHECK(sampled[0].trial_deviation == Approx(wanted.trial_deviation));
  CHECK(wanted.trial_deviation > 0);
}

TEST_CASE("A curve depends on its seed") {
  const lore::Preferences<> data = newcomers(3);
  const auto at = [&](std::uint64_t seed) {
    return curve(data, {.shots = {1}, .trials = 5, .seed = seed})[0].unseen_test.accuracy.by_user;
  };
  CHECK(at(1) == at(1));
  CHECK(at(1) != at(2));
}

TEST_CASE("A shot may be a group") {
  lore::Preferences<> data = newcomers(4);
  data.shot_unit = lore::ShotUnit::group;  // two comparisons each: 1, 3 and 6 groups
  const auto points = curve(data, {.shots = {1, 2, 4}, .trials = 1});
  CHECK(points[0].users_with_at_least == 3);
  CHECK(points[1].users_with_at_least == 2);
  CHECK(points[2].users_with_at_least == 1);
  data.group.clear();
  CHECK_THROWS_AS(curve(data, {.shots = {1}}), std::invalid_argument);
}

TEST_CASE("An observer sees each point and ends the curve") {
  const lore::Preferences<> data = newcomers(5);
  std::vector<Index> seen;
  const auto stop = [&](const CurvePoint& point) {
    seen.push_back(point.shots);
    return seen.size() == 2;
  };
  CHECK(lore::few_shot_curve(model(), data, lore::Serial{}, {.shots = {1, 2, 3}, .trials = 1}, adapt, stop)
            .size() == 2);
  CHECK(seen == std::vector<Index>{1, 2});
}

TEST_CASE("A curve without some partition says so") {
  lore::Preferences<> data = newcomers(6);
  for (Partition& partition : data.partition)
    if (partition == Partition::unseen_test) partition = Partition::unseen_few_shot;
  const CurvePoint untested = curve(data, {.shots = {5}, .trials = 2})[0];
  CHECK(untested.few_shot_train.exists());
  CHECK(untested.unseen_test.missing == "no test comparisons of unseen users");
  CHECK(std::isnan(untested.trial_deviation));
  // Without shots to be had there is still the population.
  for (Partition& partition : data.partition) partition = Partition::unseen_test;
  const CurvePoint shotless = curve(data, {.shots = {5}, .trials = 2})[0];
  CHECK(shotless.users_with_at_least == 0);
  CHECK(shotless.few_shot_train.missing == "no few-shot comparisons of unseen users");
  CHECK(shotless.unseen_test.accuracy.users == 3);
  for (Partition& partition : data.partition) partition = Partition::seen_train;
  const CurvePoint nobody = curve(data, {.shots = {5}, .trials = 2})[0];
  CHECK_FALSE(nobody.few_shot_train.exists());
  CHECK_FALSE(nobody.unseen_test.exists());
}

TEST_CASE("A curve refuses options out of range and a model of another dimension") {
  const lore::Preferences<> data = newcomers(7);
  CHECK_THROWS_AS(curve(data, {.shots = {3, -1}}), std::domain_error);
  CHECK_THROWS_AS(curve(data, {.trials = 0}), std::domain_error);
  lore::RewardModel<float> other = model();
  other.basis = lore::Basis<float>(Matrix(Matrix::Identity(3, 2)));
  CHECK_THROWS_AS(lore::few_shot_curve(other, data, lore::Serial{}, {}, adapt, go_on), std::invalid_argument);
}
