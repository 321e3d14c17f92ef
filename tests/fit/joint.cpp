// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/joint.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "lore/objective/label_noise.hpp"
#include "lore/objective/ties.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/solve/adam.hpp"
#include "lore/solve/check_gradient.hpp"

#include "comparisons.hpp"
#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore::Posterior;
using lore::Rank;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

template <class Map = lore::Signed, class Loss = lore::BradleyTerry, class Regularizer = lore::MarginScale,
          class Solver = lore::Lbfgs>
using Fit = lore::JointFit<Loss, Map, Regularizer, Solver, double>;

/// Margins of all comparisons of the seen users under a fitted model.
[[nodiscard]] Vector margins(const lore::JointResult<double>& result, const Matrix& X,
                             const lore::Comparisons<>& comparisons) {
  Vector out(X.cols());
  for (Index i = 0; i < comparisons.users(); ++i)
    for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
      const Index j = comparisons.column[static_cast<std::size_t>(p)];
      out(j) = X.col(j).dot(result.model.basis.matrix() * result.model.weights.col(i));
    }
  return out;
}

[[nodiscard]] double share_right(const Vector& margins) {
  return static_cast<double>((margins.array() > 0).count()) / static_cast<double>(margins.size());
}

[[nodiscard]] double distance(const Vector& a, const Vector& b) { return (a - b).norm() / b.norm(); }

/// Ends where the objective cannot be told from its minimum.
template <class F>
[[nodiscard]] F exact(F fit) {
  fit.solver.options.objective_tolerance = 0;
  fit.solver.options.relative_gradient_tolerance = 1e-9;
  return fit;
}

}  // namespace

TEST_CASE("Rank 1 is Bradley-Terry with a ridge") {
  const auto people = lore_test::population<double>(7, 2, 12, 20, 1);
  const auto fit = exact(Fit<>{.regularizer = {.first = 0.7, .others = 0.7}});
  const auto result = fit(people.comparisons, Rank{1});
  const Vector v = result.model.basis.matrix().col(0);
  CHECK((result.model.weights.array() == 1).all());
  // sum_j sigma(-x_j'v) x_j = lambda v
  const double lambda = people.X.colwise().squaredNorm().mean() / (0.7 * 0.7);
  const Vector t = people.X.transpose() * v;
  const Vector pull = people.X * (1 / (1 + t.array().exp())).matrix();
  CHECK((pull - lambda * v).norm() < 1e-5 * pull.norm());
  CHECK(result.objective ==
        Approx((1 + (-t.array()).exp()).log().sum() + 0.5 * lambda * v.squaredNorm()).epsilon(1e-8));
  const auto simplex = exact(Fit<lore::Simplex>{.regularizer = {.first = 0.7, .others = 0.7}});
  CHECK(distance(simplex(people.comparisons, Rank{1}).model.basis.matrix(), v) < 1e-5);
}

TEMPLATE_TEST_CASE("The profiled objective states its gradient", "", lore::Signed, lore::Simplex) {
  const auto people = lore_test::population<double>(5, 3, 8, 6, 2);
  lore::Pass<double> pass(people.comparisons);
  const lore::BradleyTerry loss;
  const TestType map;
  const lore::Ridge ridge{0.5};
  lore::Rng rng(3);
  Matrix V(5, 3);
  lore::fill_normal(rng, V);
  for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
    // The variational gradient linearises a curved map: exact for `Signed` alone.
    if (posterior == Posterior::variational && std::is_same_v<TestType, lore::Simplex>) continue;
    lore::JointOptions options;
    options.posterior = posterior;
    options.temperature = 1.5;
    lore::detail::ProfiledObjective<double, lore::BradleyTerry, TestType, lore::Ridge, lore::Features>
        objective(pass, loss, map, ridge, 3, options, 1.0);
    objective.tolerance = 1e-14;
    const auto settled = [&](const Matrix& at, Matrix& gradient) {
      double value = 0;
      for (int round = 0; round < 8; ++round) value = objective(at, gradient);
      return value;
    };
    for (const double scale : {0.3, 1.0, 4.0}) {
      CAPTURE(scale);
      const auto report = lore::check_gradient(settled, scale * V);
      CHECK(report.max_relative_error < 1e-4);
    }
  }
}

TEMPLATE_TEST_CASE("A planted population is recovered beyond Bradley-Terry", "", lore::Signed,
                   lore::Simplex) {
  const auto people = lore_test::population<double>(12, 3, 60, 80, 4, 6.0);
  const auto train = people.comparisons.filtered([](Index p) { return p % 2 == 0; });
  const auto test = people.comparisons.filtered([](Index p) { return p % 2 == 1; });
  const Fit<TestType> fit{.regularizer = {.first = 3, .others = 3}};
  const auto share = [&](Index rank) {
    const auto result = fit(train, Rank{rank}, 1);
    CHECK_NOTHROW(result.model.validate());
    CHECK(result.model.rank == rank);
    CHECK(result.covariance.size() == 60);
    CHECK(result.passes > 0);
    const Vector all = margins(result, people.X, test);
    Vector held(test.size());
    for (Index p = 0; p < test.size(); ++p) held(p) = all(test.column[static_cast<std::size_t>(p)]);
    return share_right(held);
  };
  const double one = share(1), three = share(3);
  CAPTURE(one, three);
  CHECK(three > one + 0.05);
  CHECK(three > 0.8);
}

TEMPLATE_TEST_CASE("Units cancel: features times a constant leave every margin", "", lore::Signed,
                   lore::Simplex) {
  const auto people = lore_test::population<double>(10, 3, 30, 12, 5);
  const Fit<TestType> fit{.regularizer = {.first = 2, .others = 1}};
  const Vector reference = margins(fit(people.comparisons, Rank{3}, 1), people.X, people.comparisons);
  for (const double unit : {0.01, 100.0}) {
    const Matrix X = people.X * unit;
    const auto scaled = lore_test::comparisons_of<double>(X, std::vector<Index>(30, 12));
    CHECK(distance(margins(fit(scaled, Rank{3}, 1), X, scaled), reference) < 1e-6);
  }
}

TEST_CASE("Temperature only rescales the basis") {
  const auto people = lore_test::population<double>(8, 2, 20, 12, 6);
  Fit<> fit{.regularizer = {.first = 2, .others = 1}};
  const Matrix V = fit(people.comparisons, Rank{2}, 1).model.basis.matrix();
  fit.options.temperature = 50;
  const auto hot = fit(people.comparisons, Rank{2}, 1);
  CHECK((hot.model.basis.matrix() / 50 - V).norm() < 1e-6 * V.norm());
  CHECK(hot.model.temperature == 50);
}

TEMPLATE_TEST_CASE("Permuting users permutes their weights", "", lore::Signed, lore::Simplex) {
  const auto people = lore_test::population<double>(8, 2, 15, 20, 7);
  auto fit = exact(Fit<TestType>{.regularizer = {.first = 2, .others = 2}});
  std::vector<Index> order(15);
  for (Index i = 0; i < 15; ++i) order[static_cast<std::size_t>(i)] = (7 * i + 3) % 15;
  const auto turned = people.comparisons.subset(order);
  const auto a = fit(people.comparisons, Rank{2}, 1), b = fit(turned, Rank{2}, 1);
  CHECK(b.model.user == order);
  CHECK(b.objective == Approx(a.objective).epsilon(1e-6));
  CHECK(distance(margins(b, people.X, turned), margins(a, people.X, people.comparisons)) < 1e-3);
}

TEST_CASE("A comparison of weight 2 counts as two") {
  const auto people = lore_test::population<double>(6, 2, 10, 10, 8);
  auto weighted = people.comparisons, repeated = people.comparisons;
  repeated.column.clear();
  repeated.offset.assign(1, 0);
  for (Index i = 0; i < 10; ++i) {
    for (Index p = weighted.begin(i); p < weighted.end(i); ++p) {
      const int times = static_cast<int>(p % 3);
      weighted.weight.push_back(static_cast<float>(times));
      for (int copy = 0; copy < times; ++copy) repeated.column.push_back(p);
    }
    repeated.offset.push_back(static_cast<Index>(repeated.column.size()));
  }
  const auto fit = exact(Fit<>{.regularizer = {.first = 2, .others = 1}});
  const auto a = fit(weighted, Rank{2}, 1), b = fit(repeated, Rank{2}, 1);
  CHECK(a.objective == Approx(b.objective).epsilon(1e-6));
  CHECK(distance(margins(a, people.X, people.comparisons), margins(b, people.X, people.comparisons)) < 1e-3);
}

TEST_CASE("The joint fit gives the same bits for any number of threads") {
  const auto people = lore_test::population<float>(20, 3, 25, 10, 9);
  const auto run = [&](int threads) {
    const lore::JointFit<lore::BradleyTerry, lore::Simplex> fit{.executor = lore::Threads(threads)};
    return fit(people.comparisons, Rank{3}, 7);
  };
  const auto serial = run(1), parallel = run(3);
  CHECK(parallel.model.basis.matrix() == serial.model.basis.matrix());
  CHECK(parallel.model.parameters == serial.model.parameters);
  CHECK(parallel.model.prior.covariance == serial.model.prior.covariance);
  CHECK(parallel.trace == serial.trace);
}

TEST_CASE("An observer can stop the joint fit, which keeps what it has") {
  const auto people = lore_test::population<double>(10, 3, 30, 12, 10);
  const Fit<> fit{};
  Index calls = 0, passes = 0;
  const auto stopped = fit(people.comparisons, Rank{3}, 1, [&](const lore::FitProgress& progress) {
    CHECK(progress.rank == 3);
    CHECK(progress.passes >= passes);
    CHECK(std::isfinite(progress.objective));
    passes = progress.passes;
    return ++calls == 3;
  });
  CHECK(calls == 3);
  CHECK(stopped.status == lore::Status::stopped);
  CHECK_NOTHROW(stopped.model.validate());
  CHECK(share_right(margins(stopped, people.X, people.comparisons)) > 0.7);
  const auto whole = fit(people.comparisons, Rank{3}, 1);
  CHECK(whole.objective <= stopped.objective);
}

TEMPLATE_TEST_CASE("A fit within a growing subspace ends where the fit of the whole ends", "", lore::Signed,
                   lore::Simplex) {
  // More features than 512, so that the fit compresses.
  const auto people = lore_test::population<double>(600, 3, 24, 50, 17, 6.0);
  Fit<TestType> fit{.regularizer = {.first = 1, .others = 1}};
  for (const Index rank : {1, 3}) {
    fit.options.compress = true;
    const auto within = fit(people.comparisons, Rank{rank}, 1);
    fit.options.compress = false;
    const auto whole = fit(people.comparisons, Rank{rank}, 1);
    CAPTURE(rank, within.objective, whole.objective, within.passes, whole.passes);
    CHECK_NOTHROW(within.model.validate());
    CHECK(within.objective < 1.003 * whole.objective);  // where both may end in optima of their own
    CHECK(within.passes < whole.passes + 6);
    if (std::is_same_v<TestType, lore::Simplex> && rank > 1) continue;  // its prior moves on the way
    CHECK(within.status == lore::Status::converged);
    CHECK(std::is_sorted(within.trace.rbegin(), within.trace.rend()));
    // The whole finds next to nothing to improve.
    lore::Pass<double> pass(people.comparisons);
    auto prepared = fit.prepare(pass, 1);
    const Matrix start = within.model.basis.matrix();
    const auto further = fit.run(pass, prepared, Rank{rank}, 1, {}, &start);
    CHECK(further.objective > 0.998 * within.objective);
    CHECK(distance(margins(within, people.X, people.comparisons),
                   margins(further, people.X, people.comparisons)) < 0.05);
  }
}

TEST_CASE("A fit within a subspace takes weights, embedding tables, warm starts and any number of threads") {
  const auto people = lore_test::population<float>(600, 2, 20, 40, 18, 6.0);
  auto comparisons = people.comparisons;
  for (Index p = 0; p < comparisons.size(); ++p) comparisons.weight.push_back(static_cast<float>(p % 3));
  const auto run = [&](const lore::Comparisons<>& data, bool compress, int threads) {
    lore::JointFit<> fit{.executor = lore::Threads(threads)};
    fit.options.compress = compress;
    return fit(data, Rank{2}, 7);
  };
  const auto serial = run(comparisons, true, 1), parallel = run(comparisons, true, 3);
  CHECK(parallel.model.basis.matrix() == serial.model.basis.matrix());
  CHECK(parallel.model.parameters == serial.model.parameters);
  CHECK(serial.objective < 1.003 * run(comparisons, false, 2).objective);

  // The same differences as pairs of a table.
  const Index n = people.X.cols();
  lore::Rng rng(19);
  lore::Matrix<float> table(600, 2 * n);
  lore::fill_normal(rng, table);
  table.leftCols(n) = table.rightCols(n) + people.X;
  std::vector<Index> chosen, rejected;
  for (Index j = 0; j < n; ++j) {
    chosen.push_back(j);
    rejected.push_back(n + j);
  }
  auto pairs = comparisons;
  pairs.features = std::make_shared<const lore::Features>(
      lore::Features::pairs(lore::FeatureMatrix::own<float>(table), chosen, rejected));
  CHECK(run(pairs, true, 2).objective == Approx(serial.objective).epsilon(1e-3));

  // A start from outside the subspace, and one after another on what is prepared.
  const lore::JointFit<> fit{.executor = lore::Threads(2)};
  lore::Pass<float> pass(comparisons, fit.executor);
  auto prepared = fit.prepare(pass, 7);
  const lore::Matrix<float> start = serial.model.basis.matrix();
  const auto warm = fit.run(pass, prepared, Rank{2}, 7, {}, &start);
  CHECK(warm.objective < 1.001 * serial.objective);
  CHECK(warm.passes < serial.passes);
  const Index before = prepared.subspace.size();
  const auto again = fit.run(pass, prepared, Rank{2}, 7, {}, &warm.model.basis.matrix());
  CHECK(again.objective < 1.001 * warm.objective);
  CHECK(prepared.subspace.size() <= before + 64);
}

namespace {

/// A user's own parts: a loss, a regulariser, a solver and a store, none of which inherits anything.
struct SquaredHinge {
  template <lore::Real Scalar>
  [[nodiscard]] lore::LossTerms<Scalar> operator()(Scalar margin) const {
    const Scalar miss = std::max(Scalar(1) - margin, Scalar(0));
    return {miss * miss / 2, -miss, miss > 0 ? Scalar(1) : Scalar(0)};
  }
};

struct PullTogether {
  double strength = 1;
  double add(const Matrix& V, double factor, Matrix& G) const {
    const double scale = factor * strength;
    const Vector mean = V.rowwise().mean();
    double sum = 0;
    for (Index k = 0; k < V.cols(); ++k) {
      G.col(k) += scale * (0.01 * V.col(k) + V.col(k) - mean);
      sum += 0.01 * V.col(k).squaredNorm() + (V.col(k) - mean).squaredNorm();
    }
    return 0.5 * scale * sum;
  }
};

struct PlainDescent {
  int steps = 60;

  template <class F, class P, class O>
  [[nodiscard]] auto minimize(F&& f, const P& start, O&& observer) const {
    lore::Minimum<Matrix> at{.x = start, .gradient = start};
    at.status = lore::Status::iteration_limit;
    for (; at.iterations < steps; ++at.iterations) {
      at.value = f(at.x, at.gradient);
      ++at.evaluations;
      lore::SolverProgress progress{at.iterations, at.evaluations, at.value};
      static_cast<void>(observer(progress, at.x));
      at.x -= 0.3 * at.gradient;
    }
    at.value = f(at.x, at.gradient);
    return at;
  }
};

struct OwnStore {
  Matrix X;
  [[nodiscard]] Index dimension() const { return X.rows(); }
  [[nodiscard]] Index size() const { return X.cols(); }
  template <class Scalar>
  void load(Index j, Scalar* out) const {
    for (Index r = 0; r < X.rows(); ++r) out[r] = static_cast<Scalar>(X(r, j));
  }
};

}  // namespace

TEST_CASE("A user's own loss, regulariser, solver and store compose with the rest") {
  const auto people = lore_test::population<double>(6, 2, 20, 20, 11);
  lore::Comparisons<OwnStore> own;
  own.features = std::make_shared<const OwnStore>(OwnStore{people.X});
  own.user = people.comparisons.user;
  own.offset = people.comparisons.offset;
  own.column = people.comparisons.column;
  lore::JointFit<SquaredHinge, lore::Signed, PullTogether, PlainDescent, double> fit{
      .regularizer = {.strength = 2}};
  fit.options.posterior = Posterior::map;
  const auto result = fit(own, Rank{2}, 1);
  CHECK(result.trace.back() < result.trace.front());
  CHECK(share_right(margins(result, people.X, people.comparisons)) > 0.7);
}

TEST_CASE("Adam reaches what L-BFGS reaches") {
  const auto people = lore_test::population<double>(6, 2, 20, 20, 12);
  const auto reference = exact(Fit<>{})(people.comparisons, Rank{1}, 1);
  Fit<lore::Signed, lore::BradleyTerry, lore::MarginScale, lore::Adam> slow{};
  slow.solver = {.options = {.learning_rate = 0.1}, .iterations = 280};
  const auto result = slow(people.comparisons, Rank{1}, 1);
  CHECK(result.objective == Approx(reference.objective).epsilon(1e-4));
}

TEST_CASE("Label noise fits, and shrugs off a user's flipped answers") {
  auto people = lore_test::population<double>(6, 1, 30, 30, 13, 8.0);
  for (Index j = 0; j < people.X.cols(); j += 7) people.X.col(j) *= -1;
  const auto comparisons = lore_test::comparisons_of<double>(people.X, std::vector<Index>(30, 30));
  const Fit<> plain{.regularizer = {.first = 20, .others = 20}};
  const Fit<lore::Signed, lore::LabelNoise> robust{.loss = lore::LabelNoise(1.0 / 7),
                                                   .regularizer = {.first = 20, .others = 20}};
  const Vector truth = people.B.col(0).normalized();
  const auto angle = [&](const auto& result) {
    return result.model.basis.matrix().col(0).normalized().dot(truth);
  };
  const double a = angle(plain(comparisons, Rank{1})), b = angle(robust(comparisons, Rank{1}));
  CAPTURE(a, b);
  CHECK(b > 0.97);
  CHECK(b > a);
}

TEST_CASE("The prior of new users matches the population that was planted") {
  // Signed: margins x'(v + u delta) with delta ~ N(0, 1); the fit may put the scale in u alone.
  const Index users = 400, each = 30, d = 4;
  lore::Rng rng(14);
  Matrix X(d, users * each);
  lore::fill_normal(rng, X);
  Vector v(d), u(d), delta(users);
  v << 1.5, 0, 0, 0;
  u << 0, 2, 0, 0;
  lore::fill_normal(rng, delta);
  for (Index j = 0; j < X.cols(); ++j)
    if (!lore::bernoulli(rng, lore::sigmoid(X.col(j).dot(v + u * delta(j / each))))) X.col(j) *= -1;
  const auto comparisons = lore_test::comparisons_of<double>(X, std::vector<Index>(users, each));
  const Fit<> fit{.regularizer = {.first = 5, .others = 5}};
  const auto model = fit(comparisons, Rank{2}, 1).model;
  const Vector first = model.basis.matrix().col(0) + model.basis.matrix().col(1) * model.prior.mean(1);
  const Vector second = model.basis.matrix().col(1) * std::sqrt(model.prior.covariance(1, 1));
  CHECK((first - v).norm() < 0.3);
  CHECK(std::min((second - u).norm(), (second + u).norm()) < 0.35);
  CHECK(model.prior.mean(0) == 1);
  CHECK(model.prior.covariance(0, 0) == Approx(0).margin(1e-12));
}

TEST_CASE("The simplex prior describes the seen users it came from") {
  const auto people = lore_test::population<double>(10, 3, 80, 60, 15, 6.0);
  const Fit<lore::Simplex> fit{.regularizer = {.first = 3, .others = 3}};
  const auto result = fit(people.comparisons, Rank{3}, 1);
  const Matrix& P = result.model.parameters;
  CHECK(P.colwise().sum().norm() < 1e-6 * P.norm());
  const Vector mean = P.rowwise().mean();
  CHECK((result.model.prior.mean - mean).norm() < 0.3 * (1 + mean.norm()));
  const Matrix centred = P.colwise() - mean;
  // Users' own uncertainty comes on top of the spread of their estimates.
  CHECK(result.model.prior.covariance.trace() >= 0.9 * centred.squaredNorm() / 80);
  CHECK((result.model.prior.covariance * Vector::Ones(3)).norm() < 1e-6);
  CHECK((result.model.weights.colwise().sum().array() - 1).abs().maxCoeff() < 1e-9);
}

TEST_CASE("The joint fit refuses what it cannot fit") {
  const auto people = lore_test::population<double>(4, 2, 3, 2, 16);
  Fit<> fit{};
  CHECK_THROWS_AS(fit(people.comparisons, Rank{0}), std::invalid_argument);
  CHECK_THROWS_AS(fit(people.comparisons, Rank{-1}), std::invalid_argument);
  CHECK_THROWS_AS(fit(people.comparisons, Rank{4}), std::invalid_argument);  // 3 users
  CHECK_THROWS_AS(fit(lore_test::population<double>(2, 1, 5, 2, 1).comparisons, Rank{3}),
                  std::invalid_argument);  // d = 2
  CHECK_THROWS_AS(fit(people.comparisons.filtered([](Index) { return false; }), Rank{1}),
                  std::invalid_argument);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Matrix X = people.X;
    X(2, 3) = bad;
    CHECK_THROWS_AS(fit(lore_test::comparisons_of<double>(X, {2, 2, 2}), Rank{1}), std::domain_error);
  }
  fit.regularizer.first = 0;
  CHECK_THROWS_AS(fit(people.comparisons, Rank{1}), std::domain_error);
  fit.regularizer.first = 1;
  fit.options.temperature = -1;
  CHECK_THROWS_AS(fit(people.comparisons, Rank{1}), std::domain_error);
}

TEST_CASE("Degenerate data is fitted without NaN") {
  const Fit<> fit{};
  const Fit<lore::Simplex> simplex{};
  const auto check = [&](const Matrix& X, const std::vector<Index>& counts, Index rank) {
    const auto comparisons = lore_test::comparisons_of<double>(X, counts);
    for (const auto& result : {fit(comparisons, Rank{rank}, 1), simplex(comparisons, Rank{rank}, 1)}) {
      CHECK(result.model.basis.matrix().allFinite());
      CHECK(result.model.weights.allFinite());
      CHECK_NOTHROW(result.model.validate());
    }
  };
  check(Matrix::Ones(3, 4), {1, 1, 1, 1}, 2);                           // all comparisons alike
  check(lore_test::population<double>(3, 1, 3, 1, 1).X, {1, 1, 1}, 3);  // one comparison a user, full rank
  Matrix contradiction(2, 4);
  contradiction << 1, -1, 1, -1, 2, -2, 2, -2;
  check(contradiction, {2, 2}, 2);
  Matrix large = lore_test::population<double>(3, 1, 4, 5, 2).X * 1e6;
  check(large, {5, 5, 5, 5}, 2);
  CHECK_THROWS_AS(check(Matrix::Zero(3, 4), {2, 2}, 1), std::domain_error);  // says nothing of anybody
  CHECK_THROWS_AS(check(Matrix::Zero(3, 4), {2, 2}, 2), std::domain_error);
}

TEST_CASE("A fit within a subspace reads answers as they are now, and needs no gradient to begin with") {
  const auto people = lore_test::population<float>(600, 2, 20, 40, 18, 6.0);
  auto comparisons = people.comparisons;
  const lore::JointFit<lore::Davidson> fit{.regularizer = {.first = 1, .others = 1}};
  lore::Pass<float> before(comparisons);
  auto prepared = fit.prepare(before, 7);
  const auto first = fit.run(before, prepared, Rank{2}, 7, {});
  const auto n = static_cast<double>(comparisons.size());
  CHECK(first.objective < n);
  // Nothing but ties instead, of which none costs less than log 3.
  comparisons.answer.assign(static_cast<std::size_t>(comparisons.size()), {.outcome = lore::Outcome::tie});
  lore::Pass<float> after(comparisons);
  const lore::Matrix<float> start = first.model.basis.matrix();
  CHECK(fit.run(after, prepared, Rank{2}, 7, {}, &start).trace.front() > 1.09 * n);
  // From scratch the gradient at 0 is 0, and no direction to begin with.
  for (const Index rank : {1, 2}) CHECK(fit(comparisons, Rank{rank}).model.basis.matrix().norm() < 1e-6F);
}
