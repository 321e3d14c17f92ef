// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// One value and gradient of the Bradley-Terry loss with respect to V, against the time that reading the
// features or multiplying them must take at least (the roofline), measured in the same run with the same
// threads.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
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
};

/// Where the vectors are: a matrix of differences; an embedding table of prompts with eight replies each, the
/// best of which one user prefers to the seven others, prompt by prompt; or pairs of any two of its rows.
enum class Layout { dense, ordered, shuffled };

lore::Comparisons<> comparisons_of(const Setting& setting, lore::Storage storage, Layout layout) {
  lore::Comparisons<> out;
  const Index n = setting.n, items = (n + 6) / 7 * 8;
  if (layout == Layout::dense) {
    out.features = std::make_shared<const lore::Features>(
        lore::Features::differences(random_features(setting.d, n, storage)));
  } else {
    lore::Rng rng = lore::make_rng(3);
    std::vector<Index> chosen, rejected;
    for (Index j = 0; j < n; ++j) {
      const bool ordered = layout == Layout::ordered;
      chosen.push_back(ordered ? j / 7 * 8 : lore::uniform_index(rng, items));
      rejected.push_back(ordered ? j / 7 * 8 + 1 + j % 7 : lore::uniform_index(rng, items));
    }
    out.features = std::make_shared<const lore::Features>(lore::Features::pairs(
        random_features(setting.d, items, storage), std::move(chosen), std::move(rejected)));
  }
  out.offset.push_back(0);
  for (Index i = 0; i < setting.users; ++i) {
    out.user.push_back(i);
    out.offset.push_back(n * (i + 1) / setting.users);
  }
  for (Index j = 0; j < n; ++j) out.column.push_back(j);
  return out;
}

using PassType = lore::Pass<float>;

/// Sum of Bradley-Terry losses of margins t, and their slopes.
template <class Slopes>
double losses(const PassType::Column& t, Slopes&& g) {
  constexpr Index some = 64;
  float value[some], curvature[some];
  double sum = 0;
  for (Index j = 0; j < t.size(); j += some) {
    const Index m = std::min(some, t.size() - j);
    Eigen::Map<lore::Vector<float>> values(value, m), slopes(g.data() + j, m), curvatures(curvature, m);
    lore::detail::evaluate_losses(lore::BradleyTerry{}, t.segment(j, m), values, slopes, curvatures);
    sum += static_cast<double>(values.sum());
  }
  return sum;
}

/// Passes with known weights (`by_user`, although the pass may choose scores where they are cheaper) and with
/// a general user step, which needs all of a user's scores before it gives slopes for each of them
/// (`scores`).
class Evaluations {
 public:
  Evaluations(PassType& pass, Index rank)
      : pass_(pass), V_(pass.comparisons().dimension(), rank), W_(rank, pass.comparisons().users()) {
    lore::Rng rng = lore::make_rng(2);
    lore::fill_normal(rng, V_);
    V_ *= 0.01F;
    W_.setConstant(1.0F / static_cast<float>(rank));
    margins_.resize(pass.comparisons().size());
    slopes_.resize(pass.comparisons().size());
  }

  void known_weights() {
    const auto step = [](Index, Index, const PassType::Column& t, PassType::Column& g) {
      return losses(t, g);
    };
    pass_.value_and_gradients(V_, W_, step, gradient_, weight_gradient_);
  }

  void general_step() {
    const auto step = [this](Index i, const PassType::ScoreBlock& Z, PassType::GradientBlock& G) {
      const Index begin = pass_.comparisons().begin(i), m = Z.cols();
      PassType::Column t(margins_.data() + begin, m), g(slopes_.data() + begin, m);
      t.noalias() = Z.transpose() * W_.col(i);
      const double value = losses(t, g);
      for (Index j = 0; j < m; ++j) G.col(j) = g(j) * W_.col(i);
      return value;
    };
    pass_.value_and_gradient(V_, step, gradient_);
  }

 private:
  PassType& pass_;
  lore::Matrix<float> V_, W_, gradient_, weight_gradient_;
  lore::Vector<float> margins_, slopes_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("One pass (value and gradient) against the machine's roofline");
  Setting setting;
  std::vector<Index> ranks{1, 2, 3, 5, 8, 16, 50};
  std::vector<std::string> storages{"f32", "bf16"}, forms{"by_user", "scores"};
  std::vector<int> thread_counts{1, 2};
  int repeats = 7;
  bool indexed = false;
  std::string json;
  app.add_option("--n", setting.n, "Comparisons")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--d", setting.d, "Dimension")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--users", setting.users, "Users")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--ranks", ranks, "Ranks")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--storage", storages, "f32, f16, bf16")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "f16", "bf16"}));
  app.add_option("--form", forms, "by_user (known weights), scores (a general user step)")
      ->delimiter(',')
      ->check(CLI::IsMember({"by_user", "scores"}));
  app.add_option("--threads", thread_counts, "Thread counts")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--repeats", repeats, "Runs, of which the shortest counts")->check(CLI::PositiveNumber);
  app.add_flag("--indexed", indexed,
               "An embedding table with index pairs: eight replies a prompt in order, and any pairs");
  app.add_option("--json", json, "Write the rows to this file");
  CLI11_PARSE(app, argc, argv);

  nlohmann::json report{
      {"bench", "pass"}, {"build", bench::build_description()}, {"rows", nlohmann::json::array()}};
  std::cout << bench::build_description() << '\n';
  const auto layouts = indexed ? std::vector{Layout::ordered, Layout::shuffled} : std::vector{Layout::dense};
  for (const std::string& name : storages)
    for (const Layout layout : layouts) {
      const lore::Storage storage = name == "f32"   ? lore::Storage::f32
                                    : name == "f16" ? lore::Storage::f16
                                                    : lore::Storage::bf16;
      const std::string order = layout == Layout::shuffled ? "shuffled" : "ordered";
      const lore::Comparisons<> comparisons = comparisons_of(setting, storage, layout);
      const lore::FeatureMatrix& table = comparisons.features->table();
      const std::size_t column = static_cast<std::size_t>(table.dimension()) * lore::bytes_of(storage);
      const std::size_t bytes = column * static_cast<std::size_t>(table.count());
      for (const int count : thread_counts) {
        const lore::Threads executor(count);
        const double bandwidth = bench::read_bandwidth(table.data(), bytes, executor, repeats);
        const double peak = bench::multiply_add_peak(executor, 3);
        std::printf("\n%s %s, %d thread(s): %.1f MB of features, read at %.1f GB/s, peak %.0f GFLOP/s\n",
                    name.c_str(), indexed ? (order + " pairs").c_str() : "dense", count,
                    static_cast<double>(bytes) * 1e-6, bandwidth * 1e-9, peak * 1e-9);
        std::printf("  form     rank   pass ms   roofline ms   ratio   MB streamed, of touched\n");
        PassType pass(comparisons, executor);
        for (const std::string& form : forms)
          for (const Index rank : ranks) {
            Evaluations evaluations(pass, rank);
            const bool known = form == "by_user";
            const auto evaluate = [&] { known ? evaluations.known_weights() : evaluations.general_step(); };
            evaluate();
            const double seconds = bench::best_of(repeats, evaluate);
            const auto touched = static_cast<double>(pass.vectors()), d = static_cast<double>(setting.d),
                       k = static_cast<double>(rank), users = static_cast<double>(setting.users);
            const double by_scores = 4 * touched * d * k, by_user = 4 * touched * d + 6 * d * k * users;
            const double operations = known ? std::min(by_scores, by_user) : by_scores;
            const double streamed = static_cast<double>(pass.vectors_streamed());
            const double roofline =
                std::max(touched * static_cast<double>(column) / bandwidth, operations / peak);
            std::printf("  %-7s  %4d  %8.3f      %8.3f   %5.2f   %11.1f, %.2f\n", form.c_str(),
                        static_cast<int>(rank), seconds * 1e3, roofline * 1e3, seconds / roofline,
                        streamed * static_cast<double>(column) * 1e-6, streamed / touched);
            report["rows"].push_back({{"n", setting.n},
                                      {"d", setting.d},
                                      {"rank", rank},
                                      {"users", setting.users},
                                      {"storage", name},
                                      {"store", indexed ? "indexed" : "dense"},
                                      {"order", order},
                                      {"form", form},
                                      {"threads", count},
                                      {"seconds", seconds},
                                      {"roofline_seconds", roofline},
                                      {"ratio", seconds / roofline},
                                      {"bandwidth", bandwidth},
                                      {"peak", peak},
                                      {"bytes_touched", touched * static_cast<double>(column)},
                                      {"bytes_streamed", streamed * static_cast<double>(column)}});
          }
      }
    }
  return bench::write_report(json, report) ? 0 : 1;
}
