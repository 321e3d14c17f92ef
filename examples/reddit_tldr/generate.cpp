// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Generated files in the schema of Reddit TLDR's comparisons: comparisons.train.jsonl and
// comparisons.validation.jsonl.
#include <array>
#include <cmath>
#include <cstdint>
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
  Index workers = 60;
  Index train = 100;
  Index validation = 40;
  Index posts = 400;
  double strength = 3;
  std::uint64_t seed = 0;
};

struct Summary {
  Writing writing;
  const char* policy;
};

/// What is summarised, with the summaries of a few models.
struct Post {
  Json info;
  std::vector<Summary> summaries;
  const char* split;
};

constexpr std::array<const char*, 5> policies{"ref", "sup4_6b_t.7", "sup4_ppo_rm3_kl10", "sup4_ppo_rm4",
                                              "title"};
constexpr std::array<const char*, 5> subreddits{"relationships", "AskReddit", "legaladvice",
                                                "personalfinance", "tifu"};
constexpr std::array<const char*, 2> sites{"cnndm", "dailymail"};

std::string name_of(Rng& rng, const char* prefix, int length) {
  std::string name = prefix;
  for (int k = 0; k < length; ++k)
    name += "0123456789abcdefghijklmnopqrstuvwxyz"[static_cast<std::size_t>(uniform_index(rng, 36))];
  return name;
}

Post draw_post(Rng& rng, Index place, const char* split, bool news) {
  const Subject subject = draw_subject(rng);
  Post post{Json::object(), {}, split};
  const std::string unique = std::to_string(place);
  if (news) {
    post.info["id"] = name_of(rng, "cnndm/", 8) + unique;
    post.info["article"] = draw_story(rng, subject, 8);
    post.info["title"] = bernoulli(rng, 0.1) ? Json(nullptr) : Json(draw_title(rng, subject));
    post.info["site"] = pick(rng, sites);
  } else {
    post.info["id"] = name_of(rng, "t3_", 4) + unique;
    post.info["post"] = draw_story(rng, subject, 5) + "\n\n" + (bernoulli(rng, 0.3) ? "Edit: thanks :)" : "");
    post.info["title"] = draw_title(rng, subject);
    post.info["subreddit"] = pick(rng, subreddits);
  }
  for (const char* policy : policies) {
    Writing writing = draw_reply(rng, subject, 2);
    writing.text.insert(0, " ");  // as in the original
    post.summaries.push_back({std::move(writing), policy});
  }
  return post;
}

Json comparison(Rng& rng, const Post& post, const std::string& worker, const Taste& taste) {
  const Index count = static_cast<Index>(post.summaries.size());
  const Index first = uniform_index(rng, count);
  // Two models write the same now and then.
  const Index second = bernoulli(rng, 0.005) ? first : (first + 1 + uniform_index(rng, count - 1)) % count;
  const std::array<const Summary*, 2> pair{&post.summaries[static_cast<std::size_t>(first)],
                                           &post.summaries[static_cast<std::size_t>(second)]};
  const double margin = taste.of(pair[1]->writing.traits) - taste.of(pair[0]->writing.traits);
  const int choice = bernoulli(rng, 1 / (1 + std::exp(-margin))) ? 1 : 0;
  Json summaries = Json::array();
  for (const Summary* summary : pair)
    summaries.push_back({{"text", summary->writing.text},
                         {"policy", summary->policy},
                         {"note", bernoulli(rng, 0.5) ? Json(nullptr) : Json("Reads \"well\".\n")}});
  Json json{{"info", post.info}, {"summaries", std::move(summaries)}, {"choice", choice}, {"worker", worker}};
  json["batch"] = post.info.contains("site") ? "cnndm0" : "batch" + std::to_string(uniform_index(rng, 20));
  json["split"] = post.split;
  json["extra"] = Json::object();
  if (bernoulli(rng, 0.7)) json["extra"]["confidence"] = 1 + uniform_index(rng, 9);
  return json;
}

int generate(const Options& options) {
  std::array<std::vector<Post>, 2> posts;  // train, validation
  Rng rng = lore::make_rng(options.seed, 0);
  for (Index p = 0; p < options.posts; ++p) {
    posts[0].push_back(draw_post(rng, p, "train", p % 10 == 9));
    const bool news = p % 2 == 1;
    posts[1].push_back(draw_post(rng, options.posts + p, p % 4 < 2 ? "valid1" : "valid2", news));
  }
  std::array<std::vector<Json>, 2> rows;
  // Beside the regular workers, some have very little, or only one of the two parts.
  const Index few = 2 + options.workers / 20;
  for (Index w = 0; w < options.workers + 3 * few; ++w) {
    Rng own = lore::make_rng(options.seed, 1, w);
    const std::string worker = name_of(own, "", 30);
    const Taste taste = draw_taste(own, options.strength);
    std::array<Index, 2> counts{options.train / 2 + uniform_index(own, options.train + 1),
                                options.validation / 2 + uniform_index(own, options.validation + 1)};
    if (w >= options.workers) {
      const Index kind = (w - options.workers) / few;
      counts = {kind == 1 ? 0 : 1 + uniform_index(own, 4), kind == 2 ? 0 : 1 + uniform_index(own, 4)};
    }
    for (std::size_t part = 0; part < 2; ++part)
      for (Index j = 0; j < counts[part]; ++j) {
        const Post& post = pick(own, posts[part]);
        rows[part].push_back(comparison(own, post, worker, taste));
      }
  }
  constexpr std::array<const char*, 2> names{"comparisons.train.jsonl", "comparisons.validation.jsonl"};
  for (std::size_t part = 0; part < 2; ++part) {
    lore::shuffle(rng, std::span(rows[part]));
    const std::filesystem::path path = options.folder / names[part];
    write_json_lines(path, rows[part]);
    std::cout << "wrote " << path.string() << ": " << rows[part].size() << " rows\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Generated files in the schema of Reddit TLDR: comparisons.train.jsonl and "
      "comparisons.validation.jsonl");
  Options options;
  const CLI::Range counts(Index{1}, Index{1} << 24);
  app.add_option("--folder", options.folder, "Where to write the two files")->capture_default_str();
  app.add_option("--workers", options.workers, "Workers with enough comparisons")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--train", options.train, "Training comparisons of a typical worker")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--validation", options.validation, "Validation comparisons of a typical worker")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--posts", options.posts, "Posts in each of the two parts")
      ->check(counts)
      ->capture_default_str();
  app.add_option("--taste", options.strength, "How much taste decides, in log odds a trait")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Seed; the same seed gives the same files")->capture_default_str();
  return run_program(app, argc, argv, [&] { return generate(options); });
}
