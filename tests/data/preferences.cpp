// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/data/preferences.hpp"

#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"

using lore::Comparisons;
using lore::FeatureMatrix;
using lore::Features;
using lore::Index;
using lore::Matrix;
using lore::Partition;
using lore::Preferences;
using lore::Vector;

namespace {

constexpr auto train = Partition::seen_train;
constexpr auto test = Partition::seen_test;
constexpr auto shot = Partition::unseen_few_shot;
constexpr auto unseen = Partition::unseen_test;

/// Seven comparisons of three users, out of order: 0 and 2 seen, 1 unseen.
Preferences<Features> sound() {
  Preferences<Features> p;
  p.features = std::make_shared<const Features>(
      Features::differences(FeatureMatrix::own(Matrix<float>(Matrix<float>::Ones(2, 7)))));
  p.user = {2, 0, 1, 0, 2, 1, 0};
  p.partition = {train, train, shot, test, train, unseen, train};
  p.group = {50, 10, 30, 11, 51, 31, 10};
  p.weight = {0.5F, 1, 1, 1, 2, 1, 0};
  p.users = 3;
  return p;
}

}  // namespace

TEST_CASE("comparisons come by user, users ascending, each in file order", "[preferences]") {
  const Preferences<Features> p = sound();
  REQUIRE_NOTHROW(p.validate());
  const Comparisons<Features> seen = p.seen_train();
  CHECK(seen.user == std::vector<Index>{0, 2});
  CHECK(seen.offset == std::vector<Index>{0, 2, 4});
  CHECK(seen.column == std::vector<Index>{1, 6, 0, 4});
  CHECK(seen.group == std::vector<Index>{10, 10, 50, 51});
  CHECK(seen.weight == std::vector<float>{1, 0, 0.5F, 2});
  CHECK(seen.users() == 2);
  CHECK(seen.count(1) == 2);
  CHECK(seen.dimension() == 2);
  CHECK(p.seen_test().column == std::vector<Index>{3});
  CHECK(p.seen_test().user == std::vector<Index>{0});
  CHECK(p.few_shot().column == std::vector<Index>{2});
  CHECK(p.unseen_test().column == std::vector<Index>{5});
}

TEST_CASE("without partitions, groups and weights everything is training", "[preferences]") {
  Preferences<Features> p = sound();
  p.partition.clear();
  p.group.clear();
  p.weight.clear();
  REQUIRE_NOTHROW(p.validate());
  const Comparisons<Features> all = p.seen_train();
  CHECK(all.size() == 7);
  CHECK(all.users() == 3);
  CHECK(all.group.empty());
  CHECK(all.weight.empty());
  CHECK(p.unseen_test().empty());
  CHECK(p.unseen_test().offset == std::vector<Index>{0});
}

TEST_CASE("filtered keeps positions, with or without the users left empty", "[preferences]") {
  const Comparisons<Features> seen = sound().seen_train();
  const auto heavy = [&](Index p) { return seen.weight[static_cast<std::size_t>(p)] == 2; };
  const Comparisons<Features> some = seen.filtered(heavy);
  CHECK(some.user == std::vector<Index>{2});
  CHECK(some.column == std::vector<Index>{4});
  CHECK(some.group == std::vector<Index>{51});
  CHECK(some.weight == std::vector<float>{2});
  const Comparisons<Features> kept = seen.filtered(heavy, true);
  CHECK(kept.user == std::vector<Index>{0, 2});
  CHECK(kept.offset == std::vector<Index>{0, 0, 1});
  CHECK(kept.features == seen.features);
}

TEST_CASE("subset takes users in the order asked for, again if asked again", "[preferences]") {
  const Comparisons<Features> seen = sound().seen_train();
  const Comparisons<Features> turned = seen.subset(std::vector<Index>{1, 0, 1});
  CHECK(turned.user == std::vector<Index>{2, 0, 2});
  CHECK(turned.column == std::vector<Index>{0, 4, 1, 6, 0, 4});
  CHECK(turned.offset == std::vector<Index>{0, 2, 4, 6});
  CHECK(seen.subset(std::vector<Index>{}).users() == 0);
  CHECK_THROWS_AS(seen.subset(std::vector<Index>{2}), std::domain_error);
  CHECK_THROWS_AS(seen.subset(std::vector<Index>{-1}), std::domain_error);
}

TEST_CASE("preferences whose lengths disagree are refused", "[preferences]") {
  const auto refuse = [](auto&& spoil) {
    Preferences<Features> p = sound();
    spoil(p);
    CHECK_THROWS_AS(p.validate(), std::invalid_argument);
  };
  refuse([](auto& p) { p.features.reset(); });
  refuse([](auto& p) { p.user.pop_back(); });
  refuse([](auto& p) { p.partition.pop_back(); });
  refuse([](auto& p) { p.group.push_back(1); });
  refuse([](auto& p) { p.weight.pop_back(); });
  refuse([](auto& p) { p.reference_head = Vector<float>::Ones(3); });
  refuse([](auto& p) { p.user_names = {"a", "b"}; });
}

TEST_CASE("preferences with values that cannot be are refused", "[preferences]") {
  const auto message = [](auto&& spoil) {
    Preferences<Features> p = sound();
    spoil(p);
    try {
      p.validate();
    } catch (const std::domain_error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  const std::string at = "lore::Preferences::validate: ";
  CHECK(message([](auto& p) { p.user[3] = 3; }) == at + "user[3]: got 3, wanted an id below 3");
  CHECK(message([](auto& p) { p.user[3] = -1; }) == at + "user[3]: got -1, wanted an id below 3");
  CHECK(message([](auto& p) { p.partition[1] = static_cast<Partition>(4); }) ==
        at + "partition[1]: got 4, wanted 0, 1, 2 or 3");
  CHECK(message([](auto& p) { p.partition[3] = unseen; }) ==
        at + "user 0: got seen and unseen comparisons, wanted one or the other");
  CHECK(message([](auto& p) { p.group[3] = 10; }) ==
        at + "group 10 of user 0: got training and test comparisons, wanted one or the other");
  CHECK(message([](auto& p) { p.weight[2] = -1; }) ==
        at + "weight[2]: got -1, wanted a finite number, 0 or above");
  CHECK(message([](auto& p) { p.weight[2] = std::numeric_limits<float>::quiet_NaN(); }) != "nothing thrown");
  CHECK(message([](auto& p) { p.weight[2] = std::numeric_limits<float>::infinity(); }) != "nothing thrown");
  CHECK(message([](auto& p) { p.users = 4; }) == at + "user 3: got no comparisons, wanted at least one");
  CHECK(message([](auto& p) {
          p.reference_head = Vector<float>::Constant(2, std::numeric_limits<float>::quiet_NaN());
        }) == at + "reference_head(0, 0): got nan, wanted a finite number");
}

TEST_CASE("one group may train one user and test another", "[preferences]") {
  Preferences<Features> p = sound();
  p.group = {11, 10, 30, 11, 51, 31, 10};
  CHECK_NOTHROW(p.validate());
}

namespace {

/// `sound()` with answers: a tie, an abstention, and user 0's training comparisons as one choice.
Preferences<Features> answered() {
  Preferences<Features> p = sound();
  p.user = {2, 0, 1, 0, 2, 1, 0};
  p.partition = {train, train, shot, train, train, unseen, test};
  p.group = {50, 10, 30, 10, 51, 31, 11};
  p.weight = {0.5F, 2, 1, 2, 2, 1, 0};
  p.answer.resize(7);
  p.answer[0].outcome = lore::Outcome::tie;
  p.answer[4].outcome = lore::Outcome::abstained;
  p.answer[1].choice = p.answer[3].choice = 9;
  p.answer[5].strength = 3;
  p.answer[6].flip = 0.25F;
  return p;
}

}  // namespace

TEST_CASE("answers go with their comparisons, abstentions stay out", "[preferences]") {
  const Preferences<Features> p = answered();
  REQUIRE_NOTHROW(p.validate());
  CHECK(p.count(lore::Outcome::abstained) == 1);
  CHECK(p.count(lore::Outcome::tie) == 1);
  CHECK(p.count(lore::Outcome::preferred) == 5);
  CHECK(sound().count(lore::Outcome::preferred) == 7);
  const Comparisons<Features> seen = p.seen_train();
  REQUIRE_NOTHROW(seen.validate());
  CHECK(seen.column == std::vector<Index>{1, 3, 0});
  CHECK(seen.answer == std::vector<lore::Answer>{p.answer[1], p.answer[3], p.answer[0]});
  CHECK(seen.answers(1)->outcome == lore::Outcome::tie);
  CHECK(p.unseen_test().answer == std::vector<lore::Answer>{p.answer[5]});
  CHECK(p.seen_test().answers(0)->flip == 0.25F);
  CHECK(sound().seen_train().answers(0) == nullptr);
  CHECK(seen.subset(std::vector<Index>{1, 0}).answer ==
        std::vector<lore::Answer>{p.answer[0], p.answer[1], p.answer[3]});
  const Comparisons<Features> decided = seen.decided();
  CHECK(decided.column == std::vector<Index>{1, 3});
  CHECK(decided.user == std::vector<Index>{0, 2});
  CHECK(sound().seen_train().decided().size() == 4);
}

TEST_CASE("answers that cannot be are refused", "[preferences]") {
  const auto message = [](auto&& spoil) {
    Preferences<Features> p = answered();
    spoil(p);
    try {
      p.validate();
    } catch (const std::domain_error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  const std::string at = "lore::Preferences::validate: ";
  CHECK(message([](auto& p) { p.answer[2].outcome = static_cast<lore::Outcome>(3); }) ==
        at + "answer[2].outcome: got 3, wanted 0, 1 or 2");
  CHECK(message([](auto& p) { p.answer[2].strength = -1; }) ==
        at + "answer[2].strength: got -1, wanted a finite number, 0 or above");
  CHECK(message([](auto& p) { p.answer[2].strength = std::numeric_limits<float>::infinity(); }) !=
        "nothing thrown");
  CHECK(message([](auto& p) { p.answer[2].flip = 0.5F; }) ==
        at + "answer[2].flip: got 0.5, wanted 0 or above, below 0.5");
  CHECK(message([](auto& p) { p.answer[2].flip = std::numeric_limits<float>::quiet_NaN(); }) !=
        "nothing thrown");
  CHECK(message([](auto& p) { p.answer[2].choice = -2; }) ==
        at + "answer[2].choice: got -2, wanted -1, or a number of 0 or above");
  CHECK(message([](auto& p) { p.answer[3].outcome = lore::Outcome::tie; }) ==
        at +
            "choice 9 of user 0: got a tie or an abstention, wanted the chosen reply preferred to each other "
            "one");
  CHECK(message([](auto& p) { p.partition[3] = test, p.group[3] = 12; }) ==
        at + "choice 9 of user 0: got comparisons that differ in their partition, wanted the same for all");
  CHECK(message([](auto& p) { p.group[3] = 12; }) ==
        at + "choice 9 of user 0: got comparisons that differ in their group, wanted the same for all");
  CHECK(message([](auto& p) { p.weight[3] = 1; }) ==
        at + "choice 9 of user 0: got comparisons that differ in their weight, wanted the same for all");
  CHECK(
      message([](auto& p) {
        p.partition[6] = train;
        p.group[6] = 10;
        p.weight[6] = 2;
        p.answer[3].choice = -1;
        p.answer[6].choice = 9;
      }) ==
      at + "choice 9 of user 0: got comparisons apart, wanted consecutive ones among the user's comparisons");
  Preferences<Features> p = answered();
  p.answer.pop_back();
  CHECK_THROWS_AS(p.validate(), std::invalid_argument);
  Comparisons<Features> seen = answered().seen_train();
  seen.answer[0].outcome = lore::Outcome::abstained;
  CHECK_THROWS_AS(seen.validate(), std::domain_error);
  seen = answered().seen_train();
  seen.answer.pop_back();
  CHECK_THROWS_AS(seen.validate(), std::invalid_argument);
}

TEST_CASE("one number may name choices of two users, and the chosen reply of a choice is one",
          "[preferences]") {
  Preferences<Features> p;
  p.features = std::make_shared<const Features>(Features::pairs(
      FeatureMatrix::own(Matrix<float>(Matrix<float>::Ones(2, 4))), {0, 0, 3, 3}, {1, 2, 1, 2}));
  p.user = {0, 0, 1, 1};
  p.users = 2;
  p.answer.assign(4, lore::Answer{.choice = 0});
  REQUIRE_NOTHROW(p.validate());
  REQUIRE_NOTHROW(p.seen_train().validate());
  p.user = {0, 0, 0, 0};
  p.users = 1;
  try {
    p.validate();
    FAIL("nothing thrown");
  } catch (const std::domain_error& error) {
    CHECK(std::string(error.what()) ==
          "lore::Preferences::validate: choice 0 of user 0: got comparisons that differ in their chosen "
          "reply, wanted the same for all");
  }
  CHECK_THROWS_AS(p.seen_train().validate(), std::domain_error);
}
