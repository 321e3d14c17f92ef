// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <span>

#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"
#include "lore/metrics/user_scores.hpp"

namespace lore {

/// Brier score of predicted preferences, (1 - P(chosen beats rejected))^2 with P = sigma(z), between 0 and 1:
/// mean by user, then over users; `pooled` is the mean over all comparisons. A coin gets 0.25.
/// @param logits  n margins in units of the temperature: z = (reward of chosen - of rejected) / tau
/// @param offset  users + 1 positions (`Comparisons::offset`)
/// @throws std::invalid_argument when offset does not fit the logits; std::domain_error on a NaN
/// @cost O(n)   @ref Brier 1950
template <class Derived>
[[nodiscard]] UserScores brier_score(const Eigen::MatrixBase<Derived>& logits,
                                     std::span<const Index> offset) {
  return detail::score_users("brier_score", logits, offset, [](double z) {
    const double miss = sigmoid(-z);  // 1 - sigma(z) without cancellation
    return miss * miss;
  });
}

}  // namespace lore
