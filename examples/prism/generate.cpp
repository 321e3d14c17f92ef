// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Generated files in the schema of PRISM: survey.jsonl and conversations.jsonl.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/command_line.hpp"
#include "common/text_generator.hpp"

namespace {

using namespace lore_examples;
using lore::bernoulli;
using lore::Index;
using lore::Rng;
using lore::uniform_index;
using Json = nlohmann::ordered_json;

struct Options {
  std::filesystem::path folder = ".";
  Index users = 160;
  Index brief_users = 12;
  Index silent_users = 6;
  Index dialogues = 8;
  double strength = 4;
  std::uint64_t seed = 0;
};

struct Model {
  const char* provider;
  const char* name;
};
constexpr std::array<Model, 6> models{{{"cohere", "command-light"},
                                       {"huggingface_api", "google/flan-t5-xxl"},
                                       {"openai", "gpt-4"},
                                       {"anthropic", "claude-2"},
                                       {"huggingface_api", "meta-llama/Llama-2-7b-chat-hf"},
                                       {"aleph_alpha", "luminous-supreme-control"}}};
constexpr std::array<const char*, 3> kinds{"unguided", "values guided", "controversy guided"};
constexpr std::array<const char*, 7> attributes{"values",    "fluency",    "factuality", "safety",
                                                "diversity", "creativity", "helpfulness"};

std::string date(Rng& rng) {
  const Index day = uniform_index(rng, 28), hour = uniform_index(rng, 24), minute = uniform_index(rng, 60),
              second = uniform_index(rng, 60);
  char text[32];
  std::snprintf(text, sizeof text, "2023-11-%02d %02d:%02d:%02d", static_cast<int>(day) + 1,
                static_cast<int>(hour), static_cast<int>(minute), static_cast<int>(second));
  return text;
}

Json ratings(Rng& rng) {
  Json json = Json::object();
  for (const char* attribute : attributes)
    json[attribute] = bernoulli(rng, 0.1) ? Json(nullptr) : Json(uniform_index(rng, 101));
  return json;
}

Json participant(Rng& rng, Index user, Index conversations) {
  constexpr std::array<const char*, 4> genders{"Female", "Male", "Non-binary / third gender",
                                               "Prefer not to say"};
  constexpr std::array<const char*, 4> ages{"18-24 years old", "25-34 years old", "35-44 years old",
                                            "65+ years old"};
  constexpr std::array<const char*, 4> countries{"Côte d'Ivoire", "México", "United Kingdom", "日本"};
  const std::string country = pick(rng, countries);
  Json json{{"user_id", "user" + std::to_string(user)},
            {"survey_only", conversations == 0},
            {"num_completed_conversations", conversations},
            {"consent", "Yes, I consent to take part"},
            {"consent_age", "Yes, I am 18 or over"}};
  json["lm_familiarity"] = bernoulli(rng, 0.5) ? "Somewhat familiar" : "Very familiar";
  json["self_description"] = draw_story(rng, draw_subject(rng), 2);
  json["system_string"] = "You are \"friendly\",\n\tnever rude \\ never vague.";
  json["age"] = pick(rng, ages);
  json["gender"] = pick(rng, genders);
  json["religion"] = {
      {"self_described", "n/a"}, {"categorised", "Prefer not to say"}, {"simplified", "Other"}};
  json["location"] = {
      {"birth_country", country}, {"reside_country", country}, {"same_birth_reside_country", "Yes"}};
  json["stated_prefs"] = ratings(rng);
  json["generated_datetime"] = date(rng);
  json["timing_duration_s"] = static_cast<double>(uniform_index(rng, 100000)) / 100;
  json["included_in_balanced_subset"] = bernoulli(rng, 0.5);
  return json;
}

/// The replies of one turn: rated by the reader, the best one chosen (a choice after Luce 1959: the highest
/// of liking plus Gumbel noise).
void add_turn(Rng& rng, Json& history, Index turn, const Subject& subject, const Taste& taste, Index count,
              Model model) {
  std::vector<Writing> replies;
  std::vector<double> appeal;
  for (Index r = 0; r < count; ++r) {
    replies.push_back(draw_reply(rng, subject, 3));
    if (bernoulli(rng, 0.01)) replies.back().text = "";  // models fail at times
    if (r > 0 && bernoulli(rng, 0.01)) replies.back() = replies.front();
    appeal.push_back(taste.of(replies.back().traits) -
                     std::log(-std::log(lore::uniform01(rng) * 0.999998 + 1e-6)));
  }
  const auto best = std::max_element(appeal.begin(), appeal.end()) - appeal.begin();
  for (Index r = 0; r < count; ++r) {
    const auto place = static_cast<std::size_t>(r);
    const Model speaker = turn == 0 ? pick(rng, models) : model;
    // Coarse enough that ratings tie now and then.
    const double score = std::clamp(50 + 5 * std::round(appeal[place]), 1.0, 100.0);
    history.push_back({{"turn", turn},
                       {"role", "model"},
                       {"content", replies[place].text},
                       {"model_provider", speaker.provider},
                       {"model_name", speaker.name},
                       {"score", static_cast<int>(score)},
                       {"if_chosen", r == best},
                       {"within_turn_id", r}});
  }
}

Json conversation(Rng& rng, Index number, Index user, const Taste& taste) {
  const Subject subject = draw_subject(rng);
  const Index turns = 1 + uniform_index(rng, 4);
  const Model model = pick(rng, models);
  Json history = Json::array();
  std::string opening;
  for (Index t = 0; t < turns; ++t) {
    // A blank utterance, a reply without an alternative, and a last word without a reply occur.
    std::string utterance = bernoulli(rng, 0.01) ? std::string(" ") : draw_question(rng, subject);
    if (t == 0) opening = utterance;
    history.push_back({{"turn", t}, {"role", "user"}, {"content", std::move(utterance)}});
    if (t > 0 && t + 1 == turns && bernoulli(rng, 0.03)) break;
    const Index count = bernoulli(rng, 0.02) ? 1 : t == 0 ? 2 + uniform_index(rng, 3) : 2;
    add_turn(rng, history, t, subject, taste, count, model);
  }
  Json json{{"conversation_id", "c" + std::to_string(number)}, {"user_id", "user" + std::to_string(user)}};
  json["conversation_type"] = pick(rng, kinds);
  json["opening_prompt"] = opening;
  json["conversation_turns"] = turns;
  json["conversation_history"] = std::move(history);
  json["performance_attributes"] = ratings(rng);
  json["choice_attributes"] = ratings(rng);
  json["open_feedback"] = bernoulli(rng, 0.3) ? draw_story(rng, subject, 1) : "";
  json["generated_datetime"] = date(rng);
  const double seconds = static_cast<double>(uniform_index(rng, 100000)) / 100;
  json["timing_duration_s"] = seconds;
  json["timing_duration_mins"] = std::round(seconds / 0.6) / 100;
  json["included_in_balanced_subset"] = bernoulli(rng, 0.5);
  return json;
}

int generate(const Options& options) {
  std::vector<Json> survey, conversations;
  std::vector<std::pair<Index, Index>> plan;  // user, how many dialogues
  for (Index user = 0; user < options.users + options.brief_users + options.silent_users; ++user) {
    Rng rng = lore::make_rng(options.seed, 0, user);
    Index count = 0;
    if (user < options.users)
      count = std::max<Index>(6, options.dialogues - 2) + uniform_index(rng, 5);
    else if (user < options.users + options.brief_users)
      count = 1 + uniform_index(rng, 5);
    plan.emplace_back(user, count);
  }
  Rng order = lore::make_rng(options.seed, 1);
  lore::shuffle(order, std::span(plan));
  // As in the original, whose rows are sorted by conversation and users come as they took part.
  for (std::size_t place = 0; place < plan.size(); ++place) {
    const Index count = plan[place].second;
    const auto user = static_cast<Index>(place);
    Rng rng = lore::make_rng(options.seed, 2, user);
    survey.push_back(participant(rng, user, count));
    const Taste taste = draw_taste(rng, options.strength);
    for (Index d = 0; d < count; ++d)
      conversations.push_back(conversation(rng, static_cast<Index>(conversations.size()), user, taste));
  }
  const auto write = [&](const char* name, const std::vector<Json>& rows) {
    write_json_lines(options.folder / name, rows);
    std::cout << "wrote " << (options.folder / name).string() << ": " << rows.size() << " rows\n";
  };
  write("survey.jsonl", survey);
  write("conversations.jsonl", conversations);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Generated files in the schema of PRISM: survey.jsonl and conversations.jsonl");
  Options options;
  const CLI::Range counts(Index{0}, Index{1} << 24);
  app.add_option("--folder", options.folder, "Where to write the two files")->capture_default_str();
  app.add_option("--users", options.users, "Users with enough dialogues")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--brief-users", options.brief_users, "Users with fewer than six dialogues")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--silent-users", options.silent_users, "Participants of the survey alone")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--dialogues", options.dialogues, "Typical number of dialogues of a user, at least 6")
      ->check(CLI::Range(Index{6}, Index{1} << 24))
      ->capture_default_str();
  app.add_option("--taste", options.strength, "How much taste decides, in log odds a trait")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed; the same seed gives the same files")->capture_default_str();
  return run_program(app, argc, argv, [&] { return generate(options); });
}
