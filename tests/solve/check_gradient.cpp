// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/solve/check_gradient.hpp"

#include <cmath>
#include <limits>

#include "lore_catch.hpp"

using lore::HessianOf;
using lore::Index;
using lore_test::Approx;

namespace {

/// sum_ij exp(x_ij) sin(i + x_ij), with an error of `wrong` in the derivative at `where`.
template <class P>
struct Wavy {
  double wrong = 0;
  Index where = 0;
  double operator()(const P& x, P& g) const {
    double value = 0;
    for (Index k = 0; k < x.size(); ++k) {
      const auto t = static_cast<double>(x.data()[k]), phase = static_cast<double>(k) + t;
      value += std::exp(t) * std::sin(phase);
      const double slope = std::exp(t) * (std::sin(phase) + std::cos(phase));
      g.data()[k] = static_cast<typename P::Scalar>(slope * (k == where ? 1 + wrong : 1));
    }
    return value;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("correct gradients agree closely", "", float, double) {
  using S = TestType;
  const double tolerance = std::is_same_v<S, float> ? 2e-4 : 1e-9;
  using V = lore::Vector<S>;
  using M = lore::Matrix<S>;
  CHECK(lore::check_gradient(Wavy<V>{}, V::LinSpaced(9, S(-2), S(2))).agrees(tolerance));
  const auto matrix = lore::check_gradient(Wavy<M>{}, M::Constant(4, 3, S(0.3)));
  CHECK(matrix.agrees(tolerance));
  CHECK(matrix.checked == 12);
  using F = lore::Vector<S, 4>;
  CHECK(lore::check_gradient(Wavy<F>{}, F::Constant(S(1.5))).agrees(tolerance));
}

TEST_CASE("a wrong derivative is found and located") {
  using M = Eigen::MatrixXd;
  const auto report = lore::check_gradient(Wavy<M>{.wrong = 0.01, .where = 7}, M::Constant(4, 3, 0.3));
  CHECK_FALSE(report.agrees(1e-3));
  CHECK(report.row == 3);
  CHECK(report.column == 1);
  CHECK(report.max_relative_error == Approx(0.01).epsilon(0.02));
  CHECK(report.analytic == Approx(report.numeric * 1.01).epsilon(1e-6));
  CHECK(report.max_absolute_error == Approx(std::abs(report.analytic - report.numeric)));
}

TEST_CASE("large coordinates, own steps and samples of coordinates work") {
  using V = Eigen::VectorXd;
  auto square = [](const V& x, V& g) {
    g = 2 * x;
    return x.squaredNorm();
  };
  CHECK(lore::check_gradient(square, V::Constant(3, 1e6)).agrees(1e-6));
  CHECK(lore::check_gradient(square, V::Constant(3, 1e-6), {.step = 1e-8}).agrees(1e-6));
  const auto few = lore::check_gradient(square, V::LinSpaced(1000, -1, 1), {.max_coordinates = 10});
  CHECK(few.checked == 10);
  CHECK(few.agrees(1e-8));
  CHECK(lore::check_gradient(square, V()).checked == 0);
  CHECK_THROWS_AS(lore::check_gradient(square, V::Ones(2), {.step = -1}), std::domain_error);
}

TEST_CASE("values and derivatives that are not finite never agree") {
  using V = Eigen::VectorXd;
  auto broken = [](const V& x, V& g) {
    g = V::Ones(x.size());
    g[1] = std::numeric_limits<double>::quiet_NaN();
    return x.sum();
  };
  const auto report = lore::check_gradient(broken, V::Ones(3));
  CHECK_FALSE(report.agrees(1e6));
  CHECK(report.row == 1);
  CHECK(std::isinf(report.max_absolute_error));
}

TEST_CASE("Hessians are checked column by column, with their symmetry") {
  using P = lore::Vector<double, 2>;
  double cross = 0, skew = 0, gradient_error = 0;
  auto f = [&](const P& x, P& g, HessianOf<P>& H) {  // exp(x y)
    const double e = std::exp(x[0] * x[1]);
    g << x[1] * e * (1 + gradient_error), x[0] * e;
    H << x[1] * x[1] * e, (1 + x[0] * x[1]) * e + cross + skew, (1 + x[0] * x[1]) * e + cross,
        x[0] * x[0] * e;
    return e;
  };
  const P x(0.7, -1.3);
  CHECK(lore::check_hessian(f, x).agrees(1e-9));
  cross = 0.01;
  const auto wrong = lore::check_hessian(f, x);
  CHECK_FALSE(wrong.agrees(1e-3));
  CHECK(wrong.gradient.agrees(1e-9));
  CHECK(wrong.hessian.row != wrong.hessian.column);
  cross = 0;
  skew = 1e-3;
  CHECK(lore::check_hessian(f, x).asymmetry == Approx(1e-3));
  skew = 0;
  gradient_error = 1e-3;
  CHECK_FALSE(lore::check_hessian(f, x).gradient.agrees(1e-5));
}
