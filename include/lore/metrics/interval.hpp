// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/metrics/user_scores.hpp"

namespace lore {

namespace detail {

/// a - b by user; NaN where either is NaN.
[[nodiscard]] inline std::vector<double> subtract_users(std::string_view function, std::span<const double> a,
                                                        std::span<const double> b) {
  check_size(function, "users of b", static_cast<Index>(b.size()), static_cast<Index>(a.size()));
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return difference;
}

/// The q-quantile of sorted values, linear between order statistics.
[[nodiscard]] inline double sorted_quantile(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(at), sorted.size() - 1);
  const auto above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace detail

/// Paired difference of two fits by user: mean of a_i - b_i, its standard error (sample deviation of the
/// differences / sqrt(users)) and the differences. A user without a score in either is left out.
/// @param a, b  one score a user, the same users in the same order; NaN where there is none
/// @throws std::invalid_argument when the lengths differ   @cost O(users)
[[nodiscard]] inline UserScores paired_difference(std::span<const double> a, std::span<const double> b) {
  return summarize_users(detail::subtract_users("paired_difference", a, b));
}

struct BootstrapOptions {
  double level = 0.95;     ///< coverage, in (0, 1)
  Index resamples = 2000;  ///< at least 1
  std::uint64_t seed = 0;

  /// @throws std::domain_error on a value out of range
  void validate() const {
    if (!(level > 0 && level < 1))
      detail::raise_value("BootstrapOptions", "level", level, "a number between 0 and 1");
    detail::check_positive("BootstrapOptions", "resamples", resamples);
  }
};

struct Interval {
  double lower = std::numeric_limits<double>::quiet_NaN();
  double upper = std::numeric_limits<double>::quiet_NaN();
};

/// Percentile bootstrap interval of the mean over users: users are drawn with replacement. NaN leaves a user
/// out; without users both ends are NaN. The same seed gives the same interval everywhere.
/// @param by_user  one finite score a user, or NaN
/// @throws std::domain_error on options out of range or an infinite score
/// @cost O(resamples * users)   @ref Efron & Tibshirani 1993, ch. 13
[[nodiscard]] inline Interval bootstrap_interval(std::span<const double> by_user,
                                                 const BootstrapOptions& options = {}) {
  options.validate();
  std::vector<double> scores;
  for (std::size_t i = 0; i < by_user.size(); ++i) {
    if (std::isinf(by_user[i]))
      detail::raise_value("bootstrap_interval", "score of user " + detail::to_text(i), by_user[i],
                          "a finite number");
    if (!std::isnan(by_user[i])) scores.push_back(by_user[i]);
  }
  if (scores.empty()) return {};
  Rng rng = make_rng(options.seed);
  std::vector<double> means(static_cast<std::size_t>(options.resamples));
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
      sum += scores[static_cast<std::size_t>(uniform_index(rng, static_cast<Index>(scores.size())))];
    mean = sum / static_cast<double>(scores.size());
  }
  std::sort(means.begin(), means.end());
  const double tail = (1 - options.level) / 2;
  return {detail::sorted_quantile(means, tail), detail::sorted_quantile(means, 1 - tail)};
}

/// Percentile bootstrap interval of the mean of a_i - b_i over users; users are drawn in pairs.
/// @param a, b  as in `paired_difference`
/// @throws std::invalid_argument when the lengths differ; std::domain_error as `bootstrap_interval`
/// @cost O(resamples * users)
[[nodiscard]] inline Interval paired_bootstrap(std::span<const double> a, std::span<const double> b,
                                               const BootstrapOptions& options = {}) {
  return bootstrap_interval(detail::subtract_users("paired_bootstrap", a, b), options);
}

}  // namespace lore
