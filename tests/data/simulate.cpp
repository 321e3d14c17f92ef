// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/data/simulate.hpp"

#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lore_catch.hpp"

using lore::FeatureMatrix;
using lore::Features;
using lore::Index;
using lore::Matrix;
using lore::Partition;
using lore::PlantedOptions;
using lore::Storage;
using lore::Vector;
using lore_test::Approx;

namespace {

PlantedOptions small() {
  return {.dimension = 40,
          .strong = 10,
          .seen_users = 30,
          .seen_train = 12,
          .seen_test = 50,
          .unseen_users = 20,
          .unseen_shots = 9,
          .unseen_test = 40,
          .seed = 7};
}

template <class Store>
Matrix<double> all_features(const Store& store) {
  Matrix<double> X(store.dimension(), store.size());
  for (Index j = 0; j < store.size(); ++j) store.load(j, X.col(j).data());
  return X;
}

/// Bodies in reverse order: results may not depend on who runs first.
struct Backwards {
  [[nodiscard]] int concurrency() const { return 1; }
  template <class Body>
  void for_each(Index count, Body&& body) const {
    for (Index i = count; i-- > 0;) body(i);
  }
};

/// Six prompts of two or three responses with two reward models; the last two prompts test.
lore::ScoredResponses six_prompts() {
  lore::ScoredResponses out;
  out.prompt_offset = {0, 2, 5, 8, 10, 12, 15};
  out.is_test = {0, 0, 0, 0, 1, 1};
  out.scores.resize(2, 15);
  lore::Rng rng = lore::make_rng(8);
  lore::fill_normal(rng, out.scores);
  return out;
}

FeatureMatrix fifteen_items() { return FeatureMatrix::own(Matrix<float>(Matrix<float>::Random(3, 15))); }

}  // namespace

TEST_CASE("the planted population has the users and partitions asked for", "[simulate]") {
  const lore::PlantedPopulation population = lore::simulate_planted(small());
  const auto& p = population.preferences;
  REQUIRE_NOTHROW(p.validate());
  CHECK(p.size() == 30 * 62 + 20 * 49);
  CHECK(p.users == 50);
  CHECK(p.dimension() == 40);
  CHECK(p.seen_train().users() == 30);
  CHECK(p.seen_train().count(3) == 12);
  CHECK(p.seen_test().count(3) == 50);
  CHECK(p.few_shot().users() == 20);
  CHECK(p.few_shot().count(0) == 9);
  CHECK(p.unseen_test().count(0) == 40);
  CHECK(population.directions.rows() == 40);
  CHECK(population.directions.cols() == 5);
  CHECK(population.weights.cols() == 50);
  CHECK(population.weights.minCoeff() >= 0);
  for (Index i = 0; i < 50; ++i) CHECK(population.weights.col(i).sum() == Approx(1));
}

TEST_CASE("the planted features and directions have the spectrum that is stated", "[simulate]") {
  PlantedOptions options = small();
  options.seen_test = 200;
  const lore::PlantedPopulation population = lore::simulate_planted(options);
  const Matrix<double> X = all_features(*population.preferences.features);
  const Vector<double> square = X.rowwise().squaredNorm() / static_cast<double>(X.cols());
  CHECK(std::sqrt(square.mean()) == Approx(0.8).epsilon(0.02));
  CHECK(std::sqrt(square(0) / square(15)) == Approx(std::pow(16, 0.7)).epsilon(0.05));
  const Vector<double> margin_square =
      (X.transpose() * population.directions).colwise().squaredNorm() / static_cast<double>(X.cols());
  CHECK(std::sqrt(margin_square.mean()) == Approx(8).epsilon(0.03));
  const Matrix<double>& B = population.directions;
  const double strong = B.topRows(10).squaredNorm() / 10;
  const double weak = B.bottomRows(30).squaredNorm() / 30;
  CHECK(std::sqrt(weak / strong) == Approx(0.1).epsilon(0.35));
  // Directions share a part: 0.36 / 1.36 of their variance.
  PlantedOptions wide = small();
  wide.dimension = 4000;
  wide.strong = 4000;
  wide.seen_users = wide.unseen_users = 0;
  const Matrix<double> many = lore::simulate_planted(wide).directions;
  CHECK(many.col(0).dot(many.col(1)) / (many.col(0).norm() * many.col(1).norm()) ==
        Approx(0.36 / 1.36).margin(0.06));
}

TEST_CASE("planted users choose by their own reward, with Bradley-Terry noise", "[simulate]") {
  PlantedOptions options = small();
  options.margin_deviation = 2;
  options.seen_test = 400;
  const lore::PlantedPopulation population = lore::simulate_planted(options);
  const auto& p = population.preferences;
  const Matrix<double> X = all_features(*p.features);
  double right = 0;
  double expected = 0;
  for (Index j = 0; j < p.size(); ++j) {
    const double margin =
        X.col(j).dot(population.directions * population.weights.col(p.user[static_cast<std::size_t>(j)]));
    right += margin > 0 ? 1 : 0;
    expected += lore::sigmoid(std::abs(margin));
  }
  const auto n = static_cast<double>(p.size());
  CHECK(right / n == Approx(expected / n).margin(4 * 0.5 / std::sqrt(n)));
  CHECK(right / n < 0.9);
  // Comparisons are not all on one side of the origin by construction.
  CHECK(X.rowwise().mean().norm() < X.col(0).norm());
}

TEST_CASE("seed and options fix the population, whatever runs it and however much is tested", "[simulate]") {
  const lore::PlantedPopulation population = lore::simulate_planted(small());
  const Matrix<double> X = all_features(*population.preferences.features);
  CHECK(all_features(*lore::simulate_planted(small(), Backwards{}).preferences.features) == X);
  PlantedOptions other = small();
  other.seed = 8;
  CHECK(all_features(*lore::simulate_planted(other).preferences.features) != X);
  PlantedOptions shorter = small();
  shorter.seen_test = 3;
  shorter.unseen_test = 2;
  const auto trimmed = lore::simulate_planted(shorter).preferences;
  const auto full_train = population.preferences.seen_train();
  const auto trimmed_train = trimmed.seen_train();
  REQUIRE(full_train.size() == trimmed_train.size());
  const Matrix<double> Y = all_features(*trimmed.features);
  for (std::size_t j = 0; j < full_train.column.size(); ++j)
    CHECK(X.col(full_train.column[j]) == Y.col(trimmed_train.column[j]));
}

TEST_CASE("planted features in half the bytes", "[simulate]") {
  const Matrix<double> X = all_features(*lore::simulate_planted(small()).preferences.features);
  for (const Storage storage : {Storage::bf16, Storage::f16}) {
    PlantedOptions options = small();
    options.storage = storage;
    const auto p = lore::simulate_planted(options).preferences;
    CHECK(p.features->table().storage() == storage);
    const Matrix<double> Y = all_features(*p.features);
    // The same draws, rounded; a rounded margin may turn a comparison round only in a near tie.
    Index same = 0;
    for (Index j = 0; j < X.cols(); ++j)
      same += (X.col(j) - Y.col(j)).norm() < 0.01 * X.col(j).norm() ? 1 : 0;
    CHECK(static_cast<double>(same) > 0.98 * static_cast<double>(X.cols()));
  }
  PlantedOptions options = small();
  options.storage = Storage::f64;
  CHECK_THROWS_AS(lore::simulate_planted(options), std::domain_error);
}

TEST_CASE("planted options out of range are refused", "[simulate]") {
  const auto refuse = [](auto&& spoil) {
    PlantedOptions options = small();
    spoil(options);
    CHECK_THROWS_AS(lore::simulate_planted(options), std::domain_error);
  };
  refuse([](auto& o) { o.dimension = 0; });
  refuse([](auto& o) { o.rank = 0; });
  refuse([](auto& o) { o.alpha = 0; });
  refuse([](auto& o) { o.margin_deviation = -1; });
  refuse([](auto& o) { o.spread = std::nan(""); });
  refuse([](auto& o) { o.seen_users = -1; });
  refuse([](auto& o) { o.seen_train = o.seen_test = 0; });
  refuse([](auto& o) { o.strong = 0, o.weak = 0; });
}

TEST_CASE("mixture users choose best against worst of their own mixed scores", "[simulate]") {
  const lore::ScoredResponses responses = six_prompts();
  const lore::MixtureOptions options{
      .alpha = 1, .seen_users = 20, .unseen_users = 15, .pairs = 3, .shots = 2, .seed = 3};
  const auto population = lore::simulate_mixtures(responses, fifteen_items(), options);
  const auto& p = population.preferences;
  REQUIRE_NOTHROW(p.validate());
  CHECK(p.users == 35);
  CHECK(population.indifferent == 0);
  CHECK(p.features->indexed());
  CHECK(p.features->table().count() == 15);
  CHECK(p.size() == 20 * (3 + 2) + 15 * (2 + 2));
  for (Index j = 0; j < p.size(); ++j) {
    const auto at = static_cast<std::size_t>(j);
    const auto prompt = static_cast<std::size_t>(p.group[at]);
    const Index from = responses.prompt_offset[prompt];
    const Index to = responses.prompt_offset[prompt + 1];
    const Vector<double> mixed = responses.scores.transpose() * population.weights.col(p.user[at]);
    CHECK(mixed(p.features->chosen(j)) == Approx(mixed.segment(from, to - from).maxCoeff()));
    CHECK(mixed(p.features->rejected(j)) == Approx(mixed.segment(from, to - from).minCoeff()));
    const bool tested = p.partition[at] == Partition::seen_test || p.partition[at] == Partition::unseen_test;
    CHECK(tested == (responses.is_test[prompt] == 1));
    const bool seen = p.user[at] < 20;
    CHECK(seen == (p.partition[at] == Partition::seen_train || p.partition[at] == Partition::seen_test));
  }
  // Training prompts are drawn without replacement, and every user is tested on every test prompt.
  const auto train = p.seen_train();
  std::set<std::vector<Index>> draws;
  for (Index i = 0; i < train.users(); ++i) {
    std::vector<Index> prompts(train.group.begin() + train.begin(i), train.group.begin() + train.end(i));
    draws.insert(prompts);
    CHECK(std::set<Index>(prompts.begin(), prompts.end()).size() == 3);
  }
  CHECK(draws.size() > 5);
  const auto test = p.unseen_test();
  CHECK(test.users() == 15);
  for (Index i = 0; i < test.users(); ++i) CHECK(test.count(i) == 2);
}

TEST_CASE("a small alpha gives users of one reward model each", "[simulate]") {
  const lore::MixtureOptions options{
      .alpha = 0.001, .seen_users = 200, .unseen_users = 0, .pairs = 1, .seed = 1};
  const auto population = lore::simulate_mixtures(six_prompts(), fifteen_items(), options);
  CHECK(population.weights.allFinite());
  const Vector<double> top = population.weights.colwise().maxCoeff();
  CHECK((top.array() > 0.99).count() > 190);
  CHECK((population.weights.row(0).array() > 0.5).count() > 60);
  CHECK((population.weights.row(1).array() > 0.5).count() > 60);
}

TEST_CASE("standardised mixtures do not depend on a reward model's unit and zero", "[simulate]") {
  lore::ScoredResponses responses = six_prompts();
  std::vector<Index> train_items(10);
  for (std::size_t j = 0; j < 10; ++j) train_items[j] = static_cast<Index>(j);
  lore::MixtureOptions options{.alpha = 1, .seen_users = 30, .unseen_users = 0, .pairs = 4, .seed = 5};
  const auto pairs_of = [&] {
    const auto p = lore::simulate_mixtures(responses, fifteen_items(), options).preferences;
    std::vector<std::pair<Index, Index>> out;
    for (Index j = 0; j < p.size(); ++j) out.emplace_back(p.features->chosen(j), p.features->rejected(j));
    return out;
  };
  options.scale = lore::score_scale(responses.scores, train_items);
  CHECK(options.scale->mean(0) == Approx(responses.scores.row(0).head(10).mean()));
  const auto before = pairs_of();
  responses.scores.row(1) = (64 * responses.scores.row(1).array() + 32).matrix();
  options.scale = lore::score_scale(responses.scores, train_items);
  CHECK(pairs_of() == before);
  options.scale.reset();
  CHECK(pairs_of() != before);
}

TEST_CASE("a prompt on which all responses are equal says nothing", "[simulate]") {
  lore::ScoredResponses responses = six_prompts();
  responses.scores.middleCols(10, 2).setConstant(3);  // the first test prompt
  const lore::MixtureOptions options{.alpha = 1, .seen_users = 4, .unseen_users = 0, .pairs = 4, .seed = 5};
  const auto population = lore::simulate_mixtures(responses, fifteen_items(), options);
  CHECK(population.indifferent == 4);
  CHECK(population.preferences.seen_test().count(0) == 1);
  responses.scores.setZero();
  CHECK_THROWS_AS(lore::simulate_mixtures(responses, fifteen_items(), options), std::domain_error);
}

TEST_CASE("mixtures refuse what does not fit", "[simulate]") {
  const lore::MixtureOptions fine{.alpha = 1, .seen_users = 2, .unseen_users = 2, .pairs = 4, .shots = 2};
  const auto refuse_shape = [&](auto&& spoil) {
    lore::ScoredResponses responses = six_prompts();
    lore::MixtureOptions options = fine;
    spoil(responses, options);
    CHECK_THROWS_AS(lore::simulate_mixtures(responses, fifteen_items(), options), std::invalid_argument);
  };
  const auto refuse_value = [&](auto&& spoil) {
    lore::ScoredResponses responses = six_prompts();
    lore::MixtureOptions options = fine;
    spoil(responses, options);
    CHECK_THROWS_AS(lore::simulate_mixtures(responses, fifteen_items(), options), std::domain_error);
  };
  CHECK_NOTHROW(lore::simulate_mixtures(six_prompts(), fifteen_items(), fine));
  refuse_shape([](auto&, auto& o) { o.pairs = 5; });  // four training prompts
  refuse_shape([](auto&, auto& o) { o.shots = 5; });
  refuse_shape([](auto& r, auto&) { r.prompt_offset[1] = 1; });  // a prompt with one response
  refuse_shape([](auto& r, auto&) { r.prompt_offset.back() = 16; });
  refuse_shape([](auto& r, auto&) { r.prompt_offset.front() = -1; });
  refuse_shape([](auto& r, auto&) { r.is_test.pop_back(); });
  refuse_shape([](auto& r, auto&) {
    r.scores.conservativeResize(2, 17);
    r.scores.rightCols(2).setZero();
    r.prompt_offset.push_back(17);
    r.is_test.push_back(1);
  });
  refuse_shape([](auto&, auto& o) {
    o.scale = lore::ScoreScale{Vector<double>::Zero(3), Vector<double>::Ones(3)};
  });
  refuse_value([](auto&, auto& o) {
    o.scale = lore::ScoreScale{Vector<double>::Zero(2), Vector<double>::Zero(2)};
  });
  refuse_value([](auto& r, auto&) { r.scores(1, 3) = std::numeric_limits<double>::quiet_NaN(); });
  refuse_value([](auto&, auto& o) { o.alpha = 0; });
  refuse_value([](auto&, auto& o) { o.pairs = -1; });
  const Matrix<double> scores = Matrix<double>::Ones(2, 3);
  CHECK_THROWS_AS(lore::score_scale(scores, std::vector<Index>{0}), std::invalid_argument);
  CHECK_THROWS_AS(lore::score_scale(scores, std::vector<Index>{0, 3}), std::domain_error);
  CHECK_THROWS_AS(lore::score_scale(scores, std::vector<Index>{0, 1}), std::domain_error);
}
