// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/identifiability.hpp"

#include <cmath>

#include <Eigen/LU>

#include "lore/data/simulate.hpp"
#include "lore/fit/joint.hpp"
#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;

lore::RewardModel<double> model_of(const Matrix& V, const Matrix& W) {
  lore::RewardModel<double> model;
  model.basis = lore::Basis<double>(V);
  model.rank = V.cols();
  model.weights = model.parameters = W;
  for (Index i = 0; i < W.cols(); ++i) model.user.push_back(i);
  return model;
}

/// 400 comparisons of uncorrelated unit features in eight dimensions, and users' weights on three columns.
struct World {
  lore::Preferences<> preferences;
  Matrix W = Matrix(3, 50);

  World() {
    lore::Rng rng(1);
    lore::Matrix<float> X(8, 400);
    X.setZero();
    for (Index j = 0; j < 400; ++j) X(j % 8, j) = j % 16 < 8 ? 1.0F : -1.0F;
    preferences.features = std::make_shared<const lore::Features>(
        lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
    preferences.user.assign(400, 0);
    preferences.users = 1;
    lore::fill_normal(rng, W);
  }
};

}  // namespace

TEST_CASE("Mixed columns are the same rewards; others agree as far as their directions overlap") {
  const World world;
  const auto comparisons = world.preferences.seen_train();
  const Matrix V = Matrix::Identity(8, 3);
  const auto model = model_of(V, world.W);
  Matrix mix(3, 3);
  mix << 1, 2, 0, 0, -1, 1, 0.5, 0, 3;
  const auto same =
      lore::agreement(model, model_of(V * mix, mix.inverse() * world.W), comparisons, lore::Serial{});
  CHECK(same.common == Approx(1));
  CHECK(same.personal == Approx(1));
  CHECK(same.subspace == Approx(1));
  CHECK(same.cosines.isApprox(lore::Vector<double>::Ones(3), 1e-6));
  CHECK(same.axes.isApprox(lore::Vector<double>::Ones(3), 1e-6));

  // The third column turned by an angle.
  Matrix turned = V;
  turned.col(2) = std::cos(0.6) * V.col(2) + std::sin(0.6) * Matrix::Identity(8, 8).col(5);
  const auto part = lore::agreement(model, model_of(turned, world.W), comparisons, lore::Serial{});
  CHECK(part.cosines(1) == Approx(1));
  CHECK(part.cosines(2) == Approx(std::cos(0.6)));
  // Weighted by use: the third row of W is what falls short.
  const Matrix centred = world.W.colwise() - world.W.rowwise().mean();
  const double third = centred.row(2).squaredNorm() / centred.squaredNorm();
  CHECK(part.subspace == Approx(1 - third * std::pow(std::sin(0.6), 2)).epsilon(0.02));
  CHECK(part.personal == Approx(1 - third * (1 - std::cos(0.6))));

  const auto apart = lore::agreement(model, model_of(Matrix::Identity(8, 8).rightCols(3), world.W),
                                     comparisons, lore::Serial{});
  CHECK(apart.personal == Approx(0).margin(1e-9));
  CHECK(apart.subspace == Approx(0).margin(1e-9));
  CHECK(apart.common == Approx(0).margin(1e-9));

  // Another's users: the same directions, other rewards.
  Matrix shuffled = world.W;
  for (Index i = 0; i < 50; ++i) shuffled.col(i) = world.W.col((i + 7) % 50);
  const auto exchanged = lore::agreement(model, model_of(V, shuffled), comparisons, lore::Serial{});
  CHECK(exchanged.subspace == Approx(1));
  CHECK(std::abs(exchanged.personal) < 0.3);
}

TEST_CASE("At rank 1 only what is common can agree") {
  const World world;
  const auto comparisons = world.preferences.seen_train();
  const auto a = model_of(Matrix::Identity(8, 1), Matrix::Ones(1, 50));
  const auto b = model_of(-2 * Matrix::Identity(8, 1), Matrix::Ones(1, 50));
  const auto found = lore::agreement(a, b, comparisons, lore::Serial{});
  CHECK(found.common == Approx(-1));
  CHECK(std::isnan(found.personal));
  CHECK(std::isnan(found.subspace));
  CHECK(found.axes.size() == 0);
}

TEST_CASE("Refits agree where the data decide, and do not where there is nothing to find") {
  lore::PlantedOptions options{.dimension = 10, .rank = 3, .seen_users = 80, .unseen_users = 0};
  options.seen_train = 80;
  options.seed = 2;
  const auto found_in = [](const lore::Preferences<>& preferences) {
    const auto train = preferences.seen_train();
    const auto fit = [](const lore::Comparisons<>& part, std::uint64_t seed) {
      return lore::JointFit<>{}(part, lore::Rank{3}, seed).model;
    };
    const auto model = fit(train, 0);
    const auto refits = lore::refit(train, 1, 2, 0, fit);
    REQUIRE(refits.seeds.size() == 1);
    REQUIRE(refits.folds.size() == 2);
    return lore::identifiability(model, refits, train, lore::Threads(2));
  };
  auto world = lore::simulate_planted(options).preferences;
  const auto clear = found_in(world);
  CHECK(clear.seeds.personal > 0.98);
  CHECK(clear.folds.personal > 0.9);
  CHECK(clear.parts.subspace > 0.8);
  CHECK(clear.parts.common > 0.9);
  CHECK(clear.folds.axes.size() >= 2);
  // Which of the two replies won is thrown: users have no taste.
  lore::Matrix<float> X(10, world.size());
  lore::Rng rng(8);
  for (Index j = 0; j < X.cols(); ++j) {
    world.features->load(j, X.col(j).data());
    if (lore::uniform01<double>(rng) < 0.5) X.col(j) *= -1;
  }
  world.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  const auto noise = found_in(world);
  CHECK(std::abs(noise.parts.personal) < 0.3);
  CHECK(noise.parts.subspace < clear.parts.subspace - 0.2);
}
