// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/joint.hpp"
#include "lore/fit/prior_covariance.hpp"
#include "lore/metrics/user_scores.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/cross_validation.hpp"
#include "lore/select/figures.hpp"
#include "lore/select/guard.hpp"
#include "lore/select/selection.hpp"

namespace lore {

/// The fit that chooses for itself: rank, weight map and prior margin scales by cross-validation on the
/// training comparisons (`select_settings`), then one `JointFit` at the choice. Above rank 1 a guard
/// (`guard_new_users`) holds seen users out and treats them as new: by what they show it widens or narrows
/// the prior of the weights, estimates its covariance anew, takes signed weights for simplex ones, and where
/// they are surely worse off than under Bradley-Terry at some number of shots whatever the prior, the fit
/// becomes Bradley-Terry.
///
///   const lore::DefaultFit<> fit;
///   const auto [selection, result, guard] = fit(preferences.seen_train());
///   const lore::RewardModel<float>& model = result.model;
///
/// @cost a few dozen cold fits; see `select_settings`, `guard_new_users`
template <class Loss = BradleyTerry, Real Scalar = float>
struct DefaultFit {
  Loss loss{};
  AnyExecutor executor{};
  SelectionOptions selection{};
  JointOptions joint{};
  GuardOptions new_users{};
  /// Of Bradley-Terry in the guard, where its estimates differ from `loss`.
  std::optional<Loss> common_loss{};

  struct Outcome {
    Selection selection;  ///< `selected` is 1 where the guard said so
    JointResult<Scalar> result;
    GuardReport guard;  ///< also in `result.model`, unless that became Bradley-Terry
  };

  /// @throws as `make_folds`, `JointFit`
  template <class Store>
  [[nodiscard]] Outcome operator()(const Comparisons<Store>& comparisons,
                                   const SelectionObserver& observer = {}) const {
    Outcome outcome;
    outcome.selection = select(comparisons, observer);
    outcome.guard = guard(comparisons, outcome.selection, observer);
    const Candidate chosen = outcome.selection.at(outcome.selection.selected).candidate;
    outcome.result = fit(comparisons, chosen);
    if (chosen.rank > 1) heed(outcome.guard, comparisons, outcome.result);
    return outcome;
  }

  /// Writes what a guard said into a fit: its points, its prior, Bradley-Terry's direction as the first
  /// column where `population` asks for it (signed weights), and the seen users' weights under all that. The
  /// objective, `training["objective"]` and the trace stay those of the fit before.
  /// @cost where something changes one reading of the data, or a fit of rank 1 and two; up to 20 few-shot
  /// fits of each user where the covariance is estimated
  template <class Store>
  void heed(const GuardReport& report, const Comparisons<Store>& comparisons,
            JointResult<Scalar>& result) const {
    RewardModel<Scalar>& model = result.model;
    const bool of_deviations = model.weight_map == WeightMapKind::signed_deviations,
               shared = report.population && of_deviations, estimated = report.estimated && of_deviations;
    if (report.factor == 1 && !shared && !estimated) return report.apply_to(model);
    Pass<Scalar, Store> pass(comparisons, executor);
    Matrix<Scalar> V = model.basis.matrix(), Z = pass.scores(V);
    if (estimated) model.prior.covariance = estimate_prior_covariance(model, Z, comparisons, executor, loss);
    report.apply_to(model);
    if (shared) {
      const Vector<Scalar> mean = Z.transpose() * population_weights(model);
      V.col(0) = fit_with<Signed>(comparisons, *report.population, {}, common_loss.value_or(loss))
                     .model.basis.matrix();
      const Vector<Scalar> common = pass.scores(V.leftCols(1)).row(0).transpose();
      const auto c = static_cast<Scalar>(detail::population_scale(mean, common, report.factor));
      V.col(0) *= c;
      Z.row(0) = c * common.transpose();
      model.basis = Basis<Scalar>(std::move(V));
      model.prior.mean.tail(model.prior.mean.size() - 1).setZero();
    }
    const auto fits = fit_users(model, Z, comparisons, executor, loss);
    for (Index i = 0; i < comparisons.users(); ++i) {
      const UserFit<Scalar>& user = fits[static_cast<std::size_t>(i)];
      model.weights.col(i) = user.weights;
      model.parameters.col(i) = user.parameters;
      result.covariance[static_cast<std::size_t>(i)] = user.covariance.template cast<double>();
    }
  }

  /// What new users gain over Bradley-Terry at these settings, and the prior that is best for them; nothing
  /// for rank 1, for fewer seen users than `new_users.least_users`, or when switched off.
  template <class Store>
  [[nodiscard]] GuardReport guard(const Comparisons<Store>& comparisons, const Candidate& candidate,
                                  const Candidate& bradley_terry,
                                  const SelectionObserver& observer = {}) const {
    GuardReport silent;
    silent.candidate = candidate;
    if (!new_users.enabled) return silent;
    return guard_new_users<Store, Loss, Scalar>(
        comparisons, candidate, bradley_terry, loss, common_loss.value_or(loss), executor, joint, new_users,
        selection.seed, [&] { return observer && observer(candidate); });
  }

  /// The same of the rank that a selection chose, which becomes 1 where the guard says so and 1 is among the
  /// ranks. Where it has simplex weights new users are judged under signed ones too, which are chosen if new
  /// users gain more by them, in nats a comparison, than known ones lose by cross-validation.
  template <class Store>
  [[nodiscard]] GuardReport guard(const Comparisons<Store>& comparisons, Selection& settings,
                                  const SelectionObserver& observer = {}) const {
    const Candidate chosen = settings.at(settings.selected).candidate;
    GuardReport report;
    report.candidate = chosen;
    if (settings.stopped) return report;
    report = guard(comparisons, chosen, settings.bradley_terry, observer);
    if (settings.deviations && !report.points.empty()) {
      GuardReport other =
          guard(comparisons, settings.deviations->candidate, settings.bradley_terry, observer);
      const auto worth_it = [&] {
        return paired_difference(report.loss_by_user, other.loss_by_user).mean >
               settings.deviations->log_loss - settings.at(settings.selected).log_loss;
      };
      if (!other.points.empty() && (report.loses != other.loses ? report.loses : worth_it())) {
        settings.select(*settings.deviations);
        report = std::move(other);
      }
    }
    if (report.loses && settings.ranks.front().candidate.rank == 1) settings.selected = 1;
    return report;
  }

  /// Settings for each rank and the rank to use.
  template <class Store>
  [[nodiscard]] Selection select(const Comparisons<Store>& comparisons,
                                 const SelectionObserver& observer = {}) const {
    selection.validate();
    CrossValidation<Store, Loss, Scalar> validation(comparisons, selection.folds, selection.seed, loss,
                                                    executor, joint);
    if (validation.folds() == 0) return without_folds(comparisons);
    Selection out =
        select_settings(validation, comparisons.dimension(), comparisons.users(), selection, observer);
    if (!out.ranks.empty()) return out;
    Selection nothing_scored = without_folds(comparisons);
    nothing_scored.stopped = out.stopped;
    return nothing_scored;
  }

  /// One cold fit at chosen settings.
  template <class Store>
  [[nodiscard]] JointResult<Scalar> fit(const Comparisons<Store>& comparisons, const Candidate& candidate,
                                        const FitObserver& observer = {}) const {
    return candidate.weight_map == WeightMapKind::simplex
               ? fit_with<Simplex>(comparisons, candidate, observer, loss)
               : fit_with<Signed>(comparisons, candidate, observer, loss);
  }

 private:
  template <class Map, class Store>
  [[nodiscard]] JointResult<Scalar> fit_with(const Comparisons<Store>& comparisons,
                                             const Candidate& candidate, const FitObserver& observer,
                                             const Loss& with) const {
    JointFit<Loss, Map, MarginScale, Lbfgs, Scalar> fit{
        .loss = with, .weights = {}, .regularizer = candidate.scale, .executor = executor, .options = joint};
    JointResult<Scalar> result = fit(comparisons, Rank{candidate.rank}, selection.seed, observer);
    auto& record = result.model.training;
    record["fit"] = "joint";
    record["posterior"] = std::string(name_of(joint.posterior));
    record["margin_scale_first"] = detail::to_text(candidate.scale.first);
    record["margin_scale_others"] = detail::to_text(candidate.scale.others);
    record["seed"] = detail::to_text(selection.seed);
    record["status"] = std::string(name_of(result.status));
    record["passes"] = detail::to_text(result.passes);
    record["objective"] = detail::to_text(result.objective);
    return result;
  }

  /// Nothing was held out, for want of comparisons or of time: Bradley-Terry at q = 1, and the settings asked
  /// for at the same scale.
  template <class Store>
  [[nodiscard]] Selection without_folds(const Comparisons<Store>& comparisons) const {
    Selection out;
    std::vector<Index> ranks = selection.ranks.empty() ? std::vector<Index>{1} : selection.ranks;
    const Index limit = std::min(comparisons.dimension(), comparisons.users());
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    for (const Index rank : ranks) {
      if (rank > limit)
        detail::raise_shape("DefaultFit", "rank", rank, "at most min(d, users) = " + detail::to_text(limit));
      out.ranks.push_back({{rank, WeightMapKind::signed_deviations, {1, 1}}, 0, {}});
    }
    out.selected = ranks.front();
    out.bradley_terry = {1, WeightMapKind::signed_deviations, {1, 1}};
    return out;
  }
};

}  // namespace lore
