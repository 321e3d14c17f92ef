// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "lore/core/compiled.hpp"
#include "lore/core/types.hpp"

#ifndef LORE_COMPILED_ELSEWHERE
#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>
#endif

/// Dense algebra that fits and reports need. All of Eigen's decompositions are here, each compiled once.
namespace lore::detail {

/// Overwrites the lower triangle of A with L, A = L L'. @return false, A then being spoilt, unless every
/// pivot is positive beyond rounding
template <class M>
[[nodiscard]] bool cholesky_in_place(M& A) noexcept {
  using Scalar = typename M::Scalar;
  const Index n = A.rows();
  const Scalar rounding = static_cast<Scalar>(n) * std::numeric_limits<Scalar>::epsilon();
  for (Index j = 0; j < n; ++j) {
    const Scalar before = A(j, j);
    Scalar pivot = before;
    for (Index k = 0; k < j; ++k) pivot -= A(j, k) * A(j, k);
    if (!(pivot > rounding * before)) return false;
    const Scalar root = std::sqrt(pivot);
    A(j, j) = root;
    for (Index i = j + 1; i < n; ++i) {
      Scalar sum = A(i, j);
      for (Index k = 0; k < j; ++k) sum -= A(i, k) * A(j, k);
      A(i, j) = sum / root;
    }
  }
  return true;
}

/// x = (L L')^-1 x for the factor that `cholesky_in_place` left.
template <class M, class P>
void cholesky_solve(const M& L, P& x) noexcept {
  const Index n = L.rows();
  for (Index i = 0; i < n; ++i) {
    for (Index k = 0; k < i; ++k) x[i] -= L(i, k) * x[k];
    x[i] /= L(i, i);
  }
  for (Index i = n; i-- > 0;) {
    for (Index k = i + 1; k < n; ++k) x[i] -= L(k, i) * x[k];
    x[i] /= L(i, i);
  }
}

/// Eigenvalues of the symmetric A on its diagonal, eigenvectors in the columns of Q, by cyclic Jacobi
/// rotations: short, accurate and free of allocation, for the sizes met here. @ref Golub & Van Loan 2013,
/// section 8.5
template <class M>
void jacobi_eigen(M& A, M& Q) noexcept {
  using Scalar = typename M::Scalar;
  const Index n = A.rows();
  Q.setIdentity();
  const Scalar small = std::numeric_limits<Scalar>::epsilon() * A.cwiseAbs().maxCoeff();
  for (int sweep = 0; sweep < 60; ++sweep) {
    bool rotated = false;
    for (Index p = 0; p < n; ++p)
      for (Index q = p + 1; q < n; ++q) {
        if (!(std::abs(A(p, q)) > Scalar(0.1) * small)) continue;
        rotated = true;
        const Scalar theta = (A(q, q) - A(p, p)) / (Scalar(2) * A(p, q));
        const Scalar t = std::copysign(Scalar(1), theta) / (std::abs(theta) + std::hypot(theta, Scalar(1)));
        const Scalar c = Scalar(1) / std::hypot(t, Scalar(1)), s = t * c;
        for (Index k = 0; k < n; ++k) {
          const Scalar left = A(k, p), right = A(k, q);
          A(k, p) = c * left - s * right;
          A(k, q) = s * left + c * right;
        }
        for (Index k = 0; k < n; ++k) {
          const Scalar up = A(p, k), down = A(q, k);
          A(p, k) = c * up - s * down;
          A(q, k) = s * up + c * down;
          const Scalar left = Q(k, p), right = Q(k, q);
          Q(k, p) = c * left - s * right;
          Q(k, q) = s * left + c * right;
        }
        A(p, q) = A(q, p) = Scalar(0);
      }
    if (!rotated) return;
  }
}

/// A B. One compiled product serves matrices, blocks and maps of all callers: Eigen would compile one for
/// every combination of types. For small ones `lazyProduct` is lighter.
template <Real Scalar>
[[nodiscard, gnu::noinline]] Matrix<Scalar> times(const ConstMatrixRef<Scalar>& A,
                                                  const ConstMatrixRef<Scalar>& B);

/// A' B
template <Real Scalar>
[[nodiscard, gnu::noinline]] Matrix<Scalar> transposed_times(const ConstMatrixRef<Scalar>& A,
                                                             const ConstMatrixRef<Scalar>& B);

/// A B'
template <Real Scalar>
[[nodiscard, gnu::noinline]] Matrix<Scalar> times_transposed(const ConstMatrixRef<Scalar>& A,
                                                             const ConstMatrixRef<Scalar>& B);

/// C = H^-1 for a symmetric positive definite H, which is spoilt, by H = L D L'.
/// @return log det H; NaN, C being left alone, unless H is positive definite   @cost n^3 / 2
template <class Lazy = void>
[[gnu::noinline]] double invert_positive(Matrix<double>& H, Matrix<double>& C);

/// x = H^-1 x for a symmetric positive definite H.
template <class Lazy = void>
void solve_positive(const Matrix<double>& H, Vector<double>& x);

/// Eigenpairs of a symmetric positive semidefinite matrix.
struct PositiveEigen {
  Vector<double> values;   ///< descending, >= 0
  Matrix<double> vectors;  ///< orthonormal columns in the same order
};

/// @param A  n x n, symmetric, no eigenvalue below 0 beyond rounding   @cost O(n^3)
template <class Lazy = void>
[[nodiscard, gnu::noinline]] PositiveEigen eigen_of_positive(const Matrix<double>& A);

/// Columns of Y made orthonormal by Cholesky, twice. Y may be close to rank deficient.
template <class Lazy = void>
[[nodiscard, gnu::noinline]] Matrix<double> orthonormalised(Matrix<double> Y);

/// Descending.
template <class Lazy = void>
[[nodiscard]] Vector<double> singular_values(const Matrix<double>& A);

/// R of A = Q R for an A with more rows than columns.
template <class Lazy = void>
[[nodiscard]] Matrix<double> triangular_factor(const Matrix<double>& A);

/// The x that makes |A x - b| smallest, by QR with column pivoting.
template <class Lazy = void>
[[nodiscard]] Vector<double> least_squares(const Matrix<double>& A, const Vector<double>& b);

#ifndef LORE_COMPILED_ELSEWHERE

template <Real Scalar>
Matrix<Scalar> times(const ConstMatrixRef<Scalar>& A, const ConstMatrixRef<Scalar>& B) {
  return A * B;
}

template <Real Scalar>
Matrix<Scalar> transposed_times(const ConstMatrixRef<Scalar>& A, const ConstMatrixRef<Scalar>& B) {
  return A.transpose() * B;
}

template <Real Scalar>
Matrix<Scalar> times_transposed(const ConstMatrixRef<Scalar>& A, const ConstMatrixRef<Scalar>& B) {
  return A * B.transpose();
}

template <class Lazy>
double invert_positive(Matrix<double>& H, Matrix<double>& C) {
  const Index n = H.rows();
  const double rounding = static_cast<double>(n) * std::numeric_limits<double>::epsilon();
  double log_determinant = 0, product = 1;
  for (Index j = 0; j < n; ++j) {  // L below the diagonal, D^-1 on it, D L' above
    const double before = H(j, j);
    double pivot = before;
    for (Index k = 0; k < j; ++k) pivot -= H(j, k) * H(k, j);
    if (!(pivot > rounding * before)) return std::numeric_limits<double>::quiet_NaN();
    product *= pivot;
    if (j % 8 == 7 || j + 1 == n) {
      log_determinant += std::log(product);
      product = 1;
    }
    const double inverse = 1 / pivot;
    H(j, j) = inverse;
    for (Index i = j + 1; i < n; ++i) {
      double sum = H(i, j);
      for (Index k = 0; k < j; ++k) sum -= H(i, k) * H(k, j);
      H(j, i) = sum;
      H(i, j) = sum * inverse;
    }
  }
  C.resize(n, n);
  for (Index j = 0; j < n; ++j) {  // L^-1 in the place of L, D^-1 L^-1 in that of D L', transposed
    for (Index i = j + 1; i < n; ++i) {
      double sum = -H(i, j);
      for (Index k = j + 1; k < i; ++k) sum -= H(i, k) * H(k, j);
      H(i, j) = sum;
    }
  }
  for (Index b = 0; b < n; ++b)
    for (Index i = b + 1; i < n; ++i) H(b, i) = H(i, b) * H(i, i);
  for (Index a = 0; a < n; ++a)
    for (Index b = a; b < n; ++b) {
      double sum = a == b ? H(b, b) : H(b, a) * H(b, b);
      for (Index i = b + 1; i < n; ++i) sum += H(b, i) * H(i, a);
      C(a, b) = C(b, a) = sum;
    }
  return log_determinant;
}

template <class Lazy>
void solve_positive(const Matrix<double>& H, Vector<double>& x) {
  Eigen::LLT<Matrix<double>>(H).solveInPlace(x);
}

template <class Lazy>
PositiveEigen eigen_of_positive(const Matrix<double>& A) {
  const Eigen::SelfAdjointEigenSolver<Matrix<double>> eigen(A);
  return {eigen.eigenvalues().reverse().cwiseMax(0.0), eigen.eigenvectors().rowwise().reverse()};
}

template <class Lazy>
Matrix<double> orthonormalised(Matrix<double> Y) {
  for (int round = 0; round < 2; ++round) {
    for (Index k = 0; k < Y.cols(); ++k) {
      const double norm = Y.col(k).norm();
      if (norm > 0) Y.col(k) /= norm;
    }
    Matrix<double> gram = transposed_times<double>(Y, Y);
    gram.diagonal().array() += 1e-13 * static_cast<double>(Y.cols());
    const Eigen::LLT<Matrix<double>> factor(gram);
    factor.matrixL().transpose().template solveInPlace<Eigen::OnTheRight>(Y);
  }
  return Y;
}

template <class Lazy>
Vector<double> singular_values(const Matrix<double>& A) {
  return Eigen::JacobiSVD<Matrix<double>>(A).singularValues();
}

template <class Lazy>
Matrix<double> triangular_factor(const Matrix<double>& A) {
  return A.householderQr().matrixQR().topRows(A.cols()).template triangularView<Eigen::Upper>();
}

template <class Lazy>
Vector<double> least_squares(const Matrix<double>& A, const Vector<double>& b) {
  return Eigen::ColPivHouseholderQR<Matrix<double>>(A).solve(b);
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Matrix<float> times(const ConstMatrixRef<float>&, const ConstMatrixRef<float>&);
LORE_COMPILED_TEMPLATE Matrix<double> times(const ConstMatrixRef<double>&, const ConstMatrixRef<double>&);
LORE_COMPILED_TEMPLATE Matrix<float> transposed_times(const ConstMatrixRef<float>&,
                                                      const ConstMatrixRef<float>&);
LORE_COMPILED_TEMPLATE Matrix<double> transposed_times(const ConstMatrixRef<double>&,
                                                       const ConstMatrixRef<double>&);
LORE_COMPILED_TEMPLATE Matrix<float> times_transposed(const ConstMatrixRef<float>&,
                                                      const ConstMatrixRef<float>&);
LORE_COMPILED_TEMPLATE Matrix<double> times_transposed(const ConstMatrixRef<double>&,
                                                       const ConstMatrixRef<double>&);
LORE_COMPILED_TEMPLATE double invert_positive<>(Matrix<double>&, Matrix<double>&);
LORE_COMPILED_TEMPLATE void solve_positive<>(const Matrix<double>&, Vector<double>&);
LORE_COMPILED_TEMPLATE PositiveEigen eigen_of_positive<>(const Matrix<double>&);
LORE_COMPILED_TEMPLATE Matrix<double> orthonormalised<>(Matrix<double>);
LORE_COMPILED_TEMPLATE Vector<double> singular_values<>(const Matrix<double>&);
LORE_COMPILED_TEMPLATE Matrix<double> triangular_factor<>(const Matrix<double>&);
LORE_COMPILED_TEMPLATE Vector<double> least_squares<>(const Matrix<double>&, const Vector<double>&);
#endif

}  // namespace lore::detail
