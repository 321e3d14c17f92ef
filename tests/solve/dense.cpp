// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/solve/dense.hpp"

#include <cmath>

#include <Eigen/LU>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using Matrix = lore::Matrix<double>;

Matrix random_matrix(Index rows, Index columns, std::uint64_t seed) {
  lore::Rng rng = lore::make_rng(seed);
  Matrix out(rows, columns);
  lore::fill_normal(rng, out);
  return out;
}

}  // namespace

TEST_CASE("the inverse of a positive matrix and its log determinant", "[dense]") {
  for (const Index n : {1, 2, 7, 8, 9, 40}) {
    const Matrix B = random_matrix(n, n + 3, static_cast<std::uint64_t>(n));
    const Matrix A = B * B.transpose();
    Matrix spoilt = A, inverse;
    const double log_determinant = lore::detail::invert_positive(spoilt, inverse);
    CHECK((A * inverse - Matrix::Identity(n, n)).norm() < 1e-8 * A.norm() * inverse.norm());
    CHECK(inverse == inverse.transpose());
    CHECK(std::abs(log_determinant - std::log(A.determinant())) < 1e-8 * (1 + std::abs(log_determinant)));
  }
}

TEST_CASE("a matrix that is not positive definite has no inverse and leaves the old one alone", "[dense]") {
  const Matrix before = Matrix::Constant(2, 2, 3.0);
  Matrix indefinite(2, 2), singular = Matrix::Ones(3, 3), inverse = before;
  indefinite << 1, 2, 2, 1;
  CHECK(std::isnan(lore::detail::invert_positive(indefinite, inverse)));
  CHECK(inverse == before);
  CHECK(std::isnan(lore::detail::invert_positive(singular, inverse)));
}

TEST_CASE("columns made orthonormal span what they spanned, or more where they depend on each other",
          "[dense]") {
  const Matrix Y = random_matrix(50, 7, 3);
  const Matrix Q = lore::detail::orthonormalised(Y);
  CHECK((Q.transpose() * Q - Matrix::Identity(7, 7)).norm() < 1e-10);
  CHECK((Q * (Q.transpose() * Y) - Y).norm() < 1e-9 * Y.norm());
}

TEST_CASE("eigenpairs of positive semidefinite matrices, descending", "[dense]") {
  for (const Index n : {1, 3, 20, 104}) {
    const Index rank = (n + 1) / 2;
    const Matrix B = random_matrix(n, rank, static_cast<std::uint64_t>(n));
    const Matrix A = B * B.transpose();
    const lore::detail::PositiveEigen eigen = lore::detail::eigen_of_positive(A);
    CHECK((eigen.vectors.transpose() * eigen.vectors - Matrix::Identity(n, n)).norm() < 1e-11);
    CHECK((eigen.vectors * eigen.values.asDiagonal() * eigen.vectors.transpose() - A).norm() <
          1e-11 * A.norm());
    CHECK(eigen.values.minCoeff() >= 0);
    for (Index k = 1; k < n; ++k) CHECK(eigen.values(k) <= eigen.values(k - 1));
    if (n > rank) CHECK(eigen.values.tail(n - rank).maxCoeff() < 1e-11 * A.norm());
  }
  const lore::detail::PositiveEigen nothing = lore::detail::eigen_of_positive(Matrix::Zero(3, 3));
  CHECK(nothing.values.maxCoeff() == 0);
}
