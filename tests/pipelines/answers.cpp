// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// train_basis and vary_fewshot on files that hold ties, grades of strength and choices among several replies.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/random.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/joint.hpp"
#include "lore/io/model_file.hpp"
#include "lore/io/preference_file.hpp"

#include "default_protocol.hpp"
#include "lore_catch.hpp"
#include "progress.hpp"
#include "protocol.hpp"
#include "support.hpp"
#include "training.hpp"

using lore::Index;
using lore::Outcome;
using lore_test::Approx;
using lore_test::contains;
using Json = nlohmann::json;

namespace {

const lore_examples::TrainingDefaults defaults{
    .dataset = "answers", .ranks = {1, 2, 3}, .curve_rank = 3, .shots = {1, 5, 20}, .trials = 2};

/// What people answer beside plain preferences.
struct Kinds {
  bool ties = false, grades = false, choices = false;
};

constexpr double tie = 0.7, strong = 2.5;  ///< thresholds on the margin with logistic noise

/// 40 seen and 15 new people who mix three tastes over 10 features. Each answers 60 pairs, or 20 choices
/// among four replies, for training and as many to be tested on.
lore::Preferences<> people(const Kinds& kinds) {
  constexpr Index users = 55, seen = 40, d = 10, replies = 4;
  lore::Rng rng = lore::make_rng(5);
  lore::Matrix<float> tastes(d, 3);
  lore::fill_normal(rng, tastes);
  lore::Preferences<> out;
  out.users = users;
  std::vector<lore::Vector<float>> items;
  std::vector<Index> chosen, rejected;
  const auto new_item = [&] {
    items.emplace_back(d);
    lore::fill_normal(rng, items.back());
    return static_cast<Index>(items.size()) - 1;
  };
  const auto add = [&](Index user, lore::Partition partition, Index a, Index b, const lore::Answer& answer) {
    out.user.push_back(user);
    out.partition.push_back(partition);
    out.answer.push_back(answer);
    chosen.push_back(a);
    rejected.push_back(b);
  };
  for (Index u = 0; u < users; ++u) {
    lore::Vector<float> reward = 0.8F * tastes.col(u % 3) + 0.2F * tastes.rowwise().sum();
    reward *= 3 / reward.norm();
    const auto worth = [&](Index item) {
      return static_cast<double>(reward.dot(items[static_cast<std::size_t>(item)])) / std::sqrt(2.0);
    };
    for (const bool test : {false, true}) {
      const auto partition = u < seen ? test ? lore::Partition::seen_test : lore::Partition::seen_train
                             : test   ? lore::Partition::unseen_test
                                      : lore::Partition::unseen_few_shot;
      for (Index q = 0; q < (kinds.choices ? 20 : 60); ++q) {
        if (kinds.choices) {
          std::vector<std::pair<double, Index>> order;
          for (Index k = 0; k < replies; ++k) {
            const Index item = new_item();
            order.emplace_back(worth(item) - std::log(-std::log(lore::detail::uniform_open(rng))), item);
          }
          std::sort(order.rbegin(), order.rend());
          for (std::size_t k = 1; k < order.size(); ++k)
            add(u, partition, order[0].second, order[k].second, {.choice = q + (test ? 20 : 0)});
          continue;
        }
        const Index a = new_item(), b = new_item();
        const double p = lore::uniform01(rng), margin = worth(a) - worth(b) + std::log(p / (1 - p));
        lore::Answer answer;
        if (kinds.ties && std::abs(margin) < tie) answer.outcome = Outcome::tie;
        if (kinds.grades && std::abs(margin) > strong) answer.strength = 3;
        add(u, partition, margin > 0 ? a : b, margin > 0 ? b : a, answer);
      }
    }
  }
  lore::Matrix<float> table(d, static_cast<Index>(items.size()));
  for (std::size_t k = 0; k < items.size(); ++k) table.col(static_cast<Index>(k)) = items[k];
  out.features = std::make_shared<const lore::Features>(
      lore::Features::pairs(lore::FeatureMatrix::own<float>(std::move(table)), chosen, rejected));
  out.validate();
  return out;
}

struct Found {
  Json results, curve;
  lore::RewardModel<float> model;
};

/// Trains a basis on the file and draws the curve of its model, as the programs do.
Found run(const lore_test::Folder& folder, const lore::Preferences<>& preferences) {
  lore::write_preferences(folder / "data.safetensors", preferences);
  std::ostringstream out;
  lore_examples::TrainOptions train;
  train.data = folder / "data.safetensors";
  train.protocol = "default";
  train.threads = 2;
  train.results = folder / "results.json";
  train.model = folder / "model.safetensors";
  CHECK(lore_examples::train_basis(train, defaults, out) == 0);
  lore_examples::FewShotOptions curve;
  curve.data = train.data;
  curve.protocol = "default";
  curve.threads = 2;
  curve.model = train.model;
  curve.results = folder / "curve.json";
  CHECK(lore_examples::vary_fewshot(curve, defaults, out) == 0);
  return {Json::parse(lore_test::content_of(train.results)),
          Json::parse(lore_test::content_of(curve.results)), lore::read_model(train.model)};
}

/// Accuracy of a rank on a partition.
double accuracy(const Found& found, Index rank, const char* figure) {
  for (const Json& one : found.results["ranks"])
    if (one["rank"] == rank) return one[figure]["accuracy"].get<double>();
  return std::nan("");
}

}  // namespace

TEST_CASE("Files with ties, grades and choices are fitted, and personal fits beat Bradley-Terry on them") {
  for (const Kinds kinds :
       {Kinds{.ties = true}, Kinds{.ties = true, .grades = true}, Kinds{.choices = true}}) {
    CAPTURE(kinds.ties, kinds.grades, kinds.choices);
    const lore_test::Folder folder;
    const lore::Preferences<> preferences = people(kinds);
    REQUIRE(lore_examples::says_more(preferences));
    const Found found = run(folder, preferences);
    const Index selected = found.results["selected_rank"].get<Index>();
    CHECK(selected >= 3);
    for (const char* figure : {"seen_test", "unseen_test"}) {
      CAPTURE(figure, accuracy(found, selected, figure), accuracy(found, 1, figure));
      CHECK(accuracy(found, selected, figure) > accuracy(found, 1, figure) + 0.05);
    }
    // The guard promised it to new users, who get it.
    REQUIRE(found.model.guard.size() >= 4);
    CHECK(found.model.guard.back().log_loss.lower > 0);
    for (const Json& point : found.curve["points"])
      if (point["shots"] >= 5) CHECK(point["gain_over_bradley_terry"]["lower"] > 0);
    CHECK(found.curve["points"].back()["calibration"].is_object());
    // How readily people call a tie, and a preference strong, is in the model.
    std::istringstream noted(found.model.training.at("answer_thresholds"));
    double first = 0, second = 0;
    noted >> first;
    CHECK(first == (kinds.ties ? Approx(tie).epsilon(0.25) : Approx(0)));
    if (kinds.grades) {
      noted >> second;
      CHECK(second == Approx(strong).epsilon(0.2));
      CHECK(found.model.training.at("answer_cuts") == "3");
    }
  }
}

TEST_CASE("vary_fewshot fits such a file itself, and gives a model of plain comparisons a loss for it") {
  const lore_test::Folder folder;
  const lore::Preferences<> preferences = people({.ties = true, .grades = true});
  lore::write_preferences(folder / "data.safetensors", preferences);
  const auto last_gain = [&](const lore_examples::FewShotOptions& options) {
    std::ostringstream out;
    CHECK(lore_examples::vary_fewshot(options, defaults, out) == 0);
    return Json::parse(lore_test::content_of(options.results))["points"].back()["gain_over_bradley_terry"];
  };
  lore_examples::FewShotOptions curve;
  curve.data = folder / "data.safetensors";
  curve.protocol = "default";
  curve.threads = 2;
  curve.shots = {20};
  curve.first = true;
  curve.results = folder / "curve.json";
  curve.rank = 3;
  CHECK(last_gain(curve)["lower"] > 0);
  lore::RewardModel<float> plain =
      lore::JointFit<>{}(preferences.seen_train().decided(), lore::Rank{3}).model;
  lore::write_model(folder / "plain.safetensors", plain);
  curve.rank.reset();
  curve.model = folder / "plain.safetensors";
  CHECK(last_gain(curve)["lower"] > 0);
  // What a model says of the answers is read with care.
  const auto complaint = [&] {
    lore::write_model(folder / "plain.safetensors", plain);
    return lore_test::complaint_of([&] {
      std::ostringstream out;
      (void)lore_examples::vary_fewshot(curve, defaults, out);
    });
  };
  plain.training["answer_thresholds"] = "0.5 much";
  CHECK(contains(complaint(), "training.answer_thresholds"));
  CHECK(contains(complaint(), "much"));
  plain.training["answer_thresholds"] = "0.5";
  CHECK(contains(complaint(), "training.answer_cuts"));
}

TEST_CASE(
    "Answers that say no more than plain ones go the plain way, and the published protocols take no others") {
  lore::Preferences<> preferences = people({.ties = true});
  lore_examples::TrainOptions train;
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", preferences);
  train.data = folder / "data.safetensors";
  train.protocol = "paper";
  const std::string complaint = lore_test::complaint_of([&] {
    std::ostringstream out;
    (void)lore_examples::train_basis(train, defaults, out);
  });
  CHECK(contains(complaint, "--protocol paper"));
  CHECK(contains(complaint, "ties"));

  for (lore::Answer& answer : preferences.answer)
    answer = {.outcome = answer.outcome == Outcome::tie ? Outcome::abstained : Outcome::preferred,
              .strength = 2};
  CHECK_FALSE(lore_examples::says_more(preferences));
  preferences.answer.front() = {.strength = 1};
  CHECK(lore_examples::says_more(preferences));
  preferences.answer.front() = {.strength = 2, .flip = 0.1F};
  CHECK(lore_examples::says_more(preferences));
  preferences.answer.clear();
  CHECK_FALSE(lore_examples::says_more(preferences));
}

TEST_CASE("A refit heeds the guard as the fit did") {
  const lore::Preferences<> preferences = people({});
  lore_examples::Protocol::Settings settings;
  settings.name = "default";
  settings.threads = 2;
  lore_examples::Protocol protocol(preferences, settings);
  lore_examples::Progress progress(false);
  (void)protocol.choose({1, 3}, false, progress);
  REQUIRE(protocol.selected() == 3);
  REQUIRE(protocol.guard());
  lore_examples::FitRecord record;
  Index columns = 0;
  const lore_examples::Model model = protocol.fit(3, record, columns, progress),
                             again = protocol.refit(protocol.train(), 3, 0, progress);
  CHECK(again.training.at("prior_covariance_factor") == model.training.at("prior_covariance_factor"));
  CHECK(again.prior.covariance == model.prior.covariance);
  CHECK(again.basis.matrix() == model.basis.matrix());
  CHECK(again.weights == model.weights);
}
