// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/evaluate/detail/ridge_logistic.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/metrics/judged.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/figures.hpp"
#include "lore/select/folds.hpp"

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
  double own_scale = 1;  ///< prior margin scale of the per-user fit

  /// @throws std::invalid_argument on a name that is not there
  [[nodiscard]] const Control& at(const std::string& name) const {
    for (const Control& control : others)
      if (control.name == name) return control;
    detail::raise_shape("Controls::at", "name", name, "one of the controls");
  }
};

struct ControlOptions {
  std::optional<double> own_scale;  ///< prior margin scale q of the per-user fit, > 0; else cross-validated
  Index own_scale_users = 64;       ///< users that the cross-validation draws, >= 1
  BootstrapOptions bootstrap{};
  std::uint64_t seed = 0;  ///< of the exchange of users and of the cross-validation

  /// @throws std::domain_error on a value out of range
  void validate() const {
    if (own_scale) detail::check_positive("ControlOptions", "own_scale", *own_scale);
    detail::check_positive("ControlOptions", "own_scale_users", own_scale_users);
    bootstrap.validate();
  }
};

namespace detail {

/// The reward of one user from the user's own comparisons, in units of the temperature.
template <Real Scalar, class Store>
[[nodiscard]] RidgeLogistic own_reward(const Comparisons<Store>& comparisons, Index user,
                                       Scalar temperature) {
  const Index begin = comparisons.begin(user), m = comparisons.count(user);
  Matrix<Scalar> X(comparisons.dimension(), m);
  for (Index j = 0; j < m; ++j)
    comparisons.features->load(comparisons.column[static_cast<std::size_t>(begin + j)], X.col(j).data());
  const auto& all = comparisons.weight;
  std::vector<float> omega;
  if (!all.empty()) omega.assign(all.begin() + begin, all.begin() + begin + m);
  return RidgeLogistic((X / temperature).template cast<double>(), std::move(omega));
}

/// x_j'v for the comparisons of one user.
template <Real Scalar, class Store>
void margins_of_user(const Comparisons<Store>& comparisons, Index user, const Vector<double>& v,
                     VectorRef<Scalar> margins) {
  const Vector<Scalar> direction = v.template cast<Scalar>();
  Vector<Scalar> x(comparisons.dimension());
  for (Index j = 0; j < comparisons.count(user); ++j) {
    comparisons.features->load(comparisons.column[static_cast<std::size_t>(comparisons.begin(user) + j)],
                               x.data());
    margins(j) = x.dot(direction);
  }
}

/// The prior margin scale of lowest log loss when users' own rewards, from four fifths of their comparisons,
/// judge the rest. Some users at random, at most 200 comparisons each. 1 where nothing can be held out.
template <Real Scalar, class Store>
[[nodiscard]] double choose_own_scale(const Comparisons<Store>& train, double mean_square, Scalar temperature,
                                      const ControlOptions& options, const AnyExecutor& executor) {
  constexpr std::array<double, 8> scales{0.1, 0.2, 0.5, 1, 2, 5, 10, 20};
  constexpr Index folds = 5, most = 200;
  Rng rng = make_rng(options.seed, 4);
  std::vector<Index> drawn = permutation(rng, train.users());
  drawn.resize(static_cast<std::size_t>(std::min(options.own_scale_users, train.users())));
  std::sort(drawn.begin(), drawn.end());
  Comparisons<Store> some = train.subset(drawn);
  std::vector<char> kept(static_cast<std::size_t>(some.size()), 0);
  for (Index i = 0; i < some.users(); ++i)
    std::fill_n(kept.begin() + some.begin(i), std::min(most, some.count(i)), char{1});
  some = some.filtered([&](Index p) { return kept[static_cast<std::size_t>(p)] != 0; }, true);
  if (some.empty()) return 1;
  const auto parts = make_folds(some, folds, options.seed);
  Matrix<double> loss = Matrix<double>::Zero(static_cast<Index>(scales.size()), some.users());
  executor.for_each(some.users(), [&](Index i) {
    for (const Fold<Store>& fold : parts) {
      if (fold.train.count(i) == 0 || fold.held_out.count(i) == 0) continue;
      RidgeLogistic own = own_reward<Scalar>(fold.train, i, temperature);
      Vector<Scalar> margins(fold.held_out.count(i));
      for (std::size_t s = 0; s < scales.size(); ++s) {
        margins_of_user<Scalar>(fold.held_out, i, own.fit(mean_square / (scales[s] * scales[s])), margins);
        for (const Scalar t : margins)
          loss(static_cast<Index>(s), i) += softplus(-static_cast<double>(t / temperature));
      }
    }
  });
  Index best = 0;
  const Vector<double> total = loss.rowwise().sum();
  if (!(total.minCoeff(&best) > 0)) return 1;
  return scales[static_cast<std::size_t>(best)];
}

}  // namespace detail

/// The K weights of a user id, as `weights_by_id` gives them.
template <Real Scalar>
using WeightsById = std::function<Vector<Scalar>(Index id)>;

/// Holds a personalised model against: the `reference` head (where the model has one), `Bradley-Terry`, the
/// `population mean`, `another user` (everybody judged with somebody else's weights), and a `per-user fit`:
/// each user's own training comparisons alone, v ~ N(0, I / lambda) in d dimensions with
/// lambda = mean ||x||^2 / (q tau)^2, its q the same for all users.
/// Ties, which say nobody was right, are left out of both; without anything else to judge nothing is
/// compared.
/// @param fitted_to   seen users' training, or the shots of new users
/// @param judged      comparisons to judge; users without any to fit to are judged as the population
/// @param weights_of  of the judged users
/// @throws std::invalid_argument when dimensions differ; std::domain_error on options out of range
/// @cost  a few readings of both, and for each user O(m d q + q^3), m training comparisons and
/// q = min(m, d); 40 such for each user that q is chosen on
template <Real Scalar, class Store>
[[nodiscard]] Controls compare_controls(const RewardModel<Scalar>& model,
                                        const RewardModel<Scalar>& bradley_terry,
                                        const Comparisons<Store>& fitted_to, const Comparisons<Store>& judged,
                                        const AnyExecutor& executor,
                                        const std::type_identity_t<WeightsById<Scalar>>& weights_of,
                                        const ControlOptions& options = {}) {
  options.validate();
  const Comparisons<Store> train = fitted_to.decided(), test = judged.decided();
  detail::check_size("compare_controls", "dimension of Bradley-Terry", bradley_terry.basis.dimension(),
                     model.basis.dimension());
  Controls out;
  if (test.empty()) return out;
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

  std::unordered_map<Index, Index> place;
  for (Index i = 0; i < train.users(); ++i) place[train.user[static_cast<std::size_t>(i)]] = i;
  const Scalar temperature = model.temperature;
  double mean_square = train.empty() ? 0.0 : Pass<Scalar, Store>(train, executor).mean_square();
  mean_square /= static_cast<double>(temperature) * static_cast<double>(temperature);
  if (!(mean_square > 0)) mean_square = 1;
  out.own_scale = options.own_scale
                      ? *options.own_scale
                      : detail::choose_own_scale(train, mean_square, temperature, options, executor);
  const double lambda = mean_square / (out.own_scale * out.own_scale);
  Vector<Scalar> margins(test.size());
  executor.for_each(users, [&](Index i) {
    const auto found = place.find(test.user[static_cast<std::size_t>(i)]);
    auto here = margins.segment(test.begin(i), test.count(i));
    if (found == place.end() || train.count(found->second) == 0)
      here = scored.Z.middleCols(test.begin(i), test.count(i)).transpose() * population;
    else
      detail::margins_of_user<Scalar>(
          test, i, detail::own_reward<Scalar>(train, found->second, temperature).fit(lambda), here);
  });
  const JudgedMargins<Scalar> right_or_wrong = judged_margins(test, margins);
  add("per-user fit", accuracy(right_or_wrong.margins, right_or_wrong.offset));
  return out;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Controls compare_controls(const RewardModel<float>&, const RewardModel<float>&,
                                                 const Comparisons<Features>&, const Comparisons<Features>&,
                                                 const AnyExecutor&, const WeightsById<float>&,
                                                 const ControlOptions&);
#endif

}  // namespace lore
