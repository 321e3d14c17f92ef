// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/regularizer.hpp"

#include <limits>
#include <stdexcept>
#include <utility>

#include "lore/core/random.hpp"
#include "lore/solve/check_gradient.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

[[nodiscard]] Matrix random(Index rows, Index cols, std::uint64_t seed, double scale = 1) {
  lore::Rng rng(seed);
  Matrix out(rows, cols);
  lore::fill_normal(rng, out);
  return out * scale;
}

[[nodiscard]] lore::CosineTo<double> cosine_to(Vector reference, double alpha = 1) {
  return {alpha, std::move(reference)};
}

/// Value at full strength, the gradient thrown away.
template <class R>
[[nodiscard]] double value(const R& regularizer, const Matrix& V) {
  Matrix G = Matrix::Zero(V.rows(), V.cols());
  return regularizer.add(V, 1.0, G);
}

/// The gradient is right at several scales; it is added to what is there; both scale with the strength.
template <class R>
void check_regularizer(const R& regularizer) {
  static_assert(lore::Regularizer<R, double>);
  for (const double scale : {1.0, 1e-3, 1e3}) {
    CAPTURE(scale);
    const Matrix V = random(6, 3, 2, scale);
    const auto f = [&](const Matrix& x, Matrix& gradient) {
      gradient.setZero();
      return static_cast<double>(regularizer.add(x, 1.0, gradient));
    };
    lore::GradientCheckOptions options;
    options.step = 1e-3 * scale;
    CHECK(lore::check_gradient(f, V, options).agrees(1e-6));
    Matrix once = Matrix::Zero(6, 3), added = Matrix::Constant(6, 3, 5.0);
    const double full = regularizer.add(V, 1.0, once);
    const double part = regularizer.add(V, 0.3, added);
    CHECK(part == Approx(0.3 * full));
    CHECK((added - Matrix::Constant(6, 3, 5.0) - 0.3 * once).norm() <= 1e-12 * (5 + once.norm()));
    Matrix none = Matrix::Zero(6, 3);
    CHECK(regularizer.add(V, 0.0, none) == 0);
    CHECK(none.norm() == 0);
  }
}

}  // namespace

TEST_CASE("Regularisers state their gradients") {
  check_regularizer(lore::NoRegularizer{});
  check_regularizer(lore::Ridge{0.7});
  check_regularizer(lore::RidgeTo<double>{0.7, random(6, 1, 1)});
  check_regularizer(lore::ColumnRidge{0.5, 2});
  check_regularizer(lore::MarginScale{0.5, 2});
  check_regularizer(cosine_to(random(6, 1, 1), 4));
}

TEST_CASE("Ridges measure squared distance") {
  Matrix V(2, 2);
  V << 1, 2, 3, 4;
  CHECK(value(lore::NoRegularizer{}, V) == 0);
  CHECK(value(lore::Ridge{2}, V) == 30);
  const Vector center = Vector::Ones(2);
  CHECK(value(lore::RidgeTo<double>{2, center}, V) == 0 + 4 + 1 + 9);
  CHECK(value(lore::RidgeTo<double>{2, V.col(0)}, Matrix(V.leftCols(1))) == 0);
  CHECK(value(lore::ColumnRidge{2, 4}, V) == 10 + 40);
  CHECK(lore::ColumnRidge{2, 4}.curvature(0) == 2);
  CHECK(lore::ColumnRidge{2, 4}.curvature(3) == 4);
  CHECK_THROWS_AS(value(lore::RidgeTo<double>{2, Vector::Ones(3)}, V), std::invalid_argument);
}

TEST_CASE("The margin scale is the deviation of a margin under the prior, in any units") {
  const lore::MarginScale scale{2, 0.5};
  // V_k ~ N(0, 1 / lambda): x'V_k / tau has variance ||x||^2 / (lambda tau^2) = q^2.
  const auto ridge = scale.bound(7, 10);
  CHECK(7 / (ridge.first * 100) == Approx(4));
  CHECK(7 / (ridge.others * 100) == Approx(0.25));
  // Features times c, V over c: the same penalty.
  const Matrix V = random(5, 3, 3);
  CHECK(value(scale.bound(7 * 1e4, 10), V / 100) == Approx(value(ridge, V)));
  CHECK_THROWS_AS((lore::MarginScale{0, 1}.bound(1, 1)), std::domain_error);
  CHECK_THROWS_AS((lore::MarginScale{1, -1}.bound(1, 1)), std::domain_error);
}

TEST_CASE("The cosine penalty sees directions alone") {
  const Vector reference = 3 * Vector::Unit(2, 0);
  const auto cosine = cosine_to(reference, 10);
  Matrix V(2, 3);
  V << 5, 0, -1, 0, 2, 0;  // along, across, against
  CHECK(value(cosine, V) == Approx(10 * (0.0 + 1 + 2) / 3));
  CHECK(value(cosine, 1e-6 * V) == Approx(10));
  CHECK(value(cosine_to(7 * reference, 10), V) == Approx(10));
  // Along V itself nothing pulls.
  const Matrix W = random(2, 2, 4);
  Matrix G = Matrix::Zero(2, 2);
  static_cast<void>(cosine.add(W, 1.0, G));
  CHECK(std::abs(G.col(0).dot(W.col(0))) < 1e-12);
  CHECK(std::abs(G.col(1).dot(W.col(1))) < 1e-12);
}

TEST_CASE("Where the cosine is not defined it is an error, not NaN") {
  Matrix V = random(4, 2, 5);
  V.col(1).setZero();
  CHECK_THROWS_AS(value(cosine_to(Vector::Ones(4)), V), std::domain_error);
  V.col(1).setOnes();
  CHECK_THROWS_AS(value(cosine_to(Vector::Zero(4)), V), std::domain_error);
  CHECK_THROWS_AS(value(cosine_to(Vector::Ones(3)), V), std::invalid_argument);
  V(2, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(value(cosine_to(Vector::Ones(4)), V), std::domain_error);
}
