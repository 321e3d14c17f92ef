// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// A new user from a few comparisons.   02_new_user [model.safetensors comparisons.npy replies.npy]
// comparisons: (m, d) rows e(chosen) - e(rejected); replies: (n, d) candidates. Without files: simulated
// ones.
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <numeric>
#include <string>
#include <vector>

#include "lore/io/model_file.hpp"
#include "lore/io/npy.hpp"
#include "lore/lore.hpp"

std::array<std::string, 3> simulated_files() {
  std::array<std::string, 3> paths{"02_model.safetensors", "02_comparisons.npy", "02_replies.npy"};
  lore::PlantedOptions population{.dimension = 32, .rank = 3, .seen_users = 60, .unseen_users = 1};
  const lore::Preferences<> preferences = lore::simulate_planted(population).preferences;
  lore::write_model(paths[0], lore::JointFit<>{}(preferences.seen_train(), lore::Rank{3}).model);
  lore::Matrix<float> X(32, 5), E(32, 8);
  const auto shots = preferences.few_shot();
  for (lore::Index j = 0; j < 5; ++j)
    preferences.features->load(shots.column[static_cast<std::size_t>(j)], X.col(j).data());
  lore::Rng rng = lore::make_rng(7);
  lore::fill_normal(rng, E);
  lore::write_npy(paths[1], lore::FeatureMatrix::own(X));
  lore::write_npy(paths[2], lore::FeatureMatrix::own(E));
  return paths;
}

lore::Matrix<float> read_columns(const std::string& path) {  // (n, d) in the file is d x n here
  const lore::FeatureMatrix table = lore::read_npy(path);
  lore::Matrix<float> columns(table.dimension(), table.count());
  for (lore::Index j = 0; j < table.count(); ++j) table.load(j, columns.col(j).data());
  return columns;
}

void run(int argc, char** argv) {
  const auto paths = argc == 4 ? std::array<std::string, 3>{argv[1], argv[2], argv[3]} : simulated_files();
  const lore::RewardModel<float> model = lore::read_model(paths[0]);
  const lore::Matrix<float> X = read_columns(paths[1]), E = read_columns(paths[2]);
  const lore::UserFit<float> user = model.weight_map == lore::WeightMapKind::simplex
                                        ? lore::FewShotFit<lore::BradleyTerry, lore::Simplex>(model)(X)
                                        : lore::FewShotFit<>(model)(X);
  const lore::Vector<float> deviation = user.covariance.diagonal().cwiseSqrt();
  for (lore::Index k = 0; k < user.weights.size(); ++k)
    std::printf("column %d: weight %5.2f, parameter %5.2f +- %.2f\n", int(k), double(user.weights(k)),
                double(user.parameters(k)), double(deviation(k)));
  const lore::Vector<float> mine = lore::rewards(model.basis, user.weights, E);
  const lore::Vector<float> typical = lore::rewards(model.basis, lore::population_weights(model), E);
  std::vector<int> order(static_cast<std::size_t>(E.cols()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return mine(a) > mine(b); });
  for (const int j : order)
    std::printf("reply %d: %6.2f for this user, %6.2f for a typical one\n", j, double(mine(j)),
                double(typical(j)));
}

int main(int argc, char** argv) {
  try {
    run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
