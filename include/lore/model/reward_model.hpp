// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/model/basis.hpp"
#include "lore/model/guard.hpp"
#include "lore/model/prior.hpp"
#include "lore/model/weight_map.hpp"

namespace lore {

/// What a joint fit learned, and all that a model file holds: the basis, the seen users, the prior of new
/// users. rank 0 is the reference reward (one column v_ref, weight 1); rank 1 is Bradley-Terry.
template <Real Scalar, int D = Dynamic, int K = Dynamic>
struct RewardModel {
  Basis<Scalar, D, K> basis;
  Index rank = 0;  ///< 0, or the number of columns
  WeightMapKind weight_map = WeightMapKind::simplex;
  Scalar temperature = 1;                 ///< tau: P(chosen) = sigma(reward difference / tau)
  std::vector<Index> user;                ///< ids of the seen users, as in the preference file
  Matrix<Scalar, K, Dynamic> parameters;  ///< column i: logits or (1, delta) of user[i]
  Matrix<Scalar, K, Dynamic> weights;     ///< column i: weights of user[i]
  GaussianPrior<Scalar, K> prior;         ///< of the parameters of a new user
  std::optional<Vector<Scalar, D>> reference_head;
  std::vector<std::string> user_names;  ///< empty, or one for each entry of `user`
  std::string dataset;
  std::string encoder;
  std::vector<GuardPoint> guard;  ///< what new users gain over Bradley-Terry by shots, where it was measured
  std::map<std::string, std::string> training;  ///< options and outcome of the fit, for the record

  /// @throws std::invalid_argument on shapes that do not agree; std::domain_error on values out of range
  void validate() const {
    constexpr const char* where = "RewardModel";
    const Index columns = basis.columns();
    if (columns != std::max<Index>(rank, 1))
      detail::raise_shape(where, "columns of the basis", columns, std::max<Index>(rank, 1));
    detail::check_positive(where, "temperature", temperature);
    const Index count = static_cast<Index>(user.size());
    detail::check_size(where, "columns of parameters", parameters.cols(), count);
    detail::check_size(where, "columns of weights", weights.cols(), count);
    if (count > 0) {
      detail::check_size(where, "rows of parameters", parameters.rows(), columns);
      detail::check_size(where, "rows of weights", weights.rows(), columns);
      detail::check_finite(where, "parameters", parameters);
      detail::check_finite(where, "weights", weights);
    }
    detail::check_size(where, "prior mean", prior.size(), columns);
    prior.validate();
    if (reference_head) {
      detail::check_size(where, "reference_head", reference_head->size(), basis.dimension());
      detail::check_finite(where, "reference_head", *reference_head);
    }
    if (!user_names.empty())
      detail::check_size(where, "user_names", static_cast<Index>(user_names.size()), count);
    for (const GuardPoint& point : guard) point.validate();
  }
};

/// r = e' V w, the reward of one embedding for a user with weights w.
/// @param w  K   @param e  d: vectors, blocks, maps or expressions of the basis's scalar, fixed or dynamic
/// @throws std::invalid_argument on a shape mismatch   @cost O(dK)   @ref LoRe eq. 3
template <Real Scalar, int D, int K, class W, class E>
[[nodiscard]] Scalar reward(const Basis<Scalar, D, K>& basis, const Eigen::MatrixBase<W>& w,
                            const Eigen::MatrixBase<E>& e) {
  detail::check_column("reward", "w", w, basis.columns());
  detail::check_column("reward", "e", e, basis.dimension());
  return basis.project(e).dot(w);
}

/// Rewards of a batch of embeddings for one user: E' V w.
/// @param w  K   @param E  d x n, one embedding a column   @return n
/// @throws std::invalid_argument on a shape mismatch   @cost O(d(K + n)): V w first
template <Real Scalar, int D, int K, class W, class Batch>
[[nodiscard]] Vector<Scalar> rewards(const Basis<Scalar, D, K>& basis, const Eigen::MatrixBase<W>& w,
                                     const Eigen::MatrixBase<Batch>& E) {
  detail::check_column("rewards", "w", w, basis.columns());
  detail::check_size("rewards", "rows of E", E.rows(), basis.dimension());
  const Vector<Scalar, D> u = basis.matrix() * w;
  return E.transpose() * u;
}

/// The place of the candidate that this user would like best; the first of equals.
/// @param w  K   @param E  d x n, one candidate a column, n >= 1
/// @throws std::invalid_argument on a shape mismatch or n = 0; std::domain_error when a reward is NaN
/// @cost O(d(K + n))
template <Real Scalar, int D, int K, class W, class Batch>
[[nodiscard]] Index best_of(const Basis<Scalar, D, K>& basis, const Eigen::MatrixBase<W>& w,
                            const Eigen::MatrixBase<Batch>& E) {
  if (E.cols() < 1) detail::raise_shape("best_of", "columns of E", E.cols(), "at least 1");
  const Vector<Scalar> values = rewards(basis, w, E);
  Index best = 0;
  for (Index j = 0; j < values.size(); ++j) {
    if (std::isnan(values(j)))
      detail::raise_value("best_of", "reward of column " + detail::to_text(j), values(j), "a number");
    if (values(j) > values(best)) best = j;
  }
  return best;
}

}  // namespace lore
