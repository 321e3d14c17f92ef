// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// A Gaussian on a user's K parameters: logits (simplex) or (1, delta) (signed). The covariance is K x K and
/// lives in the map's directions: its null space holds the vector of ones (simplex) or the first axis
/// (signed).
template <Real Scalar, int K = Dynamic>
struct GaussianPrior {
  Vector<Scalar, K> mean;
  Matrix<Scalar, K, K> covariance;

  [[nodiscard]] Index size() const noexcept { return mean.size(); }

  /// @throws std::invalid_argument when empty or on a shape mismatch; std::domain_error on an entry that is
  /// not finite, a negative variance or a covariance that is not symmetric
  void validate() const {
    if (mean.size() < 1) detail::raise_shape("GaussianPrior", "mean", mean.size(), "at least 1 entry");
    detail::check_size("GaussianPrior", "rows of covariance", covariance.rows(), mean.size());
    detail::check_size("GaussianPrior", "columns of covariance", covariance.cols(), mean.size());
    detail::check_finite("GaussianPrior", "mean", mean);
    detail::check_finite("GaussianPrior", "covariance", covariance);
    const Scalar scale = covariance.cwiseAbs().maxCoeff();
    const Scalar skew = (covariance - covariance.transpose()).cwiseAbs().maxCoeff();
    if (skew > Scalar(1e-4) * scale)
      detail::raise_value("GaussianPrior", "covariance", "a matrix that is not symmetric", "a symmetric one");
    // Rounding may leave a variance in the null space a little below zero.
    const Scalar lowest = covariance.diagonal().minCoeff();
    if (lowest < -Scalar(1e-4) * scale)
      detail::raise_value("GaussianPrior", "smallest variance", lowest, "0 or above");
  }
};

}  // namespace lore
