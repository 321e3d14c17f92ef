// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/data/shots.hpp"

namespace lore {

/// One fold of a cross-validation: the same users in the same order in both parts, some perhaps without
/// comparisons.
template <class Store = Features>
struct Fold {
  Comparisons<Store> train;
  Comparisons<Store> held_out;
};

namespace detail {

/// Which items of user i choices connect: for each of `count` items the number of its part, parts numbered by
/// their first items. place_of(item) is the item's place among them.
template <class Store, class PlaceOf>
[[nodiscard]] std::vector<Index> connected_items(const Comparisons<Store>& comparisons, Index i,
                                                 std::size_t count, const PlaceOf& place_of) {
  const auto at = [](Index k) { return static_cast<std::size_t>(k); };
  std::vector<Index> root(count);
  std::iota(root.begin(), root.end(), Index{0});
  const auto find = [&](Index k) {
    while (root[at(k)] != k) k = root[at(k)] = root[at(root[at(k)])];
    return k;
  };
  for (Index p = comparisons.begin(i); !comparisons.answer.empty() && p < comparisons.end(i); ++p) {
    if (comparisons.answer[at(p)].choice < 0) continue;
    const Index a = find(place_of(comparisons.features->chosen(comparisons.column[at(p)])));
    const Index b = find(place_of(comparisons.features->rejected(comparisons.column[at(p)])));
    root[at(std::max(a, b))] = std::min(a, b);
  }
  std::vector<Index> part(count);
  Index parts = 0;
  for (std::size_t k = 0; k < count; ++k) {  // a root comes before the rest of its part
    const Index first = find(static_cast<Index>(k));
    part[k] = first == static_cast<Index>(k) ? parts++ : part[at(first)];
  }
  return part;
}

}  // namespace detail

/// Folds in which nothing of what is held out is trained on.
/// - With groups, whole groups are held out, for all users at once.
/// - Without groups, on an embedding table, the items of each user are dealt to the folds, user by user; a
/// comparison
///   is held out where both its items are, and left out of a fold's training where one of them is. Items that
///   a choice or ranking connects are dealt together, so that it stays whole.
/// - Otherwise comparisons are dealt, user by user, a choice as one.
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
        const auto place_of = [&](Index item) {
          return static_cast<Index>(std::lower_bound(own.begin(), own.end(), item) - own.begin());
        };
        const std::vector<Index> together = detail::connected_items(comparisons, i, own.size(), place_of);
        Rng rng = make_rng(seed, comparisons.user[at(i)]);
        const Index parts = together.empty() ? 0 : 1 + *std::max_element(together.begin(), together.end());
        const std::vector<Index> dealt = deal(parts, rng);
        const auto fold_of = [&](Index item) { return dealt[at(together[at(place_of(item))])]; };
        for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
          first[at(p)] = fold_of(store.chosen(comparisons.column[at(p)]));
          second[at(p)] = fold_of(store.rejected(comparisons.column[at(p)]));
        }
      }
    }
  } else {
    std::vector<Index> unit;
    for (Index i = 0; i < comparisons.users(); ++i) {
      const Index choices = detail::number_shots(comparisons, i, ShotUnit::comparison, unit);
      Rng rng = make_rng(seed, comparisons.user[at(i)]);
      const std::vector<Index> dealt = deal(choices, rng);
      for (Index p = 0; p < comparisons.count(i); ++p)
        first[at(comparisons.begin(i) + p)] = dealt[at(unit[at(p)])];
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
