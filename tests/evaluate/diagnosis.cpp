// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/diagnosis.hpp"

#include <cmath>

#include "lore/data/simulate.hpp"
#include "lore/fit/joint.hpp"
#include "lore/parallel/threads.hpp"

#include "lore_catch.hpp"

namespace {

using lore_test::Approx;

lore::RewardModel<double> model_of(const lore::Matrix<double>& V, const lore::Matrix<double>& W,
                                   lore::WeightMapKind map) {
  lore::RewardModel<double> model;
  model.basis = lore::Basis<double>(V);
  model.rank = V.cols();
  model.weights = W;
  model.parameters = W;
  model.weight_map = map;
  return model;
}

}  // namespace

TEST_CASE("Orthogonal columns that users share evenly have not collapsed") {
  lore::Matrix<double> V = lore::Matrix<double>::Zero(6, 3);
  V(0, 0) = V(1, 1) = V(2, 2) = 2;
  const lore::Matrix<double> W = lore::Matrix<double>::Identity(3, 3).replicate(1, 2);
  const auto found = lore::diagnose_collapse(model_of(V, W, lore::WeightMapKind::simplex));
  CHECK(found.mean_cosine() == Approx(0).margin(1e-12));
  CHECK(found.effective_rank == Approx(3));
  CHECK(found.singular_values.isApprox(lore::Vector<double>::Constant(3, 2)));
  CHECK(found.users.isApprox(lore::Vector<double>::Constant(3, 1.0 / 3)));
}

TEST_CASE("Columns that point the same way are one direction, and unused ones count for nothing") {
  lore::Matrix<double> V(4, 2);
  V.col(0) << 1, 2, 3, 4;
  V.col(1) = 3 * V.col(0);
  lore::Matrix<double> W(2, 4);
  W << 0.9, 0.9, 0.6, 0.2, 0.1, 0.1, 0.4, 0.8;
  const auto same = lore::diagnose_collapse(model_of(V, W, lore::WeightMapKind::simplex));
  CHECK(same.mean_cosine() == Approx(1));
  CHECK(same.effective_rank == Approx(1).epsilon(1e-5));
  CHECK(same.singular_values(1) == Approx(0).margin(1e-10));
  CHECK(same.users(0) == Approx(0.5));  // the second column counts three times as much

  // Independent columns, of which nobody uses the second.
  V.col(1) << 1, 0, 0, 0;
  W.row(0).setOnes();
  W.row(1).setZero();
  const auto unused = lore::diagnose_collapse(model_of(V, W, lore::WeightMapKind::simplex));
  CHECK(unused.singular_values(1) > 0.1);
  CHECK(unused.effective_rank == Approx(1).epsilon(1e-5));
  CHECK(unused.users(0) == 1);
}

TEST_CASE("Everybody has the first column of signed deviations; users count for the others") {
  lore::Matrix<double> V = lore::Matrix<double>::Identity(5, 3);
  V.col(0) *= 10;
  lore::Matrix<double> W(3, 4);
  W << 1, 1, 1, 1, 0.5, -2, 0.1, 0, -0.7, 1, 0, 0.3;
  const auto found = lore::diagnose_collapse(model_of(V, W, lore::WeightMapKind::signed_deviations));
  CHECK(found.users(0) == 0);
  CHECK(found.users(1) == Approx(0.5));
  CHECK(found.users(2) == Approx(0.5));
  const auto alone =
      lore::diagnose_collapse(model_of(V.leftCols(1), W.topRows(1), lore::WeightMapKind::signed_deviations));
  CHECK(alone.users(0) == Approx(1));
  CHECK(alone.effective_rank == Approx(1));
  CHECK(std::isnan(alone.mean_cosine()));
}

TEST_CASE("A model without users, or with more columns than dimensions, can be looked at") {
  lore::Matrix<double> V(2, 3);
  V << 1, 0, 1, 0, 1, 1;
  const auto found =
      lore::diagnose_collapse(model_of(V, lore::Matrix<double>(3, 0), lore::WeightMapKind::simplex));
  CHECK(found.singular_values.size() == 2);
  CHECK(found.users.isZero());
  CHECK(found.effective_rank > 1.5);
}

TEST_CASE("Users with more comparisons owe more to the data, and those with hardly any are counted") {
  lore::PlantedOptions options{.dimension = 10, .rank = 3, .seen_users = 60, .unseen_users = 0};
  options.seen_train = 60;
  options.seed = 5;
  const auto world = lore::simulate_planted(options);
  // User i keeps 60, 12 or 1 comparisons.
  const auto all = world.preferences.seen_train();
  const auto train = all.filtered([&](lore::Index p) {
    const lore::Index i = p / 60, j = p % 60;
    return j < (i % 3 == 0 ? 60 : i % 3 == 1 ? 12 : 1);
  });
  const auto joint = lore::JointFit<>{}(train, lore::Rank{3});
  const auto found = lore::diagnose(joint.model, train, lore::Threads(2));
  REQUIRE(found.users.size() == 60);
  double from_data[3] = {}, information[3] = {};
  for (std::size_t i = 0; i < 60; ++i) {
    const lore::UserDiagnosis& user = found.users[i];
    CHECK(user.from_data >= 0);
    CHECK(user.from_data <= 1);
    from_data[i % 3] += user.from_data / 20;
    information[i % 3] += user.information / 20;
    if (user.comparisons == 1) {
      CHECK(user.separable);
      // One answer tells at most one bit.
      CHECK(user.information < 0.6931472);
    }
  }
  CHECK(from_data[0] > from_data[1]);
  CHECK(from_data[1] > from_data[2]);
  CHECK(information[0] > information[1] + 0.5);
  CHECK(found.too_little >= 20);
  CHECK(found.too_little < 40);
  CHECK(found.separable >= 20);
  CHECK(found.separable < 45);
  CHECK(found.parameters == 120);
  CHECK(found.effective_parameters > 20);
  CHECK(found.effective_parameters < 100);
  CHECK(found.quantile(0.5, &lore::UserDiagnosis::from_data) == Approx(from_data[1]).margin(0.15));
  CHECK(std::isnan(found.identifiability.folds.personal));

  // The posterior is Gaussian where the loss is nearly quadratic, and then the share is known: H / (P + H).
  lore::RewardModel<float> one = joint.model;
  one.basis = lore::Basis<float>(lore::Matrix<float>(lore::Matrix<float>::Identity(10, 2) * 1e-3F));
  one.rank = 2;
  one.prior = {lore::Vector<float>::Unit(2, 0), lore::Matrix<float>::Zero(2, 2)};
  one.prior.covariance(1, 1) = 4e4F;
  one.weights = one.parameters = lore::Matrix<float>::Ones(2, train.users());
  const auto quadratic = lore::diagnose(one, train, lore::Serial{});
  for (lore::Index i = 0; i < 3; ++i) {
    double H = 0;
    lore::Vector<float> x(10);
    for (lore::Index p = train.begin(i); p < train.end(i); ++p) {
      train.features->load(train.column[static_cast<std::size_t>(p)], x.data());
      H += 0.25 * 1e-6 * double(x(1)) * double(x(1));
    }
    const auto at = static_cast<std::size_t>(i);
    CHECK(quadratic.users[at].from_data == Approx(H / (1 / 4e4 + H)).epsilon(0.03).margin(1e-4));
    CHECK(quadratic.users[at].information == Approx(0.5 * std::log1p(4e4 * H)).epsilon(0.03).margin(1e-4));
  }
  CHECK_THROWS_AS((void)lore::diagnose(one, train, lore::Serial{}, {}, {.least_information = -1}),
                  std::domain_error);
}

TEST_CASE("A model without deviations, or a prior without width, has nothing to learn of its users") {
  lore::PlantedOptions options{.dimension = 6, .rank = 2, .seen_users = 12, .unseen_users = 0};
  const auto world = lore::simulate_planted(options);
  const auto train = world.preferences.seen_train();
  const auto common = lore::JointFit<>{}(train, lore::Rank{1}).model;
  const auto found = lore::diagnose(common, train, lore::Serial{});
  CHECK(found.parameters == 0);
  CHECK(found.too_little == 0);
  auto fixed = lore::JointFit<>{}(train, lore::Rank{2}).model;
  fixed.prior.covariance.setZero();
  const auto narrow = lore::diagnose(fixed, train, lore::Serial{});
  CHECK(narrow.effective_parameters == 0);
  CHECK(narrow.too_little == 12);
}
