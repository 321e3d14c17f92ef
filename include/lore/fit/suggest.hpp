// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/fit/predict.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"

namespace lore {

/// A pair worth asking about.
struct [[nodiscard]] Suggestion {
  Index index = 0;  ///< column of the pool
  /// What its answer is expected to bring beside the suggestions before it: nats of information about the
  /// weights, or reduction of the summed variance of the rewards.
  double score = 0;
  MarginEstimate margin;  ///< before any answer of this list
};

namespace detail {

/// What an answer at a margin of N(mean, deviation^2) is expected to teach: about the margin, in nats,
///   H(E p) - E H(p),   p the probabilities of all answers that there may be, H their entropy,
/// and the precision that it adds, E sum (dp/dt)^2 / p.
struct AnswerValue {
  double information = 0;
  double precision = 0;
};

[[nodiscard]] inline double entropy_part(double p) noexcept { return p > 0 ? -p * std::log(p) : 0.0; }

template <class Loss>
[[nodiscard]] AnswerValue answer_value(const Loss& loss, const MarginEstimate& margin) {
  const std::vector<Answer> kinds = outcomes_of(loss);
  // Calls f(terms, answer, sign) for every answer at margin t: each kind for either reply, ties once.
  const auto for_answers = [&](double t, auto&& f) {
    if (kinds.empty()) {
      f(loss(t), Answer{}, 1.0);
      f(loss(-t), Answer{}, -1.0);
    }
    for (const Answer& answer : kinds) {
      f(terms_of(loss, t, answer), answer, 1.0);
      if (answer.outcome != Outcome::tie) f(terms_of(loss, -t, answer), answer, -1.0);
    }
  };
  const auto entropy = [&](double t) {
    double sum = 0;
    for_answers(
        t, [&](const auto& terms, const Answer&, double) { sum += entropy_part(std::exp(-terms.value)); });
    return sum;
  };
  const auto precision = [&](double t) {
    double sum = 0;
    for_answers(t, [&](const auto& terms, const Answer&, double) {
      sum += std::exp(-terms.value) * terms.slope * terms.slope;
    });
    return sum;
  };
  // The entropy of surely known answers (label noise) is the same at both ends and never teaches anything.
  const int reach = kinds.empty() ? 25 : 60;
  const double residue = entropy(700.0);
  const double mean = residue + gaussian_mean([&](double t) { return entropy(t) - residue; }, margin.mean,
                                              margin.deviation, reach);
  double averaged = 0;
  for_answers(0, [&](const auto&, const Answer& answer, double sign) {
    const MarginEstimate seen{sign * margin.mean, margin.deviation};
    averaged += entropy_part(kinds.empty() ? preference_probability(loss, seen)
                                           : answer_probability(loss, answer, seen));
  });
  return {std::max(averaged - mean, 0.0),
          std::max(gaussian_mean(precision, margin.mean, margin.deviation, reach), 0.0)};
}

/// Greedy choice: with `interest` (K x K) by the reduction of trace(interest S), without by information.
template <class Loss, WeightMap Map>
[[nodiscard]] std::vector<Suggestion> suggest_greedily(const char* where, const Map& map,
                                                       const ConstMatrixRef<double>& Z,
                                                       const ConstVectorRef<double>& parameters,
                                                       const ConstMatrixRef<double>& covariance, Index count,
                                                       double temperature, const Loss& loss,
                                                       const Matrix<double>* interest) {
  const Index K = parameters.size(), n = Z.cols();
  check_size(where, "rows of Z", Z.rows(), K);
  check_size(where, "rows of covariance", covariance.rows(), K);
  check_size(where, "columns of covariance", covariance.cols(), K);
  check_positive(where, "temperature", temperature);
  check_non_negative(where, "count", count);
  check_finite(where, "Z", Z);
  check_finite(where, "parameters", parameters);
  check_finite(where, "covariance", covariance);
  if (count > n) raise_shape(where, "count", count, "at most one suggestion a column of Z");

  Vector<double> w(K), pulled(K);
  map.weights(parameters, w);
  Matrix<double> Y(K, n), S = covariance;
  for (Index j = 0; j < n; ++j) {
    map.pullback(parameters, w, Z.col(j), pulled);
    Y.col(j) = pulled / temperature;
  }
  const Vector<double> mean = Z.transpose() * w / temperature;
  Vector<double> variance = Y.cwiseProduct(S * Y).colwise().sum().transpose().cwiseMax(0.0);
  const Vector<double> first = variance;

  std::vector<Suggestion> chosen;
  std::vector<bool> taken(static_cast<std::size_t>(n), false);
  while (static_cast<Index>(chosen.size()) < count) {
    Vector<double> spread;
    if (interest != nullptr) spread = Y.cwiseProduct((S * *interest * S) * Y).colwise().sum().transpose();
    Index best = -1;
    double most = 0, precision = 0;
    for (Index j = 0; j < n; ++j) {
      if (taken[static_cast<std::size_t>(j)]) continue;
      const AnswerValue value = answer_value(loss, {mean(j), std::sqrt(variance(j))});
      const double score = interest == nullptr
                               ? value.information
                               : value.precision * spread(j) / (1 + value.precision * variance(j));
      if (best >= 0 && !(score > most)) continue;
      best = j;
      most = score;
      precision = value.precision;
    }
    taken[static_cast<std::size_t>(best)] = true;
    chosen.push_back({best, most, {mean(best), std::sqrt(first(best))}});
    // What the covariance is expected to be once this answer is known.
    const Vector<double> u = S * Y.col(best);
    const double gain = precision / (1 + precision * variance(best));
    S.noalias() -= gain * u * u.transpose();
    const Vector<double> shared = Y.transpose() * u;
    variance = (variance - gain * shared.cwiseAbs2()).cwiseMax(0.0);
  }
  return chosen;
}

}  // namespace detail

/// The `count` pairs of a pool whose answers are expected to tell most about a user's weights. A pair scores
/// the mutual information of its answer and the weights under N(parameters, covariance),
///   H(E sigma(t)) - E H(sigma(t)),   t = z'w / tau,
/// high where the margin is uncertain and an answer not random; losses that tell more answers apart (ties,
/// grades) count them all. Greedy: after each choice the covariance is
/// the one expected once it is answered, so that several do not ask the same thing. Ties go to the lowest
/// index. Choices have nothing random in them.
///
///   const auto questions = lore::suggest(lore::Signed{}, pool, user.parameters, user.covariance, 3);
///
/// @param Z           K x n, scores V'(e(first) - e(second)) of the pool's pairs
/// @param parameters  K, logits or (1, delta)   @param covariance  K x K, of the parameters
/// @throws std::invalid_argument on a shape mismatch or count > n; std::domain_error on count < 0, tau <= 0
/// or a value that is not finite
/// @cost O(n K^2) once, then some 100 evaluations of the loss a pair and O(n K) for each suggestion
/// @ref Houlsby et al. 2011 (the criterion); the margin is linearised for `Simplex`
template <WeightMap Map, class Loss = BradleyTerry>
[[nodiscard]] std::vector<Suggestion> suggest(const Map& map, const ConstMatrixRef<double>& Z,
                                              const ConstVectorRef<double>& parameters,
                                              const ConstMatrixRef<double>& covariance, Index count = 1,
                                              double temperature = 1, const Loss& loss = {}) {
  return detail::suggest_greedily("suggest", map, Z, parameters, covariance, count, temperature, loss,
                                  nullptr);
}

/// The same by what the answers are expected to take off the uncertainty of given rewards: the reduction of
/// sum_r Var(R_r' w), with the precision that an answer is expected to add to its margin.
/// @param R  K x r, scores V'e of the items whose rewards matter, or of differences between them
/// @throws as `suggest`   @cost as `suggest`, and O(n K^2) for each suggestion
/// @ref Chaloner & Verdinelli 1995 (A-optimal design)
template <WeightMap Map, class Loss = BradleyTerry>
[[nodiscard]] std::vector<Suggestion> suggest_for_rewards(const Map& map, const ConstMatrixRef<double>& Z,
                                                          const ConstVectorRef<double>& parameters,
                                                          const ConstMatrixRef<double>& covariance,
                                                          const ConstMatrixRef<double>& R, Index count = 1,
                                                          double temperature = 1, const Loss& loss = {}) {
  detail::check_size("suggest_for_rewards", "rows of R", R.rows(), parameters.size());
  detail::check_finite("suggest_for_rewards", "R", R);
  Vector<double> w(parameters.size()), pulled(parameters.size());
  map.weights(parameters, w);
  Matrix<double> interest = Matrix<double>::Zero(parameters.size(), parameters.size());
  for (Index r = 0; r < R.cols(); ++r) {
    map.pullback(parameters, w, R.col(r), pulled);
    interest.noalias() += pulled * pulled.transpose();
  }
  return detail::suggest_greedily("suggest_for_rewards", map, Z, parameters, covariance, count, temperature,
                                  loss, &interest);
}

}  // namespace lore
