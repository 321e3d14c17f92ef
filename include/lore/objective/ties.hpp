// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>

#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/objective/loss.hpp"

namespace lore {

namespace detail {

/// -log P(low < t + e < high) with e logistic: -log(sigma(t - low) - sigma(t - high)). As sigma(x) - sigma(y)
/// = sigma(x) sigma(-y) (1 - exp(y - x)), two Bradley-Terry terms and a constant, without cancellation;
/// convex in t, and in (low, high). high may be infinite.
template <Real Scalar>
[[nodiscard]] LossTerms<Scalar> interval_loss(Scalar t, Scalar low, Scalar high) {
  LossTerms<Scalar> terms = BradleyTerry{}(t - low);
  if (!std::isfinite(high)) return terms;
  const LossTerms<Scalar> above = BradleyTerry{}(high - t);
  terms.value += above.value - std::log(-std::expm1(low - high));
  terms.slope -= above.slope;
  terms.curvature += above.curvature;
  return terms;
}

}  // namespace detail

/// Ties by Davidson: with Z = exp(t/2) + exp(-t/2) + nu,
///   P(chosen wins) = exp(t/2) / Z,   P(tie) = nu / Z.
/// nu = 0 is Bradley-Terry, and between replies of equal worth a tie has the probability nu / (2 + nu).
/// Convex.
/// @throws std::domain_error from the constructor unless nu is finite and 0 or above
/// @ref Davidson 1970
class Davidson {
 public:
  static constexpr bool convex = true, self_concordant = true;

  Davidson() : Davidson(1) {}
  explicit Davidson(double nu) : nu_(nu) { detail::check_non_negative("Davidson", "nu", nu); }

  [[nodiscard]] double nu() const noexcept { return nu_; }
  [[nodiscard]] bool reads_ties() const noexcept { return nu_ > 0; }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    return (*this)(margin, Answer{});
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const noexcept {
    // Everything over exp(|t|/2), so that nothing overflows.
    const Scalar size = std::abs(margin), e = std::exp(-size / 2), tied = static_cast<Scalar>(nu_) * e;
    const Scalar rest = e * e + tied, log_sum = std::log1p(rest), sum = Scalar(1) + rest;
    const Scalar large = Scalar(1) / sum, small = e * e / sum, tie = tied / sum;
    const Scalar win = margin >= 0 ? large : small, loss = margin >= 0 ? small : large;
    const Scalar curvature = large * small + tie * (large + small) / 4;
    if (answer.outcome == Outcome::tie)
      return {log_sum + size / 2 - std::log(static_cast<Scalar>(nu_)), (win - loss) / 2, curvature};
    return {log_sum + (margin < 0 ? size : Scalar(0)), -loss - tie / 2, curvature};
  }

 private:
  double nu_;
};

/// Ties by Rao and Kupper: the margin plus logistic noise is called a tie where it is closer to 0 than log
/// theta,
///   P(chosen wins) = sigma(t - log theta),   P(tie) = sigma(t + log theta) - sigma(t - log theta).
/// theta = 1 is Bradley-Terry; between replies of equal worth a tie has the probability (theta - 1) / (theta
/// + 1). Convex. `Ordinal` is the same with grades of strength.
/// @throws std::domain_error from the constructor unless theta is finite and 1 or above
/// @ref Rao & Kupper 1967
class RaoKupper {
 public:
  static constexpr bool convex = true, self_concordant = true;

  RaoKupper() : RaoKupper(2) {}
  explicit RaoKupper(double theta) : theta_(theta), threshold_(std::log(theta)) {
    if (!(theta >= 1) || !std::isfinite(theta))
      detail::raise_value("RaoKupper", "theta", theta, "a finite number, 1 or above");
  }

  [[nodiscard]] double theta() const noexcept { return theta_; }
  [[nodiscard]] bool reads_ties() const noexcept { return threshold_ > 0; }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    return (*this)(margin, Answer{});
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const noexcept {
    const auto threshold = static_cast<Scalar>(threshold_);
    if (answer.outcome == Outcome::tie) return detail::interval_loss(margin, -threshold, threshold);
    return BradleyTerry{}(margin - threshold);
  }

 private:
  double theta_, threshold_;
};

}  // namespace lore
