// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <utility>

#include "default_protocol.hpp"

namespace lore_examples {

/// The protocol under the losses that `Losses` keeps:
///   Losses::Loss                                     their type
///   losses.before(train)                             the loss to choose settings with
///   losses.at(train, candidate, fit)                 that of a candidate; fit(loss) fits it to `train`
///   losses.of(model)                                 that of a fitted model
///   losses.note(loss, model)                         writes it into the model
template <class Losses>
class DefaultProtocolOf final : public DefaultProtocol {
 public:
  using Loss = typename Losses::Loss;

  DefaultProtocolOf(const lore::Preferences<>& preferences, const lore::Threads& executor)
      : DefaultProtocol(preferences, executor), losses_(preferences, executor) {}

  lore::Selection select(const Comparisons& train, const Observer& observer) override {
    return fit_with(losses_.before(train)).select(train, observer);
  }

  lore::GuardReport guard(const Comparisons& train, lore::Selection& settings,
                          const Observer& observer) override {
    const lore::Candidate chosen = settings.at(settings.selected).candidate;
    auto fit = fit_with(loss_at(train, chosen, {}));
    fit.common_loss = loss_at(train, settings.bradley_terry, {});
    return fit.guard(train, settings, observer);
  }

  lore::JointResult<float> fit(const Comparisons& comparisons, const lore::Candidate& candidate,
                               std::uint64_t seed, const lore::FitObserver& observer) override {
    const Loss loss = loss_at(comparisons, candidate, observer);
    auto fit = fit_with(loss);
    fit.selection.seed = seed;
    auto result = fit.fit(comparisons, candidate, observer);
    losses_.note(loss, result.model);
    return result;
  }

  void heed(const lore::GuardReport& report, const Comparisons& comparisons,
            lore::JointResult<float>& result) override {
    auto fit = fit_with(losses_.of(result.model));
    if (report.population) fit.common_loss = loss_at(comparisons, *report.population, {});
    fit.heed(report, comparisons, result);
  }

  Fits adapt(const Model& model, const lore::Matrix<float>& Z, const Comparisons& comparisons) override {
    return lore::fit_users(model, Z, comparisons, executor_, losses_.of(model));
  }

  lore::CalibrationPoint calibration(const Model& model, const lore::CurveOptions& options) override {
    return lore::calibration_curve(model, preferences_, executor_, options, losses_.of(model)).front();
  }

  lore::Diagnosis diagnose(const Model& model, const Comparisons& comparisons,
                           const lore::Refits<float>& refits) override {
    return lore::diagnose(model, comparisons, executor_, refits, {}, losses_.of(model));
  }

 private:
  [[nodiscard]] lore::DefaultFit<Loss> fit_with(Loss loss) const {
    return {.loss = std::move(loss),
            .executor = executor_,
            .selection = selection,
            .joint = joint,
            .new_users = new_users};
  }

  [[nodiscard]] Loss loss_at(const Comparisons& comparisons, const lore::Candidate& candidate,
                             const lore::FitObserver& observer) {
    return losses_.at(comparisons, candidate,
                      [&](const Loss& loss) { return fit_with(loss).fit(comparisons, candidate, observer); });
  }

  Losses losses_;
};

}  // namespace lore_examples
