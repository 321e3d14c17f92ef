// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/gradient_descent.hpp"

#include <limits>
#include <stdexcept>

#include "lore/objective/label_noise.hpp"
#include "lore/parallel/threads.hpp"

#include "comparisons.hpp"
#include "lore_catch.hpp"
#include "parity_data.hpp"

namespace {

using lore::Index;
using lore::Rank;
using lore_test::Approx;
namespace parity = lore_test::parity;
using Matrix = lore::Matrix<double>;

[[nodiscard]] lore::Comparisons<> toy() {
  std::vector<Index> counts(4, 0);
  for (const Index i : parity::user) ++counts[static_cast<std::size_t>(i)];
  return lore_test::comparisons_of<double>(parity::columns(parity::differences, 7), counts);
}

[[nodiscard]] double relative(const Matrix& got, const lore_test::parity::Numbers& wanted) {
  const Matrix W = parity::columns(wanted, got.rows());
  return ((got - W).array().abs() / W.array().abs().max(1e-3)).maxCoeff();
}

[[nodiscard]] Matrix basis_start() { return parity::columns(parity::basis_0, 7); }

}  // namespace

TEST_CASE("The paper's protocol walks the published trajectory") {
  using namespace parity::joint_paper;
  const auto run = [](Index steps) {
    auto fit = lore::paper_protocol<double>();
    fit.options.iterations = steps;
    return fit.from(toy(), basis_start(), parity::columns(logits_0, 3));
  };
  const auto one = run(1), ten = run(10), many = run(200);
  CHECK(relative(one.model.basis.matrix(), basis_1) < 1e-8);
  CHECK(relative(ten.model.basis.matrix(), basis_10) < 1e-8);
  CHECK(relative(many.model.basis.matrix(), basis_200) < 1e-8);
  CHECK(relative(one.model.parameters, logits_1) < 1e-8);
  CHECK(relative(ten.model.parameters, logits_10) < 1e-8);
  CHECK(relative(many.model.parameters, logits_200) < 1e-8);
  CHECK(many.trace.size() == 200);
  CHECK(many.trace[0] == Approx(loss_0).epsilon(1e-12));
  CHECK(many.trace[1] == Approx(loss_1).epsilon(1e-12));
  CHECK(many.trace[10] == Approx(loss_10).epsilon(1e-9));
  CHECK(many.objective == Approx(loss_200).epsilon(1e-8));
  CHECK(many.status == lore::Status::iteration_limit);
}

TEST_CASE("The regularised protocol walks the published trajectory, each length with its own warm-up") {
  using namespace parity::joint_regularised;
  const auto run = [](Index steps) {
    auto fit = lore::regularised_protocol<double>(alpha, parity::columns(reference_head, 7));
    fit.options.iterations = steps;
    fit.options.prune_below = 0;
    return fit.from(toy(), basis_start(), parity::columns(logits_0, 3)).model;
  };
  const auto one = run(1), ten = run(10), many = run(200);
  CHECK(relative(one.basis.matrix(), basis_1) < 1e-8);
  CHECK(relative(ten.basis.matrix(), basis_10) < 1e-8);
  CHECK(relative(many.basis.matrix(), basis_200) < 1e-8);
  CHECK(relative(one.parameters, logits_1) < 1e-8);
  CHECK(relative(ten.parameters, logits_10) < 1e-8);
  CHECK(relative(many.parameters, logits_200) < 1e-8);
}

TEST_CASE("Protocols carry the published settings") {
  const auto paper = lore::paper_protocol<double>();
  CHECK(paper.options.iterations == 1000);
  CHECK(paper.options.adam.learning_rate == 0.5);
  CHECK(paper.options.adam.beta1 == 0.9);
  CHECK(paper.options.adam.beta2 == 0.999);
  CHECK(paper.options.adam.epsilon == 1e-8);
  CHECK(paper.options.temperature == 100);
  CHECK(paper.options.prune_below == 0);
  const auto regularised = lore::regularised_protocol<double>(1e4, lore::Vector<double>::Ones(3));
  CHECK(regularised.options.iterations == 20000);
  CHECK(regularised.options.adam.learning_rate == 0.5);
  CHECK(regularised.options.temperature == 100);
  CHECK(regularised.options.prune_below == 0.01);
  CHECK(regularised.regularizer.alpha == 1e4);
}

TEST_CASE("Gradient descent starts from the published distributions") {
  const auto people = lore_test::population<double>(40, 2, 400, 1, 1);
  auto fit = lore::paper_protocol<double>();
  fit.options.iterations = 0;
  const auto normal = fit(people.comparisons, Rank{30}, 5).model;
  CHECK(normal.basis.matrix().mean() == Approx(0).margin(0.15));
  CHECK(normal.basis.matrix().squaredNorm() / 1200.0 == Approx(1).epsilon(0.15));
  // A common shift of the logits has no meaning and is taken out: 29 of 30 degrees of freedom stay.
  CHECK(normal.parameters.squaredNorm() / (29 * 400.0) == Approx(1).epsilon(0.05));
  fit.options.initial_parameters = lore::InitialParameters::uniform;
  const auto uniform = fit(people.comparisons, Rank{30}, 5).model;
  CHECK(uniform.parameters.squaredNorm() / (29 * 400.0) == Approx(1.0 / 12).epsilon(0.05));
  CHECK(uniform.parameters.maxCoeff() - uniform.parameters.minCoeff() < 2);
  const auto other = fit(people.comparisons, Rank{30}, 6).model;
  CHECK(other.basis.matrix() != uniform.basis.matrix());
  CHECK(other.parameters != uniform.parameters);
}

TEST_CASE("Gradient descent at rank 1 finds Bradley-Terry") {
  const auto people = lore_test::population<double>(6, 1, 10, 60, 2, 2.0);
  auto fit = lore::paper_protocol<double>();
  fit.options.temperature = 1;
  fit.options.iterations = 3000;
  fit.options.adam.learning_rate = 0.02;
  fit.options.averaging = lore::Averaging::comparisons;
  const auto result = fit(people.comparisons, Rank{1}, 3);
  CHECK((result.model.weights.array() == 1).all());
  // Stationary: sum_j sigma(-x_j'v) x_j = 0.
  const lore::Vector<double> margin = people.X.transpose() * result.model.basis.matrix().col(0);
  const lore::Vector<double> miss = (1 / (1 + margin.array().exp())).matrix();
  CHECK((people.X * miss).norm() / 600 < 1e-6);
}

TEST_CASE("Both averages are of what their names say") {
  // User 0 has one comparison, user 1 three; V is fixed by taking no step.
  lore::Matrix<double> X(1, 4);
  X << 1, 2, -1, 0.5;
  const auto comparisons = lore_test::comparisons_of<double>(X, {1, 3});
  auto fit = lore::paper_protocol<double>();
  fit.options.iterations = 0;
  fit.options.temperature = 2;
  const auto at = [&](lore::Comparisons<> given) {
    return fit.from(given, Matrix::Constant(1, 1, 3.0), Matrix::Zero(1, 2)).objective;
  };
  const auto loss = [](double x) { return std::log(1 + std::exp(-1.5 * x)); };
  CHECK(at(comparisons) == Approx(loss(1) + (loss(2) + loss(-1) + loss(0.5)) / 3));
  auto weighted = comparisons;
  weighted.weight = {2, 1, 0, 3};
  CHECK(at(weighted) == Approx(loss(1) + (loss(2) + 3 * loss(0.5)) / 4));
  fit.options.averaging = lore::Averaging::comparisons;
  CHECK(at(comparisons) == Approx((loss(1) + loss(2) + loss(-1) + loss(0.5)) / 4));
  CHECK(at(weighted) == Approx((2 * loss(1) + loss(2) + 3 * loss(0.5)) / 6));
  weighted.weight = {0, 0, 0, 0};
  CHECK(at(weighted) == 0);
}

TEST_CASE("Gradient descent gives the same bits for any number of threads") {
  const auto people = lore_test::population<float>(33, 3, 30, 9, 4);
  const auto run = [&](int threads) {
    auto fit = lore::paper_protocol<float>(lore::Threads(threads));
    fit.options.iterations = 15;
    fit.options.order = lore::StepOrder::alternating;
    return fit(people.comparisons, Rank{3}, 7);
  };
  const auto serial = run(1);
  for (const int threads : {2, 3}) {
    const auto parallel = run(threads);
    CHECK(parallel.model.basis.matrix() == serial.model.basis.matrix());
    CHECK(parallel.model.parameters == serial.model.parameters);
    CHECK(parallel.trace == serial.trace);
  }
}

TEST_CASE("Columns that nobody uses are dropped after the fit") {
  lore::Rng rng(8);
  Matrix X(5, 12), V(5, 3), logits(3, 4);
  lore::fill_normal(rng, X);
  lore::fill_normal(rng, V);
  lore::fill_normal(rng, logits);
  logits.row(1).setConstant(-20);
  const auto comparisons = lore_test::comparisons_of<double>(X, {3, 3, 3, 3});
  auto fit = lore::paper_protocol<double>();
  fit.options.iterations = 0;
  fit.options.prune_below = 0.01;
  const auto model = fit.from(comparisons, V, logits).model;
  CHECK(model.rank == 2);
  CHECK(model.training.at("columns") == "3");
  CHECK(model.training.at("columns_kept") == "2");
  CHECK(model.basis.matrix().col(0) == V.col(0));
  CHECK(model.basis.matrix().col(1) == V.col(2));
  for (Index i = 0; i < 4; ++i) {
    CHECK(model.weights.col(i).sum() == Approx(1));
    CHECK(model.weights(0, i) / model.weights(1, i) == Approx(std::exp(logits(0, i) - logits(2, i))));
  }
  CHECK_NOTHROW(model.validate());
  fit.options.prune_below = 0;
  CHECK(fit.from(comparisons, V, logits).model.rank == 3);
  // However high the threshold, something stays.
  fit.options.prune_below = 0.99;
  logits.setZero();
  CHECK(fit.from(comparisons, V, logits).model.rank == 1);
}

TEST_CASE("The prior of gradient descent is the Gaussian of the seen users' logits") {
  Matrix logits(2, 4);
  logits << 1, 2, 3, 4, 1, 0, 3, -2;  // differences 0, 2, 0, 6
  const Matrix X = Matrix::Ones(3, 4);
  auto fit = lore::paper_protocol<double>();
  fit.options.iterations = 0;
  const auto prior =
      fit.from(lore_test::comparisons_of<double>(X, {1, 1, 1, 1}), Matrix::Ones(3, 2), logits).model.prior;
  CHECK(prior.mean(0) == Approx(1));  // half the mean difference
  CHECK(prior.mean(1) == Approx(-1));
  CHECK(prior.covariance(0, 0) == Approx(1.5));  // a quarter of the differences' variance, 6
  CHECK(prior.covariance(0, 1) == Approx(-1.5));
  CHECK_NOTHROW(prior.validate());
}

TEST_CASE("An observer can stop gradient descent, which keeps what it has") {
  const auto people = lore_test::population<double>(8, 2, 6, 5, 9);
  auto fit = lore::paper_protocol<double>();
  Index calls = 0;
  const auto stopped = fit(people.comparisons, Rank{2}, 1, [&](const lore::FitProgress& progress) {
    CHECK(progress.rank == 2);
    CHECK(progress.passes == calls + 1);
    return ++calls == 7;
  });
  CHECK(stopped.status == lore::Status::stopped);
  CHECK(stopped.trace.size() == 7);
  fit.options.iterations = 7;
  const auto whole = fit(people.comparisons, Rank{2}, 1);
  CHECK(whole.model.basis.matrix() == stopped.model.basis.matrix());
  CHECK(whole.model.parameters == stopped.model.parameters);
  CHECK(whole.objective < whole.trace.front());
}

TEST_CASE("Gradient descent composes with other losses, maps and regularisers") {
  const auto people = lore_test::population<double>(6, 2, 20, 30, 10);
  lore::GradientDescentFit<lore::LabelNoise, lore::Signed, lore::Ridge, lore::Constant, double> fit{
      .loss = lore::LabelNoise(0.1), .regularizer = {1e-3}};
  fit.options.temperature = 1;
  fit.options.adam.learning_rate = 0.05;
  fit.options.iterations = 400;
  const auto result = fit(people.comparisons, Rank{2}, 1);
  CHECK(result.model.weight_map == lore::WeightMapKind::signed_deviations);
  CHECK((result.model.parameters.row(0).array() == 1).all());
  CHECK(result.objective < 0.5 * result.trace.front());
  double right = 0;
  for (Index i = 0; i < 20; ++i)
    right += static_cast<double>(((people.X.middleCols(30 * i, 30).transpose() * result.model.basis.matrix() *
                                   result.model.weights.col(i))
                                      .array() > 0)
                                     .count());
  CHECK(right / 600 > 0.8);
}

TEST_CASE("Gradient descent refuses what it cannot fit") {
  const auto people = lore_test::population<double>(4, 2, 3, 2, 11);
  auto fit = lore::paper_protocol<double>();
  fit.options.iterations = 2;
  CHECK_THROWS_AS(fit(people.comparisons, Rank{0}), std::invalid_argument);
  CHECK_THROWS_AS(fit(people.comparisons, Rank{4}), std::invalid_argument);  // 3 users
  CHECK_THROWS_AS(fit(lore_test::population<double>(2, 1, 5, 2, 1).comparisons, Rank{3}),
                  std::invalid_argument);  // d = 2
  CHECK_THROWS_AS(fit(people.comparisons.filtered([](Index) { return false; }, true), Rank{1}),
                  std::invalid_argument);
  CHECK_THROWS_AS(fit.from(people.comparisons, Matrix::Ones(3, 2), Matrix::Ones(2, 3)),
                  std::invalid_argument);
  CHECK_THROWS_AS(fit.from(people.comparisons, Matrix::Ones(4, 2), Matrix::Ones(2, 2)),
                  std::invalid_argument);
  CHECK_THROWS_AS(fit.from(people.comparisons, Matrix::Constant(4, 2, NAN), Matrix::Ones(2, 3)),
                  std::domain_error);
  auto broken = people.X;
  broken(2, 3) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(fit(lore_test::comparisons_of<double>(broken, {2, 2, 2}), Rank{1}), std::domain_error);
  fit.options.temperature = 0;
  CHECK_THROWS_AS(fit(people.comparisons, Rank{1}), std::domain_error);
  fit.options.temperature = 1;
  fit.options.prune_below = 1;
  CHECK_THROWS_AS(fit(people.comparisons, Rank{1}), std::domain_error);
  fit.options.prune_below = 0;
  fit.options.iterations = -1;
  CHECK_THROWS_AS(fit(people.comparisons, Rank{1}), std::domain_error);
  CHECK_THROWS_AS(lore::regularised_protocol<double>(-1, lore::Vector<double>::Ones(4)), std::domain_error);
  auto cosine = lore::regularised_protocol<double>(1, lore::Vector<double>::Ones(5));
  cosine.options.iterations = 5;
  CHECK_THROWS_AS(cosine(people.comparisons, Rank{2}), std::invalid_argument);
  cosine.regularizer.reference = lore::Vector<double>::Zero(4);
  CHECK_THROWS_AS(cosine(people.comparisons, Rank{2}), std::domain_error);
}

namespace {

/// A loss that breaks as soon as a margin leaves [-0.1, 0.1].
struct Brittle {
  template <lore::Real Scalar>
  [[nodiscard]] lore::LossTerms<Scalar> operator()(Scalar margin) const {
    if (std::abs(margin) > Scalar(0.1)) return {Scalar(NAN), Scalar(NAN), Scalar(NAN)};
    return {-margin, Scalar(-1), Scalar(0)};
  }
};

}  // namespace

TEST_CASE("An objective that is not finite is a status, and the last finite point stays") {
  const auto people = lore_test::population<double>(4, 2, 3, 2, 11);
  lore::GradientDescentFit<Brittle, lore::Simplex, lore::NoRegularizer, lore::Constant, double> fit{};
  const auto result = fit.from(people.comparisons, Matrix::Zero(4, 2), Matrix::Zero(2, 3));
  CHECK(result.status == lore::Status::not_finite);
  CHECK(result.trace.size() >= 1);
  CHECK(result.model.basis.matrix().allFinite());
  CHECK(result.model.weights.allFinite());
  CHECK_NOTHROW(result.model.validate());
}
