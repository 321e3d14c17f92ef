// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <concepts>
#include <type_traits>

#include <Eigen/Core>

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "lore needs Eigen 3.4 or newer"
#endif

namespace lore {

using Index = Eigen::Index;

/// A size that is known only at run time, for the dimension d and the rank K.
inline constexpr int Dynamic = Eigen::Dynamic;

/// What arithmetic is done in. Half precision is a storage format, never a scalar.
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

template <Real Scalar, int Rows = Dynamic, int Cols = Dynamic>
using Matrix = Eigen::Matrix<Scalar, Rows, Cols, Eigen::ColMajor>;

template <Real Scalar, int Rows = Dynamic>
using Vector = Eigen::Matrix<Scalar, Rows, 1>;

/// Arguments: any dense column-major block with unit inner stride binds without a copy.
/// A row-major matrix is copied silently; hand over its transpose where that matters.
template <Real Scalar, int Rows = Dynamic, int Cols = Dynamic>
using ConstMatrixRef = Eigen::Ref<const Matrix<Scalar, Rows, Cols>>;

template <Real Scalar, int Rows = Dynamic, int Cols = Dynamic>
using MatrixRef = Eigen::Ref<Matrix<Scalar, Rows, Cols>>;

template <Real Scalar, int Rows = Dynamic>
using ConstVectorRef = Eigen::Ref<const Vector<Scalar, Rows>>;

template <Real Scalar, int Rows = Dynamic>
using VectorRef = Eigen::Ref<Vector<Scalar, Rows>>;

/// Something to write into: a matrix, vector, map or block, the last two also as temporaries (`X.col(i)`).
template <class T>
concept Writable = std::derived_from<std::remove_cvref_t<T>, Eigen::DenseBase<std::remove_cvref_t<T>>> &&
    !std::is_const_v<std::remove_reference_t<T>>;

}  // namespace lore
