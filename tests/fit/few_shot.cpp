// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/few_shot.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include <Eigen/LU>

#include "lore/objective/label_noise.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/solve/check_gradient.hpp"

#include "comparisons.hpp"
#include "count_allocations.hpp"
#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore::Posterior;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;
using Prior = lore::GaussianPrior<double>;
template <class Map, class Loss = lore::BradleyTerry>
using Fit = lore::FewShotFit<Loss, Map, double>;

[[nodiscard]] Matrix random(Index rows, Index cols, std::uint64_t seed, double scale = 1) {
  lore::Rng rng(seed);
  Matrix out(rows, cols);
  lore::fill_normal(rng, out);
  return out * scale;
}

/// A prior with a covariance that is not diagonal.
template <class Map>
[[nodiscard]] Prior some_prior(Index K, double scale = 1) {
  const Matrix Q = Map{}.template directions<double, lore::Dynamic>(K);
  Vector origin(K);
  Map{}.origin(origin);
  const Matrix A = random(K - 1, K - 1, 77, 0.4 * scale);
  const Matrix S = A * A.transpose() + scale * scale * Matrix::Identity(K - 1, K - 1);
  return {origin + Q * random(K - 1, 1, 78, 0.3), Q * S * Q.transpose()};
}

/// Negative log posterior of coordinates c, written out: for differences.
template <class Map>
[[nodiscard]] double negative_log_posterior(const Prior& prior, const Matrix& Z, const Vector& c) {
  const Index K = prior.size();
  const Matrix Q = Map{}.template directions<double, lore::Dynamic>(K);
  const Vector p = prior.mean + Q * c;
  Vector w(K);
  Map{}.weights(p, w);
  const Vector t = Z.transpose() * w;
  const Matrix S = Q.transpose() * prior.covariance * Q;
  double sum = 0.5 * c.dot(S.inverse() * c);
  for (const double margin : t) sum += std::log1p(std::exp(-std::abs(margin))) + std::max(-margin, 0.0);
  return sum;
}

}  // namespace

TEMPLATE_TEST_CASE("Without comparisons a new user is the prior", "", lore::Simplex, lore::Signed) {
  const Prior prior = some_prior<TestType>(4);
  Fit<TestType> adapt{lore::Basis<double>(random(6, 4, 1)), prior};
  for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
    adapt.posterior = posterior;
    const auto user = adapt(Matrix(6, 0));
    CHECK((user.parameters - prior.mean).norm() < 1e-9);
    CHECK((user.covariance - prior.covariance).norm() < 1e-6);
    CHECK(user.objective == Approx(0).margin(1e-9));
    CHECK(user.status == lore::Status::converged);
    // Comparisons of weight 0 say nothing either.
    const auto silent = adapt(random(6, 3, 2), {0, 0, 0});
    CHECK((silent.parameters - prior.mean).norm() < 1e-9);
  }
}

TEMPLATE_TEST_CASE("The mode is stationary, and its covariance the inverse Hessian", "", lore::Simplex,
                   lore::Signed) {
  const Index K = 4;
  const Prior prior = some_prior<TestType>(K);
  const Matrix Q = TestType{}.template directions<double, lore::Dynamic>(K);
  Fit<TestType> adapt{lore::Basis<double>(random(6, K, 1)), prior};
  adapt.posterior = Posterior::map;
  for (const Index shots : {1, 5, 40}) {
    CAPTURE(shots);
    const Matrix X = random(6, shots, 3);
    const Matrix Z = adapt.basis().project_all(X);
    const auto user = adapt(X);
    REQUIRE(user.status == lore::Status::converged);
    CHECK_FALSE(user.indefinite);
    const Vector c = Q.transpose() * (user.parameters - prior.mean);
    CHECK(user.objective == Approx(negative_log_posterior<TestType>(prior, Z, c)));
    // Differences of the objective, written out above.
    const double h = 1e-3;
    Matrix hessian(K - 1, K - 1);
    const auto at = [&](Index a, double da, Index b, double db) {
      Vector moved = c;
      moved(a) += da;
      moved(b) += db;
      return negative_log_posterior<TestType>(prior, Z, moved);
    };
    for (Index a = 0; a < K - 1; ++a) {
      CHECK((at(a, h, a, 0) - at(a, -h, a, 0)) / (2 * h) == Approx(0).margin(1e-5));
      for (Index b = 0; b < K - 1; ++b)
        hessian(a, b) = (at(a, h, b, h) - at(a, h, b, -h) - at(a, -h, b, h) + at(a, -h, b, -h)) / (4 * h * h);
    }
    const Matrix covariance = Q.transpose() * user.covariance * Q;
    CHECK((covariance * hessian - Matrix::Identity(K - 1, K - 1)).norm() < 1e-4);
    // No spread where the map has no freedom.
    CHECK(user.covariance.norm() == Approx(covariance.norm()).epsilon(1e-9));
  }
}

TEMPLATE_TEST_CASE("Many comparisons outweigh any prior", "", lore::Simplex, lore::Signed) {
  const Index K = 3, m = 20000;
  const Matrix B = random(5, K, 4, 1.5);
  Vector truth(K);
  TestType{}.origin(truth);
  truth += TestType{}.template directions<double, lore::Dynamic>(K) * Vector::LinSpaced(K - 1, 0.8, -0.5);
  Vector w(K);
  TestType{}.weights(truth, w);
  lore::Rng rng(5);
  Matrix X = random(5, m, 6);
  for (Index j = 0; j < m; ++j)
    if (!lore::bernoulli(rng, lore::sigmoid(X.col(j).dot(B * w)))) X.col(j) *= -1;
  Fit<TestType> adapt{lore::Basis<double>(B), some_prior<TestType>(K)};
  for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
    adapt.posterior = posterior;
    const auto user = adapt(X);
    const Vector spread = user.covariance.diagonal().cwiseMax(0.0).cwiseSqrt();
    for (Index k = 0; k < K; ++k) CHECK(std::abs(user.parameters(k) - truth(k)) < 4 * spread(k) + 1e-3);
    CHECK(spread.maxCoeff() < 0.2);
    CHECK((user.weights - w).norm() < 0.1);
  }
}

TEST_CASE("Swapping chosen and rejected mirrors the fit") {
  // x'(v_0 + D delta) = (-x)'(-v_0 + D (-delta)): the mirrored basis, prior and comparisons mirror delta.
  const Index K = 4;
  const Prior prior = some_prior<lore::Signed>(K);
  Prior mirrored = prior;
  mirrored.mean.tail(K - 1) *= -1;
  Matrix V = random(6, K, 1), W = V;
  W.col(0) *= -1;
  const Matrix X = random(6, 7, 2);
  for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
    Fit<lore::Signed> adapt{lore::Basis<double>(V), prior}, mirror{lore::Basis<double>(W), mirrored};
    adapt.posterior = mirror.posterior = posterior;
    const auto a = adapt(X), b = mirror(-X);
    CHECK((a.parameters.tail(K - 1) + b.parameters.tail(K - 1)).norm() < 1e-6);
    CHECK((a.covariance - b.covariance).norm() < 1e-6);
    CHECK(a.objective == Approx(b.objective));
  }
}

TEST_CASE("Shifting the prior's logits or permuting columns changes no weight") {
  const Index K = 3;
  const Prior prior = some_prior<lore::Simplex>(K);
  const Matrix V = random(6, K, 1), X = random(6, 9, 2);
  Prior shifted = prior;
  shifted.mean.array() += 123;
  Eigen::PermutationMatrix<Eigen::Dynamic> turn(3);
  turn.indices() << 2, 0, 1;
  const Prior turned{turn * prior.mean, turn * prior.covariance * turn.transpose()};
  for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
    Fit<lore::Simplex> adapt{lore::Basis<double>(V), prior}, other{lore::Basis<double>(V), shifted},
        permuted{lore::Basis<double>(Matrix(V * turn.transpose())), turned};
    adapt.posterior = other.posterior = permuted.posterior = posterior;
    const auto user = adapt(X);
    CHECK((other(X).weights - user.weights).norm() < 1e-7);
    CHECK((permuted(X).weights - turn * user.weights).norm() < 1e-6);
    CHECK(user.weights.sum() == Approx(1));
  }
}

TEST_CASE("A simplex posterior that is not convex still gives a finite answer and a status") {
  // Large scores that contradict each other under a wide prior.
  lore::Rng rng(3);
  for (int round = 0; round < 40; ++round) {
    Prior wide = some_prior<lore::Simplex>(3, 30);
    const Matrix Z = random(3, 6, static_cast<std::uint64_t>(100 + round), 40);
    Fit<lore::Simplex> adapt{lore::Basis<double>(Matrix::Identity(3, 3)), wide};
    for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
      adapt.posterior = posterior;
      const auto user = adapt.from_scores(Z);
      CHECK(user.weights.allFinite());
      CHECK(user.covariance.allFinite());
      CHECK(std::isfinite(user.objective));
      CHECK(user.status != lore::Status::not_finite);
      CHECK(user.covariance.diagonal().minCoeff() > -1e-6);
      if (posterior == Posterior::map) {
        // No worse than staying at the prior mean.
        CHECK(user.objective <= negative_log_posterior<lore::Simplex>(wide, Z, Vector::Zero(2)) + 1e-9);
      }
    }
  }
}

TEST_CASE("Label noise makes careless answers matter less to a user") {
  const Index K = 2;
  const Prior prior = some_prior<lore::Signed>(K);
  const lore::Basis<double> basis(random(4, K, 1));
  Matrix Z = Matrix::Zero(2, 5);
  Z.row(1) << 3, 3, 3, 3, -30;  // four answers for delta > 0, one slip far against it
  const Fit<lore::Signed> plain{basis, prior};
  const Fit<lore::Signed, lore::LabelNoise> robust{basis, prior, 1, lore::LabelNoise(0.1)};
  CHECK(plain.from_scores(Z).parameters(1) < 0.1);
  CHECK(robust.from_scores(Z).parameters(1) > 0.3);
}

TEST_CASE("All users of a partition are fitted as each alone, with the same bits for any number of threads") {
  auto people = lore_test::population<double>(6, 3, 150, 4, 1);
  people.comparisons.weight.assign(600, 1.0F);
  people.comparisons.weight[5] = 3;
  const Fit<lore::Simplex> adapt{lore::Basis<double>(people.B), some_prior<lore::Simplex>(3)};
  const auto serial = adapt.all(people.comparisons, lore::Threads(1));
  const auto parallel = adapt.all(people.comparisons, lore::Threads(3));
  REQUIRE(serial.size() == 150);
  for (std::size_t i = 0; i < 150; ++i) {
    CHECK(parallel[i].parameters == serial[i].parameters);
    CHECK(parallel[i].covariance == serial[i].covariance);
  }
  const auto alone = adapt(people.X.middleCols(4, 4), {1, 3, 1, 1});
  CHECK((alone.parameters - serial[1].parameters).norm() < 1e-9);
}

namespace {

/// Runs bodies in order and counts what all but the first take from the heap; Eigen then may take nothing.
struct CountingExecutor {
  long* taken;
  [[nodiscard]] int concurrency() const noexcept { return 1; }
  template <class Body>
  void for_each(Index count, Body&& body) const {
    if (count > 0) body(Index{0});
    const long before = lore_test::allocations;
    Eigen::internal::set_is_malloc_allowed(false);
    for (Index i = 1; i < count; ++i) body(i);
    Eigen::internal::set_is_malloc_allowed(true);
    *taken = lore_test::allocations - before;
  }
};

/// Scores of users with the given numbers of comparisons, and who has which.
struct Scores {
  Matrix Z;
  lore::Comparisons<> comparisons;

  Scores(Index K, const std::vector<Index>& counts, double scale, bool weighted) {
    comparisons.offset.push_back(0);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      comparisons.user.push_back(static_cast<Index>(i));
      comparisons.offset.push_back(comparisons.offset.back() + counts[i]);
    }
    const Index n = comparisons.offset.back();
    comparisons.column.resize(static_cast<std::size_t>(n));
    Z = random(K, n, 9, scale);
    Z.row(0).array() += 0.3 * scale;
    if (weighted)
      for (Index j = 0; j < n; ++j) comparisons.weight.push_back(static_cast<float>(j % 5) * 0.5F);
  }

  [[nodiscard]] Matrix of(Index i) const { return Z.middleCols(comparisons.begin(i), comparisons.count(i)); }
  [[nodiscard]] std::vector<float> omega(Index i) const {
    if (comparisons.weight.empty()) return {};
    const auto begin = comparisons.weight.begin() + comparisons.begin(i);
    return {begin, begin + comparisons.count(i)};
  }
};

/// The closest Gaussian to a user's posterior under `Signed`, with five nodes a margin, by plain damped steps
/// to rounding: coordinates and their covariance.
std::pair<Vector, Matrix> plain_closest_gaussian(const Prior& prior, const Matrix& Z,
                                                 const std::vector<float>& omega) {
  const double nodes[] = {-2.8569700138728056, -1.355626179974266, 0, 1.355626179974266, 2.8569700138728056};
  const double shares[] = {0.011257411327720677, 0.22207592200561257, 0.5333333333333333, 0.22207592200561257,
                           0.011257411327720677};
  const Index D = Z.rows() - 1;
  const Matrix P = Matrix(prior.covariance.bottomRightCorner(D, D)).inverse();
  Vector c = prior.mean.tail(D);
  Matrix C = prior.covariance.bottomRightCorner(D, D);
  for (int round = 0; round < 3000; ++round) {
    Vector g = P * (c - prior.mean.tail(D));
    Matrix H = P;
    for (Index j = 0; j < Z.cols(); ++j) {
      const Vector y = Z.col(j).tail(D);
      const double s = std::sqrt(y.dot(C * y)), t = Z(0, j) + y.dot(c);
      const double weight = omega.empty() ? 1.0 : static_cast<double>(omega[static_cast<std::size_t>(j)]);
      for (int q = 0; q < 5; ++q) {
        const double slope = -lore::sigmoid(-(t + s * nodes[q]));
        g += weight * shares[q] * slope * y;
        H += weight * shares[q] * slope * nodes[q] / s * y * y.transpose();
      }
    }
    C = 0.5 * C + 0.5 * H.inverse();
    c -= 0.3 * (H.inverse() * g);
  }
  return {c, C};
}

}  // namespace

TEMPLATE_TEST_CASE("A batch is each user alone, to the bit, and takes no memory for a user", "",
                   lore::Simplex, lore::Signed) {
  std::vector<Index> counts;
  for (Index i = 0; i < 600; ++i) counts.push_back(std::vector<Index>{7, 0, 1, 8, 9, 12}[i % 6]);
  counts[0] = counts[599] = 500;
  for (const Index K : {1, 2, 5, 8, 9, 20})
    for (const Posterior posterior : {Posterior::map, Posterior::variational})
      for (const bool weighted : {false, true}) {
        CAPTURE(K, weighted, name_of(posterior));
        const Scores users(K, counts, 0.7, weighted);
        Fit<TestType> adapt{lore::Basis<double>(Matrix::Identity(K, K)), some_prior<TestType>(K)};
        adapt.posterior = posterior;
        long taken = 0;
        const auto fits = adapt.all_from_scores(users.Z, users.comparisons, CountingExecutor{&taken});
        CHECK(taken == 0);
        REQUIRE(fits.size() == 600);
        bool same = true;
        for (const Index i : {0, 1, 2, 3, 4, 5, 298, 599}) {
          const auto alone = adapt.from_scores(users.of(i), users.omega(i)), fit = fits[i];
          if (K <= 9) CHECK(fit.status == lore::Status::converged);
          same = same && fit.weights == alone.weights && fit.parameters == alone.parameters &&
                 fit.covariance == alone.covariance && fit.objective == alone.objective &&
                 fit.indefinite == alone.indefinite && fit.status == alone.status;
        }
        CHECK(same);
      }
}

TEMPLATE_TEST_CASE("One workspace serves user after user as a new one would", "", lore::Simplex,
                   lore::Signed) {
  Fit<TestType> adapt{lore::Basis<double>(random(40, 5, 1)), some_prior<TestType>(5)};
  auto work = adapt.workspace();
  for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
    adapt.posterior = posterior;
    for (const Index shots : {9, 0, 3, 40, 10}) {
      const Matrix X = random(40, shots, static_cast<std::uint64_t>(shots), 0.3);
      const auto alone = adapt(X), served = adapt(X, work);
      CHECK(served.weights == alone.weights);
      CHECK(served.covariance == alone.covariance);
      CHECK(served.objective == alone.objective);
    }
  }
}

TEST_CASE("A workspace takes temperature and loss from the fit that uses it, and keeps its room") {
  const lore::Basis<float> V(lore::Matrix<float>::Random(40, 3));
  lore::GaussianPrior<float> prior{lore::Vector<float>::Unit(3, 0), lore::Matrix<float>::Identity(3, 3)};
  prior.covariance(0, 0) = 0;
  const lore::FewShotFit<> cold(V, prior, 1), warm(V, prior, 4);
  auto work = cold.workspace();
  const lore::Matrix<float> X = lore::Matrix<float>::Random(40, 20);
  CHECK(warm(X, work).weights == warm(X).weights);
  const float* room = work.scores.data();
  (void)cold(X.leftCols(3), work);
  (void)cold(X.leftCols(9), work);
  CHECK(work.scores.data() == room);
}

TEST_CASE("The closest Gaussian is the one that plain arithmetic finds") {
  for (const Index K : {2, 5, 9})
    for (const bool weighted : {false, true}) {
      const Prior prior = some_prior<lore::Signed>(K);
      const Fit<lore::Signed> adapt{lore::Basis<double>(Matrix::Identity(K, K)), prior};
      const Scores users(K, {1, 7, 8, 30}, 0.8, weighted);
      for (Index i = 0; i < 4; ++i) {
        CAPTURE(K, weighted, i);
        const auto user = adapt.from_scores(users.of(i), users.omega(i));
        const auto [c, C] = plain_closest_gaussian(prior, users.of(i), users.omega(i));
        CHECK((user.parameters.tail(K - 1) - c).cwiseAbs().maxCoeff() < 1e-6);
        CHECK((user.covariance.bottomRightCorner(K - 1, K - 1) - C).cwiseAbs().maxCoeff() < 1e-5);
      }
    }
}

TEMPLATE_TEST_CASE("The closest Gaussian is found where margins are spread over many nats", "", lore::Simplex,
                   lore::Signed) {
  for (const double scale : {4.0, 8.0}) {
    CAPTURE(scale);
    const Scores users(5, std::vector<Index>(300, 10), scale, false);
    const Fit<TestType> adapt{lore::Basis<double>(Matrix::Identity(5, 5)), some_prior<TestType>(5)};
    const auto fits = adapt.all_from_scores(users.Z, users.comparisons, lore::Threads(1));
    CHECK(std::count(fits.status.begin(), fits.status.end(), lore::Status::converged) == 300);
  }
}

TEST_CASE("However far margins are spread, the closest Gaussian is no worse than the prior") {
  for (const Index K : {5, 10})
    for (const double scale : {8.0, 16.0, 32.0, 1e3}) {
      CAPTURE(K, scale);
      const Scores users(K, std::vector<Index>(100, 10), scale, false);
      const Prior prior = some_prior<lore::Signed>(K);
      const Fit<lore::Signed> adapt{lore::Basis<double>(Matrix::Identity(K, K)), prior};
      const auto fits = adapt.all_from_scores(users.Z, users.comparisons, lore::Threads(1));
      int worse = 0;
      for (Index i = 0; i < 100; ++i) {
        const Matrix Z = users.of(i);
        double at_prior = 0;  // at least the mean loss under the prior: softplus(-t) < max(0, -t) + log 2
        for (Index j = 0; j < Z.cols(); ++j) {
          const double mean = Z.col(j).dot(prior.mean);
          const double deviation = std::sqrt(Z.col(j).dot(prior.covariance * Z.col(j))), u = mean / deviation;
          at_prior += deviation * std::exp(-0.5 * u * u) / std::sqrt(2 * std::numbers::pi) -
                      mean * 0.5 * std::erfc(u / std::numbers::sqrt2) + std::numbers::ln2;
        }
        worse += fits.objective(i) > at_prior ? 1 : 0;
      }
      CHECK(worse == 0);
    }
}

TEMPLATE_TEST_CASE("Extreme scores give finite answers that agree with the data", "", lore::Simplex,
                   lore::Signed) {
  for (const double scale : {1e-6, 30.0, 1e3, 1e5})
    for (const Posterior posterior : {Posterior::map, Posterior::variational}) {
      CAPTURE(scale, name_of(posterior));
      Fit<TestType> adapt{lore::Basis<double>(Matrix::Identity(3, 3)), some_prior<TestType>(3)};
      adapt.posterior = posterior;
      Matrix Z = Matrix::Zero(3, 9);  // the second column is liked, the third is not
      for (Index j = 0; j < 9; ++j) Z.col(j) << 0, 0.1 * static_cast<double>(j + 1), -0.2;
      const auto user = adapt.from_scores(scale * Z);
      CHECK(user.parameters.allFinite());
      CHECK(user.covariance.allFinite());
      CHECK(std::isfinite(user.objective));
      if (scale > 1) CHECK(user.weights.dot(Z.col(8)) > 0);
    }
}

TEST_CASE("Rank 1 and fixed sizes work as dynamic ones") {
  const lore::Basis<double> one(random(5, 1, 1));
  const Prior point{Vector::Zero(1), Matrix::Zero(1, 1)};
  const auto user = Fit<lore::Simplex>{one, point}(random(5, 3, 2));
  CHECK(user.weights(0) == 1);
  CHECK(user.status == lore::Status::converged);
  const Prior prior = some_prior<lore::Signed>(3);
  const Matrix V = random(5, 3, 1), X = random(5, 4, 2);
  const auto dynamic = Fit<lore::Signed>{lore::Basis<double>(V), prior}(X);
  const lore::Basis<double, 5, 3> basis{lore::Matrix<double, 5, 3>(V)};
  const lore::GaussianPrior<double, 3> fixed_prior{prior.mean, prior.covariance};
  const lore::FewShotFit<lore::BradleyTerry, lore::Signed, double, 5, 3> adapt{basis, fixed_prior};
  CHECK((adapt(X).parameters - dynamic.parameters).norm() < 1e-12);
}

TEST_CASE("A few-shot fit refuses what it cannot use") {
  const lore::Basis<double> basis(random(5, 3, 1));
  const Prior prior = some_prior<lore::Simplex>(3);
  CHECK_THROWS_AS((Fit<lore::Simplex>{basis, some_prior<lore::Simplex>(2)}), std::invalid_argument);
  CHECK_THROWS_AS((Fit<lore::Simplex>{basis, prior, 0}), std::domain_error);
  const Fit<lore::Simplex> adapt{basis, prior};
  CHECK_THROWS_AS(adapt(random(4, 2, 1)), std::invalid_argument);
  CHECK_THROWS_AS(adapt(random(5, 2, 1), {1}), std::invalid_argument);
  CHECK_THROWS_AS(adapt(random(5, 2, 1), {1, -1}), std::domain_error);
  CHECK_THROWS_AS(adapt(random(5, 1, 1), {}, {{.outcome = lore::Outcome::abstained}}), std::domain_error);
  CHECK_THROWS_AS(adapt(Matrix::Constant(5, 1, std::numeric_limits<double>::quiet_NaN())), std::domain_error);
  lore::RewardModel<double> model;
  model.basis = basis;
  model.prior = prior;
  model.weight_map = lore::WeightMapKind::signed_deviations;
  CHECK_THROWS_AS(Fit<lore::Simplex>{model}, std::invalid_argument);
}
