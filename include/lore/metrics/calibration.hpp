// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
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

namespace detail {

/// Predictions dealt to bins of equal width on [0, 1], each comparison as the two questions one could have
/// asked; counts of several users or parts add up.
class CalibrationCounts {
 public:
  explicit CalibrationCounts(int bins)
      : count_(static_cast<std::size_t>(bins), 0),
        predicted_(count_.size(), 0),
        observed_(count_.size(), 0) {}

  /// @param p  probability of the response that was chosen
  void add(double p) {
    count(p, 1);
    count(1 - p, 0);
  }

  CalibrationCounts& operator+=(const CalibrationCounts& other) {
    for (std::size_t b = 0; b < count_.size(); ++b) {
      count_[b] += other.count_[b];
      predicted_[b] += other.predicted_[b];
      observed_[b] += other.observed_[b];
    }
    return *this;
  }

  [[nodiscard]] Calibration result() const {
    Calibration out;
    Index total = 0;
    double apart = 0;
    const auto bins = static_cast<double>(count_.size());
    for (std::size_t b = 0; b < count_.size(); ++b) {
      CalibrationBin bin;
      bin.lower = static_cast<double>(b) / bins;
      bin.upper = static_cast<double>(b + 1) / bins;
      bin.count = count_[b];
      if (bin.count > 0) {
        bin.predicted = predicted_[b] / static_cast<double>(bin.count);
        bin.observed = observed_[b] / static_cast<double>(bin.count);
      }
      total += bin.count;
      apart += std::abs(predicted_[b] - observed_[b]);
      out.bins.push_back(bin);
    }
    if (total > 0) out.expected_error = apart / static_cast<double>(total);
    return out;
  }

 private:
  void count(double p, double came_true) {
    const auto bins = static_cast<int>(count_.size());
    const auto at = static_cast<std::size_t>(std::min(static_cast<int>(p * bins), bins - 1));
    ++count_[at];
    predicted_[at] += p;
    observed_[at] += came_true;
  }

  std::vector<Index> count_;
  std::vector<double> predicted_, observed_;
};

}  // namespace detail

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
  detail::CalibrationCounts counts(bins);
  for (Index j = 0; j < logits.size(); ++j) {
    const auto z = static_cast<double>(logits.derived().coeff(j));
    if (std::isnan(z)) detail::raise_value("calibration", "logit " + detail::to_text(j), z, "a number");
    counts.add(sigmoid(z));
  }
  return counts.result();
}

}  // namespace lore
