// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>

#include <Eigen/SVD>

#include "lore/core/types.hpp"
#include "lore/model/reward_model.hpp"

namespace lore {

/// How far the columns of a basis have fallen together, and who uses which.
struct CollapseDiagnosis {
  Matrix<double> cosines;          ///< K x K, cos(V_k, V_l); 0 with a column of zeros
  Vector<double> singular_values;  ///< of V, descending, min(d, K)
  double effective_rank = 0;       ///< exp of the entropy of the singular values' shares of V W: 1 .. K
  Vector<double> users;            ///< K, share of the seen users whose reward column k moves most

  /// Mean of the cosines of different columns, NaN for one column.
  [[nodiscard]] double mean_cosine() const {
    const auto K = static_cast<double>(cosines.rows());
    return (cosines.sum() - cosines.trace()) / (K * (K - 1));
  }
};

/// Collapse of a fitted model. Column k moves user i's reward by |w_ik| ||V_k||; a user counts for the column
/// with the most, for `Signed` models among the deviations (the first column is everybody's).
/// @throws nothing; a model without users has shares 0 and the effective rank of V alone
/// @cost O(d K^2 + K^2 users)   @ref Roy & Vetterli 2007 (effective rank)
template <Real Scalar>
[[nodiscard]] CollapseDiagnosis diagnose_collapse(const RewardModel<Scalar>& model) {
  const Matrix<double> V = model.basis.matrix().template cast<double>();
  const Index K = V.cols(), users = model.weights.cols();
  CollapseDiagnosis out;
  const Vector<double> norms = V.colwise().norm().transpose();
  Matrix<double> directions = V;
  for (Index k = 0; k < K; ++k)
    if (norms(k) > 0) directions.col(k) /= norms(k);
  out.cosines = directions.transpose() * directions;
  // Singular values through the K x K factor of a QR decomposition: V may be very tall.
  const Matrix<double> R =
      V.rows() > K
          ? Matrix<double>(V.householderQr().matrixQR().topRows(K).template triangularView<Eigen::Upper>())
          : V;
  out.singular_values = Eigen::JacobiSVD<Matrix<double>>(R).singularValues();
  Vector<double> used = out.singular_values;
  if (users > 0)
    used =
        Eigen::JacobiSVD<Matrix<double>>(Matrix<double>(R *
                                                        (model.weights.template cast<double>() *
                                                         model.weights.template cast<double>().transpose()) *
                                                        R.transpose()))
            .singularValues()
            .cwiseSqrt();
  const double total = used.sum();
  double entropy = 0;
  for (const double s : used)
    if (s > 0) entropy -= s / total * std::log(s / total);
  out.effective_rank = total > 0 ? std::exp(entropy) : 0;
  out.users = Vector<double>::Zero(K);
  const Index first = model.weight_map == WeightMapKind::signed_deviations && K > 1 ? 1 : 0;
  for (Index i = 0; i < users; ++i) {
    Index most = first;
    for (Index k = first; k < K; ++k)
      if (std::abs(static_cast<double>(model.weights(k, i))) * norms(k) >
          std::abs(static_cast<double>(model.weights(most, i))) * norms(most))
        most = k;
    out.users(most) += 1 / static_cast<double>(users);
  }
  return out;
}

}  // namespace lore
