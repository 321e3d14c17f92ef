// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>

#include "lore/core/types.hpp"

namespace lore {

/// log(1 + exp(t)) by branches: exact to rounding at any t, +-infinity included.
/// @cost one exponential, one logarithm
template <Real Scalar>
[[nodiscard]] Scalar softplus(Scalar t) noexcept {
  return t > 0 ? t + std::log1p(std::exp(-t)) : std::log1p(std::exp(t));
}

/// log sigma(t) = -softplus(-t).
template <Real Scalar>
[[nodiscard]] Scalar log_sigmoid(Scalar t) noexcept {
  return -softplus(-t);
}

/// sigma(t) = 1 / (1 + exp(-t)) by branches: keeps full relative precision for very negative t.
template <Real Scalar>
[[nodiscard]] Scalar sigmoid(Scalar t) noexcept {
  if (t >= 0) return Scalar(1) / (Scalar(1) + std::exp(-t));
  const Scalar e = std::exp(t);
  return e / (Scalar(1) + e);
}

/// w = softmax(a), shifted by the largest logit: no overflow at any finite logits; weights too small to
/// represent are exactly 0.
/// @param a  K >= 1 logits
/// @param w  K, written; sized by the caller; may be a block or map, and may be `a` itself
/// @cost O(K)
template <class A, Writable W>
void softmax(const Eigen::MatrixBase<A>& a, W&& w) {
  using Scalar = typename A::Scalar;
  const Scalar top = a.maxCoeff();
  w = (a.array() - top).unaryExpr([](Scalar t) { return std::exp(t); }).matrix();
  w /= w.sum();
}

/// Vector-Jacobian product of softmax: ga = w .* (gw - w'gw).
/// @param w   softmax(a)
/// @param gw  gradient with respect to w
/// @param ga  K, written: gradient with respect to a; may be a block or map, and may be `gw` itself
/// @cost O(K)
template <class W, class G, Writable Out>
void softmax_pullback(const Eigen::MatrixBase<W>& w, const Eigen::MatrixBase<G>& gw, Out&& ga) {
  using Scalar = typename W::Scalar;
  const Scalar mean = w.dot(gw);
  ga = (w.array() * (gw.array() - mean)).matrix();
}

}  // namespace lore
