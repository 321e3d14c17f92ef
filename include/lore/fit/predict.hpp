// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/solve/dense.hpp"

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

namespace detail {

/// E p(t), t ~ N(mean, deviation^2), for p a sigmoid or a hump between the limits p(-inf) and p(inf).
/// @param centred  a sigmoid about 0 with tails of exp(-|t|); else tails may be those of exp(-|t| / 2)
template <class P>
[[nodiscard]] double mean_probability(const P& p, const MarginEstimate& margin, bool centred) {
  if (margin.deviation <= 1) return std::clamp(gaussian_mean(p, margin.mean, margin.deviation), 0.0, 1.0);
  // A wide Gaussian: the mean of a normal distribution function between the same limits is known; what is
  // left decays on both sides.
  constexpr double width = 1.7, root_half = 0.70710678118654752;
  const double low = p(-700.0), high = p(700.0);
  const auto step = [&](double t, double deviation) {
    return low + (high - low) * 0.5 * std::erfc(-root_half * t / deviation);
  };
  const double rest = gaussian_mean([&](double t) { return p(t) - step(t, width); }, margin.mean,
                                    margin.deviation, centred ? 20 : 45);
  const double average = step(margin.mean, std::hypot(width, margin.deviation)) + rest;
  if (!centred) return std::clamp(average, 0.0, 1.0);
  // The result lies between the probability at the mean margin and the middle.
  const double at_mean = p(margin.mean), middle = 0.5 * (low + high);
  return std::clamp(average, std::min(at_mean, middle), std::max(at_mean, middle));
}

/// E of Luce's probability of the chosen reply, Z (K x m) being its scores against the m others.
template <WeightMap Map>
[[nodiscard]] double choice_probability(const Map& map, const ConstMatrixRef<double>& Z,
                                        const ConstVectorRef<double>& parameters,
                                        const ConstMatrixRef<double>& covariance, double temperature) {
  const Index K = parameters.size();
  Vector<double> w(K), pulled(K);
  map.weights(parameters, w);
  const Vector<double> t = Z.transpose() * w / temperature;
  if (K == 1)
    return ChoiceMean<double>{}.probability(t, Matrix<double>::Zero(t.size(), 1),
                                            GaussianNodes<double>::in(1));
  const Matrix<double> Q = map.template directions<double, Dynamic>(K);
  CoordinatePrior spread;  // for its square root, held up where the covariance is singular
  spread.set(Vector<double>::Zero(K - 1), Q.transpose() * covariance * Q);
  Matrix<double> G = spread.covariance;
  (void)cholesky_in_place(G);
  for (Index a = 1; a < K - 1; ++a) G.col(a).head(a).setZero();
  Matrix<double> A(t.size(), K - 1);
  for (Index j = 0; j < t.size(); ++j) {
    map.pullback(parameters, w, Z.col(j), pulled);
    A.row(j).noalias() = pulled.transpose() * Q * G / temperature;
  }
  return ChoiceMean<double>{}.probability(t, A, GaussianNodes<double>::in(K - 1));
}

}  // namespace detail

/// P(chosen) averaged over the margin's uncertainty, E exp(-loss(t)), t ~ N(mean, deviation^2): for
/// Bradley-Terry E sigma(t). Within 1e-7 at any margin, for losses whose exp(-loss) is a sigmoid of the
/// margin as wide as the logistic one. Between 0 and 1, never NaN for finite margins.   @cost 13 evaluations
/// of the loss, above deviation 1 43, where it reads ties 93
template <class Loss>
[[nodiscard]] double preference_probability(const Loss& loss, const MarginEstimate& margin) {
  return detail::mean_probability([&](double t) { return std::exp(-loss(t).value); }, margin,
                                  !detail::reads_ties(loss));
}

/// The same of any answer, E exp(-loss(t, answer)).
template <class Loss>
[[nodiscard]] double answer_probability(const Loss& loss, const Answer& answer,
                                        const MarginEstimate& margin) {
  const bool centred = !detail::reads_ties(loss) && detail::outcomes_of(loss).empty();
  return detail::mean_probability(
      [&](double t) { return std::exp(-detail::terms_of(loss, t, answer).value); }, margin, centred);
}

/// -sum omega log P of one user's answers, averaged over the user's parameters ~ N(p, covariance): each
/// comparison by itself, and the comparisons of a choice together where the loss reads them.
/// @param Z  K x m scores   @param answer  m, or nullptr: all plain   @param omega  m, or nullptr: 1
/// @return nats, and the sum of omega, that of a choice once
/// @throws as `estimate_margin`   @cost O(m K^2) and `answer_probability` for each
template <class Loss, WeightMap Map>
[[nodiscard]] std::pair<double, double> answers_log_loss(const Loss& loss, const Map& map,
                                                         const ConstMatrixRef<double>& Z,
                                                         const Answer* answer, const float* omega,
                                                         const ConstVectorRef<double>& parameters,
                                                         const ConstMatrixRef<double>& covariance,
                                                         double temperature = 1) {
  double total = 0, weight = 0;
  for (Index j = 0, end = 0; j < Z.cols(); j = end) {
    end = detail::reads_choices(loss) ? detail::end_of_choice(answer, j, Z.cols()) : j + 1;
    double p = 0;
    if constexpr (ChoiceLoss<Loss>)
      if (end > j + 1)
        p = detail::choice_probability(map, Z.middleCols(j, end - j), parameters, covariance, temperature);
    if (end == j + 1) {
      const MarginEstimate margin = estimate_margin(map, Z.col(j), parameters, covariance, temperature);
      p = answer == nullptr ? preference_probability(loss, margin)
                            : answer_probability(loss, answer[j], margin);
    }
    const double share = omega == nullptr ? 1.0 : static_cast<double>(omega[j]);
    total -= share * std::log(std::max(p, 1e-300));
    weight += share;
  }
  return {total, weight};
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
  double probability = 0.5;  ///< that the first is preferred, if one is, averaged over the posterior
  double tie = 0;            ///< probability that neither is, where the loss reads ties
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
  Judgement out{.probability = preference_probability(loss, margin), .margin = margin};
  if (detail::reads_ties(loss)) {
    const double decided = out.probability + preference_probability(loss, {-margin.mean, margin.deviation});
    out.tie = std::clamp(1 - decided, 0.0, 1.0);
    out.probability = decided > 0 ? out.probability / decided : 0.5;
  }
  if (out.probability > 0.5 && out.probability >= threshold) out.choice = Choice::first;
  if (out.probability < 0.5 && 1 - out.probability >= threshold) out.choice = Choice::second;
  return out;
}

}  // namespace lore
