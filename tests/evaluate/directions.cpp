// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/directions.hpp"

#include <stdexcept>

#include "lore/core/random.hpp"
#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;

/// Users 0, 2, 4, .. of the file; each of the even places likes the first feature or dislikes it, each of the
/// odd ones the second.
struct World {
  lore::Preferences<> preferences;
  lore::RewardModel<float> model;

  World() {
    lore::Rng rng(3);
    lore::Matrix<float> X(5, 200);
    lore::fill_normal(rng, X);
    X(0, 150) = -40;
    X(1, 17) = 50;
    preferences.features = std::make_shared<const lore::Features>(
        lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
    lore::Matrix<float> W = lore::Matrix<float>::Zero(3, 20);
    W.row(0).setOnes();
    for (Index i = 0; i < 20; ++i) {
      W(1 + i % 2, i) = (i % 4 < 2 ? 1.0F : -1.0F) * (i < 2 ? 1.5F : 1.0F);
      preferences.user.insert(preferences.user.end(), 10, i);
      model.user.push_back(2 * i);
    }
    for (Index& user : preferences.user) user *= 2;
    preferences.users = 40;
    lore::Matrix<float> V = lore::Matrix<float>::Zero(5, 3);
    V(4, 0) = 1;
    V.col(1) << -2, 0, 0, 0, 0;
    V.col(2) << 0, 1, 0, 0, 0;
    model.basis = lore::Basis<float>(V);
    model.rank = 3;
    model.weight_map = lore::WeightMapKind::signed_deviations;
    model.weights = model.parameters = W;
    model.prior = {lore::Vector<float>::Unit(3, 0), lore::Matrix<float>::Identity(3, 3)};
  }
};

}  // namespace

TEST_CASE("Directions name the comparisons that move them and the users at their ends") {
  const World world;
  const auto train = world.preferences.seen_train();
  const auto found =
      lore::directions_of(world.model, train, lore::Threads(2), {.comparisons = 2, .users = 1});
  REQUIRE(found.directions.size() == 2);
  CHECK(found.directions[0].share + found.directions[1].share == Approx(1));
  CHECK(found.directions[0].share > found.directions[1].share);
  for (const lore::Direction& direction : found.directions) {
    Index feature = 0;
    CHECK(direction.vector.cwiseAbs().maxCoeff(&feature) > 0);
    CHECK(direction.vector(feature) > 0);  // signed
    REQUIRE(feature < 2);
    REQUIRE(direction.most_moved.size() == 2);
    const lore::MovedComparison& moved = direction.most_moved[0];
    CHECK(moved.position == (feature == 0 ? 150 : 17));
    CHECK(moved.user == (feature == 0 ? 30 : 2));
    CHECK((moved.score > 0) == (feature == 1));
    // Of those who are moved by the second feature the strongest is the second user, id 2. The first feature
    // enters with a minus: the strongest, id 0, is at its low end.
    CHECK((feature == 0 ? direction.lowest : direction.highest)[0].user == (feature == 0 ? 0 : 2));
  }
  CHECK(found.common.isApprox(lore::Vector<double>::Unit(5, 4), 0.2));
  CHECK(found.personal_share() > 0.5);
  // The parts are the rewards again.
  const lore::Matrix<double> rewards =
      (found.axes.directions * found.axes.weights).colwise() + found.axes.mean;
  CHECK((rewards - (world.model.basis.matrix() * world.model.weights).cast<double>()).norm() < 1e-5);
}

TEST_CASE("Principal axes carry the same variance as varimax axes, and agreeing users have none") {
  World world;
  const auto train = world.preferences.seen_train();
  const auto varimax = lore::directions_of(world.model, train, lore::Serial{});
  const auto principal =
      lore::directions_of(world.model, train, lore::Serial{}, {.axes = lore::Axes::principal});
  CHECK(principal.directions[0].variance >= varimax.directions[0].variance * (1 - 1e-9));
  CHECK(principal.personal_share() == Approx(varimax.personal_share()).epsilon(0.05));
  world.model.weights.bottomRows(2).setZero();
  const auto none = lore::directions_of(world.model, train, lore::Serial{});
  CHECK(none.directions.empty());
  CHECK(none.personal_share() == 0);
  CHECK_THROWS_AS((void)lore::directions_of(world.model, train, lore::Serial{}, {.users = -1}),
                  std::domain_error);
}
