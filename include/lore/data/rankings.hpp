// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/features.hpp"
#include "lore/data/preferences.hpp"

namespace lore {

/// Replies that a user put in order: items[0] is the best, items[1] the best of the rest, and so on for the
/// first `places`; the items after those are known to be worse and no more. places = 1 is a best of n.
struct Ranking {
  Index user = 0;
  std::vector<Index> items;                          ///< 2 or more rows of a table, all different
  Index places = std::numeric_limits<Index>::max();  ///< >= 1; items.size() - 1 and above: all in order
  Partition partition = Partition::seen_train;
};

/// Rankings as comparisons: place k is a choice of items[k] among it and all after it, so n replies in order
/// give n - 1 choices of n - 1, n - 2, .. 1 comparisons. Each ranking is a group of its own, so that splits
/// and folds keep it whole.
/// @param table  one embedding a column   @param users  ids are 0 .. users-1, each with a ranking
/// @throws std::domain_error on fewer than two items, an item twice or not in the table, or places < 1, and
/// as `Preferences::validate`
/// @cost O(sum of n^2)   @ref Plackett 1975; Luce 1959
template <class Lazy = void>
[[nodiscard]] Preferences<> rankings_as_preferences(FeatureMatrix table, const std::vector<Ranking>& rankings,
                                                    Index users);

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
Preferences<> rankings_as_preferences(FeatureMatrix table, const std::vector<Ranking>& rankings,
                                      Index users) {
  constexpr const char* where = "rankings_as_preferences";
  Preferences<> out;
  out.users = users;
  std::vector<Index> chosen, rejected;
  Index choice = 0;
  for (std::size_t r = 0; r < rankings.size(); ++r) {
    const Ranking& ranking = rankings[r];
    const auto n = static_cast<Index>(ranking.items.size());
    if (n < 2) detail::raise_value(where, "items of ranking " + detail::to_text(r), n, "2 or more");
    if (ranking.places < 1)
      detail::raise_value(where, "places of ranking " + detail::to_text(r), ranking.places, "1 or above");
    std::vector<Index> sorted = ranking.items;
    std::sort(sorted.begin(), sorted.end());
    if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
      detail::raise_value(where, "item " + detail::to_text(*twice) + " of ranking " + detail::to_text(r),
                          "two places", "one");
    for (Index k = 0; k < std::min(n - 1, ranking.places); ++k, ++choice)
      for (Index j = k + 1; j < n; ++j) {
        chosen.push_back(ranking.items[static_cast<std::size_t>(k)]);
        rejected.push_back(ranking.items[static_cast<std::size_t>(j)]);
        out.user.push_back(ranking.user);
        out.partition.push_back(ranking.partition);
        out.group.push_back(static_cast<Index>(r));
        out.answer.push_back({.choice = choice});
      }
  }
  out.features = std::make_shared<const Features>(
      Features::pairs(std::move(table), std::move(chosen), std::move(rejected)));
  out.validate();
  return out;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Preferences<> rankings_as_preferences<>(FeatureMatrix, const std::vector<Ranking>&,
                                                               Index);
#endif

}  // namespace lore
