// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <utility>

#include "lore/evaluate/few_shot_curve.hpp"
#include "lore/fit/few_shot_adam.hpp"
#include "lore/fit/gradient_descent.hpp"
#include "lore/io/atomic_file.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/default_fit.hpp"
#include "lore/select/figures.hpp"
#include "lore/select/folds.hpp"

#include "files.hpp"
#include "interrupt.hpp"
#include "plot.hpp"
#include "progress.hpp"
#include "results.hpp"

namespace lore_examples {
namespace {

using Model = lore::RewardModel<float>;
using Comparisons = lore::Comparisons<>;
using Fits = std::vector<lore::UserFit<float>>;

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// A figure of the library as it goes into files.
Figure converted(const lore::Figure& figure) {
  if (!figure.exists()) return no_figure(figure.missing);
  Figure out;
  out.accuracy = figure.accuracy.mean;
  out.standard_error = figure.accuracy.standard_error;
  out.users = figure.accuracy.users;
  out.ties = figure.accuracy.ties;
  return out;
}

void set_figures(RankResult& result, const lore::FourFigures& figures) {
  result.seen_train = converted(figures.seen_train);
  result.seen_test = converted(figures.seen_test);
  result.few_shot_train = converted(figures.few_shot_train);
  result.unseen_test = converted(figures.unseen_test);
}

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

  Protocol(const lore::Preferences<>& preferences, Settings settings)
      : preferences_(preferences),
        settings_(std::move(settings)),
        executor_(settings_.threads),
        train_(preferences.seen_train()) {
    default_fit_.executor = executor_;
    default_fit_.selection.seed = settings_.seed;
    if (settings_.name == "default" && settings_.iterations)
      default_fit_.joint.max_passes = *settings_.iterations;
  }

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
  std::vector<Index> choose(const std::vector<Index>& ranks, bool grow, Progress& progress) {
    if (ranks.empty()) return ranks;
    const Stopwatch watch;
    std::vector<Index> chosen = ranks;
    if (settings_.name == "default") {
      default_fit_.selection.ranks = ranks;
      default_fit_.selection.grow = grow;
      progress.begin("choosing settings by cross-validation", 0);
      std::size_t tried = 0;
      selection_ = default_fit_.select(train_, [&](const lore::Candidate& candidate) {
        progress.update(tried++, "rank " + std::to_string(candidate.rank) + ", " +
                                     std::string(lore::name_of(candidate.weight_map)));
        return interrupted();
      });
      progress.end();
      chosen.clear();
      for (const lore::RankChoice& choice : selection_.ranks) chosen.push_back(choice.candidate.rank);
      if (!selection_.ranks.empty()) selected_ = selection_.selected;
    } else {
      choose_by_one_fold(ranks, progress);
    }
    selection_seconds_ = ranks.size() == 1 && settings_.name != "default" ? 0 : watch.seconds();
    return chosen;
  }

  [[nodiscard]] std::optional<Index> selected() const { return selected_; }

  /// One cold fit at the chosen settings; `record` is filled.
  Model fit(Index rank, FitRecord& record, Index& columns_kept, Progress& progress) {
    if (rank == 0) {
      record.status = "given";
      record.objective = std::nan("");
      columns_kept = 1;
      Model model = lore::reference_model<float>(*preferences_.reference_head);
      model.dataset = preferences_.dataset;
      model.encoder = preferences_.encoder;
      return model;
    }
    const Stopwatch watch;
    auto result = settings_.name == "default" ? fit_default(rank, record, progress)
                                              : fit_published(train_, rank, settings_.seed, progress);
    record.seconds = watch.seconds();
    record.status = std::string(lore::name_of(result.status));
    record.passes = result.passes;
    record.objective = result.objective;
    for (const auto& [key, value] : result.model.training) record.options.emplace(key, value);
    record.options["protocol"] = settings_.name;
    columns_kept = result.model.basis.columns();
    Model& model = result.model;
    model.dataset = preferences_.dataset;
    model.encoder = preferences_.encoder;
    model.reference_head = preferences_.reference_head;
    model.training["protocol"] = settings_.name;
    if (!preferences_.user_names.empty())
      for (const Index id : model.user)
        model.user_names.push_back(preferences_.user_names[static_cast<std::size_t>(id)]);
    return std::move(model);
  }

  /// Unseen users under a model: MAP under its prior, or the protocol's Adam.
  [[nodiscard]] Fits adapt(const Model& model, const lore::Matrix<float>& Z, const Comparisons& comparisons,
                           std::uint64_t trial) const {
    if (settings_.name == "default" || model.rank <= 1)
      return lore::fit_users(model, Z, comparisons, executor_);
    lore::FewShotAdam<> adam(model);
    if (settings_.name == "regularised") adam.solver.options.learning_rate = 0.5;
    adam.seed = lore::derive_seed(settings_.seed, trial);
    return adam.all_from_scores(Z, comparisons, executor_);
  }

  /// Fills the figures of one rank.
  void measure(const Model& model, RankResult& result) const {
    double seconds = 0;
    const auto figures = lore::measure(model, preferences_, executor_,
                                       [&](const lore::Matrix<float>& Z, const Comparisons& comparisons) {
                                         const Stopwatch watch;
                                         Fits fits = adapt(model, Z, comparisons, 0);
                                         seconds = watch.seconds();
                                         return fits;
                                       });
    set_figures(result, figures);
    result.few_shot_seconds = seconds;
  }

 private:
  lore::JointResult<float> fit_default(Index rank, FitRecord& record, Progress& progress) {
    const lore::RankChoice& choice = selection_.at(rank);
    progress.begin("fitting rank " + std::to_string(rank), 0);
    auto result = default_fit_.fit(train_, choice.candidate, [&](const lore::FitProgress& now) {
      progress.update(static_cast<std::size_t>(now.passes), "passes");
      return interrupted();
    });
    progress.end();
    record.options["weight_map"] = std::string(lore::name_of(choice.candidate.weight_map));
    record.options["margin_scale_first"] = choice.candidate.scale.first;
    record.options["margin_scale_others"] = choice.candidate.scale.others;
    record.options["temperature"] = default_fit_.joint.temperature;
    if (selection_.candidates > 0) record.options["cross_validated_log_loss"] = choice.log_loss;
    record.options["folds"] = static_cast<std::int64_t>(default_fit_.selection.folds);
    return result;
  }

  template <class Fit>
  lore::JointResult<float> run_published(Fit fit, const Comparisons& comparisons, Index rank,
                                         std::uint64_t seed, Progress& progress) const {
    if (settings_.iterations) fit.options.iterations = *settings_.iterations;
    progress.begin("fitting rank " + std::to_string(rank), static_cast<std::size_t>(fit.options.iterations));
    auto result = fit(comparisons, lore::Rank{rank}, seed, [&](const lore::FitProgress& now) {
      progress.update(static_cast<std::size_t>(now.passes), {});
      return interrupted();
    });
    progress.end();
    result.model.training["iterations"] = std::to_string(fit.options.iterations);
    return result;
  }

  lore::JointResult<float> fit_published(const Comparisons& comparisons, Index rank, std::uint64_t seed,
                                         Progress& progress) const {
    if (settings_.name == "paper")
      return run_published(lore::paper_protocol(executor_), comparisons, rank, seed, progress);
    if (!can_fit())
      throw std::invalid_argument(
          "--protocol regularised: got a preference file without reference_head, wanted the head that the "
          "columns are held to (prepare --reference-head)");
    auto result = run_published(lore::regularised_protocol(settings_.cosine_alpha.value_or(1e4),
                                                           *preferences_.reference_head, executor_),
                                comparisons, rank, seed, progress);
    result.model.training["cosine_alpha"] = lore::detail::to_text(settings_.cosine_alpha.value_or(1e4));
    return result;
  }

  /// The published protocols have no rule for the rank: the best accuracy on one held-out fold of seen users'
  /// training comparisons decides, the smaller rank between equals.
  void choose_by_one_fold(const std::vector<Index>& ranks, Progress& progress) {
    selected_ = ranks.front();
    if (ranks.size() == 1 || train_.size() < 10) return;
    const auto folds = lore::make_folds(train_, 5, settings_.seed);
    if (folds[0].train.empty() || folds[0].held_out.empty()) return;
    double best = -1;
    for (const Index rank : ranks) {
      if (interrupted()) return;
      const auto result = fit_published(folds[0].train, rank, settings_.seed, progress);
      const lore::ScoredPartition<float> held_out(folds[0].held_out, result.model.basis, executor_);
      const auto at = [&](Index i) -> lore::Vector<float> { return result.model.weights.col(i); };
      const lore::Vector<float> population = lore::population_weights(result.model);
      const double accuracy =
          held_out.accuracy_with(lore::weights_by_id(result.model.user, at, population), "").accuracy.mean;
      if (accuracy > best) {
        best = accuracy;
        selected_ = rank;
      }
    }
  }

  const lore::Preferences<>& preferences_;
  Settings settings_;
  lore::Threads executor_;
  Comparisons train_;
  lore::DefaultFit<lore::BradleyTerry, lore::Threads> default_fit_;
  lore::Selection selection_;
  std::optional<Index> selected_;
  double selection_seconds_ = 0;
};

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

/// Unseen accuracy of rank `rank` (0 or 1) for a line in tables and plots.
std::optional<Figure> baseline(Protocol& protocol, const lore::Preferences<>& preferences, Index rank,
                               Progress& progress) {
  if (rank == 0 ? !preferences.reference_head.has_value() : protocol.train().empty()) return std::nullopt;
  if (rank == 1 && !protocol.can_fit()) return std::nullopt;
  if (rank == 1) protocol.choose({1}, false, progress);
  FitRecord record;
  Index columns = 0;
  RankResult result;
  protocol.measure(protocol.fit(rank, record, columns, progress), result);
  return result.unseen_test;
}

}  // namespace

int train_basis(const TrainOptions& options, const TrainingDefaults& defaults, std::ostream& out) {
  const lore::Preferences<> preferences = read_preferences(options.data, defaults.dataset);
  check_outputs({options.data}, {options.results, options.model, options.csv, options.plot});
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
  const auto keep = [&] {
    if (!options.results.empty()) write_results(options.results, results);
  };
  keep();
  ranks = protocol.choose(ranks, own_ranks, progress);
  results.selection_seconds = protocol.selection_seconds();
  if (!interrupted()) results.selected_rank = protocol.selected();
  if (ranks.empty() && reference && preferences.reference_head)
    results.selected_rank = 0;  // nothing else was asked for
  if (reference) ranks.insert(ranks.begin(), 0);
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
      const Model model = protocol.fit(rank, result.fit, result.columns_kept, progress);
      if (interrupted()) break;
      protocol.measure(model, result);
      if (result.columns_kept > 1) result.collapse = lore::diagnose_collapse(model);
      if (results.selected_rank == rank && !options.model.empty()) write_model(options.model, model);
    }
    results.ranks.push_back(std::move(result));
    keep();
  }
  results.complete = !interrupted();
  keep();
  out << '\n';
  print_table(out, results);
  print_collapse(out, results);
  if (!options.csv.empty()) write_csv(options.csv, results);
  if (!options.plot.empty()) write_plot(options.plot, results);
  out << '\n';
  announce(out, options.results, "results");
  announce(out, options.csv, "table");
  announce(out, options.plot, "plot");
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
  if (!interrupted()) curve.bradley_terry = baseline(protocol, preferences, 1, progress);
  if (!interrupted()) curve.reference = baseline(protocol, preferences, 0, progress);

  lore::CurveOptions settings;
  settings.shots = options.shots.empty() ? defaults.shots : options.shots;
  settings.trials = options.trials.value_or(defaults.trials);
  settings.first = options.first;
  settings.seed = options.seed;
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
          kept.trial_sd = point.trial_deviation;
          kept.seconds = point.seconds;
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
