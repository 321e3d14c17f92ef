// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors

// New users with the basis frozen: batches from projected comparisons, one user from raw vectors beside the
// cost of reading them, and a user kept up to date. Users are drawn from the prior, comparisons from the
// model.

#include <cmath>
#include <cstdio>
#include <utility>

#include <CLI/CLI.hpp>

#include "lore/core/random.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/online_user.hpp"

#include "bandwidth.hpp"
#include <sys/resource.h>

namespace {

using lore::Index;

struct Setting {
  Index users = 1'000'000, shots = 10, rank = 5, dimension = 4096;
  int repeats = 3;
};

/// Scores of all users' comparisons (K x users * shots): standard normal times 2, negated unless chosen.
lore::Matrix<float> simulate_scores(const Setting& setting, const lore::Threads& executor) {
  lore::Matrix<float> Z(setting.rank, setting.users * setting.shots);
  executor.for_each((setting.users + 999) / 1000, [&](Index block) {
    auto rng = lore::make_rng(7, block);
    lore::Vector<double> w(setting.rank), z(setting.rank);
    for (Index i = block * 1000; i < std::min(setting.users, (block + 1) * 1000); ++i) {
      w(0) = 1;
      for (Index k = 1; k < setting.rank; ++k) w(k) = lore::normal<double>(rng);
      for (Index j = 0; j < setting.shots; ++j) {
        for (Index k = 0; k < setting.rank; ++k) z(k) = (k == 0 ? 1.0 : 0.7) * lore::normal<double>(rng);
        const bool first = lore::uniform01<double>(rng) < 1 / (1 + std::exp(-z.dot(w)));
        Z.col(i * setting.shots + j) = (first ? z : lore::Vector<double>(-z)).cast<float>();
      }
    }
  });
  return Z;
}

/// Seconds of one update of a user who holds `held` comparisons: one is added, then the oldest forgotten.
template <class Map>
double seconds_of_update(const lore::GaussianPrior<double>& prior, const lore::Matrix<double>& Z, Index held,
                         int repeats) {
  lore::OnlineUser<lore::BradleyTerry, Map> user(prior);
  user.add_all(Z.leftCols(held));
  const Index rounds = 400;
  const double seconds = bench::best_of(repeats, [&] {
    for (Index r = 0; r < rounds; ++r) {
      user.add(Z.col((held + r) % Z.cols()));
      user.keep_last(held);
    }
  });
  return seconds / static_cast<double>(2 * rounds);
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Few-shot fits: microseconds a user, and one user against the cost of reading the vectors"};
  Setting setting;
  std::string json;
  app.add_option("--users", setting.users, "users of the batch")->capture_default_str();
  app.add_option("--shots", setting.shots, "comparisons a user")->capture_default_str();
  app.add_option("--rank", setting.rank, "columns of the basis, at least 2")->capture_default_str();
  app.add_option("--dimension", setting.dimension, "d of the raw vectors")->capture_default_str();
  app.add_option("--repeats", setting.repeats, "runs, of which the best counts")->capture_default_str();
  app.add_option("--json", json, "write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  std::printf("%s\n", bench::build_description().c_str());
  nlohmann::json report{
      {"bench", "few_shot"}, {"build", bench::build_description()}, {"rows", nlohmann::json::array()}};
  auto rng = lore::make_rng(3);
  lore::Matrix<float> V(setting.dimension, setting.rank);
  for (Index k = 0; k < V.size(); ++k)
    V(k) = static_cast<float>(lore::normal<double>(rng) / std::sqrt(setting.dimension));
  lore::GaussianPrior<float> prior;
  prior.mean = lore::Vector<float>::Unit(setting.rank, 0);
  prior.covariance = lore::Matrix<float>::Identity(setting.rank, setting.rank);
  prior.covariance(0, 0) = 0;
  lore::FewShotFit<> adapt{lore::Basis<float>(V), prior};

  const lore::Matrix<float> Z = simulate_scores(setting, lore::Threads());
  lore::Comparisons<> users;
  for (Index i = 0; i < setting.users; ++i) {
    users.user.push_back(i);
    users.offset.push_back(i * setting.shots);
  }
  users.offset.push_back(setting.users * setting.shots);
  users.column.resize(static_cast<std::size_t>(setting.users * setting.shots));

  constexpr double limit_microseconds = 5, limit_seconds = 5;  // a user on one core; a million on two
  std::printf(
      "\n%lld users, %lld shots, K = %lld, from scores (V'x known); limit %.0f us a user at K = 5\n"
      "%-12s %8s %9s %12s %8s %14s\n",
      static_cast<long long>(setting.users), static_cast<long long>(setting.shots),
      static_cast<long long>(setting.rank), limit_microseconds, "posterior", "threads", "seconds",
      "us per user", "ratio", "log loss bound");
  for (const auto posterior : {lore::Posterior::variational, lore::Posterior::map})
    for (const int threads : {1, 2}) {
      adapt.posterior = posterior;
      const lore::Threads executor(threads);
      double total = 0;
      const double seconds = bench::best_of(setting.repeats, [&] {
        const auto fits = adapt.all_from_scores(Z, users, executor);
        total = fits.objective.sum();
      });
      const double each = seconds / static_cast<double>(setting.users);
      const double ratio = 1e6 * each * threads / limit_microseconds;
      std::printf("%-12s %8d %9.3f %12.2f %8.2f %14.4f\n", std::string(name_of(posterior)).c_str(), threads,
                  seconds, 1e6 * each * threads, ratio,
                  total / static_cast<double>(setting.users * setting.shots));
      report["rows"].push_back({{"work", "batch"},
                                {"posterior", name_of(posterior)},
                                {"users", setting.users},
                                {"shots", setting.shots},
                                {"rank", setting.rank},
                                {"threads", threads},
                                {"seconds", seconds},
                                {"microseconds_per_user", 1e6 * each * threads},
                                {"limit_microseconds", limit_microseconds},
                                {"ratio", ratio}});
    }
  const auto megabytes = [](Index floats) { return static_cast<double>(floats) * sizeof(float) / 1e6; };
  std::printf(
      "a million users: limit %.0f s on two threads; peak memory of this program %.0f MB, of it scores "
      "%.0f MB and results %.0f MB\n",
      limit_seconds, peak_megabytes(), megabytes(Z.size()),
      megabytes(setting.users * (setting.rank * (setting.rank + 2) + 3)));
  report["memory_megabytes"] = peak_megabytes();

  // One user at a time: vectors that no cache holds, as they come from an encoder.
  const Index many = std::max<Index>(1, 400'000'000 / (4 * setting.dimension * setting.shots));
  lore::Matrix<float> X(setting.dimension, many * setting.shots);
  for (Index j = 0; j < X.cols(); ++j)
    for (Index r = 0; r < X.rows(); ++r)
      X(r, j) = static_cast<float>(((r * 37 + j * 101) % 211) - 105) * 0.01F;
  const lore::Threads one(1);
  const double bytes = static_cast<double>(X.size()) * sizeof(float);
  const double bandwidth = bench::read_bandwidth(X.data(), static_cast<std::size_t>(bytes), one,
                                                 setting.repeats, static_cast<std::size_t>(many));
  std::printf(
      "\none user after another from raw vectors, d = %lld, one thread, read so at %.1f GB/s; limit 2 x "
      "reading\n"
      "%-12s %12s %12s %8s\n",
      static_cast<long long>(setting.dimension), bandwidth / 1e9, "posterior", "us per user", "read us",
      "ratio");
  for (const auto posterior : {lore::Posterior::variational, lore::Posterior::map}) {
    adapt.posterior = posterior;
    double total = 0;
    auto work = adapt.workspace();
    const double seconds =
        bench::best_of(setting.repeats,
                       [&] {
                         for (Index i = 0; i < many; ++i)
                           total += adapt(X.middleCols(i * setting.shots, setting.shots), work).objective;
                       }) /
        static_cast<double>(many);
    const double limit = bytes / bandwidth / static_cast<double>(many);
    std::printf("%-12s %12.2f %12.2f %8.2f\n", std::string(name_of(posterior)).c_str(), 1e6 * seconds,
                1e6 * limit, seconds / limit);
    report["rows"].push_back({{"work", "one"},
                              {"posterior", name_of(posterior)},
                              {"d", setting.dimension},
                              {"shots", setting.shots},
                              {"rank", setting.rank},
                              {"threads", 1},
                              {"seconds", seconds},
                              {"limit_seconds", limit},
                              {"ratio", seconds / limit},
                              {"check", total}});
  }

  std::printf("\na user kept up to date, K = %lld, one thread\n%-12s %8s %14s\n",
              static_cast<long long>(setting.rank), "weights", "held", "us per update");
  const lore::GaussianPrior<double> prior_of_signed{prior.mean.cast<double>(),
                                                    prior.covariance.cast<double>()};
  const lore::GaussianPrior<double> prior_of_logits{
      lore::Vector<double>::Zero(setting.rank), lore::Matrix<double>::Identity(setting.rank, setting.rank)};
  const lore::Matrix<double> answers =
      Z.leftCols(std::min<Index>(Z.cols(), setting.shots * 100)).cast<double>();
  for (const Index held : {10, 50, 200}) {
    if (held > answers.cols()) continue;
    const double of_signed = seconds_of_update<lore::Signed>(prior_of_signed, answers, held, setting.repeats);
    const double of_simplex =
        seconds_of_update<lore::Simplex>(prior_of_logits, 3 * answers, held, setting.repeats);
    for (const auto& [name, seconds] : {std::pair{"signed", of_signed}, std::pair{"simplex", of_simplex}}) {
      std::printf("%-12s %8lld %14.2f\n", name, static_cast<long long>(held), 1e6 * seconds);
      report["rows"].push_back({{"work", "update"},
                                {"weights", name},
                                {"held", held},
                                {"rank", setting.rank},
                                {"threads", 1},
                                {"seconds", seconds}});
    }
  }
  return bench::write_report(json, report) ? 0 : 1;
}
