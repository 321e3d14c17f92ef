// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/ties.hpp"

namespace lore {

/// Strength as a margin to be kept: softplus(scale * s - t), s = `Answer::strength`. Strength 0 is
/// Bradley-Terry. Convex; not a likelihood of the strength, which `Ordinal` is.
/// @throws std::domain_error from the constructor unless scale is finite and 0 or above
/// @ref Touvron et al. 2023 (Llama 2), eq. 2
class GradedMargin {
 public:
  static constexpr bool convex = true, self_concordant = true;

  GradedMargin() : GradedMargin(1) {}
  explicit GradedMargin(double scale) : scale_(scale) {
    detail::check_non_negative("GradedMargin", "scale", scale);
  }

  [[nodiscard]] double scale() const noexcept { return scale_; }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    return BradleyTerry{}(margin);
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const noexcept {
    return BradleyTerry{}(margin - static_cast<Scalar>(scale_ * static_cast<double>(answer.strength)));
  }

 private:
  double scale_;
};

/// Strength as a weight: s softplus(-t), s = `Answer::strength`. Strength 1 is Bradley-Terry, strength 0 says
/// nothing. Convex; not a likelihood of the strength.
struct GradedWeight {
  static constexpr bool convex = true, self_concordant = true;

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    return BradleyTerry{}(margin);
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const noexcept {
    const auto s = static_cast<Scalar>(answer.strength);
    const LossTerms<Scalar> terms = BradleyTerry{}(margin);
    return {s * terms.value, s * terms.slope, s * terms.curvature};
  }
};

/// The likelihood of ties and grades of strength together (cumulative logit): the margin plus logistic noise,
/// u = t + e, falls between thresholds 0 <= h_0 < h_1 < .. < h_(L-1),
///   tie            -h_0 < u < h_0
///   grade s < L    h_(s-1) < u < h_s         for the chosen reply, s = 1 .. L
///   grade L        h_(L-1) < u
/// so a stronger answer says that the margin is larger, by as much as the data say (`estimate_loss`). One
/// threshold is Rao-Kupper's model with theta = exp(h_0); one threshold of 0 is Bradley-Terry. Convex.
/// loss(t) is the cost of "preferred", at whatever strength: softplus(h_0 - t).
/// @ref McCullagh 1980; Agresti 1992
class Ordinal {
 public:
  static constexpr bool convex = true, self_concordant = true;

  Ordinal() : Ordinal({0}, {}) {}

  /// Grades are strengths rounded to 1 .. L.
  explicit Ordinal(std::vector<double> thresholds) : Ordinal(std::move(thresholds), {}) {}

  /// @param cuts  L - 1 strengths, ascending: an answer is of grade s when s - 1 of them are at or below its
  /// strength; empty: 1.5, 2.5, ..
  /// @throws std::invalid_argument without thresholds or on another number of cuts; std::domain_error unless
  /// both ascend and are finite, from 0 on
  Ordinal(std::vector<double> thresholds, std::vector<float> cuts)
      : thresholds_(std::move(thresholds)), cuts_(std::move(cuts)) {
    if (thresholds_.empty()) detail::raise_shape("Ordinal", "thresholds", 0, "at least 1");
    if (cuts_.empty())
      for (std::size_t s = 1; s < thresholds_.size(); ++s) cuts_.push_back(static_cast<float>(s) + 0.5F);
    detail::check_size("Ordinal", "cuts", static_cast<Index>(cuts_.size()),
                       static_cast<Index>(thresholds_.size()) - 1);
    for (std::size_t s = 0; s < thresholds_.size(); ++s) {
      detail::check_non_negative("Ordinal", "threshold", thresholds_[s]);
      if (s > 0 && !(thresholds_[s] > thresholds_[s - 1]))
        detail::raise_value("Ordinal", "threshold", thresholds_[s], "more than the one before");
      if (s > 1 && !(cuts_[s - 1] > cuts_[s - 2]))
        detail::raise_value("Ordinal", "cut", cuts_[s - 1], "more than the one before");
      if (s == 1 && !(cuts_[0] > 0)) detail::raise_value("Ordinal", "cut", cuts_[0], "above 0");
    }
  }

  [[nodiscard]] const std::vector<double>& thresholds() const noexcept { return thresholds_; }
  [[nodiscard]] const std::vector<float>& cuts() const noexcept { return cuts_; }
  [[nodiscard]] bool reads_ties() const noexcept { return thresholds_.front() > 0; }

  /// One answer of each kind that there is, up to which reply it prefers.
  [[nodiscard]] std::vector<Answer> outcomes() const {
    std::vector<Answer> out{{.strength = 0}};
    for (const float cut : cuts_) out.push_back({.strength = cut});
    if (reads_ties()) out.push_back({.outcome = Outcome::tie});
    return out;
  }

  /// 1 .. L
  [[nodiscard]] std::size_t grade(float strength) const noexcept {
    return 1 +
           static_cast<std::size_t>(std::upper_bound(cuts_.begin(), cuts_.end(), strength) - cuts_.begin());
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    return BradleyTerry{}(margin - static_cast<Scalar>(thresholds_.front()));
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const noexcept {
    const auto threshold = [&](std::size_t s) { return static_cast<Scalar>(thresholds_[s]); };
    if (answer.outcome == Outcome::tie) return detail::interval_loss(margin, -threshold(0), threshold(0));
    const std::size_t s = grade(answer.strength);
    return detail::interval_loss(
        margin, threshold(s - 1),
        s < thresholds_.size() ? threshold(s) : std::numeric_limits<Scalar>::infinity());
  }

  /// Plain answers in vector code.
  template <class T, class Out>
  void array(const Eigen::MatrixBase<T>& margin, Out&& value, Out&& slope, Out&& curvature) const {
    BradleyTerry{}.array(shifted(margin), value, slope, curvature);
  }
  template <class T, class Out>
  void array_derivatives(const Eigen::MatrixBase<T>& margin, Out&& slope, Out&& curvature) const {
    BradleyTerry{}.array_derivatives(shifted(margin), slope, curvature);
  }

 private:
  template <class T>
  [[nodiscard]] auto shifted(const Eigen::MatrixBase<T>& margin) const {
    return (margin.array() - static_cast<typename T::Scalar>(thresholds_.front())).matrix();
  }

  std::vector<double> thresholds_;
  std::vector<float> cuts_;
};

}  // namespace lore
