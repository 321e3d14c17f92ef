// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/data/split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using lore::Order;
using lore::Partition;
using lore::Portion;
using lore::Side;
using lore::Split;

namespace {

/// Comparisons of many users in groups of one to three, users interleaved.
struct Raw {
  std::vector<Index> user;
  std::vector<Index> group;
  std::vector<Side> side;
};

Raw raw(Index users, Index groups) {
  Raw out;
  for (Index g = 0; g < groups; ++g)
    for (Index u = 0; u < users; ++u)
      for (Index c = 0; c <= (g + u) % 3; ++c) {
        out.user.push_back(100 + 7 * u);
        out.group.push_back(1000 * u + g);
        out.side.push_back(g % 2 == 0 ? Side::train : Side::test);
      }
  return out;
}

Index dropped(const Split& split, const std::string& word) {
  for (const lore::Dropped& one : split.dropped)
    if (one.reason.find(word) != std::string::npos) return one.comparisons;
  return 0;
}

Index count(const Split& split, Index user, Partition partition) {
  Index n = 0;
  for (std::size_t j = 0; j < split.user.size(); ++j)
    if (split.user[j] == user && split.partition[j] == partition) ++n;
  return n;
}

/// What `Preferences::validate` will demand of a split.
void check_sound(const Split& split, const std::vector<Index>& user) {
  REQUIRE(split.kept.size() == split.user.size());
  REQUIRE(split.kept.size() == split.partition.size());
  CHECK(std::is_sorted(split.kept.begin(), split.kept.end()));
  std::set<Index> present;
  for (std::size_t j = 0; j < split.kept.size(); ++j) {
    const auto id = static_cast<std::size_t>(split.user[j]);
    present.insert(split.user[j]);
    CHECK(split.original_user[id] == user[static_cast<std::size_t>(split.kept[j])]);
    const bool seen =
        split.partition[j] == Partition::seen_train || split.partition[j] == Partition::seen_test;
    CHECK((split.is_seen[id] == 1) == seen);
  }
  CHECK(static_cast<Index>(present.size()) == split.users());
  Index lost = 0;
  for (const lore::Dropped& one : split.dropped) lost += one.comparisons;
  CHECK(lost + static_cast<Index>(split.kept.size()) == static_cast<Index>(user.size()));
}

}  // namespace

TEST_CASE("a portion rounds down, and a count takes what there is", "[split]") {
  CHECK(Portion{.fraction = 0.5}.of(7) == 3);
  CHECK(Portion{.fraction = 0.8}.of(10) == 8);
  CHECK(Portion{.fraction = 0.29}.of(100) == 29);  // 0.29 * 100 is 28.999999999999996
  CHECK(Portion{.fraction = 1}.of(5) == 5);
  CHECK(Portion{.fraction = 0}.of(5) == 0);
  CHECK(Portion{.count = 3}.of(5) == 3);
  CHECK(Portion{.count = 9}.of(5) == 5);
  CHECK_THROWS_AS(Portion{.fraction = 1.5}.validate(), std::domain_error);
  CHECK_THROWS_AS(Portion{.fraction = std::nan("")}.validate(), std::domain_error);
  CHECK_THROWS_AS(Portion{.count = -1}.validate(), std::domain_error);
}

TEST_CASE("no group is ever on both sides", "[split]") {
  const Raw data = raw(9, 11);
  for (const Order order : {Order::file, Order::shuffled}) {
    for (const double fraction : {0.0, 0.3, 0.5, 1.0}) {
      const auto side = lore::split_within_users(
          data.user, data.group, {.train = {.fraction = fraction}, .order = order, .seed = 4});
      std::map<Index, std::set<Side>> of_group;
      std::map<Index, std::set<Index>> trained;
      for (std::size_t j = 0; j < side.size(); ++j) {
        of_group[data.group[j]].insert(side[j]);
        if (side[j] == Side::train) trained[data.user[j]].insert(data.group[j]);
      }
      for (const auto& [group, sides] : of_group) CHECK(sides.size() == 1);
      for (const Index u : data.user)
        CHECK(static_cast<Index>(trained[u].size()) == static_cast<Index>(fraction * 11));
    }
  }
}

TEST_CASE("file order trains on the first groups; a shuffle on some, fixed by the seed", "[split]") {
  const std::vector<Index> user{5, 5, 5, 5, 5};
  const std::vector<Index> group{8, 3, 8, 4, 3};
  using lore::split_within_users;
  const auto first = split_within_users(user, group, {.train = {.count = 1}});
  CHECK(first == std::vector<Side>{Side::train, Side::test, Side::train, Side::test, Side::test});
  const auto each = split_within_users(user, {}, {.train = {.count = 2}});
  CHECK(each == std::vector<Side>{Side::train, Side::train, Side::test, Side::test, Side::test});

  const Raw data = raw(6, 10);
  const lore::WithinUserOptions shuffled{.order = Order::shuffled, .seed = 1};
  const auto once = split_within_users(data.user, data.group, shuffled);
  CHECK(once == split_within_users(data.user, data.group, shuffled));
  CHECK(once != split_within_users(data.user, data.group, {.order = Order::shuffled, .seed = 2}));
  CHECK(once != split_within_users(data.user, data.group));
}

TEST_CASE("a user's split does not depend on who else is there", "[split]") {
  const Raw many = raw(6, 10);
  Raw alone;
  std::vector<std::size_t> at;
  for (std::size_t j = 0; j < many.user.size(); ++j) {
    if (many.user[j] != 114) continue;
    alone.user.push_back(many.user[j]);
    alone.group.push_back(many.group[j]);
    at.push_back(j);
  }
  const lore::WithinUserOptions shuffled{.order = Order::shuffled, .seed = 1};
  const auto all = lore::split_within_users(many.user, many.group, shuffled);
  const auto one = lore::split_within_users(alone.user, alone.group, shuffled);
  for (std::size_t j = 0; j < at.size(); ++j) CHECK(one[j] == all[at[j]]);
}

TEST_CASE("users are halved by a shuffle that ignores the order they come in", "[split]") {
  std::vector<Index> ids{4, 9, 1, 7, 3, 20, 11};
  const lore::UserSplit split = lore::split_users(ids, {}, 3);
  CHECK(split.seen.size() == 3);
  CHECK(split.unseen.size() == 4);
  std::vector<Index> all = split.seen;
  all.insert(all.end(), split.unseen.begin(), split.unseen.end());
  std::sort(all.begin(), all.end());
  std::sort(ids.begin(), ids.end());
  CHECK(all == ids);
  std::reverse(ids.begin(), ids.end());
  CHECK(lore::split_users(ids, {}, 3).seen == split.seen);
  std::set<std::vector<Index>> halves;
  for (std::uint64_t seed = 0; seed < 20; ++seed) halves.insert(lore::split_users(ids, {}, seed).seen);
  CHECK(halves.size() > 10);
  CHECK(lore::split_users({1}, {}, 0).seen == std::vector<Index>{1});
  CHECK(lore::split_users({1, 2}, {.fraction = 0}, 0).seen.empty());
  CHECK(lore::split_users({}, {}, 0).seen.empty());
  CHECK(lore::split_users({1, 2, 3}, {.count = 2}, 0).seen.size() == 2);
}

TEST_CASE("the two-part protocol keeps its limits and says what it dropped", "[split]") {
  // User u has 4 + u training and 3 test comparisons; user 50 only trains, user 51 only tests.
  Raw data;
  const auto add = [&](Index user, Side side, Index n) {
    for (Index c = 0; c < n; ++c) {
      data.user.push_back(user);
      data.side.push_back(side);
    }
  };
  for (Index u = 0; u < 10; ++u) {
    add(u, Side::train, 4 + u);
    add(u, Side::test, 3);
  }
  add(50, Side::train, 5);
  add(51, Side::test, 2);
  const lore::TwoPartProtocol protocol{.drop_smallest = 2, .max_train = 8, .max_shots = 5, .seed = 1};
  const Split split = lore::split_two_parts(data.user, data.side, {}, protocol);
  check_sound(split, data.user);
  CHECK(split.users() == 8);
  CHECK(split.original_user.front() == 2);  // 0 and 1 were the smallest
  CHECK(split.original_user.back() == 9);
  CHECK(std::count(split.is_seen.begin(), split.is_seen.end(), 1) == 4);
  for (Index i = 0; i < split.users(); ++i) {
    const Index training = 4 + split.original_user[static_cast<std::size_t>(i)];
    if (split.is_seen[static_cast<std::size_t>(i)] == 1) {
      CHECK(count(split, i, Partition::seen_train) == std::min<Index>(8, training));
      CHECK(count(split, i, Partition::seen_test) == 3);
    } else {
      CHECK(count(split, i, Partition::unseen_few_shot) == 5);
      CHECK(count(split, i, Partition::unseen_test) == 3);
    }
  }
  CHECK(dropped(split, "both parts") == 7);
  CHECK(dropped(split, "fewest") == 4 + 3 + 5 + 3);
  // The first in the file stay unless a shuffle is asked for.
  for (const Index j : split.kept)
    if (data.side[static_cast<std::size_t>(j)] == Side::train && j > 0 &&
        data.user[static_cast<std::size_t>(j - 1)] == data.user[static_cast<std::size_t>(j)])
      CHECK(std::binary_search(split.kept.begin(), split.kept.end(), j - 1));
  lore::TwoPartProtocol random = protocol;
  random.order = Order::shuffled;
  const Split drawn = lore::split_two_parts(data.user, data.side, {}, random);
  check_sound(drawn, data.user);
  CHECK(drawn.kept.size() == split.kept.size());
  CHECK(drawn.kept != split.kept);
}

TEST_CASE("a post that a worker also has in the validation part leaves the training part", "[split]") {
  const std::vector<Index> user{1, 1, 1, 2, 2, 2};
  const std::vector<Side> side{Side::train, Side::train, Side::test, Side::train, Side::test, Side::test};
  const std::vector<Index> group{7, 8, 7, 8, 7, 9};
  const Split split = lore::split_two_parts(user, side, group, {.drop_smallest = 0});
  check_sound(split, user);
  CHECK(split.kept == std::vector<Index>{1, 2, 3, 4, 5});
  CHECK(dropped(split, "also in the test part") == 1);
}

TEST_CASE("dialogues: half of each user's, rounded down, train; users with few are dropped", "[split]") {
  Raw data = raw(8, 7);
  for (int c = 0; c < 4; ++c) {  // a user with two dialogues
    data.user.push_back(3);
    data.group.push_back(90000 + c / 2);
  }
  const lore::GroupProtocol protocol{.min_groups = 6, .seed = 2};
  const Split split = lore::split_groups(data.user, data.group, protocol);
  check_sound(split, data.user);
  CHECK(split.users() == 8);
  REQUIRE(split.dropped.size() == 1);
  CHECK(split.dropped[0].users == 1);
  CHECK(split.dropped[0].comparisons == 4);
  CHECK(split.dropped[0].reason == "users with fewer than 6 groups");
  for (Index i = 0; i < split.users(); ++i) {
    std::set<Index> training;
    std::set<Index> testing;
    for (std::size_t j = 0; j < split.user.size(); ++j) {
      if (split.user[j] != i) continue;
      const bool train =
          split.partition[j] == Partition::seen_train || split.partition[j] == Partition::unseen_few_shot;
      (train ? training : testing).insert(data.group[static_cast<std::size_t>(split.kept[j])]);
    }
    CHECK(training.size() == 3);
    CHECK(testing.size() == 4);
    CHECK(*training.rbegin() < *testing.begin());  // file order: the first dialogues
  }
  CHECK(std::count(split.is_seen.begin(), split.is_seen.end(), 1) == 4);
  const Split most = lore::split_groups(data.user, data.group, {.seen = {.fraction = 0.8}});
  CHECK(std::count(most.is_seen.begin(), most.is_seen.end(), 1) == 6);
}

TEST_CASE("protocols that keep nobody return nothing, and bad input is refused", "[split]") {
  const std::vector<Index> user{1, 1};
  const std::vector<Side> side{Side::train, Side::test};
  const std::vector<Index> group{1, 2};
  const Split none = lore::split_two_parts(user, side, {}, {.drop_smallest = 5});
  CHECK(none.users() == 0);
  CHECK(dropped(none, "fewest") == 2);
  CHECK(lore::split_groups(user, group, {.min_groups = 3}).users() == 0);
  const std::vector<Index> longer{1, 2, 3};
  CHECK_THROWS_AS(lore::split_two_parts(longer, side, {}), std::invalid_argument);
  CHECK_THROWS_AS(lore::split_two_parts(user, side, longer), std::invalid_argument);
  CHECK_THROWS_AS(lore::split_groups(user, longer), std::invalid_argument);
  CHECK_THROWS_AS(lore::split_two_parts(user, side, {}, {.max_train = -1}), std::domain_error);
  CHECK_THROWS_AS(lore::split_groups(user, group, {.min_groups = -1}), std::domain_error);
  CHECK_THROWS_AS(lore::split_groups(user, group, {.train = {.fraction = 2}}), std::domain_error);
}
