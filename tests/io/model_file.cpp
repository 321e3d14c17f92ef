// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/model_file.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::Index;
using lore::RewardModel;
using lore::WeightMapKind;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {

constexpr Index d = 5;

/// A valid model of this rank and map, filled with numbers that have no short decimal form.
template <class Scalar>
RewardModel<Scalar> some_model(Index rank, WeightMapKind map) {
  const Index columns = std::max<Index>(rank, 1);
  RewardModel<Scalar> model;
  std::srand(11);
  model.basis = lore::Basis<Scalar>(lore::Matrix<Scalar>(lore::Matrix<Scalar>::Random(d, columns)));
  model.rank = rank;
  model.weight_map = map;
  model.temperature = Scalar(0.1);
  model.user = {4, 0, 9};
  model.parameters = lore::Matrix<Scalar>::Random(columns, 3);
  if (map == WeightMapKind::signed_deviations) model.parameters.row(0).setOnes();
  model.weights = lore::Matrix<Scalar>::Random(columns, 3);
  model.prior.mean = lore::Vector<Scalar>::Random(columns);
  const lore::Matrix<Scalar> root = lore::Matrix<Scalar>::Random(columns, columns);
  model.prior.covariance = root * root.transpose();
  model.reference_head = lore::Vector<Scalar>(lore::Vector<Scalar>::Random(d));
  model.user_names = {"a", "b", "Çelik"};
  model.dataset = "data";
  model.encoder = "encoder";
  model.guard = {{0, 30, {-0.1, 0.01 / 3, -0.12, -0.08}, {0, 0, 0, 0}},
                 {5, 7, {1.0 / 3, 1e-300, 0.3, 0.4}, {0.02, 0.1, -1e-9, 1e17}}};
  model.training = {{"seed", "7"}, {"loss", "bradley_terry"}};
  return model;
}

template <class A, class B>
void check_same(const A& a, const B& b) {
  CHECK(a.basis.matrix() == b.basis.matrix());
  CHECK(a.rank == b.rank);
  CHECK(a.weight_map == b.weight_map);
  CHECK(a.temperature == b.temperature);
  CHECK(a.user == b.user);
  CHECK(a.parameters == b.parameters);
  CHECK(a.weights == b.weights);
  CHECK(a.prior.mean == b.prior.mean);
  CHECK(a.prior.covariance == b.prior.covariance);
  CHECK(a.reference_head.has_value() == b.reference_head.has_value());
  if (a.reference_head && b.reference_head) CHECK(*a.reference_head == *b.reference_head);
  CHECK(a.user_names == b.user_names);
  CHECK(a.dataset == b.dataset);
  CHECK(a.encoder == b.encoder);
  CHECK(a.training == b.training);
  CHECK(a.guard == b.guard);
}

}  // namespace

TEST_CASE("a float model comes back bit for bit, and so do its rewards") {
  const Folder folder;
  const Index rank = GENERATE(Index{0}, Index{1}, Index{4});
  const WeightMapKind map = GENERATE(WeightMapKind::simplex, WeightMapKind::signed_deviations);
  CAPTURE(rank, lore::name_of(map));
  const RewardModel<float> model = some_model<float>(rank, map);
  lore::write_model(folder / "m.safetensors", model);
  const RewardModel<float> back = lore::read_model(folder / "m.safetensors");
  check_same(model, back);
  const lore::Matrix<float> E = lore::Matrix<float>::Random(d, 6);
  for (Index i = 0; i < 3; ++i)
    CHECK(lore::rewards<float, lore::Dynamic, lore::Dynamic>(model.basis, model.weights.col(i), E) ==
          lore::rewards<float, lore::Dynamic, lore::Dynamic>(back.basis, back.weights.col(i), E));
}

TEST_CASE("a model without users, head and names comes back") {
  const Folder folder;
  RewardModel<float> model = some_model<float>(2, WeightMapKind::signed_deviations);
  model.user.clear();
  model.user_names.clear();
  model.parameters.resize(2, 0);
  model.weights.resize(2, 0);
  model.reference_head.reset();
  model.training.clear();
  lore::write_model(folder / "m", model);
  check_same(model, lore::read_model(folder / "m"));
}

TEST_CASE("a double model of fixed size is rounded to float") {
  const Folder folder;
  const RewardModel<double> from = some_model<double>(3, WeightMapKind::simplex);
  RewardModel<double, d, 3> model;
  model.basis = lore::Basis<double, d, 3>(lore::Matrix<double, d, 3>(from.basis.matrix()));
  model.rank = 3;
  model.temperature = from.temperature;
  model.user = from.user;
  model.parameters = from.parameters;
  model.weights = from.weights;
  model.prior.mean = from.prior.mean;
  model.prior.covariance = from.prior.covariance;
  lore::write_model(folder / "m", model);
  const RewardModel<float> back = lore::read_model(folder / "m");
  CHECK(back.basis.matrix() == from.basis.matrix().cast<float>());
  CHECK(back.temperature == 0.1F);
  model.prior.mean(0) = 1e300;
  CHECK_THROWS_AS(lore::write_model(folder / "m", model), std::domain_error);
}

TEST_CASE("an invalid model is not written") {
  const Folder folder;
  RewardModel<float> model = some_model<float>(3, WeightMapKind::simplex);
  model.weights(1, 1) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(lore::write_model(folder / "m", model), std::domain_error);
  model = some_model<float>(3, WeightMapKind::simplex);
  model.user.pop_back();
  CHECK_THROWS_AS(lore::write_model(folder / "m", model), std::invalid_argument);
  model = some_model<float>(3, WeightMapKind::signed_deviations);
  model.parameters(0, 1) = 2;
  CHECK_THROWS_AS(lore::write_model(folder / "m", model), std::domain_error);
  CHECK(folder.names().empty());
}

TEST_CASE("what a model file may not say is refused, with the place") {
  // Written by hand, so that each part can be wrong on its own.
  std::map<std::string, std::string> metadata{{"format", "lore.model"},
                                              {"version", "1"},
                                              {"rank", "2"},
                                              {"temperature", "1"},
                                              {"weight_map", "simplex"}};
  std::vector<float> basis(2 * d, 0.5F), weights(4, 0.5F), logits(4, 0.0F), mean(2, 0.0F),
      covariance{1, 0, 0, 1};
  std::vector<std::int64_t> user{0, 1};
  Index rows = 2;
  const auto complaint = [&] {
    const Folder folder;
    lore::SafetensorsWriter out;
    for (const auto& [key, value] : metadata) out.metadata(key, value);
    out.add<float>("basis", basis, {rows, static_cast<Index>(basis.size()) / rows});
    out.add<float>("weights", weights, {2, 2});
    out.add<float>("logits", logits, {2, 2});
    out.add<float>("prior_mean", mean);
    out.add<float>("prior_covariance", covariance, {2, 2});
    out.add<std::int64_t>("user", user);
    out.write(folder / "m");
    const std::string message = io_message([&] { (void)lore::read_model(folder / "m"); });
    if (!message.empty()) CHECK(has(message, (folder / "m").string() + ": "));
    return message;
  };
  CHECK(complaint().empty());
  const auto with = [&](auto& place, auto value) {
    const auto before = place;
    place = value;
    const std::string message = complaint();
    place = before;
    CAPTURE(message);
    CHECK_FALSE(message.empty());
    return message;
  };
  CHECK(has(with(metadata["format"], "lore.preferences"), "got 'lore.preferences', wanted 'lore.model'"));
  CHECK(has(with(metadata["version"], "2"), "metadata 'version': got '2', wanted '1'"));
  CHECK(has(with(metadata["weight_map"], "free"), "got 'free', wanted 'simplex' or 'signed'"));
  CHECK(has(with(metadata["weight_map"], "signed"), "tensor 'deviations': not in the file"));
  CHECK(has(with(metadata["rank"], "3"), "tensor 'basis': got the shape [2, 5], wanted [3, d] for rank 3"));
  CHECK(has(with(metadata["rank"], "two"), "metadata 'rank': got 'two', wanted a whole number"));
  CHECK(has(with(metadata["rank"], "-1"), "metadata 'rank': got '-1'"));
  CHECK(has(with(metadata["rank"], "99999999999999999999"), "metadata 'rank'"));
  CHECK(has(with(metadata["temperature"], "nan"), "metadata 'temperature': got 'nan'"));
  CHECK(has(with(metadata["temperature"], "0"), "temperature: got 0, wanted a finite number above 0"));
  CHECK(has(with(basis[3], std::numeric_limits<float>::infinity()), "'basis'(3, 0): got inf"));
  CHECK(has(with(logits[0], std::numeric_limits<float>::quiet_NaN()), "'logits'(0, 0): got nan"));
  CHECK(has(with(mean[1], std::numeric_limits<float>::quiet_NaN()), "mean(1, 0): got nan"));
  CHECK(has(with(covariance[1], 0.5F), "covariance: got a matrix"));
  CHECK(has(with(user[1], std::int64_t{0}), "tensor 'user': got user 0 twice"));
  CHECK(has(with(user[1], std::int64_t{-3}), "tensor 'user': got -3"));
  for (const char* guard : {"none", "null", "{}", "[1]", R"([{"shots": 1}])"})
    CHECK(has(with(metadata["guard"], guard), "metadata 'guard': got '"));
  CHECK(has(with(rows, Index{1}), "tensor 'basis': got the shape [1, 10]"));
}

TEST_CASE("metadata that the format does not know are kept from file to file") {
  const Folder folder;
  RewardModel<float> model = some_model<float>(2, WeightMapKind::simplex);
  lore::write_model(folder / "m", model);
  std::string bytes = lore_test::get(folder / "m");
  const auto at = bytes.find("training.loss");
  REQUIRE(at != std::string::npos);
  bytes.replace(at, 13, "elsewhere.key");  // as if another program had written it
  lore_test::put(folder / "m", bytes);
  const RewardModel<float> back = lore::read_model(folder / "m");
  CHECK(back.training.at("elsewhere.key") == "bradley_terry");
  lore::write_model(folder / "n", back);
  CHECK(lore::read_model(folder / "n").training == back.training);
}

TEST_CASE("another dimension is an error, another encoder a warning that names both") {
  const RewardModel<float> model = some_model<float>(2, WeightMapKind::simplex);
  lore::Preferences<> preferences;
  const auto with_dimension = [](Index size) {
    return std::make_shared<const lore::Features>(lore::Features::differences(
        lore::FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Zero(size, 2)))));
  };
  preferences.features = with_dimension(d);
  preferences.encoder = "encoder";
  CHECK_FALSE(lore::check_compatible(model, preferences).has_value());
  preferences.encoder = "hashing";
  const auto warning = lore::check_compatible(model, preferences);
  REQUIRE(warning.has_value());
  CHECK(has(*warning, "'encoder'"));
  CHECK(has(*warning, "'hashing'"));
  preferences.features = with_dimension(d + 1);
  CHECK_THROWS_AS((void)lore::check_compatible(model, preferences), std::invalid_argument);
}
