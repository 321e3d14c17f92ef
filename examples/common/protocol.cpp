// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "protocol.hpp"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "lore/fit/few_shot_adam.hpp"
#include "lore/fit/gradient_descent.hpp"
#include "lore/select/folds.hpp"

#include "interrupt.hpp"

namespace lore_examples {

Figure converted(const lore::Figure& figure) {
  if (!figure.exists()) return no_figure(figure.missing);
  Figure out;
  out.accuracy = figure.accuracy.mean;
  out.standard_error = figure.accuracy.standard_error;
  out.users = figure.accuracy.users;
  out.ties = figure.accuracy.ties;
  return out;
}

Protocol::Protocol(const lore::Preferences<>& preferences, Settings settings)
    : preferences_(preferences),
      settings_(std::move(settings)),
      executor_(settings_.threads),
      train_(preferences.seen_train()),
      default_(default_protocol(preferences, executor_)) {
  default_->selection.seed = settings_.seed;
  default_->new_users.shot_unit = preferences.shot_unit;
  if (settings_.name == "default") {
    if (settings_.iterations) default_->joint.max_passes = *settings_.iterations;
  } else if (says_more(preferences)) {
    throw std::invalid_argument(
        "--protocol " + settings_.name +
        ": got a preference file with ties, grades of strength, choices among several "
        "replies or flip rates, wanted plain comparisons (--protocol default reads it)");
  }
}

std::vector<Index> Protocol::choose(const std::vector<Index>& ranks, bool grow, Progress& progress) {
  if (ranks.empty()) return ranks;
  const Stopwatch watch;
  std::vector<Index> chosen = ranks;
  if (settings_.name == "default") {
    default_->selection.ranks = ranks;
    default_->selection.grow = grow;
    progress.begin("choosing settings by cross-validation", 0);
    std::size_t tried = 0;
    const auto watched = [&](const lore::Candidate& candidate) {
      progress.update(tried++, "rank " + std::to_string(candidate.rank) + ", " +
                                   std::string(lore::name_of(candidate.weight_map)));
      return interrupted();
    };
    selection_ = default_->select(train_, watched);
    progress.end();
    chosen.clear();
    for (const lore::RankChoice& choice : selection_.ranks) chosen.push_back(choice.candidate.rank);
    if (!selection_.ranks.empty()) selected_ = selection_.selected;
    guard_new_users(progress);
  } else {
    choose_by_one_fold(ranks, progress);
  }
  selection_seconds_ = ranks.size() == 1 && settings_.name != "default" ? 0 : watch.seconds();
  return chosen;
}

void Protocol::guard_new_users(Progress& progress) {
  if (!selected_ || *selected_ < 2 || interrupted()) return;
  progress.begin("holding out users as new ones", 0);
  guard_ = default_->guard(train_, selection_, [](const lore::Candidate&) { return interrupted(); });
  progress.end();
  guarded_ = guard_->candidate.rank;
  selected_ = selection_.selected;
}

Model Protocol::fit(Index rank, FitRecord& record, Index& columns_kept, Progress& progress) {
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
  auto result = settings_.name == "default" ? fit_default(train_, rank, settings_.seed, progress)
                                            : fit_published(train_, rank, settings_.seed, progress);
  record.seconds = watch.seconds();
  record.status = std::string(lore::name_of(result.status));
  record.passes = result.passes;
  record.objective = result.objective;
  for (const auto& [key, value] : result.model.training) record.options.emplace(key, value);
  if (settings_.name == "default") {
    const lore::RankChoice& choice = selection_.at(rank);
    record.options["weight_map"] = std::string(lore::name_of(choice.candidate.weight_map));
    record.options["margin_scale_first"] = choice.candidate.scale.first;
    record.options["margin_scale_others"] = choice.candidate.scale.others;
    record.options["temperature"] = default_->joint.temperature;
    if (selection_.candidates > 0) record.options["cross_validated_log_loss"] = choice.log_loss;
    record.options["folds"] = static_cast<std::int64_t>(default_->selection.folds);
  }
  record.options["protocol"] = settings_.name;
  if (guard_ && rank == guarded_) default_->heed(*guard_, train_, result);
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

Model Protocol::refit(const Comparisons& comparisons, Index rank, std::uint64_t seed,
                      Progress& progress) const {
  if (settings_.name != "default") return fit_published(comparisons, rank, seed, progress).model;
  auto result = fit_default(comparisons, rank, seed, progress);
  if (guard_ && rank == guarded_) default_->heed(*guard_, comparisons, result);
  return std::move(result.model);
}

Fits Protocol::adapt(const Model& model, const lore::Matrix<float>& Z, const Comparisons& comparisons,
                     std::uint64_t trial) const {
  if (settings_.name == "default" || model.rank <= 1) return default_->adapt(model, Z, comparisons);
  lore::FewShotAdam<> adam(model);
  if (settings_.name == "regularised") adam.solver.options.learning_rate = 0.5;
  adam.seed = lore::derive_seed(settings_.seed, trial);
  return adam.all_from_scores(Z, comparisons, executor_);
}

lore::FourFigures Protocol::measure(const Model& model, double& few_shot_seconds) const {
  few_shot_seconds = 0;
  return lore::measure(model, preferences_, executor_,
                       [&](const lore::Matrix<float>& Z, const Comparisons& comparisons) {
                         const Stopwatch watch;
                         Fits fits = adapt(model, Z, comparisons, 0);
                         few_shot_seconds = watch.seconds();
                         return fits;
                       });
}

lore::JointResult<float> Protocol::fit_default(const Comparisons& comparisons, Index rank, std::uint64_t seed,
                                               Progress& progress) const {
  progress.begin("fitting rank " + std::to_string(rank), 0);
  const auto watch = [&](const lore::FitProgress& now) {
    progress.update(static_cast<std::size_t>(now.passes), "passes");
    return interrupted();
  };
  auto result = default_->fit(comparisons, selection_.at(rank).candidate, seed, watch);
  progress.end();
  return result;
}

template <class Fit>
lore::JointResult<float> Protocol::run_published(Fit fit, const Comparisons& comparisons, Index rank,
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

lore::JointResult<float> Protocol::fit_published(const Comparisons& comparisons, Index rank,
                                                 std::uint64_t seed, Progress& progress) const {
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
void Protocol::choose_by_one_fold(const std::vector<Index>& ranks, Progress& progress) {
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

}  // namespace lore_examples
