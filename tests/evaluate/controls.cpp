// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/controls.hpp"

#include <cmath>
#include <stdexcept>

#include "lore/data/simulate.hpp"
#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;

[[nodiscard]] auto simulate() {
  lore::PlantedOptions options{.dimension = 12, .rank = 3, .alpha = 0.1, .seen_users = 60};
  options.seen_train = 20;
  options.seen_test = 60;
  options.unseen_users = 0;
  options.seed = 4;
  return lore::simulate_planted(options);
}

/// Users who truly have one of three tastes, and the model that knows them.
struct World {
  lore::PlantedPopulation planted = simulate();
  lore::Comparisons<> train = planted.preferences.seen_train(), test = planted.preferences.seen_test();
  lore::RewardModel<float> model, common;

  World() {
    const lore::Matrix<float> V = planted.directions.cast<float>();
    const lore::Matrix<float> W = planted.weights.cast<float>();
    model.basis = lore::Basis<float>(V);
    model.rank = 3;
    model.weight_map = lore::WeightMapKind::simplex;
    model.prior = {lore::Vector<float>::Zero(3), lore::Matrix<float>::Zero(3, 3)};
    model.user = train.user;
    model.weights.resize(3, train.users());
    for (Index i = 0; i < train.users(); ++i)
      model.weights.col(i) = W.col(train.user[static_cast<std::size_t>(i)]);
    model.parameters = lore::Matrix<float>::Zero(3, train.users());
    common = lore::reference_model<float>(lore::Vector<float>(V.rowwise().mean()));
    common.rank = 1;
    model.reference_head = lore::Vector<float>::Unit(12, 11);
  }
};

}  // namespace

TEST_CASE("True tastes beat every control, and another user's taste is worst of what was fitted") {
  const World world;
  const auto at = [&](Index i) -> lore::Vector<float> { return world.model.weights.col(i); };
  const lore::Vector<float> population = lore::population_weights(world.model);
  const auto weights = lore::weights_by_id(world.model.user, at, population);
  const auto found =
      lore::compare_controls(world.model, world.common, world.train, world.test, lore::Threads(2), weights);
  REQUIRE(found.others.size() == 5);
  for (const lore::Control& control : found.others) {
    CAPTURE(control.name, control.accuracy.mean, found.personalised.mean);
    CHECK(control.gain.mean == Approx(found.personalised.mean - control.accuracy.mean));
    CHECK(control.interval.lower < control.gain.mean);
    CHECK(control.interval.upper > control.gain.mean);
    CHECK(control.interval.lower > 0);
    // The interval is about as wide as the standard error says.
    const double width = (control.interval.upper - control.interval.lower) / (2 * 1.96);
    CHECK(width == Approx(control.gain.standard_error).epsilon(0.15));
  }
  // Equal weights of the true columns are both the population's mean and the common reward here.
  CHECK(found.at("population mean").accuracy.mean == Approx(found.at("Bradley-Terry").accuracy.mean));
  CHECK(found.at("another user").accuracy.mean < found.at("Bradley-Terry").accuracy.mean);
  CHECK(found.at("reference").accuracy.mean < found.at("per-user fit").accuracy.mean);
  CHECK(found.at("per-user fit").accuracy.mean > 0.6);
  CHECK_THROWS_AS(found.at("nobody"), std::invalid_argument);
  // The same figures with any number of threads.
  const auto serial =
      lore::compare_controls(world.model, world.common, world.train, world.test, lore::Serial{}, weights);
  for (std::size_t c = 0; c < found.others.size(); ++c) {
    CHECK(serial.others[c].accuracy.by_user == found.others[c].accuracy.by_user);
    CHECK(serial.others[c].interval.lower == found.others[c].interval.lower);
  }
}

TEST_CASE("A reward of one's own is the ridge optimum, from the comparisons' side and from the features'") {
  lore::Rng rng(9);
  lore::Matrix<double> X(6, 5);
  lore::fill_normal(rng, X);
  X.col(4) *= 30;  // a step that overshoots
  const std::vector<float> omega{1, 0.5F, 2, 0, 1};
  const auto gradient_at = [&](const lore::Vector<double>& v, double lambda) {
    lore::Vector<double> gradient = lambda * v;
    for (Index j = 0; j < 5; ++j)
      gradient -= double(omega[static_cast<std::size_t>(j)]) / (1 + std::exp(X.col(j).dot(v))) * X.col(j);
    return gradient;
  };
  lore::Matrix<double> padded = lore::Matrix<double>::Zero(6, 7);  // weightless: seven against six
  padded.leftCols(5) = X;
  std::vector<float> padded_omega = omega;
  padded_omega.resize(7, 1);
  lore::detail::RidgeLogistic few(X, omega), many(padded, padded_omega);
  for (const double lambda : {0.01, 0.7, 50.0}) {
    const lore::Vector<double> v = few.fit(lambda);
    CHECK(gradient_at(v, lambda).norm() < 1e-3 * lambda * v.norm());
    CHECK((v - many.fit(lambda)).norm() < 1e-3 * v.norm());
    CHECK(v.norm() > 0);
  }
}

TEST_CASE("The scale of users' own rewards follows the units of the temperature and the strength of taste") {
  const World world;
  const auto at = [&](Index i) -> lore::Vector<float> { return world.model.weights.col(i); };
  const lore::Vector<float> population = lore::population_weights(world.model);
  const auto weights = lore::weights_by_id(world.model.user, at, population);
  const auto found =
      lore::compare_controls(world.model, world.common, world.train, world.test, lore::Serial{}, weights);
  CHECK(found.own_scale >= 1);  // planted margins are some units wide
  const auto asked = [&](double scale) {
    return lore::compare_controls(world.model, world.common, world.train, world.test, lore::Serial{}, weights,
                                  {.own_scale = scale})
        .at("per-user fit")
        .accuracy.mean;
  };
  const double chosen = found.at("per-user fit").accuracy.mean;
  CHECK(chosen == asked(found.own_scale));
  for (const double scale : {0.1, 20.0}) CHECK(chosen > asked(scale) - 0.01);
  auto warm = world.model;
  warm.temperature = 4;  // the same choices have to be explained by margins four times as large
  const auto warmer =
      lore::compare_controls(warm, world.common, world.train, world.test, lore::Serial{}, weights);
  CHECK(warmer.own_scale == found.own_scale);
  CHECK(warmer.at("per-user fit").accuracy.mean == Approx(chosen).margin(0.002));
}

TEST_CASE("Controls refuse models of other features and options out of range") {
  const World world;
  const auto weights = [](Index) { return lore::Vector<float>::Ones(3).eval(); };
  lore::RewardModel<float> narrow = lore::reference_model<float>(lore::Vector<float>::Ones(7));
  CHECK_THROWS_AS(
      (void)lore::compare_controls(world.model, narrow, world.train, world.test, lore::Serial{}, weights),
      std::invalid_argument);
  CHECK_THROWS_AS((void)lore::compare_controls(world.model, world.common, world.train, world.test,
                                               lore::Serial{}, weights, {.own_scale = 0}),
                  std::domain_error);
}
