// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <Eigen/Cholesky>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/figures.hpp"

namespace lore {

/// Accuracy of one way to judge the same test comparisons, and by how much the personalised model is better.
struct Control {
  std::string name;
  Accuracy accuracy;
  UserScores gain;    ///< personalised minus this, by user
  Interval interval;  ///< of the mean gain, bootstrapped over users
};

/// A personalised accuracy and what it has to be held against.
struct Controls {
  Accuracy personalised;
  std::vector<Control> others;

  /// @throws std::invalid_argument on a name that is not there
  [[nodiscard]] const Control& at(const std::string& name) const {
    for (const Control& control : others)
      if (control.name == name) return control;
    detail::raise_shape("Controls::at", "name", name, "one of the controls");
  }
};

struct ControlOptions {
  double own_scale = 1;  ///< prior margin scale of the per-user fit, > 0
  BootstrapOptions bootstrap{};
  std::uint64_t seed = 0;  ///< of the exchange of users

  /// @throws std::domain_error on a value out of range
  void validate() const {
    detail::check_positive("ControlOptions", "own_scale", own_scale);
    bootstrap.validate();
  }
};

namespace detail {

/// Columns of one user as d x m.
template <Real Scalar, class Store>
[[nodiscard]] Matrix<Scalar> features_of(const Comparisons<Store>& comparisons, Index user) {
  Matrix<Scalar> X(comparisons.dimension(), comparisons.count(user));
  for (Index j = 0; j < X.cols(); ++j)
    comparisons.features->load(comparisons.column[static_cast<std::size_t>(comparisons.begin(user) + j)],
                               X.col(j).data());
  return X;
}

/// Margins of a user's test comparisons under a reward of the user's own, v ~ N(0, I / lambda), fitted to the
/// user's training comparisons alone. In as many coordinates as there are comparisons or dimensions,
/// whichever are fewer: v = X L'^-1 c with X'X = L L'.
template <Real Scalar>
[[nodiscard]] Vector<Scalar> own_margins(const Matrix<Scalar>& train, const Matrix<Scalar>& test,
                                         double lambda, double temperature) {
  const Index m = train.cols(), free = std::min(m, train.rows());
  Matrix<double> Z = Matrix<double>::Zero(free + 1, m);  // the first column of `Signed` does not take part
  Eigen::LLT<Matrix<double>> factor;
  const Matrix<double> X = train.template cast<double>();
  if (m <= train.rows()) {
    Matrix<double> gram = X.transpose() * X;
    gram.diagonal().array() += 1e-9 * std::max(gram.diagonal().maxCoeff(), 1e-30);
    factor.compute(gram);
    Z.bottomRows(free) = Matrix<double>(factor.matrixL()).transpose();
  } else {
    Z.bottomRows(free) = X;
  }
  GaussianPrior<double> prior{Vector<double>::Unit(free + 1, 0),
                              Matrix<double>::Identity(free + 1, free + 1) / lambda};
  prior.covariance(0, 0) = 0;
  FewShotFit<BradleyTerry, Signed, double> fit(Basis<double>(Matrix<double>::Identity(free + 1, free + 1)),
                                               prior, temperature);
  fit.posterior = Posterior::map;
  Vector<double> c = fit.from_scores(Z).weights.tail(free);
  if (m <= train.rows()) {
    factor.matrixU().solveInPlace(c);
    c = X * c;
  }
  return (test.transpose() * c.template cast<Scalar>()).eval();
}

}  // namespace detail

/// Holds a personalised model against: the `reference` head (where the model has one), `Bradley-Terry`, the
/// `population mean`, `another user` (everybody judged with somebody else's weights), and a `per-user fit`
/// (each user's own training comparisons alone, ridge in d dimensions).
/// @param train       comparisons the users were fitted to: seen users' training, or the shots of new users
/// @param test        comparisons to judge; users that `train` has not are judged as the population
/// @param weights_of  K weights of a user id, as `weights_by_id` gives them
/// @throws std::invalid_argument when dimensions differ; std::domain_error on options out of range
/// @cost  two readings of `test`, one of `train`, and for each user O(m^2 d + m^3), m training comparisons
template <Real Scalar, class Store, Executor E, class WeightsOf>
[[nodiscard]] Controls compare_controls(const RewardModel<Scalar>& model,
                                        const RewardModel<Scalar>& bradley_terry,
                                        const Comparisons<Store>& train, const Comparisons<Store>& test,
                                        const E& executor, const WeightsOf& weights_of,
                                        const ControlOptions& options = {}) {
  options.validate();
  detail::check_size("compare_controls", "dimension of Bradley-Terry", bradley_terry.basis.dimension(),
                     model.basis.dimension());
  Controls out;
  const ScoredPartition<Scalar, Store> scored(test, model.basis, executor);
  out.personalised = scored.accuracy_with(weights_of, "").accuracy;
  const auto add = [&](std::string name, Accuracy accuracy) {
    Control control{std::move(name), std::move(accuracy), {}, {}};
    control.gain = paired_difference(out.personalised.by_user, control.accuracy.by_user);
    control.interval =
        paired_bootstrap(out.personalised.by_user, control.accuracy.by_user, options.bootstrap);
    out.others.push_back(std::move(control));
  };
  const Vector<Scalar> one = Vector<Scalar>::Ones(1), population = population_weights(model);
  const auto common = [&](const RewardModel<Scalar>& shared, const Vector<Scalar>& w) {
    return ScoredPartition<Scalar, Store>(test, shared.basis, executor)
        .accuracy_with([&](Index) { return w; }, "")
        .accuracy;
  };
  if (model.reference_head) add("reference", common(reference_model<Scalar>(*model.reference_head), one));
  add("Bradley-Terry", common(bradley_terry, population_weights(bradley_terry)));
  add("population mean", scored.accuracy_with([&](Index) { return population; }, "").accuracy);

  const Index users = test.users();
  Rng rng = make_rng(options.seed, 3);
  const Index shift = users > 1 ? 1 + uniform_index(rng, users - 1) : 0;
  std::unordered_map<Index, Index> other;
  for (Index i = 0; i < users; ++i)
    other[test.user[static_cast<std::size_t>(i)]] = test.user[static_cast<std::size_t>((i + shift) % users)];
  add("another user", scored.accuracy_with([&](Index id) { return weights_of(other.at(id)); }, "").accuracy);

  double squares = 0;
  std::unordered_map<Index, Index> place;
  for (Index i = 0; i < train.users(); ++i) {
    place[train.user[static_cast<std::size_t>(i)]] = i;
    squares += detail::features_of<Scalar>(train, i).template cast<double>().squaredNorm();
  }
  const double temperature = static_cast<double>(model.temperature);
  const double scale = options.own_scale * temperature;
  const double lambda = squares > 0 ? squares / static_cast<double>(train.size()) / (scale * scale) : 1.0;
  Vector<Scalar> margins(test.size());
  executor.for_each(users, [&](Index i) {
    const auto found = place.find(test.user[static_cast<std::size_t>(i)]);
    auto here = margins.segment(test.begin(i), test.count(i));
    if (found == place.end() || train.count(found->second) == 0)
      here = scored.Z.middleCols(test.begin(i), test.count(i)).transpose() * population;
    else
      here = detail::own_margins<Scalar>(detail::features_of<Scalar>(train, found->second),
                                         detail::features_of<Scalar>(test, i), lambda, temperature);
  });
  add("per-user fit", accuracy(margins, test.offset));
  return out;
}

}  // namespace lore
