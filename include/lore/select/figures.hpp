// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/metrics/judged.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"

namespace lore {

/// An accuracy, or why there is none.
struct Figure {
  Accuracy accuracy{};
  std::string missing{};  ///< empty, or the reason

  [[nodiscard]] bool exists() const noexcept { return missing.empty(); }
};

/// The four figures of a rank.
struct FourFigures {
  Figure seen_train, seen_test, few_shot_train, unseen_test;
};

/// A partition with its scores under one basis, projected once for any number of users' weights.
template <Real Scalar, class Store = Features>
struct ScoredPartition {
  Comparisons<Store> comparisons;
  Matrix<Scalar> Z;  ///< K x n

  /// @throws std::invalid_argument when the dimension differs   @cost one reading of the partition
  ScoredPartition(Comparisons<Store> given, const Basis<Scalar>& basis, const AnyExecutor& executor)
      : comparisons(std::move(given)), Z(basis.columns(), comparisons.size()) {
    if (!comparisons.empty()) Z = Pass<Scalar, Store>(comparisons, executor).scores(basis.matrix());
  }

  /// A subset of `whole`, with the scores that are known there. @param place  position in `whole` by store
  /// column
  ScoredPartition(Comparisons<Store> subset, const ScoredPartition& whole, const std::vector<Index>& place)
      : comparisons(std::move(subset)), Z(whole.Z.rows(), comparisons.size()) {
    for (Index p = 0; p < comparisons.size(); ++p)
      Z.col(p) =
          whole.Z.col(place[static_cast<std::size_t>(comparisons.column[static_cast<std::size_t>(p)])]);
  }

  /// Scores of user i of the comparisons, K x count(i).
  [[nodiscard]] auto of_user(Index i) const {
    return Z.middleCols(comparisons.begin(i), comparisons.count(i));
  }

  /// Accuracy with weights_of(id) (K) for each user id; ties are left out, a choice counts once.
  template <class WeightsOf>
  [[nodiscard]] Figure accuracy_with(const WeightsOf& weights_of, const std::string& if_empty) const {
    if (comparisons.empty()) return {{}, if_empty};
    Vector<Scalar> margins(comparisons.size());
    for (Index i = 0; i < comparisons.users(); ++i) {
      const Vector<Scalar> w = weights_of(comparisons.user[static_cast<std::size_t>(i)]);
      const Index begin = comparisons.begin(i), count = comparisons.count(i);
      margins.segment(begin, count).noalias() = of_user(i).transpose() * w;
    }
    const JudgedMargins<Scalar> judged = judged_margins(comparisons, margins);
    if (judged.margins.size() == 0) return {{}, if_empty};
    return {accuracy(judged.margins, judged.offset), {}};
  }
};

/// A user's weights by id: at(place of the id in `ids`), and `otherwise` for those who are not there.
/// Both are kept by reference.
template <class WeightsAt, class Vector>
[[nodiscard]] auto weights_by_id(const std::vector<Index>& ids, const WeightsAt& at,
                                 const Vector& otherwise) {
  std::unordered_map<Index, Index> place;
  for (std::size_t i = 0; i < ids.size(); ++i) place.emplace(ids[i], static_cast<Index>(i));
  return [place = std::move(place), &at, &otherwise](Index id) -> Vector {
    const auto found = place.find(id);
    return found == place.end() ? otherwise : at(found->second);
  };
}

/// The weights of a user of whom nothing is known: those at the prior's mean.
template <Real Scalar>
[[nodiscard]] Vector<Scalar> population_weights(const RewardModel<Scalar>& model) {
  Vector<Scalar> w(model.prior.mean.size());
  if (model.weight_map == WeightMapKind::simplex)
    Simplex{}.weights(model.prior.mean, w);
  else
    Signed{}.weights(model.prior.mean, w);
  return w;
}

/// Accuracy of a model on all four partitions; unseen users are fitted by adapt(Z, comparisons), which
/// returns `UserFits` of the users in order.
/// @throws std::invalid_argument when the model's dimension differs   @cost one reading of every partition
template <Real Scalar, class Store, class Adapt>
[[nodiscard]] FourFigures measure(const RewardModel<Scalar>& model, const Preferences<Store>& preferences,
                                  const AnyExecutor& executor, const Adapt& adapt) {
  const auto partition = [&](Partition wanted) {
    return ScoredPartition<Scalar, Store>(preferences.select(wanted), model.basis, executor);
  };
  const Vector<Scalar> population = population_weights(model);
  const auto seen_at = [&](Index i) -> Vector<Scalar> { return model.weights.col(i); };
  const auto seen = weights_by_id(model.user, seen_at, population);
  FourFigures out;
  out.seen_train =
      partition(Partition::seen_train).accuracy_with(seen, "no training comparisons of seen users");
  out.seen_test = partition(Partition::seen_test).accuracy_with(seen, "no test comparisons of seen users");
  const ScoredPartition<Scalar, Store> shots = partition(Partition::unseen_few_shot);
  const UserFits<Scalar> fits = adapt(shots.Z, shots.comparisons);
  const auto unseen_at = [&](Index i) -> Vector<Scalar> { return fits.weights.col(i); };
  const auto unseen = weights_by_id(shots.comparisons.user, unseen_at, population);
  out.few_shot_train = shots.accuracy_with(unseen, "no few-shot comparisons of unseen users");
  out.unseen_test =
      partition(Partition::unseen_test).accuracy_with(unseen, "no test comparisons of unseen users");
  return out;
}

/// The reference reward as a model of rank 0: one column v_ref, weight 1 for everybody.
/// @throws std::domain_error when v_ref is not finite
template <Real Scalar>
[[nodiscard]] RewardModel<Scalar> reference_model(const Vector<Scalar>& reference_head) {
  RewardModel<Scalar> model;
  model.basis = Basis<Scalar>(Matrix<Scalar>(reference_head));
  model.rank = 0;
  model.parameters.resize(1, 0);
  model.weights.resize(1, 0);
  model.weight_map = WeightMapKind::signed_deviations;
  model.prior = {Vector<Scalar>::Ones(1), Matrix<Scalar>::Zero(1, 1)};
  model.reference_head = reference_head;
  return model;
}

}  // namespace lore
