// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors

// One cold fit and one batch of new users beside the published loop, tuned PyTorch and scikit-learn
// (published_baseline.py), on the same file, in one run; with --protocol regularised that published procedure
// here and there.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "lore/core/random.hpp"
#include "lore/data/simulate.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/gradient_descent.hpp"
#include "lore/fit/joint.hpp"
#include "lore/io/preference_file.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/select/figures.hpp"

#include "bandwidth.hpp"

namespace {

using lore::Index;
using Json = nlohmann::json;
using Fit = lore::JointFit<>;

[[nodiscard]] std::string shell_word(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// The rows that the command prints, one JSON object a line; empty when it does not run.
[[nodiscard]] std::vector<Json> rows_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  std::string text;
  for (int c = 0; pipe && (c = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
  std::vector<Json> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Json row = Json::parse(line, nullptr, false);
    if (row.is_object()) rows.push_back(std::move(row));
  }
  return rows;
}

[[nodiscard]] double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Work>
[[nodiscard]] std::vector<double> times_of(int repeats, const Work& work) {
  std::vector<double> seconds;
  for (int r = 0; r < repeats; ++r) seconds.push_back(bench::best_of(1, work));
  return seconds;
}

/// The four columns that every row has; the list of seconds becomes a median and its spread at the end.
[[nodiscard]] Json row_of(const char* work, Index rank, std::vector<double> seconds, bool projected,
                          Index passes) {
  return {{"system", "lore"},       {"work", work},    {"rank", rank}, {"seconds", std::move(seconds)},
          {"projected", projected}, {"passes", passes}};
}

/// Joint fits of the default kind, and new users with each model of rank 2 and above.
void run_default(const lore::Preferences<>& preferences, const std::vector<Index>& ranks,
                 const lore::MarginScale& scale, const lore::Threads& executor, int repeats,
                 std::vector<Json>& rows) {
  const auto train = preferences.seen_train(), shots = preferences.few_shot();
  for (const Index rank : ranks) {
    Fit fit;
    fit.regularizer = scale;
    fit.executor = executor;
    lore::JointResult<float> result;
    auto seconds = times_of(repeats, [&] { result = fit(train, lore::Rank{rank}, 0); });
    const auto adapt = [&](const auto& Z, const auto& comparisons) {
      return lore::fit_users(result.model, Z, comparisons, executor);
    };
    const auto figures = lore::measure(result.model, preferences, executor, adapt);
    rows.push_back(row_of("joint fit", rank, std::move(seconds), false, result.passes));
    rows.back()["test_accuracy"] = figures.seen_test.accuracy.mean;
    rows.back()["objective"] = result.objective;
    if (rank < 2 || shots.empty()) continue;
    const lore::FewShotFit<> few(result.model);
    lore::UserFits<float> users;
    rows.push_back(
        row_of("few-shot", rank, times_of(repeats, [&] { users = few.all(shots, executor); }), false, 1));
    rows.back()["test_accuracy"] = figures.unseen_test.accuracy.mean;
  }
}

/// The protocol `regularised`, its 20,000 iterations projected from `measured`.
void run_regularised(const lore::Preferences<>& preferences, const std::vector<Index>& ranks,
                     const lore::Threads& executor, int repeats, Index measured, std::vector<Json>& rows) {
  auto fit = lore::regularised_protocol(1e4, preferences.reference_head.value(), executor);
  const Index all = std::exchange(fit.options.iterations, measured);
  const auto train = preferences.seen_train();
  for (const Index rank : ranks) {
    auto seconds = times_of(repeats, [&] { (void)fit(train, lore::Rank{rank}, 0); });
    for (double& s : seconds) s *= static_cast<double>(all) / static_cast<double>(measured);
    rows.push_back(row_of("regularised", rank, std::move(seconds), true, all));
  }
}

struct Temporary {
  std::filesystem::path path;
  ~Temporary() {
    std::error_code ignored;
    if (!path.empty()) std::filesystem::remove(path, ignored);
  }
};

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Cold fits and new users, beside the published algorithm, tuned PyTorch and scikit-learn");
  std::string data, json, python = "python3", protocol = "default";
  std::vector<Index> ranks;
  Index measured = 200;
  int repeats = 5, threads = 0;
  double first = 1, others = 1;
  bool complete = false;
  lore::PlantedOptions planted{.dimension = 4096, .seen_users = 40, .seen_train = 140, .unseen_users = 40};
  app.add_option("--data", data, "Preference file; without it a planted population of TLDR size")
      ->check(CLI::ExistingFile);
  app.add_option("--d", planted.dimension, "Planted: dimension")->capture_default_str();
  app.add_option("--users", planted.seen_users, "Planted: seen users (40; `regularised`: 1030)");
  app.add_option("--ranks", ranks, "Ranks (1,5; `regularised`: 10)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--scale-first", first, "Prior margin scale of the first column")->capture_default_str();
  app.add_option("--scale-others", others, "Prior margin scale of the deviations")->capture_default_str();
  app.add_option("--repeats", repeats, "Runs of each, of which the median counts")
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", threads, "0: all cores")->check(CLI::NonNegativeNumber);
  app.add_option("--protocol", protocol,
                 "default; or the published `regularised`, on a population of PRISM size, K = 10, as "
                 "20,000 iterations projected from --measured here and 20 there")
      ->check(CLI::IsMember({"default", "regularised"}))
      ->capture_default_str();
  app.add_option("--measured", measured, "Iterations of `regularised` to run")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--complete", complete, "Run the published loop to its end, for its accuracy");
  app.add_option("--python", python, "Python with torch and scikit-learn")->capture_default_str();
  app.add_option("--json", json, "Write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  const bool regularised = protocol == "regularised";
  if (ranks.empty()) ranks = regularised ? std::vector<Index>{10} : std::vector<Index>{1, 5};
  if (regularised) {
    if (app.count("--users") == 0) planted.seen_users = 1030;
    planted.seen_train = 15;
    planted.seen_test = 2;
    planted.unseen_users = 0;
  }
  const lore::Threads executor(threads);
  Temporary temporary;
  if (data.empty()) {
    temporary.path = std::filesystem::temp_directory_path() /
                     ("lore_bench_" + std::to_string(::getpid()) + ".safetensors");
    data = temporary.path.string();
    auto population = lore::simulate_planted(planted, executor);
    lore::Rng rng = lore::make_rng(7);
    lore::fill_normal(rng, population.preferences.reference_head.emplace(planted.dimension));
    lore::write_preferences(temporary.path, population.preferences);
  }
  const lore::Preferences<> preferences = lore::read_preferences(data);
  const auto train = preferences.seen_train(), shots = preferences.few_shot();
  std::printf("n = %lld, d = %lld, %lld seen and %lld new users, %lld threads\n%s\n",
              static_cast<long long>(train.size()), static_cast<long long>(train.dimension()),
              static_cast<long long>(train.users()), static_cast<long long>(shots.users()),
              static_cast<long long>(executor.concurrency()), bench::build_description().c_str());

  std::vector<Json> rows;
  if (regularised)
    run_regularised(preferences, ranks, executor, repeats, measured, rows);
  else
    run_default(preferences, ranks, {first, others}, executor, repeats, rows);

  std::string list;
  for (const Index rank : ranks) list += (list.empty() ? "" : ",") + std::to_string(rank);
  const std::string script = LORE_BENCH_DIR "/published_baseline.py";
  const std::vector<Json> others_rows =
      rows_of(shell_word(python) + " " + shell_word(script) + " --data " + shell_word(data) + " --ranks " +
              list + " --repeats " + std::to_string(repeats) + " --threads " +
              std::to_string(executor.concurrency()) + " --scale-first " + std::to_string(first) +
              " --scale-others " + std::to_string(others) + (complete ? " --complete" : "") +
              (regularised ? " --protocol regularised --iterations 20000 --measured 20" : ""));
  if (others_rows.empty())
    std::printf(
        "no comparison: %s with numpy and torch did not run (Debian: python3-torch, "
        "python3-sklearn)\n",
        python.c_str());
  rows.insert(rows.end(), others_rows.begin(), others_rows.end());

  std::map<std::pair<std::string, Index>, double> ours;
  for (const Json& row : rows)
    if (row["system"] == "lore")
      ours[{row["work"], row["rank"]}] = median(row["seconds"].get<std::vector<double>>());
  std::printf("\n%-10s %4s  %-12s %10s %19s %7s %9s %9s\n", "work", "rank", "system", "seconds",
              "fastest to slowest", "passes", "accuracy", "x lore");
  for (Json& row : rows) {
    const auto seconds = row["seconds"].get<std::vector<double>>();
    const double middle = median(seconds);
    const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
    const double ratio = middle / ours.at({row["work"], row["rank"]});
    row["ratio_to_lore"] = ratio;
    const auto number = [&](const char* name, const char* format) {
      char text[32] = "-";
      if (row.contains(name) && row[name].is_number())
        std::snprintf(text, sizeof text, format, row[name].get<double>());
      return std::string(text);
    };
    std::printf("%-10s %4d  %-12s %10.4f %8.4f .. %8.4f %7s %9s %8.1f%s\n",
                row["work"].get<std::string>().c_str(), row["rank"].get<int>(),
                row["system"].get<std::string>().c_str(), middle, *least, *most,
                number("passes", "%.0f").c_str(), number("test_accuracy", "%.4f").c_str(), ratio,
                row["projected"].get<bool>() ? " (projected)" : "");
    row["fastest_seconds"] = *least;
    row["slowest_seconds"] = *most;
    row["seconds"] = middle;
  }
  return bench::write_report(json, {{"bench", "pipeline"},
                                    {"build", bench::build_description()},
                                    {"n", train.size()},
                                    {"d", train.dimension()},
                                    {"threads", executor.concurrency()},
                                    {"rows", rows}})
             ? 0
             : 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
