// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/evaluate/diagnosis.hpp"

#include <cmath>

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
