// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/core/random.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using lore::Rng;
using lore_test::Approx;

namespace {

/// An engine that only knows its largest word.
struct Extreme {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type(0); }
  result_type operator()() { return max(); }
};

/// Largest distance between the empirical distribution of a sample and a distribution function.
template <class Cdf>
double kolmogorov_distance(std::vector<double> sample, const Cdf& cdf) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double worst = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double p = cdf(sample[i]);
    worst = std::max({worst, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  return worst;
}

/// Exceeded once in about 10^6 samples.
double kolmogorov_bound(std::size_t n) { return 2.7 / std::sqrt(static_cast<double>(n)); }

}  // namespace

TEST_CASE("random results are pinned, so that seeds mean the same everywhere") {
  SECTION("uniform") {
    Rng rng(1);
    CHECK(lore::uniform01(rng) == 0.13387664401253263);
    CHECK(lore::uniform01(rng) == 0.13640703636619722);
    CHECK(lore::uniform01<float>(rng) == 0.45121485F);
  }
  SECTION("index") {
    Rng rng(1);
    for (const Index wanted : {528, 462, 930, 246, 384, 409}) CHECK(lore::uniform_index(rng, 1000) == wanted);
  }
  SECTION("normal") {  // quantiles of the engine's words by an implementation of another language
    Rng rng(1);
    for (const double wanted :
         {-1.1082513307109323, -1.0966050642555387, -0.12259248243200721, -2.033040248712083})
      CHECK(lore::normal(rng) == Approx(wanted).epsilon(1e-14));
  }
  SECTION("gamma") {
    Rng rng(1);
    CHECK(lore::log_gamma_variate(rng, 0.001) == Approx(-2013.0195370088584).epsilon(1e-13));
    CHECK(lore::log_gamma_variate(rng, 0.5) == Approx(-7.9472582502694076).epsilon(1e-12));
    CHECK(lore::log_gamma_variate(rng, 1.0) == Approx(-0.49670970145898807).epsilon(1e-12));
    CHECK(lore::log_gamma_variate(rng, 7.5) == Approx(2.0344688454067077).epsilon(1e-12));
    CHECK(lore::log_gamma_variate(rng, 1e6) == Approx(13.814165793310112).epsilon(1e-12));
  }
  SECTION("dirichlet") {
    Rng rng(1);
    const auto w = lore::dirichlet(rng, 0.3, 4);
    const double wanted[] = {0.0065252053744935153, 3.6237137309610214e-05, 0.23159528320612194,
                             0.76184327428207488};
    for (Index k = 0; k < 4; ++k) CHECK(w[k] == Approx(wanted[k]).epsilon(1e-11));
  }
  SECTION("permutation and sample") {
    Rng rng(1);
    CHECK(lore::permutation(rng, 10) == std::vector<Index>{1, 7, 3, 9, 4, 0, 5, 2, 6, 8});
    rng = Rng(1);
    CHECK(lore::sample_without_replacement(rng, 100, 6) == std::vector<Index>{28, 79, 62, 45, 0, 59});
  }
  SECTION("derived seeds") {
    CHECK(lore::derive_seed(0) == 0xe220a8397b1dcdafU);  // SplitMix64's first output from 0
    CHECK(lore::derive_seed(1, 2, 3) == 0x5aff24327f4a40a5U);
    CHECK(lore::derive_seed(1, 3, 2) == 0xdc9f29240f71ce20U);
    CHECK(lore::derive_seed(1, -1) == 0x1088c60f64e69420U);
  }
}

TEST_CASE("derived seeds are all different, and their streams do not correlate") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    seen.insert(lore::derive_seed(seed));
    for (int i = 0; i < 30; ++i) {
      seen.insert(lore::derive_seed(seed, i));
      for (int j = 0; j < 10; ++j) seen.insert(lore::derive_seed(seed, i, j));
    }
  }
  CHECK(seen.size() == 30U + 30U * 30U + 30U * 30U * 10U);

  double product = 0;
  for (int stream = 0; stream < 10000; ++stream) {
    Rng here = lore::make_rng(7, stream), next = lore::make_rng(7, stream + 1);
    product += lore::normal(here) * lore::normal(next);
  }
  CHECK(std::abs(product) / 10000 < 0.05);
}

TEMPLATE_TEST_CASE("uniform01 fills [0, 1) evenly", "", float, double) {
  Rng rng(2);
  std::vector<double> sample(20000);
  for (double& u : sample) u = static_cast<double>(lore::uniform01<TestType>(rng));
  CHECK(*std::min_element(sample.begin(), sample.end()) >= 0.0);
  CHECK(*std::max_element(sample.begin(), sample.end()) < 1.0);
  CHECK(kolmogorov_distance(sample, [](double u) { return u; }) < kolmogorov_bound(sample.size()));

  Extreme extreme;
  CHECK(lore::uniform01<TestType>(extreme) < TestType(1));
  CHECK(std::isfinite(lore::normal<TestType>(extreme)));
}

TEST_CASE("uniform_index is even and checks its range") {
  Rng rng(3);
  std::vector<int> count(7);
  for (int i = 0; i < 70000; ++i) ++count[static_cast<std::size_t>(lore::uniform_index(rng, 7))];
  for (const int c : count) CHECK(std::abs(c - 10000) < 500);
  CHECK(lore::uniform_index(rng, 1) == 0);
  // Just above 2^62 a plain remainder would make small numbers come up 4 times in 3.
  const Index large = (Index(1) << 62) + (Index(1) << 61);
  int low = 0;
  for (int i = 0; i < 20000; ++i) low += lore::uniform_index(rng, large) < large / 3 ? 1 : 0;
  CHECK(std::abs(low - 6667) < 350);
  CHECK_THROWS_AS(lore::uniform_index(rng, 0), std::domain_error);
  CHECK_THROWS_AS(lore::uniform_index(rng, -5), std::domain_error);
}

TEST_CASE("bernoulli hits its probability and refuses what is none") {
  Rng rng(4);
  int hits = 0;
  for (int i = 0; i < 50000; ++i) hits += lore::bernoulli(rng, 0.3) ? 1 : 0;
  CHECK(std::abs(hits - 15000) < 550);
  for (int i = 0; i < 100; ++i) {
    CHECK_FALSE(lore::bernoulli(rng, 0.0));
    CHECK(lore::bernoulli(rng, 1.0));
  }
  CHECK_THROWS_AS(lore::bernoulli(rng, -0.1), std::domain_error);
  CHECK_THROWS_AS(lore::bernoulli(rng, 1.1), std::domain_error);
  CHECK_THROWS_AS(lore::bernoulli(rng, std::nan("")), std::domain_error);
}

TEMPLATE_TEST_CASE("normal has the normal distribution", "", float, double) {
  Rng rng(5);
  std::vector<double> sample(50000);
  double second = 0, fourth = 0;
  for (double& z : sample) {
    z = static_cast<double>(lore::normal<TestType>(rng));
    second += z * z;
    fourth += z * z * z * z;
  }
  CHECK(kolmogorov_distance(sample, [](double z) { return 0.5 * std::erfc(-z * std::sqrt(0.5)); }) <
        kolmogorov_bound(sample.size()));
  CHECK(second / 50000 == Approx(1).epsilon(0.04));
  CHECK(fourth / 50000 == Approx(3).epsilon(0.1));
}

TEST_CASE("the normal quantile is exact far into the tails") {
  using lore::detail::normal_quantile;
  CHECK(normal_quantile(0.0) == 0.0);
  for (const double z : {0.01, 0.5, 1.0, 1.4395, 1.44, 2.5, 4.0, 5.9}) {
    const double tail = 0.5 * std::erfc(z * std::sqrt(0.5));
    CAPTURE(z);
    CHECK(normal_quantile(tail - 0.5) == Approx(-z).epsilon(1e-9));
    CHECK(normal_quantile(0.5 - tail) == -normal_quantile(tail - 0.5));
  }
  CHECK(normal_quantile(0x1p-53 - 0.5) == Approx(-8.209536151601386).epsilon(1e-13));
}

TEST_CASE("log_gamma_variate has the moments of log Gamma, however small alpha is") {
  // E log G = digamma(alpha), Var log G = trigamma(alpha).
  struct Row {
    double alpha, mean, variance;
  };
  const Row row = GENERATE(
      Row{0.001, -1000.5755719318103, 1000001.6425331959}, Row{0.1, -10.423754940411076, 101.43329915079276},
      Row{1.0, -0.57721566490153286, 1.6449340668482264}, Row{3.5, 1.1031566406452432, 0.33035775610023486},
      Row{400.0, 5.9902139920282265, 0.0025031276041656});
  CAPTURE(row.alpha);
  Rng rng(6);
  const int n = 40000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double g = lore::log_gamma_variate(rng, row.alpha);
    sum += g;
    squares += (g - row.mean) * (g - row.mean);
  }
  CHECK(std::abs(sum / n - row.mean) < 5 * std::sqrt(row.variance / n));
  CHECK(squares / n == Approx(row.variance).epsilon(0.08));
}

TEST_CASE("gamma of shape 1 is exponential, and extreme shapes stay finite") {
  Rng rng(7);
  std::vector<double> sample(20000);
  for (double& g : sample) g = std::exp(lore::log_gamma_variate(rng, 1.0));
  CHECK(kolmogorov_distance(sample, [](double g) { return 1 - std::exp(-g); }) <
        kolmogorov_bound(sample.size()));
  for (const double alpha : {1e-308, 1e-100, 1e-3, 1e3, 1e12})
    for (int i = 0; i < 100; ++i) CHECK(std::isfinite(lore::log_gamma_variate(rng, alpha)));
  CHECK_THROWS_AS(lore::log_gamma_variate(rng, 0.0), std::domain_error);
  CHECK_THROWS_AS(lore::log_gamma_variate(rng, -1.0), std::domain_error);
  CHECK_THROWS_AS(lore::log_gamma_variate(rng, std::nan("")), std::domain_error);
}

TEMPLATE_TEST_CASE("dirichlet lies on the simplex with the right mean", "", float, double) {
  using S = TestType;
  Rng rng(8);
  lore::Vector<double> alpha(4);
  alpha << 0.5, 1.0, 2.0, 4.5;
  lore::Vector<double, 4> mean = lore::Vector<double, 4>::Zero(), square = mean;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const lore::Vector<S> w = lore::dirichlet<S>(rng, alpha);
    REQUIRE(w.minCoeff() >= S(0));
    REQUIRE(std::abs(w.sum() - S(1)) < S(1e-5));
    mean += w.template cast<double>() / n;
    square += w.template cast<double>().cwiseAbs2() / n;
  }
  for (Index k = 0; k < 4; ++k) {
    const double p = alpha[k] / 8;
    CHECK(mean[k] == Approx(p).margin(0.01));
    CHECK(square[k] - mean[k] * mean[k] == Approx(p * (1 - p) / 9).epsilon(0.08));
  }
}

TEMPLATE_TEST_CASE("dirichlet at alpha = 0.001 gives one weight nearly everything, never NaN", "", float,
                   double) {
  using S = TestType;
  Rng rng(9);
  std::vector<int> winner(10);
  int sharp = 0;
  for (int i = 0; i < 2000; ++i) {
    const lore::Vector<S> w = lore::dirichlet<S>(rng, 0.001, 10);
    REQUIRE(w.allFinite());
    REQUIRE(std::abs(w.sum() - S(1)) < S(1e-5));
    Index best = 0;
    if (w.maxCoeff(&best) > S(0.999)) ++sharp;
    ++winner[static_cast<std::size_t>(best)];
    const lore::Vector<S> log_w = lore::log_dirichlet<S>(rng, 0.001, 10);
    REQUIRE(log_w.allFinite());
    REQUIRE(log_w.maxCoeff() <= S(0));
  }
  CHECK(sharp > 1800);
  for (const int c : winner) CHECK(std::abs(c - 200) < 80);

  CHECK(lore::dirichlet<S>(rng, 0.5, 1)[0] == S(1));
  CHECK(lore::dirichlet<S>(rng, 1e-308, 3).allFinite());
  CHECK_THROWS_AS(lore::dirichlet<S>(rng, 0.5, 0), std::invalid_argument);
  CHECK_THROWS_AS(lore::dirichlet<S>(rng, lore::Vector<double, 0>()), std::invalid_argument);
  CHECK_THROWS_AS(lore::dirichlet<S>(rng, 0.0, 3), std::domain_error);
}

TEST_CASE("permutations are permutations, each equally likely") {
  Rng rng(10);
  std::vector<int> count(24);
  for (int i = 0; i < 24000; ++i) {
    const auto p = lore::permutation(rng, 4);
    std::set<Index> members(p.begin(), p.end());
    REQUIRE(members == std::set<Index>{0, 1, 2, 3});
    Index code = 0, factor = 1;  // Lehmer code
    for (std::size_t a = 0; a < 4; ++a) {
      Index smaller = 0;
      for (std::size_t b = a + 1; b < 4; ++b) smaller += p[b] < p[a] ? 1 : 0;
      code += smaller * factor;
      factor *= static_cast<Index>(4 - a);
    }
    ++count[static_cast<std::size_t>(code)];
  }
  double chi_square = 0;
  for (const int c : count) chi_square += (c - 1000.0) * (c - 1000.0) / 1000.0;
  CHECK(chi_square < 65);  // 23 degrees of freedom: exceeded once in 100,000
  CHECK(lore::permutation(rng, 0).empty());
  CHECK_THROWS_AS(lore::permutation(rng, -1), std::domain_error);
}

TEST_CASE("samples without replacement are distinct, even, and begin with the smaller samples") {
  Rng rng(11);
  std::vector<int> count(6);
  for (int i = 0; i < 12000; ++i) {
    const auto s = lore::sample_without_replacement(rng, 6, 2);
    REQUIRE(s.size() == 2);
    REQUIRE(s[0] != s[1]);
    for (const Index j : s) ++count[static_cast<std::size_t>(j)];
  }
  for (const int c : count) CHECK(std::abs(c - 4000) < 300);

  Rng one(12), two(12);
  const auto few = lore::sample_without_replacement(one, 50, 5);
  const auto many = lore::sample_without_replacement(two, 50, 50);
  CHECK(std::equal(few.begin(), few.end(), many.begin()));
  CHECK(std::set<Index>(many.begin(), many.end()).size() == 50);
  CHECK(lore::sample_without_replacement(one, 0, 0).empty());
  CHECK_THROWS_AS(lore::sample_without_replacement(one, 3, 4), std::domain_error);
  CHECK_THROWS_AS(lore::sample_without_replacement(one, 3, -1), std::domain_error);
}

TEMPLATE_TEST_CASE("matrices are filled column by column, blocks included", "", float, double) {
  using S = TestType;
  Rng one(13), two(13), three(13);
  lore::Matrix<S> X(4, 3);
  lore::fill_normal(one, X);
  for (Index c = 0; c < 3; ++c)
    for (Index r = 0; r < 4; ++r) CHECK(X(r, c) == lore::normal<S>(two));
  lore::Matrix<S> Y = lore::Matrix<S>::Zero(6, 5);
  lore::fill_normal(three, Y.block(1, 1, 4, 3));
  CHECK(Y.block(1, 1, 4, 3) == X);
  CHECK(Y.row(0).isZero(S(0)));
  lore::fill_uniform(one, X);
  CHECK(X.minCoeff() >= S(0));
  CHECK(X.maxCoeff() < S(1));
}
