// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/select/folds.hpp"

#include <memory>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Comparisons;
using lore::Features;
using lore::Fold;
using lore::Index;
using lore::Matrix;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Comparisons of users with ids 3, 4, .. on the given features.
Comparisons<> comparisons_of(Features features, const std::vector<Index>& counts) {
  Comparisons<> out;
  out.offset.push_back(0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out.user.push_back(static_cast<Index>(i) + 3);
    out.offset.push_back(out.offset.back() + counts[i]);
  }
  for (Index j = 0; j < features.size(); ++j) out.column.push_back(j);
  out.features = std::make_shared<const Features>(std::move(features));
  return out;
}

Comparisons<> dense(const std::vector<Index>& counts) {
  Index n = 0;
  for (const Index count : counts) n += count;
  return comparisons_of(Features::differences(lore::FeatureMatrix::own<float>(Matrix<float>::Ones(2, n))),
                        counts);
}

/// 12 users with 30 comparisons of 16 items each.
Comparisons<> on_a_table(std::uint64_t seed) {
  lore::Rng rng(seed);
  std::vector<Index> chosen, rejected;
  for (Index j = 0; j < 12 * 30; ++j) {
    const std::vector<Index> pair = lore::sample_without_replacement(rng, 16, 2);
    chosen.push_back(pair[0]);
    rejected.push_back(pair[1]);
  }
  return comparisons_of(
      Features::pairs(lore::FeatureMatrix::own<float>(Matrix<float>::Ones(2, 16)), chosen, rejected),
      std::vector<Index>(12, 30));
}

std::set<Index> columns(const Comparisons<>& part) { return {part.column.begin(), part.column.end()}; }

/// How many folds hold out, and how many train on, each comparison.
struct Uses {
  std::vector<Index> held_out, train;
};

Uses uses(const std::vector<Fold<>>& folds, Index n) {
  Uses out{std::vector<Index>(at(n), 0), std::vector<Index>(at(n), 0)};
  for (const Fold<>& fold : folds) {
    for (const Index column : fold.held_out.column) ++out.held_out[at(column)];
    for (const Index column : fold.train.column) ++out.train[at(column)];
  }
  return out;
}

void check_users(const std::vector<Fold<>>& folds, const Comparisons<>& whole) {
  for (const Fold<>& fold : folds)
    for (const Comparisons<>* part : {&fold.train, &fold.held_out}) {
      CHECK(part->user == whole.user);
      REQUIRE(part->offset.size() == whole.offset.size());
      CHECK(part->offset.back() == part->size());
      for (Index i = 0; i < part->users(); ++i)
        for (Index p = part->begin(i); p < part->end(i); ++p) {
          const Index column = part->column[at(p)];
          CHECK((column >= whole.begin(i) && column < whole.end(i)));
        }
    }
}

}  // namespace

TEST_CASE("Folds hold out every comparison once and train on the others") {
  const Comparisons<> whole = dense({10, 25, 5, 50});
  const auto folds = lore::make_folds(whole, 5, 1);
  REQUIRE(folds.size() == 5);
  check_users(folds, whole);
  const Uses used = uses(folds, whole.size());
  for (Index j = 0; j < whole.size(); ++j) {
    CHECK(used.held_out[at(j)] == 1);
    CHECK(used.train[at(j)] == 4);
  }
  for (const Fold<>& fold : folds) {
    for (const Index column : columns(fold.held_out)) CHECK(columns(fold.train).count(column) == 0);
    // Each user is dealt evenly.
    for (Index i = 0; i < whole.users(); ++i) CHECK(fold.held_out.count(i) == whole.count(i) / 5);
  }
}

TEST_CASE("Users with fewer comparisons than folds do not all fall into the first ones") {
  const Comparisons<> whole = dense(std::vector<Index>(200, 1));
  for (const Fold<>& fold : lore::make_folds(whole, 5, 1)) {
    CHECK(fold.held_out.size() > 20);
    CHECK(fold.held_out.size() < 60);
  }
}

TEST_CASE("Folds keep groups whole, across users") {
  Comparisons<> whole = dense(std::vector<Index>(20, 12));
  lore::Rng rng(4);
  for (Index p = 0; p < whole.size(); ++p) whole.group.push_back(100 + 7 * lore::uniform_index(rng, 30));
  const auto folds = lore::make_folds(whole, 4, 9);
  check_users(folds, whole);
  const Uses used = uses(folds, whole.size());
  for (Index j = 0; j < whole.size(); ++j) {
    CHECK(used.held_out[at(j)] == 1);
    CHECK(used.train[at(j)] == 3);
  }
  for (const Fold<>& fold : folds) {
    const std::set<Index> out(fold.held_out.group.begin(), fold.held_out.group.end());
    CHECK((out.size() == 7 || out.size() == 8));
    for (const Index group : fold.train.group) CHECK(out.count(group) == 0);
  }
}

TEST_CASE("Folds on an embedding table train on no item that they hold out, user by user") {
  const Comparisons<> whole = on_a_table(2);
  const auto folds = lore::make_folds(whole, 3, 5);
  check_users(folds, whole);
  Index held_out = 0;
  for (const Fold<>& fold : folds) {
    held_out += fold.held_out.size();
    CHECK(fold.train.size() > 0);
    for (Index i = 0; i < whole.users(); ++i) {
      std::set<Index> out;
      for (Index p = fold.held_out.begin(i); p < fold.held_out.end(i); ++p) {
        out.insert(whole.features->chosen(fold.held_out.column[at(p)]));
        out.insert(whole.features->rejected(fold.held_out.column[at(p)]));
      }
      for (Index p = fold.train.begin(i); p < fold.train.end(i); ++p) {
        CHECK(out.count(whole.features->chosen(fold.train.column[at(p)])) == 0);
        CHECK(out.count(whole.features->rejected(fold.train.column[at(p)])) == 0);
      }
    }
  }
  // A comparison is held out where both items are, so about a third of all are, in one fold each.
  CHECK(held_out > whole.size() / 6);
  CHECK(held_out < whole.size() / 2);
  const Uses used = uses(folds, whole.size());
  for (Index j = 0; j < whole.size(); ++j) {
    CHECK(used.held_out[at(j)] <= 1);
    CHECK(used.train[at(j)] == (used.held_out[at(j)] == 1 ? 2 : 1));
  }
}

TEST_CASE("Groups come before items, and weights follow their comparisons") {
  Comparisons<> whole = on_a_table(3);
  for (Index p = 0; p < whole.size(); ++p) {
    whole.group.push_back(p % 10);
    whole.weight.push_back(static_cast<float>(p));
  }
  Index held_out = 0;
  for (const Fold<>& fold : lore::make_folds(whole, 2, 5)) {
    held_out += fold.held_out.size();
    for (const Comparisons<>* part : {&fold.train, &fold.held_out})
      for (Index p = 0; p < part->size(); ++p) {
        CHECK(part->weight[at(p)] == static_cast<float>(part->column[at(p)]));
        CHECK(part->group[at(p)] == part->column[at(p)] % 10);
      }
  }
  CHECK(held_out == whole.size());
}

TEST_CASE("Folds depend on the seed and on nothing else") {
  const Comparisons<> whole = on_a_table(6);
  const auto held_out = [](const Comparisons<>& comparisons, std::uint64_t seed) {
    std::vector<std::vector<Index>> out;
    for (const Fold<>& fold : lore::make_folds(comparisons, 5, seed)) out.push_back(fold.held_out.column);
    return out;
  };
  CHECK(held_out(whole, 1) == held_out(whole, 1));
  CHECK(held_out(whole, 1) != held_out(whole, 2));
  // Another user's fold does not change when somebody leaves.
  const std::vector<Index> few = {4};
  const Comparisons<> alone = whole.subset(few);
  const auto all = lore::make_folds(whole, 5, 1), one = lore::make_folds(alone, 5, 1);
  for (std::size_t f = 0; f < 5; ++f) {
    const auto& column = all[f].held_out.column;
    const std::vector<Index> wanted(column.begin() + all[f].held_out.begin(4),
                                    column.begin() + all[f].held_out.end(4));
    CHECK(one[f].held_out.column == wanted);
  }
}

TEST_CASE("Folds refuse what they cannot divide") {
  CHECK_THROWS_AS(lore::make_folds(dense({4}), 1, 0), std::invalid_argument);
  CHECK_THROWS_AS(lore::make_folds(dense({4}), -3, 0), std::invalid_argument);
  CHECK_THROWS_AS(lore::make_folds(dense({0}), 2, 0), std::invalid_argument);
}

TEST_CASE("Folds keep choices and rankings whole") {
  // On a table without groups, the three choices of a ranking of four replies; and a choice of dense vectors.
  std::vector<Index> chosen, rejected;
  std::vector<lore::Answer> answer;
  for (Index user = 0; user < 4; ++user)
    for (Index r = 0; r < 6; ++r)
      for (Index k = 0; k < 3; ++k)
        for (Index j = k + 1; j < 4; ++j) {
          chosen.push_back(4 * r + k);
          rejected.push_back(4 * r + j);
          answer.push_back({.choice = 3 * r + k});
        }
  const Features table =
      Features::pairs(lore::FeatureMatrix::own<float>(Matrix<float>::Ones(2, 24)), chosen, rejected);
  for (const bool indexed : {true, false}) {
    CAPTURE(indexed);
    auto all = indexed ? comparisons_of(table, {36, 36, 36, 36}) : dense({36, 36, 36, 36});
    all.answer = answer;
    REQUIRE_NOTHROW(all.validate());
    std::set<Index> held_out;
    for (const auto& fold : lore::make_folds(all, 3, 5)) {
      const std::set<Index> train = columns(fold.train), test = columns(fold.held_out);
      CHECK(train.size() + test.size() == 144);
      for (Index p = 0; p < 144; ++p) {
        const Index user = p / 36, ranking = p / 6;
        for (Index q = 0; q < 144; ++q)
          if (indexed ? q / 6 == ranking : q / 36 == user && answer[at(q)].choice == answer[at(p)].choice)
            CHECK(test.contains(p) == test.contains(q));
      }
      held_out.insert(test.begin(), test.end());
    }
    CHECK(held_out.size() == 144);
  }
}
