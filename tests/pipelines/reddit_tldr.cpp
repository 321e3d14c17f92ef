// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/io/npy.hpp"
#include "lore/io/preference_file.hpp"

#include "formatting_probe.hpp"
#include "hashing_encoder.hpp"
#include "lore_catch.hpp"
#include "reddit_tldr/tldr.hpp"
#include "support.hpp"

using namespace lore_examples;
using lore_test::complaint_of;
using lore_test::contains;

namespace {

/// Every field of the original schema; the news variant has site and article instead of post and subreddit.
const char* const post_row =
    R"({"info": {"id": "t3_abc", "post": "My cat  left.\n\nWhat now? ", "title": "Cat \"gone\"", "subreddit": "pets"}, )"
    R"("summaries": [{"text": " cat left, what now? ", "policy": "sup4_ppo_rm3_kl10", "note": "short"}, )"
    R"({"text": "My caf\u00e9 cat left.", "policy": "ref", "note": null}], "choice": 1, "worker": "w1", )"
    R"("batch": "batch9", "split": "train", "extra": {"confidence": 8}})";
const char* const news_row =
    R"({"info": {"id": "cnndm_1", "site": "cnndm", "title": "Storm", "article": "A storm came."}, )"
    R"("summaries": [{"text": "Storm came", "policy": "a", "note": null}, {"text": "A storm", "policy": "b", "note": null}], )"
    R"("choice": 0, "worker": "w2", "batch": "cnndm0", "split": "valid2", "extra": {}})";

tldr::Row parse(const std::string& text) {
  std::istringstream stream(text);
  JsonLines lines(stream, "input");
  const auto row = lines.next();
  REQUIRE(row);
  return tldr::parse(*row);
}

/// post_row with one value replaced; `pointer` as "/info/post".
std::string changed(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json row = nlohmann::json::parse(post_row);
  row[nlohmann::json::json_pointer(pointer)] = value;
  return row.dump();
}

std::string without(const std::string& parent, const std::string& key) {
  nlohmann::json row = nlohmann::json::parse(post_row);
  row[nlohmann::json::json_pointer(parent)].erase(key);
  return row.dump();
}

tldr::Row row_of(int post, const std::string& worker, int choice, int variant = 0) {
  tldr::Row row;
  row.post_id = "p" + std::to_string(post);
  row.prompt = "POST: number " + std::to_string(post) + "\n\nTL;DR:";
  row.summaries = {"good summary " + std::to_string(post), "bad summary " + std::to_string(post + variant)};
  row.choice = choice;
  row.worker = worker;
  return row;
}

/// Six workers; worker k has 5 + k training and 4 validation comparisons.
tldr::Comparisons some_comparisons() {
  tldr::Comparisons comparisons;
  for (int worker = 0; worker < 6; ++worker) {
    const std::string name = "worker " + std::to_string(worker);
    for (int j = 0; j < 5 + worker; ++j)
      comparisons.add(row_of(j, name, (j + worker) % 2), lore::Side::train);
    for (int j = 0; j < 4; ++j) comparisons.add(row_of(100 + j, name, j % 2), lore::Side::test);
  }
  return comparisons;
}

}  // namespace

TEST_CASE("TLDR: a post with its title and subreddit, and a trimmed summary for each reply") {
  const tldr::Row row = parse(post_row);
  CHECK(row.post_id == "t3_abc");
  CHECK(row.prompt ==
        "SUBREDDIT: r/pets\n\nTITLE: Cat \"gone\"\n\nPOST: My cat  left.\n\nWhat now?\n\nTL;DR:");
  CHECK(row.summaries[0] == "cat left, what now?");
  CHECK(row.summaries[1] == "My café cat left.");
  CHECK(row.choice == 1);
  CHECK(row.worker == "w1");
  CHECK(row.split == lore::Side::train);
}

TEST_CASE("TLDR: the news variant") {
  const tldr::Row row = parse(news_row);
  CHECK(row.prompt == "SITE: cnndm\n\nTITLE: Storm\n\nARTICLE: A storm came.\n\nTL;DR:");
  CHECK(row.choice == 0);
  CHECK(row.split == lore::Side::test);
  CHECK(parse(without("/info", "title")).prompt.starts_with("SUBREDDIT: r/pets\n\nPOST: "));
  CHECK(parse(changed("/info/subreddit", nullptr)).prompt.starts_with("TITLE: "));
}

TEST_CASE("TLDR: a real row") {
  const auto path = lore_test::test_data("samples/tldr.comparison.jsonl");
  if (!path) return lore_test::skip();
  JsonLines lines(*path);
  const auto line = lines.next();
  REQUIRE(line);
  const tldr::Row row = tldr::parse(*line);
  CHECK(row.post_id == "t3_2vwp1w");
  CHECK(row.prompt.starts_with("SUBREDDIT: r/legaladvice\n\nTITLE: Anybody with knowledge"));
  CHECK(row.summaries[0].starts_with("car accident caused me"));
  CHECK(row.choice == 1);
  CHECK(row.worker == "ikNmucwunMnYJCQpnq6ZYb57OW7NiD");
  CHECK_FALSE(lines.next());
}

TEST_CASE("TLDR: rows that are not what they should be are refused with line and field") {
  const auto complaint = [](const std::string& text) { return complaint_of([&] { (void)parse(text); }); };
  for (const nlohmann::json& choice : {nlohmann::json(2), nlohmann::json(-1), nlohmann::json("1"),
                                       nlohmann::json(0.5), nlohmann::json(nullptr), nlohmann::json(true)}) {
    CAPTURE(choice.dump());
    const std::string text = complaint(changed("/choice", choice));
    CHECK(contains(text, "input:1: field 'choice': got "));
    CHECK(contains(text, "wanted 0 or 1"));
  }
  CHECK(contains(complaint(without("/info", "post")), "input:1: field 'info.post': got nothing"));
  CHECK(contains(complaint(without("/info", "id")), "field 'info.id': got nothing"));
  CHECK(contains(complaint(without("", "worker")), "field 'worker': got nothing"));
  CHECK(contains(complaint(changed("/worker", "")), "field 'worker': got an empty string"));
  CHECK(contains(complaint(changed("/info/post", 3)), "field 'info.post': got 3, wanted a string"));
  CHECK(contains(complaint(changed("/summaries", nlohmann::json::array())),
                 "field 'summaries': got 0 summaries"));
  CHECK(contains(complaint(changed("/summaries/1", "x")),
                 "field 'summaries[1]': got a string, wanted an object"));
  CHECK(contains(complaint(changed("/summaries/1/text", nullptr)), "field 'summaries[1].text': got null"));
}

TEST_CASE("TLDR: an empty file and a bad line in the middle of a file are refused") {
  const lore_test::Folder folder;
  Progress silent(false);
  const auto read = [&](const std::string& content) {
    const auto path = folder.write("rows.jsonl", content);
    JsonLines lines(path);
    tldr::Comparisons comparisons;
    comparisons.read(lines, lore::Side::train, path.string(), silent);
  };
  CHECK(contains(complaint_of([&] { read(""); }), "rows.jsonl: got no comparisons"));
  CHECK(contains(complaint_of([&] { read(std::string(post_row) + "\n{\"info\": \n"); }),
                 "rows.jsonl:2: malformed"));
  CHECK(contains(complaint_of([&] { read(std::string(post_row) + "\n" + changed("/choice", 7) + "\n"); }),
                 "rows.jsonl:2: field 'choice': got 7"));
  CHECK(complaint_of([&] { read(std::string(post_row) + "\n"); }).empty());
}

TEST_CASE("TLDR: the protocol's split") {
  lore::TwoPartProtocol protocol;
  protocol.max_train = 7;
  protocol.max_shots = 3;
  protocol.order = lore::Order::shuffled;
  protocol.seed = 5;
  const RawPreferences raw = some_comparisons().split(protocol);
  REQUIRE(raw.user_names.size() == 4);  // the two smallest are gone
  CHECK(std::count(raw.user_names.begin(), raw.user_names.end(), "worker 0") == 0);
  CHECK(std::count(raw.user_names.begin(), raw.user_names.end(), "worker 1") == 0);
  std::map<Index, std::array<int, 4>> counts;
  for (std::size_t j = 0; j < raw.user.size(); ++j)
    ++counts[raw.user[j]][static_cast<std::size_t>(raw.partition[j])];
  int seen = 0;
  for (const auto& [user, count] : counts) {
    seen += count[0] > 0;
    if (count[0] > 0)
      CHECK((count == std::array<int, 4>{7, 4, 0, 0}));
    else
      CHECK((count == std::array<int, 4>{0, 0, 3, 4}));
  }
  CHECK(seen == 2);
  // Every chosen reply is the one that the worker chose, next to the other one of its post.
  for (std::size_t j = 0; j < raw.user.size(); ++j) {
    const auto& chosen = raw.texts.items()[static_cast<std::size_t>(raw.chosen[j])].messages;
    const auto& rejected = raw.texts.items()[static_cast<std::size_t>(raw.rejected[j])].messages;
    REQUIRE(chosen.size() == 2);
    CHECK(chosen[0] == rejected[0]);
    CHECK(chosen[0].role == "user");
    CHECK(chosen[1].role == "assistant");
    const int post = std::stoi(chosen[0].content.substr(std::string("POST: number ").size()));
    const int worker = std::stoi(raw.user_names[static_cast<std::size_t>(raw.user[j])].substr(7));
    const bool bad = (post < 100 ? (post + worker) % 2 : (post - 100) % 2) == 1;
    CHECK(chosen[1].content.starts_with(bad ? "bad" : "good"));
    CHECK(rejected[1].content.starts_with(bad ? "good" : "bad"));
    CHECK(std::abs(int(raw.chosen_first[j])) == 1);
  }
}

TEST_CASE("TLDR: equal texts are kept once, equal summaries and foreign splits are dropped and counted") {
  tldr::Comparisons comparisons;
  for (int copy = 0; copy < 3; ++copy) comparisons.add(row_of(copy % 2, "w", copy % 2), lore::Side::train);
  comparisons.add(row_of(9, "w", 0), lore::Side::test);
  tldr::Row equal = row_of(3, "w", 0);
  equal.summaries[1] = equal.summaries[0];
  comparisons.add(equal, lore::Side::train);
  tldr::Row foreign = row_of(4, "w", 0);
  foreign.split = lore::Side::test;
  comparisons.add(foreign, lore::Side::train);
  lore::TwoPartProtocol protocol;
  protocol.drop_smallest = 0;
  const RawPreferences raw = comparisons.split(protocol);
  CHECK(raw.user.size() == 4);
  CHECK(raw.texts.size() == 6);
  REQUIRE(raw.dropped.size() == 2);
  CHECK(raw.dropped[0].comparisons == 1);
  CHECK(raw.dropped[1].comparisons == 1);
}

TEST_CASE("TLDR: from comparisons to a preference file and back") {
  const lore_test::Folder folder;
  PrepareOptions options;
  options.out = folder / "my daten.safetensors";
  options.dimension = 64;
  options.reference_head = folder / "head.npy";
  lore::write_npy<float>(options.reference_head, std::vector<float>(64, 0.5F));
  const RawPreferences raw = some_comparisons().split({});
  std::ostringstream out;
  REQUIRE(embed_and_write(raw, options, out) == 0);
  CHECK(lore_test::contains(out.str(), "formatting alone predicts"));
  const auto probe = lore_examples::read_formatting_probe(options.out);
  REQUIRE(probe.has_value());
  REQUIRE(probe->parts.size() == 4);
  CHECK(probe->parts[3].name == "position");
  CHECK(lore_test::contains(out.str(), probe->suspicious ? "warning" : "position"));
  const lore::Preferences<> read = lore::read_preferences(options.out);
  CHECK(read.dataset == "reddit_tldr");
  CHECK(read.dimension() == 64);
  CHECK(read.size() == static_cast<Index>(raw.user.size()));
  CHECK(read.user_names == raw.user_names);
  CHECK(read.reference_head.has_value());
  CHECK(read.features->indexed());
  CHECK(read.features->table().count() == static_cast<Index>(raw.texts.size()));

  // The encoder beside the data embeds a reply of the data to the very row of the table.
  const auto encoder = HashingEncoder::load(HashingEncoder::path_beside(options.out));
  CHECK(read.encoder == encoder->name());
  std::vector<float> mine(64), stored(64);
  encoder->embed(raw.texts.items()[3].messages, mine.data());
  read.features->table().load(3, stored.data());
  CHECK(mine == stored);

  // Texts of other partitions leave no trace in its statistics.
  std::set<Index> training;
  for (std::size_t j = 0; j < raw.user.size(); ++j)
    if (raw.partition[j] == lore::Partition::seen_train) training.insert({raw.chosen[j], raw.rejected[j]});
  CHECK(encoder->documents() == static_cast<Index>(training.size()));
  CHECK(training.size() < raw.texts.size());

  // The same input gives the same bytes.
  const std::string bytes = lore_test::content_of(options.out);
  REQUIRE(embed_and_write(some_comparisons().split({}), options, out) == 0);
  CHECK(lore_test::content_of(options.out) == bytes);
}

TEST_CASE("TLDR: embeddings computed elsewhere, by order and by id") {
  const lore_test::Folder folder;
  const RawPreferences raw = some_comparisons().split({});
  const auto count = static_cast<Index>(raw.texts.size());
  std::ostringstream out;
  PrepareOptions options;
  options.out = folder / "out.safetensors";
  options.write_texts = folder / "texts.jsonl";
  REQUIRE(embed_and_write(raw, options, out) == 0);
  CHECK_FALSE(std::filesystem::exists(options.out));
  CHECK(contains(out.str(), "--embeddings"));

  lore::Matrix<float> values = lore::Matrix<float>::Zero(8, count);
  for (Index j = 0; j < count; ++j) values(0, j) = static_cast<float>(j);
  options.embeddings = folder / "e.npy";
  lore::write_npy(options.embeddings, lore::FeatureMatrix::own<float>(values));
  for (const bool by_id : {false, true}) {
    if (by_id) options.ids = folder / "texts.jsonl";
    REQUIRE(embed_and_write(raw, options, out) == 0);
    const lore::Preferences<> read = lore::read_preferences(options.out);
    CHECK(read.dimension() == 8);
    CHECK(read.encoder == "file e.npy");
    std::vector<float> x(8);
    read.features->load<float>(5, x.data());
    CHECK(x[0] == static_cast<float>(raw.chosen[5] - raw.rejected[5]));
  }
  std::filesystem::remove(options.out);
  options.ids.clear();
  lore::write_npy(options.embeddings,
                  lore::FeatureMatrix::own<float>(lore::Matrix<float>(values.leftCols(3))));
  CHECK(contains(complaint_of([&] { (void)embed_and_write(raw, options, out); }), "got 3 rows"));
  options.embeddings.clear();
  options.write_texts.clear();
  options.reference_head = folder / "head.npy";
  lore::write_npy<float>(options.reference_head, std::vector<float>(7, 0.5F));
  CHECK(
      contains(complaint_of([&] { (void)embed_and_write(raw, options, out); }), "got 7 entries, wanted 512"));
  CHECK_FALSE(std::filesystem::exists(options.out));
}

TEST_CASE("TLDR: contradicting encoder options are refused") {
  PrepareOptions options;
  options.encoder = EncoderKind::file;
  CHECK_THROWS_AS(options.validate(), std::invalid_argument);
  options = {};
  options.encoder = EncoderKind::hashing;
  options.embeddings = "e.npy";
  CHECK_THROWS_AS(options.validate(), std::invalid_argument);
  options = {};
  options.ids = "ids.jsonl";
  CHECK_THROWS_AS(options.validate(), std::invalid_argument);
  options = {};
  options.embeddings = "e.npy";
  CHECK(options.encoder_kind() == EncoderKind::file);
  CHECK_NOTHROW(options.validate());
}
