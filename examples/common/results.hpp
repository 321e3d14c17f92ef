// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lore/core/types.hpp"
#include "lore/evaluate/calibration_curve.hpp"
#include "lore/evaluate/diagnosis.hpp"
#include "lore/model/guard.hpp"
#include "lore/select/guard.hpp"

#include "findings.hpp"
#include "formatting_probe.hpp"

namespace lore_examples {

using lore::Index;

/// One accuracy with its uncertainty, or the reason why there is none.
struct Figure {
  std::optional<double> accuracy;  ///< mean over users, 0 .. 1; empty: there is no such figure
  double standard_error = 0;       ///< over users; NaN with a single user
  Index users = 0;
  double ties = 0;     ///< share of comparisons with a margin of exactly 0, which count as wrong
  std::string reason;  ///< why there is no accuracy
};

/// A figure that does not exist.
[[nodiscard]] Figure no_figure(std::string reason);

/// An option of a fit as it goes into a results file.
using OptionValue = std::variant<bool, std::int64_t, double, std::string>;

/// How one basis was fitted.
struct FitRecord {
  std::string status;       ///< converged, iteration limit, stopped, ..
  std::int64_t passes = 0;  ///< evaluations of value and gradient over the data
  double objective = 0;     ///< NaN where there is none (K = 0)
  double seconds = 0;       ///< one cold fit at the chosen settings
  std::map<std::string, OptionValue> options;
};

/// One line of the table: one rank.
struct RankResult {
  Index rank = 0;
  Figure seen_train;
  Figure seen_test;
  Figure few_shot_train;
  Figure unseen_test;
  Index columns_kept = 0;                           ///< columns left after pruning
  std::optional<lore::CollapseDiagnosis> collapse;  ///< of the columns kept, with two or more
  FitRecord fit;
  double few_shot_seconds = 0;
};

/// What `train_basis` found; the file is {"format": "lore.results", "version": 1, ..}.
struct Results {
  bool complete = false;  ///< false until the last rank is done
  std::string dataset;
  std::string protocol;
  std::uint64_t seed = 0;
  int threads = 1;
  std::optional<Index> selected_rank;
  double selection_seconds = 0;
  std::vector<RankResult> ranks;
  std::optional<Findings> findings;           ///< of the selected rank
  std::optional<FormattingProbe> formatting;  ///< as `prepare` noted it
  std::optional<lore::GuardReport> guard;     ///< of the rank to use
};

/// One number of shots of a few-shot curve.
struct CurvePoint {
  Index shots = 0;
  Index users_with_at_least = 0;
  Figure few_shot_train;
  Figure unseen_test;
  std::optional<lore::Gain> gain;                     ///< of unseen_test over Bradley-Terry
  std::optional<lore::CalibrationPoint> calibration;  ///< of predicted probabilities on unseen_test
  double trial_sd = 0;  ///< deviation over trials of the mean accuracy; NaN with one trial
  double seconds = 0;
};

/// What `vary_fewshot` found; the file is {"format": "lore.few_shot_curve", "version": 1, ..}.
struct FewShotCurve {
  bool complete = false;
  std::string dataset;
  std::string protocol;
  std::uint64_t seed = 0;
  int threads = 1;
  Index rank = 0;
  std::vector<CurvePoint> points;
  std::string shot_unit = "comparison";  ///< for tables and plots
  std::optional<Figure> bradley_terry;   ///< unseen test at rank 1, for tables and plots
  std::optional<Figure> reference;       ///< unseen test at rank 0, for tables and plots
};

/// The JSON text; peak memory is taken at the time of the call.
[[nodiscard]] std::string json_text(const Results& results);
[[nodiscard]] std::string json_text(const FewShotCurve& curve);

/// Writes the JSON file, as often as one likes: each call replaces the file as a whole or leaves it as it
/// was.
/// @throws lore::io_error when it cannot be written
void write_results(const std::filesystem::path& path, const Results& results);
void write_results(const std::filesystem::path& path, const FewShotCurve& curve);

/// One line a rank with a header line: the four figures with standard errors, users and ties.
/// @throws lore::io_error when it cannot be written
void write_csv(const std::filesystem::path& path, const Results& results);
void write_csv(const std::filesystem::path& path, const FewShotCurve& curve);

/// Aligned columns, accuracies in percent as `mean +- standard error`; `*` marks the selected rank.
void print_table(std::ostream& out, const Results& results);
void print_table(std::ostream& out, const FewShotCurve& curve);

/// What held-out seen users, treated as new, gained over Bradley-Terry by number of shots.
void print_guard(std::ostream& out, const lore::GuardReport& guard);

/// Log loss, Brier score and calibration error by number of shots, averaged over the posterior and plugged
/// in.
void print_calibration(std::ostream& out, const FewShotCurve& curve);

/// For every rank with two or more columns: how far they have fallen together and how users spread over them.
void print_collapse(std::ostream& out, const Results& results);

/// "+3.4 (+2.6 to +4.2)", in points of accuracy.
[[nodiscard]] std::string gain_text(const lore::Gain& gain);

/// A table: columns as wide as their widest cell, the first one to the left, the others to the right, a rule
/// below the first row. @param rows  at least one, all of one length
void print_columns(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

/// Replaces `path` by `content` as a whole: a reader sees the old file or the new one, and no half-written
/// one stays behind. @throws lore::io_error with the reason
void write_text(const std::filesystem::path& path, const std::string& content);

/// Largest resident set of this process so far, in bytes.
[[nodiscard]] std::int64_t peak_memory_bytes();

}  // namespace lore_examples
