// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "support.hpp"

#include <cstddef>
#include <utility>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/data/shots.hpp"
#include "lore/data/simulate.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/select/figures.hpp"

namespace lore_test {

namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace

std::unique_ptr<Validation> make_validation(const lore::Comparisons<>& comparisons, Index folds,
                                            std::uint64_t seed, int threads) {
  return std::make_unique<Validation>(comparisons, folds, seed, lore::BradleyTerry{}, lore::Threads(threads),
                                      lore::JointOptions{});
}

Validation::Result score(Validation& validation, const lore::Candidate& candidate,
                         const std::function<bool()>& stop) {
  return validation(candidate, nullptr, [&] { return stop && stop(); });
}

DefaultFit default_fit(int threads) { return {.executor = lore::Threads(threads)}; }

DefaultFit::Outcome run(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                        const std::function<bool(const lore::Candidate&)>& stop) {
  return fit(comparisons, [&](const lore::Candidate& candidate) { return stop && stop(candidate); });
}

lore::RewardModel<float> fit_at(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                const lore::Candidate& candidate) {
  return fit.fit(comparisons, candidate).model;
}

lore::GuardReport guard(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                        const lore::Candidate& candidate, const lore::Candidate& bradley_terry,
                        const std::function<bool()>& stop) {
  return fit.guard(comparisons, candidate, bradley_terry,
                   [&](const lore::Candidate&) { return stop && stop(); });
}

lore::GuardReport guard(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                        lore::Selection& settings) {
  return fit.guard(comparisons, settings);
}

lore::RewardModel<float> heeded(const DefaultFit& fit, const lore::Comparisons<>& comparisons,
                                const lore::Candidate& candidate, const lore::GuardReport& report) {
  auto result = fit.fit(comparisons, candidate);
  fit.heed(report, comparisons, result);
  return std::move(result.model);
}

lore::UserScores gain_of_new_users(const lore::RewardModel<float>& model,
                                   const lore::RewardModel<float>& other,
                                   const lore::Preferences<>& preferences, Index shots) {
  const auto accuracy = [&](const lore::RewardModel<float>& one) {
    const lore::ScoredPartition<float> given(lore::first_shots(preferences.few_shot(), shots), one.basis,
                                             lore::Serial{});
    const lore::ScoredPartition<float> test(preferences.unseen_test(), one.basis, lore::Serial{});
    const auto fits = lore::fit_users(one, given.Z, given.comparisons, lore::Serial{});
    const auto weights_at = [&](Index i) -> lore::Vector<float> { return fits.weights.col(i); };
    const lore::Vector<float> unused;
    return test.accuracy_with(lore::weights_by_id(given.comparisons.user, weights_at, unused), "").accuracy;
  };
  return lore::paired_difference(accuracy(model).by_user, accuracy(other).by_user);
}

lore::Preferences<> people(Index rank, std::uint64_t seed, Index dimension) {
  const lore::PlantedOptions options{.dimension = dimension,
                                     .rank = rank,
                                     .margin_deviation = 4,
                                     .seen_users = 60,
                                     .seen_train = 80,
                                     .seen_test = 100,
                                     .unseen_users = 0,
                                     .seed = seed};
  const lore::Preferences<> all = lore::simulate_planted(options).preferences;
  // Seen users keep 20 to 80 of their training comparisons.
  lore::Preferences<> out = all;
  out.user.clear();
  out.partition.clear();
  std::vector<Index> kept, used(at(all.users), 0);
  for (Index j = 0; j < all.size(); ++j) {
    const Index i = all.user[at(j)];
    if (all.partition[at(j)] == lore::Partition::seen_train && used[at(i)]++ >= 20 + i * 61 / 60) continue;
    kept.push_back(j);
    out.user.push_back(i);
    out.partition.push_back(all.partition[at(j)]);
  }
  lore::Matrix<float> X(all.dimension(), static_cast<Index>(kept.size()));
  for (std::size_t p = 0; p < kept.size(); ++p)
    all.features->load(kept[p], X.col(static_cast<Index>(p)).data());
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  out.validate();
  return out;
}

lore::Preferences<> quiet_and_loud(std::uint64_t seed) {
  constexpr Index d = 12, quiet = 54, loud = 6, fresh = 150;
  lore::Rng rng = lore::make_rng(seed);
  lore::Vector<double> common(d);
  lore::Matrix<double> directions(d, 3);
  lore::fill_normal(rng, common);
  lore::fill_normal(rng, directions);
  lore::Preferences<> out;
  out.users = quiet + loud + fresh;
  std::vector<lore::Vector<float>> columns;
  const auto say = [&](Index user, const lore::Vector<double>& reward, Index count,
                       lore::Partition partition) {
    lore::Vector<double> x(d);
    for (Index j = 0; j < count; ++j) {
      lore::fill_normal(rng, x);
      if (!lore::bernoulli(rng, lore::sigmoid(reward.dot(x)))) x = -x;
      columns.push_back(x.cast<float>());
      out.user.push_back(user);
      out.partition.push_back(partition);
    }
  };
  for (Index i = 0; i < quiet + loud + fresh; ++i) {
    lore::Vector<double> normal(3);
    lore::fill_normal(rng, normal);
    const lore::Vector<double> reward = 0.4 * common + 0.4 * directions * normal;
    if (i < quiet + loud) {
      say(i, reward, i < quiet ? 5 : 800, lore::Partition::seen_train);
      say(i, reward, 60, lore::Partition::seen_test);
    } else {
      say(i, reward, 20, lore::Partition::unseen_few_shot);
      say(i, reward, 60, lore::Partition::unseen_test);
    }
  }
  lore::Matrix<float> X(d, static_cast<Index>(columns.size()));
  for (Index j = 0; j < X.cols(); ++j) X.col(j) = columns[at(j)];
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return out;
}

lore::Preferences<> scaled(const lore::Preferences<>& preferences, float factor) {
  lore::Matrix<float> X(preferences.dimension(), preferences.size());
  for (Index j = 0; j < preferences.size(); ++j) preferences.features->load(j, X.col(j).data());
  lore::Preferences<> out = preferences;
  X *= factor;
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return out;
}

lore::Preferences<> small(const std::vector<Index>& counts, std::uint64_t seed) {
  lore::Preferences<> out;
  out.users = static_cast<Index>(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i)
    out.user.insert(out.user.end(), at(counts[i]), static_cast<Index>(i));
  lore::Rng rng(seed);
  lore::Matrix<float> X(3, out.size());
  lore::fill_normal(rng, X);
  for (Index j = 0; j < X.cols(); ++j)
    if (!lore::bernoulli(rng, lore::sigmoid(1.5 * static_cast<double>(X(0, j) - X(1, j))))) X.col(j) *= -1;
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return out;
}

double accuracy_of_seen(const lore::RewardModel<float>& model, const lore::Comparisons<>& comparisons) {
  double sum = 0;
  lore::Vector<float> x(comparisons.dimension());
  for (Index i = 0; i < comparisons.users(); ++i) {
    Index right = 0;
    for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
      comparisons.features->load(comparisons.column[at(p)], x.data());
      right += lore::reward(model.basis, model.weights.col(i), x) > 0 ? 1 : 0;
    }
    sum += static_cast<double>(right) / static_cast<double>(comparisons.count(i));
  }
  return sum / static_cast<double>(comparisons.users());
}

}  // namespace lore_test
