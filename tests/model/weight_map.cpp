// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/model/weight_map.hpp"

#include <cmath>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Dynamic;
using lore::Index;
using lore::Matrix;
using lore::Signed;
using lore::Simplex;
using lore::Vector;
using lore_test::Approx;

static_assert(lore::WeightMap<Simplex>);
static_assert(lore::WeightMap<Signed>);

namespace {

template <class Scalar>
Vector<Scalar> weights_at(const auto& map, const Vector<Scalar>& p) {
  Vector<Scalar> w(p.size());
  map.weights(p, w);
  return w;
}

template <class Scalar>
Vector<Scalar> pullback_at(const auto& map, const Vector<Scalar>& p, const Vector<Scalar>& g) {
  const Vector<Scalar> w = weights_at<Scalar>(map, p);
  Vector<Scalar> gp(p.size());
  map.pullback(p, w, g, gp);
  return gp;
}

/// Central differences are exact only in double; the maps' own scalar is tested by comparing with it.
template <class Map>
void check_derivatives(const Map& map, const Vector<double>& p, const Vector<double>& g) {
  const Index K = p.size();
  const double h = lore_test::difference_step<double>;
  const double tolerance = lore_test::tolerance<double>(lore_test::Of::derivative);
  const Matrix<double> Q = map.template directions<double, Dynamic>(K);
  const Vector<double> gp = pullback_at<double>(map, p, g);
  const Vector<double> w = weights_at<double>(map, p);
  Matrix<double> H = Matrix<double>::Zero(K, K);
  map.add_curvature(p, w, g, H);
  CHECK(H.isApprox(H.transpose(), 1e-12));
  for (Index j = 0; j + 1 < K; ++j) {
    const Vector<double> up = p + h * Q.col(j);
    const Vector<double> down = p - h * Q.col(j);
    const double slope = g.dot(weights_at<double>(map, up) - weights_at<double>(map, down)) / (2 * h);
    CHECK(gp.dot(Q.col(j)) == Approx(slope).epsilon(tolerance).margin(tolerance));
    const Vector<double> bend =
        (pullback_at<double>(map, up, g) - pullback_at<double>(map, down, g)) / (2 * h);
    const Vector<double> curve = H * Q.col(j);
    CHECK((Q.transpose() * (curve - bend)).norm() <= tolerance * (1 + bend.norm()));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("directions are orthonormal, and parameters move only along them", "[weight_map]", Simplex,
                   Signed) {
  const TestType map;
  for (const Index K : {1, 2, 3, 6, 50}) {
    CAPTURE(K);
    const Matrix<double> Q = map.template directions<double, Dynamic>(K);
    REQUIRE(Q.rows() == K);
    REQUIRE(Q.cols() == K - 1);
    CHECK((Q.transpose() * Q).isApprox(Matrix<double>::Identity(K - 1, K - 1), 1e-12));
    Vector<double> fixed = Vector<double>::Ones(K);
    if (std::is_same_v<TestType, Signed>) fixed = Vector<double>::Unit(K, 0);
    CHECK((Q.transpose() * fixed).norm() < 1e-12);
  }
  const Matrix<float, 4, 3> Q = map.template directions<float, 4>(4);
  const Matrix<float> R = map.template directions<float, Dynamic>(4);
  CHECK(Q.isApprox(R));
}

TEMPLATE_TEST_CASE("derivatives of the weight maps against central differences", "[weight_map]", Simplex,
                   Signed) {
  const TestType map;
  lore::Rng rng = lore::make_rng(21);
  for (const Index K : {1, 2, 5, 9}) {
    for (const double size : {0.0, 1.0, 5.0}) {
      CAPTURE(K, size);
      Vector<double> p(K);
      Vector<double> g(K);
      lore::fill_normal(rng, p);
      lore::fill_normal(rng, g);
      p *= size;
      if (std::is_same_v<TestType, Signed>) p(0) = 1;
      check_derivatives(map, p, 10 * g);
    }
  }
}

TEST_CASE("derivatives of the simplex stay right and finite at extreme logits", "[weight_map]") {
  const Simplex map;
  Vector<double> g(4);
  g << 3, -1, 2, 0.5;
  Vector<double> p(4);
  for (const double far : {30.0, 700.0, 1e4}) {
    CAPTURE(far);
    p << far, -far, far, 0;  // two at the top share the weight
    const Vector<double> w = weights_at<double>(map, p);
    CHECK(w(0) == Approx(0.5));
    CHECK(w(2) == Approx(0.5));
    check_derivatives(map, p, g);
    p << -far, far, -far, -far;  // all weight on one: nothing moves
    CHECK(pullback_at<double>(map, p, g).norm() < 1e-10);
    check_derivatives(map, p, g);
  }
}

TEMPLATE_TEST_CASE("simplex weights are a softmax, whatever the shift", "[weight_map]", float, double) {
  const Simplex map;
  const TestType tolerance = lore_test::tolerance<TestType>();
  Vector<TestType> p(3);
  p << 0, TestType(std::log(2.0)), TestType(std::log(5.0));
  const Vector<TestType> w = weights_at<TestType>(map, p);
  CHECK(w(0) == Approx(1.0 / 8).epsilon(tolerance));
  CHECK(w(2) == Approx(5.0 / 8).epsilon(tolerance));
  const Vector<TestType> shifted = (p.array() + TestType(100)).matrix();
  CHECK(weights_at<TestType>(map, shifted).isApprox(w, TestType(1e-4)));
  map.origin(p);
  CHECK(weights_at<TestType>(map, p).isApprox(Vector<TestType>::Constant(3, TestType(1) / 3)));
  // A gradient that is the same for all weights moves nothing, as they always sum to 1.
  CHECK(pullback_at<TestType>(map, p, Vector<TestType>::Constant(3, TestType(7))).norm() < 100 * tolerance);
  Vector<TestType> one(1);
  one << TestType(-3);
  CHECK(weights_at<TestType>(map, one)(0) == 1);
}

TEMPLATE_TEST_CASE("signed weights are (1, delta), and the first never moves", "[weight_map]", float,
                   double) {
  const Signed map;
  Vector<TestType> p(3);
  map.origin(p);
  CHECK(p == Vector<TestType>::Unit(3, 0));
  p << 1, -2, TestType(0.5);
  CHECK(weights_at<TestType>(map, p) == p);
  Vector<TestType> g(3);
  g << 9, 8, 7;
  const Vector<TestType> gp = pullback_at<TestType>(map, p, g);
  CHECK(gp(0) == 0);
  CHECK(gp(1) == 8);
  CHECK(gp(2) == 7);
}

TEMPLATE_TEST_CASE("fixed and dynamic sizes and scalars give the same weights and derivatives",
                   "[weight_map]", Simplex, Signed) {
  const TestType map;
  Vector<float, 3> p(1, 0.5F, -2);
  Vector<float, 3> g(1, 2, 3);
  Vector<float, 3> w;
  Vector<float, 3> gp;
  Matrix<float, 3, 3> H = Matrix<float, 3, 3>::Zero();
  map.weights(p, w);
  map.pullback(p, w, g, gp);
  map.add_curvature(p, w, g, H);
  const Vector<double> dp = p.cast<double>();
  const Vector<double> dg = g.cast<double>();
  const Vector<double> dw = weights_at<double>(map, dp);
  Matrix<double> dH = Matrix<double>::Zero(3, 3);
  map.add_curvature(dp, dw, dg, dH);
  CHECK(w.cast<double>().isApprox(dw, 1e-6));
  CHECK(gp.cast<double>().isApprox(pullback_at<double>(map, dp, dg), 1e-5));
  CHECK((H.cast<double>() - dH).norm() < 1e-6);
}

TEST_CASE("curvature is added to what is there", "[weight_map]") {
  Vector<double> p(2);
  p << 0, 1;
  Vector<double> g(2);
  g << 1, -1;
  const Vector<double> w = weights_at<double>(Simplex{}, p);
  Matrix<double> once = Matrix<double>::Zero(2, 2);
  Simplex{}.add_curvature(p, w, g, once);
  Matrix<double> onto = Matrix<double>::Identity(2, 2);
  Simplex{}.add_curvature(p, w, g, onto);
  CHECK((onto - once).isApprox(Matrix<double>::Identity(2, 2)));
  CHECK(once.norm() > 0.1);
}

TEMPLATE_TEST_CASE("the maps write into blocks", "[weight_map]", Simplex, Signed) {
  const TestType map;
  Matrix<float> P = Matrix<float>::Zero(3, 2);
  Matrix<float> W = Matrix<float>::Zero(3, 2);
  map.origin(P.col(1));
  P(2, 1) = 2;
  map.weights(P.col(1), W.col(1));
  const Vector<float> p = P.col(1);
  CHECK(W.col(1) == weights_at<float>(map, p));
  CHECK(W.col(0).isZero());
  Matrix<float> G = Matrix<float>::Ones(3, 2);
  G(1, 0) = 5;
  const Vector<float> g = G.col(0);
  map.pullback(P.col(1), W.col(1), G.col(0), G.col(1));
  CHECK(G.col(1) == pullback_at<float>(map, p, g));
}

TEST_CASE("the names of the maps", "[weight_map]") {
  CHECK(lore::name_of(lore::WeightMapKind::simplex) == "simplex");
  CHECK(lore::name_of(lore::WeightMapKind::signed_deviations) == "signed");
}
