// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/joint.hpp"
#include "lore/fit/predict.hpp"
#include "lore/objective/graded.hpp"
#include "lore/objective/label_noise.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/objective/ties.hpp"
#include "lore/parallel/executor.hpp"

/// What answers say beside the margin, estimated from seen users: how often people call a tie, how far apart
/// grades of strength lie, and who answers carelessly.
namespace lore {

/// Answers with what a fit knows of their margins; those of choices among several replies are left out.
struct AnsweredMargins {
  std::vector<MarginEstimate> margin;
  std::vector<Answer> answer;
  std::vector<double> weight;  ///< omega
};

namespace detail {

/// sum omega E loss(t, answer): what an estimate of the loss minimises.
template <class Loss>
[[nodiscard]] double mean_cost(const Loss& loss, const AnsweredMargins& seen) {
  double total = 0;
  for (std::size_t j = 0; j < seen.answer.size(); ++j) {
    double sum = 0;
    for (int q = 0; q < hermite_count; ++q)
      sum += hermite_weight[q] *
             terms_of(loss, seen.margin[j].mean + hermite_node[q] * seen.margin[j].deviation, seen.answer[j])
                 .value;
    total += seen.weight[j] * sum;
  }
  return total;
}

/// Where f is lowest on [low, high], for f with one minimum there.   @ref Kiefer 1953 (golden section)
template <class F>
[[nodiscard]] double lowest(const F& f, double low, double high, double tolerance = 1e-4) {
  constexpr double ratio = 0.6180339887498949;
  double a = high - ratio * (high - low), b = low + ratio * (high - low);
  double at_a = f(a), at_b = f(b);
  while (high - low > tolerance) {
    if (at_a < at_b) {
      high = b;
      b = a;
      at_b = at_a;
      a = high - ratio * (high - low);
      at_a = f(a);
    } else {
      low = a;
      a = b;
      at_a = at_b;
      b = low + ratio * (high - low);
      at_b = f(b);
    }
  }
  return 0.5 * (low + high);
}

[[nodiscard]] inline bool has_ties(const AnsweredMargins& seen) {
  return std::any_of(seen.answer.begin(), seen.answer.end(),
                     [](const Answer& answer) { return answer.outcome == Outcome::tie; });
}

}  // namespace detail

/// The loss of the same kind under which these answers are likeliest, given the margins: a loss that has
/// nothing to estimate as it is.   @cost about 30 evaluations of each answer
template <class Loss>
[[nodiscard]] Loss estimate_loss(const Loss& loss, const AnsweredMargins&) {
  return loss;
}

/// nu, between 1e-6 and 1e4.
template <std::same_as<Davidson> Loss>
[[nodiscard]] Loss estimate_loss(const Loss&, const AnsweredMargins& seen) {
  if (!detail::has_ties(seen)) return Davidson(1e-6);
  return Davidson(std::exp(
      detail::lowest([&](double log_nu) { return detail::mean_cost(Davidson(std::exp(log_nu)), seen); },
                     std::log(1e-6), std::log(1e4))));
}

/// theta, from 1 + 1e-6 to exp(20).
template <std::same_as<RaoKupper> Loss>
[[nodiscard]] Loss estimate_loss(const Loss&, const AnsweredMargins& seen) {
  if (!detail::has_ties(seen)) return RaoKupper(1 + 1e-6);
  return RaoKupper(1 + std::exp(detail::lowest(
                           [&](double x) { return detail::mean_cost(RaoKupper(1 + std::exp(x)), seen); },
                           std::log(1e-6), 20)));
}

/// The thresholds, one after the other until none moves; h_0 stays 0 where there are no ties, and the grades
/// are those of `loss`.
template <std::same_as<Ordinal> Loss>
[[nodiscard]] Loss estimate_loss(const Loss& loss, const AnsweredMargins& seen) {
  std::vector<double> h = loss.thresholds();
  const bool ties = detail::has_ties(seen);
  if (!ties) h[0] = 0;
  for (std::size_t s = 1; s < h.size(); ++s) h[s] = std::max(h[s], h[s - 1] + 1e-3);
  for (int round = 0; round < 20; ++round) {
    double moved = 0;
    for (std::size_t s = ties ? 0 : 1; s < h.size(); ++s) {
      const double low = s == 0 ? 1e-6 : h[s - 1] + 1e-6,
                   high = s + 1 < h.size() ? h[s + 1] - 1e-6 : low + 20;
      const double before = h[s];
      h[s] = detail::lowest(
          [&](double x) {
            std::vector<double> trial = h;
            trial[s] = x;
            return detail::mean_cost(Ordinal(std::move(trial), loss.cuts()), seen);
          },
          low, high);
      moved = std::max(moved, std::abs(h[s] - before));
    }
    if (moved < 1e-3) break;
  }
  return Ordinal(std::move(h), loss.cuts());
}

template <class Base>
[[nodiscard]] PlackettLuce<Base> estimate_loss(const PlackettLuce<Base>& loss, const AnsweredMargins& seen) {
  return {estimate_loss(loss.base, seen)};
}

template <class Base>
[[nodiscard]] LabelNoiseByUser<Base> estimate_loss(const LabelNoiseByUser<Base>& loss,
                                                   const AnsweredMargins& seen) {
  return {estimate_loss(loss.base, seen)};
}

/// An `Ordinal` for the answers of `comparisons`, to be estimated: a grade for each strength where there are
/// at most `most`, else grades of about equal numbers; thresholds 1 apart, the first 0 without ties.
/// @throws std::domain_error unless most >= 1
template <class Store>
[[nodiscard]] Ordinal ordinal_for(const Comparisons<Store>& comparisons, Index most = 5) {
  detail::check_positive("ordinal_for", "most", most);
  std::vector<float> strengths;
  bool ties = false;
  for (const Answer& answer : comparisons.answer) {
    if (answer.outcome == Outcome::tie)
      ties = true;
    else
      strengths.push_back(answer.strength);
  }
  std::sort(strengths.begin(), strengths.end());
  std::vector<float> cuts(strengths);
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  if (static_cast<Index>(cuts.size()) > most) {
    cuts.clear();
    for (Index s = 0; s < most; ++s)
      cuts.push_back(
          strengths[strengths.size() * static_cast<std::size_t>(s) / static_cast<std::size_t>(most)]);
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  }
  if (!cuts.empty()) cuts.erase(cuts.begin());  // the weakest grade begins at 0
  std::vector<double> thresholds{ties ? 0.5 : 0.0};
  for (std::size_t s = 0; s < cuts.size(); ++s) thresholds.push_back(thresholds.back() + 1);
  return Ordinal(std::move(thresholds), std::move(cuts));
}

/// Beta(a, b) prior of users' flip rates: its mode (a - 1) / (a + b - 2) is what a user without answers gets.
struct FlipPrior {
  double a = 1.5, b = 12;

  /// @throws std::domain_error unless a >= 1 and b >= 1
  void validate() const {
    for (const double value : {a, b})
      if (!(value >= 1) || !std::isfinite(value))
        detail::raise_value("FlipPrior", "a, b", value, "finite numbers, 1 or above");
  }
};

/// The flip rate of one user: the f below 1/2 that maximises
///   sum omega log((1 - f) p_j + f q_j) + (a - 1) log f + (b - 1) log(1 - f),
/// p_j the probability of what was recorded, and q_j that of the opposite, both averaged over the margin.
/// Concave in f.
/// @param seen  one user's answers; their `flip` is not looked at
/// @throws std::domain_error on a bad prior   @cost 60 flops an answer after its two probabilities
/// @ref Chen et al. 2013 (annotator quality in pairwise comparisons); Dawid & Skene 1979
template <class Loss>
[[nodiscard]] double estimate_flip(const LabelNoiseByUser<Loss>& loss, const AnsweredMargins& seen,
                                   const FlipPrior& prior = {}) {
  prior.validate();
  std::vector<std::pair<double, double>> p;
  for (std::size_t j = 0; j < seen.answer.size(); ++j) {
    const MarginEstimate& margin = seen.margin[j];
    p.emplace_back(answer_probability(loss.base, seen.answer[j], margin),
                   answer_probability(loss.base, seen.answer[j], {-margin.mean, margin.deviation}));
  }
  const auto slope = [&](double f) {
    double sum = (prior.a - 1) / f - (prior.b - 1) / (1 - f);
    for (std::size_t j = 0; j < p.size(); ++j)
      sum += seen.weight[j] * (p[j].second - p[j].first) /
             std::max((1 - f) * p[j].first + f * p[j].second, 1e-300);
    return sum;
  };
  double low = 0, high = 0.499;
  if (slope(high) > 0) return high;
  for (int step = 0; step < 40; ++step) {
    const double middle = 0.5 * (low + high);
    (slope(middle) > 0 ? low : high) = middle;
  }
  return low < 1e-6 ? 0 : low;
}

struct AnswerModelOptions {
  int rounds = 3;            ///< of fit and estimate, >= 1
  bool label_noise = false;  ///< estimate flip rates by user; the loss must be a `LabelNoiseByUser`
  FlipPrior flip_prior{};

  /// @throws std::domain_error naming the field
  void validate() const {
    detail::check_positive("AnswerModelOptions", "rounds", rounds);
    flip_prior.validate();
  }
};

/// A fit together with what it says of the answers.
template <class Loss, Real Scalar>
struct [[nodiscard]] AnswerModel {
  Loss loss;                   ///< with its estimates
  std::vector<double> flip;    ///< by user, in the order of the comparisons; empty unless asked for
  JointResult<Scalar> result;  ///< of the last fit
};

namespace detail {

[[nodiscard]] inline AnsweredMargins together(const std::vector<AnsweredMargins>& users) {
  AnsweredMargins all;
  for (const AnsweredMargins& user : users) {
    all.margin.insert(all.margin.end(), user.margin.begin(), user.margin.end());
    all.answer.insert(all.answer.end(), user.answer.begin(), user.answer.end());
    all.weight.insert(all.weight.end(), user.weight.begin(), user.weight.end());
  }
  return all;
}

/// The answers of all users with their margins under a fit, by user.
template <WeightMap Map, Real Scalar, class Store>
[[nodiscard]] std::vector<AnsweredMargins> answered_margins(const Map& map, const Matrix<Scalar>& Z,
                                                            const JointResult<Scalar>& fitted,
                                                            const Comparisons<Store>& comparisons) {
  std::vector<AnsweredMargins> out(static_cast<std::size_t>(comparisons.users()));
  for (Index i = 0; i < comparisons.users(); ++i) {
    AnsweredMargins& user = out[static_cast<std::size_t>(i)];
    const Answer* answer = comparisons.answers(i);
    const Vector<double> p = fitted.model.parameters.col(i).template cast<double>();
    for (Index j = 0, end = 0; j < comparisons.count(i); j = end) {
      end = end_of_choice(answer, j, comparisons.count(i));
      if (end > j + 1) continue;
      const auto at = static_cast<std::size_t>(comparisons.begin(i) + j);
      const Vector<double> z = Z.col(comparisons.begin(i) + j).template cast<double>();
      user.margin.push_back(estimate_margin(map, z, p, fitted.covariance[static_cast<std::size_t>(i)],
                                            static_cast<double>(fitted.model.temperature)));
      user.answer.push_back(answer == nullptr ? Answer{} : answer[j]);
      user.weight.push_back(comparisons.weight.empty() ? 1 : static_cast<double>(comparisons.weight[at]));
    }
  }
  return out;
}

}  // namespace detail

/// The answers of `comparisons` with their margins under a fit of them, whichever weight map it has.
/// @param executor  of the one reading of the data
/// @throws std::invalid_argument on another number of users or another dimension
template <Real Scalar, class Store>
[[nodiscard]] AnsweredMargins answered_margins(const JointResult<Scalar>& fitted,
                                               const Comparisons<Store>& comparisons,
                                               const AnyExecutor& executor) {
  detail::check_size("answered_margins", "users", comparisons.users(), fitted.model.parameters.cols());
  const Matrix<Scalar> Z = Pass<Scalar, Store>(comparisons, executor).scores(fitted.model.basis.matrix());
  if (fitted.model.weight_map == WeightMapKind::simplex)
    return detail::together(detail::answered_margins(Simplex{}, Z, fitted, comparisons));
  return detail::together(detail::answered_margins(Signed{}, Z, fitted, comparisons));
}

/// Fits the model and the parameters of its loss in turn: a `JointFit`, then the loss under which the answers
/// are likeliest given the users' posteriors (`estimate_loss`, and `estimate_flip` for each user), then the
/// fit again from where it was.
///
///   lore::JointFit<lore::Davidson> fit;
///   const auto [loss, flip, result] = lore::fit_answer_model(fit, preferences.seen_train(), lore::Rank{5});
///
/// @param fit  its `loss` is where the estimate starts
/// @throws as `JointFit`; std::domain_error on options out of range; std::invalid_argument where flip rates
/// are asked for and the loss does not read them
/// @cost a cold fit and rounds - 1 warm ones
template <class Loss, class Map, class Regularizer, class Solver, Real Scalar, class Store>
[[nodiscard]] AnswerModel<Loss, Scalar> fit_answer_model(JointFit<Loss, Map, Regularizer, Solver, Scalar> fit,
                                                         Comparisons<Store> comparisons, Rank rank,
                                                         std::uint64_t seed = 0,
                                                         const AnswerModelOptions& options = {}) {
  options.validate();
  constexpr bool reads_flips = requires(const AnsweredMargins& seen) { estimate_flip(fit.loss, seen); };
  if (options.label_noise && !reads_flips)
    detail::raise_shape("fit_answer_model", "loss", "one without flip rates", "LabelNoiseByUser");
  if (options.label_noise) comparisons.answer.resize(static_cast<std::size_t>(comparisons.size()));
  AnswerModel<Loss, Scalar> out{fit.loss, {}, {}};
  Matrix<Scalar> start;
  PreparedFeatures<Scalar> prepared;
  for (int round = 0; round < options.rounds; ++round) {
    Pass<Scalar, Store> pass(comparisons, fit.executor);
    if (round == 0) prepared = fit.prepare(pass, seed);
    out.result = fit.run(pass, prepared, rank, seed, {}, round == 0 ? nullptr : &start);
    start = out.result.model.basis.matrix();
    out.loss = fit.loss;
    if (round + 1 == options.rounds) break;
    const std::vector<AnsweredMargins> seen =
        detail::answered_margins(fit.weights, pass.scores(start), out.result, comparisons);
    fit.loss = estimate_loss(fit.loss, detail::together(seen));
    if constexpr (reads_flips)
      if (options.label_noise) {
        out.flip.clear();
        for (Index i = 0; i < comparisons.users(); ++i) {
          out.flip.push_back(estimate_flip(fit.loss, seen[static_cast<std::size_t>(i)], options.flip_prior));
          for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p)
            comparisons.answer[static_cast<std::size_t>(p)].flip = static_cast<float>(out.flip.back());
        }
      }
  }
  return out;
}

/// A loss that reads every kind of answer of `comparisons`: ties and grades of strength by `Ordinal`, choices
/// by Luce. Thresholds are estimated with a Bradley-Terry fit at the prior margin scale 1; personal margins
/// are larger, so estimate again (`estimate_loss` with `answered_margins`) once there is a personal fit.
/// Plain comparisons need no fit: the loss is Bradley-Terry.
/// @throws as `JointFit`   @cost none, or four fits of rank 1
template <Real Scalar = float, class Store>
[[nodiscard]] PlackettLuce<Ordinal> loss_of_answers(const Comparisons<Store>& comparisons,
                                                    const AnyExecutor& executor) {
  PlackettLuce<Ordinal> loss{ordinal_for(comparisons)};
  if (loss.base.thresholds() == std::vector<double>{0}) return loss;
  JointFit<PlackettLuce<Ordinal>, Signed, MarginScale, Lbfgs, Scalar> fit{.loss = loss, .executor = executor};
  return fit_answer_model(fit, comparisons, Rank{1}, 0, {.rounds = 4}).loss;
}

}  // namespace lore
