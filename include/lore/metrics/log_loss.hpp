// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <span>

#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"
#include "lore/metrics/user_scores.hpp"

namespace lore {

/// Log loss of predicted preferences, -log P(chosen beats rejected) = softplus(-z), in nats: mean by user,
/// then over users; `pooled` is the mean over all comparisons. log 2 = 0.693 is what a coin gets.
/// @param logits  n margins in units of the temperature: z = (reward of chosen - of rejected) / tau
/// @param offset  users + 1 positions (`Comparisons::offset`)
/// @throws std::invalid_argument when offset does not fit the logits; std::domain_error on a NaN
/// @cost O(n)
template <class Derived>
[[nodiscard]] UserScores log_loss(const Eigen::MatrixBase<Derived>& logits, std::span<const Index> offset) {
  return detail::score_users("log_loss", logits, offset, [](double z) { return softplus(-z); });
}

}  // namespace lore
