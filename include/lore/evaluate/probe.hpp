// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/data/preferences.hpp"
#include "lore/evaluate/detail/ridge_logistic.hpp"
#include "lore/metrics/user_scores.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/folds.hpp"

namespace lore {

/// Surface features to try on their own.
struct ProbeGroup {
  std::string name;
  std::vector<Index> rows;  ///< of the features
};

struct ProbeOptions {
  Index folds = 5;             ///< >= 2
  double prior_deviation = 1;  ///< of the margin that a feature of typical size has under the prior, > 0
  std::uint64_t seed = 0;      ///< of the folds

  /// @throws std::domain_error naming the field
  void validate() const {
    if (folds < 2) detail::raise_value("ProbeOptions", "folds", folds, "2 or more");
    detail::check_positive("ProbeOptions", "prior_deviation", prior_deviation);
  }
};

/// How well the surface predicts the choice: accuracies on comparisons that were held out.
struct SurfaceProbe {
  UserScores together;                                     ///< all features
  std::vector<std::pair<std::string, UserScores>> groups;  ///< each alone, as asked for

  /// Whether the surface predicts better than `limit`. People judging the same pair agree in 0.6 to 0.8 of
  /// the cases, and rewards of whole texts rarely get beyond; a surface that is right in more than nine of
  /// ten cases gives the answer away (a list embedded as text, a truncated or differently formatted reply).
  [[nodiscard]] bool suspicious(double limit = 0.9) const { return together.mean > limit; }
};

/// Bradley-Terry on surface features alone, chosen minus rejected: length, punctuation, layout, or which
/// reply was shown first (+1 or -1). Held-out accuracy by user; a margin of exactly 0 counts one half, since
/// such a feature does not decide. Features are scaled by their root mean square in training.
/// @param S       s x n, column j of comparison j   @param user  n ids, >= 0
/// @param group   n prompts, held out as a whole, or empty   @param groups  tried alone
/// @throws std::invalid_argument on shapes that do not agree; std::domain_error on values that are not
/// finite, an id below 0 or a row that S has not
/// @cost  folds (1 + groups) O(n s^2 + s^3)   @ref Singhal et al. 2023 (length); Zheng et al. 2023 (position)
template <class Lazy = void>
[[nodiscard]] SurfaceProbe surface_probe(const Matrix<float>& S, const std::vector<Index>& user,
                                         const std::vector<Index>& group,
                                         const std::vector<ProbeGroup>& groups, const AnyExecutor& executor,
                                         const ProbeOptions& options = {});

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
SurfaceProbe surface_probe(const Matrix<float>& S, const std::vector<Index>& user,
                           const std::vector<Index>& group, const std::vector<ProbeGroup>& groups,
                           const AnyExecutor& executor, const ProbeOptions& options) {
  constexpr const char* where = "surface_probe";
  options.validate();
  detail::check_size(where, "users", static_cast<Index>(user.size()), S.cols());
  if (!group.empty())
    detail::check_size(where, "groups of comparisons", static_cast<Index>(group.size()), S.cols());
  detail::check_finite(where, "S", S);
  for (const Index id : user) detail::check_non_negative(where, "user", id);
  for (const ProbeGroup& one : groups)
    for (const Index row : one.rows)
      if (row < 0 || row >= S.rows())
        detail::raise_value(where, "row of '" + one.name + "'", row,
                            "a row below " + detail::to_text(S.rows()));
  Preferences<> all;
  all.features =
      std::make_shared<const Features>(Features::differences(FeatureMatrix::own<float>(Matrix<float>(S))));
  all.user = user;
  all.group = group;
  all.users = user.empty() ? 0 : 1 + *std::max_element(user.begin(), user.end());
  const Comparisons<> comparisons = all.seen_train();
  const std::vector<Fold<Features>> folds = make_folds(comparisons, options.folds, options.seed);

  std::vector<std::vector<Index>> tried(1, std::vector<Index>(static_cast<std::size_t>(S.rows())));
  std::iota(tried[0].begin(), tried[0].end(), Index{0});
  for (const ProbeGroup& one : groups) tried.push_back(one.rows);
  std::vector<UserScores> scores(tried.size());
  executor.for_each(static_cast<Index>(tried.size()), [&](Index t) {
    const std::vector<Index>& rows = tried[static_cast<std::size_t>(t)];
    Vector<double> right = Vector<double>::Constant(S.cols(), 0.5);  // by column of S
    for (const Fold<Features>& fold : folds) {
      const auto taken = [&](const Comparisons<>& part) {
        Matrix<float> X(static_cast<Index>(rows.size()), part.size());
        for (Index p = 0; p < part.size(); ++p)
          for (std::size_t r = 0; r < rows.size(); ++r)
            X(static_cast<Index>(r), p) = S(rows[r], part.column[static_cast<std::size_t>(p)]);
        return X;
      };
      Matrix<float> train = taken(fold.train);
      if (train.cols() == 0 || train.rows() == 0) continue;
      Vector<float> scale = train.rowwise().norm() / std::sqrt(static_cast<float>(train.cols()));
      scale = (scale.array() > 0).select(scale.cwiseInverse(), 0.0F);
      train = scale.asDiagonal() * train;
      const double deviation = options.prior_deviation;
      const Vector<float> v = scale.cwiseProduct(
          detail::RidgeLogistic(train.cast<double>()).fit(1 / (deviation * deviation)).cast<float>());
      const Vector<float> margins = taken(fold.held_out).transpose() * v;
      for (Index p = 0; p < margins.size(); ++p)
        right(fold.held_out.column[static_cast<std::size_t>(p)]) = margins(p) > 0   ? 1.0
                                                                   : margins(p) < 0 ? 0.0
                                                                                    : 0.5;
    }
    Vector<double> by_position(comparisons.size());
    for (Index p = 0; p < comparisons.size(); ++p)
      by_position(p) = right(comparisons.column[static_cast<std::size_t>(p)]);
    scores[static_cast<std::size_t>(t)] =
        detail::score_users(where, by_position, comparisons.offset, [](double value) { return value; });
  });
  SurfaceProbe out{std::move(scores[0]), {}};
  for (std::size_t g = 0; g < groups.size(); ++g)
    out.groups.emplace_back(groups[g].name, std::move(scores[g + 1]));
  return out;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE SurfaceProbe surface_probe<>(const Matrix<float>&, const std::vector<Index>&,
                                                    const std::vector<Index>&, const std::vector<ProbeGroup>&,
                                                    const AnyExecutor&, const ProbeOptions&);
#endif

}  // namespace lore
