// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/model/basis.hpp"

#include <limits>
#include <stdexcept>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Basis;
using lore::Dynamic;
using lore::Index;
using lore::Matrix;
using lore::Vector;

TEMPLATE_TEST_CASE("projection of one embedding and of a batch agree with the sums", "[basis]", float,
                   double) {
  Matrix<TestType> V(3, 2);
  V << 1, -1, 2, 0, 3, 4;
  const Basis<TestType> basis(V);
  CHECK(basis.dimension() == 3);
  CHECK(basis.columns() == 2);
  Vector<TestType> e(3);
  e << 1, 10, 100;
  const Vector<TestType> z = basis.project(e);
  CHECK(z(0) == TestType(321));
  CHECK(z(1) == TestType(399));
  Matrix<TestType> E(3, 4);
  E << e, -e, 2 * e, Vector<TestType>::Zero(3);
  const Matrix<TestType> Z = basis.project_all(E);
  REQUIRE(Z.rows() == 2);
  REQUIRE(Z.cols() == 4);
  CHECK(Z.col(0).isApprox(z));
  CHECK(Z.col(1).isApprox(-z));
  CHECK(Z.col(3).isZero());
}

TEMPLATE_TEST_CASE("projection takes blocks, maps, expressions and rows of any storage order", "[basis]",
                   float, double) {
  lore::Rng rng = lore::make_rng(1);
  Matrix<TestType> V(4, 3);
  lore::fill_normal(rng, V);
  Matrix<TestType> E(4, 5);
  lore::fill_normal(rng, E);
  const Basis<TestType> dynamic(V);
  const Basis<TestType, 4, 3> fixed(V);
  const Basis<TestType, Dynamic, 3> ranked(V);
  const TestType tolerance = lore_test::tolerance<TestType>();
  const Vector<TestType> expected = V.transpose() * E.col(2);
  const auto agree = [&](const auto& basis) {
    CHECK(basis.project(E.col(2)).isApprox(expected, tolerance));
    CHECK(basis.project(E.block(0, 2, 4, 1)).isApprox(expected, tolerance));
    const Vector<TestType> copy = E.col(2);
    CHECK(basis.project(Eigen::Map<const Vector<TestType>>(copy.data(), 4)).isApprox(expected, tolerance));
    const Vector<TestType, 4> small = E.col(2);
    CHECK(basis.project(small).isApprox(expected, tolerance));
    CHECK(basis.project(E.col(2) + E.col(1) - E.col(1)).isApprox(expected, 10 * tolerance));
    const Eigen::Matrix<TestType, Dynamic, Dynamic, Eigen::RowMajor> rows = E;
    CHECK(basis.project(rows.col(2)).isApprox(expected, tolerance));
    CHECK(basis.project_all(rows).isApprox(basis.project_all(E), tolerance));
    CHECK(basis.project_all(E.middleCols(2, 1)).col(0).isApprox(expected, tolerance));
    CHECK(basis.project_all(E.leftCols(0)).cols() == 0);
  };
  agree(dynamic);
  agree(fixed);
  agree(ranked);
}

TEST_CASE("a basis refuses what is empty or not finite, and wrong shapes", "[basis]") {
  CHECK_THROWS_AS(Basis<float>(Matrix<float>(0, 2)), std::invalid_argument);
  CHECK_THROWS_AS(Basis<float>(Matrix<float>(2, 0)), std::invalid_argument);
  Matrix<double> V = Matrix<double>::Ones(3, 2);
  V(2, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(Basis<double>(V), "lore::Basis: V(2, 1): got nan, wanted a finite number");
  const Basis<double> basis(Matrix<double>::Ones(3, 2));
  CHECK_THROWS_WITH(basis.project(Vector<double>::Ones(2)), "lore::Basis::project: e: got 2, wanted 3");
  CHECK_THROWS_AS(basis.project(Matrix<double>::Ones(3, 2)), std::invalid_argument);
  CHECK_THROWS_AS(basis.project_all(Matrix<double>::Ones(2, 3)), std::invalid_argument);
  const Basis<double, 3, 2> fixed(Matrix<double>::Ones(3, 2));
  CHECK_THROWS_AS(fixed.project(Vector<double>::Ones(2)), std::invalid_argument);
}
