// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/data/rankings.hpp"

#include <stdexcept>
#include <vector>

#include "lore/data/shots.hpp"

#include "lore_catch.hpp"

using lore::FeatureMatrix;
using lore::Index;
using lore::Partition;
using lore::Ranking;

namespace {

[[nodiscard]] FeatureMatrix table() {
  return FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Identity(5, 5)));
}

[[nodiscard]] auto made_of(const std::vector<Ranking>& rankings, Index users) {
  return lore::rankings_as_preferences(table(), rankings, users);
}

}  // namespace

TEST_CASE("a ranking is a choice a place") {
  const auto p = made_of({{.user = 1, .items = {3, 0, 4}},
                          {.user = 0, .items = {2, 1, 0, 4}, .places = 1, .partition = Partition::seen_test},
                          {.user = 1, .items = {0, 1}, .places = 9}},
                         2);
  CHECK(p.user == std::vector<Index>{1, 1, 1, 0, 0, 0, 1});
  CHECK(p.group == std::vector<Index>{0, 0, 0, 1, 1, 1, 2});
  std::vector<Index> chosen, rejected, choice;
  for (Index j = 0; j < p.size(); ++j) {
    chosen.push_back(p.features->chosen(j));
    rejected.push_back(p.features->rejected(j));
    choice.push_back(p.answer[static_cast<std::size_t>(j)].choice);
  }
  CHECK(chosen == std::vector<Index>{3, 3, 0, 2, 2, 2, 0});
  CHECK(rejected == std::vector<Index>{0, 4, 4, 1, 0, 4, 1});
  CHECK(choice == std::vector<Index>{0, 0, 1, 2, 2, 2, 3});
  CHECK(p.seen_test().users() == 1);
  CHECK(lore::first_shots(p.seen_train(), 1).size() == 2);
}

TEST_CASE("rankings that cannot be are refused") {
  CHECK_THROWS_AS(made_of({{.user = 0, .items = {1}}}, 1), std::domain_error);
  CHECK_THROWS_AS(made_of({{.user = 0, .items = {1, 2, 1}}}, 1), std::domain_error);
  CHECK_THROWS_AS(made_of({{.user = 0, .items = {1, 5}}}, 1), std::domain_error);
  CHECK_THROWS_AS(made_of({{.user = 0, .items = {1, 2}, .places = 0}}, 1), std::domain_error);
  CHECK_THROWS_AS(made_of({{.user = 1, .items = {1, 2}}}, 1), std::domain_error);
  CHECK_THROWS_AS(made_of({{.user = 0, .items = {1, 2}}}, 2), std::domain_error);
}
