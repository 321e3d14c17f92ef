// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/parallel/executor.hpp"

namespace lore {

/// A population whose rewards are known: K planted reward directions that share a part, users who mix them,
/// features with a decaying spectrum, choices that follow Bradley-Terry.
///   s_j  proportional to j^-decay, root mean square 1
///   x    = spread * s .* N(0, I)
///   B_k  = shared * b + b_k with b, b_k ~ N(0, I), coordinates after the first `strong` times `weak`; all of
///   B
///        is then scaled so that x' B_k has root mean square deviation `margin_deviation` over k
///   w_i  ~ Dirichlet(alpha)
///   x is negated unless Bernoulli(sigma(x' B w_i)) says chosen
struct PlantedOptions {
  Index dimension = 1024;       ///< d
  Index rank = 5;               ///< K
  double decay = 0.7;           ///< of the features' spectrum
  double spread = 0.8;          ///< deviation of a feature, root mean square
  double shared = 0.6;          ///< weight of what all directions have in common
  Index strong = 256;           ///< coordinates that rewards mostly depend on
  double weak = 0.1;            ///< factor of the others
  double margin_deviation = 8;  ///< of x' B_k
  double alpha = 0.3;           ///< of the users' Dirichlet distribution
  Index seen_users = 300;
  Index seen_train = 45;  ///< comparisons of a user
  Index seen_test = 200;
  Index unseen_users = 200;
  Index unseen_shots = 50;
  Index unseen_test = 200;
  Storage storage = Storage::f32;
  std::uint64_t seed = 0;

  /// @throws std::domain_error on a value out of range
  void validate() const {
    constexpr const char* where = "PlantedOptions";
    detail::check_positive(where, "dimension", dimension);
    detail::check_positive(where, "rank", rank);
    detail::check_non_negative(where, "decay", decay);
    detail::check_positive(where, "spread", spread);
    detail::check_non_negative(where, "shared", shared);
    detail::check_non_negative(where, "strong", strong);
    detail::check_non_negative(where, "weak", weak);
    if (strong == 0 && weak == 0) detail::raise_value(where, "weak", weak, "above 0 when strong is 0");
    detail::check_positive(where, "margin_deviation", margin_deviation);
    detail::check_positive(where, "alpha", alpha);
    detail::check_non_negative(where, "seen_users", seen_users);
    detail::check_non_negative(where, "seen_train", seen_train);
    detail::check_non_negative(where, "seen_test", seen_test);
    detail::check_non_negative(where, "unseen_users", unseen_users);
    detail::check_non_negative(where, "unseen_shots", unseen_shots);
    detail::check_non_negative(where, "unseen_test", unseen_test);
    if (seen_users > 0 && seen_train + seen_test == 0)
      detail::raise_value(where, "seen_train + seen_test", 0, "at least 1 comparison a user");
    if (unseen_users > 0 && unseen_shots + unseen_test == 0)
      detail::raise_value(where, "unseen_shots + unseen_test", 0, "at least 1 comparison a user");
  }
};

/// Simulated preferences with the truth behind them.
struct PlantedPopulation {
  Preferences<Features> preferences;  ///< users 0 .. seen_users-1 are seen, then the unseen
  Matrix<double> directions;          ///< d x K, B
  Matrix<double> weights;             ///< K x users
};

/// Draws a planted population. Every user and partition has a random stream of its own: the seed and the
/// options fix the result whatever the executor, and other numbers of comparisons leave the rest as it is.
/// @throws std::domain_error on options out of range, or storage f64
/// @cost about 20 ns a value of the d x n features on one core; memory for the features alone
template <class Lazy = void>
[[nodiscard]] PlantedPopulation simulate_planted(const PlantedOptions& options = {},
                                                 const AnyExecutor& executor = {});

/// Mean and deviation of each reward model's scores, to bring them to one scale.
struct ScoreScale {
  Vector<double> mean;       ///< R
  Vector<double> deviation;  ///< R, above 0
};

/// Mean and sample deviation of each row of scores over the given items (say, those of the training prompts).
/// @param scores  R x items   @param items  at least two columns of it
/// @throws std::invalid_argument with fewer than two items; std::domain_error on an index out of range, a
/// score
///         that is not finite, or a reward model that gives all items the same score
/// @cost O(R * items)
template <class Lazy = void>
[[nodiscard]] ScoreScale score_scale(const ConstMatrixRef<double>& scores, std::span<const Index> items);

/// Responses to prompts with the scores that R reward models give them.
struct ScoredResponses {
  Matrix<double> scores;              ///< R x items, raw; the (items, R) C-order array of a data set
  std::vector<Index> prompt_offset;   ///< prompts + 1: the items of prompt p are offset[p] .. offset[p+1]-1
  std::vector<std::uint8_t> is_test;  ///< one a prompt: 1 test, 0 train

  [[nodiscard]] Index items() const noexcept { return scores.cols(); }
  [[nodiscard]] Index prompts() const noexcept { return static_cast<Index>(is_test.size()); }

  /// @throws std::invalid_argument on lengths that do not agree or a prompt with fewer than two responses;
  ///         std::domain_error on a score that is not finite
  void validate() const {
    constexpr const char* where = "ScoredResponses";
    if (scores.rows() < 1) detail::raise_shape(where, "rows of scores", scores.rows(), "at least 1");
    detail::check_size(where, "prompt_offset", static_cast<Index>(prompt_offset.size()), prompts() + 1);
    if (prompt_offset.front() != 0) detail::raise_shape(where, "prompt_offset[0]", prompt_offset.front(), 0);
    for (std::size_t p = 0; p + 1 < prompt_offset.size(); ++p)
      if (prompt_offset[p + 1] - prompt_offset[p] < 2)
        detail::raise_shape(where, "responses of prompt " + detail::to_text(p),
                            prompt_offset[p + 1] - prompt_offset[p], "at least 2");
    detail::check_size(where, "last prompt_offset", prompt_offset.back(), items());
    detail::check_finite(where, "scores", scores);
  }
};

/// Users who mix the reward models (PersonalLLM).
struct MixtureOptions {
  double alpha = 0.01;  ///< Dirichlet parameter of a user's weights, drawn in log space
  Index seen_users = 1000;
  Index unseen_users = 1000;
  Index pairs = 45;                   ///< training comparisons of a seen user
  Index shots = 9;                    ///< few-shot comparisons of an unseen user
  std::optional<ScoreScale> scale{};  ///< standardise the scores; none: raw
  std::uint64_t seed = 0;

  /// @throws std::domain_error on a value out of range
  void validate() const {
    constexpr const char* where = "MixtureOptions";
    detail::check_positive(where, "alpha", alpha);
    detail::check_non_negative(where, "seen_users", seen_users);
    detail::check_non_negative(where, "unseen_users", unseen_users);
    detail::check_non_negative(where, "pairs", pairs);
    detail::check_non_negative(where, "shots", shots);
  }
};

/// Simulated users of given reward scores.
struct MixturePopulation {
  Preferences<Features> preferences;  ///< pairs on the embedding table; group = prompt; seen users first
  Matrix<double> weights;             ///< R x users, on the simplex
  Index indifferent = 0;              ///< (user, prompt) cases left out, as all responses scored the same
};

/// Simulates users: w_i ~ Dirichlet(alpha); on a prompt, the chosen response is the one with the highest
/// w_i' score, the rejected one that with the lowest (the first of equals). Seen users get `pairs` random
/// training prompts, unseen users `shots` of them, without replacement, and every user all test prompts. Only
/// indices are stored. A prompt on which all responses score the same for a user says nothing and is left out
/// of that user's comparisons.
/// @param embeddings  d x items, the items of `responses`
/// @throws std::invalid_argument on shapes that do not agree or fewer training prompts than asked for;
///         std::domain_error on values out of range or a user left without comparisons
/// @cost O(R * items of the test prompts) a user; about 33 bytes a comparison
template <class Lazy = void>
[[nodiscard]] MixturePopulation simulate_mixtures(const ScoredResponses& responses, FeatureMatrix embeddings,
                                                  const MixtureOptions& options = {});

#ifndef LORE_COMPILED_ELSEWHERE

namespace detail {

/// B and the deviation of every feature.
struct PlantedTruth {
  Vector<double> deviation;   ///< d
  Matrix<double> directions;  ///< d x K
};

template <class Lazy = void>
PlantedTruth planted_truth(const PlantedOptions& options) {
  const Index d = options.dimension;
  PlantedTruth truth{Vector<double>(d), Matrix<double>(d, options.rank)};
  for (Index j = 0; j < d; ++j) truth.deviation(j) = std::pow(static_cast<double>(j + 1), -options.decay);
  truth.deviation *= options.spread * std::sqrt(static_cast<double>(d)) / truth.deviation.norm();
  Rng rng = make_rng(options.seed, 0);
  Vector<double> common(d);
  fill_normal(rng, common);
  fill_normal(rng, truth.directions);
  truth.directions.colwise() += options.shared * common;
  if (options.strong < d) truth.directions.bottomRows(d - options.strong) *= options.weak;
  const double mean_square =
      (truth.deviation.asDiagonal() * truth.directions).squaredNorm() / static_cast<double>(options.rank);
  truth.directions *= options.margin_deviation / std::sqrt(mean_square);
  return truth;
}

/// One comparison: x drawn, stored in T, and turned round unless the user chooses it.
template <class T>
void draw_planted(Rng& rng, const Vector<double>& deviation, const Vector<double>& head, T* out) {
  double margin = 0;
  for (Index j = 0; j < deviation.size(); ++j) {
    const T stored = static_cast<T>(static_cast<float>(deviation(j) * normal<double>(rng)));
    out[j] = stored;
    margin += static_cast<double>(stored) * head(j);
  }
  if (!bernoulli(rng, sigmoid(margin)))
    for (Index j = 0; j < deviation.size(); ++j) out[j] = -out[j];
}

}  // namespace detail

template <class Lazy>
PlantedPopulation simulate_planted(const PlantedOptions& options, const AnyExecutor& executor) {
  options.validate();
  detail::PlantedTruth truth = detail::planted_truth(options);
  const Index users = options.seen_users + options.unseen_users;
  PlantedPopulation out;
  out.weights.resize(options.rank, users);
  for (Index i = 0; i < users; ++i) {
    Rng rng = make_rng(options.seed, 1, i);
    out.weights.col(i) = dirichlet(rng, options.alpha, options.rank);
  }
  Preferences<Features>& preferences = out.preferences;
  std::vector<Index> begin;
  for (Index i = 0; i < users; ++i) {
    begin.push_back(preferences.size());
    const bool seen = i < options.seen_users;
    const Index first = seen ? options.seen_train : options.unseen_shots;
    const Index second = seen ? options.seen_test : options.unseen_test;
    preferences.user.insert(preferences.user.end(), static_cast<std::size_t>(first + second), i);
    preferences.partition.insert(preferences.partition.end(), static_cast<std::size_t>(first),
                                 seen ? Partition::seen_train : Partition::unseen_few_shot);
    preferences.partition.insert(preferences.partition.end(), static_cast<std::size_t>(second),
                                 seen ? Partition::seen_test : Partition::unseen_test);
  }
  const Index n = preferences.size();
  begin.push_back(n);
  const auto draw = [&]<class T>(T) {
    Eigen::Matrix<T, Dynamic, Dynamic> values(options.dimension, n);
    executor.for_each(users, [&](Index i) {
      const Vector<double> head = truth.directions * out.weights.col(i);
      const auto at = static_cast<std::size_t>(i);
      const Index train = i < options.seen_users ? options.seen_train : options.unseen_shots;
      Rng train_rng = make_rng(options.seed, 2, i);
      Rng test_rng = make_rng(options.seed, 3, i);
      for (Index j = begin[at]; j < begin[at + 1]; ++j)
        detail::draw_planted(j < begin[at] + train ? train_rng : test_rng, truth.deviation, head,
                             values.data() + j * options.dimension);
    });
    return FeatureMatrix::own(std::move(values));
  };
  FeatureMatrix table;
  switch (options.storage) {
    case Storage::f32:
      table = draw(float{});
      break;
    case Storage::f16:
      table = draw(Eigen::half{});
      break;
    case Storage::bf16:
      table = draw(Eigen::bfloat16{});
      break;
    case Storage::f64:
      detail::raise_value("simulate_planted", "storage", name_of(options.storage), "f32, f16 or bf16");
  }
  preferences.features = std::make_shared<const Features>(Features::differences(std::move(table)));
  preferences.users = users;
  preferences.dataset = "planted";
  preferences.encoder = "planted";
  out.directions = std::move(truth.directions);
  return out;
}

template <class Lazy>
ScoreScale score_scale(const ConstMatrixRef<double>& scores, std::span<const Index> items) {
  constexpr const char* where = "score_scale";
  if (items.size() < 2) detail::raise_shape(where, "items", items.size(), "at least 2");
  ScoreScale scale{Vector<double>::Zero(scores.rows()), Vector<double>::Zero(scores.rows())};
  for (const Index item : items) {
    if (item < 0 || item >= scores.cols())
      detail::raise_value(where, "item", item, "a column below " + detail::to_text(scores.cols()));
    scale.mean += scores.col(item);
  }
  detail::check_finite(where, "sum of scores", scale.mean);
  scale.mean /= static_cast<double>(items.size());
  for (const Index item : items) scale.deviation += (scores.col(item) - scale.mean).cwiseAbs2();
  scale.deviation = (scale.deviation / static_cast<double>(items.size() - 1)).cwiseSqrt();
  for (Index r = 0; r < scores.rows(); ++r)
    if (!(scale.deviation(r) > 0))
      detail::raise_value(where, "deviation of reward model " + detail::to_text(r), scale.deviation(r),
                          "above 0");
  return scale;
}

template <class Lazy>
MixturePopulation simulate_mixtures(const ScoredResponses& responses, FeatureMatrix embeddings,
                                    const MixtureOptions& options) {
  constexpr const char* where = "simulate_mixtures";
  options.validate();
  responses.validate();
  detail::check_size(where, "columns of embeddings", embeddings.count(), responses.items());
  const Index models = responses.scores.rows();
  if (options.scale) {
    detail::check_size(where, "mean of the score scale", options.scale->mean.size(), models);
    detail::check_size(where, "deviation of the score scale", options.scale->deviation.size(), models);
    detail::check_finite(where, "mean of the score scale", options.scale->mean);
    for (Index r = 0; r < models; ++r)
      detail::check_positive(where, "deviation of reward model " + detail::to_text(r),
                             options.scale->deviation(r));
  }
  std::vector<Index> train;
  std::vector<Index> test;
  for (Index p = 0; p < responses.prompts(); ++p)
    (responses.is_test[static_cast<std::size_t>(p)] != 0 ? test : train).push_back(p);
  const Index wanted =
      std::max(options.seen_users > 0 ? options.pairs : 0, options.unseen_users > 0 ? options.shots : 0);
  if (wanted > static_cast<Index>(train.size()))
    detail::raise_shape(where, "training prompts", train.size(), "at least " + detail::to_text(wanted));

  const Index users = options.seen_users + options.unseen_users;
  MixturePopulation out;
  out.weights.resize(models, users);
  Preferences<Features>& preferences = out.preferences;
  std::vector<Index> chosen;
  std::vector<Index> rejected;
  const auto total =
      static_cast<std::size_t>(options.seen_users * options.pairs + options.unseen_users * options.shots +
                               users * static_cast<Index>(test.size()));
  chosen.reserve(total);
  rejected.reserve(total);
  preferences.user.reserve(total);
  preferences.group.reserve(total);
  preferences.partition.reserve(total);
  for (Index i = 0; i < users; ++i) {
    const bool seen = i < options.seen_users;
    Rng rng = make_rng(options.seed, 0, i);
    out.weights.col(i) = dirichlet(rng, options.alpha, models);
    // A shift of a reward model's scores changes no preference, so only the scale enters.
    Vector<double> u = out.weights.col(i);
    if (options.scale) u = u.cwiseQuotient(options.scale->deviation);
    const auto compare = [&](Index prompt, Partition partition) {
      const Index from = responses.prompt_offset[static_cast<std::size_t>(prompt)];
      const Index to = responses.prompt_offset[static_cast<std::size_t>(prompt) + 1];
      const Vector<double> score = responses.scores.middleCols(from, to - from).transpose() * u;
      const auto [worst, best] = std::pair(std::min_element(score.begin(), score.end()),
                                           std::max_element(score.begin(), score.end()));
      if (!(*best > *worst)) {
        ++out.indifferent;
        return;
      }
      chosen.push_back(from + (best - score.begin()));
      rejected.push_back(from + (worst - score.begin()));
      preferences.user.push_back(i);
      preferences.group.push_back(prompt);
      preferences.partition.push_back(partition);
    };
    const std::size_t before = chosen.size();
    Rng pairs_rng = make_rng(options.seed, 1, i);
    for (const Index place : sample_without_replacement(pairs_rng, static_cast<Index>(train.size()),
                                                        seen ? options.pairs : options.shots))
      compare(train[static_cast<std::size_t>(place)],
              seen ? Partition::seen_train : Partition::unseen_few_shot);
    for (const Index prompt : test) compare(prompt, seen ? Partition::seen_test : Partition::unseen_test);
    if (chosen.size() == before)
      detail::raise_value(where, "user " + detail::to_text(i), "no comparisons", "at least one");
  }
  preferences.features = std::make_shared<const Features>(
      Features::pairs(std::move(embeddings), std::move(chosen), std::move(rejected)));
  preferences.users = users;
  return out;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE PlantedPopulation simulate_planted<>(const PlantedOptions&, const AnyExecutor&);
LORE_COMPILED_TEMPLATE ScoreScale score_scale<>(const ConstMatrixRef<double>&, std::span<const Index>);
LORE_COMPILED_TEMPLATE MixturePopulation simulate_mixtures<>(const ScoredResponses&, FeatureMatrix,
                                                             const MixtureOptions&);
#endif

}  // namespace lore
