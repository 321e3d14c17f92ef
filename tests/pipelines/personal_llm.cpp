// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// PersonalLLM: the parser and the protocol, the generated data set, and the programs as a user runs them.
#include "personal_llm/personal_llm.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "lore/fit/few_shot.hpp"
#include "lore/fit/joint.hpp"
#include "lore/io/preference_file.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/select/figures.hpp"

#include "lore_catch.hpp"
#include "personal_llm/planted.hpp"
#include "program.hpp"
#include "support.hpp"

namespace pllm = lore_examples::personal_llm;
using lore::Index;
using lore_test::complaint_of;
using lore_test::contains;

namespace {

constexpr const char* first_score = "response_1_gemma_2b";

/// A row whose response i (from 1) has the score 10 i + r under reward model r, save for the given fields.
nlohmann::json row(const std::string& prompt, const std::map<std::string, nlohmann::json>& fields = {}) {
  nlohmann::json json{{"prompt", prompt}, {"subset", "not read"}};
  for (std::size_t i = 0; i < pllm::response_count; ++i) {
    json[pllm::response_column(i)] = prompt + ": answer " + std::to_string(i + 1);
    for (std::size_t r = 0; r < pllm::reward_models.size(); ++r)
      json[pllm::score_column(i, r)] = 10 * (i + 1) + r;
  }
  for (const auto& [name, value] : fields) json[name] = value;
  return json;
}

std::string lines(const std::vector<nlohmann::json>& rows) {
  std::string text;
  for (const auto& json : rows) text += json.dump() + "\n";
  return text;
}

std::string csv_field(const nlohmann::json& value) {
  if (!value.is_string()) return value.dump();
  std::string text = "\"";
  for (const char c : value.get<std::string>()) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

std::string csv(const std::vector<nlohmann::json>& rows) {
  std::string text;
  for (const auto& [name, value] : rows.front().items()) text += (text.empty() ? "" : ",") + name;
  text += "\r\n";
  for (const auto& json : rows) {
    std::string line;
    for (const auto& [name, value] : json.items()) line += (line.empty() ? "" : ",") + csv_field(value);
    text += line + "\r\n";
  }
  return text;
}

pllm::Responses read(const std::filesystem::path& train, const std::filesystem::path& test) {
  lore_examples::Progress progress(false);
  pllm::Responses responses;
  responses.read(train, false, progress);
  responses.read(test, true, progress);
  return responses;
}

std::vector<nlohmann::json> numbered(const std::string& name, int count) {
  std::vector<nlohmann::json> rows;
  for (int p = 0; p < count; ++p) {
    // Scores that differ from prompt to prompt and between the reward models.
    std::map<std::string, nlohmann::json> scores;
    for (std::size_t i = 0; i < pllm::response_count; ++i)
      for (std::size_t r = 0; r < pllm::reward_models.size(); ++r)
        scores[pllm::score_column(i, r)] =
            std::sin(static_cast<double>(p + 1) * 1.7 * static_cast<double>(i + 1) +
                     static_cast<double>(r * r)) *
            (r == 7 ? 100.0 : 1.0);
    rows.push_back(row(name + " " + std::to_string(p), scores));
  }
  return rows;
}

pllm::Protocol small_protocol() {
  pllm::Protocol protocol;
  protocol.users.seen_users = 12;
  protocol.users.unseen_users = 8;
  protocol.users.pairs = 15;
  protocol.users.shots = 4;
  protocol.users.alpha = 0.1;
  protocol.users.seed = 3;
  return protocol;
}

}  // namespace

TEST_CASE("PersonalLLM rows read alike from JSON lines and from CSV with quotes and line breaks") {
  const lore_test::Folder folder;
  const std::string awkward = "a, \"b\"\nsecond line\r\n\r\nnaïve 数 \\";
  std::vector<nlohmann::json> rows{row("one"),
                                   row(awkward, {{"response_3", awkward}, {first_score, -1.25e-3}}),
                                   row("three", {{"response_2", ""}})};
  rows[2][pllm::score_column(7, 9)] = 1e3;
  lore_examples::JsonLines json(folder.write("rows.jsonl", lines(rows)));
  // With a byte order mark, and a blank line at the end.
  pllm::CsvFile table(folder.write("rows.csv", "\xEF\xBB\xBF" + csv(rows) + "\r\n"));
  for (const auto& original : rows) {
    const auto line = json.next();
    REQUIRE(line);
    REQUIRE(table.next());
    for (const pllm::Row& got : {pllm::parse(pllm::JsonRow{*line}), pllm::parse(table)}) {
      CHECK(got.prompt == original["prompt"]);
      for (std::size_t i = 0; i < pllm::response_count; ++i) {
        CHECK(got.responses[i] == original[pllm::response_column(i)]);
        for (std::size_t r = 0; r < pllm::reward_models.size(); ++r)
          CHECK(got.scores(static_cast<Index>(r), static_cast<Index>(i)) ==
                original[pllm::score_column(i, r)].get<double>());
      }
    }
  }
  CHECK_FALSE(json.next());
  CHECK_FALSE(table.next());
}

TEST_CASE("PersonalLLM names row and column of what is missing or no number") {
  const lore_test::Folder folder;
  const auto reading = [&](const char* name, const std::string& content) {
    const auto path = folder.write(name, content);
    return complaint_of([&] {
      lore_examples::Progress progress(false);
      pllm::Responses().read(path, false, progress);
    });
  };
  const auto both = [&](const nlohmann::json& bad, const char* column, const char* got) {
    CAPTURE(column, got);
    const std::string from_json = reading("bad.jsonl", lines({row("fine"), bad}));
    CAPTURE(from_json);
    CHECK(contains(from_json, "bad.jsonl:2: field '" + std::string(column) + "': got " + got));
  };
  nlohmann::json lacking = row("lacks a score");
  lacking.erase("response_8_oasst_pythia_1b");
  both(lacking, "response_8_oasst_pythia_1b", "nothing");
  lacking = row("lacks a response");
  lacking.erase("response_5");
  both(lacking, "response_5", "nothing");
  lacking = row("lacks a prompt");
  lacking.erase("prompt");
  both(lacking, "prompt", "nothing");
  both(row("null", {{first_score, nullptr}}), first_score, "null");
  both(row("text", {{first_score, "n/a"}}), first_score, "\"n/a\"");
  both(row("number as text", {{first_score, "1.5"}}), first_score, "\"1.5\"");
  both(row("number for a response", {{"response_2", 3}}), "response_2", "3");
  CHECK(contains(reading("nan.jsonl", "{\"prompt\": NaN}\n"), "nan.jsonl:1: malformed JSON"));

  const auto cell = [&](const char* value) {
    std::string text = csv({row("two\nlines"), row("bad", {{first_score, 987654}})});
    text.replace(text.find("987654"), 6, value);
    return reading("bad.csv", text);
  };
  for (const char* value : {"n/a", "nan", "inf", "1.5x", "1 2", "\"4,5\""}) {
    CAPTURE(value);
    CHECK(contains(cell(value), "bad.csv:12 (row 2): column 'response_1_gemma_2b': got '"));
  }
  CHECK(contains(cell(""), "bad.csv:12 (row 2): column 'response_1_gemma_2b': got nothing, wanted a number"));
  CHECK(cell(" 1.5 ").empty());
  CHECK(contains(cell("1,2"), "fields, wanted"));
  CHECK(contains(reading("lacking.csv", csv({lacking})), "column 'prompt': got nothing"));
  CHECK(contains(reading("twice.csv", "prompt,prompt\na,b\n"), "twice.csv:1: column 'prompt': got it twice"));
  CHECK(contains(reading("open.csv", "prompt,x\na,\"b\n\n"), "open.csv:2: got a quote that is never closed"));
  CHECK(
      contains(reading("after.csv", "prompt,x\n\"a\" b,c\n"), "after.csv:2: got text after a closing quote"));
  CHECK(contains(reading("header.csv", "prompt,x\n"), "header.csv: got no prompts"));
  CHECK(contains(reading("empty.csv", ""), "empty.csv: got an empty file"));
  CHECK(contains(reading("empty.jsonl", ""), "empty.jsonl: got no prompts"));
  lore_examples::Progress progress(false);
  for (const char* name : {"absent.csv", "absent.jsonl"})
    CHECK(contains(complaint_of([&] { pllm::Responses().read(folder / name, false, progress); }),
                   "cannot be opened"));
}

TEST_CASE("PersonalLLM users choose the best and reject the worst response under their mixture") {
  const lore_test::Folder folder;
  const auto train = numbered("train", 40), test = numbered("test", 25);
  const pllm::Responses responses =
      read(folder.write("train.jsonl", lines(train)), folder.write("test.csv", csv(test)));
  pllm::Protocol protocol = small_protocol();
  protocol.users.alpha = 1e-6;  // everybody follows one reward model alone
  const lore_examples::RawPreferences raw = responses.simulate(protocol);
  CHECK(raw.user_names.size() == 20);
  REQUIRE(raw.user.size() == 12 * (15 + 25) + 8 * (4 + 25));
  CHECK(raw.texts.size() == 65 * 8);  // indices, not copies
  CHECK(raw.metadata.at("dirichlet_alpha") == "1e-06");

  std::map<std::string, nlohmann::json> by_prompt;
  for (const auto* part : {&train, &test})
    for (const auto& json : *part) by_prompt[json["prompt"]] = json;
  std::map<Index, std::set<std::size_t>> followed;  // reward models that explain all of a user's choices
  std::map<Index, std::set<std::string>> prompts;
  for (std::size_t j = 0; j < raw.user.size(); ++j) {
    const auto& chosen = raw.texts.items()[static_cast<std::size_t>(raw.chosen[j])].messages;
    const auto& rejected = raw.texts.items()[static_cast<std::size_t>(raw.rejected[j])].messages;
    const std::string& prompt = chosen[0].content;
    REQUIRE(rejected[0].content == prompt);
    const bool is_test =
        raw.partition[j] == lore::Partition::seen_test || raw.partition[j] == lore::Partition::unseen_test;
    REQUIRE(is_test == (prompt.substr(0, 4) == "test"));
    CHECK(prompts[raw.user[j]].insert(prompt).second);
    const auto place = [](const std::string& text) { return static_cast<std::size_t>(text.back() - '1'); };
    std::set<std::size_t> explaining;
    for (std::size_t r = 0; r < pllm::reward_models.size(); ++r) {
      std::vector<double> scores;
      for (std::size_t i = 0; i < pllm::response_count; ++i)
        scores.push_back(by_prompt[prompt][pllm::score_column(i, r)].get<double>());
      const auto [worst, best] = std::minmax_element(scores.begin(), scores.end());
      if (scores[place(chosen[1].content)] == *best && scores[place(rejected[1].content)] == *worst)
        explaining.insert(r);
    }
    auto [mine, is_new] = followed.try_emplace(raw.user[j], explaining);
    if (!is_new) std::erase_if(mine->second, [&](std::size_t r) { return !explaining.contains(r); });
  }
  std::set<std::size_t> all;
  for (const auto& [user, models] : followed) {
    CHECK(models.size() == 1);
    all.insert(models.begin(), models.end());
    CHECK(prompts[user].size() == (user < 12 ? 15 + 25 : 4 + 25));
  }
  CHECK(all.size() > 3);

  const lore_examples::RawPreferences again = responses.simulate(protocol);
  CHECK(again.chosen == raw.chosen);
  CHECK(again.rejected == raw.rejected);
  CHECK(again.group == raw.group);
  protocol.users.seed = 4;
  CHECK(responses.simulate(protocol).chosen != raw.chosen);
}

TEST_CASE("PersonalLLM --standardise makes the unit of a reward model meaningless") {
  const lore_test::Folder folder;
  const auto choices = [&](double unit, bool standardise) {
    std::vector<std::vector<nlohmann::json>> parts{numbered("train", 40), numbered("test", 25)};
    for (auto& part : parts)
      for (auto& json : part)
        for (std::size_t i = 0; i < pllm::response_count; ++i) {
          auto& score = json[pllm::score_column(i, 2)];
          score = score.get<double>() * unit + 50;
        }
    pllm::Protocol protocol = small_protocol();
    protocol.users.alpha = 1;
    protocol.standardise = standardise;
    return read(folder.write("train.jsonl", lines(parts[0])), folder.write("test.jsonl", lines(parts[1])))
        .simulate(protocol)
        .chosen;
  };
  CHECK(choices(1, true) == choices(256, true));
  CHECK(choices(1, false) != choices(256, false));
  CHECK(choices(1, true) != choices(1, false));
}

TEST_CASE("PersonalLLM keeps test prompts out of training, and says what it left out") {
  const lore_test::Folder folder;
  auto train = numbered("train", 20);
  const auto test = numbered("test", 5);
  train.push_back(test[2]);
  train.push_back(train[0]);  // a prompt may come twice in one part
  std::map<std::string, nlohmann::json> same;
  for (std::size_t i = 0; i < 8; ++i) {
    same[pllm::response_column(i)] = "no";
    for (std::size_t r = 0; r < 10; ++r) same[pllm::score_column(i, r)] = 1;
  }
  train.push_back(row("declined by all", same));
  const pllm::Responses responses =
      read(folder.write("train.jsonl", lines(train)), folder.write("test.jsonl", lines(test)));
  CHECK(responses.repeated() == 1);
  pllm::Protocol protocol = small_protocol();
  protocol.users.pairs = 22;  // all
  const lore_examples::RawPreferences raw = responses.simulate(protocol);
  std::map<Index, std::set<bool>> sides;
  for (std::size_t j = 0; j < raw.user.size(); ++j)
    sides[raw.group[j]].insert(raw.partition[j] == lore::Partition::seen_test ||
                               raw.partition[j] == lore::Partition::unseen_test);
  CHECK(sides.size() == 20 + 5);
  for (const auto& [group, side] : sides) CHECK(side.size() == 1);
  REQUIRE(raw.dropped.size() == 1);
  CHECK(raw.dropped[0].comparisons >= 12);

  protocol.users.pairs = 23;
  CHECK(contains(complaint_of([&] { (void)responses.simulate(protocol); }),
                 "got 22 training prompts, wanted at least 23 (--pairs)"));
  protocol = small_protocol();
  protocol.users.seen_users = 0;
  protocol.users.shots = 30;
  CHECK(contains(complaint_of([&] { (void)responses.simulate(protocol); }),
                 "got 22 training prompts, wanted at least 30 (--shots)"));
}

TEST_CASE("Generated responses are those of the seed, whatever the threads and the storage") {
  pllm::PlantedResponsesOptions options;
  options.prompts = 30;
  options.test_prompts = 10;
  options.dimension = 48;
  options.storage = lore::Storage::f32;
  const pllm::PlantedResponses one = pllm::plant_responses(options, lore::Serial());
  const pllm::PlantedResponses two = pllm::plant_responses(options, lore::Threads(3));
  CHECK(one.responses.scores == two.responses.scores);
  CHECK(one.reference_head == two.reference_head);
  lore::Vector<float> a(48), b(48);
  options.storage = lore::Storage::bf16;
  const pllm::PlantedResponses narrow = pllm::plant_responses(options, lore::Threads(2));
  CHECK(narrow.responses.scores == one.responses.scores);
  CHECK(narrow.embeddings.storage() == lore::Storage::bf16);
  REQUIRE(one.embeddings.count() == 240);
  for (Index i = 0; i < 240; ++i) {
    one.embeddings.load(i, a.data());
    two.embeddings.load(i, b.data());
    REQUIRE(a == b);
    narrow.embeddings.load(i, b.data());
    REQUIRE((a - b).norm() <= 0.004F * a.norm());
  }
  options.seed = 1;
  CHECK(pllm::plant_responses(options, lore::Serial()).responses.scores != one.responses.scores);
  options.test_prompts = 30;
  CHECK_THROWS_AS(pllm::plant_responses(options, lore::Serial()), std::domain_error);
  options.test_prompts = 10;
  options.dimension = 0;
  CHECK_THROWS_AS(pllm::plant_responses(options, lore::Serial()), std::domain_error);
}

TEST_CASE(
    "On generated data LoRe is above Bradley-Terry above the reference, and the gap shrinks with alpha") {
  pllm::PlantedResponsesOptions options;
  options.prompts = 800;
  options.test_prompts = 200;
  options.dimension = 96;
  options.storage = lore::Storage::f32;
  const lore::Threads threads(2);
  const pllm::PlantedResponses data = pllm::plant_responses(options, threads);
  std::vector<double> gap_seen, gap_unseen;
  for (const double alpha : {0.001, 0.01, 0.1}) {
    CAPTURE(alpha);
    pllm::Protocol protocol;
    protocol.users.seen_users = protocol.users.unseen_users = 150;
    protocol.users.alpha = alpha;
    const lore::Preferences<> preferences =
        pllm::simulate(data.responses, data.embeddings, protocol).preferences;
    const auto figures = [&](const lore::RewardModel<float>& model) {
      return lore::measure<float>(model, preferences, threads, [&](const auto& Z, const auto& shots) {
        return lore::fit_users(model, Z, shots, threads);
      });
    };
    const auto fitted = [&](Index rank) {
      const lore::JointFit<> fit{.regularizer = {2, 2}, .executor = threads};
      return figures(fit(preferences.seen_train(), lore::Rank{rank}, 0).model);
    };
    const lore::FourFigures reference = figures(lore::reference_model<float>(data.reference_head));
    const lore::FourFigures common = fitted(1), personal = fitted(5);
    CHECK(common.seen_test.accuracy.mean > reference.seen_test.accuracy.mean + 0.03);
    CHECK(common.unseen_test.accuracy.mean > reference.unseen_test.accuracy.mean + 0.03);
    gap_seen.push_back(personal.seen_test.accuracy.mean - common.seen_test.accuracy.mean);
    gap_unseen.push_back(personal.unseen_test.accuracy.mean - common.unseen_test.accuracy.mean);
    CHECK(gap_seen.back() > 0.02);
    CHECK(gap_unseen.back() > 0.01);
  }
  CAPTURE(gap_seen, gap_unseen);
  CHECK(gap_seen[0] > gap_seen[2]);
  CHECK(gap_unseen[0] > gap_unseen[2]);
}

#ifdef LORE_EXAMPLES_DIR

namespace {

using lore_test::Run;

Run program(const lore_test::Folder& folder, const std::string& name, const std::string& arguments) {
  return lore_test::run(folder, "personal_llm/" + name, arguments);
}

}  // namespace

TEST_CASE("PersonalLLM generate and prepare: raw files to a preference file of indices") {
  const lore_test::Folder folder;
  REQUIRE(program(folder, "generate", "--train 60 --test 20").code == 0);
  const std::string raw = lore_test::content_of(folder / "train.jsonl");
  REQUIRE(program(folder, "generate", "--train 60 --test 20").code == 0);
  CHECK(lore_test::content_of(folder / "train.jsonl") == raw);
  const std::string some = "--train train.jsonl --test test.jsonl --seen 15 --unseen 10 --pairs 30 --dim 64 ";
  const Run first = program(folder, "prepare", some);
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  CHECK(first.err.empty());
  CHECK(contains(first.out, "personal_llm: 25 users"));
  const lore::Preferences<> read = lore::read_preferences(folder / "personal_llm.prepared.safetensors");
  CHECK(read.features->table().storage() == lore::Storage::bf16);
  CHECK(read.features->table().count() <= 80 * 8);
  CHECK(read.seen_train().users() == 15);
  CHECK(read.few_shot().users() == 10);
  CHECK(read.seen_test().size() > 15 * 18);
  CHECK(read.seen_test().size() <= 15 * 20);

  const std::string bytes = lore_test::content_of(folder / "personal_llm.prepared.safetensors");
  REQUIRE(program(folder, "prepare", some + "--out again.safetensors").code == 0);
  CHECK(lore_test::content_of(folder / "again.safetensors") == bytes);
  REQUIRE(program(folder, "prepare", some + "--seed 1 --out other.safetensors").code == 0);
  CHECK(lore_test::content_of(folder / "other.safetensors") != bytes);
}

TEST_CASE("PersonalLLM prepare --generate writes a whole data set without any text") {
  const lore_test::Folder folder;
  const std::string small =
      "--generate --prompts 90 --test-prompts 30 --seen 12 --unseen 6 --dim 32 --dirichlet-alpha 0.001 ";
  const Run done = program(folder, "prepare", small);
  CAPTURE(done.err);
  REQUIRE(done.code == 0);
  const lore::Preferences<> read = lore::read_preferences(folder / "personal_llm.prepared.safetensors");
  CHECK(read.features->table().count() == 720);
  CHECK(read.dimension() == 32);
  CHECK(read.reference_head);
  CHECK(read.seen_train().size() == 12 * 45);
  CHECK(read.few_shot().size() == 6 * 9);
  CHECK(read.unseen_test().size() == 6 * 30);
  const std::string bytes = lore_test::content_of(folder / "personal_llm.prepared.safetensors");
  REQUIRE(program(folder, "prepare", small + "--out again.safetensors").code == 0);
  CHECK(lore_test::content_of(folder / "again.safetensors") == bytes);
}

TEST_CASE("PersonalLLM prepare ends with one clear line on bad input and leaves no file behind") {
  const lore_test::Folder folder;
  (void)folder.write("train.jsonl", lines(numbered("train", 12)));
  (void)folder.write("test.jsonl", lines(numbered("test", 4)));
  (void)folder.write("bad.jsonl", lines({row("p", {{first_score, "high"}})}));
  {
    lore::SafetensorsWriter writer;
    const std::vector<float> vectors(7 * 4, 1.0F);
    writer.add<float>("embeddings", vectors, {7, 4});
    writer.write(folder / "seven.safetensors");
  }
  const auto files = folder.files() + 2;  // and what the program printed
  const auto fails = [&](const std::string& arguments, const std::string& reason) {
    CAPTURE(arguments);
    const Run failed = program(folder, "prepare", arguments);
    CAPTURE(failed.err);
    CHECK(failed.code != 0);
    CHECK(contains(failed.err, reason));
    CHECK(folder.files() == files);
  };
  const std::string good = "--train train.jsonl --test test.jsonl --seen 5 --unseen 5 --shots 3 ";
  fails(good, "got 12 training prompts, wanted at least 45 (--pairs)");
  fails(good + "--pairs 10 --embeddings seven.safetensors", "seven.safetensors");
  fails("--train bad.jsonl --test test.jsonl", "bad.jsonl:1: field 'response_1_gemma_2b': got \"high\"");
  fails("--train train.jsonl", "wanted both");
  fails("", "wanted both");
  fails("--train absent.jsonl --test test.jsonl", "absent.jsonl: cannot be opened");
  fails(good + "--generate", "--generate");
  fails("--generate --embeddings seven.safetensors", "--generate");
  fails("--generate --prompts 10 --test-prompts 10", "prompts: got 10");
  fails(good + "--prompts 10", "--generate");
  fails("--generate --prompts 40 --test-prompts 10 --dim 8", "got 30 training prompts, wanted at least 45");
  fails(good + "--pairs 10 --dirichlet-alpha 0", "--dirichlet-alpha");
  fails(good + "--pairs 10 --out absent/out.safetensors", "error: absent/out.safetensors");
}

#endif
