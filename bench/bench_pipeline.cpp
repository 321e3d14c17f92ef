// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors

// One cold fit and one batch of new users beside the published loop, tuned PyTorch and scikit-learn
// (published_baseline.py), on the same file, in one run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "lore/data/simulate.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/joint.hpp"
#include "lore/io/preference_file.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/select/figures.hpp"

#include "bandwidth.hpp"

namespace {

using lore::Index;
using Json = nlohmann::json;
using Fit = lore::JointFit<lore::BradleyTerry, lore::Signed, lore::MarginScale, lore::Lbfgs, lore::Threads>;

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
  std::string data, json, python = "python3";
  std::vector<Index> ranks{1, 5};
  int repeats = 5, threads = 0;
  double first = 1, others = 1;
  bool complete = false;
  lore::PlantedOptions planted{.dimension = 4096, .seen_users = 40, .seen_train = 140, .unseen_users = 40};
  app.add_option("--data", data, "Preference file; without it a planted population of TLDR size")
      ->check(CLI::ExistingFile);
  app.add_option("--d", planted.dimension, "Planted: dimension")->capture_default_str();
  app.add_option("--users", planted.seen_users, "Planted: seen users")->capture_default_str();
  app.add_option("--ranks", ranks, "Ranks")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--scale-first", first, "Prior margin scale of the first column")->capture_default_str();
  app.add_option("--scale-others", others, "Prior margin scale of the deviations")->capture_default_str();
  app.add_option("--repeats", repeats, "Runs of each, of which the median counts")
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", threads, "0: all cores")->check(CLI::NonNegativeNumber);
  app.add_flag("--complete", complete, "Run the published loop to its end, for its accuracy");
  app.add_option("--python", python, "Python with torch and scikit-learn")->capture_default_str();
  app.add_option("--json", json, "Write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  const lore::Threads executor(threads);
  Temporary temporary;
  if (data.empty()) {
    temporary.path = std::filesystem::temp_directory_path() /
                     ("lore_bench_" + std::to_string(::getpid()) + ".safetensors");
    data = temporary.path.string();
    lore::write_preferences(temporary.path, lore::simulate_planted(planted, executor).preferences);
  }
  const lore::Preferences<> preferences = lore::read_preferences(data);
  const auto train = preferences.seen_train(), shots = preferences.few_shot();
  std::printf("n = %lld, d = %lld, %lld seen and %lld new users, %lld threads\n%s\n",
              static_cast<long long>(train.size()), static_cast<long long>(train.dimension()),
              static_cast<long long>(train.users()), static_cast<long long>(shots.users()),
              static_cast<long long>(executor.concurrency()), bench::build_description().c_str());

  std::vector<Json> rows;
  for (const Index rank : ranks) {
    Fit fit;
    fit.regularizer = {first, others};
    fit.executor = executor;
    lore::JointResult<float> result;
    const auto seconds = times_of(repeats, [&] { result = fit(train, lore::Rank{rank}, 0); });
    std::vector<lore::UserFit<float>> users;
    const auto adapt = [&](const auto& Z, const auto& comparisons) {
      return lore::fit_users(result.model, Z, comparisons, executor);
    };
    const auto figures = lore::measure(result.model, preferences, executor, adapt);
    rows.push_back({{"system", "lore"},
                    {"work", "joint fit"},
                    {"rank", rank},
                    {"seconds", seconds},
                    {"projected", false},
                    {"passes", result.passes},
                    {"test_accuracy", figures.seen_test.accuracy.mean},
                    {"objective", result.objective}});
    if (rank < 2 || shots.empty()) continue;
    const lore::FewShotFit<> few(result.model);
    const auto adapting = times_of(repeats, [&] { users = few.all(shots, executor); });
    rows.push_back({{"system", "lore"},
                    {"work", "few-shot"},
                    {"rank", rank},
                    {"seconds", adapting},
                    {"projected", false},
                    {"passes", 1},
                    {"test_accuracy", figures.unseen_test.accuracy.mean}});
  }

  std::string list;
  for (const Index rank : ranks) list += (list.empty() ? "" : ",") + std::to_string(rank);
  const std::filesystem::path script =
      std::filesystem::path(__FILE__).parent_path() / "published_baseline.py";
  const std::vector<Json> others_rows =
      rows_of(shell_word(python) + " " + shell_word(script.string()) + " --data " + shell_word(data) +
              " --ranks " + list + " --repeats " + std::to_string(repeats) + " --threads " +
              std::to_string(executor.concurrency()) + " --scale-first " + std::to_string(first) +
              " --scale-others " + std::to_string(others) + (complete ? " --complete" : ""));
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
