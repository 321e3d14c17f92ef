// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/model/rotation.hpp"

#include <limits>
#include <stdexcept>

#include <Eigen/LU>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

struct World {
  Matrix V = Matrix(7, 3), W = Matrix(3, 200), X = Matrix(7, 300);
  Matrix Z;

  explicit World(std::uint64_t seed) {
    lore::Rng rng(seed);
    lore::fill_normal(rng, V);
    lore::fill_normal(rng, W);
    lore::fill_normal(rng, X);
    W.row(1) = 0.5 * W.row(1) + W.row(0);
    W.array() += 0.4;
    Z = V.transpose() * X;
  }
};

/// Kaiser's criterion: variance over users of the squared weights, summed over axes.
double simplicity(const Matrix& weights) {
  const Matrix squares = weights.cwiseAbs2();
  return (squares.colwise() - squares.rowwise().mean()).squaredNorm();
}

}  // namespace

TEST_CASE("Principal axes give the same rewards, uncorrelated, the largest first") {
  const World world(1);
  const auto axes = lore::principal_axes(world.V, world.W, world.Z);
  const Matrix rewards = (axes.directions * axes.weights).colwise() + axes.mean;
  CHECK((rewards - world.V * world.W).norm() < 1e-9);
  const Matrix C = axes.weights * axes.weights.transpose() / 200;
  CHECK((C - Matrix::Identity(3, 3)).norm() < 1e-9);
  const Matrix scores = axes.directions.transpose() * world.X;
  const Matrix S = scores * scores.transpose() / 300;
  CHECK((S - Matrix(S.diagonal().asDiagonal())).norm() < 1e-9 * S.norm());
  CHECK((S.diagonal() - axes.variance).norm() < 1e-9 * S.norm());
  for (Index k = 1; k < 3; ++k) CHECK(axes.variance(k) <= axes.variance(k - 1));
}

TEST_CASE("Axes do not depend on the order, signs or units of the columns") {
  const World world(2);
  Matrix T(3, 3);
  T << 0, 0, -2, 3, 0, 0, 0, 0.5, 0;
  const auto axes = lore::principal_axes(world.V, world.W, world.Z);
  const auto other = lore::principal_axes(world.V * T, T.inverse() * world.W, T.transpose() * world.Z);
  CHECK((axes.directions - other.directions).norm() < 1e-8);
  CHECK((axes.weights - other.weights).norm() < 1e-8);
}

TEST_CASE("Varimax keeps rewards, and finds users who each have one taste") {
  const World world(3);
  auto axes = lore::principal_axes(world.V, world.W, world.Z);
  const auto turned = lore::varimax(axes, axes.directions.transpose() * world.X);
  CHECK((turned.directions * turned.weights - axes.directions * axes.weights).norm() < 1e-9);
  CHECK(simplicity(turned.weights) >= simplicity(axes.weights) - 1e-9);
  CHECK((turned.weights * turned.weights.transpose() / 200 - Matrix::Identity(3, 3)).norm() < 1e-9);
  // Again changes nothing.
  const auto again = lore::varimax(turned, turned.directions.transpose() * world.X);
  CHECK((again.directions - turned.directions).norm() < 1e-6);

  // Everybody is moved by one of three rewards, as far as a normal variate says.
  lore::Rng rng(4);
  Matrix W = Matrix::Zero(3, 300);
  for (Index i = 0; i < 300; ++i)
    W(i % 3, i) = (i % 2 == 0 ? 1.0 : -1.0) * (1 + lore::uniform01<double>(rng));
  Matrix mix(3, 3);
  lore::fill_normal(rng, mix);
  const auto found =
      lore::principal_axes(world.V * mix.inverse(), mix * W, mix.inverse().transpose() * world.Z);
  const auto simple = lore::varimax(found, found.directions.transpose() * world.X);
  for (Index k = 0; k < 3; ++k) {
    double best = 0;
    for (Index l = 0; l < 3; ++l)
      best = std::max(best, std::abs(simple.directions.col(k).normalized().dot(world.V.col(l).normalized())));
    CHECK(best > 0.99);
  }
}

TEST_CASE("Users who agree leave no axes, and one that nobody uses is left out") {
  const World world(5);
  const auto none = lore::principal_axes(world.V, Matrix::Ones(3, 10), world.Z);
  CHECK(none.directions.cols() == 0);
  CHECK((none.mean - world.V.rowwise().sum()).norm() < 1e-12);
  Matrix W = world.W;
  W.row(2).setConstant(0.3);
  CHECK(lore::principal_axes(world.V, W, world.Z).directions.cols() == 2);
}

TEST_CASE("The comparisons that move a direction most come first") {
  const Vector scores = (Vector(5) << 1, -7, 3, 7, 0).finished();
  CHECK(lore::most_moved(scores, 3) == std::vector<Index>{1, 3, 2});
  CHECK(lore::most_moved(scores, 9).size() == 5);
  CHECK(lore::most_moved(scores, 0).empty());
  CHECK_THROWS_AS(lore::most_moved(scores, -1), std::domain_error);
}

TEST_CASE("Axes need parts that fit together") {
  const World world(6);
  CHECK_THROWS_AS(lore::principal_axes(world.V, Matrix::Ones(2, 4), world.Z), std::invalid_argument);
  CHECK_THROWS_AS(lore::principal_axes(world.V, world.W, Matrix(3, 0)), std::invalid_argument);
  CHECK_THROWS_AS(lore::principal_axes(world.V * std::numeric_limits<double>::infinity(), world.W, world.Z),
                  std::domain_error);
}
