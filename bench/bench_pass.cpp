// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// One value and gradient of the Bradley-Terry loss with respect to V, against the time that reading the
// features or multiplying them must take at least (the roofline), measured in the same run with the same
// threads.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "lore/core/random.hpp"
#include "lore/data/features.hpp"
#include "lore/data/preferences.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/threads.hpp"

#include "bandwidth.hpp"

namespace {

using lore::Index;

lore::FeatureMatrix random_features(Index d, Index n, lore::Storage storage) {
  lore::Rng rng = lore::make_rng(1);
  const auto fill = [&](auto zero) {
    using T = decltype(zero);
    Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> values(d, n);
    for (Index i = 0; i < values.size(); ++i)
      values.data()[i] = static_cast<T>(static_cast<float>(lore::uniform01<double>(rng) - 0.5));
    return lore::FeatureMatrix::own(std::move(values));
  };
  if (storage == lore::Storage::bf16) return fill(Eigen::bfloat16(0));
  if (storage == lore::Storage::f16) return fill(Eigen::half(0));
  return fill(0.0F);
}

struct Setting {
  Index n = 5600, d = 4096, users = 40;
  bool indexed = false;
};

lore::Comparisons<> comparisons_of(const Setting& setting, lore::Storage storage) {
  lore::Comparisons<> out;
  if (setting.indexed) {
    std::vector<Index> chosen, rejected;
    for (Index j = 0; j < setting.n; ++j) {
      chosen.push_back(2 * j);
      rejected.push_back(2 * j + 1);
    }
    out.features = std::make_shared<const lore::Features>(lore::Features::pairs(
        random_features(setting.d, 2 * setting.n, storage), std::move(chosen), std::move(rejected)));
  } else {
    out.features = std::make_shared<const lore::Features>(
        lore::Features::differences(random_features(setting.d, setting.n, storage)));
  }
  out.offset.push_back(0);
  for (Index i = 0; i < setting.users; ++i) {
    out.user.push_back(i);
    out.offset.push_back(setting.n * (i + 1) / setting.users);
  }
  for (Index j = 0; j < setting.n; ++j) out.column.push_back(j);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One pass (value and gradient) against the machine's roofline");
  Setting setting;
  std::vector<Index> ranks{1, 2, 3, 5, 8, 16, 50};
  std::vector<std::string> storages{"f32", "bf16"};
  std::vector<int> thread_counts{1, 2};
  int repeats = 7;
  std::string json;
  app.add_option("--n", setting.n, "Comparisons")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--d", setting.d, "Dimension")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--users", setting.users, "Users")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--ranks", ranks, "Ranks")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--storage", storages, "f32, f16, bf16")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  app.add_option("--threads", thread_counts, "Thread counts")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--repeats", repeats, "Runs, of which the shortest counts")->check(CLI::PositiveNumber);
  app.add_flag("--indexed", setting.indexed,
               "An embedding table with index pairs, each embedding in one comparison");
  app.add_option("--json", json, "Write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  nlohmann::json report{
      {"bench", "pass"}, {"build", bench::build_description()}, {"rows", nlohmann::json::array()}};
  std::cout << bench::build_description() << '\n';
  for (const std::string& name : storages) {
    const lore::Storage storage = name == "f32"   ? lore::Storage::f32
                                  : name == "f16" ? lore::Storage::f16
                                                  : lore::Storage::bf16;
    const lore::Comparisons<> comparisons = comparisons_of(setting, storage);
    const lore::FeatureMatrix& table = comparisons.features->table();
    const std::size_t bytes =
        static_cast<std::size_t>(table.dimension() * table.count()) * lore::bytes_of(storage);
    for (const int count : thread_counts) {
      const lore::Threads executor(count);
      const double bandwidth = bench::read_bandwidth(table.data(), bytes, executor, repeats);
      const double peak = bench::multiply_add_peak(executor, 3);
      std::cout << '\n'
                << name << (setting.indexed ? " indexed" : " dense") << ", " << count
                << " thread(s): " << static_cast<double>(bytes) * 1e-6 << " MB of features, read at "
                << bandwidth * 1e-9 << " GB/s, peak " << peak * 1e-9
                << " GFLOP/s\n  rank   pass ms   roofline ms   ratio\n";
      lore::Pass<float, lore::Features, lore::Threads> pass(comparisons, executor);
      for (const Index rank : ranks) {
        lore::Rng rng = lore::make_rng(2);
        lore::Matrix<float> V(setting.d, rank), gradient;
        lore::fill_normal(rng, V);
        V *= 0.01F;
        lore::Matrix<float> W =
            lore::Matrix<float>::Constant(rank, setting.users, 1.0F / static_cast<float>(rank));
        const lore::BradleyTerry loss;
        using PassType = lore::Pass<float, lore::Features, lore::Threads>;
        const auto step = [&](Index, Index, const PassType::Column& t, PassType::Column& g) {
          float value[8], curvature[8];  // a pass asks for a few margins at a time
          double sum = 0;
          for (Index j = 0; j < t.size(); j += 8) {
            const Index m = std::min<Index>(8, t.size() - j);
            Eigen::Map<lore::Vector<float>> values(value, m), slopes(g.data() + j, m),
                curvatures(curvature, m);
            lore::detail::evaluate_losses(loss, t.segment(j, m), values, slopes, curvatures);
            sum += static_cast<double>(values.sum());
          }
          return sum;
        };
        lore::Matrix<float> weight_gradient;
        const auto evaluate = [&] { pass.value_and_gradients(V, W, step, gradient, weight_gradient); };
        evaluate();
        const double seconds = bench::best_of(repeats, evaluate);
        const auto n = static_cast<double>(setting.n), d = static_cast<double>(setting.d),
                   k = static_cast<double>(rank);
        const double operations =
            std::min(4 * n * d * k, 4 * n * d + 6 * d * k * static_cast<double>(setting.users));
        const double roofline = std::max(static_cast<double>(bytes) / bandwidth, operations / peak);
        std::printf("  %4d  %8.3f      %8.3f   %5.2f\n", static_cast<int>(rank), seconds * 1e3,
                    roofline * 1e3, seconds / roofline);
        report["rows"].push_back({{"n", setting.n},
                                  {"d", setting.d},
                                  {"rank", rank},
                                  {"users", setting.users},
                                  {"storage", name},
                                  {"store", setting.indexed ? "indexed" : "dense"},
                                  {"threads", count},
                                  {"seconds", seconds},
                                  {"roofline_seconds", roofline},
                                  {"ratio", seconds / roofline}});
      }
    }
  }
  return bench::write_report(json, report) ? 0 : 1;
}
