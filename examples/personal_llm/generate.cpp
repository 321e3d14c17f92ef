// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Generated files in the schema of PersonalLLM: train.jsonl and test.jsonl.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/command_line.hpp"
#include "common/text_generator.hpp"
#include "personal_llm/planted.hpp"
#include "personal_llm/reward_models.hpp"

namespace {

using namespace lore_examples;
using namespace lore_examples::personal_llm;
using lore::bernoulli;
using lore::Rng;
using Json = nlohmann::ordered_json;

struct Options {
  std::filesystem::path folder = ".";
  Index train = 600;
  Index test = 120;
  double noise = 0.8;
  std::uint64_t seed = 0;
};

struct Response {
  std::string text;
  std::array<double, reward_models.size()> scores{};
};

/// As reward models do, with few digits; one of them gives whole numbers, so that responses tie.
double rounded(double score, std::size_t model) {
  const double unit = model + 1 == reward_models.size() ? 1 : 1e-4;
  return std::round(score / unit) * unit;
}

Response scored(Rng& rng, Writing writing, const std::vector<Taste>& tastes, double noise) {
  Response response{std::move(writing.text), {}};
  for (std::size_t r = 0; r < reward_models.size(); ++r) {
    const PlantedModel& model = planted_models[r];
    const double liking = tastes[r].of(writing.traits) + noise * lore::normal(rng);
    response.scores[r] = rounded(model.offset + model.scale * liking, r);
  }
  return response;
}

/// A prompt with eight responses. Some models answer nothing, some repeat another one word for word, and now
/// and then all decline alike.
Json row(Rng& rng, const std::vector<Taste>& tastes, double noise) {
  const Subject subject = draw_subject(rng);
  Json json{{"prompt", draw_story(rng, subject, 2) + " " + draw_question(rng, subject)}};
  const bool all_decline = bernoulli(rng, 0.01);
  std::vector<Response> responses;
  for (std::size_t i = 0; i < response_count; ++i) {
    if (i > 0 && (all_decline || bernoulli(rng, 0.01)))
      responses.push_back(responses.back());
    else if (all_decline)
      responses.push_back(scored(rng, {"I'm sorry, but I can't help with that.", {}}, tastes, noise));
    else if (bernoulli(rng, 0.002))
      responses.push_back(scored(rng, {"", {-1, -1, 0, -1, 0, -1, -1}}, tastes, noise));
    else
      responses.push_back(scored(rng, draw_reply(rng, subject, 4), tastes, noise));
  }
  for (std::size_t i = 0; i < response_count; ++i) json[response_column(i)] = responses[i].text;
  for (std::size_t i = 0; i < response_count; ++i)
    for (std::size_t r = 0; r < reward_models.size(); ++r) json[score_column(i, r)] = responses[i].scores[r];
  return json;
}

int generate(const Options& options) {
  std::vector<Taste> tastes;
  for (std::size_t r = 0; r < reward_models.size(); ++r) {
    Rng rng = lore::make_rng(options.seed, 0, r);
    tastes.push_back(draw_taste(rng, 1));
  }
  const std::array<std::pair<const char*, Index>, 2> parts{
      {{"train.jsonl", options.train}, {"test.jsonl", options.test}}};
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const auto [name, count] = parts[part];
    std::vector<Json> rows;
    for (Index p = 0; p < count; ++p) {
      Rng rng = lore::make_rng(options.seed, 1, part, p);
      rows.push_back(row(rng, tastes, options.noise));
    }
    const std::filesystem::path path = options.folder / name;
    write_json_lines(path, rows);
    std::cout << "wrote " << path.string() << ": " << rows.size() << " rows\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Generated files in the schema of PersonalLLM: train.jsonl and test.jsonl");
  Options options;
  const CLI::Range counts(Index{1}, Index{1} << 24);
  app.add_option("--folder", options.folder, "Where to write the two files")->capture_default_str();
  app.add_option("--train", options.train, "Training prompts")->check(counts)->capture_default_str();
  app.add_option("--test", options.test, "Test prompts")->check(counts)->capture_default_str();
  app.add_option("--noise", options.noise, "Deviation of the scores that no taste explains")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed; the same seed gives the same files")->capture_default_str();
  return run_program(app, argc, argv, [&] { return generate(options); });
}
