// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/solve/anderson.hpp"

#include <cmath>

#include "lore_catch.hpp"

using lore::Index;
using Vector = lore::Vector<double>;

TEST_CASE("Mixed images reach fixed points that plain iteration misses or crawls to") {
  // g(x) = A x + b, with b such that x = (1, .., 1) is the fixed point; -1.5 makes plain iteration diverge.
  const Vector eigenvalues = (Vector(5) << -1.5, 0.9, 0.3, -0.2, 0).finished();
  lore::detail::Anderson mixing;
  mixing.start(5);
  Vector x = Vector::LinSpaced(5, 4, -3), next(5);
  const auto iterate = [&](int steps) {
    double residual = 0;
    for (int step = 0; step < steps; ++step) {
      Eigen::Map<Vector> image(mixing.image(), 5);
      image = Vector::Ones(5) + eigenvalues.cwiseProduct(x - Vector::Ones(5));
      Eigen::Map<Vector>(mixing.residual(), 5) = image - x;
      residual = mixing.mix(next);
      x = next;
    }
    return std::sqrt(residual);
  };
  CHECK(iterate(60) < 1e-8);
  CHECK((x - Vector::Ones(5)).norm() < 1e-7);
  mixing.start(5);
  x.setConstant(7);
  CHECK(iterate(60) < 1e-8);
}

TEST_CASE("A fixed point is left alone, and one step alone is a plain one") {
  lore::detail::Anderson mixing;
  Vector next(2);
  mixing.start(2);
  Eigen::internal::set_is_malloc_allowed(false);
  for (int step = 0; step < 5; ++step) {
    mixing.image()[0] = 3;
    mixing.image()[1] = -1;
    mixing.residual()[0] = mixing.residual()[1] = step == 0 ? 2 : 0;
    CHECK(mixing.mix(next) == (step == 0 ? 8 : 0));
    CHECK(next(0) == 3);
    CHECK(next(1) == -1);
  }
  Eigen::internal::set_is_malloc_allowed(true);
}
