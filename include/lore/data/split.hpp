// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"

namespace lore {

/// Which of a user's two parts a comparison is in.
enum class Side : std::uint8_t { train = 0, test = 1 };

/// Which of a user's comparisons or groups come first: as in the file, or shuffled with a seed.
enum class Order : std::uint8_t { file, shuffled };

/// How much of a whole goes to one part: a fraction, rounded down, or a count if one is given.
struct Portion {
  double fraction = 0.5;         ///< in [0, 1]
  std::optional<Index> count{};  ///< instead of the fraction; all, when there are fewer

  /// @throws std::domain_error on a value out of range
  void validate() const {
    if (!(fraction >= 0 && fraction <= 1))
      detail::raise_value("Portion", "fraction", fraction, "a number from 0 to 1");
    if (count) detail::check_non_negative("Portion", "count", *count);
  }

  /// How many of `total`. The fraction of a whole number that is off by rounding alone is that number.
  [[nodiscard]] Index of(Index total) const {
    if (count) return std::min(*count, total);
    return std::min(total, static_cast<Index>(std::floor(fraction * static_cast<double>(total) + 1e-9)));
  }
};

struct WithinUserOptions {
  Portion train{};            ///< of each user's groups, or comparisons without groups
  Order order = Order::file;  ///< the first ones in the file train, or a random choice
  std::uint64_t seed = 0;     ///< used when shuffled; each user has a stream of its own
};

/// Splits every user's comparisons into train and test. A user's group goes to one side as a whole.
/// @param user   n ids
/// @param group  n groups, or empty: every comparison is a unit
/// @return n sides
/// @throws std::invalid_argument when the lengths differ; std::domain_error on options out of range
/// @cost O(n log n)
template <class Lazy = void>
[[nodiscard]] std::vector<Side> split_within_users(std::span<const Index> user, std::span<const Index> group,
                                                   const WithinUserOptions& options = {});

/// Who is seen in training and who is not; ids ascending.
struct UserSplit {
  std::vector<Index> seen;
  std::vector<Index> unseen;
};

/// Shuffles the users with a seed; the first `seen` of them are seen, the others unseen. At least one is seen
/// when any may be.
/// @param ids  distinct user ids
/// @throws std::domain_error on a portion out of range   @cost O(users log users)
template <class Lazy = void>
[[nodiscard]] UserSplit split_users(std::vector<Index> ids, const Portion& seen, std::uint64_t seed);

/// What a protocol left out, and why.
struct Dropped {
  std::string reason{};
  Index users = 0;        ///< users left out altogether
  Index comparisons = 0;  ///< comparisons left out, theirs included
};

/// What a protocol made of raw comparisons: `user` and `partition` are those of `Preferences`, for the
/// comparisons `kept`.
struct Split {
  std::vector<Index> kept;            ///< comparisons that stay, ascending
  std::vector<Index> user;            ///< one a kept comparison: 0 .. users()-1
  std::vector<Partition> partition;   ///< one a kept comparison
  std::vector<Index> original_user;   ///< id before, for each user; ascending
  std::vector<std::uint8_t> is_seen;  ///< 1 or 0, for each user
  std::vector<Dropped> dropped;       ///< one a reason that applied

  [[nodiscard]] Index users() const noexcept { return static_cast<Index>(original_user.size()); }
};

/// Protocol for comparisons that come in a training and a test part (Reddit TLDR).
struct TwoPartProtocol {
  Index drop_smallest = 2;    ///< users with the fewest training comparisons
  Portion seen{};             ///< of the users, after a shuffle
  Index max_train = 150;      ///< training comparisons of a seen user
  Index max_shots = 50;       ///< training comparisons of an unseen user
  Order order = Order::file;  ///< which of them, when there are more
  std::uint64_t seed = 0;

  /// @throws std::domain_error on a value out of range
  void validate() const {
    detail::check_non_negative("TwoPartProtocol", "drop_smallest", drop_smallest);
    detail::check_non_negative("TwoPartProtocol", "max_train", max_train);
    detail::check_non_negative("TwoPartProtocol", "max_shots", max_shots);
    seen.validate();
  }
};

/// Protocol for comparisons in groups that are yet to be split (PRISM: a group is a dialogue).
struct GroupProtocol {
  Index min_groups = 6;       ///< users with fewer are dropped
  Portion train{};            ///< of each user's groups
  Portion seen{};             ///< of the users, after a shuffle
  Order order = Order::file;  ///< the first groups in the file train, or a random choice
  std::uint64_t seed = 0;

  /// @throws std::domain_error on a value out of range
  void validate() const {
    detail::check_non_negative("GroupProtocol", "min_groups", min_groups);
    train.validate();
    seen.validate();
  }
};

/// Users present in both parts, the smallest dropped, the others shuffled and split into seen and unseen. A
/// seen user keeps at most `max_train` training comparisons, an unseen one at most `max_shots`; both keep
/// their whole test part. A training comparison whose group the same user also has in the test part is left
/// out, before anything is counted. "Smallest" is by training comparisons, then test comparisons, then id.
/// @param user   n ids
/// @param side   n: the part that each comparison comes in
/// @param group  n groups, or empty
/// @throws std::invalid_argument when the lengths differ; std::domain_error on options out of range
/// @cost O(n log n)
template <class Lazy = void>
[[nodiscard]] Split split_two_parts(std::span<const Index> user, std::span<const Side> side,
                                    std::span<const Index> group, const TwoPartProtocol& protocol = {});

/// Users with at least `min_groups` groups; a part of each user's groups, rounded down, trains and the rest
/// tests; users are shuffled and split into seen and unseen.
/// @param user   n ids
/// @param group  n groups, or empty: every comparison is a group of its own
/// @throws std::invalid_argument when the lengths differ; std::domain_error on options out of range
/// @cost O(n log n)
template <class Lazy = void>
[[nodiscard]] Split split_groups(std::span<const Index> user, std::span<const Index> group,
                                 const GroupProtocol& protocol = {});

#ifndef LORE_COMPILED_ELSEWHERE

namespace detail {

/// Splits positions, in order, into units: one a group in order of first appearance, or one a position where
/// `group` is empty.
template <class Lazy = void>
[[nodiscard]] std::vector<std::vector<Index>> units_of(std::span<const Index> positions,
                                                       std::span<const Index> group) {
  std::vector<std::vector<Index>> units;
  std::map<Index, std::size_t> place;
  for (const Index p : positions) {
    if (group.empty()) {
      units.push_back({p});
      continue;
    }
    const auto [known, added] = place.emplace(group[static_cast<std::size_t>(p)], units.size());
    if (added) units.emplace_back();
    units[known->second].push_back(p);
  }
  return units;
}

/// Positions by user id, each in file order.
template <class Lazy = void>
[[nodiscard]] std::map<Index, std::vector<Index>> positions_by_user(std::span<const Index> user) {
  std::map<Index, std::vector<Index>> by_user;
  for (std::size_t j = 0; j < user.size(); ++j) by_user[user[j]].push_back(static_cast<Index>(j));
  return by_user;
}

/// Sides and users to a `Split`; `keep` is 0 for comparisons left out.
template <class Lazy = void>
[[nodiscard]] Split assemble_split(std::span<const Index> user, std::span<const Side> side,
                                   std::span<const std::uint8_t> keep, const UserSplit& users,
                                   std::vector<Dropped> dropped) {
  Split out;
  std::map<Index, bool> seen;
  for (const Index id : users.seen) seen[id] = true;
  for (const Index id : users.unseen) seen[id] = false;
  std::set<Index> present;
  for (std::size_t j = 0; j < user.size(); ++j)
    if (keep[j] != 0) present.insert(user[j]);
  std::map<Index, Index> place;
  for (const Index id : present) {
    place[id] = out.users();
    out.original_user.push_back(id);
    out.is_seen.push_back(seen.at(id) ? 1 : 0);
  }
  for (std::size_t j = 0; j < user.size(); ++j) {
    if (keep[j] == 0) continue;
    const bool train = side[j] == Side::train;
    out.kept.push_back(static_cast<Index>(j));
    out.user.push_back(place.at(user[j]));
    out.partition.push_back(seen.at(user[j]) ? (train ? Partition::seen_train : Partition::seen_test)
                                             : (train ? Partition::unseen_few_shot : Partition::unseen_test));
  }
  for (Dropped& one : dropped)
    if (one.users > 0 || one.comparisons > 0) out.dropped.push_back(std::move(one));
  return out;
}

}  // namespace detail

template <class Lazy>
std::vector<Side> split_within_users(std::span<const Index> user, std::span<const Index> group,
                                     const WithinUserOptions& options) {
  options.train.validate();
  if (!group.empty())
    detail::check_size("split_within_users", "group", static_cast<Index>(group.size()),
                       static_cast<Index>(user.size()));
  std::vector<Side> side(user.size(), Side::test);
  for (const auto& [id, positions] : detail::positions_by_user(user)) {
    std::vector<std::vector<Index>> units = detail::units_of(positions, group);
    if (options.order == Order::shuffled) {
      Rng rng = make_rng(options.seed, id);
      shuffle(rng, std::span(units));
    }
    const auto take = static_cast<std::size_t>(options.train.of(static_cast<Index>(units.size())));
    for (std::size_t unit = 0; unit < take; ++unit)
      for (const Index p : units[unit]) side[static_cast<std::size_t>(p)] = Side::train;
  }
  return side;
}

template <class Lazy>
UserSplit split_users(std::vector<Index> ids, const Portion& seen, std::uint64_t seed) {
  seen.validate();
  const auto total = static_cast<Index>(ids.size());
  const bool none = total == 0 || (seen.count ? *seen.count == 0 : seen.fraction == 0);
  const Index take = none ? 0 : std::max<Index>(1, seen.of(total));
  std::sort(ids.begin(), ids.end());
  Rng rng = make_rng(seed);
  shuffle(rng, std::span(ids));
  UserSplit out;
  out.seen.assign(ids.begin(), ids.begin() + take);
  out.unseen.assign(ids.begin() + take, ids.end());
  std::sort(out.seen.begin(), out.seen.end());
  std::sort(out.unseen.begin(), out.unseen.end());
  return out;
}

template <class Lazy>
Split split_two_parts(std::span<const Index> user, std::span<const Side> side, std::span<const Index> group,
                      const TwoPartProtocol& protocol) {
  constexpr const char* where = "split_two_parts";
  protocol.validate();
  const auto n = static_cast<Index>(user.size());
  detail::check_size(where, "side", static_cast<Index>(side.size()), n);
  if (!group.empty()) detail::check_size(where, "group", static_cast<Index>(group.size()), n);

  std::vector<std::uint8_t> keep(user.size(), 1);
  Dropped leaks{.reason = "training comparisons of a group that is also in the test part"};
  Dropped absent{.reason = "users without comparisons in both parts"};
  Dropped smallest{.reason = "users with the fewest training comparisons"};
  Dropped surplus{.reason = "training comparisons of seen users beyond the limit"};
  Dropped surplus_shots{.reason = "shots of unseen users beyond the limit"};
  const auto by_user = detail::positions_by_user(user);
  const auto drop_user = [&](const std::vector<Index>& positions, Dropped& why) {
    ++why.users;
    for (const Index p : positions) {
      std::uint8_t& kept = keep[static_cast<std::size_t>(p)];
      why.comparisons += kept;
      kept = 0;
    }
  };

  std::vector<std::tuple<Index, Index, Index>> candidates;  // training, test, id
  for (const auto& [id, positions] : by_user) {
    std::set<Index> tested;
    if (!group.empty())
      for (const Index p : positions)
        if (side[static_cast<std::size_t>(p)] == Side::test)
          tested.insert(group[static_cast<std::size_t>(p)]);
    Index train = 0;
    Index test = 0;
    for (const Index p : positions) {
      const auto at = static_cast<std::size_t>(p);
      if (side[at] == Side::test) {
        ++test;
      } else if (!group.empty() && tested.contains(group[at])) {
        keep[at] = 0;
        ++leaks.comparisons;
      } else {
        ++train;
      }
    }
    if (train > 0 && test > 0)
      candidates.emplace_back(train, test, id);
    else
      drop_user(positions, absent);
  }

  std::sort(candidates.begin(), candidates.end());
  const auto drop = std::min(candidates.size(), static_cast<std::size_t>(protocol.drop_smallest));
  std::vector<Index> ids;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const Index id = std::get<2>(candidates[c]);
    if (c < drop)
      drop_user(by_user.at(id), smallest);
    else
      ids.push_back(id);
  }

  const UserSplit users = split_users(std::move(ids), protocol.seen, derive_seed(protocol.seed, 0));
  const auto limit = [&](const std::vector<Index>& those, Index most, Dropped& why) {
    for (const Index id : those) {
      std::vector<Index> train;
      for (const Index p : by_user.at(id))
        if (side[static_cast<std::size_t>(p)] == Side::train && keep[static_cast<std::size_t>(p)] != 0)
          train.push_back(p);
      if (protocol.order == Order::shuffled) {
        Rng rng = make_rng(protocol.seed, 1, id);
        shuffle(rng, std::span(train));
      }
      for (std::size_t t = static_cast<std::size_t>(most); t < train.size(); ++t) {
        keep[static_cast<std::size_t>(train[t])] = 0;
        ++why.comparisons;
      }
    }
  };
  limit(users.seen, protocol.max_train, surplus);
  limit(users.unseen, protocol.max_shots, surplus_shots);
  return detail::assemble_split(user, side, keep, users, {leaks, absent, smallest, surplus, surplus_shots});
}

template <class Lazy>
Split split_groups(std::span<const Index> user, std::span<const Index> group, const GroupProtocol& protocol) {
  protocol.validate();
  const WithinUserOptions within{
      .train = protocol.train, .order = protocol.order, .seed = derive_seed(protocol.seed, 1)};
  const std::vector<Side> side = split_within_users(user, group, within);
  std::vector<std::uint8_t> keep(user.size(), 1);
  Dropped few{.reason = "users with fewer than " + detail::to_text(protocol.min_groups) + " groups"};
  std::vector<Index> ids;
  for (const auto& [id, positions] : detail::positions_by_user(user)) {
    if (static_cast<Index>(detail::units_of(positions, group).size()) >= protocol.min_groups) {
      ids.push_back(id);
      continue;
    }
    ++few.users;
    few.comparisons += static_cast<Index>(positions.size());
    for (const Index p : positions) keep[static_cast<std::size_t>(p)] = 0;
  }
  const UserSplit users = split_users(std::move(ids), protocol.seen, derive_seed(protocol.seed, 0));
  return detail::assemble_split(user, side, keep, users, {few});
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE std::vector<Side> split_within_users<>(std::span<const Index>, std::span<const Index>,
                                                              const WithinUserOptions&);
LORE_COMPILED_TEMPLATE UserSplit split_users<>(std::vector<Index>, const Portion&, std::uint64_t);
LORE_COMPILED_TEMPLATE Split split_two_parts<>(std::span<const Index>, std::span<const Side>,
                                               std::span<const Index>, const TwoPartProtocol&);
LORE_COMPILED_TEMPLATE Split split_groups<>(std::span<const Index>, std::span<const Index>,
                                            const GroupProtocol&);
#endif

}  // namespace lore
