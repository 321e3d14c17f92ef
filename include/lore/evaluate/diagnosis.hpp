// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/evaluate/identifiability.hpp"
#include "lore/evaluate/separable.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/figures.hpp"
#include "lore/solve/dense.hpp"

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
  const Matrix<double> R = V.rows() > K ? detail::triangular_factor(V) : V;
  out.singular_values = detail::singular_values(R);
  Vector<double> used = out.singular_values;
  if (users > 0) {
    const Matrix<double> W = model.weights.template cast<double>(), RW = R * W;
    used = detail::singular_values(RW * RW.transpose()).cwiseSqrt();
  }
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

/// What the data say of one user, beside what the prior says.
struct UserDiagnosis {
  Index user = 0;          ///< id
  Index comparisons = 0;   ///< in training
  double from_data = 0;    ///< 1 - tr(P C) / D: share of the posterior's precision that the data brought
  double information = 0;  ///< (log det P^-1 - log det C) / 2 nats by which the data narrowed the posterior
  bool separable = false;  ///< some weights get all comparisons right: maximum likelihood would diverge
  bool all_right = false;  ///< the model's own do
};

struct DiagnosisOptions {
  double least_information =
      0.69314718055994531;  ///< nats, >= 0; users with less have too little data: 1 bit

  /// @throws std::domain_error naming the field
  void validate() const {
    detail::check_non_negative("DiagnosisOptions", "least_information", least_information);
  }
};

/// What a fit has learned, and how surely.
struct Diagnosis {
  CollapseDiagnosis collapse;        ///< of the basis; users by column
  std::vector<UserDiagnosis> users;  ///< those of the comparisons, in order
  double parameters = 0;             ///< D times users: of all weights
  double effective_parameters = 0;   ///< sum_i D from_data_i: those that the data, not the prior, decide
  Index too_little = 0;              ///< users with too little data
  Index separable = 0;               ///< users whose comparisons some weights separate
  Identifiability identifiability;   ///< NaN without refits

  /// The q-quantile over users of a number, e.g. quantile(0.5, &UserDiagnosis::from_data). NaN without users.
  [[nodiscard]] double quantile(double q, double UserDiagnosis::*number) const {
    std::vector<double> values;
    for (const UserDiagnosis& user : users) values.push_back(user.*number);
    std::sort(values.begin(), values.end());
    return values.empty() ? std::numeric_limits<double>::quiet_NaN() : detail::sorted_quantile(values, q);
  }
};

/// Everything this library can tell of a fitted model: collapse of the columns, users by direction, which
/// users have too little data or are separable, how much comes from the prior and how much from the data,
/// and, with refits, whether another seed or another half of the data finds the same.
/// Each user's weights have a posterior N(c, C) in D = K - 1 coordinates, under the model's prior with
/// precision P, found anew from the comparisons with the basis as it is.
/// @param comparisons  the seen users' training   @param refits  from `refit`, or none
/// @throws std::invalid_argument when the dimension differs; std::domain_error on options out of range
/// @cost  one reading of the comparisons and a few-shot fit a user; with refits one more reading for each
/// @ref MacKay 1992 (effective number of parameters); Lindley 1956 (information); see `separable`,
/// `agreement`
template <Real Scalar, class Store, class Loss = BradleyTerry>
[[nodiscard]] Diagnosis diagnose(const RewardModel<Scalar>& model, const Comparisons<Store>& comparisons,
                                 const AnyExecutor& executor, const Refits<Scalar>& refits = {},
                                 const DiagnosisOptions& options = {}, const Loss& loss = {}) {
  options.validate();
  Diagnosis out;
  out.collapse = diagnose_collapse(model);
  const ScoredPartition<Scalar, Store> scored(comparisons, model.basis, executor);
  const UserFits<Scalar> fits = fit_users(model, scored.Z, comparisons, executor, loss);
  const auto prior = detail::CoordinatePrior::from(model.weight_map, model.prior);
  const auto D = static_cast<double>(prior.degrees());
  // A prior without width takes nothing from the data.
  const bool wide = prior.degrees() > 0 && prior.covariance.trace() > 1e-12;
  out.users.resize(static_cast<std::size_t>(comparisons.users()));
  executor.for_each(comparisons.users(), [&](Index i) {
    const auto at = static_cast<std::size_t>(i);
    UserDiagnosis& user = out.users[at];
    user.user = comparisons.user[at];
    user.comparisons = comparisons.count(i);
    const auto Z = scored.of_user(i);
    user.separable = separable<Scalar>(Z);
    user.all_right = Z.cols() > 0 && (Z.transpose() * fits[at].weights).minCoeff() > 0;
    if (!wide) return;
    Matrix<double> C = prior.Q.transpose() * fits[at].covariance.template cast<double>() * prior.Q, inverse;
    user.from_data = std::clamp(1 - prior.precision.cwiseProduct(C).sum() / D, 0.0, 1.0);
    const double log_determinant = detail::invert_positive(C, inverse);
    user.information = std::max(0.0, -0.5 * (prior.log_determinant + log_determinant));
  });
  for (const UserDiagnosis& user : out.users) {
    out.parameters += D;
    out.effective_parameters += D * user.from_data;
    out.too_little += D > 0 && user.information < options.least_information ? 1 : 0;
    out.separable += user.separable ? 1 : 0;
  }
  if (!refits.seeds.empty() || !refits.folds.empty())
    out.identifiability = identifiability(model, refits, comparisons, executor);
  return out;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Diagnosis diagnose(const RewardModel<float>&, const Comparisons<Features>&,
                                          const AnyExecutor&, const Refits<float>&, const DiagnosisOptions&,
                                          const BradleyTerry&);
#endif

}  // namespace lore
