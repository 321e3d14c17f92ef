// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

namespace detail {

/// @throws std::invalid_argument unless v is one column of `wanted` entries
template <class Derived>
void check_column(std::string_view function, std::string_view argument, const Eigen::MatrixBase<Derived>& v,
                  Index wanted) {
  static_assert(Derived::ColsAtCompileTime == 1 || Derived::ColsAtCompileTime == Dynamic,
                "a column vector is wanted here: transpose() a row");
  check_size(function, argument, v.rows(), wanted);
  if (v.cols() != 1) [[unlikely]]
    raise_shape(function, std::string("columns of ").append(argument), v.cols(), 1);
}

}  // namespace detail

/// The basis V (d x K) that all users share; column k is one reward direction. A reward is e' V w.
/// d and K may be fixed or `Dynamic`.
template <Real Scalar, int D = Dynamic, int K = Dynamic>
class Basis {
 public:
  using scalar_type = Scalar;
  static constexpr int dimension_at_compile_time = D;
  static constexpr int rank_at_compile_time = K;

  Basis() = default;

  /// @param V  d x K, finite, at least one row and one column
  /// @throws std::invalid_argument when empty; std::domain_error on NaN or infinity
  explicit Basis(Matrix<Scalar, D, K> V) : V_(std::move(V)) {
    if (V_.rows() < 1) detail::raise_shape("Basis", "rows of V", V_.rows(), "at least 1");
    if (V_.cols() < 1) detail::raise_shape("Basis", "columns of V", V_.cols(), "at least 1");
    detail::check_finite("Basis", "V", V_);
  }

  [[nodiscard]] Index dimension() const noexcept { return V_.rows(); }  ///< d
  [[nodiscard]] Index columns() const noexcept { return V_.cols(); }    ///< K, and 1 for the reference reward
  [[nodiscard]] const Matrix<Scalar, D, K>& matrix() const noexcept { return V_; }

  /// z = V' e, the K scores of one embedding (or of one difference).
  /// @param e  d: a vector, block, map or expression of the same scalar
  /// @throws std::invalid_argument on a shape mismatch   @cost O(dK)
  template <class Derived>
  [[nodiscard]] Vector<Scalar, K> project(const Eigen::MatrixBase<Derived>& e) const {
    detail::check_column("Basis::project", "e", e, dimension());
    return V_.transpose() * e;
  }

  /// Z = V' E, the scores of a batch, one column an embedding.
  /// @param E  d x n: a matrix, block, map or expression of the same scalar, in either storage order
  /// @return K x n   @throws std::invalid_argument on a shape mismatch   @cost O(dKn)
  template <class Derived>
  [[nodiscard]] Matrix<Scalar, K, Dynamic> project_all(const Eigen::MatrixBase<Derived>& E) const {
    detail::check_size("Basis::project_all", "rows of E", E.rows(), dimension());
    return V_.transpose() * E;
  }

 private:
  Matrix<Scalar, D, K> V_;
};

}  // namespace lore
