// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// The program prism/evaluate_rewardbench2 as a user runs it.
#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/io/model_file.hpp"
#include "lore/io/npy.hpp"

#include "lore_catch.hpp"
#include "prism/rewardbench2.hpp"
#include "program.hpp"
#include "support.hpp"

using namespace lore_examples;
using lore_test::Approx;
using lore_test::complaint_of;
using lore_test::contains;
using Json = nlohmann::json;

namespace {

Json row(const Json& id, const std::string& subset, const std::vector<std::string>& chosen,
         const std::vector<std::string>& rejected) {
  return {{"id", id},
          {"prompt", "Prompt " + id.dump()},
          {"chosen", chosen},
          {"rejected", rejected},
          {"num_correct", chosen.size()},
          {"num_incorrect", rejected.size()},
          {"total_completions", chosen.size() + rejected.size()},
          {"models", Json::array({"a", "b"})},
          {"subset", subset},
          {"additional_metadata", nullptr}};
}

/// One row of each kind and a pair of Ties.
const std::vector<Json> rows{row("1", "Math", {"a"}, {"b", "c"}), row(2, "Math", {"d"}, {"e", "f"}),
                             row("3", "Safety", {"g"}, {"h"}), row("ref:0", "Ties", {"i"}, {"j"}),
                             row("tied:0", "Ties", {"k", "l"}, {"m"})};

std::string lines_of(const std::vector<Json>& all) {
  std::string text;
  for (const Json& one : all) text += one.dump() + "\n";
  return text;
}

std::string complaint(const std::vector<Json>& all) {
  return complaint_of([&] {
    std::istringstream stream(lines_of(all));
    JsonLines lines(stream, "bench");
    Progress silent(false);
    (void)rewardbench2::read(lines, "bench", silent);
  });
}

}  // namespace

TEST_CASE("RewardBench 2: rows become conversations, equal candidates once") {
  std::istringstream stream(lines_of({row("1", "Math", {"a"}, {"b", "b"})}));
  JsonLines lines(stream, "bench");
  Progress silent(false);
  rewardbench2::Benchmark benchmark = rewardbench2::read(lines, "bench", silent);
  REQUIRE(benchmark.texts.size() == 2);
  CHECK(benchmark.candidate == std::vector<std::vector<Index>>{{0, 1, 1}});
  CHECK(benchmark.texts.items()[1].messages == Conversation{{"user", "Prompt \"1\""}, {"assistant", "b"}});
  CHECK(rewardbench2::score(benchmark, std::vector<double>{2, 1}).official == 1);
  CHECK(rewardbench2::score(benchmark, std::vector<double>{2, 2}).official == Approx(1.0 / 3));
}

TEST_CASE("RewardBench 2: bad rows are refused with line and field before anything is embedded") {
  REQUIRE(complaint(rows).empty());
  for (const char* key : {"id", "prompt", "chosen", "rejected", "num_correct", "num_incorrect", "subset"}) {
    std::vector<Json> bad = rows;
    bad[1].erase(key);
    CHECK(contains(complaint(bad), std::string("bench:2: field '") + key + "': got nothing"));
  }
  const auto changed = [&](std::size_t place, const char* key, const Json& value) {
    std::vector<Json> bad = rows;
    bad[place][key] = value;
    return complaint(bad);
  };
  CHECK(contains(changed(0, "num_correct", 2),
                 "bench:1: field 'num_correct': got 2, wanted 1, the replies under 'chosen'"));
  CHECK(contains(changed(0, "num_incorrect", 1), "field 'num_incorrect': got 1, wanted 2"));
  CHECK(contains(changed(0, "rejected", Json::array()), "field 'rejected': got no reply"));
  CHECK(contains(changed(0, "chosen", "a"), "field 'chosen': got a string, wanted an array"));
  CHECK(contains(changed(0, "prompt", 3), "field 'prompt': got 3, wanted a string"));
  CHECK(contains(changed(4, "subset", "Focus"), "bench:5: field 'chosen': got 2 correct replies"));
  CHECK(contains(changed(4, "id", "tied:1"), "alone"));
  CHECK(contains(changed(4, "id", "what"), "wanted ref:<n> or tied:<n>"));
  CHECK(contains(complaint({}), "bench: got no rows"));
}

#ifdef LORE_EXAMPLES_DIR

namespace {

/// Two columns, two users and a reference head in three dimensions.
lore::RewardModel<float> some_model() {
  lore::RewardModel<float> model;
  lore::Matrix<float> V = lore::Matrix<float>::Zero(3, 2);
  V(0, 0) = V(1, 1) = 1;
  model.basis = lore::Basis<float>(V);
  model.rank = 2;
  model.weight_map = lore::WeightMapKind::simplex;
  model.user = {4, 7};
  model.user_names = {"ann", "bob, \"b\""};
  model.parameters = lore::Matrix<float>::Zero(2, 2);
  model.weights.resize(2, 2);
  model.weights << 1, 0.25F, 0, 0.75F;
  model.prior = {lore::Vector<float>::Zero(2), lore::Matrix<float>::Identity(2, 2)};
  model.reference_head = lore::Vector<float>::Unit(3, 2);
  model.dataset = "prism";
  model.encoder = "file e.npy";
  return model;
}

/// Scores of a .. m under each of the three directions.
lore::Matrix<float> some_embeddings() {
  lore::Matrix<float> E(3, 13);
  //    a  b  c  d  e  f  g  h  i  j     k  l  m
  E << 3, 1, 2, 2, 2, 1, 0, 1, 3, 1.5F, 5, 4, 2,  //
      0, 1, 0, 1, 1, 1, 2, 1, 1, 2, 1, 1, 3,      //
      1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0;
  return E;
}

/// The line of a head in a CSV file, as numbers.
std::vector<double> csv_line(const std::string& csv, const std::string& head) {
  std::istringstream stream(csv);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(head + ",")) continue;
    std::vector<double> numbers;
    std::istringstream rest(line.substr(head.size() + 1));
    for (std::string cell; std::getline(rest, cell, ',');) numbers.push_back(std::stod(cell));
    return numbers;
  }
  return {};
}

void check_line(const std::string& csv, const std::string& head, const std::vector<double>& expected) {
  CAPTURE(head);
  const std::vector<double> got = csv_line(csv, head);
  REQUIRE(got.size() >= expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CAPTURE(k);
    CHECK(got[k] == Approx(expected[k]));
  }
}

}  // namespace

TEST_CASE("evaluate_rewardbench2: hand-worked scores of heads, users, population and reference") {
  const lore_test::Folder folder;
  lore::write_model(folder / "model.safetensors", some_model());
  lore::write_npy(folder / "e.npy", lore::FeatureMatrix::own<float>(some_embeddings()));
  (void)folder.write("bench.jsonl", lines_of(rows));
  const std::string base =
      "--model model.safetensors --data bench.jsonl --embeddings e.npy --csv out.csv --scores out.jsonl ";
  const lore_test::Run run = lore_test::run(folder, "prism/evaluate_rewardbench2",
                                            base + "--user ann --user 7 --weights 0,1 --all-users");
  CAPTURE(run.out, run.err);
  REQUIRE(run.code == 0);
  CHECK(run.err.empty());
  const std::string csv = lore_test::content_of(folder / "out.csv");

  // overall, variant, Math, variant, Safety, variant, Ties, variant, and the parts of Ties.
  // Head 0: alone at the top, then shared by two; beaten; tied: spread 1, gap 2, ref: gap 1.5.
  const double ties = 1 + 0.01 * std::tanh(0.5);
  const std::vector<double> head0{(0.75 + ties) / 3, 0.5, 0.75, 0.5, 0, 0, ties, 1, 1, 1, 1, 1,
                                  std::tanh(0.5)};
  check_line(csv, "head 0", head0);
  check_line(csv, "user ann", head0);
  // Head 1: beaten, then shared by three; best; both gaps below 0 and no spread.
  const std::vector<double> head1{
      (1.0 / 6 + 1 - 0.01) / 3, 1.0 / 3, 1.0 / 6, 0, 1, 1, -0.01, 0, 0, 0, 0, 0, -1};
  check_line(csv, "head 1", head1);
  check_line(csv, "weights", head1);
  // Reference: all correct, tied ones equal.
  check_line(csv, "reference", {3.01 / 3, 1, 1, 1, 1, 1, 1.01, 1, 1, 1, 1, 1, 1});
  // Bob, 1/4 and 3/4: tied gap -1 at spread 1/4.
  const double bob_ties = 0.01 * std::tanh(-5.0);
  check_line(csv, "\"user bob, \"\"b\"\"\"",
             {(0.25 + 1 + bob_ties) / 3, 1.0 / 3, 0.25, 0, 1, 1, bob_ties, 0});
  // The population, 1/2 each, whose logits are the prior's mean: a 1.5, b 1, c 1; d and e 1.5; g and h 1.
  const std::vector<double> population = csv_line(csv, "population");
  REQUIRE(population.size() > 4);
  CHECK(population[2] == Approx(0.75));
  CHECK(population[4] == Approx(0.5));

  CHECK(contains(run.out, "2 users: mean"));
  CHECK(contains(run.out, "head 0"));
  CHECK(contains(run.out, "below the reference head; 100.0 % of the users' heads are below it"));
  CHECK(contains(run.out, "not the whole benchmark"));

  // Every candidate with its rewards.
  std::istringstream scores(lore_test::content_of(folder / "out.jsonl"));
  std::vector<Json> candidates;
  for (std::string line; std::getline(scores, line);) candidates.push_back(Json::parse(line));
  REQUIRE(candidates.size() == 13);
  CHECK(candidates[3].at("id") == "2");
  CHECK(candidates[3].at("reply") == "d");
  CHECK(candidates[3].at("correct") == true);
  CHECK(candidates[4].at("correct") == false);
  CHECK(candidates[3].at("scores").at("head 0") == 2.0);
  CHECK(candidates[3].at("row").at("head 0") == 0.5);
  CHECK(candidates[11].at("correct") == true);
  CHECK(candidates[12].at("scores").at("user bob, \"b\"") == 2.75);

  // Other vectors than those the model was fitted on: a warning that names both.
  std::filesystem::copy_file(folder / "e.npy", folder / "other.npy");
  const lore_test::Run other =
      lore_test::run(folder, "prism/evaluate_rewardbench2",
                     "--model model.safetensors --data bench.jsonl --embeddings other.npy");
  CHECK(other.code == 0);
  CHECK(contains(other.err, "warning: "));
  CHECK(contains(other.err, "'file e.npy'"));
  CHECK(contains(other.err, "'file other.npy'"));
}

TEST_CASE("evaluate_rewardbench2 ends with one clear line on bad input") {
  const lore_test::Folder folder;
  lore::write_model(folder / "model.safetensors", some_model());
  lore::write_npy(folder / "e.npy", lore::FeatureMatrix::own<float>(some_embeddings()));
  lore::write_npy(folder / "short.npy",
                  lore::FeatureMatrix::own<float>(lore::Matrix<float>(some_embeddings().leftCols(12))));
  lore::write_npy(folder / "flat.npy",
                  lore::FeatureMatrix::own<float>(lore::Matrix<float>(some_embeddings().topRows(2))));
  lore::write_npy<float>(folder / "head.npy", std::vector<float>(4, 0.5F));
  (void)folder.write("bench.jsonl", lines_of(rows));
  (void)folder.write("bad.jsonl", lines_of({rows[0], Json{{"id", "2"}}}));
  const auto fails = [&](const std::string& arguments, const std::string& reason) {
    CAPTURE(arguments);
    const lore_test::Run run = lore_test::run(folder, "prism/evaluate_rewardbench2", arguments);
    CAPTURE(run.err);
    CHECK(run.code != 0);
    CHECK(contains(run.err, reason));
  };
  const std::string model = "--model model.safetensors ", data = "--data bench.jsonl ";
  const std::string embeddings = "--embeddings e.npy ";
  fails(data + embeddings + "--model absent.safetensors", "error: absent.safetensors");
  fails(model + embeddings + "--data absent.jsonl", "error: absent.jsonl: cannot be opened");
  fails(model + embeddings + "--data bad.jsonl", "error: bad.jsonl:2: field 'subset'");
  fails(model + data, "--hashing-statistics: got nothing");
  fails(model + data + "--embeddings short.npy", "got 12 rows");
  fails(model + data + "--embeddings flat.npy", "got a basis of dimension 3, wanted 2");
  fails(model + data + embeddings + "--user zoe", "--user: got 'zoe', wanted the name or number");
  fails(model + data + embeddings + "--weights 1,2,3", "--weights: got 3 numbers, wanted 2");
  fails(model + data + embeddings + "--reference-head head.npy", "got a head of 4 entries, wanted 3");
  fails(model + data + embeddings + "--csv absent/out.csv", "absent/out.csv");
  CHECK_FALSE(std::filesystem::exists(folder / "out.csv"));

  // Texts to embed elsewhere, then their vectors by id.
  const lore_test::Run texts =
      lore_test::run(folder, "prism/evaluate_rewardbench2", model + data + "--write-texts texts.jsonl");
  CHECK(texts.code == 0);
  CHECK(lore_test::run(folder, "prism/evaluate_rewardbench2", model + data + embeddings + "--ids texts.jsonl")
            .code == 0);
}

#endif
