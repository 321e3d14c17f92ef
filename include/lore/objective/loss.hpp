// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>

#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// A loss at one margin, in nats, with its first and second derivative with respect to the margin.
template <Real Scalar>
struct LossTerms {
  Scalar value;
  Scalar slope;
  Scalar curvature;
};

/// What a comparison costs as a function of its margin t = x' V w / tau (positive when the chosen reply
/// wins).
///   loss(t)   LossTerms at t; pure, callable from several threads, any finite t
template <class L, class Scalar>
concept PairwiseLoss = Real<Scalar> && std::copy_constructible<L> && requires(const L& loss, Scalar margin) {
  { loss(margin) } -> std::same_as<LossTerms<Scalar>>;
};

/// Bradley-Terry: -log sigma(t) = softplus(-t).   @cost one exponential, one logarithm   @ref Bradley & Terry
/// 1952
struct BradleyTerry {
  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    const Scalar e = std::exp(-std::abs(margin));
    const Scalar small = e / (Scalar(1) + e);  // sigma(-|t|)
    return {std::log1p(e) + std::max(-margin, Scalar(0)), margin >= 0 ? -small : small - Scalar(1),
            small * (Scalar(1) - small)};
  }

  /// The same for an array of margins, in vector code: value, slope and curvature are written.
  template <class T, class Out>
  void array(const Eigen::MatrixBase<T>& margin, Out&& value, Out&& slope, Out&& curvature) const {
    using Scalar = typename T::Scalar;
    const Scalar one(1), zero(0);
    curvature.array() = (-margin.array().abs()).exp();
    value.array() = curvature.array().log1p() + (-margin.array()).max(zero);
    curvature.array() = curvature.array() / (one + curvature.array());
    slope.array() = (margin.array() >= zero).select(-curvature.array(), curvature.array() - one);
    curvature.array() *= one - curvature.array();
  }

  /// The same without values, at half the cost.
  template <class T, class Out>
  void array_derivatives(const Eigen::MatrixBase<T>& margin, Out&& slope, Out&& curvature) const {
    using Scalar = typename T::Scalar;
    const Scalar one(1), zero(0);
    curvature.array() = (-margin.array().abs()).exp();
    curvature.array() = curvature.array() / (one + curvature.array());
    slope.array() = (margin.array() >= zero).select(-curvature.array(), curvature.array() - one);
    curvature.array() *= one - curvature.array();
  }
};

/// A Bradley-Terry judge who records the opposite of the preference with probability `flip`:
/// -log((1 - flip) sigma(t) + flip sigma(-t)). Bounded slope, so careless answers cannot dominate; not
/// convex.
/// @throws std::domain_error from the constructor unless 0 <= flip < 1/2
class LabelNoise {
 public:
  explicit LabelNoise(double flip) : flip_(flip) {
    if (!(flip >= 0) || !(flip < 0.5))
      detail::raise_value("LabelNoise", "flip", flip, "0 or above, below 0.5");
  }

  [[nodiscard]] double flip() const noexcept { return flip_; }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    const auto flip = static_cast<Scalar>(flip_);
    const Scalar e = std::exp(-std::abs(margin));
    const Scalar large = Scalar(1) / (Scalar(1) + e), small = e / (Scalar(1) + e);
    const Scalar p = margin >= 0 ? large : small;            // sigma(t)
    const Scalar q = margin >= 0 ? small : large;            // sigma(-t)
    const Scalar noisy = flip + (Scalar(1) - 2 * flip) * p;  // P(recorded as chosen)
    const Scalar reach =
        flip > 0 ? (Scalar(1) - 2 * flip) * p / noisy : Scalar(1);  // share of it that is not noise
    const Scalar slope = -reach * q;
    const Scalar value = flip > 0 ? -std::log(noisy) : softplus(-margin);
    return {value, slope, slope * slope - reach * q * (q - p)};
  }

 private:
  double flip_;
};

namespace detail {

/// Loss terms of many margins at once; a loss may offer `array(t, value, slope, curvature)`, and
/// `array_derivatives(t, slope, curvature)` beside it, with vector code.
template <class Loss, class T, class Out>
void evaluate_losses(const Loss& loss, const T& t, Out&& value, Out&& slope, Out&& curvature) {
  if constexpr (requires { loss.array(t, value, slope, curvature); }) {
    loss.array(t, value, slope, curvature);
  } else {
    for (Index j = 0; j < t.size(); ++j) {
      const LossTerms<typename T::Scalar> terms = loss(t(j));
      value(j) = terms.value;
      slope(j) = terms.slope;
      curvature(j) = terms.curvature;
    }
  }
}

/// Slopes and curvatures alone; `value` is scratch.
template <class Loss, class T, class Out>
void evaluate_loss_derivatives(const Loss& loss, const T& t, Out&& value, Out&& slope, Out&& curvature) {
  if constexpr (requires { loss.array_derivatives(t, slope, curvature); }) {
    loss.array_derivatives(t, slope, curvature);
  } else {
    evaluate_losses(loss, t, value, slope, curvature);
  }
}

}  // namespace detail
}  // namespace lore
