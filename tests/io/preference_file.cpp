// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/preference_file.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::FeatureMatrix;
using lore::Features;
using lore::Index;
using lore::Partition;
using lore::Preferences;
using lore::SafetensorsWriter;
using lore::Storage;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {

/// Raw tensors of a small preference file: 4 items, 5 comparisons, users 0 (seen) and 1 (unseen). Tests
/// change one thing and write it without the library's own checks.
struct Raw {
  lore::Matrix<float> embeddings = lore::Matrix<float>::Random(3, 4);
  std::vector<std::int64_t> chosen{0, 1, 2, 3, 0};
  std::vector<std::int64_t> rejected{1, 2, 3, 0, 2};
  std::vector<std::int64_t> user{0, 0, 0, 1, 1};
  std::vector<std::uint8_t> partition{0, 0, 1, 2, 3};
  std::vector<std::int64_t> group{7, 7, 8, 1, 2};
  std::vector<float> weight{1, 0.5F, 0, 2, 1};
  std::vector<float> head{1, 2, 3};
  std::map<std::string, std::string> metadata{{"format", "lore.preferences"}, {"version", "1"}};

  [[nodiscard]] SafetensorsWriter writer(bool with_embeddings = true) const {
    SafetensorsWriter out;
    for (const auto& [key, value] : metadata) out.metadata(key, value);
    if (with_embeddings) out.add_table("embeddings", FeatureMatrix::own(embeddings), Storage::f32);
    if (!chosen.empty()) out.add<std::int64_t>("chosen", chosen);
    if (!rejected.empty()) out.add<std::int64_t>("rejected", rejected);
    if (!user.empty()) out.add<std::int64_t>("user", user);
    if (!partition.empty()) out.add<std::uint8_t>("partition", partition);
    if (!group.empty()) out.add<std::int64_t>("group", group);
    if (!weight.empty()) out.add<float>("weight", weight);
    if (!head.empty()) out.add<float>("reference_head", head);
    return out;
  }

  /// What reading it complains of; "" when it is read.
  [[nodiscard]] std::string complaint() const { return complaint_of(writer()); }

  [[nodiscard]] static std::string complaint_of(const SafetensorsWriter& out,
                                                const lore::PreferenceReadOptions& options = {}) {
    const Folder folder;
    out.write(folder / "p.safetensors");
    const std::string message =
        io_message([&] { (void)lore::read_preferences(folder / "p.safetensors", options); });
    if (!message.empty()) CHECK(has(message, (folder / "p.safetensors").string() + ": "));
    return message;
  }
};

Preferences<> indexed_preferences() {
  const Raw raw;
  Preferences<> preferences;
  preferences.features = std::make_shared<const Features>(
      Features::pairs(FeatureMatrix::own(raw.embeddings), {raw.chosen.begin(), raw.chosen.end()},
                      {raw.rejected.begin(), raw.rejected.end()}));
  preferences.user.assign(raw.user.begin(), raw.user.end());
  for (const std::uint8_t part : raw.partition) preferences.partition.push_back(static_cast<Partition>(part));
  preferences.group.assign(raw.group.begin(), raw.group.end());
  preferences.weight = raw.weight;
  preferences.users = 2;
  preferences.reference_head = lore::Vector<float>(Eigen::Map<const lore::Vector<float>>(raw.head.data(), 3));
  preferences.shot_unit = lore::ShotUnit::group;
  preferences.dataset = "a test";
  preferences.encoder = "hashing";
  preferences.user_names = {"Zoë", "Q\"uote"};
  return preferences;
}

void check_same(const Preferences<>& a, const Preferences<>& b) {
  CHECK(a.user == b.user);
  CHECK(a.partition == b.partition);
  CHECK(a.group == b.group);
  CHECK(a.weight == b.weight);
  CHECK(a.answer == b.answer);
  CHECK(a.users == b.users);
  CHECK(a.reference_head.has_value() == b.reference_head.has_value());
  if (a.reference_head && b.reference_head) CHECK(*a.reference_head == *b.reference_head);
  CHECK(a.shot_unit == b.shot_unit);
  CHECK(a.dataset == b.dataset);
  CHECK(a.encoder == b.encoder);
  CHECK(a.user_names == b.user_names);
  REQUIRE(a.features->size() == b.features->size());
  REQUIRE(a.dimension() == b.dimension());
  lore::Vector<double> x(a.dimension()), y(a.dimension());
  for (Index j = 0; j < a.size(); ++j) {
    a.features->load(j, x.data());
    b.features->load(j, y.data());
    CHECK(x == y);
  }
}

}  // namespace

TEST_CASE("preferences over an embedding table come back as they were written") {
  const Folder folder;
  const Preferences<> preferences = indexed_preferences();
  lore::write_preferences(folder / "p q.safetensors", preferences);
  const Preferences<> back = lore::read_preferences(folder / "p q.safetensors");
  CHECK(back.features->indexed());
  check_same(preferences, back);
}

TEST_CASE("preferences over differences, with nothing optional, come back as they were written") {
  const Folder folder;
  Preferences<> preferences;
  preferences.features = std::make_shared<const Features>(Features::differences(
      FeatureMatrix::own(lore::Matrix<double>(lore::Matrix<double>::Constant(6, 3, 0.5)))));
  preferences.user = {1, 0, 1};
  preferences.users = 2;
  lore::write_preferences(folder / "p", preferences);
  const Preferences<> back = lore::read_preferences(folder / "p");
  CHECK_FALSE(back.features->indexed());
  CHECK(back.features->table().storage() == Storage::f32);
  CHECK(back.seen_train().size() == 3);
  CHECK(back.unseen_test().empty());
  check_same(preferences, back);
}

TEST_CASE("an odd number of one-byte partitions keeps every tensor readable") {
  const Folder folder;
  lore::write_preferences(folder / "p", indexed_preferences());
  const auto file = lore::SafetensorsFile::open(folder / "p");
  REQUIRE(file.info("partition").elements() % 2 == 1);
  for (const char* name : {"embeddings", "chosen", "rejected", "user", "group", "weight", "reference_head"}) {
    CAPTURE(name);
    CHECK(reinterpret_cast<std::uintptr_t>(file.bytes(name).data()) %
              (lore::bits_of(file.info(name).dtype) / 8) ==
          0);
  }

  // A foreign writer may put the bytes first: then the table is copied, not read at an odd address.
  const std::string header = R"({"__metadata__":{"format":"lore.preferences","version":"1"},)"
                             R"("partition":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("user":{"dtype":"I64","shape":[1],"data_offsets":[1,9]},)"
                             R"("differences":{"dtype":"F32","shape":[1,1],"data_offsets":[9,13]}})";
  const float value = 2.5F;
  lore_test::put(folder / "q",
                 lore_test::safetensors(
                     header, std::string(9, '\0') + std::string(reinterpret_cast<const char*>(&value), 4)));
  float read = 0;
  lore::read_preferences(folder / "q").features->load(0, &read);
  CHECK(read == 2.5F);
}

TEST_CASE("the table can be stored in half precision, unless a value is too large for it") {
  const Folder folder;
  Preferences<> preferences = indexed_preferences();
  lore::write_preferences(folder / "p", preferences, {.storage = Storage::bf16, .metadata = {{"seed", "7"}}});
  CHECK(lore::read_preferences(folder / "p").features->table().storage() == Storage::bf16);
  CHECK(lore::SafetensorsFile::open(folder / "p").metadata().at("seed") == "7");

  lore::Matrix<float> large = Raw().embeddings;
  large(2, 1) = 1e5F;
  preferences.features = std::make_shared<const Features>(
      Features::pairs(FeatureMatrix::own(large), {0, 1, 2, 3, 0}, {1, 2, 3, 0, 2}));
  const std::string message =
      io_message([&] { lore::write_preferences(folder / "p", preferences, {.storage = Storage::f16}); });
  CAPTURE(message);
  CHECK(has(message, "tensor 'embeddings', row 1, column 2: got 1"));
  CHECK(has(message, "store it as BF16"));
  CHECK(lore::read_preferences(folder / "p").features->table().storage() == Storage::bf16);
  CHECK(folder.names().size() == 1);
}

TEST_CASE("invalid preferences are not written") {
  const Folder folder;
  Preferences<> preferences = indexed_preferences();
  preferences.weight[1] = -1;
  CHECK_THROWS_AS(lore::write_preferences(folder / "p", preferences), std::domain_error);
  preferences = indexed_preferences();
  preferences.group.clear();
  CHECK_THROWS_AS(lore::write_preferences(folder / "p", preferences), std::invalid_argument);
  CHECK_THROWS_AS(lore::write_preferences(folder / "p", indexed_preferences(), {.storage = Storage::f64}),
                  std::domain_error);
  CHECK(folder.names().empty());
}

TEST_CASE("files without the optional parts, and with unknown ones, are read") {
  Raw raw;
  CHECK(raw.complaint().empty());
  raw.metadata["something"] = "else";
  raw.group.clear();
  raw.weight.clear();
  raw.head.clear();
  SafetensorsWriter out = raw.writer();
  const std::vector<std::uint8_t> unknown{1, 2, 3};
  out.add<std::uint8_t>("unknown", unknown);
  CHECK(Raw::complaint_of(out).empty());
  raw.user = {0, 0, 0, 1, 1};
  raw.partition.clear();
  CHECK(raw.complaint().empty());
  raw.partition = {1, 1, 1, 3, 3};  // both training partitions empty
  CHECK(raw.complaint().empty());
}

TEST_CASE("a file of another format or version is refused") {
  Raw raw;
  raw.metadata.erase("format");
  CHECK(has(raw.complaint(), "metadata 'format': got nothing, wanted 'lore.preferences'"));
  raw.metadata["format"] = "lore.model";
  CHECK(has(raw.complaint(), "metadata 'format': got 'lore.model', wanted 'lore.preferences'"));
  raw.metadata["format"] = "lore.preferences";
  raw.metadata["version"] = "3";
  CHECK(has(raw.complaint(), "metadata 'version': got '3', wanted '1', or '2' with answers"));
  raw.metadata.erase("version");
  CHECK(has(raw.complaint(), "metadata 'version': got nothing, wanted '1', or '2' with answers"));
  raw.metadata["version"] = "1";
  raw.metadata["shot_unit"] = "dialogue";
  CHECK(has(raw.complaint(), "metadata 'shot_unit': got 'dialogue', wanted 'comparison' or 'group'"));
  raw.metadata["shot_unit"] = "group";
  raw.group.clear();
  CHECK(has(raw.complaint(), "tensor 'group': got none"));
}

TEST_CASE("tensors that are missing, too many, of another type or length are named") {
  Raw raw;
  CHECK(has(Raw::complaint_of(raw.writer(false)), "got neither 'differences' nor 'embeddings'"));
  const lore::Matrix<float> five = lore::Matrix<float>::Zero(3, 5);
  SafetensorsWriter both = raw.writer();
  both.add_table("differences", FeatureMatrix::own(five), Storage::f32);
  CHECK(has(Raw::complaint_of(both), "tensors: got 'differences' and 'embeddings'"));
  SafetensorsWriter wide = raw.writer(false);
  wide.add_table("embeddings", FeatureMatrix::own(five), Storage::f64);
  CHECK(has(Raw::complaint_of(wide), "tensor 'embeddings': got F64, wanted F32, F16 or BF16"));
  SafetensorsWriter flat = raw.writer(false);
  flat.add<float>("embeddings", raw.head);
  CHECK(has(Raw::complaint_of(flat), "tensor 'embeddings': got the shape [3], wanted [rows, d]"));

  raw.chosen.clear();
  CHECK(has(raw.complaint(), "tensor 'chosen': not in the file"));
  raw = Raw();
  raw.user.clear();
  CHECK(has(raw.complaint(), "tensor 'user': not in the file"));
  SafetensorsWriter narrow = raw.writer();
  const std::vector<std::int32_t> ids{0, 0, 0, 1, 1};
  narrow.add<std::int32_t>("user", ids);
  CHECK(has(Raw::complaint_of(narrow), "tensor 'user': got I32, wanted I64"));
  raw = Raw();
  raw.rejected.pop_back();
  CHECK(has(raw.complaint(), "tensor 'rejected': got the shape [4], wanted [5]"));
  raw = Raw();
  raw.partition.push_back(0);
  CHECK(has(raw.complaint(), "tensor 'partition': got the shape [6], wanted [5]"));
  raw = Raw();
  raw.head.pop_back();
  CHECK(has(raw.complaint(), "tensor 'reference_head': got the shape [2], wanted [3]"));
}

TEST_CASE("an index out of range is named with its place") {
  Raw raw;
  raw.rejected[3] = 4;
  CHECK(has(raw.complaint(), "rejected[3]: got 4, wanted a row below 4"));
  raw = Raw();
  raw.chosen[0] = -1;
  CHECK(has(raw.complaint(), "chosen[0]: got -1, wanted a row below 4"));
  raw = Raw();
  raw.partition[2] = 4;
  CHECK(has(raw.complaint(), "tensor 'partition'[2]: got 4, wanted 0, 1, 2 or 3"));
  raw = Raw();
  raw.user[4] = -7;
  CHECK(has(raw.complaint(), "tensor 'user'[4]: got -7, wanted an id of 0 or above"));
  raw = Raw();
  raw.metadata["users"] = R"(["only one"])";
  CHECK(has(raw.complaint(), "tensor 'user'[3]: got 1, wanted an id below 1"));
  raw.metadata["users"] = R"({"a":"b"})";
  CHECK(has(raw.complaint(), "metadata 'users': got '{\"a\":\"b\"}', wanted a JSON array"));
  raw.metadata["users"] = "[";
  CHECK(has(raw.complaint(), "metadata 'users'"));
}

TEST_CASE("NaN or infinity in a vector that a comparison uses is refused, elsewhere it is not looked at") {
  Raw raw;
  const Storage storage = GENERATE(Storage::f32, Storage::f16, Storage::bf16);
  const float bad = GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                             -std::numeric_limits<float>::infinity());
  CAPTURE(lore::name_of(storage), bad);
  const auto with = [&](Index row) {
    lore::Matrix<float> table = lore::Matrix<float>::Random(3, 5);
    table(2, row) = bad;
    SafetensorsWriter out = raw.writer(false);
    out.add_table("embeddings", FeatureMatrix::own(table), storage);
    return out;
  };
  CHECK(Raw::complaint_of(with(4)).empty());  // no comparison uses row 4
  const std::string message = Raw::complaint_of(with(3));
  CAPTURE(message);
  CHECK(has(message, "tensor 'embeddings', row 3, column 2: got " + std::string(std::isnan(bad) ? "nan"
                                                                                : bad > 0       ? "inf"
                                                                                                : "-inf")));
  CHECK(has(message, "wanted a finite number"));
  CHECK(Raw::complaint_of(with(3), {.check_values = false}).empty());
  raw.head[1] = bad;
  CHECK(has(Raw::complaint_of(with(4)), "reference_head"));
}

TEST_CASE("NaN among differences is refused with its row") {
  const Folder folder;
  lore::Matrix<float> table = lore::Matrix<float>::Random(3, 2);
  table(0, 1) = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::int64_t> user{0, 0};
  SafetensorsWriter out;
  out.metadata("format", "lore.preferences");
  out.metadata("version", "1");
  out.add<std::int64_t>("user", user);
  out.add_table("differences", FeatureMatrix::own(table), Storage::f32);
  CHECK(has(Raw::complaint_of(out), "tensor 'differences', row 1, column 0: got nan"));
}

TEST_CASE("users, groups and weights that contradict the format are refused") {
  Raw raw;
  raw.user = {0, 0, 0, 2, 2};
  CHECK(has(raw.complaint(), "no comparisons of user 1, wanted at least one of every user"));
  raw.user = {0, 0, 0, 1, std::int64_t{1} << 61};  // nothing may be allocated by this
  CHECK(has(raw.complaint(), "no comparisons of user 2"));
  raw = Raw();
  raw.metadata["users"] = R"(["a", "b", "c"])";
  CHECK(has(raw.complaint(), "no comparisons of user 2"));
  raw = Raw();
  raw.partition = {0, 0, 1, 2, 1};
  CHECK(has(raw.complaint(), "user 1: got seen and unseen comparisons, wanted one or the other"));
  raw = Raw();
  raw.group = {7, 7, 7, 1, 2};
  CHECK(has(raw.complaint(), "group 7 of user 0: got training and test comparisons"));
  raw = Raw();
  raw.weight[3] = -0.5F;
  CHECK(has(raw.complaint(), "weight[3]: got -0.5, wanted a finite number, 0 or above"));
  raw.weight[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(has(raw.complaint(), "weight[3]: got nan"));
}

namespace {

/// A version 2 of `Raw`: user 0 chose item 0 among 0, 1 and 2.
struct RawAnswers : Raw {
  RawAnswers() {
    chosen[1] = 0;
    weight[1] = 1;
    metadata["version"] = "2";
  }

  std::vector<std::uint8_t> outcome{0, 0, 1, 2, 0};
  std::vector<float> strength{1, 1, 0, 2.5F, 1};
  std::vector<float> flip{0.25F, 0, 0, 0, 0.1F};
  std::vector<std::int64_t> choice{4, 4, -1, 4, -1};

  [[nodiscard]] std::string complaint() const {
    SafetensorsWriter out = writer();
    if (!outcome.empty()) out.add<std::uint8_t>("answer", outcome);
    if (!strength.empty()) out.add<float>("strength", strength);
    if (!flip.empty()) out.add<float>("flip", flip);
    if (!choice.empty()) out.add<std::int64_t>("choice", choice);
    return complaint_of(out);
  }
};

}  // namespace

TEST_CASE("answers make a file of version 2 and come back as they were written") {
  const Folder folder;
  Preferences<> preferences = indexed_preferences();
  lore::write_preferences(folder / "plain", preferences);
  CHECK(lore::SafetensorsFile::open(folder / "plain").metadata().at("version") == "1");
  preferences.answer.resize(5);
  lore::write_preferences(folder / "plain answers", preferences);
  CHECK(lore_test::get(folder / "plain answers") == lore_test::get(folder / "plain"));

  const int what = GENERATE(0, 1, 2, 3, 4);
  CAPTURE(what);
  if (what == 0 || what == 4) {
    preferences.answer[1].outcome = lore::Outcome::tie;
    preferences.answer[3].outcome = lore::Outcome::abstained;
  }
  if (what == 1 || what == 4) preferences.answer[2].strength = 0.5F;
  if (what == 2 || what == 4) preferences.answer[4].flip = 0.25F;
  if (what == 3 || what == 4) preferences.answer[0].choice = 3;
  lore::write_preferences(folder / "answers", preferences);
  const auto file = lore::SafetensorsFile::open(folder / "answers");
  CHECK(file.metadata().at("version") == "2");
  CHECK(file.contains("answer") == (what == 0 || what == 4));
  CHECK(file.contains("strength") == (what == 1 || what == 4));
  CHECK(file.contains("flip") == (what == 2 || what == 4));
  CHECK(file.contains("choice") == (what == 3 || what == 4));
  check_same(preferences, lore::read_preferences(folder / "answers"));
}

TEST_CASE("answers that are missing, of another length or out of range are refused") {
  RawAnswers raw;
  REQUIRE(raw.complaint().empty());
  raw.metadata["version"] = "1";  // whoever wrote this would be misread
  CHECK(has(raw.complaint(), "metadata 'version': got '1' beside the tensor 'answer', wanted '2'"));
  raw = RawAnswers();
  raw.outcome[0] = 3;
  CHECK(has(raw.complaint(), "tensor 'answer'[0]: got 3, wanted 0, 1 or 2"));
  raw = RawAnswers();
  raw.outcome.pop_back();
  CHECK(has(raw.complaint(), "tensor 'answer': got the shape [4], wanted [5]"));
  raw = RawAnswers();
  raw.strength[1] = -1;
  CHECK(has(raw.complaint(), "answer[1].strength: got -1, wanted a finite number, 0 or above"));
  raw.strength[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(has(raw.complaint(), "answer[1].strength: got nan"));
  raw = RawAnswers();
  raw.flip[1] = 0.5F;
  CHECK(has(raw.complaint(), "answer[1].flip: got 0.5, wanted 0 or above, below 0.5"));
  raw = RawAnswers();
  raw.choice[2] = -2;
  CHECK(has(raw.complaint(), "answer[2].choice: got -2"));
  raw = RawAnswers();
  raw.choice.push_back(0);
  CHECK(has(raw.complaint(), "tensor 'choice': got the shape [6], wanted [5]"));
  raw = RawAnswers();
  raw.chosen[1] = 1;
  CHECK(has(raw.complaint(), "choice 4 of user 0: got comparisons that differ in their chosen reply"));
  raw = RawAnswers();
  raw.choice = {4, -1, 4, -1, -1};
  CHECK(has(raw.complaint(), "choice 4 of user 0: got comparisons apart"));
  raw = RawAnswers();
  raw.outcome[1] = 1;
  CHECK(has(raw.complaint(), "choice 4 of user 0: got a tie or an abstention"));
  for (const char* name : {"outcome", "strength", "flip", "choice"}) {
    RawAnswers part;
    if (std::string(name) != "outcome") part.outcome.clear();
    if (std::string(name) != "strength") part.strength.clear();
    if (std::string(name) != "flip") part.flip.clear();
    if (std::string(name) != "choice") part.choice.clear();
    CHECK(part.complaint().empty());
  }
}

TEST_CASE("the Polis preferences are read and mapped") {
  const auto data = lore_test::test_data("polis/preferences.safetensors");
  if (!data) return lore_test::skip();
  const Preferences<> preferences = lore::read_preferences(*data);
  CHECK(preferences.users == 446 + 249);
  CHECK(preferences.dimension() == 64);
  CHECK(preferences.size() == 99801);
  CHECK(preferences.seen_train().users() == 446);
  CHECK(preferences.few_shot().users() == 249);
  CHECK(preferences.features->table().count() == 896);
}
