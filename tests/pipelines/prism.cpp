// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "prism/prism.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/io/preference_file.hpp"

#include "lore_catch.hpp"
#include "program.hpp"
#include "support.hpp"

using namespace lore_examples;
using lore_test::complaint_of;
using lore_test::contains;
using Json = nlohmann::json;

namespace {

Json user(int turn, const std::string& text) { return {{"turn", turn}, {"role", "user"}, {"content", text}}; }

Json model(int turn, const std::string& text, bool chosen) {
  return {{"turn", turn},          {"role", "model"}, {"content", text},     {"model_name", "m"},
          {"model_provider", "p"}, {"score", 50},     {"if_chosen", chosen}, {"within_turn_id", 0}};
}

Json row(const std::string& id, const std::string& who, const Json& history) {
  return {{"conversation_id", id}, {"user_id", who}, {"conversation_history", history}};
}

/// Two turns: one choice among three, then one among two.
const Json two_turns = Json::array({user(0, "Hello?"), model(0, "Hi.", false), model(0, "Good day.", true),
                                    model(0, "Yo", false), user(1, "And \"now\"?\n"),
                                    model(1, "Now café.", true), model(1, "Then.", false)});

std::string lines_of(const std::vector<Json>& rows) {
  std::string text;
  for (const Json& one : rows) text += one.dump() + "\n";
  return text;
}

/// Reads survey and conversations as prepare does.
prism::Dialogues read(const std::vector<std::string>& users, const std::string& conversations,
                      prism::Contradictions contradictions = prism::Contradictions::refuse) {
  std::vector<Json> survey;
  for (const std::string& one : users) survey.push_back({{"user_id", one}, {"survey_only", false}});
  std::istringstream survey_stream(lines_of(survey)), stream(conversations);
  JsonLines survey_lines(survey_stream, "survey"), lines(stream, "conversations");
  Progress silent(false);
  prism::Dialogues dialogues(contradictions);
  dialogues.read_survey(survey_lines, "survey", silent);
  dialogues.read(lines, "conversations", silent);
  return dialogues;
}

std::string complaint(const Json& conversation) {
  return complaint_of([&] { (void)read({"ann"}, lines_of({conversation})); });
}

lore::GroupProtocol keep_all() {
  lore::GroupProtocol protocol;
  protocol.min_groups = 1;
  return protocol;
}

/// With every run of spaces as one.
std::string squeezed(std::string text) {
  text.erase(std::unique(text.begin(), text.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
             text.end());
  return text;
}

const Conversation& messages(const RawPreferences& raw, Index at) {
  return raw.texts.items()[static_cast<std::size_t>(at)].messages;
}

/// `users` users, user k with `first` + k dialogues.
prism::Dialogues population(int users, int first) {
  std::vector<std::string> names;
  std::vector<Json> rows;
  for (int u = 0; u < users; ++u) {
    names.push_back("user" + std::to_string(u));
    for (int d = 0; d < first + u; ++d) {
      const std::string id = "c" + std::to_string(u) + "-" + std::to_string(d);
      rows.push_back(row(id, names.back(),
                         {user(0, "Question " + id), model(0, "Yes " + id, true), model(0, "No", false),
                          user(1, "Why?"), model(1, "So.", false), model(1, "Because.", true)}));
    }
  }
  return read(names, lines_of(rows));
}

}  // namespace

TEST_CASE("PRISM: one comparison for each chosen and rejected pair, in the dialogue so far") {
  const RawPreferences raw = read({"ann"}, lines_of({row("c0", "ann", two_turns)})).split(keep_all());
  CHECK(raw.dataset == "prism");
  CHECK(raw.shot_unit == lore::ShotUnit::group);
  CHECK(raw.user_names == std::vector<std::string>{"ann"});
  REQUIRE(raw.chosen.size() == 3);
  CHECK(raw.user == std::vector<Index>{0, 0, 0});
  CHECK(raw.group == std::vector<Index>{0, 0, 0});
  const Message hello{"user", "Hello?"}, now{"user", "And \"now\"?\n"}, day{"assistant", "Good day."};
  CHECK(messages(raw, raw.chosen[0]) == Conversation{hello, day});
  CHECK(messages(raw, raw.rejected[0]) == Conversation{hello, {"assistant", "Hi."}});
  CHECK(messages(raw, raw.rejected[1]) == Conversation{hello, {"assistant", "Yo"}});
  CHECK(messages(raw, raw.chosen[2]) == Conversation{hello, day, now, {"assistant", "Now café."}});
  CHECK(messages(raw, raw.rejected[2]) == Conversation{hello, day, now, {"assistant", "Then."}});
  CHECK(raw.chosen[0] == raw.chosen[1]);  // the same conversation is embedded once
  CHECK(raw.texts.size() == 5);
  CHECK(raw.chosen_first == std::vector<signed char>{0, 0, 0});  // all claim to have been shown first
}

TEST_CASE("PRISM: which reply was shown first comes from within_turn_id, else from the file") {
  Json numbered =
      Json::array({user(0, "Hello?"), model(0, "A", false), model(0, "B", true), model(0, "C", false)});
  for (int m = 1; m <= 3; ++m) numbered[static_cast<std::size_t>(m)]["within_turn_id"] = 3 - m;
  Json bare = numbered;
  for (std::size_t m = 1; m <= 3; ++m) bare[m].erase("within_turn_id");
  const auto first = [](const Json& history) {
    return read({"ann"}, lines_of({row("c0", "ann", history)})).split(keep_all()).chosen_first;
  };
  CHECK(first(numbered) == std::vector<signed char>{1, -1});
  CHECK(first(bare) == std::vector<signed char>{-1, 1});
}

TEST_CASE("PRISM: a reply reaches the encoder as the same bytes whether chosen or rejected") {
  for (const char* reply : {"Now café.", "  spaces kept \n", "- a list\n- of [\"two\"]", "🎉"}) {
    const auto history = [&](bool chosen) {
      return Json::array({user(0, "Hello?"), model(0, reply, chosen), model(0, "The other one.", !chosen)});
    };
    const RawPreferences raw =
        read({"ann", "bob"}, lines_of({row("c0", "ann", history(true)), row("c1", "bob", history(false))}))
            .split(keep_all());
    REQUIRE(raw.chosen.size() == 2);
    CHECK(raw.texts.size() == 2);
    CHECK(raw.chosen[0] == raw.rejected[1]);
    CHECK(raw.rejected[0] == raw.chosen[1]);
    CHECK(messages(raw, raw.chosen[0]).back().content == reply);
    // And so to the file: swapping the roles negates the vector, exactly.
    const lore_test::Folder folder;
    PrepareOptions options;
    options.out = folder / "out.safetensors";
    options.dimension = 64;
    std::ostringstream out;
    REQUIRE(embed_and_write(raw, options, out) == 0);
    const lore::Preferences<> written = lore::read_preferences(options.out);
    lore::Vector<float> one(64), other(64);
    written.features->load<float>(0, one.data());
    written.features->load<float>(1, other.data());
    CHECK(one.norm() > 0);
    CHECK(one == -other);
  }
}

TEST_CASE("PRISM: turns that do not count, and what they leave in later prompts") {
  const Json history = Json::array(
      {user(0, "First"), model(0, "Only reply", true),                                  // nothing to compare
       user(1, " \n"), model(1, "To nobody", true), model(1, "Neither", false),         // no utterance
       user(2, "Third"), model(2, "No choice", false), model(2, "None either", false),  // no choice
       user(3, "Fourth"), model(3, "", true), model(3, "Lost to a blank", false),       // a blank choice
       user(4, "Fifth"), model(4, "Same", true), model(4, "Same", false),               // equal
       user(5, "Sixth"), model(5, "Good", true), model(5, " ", false), model(5, "Bad", false),
       user(6, "Bye")});
  const prism::Dialogues dialogues = read({"ann", "idle"}, lines_of({row("c0", "ann", history)}));
  const RawPreferences raw = dialogues.split(keep_all());
  REQUIRE(raw.chosen.size() == 1);
  CHECK(messages(raw, raw.chosen[0]) == Conversation{{"user", "First"},
                                                     {"assistant", "Only reply"},
                                                     {"user", "Fifth"},
                                                     {"assistant", "Same"},
                                                     {"user", "Sixth"},
                                                     {"assistant", "Good"}});
  CHECK(messages(raw, raw.rejected[0]).back().content == "Bad");
  const prism::Counts counts = dialogues.counts();
  CHECK(counts.survey_users == 2);
  CHECK(counts.users == 1);
  CHECK(counts.dialogues == 1);
  CHECK(counts.turns == 7);
  CHECK(counts.chosen == 4);
  CHECK(counts.rejected == 6);
  CHECK(counts.without_utterance == 1);
  CHECK(counts.without_chosen == 3);
  CHECK(counts.without_rejected == 1);
  REQUIRE(raw.dropped.size() == 1);
  CHECK(raw.dropped[0].comparisons == 1);
  std::ostringstream out;
  prism::print_comparison_with_paper(out, counts, raw);
  CHECK(contains(out.str(), "participants without conversations: 1"));
  CHECK(contains(out.str(), "turns without a chosen reply: 3"));
}

TEST_CASE("PRISM: messages in any order make the same dialogue") {
  Json mixed = two_turns;
  std::reverse(mixed.begin(), mixed.end());
  const RawPreferences raw = read({"ann"}, lines_of({row("c0", "ann", mixed)})).split(keep_all());
  CHECK(raw.chosen.size() == 3);
  CHECK(messages(raw, raw.chosen[2]).size() == 4);
}

TEST_CASE("PRISM: half of each user's dialogues train, and half of the users are seen") {
  // Users with 4, 5, .., 13 dialogues of two comparisons each; those with 4 and 5 are too few.
  const prism::Dialogues dialogues = population(10, 4);
  for (const double share : {0.5, 0.8}) {
    lore::GroupProtocol protocol;
    protocol.seen.fraction = share;
    protocol.seed = 3;
    const RawPreferences raw = dialogues.split(protocol);
    REQUIRE(raw.user_names.size() == 8);
    CHECK(raw.user_names.front() == "user2");
    std::map<Index, std::set<Index>> train, test;
    std::set<Index> seen;
    for (std::size_t j = 0; j < raw.user.size(); ++j) {
      const auto part = static_cast<int>(raw.partition[j]);
      (part % 2 == 0 ? train : test)[raw.user[j]].insert(raw.group[j]);
      if (part < 2) seen.insert(raw.user[j]);
    }
    CHECK(seen.size() == (share == 0.5 ? 4U : 6U));
    for (Index u = 0; u < 8; ++u) {
      const auto total = static_cast<std::size_t>(u) + 6;
      CHECK(train[u].size() == total / 2);
      CHECK(test[u].size() == total - total / 2);
      CHECK(*train[u].rbegin() < *test[u].begin());  // the first ones in the file
    }
    REQUIRE(raw.dropped.size() == 1);
    CHECK(raw.dropped[0].users == 2);
    CHECK(raw.dropped[0].comparisons == 2 * (4 + 5));
  }
  lore::GroupProtocol shuffled;
  shuffled.order = lore::Order::shuffled;
  shuffled.seed = 1;
  CHECK(dialogues.split(shuffled).partition != dialogues.split({}).partition);
}

TEST_CASE("PRISM: rows that are not what they should be are refused with line and field") {
  const Json good = row("c0", "ann", two_turns);
  REQUIRE(complaint(good).empty());
  for (const char* key : {"conversation_id", "user_id", "conversation_history"}) {
    Json bad = good;
    bad.erase(key);
    CHECK(contains(complaint(bad), std::string("conversations:1: field '") + key + "': got nothing"));
  }
  for (const char* key : {"turn", "role", "content", "if_chosen"}) {
    Json bad = good;
    bad["conversation_history"][1].erase(key);
    CHECK(contains(complaint(bad), std::string("field 'conversation_history[1].") + key + "': got nothing"));
    bad["conversation_history"][1][key] = nullptr;
    CHECK(contains(complaint(bad), std::string("field 'conversation_history[1].") + key + "': got null"));
  }
  const auto changed = [&](const char* key, const Json& value) {
    Json bad = good;
    bad["conversation_history"][2][key] = value;
    return complaint(bad);
  };
  CHECK(
      contains(changed("turn", -1), "field 'conversation_history[2].turn': got -1, wanted the number of a"));
  CHECK(contains(changed("turn", 0.5), "wanted a whole number"));
  CHECK(contains(changed("role", "system"), "got \"system\", wanted user or model"));
  CHECK(contains(changed("if_chosen", 1), "wanted true or false"));
  CHECK(
      contains(complaint(row("c0", "ann", 3)), "field 'conversation_history': got a number, wanted an arr"));
  CHECK(contains(complaint_of([&] {
                   (void)read({"ann", "bob", "ann"}, lines_of({good}));
                 }),
                 "survey:3: field 'user_id': got \"ann\" again, wanted each participant once"));
  CHECK(contains(complaint_of([&] {
                   (void)read({"ann", ""}, lines_of({good}));
                 }),
                 "survey:2: field 'user_id'"));
  CHECK(contains(complaint_of([&] { (void)read({}, lines_of({good})); }), "survey: got no participants"));
  CHECK(contains(complaint_of([&] { (void)read({"ann"}, "\n"); }), "conversations: got no conversations"));
  CHECK(contains(complaint_of([&] { (void)read({"ann"}, lines_of({good}) + "{\"conv\n"); }),
                 "conversations:2: malformed"));
}

TEST_CASE("PRISM: contradictions are refused, or cut off and counted") {
  Json two_choices = two_turns, hole = two_turns, late_start = two_turns, two_utterances = two_turns;
  two_choices[6]["if_chosen"] = true;
  for (std::size_t m = 4; m < 7; ++m) hole[m]["turn"] = 2;
  for (auto& message : late_start) message["turn"] = message["turn"].get<int>() + 1;
  two_utterances.push_back(user(1, "Or now?"));

  struct Case {
    Json conversation;
    std::string complaint, counted;
    std::size_t left;  ///< comparisons that stay when it is cut
  };
  const std::vector<Case> cases{
      {row("c1", "ann", two_choices),
       "conversations:2: field 'conversation_history[6].if_chosen': got a second chosen reply in turn 1, "
       "wanted one",
       "conversations cut before turns with two chosen replies: 1", 2},
      {row("c1", "ann", hole),
       "conversations:2: field 'conversation_history': got turn 2 but no turn 1, wanted every turn from 0 on",
       "conversations cut before numbers of turns with holes: 1", 2},
      {row("c1", "ann", late_start), "got turn 1 but no turn 0",
       "conversations cut before numbers of turns with holes: 1", 0},
      {row("c1", "ann", two_utterances),
       "conversation_history[7].role': got a second utterance of the user in turn 1",
       "conversations cut before turns with two utterances of the user: 1", 2},
      {row("c1", "nobody", two_turns),
       "conversations:2: field 'user_id': got \"nobody\", wanted a user of the survey",
       "conversations of users who are not in the survey: 1", 0},
      {row("c0", "ann", two_turns), "conversations:2: field 'conversation_id': got \"c0\" again",
       "conversations given twice: 1", 0},
  };
  for (const Case& one : cases) {
    CAPTURE(one.complaint);
    const std::string text = lines_of({row("c0", "ann", two_turns), one.conversation});
    const std::string got = complaint_of([&] { (void)read({"ann"}, text); });
    CHECK(contains(got, one.complaint));
    CHECK(contains(got, "--keep-going"));
    const prism::Dialogues cut = read({"ann"}, text, prism::Contradictions::cut);
    const RawPreferences raw = cut.split(keep_all());
    CHECK(raw.chosen.size() == 3 + one.left);
    std::ostringstream out;
    prism::print_comparison_with_paper(out, cut.counts(), raw);
    CHECK(contains(out.str(), one.counted));
  }
}

#ifdef LORE_EXAMPLES_DIR

using lore_test::shell_word;

TEST_CASE("PRISM prepare: a real conversation, its comparisons listed") {
  const auto sample = lore_test::test_data("samples/prism.conversation.jsonl");
  if (!sample) return lore_test::skip();
  const lore_test::Folder folder;
  (void)folder.write("survey.jsonl", "{\"user_id\": \"user0\", \"survey_only\": false}\n");
  const lore_test::Run run =
      lore_test::run(folder, "prism/prepare",
                     "--survey survey.jsonl --conversations " + shell_word(*sample) +
                         " --min-dialogues 1 --encoder hashing --dim 64 --write-texts texts.jsonl");
  CAPTURE(run.out, run.err);
  REQUIRE(run.code == 0);
  CHECK(run.err.empty());

  // Places in the conversation's history: utterance, chosen and rejected reply of each of the five turns.
  constexpr int places[5][3] = {{0, 2, 1}, {3, 5, 4}, {6, 7, 8}, {9, 10, 11}, {12, 13, 14}};
  const Json history = Json::parse(lore_test::content_of(*sample)).at("conversation_history");
  REQUIRE(history.size() == 15);
  std::vector<Json> items;
  std::istringstream stream(lore_test::content_of(folder / "texts.jsonl"));
  for (std::string line; std::getline(stream, line);) items.push_back(Json::parse(line).at("messages"));
  CHECK(items.size() == 10);
  const lore::Preferences<> read = lore::read_preferences(folder / "prism.prepared.safetensors");
  REQUIRE(read.size() == 5);
  CHECK(read.user_names == std::vector<std::string>{"user0"});
  CHECK(read.shot_unit == lore::ShotUnit::group);
  CHECK(read.dataset == "prism");
  Json prompt = Json::array();
  for (Index t = 0; t < 5; ++t) {
    CHECK(read.group[static_cast<std::size_t>(t)] == 0);
    // Half of one dialogue, rounded down, is none: all of it tests.
    CHECK(read.partition[static_cast<std::size_t>(t)] == lore::Partition::seen_test);
    const auto text = [&](int part) {
      return history.at(static_cast<std::size_t>(places[t][part])).at("content");
    };
    prompt.push_back({{"role", "user"}, {"content", text(0)}});
    const auto expected = [&](int part) {
      Json conversation = prompt;
      conversation.push_back({{"role", "assistant"}, {"content", text(part)}});
      return conversation;
    };
    CHECK(items.at(static_cast<std::size_t>(read.features->chosen(t))) == expected(1));
    CHECK(items.at(static_cast<std::size_t>(read.features->rejected(t))) == expected(2));
    prompt = expected(1);
  }
}

TEST_CASE("PRISM prepare prints the counts and ends with one clear line on bad input") {
  const lore_test::Folder folder;
  std::vector<Json> rows, survey;
  for (int u = 0; u < 6; ++u) {
    const std::string who = "user" + std::to_string(u);
    survey.push_back({{"user_id", who}});
    for (int d = 0; d < (u == 5 ? 2 : 6); ++d)
      rows.push_back(row(who + "/" + std::to_string(d), who, two_turns));
  }
  (void)folder.write("survey.jsonl", lines_of(survey));
  (void)folder.write("talks.jsonl", lines_of(rows));
  const lore_test::Run good = lore_test::run(
      folder, "prism/prepare", "--survey survey.jsonl --conversations talks.jsonl --dim 64 --seen-share 0.8");
  REQUIRE(good.code == 0);
  CHECK(good.err.empty());
  CHECK(contains(squeezed(good.out), "users with conversations 6 1396"));
  CHECK(contains(squeezed(good.out), "seen users kept 4 643"));
  CHECK(contains(good.out, "seen users, training: 36 comparisons of 4 users"));
  CHECK(contains(good.out, "dropped, users with fewer than 6 groups: 1 users, 6 comparisons"));
  CHECK(contains(good.out, "wrote prism.prepared.safetensors"));

  rows[3]["user_id"] = "stranger";
  (void)folder.write("stranger.jsonl", lines_of(rows));
  (void)folder.write("empty.jsonl", "");
  const auto files = folder.files();
  const auto fails = [&](const std::string& arguments, const std::string& reason) {
    CAPTURE(arguments);
    const lore_test::Run run =
        lore_test::run(folder, "prism/prepare", "--dim 64 --out new.safetensors " + arguments);
    CAPTURE(run.err);
    CHECK(run.code != 0);
    CHECK(contains(run.err, reason));
    CHECK(folder.files() == files);
  };
  fails("--survey absent.jsonl --conversations talks.jsonl", "error: absent.jsonl: cannot be opened");
  fails("--survey survey.jsonl --conversations absent.jsonl", "error: absent.jsonl: cannot be opened");
  fails("--survey empty.jsonl --conversations talks.jsonl", "error: empty.jsonl: got no participants");
  fails("--survey survey.jsonl --conversations empty.jsonl", "error: empty.jsonl: got no conversations");
  fails("--survey survey.jsonl --conversations stranger.jsonl", "error: stranger.jsonl:4: field 'user_id'");
  fails("--survey survey.jsonl --conversations talks.jsonl --min-dialogues 7",
        "got no comparisons that the protocol keeps");
  fails("--survey survey.jsonl --conversations talks.jsonl --seen-share 1.5", "--seen-share");
  fails("--survey survey.jsonl", "--conversations");
  CHECK(lore_test::run(folder, "prism/prepare",
                       "--survey survey.jsonl --conversations stranger.jsonl --dim 64 --keep-going")
            .code == 0);
}

#endif
