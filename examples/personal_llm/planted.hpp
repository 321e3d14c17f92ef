// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/data/features.hpp"
#include "lore/data/simulate.hpp"
#include "lore/parallel/executor.hpp"

#include "common/embedding_table.hpp"
#include "personal_llm/reward_models.hpp"

namespace lore_examples::personal_llm {

/// How generated reward models differ: those of one family share a taste, and each has its own scale.
struct PlantedModel {
  int family;
  double scale;
  double offset;
};
inline constexpr int families = 4;
inline constexpr std::array<PlantedModel, reward_models.size()> planted_models{{{0, 1.5, -1},
                                                                                {0, 3, 1},
                                                                                {1, 2, 2},
                                                                                {1, 2, 0},
                                                                                {1, 4, 5},
                                                                                {1, 2.5, -3},
                                                                                {2, 2, 1},
                                                                                {3, 12, 10},
                                                                                {2, 3, -4},
                                                                                {2, 1.5, 0}}};

/// Embeddings and scores of the data set's shape without any text, for whoever has no embeddings:
///   s_j     proportional to j^-decay, root mean square 1
///   e       = s .* (z_prompt + z_response) / sqrt 2, both N(0, I)
///   B_r     = sqrt(common) b + sqrt(family) b_family(r) + sqrt(own) b_r; coordinates after the first
///           `strong` are multiplied by `weak`; each with deviation 1 between the responses of a prompt
///   score   = offset_r + scale_r (B_r' e + noise N(0, 1)): ten correlated reward models of unequal scales
///   v_ref   = reference_gain times the mean direction plus as much of a direction that no model shares
struct PlantedResponsesOptions {
  Index prompts = 10402;      ///< training and test
  Index test_prompts = 1000;  ///< the last of them
  Index dimension = 4096;     ///< d
  double decay = 0.7;         ///< of the features' spectrum
  Index strong = 256;         ///< coordinates that rewards mostly depend on
  double weak = 0.1;          ///< factor of the others
  double common = 0.3;        ///< share of a direction's variance that all reward models have in common
  double family = 0.5;        ///< share of those of one family; the rest is a model's own
  double noise = 0.9;         ///< of a score, in deviations of its linear part
  double reference_gain = 3;  ///< deviation of the reference margin's shared part
  lore::Storage storage = lore::Storage::bf16;
  std::uint64_t seed = 0;

  /// @throws std::domain_error on a value out of range
  void validate() const {
    constexpr const char* where = "PlantedResponsesOptions";
    lore::detail::check_positive(where, "test_prompts", test_prompts);
    if (prompts <= test_prompts)
      lore::detail::raise_value(where, "prompts", prompts,
                                "more than the " + lore::detail::to_text(test_prompts) + " test prompts");
    lore::detail::check_positive(where, "dimension", dimension);
    lore::detail::check_non_negative(where, "decay", decay);
    lore::detail::check_positive(where, "strong", strong);
    lore::detail::check_non_negative(where, "weak", weak);
    lore::detail::check_non_negative(where, "common", common);
    lore::detail::check_non_negative(where, "family", family);
    if (common + family > 1)
      lore::detail::raise_value(where, "common + family", common + family, "at most 1");
    lore::detail::check_non_negative(where, "noise", noise);
    lore::detail::check_positive(where, "reference_gain", reference_gain);
  }
};

/// What preference files say of the embeddings: equal names, same vectors.
[[nodiscard]] inline std::string encoder_name(const PlantedResponsesOptions& options) {
  return "generated-1 d=" + std::to_string(options.dimension) + " seed=" + std::to_string(options.seed);
}

struct PlantedResponses {
  lore::ScoredResponses responses;
  lore::FeatureMatrix embeddings;      ///< d x (8 prompts), prompt by prompt
  lore::Vector<float> reference_head;  ///< d
  lore::Matrix<double> directions;     ///< d x 10, B
};

namespace detail {

/// Scales each column to deviation 1 of its product with the responses' part of the embeddings.
inline void normalise(lore::Matrix<double>& heads, const lore::Vector<double>& deviation) {
  for (Index r = 0; r < heads.cols(); ++r)
    heads.col(r) *= std::sqrt(2.0) / deviation.cwiseProduct(heads.col(r)).norm();
}

}  // namespace detail

/// Draws such a data set. Every prompt has a random stream of its own and scores are taken before rounding:
/// the seed fixes them whatever the executor and the storage.
/// @throws std::domain_error on options out of range; std::invalid_argument on storage f64
/// @cost about 20 ns a value of the embeddings on one core; memory for the embeddings and scores alone
template <lore::Executor Exec>
[[nodiscard]] PlantedResponses plant_responses(const PlantedResponsesOptions& options, const Exec& executor) {
  options.validate();
  using lore::Matrix;
  using lore::Vector;
  constexpr auto models = static_cast<Index>(reward_models.size());
  constexpr auto each = static_cast<Index>(response_count);
  const Index d = options.dimension;

  Vector<double> deviation(d);
  for (Index j = 0; j < d; ++j) deviation(j) = std::pow(static_cast<double>(j + 1), -options.decay);
  deviation *= std::sqrt(static_cast<double>(d)) / deviation.norm();

  // Column 0: what all reward models share; then the families, the models, and what only the reference has.
  lore::Rng rng = lore::make_rng(options.seed, 2);
  Matrix<double> parts(d, 1 + families + models + 1);
  lore::fill_normal(rng, parts);
  if (options.strong < d) parts.bottomRows(d - options.strong) *= options.weak;
  detail::normalise(parts, deviation);
  PlantedResponses out;
  out.directions.resize(d, models);
  for (Index r = 0; r < models; ++r)
    out.directions.col(r) =
        std::sqrt(options.common) * parts.col(0) +
        std::sqrt(options.family) * parts.col(1 + planted_models[static_cast<std::size_t>(r)].family) +
        std::sqrt(1 - options.common - options.family) * parts.col(1 + families + r);
  detail::normalise(out.directions, deviation);
  Matrix<double> mean = out.directions.rowwise().mean();
  detail::normalise(mean, deviation);
  out.reference_head = (options.reference_gain * (mean.col(0) + parts.rightCols<1>())).cast<float>();

  const Index items = options.prompts * each;
  EmbeddingTable table(d, items, options.storage);
  Matrix<double>& scores = out.responses.scores;
  scores.resize(models, items);
  executor.for_each(options.prompts, [&](Index p) {
    lore::Rng values = lore::make_rng(options.seed, 3, p);
    Vector<double> prompt(d);
    lore::fill_normal(values, prompt);
    Matrix<double> block(d, each);
    lore::fill_normal(values, block);
    block.colwise() += prompt;
    block = (deviation / std::sqrt(2.0)).asDiagonal() * block;
    const Matrix<float> rounded = block.cast<float>();
    for (Index i = 0; i < each; ++i) table.store(p * each + i, rounded.col(i).data());
    auto mine = scores.middleCols(p * each, each);
    mine.noalias() = out.directions.transpose() * block;
    for (Index i = 0; i < each; ++i)
      for (Index r = 0; r < models; ++r) {
        const PlantedModel& model = planted_models[static_cast<std::size_t>(r)];
        mine(r, i) = model.offset + model.scale * (mine(r, i) + options.noise * lore::normal<double>(values));
      }
  });
  out.embeddings = table.finish();
  for (Index p = 0; p <= options.prompts; ++p) out.responses.prompt_offset.push_back(p * each);
  for (Index p = 0; p < options.prompts; ++p)
    out.responses.is_test.push_back(p < options.prompts - options.test_prompts ? 0 : 1);
  return out;
}

}  // namespace lore_examples::personal_llm
