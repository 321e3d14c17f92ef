// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/data/shots.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"

using lore::Comparisons;
using lore::Features;
using lore::Index;
using lore::ShotUnit;

namespace {

/// Users 4, 6 and 9 with 5, 2 and 0 comparisons; user 4 in three dialogues, interleaved.
Comparisons<Features> three_users() {
  Comparisons<Features> out;
  out.features = std::make_shared<const Features>();
  out.user = {4, 6, 9};
  out.offset = {0, 5, 7, 7};
  out.column = {10, 11, 12, 13, 14, 20, 21};
  out.group = {8, 3, 8, 5, 3, 1, 1};
  return out;
}

Comparisons<Features> one_user(Index id, Index n) {
  Comparisons<Features> out;
  out.features = std::make_shared<const Features>();
  out.user = {id};
  out.offset = {0, n};
  for (Index j = 0; j < n; ++j) out.column.push_back(j);
  return out;
}

}  // namespace

TEST_CASE("first shots are the first comparisons of each user", "[shots]") {
  const auto two = lore::first_shots(three_users(), 2);
  CHECK(two.user == std::vector<Index>{4, 6, 9});
  CHECK(two.column == std::vector<Index>{10, 11, 20, 21});
  CHECK(two.offset == std::vector<Index>{0, 2, 4, 4});
  CHECK(two.group == std::vector<Index>{8, 3, 1, 1});
  CHECK(lore::first_shots(three_users(), 99).column == three_users().column);
}

TEST_CASE("a shot can be a whole group, in order of first appearance", "[shots]") {
  const auto one = lore::first_shots(three_users(), 1, ShotUnit::group);
  CHECK(one.column == std::vector<Index>{10, 12, 20, 21});
  const auto two = lore::first_shots(three_users(), 2, ShotUnit::group);
  CHECK(two.column == std::vector<Index>{10, 11, 12, 14, 20, 21});
  CHECK(two.offset == std::vector<Index>{0, 4, 6, 6});
}

TEST_CASE("with no shots every user stays, so that each can have the prior's mean", "[shots]") {
  for (const ShotUnit unit : {ShotUnit::comparison, ShotUnit::group}) {
    for (const auto& none :
         {lore::first_shots(three_users(), 0, unit), lore::sample_shots(three_users(), 0, unit, 1)}) {
      CHECK(none.user == std::vector<Index>{4, 6, 9});
      CHECK(none.offset == std::vector<Index>{0, 0, 0, 0});
      CHECK(none.empty());
    }
  }
}

TEST_CASE("sampled shots keep file order, whole groups, and do not repeat", "[shots]") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const auto three = lore::sample_shots(three_users(), 3, ShotUnit::comparison, seed);
    CHECK(three.count(0) == 3);
    CHECK(three.count(1) == 2);
    CHECK(std::is_sorted(three.column.begin(), three.column.begin() + 3));
    CHECK(std::adjacent_find(three.column.begin(), three.column.end()) == three.column.end());
    const auto one = lore::sample_shots(three_users(), 1, ShotUnit::group, seed);
    const std::vector<Index> mine(one.column.begin(), one.column.begin() + one.end(0));
    CHECK((mine == std::vector<Index>{10, 12} || mine == std::vector<Index>{11, 14} ||
           mine == std::vector<Index>{13}));
  }
}

TEST_CASE("every comparison is sampled equally often", "[shots]") {
  std::map<Index, int> drawn;
  const auto many = one_user(3, 10);
  for (std::uint64_t seed = 0; seed < 2000; ++seed)
    for (const Index column : lore::sample_shots(many, 3, ShotUnit::comparison, seed).column) ++drawn[column];
  REQUIRE(drawn.size() == 10);
  for (const auto& [column, times] : drawn) {
    CAPTURE(column);
    CHECK(times > 500);  // expected 600, standard deviation 20.5
    CHECK(times < 700);
  }
}

TEST_CASE("a sample depends on the seed and the user's id alone", "[shots]") {
  auto pair = one_user(4, 20);
  pair.user.push_back(7);
  pair.offset.push_back(40);
  for (Index j = 20; j < 40; ++j) pair.column.push_back(j);
  const auto both = lore::sample_shots(pair, 5, ShotUnit::comparison, 11);
  const auto first = lore::sample_shots(one_user(4, 20), 5, ShotUnit::comparison, 11);
  CHECK(std::equal(first.column.begin(), first.column.end(), both.column.begin()));
  const auto second = lore::sample_shots(pair.subset(std::vector<Index>{1}), 5, ShotUnit::comparison, 11);
  CHECK(std::equal(second.column.begin(), second.column.end(), both.column.begin() + 5));
  // Two users with as many comparisons are not sampled alike, nor two seeds.
  CHECK(lore::sample_shots(one_user(7, 20), 5, ShotUnit::comparison, 11).column != first.column);
  CHECK(lore::sample_shots(one_user(4, 20), 5, ShotUnit::comparison, 12).column != first.column);
  // More shots contain fewer.
  const auto more = lore::sample_shots(one_user(4, 20), 9, ShotUnit::comparison, 11);
  CHECK(std::includes(more.column.begin(), more.column.end(), first.column.begin(), first.column.end()));
}

TEST_CASE("how many users have enough", "[shots]") {
  const auto data = three_users();
  CHECK(lore::users_with_at_least(data, 0) == 3);
  CHECK(lore::users_with_at_least(data, 2) == 2);
  CHECK(lore::users_with_at_least(data, 3) == 1);
  CHECK(lore::users_with_at_least(data, 6) == 0);
  CHECK(lore::users_with_at_least(data, 1, ShotUnit::group) == 2);
  CHECK(lore::users_with_at_least(data, 3, ShotUnit::group) == 1);
  CHECK(lore::users_with_at_least(data, 4, ShotUnit::group) == 0);
}

TEST_CASE("shots refuse a negative number, and groups where there are none", "[shots]") {
  CHECK_THROWS_AS(lore::first_shots(three_users(), -1), std::domain_error);
  CHECK_THROWS_AS(lore::sample_shots(three_users(), -1, ShotUnit::comparison, 0), std::domain_error);
  CHECK_THROWS_AS(lore::first_shots(one_user(1, 3), 1, ShotUnit::group), std::invalid_argument);
  CHECK_THROWS_AS(lore::users_with_at_least(one_user(1, 3), 1, ShotUnit::group), std::invalid_argument);
}

TEST_CASE("a choice among several replies is one shot", "[shots]") {
  Comparisons<Features> all = three_users();
  all.group.clear();
  for (const Index choice : {2, 2, 2, -1, 7, 0, 0}) all.answer.push_back({.choice = choice});
  CHECK(lore::first_shots(all, 1).column == std::vector<Index>{10, 11, 12, 20, 21});
  CHECK(lore::first_shots(all, 2).column == std::vector<Index>{10, 11, 12, 13, 20, 21});
  CHECK(lore::first_shots(all, 2).answer[3].choice == -1);
  CHECK(lore::first_shots(all, 3).column == all.column);
  CHECK(lore::users_with_at_least(all, 3) == 1);
  CHECK(lore::users_with_at_least(all, 4) == 0);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto sample = lore::sample_shots(all, 2, ShotUnit::comparison, seed);
    CHECK(std::count(sample.column.begin(), sample.column.end(), 10) ==
          std::count(sample.column.begin(), sample.column.end(), 12));
    CHECK(sample.count(1) == 2);
  }
}
