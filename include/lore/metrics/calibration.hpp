// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// Predictions between `lower` and `upper`, and how often they came true.
struct CalibrationBin {
  double lower = 0;
  double upper = 0;
  Index count = 0;                                              ///< predictions, two a comparison in all
  double predicted = std::numeric_limits<double>::quiet_NaN();  ///< mean probability; NaN when empty
  double observed = std::numeric_limits<double>::quiet_NaN();   ///< share that came true; NaN when empty
};

struct Calibration {
  double expected_error = std::numeric_limits<double>::quiet_NaN();  ///< NaN without comparisons
  std::vector<CalibrationBin> bins;
};

/// Expected calibration error: sum over bins of (share of predictions) * |mean predicted - share observed|,
/// with bins of equal width on [0, 1]; a bin holds its lower edge, the last one also 1.
///
/// A comparison is stored chosen first, so "chosen beats rejected" always came true and p alone says nothing
/// of calibration. Each comparison therefore counts twice, as the two questions one could have asked: p came
/// true, and 1 - p did not.
/// @param logits  n margins in units of the temperature: p = sigma(z); pooled over users
/// @param bins    number of bins, at least 1
/// @throws std::invalid_argument unless bins >= 1; std::domain_error on a NaN
/// @cost O(n + bins)   @ref Naeini, Cooper & Hauskrecht 2015
template <class Derived>
[[nodiscard]] Calibration calibration(const Eigen::MatrixBase<Derived>& logits, int bins = 10) {
  if (bins < 1) detail::raise_shape("calibration", "bins", bins, "at least 1");
  std::vector<double> predicted(static_cast<std::size_t>(bins), 0);
  std::vector<double> observed(static_cast<std::size_t>(bins), 0);
  Calibration out;
  out.bins.resize(static_cast<std::size_t>(bins));
  const auto count = [&](double p, double came_true) {
    const auto at = static_cast<std::size_t>(std::min(static_cast<int>(p * bins), bins - 1));
    ++out.bins[at].count;
    predicted[at] += p;
    observed[at] += came_true;
  };
  for (Index j = 0; j < logits.size(); ++j) {
    const auto z = static_cast<double>(logits.derived().coeff(j));
    if (std::isnan(z)) detail::raise_value("calibration", "logit " + detail::to_text(j), z, "a number");
    count(sigmoid(z), 1);
    count(sigmoid(-z), 0);
  }
  if (logits.size() > 0) out.expected_error = 0;
  for (std::size_t b = 0; b < out.bins.size(); ++b) {
    CalibrationBin& bin = out.bins[b];
    bin.lower = static_cast<double>(b) / bins;
    bin.upper = static_cast<double>(b + 1) / bins;
    if (bin.count == 0) continue;
    bin.predicted = predicted[b] / static_cast<double>(bin.count);
    bin.observed = observed[b] / static_cast<double>(bin.count);
    out.expected_error += std::abs(predicted[b] - observed[b]) / static_cast<double>(2 * logits.size());
  }
  return out;
}

}  // namespace lore
