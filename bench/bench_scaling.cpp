// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Time and memory of a cold joint fit as the work grows: n, d, K and users, each over two orders of
// magnitude, the others held. Every point is a process of its own, so that its largest resident set is its
// own. Slopes are those of log time and log memory over the upper half of each range.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "lore/data/simulate.hpp"
#include "lore/fit/joint.hpp"

#include "bandwidth.hpp"
#include "plot.hpp"
#include <sys/resource.h>
#include <sys/wait.h>

namespace {

using lore::Index;

struct Size {
  Index n = 0, d = 0, rank = 0, users = 0;
};

/// What one process found.
struct Cost {
  double seconds = 0;         ///< the fit
  double passes = 0;          ///< evaluations over the data
  double data_megabytes = 0;  ///< features
  double peak_megabytes = 0;  ///< largest resident set, the features included
};

[[nodiscard]] Cost fit_once(const Size& size, int threads) {
  const lore::Threads executor(threads);
  const auto population = lore::simulate_planted({.dimension = size.d,
                                                  .rank = std::min<Index>(5, size.d),
                                                  .seen_users = size.users,
                                                  .seen_train = size.n / size.users,
                                                  .seen_test = 0,
                                                  .unseen_users = 0},
                                                 executor);
  lore::JointFit<> fit;
  fit.executor = executor;
  const auto train = population.preferences.seen_train();
  Cost cost;
  cost.seconds =
      bench::best_of(1, [&] { cost.passes = static_cast<double>(fit(train, lore::Rank{size.rank}).passes); });
  cost.data_megabytes = static_cast<double>(train.size() * size.d) * 4e-6;
  return cost;
}

/// The same in a child process, with its peak memory. @throws std::runtime_error when the child fails
[[nodiscard]] Cost fit_apart(const Size& size, int threads) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw std::runtime_error("bench_scaling: pipe: got an error, wanted a pipe");
  std::cout.flush();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("bench_scaling: fork: got an error, wanted a process");
  if (child == 0) {
    int status = 1;
    try {
      const Cost cost = fit_once(size, threads);
      if (::write(ends[1], &cost, sizeof cost) == static_cast<ssize_t>(sizeof cost)) status = 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "error: %s\n", error.what());
    }
    ::_exit(status);
  }
  ::close(ends[1]);
  Cost cost;
  const bool complete = ::read(ends[0], &cost, sizeof cost) == static_cast<ssize_t>(sizeof cost);
  ::close(ends[0]);
  rusage usage{};
  int status = 0;
  ::wait4(child, &status, 0, &usage);
  if (!complete || status != 0)
    throw std::runtime_error("bench_scaling: a fit of n = " + std::to_string(size.n) +
                             ", d = " + std::to_string(size.d) + " ended early");
  cost.peak_megabytes = static_cast<double>(usage.ru_maxrss) / 1024;
  return cost;
}

/// Least-squares slope of log y over log x.
[[nodiscard]] double slope(const std::vector<double>& x, const std::vector<double>& y) {
  double mx = 0, my = 0, xx = 0, xy = 0;
  const auto count = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    mx += std::log(x[i]) / count;
    my += std::log(y[i]) / count;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (std::log(x[i]) - mx) * (std::log(x[i]) - mx);
    xy += (std::log(x[i]) - mx) * (std::log(y[i]) - my);
  }
  return xy / xx;
}

/// Axes without series: each size as a share of its largest value.
[[nodiscard]] lore_examples::Chart empty_chart(const char* title, const char* y_label) {
  lore_examples::Chart chart;
  chart.title = title;
  chart.subtitle = "both scales are logarithmic";
  chart.x_label = "size, as a share of the largest one";
  chart.y_label = y_label;
  chart.axis = lore_examples::Axis::logarithmic;
  chart.x_ticks = {0.01, 0.03, 0.1, 0.3, 1};
  chart.tick_labels = {"0.01", "0.03", "0.1", "0.3", "1"};
  return chart;
}

[[nodiscard]] double slope_of_upper_half(const std::vector<double>& x, const std::vector<double>& y) {
  const auto skip = static_cast<std::ptrdiff_t>(x.size() / 2);
  return slope({x.begin() + skip, x.end()}, {y.begin() + skip, y.end()});
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("Time and memory of a cold joint fit against n, d, K and users");
  Size base{.n = 5600, .d = 1024, .rank = 5, .users = 40};
  int threads = 2, repeats = 3;
  std::string json, plot;
  app.add_option("--n", base.n, "Comparisons where they are held")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--d", base.d, "Dimension where it is held")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--rank", base.rank, "Rank where it is held")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--users", base.users, "Users where they are held")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", threads, "Threads")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--repeats", repeats, "Runs of a point, of which the shortest counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--json", json, "Write the rows to this file");
  app.add_option("--plot", plot, "Write a chart of time (SVG) to this file, of memory to NAME.memory.svg");
  CLI11_PARSE(app, argc, argv);

  struct Sweep {
    const char* name;
    std::vector<Index> values;
    Index Size::*field;
  };
  const std::vector<Sweep> sweeps{{"n", {560, 1680, 5600, 16800, 56000}, &Size::n},
                                  {"d", {64, 192, 640, 2048, 6400}, &Size::d},
                                  {"K", {1, 2, 5, 10, 20, 40, 100}, &Size::rank},
                                  {"users", {20, 60, 200, 600, 2000}, &Size::users}};
  std::cout << bench::build_description() << "\nheld at n = " << base.n << ", d = " << base.d
            << ", K = " << base.rank << ", users = " << base.users << ", " << threads << " thread(s)\n";
  nlohmann::json report{
      {"bench", "scaling"}, {"build", bench::build_description()}, {"rows", nlohmann::json::array()}};
  lore_examples::Chart time_chart = empty_chart("Time of one cold fit as the work grows", "log10 of seconds");
  lore_examples::Chart memory_chart =
      empty_chart("Memory of one cold fit as the work grows", "log10 of peak megabytes");
  int colour = 0;
  for (const Sweep& sweep : sweeps) {
    std::printf("\n%-6s %9s %7s %10s %11s %9s\n", sweep.name, "seconds", "passes", "ms a pass", "features MB",
                "peak MB");
    std::vector<double> x, seconds, memory;
    lore_examples::ChartSeries time_series, memory_series;
    time_series.colour = memory_series.colour = colour++;
    for (const Index value : sweep.values) {
      Size size = base;
      size.*sweep.field = value;
      size.users = std::max(size.users, size.rank);  // a rank needs as many users
      if (sweep.field == &Size::rank) size.users = std::max(base.users, sweep.values.back());
      Cost cost = fit_apart(size, threads);
      for (int r = 1; r < repeats; ++r)
        cost.seconds = std::min(cost.seconds, fit_apart(size, threads).seconds);
      std::printf("%-6lld %9.3f %7.0f %10.3f %11.1f %9.1f\n", static_cast<long long>(value), cost.seconds,
                  cost.passes, 1e3 * cost.seconds / cost.passes, cost.data_megabytes, cost.peak_megabytes);
      x.push_back(static_cast<double>(value));
      seconds.push_back(cost.seconds);
      memory.push_back(cost.peak_megabytes);
      const double share = static_cast<double>(value) / static_cast<double>(sweep.values.back());
      time_series.points.push_back({share, std::log10(cost.seconds)});
      memory_series.points.push_back({share, std::log10(cost.peak_megabytes)});
      report["rows"].push_back({{"axis", sweep.name},
                                {"n", size.n},
                                {"d", size.d},
                                {"rank", size.rank},
                                {"users", size.users},
                                {"threads", threads},
                                {"seconds", cost.seconds},
                                {"passes", cost.passes},
                                {"features_megabytes", cost.data_megabytes},
                                {"peak_megabytes", cost.peak_megabytes}});
    }
    const double time = slope_of_upper_half(x, seconds), room = slope_of_upper_half(x, memory);
    std::printf("slope over the upper half: time %.2f, memory %.2f\n", time, room);
    const auto named = [&](double slope) {
      char name[64];
      std::snprintf(name, sizeof name, "%s: slope %.2f", sweep.name, slope);
      return std::string(name);
    };
    time_series.name = named(time);
    memory_series.name = named(room);
    time_chart.series.push_back(std::move(time_series));
    memory_chart.series.push_back(std::move(memory_series));
    report["slopes"][sweep.name] = {{"time", time}, {"memory", room}};
  }
  if (!plot.empty()) {
    std::filesystem::path beside(plot);
    beside.replace_extension(".memory" + beside.extension().string());
    lore_examples::write_text(plot, lore_examples::svg_text(time_chart));
    lore_examples::write_text(beside, lore_examples::svg_text(memory_chart));
  }
  return bench::write_report(json, report) ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
