// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>

#include "lore/core/types.hpp"

namespace lore::detail {

/// Anderson acceleration of depth two: where a fixed-point iteration x <- g(x) goes to the last image g(x),
/// this goes to that affine combination of the last three whose residuals g(x) - x cancel best. It damps
/// oscillations, stretches slow approaches and needs no derivative. The caller fills image() and residual(),
/// the latter in units that make its entries comparable, and calls mix().
/// @cost O(n) a step; nothing is allocated for the n met last   @ref Walker & Ni 2011
class Anderson {
 public:
  /// Begins an iteration on n numbers.
  void start(Index n) {
    images_.setZero(n, 3);
    residuals_.setZero(n, 3);
    restart();
  }

  /// Forgets what was seen.
  void restart() noexcept { seen_ = 0; }

  [[nodiscard]] double* image() noexcept { return images_.col(seen_ % 3).data(); }        ///< n
  [[nodiscard]] double* residual() noexcept { return residuals_.col(seen_ % 3).data(); }  ///< n

  /// Writes the next x to `next`.   @return the squared norm of the residual
  [[gnu::noinline]] double mix(Vector<double>& next) {
    const Index now = seen_ % 3, last = (seen_ + 2) % 3, older = (seen_ + 1) % 3;
    for (const Index other : {now, last, older})
      products_(now, other) = products_(other, now) = residuals_.col(now).dot(residuals_.col(other));
    ++seen_;
    // The shares s of the two images before that make |r - s_1 (r - r_1) - s_2 (r - r_2)| smallest.
    const double r = products_(now, now);
    const double p = r - products_(now, last), q = r - products_(now, older);
    const double a = p - products_(now, last) + products_(last, last);
    const double b = q - products_(now, older) + products_(older, older);
    const double c = p - products_(now, older) + products_(last, older);
    const double determinant = a * b * (1 + 1e-8) - c * c;
    double one = seen_ > 2 ? (p * b - q * c) / determinant : p / a;
    double two = seen_ > 2 ? (q * a - p * c) / determinant : 0;
    if (seen_ < 2 || !std::isfinite(one + two)) one = two = 0;
    next = (1 - one - two) * images_.col(now) + one * images_.col(last) + two * images_.col(older);
    return r;
  }

 private:
  Matrix<double> images_, residuals_;                             ///< n x 3, the latest at seen_ % 3
  Matrix<double, 3, 3> products_ = Matrix<double, 3, 3>::Zero();  ///< of the residuals
  Index seen_ = 0;
};

}  // namespace lore::detail
