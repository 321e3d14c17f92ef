// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/solve/problem.hpp"

#include <string>
#include <vector>

#include "lore_catch.hpp"

using lore::Status;

namespace {

/// A solver of one's own: plain gradient descent.
struct Descent {
  template <class F, class Derived, class O>
  auto minimize(F&& f, const Eigen::MatrixBase<Derived>& start, O&&) const {
    using P = typename Derived::PlainObject;
    lore::Minimum<P> at{.x = start, .gradient = start};
    at.value = f(at.x, at.gradient);
    at.evaluations = 1;
    return at;
  }
};

struct NotASolver {};

}  // namespace

TEST_CASE("concepts tell points, objectives and solvers") {
  STATIC_REQUIRE(lore::Point<Eigen::VectorXd>);
  STATIC_REQUIRE(lore::Point<Eigen::MatrixXf>);
  STATIC_REQUIRE(lore::Point<lore::Vector<double, 3>>);
  STATIC_REQUIRE(!lore::Point<Eigen::Matrix<float, 3, 4, Eigen::RowMajor>>);
  STATIC_REQUIRE(!lore::Point<Eigen::VectorXi>);
  STATIC_REQUIRE(!lore::Point<double>);
  STATIC_REQUIRE(!lore::Point<std::vector<double>>);
  STATIC_REQUIRE(lore::Objective<double (*)(const Eigen::VectorXd&, Eigen::VectorXd&), Eigen::VectorXd>);
  STATIC_REQUIRE(!lore::Objective<double (*)(const Eigen::VectorXd&), Eigen::VectorXd>);
  STATIC_REQUIRE(lore::Minimizer<Descent, Eigen::VectorXd>);
  STATIC_REQUIRE(!lore::Minimizer<NotASolver, Eigen::VectorXd>);
}

TEST_CASE("every status has a name of its own") {
  std::vector<std::string> names;
  for (const Status status : {Status::converged, Status::iteration_limit, Status::evaluation_limit,
                              Status::stopped, Status::stalled, Status::not_finite}) {
    const std::string name(lore::name_of(status));
    CHECK(name != "unknown");
    for (const auto& other : names) CHECK(name != other);
    names.push_back(name);
  }
}

TEST_CASE("inner products of float points are taken in double") {
  // 1e8 + 1 - 1e8: lost in float, kept in double.
  lore::Vector<float> a(3), b(3);
  a << 1e4F, 1.0F, -1e4F;
  b << 1e4F, 1.0F, 1e4F;
  CHECK(lore::detail::dot(a, b) == 1.0);
  for (const lore::Index n : {0, 1, 7, 8, 9, 31}) {
    const lore::Vector<double> x = lore::Vector<double>::LinSpaced(n, 1, 2);
    CHECK(lore::detail::dot(x, x) == lore_test::Approx(x.squaredNorm()));
  }
}
