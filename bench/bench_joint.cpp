// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// The joint fit: seconds and passes of a cold fit, how many passes until the objective is within 0.1 % of the
// best that is found, with this library's start and solver and with a random start and plain L-BFGS, and what
// selection costs beside one cold fit. The limit of a fit is its passes times one reading of the features.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "lore/core/random.hpp"
#include "lore/data/simulate.hpp"
#include "lore/fit/joint.hpp"
#include "lore/io/preference_file.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/default_fit.hpp"
#include "lore/select/figures.hpp"

#include "bandwidth.hpp"

namespace {

using lore::Index;
using Fit = lore::JointFit<>;
using Data = lore::Comparisons<>;
using DataPass = lore::Pass<float>;

struct Seen {
  Data train, test;
};

[[nodiscard]] double accuracy_of(const lore::RewardModel<float>& model, const Data& test,
                                 const lore::Threads& executor) {
  const lore::ScoredPartition<float> scored(test, model.basis, executor);
  const lore::Vector<float> population = lore::population_weights(model);
  const auto at = [&](Index i) -> lore::Vector<float> { return model.weights.col(i); };
  return scored.accuracy_with(lore::weights_by_id(model.user, at, population), "no test comparisons")
      .accuracy.mean;
}

/// What a fit knows of the features when it is told nothing: coordinates stay as they are.
[[nodiscard]] lore::PreparedFeatures<float> flat(lore::PreparedFeatures<float> prepared, Index d) {
  const double mean = prepared.mean_square / static_cast<double>(d);
  prepared.spectrum.vectors = lore::Matrix<float>::Zero(d, 1);
  prepared.spectrum.values = lore::Vector<double>::Constant(1, mean);
  prepared.spectrum.rest = mean;
  prepared.passes = 1;
  return prepared;
}

struct Run {
  lore::JointResult<float> result;
  std::vector<std::pair<Index, double>> trace;  ///< passes, objective
  double seconds = 0;
};

class Bench {
 public:
  Bench(Seen data, lore::Threads executor, lore::MarginScale scale)
      : data_(std::move(data)), executor_(std::move(executor)), scale_(scale) {}

  [[nodiscard]] const Seen& data() const { return data_; }
  [[nodiscard]] const lore::Threads& executor() const { return executor_; }

  [[nodiscard]] Fit fit(Index most) const {
    Fit out;
    out.regularizer = scale_;
    out.executor = executor_;
    out.options.max_passes = most;
    return out;
  }

  /// The library's start and solver, cold: everything from the features on is counted.
  [[nodiscard]] Run ours(Index rank, Index most, bool exact) const {
    Fit f = fit(most);
    if (exact) make_exact(f);
    return timed(
        [&](const lore::FitObserver& observer) { return f(data_.train, lore::Rank{rank}, 0, observer); });
  }

  /// A random start near zero and L-BFGS in the coordinates as they are, or whitened.
  [[nodiscard]] Run plain(Index rank, Index most, std::uint64_t seed, bool whitened, bool exact) const {
    Fit f = fit(most);
    f.options.compress = false;
    if (exact) make_exact(f);
    return timed([&](const lore::FitObserver& observer) {
      DataPass pass(data_.train, executor_);
      lore::PreparedFeatures<float> prepared = f.prepare(pass, seed);
      lore::Matrix<float> V(data_.train.dimension(), rank);
      lore::Rng rng = lore::make_rng(seed, 7);
      lore::fill_normal(rng, V);
      V *= static_cast<float>(0.05 / std::sqrt(prepared.mean_square));
      if (!whitened) prepared = flat(std::move(prepared), V.rows());
      return f.run(pass, prepared, lore::Rank{rank}, seed, observer, &V);
    });
  }

 private:
  static void make_exact(Fit& f) {
    f.solver.options.objective_tolerance = 1e-9;
    f.solver.options.relative_gradient_tolerance = 1e-8;
    f.solver.options.max_evaluations = 4000;
    f.solver.options.max_iterations = 4000;
  }

  template <class Work>
  [[nodiscard]] static Run timed(const Work& work) {
    Run run;
    const auto start = std::chrono::steady_clock::now();
    run.result = work([&](const lore::FitProgress& now) {
      run.trace.emplace_back(now.passes, now.objective);
      return false;
    });
    run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return run;
  }

  Seen data_;
  lore::Threads executor_;
  lore::MarginScale scale_;
};

/// Passes at which the final stage's objective first came within `share` of `best`; -1 when it never did.
/// Objectives of the start, which fits fewer columns, lie above.
[[nodiscard]] Index passes_within(const Run& run, double best, double share) {
  for (const auto& [passes, objective] : run.trace)
    if (objective <= best * (1 + share)) return passes;
  return -1;
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Joint fits: passes, seconds, and the objective that they reach");
  std::string data, json, curve;
  lore::PlantedOptions planted{
      .dimension = 4096, .seen_users = 40, .seen_train = 140, .seen_test = 200, .unseen_users = 0};
  std::vector<Index> ranks{1, 5};
  int threads = 0, repeats = 5;
  Index longest = 2000;
  double first = 1, others = 1;
  bool select = false, search = false;
  app.add_option("--data", data, "Preference file; without it a planted population")
      ->check(CLI::ExistingFile);
  app.add_option("--d", planted.dimension, "Planted: dimension")->capture_default_str();
  app.add_option("--users", planted.seen_users, "Planted: users")->capture_default_str();
  app.add_option("--comparisons", planted.seen_train, "Planted: comparisons a user")->capture_default_str();
  app.add_option("--seed", planted.seed, "Planted: seed")->capture_default_str();
  app.add_option("--ranks", ranks, "Ranks")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--scale-first", first, "Prior margin scale of the first column")
      ->check(CLI::PositiveNumber);
  app.add_option("--scale-others", others, "Prior margin scale of the deviations")
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", threads, "0: all cores")->check(CLI::NonNegativeNumber);
  app.add_option("--repeats", repeats, "Cold fits, of which the median time counts")
      ->check(CLI::PositiveNumber);
  app.add_flag("--select", select, "Choose rank and scales by cross-validation first, and time that");
  app.add_flag("--search", search, "Look for the best objective from several starts with --longest passes");
  app.add_option("--longest", longest, "Passes of each start of --search")->check(CLI::PositiveNumber);
  app.add_option("--curve", curve, "Write objective and test accuracy against passes to this CSV file");
  app.add_option("--json", json, "Write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  const lore::Threads executor(threads);
  Seen seen;
  if (data.empty()) {
    const auto world = lore::simulate_planted(planted, executor);
    seen = {world.preferences.seen_train(), world.preferences.seen_test()};
  } else {
    const auto preferences = lore::read_preferences(data);
    seen = {preferences.seen_train(), preferences.seen_test()};
  }
  const Index n = seen.train.size(), d = seen.train.dimension();
  const lore::FeatureMatrix& table = seen.train.features->table();
  const DataPass shape(seen.train, executor);
  const double bytes =
      static_cast<double>(shape.vectors() * d) * static_cast<double>(lore::bytes_of(table.storage()));
  const double bandwidth = bench::read_bandwidth(
      table.data(), static_cast<std::size_t>(table.count() * d) * lore::bytes_of(table.storage()), executor,
      7);
  const double reading = bytes / bandwidth;
  std::cout << "n = " << n << ", d = " << d << ", users = " << seen.train.users() << ", "
            << executor.concurrency() << " thread(s); one reading of the features takes " << reading * 1e3
            << " ms at " << bandwidth * 1e-9 << " GB/s\n"
            << bench::build_description() << '\n';
  nlohmann::json report{
      {"bench", "joint"}, {"build", bench::build_description()}, {"rows", nlohmann::json::array()}};
  lore::MarginScale scale{first, others};

  std::optional<double> selection_seconds;
  if (select) {
    lore::DefaultFit<> fit;
    fit.executor = executor;
    fit.selection.simplex = false;
    fit.selection.grow = false;
    fit.selection.ranks = {1, 2, 3, 4, 5, 6};
    const auto start = std::chrono::steady_clock::now();
    const lore::Selection selection = fit.select(seen.train);
    selection_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    scale = selection.at(ranks.back()).candidate.scale;
    std::cout << "selection of ranks 1 to 6 over five folds: " << *selection_seconds << " s, "
              << selection.candidates << " candidates, " << selection.passes << " readings of a fold; rank "
              << selection.selected << " selected; scales at rank " << ranks.back() << ": " << scale.first
              << ", " << scale.others << '\n';
  }
  const Bench bench(std::move(seen), executor, scale);

  std::ofstream curve_file;
  if (!curve.empty()) {
    curve_file.open(curve);
    curve_file << "rank,start,passes,objective,test_accuracy\n";
  }
  std::printf("\n  rank  start    passes  seconds  x reading   objective  within 0.1 %%  accuracy\n");
  for (const Index rank : ranks) {
    std::vector<double> times;
    Run ours;
    for (int r = 0; r < repeats; ++r) {
      ours = bench.ours(rank, 300, false);
      times.push_back(ours.seconds);
    }
    std::sort(times.begin(), times.end());
    const double seconds = times[times.size() / 2];
    double best = ours.result.objective;
    if (search) {
      best = std::min(best, bench.ours(rank, longest, true).result.objective);
      for (const std::uint64_t seed : {1, 2, 3})
        best = std::min(best, bench.plain(rank, longest, seed, true, true).result.objective);
    }
    const Run plain = bench.plain(rank, 300, 1, false, false);
    const auto show = [&](const char* name, const Run& run, double took) {
      const Index within = passes_within(run, best, 1e-3);
      const double accuracy = accuracy_of(run.result.model, bench.data().test, executor);
      std::printf("  %4d  %-7s  %6d  %7.3f  %9.1f  %10.2f  %12s  %8.4f\n", static_cast<int>(rank), name,
                  static_cast<int>(run.result.passes), took, took / reading, run.result.objective,
                  within < 0 ? "never" : std::to_string(within).c_str(), accuracy);
      report["rows"].push_back({{"system", "lore"},
                                {"work", std::string("joint fit, start ") + name},
                                {"rank", rank},
                                {"n", n},
                                {"d", d},
                                {"threads", executor.concurrency()},
                                {"seconds", took},
                                {"limit_seconds", reading * static_cast<double>(run.result.passes)},
                                {"ratio", took / (reading * static_cast<double>(run.result.passes))},
                                {"projected", false},
                                {"passes", run.result.passes},
                                {"objective", run.result.objective},
                                {"best_objective", best},
                                {"passes_within_0.1_percent", within},
                                {"test_accuracy", accuracy}});
    };
    show("ours", ours, seconds);
    show("random", plain, plain.seconds);
    if (search)
      std::printf("        best objective of five starts with %d passes: %.3f\n", static_cast<int>(longest),
                  best);
    if (selection_seconds) {
      std::printf("        selection took %.1f cold fits\n", *selection_seconds / seconds);
      report["rows"].push_back({{"system", "lore"},
                                {"work", "selection of ranks 1 to 6"},
                                {"seconds", *selection_seconds},
                                {"cold_fits", *selection_seconds / seconds}});
    }
    if (curve_file.is_open())
      for (const Index most : {5, 10, 15, 20, 30, 40, 60, 80, 120, 200}) {
        const auto row = [&](const char* name, const Run& run) {
          curve_file << rank << ',' << name << ',' << run.result.passes << ',' << run.result.objective << ','
                     << accuracy_of(run.result.model, bench.data().test, executor) << '\n';
        };
        row("ours", bench.ours(rank, most, false));
        row("random", bench.plain(rank, most, 1, false, false));
      }
  }
  return bench::write_report(json, report) && (!curve_file.is_open() || curve_file.flush()) ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
