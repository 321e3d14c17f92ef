// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lore/data/preferences.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/figures.hpp"

#include "default_protocol.hpp"
#include "progress.hpp"
#include "results.hpp"

namespace lore_examples {

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A figure of the library as it goes into files.
[[nodiscard]] Figure converted(const lore::Figure& figure);

/// The three protocols behind one face: choose settings, fit a rank, fit new users.
class Protocol {
 public:
  struct Settings {
    std::string name;
    std::uint64_t seed = 0;
    int threads = 1;
    std::optional<Index> iterations;
    std::optional<double> cosine_alpha;
  };

  /// @param preferences  kept by reference
  /// @throws std::invalid_argument where a published protocol is to read more than plain comparisons
  Protocol(const lore::Preferences<>& preferences, Settings settings);

  [[nodiscard]] const lore::Preferences<>& preferences() const { return preferences_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const lore::Threads& executor() const { return executor_; }
  [[nodiscard]] const Comparisons& train() const { return train_; }
  [[nodiscard]] Index largest_rank() const { return std::min(train_.dimension(), train_.users()); }
  /// The protocol `regularised` needs a head to hold the columns to.
  [[nodiscard]] bool can_fit() const {
    return settings_.name != "regularised" || preferences_.reference_head.has_value();
  }
  [[nodiscard]] double selection_seconds() const { return selection_seconds_; }

  /// Chooses settings for `ranks` (1 and above) and the rank to use. Ranks may be added above the largest.
  /// @return the ranks to fit, ascending
  std::vector<Index> choose(const std::vector<Index>& ranks, bool grow, Progress& progress);
  [[nodiscard]] std::optional<Index> selected() const { return selected_; }
  /// What held-out seen users say of the rank to use (protocol `default`, above rank 1).
  [[nodiscard]] const std::optional<lore::GuardReport>& guard() const { return guard_; }

  /// One cold fit at the chosen settings; `record` is filled.
  [[nodiscard]] Model fit(Index rank, FitRecord& record, Index& columns_kept, Progress& progress);

  /// The same fit on other comparisons of the seen users, from another seed, where what the guard said
  /// holds too.
  [[nodiscard]] Model refit(const Comparisons& comparisons, Index rank, std::uint64_t seed,
                            Progress& progress) const;

  /// Unseen users under a model: the posterior under its prior, or the protocol's Adam.
  [[nodiscard]] Fits adapt(const Model& model, const lore::Matrix<float>& Z, const Comparisons& comparisons,
                           std::uint64_t trial) const;

  /// Calibration of the probabilities predicted for new users at one number of shots.
  [[nodiscard]] lore::CalibrationPoint calibration(const Model& model,
                                                   const lore::CurveOptions& options) const {
    return default_->calibration(model, options);
  }
  [[nodiscard]] lore::Diagnosis diagnose(const Model& model, const lore::Refits<float>& refits) const {
    return default_->diagnose(model, train_, refits);
  }

  /// Accuracies on all partitions. @param few_shot_seconds  what fitting the unseen users took
  [[nodiscard]] lore::FourFigures measure(const Model& model, double& few_shot_seconds) const;

 private:
  [[nodiscard]] lore::JointResult<float> fit_default(const Comparisons& comparisons, Index rank,
                                                     std::uint64_t seed, Progress& progress) const;
  template <class Fit>
  [[nodiscard]] lore::JointResult<float> run_published(Fit fit, const Comparisons& comparisons, Index rank,
                                                       std::uint64_t seed, Progress& progress) const;
  [[nodiscard]] lore::JointResult<float> fit_published(const Comparisons& comparisons, Index rank,
                                                       std::uint64_t seed, Progress& progress) const;
  void guard_new_users(Progress& progress);
  void choose_by_one_fold(const std::vector<Index>& ranks, Progress& progress);

  const lore::Preferences<>& preferences_;
  Settings settings_;
  lore::Threads executor_;
  Comparisons train_;
  std::unique_ptr<DefaultProtocol> default_;
  lore::Selection selection_;
  std::optional<lore::GuardReport> guard_;
  Index guarded_ = 0;  ///< the rank that it speaks of
  std::optional<Index> selected_;
  double selection_seconds_ = 0;
};

}  // namespace lore_examples
