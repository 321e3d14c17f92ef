// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/solve/lbfgs.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Index;
using lore::Lbfgs;
using lore::Status;
using lore_test::Approx;
using lore_test::Of;
using lore_test::tolerance;

namespace {

struct Rosenbrock {
  int* calls = nullptr;
  template <class P>
  double operator()(const P& x, P& g) const {
    using S = typename P::Scalar;
    if (calls != nullptr) ++*calls;
    double value = 0;
    for (Index i = 0; i + 1 < x.size(); i += 2) {
      const S a = S(1) - x(i), b = x(i + 1) - x(i) * x(i);
      value += static_cast<double>(a * a + S(100) * b * b);
      g(i) = S(-2) * a - S(400) * x(i) * b;
      g(i + 1) = S(200) * b;
    }
    return value;
  }
};

/// sum_i c_i (x_i - t_i)^2 / 2 with c from 1 to `condition`.
template <class S>
struct Quadratic {
  lore::Vector<S> c, t;
  Quadratic(Index n, double condition) : c(n), t(n) {
    for (Index i = 0; i < n; ++i) {
      c[i] = static_cast<S>(std::pow(condition, static_cast<double>(i) / static_cast<double>(n - 1)));
      t[i] = S(i % 5) - S(2);
    }
  }
  double operator()(const lore::Vector<S>& x, lore::Vector<S>& g) const {
    g = c.cwiseProduct(x - t);
    return 0.5 * g.template cast<double>().dot((x - t).template cast<double>());
  }
};

}  // namespace

TEMPLATE_TEST_CASE("L-BFGS solves Rosenbrock's valley, as vector, matrix and fixed size", "", float, double) {
  using S = TestType;
  const Lbfgs solver{{.gradient_tolerance = std::is_same_v<S, float> ? 1e-4 : 1e-9}};
  lore::Vector<S> start(10);
  for (Index i = 0; i < 10; ++i) start[i] = i % 2 == 0 ? S(-1.2) : S(1);
  const auto vector = solver.minimize(Rosenbrock{}, start);
  CHECK(vector.status == Status::converged);
  CHECK((vector.x.array() - S(1)).abs().maxCoeff() < tolerance<S>(Of::solver));
  CHECK(vector.value < (std::is_same_v<S, float> ? 1e-8 : 1e-16));
  CHECK(vector.evaluations < 120);

  const auto matrix = solver.minimize(Rosenbrock{}, lore::Matrix<S>(start.reshaped(2, 5)));
  CHECK(matrix.status == Status::converged);
  CHECK(matrix.x.reshaped() == vector.x);  // the same numbers in another shape
  CHECK(matrix.iterations == vector.iterations);

  const auto fixed = solver.minimize(Rosenbrock{}, lore::Vector<S, 2>(S(-1.2), S(1)));
  CHECK(fixed.status == Status::converged);
  CHECK((fixed.x.array() - S(1)).abs().maxCoeff() < tolerance<S>(Of::solver));
}

TEST_CASE("L-BFGS reports what it really did") {
  int calls = 0;
  std::vector<lore::SolverProgress> seen;
  const auto result =
      Lbfgs{}.minimize(Rosenbrock{&calls}, Eigen::VectorXd::Zero(4),
                       [&](const lore::SolverProgress& progress) { seen.push_back(progress); });
  CHECK(result.evaluations == calls);
  REQUIRE(seen.size() == static_cast<std::size_t>(result.iterations) + 1);
  CHECK(seen.front().iteration == 0);
  CHECK(seen.front().value == 2.0);
  CHECK(seen.front().step == 0.0);
  CHECK(seen.back().value == result.value);
  CHECK(seen.back().evaluations == calls);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    CHECK(seen[i].value < seen[i - 1].value);
    CHECK(seen[i].step > 0.0);
  }
  Eigen::VectorXd g(4);
  CHECK(Rosenbrock{}(result.x, g) == result.value);
  CHECK(g == result.gradient);
  CHECK(result.gradient_norm == Approx(g.norm()));
}

TEMPLATE_TEST_CASE("L-BFGS copes with bad scaling", "", float, double) {
  using S = TestType;
  const double condition = std::is_same_v<S, float> ? 1e4 : 1e8;
  const Quadratic<S> f(50, condition);
  const Lbfgs solver{{.memory = 60,
                      .max_iterations = 5000,
                      .gradient_tolerance = 0,
                      .relative_gradient_tolerance = std::is_same_v<S, float> ? 1e-6 : 1e-13}};
  const auto result = solver.minimize(f, lore::Vector<S>::Zero(50));
  CHECK(result.status == Status::converged);
  CHECK((result.x - f.t).cwiseAbs().maxCoeff() < S(2e-2));
}

TEST_CASE("units of the value and of x do not change the path under relative tolerances") {
  const Lbfgs solver{{.gradient_tolerance = 0, .relative_gradient_tolerance = 1e-8}};
  const auto plain = solver.minimize(Rosenbrock{}, Eigen::VectorXd::Zero(6));
  auto scaled = [](const Eigen::VectorXd& x, Eigen::VectorXd& g) {
    const double value = Rosenbrock{}(x, g);
    g *= 0x1p40;
    return value * 0x1p40;
  };
  const auto result = solver.minimize(scaled, Eigen::VectorXd::Zero(6));
  CHECK(result.iterations == plain.iterations);
  CHECK((result.x - plain.x).norm() < 1e-12);
}

TEMPLATE_TEST_CASE("L-BFGS fits a logistic regression to its optimum", "", float, double) {
  using S = TestType;
  using P = lore::Vector<S>;
  lore::Rng rng(3);
  lore::Matrix<S> X(8, 300);
  lore::fill_normal(rng, X);
  X.row(0) *= S(30);
  const S lambda(0.5);
  auto f = [&](const P& w, P& g) {
    g = lambda * w;
    double value = 0.5 * static_cast<double>(lambda) * static_cast<double>(w.squaredNorm());
    for (Index j = 0; j < X.cols(); ++j) {
      const S sign = j % 3 == 0 ? S(-1) : S(1), margin = sign * X.col(j).dot(w);
      value += lore::softplus(-static_cast<double>(margin));
      g -= sign * lore::sigmoid(-margin) * X.col(j);
    }
    return value;
  };
  const Lbfgs solver{
      {.gradient_tolerance = 0, .relative_gradient_tolerance = std::is_same_v<S, float> ? 1e-6 : 1e-10}};
  const auto result = solver.minimize(f, P::Zero(8));
  CHECK((result.status == Status::converged || result.status == Status::stalled));
  if (std::is_same_v<S, double>) CHECK(result.status == Status::converged);
  CHECK(result.evaluations < 80);
  // The optimum is the only point whose value cannot be lowered along any coordinate.
  P ignored(8);
  for (Index i = 0; i < 8; ++i)
    for (const S h : {S(-0.05), S(0.05)}) {
      P moved = result.x;
      moved[i] += h;
      CHECK(f(moved, ignored) > result.value);
    }
}

TEST_CASE("a preconditioner that is the inverse Hessian takes a quadratic in a step or two") {
  const Quadratic<double> f(50, 1e8);
  const bool scaled = GENERATE(true, false);
  const Lbfgs solver{{.relative_gradient_tolerance = 1e-12, .scale_preconditioner = scaled}};
  const auto result = solver.minimize(f, Eigen::VectorXd::Zero(50), lore::NoObserver{},
                                      [&](Eigen::VectorXd& v) { v = v.cwiseQuotient(f.c); });
  CHECK(result.status == Status::converged);
  CHECK(result.iterations <= 2);

  // Wrong by a constant factor: the scaled form does not mind.
  const auto off = solver.minimize(f, Eigen::VectorXd::Zero(50), lore::NoObserver{},
                                   [&](Eigen::VectorXd& v) { v = 1e-3 * v.cwiseQuotient(f.c); });
  CHECK(off.status == Status::converged);
  if (scaled) CHECK(off.iterations <= 4);

  // Not positive definite: still a descent, by steepest descent.
  const Quadratic<double> easy(10, 5);
  const auto wrong = solver.minimize(easy, Eigen::VectorXd::Zero(10), lore::NoObserver{},
                                     [](Eigen::VectorXd& v) { v = -v; });
  CHECK(wrong.value < 1e-3);
}

TEST_CASE("L-BFGS leaves a non-convex start and finds a minimum") {
  // f = sum x^4/4 - x^2/2: a maximum at 0, minima at +-1.
  auto f = [](const Eigen::VectorXd& x, Eigen::VectorXd& g) {
    g = x.array().cube() - x.array();
    return (x.array().pow(4) / 4 - x.array().square() / 2).sum();
  };
  Eigen::VectorXd start(3);
  start << 0.01, -0.02, 0.3;
  const auto result = Lbfgs{{.gradient_tolerance = 1e-9}}.minimize(f, start);
  CHECK(result.status == Status::converged);
  CHECK((result.x.cwiseAbs().array() - 1).abs().maxCoeff() < 1e-8);
}

TEST_CASE("steps into regions without a value are shortened") {
  // -log barriers: NaN or infinite outside (0, inf); the start's first trial of length 1e6 lies far outside.
  const bool infinite = GENERATE(true, false);
  auto f = [&](const Eigen::VectorXd& x, Eigen::VectorXd& g) {
    if (x.minCoeff() <= 0) {
      g.setConstant(std::numeric_limits<double>::quiet_NaN());
      return infinite ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    }
    g = 1 - x.array().inverse();
    return (x.array() - x.array().log()).sum();
  };
  const auto result =
      Lbfgs{{.gradient_tolerance = 1e-9, .initial_step = 1e6}}.minimize(f, Eigen::VectorXd::Constant(3, 7.0));
  CHECK(result.status == Status::converged);
  CHECK((result.x.array() - 1).abs().maxCoeff() < 1e-8);

  const auto outside = Lbfgs{}.minimize(f, Eigen::VectorXd::Constant(3, -1.0));
  CHECK(outside.status == Status::not_finite);
  CHECK(outside.iterations == 0);
  CHECK(outside.evaluations == 1);
}

TEST_CASE("the line search survives first steps that are absurdly short or long") {
  const double first = GENERATE(1e-12, 1e-6, 1.0, 1e6, 1e12);
  CAPTURE(first);
  const auto result = Lbfgs{{.gradient_tolerance = 1e-8, .initial_step = first}}.minimize(
      Rosenbrock{}, Eigen::VectorXd::Zero(2));
  CHECK(result.status == Status::converged);
  CHECK(result.x[0] == Approx(1).epsilon(1e-6));
  CHECK(result.evaluations < 150);
}

TEST_CASE("accepted steps obey the strong Wolfe conditions") {
  // A function of one variable with many wiggles, More & Thuente's hard kind.
  auto f = [](const lore::Vector<double, 1>& x, lore::Vector<double, 1>& g) {
    g[0] = 2 * (x[0] - 3) + 6 * std::cos(8 * x[0]);
    return (x[0] - 3) * (x[0] - 3) + 0.75 * std::sin(8 * x[0]);
  };
  const double curvature = GENERATE(0.01, 0.1, 0.9);
  for (double start = -4; start < 10; start += 0.37) {
    std::vector<double> xs;
    const Lbfgs solver{{.max_iterations = 1, .wolfe_decrease = 1e-3, .wolfe_curvature = curvature}};
    static_cast<void>(solver.minimize(
        f, lore::Vector<double, 1>(start),
        [&](const lore::SolverProgress&, const lore::Vector<double, 1>& x) { xs.push_back(x[0]); }));
    if (xs.size() < 2) continue;
    lore::Vector<double, 1> g0, g1;
    const double f0 = f(lore::Vector<double, 1>(xs[0]), g0), f1 = f(lore::Vector<double, 1>(xs[1]), g1);
    CAPTURE(curvature, start, xs[1]);
    CHECK(f1 <= f0 + 1e-3 * (xs[1] - xs[0]) * g0[0] + 1e-12);
    CHECK(std::abs(g1[0]) <= curvature * std::abs(g0[0]) + 1e-12);
  }
}

TEST_CASE("every status is reached by the way it names") {
  const Eigen::VectorXd start = Eigen::VectorXd::Zero(8);
  CHECK(Lbfgs{{.max_iterations = 3}}.minimize(Rosenbrock{}, start).status == Status::iteration_limit);
  CHECK(Lbfgs{{.max_iterations = 0}}.minimize(Rosenbrock{}, start).iterations == 0);
  for (const Index limit : {1, 2, 5, 9}) {
    const auto limited = Lbfgs{{.max_evaluations = limit}}.minimize(Rosenbrock{}, start);
    CHECK(limited.status == Status::evaluation_limit);
    CHECK(limited.evaluations == limit);
  }
  const auto stopped = Lbfgs{}.minimize(
      Rosenbrock{}, start, [](const lore::SolverProgress& progress) { return progress.iteration == 4; });
  CHECK(stopped.status == Status::stopped);
  CHECK(stopped.iterations == 4);

  const auto flat =
      Lbfgs{{.gradient_tolerance = 0, .objective_tolerance = 1e-3}}.minimize(Rosenbrock{}, start);
  CHECK((flat.status == Status::converged || flat.value == 0));

  // No tolerance at all: goes on to the end of precision and says so.
  const auto worn =
      Lbfgs{{.gradient_tolerance = 0}}.minimize(Quadratic<float>(20, 1e3), lore::Vector<float>::Zero(20));
  CHECK((worn.status == Status::stalled || worn.gradient_norm == 0));
  CHECK(worn.iterations < 500);

  // A gradient of the wrong sign: no step lowers the value.
  auto lying = [](const Eigen::VectorXd& x, Eigen::VectorXd& g) {
    g = -x;
    return 0.5 * x.squaredNorm();
  };
  const auto stalled = Lbfgs{}.minimize(lying, Eigen::VectorXd::Ones(3));
  CHECK(stalled.status == Status::stalled);
  CHECK(stalled.x == Eigen::VectorXd::Ones(3));

  CHECK(Lbfgs{}.minimize(Rosenbrock{}, Eigen::VectorXd::Ones(4)).status == Status::converged);
  CHECK(Lbfgs{}.minimize(Rosenbrock{}, Eigen::VectorXd()).status == Status::converged);
  CHECK(lore::name_of(Status::evaluation_limit) == "evaluation limit");
}

TEST_CASE("exceptions of the objective pass through, and options are checked") {
  auto throwing = [](const Eigen::VectorXd&, Eigen::VectorXd&) -> double { throw 7; };
  CHECK_THROWS_AS(Lbfgs{}.minimize(throwing, Eigen::VectorXd::Ones(2)), int);
  const Eigen::VectorXd x = Eigen::VectorXd::Ones(2);
  CHECK_THROWS_AS((Lbfgs{{.memory = 0}}.minimize(Rosenbrock{}, x)), std::domain_error);
  CHECK_THROWS_AS((Lbfgs{{.max_evaluations = 0}}.minimize(Rosenbrock{}, x)), std::domain_error);
  CHECK_THROWS_AS((Lbfgs{{.gradient_tolerance = -1}}.minimize(Rosenbrock{}, x)), std::domain_error);
  CHECK_THROWS_AS((Lbfgs{{.wolfe_decrease = 0.95}}.minimize(Rosenbrock{}, x)), std::domain_error);
  CHECK_THROWS_AS((Lbfgs{{.wolfe_curvature = 1}}.minimize(Rosenbrock{}, x)), std::domain_error);
  STATIC_REQUIRE(lore::Minimizer<Lbfgs, Eigen::VectorXd>);
  STATIC_REQUIRE(lore::Minimizer<Lbfgs, Eigen::MatrixXf>);
}
