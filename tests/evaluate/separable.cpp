// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/separable.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using Matrix = lore::Matrix<double>;

Matrix random(lore::Rng& rng, Index K, Index m) {
  Matrix Z(K, m);
  lore::fill_normal(rng, Z);
  return Z;
}

}  // namespace

TEST_CASE("Random choices are separable as often as Cover's count says") {
  // P = 2^(1-m) sum_{k<K} binomial(m-1, k)
  lore::Rng rng(3);
  for (const auto& [K, m] : {std::pair<Index, Index>{1, 3}, {2, 5}, {3, 6}, {5, 10}, {5, 14}}) {
    double expected = 0, term = std::pow(2.0, 1 - static_cast<double>(m));
    for (Index k = 0; k < K; ++k) {
      expected += term;
      term *= static_cast<double>(m - 1 - k) / static_cast<double>(k + 1);
    }
    int found = 0;
    constexpr int trials = 2000;
    for (int trial = 0; trial < trials; ++trial) found += lore::separable<double>(random(rng, K, m)) ? 1 : 0;
    const double deviation = std::sqrt(expected * (1 - expected) / trials);
    CAPTURE(K, m, found, expected);
    CHECK(std::abs(found / double(trials) - expected) < 4 * deviation);
  }
}

TEST_CASE("Comparisons that one reward made without noise are separable, and one contradiction ends it") {
  lore::Rng rng(5);
  for (int trial = 0; trial < 20; ++trial) {
    const lore::Vector<double> w = random(rng, 8, 1);
    Matrix Z = random(rng, 8, 300);
    for (Index j = 0; j < 300; ++j)
      if (Z.col(j).dot(w) < 0) Z.col(j) *= -1;
    CHECK(lore::separable<double>(Z));
    CHECK(lore::separable<float>(lore::Matrix<float>(1e-6F * Z.cast<float>())));  // units do not matter
    Z.col(299) = -3 * Z.col(7);
    CHECK_FALSE(lore::separable<double>(Z));
  }
}

TEST_CASE("No more comparisons than weights are separable; comparisons that say nothing do not count") {
  lore::Rng rng(7);
  Matrix Z = Matrix::Zero(4, 6);
  CHECK_FALSE(lore::separable<double>(Z));
  CHECK_FALSE(lore::separable<double>(Matrix(4, 0)));
  Z.leftCols(4) = random(rng, 4, 4);
  CHECK(lore::separable<double>(Z));
  Z.col(5) = Z.col(0);  // the same pair twice
  CHECK(lore::separable<double>(Z));
  Z(1, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(lore::separable<double>(Z), std::domain_error);
}
