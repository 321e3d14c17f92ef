// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/solve/adam.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Index;
using lore::Status;
using lore_test::Approx;

TEST_CASE("Adam follows its published recursion, computed by hand") {
  // f(x) = x^2 / 2 from x = 1 with rate 0.1: the first step is rate * g / (|g| + epsilon).
  lore::AdamState<lore::Vector<double, 1>> state({.learning_rate = 0.1});
  lore::Vector<double, 1> x(1.0), g = x;
  state.step(x, g);
  CHECK(x[0] == Approx(1 - 0.1 * 1 / (1 + 1e-8)).epsilon(1e-15));
  // t = 2 with g = 0.9: m = 0.09 + 0.09, v = 0.000999 + 0.00081, corrected by 0.19 and 0.001999.
  g[0] = 0.9;
  const double before = x[0];
  state.step(x, g);
  const double m = (0.9 * 0.1 + 0.1 * 0.9) / 0.19, v = (0.999 * 0.001 + 0.001 * 0.81) / 0.001999;
  CHECK(x[0] == Approx(before - 0.1 * m / (std::sqrt(v) + 1e-8)).epsilon(1e-14));
  CHECK(state.steps() == 2);
}

TEMPLATE_TEST_CASE("Adam's first step has the learning rate's length in each coordinate, at any scale", "",
                   float, double) {
  using S = TestType;
  const S scale = GENERATE(S(1e-3), S(1), S(1e6));
  lore::Vector<S> x = lore::Vector<S>::Zero(3), g(3);
  g << S(2) * scale, S(-5) * scale, S(0);
  lore::AdamState<lore::Vector<S>> state({.learning_rate = 0.25});
  state.step(x, g);
  CHECK(x[0] == Approx(-0.25).epsilon(1e-4));
  CHECK(x[1] == Approx(0.25).epsilon(1e-4));
  CHECK(x[2] == S(0));
}

TEMPLATE_TEST_CASE("Adam steps matrices, blocks and columns alike", "", float, double) {
  using S = TestType;
  lore::Rng rng(1);
  lore::Matrix<S> V(4, 3), G(4, 3), all = lore::Matrix<S>::Zero(6, 5);
  lore::fill_normal(rng, V);
  all.block(1, 1, 4, 3) = V;
  lore::Matrix<S, 4, 3> fixed = V;
  lore::AdamState<lore::Matrix<S>> one({.learning_rate = 0.5}), two({.learning_rate = 0.5});
  lore::AdamState<lore::Matrix<S, 4, 3>> three({.learning_rate = 0.5});
  for (int t = 0; t < 5; ++t) {
    lore::fill_normal(rng, G);
    one.step(V, G);
    two.step(all.block(1, 1, 4, 3), G);
    three.step(fixed, G);
  }
  const S tolerance = lore_test::tolerance<S>(lore_test::Of::rounding);
  CHECK((all.block(1, 1, 4, 3) - V).cwiseAbs().maxCoeff() <= tolerance);
  CHECK((fixed - V).cwiseAbs().maxCoeff() <= tolerance);
  CHECK(all.row(0).isZero(S(0)));
  CHECK_THROWS_AS(one.step(V, lore::Matrix<S>::Zero(4, 2)), std::invalid_argument);
  lore::Matrix<S> other = lore::Matrix<S>::Zero(3, 3);
  CHECK_THROWS_AS(one.step(other, lore::Matrix<S>::Zero(3, 3)), std::invalid_argument);
}

TEMPLATE_TEST_CASE("Adam runs to a minimum and reports what it did", "", float, double) {
  using S = TestType;
  using P = lore::Vector<S>;
  auto f = [](const P& x, P& g) {
    const P centre = P::LinSpaced(x.size(), S(-1), S(1));
    g = x - centre;
    return 0.5 * static_cast<double>(g.squaredNorm());
  };
  const lore::Adam adam{.options = {.learning_rate = 0.05}, .iterations = 600};
  std::vector<double> values;
  const auto result = adam.minimize(
      f, P::Zero(4), [&](const lore::SolverProgress& progress) { values.push_back(progress.value); });
  CHECK(result.status == Status::iteration_limit);
  CHECK(result.iterations == 600);
  CHECK(result.evaluations == 601);
  CHECK((result.x - P::LinSpaced(4, S(-1), S(1))).norm() < S(1e-3));
  REQUIRE(values.size() == 601);
  CHECK(values.front() == Approx(0.5 * (2 + 2.0 / 9)).epsilon(1e-5));
  CHECK(values.back() == result.value);
}

TEST_CASE("Adam stops where the observer says, and at values that are not finite") {
  using P = Eigen::VectorXd;
  auto f = [](const P& x, P& g) {
    g = P::Ones(x.size());
    return x[0] < -0.35 ? std::numeric_limits<double>::quiet_NaN() : x.sum();
  };
  const lore::Adam adam{.options = {.learning_rate = 0.1}, .iterations = 50};
  const auto stopped = adam.minimize(
      f, P::Zero(2), [](const lore::SolverProgress& p, const P& x) { return p.iteration == 2 && x[0] < 0; });
  CHECK(stopped.status == Status::stopped);
  CHECK(stopped.iterations == 2);
  CHECK(stopped.x[0] == Approx(-0.2));
  const auto lost = adam.minimize(f, P::Zero(2));
  CHECK(lost.status == Status::not_finite);
  CHECK(lost.iterations == 4);
  const lore::Adam none{.options = {}, .iterations = 0};
  CHECK(none.minimize(f, P::Zero(2)).evaluations == 1);
}

TEST_CASE("Adam names the option that is out of range") {
  using State = lore::AdamState<Eigen::VectorXd>;
  CHECK_THROWS_AS(State({.learning_rate = 0}), std::domain_error);
  CHECK_THROWS_AS(State({.beta1 = 1}), std::domain_error);
  CHECK_THROWS_AS(State({.beta2 = -0.1}), std::domain_error);
  CHECK_THROWS_AS(State({.epsilon = std::nan("")}), std::domain_error);
  auto f = [](const Eigen::VectorXd& x, Eigen::VectorXd& g) {
    g = x;
    return 0.5 * x.squaredNorm();
  };
  const lore::Adam bad{.options = {}, .iterations = -1};
  CHECK_THROWS_AS(bad.minimize(f, Eigen::VectorXd::Ones(1)), std::domain_error);
  STATIC_REQUIRE(lore::Minimizer<lore::Adam, Eigen::MatrixXf>);
}
