// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/few_shot_adam.hpp"

#include <limits>
#include <stdexcept>

#include "lore/parallel/threads.hpp"

#include "comparisons.hpp"
#include "lore_catch.hpp"
#include "parity_data.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
namespace parity = lore_test::parity;
using Matrix = lore::Matrix<double>;
using Adapt = lore::FewShotAdam<lore::BradleyTerry, lore::Simplex, double>;

}  // namespace

TEST_CASE("The few-shot protocol walks the published trajectory") {
  using namespace parity::few_shot_paper;
  const Matrix X = parity::columns(parity::differences, 7);
  const Matrix start = parity::columns(logits_0, 3);
  Adapt adapt{lore::Basis<double>(parity::columns(basis, 7))};
  CHECK(adapt.solver.options.learning_rate == 0.1);
  CHECK(adapt.solver.iterations == 500);
  CHECK(adapt.temperature() == 100);
  for (const auto& [steps, expected] : {std::pair(Index{1}, weights_1), std::pair(Index{10}, weights_10),
                                        std::pair(Index{500}, weights_500)}) {
    adapt.solver.iterations = steps;
    const Matrix wanted = parity::columns(expected, 3);
    Index begin = 0;
    for (Index i = 0; i < 4; ++i) {
      Index end = begin;
      while (end < 21 && parity::user[static_cast<std::size_t>(end)] == i) ++end;
      const Matrix Z = adapt.basis().project_all(X.middleCols(begin, end - begin));
      const auto user = adapt.from_scores(Z, {}, start.col(i));
      CHECK(((user.weights - wanted.col(i)).array().abs() / wanted.col(i).array()).maxCoeff() < 1e-8);
      CHECK(user.status == lore::Status::iteration_limit);
      begin = end;
    }
  }
}

TEST_CASE("Few-shot Adam gives each user their own stream of random numbers") {
  const auto people = lore_test::population<double>(6, 3, 20, 4, 1);
  Adapt adapt{lore::Basis<double>(people.B), 1};
  const auto all = adapt.all(people.comparisons, lore::Serial{});
  REQUIRE(all.size() == 20);
  // The same one at a time, and whoever else is there.
  for (const Index i : {Index{0}, Index{7}, Index{19}}) {
    const auto alone = adapt(people.X.middleCols(4 * i, 4), {}, i);
    CHECK((alone.weights - all[static_cast<std::size_t>(i)].weights).norm() < 1e-9);
  }
  const std::vector<Index> few = {7, 3};
  const auto some = adapt.all(people.comparisons.subset(few), lore::Serial{});
  CHECK((some[0].weights - all[7].weights).norm() < 1e-9);
  CHECK((some[1].weights - all[3].weights).norm() < 1e-9);
  adapt.solver.iterations = 0;
  const auto before = adapt.all(people.comparisons, lore::Serial{});
  adapt.seed = 1;
  const auto other = adapt.all(people.comparisons, lore::Serial{});
  CHECK(before[0].parameters != before[1].parameters);
  CHECK(before[0].parameters != other[0].parameters);
}

TEST_CASE("Few-shot Adam gives the same bits for any number of threads") {
  const auto people = lore_test::population<double>(6, 3, 30, 5, 2);
  Adapt adapt{lore::Basis<double>(people.B), 1};
  adapt.solver.iterations = 40;
  const auto serial = adapt.all(people.comparisons, lore::Threads(1));
  const auto parallel = adapt.all(people.comparisons, lore::Threads(3));
  for (std::size_t i = 0; i < 30; ++i) {
    CHECK(parallel[i].parameters == serial[i].parameters);
    CHECK(parallel[i].objective == serial[i].objective);
  }
}

TEST_CASE("Few-shot Adam with many comparisons recovers the weights") {
  const auto people = lore_test::population<double>(6, 3, 3, 3000, 3);
  Adapt adapt{lore::Basis<double>(people.B), 1};
  const auto all = adapt.all(people.comparisons, lore::Serial{});
  for (Index i = 0; i < 3; ++i) {
    const auto& user = all[static_cast<std::size_t>(i)];
    CHECK((user.weights - people.weights.col(i)).norm() < 0.1);
    CHECK(user.weights.sum() == Approx(1));
    CHECK(user.covariance.norm() == 0);
  }
}

TEST_CASE("Few-shot Adam weighs comparisons, and stays put without any") {
  const auto people = lore_test::population<double>(5, 2, 1, 6, 4);
  Adapt adapt{lore::Basis<double>(people.B), 1};
  Matrix twice(5, 7);
  twice << people.X, people.X.col(2);
  CHECK((adapt(people.X, {1, 1, 2, 1, 1, 1}).weights - adapt(twice).weights).norm() < 1e-9);
  CHECK((adapt(people.X, {0, 1, 1, 1, 1, 1}).weights - adapt(people.X.rightCols(5)).weights).norm() < 1e-9);
  const auto none = adapt(Matrix(5, 0));
  const auto weightless = adapt(people.X, {0, 0, 0, 0, 0, 0});
  adapt.solver.iterations = 0;
  CHECK(none.parameters == adapt(people.X).parameters);
  CHECK(weightless.parameters == none.parameters);
  CHECK(none.objective == 0);
}

TEST_CASE("Few-shot Adam at rank 1 has nothing to fit") {
  const auto people = lore_test::population<double>(5, 1, 1, 6, 5);
  const Adapt adapt{lore::Basis<double>(people.B)};
  const auto user = adapt(people.X);
  CHECK(user.weights(0) == 1);
  CHECK(std::isfinite(user.objective));
}

TEST_CASE("Few-shot Adam refuses what it cannot use") {
  const auto people = lore_test::population<double>(5, 2, 2, 3, 6);
  const lore::Basis<double> basis(people.B);
  CHECK_THROWS_AS(Adapt(basis, 0.0), std::domain_error);
  const Adapt adapt{basis};
  CHECK_THROWS_AS(adapt(Matrix::Ones(4, 2)), std::invalid_argument);
  CHECK_THROWS_AS(adapt(Matrix::Constant(5, 2, std::numeric_limits<double>::quiet_NaN())), std::domain_error);
  CHECK_THROWS_AS(adapt(people.X, {1}), std::invalid_argument);
  CHECK_THROWS_AS(adapt(people.X, {1, 1, 1, 1, 1, -1}), std::domain_error);
  CHECK_THROWS_AS(adapt.from_scores(Matrix::Ones(3, 2)), std::invalid_argument);
  CHECK_THROWS_AS(adapt.from_scores(Matrix::Ones(2, 2), {}, lore::Vector<double>::Zero(3)),
                  std::invalid_argument);
  CHECK_THROWS_AS(adapt.all_from_scores(Matrix::Ones(2, 5), people.comparisons, lore::Serial{}),
                  std::invalid_argument);
  lore::RewardModel<double> model;
  model.basis = basis;
  model.weight_map = lore::WeightMapKind::signed_deviations;
  CHECK_THROWS_AS(Adapt(model), std::invalid_argument);
}
