// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"

namespace lore {

namespace detail {

/// The shots of user `i`: fills unit[p - begin(i)] with the place of each position's shot, in order of first
/// appearance, and returns how many there are.
template <class Store>
[[nodiscard]] Index number_shots(const Comparisons<Store>& comparisons, Index i, ShotUnit shot_unit,
                                 std::vector<Index>& unit) {
  unit.clear();
  if (shot_unit == ShotUnit::comparison) {  // a choice is one
    Index shots = 0;
    for (Index p = 0; p < comparisons.count(i); ++shots)
      for (const Index end = end_of_choice(comparisons.answers(i), p, comparisons.count(i)); p < end; ++p)
        unit.push_back(shots);
    return shots;
  }
  std::map<Index, Index> place;
  for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
    const Index next = static_cast<Index>(place.size());
    unit.push_back(place.emplace(comparisons.group[static_cast<std::size_t>(p)], next).first->second);
  }
  return static_cast<Index>(place.size());
}

template <class Store>
void check_shots(std::string_view function, const Comparisons<Store>& comparisons, Index shots,
                 ShotUnit shot_unit) {
  check_non_negative(function, "shots", shots);
  if (shot_unit == ShotUnit::group && comparisons.group.empty() && !comparisons.empty())
    raise_shape(function, "comparisons", "no groups", "a group for each comparison, as a shot is a group");
}

/// The users with the comparisons whose shot is chosen: choose(i, total) fills chosen[0 .. total).
template <class Store, class Choose>
[[nodiscard]] Comparisons<Store> take_shots(const Comparisons<Store>& comparisons, ShotUnit shot_unit,
                                            Choose&& choose) {
  std::vector<std::uint8_t> keep(static_cast<std::size_t>(comparisons.size()), 0);
  std::vector<Index> unit;
  std::vector<std::uint8_t> chosen;
  for (Index i = 0; i < comparisons.users(); ++i) {
    const Index total = number_shots(comparisons, i, shot_unit, unit);
    chosen.assign(static_cast<std::size_t>(total), 0);
    choose(i, total, chosen);
    for (Index p = 0; p < comparisons.count(i); ++p)
      keep[static_cast<std::size_t>(comparisons.begin(i) + p)] =
          chosen[static_cast<std::size_t>(unit[static_cast<std::size_t>(p)])];
  }
  return comparisons.filtered([&](Index p) { return keep[static_cast<std::size_t>(p)] != 0; }, true);
}

}  // namespace detail

/// Each user's first `shots` comparisons, or groups in order of first appearance, in file order. A choice
/// among several replies counts as one comparison, and a ranking of n replies as n - 1. A user with fewer
/// keeps all; with 0 shots every user stays, without comparisons.
/// @throws std::domain_error when shots < 0; std::invalid_argument when a shot is a group and there are none
/// @cost O(n log n)
template <class Store>
[[nodiscard]] Comparisons<Store> first_shots(const Comparisons<Store>& comparisons, Index shots,
                                             ShotUnit unit = ShotUnit::comparison) {
  detail::check_shots("first_shots", comparisons, shots, unit);
  return detail::take_shots(comparisons, unit, [&](Index, Index total, std::vector<std::uint8_t>& chosen) {
    for (Index u = 0; u < std::min(shots, total); ++u) chosen[static_cast<std::size_t>(u)] = 1;
  });
}

/// `shots` comparisons or groups of each user, drawn without replacement; they stay in file order. Each user
/// has a stream of its own, of the seed and the user's id: other users change nothing. With one seed, fewer
/// shots are a part of more shots. A user with fewer keeps all; with 0 shots every user stays, without
/// comparisons.
/// @throws std::domain_error when shots < 0; std::invalid_argument when a shot is a group and there are none
/// @cost O(n log n)
template <class Store>
[[nodiscard]] Comparisons<Store> sample_shots(const Comparisons<Store>& comparisons, Index shots,
                                              ShotUnit unit, std::uint64_t seed) {
  detail::check_shots("sample_shots", comparisons, shots, unit);
  return detail::take_shots(comparisons, unit, [&](Index i, Index total, std::vector<std::uint8_t>& chosen) {
    Rng rng = make_rng(seed, comparisons.user[static_cast<std::size_t>(i)]);
    for (const Index u : sample_without_replacement(rng, total, std::min(shots, total)))
      chosen[static_cast<std::size_t>(u)] = 1;
  });
}

/// How many users have at least `shots` comparisons or groups.
/// @throws as `first_shots`   @cost O(n log n)
template <class Store>
[[nodiscard]] Index users_with_at_least(const Comparisons<Store>& comparisons, Index shots,
                                        ShotUnit unit = ShotUnit::comparison) {
  detail::check_shots("users_with_at_least", comparisons, shots, unit);
  std::vector<Index> places;
  Index users = 0;
  for (Index i = 0; i < comparisons.users(); ++i)
    if (detail::number_shots(comparisons, i, unit, places) >= shots) ++users;
  return users;
}

}  // namespace lore
