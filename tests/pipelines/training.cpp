// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// The programs train_basis and vary_fewshot on small populations whose truth is known.
#include "training.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/data/simulate.hpp"
#include "lore/io/model_file.hpp"
#include "lore/io/preference_file.hpp"

#include "lore_catch.hpp"
#include "reddit_tldr/training.hpp"
#include "support.hpp"

using lore::Index;
using lore_examples::FewShotOptions;
using lore_examples::TrainOptions;
using lore_test::Approx;
using lore_test::complaint_of;
using lore_test::contains;
using Json = nlohmann::json;
using Keys = std::set<std::string>;

namespace {

const lore_examples::TrainingDefaults defaults{
    .dataset = "small", .ranks = {0, 1, 2}, .curve_rank = 2, .shots = {1, 5}, .trials = 2};

constexpr const char* figure_names[] = {"seen_train", "seen_test", "few_shot_train", "unseen_test"};

/// Three reward directions in twelve dimensions.
lore::PlantedOptions plan() {
  lore::PlantedOptions options;
  options.dimension = options.strong = 12;
  options.rank = 3;
  options.decay = 0.2;
  options.seen_users = options.seen_train = options.seen_test = 30;
  options.unseen_users = options.unseen_shots = 12;
  options.unseen_test = 30;
  options.seed = 3;
  return options;
}

lore::Preferences<> population(const lore::PlantedOptions& options = plan(), bool reference = false) {
  auto planted = lore::simulate_planted(options);
  if (reference)
    planted.preferences.reference_head = planted.directions.rowwise().mean().cast<float>().eval();
  return std::move(planted.preferences);
}

lore::Preferences<> multiplied(lore::Preferences<> preferences, float factor) {
  lore::Matrix<float> X(preferences.dimension(), preferences.size());
  for (Index j = 0; j < preferences.size(); ++j) preferences.features->load(j, X.col(j).data());
  X *= factor;
  preferences.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  return preferences;
}

/// The comparisons with one of these partitions; users who have none of them go.
lore::Preferences<> only(const lore::Preferences<>& whole, const std::set<lore::Partition>& wanted) {
  std::vector<Index> kept;
  for (Index j = 0; j < whole.size(); ++j)
    if (wanted.count(whole.partition[static_cast<std::size_t>(j)]) > 0) kept.push_back(j);
  lore::Preferences<> out;
  lore::Matrix<float> X(whole.dimension(), static_cast<Index>(kept.size()));
  Index last = -1;
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const auto j = static_cast<std::size_t>(kept[k]);
    whole.features->load(kept[k], X.col(static_cast<Index>(k)).data());
    if (whole.user[j] != last) ++out.users;
    last = whole.user[j];
    out.user.push_back(out.users - 1);
    out.partition.push_back(whole.partition[j]);
  }
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<float>(std::move(X))));
  out.reference_head = whole.reference_head;
  return out;
}

/// What a program left behind.
struct Outcome {
  int code = 0;
  std::string out;
  Json results;
};

Json parsed(const std::filesystem::path& path) { return Json::parse(lore_test::content_of(path)); }

TrainOptions sweep(const lore_test::Folder& folder, std::vector<Index> ranks,
                   const std::string& protocol = "default") {
  TrainOptions options;
  options.data = folder / "data.safetensors";
  options.ranks = std::move(ranks);
  options.protocol = protocol;
  if (protocol != "default") options.iterations = 60;
  options.threads = 1;
  options.results = folder / "results.json";
  return options;
}

FewShotOptions curve(const lore_test::Folder& folder, std::vector<Index> shots) {
  FewShotOptions options;
  options.data = folder / "data.safetensors";
  options.shots = std::move(shots);
  options.threads = 1;
  options.results = folder / "curve.json";
  return options;
}

Outcome run(const TrainOptions& options) {
  std::ostringstream out;
  const int code = lore_examples::train_basis(options, defaults, out);
  return {code, out.str(), parsed(options.results)};
}

Outcome run(const FewShotOptions& options) {
  std::ostringstream out;
  const int code = lore_examples::vary_fewshot(options, defaults, out);
  return {code, out.str(), parsed(options.results)};
}

template <class Options>
std::string complaint(const Options& options) {
  return complaint_of([&] { (void)run(options); });
}

Keys keys(const Json& json) {
  Keys out;
  for (const auto& [key, value] : json.items()) out.insert(key);
  return out;
}

double accuracy(const Json& figure) { return figure.at("accuracy").get<double>(); }

/// Whether a figure says that there is none, and why.
bool absent(const Json& figure) {
  return keys(figure) == Keys{"accuracy", "reason"} && figure["accuracy"].is_null() &&
         !figure["reason"].get<std::string>().empty();
}

/// Every accuracy of a results file, rank by rank.
std::vector<double> accuracies(const Json& results) {
  std::vector<double> out;
  for (const Json& rank : results.at("ranks"))
    for (const char* name : figure_names) out.push_back(accuracy(rank.at(name)));
  return out;
}

std::vector<double> unseen(const Json& curve) {
  std::vector<double> out;
  for (const Json& point : curve.at("points")) out.push_back(accuracy(point.at("unseen_test")));
  return out;
}

/// Mean over users of the share of comparisons in the partition that a model gets right, from the definition.
double share_right(const lore::RewardModel<float>& model, const lore::Comparisons<>& comparisons) {
  double sum = 0;
  lore::Vector<float> x(comparisons.dimension());
  for (Index i = 0; i < comparisons.users(); ++i) {
    const auto id = comparisons.user[static_cast<std::size_t>(i)];
    const auto place = std::find(model.user.begin(), model.user.end(), id) - model.user.begin();
    const lore::Vector<float> u = model.basis.matrix() * model.weights.col(place);
    Index right = 0;
    for (Index p = comparisons.begin(i); p < comparisons.end(i); ++p) {
      comparisons.features->load(comparisons.column[static_cast<std::size_t>(p)], x.data());
      right += x.dot(u) > 0 ? 1 : 0;
    }
    sum += static_cast<double>(right) / static_cast<double>(comparisons.count(i));
  }
  return sum / static_cast<double>(comparisons.users());
}

}  // namespace

TEST_CASE("train_basis writes results, table, plot and the model of the rank it marks") {
  const lore_test::Folder folder;
  const lore::Preferences<> preferences = population();
  lore::write_preferences(folder / "data.safetensors", preferences);
  TrainOptions options = sweep(folder, {0, 1, 2, 3});
  options.seed = 11;
  options.model = folder / "model.safetensors";
  options.csv = folder / "table.csv";
  options.plot = folder / "plot.svg";
  options.directions = folder / "directions.json";
  const auto [code, out, json] = run(options);
  CHECK(code == 0);
  CHECK(folder.files() == 6);

  CHECK(keys(json) == Keys{"format", "version", "complete", "dataset", "protocol", "seed", "threads",
                           "peak_memory_bytes", "selected_rank", "selection_seconds", "ranks", "controls",
                           "diagnosis", "guard", "formatting_probe"});
  CHECK(json["format"] == "lore.results");
  CHECK(json["version"] == 1);
  CHECK(json["complete"] == true);
  CHECK(json["dataset"] == "planted");
  CHECK(json["protocol"] == "default");
  CHECK(json["seed"] == 11);
  CHECK(json["threads"] == 1);
  CHECK(json["selection_seconds"].get<double>() > 0);
  REQUIRE(json["ranks"].size() == 4);
  for (std::size_t k = 0; k < 4; ++k) {
    const Json& rank = json["ranks"][k];
    CHECK(keys(rank) == Keys{"rank", "seen_train", "seen_test", "few_shot_train", "unseen_test",
                             "columns_kept", "collapse", "fit", "few_shot"});
    CHECK(keys(rank["fit"]) == Keys{"status", "passes", "objective", "seconds", "options"});
    CHECK(keys(rank["few_shot"]) == Keys{"seconds"});
    CHECK(rank["rank"] == k);
    CHECK(rank["columns_kept"] == k);
    if (k < 2) {
      CHECK(rank["collapse"].is_null());
    } else {
      const Json& collapse = rank["collapse"];
      CHECK(collapse["cosines"].size() == k);
      CHECK(collapse["cosines"][k - 1].size() == k);
      CHECK(collapse["singular_values"].size() == k);
      CHECK(collapse["effective_rank"].get<double>() > 1);
      double users = 0;
      for (const Json& share : collapse["share_of_users"]) users += share.get<double>();
      CHECK(users == Approx(1));
    }
    for (const char* name : figure_names) {
      CAPTURE(k, name);
      if (k == 0) {  // no reference head
        CHECK(absent(rank[name]));
        continue;
      }
      CHECK(keys(rank[name]) == Keys{"accuracy", "standard_error", "users", "ties"});
      CHECK(rank[name]["users"] == (std::string(name).find("seen_t") == 0 ? 30 : 12));
      CHECK(accuracy(rank[name]) > 0.7);
      CHECK(accuracy(rank[name]) < 1);
      CHECK(rank[name]["standard_error"].get<double>() > 0.002);
      CHECK(rank[name]["ties"] == 0);
    }
    if (k == 0) continue;
    CHECK(rank["fit"]["passes"] > 0);
    CHECK(rank["fit"]["seconds"] > 0);
    CHECK(rank["fit"]["options"]["protocol"] == "default");
    CHECK(rank["fit"]["options"].contains("weight_map"));
  }
  CHECK(accuracy(json["ranks"][3]["seen_test"]) > accuracy(json["ranks"][1]["seen_test"]) + 0.05);
  CHECK(accuracy(json["ranks"][3]["unseen_test"]) > accuracy(json["ranks"][1]["unseen_test"]) + 0.03);

  const Index selected = json["selected_rank"].get<Index>();
  CHECK(selected > 1);
  const auto model = lore::read_model(options.model);
  CHECK(model.rank == selected);
  CHECK(model.basis.dimension() == 12);
  CHECK(model.user.size() == 30);
  CHECK(model.dataset == preferences.dataset);
  CHECK(model.encoder == preferences.encoder);
  CHECK(model.training.at("protocol") == "default");
  CHECK(share_right(model, preferences.seen_test()) ==
        Approx(accuracy(json["ranks"][static_cast<std::size_t>(selected)]["seen_test"])).margin(0.0012));

  // Controls, on users who truly differ; the personalised figure is the table's.
  for (const char* name : {"seen_test", "unseen_test"}) {
    const Json& controls = json["controls"][name];
    CHECK(controls["accuracy"].get<double>() ==
          Approx(accuracy(json["ranks"][static_cast<std::size_t>(selected)][name])));
    REQUIRE(controls["others"].size() == 4);
    for (const Json& control : controls["others"]) {
      CAPTURE(name, control["name"].get<std::string>());
      CHECK(control["gain"].get<double>() ==
            Approx(controls["accuracy"].get<double>() - control["accuracy"].get<double>()).margin(1e-12));
      CHECK(control["gain_lower"] <= control["gain"]);
      CHECK(control["gain_upper"] >= control["gain"]);
      CHECK(control["gain"] > 0);
    }
    CHECK(controls["others"][0]["accuracy"].get<double>() == Approx(accuracy(json["ranks"][1][name])));
  }
  CHECK(json["diagnosis"]["rank"] == selected);
  CHECK(json["diagnosis"]["users"].size() == 30);
  CHECK(json["diagnosis"]["effective_parameters"] > 1);
  CHECK(json["diagnosis"]["effective_parameters"] < json["diagnosis"]["parameters"]);
  CHECK(json["diagnosis"]["agreement"]["seeds"]["personal"] > 0.9);
  CHECK(json["diagnosis"]["agreement"]["between_folds"]["common"] > 0.5);
  CHECK(json["formatting_probe"].is_null());
  CHECK(contains(out, "another user"));
  CHECK(contains(out, "two halves"));

  const Json directions = parsed(options.directions);
  CHECK(directions["format"] == "lore.directions");
  CHECK(directions["rank"] == selected);
  for (const char* axes : {"principal", "varimax"}) {
    REQUIRE(directions[axes].size() >= 1);
    double shares = 0;
    for (const Json& direction : directions[axes]) {
      shares += direction["share"].get<double>();
      CHECK(direction["vector"].size() == 12);
      CHECK(direction["highest_users"].size() == 5);
      REQUIRE(direction["most_moved"].size() == 10);
      for (const Json& one : direction["most_moved"]) {
        const auto at = one["position"].get<std::size_t>();
        CHECK(preferences.partition[at] == lore::Partition::seen_train);
        CHECK(one["user"] == std::to_string(preferences.user[at]));
      }
    }
    CHECK(shares == Approx(1));
  }

  CHECK(contains(out, "\n" + std::to_string(selected) + " *"));
  CHECK(contains(out, "1 Bradley-Terry"));
  CHECK(contains(out, options.model.string()));
  CHECK(contains(lore_test::content_of(options.plot), "<svg"));
  std::istringstream csv(lore_test::content_of(options.csv));
  std::vector<std::string> lines;
  for (std::string line; std::getline(csv, line);) lines.push_back(line);
  REQUIRE(lines.size() == 5);
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(lines[k + 1].rfind(std::to_string(k) + ",", 0) == 0);
    const bool marked = static_cast<Index>(k) == selected;
    CHECK(contains(lines[k + 1], "," + std::to_string(k) + (marked ? ",1," : ",0,")));
  }
}

TEST_CASE("One rank asked for is the selected one, the reference too") {
  const lore_test::Folder folder;
  const lore::Preferences<> preferences = population(plan(), true);
  lore::write_preferences(folder / "data.safetensors", preferences);
  for (const Index rank : {0, 1, 2}) {
    TrainOptions options = sweep(folder, {rank});
    options.model = folder / "model.safetensors";
    const Outcome outcome = run(options);
    CHECK(outcome.results["selected_rank"] == rank);
    REQUIRE(outcome.results["ranks"].size() == 1);
    CHECK(accuracy(outcome.results["ranks"][0]["unseen_test"]) > 0.7);
    const auto model = lore::read_model(options.model);
    CHECK(model.rank == rank);
    CHECK(model.encoder == preferences.encoder);
    if (rank == 0) CHECK(model.basis.matrix().col(0) == *preferences.reference_head);
  }
}

TEST_CASE("Without --ranks the data set's own are fitted, as far as the data allow") {
  const lore_test::Folder folder;
  lore::PlantedOptions small = plan();
  small.seen_users = 2;
  lore::write_preferences(folder / "data.safetensors", population(small));
  TrainOptions options = sweep(folder, {});
  std::ostringstream out;
  const auto own = lore_examples::reddit_tldr::training;
  CHECK(lore_examples::train_basis(options, own, out) == 0);
  const Json json = parsed(options.results);
  REQUIRE(json["ranks"].size() == 3);
  CHECK(json["ranks"].back()["rank"] == 2);
}

TEST_CASE("Figures that do not exist say why") {
  using lore::Partition;
  const lore_test::Folder folder;
  const lore::Preferences<> whole = population();
  const auto figures_of = [&](const std::set<Partition>& kept) {
    lore::write_preferences(folder / "data.safetensors", only(whole, kept));
    return run(sweep(folder, {2})).results["ranks"].at(0);
  };
  const Json seen = figures_of({Partition::seen_train, Partition::seen_test});
  CHECK(accuracy(seen["seen_test"]) > 0.7);
  CHECK(absent(seen["few_shot_train"]));
  CHECK(absent(seen["unseen_test"]));
  const Json train = figures_of({Partition::seen_train});
  CHECK(accuracy(train["seen_train"]) > 0.7);
  CHECK(absent(train["seen_test"]));
  const Json no_shots = figures_of({Partition::seen_train, Partition::unseen_test});
  CHECK(absent(no_shots["few_shot_train"]));
  CHECK(accuracy(no_shots["unseen_test"]) > 0.6);  // with the prior's mean
  const Json no_test = figures_of({Partition::seen_train, Partition::unseen_few_shot});
  CHECK(accuracy(no_test["few_shot_train"]) > 0.7);
  CHECK(absent(no_test["unseen_test"]));

  const auto curve_of = [&](const std::set<Partition>& kept) {
    lore::write_preferences(folder / "data.safetensors", only(whole, kept));
    FewShotOptions options = curve(folder, {1});
    options.rank = 2;
    return run(options).results["points"].at(0);
  };
  const Json nobody = curve_of({Partition::seen_train});
  CHECK(nobody["users_with_at_least"] == 0);
  CHECK(absent(nobody["few_shot_train"]));
  CHECK(absent(nobody["unseen_test"]));
}

TEST_CASE("Published protocols run and record what they did") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population(plan(), true));
  for (const std::string protocol : {"paper", "regularised"}) {
    CAPTURE(protocol);
    TrainOptions options = sweep(folder, {0, 1, 2, 4}, protocol);
    options.model = folder / "model.safetensors";
    if (protocol == "regularised") options.cosine_alpha = 25;
    const Json json = run(options).results;
    CHECK(json["complete"] == true);
    CHECK(json["protocol"] == protocol);
    REQUIRE(json["ranks"].size() == 4);
    const Index selected = json["selected_rank"].get<Index>();
    CHECK(std::set<Index>{1, 2, 4}.count(selected) == 1);
    CHECK(lore::read_model(options.model).rank == selected);
    CHECK(lore::read_model(options.model).training.at("protocol") == protocol);
    for (const Json& rank : json["ranks"]) {
      for (const char* name : figure_names) CHECK(accuracy(rank[name]) > 0.5);
      if (rank["rank"] == 0) continue;
      CHECK(rank["columns_kept"] >= 1);
      CHECK(rank["columns_kept"] <= rank["rank"]);
      CHECK(rank["fit"]["passes"] >= 60);
      CHECK(rank["fit"]["options"]["protocol"] == protocol);
      CHECK(rank["fit"]["options"]["iterations"] == "60");
      if (protocol == "regularised") CHECK(rank["fit"]["options"]["cosine_alpha"] == "25");
    }
  }
}

TEST_CASE("The regularised protocol asks for a reference head") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population());
  for (const std::vector<Index>& ranks : {std::vector<Index>{2}, {1, 2}}) {
    const std::string text = complaint(sweep(folder, ranks, "regularised"));
    CHECK(contains(text, "--protocol regularised"));
    CHECK(contains(text, "reference_head"));
  }
  // A model that is there already needs none.
  TrainOptions train = sweep(folder, {2});
  train.model = folder / "model.safetensors";
  (void)run(train);
  FewShotOptions options = curve(folder, {5});
  options.model = train.model;
  options.protocol = "regularised";
  CHECK(accuracy(run(options).results["points"][0]["unseen_test"]) > 0.6);
}

TEST_CASE("Ranks that the data cannot carry are refused with both numbers") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population());
  for (const char* protocol : {"default", "paper"}) {
    const std::string dimension = complaint(sweep(folder, {1, 13}, protocol));
    CHECK(contains(dimension, "got 13"));
    CHECK(contains(dimension, "min(12, 30) = 12"));
  }
  FewShotOptions options = curve(folder, {1});
  options.rank = 13;
  CHECK(contains(complaint(options), "got 13"));
  CHECK(contains(complaint(options), "min(12, 30) = 12"));
  lore::PlantedOptions few = plan();
  few.seen_users = 3;
  lore::write_preferences(folder / "data.safetensors", population(few));
  const std::string users = complaint(sweep(folder, {4}));
  CHECK(contains(users, "got 4"));
  CHECK(contains(users, "min(12, 3) = 3"));
  options.rank = 0;
  CHECK(contains(complaint(options), "reference_head"));
}

TEST_CASE("Data that cannot be trained on are refused by name") {
  const lore_test::Folder folder;
  TrainOptions train = sweep(folder, {1});
  FewShotOptions few_shot = curve(folder, {1});
  CHECK(contains(complaint(train), train.data.string()));
  CHECK(contains(complaint(few_shot), train.data.string()));
  CHECK(folder.files() == 0);

  const lore::Preferences<> whole = population();
  lore::write_preferences(train.data,
                          only(whole, {lore::Partition::unseen_few_shot, lore::Partition::unseen_test}));
  for (const std::string& text : {complaint(train), complaint(few_shot)}) {
    CHECK(contains(text, train.data.string()));
    CHECK(contains(text, "no training comparisons"));
  }
  // Nothing to learn from: no comparison counts, or none differs.
  lore::Preferences<> weightless = whole;
  weightless.weight.assign(weightless.user.size(), 0);
  for (const lore::Preferences<>& empty : {weightless, multiplied(whole, 0)}) {
    lore::write_preferences(train.data, empty);
    CHECK(contains(complaint(train), "mean square of the features: got 0"));
    CHECK(contains(complaint(few_shot), "mean square of the features: got 0"));
  }
  // A model file is no preference file.
  lore::write_preferences(train.data, whole);
  train.model = folder / "model.safetensors";
  (void)run(train);
  train.data = train.model;
  train.model.clear();
  CHECK(contains(complaint(train), "lore.model"));
  few_shot.model = few_shot.data;
  CHECK(contains(complaint(few_shot), "lore.preferences"));
}

TEST_CASE("Places that cannot be written to are found before the work, and nothing stays there") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population());
  const auto nowhere = folder / "absent" / "file";
  std::ostringstream out;
  for (auto member : {&TrainOptions::results, &TrainOptions::model, &TrainOptions::csv, &TrainOptions::plot})
    for (const auto& bad : {nowhere, folder.path(), folder / "data.safetensors"}) {
      TrainOptions options = sweep(folder, {1});
      options.results.clear();
      options.*member = bad;
      const std::string text =
          complaint_of([&] { (void)lore_examples::train_basis(options, defaults, out); });
      CHECK(contains(text, bad.string()));
    }
  for (auto member : {&FewShotOptions::results, &FewShotOptions::csv, &FewShotOptions::plot})
    for (const auto& bad : {nowhere, folder.path(), folder / "data.safetensors"}) {
      FewShotOptions options = curve(folder, {1});
      options.results.clear();
      options.*member = bad;
      const std::string text =
          complaint_of([&] { (void)lore_examples::vary_fewshot(options, defaults, out); });
      CHECK(contains(text, bad.string()));
    }
  TrainOptions twice = sweep(folder, {1});
  twice.csv = folder / "." / "results.json";
  CHECK(contains(complaint_of([&] { (void)lore_examples::train_basis(twice, defaults, out); }), "same file"));
  CHECK(out.str().empty());
  CHECK(folder.files() == 1);
}

TEST_CASE("The unit of the embeddings changes no accuracy") {
  const lore_test::Folder folder;
  const lore::Preferences<> preferences = population();
  const auto outcome = [&](float factor) {
    lore::write_preferences(folder / "data.safetensors", multiplied(preferences, factor));
    return run(sweep(folder, {1, 2, 3})).results;
  };
  const Json one = outcome(1);
  for (const float factor : {0.01F, 100.0F}) {
    CAPTURE(factor);
    const Json other = outcome(factor);
    CHECK(other["selected_rank"] == one["selected_rank"]);
    const auto expected = accuracies(one), found = accuracies(other);
    REQUIRE(found.size() == expected.size());
    for (std::size_t k = 0; k < found.size(); ++k) {
      CAPTURE(k);
      CHECK(std::abs(found[k] - expected[k]) < 0.007);  // one comparison of the few shots that is close to 0
    }
  }
}

TEST_CASE("The number of threads changes no figure") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population(plan(), true));
  for (const char* protocol : {"default", "paper", "regularised"}) {
    CAPTURE(protocol);
    TrainOptions options = sweep(folder, {1, 2}, protocol);
    const Json one = run(options).results;
    options.threads = 2;
    const Json two = run(options).results;
    CHECK(two["threads"] == 2);
    CHECK(accuracies(two) == accuracies(one));
    CHECK(two["ranks"][1]["fit"]["objective"] == one["ranks"][1]["fit"]["objective"]);
  }
  FewShotOptions options = curve(folder, {1, 5});
  const Json one = run(options).results;
  options.threads = 2;
  CHECK(unseen(run(options).results) == unseen(one));
}

TEST_CASE("vary_fewshot writes its curve, table and plot") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population(plan(), true));
  FewShotOptions options = curve(folder, {0, 1, 12, 40});
  options.rank = 3;
  options.trials = 3;
  options.csv = folder / "curve.csv";
  options.plot = folder / "curve.svg";
  const auto [code, out, json] = run(options);
  CHECK(code == 0);
  CHECK(folder.files() == 4);
  CHECK(keys(json) == Keys{"format", "version", "complete", "dataset", "protocol", "seed", "threads",
                           "peak_memory_bytes", "rank", "points"});
  CHECK(json["format"] == "lore.few_shot_curve");
  CHECK(json["version"] == 1);
  CHECK(json["complete"] == true);
  CHECK(json["dataset"] == "planted");
  CHECK(json["rank"] == 3);
  REQUIRE(json["points"].size() == 4);
  const std::vector<int> shots{0, 1, 12, 40}, users{12, 12, 12, 0};
  for (std::size_t p = 0; p < 4; ++p) {
    const Json& point = json["points"][p];
    CHECK(keys(point) == Keys{"shots", "users_with_at_least", "few_shot_train", "unseen_test",
                              "gain_over_bradley_terry", "calibration", "seconds"});
    const Json& gain = point["gain_over_bradley_terry"];
    CHECK(gain["lower"] <= gain["mean"]);
    CHECK(gain["upper"] >= gain["mean"]);
    CHECK(keys(point["unseen_test"]) == Keys{"accuracy", "standard_error", "users", "ties", "trial_sd"});
    CHECK(point["shots"] == shots[p]);
    CHECK(point["users_with_at_least"] == users[p]);
    CHECK(point["unseen_test"]["users"] == 12);
    if (p == 0)
      CHECK(absent(point["few_shot_train"]));
    else
      CHECK(keys(point["few_shot_train"]) == Keys{"accuracy", "standard_error", "users", "ties"});
  }
  const std::vector<double> found = unseen(json);
  CHECK(found[2] > found[0] + 0.02);
  CHECK(json["points"][2]["gain_over_bradley_terry"]["mean"] > 0.02);
  CHECK(contains(out, "over Bradley-Terry"));
  for (const Json& point : json["points"])
    for (const char* kind : {"averaged", "plug_in"}) {
      CHECK(point["calibration"][kind]["log_loss"] > 0.1);
      CHECK(point["calibration"][kind]["log_loss"] < 0.75);
      CHECK(point["calibration"][kind]["expected_calibration_error"] < 0.3);
    }
  CHECK(contains(out, "Probabilities predicted for new users"));
  CHECK(found[3] == found[2]);  // whoever has fewer uses all
  CHECK(json["points"][1]["unseen_test"]["trial_sd"] > 0);
  CHECK(json["points"][2]["unseen_test"]["trial_sd"] == 0);
  CHECK(contains(out, "Bradley-Terry"));
  CHECK(contains(out, "reference"));
  CHECK(contains(lore_test::content_of(options.plot), "<svg"));
  CHECK(contains(lore_test::content_of(options.csv), "\n40,0,"));
}

TEST_CASE("First shots are the same for every seed, and all of them are what train_basis measures") {
  const lore_test::Folder folder;
  lore::write_preferences(folder / "data.safetensors", population());
  TrainOptions train = sweep(folder, {2});
  train.model = folder / "model.safetensors";
  const Json trained = run(train).results["ranks"][0];

  FewShotOptions options = curve(folder, {1, 3, 12});
  options.model = train.model;
  options.first = true;
  const Json first = run(options).results;
  options.seed = 5;
  CHECK(unseen(run(options).results) == unseen(first));
  for (const Json& point : first["points"]) CHECK(point["unseen_test"]["trial_sd"].is_null());
  CHECK(first["points"][2]["unseen_test"]["accuracy"] == trained["unseen_test"]["accuracy"]);
  CHECK(first["points"][2]["few_shot_train"]["accuracy"] == trained["few_shot_train"]["accuracy"]);

  options.first = false;
  options.trials = 4;
  const Json sampled = run(options).results;
  CHECK(unseen(sampled)[0] != unseen(first)[0]);
  CHECK(unseen(sampled)[2] == Approx(unseen(first)[2]).epsilon(1e-12));
  CHECK(unseen(run(options).results) == unseen(sampled));
  options.seed = 6;
  CHECK(unseen(run(options).results)[0] != unseen(sampled)[0]);

  // The rank fitted on the spot is the model that train_basis writes for it.
  options.model.clear();
  options.rank = 2;
  options.seed = train.seed;
  options.first = true;
  CHECK(unseen(run(options).results) == unseen(first));
}

TEST_CASE("A curve counts the users who have that many comparisons, or groups") {
  const lore_test::Folder folder;
  lore::Preferences<> preferences = population();
  // Every other unseen user keeps five shots.
  Index of_user = 0;
  for (std::size_t j = 0; j < preferences.user.size(); ++j) {
    of_user = j > 0 && preferences.user[j] == preferences.user[j - 1] ? of_user + 1 : 0;
    if (preferences.partition[j] == lore::Partition::unseen_few_shot && preferences.user[j] % 2 == 0 &&
        of_user >= 5)
      preferences.partition[j] = lore::Partition::unseen_test;
  }
  const auto counts = [&](std::vector<Index> shots) {
    lore::write_preferences(folder / "data.safetensors", preferences);
    FewShotOptions options = curve(folder, std::move(shots));
    options.rank = 1;
    options.first = true;
    std::vector<Index> users;
    const Outcome outcome = run(options);
    for (const Json& point : outcome.results["points"])
      users.push_back(point["users_with_at_least"].get<Index>());
    return users;
  };
  CHECK(counts({1, 5, 6, 12, 13}) == std::vector<Index>{12, 12, 6, 6, 0});
  // Pairs of comparisons share a dialogue; the last of an odd number stands alone.
  preferences.shot_unit = lore::ShotUnit::group;
  Index group = 0;
  for (std::size_t j = 0; j < preferences.user.size(); ++j) {
    const bool again = j > 0 && preferences.user[j] == preferences.user[j - 1] &&
                       preferences.partition[j] == preferences.partition[j - 1];
    of_user = again ? of_user + 1 : 0;
    if (of_user % 2 == 0) ++group;
    preferences.group.push_back(group);
  }
  CHECK(counts({3, 4, 6, 7}) == std::vector<Index>{12, 6, 6, 0});
}

TEST_CASE("A model of another dimension is refused, one of another encoder is used with a warning") {
  const lore_test::Folder folder;
  lore::Preferences<> preferences = population();
  lore::write_preferences(folder / "data.safetensors", preferences);
  TrainOptions train = sweep(folder, {1});
  train.model = folder / "model.safetensors";
  (void)run(train);
  FewShotOptions options = curve(folder, {5});
  options.model = train.model;
  CHECK_FALSE(contains(run(options).out, "warning"));

  preferences.encoder = "another encoder";
  lore::write_preferences(folder / "data.safetensors", preferences);
  const Outcome other = run(options);
  CHECK(other.code == 0);
  CHECK(contains(other.out, "warning"));
  CHECK(contains(other.out, "planted"));
  CHECK(contains(other.out, "another encoder"));

  lore::PlantedOptions wider = plan();
  wider.dimension = 13;
  lore::write_preferences(folder / "data.safetensors", population(wider));
  const std::string text = complaint(options);
  CHECK(contains(text, train.model.string()));
  CHECK(contains(text, options.data.string()));
  CHECK(contains(text, "d = 12"));
  CHECK(contains(text, "d = 13"));
}
