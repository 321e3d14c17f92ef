// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/model/reward_model.hpp"

#include <limits>
#include <stdexcept>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Basis;
using lore::Dynamic;
using lore::Index;
using lore::Matrix;
using lore::RewardModel;
using lore::Vector;
using lore_test::Approx;

namespace {

RewardModel<double> sound_model() {
  RewardModel<double> model;
  model.basis = Basis<double>(Matrix<double>::Ones(4, 2));
  model.rank = 2;
  model.user = {3, 5, 8};
  model.parameters = Matrix<double>::Zero(2, 3);
  model.weights = Matrix<double>::Constant(2, 3, 0.5);
  model.prior = {Vector<double>::Zero(2), Matrix<double>::Zero(2, 2)};
  return model;
}

/// Every way to hand over the same weights and embedding must give the same reward.
template <class Scalar, class B>
void check_rewards(const B& basis) {
  lore::Rng rng = lore::make_rng(4);
  Matrix<Scalar> W(3, 2);
  Matrix<Scalar> E(5, 6);
  lore::fill_normal(rng, W);
  lore::fill_normal(rng, E);
  const Vector<Scalar> w = W.col(1);
  const Vector<Scalar, 3> fixed_w = w;
  const Vector<Scalar> e = E.col(4);
  const Vector<Scalar, 5> fixed_e = e;
  const Eigen::Map<const Vector<Scalar>> mapped(e.data(), 5);
  const lore::ConstVectorRef<Scalar> ref(e);
  const Scalar expected = (e.transpose() * basis.matrix() * w).value();
  const Scalar tolerance = lore_test::tolerance<Scalar>();
  CHECK(lore::reward(basis, w, e) == Approx(expected).epsilon(tolerance));
  CHECK(lore::reward(basis, W.col(1), E.col(4)) == Approx(expected).epsilon(tolerance));
  CHECK(lore::reward(basis, fixed_w, fixed_e) == Approx(expected).epsilon(tolerance));
  CHECK(lore::reward(basis, fixed_w, mapped) == Approx(expected).epsilon(tolerance));
  CHECK(lore::reward(basis, w, ref) == Approx(expected).epsilon(tolerance));
  CHECK(lore::reward(basis, w, E.col(4) - E.col(3)) ==
        Approx(expected - lore::reward(basis, w, E.col(3))).epsilon(10 * tolerance).margin(tolerance));
  const Vector<Scalar> all = lore::rewards(basis, fixed_w, E);
  REQUIRE(all.size() == 6);
  for (Index j = 0; j < 6; ++j) CHECK(all(j) == Approx(lore::reward(basis, w, E.col(j))).epsilon(tolerance));
  const Eigen::Matrix<Scalar, Dynamic, Dynamic, Eigen::RowMajor> rows = E;
  CHECK(lore::rewards(basis, w, rows).isApprox(all, tolerance));
  CHECK(lore::rewards(basis, w, E.middleCols(2, 3)).isApprox(all.segment(2, 3), tolerance));
  const Matrix<Scalar, 5, 6> fixed_E = E;
  CHECK(lore::rewards(basis, W.col(1), fixed_E).isApprox(all, tolerance));
  const Index best = lore::best_of(basis, w, E);
  CHECK(all(best) == all.maxCoeff());
  CHECK(lore::best_of(basis, -w, Eigen::Map<const Matrix<Scalar>>(E.data(), 5, 6)) != best);
}

}  // namespace

TEMPLATE_TEST_CASE("rewards of vectors, blocks, maps and fixed sizes agree", "[reward_model]", float,
                   double) {
  lore::Rng rng = lore::make_rng(3);
  Matrix<TestType> V(5, 3);
  lore::fill_normal(rng, V);
  check_rewards<TestType>(Basis<TestType>(V));
  check_rewards<TestType>(Basis<TestType, 5, 3>(V));
  check_rewards<TestType>(Basis<TestType, Dynamic, 3>(V));
  check_rewards<TestType>(Basis<TestType, 5>(V));
}

TEST_CASE("permuting the columns of the basis with the weights changes no reward", "[reward_model]") {
  Matrix<double> V(2, 3);
  V << 1, 2, 3, 4, 5, 6;
  Vector<double> w(3);
  w << 0.2, 0.3, 0.5;
  const Vector<double> e = Vector<double>::Constant(2, 2);
  CHECK(lore::reward(Basis<double>(V), w, e) == Approx(2 * (0.2 * 5 + 0.3 * 7 + 0.5 * 9)));
  CHECK(lore::reward(Basis<double>(V.rowwise().reverse()), w.reverse(), e) ==
        Approx(lore::reward(Basis<double>(V), w, e)));
}

TEST_CASE("the best of candidates is the first of equals", "[reward_model]") {
  const Basis<double> basis(Matrix<double>::Identity(2, 2));
  const Vector<double> w = Vector<double>::Unit(2, 0);
  Matrix<double> E(2, 4);
  E << 1, 3, 3, 2, 9, 0, 9, 9;
  CHECK(lore::best_of(basis, w, E) == 1);
  CHECK(lore::best_of(basis, -w, E) == 0);
  CHECK(lore::best_of(basis, w, E.col(3)) == 0);
  CHECK_THROWS_AS(lore::best_of(basis, w, E.leftCols(0)), std::invalid_argument);
  E(0, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(lore::best_of(basis, w, E), std::domain_error);
}

TEST_CASE("rewards refuse wrong shapes", "[reward_model]") {
  const Basis<float> basis(Matrix<float>::Ones(3, 2));
  const Vector<float> w = Vector<float>::Ones(2);
  const Vector<float> e = Vector<float>::Ones(3);
  CHECK_THROWS_WITH(lore::reward(basis, e, e), "lore::reward: w: got 3, wanted 2");
  CHECK_THROWS_WITH(lore::reward(basis, w, w), "lore::reward: e: got 2, wanted 3");
  CHECK_THROWS_AS(lore::rewards(basis, e, e), std::invalid_argument);
  CHECK_THROWS_AS(lore::rewards(basis, w, w), std::invalid_argument);
  const Basis<float, 3, 2> fixed(Matrix<float>::Ones(3, 2));
  CHECK_THROWS_AS(lore::reward(fixed, e, e), std::invalid_argument);
  CHECK_THROWS_AS(lore::reward(fixed, w, w), std::invalid_argument);
}

TEST_CASE("reference and Bradley-Terry models have one column", "[reward_model]") {
  RewardModel<double> model = sound_model();
  CHECK_NOTHROW(model.validate());
  model.basis = Basis<double>(Matrix<double>::Ones(4, 1));
  model.prior = {Vector<double>::Zero(1), Matrix<double>::Zero(1, 1)};
  model.user.clear();
  model.parameters.resize(0, 0);
  model.weights.resize(0, 0);
  for (const Index rank : {0, 1}) {
    model.rank = rank;
    CHECK_NOTHROW(model.validate());
  }
  model.rank = 2;
  CHECK_THROWS_AS(model.validate(), std::invalid_argument);
}

TEST_CASE("a model whose parts do not agree is refused", "[reward_model]") {
  const auto refuse_shape = [](auto&& spoil) {
    RewardModel<double> model = sound_model();
    spoil(model);
    CHECK_THROWS_AS(model.validate(), std::invalid_argument);
  };
  const auto refuse_value = [](auto&& spoil) {
    RewardModel<double> model = sound_model();
    spoil(model);
    CHECK_THROWS_AS(model.validate(), std::domain_error);
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  refuse_shape([](auto& m) { m.rank = 3; });
  refuse_shape([](auto& m) { m.user.pop_back(); });
  refuse_shape([](auto& m) { m.parameters.resize(2, 2); });
  refuse_shape([](auto& m) { m.weights = Matrix<double>::Ones(3, 3); });
  refuse_shape([](auto& m) { m.prior.mean = Vector<double>::Zero(3); });
  refuse_shape([](auto& m) { m.reference_head = Vector<double>::Ones(3); });
  refuse_shape([](auto& m) { m.user_names = {"one"}; });
  refuse_value([](auto& m) { m.temperature = 0; });
  refuse_value([&](auto& m) { m.temperature = nan; });
  refuse_value([&](auto& m) { m.weights(1, 2) = nan; });
  refuse_value([&](auto& m) { m.parameters(0, 0) = nan; });
  refuse_value([&](auto& m) { m.prior.mean(0) = nan; });
  refuse_value([&](auto& m) { m.reference_head = Vector<double>::Constant(4, nan); });
}
