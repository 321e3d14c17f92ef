// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Generated raw data: the programs prism/generate and reddit_tldr/generate, and what becomes of their files.
#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/fit/joint.hpp"
#include "lore/io/preference_file.hpp"
#include "lore/metrics/accuracy.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/metrics/user_scores.hpp"

#include "lore_catch.hpp"
#include "program.hpp"
#include "support.hpp"
#include "text_generator.hpp"

using namespace lore_examples;
using lore_test::contains;
using Json = nlohmann::json;

TEST_CASE("Generated replies: traits are what the text shows") {
  lore::Rng rng = lore::make_rng(1);
  const Subject subject = draw_subject(rng);
  int lists = 0;
  for (int j = 0; j < 300; ++j) {
    const Writing reply = draw_reply(rng, subject, 3);
    const auto trait = [&](Trait which) { return reply.traits[static_cast<std::size_t>(which)]; };
    for (const double value : reply.traits) CHECK(std::abs(value) <= 1 + 1e-9);
    CHECK_FALSE(reply.text.empty());
    CHECK(reply.text.back() != '\n');
    CHECK(reply.text.back() != ' ');
    const bool list = contains(reply.text, "\n- ") || contains(reply.text, "\n2. ");
    CHECK(list == (trait(Trait::list) > 0));
    CHECK(contains(reply.text, "!") == (trait(Trait::excitement) > -1));
    if (trait(Trait::courtesy) == 1) CHECK(reply.text.size() > 40);
    lists += list ? 1 : 0;
  }
  CHECK(lists > 60);
  CHECK(lists < 240);
  lore::Rng first = lore::make_rng(2), second = lore::make_rng(2);
  CHECK(draw_reply(first, subject, 3).text == draw_reply(second, subject, 3).text);
}

#ifdef LORE_EXAMPLES_DIR

namespace {

std::vector<Json> rows_of(const std::filesystem::path& path) {
  std::vector<Json> rows;
  std::istringstream stream(lore_test::content_of(path));
  for (std::string line; std::getline(stream, line);) rows.push_back(Json::parse(line));
  return rows;
}

void check_fields(const Json& row, const std::vector<std::string>& fields) {
  for (const std::string& field : fields) {
    CAPTURE(field);
    CHECK(row.contains(field));
  }
}

/// How much a rank gains over Bradley-Terry in accuracy on the seen users' test comparisons.
lore::UserScores gain(const lore::Preferences<>& preferences, lore::Index rank) {
  const lore::Comparisons<> train = preferences.seen_train(), test = preferences.seen_test();
  std::vector<double> accuracy[2];
  const lore::Index ranks[2] = {1, rank};
  for (int k = 0; k < 2; ++k) {
    lore::JointFit<lore::BradleyTerry, lore::Signed> fit;
    fit.regularizer = {1, 0.5};
    const lore::RewardModel<float> model = fit(train, lore::Rank{ranks[k]}).model;
    REQUIRE(model.user == test.user);
    lore::Vector<float> margins(test.size()), x(test.dimension());
    for (lore::Index i = 0; i < test.users(); ++i)
      for (lore::Index p = test.begin(i); p < test.end(i); ++p) {
        test.features->load<float>(test.column[static_cast<std::size_t>(p)], x.data());
        margins(p) = lore::reward(model.basis, model.weights.col(i), x);
      }
    accuracy[k] = lore::accuracy(margins, test.offset).by_user;
  }
  return lore::paired_difference(accuracy[1], accuracy[0]);
}

}  // namespace

TEST_CASE("PRISM generate: every field of the original, and users whose tastes differ") {
  const lore_test::Folder folder;
  REQUIRE(lore_test::run(folder, "prism/generate", "--users 100").code == 0);
  const std::vector<Json> survey = rows_of(folder / "survey.jsonl");
  const std::vector<Json> conversations = rows_of(folder / "conversations.jsonl");
  REQUIRE(survey.size() == 100 + 12 + 6);
  check_fields(survey[0],
               {"user_id", "survey_only", "num_completed_conversations", "stated_prefs", "location"});
  bool tie = false, blank = false, wide = false;
  for (const Json& row : conversations) {
    check_fields(row, {"conversation_id", "user_id", "conversation_type", "opening_prompt",
                       "conversation_turns", "conversation_history", "performance_attributes",
                       "choice_attributes", "open_feedback", "generated_datetime", "timing_duration_s",
                       "timing_duration_mins", "included_in_balanced_subset"});
    std::set<std::pair<int, int>> scores;
    for (const Json& message : row.at("conversation_history")) {
      check_fields(message, {"turn", "role", "content"});
      const auto text = message.at("content").get<std::string>();
      blank = blank || text.empty();
      for (const char c : text) wide = wide || static_cast<unsigned char>(c) >= 0x80;
      if (message.at("role") == "user") continue;
      check_fields(message, {"model_provider", "model_name", "score", "if_chosen", "within_turn_id"});
      CHECK(message.at("score") >= 1);
      CHECK(message.at("score") <= 100);
      tie = tie || !scores.emplace(message.at("turn"), message.at("score")).second;
    }
  }
  CHECK(tie);
  CHECK(blank);
  CHECK(wide);
  CHECK(contains(lore_test::content_of(folder / "conversations.jsonl"), "\\ud83c"));  // escaped, in some rows

  // The same seed, the same files; another one, others.
  const std::string bytes = lore_test::content_of(folder / "conversations.jsonl");
  std::filesystem::create_directory(folder / "again");
  REQUIRE(lore_test::run(folder, "prism/generate", "--users 100 --folder again").code == 0);
  CHECK(lore_test::content_of(folder / "again/conversations.jsonl") == bytes);
  REQUIRE(lore_test::run(folder, "prism/generate", "--users 100 --folder again --seed 1").code == 0);
  CHECK(lore_test::content_of(folder / "again/conversations.jsonl") != bytes);
  CHECK(lore_test::run(folder, "prism/generate", "--folder absent").code != 0);

  const lore_test::Run prepare = lore_test::run(
      folder, "prism/prepare", "--survey survey.jsonl --conversations conversations.jsonl --seen-share 0.8");
  CAPTURE(prepare.out, prepare.err);
  REQUIRE(prepare.code == 0);
  CHECK(contains(prepare.out, "participants without conversations: 6"));
  CHECK(contains(prepare.out, "users with fewer than 6 groups"));
  const lore::Preferences<> read = lore::read_preferences(folder / "prism.prepared.safetensors");
  const lore::UserScores difference = gain(read, 3);
  CAPTURE(difference.mean, difference.standard_error);
  CHECK(difference.mean > 2 * difference.standard_error);
}

TEST_CASE("TLDR generate: Reddit and news rows, and workers whose tastes differ") {
  const lore_test::Folder folder;
  REQUIRE(lore_test::run(folder, "reddit_tldr/generate", "--workers 40").code == 0);
  std::set<std::string> kinds, splits, posts[2];
  bool equal = false;
  for (int part = 0; part < 2; ++part)
    for (const Json& row :
         rows_of(folder / (part == 0 ? "comparisons.train.jsonl" : "comparisons.validation.jsonl"))) {
      check_fields(row, {"info", "summaries", "choice", "worker", "batch", "split", "extra"});
      const Json& info = row.at("info");
      const bool news = info.contains("article");
      check_fields(info, news ? std::vector<std::string>{"id", "site", "title", "article"}
                              : std::vector<std::string>{"id", "post", "title", "subreddit"});
      REQUIRE(row.at("summaries").size() == 2);
      for (const Json& summary : row.at("summaries")) check_fields(summary, {"text", "policy", "note"});
      equal = equal || row.at("summaries")[0].at("text") == row.at("summaries")[1].at("text");
      splits.insert(row.at("split"));
      kinds.insert(news ? "news" : "reddit");
      posts[part].insert(info.at("id").get<std::string>());
    }
  CHECK(kinds.size() == 2);
  CHECK(splits == std::set<std::string>{"train", "valid1", "valid2"});
  CHECK(equal);
  for (const std::string& id : posts[0]) CHECK(posts[1].count(id) == 0);

  const lore_test::Run prepare =
      lore_test::run(folder, "reddit_tldr/prepare",
                     "--train comparisons.train.jsonl --validation comparisons.validation.jsonl");
  CAPTURE(prepare.out, prepare.err);
  REQUIRE(prepare.code == 0);
  CHECK(contains(prepare.out, "users without comparisons in both parts"));
  const lore::Preferences<> read = lore::read_preferences(folder / "reddit_tldr.prepared.safetensors");
  const lore::UserScores difference = gain(read, 4);
  CAPTURE(difference.mean, difference.standard_error);
  CHECK(difference.mean > 2 * difference.standard_error);
}

#endif
