// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/probe.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;

/// 40 users of 50 comparisons: the first feature decides with slope `strength`, the second is noise, the
/// third nearly always 0, the last +1 or -1 with a bias of 0.6.
struct World {
  lore::Matrix<float> S = lore::Matrix<float>::Zero(4, 2000);
  std::vector<Index> user, group;

  explicit World(double strength) {
    lore::Rng rng(11);
    lore::fill_normal(rng, S);
    for (Index j = 0; j < 2000; ++j) {
      S(0, j) *= 100;  // in units of its own
      if (lore::uniform01<double>(rng) > lore::sigmoid(strength * double(S(0, j)) / 100)) S(0, j) *= -1;
      S(2, j) = j % 100 == 0 ? 1.0F : 0.0F;
      S(3, j) = lore::uniform01<double>(rng) < 0.6 ? 1.0F : -1.0F;
      user.push_back(j / 50);
      group.push_back(j % 400);
    }
  }
};

const std::vector<lore::ProbeGroup> groups{{"first", {0}}, {"noise", {1}}, {"rare", {2}}, {"position", {3}}};

}  // namespace

TEST_CASE("Each feature predicts as much as it decides") {
  const World world(1.0);
  const auto found = lore::surface_probe(world.S, world.user, world.group, groups, lore::Threads(2));
  // E sigma(|t|), t ~ N(0, 1)
  CHECK(found.groups[0].second.mean == Approx(0.685).margin(0.03));
  CHECK(found.groups[1].second.mean == Approx(0.5).margin(0.035));
  CHECK(found.groups[2].second.mean == Approx(0.505).margin(0.004));  // 0 does not decide: one half
  CHECK(found.groups[3].second.mean == Approx(0.6).margin(0.03));
  CHECK(found.together.mean > found.groups[0].second.mean);
  CHECK(found.together.users == 40);
  CHECK(found.together.standard_error == Approx(std::sqrt(0.21 / 2000)).epsilon(0.4));
  CHECK_FALSE(found.suspicious());
  CHECK(found.suspicious(0.6));
  // Threads change nothing; without groups whole comparisons are dealt.
  const auto serial = lore::surface_probe(world.S, world.user, world.group, groups, lore::Serial{});
  CHECK(serial.together.by_user == found.together.by_user);
  const auto dealt = lore::surface_probe(world.S, world.user, {}, {}, lore::Serial{});
  CHECK(dealt.groups.empty());
  CHECK(dealt.together.mean == Approx(found.together.mean).margin(0.02));
}

TEST_CASE("A surface that gives the answer away is suspicious") {
  CHECK(lore::surface_probe(World(100).S, World(100).user, {}, {}, lore::Serial{}).suspicious());
}

TEST_CASE("A probe names what does not fit") {
  const World world(1.0);
  CHECK_THROWS_AS(lore::surface_probe(world.S, {0, 1}, {}, {}, lore::Serial{}), std::invalid_argument);
  CHECK_THROWS_AS(lore::surface_probe(world.S, world.user, {1}, {}, lore::Serial{}), std::invalid_argument);
  CHECK_THROWS_AS(lore::surface_probe(world.S, world.user, {}, {{"none", {4}}}, lore::Serial{}),
                  std::domain_error);
  CHECK_THROWS_AS(lore::surface_probe(world.S, world.user, {}, {}, lore::Serial{}, {.folds = 1}),
                  std::domain_error);
  std::vector<Index> nobody = world.user;
  nobody[2] = -1;
  CHECK_THROWS_AS(lore::surface_probe(world.S, nobody, {}, {}, lore::Serial{}), std::domain_error);
  lore::Matrix<float> broken = world.S;
  broken(1, 3) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(lore::surface_probe(broken, world.user, {}, {}, lore::Serial{}), std::domain_error);
  CHECK_THROWS_AS(lore::surface_probe(lore::Matrix<float>(2, 0), {}, {}, {}, lore::Serial{}),
                  std::invalid_argument);
}
