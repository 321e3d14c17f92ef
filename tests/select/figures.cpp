// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/figures.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lore/parallel/executor.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore::Partition;
using lore_test::Approx;
using Matrix = lore::Matrix<float>;
using Vector = lore::Vector<float>;

/// One comparison: who, what for, and its vector (d = 2).
struct Row {
  Index user;
  Partition partition;
  float first, second;
};

lore::Preferences<> preferences_of(const std::vector<Row>& rows, Index users) {
  lore::Preferences<> out;
  Matrix X(2, static_cast<Index>(rows.size()));
  for (std::size_t j = 0; j < rows.size(); ++j) {
    X.col(static_cast<Index>(j)) << rows[j].first, rows[j].second;
    out.user.push_back(rows[j].user);
    out.partition.push_back(rows[j].partition);
  }
  out.users = users;
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return out;
}

/// Rewards are the coordinates themselves; user 4 likes the first, user 1 the second, a newcomer both.
lore::RewardModel<float> model_of_two() {
  lore::RewardModel<float> model;
  model.basis = lore::Basis<float>(Matrix(Matrix::Identity(2, 2)));
  model.rank = 2;
  model.weight_map = lore::WeightMapKind::simplex;
  model.user = {4, 1};
  model.weights = Matrix::Identity(2, 2);
  model.parameters = Matrix::Zero(2, 2);
  model.prior = {Vector::Zero(2), Matrix::Identity(2, 2) - Matrix::Constant(2, 2, 0.5F)};
  return model;
}

/// Every user of few-shot comparisons comes to like the first coordinate alone.
const auto adapt = [](const Matrix& Z, const lore::Comparisons<>& comparisons) {
  CHECK(Z.rows() == 2);
  CHECK(Z.cols() == comparisons.size());
  lore::UserFits<float> fits(2, comparisons.users());
  fits.weights.colwise() = Vector(Vector::Unit(2, 0));
  return fits;
};

}  // namespace

TEST_CASE("The four figures, with everybody's own weights") {
  const auto train = Partition::seen_train, test = Partition::seen_test, few = Partition::unseen_few_shot,
             later = Partition::unseen_test;
  const lore::Preferences<> data = preferences_of({{1, train, -1, 2},
                                                   {1, train, 2, -1},
                                                   {4, train, 2, -1},
                                                   {1, test, 0, 1},
                                                   {4, test, 1, 0},
                                                   {4, test, 0, 1},
                                                   {3, test, 3, -1},  // seen, but not by the model
                                                   {0, few, 1, -3},
                                                   {0, few, -1, 3},
                                                   {0, later, 1, -3},
                                                   {2, later, 1, -3}},  // no shots
                                                  5);
  const lore::FourFigures figures = lore::measure(model_of_two(), data, lore::Serial{}, adapt);
  REQUIRE(figures.seen_train.exists());
  CHECK(figures.seen_train.accuracy.by_user == std::vector<double>{0.5, 1});  // users 1 and 4
  CHECK(figures.seen_train.accuracy.mean == Approx(0.75));
  // User 3 gets the population's weights, which are right; a margin of 0 is wrong and counted as a tie.
  CHECK(figures.seen_test.accuracy.by_user == std::vector<double>{1, 1, 0.5});
  CHECK(figures.seen_test.accuracy.ties == Approx(0.5 / 3));
  CHECK(figures.few_shot_train.accuracy.by_user == std::vector<double>{0.5});
  // User 0 was fitted; user 2 had no shots, so the population speaks for them.
  CHECK(figures.unseen_test.accuracy.by_user == std::vector<double>{1, 0});
}

TEST_CASE("A figure that does not exist says why") {
  const lore::FourFigures figures = lore::measure(
      model_of_two(), preferences_of({{0, Partition::seen_train, 1, 1}}, 1), lore::Serial{}, adapt);
  CHECK(figures.seen_train.exists());
  for (const lore::Figure* figure : {&figures.seen_test, &figures.few_shot_train, &figures.unseen_test}) {
    CHECK_FALSE(figure->exists());
    CHECK(figure->accuracy.users == 0);
    CHECK(std::isnan(figure->accuracy.mean));
  }
  CHECK(figures.seen_test.missing == "no test comparisons of seen users");
  CHECK(figures.few_shot_train.missing == "no few-shot comparisons of unseen users");
  CHECK(figures.unseen_test.missing == "no test comparisons of unseen users");
  const lore::FourFigures unseen = lore::measure(
      model_of_two(), preferences_of({{0, Partition::unseen_test, 1, 1}}, 1), lore::Serial{}, adapt);
  CHECK(unseen.seen_train.missing == "no training comparisons of seen users");
  CHECK(unseen.unseen_test.accuracy.mean == 1);
}

TEST_CASE("A newcomer gets the weights at the prior's mean") {
  lore::RewardModel<float> model = model_of_two();
  CHECK(lore::population_weights(model).isApprox((Vector(2) << 0.5F, 0.5F).finished()));
  model.weight_map = lore::WeightMapKind::signed_deviations;
  model.prior.mean = (Vector(2) << 1, -0.25F).finished();
  CHECK(lore::population_weights(model) == model.prior.mean);
}

TEST_CASE("The reference reward is a model of rank 0 that is the same for everybody") {
  const Vector head = (Vector(2) << 2, -1).finished();
  const lore::RewardModel<float> model = lore::reference_model<float>(head);
  CHECK_NOTHROW(model.validate());
  CHECK(model.rank == 0);
  REQUIRE(model.reference_head);
  CHECK(*model.reference_head == head);
  const lore::Preferences<> data = preferences_of({{0, Partition::seen_train, 1, 1},
                                                   {0, Partition::seen_train, 0, 1},
                                                   {1, Partition::unseen_test, 1, 3},
                                                   {1, Partition::unseen_few_shot, 1, 1}},
                                                  2);
  const auto fit = [&](const Matrix& Z, const lore::Comparisons<>& comparisons) {
    return lore::fit_users(model, Z, comparisons, lore::Serial{});
  };
  const lore::FourFigures figures = lore::measure(model, data, lore::Serial{}, fit);
  CHECK(figures.seen_train.accuracy.mean == 0.5);
  CHECK(figures.unseen_test.accuracy.mean == 0);
  CHECK(figures.few_shot_train.accuracy.mean == 1);
  CHECK_THROWS_AS(lore::reference_model<float>(Vector::Constant(2, std::numeric_limits<float>::quiet_NaN())),
                  std::domain_error);
}

TEST_CASE("Figures need a model of the data's dimension") {
  lore::RewardModel<float> model = model_of_two();
  model.basis = lore::Basis<float>(Matrix(Matrix::Identity(3, 2)));
  CHECK_THROWS_AS(
      lore::measure(model, preferences_of({{0, Partition::seen_train, 1, 1}}, 1), lore::Serial{}, adapt),
      std::invalid_argument);
}
