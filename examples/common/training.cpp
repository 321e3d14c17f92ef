// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "training.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <utility>

#include "lore/evaluate/few_shot_curve.hpp"
#include "lore/io/atomic_file.hpp"

#include "files.hpp"
#include "findings.hpp"
#include "formatting_probe.hpp"
#include "interrupt.hpp"
#include "plot.hpp"
#include "progress.hpp"
#include "protocol.hpp"
#include "results.hpp"

namespace lore_examples {
namespace {

std::string describe(const lore::Preferences<>& preferences, const std::filesystem::path& path) {
  std::string text = path.string() + ": " + std::to_string(preferences.size()) + " comparisons, " +
                     std::to_string(preferences.users) +
                     " users, d = " + std::to_string(preferences.dimension());
  if (!preferences.encoder.empty()) text += ", " + preferences.encoder;
  return text;
}

/// Tries the places to write to before the work, so that none is lost to a typing error.
/// @throws lore::io_error where one cannot be written; std::invalid_argument where a file is named twice
void check_outputs(std::vector<std::filesystem::path> inputs,
                   const std::vector<std::filesystem::path>& outputs) {
  std::error_code ignored;
  const auto absolute = [&](const std::filesystem::path& path) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, ignored), ignored);
  };
  for (std::filesystem::path& path : inputs) path = absolute(path);
  for (const std::filesystem::path& path : outputs) {
    if (path.empty()) continue;
    const auto status = std::filesystem::status(path, ignored);
    if (std::filesystem::is_other(status)) continue;  // such as /dev/stdout
    const lore::AtomicFile probe(path);
    if (std::find(inputs.begin(), inputs.end(), absolute(path)) != inputs.end())
      throw std::invalid_argument(path.string() +
                                  ": got the same file for two purposes, wanted one for each");
    inputs.push_back(absolute(path));
  }
}

void check_rank(const char* option, Index rank, const lore::Preferences<>& preferences,
                const Protocol& protocol) {
  if (rank <= protocol.largest_rank()) return;
  throw std::invalid_argument(
      std::string(option) + ": got " + std::to_string(rank) + ", wanted at most min(d, seen users) = min(" +
      std::to_string(preferences.dimension()) + ", " + std::to_string(protocol.train().users()) +
      ") = " + std::to_string(protocol.largest_rank()));
}

template <class Report>
void announce(std::ostream& out, const std::filesystem::path& path, const Report& what) {
  if (!path.empty()) out << what << ": " << path.string() << '\n';
}

void set_figures(RankResult& result, const lore::FourFigures& figures) {
  result.seen_train = converted(figures.seen_train);
  result.seen_test = converted(figures.seen_test);
  result.few_shot_train = converted(figures.few_shot_train);
  result.unseen_test = converted(figures.unseen_test);
}

/// Unseen accuracy of rank `rank` (0 or 1) for a line in tables and plots.
std::optional<lore::Figure> baseline(Protocol& protocol, const lore::Preferences<>& preferences, Index rank,
                                     Progress& progress) {
  if (rank == 0 ? !preferences.reference_head.has_value() : protocol.train().empty()) return std::nullopt;
  if (rank == 1 && !protocol.can_fit()) return std::nullopt;
  if (rank == 1) protocol.choose({1}, false, progress);
  FitRecord record;
  Index columns = 0;
  double seconds = 0;
  return protocol.measure(protocol.fit(rank, record, columns, progress), seconds).unseen_test;
}

/// What accuracies by user gain over others of the same users.
std::optional<lore::Gain> gain_over(const lore::Figure& figure, const std::optional<lore::Figure>& other) {
  if (!other || !other->exists() || !figure.exists()) return std::nullopt;
  const auto& mine = figure.accuracy.by_user;
  const lore::UserScores difference = lore::paired_difference(mine, other->accuracy.by_user);
  const lore::Interval interval = lore::paired_bootstrap(mine, other->accuracy.by_user);
  return lore::Gain{difference.mean, difference.standard_error, interval.lower, interval.upper};
}

/// What formatting alone predicts, and a warning where the fit does no better.
void print_formatting(std::ostream& out, const FormattingProbe& formatting, const Findings& findings) {
  out << '\n';
  print(out, formatting);
  if (!findings.seen_test || findings.seen_test->personalised.mean > formatting.together.accuracy) return;
  out << "warning: rank " << findings.rank << " predicts no more than that of their test choices\n";
}

/// Bradley-Terry with settings of its own, for a sweep that has no rank 1.
Model bradley_terry(const Protocol& protocol, Progress& progress) {
  Protocol alone(protocol.preferences(), protocol.settings());
  (void)alone.choose({1}, false, progress);
  FitRecord record;
  Index columns = 0;
  return alone.fit(1, record, columns, progress);
}

}  // namespace

int train_basis(const TrainOptions& options, const TrainingDefaults& defaults, std::ostream& out) {
  const lore::Preferences<> preferences = read_preferences(options.data, defaults.dataset);
  check_outputs({options.data},
                {options.results, options.model, options.csv, options.plot, options.directions});
  out << describe(preferences, options.data) << '\n';
  Progress progress;
  Protocol protocol(preferences, {options.protocol, options.seed, options.threads, options.iterations,
                                  options.cosine_alpha});
  const bool own_ranks = options.ranks.empty();
  std::vector<Index> ranks = own_ranks ? defaults.ranks : options.ranks;
  const bool reference = std::binary_search(ranks.begin(), ranks.end(), Index{0});
  ranks.erase(std::remove(ranks.begin(), ranks.end(), Index{0}), ranks.end());
  if (protocol.train().empty() && !ranks.empty())
    throw std::invalid_argument(options.data.string() +
                                ": got no training comparisons of seen users (partition 0), wanted "
                                "some to fit a basis on");
  if (!own_ranks)
    for (const Index rank : ranks) check_rank("--ranks", rank, preferences, protocol);
  ranks.erase(
      std::remove_if(ranks.begin(), ranks.end(), [&](Index rank) { return rank > protocol.largest_rank(); }),
      ranks.end());

  Results results;
  results.dataset = preferences.dataset;
  results.protocol = options.protocol;
  results.seed = options.seed;
  results.threads = options.threads;
  results.formatting = read_formatting_probe(options.data);
  const auto keep = [&] {
    if (!options.results.empty()) write_results(options.results, results);
  };
  keep();
  ranks = protocol.choose(ranks, own_ranks, progress);
  results.selection_seconds = protocol.selection_seconds();
  results.guard = protocol.guard();
  if (!interrupted()) results.selected_rank = protocol.selected();
  if (ranks.empty() && reference && preferences.reference_head)
    results.selected_rank = 0;  // nothing else was asked for
  if (reference) ranks.insert(ranks.begin(), 0);
  std::optional<Model> selected, common;
  for (const Index rank : ranks) {
    if (interrupted()) break;
    RankResult result;
    result.rank = rank;
    if (rank == 0 && !preferences.reference_head) {
      result.seen_train = result.seen_test = result.few_shot_train = result.unseen_test =
          no_figure("the preference file has no reference_head");
      result.fit.status = "not run";
      result.fit.objective = std::nan("");
    } else {
      Model model = protocol.fit(rank, result.fit, result.columns_kept, progress);
      if (interrupted()) break;
      set_figures(result, protocol.measure(model, result.few_shot_seconds));
      if (result.columns_kept > 1) result.collapse = lore::diagnose_collapse(model);
      if (results.selected_rank == rank && !options.model.empty()) write_model(options.model, model);
      if (rank == 1) common = model;
      if (results.selected_rank == rank) selected = std::move(model);
    }
    results.ranks.push_back(std::move(result));
    keep();
  }
  if (selected && selected->rank > 0 && !interrupted()) {
    if (!common) common = bradley_terry(protocol, progress);
    if (!interrupted()) results.findings = findings_of(protocol, *selected, *common, progress);
    if (!interrupted() && !options.directions.empty())
      write_directions(options.directions, protocol, *selected);
  }
  results.complete = !interrupted();
  keep();
  out << '\n';
  print_table(out, results);
  if (results.findings) print_controls(out, *results.findings);
  if (results.findings && results.formatting) print_formatting(out, *results.formatting, *results.findings);
  if (results.guard) print_guard(out, *results.guard);
  if (results.findings) print_diagnosis(out, *results.findings);
  print_collapse(out, results);
  if (!options.csv.empty()) write_csv(options.csv, results);
  if (!options.plot.empty()) write_plot(options.plot, results);
  out << '\n';
  announce(out, options.results, "results");
  announce(out, options.csv, "table");
  announce(out, options.plot, "plot");
  if (results.findings) announce(out, options.directions, "directions");
  if (results.complete && results.selected_rank)
    announce(out, options.model, "model of rank " + std::to_string(*results.selected_rank));
  if (results.complete) return 0;
  out << "interrupted: finished ranks are kept\n";
  return interrupted_exit_code;
}

int vary_fewshot(const FewShotOptions& options, const TrainingDefaults& defaults, std::ostream& out) {
  const lore::Preferences<> preferences = read_preferences(options.data, defaults.dataset);
  check_outputs({options.data, options.model}, {options.results, options.csv, options.plot});
  out << describe(preferences, options.data) << '\n';
  Progress progress;
  FewShotCurve curve;
  curve.dataset = preferences.dataset;
  curve.protocol = options.protocol;
  curve.seed = options.seed;
  curve.threads = options.threads;
  curve.shot_unit = preferences.shot_unit == lore::ShotUnit::group ? "group" : "comparison";
  const auto keep = [&] {
    if (!options.results.empty()) write_results(options.results, curve);
  };
  // The paper's few-shot curves rest on 500 iterations.
  std::optional<Index> iterations = options.iterations;
  if (!iterations && options.protocol == "paper") iterations = 500;
  Protocol protocol(preferences, {options.protocol, options.seed, options.threads, iterations, std::nullopt});
  Model model;
  if (!options.model.empty()) {
    model = read_model(options.model);
    if (model.basis.dimension() != preferences.dimension())
      throw std::invalid_argument(
          options.model.string() + ": got a model of d = " + std::to_string(model.basis.dimension()) +
          ", wanted d = " + std::to_string(preferences.dimension()) + " as in " + options.data.string());
    if (const auto warning = check_compatible(model, preferences)) out << "warning: " << *warning << '\n';
  } else {
    const Index rank =
        options.rank.value_or(std::min(defaults.curve_rank, std::max<Index>(protocol.largest_rank(), 1)));
    if (rank == 0 && !preferences.reference_head)
      throw std::invalid_argument(
          "--rank: got 0 with a preference file without reference_head, wanted 1 or above");
    if (rank > 0 && protocol.train().empty())
      throw std::invalid_argument(options.data.string() +
                                  ": got no training comparisons of seen users, wanted some or a --model");
    if (rank > 0) check_rank("--rank", rank, preferences, protocol);
    if (rank > 0) protocol.choose({rank}, false, progress);
    FitRecord record;
    Index columns = 0;
    model = protocol.fit(rank, record, columns, progress);
  }
  curve.rank = model.rank;
  keep();
  std::optional<lore::Figure> common, reference;
  if (!interrupted()) common = baseline(protocol, preferences, 1, progress);
  if (!interrupted()) reference = baseline(protocol, preferences, 0, progress);
  if (common) curve.bradley_terry = converted(*common);
  if (reference) curve.reference = converted(*reference);

  lore::CurveOptions settings;
  settings.shots = options.shots.empty() ? defaults.shots : options.shots;
  settings.trials = options.trials.value_or(defaults.trials);
  settings.first = options.first;
  settings.seed = options.seed;
  // The published protocols have points for weights, not posteriors.
  const bool calibrated = options.protocol == "default" && !preferences.unseen_test().empty();
  progress.begin("few-shot curve", settings.shots.size());
  if (!interrupted())
    (void)lore::few_shot_curve(
        model, preferences, protocol.executor(), settings,
        [&](const lore::Matrix<float>& Z, const Comparisons& comparisons, Index trial) {
          return protocol.adapt(model, Z, comparisons, static_cast<std::uint64_t>(trial));
        },
        [&](const lore::CurvePoint& point) {
          CurvePoint kept;
          kept.shots = point.shots;
          kept.users_with_at_least = point.users_with_at_least;
          kept.few_shot_train = converted(point.few_shot_train);
          kept.unseen_test = converted(point.unseen_test);
          kept.gain = gain_over(point.unseen_test, common);
          kept.trial_sd = point.trial_deviation;
          kept.seconds = point.seconds;
          if (calibrated) {
            lore::CurveOptions one = settings;
            one.shots = {point.shots};
            kept.calibration = protocol.calibration(model, one);
          }
          curve.points.push_back(std::move(kept));
          progress.advance();
          keep();
          return interrupted();
        });
  progress.end();
  curve.complete = !interrupted();
  keep();
  out << '\n';
  print_table(out, curve);
  print_calibration(out, curve);
  if (!options.csv.empty()) write_csv(options.csv, curve);
  if (!options.plot.empty()) write_plot(options.plot, curve);
  out << '\n';
  announce(out, options.results, "results");
  announce(out, options.csv, "table");
  announce(out, options.plot, "plot");
  if (curve.complete) return 0;
  out << "interrupted: finished points are kept\n";
  return interrupted_exit_code;
}

}  // namespace lore_examples
