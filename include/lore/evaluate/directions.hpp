// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/data/preferences.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/rotation.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"

namespace lore {

/// Which axes of the users' rewards to look at.
enum class Axes {
  principal,  ///< uncorrelated over users and comparisons, most variance first
  varimax,    ///< turned so that each user is large on few of them
};

struct DirectionOptions {
  Axes axes = Axes::varimax;
  Index comparisons = 5;  ///< to name for each direction, >= 0
  Index users = 3;        ///< to name at each end, >= 0

  /// @throws std::domain_error naming the field
  void validate() const {
    detail::check_non_negative("DirectionOptions", "comparisons", comparisons);
    detail::check_non_negative("DirectionOptions", "users", users);
  }
};

/// A comparison that a direction moves.
struct MovedComparison {
  Index position = 0;  ///< place in the preference file
  Index user = 0;      ///< id of who made it
  double score = 0;    ///< x'direction: margin that a weight of 1 adds, above 0 towards the chosen reply
};

/// A user and where on a direction.
struct PlacedUser {
  Index user = 0;     ///< id
  double weight = 0;  ///< standard deviations from the mean user
};

/// One way in which users differ.
struct Direction {
  Vector<double> vector;                    ///< d; a user with weight a has a * vector in the reward
  double variance = 0;                      ///< of its margins over users and comparisons
  double share = 0;                         ///< of the variance of all directions
  std::vector<MovedComparison> most_moved;  ///< largest |score| first, each pair once
  std::vector<PlacedUser> highest;          ///< users of the largest weights, largest first
  std::vector<PlacedUser> lowest;           ///< users of the smallest weights, smallest first
};

/// What users of a model disagree about, and what they have in common.
struct Directions {
  std::vector<Direction> directions;  ///< most variance first
  Vector<double> common;              ///< d, the mean user's reward
  double common_variance = 0;         ///< mean square of its margins
  RotatedBasis axes;                  ///< the same with every user's weights

  /// Share of the mean square of all margins that differs between users, 0 .. 1.
  [[nodiscard]] double personal_share() const {
    double personal = 0;
    for (const Direction& direction : directions) personal += direction.variance;
    return personal + common_variance > 0 ? personal / (personal + common_variance) : 0;
  }
};

namespace detail {

/// Whether two comparisons of a store are known to be of the same two replies.
template <class Store>
[[nodiscard]] bool same_pair(const Store& store, Index a, Index b) {
  if constexpr (TableStore<Store>)
    return store.indexed() &&
           std::minmax(store.chosen(a), store.rejected(a)) == std::minmax(store.chosen(b), store.rejected(b));
  else
    return false;
}

}  // namespace detail

/// Directions that a person can look at: principal or varimax axes of the seen users' rewards, signed so that
/// the largest entry is positive, with the comparisons that move each most and the users at its ends.
///   V w_i = common + sum_k weight_ik vector_k,   weights of variance 1 over users
/// @param comparisons  whose margins say how much a direction matters, usually seen users' training
/// @throws std::invalid_argument when the dimension differs, or without users or comparisons;
/// std::domain_error on options out of range
/// @cost  one reading of the comparisons, O(d K^2 + (users + n) K^2 + K n log n)   @ref Jolliffe 2002; Kaiser
/// 1958
template <Real Scalar, class Store>
[[nodiscard]] Directions directions_of(const RewardModel<Scalar>& model,
                                       const Comparisons<Store>& comparisons, const AnyExecutor& executor,
                                       const DirectionOptions& options = {}) {
  options.validate();
  const Matrix<double> V = model.basis.matrix().template cast<double>();
  const Matrix<double> W = model.weights.template cast<double>();
  const Matrix<double> Z =
      Pass<Scalar, Store>(comparisons, executor).scores(model.basis.matrix()).template cast<double>();
  Directions out;
  out.axes = principal_axes(V, W, Z);
  if (options.axes == Axes::varimax) {
    const Matrix<double> scores = out.axes.rotation.transpose() * Z;
    out.axes = varimax(std::move(out.axes), scores);
  }
  out.common = out.axes.mean;
  out.common_variance =
      (Z.transpose() * W.rowwise().mean()).squaredNorm() / static_cast<double>(comparisons.size());
  std::vector<Index> owner;
  for (Index i = 0; i < comparisons.users(); ++i)
    owner.insert(owner.end(), static_cast<std::size_t>(comparisons.count(i)),
                 comparisons.user[static_cast<std::size_t>(i)]);
  const double total = out.axes.variance.sum();
  for (Index k = 0; k < out.axes.directions.cols(); ++k) {
    Direction direction;
    direction.vector = out.axes.directions.col(k);
    direction.variance = out.axes.variance(k);
    direction.share = out.axes.variance(k) / total;
    const Vector<double> scores = Z.transpose() * out.axes.rotation.col(k);
    for (const Index j : most_moved(scores, options.comparisons > 0 ? scores.size() : 0)) {
      const auto at = static_cast<std::size_t>(j);
      const auto repeats = [&](const MovedComparison& known) {
        return detail::same_pair(*comparisons.features, known.position, comparisons.column[at]);
      };
      if (std::any_of(direction.most_moved.begin(), direction.most_moved.end(), repeats)) continue;
      direction.most_moved.push_back({comparisons.column[at], owner[at], scores(j)});
      if (static_cast<Index>(direction.most_moved.size()) == options.comparisons) break;
    }
    const Vector<double> weights = out.axes.weights.row(k).transpose();
    std::vector<PlacedUser> users;
    for (Index i = 0; i < weights.size(); ++i)
      users.push_back({model.user[static_cast<std::size_t>(i)], weights(i)});
    std::stable_sort(users.begin(), users.end(),
                     [](const PlacedUser& a, const PlacedUser& b) { return a.weight > b.weight; });
    const auto named = std::min(static_cast<std::size_t>(options.users), users.size());
    direction.highest.assign(users.begin(), users.begin() + static_cast<std::ptrdiff_t>(named));
    direction.lowest.assign(users.rbegin(), users.rbegin() + static_cast<std::ptrdiff_t>(named));
    out.directions.push_back(std::move(direction));
  }
  return out;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Directions directions_of(const RewardModel<float>&, const Comparisons<Features>&,
                                                const AnyExecutor&, const DirectionOptions&);
#endif

}  // namespace lore
