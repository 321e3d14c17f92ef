// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
// Eigen counts its own allocations only where this is defined before its first header.
#include "lore/solve/newton.hpp"

#include <cmath>
#include <limits>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/solve/adam.hpp"
#include "lore/solve/check_gradient.hpp"
#include "lore/solve/lbfgs.hpp"

#include "lore_catch.hpp"

using lore::HessianOf;
using lore::Index;
using lore::Newton;
using lore::Status;
using lore_test::Approx;
using lore_test::Of;
using lore_test::tolerance;

namespace {

/// Heap use by Eigen is an assertion failure while one of these lives.
struct NoMalloc {
  NoMalloc() { Eigen::internal::set_is_malloc_allowed(false); }
  ~NoMalloc() { Eigen::internal::set_is_malloc_allowed(true); }
};

/// sum_j softplus(-s_j x_j'w) + lambda |w|^2 / 2, with the data in fixed tables.
template <class P>
struct Logistic {
  using S = typename P::Scalar;
  lore::Matrix<S, 3, 40> X;
  S lambda;
  explicit Logistic(double ridge) : lambda(static_cast<S>(ridge)) {
    lore::Rng rng(5);
    lore::fill_normal(rng, X);
    for (Index j = 0; j < 40; j += 3) X.col(j) = -X.col(j);
    X.row(0).array() += S(0.5);
  }
  double operator()(const P& w, P& g, HessianOf<P>& H) const {
    g = lambda * w;
    H.setIdentity();
    H *= lambda;
    double value = 0.5 * static_cast<double>(lambda) * static_cast<double>(w.squaredNorm());
    for (Index j = 0; j < 40; ++j) {
      const S margin = X.col(j).dot(w), p = lore::sigmoid(-margin);
      value += lore::softplus(-static_cast<double>(margin));
      g -= p * X.col(j);
      const S curvature = p * (S(1) - p);
      for (Index c = 0; c < 3; ++c)
        for (Index r = 0; r < 3; ++r) H(r, c) += curvature * X(r, j) * X(c, j);
    }
    return value;
  }
};

/// x^4/4 - x^2/2 + y^2/2: a saddle at 0, minima at (+-1, 0).
struct DoubleWell {
  template <class P>
  double operator()(const P& x, P& g, HessianOf<P>& H) const {
    using S = typename P::Scalar;
    g << x[0] * x[0] * x[0] - x[0], x[1];
    H << S(3) * x[0] * x[0] - S(1), S(0), S(0), S(1);
    return static_cast<double>(x[0] * x[0] * (x[0] * x[0] / S(4) - S(0.5)) + x[1] * x[1] / S(2));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("Newton finds the optimum of a logistic regression in a few steps, in any size type", "",
                   float, double) {
  using S = TestType;
  using Fixed = lore::Vector<S, 3>;
  using Bounded = Eigen::Matrix<S, Eigen::Dynamic, 1, 0, 8, 1>;
  const auto fixed = Newton{}.minimize(Logistic<Fixed>(0.1), Fixed::Zero());
  CHECK(fixed.status == Status::converged);
  CHECK(fixed.iterations <= 8);
  CHECK_FALSE(fixed.indefinite);
  CHECK(fixed.modified == 0);
  CHECK(fixed.gradient.norm() < (std::is_same_v<S, float> ? S(1e-2) : S(1e-4)));

  const auto dynamic = Newton{}.minimize(Logistic<lore::Vector<S>>(0.1), lore::Vector<S>::Zero(3));
  const auto bounded = Newton{}.minimize(Logistic<Bounded>(0.1), Bounded::Zero(3));
  CHECK((dynamic.x - fixed.x).norm() < tolerance<S>(Of::solver));
  CHECK((bounded.x - fixed.x).norm() < tolerance<S>(Of::solver));

  // Far away the curvature has vanished and a full step would overshoot by orders of magnitude.
  const auto far = Newton{}.minimize(Logistic<Fixed>(0.1), Fixed(S(60), S(-60), S(40)));
  CHECK(far.status == Status::converged);
  CHECK((far.x - fixed.x).norm() < tolerance<S>(Of::solver));
}

TEST_CASE("the returned value, gradient and Hessian belong to the returned point") {
  using P = lore::Vector<double, 3>;
  const Logistic<P> f(0.3);
  int calls = 0;
  auto counted = [&](const P& x, P& g, HessianOf<P>& H) {
    ++calls;
    return f(x, g, H);
  };
  Index last = -1;
  const auto result = Newton{}.minimize(counted, P::Constant(2.0), [&](const lore::SolverProgress& progress) {
    CHECK(progress.iteration == last + 1);
    last = progress.iteration;
  });
  P g;
  HessianOf<P> H;
  CHECK(f(result.x, g, H) == result.value);
  CHECK(g == result.gradient);
  CHECK(H == result.hessian);
  CHECK(result.evaluations == calls);
  CHECK(result.iterations == last);
}

TEMPLATE_TEST_CASE("Newton leaves indefinite starts, and exact saddle points", "", float, double) {
  using S = TestType;
  using P = lore::Vector<S, 2>;
  for (const P& start : {P(S(0.1), S(1)), P(S(-0.3), S(-2)), P(S(0), S(3)), P(S(0), S(0))}) {
    const auto result = Newton{}.minimize(DoubleWell{}, start);
    CAPTURE(start[0], start[1]);
    CHECK(result.status == Status::converged);
    CHECK(std::abs(result.x[0]) == Approx(1).epsilon(1e-3));
    CHECK(std::abs(result.x[1]) < S(1e-3));
    CHECK(result.modified > 0);
    CHECK_FALSE(result.indefinite);
  }
}

TEMPLATE_TEST_CASE("Newton accepts flat directions, and says that the Hessian is singular", "", float,
                   double) {
  using S = TestType;
  using P = lore::Vector<S, 2>;
  auto valley = [](const P& x, P& g, HessianOf<P>& H) {  // depends on x + y alone
    const S t = x[0] + x[1] - S(3);
    g << t, t;
    H.setOnes();
    return 0.5 * static_cast<double>(t * t);
  };
  const auto result = Newton{}.minimize(valley, P(S(10), S(-4)));
  CHECK(result.status == Status::converged);
  CHECK(result.x.sum() == Approx(3).epsilon(1e-3));
  CHECK(result.x[0] - result.x[1] == Approx(14).epsilon(1e-3));  // nothing moves along the valley

  auto constant = [](const P&, P& g, HessianOf<P>& H) {
    g.setZero();
    H.setZero();
    return 4.0;
  };
  const auto flat = Newton{}.minimize(constant, P(S(1), S(2)));
  CHECK(flat.status == Status::converged);
  CHECK(flat.indefinite);
  CHECK(flat.iterations == 0);

  auto slope = [](const P& x, P& g, HessianOf<P>& H) {  // unbounded, no curvature
    g << S(1), S(0);
    H.setZero();
    return static_cast<double>(x[0]);
  };
  const auto endless = Newton{{.max_iterations = 5}}.minimize(slope, P(S(0), S(0)));
  CHECK(endless.status == Status::iteration_limit);
  CHECK(endless.x.allFinite());
  CHECK(endless.value < 0);
}

TEST_CASE("Newton copes with huge gradients and with trials that have no value") {
  using P = lore::Vector<double, 1>;
  // x - log x, NaN for x <= 0; from 5 the Newton step lands at -15.
  auto barrier = [](const P& x, P& g, HessianOf<P>& H) {
    if (!(x[0] > 0)) return std::numeric_limits<double>::quiet_NaN();
    g[0] = 1 - 1 / x[0];
    H(0, 0) = 1 / (x[0] * x[0]);
    return x[0] - std::log(x[0]);
  };
  const auto inside = Newton{}.minimize(barrier, P(5.0));
  CHECK(inside.status == Status::converged);
  CHECK(inside.x[0] == Approx(1).epsilon(1e-6));
  CHECK(Newton{}.minimize(barrier, P(-1.0)).status == Status::not_finite);

  auto steep = [](const P& x, P& g, HessianOf<P>& H) {  // exp(x) - x from 300: gradient 1e130
    const double e = std::exp(x[0]);
    g[0] = e - 1;
    H(0, 0) = e;
    return e - x[0];
  };
  const auto down = Newton{{.max_iterations = 400}}.minimize(steep, P(300.0));
  CHECK(down.status == Status::converged);
  CHECK(std::abs(down.x[0]) < 1e-5);
}

TEST_CASE("Newton's statuses and options") {
  using P = lore::Vector<double, 3>;
  const Logistic<P> f(0.1);
  CHECK(Newton{{.max_iterations = 1}}.minimize(f, P::Constant(5)).status == Status::iteration_limit);
  const auto stopped = Newton{}.minimize(f, P::Constant(5), [](const lore::SolverProgress& p, const P& x) {
    return p.iteration == 2 && x.allFinite();
  });
  CHECK(stopped.status == Status::stopped);
  CHECK(stopped.iterations == 2);
  auto lying = [](const P& x, P& g, HessianOf<P>& H) {
    g = -x;
    H.setIdentity();
    return 0.5 * x.squaredNorm();
  };
  CHECK(Newton{}.minimize(lying, P::Ones()).status == Status::stalled);
  CHECK_THROWS_AS((Newton{{.decrease = 0.7}}.minimize(f, P::Zero())), std::domain_error);
  CHECK_THROWS_AS((Newton{{.tolerance = -1}}.minimize(f, P::Zero())), std::domain_error);
  CHECK_THROWS_AS((Newton{{.max_step = 0}}.minimize(f, P::Zero())), std::domain_error);
}

TEST_CASE("a problem of no variables is solved already") {
  auto f = [](const auto&, auto&, auto&) { return 2.5; };
  const auto dynamic = Newton{}.minimize(f, Eigen::VectorXd(0));
  CHECK(dynamic.status == Status::converged);
  CHECK(dynamic.value == 2.5);
  const auto fixed = Newton{}.minimize(f, lore::Vector<double, 0>());
  CHECK(fixed.status == Status::converged);
}

TEMPLATE_TEST_CASE("Newton allocates nothing when the size is fixed or bounded", "", float, double) {
  using S = TestType;
  using Fixed = lore::Vector<S, 3>;
  using Bounded = Eigen::Matrix<S, Eigen::Dynamic, 1, 0, 8, 1>;
  const Logistic<Fixed> f(0.1);
  const Logistic<Bounded> g(0.1);
  const Fixed zero = Fixed::Zero();
  const Bounded start = Bounded::Constant(3, S(20));
  const lore::Vector<S, 2> saddle(S(0), S(0));
  Status statuses[3];
  {
    const NoMalloc guard;
    statuses[0] = Newton{}.minimize(f, zero).status;
    statuses[1] = Newton{}.minimize(g, start).status;
    statuses[2] = Newton{}.minimize(DoubleWell{}, saddle).status;  // the eigenvalue path
  }
  for (const Status status : statuses) CHECK(status == Status::converged);
}

TEMPLATE_TEST_CASE("L-BFGS and Adam allocate nothing once they run", "", float, double) {
  using S = TestType;
  using P = lore::Matrix<S>;
  auto f = [](const P& x, P& g) {
    g = x.array().cube() + x.array() - S(0.3);
    return static_cast<double>(
        (x.array().square().square() / S(4) + x.array().square() / S(2) - S(0.3) * x.array()).sum());
  };
  const P start = P::Constant(40, 3, S(2));
  Index iterations = 0;
  const lore::Lbfgs solver{{.memory = 3, .max_iterations = 25, .gradient_tolerance = 0}};
  const auto watch = [&](const lore::SolverProgress& progress) {
    iterations = progress.iteration;
    Eigen::internal::set_is_malloc_allowed(false);  // from the starting point on
  };
  const auto quasi = solver.minimize(f, start, watch, [](P& v) { v *= S(0.5); });
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(iterations > 4);
  CHECK(quasi.gradient_norm < 1e-2);

  const lore::Adam adam{.options = {.learning_rate = 0.1}, .iterations = 10};
  const auto late = [&](const lore::SolverProgress& progress) {
    if (progress.iteration > 0) Eigen::internal::set_is_malloc_allowed(false);
  };
  const auto first_order = adam.minimize(f, start, late);
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(first_order.iterations == 10);
}

TEST_CASE("the tests' own Hessians are right") {
  using P = lore::Vector<double, 3>;
  CHECK(lore::check_hessian(Logistic<P>(0.2), P(0.3, -1, 2)).agrees(1e-7));
  CHECK(lore::check_hessian(DoubleWell{}, lore::Vector<double, 2>(0.4, -1)).agrees(1e-7));
}
