// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/core/numerics.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "lore_catch.hpp"

using lore::log_sigmoid;
using lore::sigmoid;
using lore::softplus;
using lore_test::Of;
using lore_test::tolerance;

namespace {

template <class Scalar>
bool close(Scalar got, double wanted, Of what = Of::rounding) {
  return std::abs(static_cast<double>(got) - wanted) <=
         static_cast<double>(tolerance<Scalar>(what)) * std::abs(wanted);
}

}  // namespace

TEMPLATE_TEST_CASE("softplus has full relative precision at any argument", "", float, double) {
  using S = TestType;
  // Values to 17 digits from 60-digit arithmetic.
  CHECK(close(softplus(S(0)), 0.69314718055994531));
  CHECK(close(softplus(S(-0.0)), 0.69314718055994531));
  CHECK(close(softplus(S(1)), 1.3132616875182228));
  CHECK(close(softplus(S(-1)), 0.31326168751822284));
  CHECK(close(softplus(S(1e-8)), 0.69314718555994532));
  CHECK(close(softplus(S(-1e-8)), 0.69314717555994532));
  CHECK(close(softplus(S(30)), 30.000000000000094));
  CHECK(close(softplus(S(-30)), 9.3576229688397367e-14));
  CHECK(softplus(S(700)) == S(700));
  CHECK(softplus(S(1e4)) == S(1e4));
  CHECK(softplus(S(-1e4)) == S(0));
  if (std::is_same_v<S, double>) CHECK(close(softplus(S(-700)), 9.8596765437597709e-305));
  const S infinity = std::numeric_limits<S>::infinity();
  CHECK(softplus(infinity) == infinity);
  CHECK(softplus(-infinity) == S(0));
  CHECK(std::isnan(softplus(std::numeric_limits<S>::quiet_NaN())));
}

TEMPLATE_TEST_CASE("log_sigmoid and sigmoid keep their tails", "", float, double) {
  using S = TestType;
  const S infinity = std::numeric_limits<S>::infinity();
  CHECK(close(log_sigmoid(S(30)), -9.3576229688397367e-14));
  CHECK(log_sigmoid(S(-1e4)) == S(-1e4));
  CHECK(log_sigmoid(S(1e4)) == S(0));
  CHECK(log_sigmoid(-infinity) == -infinity);
  CHECK(log_sigmoid(infinity) == S(0));

  CHECK(sigmoid(S(0)) == S(0.5));
  CHECK(sigmoid(S(-0.0)) == S(0.5));
  CHECK(close(sigmoid(S(1e-8)), 0.5000000025));
  CHECK(close(sigmoid(S(-1e-8)), 0.4999999975));
  CHECK(close(sigmoid(S(-30)), 9.3576229688392989e-14));
  CHECK(sigmoid(S(1e4)) == S(1));
  CHECK(sigmoid(S(-1e4)) == S(0));
  CHECK(sigmoid(infinity) == S(1));
  CHECK(sigmoid(-infinity) == S(0));
  if (std::is_same_v<S, double>) CHECK(close(sigmoid(S(-700)), 9.8596765437597709e-305));
}

TEMPLATE_TEST_CASE("logistic functions are monotone, and obey their laws", "", float, double) {
  using S = TestType;
  bool rising = true, laws = true;
  S before = -std::numeric_limits<S>::infinity();
  for (int i = -90000; i <= 90000; ++i) {
    const S t = S(i) / S(100);
    rising = rising && softplus(t) >= softplus(before) && sigmoid(t) >= sigmoid(before) &&
             log_sigmoid(t) >= log_sigmoid(before);
    laws =
        laws && std::abs(sigmoid(t) + sigmoid(-t) - S(1)) <= tolerance<S>(Of::rounding) &&
        std::abs(softplus(t) - softplus(-t) - t) <= tolerance<S>(Of::rounding) * std::max(S(1), std::abs(t));
    before = t;
  }
  CHECK(rising);
  CHECK(laws);
}

TEMPLATE_TEST_CASE("softmax is finite at extreme logits and does not see a shift", "", float, double) {
  using S = TestType;
  lore::Vector<S> a(3), w(3), shifted(3);
  a << S(1e4), S(-1e4), S(1e4);
  lore::softmax(a, w);
  CHECK(w[0] == S(0.5));
  CHECK(w[1] == S(0));
  CHECK(w[2] == S(0.5));

  a << S(-1e4), S(-1e4) + S(2), S(-1e4) + S(1);
  lore::softmax(a, w);
  const double sum = 1 + std::exp(1.0) + std::exp(2.0);
  CHECK(close(w[0], 1 / sum, Of::sum));
  CHECK(close(w[1], std::exp(2.0) / sum, Of::sum));

  a << S(0.25), S(-1.5), S(3);
  lore::softmax(a, w);
  lore::softmax((a.array() + S(512)).matrix(), shifted);  // exact in float
  CHECK((w - shifted).cwiseAbs().maxCoeff() <= tolerance<S>(Of::rounding));
  CHECK(std::abs(w.sum() - S(1)) <= tolerance<S>(Of::rounding));
}

TEMPLATE_TEST_CASE("softmax_pullback is the transposed Jacobian", "", float, double) {
  using S = TestType;
  lore::Vector<double> a(5), gw(5);
  const double scale = GENERATE(0.0, 1.0, 8.0);
  a << 0.3, -1.2, 0.9, 2.0, -0.4;
  a *= scale;
  gw << 1.5, -0.2, 0.7, -2.0, 0.1;
  lore::Vector<S> w(5), ga(5);
  lore::softmax(a.cast<S>(), w);
  lore::softmax_pullback(w, gw.cast<S>(), ga);
  const double h = lore_test::difference_step<double>;
  for (lore::Index k = 0; k < 5; ++k) {
    lore::Vector<double> up = a, down = a, wu(5), wd(5);
    up[k] += h;
    down[k] -= h;
    lore::softmax(up, wu);
    lore::softmax(down, wd);
    const double wanted = gw.dot(wu - wd) / (2 * h);
    CAPTURE(scale, k, wanted);
    CHECK(std::abs(static_cast<double>(ga[k]) - wanted) <= (std::is_same_v<S, float> ? 1e-5 : 1e-8));
  }
  CHECK(std::abs(ga.sum()) <= S(4) * tolerance<S>(Of::rounding));  // a shift of the logits changes nothing

  lore::Vector<S> extreme(5);
  extreme << S(1e4), S(-1e4), S(0), S(1e4), S(-1e4);
  lore::softmax(extreme, w);
  lore::softmax_pullback(w, gw.cast<S>(), ga);
  CHECK(ga.allFinite());
  CHECK(close(ga[0], 0.25 * (1.5 + 2.0)));
  CHECK(ga[1] == S(0));
}

TEMPLATE_TEST_CASE("softmax takes fixed sizes, columns, maps and its own argument", "", float, double) {
  using S = TestType;
  lore::Vector<S> a(4), wanted(4), g(4), pulled(4);
  a << S(1), S(-2), S(0.5), S(3);
  g << S(1), S(2), S(-1), S(0.5);
  lore::softmax(a, wanted);
  lore::softmax_pullback(wanted, g, pulled);

  lore::Vector<S, 4> fixed = a, fixed_w;
  lore::softmax(fixed, fixed_w);
  CHECK((fixed_w - wanted).cwiseAbs().maxCoeff() <= tolerance<S>(Of::rounding));

  lore::Matrix<S> W = lore::Matrix<S>::Zero(4, 3);
  lore::softmax(a, W.col(1));
  CHECK((W.col(1) - wanted).cwiseAbs().maxCoeff() <= tolerance<S>(Of::rounding));
  CHECK(W.col(0).isZero(S(0)));
  CHECK(W.col(2).isZero(S(0)));

  std::vector<S> raw(4);
  lore::softmax_pullback(W.col(1), g, Eigen::Map<lore::Vector<S>>(raw.data(), 4));
  for (std::size_t k = 0; k < 4; ++k)
    CHECK(std::abs(raw[k] - pulled[static_cast<lore::Index>(k)]) <= tolerance<S>(Of::rounding));

  lore::softmax(a, a);
  CHECK((a - wanted).cwiseAbs().maxCoeff() <= tolerance<S>(Of::rounding));
  lore::softmax_pullback(a, g, g);
  CHECK((g - pulled).cwiseAbs().maxCoeff() <= tolerance<S>(Of::rounding));

  lore::Vector<S> one(1), w(1);
  one << S(-7);
  lore::softmax(one, w);
  CHECK(w[0] == S(1));
}
