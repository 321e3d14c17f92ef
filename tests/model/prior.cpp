// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/model/prior.hpp"

#include <limits>
#include <stdexcept>

#include "lore_catch.hpp"

using lore::GaussianPrior;
using lore::Matrix;
using lore::Vector;

TEMPLATE_TEST_CASE("a sound prior passes, singular ones too", "[prior]", float, double) {
  GaussianPrior<TestType> prior{Vector<TestType>::Zero(3), Matrix<TestType>::Identity(3, 3)};
  CHECK_NOTHROW(prior.validate());
  CHECK(prior.size() == 3);
  prior.covariance.setZero();
  CHECK_NOTHROW(prior.validate());
  prior.covariance << 2, -1, -1, -1, 2, -1, -1, -1, 2;  // null vector of ones
  prior.covariance(0, 1) += 10 * std::numeric_limits<TestType>::epsilon();
  CHECK_NOTHROW(prior.validate());
  const GaussianPrior<TestType, 1> one{Vector<TestType, 1>::Ones(), Matrix<TestType, 1, 1>::Zero()};
  CHECK_NOTHROW(one.validate());
}

TEST_CASE("a prior that is none is refused", "[prior]") {
  const auto prior = [] {
    return GaussianPrior<double>{Vector<double>::Zero(2), Matrix<double>::Identity(2, 2)};
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(GaussianPrior<double>{}.validate(), std::invalid_argument);
  auto bad = prior();
  bad.covariance = Matrix<double>::Identity(3, 2);
  CHECK_THROWS_AS(bad.validate(), std::invalid_argument);
  bad.covariance = Matrix<double>::Identity(2, 3);
  CHECK_THROWS_AS(bad.validate(), std::invalid_argument);
  bad = prior();
  bad.mean(1) = nan;
  CHECK_THROWS_WITH(bad.validate(), "lore::GaussianPrior: mean(1, 0): got nan, wanted a finite number");
  bad = prior();
  bad.covariance(0, 1) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(bad.validate(), std::domain_error);
  bad = prior();
  bad.covariance(0, 1) = 0.5;
  CHECK_THROWS_AS(bad.validate(), std::domain_error);
  bad = prior();
  bad.covariance(1, 1) = -0.5;
  CHECK_THROWS_AS(bad.validate(), std::domain_error);
}
