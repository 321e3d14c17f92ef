// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <concepts>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// A penalty R on the basis V (d x K).
///   regularizer.add(V, strength, G)   adds strength * dR/dV to G and returns strength * R(V)
/// It may also offer
///   regularizer.curvature(k)          the second derivative along column k, which speeds a fit up
///   rotation_invariant = true         a constant: R(QV) = R(V) for orthonormal Q, and R is as curved as
///                                     curvature(k) at least, so that a fit may look for V in a subspace
///   regularizer.bound(s, tau)         the regulariser to use where mean ||x||^2 = s and the temperature is
///                                     tau
///   regularizer.start()               the column (d) that a fit of one column starts from; else zero
template <class R, class Scalar>
concept Regularizer = Real<Scalar> && std::copy_constructible<R> &&
    requires(const R& regularizer, const Matrix<Scalar>& V, Scalar strength, Matrix<Scalar>& G) {
  { regularizer.add(V, strength, G) } -> std::convertible_to<double>;
};

/// R = 0.
struct NoRegularizer {
  template <Real Scalar>
  double add(const Matrix<Scalar>&, Scalar, Matrix<Scalar>&) const noexcept {
    return 0;
  }
};

/// R(V) = (lambda / 2) ||V||^2.   @cost O(dK)
struct Ridge {
  static constexpr bool rotation_invariant = true;  ///< norms of columns alone count

  double lambda = 1;

  [[nodiscard]] double curvature(Index) const noexcept { return lambda; }

  template <Real Scalar>
  double add(const Matrix<Scalar>& V, Scalar strength, Matrix<Scalar>& G) const {
    const Scalar scale = strength * static_cast<Scalar>(lambda);
    G += scale * V;
    return 0.5 * static_cast<double>(scale) * static_cast<double>(V.squaredNorm());
  }
};

/// R(V) = (lambda / 2) sum_k ||V_k - center||^2: a ridge to the reference, center = c v_ref.
/// @throws std::invalid_argument from add() when center has not d entries   @cost O(dK)
template <Real Scalar>
struct RidgeTo {
  double lambda = 1;
  Vector<Scalar> center{};

  [[nodiscard]] double curvature(Index) const noexcept { return lambda; }

  double add(const Matrix<Scalar>& V, Scalar strength, Matrix<Scalar>& G) const {
    detail::check_size("RidgeTo", "center", center.size(), V.rows());
    const Scalar scale = strength * static_cast<Scalar>(lambda);
    double sum = 0;
    for (Index k = 0; k < V.cols(); ++k) {
      G.col(k) += scale * (V.col(k) - center);
      sum += static_cast<double>((V.col(k) - center).squaredNorm());
    }
    return 0.5 * static_cast<double>(scale) * sum;
  }
};

/// R(V) = (1/2) sum_k lambda_k ||V_k||^2, with one strength for the first column and one for the others.
struct ColumnRidge {
  static constexpr bool rotation_invariant = true;  ///< norms of columns alone count

  double first = 1;
  double others = 1;

  [[nodiscard]] double curvature(Index k) const noexcept { return k == 0 ? first : others; }

  template <Real Scalar>
  double add(const Matrix<Scalar>& V, Scalar strength, Matrix<Scalar>& G) const {
    double sum = 0;
    for (Index k = 0; k < V.cols(); ++k) {
      const Scalar scale = strength * static_cast<Scalar>(curvature(k));
      G.col(k) += scale * V.col(k);
      sum += static_cast<double>(scale) * static_cast<double>(V.col(k).squaredNorm());
    }
    return 0.5 * sum;
  }
};

/// A ridge in units of the data: lambda = mean ||x||^2 / (q tau)^2, where the prior margin scale q is the
/// standard deviation that a typical margin has under the prior. Multiplying all features by a constant
/// changes nothing.
struct MarginScale {
  double first = 1;   ///< q of the first column
  double others = 1;  ///< q of the other columns

  /// @throws std::domain_error unless both scales are finite and above 0
  [[nodiscard]] ColumnRidge bound(double mean_square, double temperature) const {
    detail::check_positive("MarginScale", "first", first);
    detail::check_positive("MarginScale", "others", others);
    const double unit = mean_square / (temperature * temperature);
    return {unit / (first * first), unit / (others * others)};
  }

  template <Real Scalar>
  double add(const Matrix<Scalar>& V, Scalar strength, Matrix<Scalar>& G) const {
    return ColumnRidge{1 / (first * first), 1 / (others * others)}.add(V, strength, G);
  }
};

/// R(V) = alpha mean_k (1 - cos(V_k, v_ref)): columns keep the reference's direction, their length is free.
/// @throws std::invalid_argument from add() when v_ref has not d entries; std::domain_error when v_ref or a
/// column is
///         zero, where the cosine is not defined   @cost O(dK)   @ref LoRe section 4.2
template <Real Scalar>
struct CosineTo {
  double alpha = 1;
  Vector<Scalar> reference{};

  [[nodiscard]] const Vector<Scalar>& start() const noexcept { return reference; }

  double add(const Matrix<Scalar>& V, Scalar strength, Matrix<Scalar>& G) const {
    detail::check_size("CosineTo", "reference", reference.size(), V.rows());
    const Scalar length = reference.norm();
    if (!(length > 0)) detail::raise_value("CosineTo", "length of the reference", length, "above 0");
    const Scalar scale = strength * static_cast<Scalar>(alpha) / static_cast<Scalar>(V.cols());
    double sum = 0;
    for (Index k = 0; k < V.cols(); ++k) {
      const Scalar norm = V.col(k).norm();
      if (!(norm > 0))
        detail::raise_value("CosineTo", "length of column " + detail::to_text(k), norm, "above 0");
      const Scalar cosine = V.col(k).dot(reference) / (norm * length);
      G.col(k) -= scale * (reference / (norm * length) - cosine / (norm * norm) * V.col(k));
      sum += 1.0 - static_cast<double>(cosine);
    }
    return static_cast<double>(scale) * sum;
  }
};

}  // namespace lore
