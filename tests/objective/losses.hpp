// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/objective/loss.hpp"

#include "lore_catch.hpp"

namespace lore_test {

/// Margins small, large and random.
[[nodiscard]] inline std::vector<double> margins() {
  std::vector<double> out = {0, 1e-9, -1e-9, 1, -1, 5, -5, 20, -20, 36, -36, 80, -80, 700, -700, 1e4, -1e4};
  lore::Rng rng(1);
  for (int i = 0; i < 50; ++i) out.push_back(6 * lore::normal(rng));
  return out;
}

/// Slope and curvature of f(t) -> LossTerms against central differences of value and slope, in double.
template <class F>
void check_derivatives(const F& f) {
  for (const double t : margins()) {
    if (std::abs(t) > 1000) continue;
    CAPTURE(t);
    const double h = 1e-4;
    const double slope = (f(t + h).value - f(t - h).value) / (2 * h);
    const double curvature = (f(t + h).slope - f(t - h).slope) / (2 * h);
    CHECK(f(t).slope == Approx(slope).epsilon(1e-6).margin(1e-8));
    CHECK(f(t).curvature == Approx(curvature).epsilon(1e-6).margin(1e-8));
  }
}

/// The same of loss(t, answer), and that it is the same in float to rounding.
template <class Loss>
void check_answer(const Loss& loss, const lore::Answer& answer) {
  check_derivatives([&](double t) { return loss(t, answer); });
  for (const double t : margins()) {
    CAPTURE(t);
    const auto wide = loss(t, answer);
    const auto narrow = loss(static_cast<float>(t), answer);
    CHECK(std::isfinite(wide.value));
    CHECK(narrow.value == Approx(wide.value).epsilon(1e-4).margin(1e-5));
    CHECK(narrow.slope == Approx(wide.slope).epsilon(1e-4).margin(1e-5));
    CHECK(narrow.curvature == Approx(wide.curvature).epsilon(1e-4).margin(1e-5));
  }
}

/// exp(-loss) over all kinds of answers, for either reply and ties once.
template <class Loss>
[[nodiscard]] double total_probability(const Loss& loss, double t) {
  double total = 0;
  for (const lore::Answer& answer : lore::detail::outcomes_of(loss)) {
    total += std::exp(-loss(t, answer).value);
    if (answer.outcome != lore::Outcome::tie) total += std::exp(-loss(-t, answer).value);
  }
  return total;
}

/// Two sets of terms at the same margin.
template <class Terms>
void check_same(const Terms& a, const Terms& b) {
  CHECK(a.value == Approx(b.value).epsilon(1e-12).margin(1e-14));
  CHECK(a.slope == Approx(b.slope).epsilon(1e-12).margin(1e-14));
  CHECK(a.curvature == Approx(b.curvature).epsilon(1e-12).margin(1e-14));
}

}  // namespace lore_test
