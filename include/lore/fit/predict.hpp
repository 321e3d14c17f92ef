// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"

namespace lore {

/// What is known of one margin: it is about N(mean, deviation^2).
struct MarginEstimate {
  double mean = 0;
  double deviation = 0;
};

/// The margin z'w / tau of a comparison with scores z = V'x for a user with uncertain parameters
/// ~ N(p, covariance); the deviation is exact for `Signed` and linearised for `Simplex`.
/// @param z  K   @param parameters  K   @param covariance  K x K
/// @throws std::invalid_argument on a shape mismatch; std::domain_error unless tau > 0   @cost O(K^2)
template <WeightMap Map>
[[nodiscard]] MarginEstimate estimate_margin(const Map& map, const ConstVectorRef<double>& z,
                                             const ConstVectorRef<double>& parameters,
                                             const ConstMatrixRef<double>& covariance,
                                             double temperature = 1) {
  detail::check_size("estimate_margin", "z", z.size(), parameters.size());
  detail::check_size("estimate_margin", "rows of covariance", covariance.rows(), parameters.size());
  detail::check_size("estimate_margin", "columns of covariance", covariance.cols(), parameters.size());
  detail::check_positive("estimate_margin", "temperature", temperature);
  Vector<double> w(parameters.size()), y(parameters.size());
  map.weights(parameters, w);
  map.pullback(parameters, w, z, y);
  return {w.dot(z) / temperature, std::sqrt(std::max(y.dot(covariance * y), 0.0)) / temperature};
}

namespace detail {

/// E g(t), t ~ N(mean, deviation^2), for g analytic and bounded within pi of the real line, such as functions
/// of sigma(t); where deviation > 1 also g(t) -> 0 as fast as exp(-|t|). The trapezium rule in steps of one
/// deviation or of one nat, whichever is the shorter; the error is about 1e-8.
/// @ref Trefethen & Weideman 2014
template <class G>
[[nodiscard]] double gaussian_mean(const G& g, double mean, double deviation, int reach = 20) {
  double sum = 0, total = 0;
  if (deviation <= 1) {
    for (int k = -6; k <= 6; ++k) {
      const double weight = std::exp(-0.5 * k * k);
      sum += weight * g(mean + k * deviation);
      total += weight;
    }
    return sum / total;
  }
  constexpr double root_two_pi = 2.5066282746310002;
  for (int t = -reach; t <= reach; ++t) {
    const double z = (t - mean) / deviation;
    sum += std::exp(-0.5 * z * z) * g(static_cast<double>(t));
  }
  return sum / (root_two_pi * deviation);
}

}  // namespace detail

/// P(chosen) averaged over the margin's uncertainty, E exp(-loss(t)), t ~ N(mean, deviation^2): for
/// Bradley-Terry E sigma(t). Within 1e-7 at any margin, for losses whose exp(-loss) is a sigmoid of the
/// margin as wide as the logistic one. Between 0 and 1, never NaN for finite margins.   @cost 13 evaluations
/// of the loss, above deviation 1 43
template <class Loss>
[[nodiscard]] double preference_probability(const Loss& loss, const MarginEstimate& margin) {
  const auto p = [&](double t) { return std::exp(-loss(t).value); };
  if (margin.deviation <= 1)
    return std::clamp(detail::gaussian_mean(p, margin.mean, margin.deviation), 0.0, 1.0);
  // A wide Gaussian: the mean of a normal distribution function between the same limits is known; what is
  // left decays on both sides. The result lies between the probability at the mean margin and the middle.
  constexpr double width = 1.7, root_half = 0.70710678118654752;
  const double low = p(-700.0), high = p(700.0), at_mean = p(margin.mean), middle = 0.5 * (low + high);
  const auto step = [&](double t, double deviation) {
    return low + (high - low) * 0.5 * std::erfc(-root_half * t / deviation);
  };
  const double rest =
      detail::gaussian_mean([&](double t) { return p(t) - step(t, width); }, margin.mean, margin.deviation);
  const double average = step(margin.mean, std::hypot(width, margin.deviation)) + rest;
  return std::clamp(average, std::min(at_mean, middle), std::max(at_mean, middle));
}

/// What to say of a pair.
enum class Choice {
  first,    ///< the response whose scores enter positively
  second,   ///< the other
  abstain,  ///< neither is preferred surely enough
};

/// A judgement of one pair, with what it rests on.
struct [[nodiscard]] Judgement {
  Choice choice = Choice::abstain;
  double probability = 0.5;  ///< that the first is preferred, averaged over the posterior
  MarginEstimate margin;
};

/// Chooses the likelier response of a pair, or abstains when its probability, averaged over the margin's
/// uncertainty, is below `threshold`. At threshold 0.5 it always chooses, except at a probability of exactly
/// 0.5.
/// @throws std::domain_error unless 0.5 <= threshold <= 1, on a margin that is not finite, or deviation < 0
/// @cost as `preference_probability`
template <class Loss>
Judgement preference(const Loss& loss, const MarginEstimate& margin, double threshold = 0.5) {
  if (!(threshold >= 0.5 && threshold <= 1))
    detail::raise_value("preference", "threshold", threshold, "a probability from 0.5 to 1");
  if (!std::isfinite(margin.mean))
    detail::raise_value("preference", "margin mean", margin.mean, "a finite number");
  detail::check_non_negative("preference", "margin deviation", margin.deviation);
  Judgement out{Choice::abstain, preference_probability(loss, margin), margin};
  if (out.probability > 0.5 && out.probability >= threshold) out.choice = Choice::first;
  if (out.probability < 0.5 && 1 - out.probability >= threshold) out.choice = Choice::second;
  return out;
}

}  // namespace lore
