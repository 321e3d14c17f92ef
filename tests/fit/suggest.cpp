// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/suggest.hpp"

#include <limits>
#include <stdexcept>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/objective/label_noise.hpp"
#include "lore/objective/ties.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::Approx;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;

[[nodiscard]] Matrix random(Index rows, Index cols, std::uint64_t seed) {
  lore::Rng rng(seed);
  Matrix out(rows, cols);
  lore::fill_normal(rng, out);
  return out;
}

/// Information by a fine sum over the margin.
[[nodiscard]] double information(double mean, double deviation) {
  const auto entropy = [](double p) {
    return p > 0 && p < 1 ? -p * std::log(p) - (1 - p) * std::log1p(-p) : 0;
  };
  double p = 0, uncertain = 0;
  const double h = 1e-3;
  for (double z = -9; z <= 9; z += h) {
    const double weight = h * std::exp(-z * z / 2) / std::sqrt(2 * std::acos(-1.0));
    const double s = lore::sigmoid(mean + deviation * z);
    p += weight * s;
    uncertain += weight * entropy(s);
  }
  return entropy(p) - uncertain;
}

const lore::Signed signed_map;

}  // namespace

TEST_CASE("The score of a question is the information of its answer") {
  // One direction of unknown weight with deviation s: z = (m, 1) has the margin N(m, s^2).
  for (const double deviation : {0.1, 0.8, 1.5, 6.0, 30.0})
    for (const double mean : {-8.0, -1.0, 0.0, 3.0}) {
      CAPTURE(mean, deviation);
      const Matrix C = (Matrix(2, 2) << 0, 0, 0, deviation * deviation).finished();
      const auto one =
          lore::suggest(signed_map, (Vector(2) << mean, 1).finished(), (Vector(2) << 1, 0).finished(), C);
      CHECK(one.at(0).score == Approx(information(mean, deviation)).margin(2e-6));
      CHECK(one[0].margin.mean == Approx(mean));
      CHECK(one[0].margin.deviation == Approx(deviation));
    }
}

TEST_CASE("The best question is uncertain because of the user") {
  const Vector p = (Vector(3) << 1, 0, 0).finished();
  const Matrix C = Vector(Vector::LinSpaced(3, 0, 2)).asDiagonal();  // variances 0, 1, 2
  Matrix pool(3, 4);
  pool << 0, 0, 9, 0,  // what everybody thinks
      0, 1, 0, 0,      //
      0, 0, 1, 1;
  // Even odds that no user changes teach nothing; sure answers little; the more uncertain direction wins.
  const auto all = lore::suggest(signed_map, pool, p, C, 4);
  CHECK(all[0].index == 3);
  CHECK(all[1].index == 1);
  CHECK(all[3].index == 0);
  CHECK(all[3].score == Approx(0).margin(1e-9));
  // When only the second direction's reward matters, so does only its question.
  const auto one = lore::suggest_for_rewards(signed_map, pool, p, C, (Vector(3) << 0, 5, 0).finished());
  CHECK(one[0].index == 1);
}

TEST_CASE("Several questions do not ask the same thing") {
  // Three copies of the best question, and another that is a little worse.
  Matrix pool(3, 4);
  pool << 0, 0, 0, 0,  //
      3, 3, 3, 0,      //
      0, 0, 0, 2.5;
  const Vector p = (Vector(3) << 1, 0, 0).finished();
  const Matrix C = Vector((Vector(3) << 0, 1, 1).finished()).asDiagonal();
  for (const bool rewards : {false, true}) {
    const auto chosen = rewards ? lore::suggest_for_rewards(signed_map, pool, p, C, Matrix::Identity(3, 3), 2)
                                : lore::suggest(signed_map, pool, p, C, 2);
    if (!rewards) CHECK(chosen[0].index == 0);  // a tie goes to the lowest index
    CHECK((chosen[0].index == 3) != (chosen[1].index == 3));
  }
  const auto all = lore::suggest(signed_map, pool, p, C, 4);
  for (std::size_t i = 1; i < 4; ++i) CHECK(all[i].score <= all[i - 1].score + 1e-12);
}

TEMPLATE_TEST_CASE("Suggestions follow the pool and not its order or signs", "", lore::Simplex,
                   lore::Signed) {
  const Index K = 4, n = 30;
  const Matrix Q = TestType{}.template directions<double, lore::Dynamic>(K);
  Vector p(K);
  TestType{}.origin(p);
  p += Q * random(K - 1, 1, 1);
  const Matrix A = random(K - 1, K - 1, 2), C = Q * A * A.transpose() * Q.transpose();
  const Matrix pool = 2 * random(K, n, 3), R = random(K, 5, 4);
  Matrix turned = -pool.rowwise().reverse();
  for (const bool rewards : {false, true}) {
    const auto ask = [&](const Matrix& Z) {
      return rewards ? lore::suggest_for_rewards(TestType{}, Z, p, C, R, 6, 1.7)
                     : lore::suggest(TestType{}, Z, p, C, 6, 1.7);
    };
    const auto one = ask(pool), two = ask(turned);
    for (std::size_t i = 0; i < one.size(); ++i) {
      CHECK(two[i].index == n - 1 - one[i].index);
      CHECK(two[i].score == Approx(one[i].score).epsilon(1e-9));
      CHECK(one[i].margin.deviation ==
            Approx(lore::estimate_margin(TestType{}, pool.col(one[i].index), p, C, 1.7).deviation));
    }
    // Units cancel: scores ten times as large at ten times the temperature.
    const Matrix larger = 10 * pool;
    const auto warm = rewards ? lore::suggest_for_rewards(TestType{}, larger, p, C, R, 6, 17)
                              : lore::suggest(TestType{}, larger, p, C, 6, 17);
    for (std::size_t i = 0; i < one.size(); ++i) CHECK(warm[i].index == one[i].index);
  }
}

TEST_CASE("A careless judge teaches less") {
  const Matrix C = (Matrix(2, 2) << 0, 0, 0, 4).finished();
  const Vector p = (Vector(2) << 1, 0).finished(), z = (Vector(2) << 0, 2).finished();
  double before = std::log(2.0);
  for (const double flip : {0.0, 0.1, 0.3}) {
    const auto one = lore::suggest(signed_map, z, p, C, 1, 1, lore::LabelNoise(flip));
    CHECK(one[0].score < before);
    CHECK(one[0].score > 0);
    before = one[0].score;
  }
}

TEST_CASE("Questions need a pool that fits") {
  const Vector p = (Vector(3) << 1, 0, 0).finished();
  const Matrix C = Matrix::Identity(3, 3), pool = random(3, 5, 6);
  CHECK(lore::suggest(signed_map, Matrix(3, 0), p, C, 0).empty());
  CHECK_THROWS_AS(lore::suggest(signed_map, Matrix(3, 0), p, C, 1), std::invalid_argument);
  CHECK_THROWS_AS(lore::suggest(signed_map, pool, p, C, 6), std::invalid_argument);
  CHECK_THROWS_AS(lore::suggest(signed_map, pool, p, C, -1), std::domain_error);
  CHECK_THROWS_AS(lore::suggest(signed_map, random(4, 5, 6), p, C), std::invalid_argument);
  CHECK_THROWS_AS(lore::suggest(signed_map, pool, p, Matrix::Identity(2, 2)), std::invalid_argument);
  CHECK_THROWS_AS(lore::suggest(signed_map, pool, p, C, 1, 0), std::domain_error);
  Matrix bad = pool;
  bad(1, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(lore::suggest(signed_map, bad, p, C), std::domain_error);
  CHECK_THROWS_AS(lore::suggest_for_rewards(signed_map, pool, p, C, Matrix::Ones(2, 1)),
                  std::invalid_argument);
}

TEST_CASE("Where ties can happen a question is worth what its three answers tell") {
  // Against the definition by brute force: H(E p) - E H(p) over win, loss and tie.
  const lore::Davidson loss(1.5);
  const lore::Answer tie{.outcome = lore::Outcome::tie};
  for (const double mean : {0.0, 1.0, -4.0})
    for (const double deviation : {0.5, 2.0}) {
      CAPTURE(mean, deviation);
      double average[3] = {0, 0, 0}, entropy = 0, precision = 0, total = 0;
      for (double x = -9; x <= 9; x += 0.01) {
        const double density = std::exp(-0.5 * x * x), t = mean + deviation * x;
        const lore::LossTerms<double> terms[3] = {loss(t), loss(-t), loss(t, tie)};
        for (int k = 0; k < 3; ++k) {
          const double p = std::exp(-terms[k].value);
          average[k] += density * p;
          entropy += density * p * terms[k].value;
          precision += density * p * terms[k].slope * terms[k].slope;
        }
        total += density;
      }
      double information = -entropy / total;
      for (const double p : average) information -= p / total * std::log(p / total);
      const auto value = lore::detail::answer_value(loss, {mean, deviation});
      CHECK(value.information == Approx(information).margin(1e-5));
      CHECK(value.precision == Approx(precision / total).margin(1e-5));
    }
}
