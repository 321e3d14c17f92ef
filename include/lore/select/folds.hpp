// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"

namespace lore {

/// One fold of a cross-validation: the same users in the same order in both parts, some perhaps without
/// comparisons.
template <class Store = Features>
struct Fold {
  Comparisons<Store> train;
  Comparisons<Store> held_out;
};

/// Folds in which nothing of what is held out is trained on.
/// - With groups, whole groups are held out, for all users at once.
/// - Without groups, on an embedding table, the items of each user are dealt to the folds, user by user; a
/// comparison
///   is held out where both its items are, and left out of a fold's training where one of them is.
/// - Otherwise comparisons are dealt, user by user.
/// @param folds  2 or more
/// @throws std::invalid_argument on fewer than two folds or no comparisons   @cost O(folds n)
template <class Store>
[[nodiscard]] std::vector<Fold<Store>> make_folds(const Comparisons<Store>& comparisons, Index folds,
                                                  std::uint64_t seed) {
  if (folds < 2) detail::raise_shape("make_folds", "folds", folds, "at least 2");
  if (comparisons.empty()) detail::raise_shape("make_folds", "comparisons", 0, "at least one");
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const Index n = comparisons.size();
  std::vector<Index> first(at(n)), second;  // folds of the comparison's parts
  const auto deal = [&](Index count, Rng& rng) {
    std::vector<Index> place = permutation(rng, count);
    const Index start = uniform_index(rng, folds);  // or few comparisons a user would fill the first folds
    for (Index& p : place) p = (p + start) % folds;
    return place;
  };
  bool items = false;
  if constexpr (TableStore<Store>) items = comparisons.group.empty() && comparisons.features->indexed();
  if (!comparisons.group.empty()) {
    std::vector<Index> groups(comparisons.group);
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    Rng rng = make_rng(seed, 0);
    const std::vector<Index> dealt = deal(static_cast<Index>(groups.size()), rng);
    for (Index p = 0; p < n; ++p)
      first[at(p)] = dealt[at(std::lower_bound(groups.begin(), groups.end(), comparisons.group[at(p)]) -
                              groups.begin())];
  } else if (items) {
    second.resize(at(n));
    if constexpr (TableStore<Store>) {
      const Store& store = *comparisons.features;
      std::vector<Index> own;
      for (Index i = 0; i < comparisons.users(); ++i) {
        own.clear();
        for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
          own.push_back(store.chosen(comparisons.column[at(p)]));
          own.push_back(store.rejected(comparisons.column[at(p)]));
        }
        std::sort(own.begin(), own.end());
        own.erase(std::unique(own.begin(), own.end()), own.end());
        Rng rng = make_rng(seed, comparisons.user[at(i)]);
        const std::vector<Index> dealt = deal(static_cast<Index>(own.size()), rng);
        const auto fold_of = [&](Index item) {
          return dealt[at(std::lower_bound(own.begin(), own.end(), item) - own.begin())];
        };
        for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
          first[at(p)] = fold_of(store.chosen(comparisons.column[at(p)]));
          second[at(p)] = fold_of(store.rejected(comparisons.column[at(p)]));
        }
      }
    }
  } else {
    for (Index i = 0; i < comparisons.users(); ++i) {
      Rng rng = make_rng(seed, comparisons.user[at(i)]);
      const std::vector<Index> dealt = deal(comparisons.count(i), rng);
      std::copy(dealt.begin(), dealt.end(), first.begin() + comparisons.begin(i));
    }
  }
  const std::vector<Index>& other = second.empty() ? first : second;
  std::vector<Fold<Store>> out;
  for (Index f = 0; f < folds; ++f)
    out.push_back(
        {comparisons.filtered([&](Index p) { return first[at(p)] != f && other[at(p)] != f; }, true),
         comparisons.filtered([&](Index p) { return first[at(p)] == f && other[at(p)] == f; }, true)});
  return out;
}

}  // namespace lore
