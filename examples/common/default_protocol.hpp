// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "lore/data/preferences.hpp"
#include "lore/evaluate/calibration_curve.hpp"
#include "lore/evaluate/diagnosis.hpp"
#include "lore/evaluate/few_shot_curve.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/joint.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/default_fit.hpp"

namespace lore_examples {

using Model = lore::RewardModel<float>;
using Comparisons = lore::Comparisons<>;
using Fits = lore::UserFits<float>;

/// `lore::DefaultFit` and what is done with its models, under a loss that reads the file's answers: Bradley-
/// Terry, or ties, grades of strength, choices and flip rates (`lore::PlackettLuce` over
/// `lore::LabelNoiseByUser` over `lore::Ordinal`). The thresholds of the latter are estimated at each rank
/// from its own fit and kept in the model's training record. Each loss is compiled in a file of its own.
class DefaultProtocol {
 public:
  /// Asked before each candidate; true ends the search.
  using Observer = std::function<bool(const lore::Candidate&)>;

  /// @param preferences  kept by reference
  DefaultProtocol(const lore::Preferences<>& preferences, const lore::Threads& executor)
      : preferences_(preferences), executor_(executor) {}
  virtual ~DefaultProtocol() = default;
  DefaultProtocol(const DefaultProtocol&) = delete;
  DefaultProtocol& operator=(const DefaultProtocol&) = delete;

  lore::SelectionOptions selection{};
  lore::JointOptions joint{};
  lore::GuardOptions new_users{};

  [[nodiscard]] virtual lore::Selection select(const Comparisons& train, const Observer& observer) = 0;
  /// What held-out users say of the selected rank, which becomes 1 where they say so.
  [[nodiscard]] virtual lore::GuardReport guard(const Comparisons& train, lore::Selection& settings,
                                                const Observer& observer) = 0;
  [[nodiscard]] virtual lore::JointResult<float> fit(const Comparisons& comparisons,
                                                     const lore::Candidate& candidate, std::uint64_t seed,
                                                     const lore::FitObserver& observer) = 0;
  /// Writes what the guard said into a fit.
  virtual void heed(const lore::GuardReport& report, const Comparisons& comparisons,
                    lore::JointResult<float>& result) = 0;
  /// New users under the model's prior.
  [[nodiscard]] virtual Fits adapt(const Model& model, const lore::Matrix<float>& Z,
                                   const Comparisons& comparisons) = 0;
  [[nodiscard]] virtual lore::CalibrationPoint calibration(const Model& model,
                                                           const lore::CurveOptions& options) = 0;
  [[nodiscard]] virtual lore::Diagnosis diagnose(const Model& model, const Comparisons& comparisons,
                                                 const lore::Refits<float>& refits) = 0;

 protected:
  const lore::Preferences<>& preferences_;
  lore::Threads executor_;
};

/// Whether there are ties, different strengths, choices among several replies or flip rates: more than which
/// of two replies was preferred.
[[nodiscard]] bool says_more(const lore::Preferences<>& preferences);

/// The one whose loss reads these answers.
[[nodiscard]] std::unique_ptr<DefaultProtocol> default_protocol(const lore::Preferences<>& preferences,
                                                                const lore::Threads& executor);

/// The two of them.
[[nodiscard]] std::unique_ptr<DefaultProtocol> plain_protocol(const lore::Preferences<>& preferences,
                                                              const lore::Threads& executor);
[[nodiscard]] std::unique_ptr<DefaultProtocol> answered_protocol(const lore::Preferences<>& preferences,
                                                                 const lore::Threads& executor);

}  // namespace lore_examples
