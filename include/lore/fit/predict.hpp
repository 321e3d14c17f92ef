// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/fit/user_objective.hpp"
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

/// P(chosen) averaged over the margin's uncertainty, E exp(-loss(t)), t ~ N(mean, deviation^2): for
/// Bradley-Terry E sigma(t). Between 0 and 1, never NaN for finite margins.   @cost five evaluations of the
/// loss
template <class Loss>
[[nodiscard]] double preference_probability(const Loss& loss, const MarginEstimate& margin) {
  double probability = 0;
  for (int q = 0; q < detail::hermite_count; ++q)
    probability += detail::hermite_weight[q] *
                   std::exp(-loss(margin.mean + detail::hermite_node[q] * margin.deviation).value);
  return probability;
}

}  // namespace lore
