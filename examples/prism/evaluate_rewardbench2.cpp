// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// General quality of a model's heads and of its users' personalised heads on RewardBench 2.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "lore/io/checkpoint.hpp"
#include "lore/io/model_file.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/select/figures.hpp"

#include "common/command_line.hpp"
#include "common/embedding_table.hpp"
#include "common/file_encoder.hpp"
#include "common/interrupt.hpp"
#include "common/json_lines.hpp"
#include "common/prepare.hpp"
#include "common/progress.hpp"
#include "common/results.hpp"
#include "prism/rewardbench2.hpp"

namespace {

using namespace lore_examples;
using lore::Index;
using rewardbench2::Benchmark;
using Model = lore::RewardModel<float>;

struct Options {
  std::filesystem::path data, model, csv, scores;
  std::vector<std::string> users;
  std::vector<double> weights;
  bool all_users = false;
  PrepareOptions prepare;  ///< the encoder's part of it
};

/// A direction to score the candidates by: weights on the columns of the basis and on the reference head,
/// which comes last where there is one.
struct Head {
  std::string name;
  lore::Vector<double> weights;
  std::vector<double> reward{};  ///< of each candidate; kept for --scores alone
  lore::RewardBench2Scores scores{};
};

lore::FeatureMatrix embed(const Benchmark& benchmark, const Options& options, const Model& model) {
  const std::unique_ptr<Encoder> encoder = make_encoder(options.prepare);
  Progress progress;
  lore::FeatureMatrix table = encoder->encode(benchmark.texts.items(), lore::Storage::f32, progress);
  if (interrupted()) throw std::runtime_error("interrupted; nothing was scored");
  if (!model.encoder.empty() && encoder->name() != model.encoder)
    std::cerr << "warning: the model was fitted on embeddings of '" << model.encoder << "', these are of '"
              << encoder->name() << "'\n";
  if (table.dimension() != model.basis.dimension())
    throw lore::io_error(options.model.string(),
                         "got a basis of dimension " + std::to_string(model.basis.dimension()) + ", wanted " +
                             std::to_string(table.dimension()) + ", that of the embeddings");
  return table;
}

/// The rewards of all candidates under each column, a row each: those of the basis, then the reference.
lore::Matrix<double> project(const lore::FeatureMatrix& table, const Model& model,
                             const std::optional<lore::Vector<float>>& reference) {
  const Index columns = model.basis.columns();
  lore::Matrix<double> directions(table.dimension(), columns + (reference ? 1 : 0));
  directions.leftCols(columns) = model.basis.matrix().cast<double>();
  if (reference) directions.rightCols(1) = reference->cast<double>();
  lore::Matrix<double> rewards(directions.cols(), table.count());
  for_each_in_parallel(table.count(), [&](Index j) {
    lore::Vector<double> e(table.dimension());
    table.load(j, e.data());
    for (Index k = 0; k < directions.cols(); ++k) rewards(k, j) = directions.col(k).dot(e);
  });
  return rewards;
}

/// The place of a user among those of the model, by name or by number.
Index place_of(const Model& model, const std::string& user) {
  for (std::size_t i = 0; i < model.user_names.size(); ++i)
    if (model.user_names[i] == user) return static_cast<Index>(i);
  Index id = -1;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), id);
  if (error == std::errc() && end == user.data() + user.size())
    for (std::size_t i = 0; i < model.user.size(); ++i)
      if (model.user[i] == id) return static_cast<Index>(i);
  std::string wanted =
      "the name or number of one of the model's " + std::to_string(model.user.size()) + " users";
  if (!model.user_names.empty()) wanted += ", such as '" + model.user_names.front() + "'";
  throw std::invalid_argument("--user: got '" + user + "', wanted " + wanted);
}

std::string user_name(const Model& model, Index place) {
  const auto at = static_cast<std::size_t>(place);
  return "user " + (model.user_names.empty() ? std::to_string(model.user[at]) : model.user_names[at]);
}

/// All heads to score: the columns, the reference, the population, and whom the options name.
struct Heads {
  std::vector<Head> columns, named, users;
};

Heads make_heads(const Options& options, const Model& model, bool has_reference) {
  const Index columns = model.basis.columns();
  const Index total = columns + (has_reference ? 1 : 0);
  const auto mixture = [&](const auto& weights) {
    lore::Vector<double> all = lore::Vector<double>::Zero(total);
    all.head(columns) = weights.template cast<double>();
    return all;
  };
  Heads heads;
  for (Index k = 0; k < columns; ++k)
    heads.columns.push_back({"head " + std::to_string(k), lore::Vector<double>::Unit(total, k)});
  if (has_reference) heads.named.push_back({"reference", lore::Vector<double>::Unit(total, columns)});
  heads.named.push_back({"population", mixture(lore::population_weights(model))});
  for (const std::string& user : options.users) {
    const Index place = place_of(model, user);
    heads.named.push_back({user_name(model, place), mixture(model.weights.col(place))});
  }
  if (!options.weights.empty()) {
    if (static_cast<Index>(options.weights.size()) != columns)
      throw std::invalid_argument("--weights: got " + std::to_string(options.weights.size()) +
                                  " numbers, wanted " + std::to_string(columns) +
                                  ", one a column of the basis");
    heads.named.push_back(
        {"weights", mixture(Eigen::Map<const lore::Vector<double>>(options.weights.data(), columns))});
  }
  if (options.all_users) {
    if (model.user.empty())
      throw lore::io_error(options.model.string(), "got a model without users, wanted some for --all-users");
    for (Index i = 0; i < model.weights.cols(); ++i)
      heads.users.push_back({user_name(model, i), mixture(model.weights.col(i))});
  }
  return heads;
}

// ---- output
// ---------------------------------------------------------------------------------------------------------

/// What a line of the table holds: overall, each subset, and overall of the variant.
std::vector<double> figures_of(const lore::RewardBench2Scores& scores) {
  std::vector<double> figures{scores.official};
  for (const auto& subset : scores.subsets) figures.push_back(subset.official);
  figures.push_back(scores.lore_variant);
  return figures;
}

std::string percent(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", 100 * value);
  return text;
}

std::vector<std::string> line_of(std::string name, const std::vector<double>& figures) {
  std::vector<std::string> line{std::move(name)};
  for (const double figure : figures) line.push_back(percent(figure));
  return line;
}

/// "1.2 points above", "0.3 points below", "as high as".
std::string compared(double difference) {
  const std::string points = percent(std::abs(difference));
  if (points == "0.0") return "as good as";
  return points + (difference > 0 ? " points above" : " points below");
}

void print(std::ostream& out, const Heads& heads) {
  const lore::RewardBench2Scores& first = heads.columns.front().scores;
  std::vector<std::vector<std::string>> rows{{"head", "overall"}};
  for (const auto& subset : first.subsets)
    rows.front().push_back(subset.name + " (" + std::to_string(subset.rows) + ")");
  rows.front().push_back("LoRe variant");
  for (const Head& head : heads.named) rows.push_back(line_of(head.name, figures_of(head.scores)));

  std::vector<std::vector<double>> by_figure;
  if (!heads.users.empty()) {
    by_figure.resize(figures_of(first).size());
    for (const Head& head : heads.users) {
      const std::vector<double> figures = figures_of(head.scores);
      for (std::size_t f = 0; f < figures.size(); ++f) by_figure[f].push_back(figures[f]);
    }
    for (auto& values : by_figure) std::sort(values.begin(), values.end());
    const auto add = [&](const std::string& name, const auto& summary) {
      std::vector<double> figures;
      for (const auto& values : by_figure) figures.push_back(summary(values));
      rows.push_back(line_of(name, figures));
    };
    add(std::to_string(heads.users.size()) + " users: mean", [](const std::vector<double>& values) {
      double sum = 0;
      for (const double value : values) sum += value;
      return sum / static_cast<double>(values.size());
    });
    constexpr std::array<std::pair<const char*, double>, 5> quantiles{{{"  lowest", 0.0},
                                                                       {"  lower quarter", 0.25},
                                                                       {"  median", 0.5},
                                                                       {"  upper quarter", 0.75},
                                                                       {"  highest", 1.0}}};
    for (const auto& [name, q] : quantiles)
      add(name,
          [q = q](const std::vector<double>& values) { return lore::detail::sorted_quantile(values, q); });
  }

  std::vector<const Head*> best;
  for (const Head& head : heads.columns) best.push_back(&head);
  std::stable_sort(best.begin(), best.end(),
                   [](const Head* a, const Head* b) { return a->scores.official > b->scores.official; });
  if (best.size() > 10) best.resize(10);
  for (const Head* head : best) rows.push_back(line_of(head->name, figures_of(head->scores)));

  print_columns(out, rows);
  out << "Official scores in percent (Ties may lie between -1 and 101); overall is the mean of the subsets. "
         "The "
         "LoRe variant counts\na row only when a correct reply is strictly best, and Ties rows by halves.";
  if (heads.columns.size() > best.size())
    out << " Heads: the " << best.size() << " best of " << heads.columns.size() << ".";
  out << '\n';
  if (!first.complete)
    out << "- not the whole benchmark: overall is the mean of the subsets in the file, no official figure\n";

  if (heads.users.empty()) return;
  const double mean = [&] {
    double sum = 0;
    for (const double value : by_figure.front()) sum += value;
    return sum / static_cast<double>(by_figure.front().size());
  }();
  for (const Head& head : heads.named) {
    if (head.name != "reference" && head.name != "population") continue;
    const auto below = std::count_if(by_figure.front().begin(), by_figure.front().end(),
                                     [&](double value) { return value < head.scores.official; });
    out << "- personalised heads are on average " << compared(mean - head.scores.official) << " the "
        << head.name << " head; "
        << percent(static_cast<double>(below) / static_cast<double>(heads.users.size()))
        << " % of the users' heads are below it\n";
  }
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void write_csv(const std::filesystem::path& path, const std::vector<const Head*>& heads) {
  const auto number = [](double value) { return "," + lore::detail::to_text(value); };
  std::string text = "head,official,lore_variant";
  const lore::RewardBench2Scores& first = heads.front()->scores;
  for (const auto& subset : first.subsets)
    text += "," + quoted(subset.name) + "," + quoted(subset.name + " (LoRe variant)");
  if (first.ties)
    text += ",ties_tied_accuracy,ties_ref_accuracy,ties_preferred,ties_preferred_hard,ties_margin";
  text += "\n";
  for (const Head* head : heads) {
    text += quoted(head->name) + number(head->scores.official) + number(head->scores.lore_variant);
    for (const auto& subset : head->scores.subsets)
      text += number(subset.official) + number(subset.lore_variant);
    if (const auto& ties = head->scores.ties)
      text += number(ties->tied_accuracy) + number(ties->ref_accuracy) + number(ties->preferred) +
              number(ties->preferred_hard) + number(ties->margin);
    text += "\n";
  }
  write_text(path, text);
}

/// One candidate a line, with its reward under every head and whether its row counts there.
void write_scores(const std::filesystem::path& path, const Benchmark& benchmark,
                  const std::vector<const Head*>& heads) {
  std::string text;
  for (std::size_t r = 0; r < benchmark.rows.size(); ++r) {
    const lore::RewardBench2Row& row = benchmark.rows[r];
    for (std::size_t c = 0; c < benchmark.candidate[r].size(); ++c) {
      const auto item = static_cast<std::size_t>(benchmark.candidate[r][c]);
      nlohmann::ordered_json json{{"id", row.id},
                                  {"subset", row.subset},
                                  {"candidate", c},
                                  {"correct", static_cast<Index>(c) < row.number_correct}};
      for (const Head* head : heads) json["scores"][head->name] = head->reward[item];
      for (const Head* head : heads) json["row"][head->name] = head->scores.official_by_row[r];
      const Conversation& messages = benchmark.texts.items()[item].messages;
      json["prompt"] = messages.front().content;
      json["reply"] = messages.back().content;
      text += json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    }
  }
  write_text(path, text);
}

int evaluate(Options options) {
  options.prepare.validate();
  const bool hashing = options.prepare.encoder_kind() == EncoderKind::hashing;
  if (hashing && !options.prepare.only_texts() && options.prepare.hashing_statistics.empty())
    throw std::invalid_argument(
        "--hashing-statistics: got nothing, wanted the file that prepare wrote beside the preference file: "
        "without its statistics the embeddings are not those that the model was fitted on");
  // Where vectors from a server are kept, unless the options name a file.
  options.prepare.out = options.data == "-" ? std::filesystem::path("rewardbench2") : options.data.filename();

  const Model model = lore::read_model(options.model);
  std::optional<lore::Vector<float>> reference = model.reference_head;
  if (!options.prepare.reference_head.empty()) {
    reference = lore::read_reference_head(options.prepare.reference_head, options.prepare.tensor);
    if (reference->size() != model.basis.dimension())
      throw lore::io_error(options.prepare.reference_head.string(),
                           "got a head of " + std::to_string(reference->size()) + " entries, wanted " +
                               std::to_string(model.basis.dimension()) + ", the dimension of the model");
  }
  Heads heads = make_heads(options, model, reference.has_value());

  Progress progress;
  JsonLines lines(options.data);
  Benchmark benchmark = rewardbench2::read(lines, options.data.string(), progress);
  std::cout << options.data.string() << ": " << benchmark.rows.size() << " rows, " << benchmark.texts.size()
            << " distinct candidates\n";
  if (!options.prepare.write_texts.empty()) {
    write_texts(options.prepare.write_texts, benchmark.texts.items());
    std::cout << "wrote " << options.prepare.write_texts.string() << ": " << benchmark.texts.size()
              << " conversations to embed\n";
    if (options.prepare.only_texts()) return 0;
  }

  const lore::Matrix<double> rewards = project(embed(benchmark, options, model), model, reference);
  std::vector<const Head*> all;
  for (auto* part : {&heads.named, &heads.columns, &heads.users})
    for (Head& head : *part) {
      // Term by term, so that candidates with equal embeddings tie exactly.
      std::vector<double> values(static_cast<std::size_t>(rewards.cols()), 0.0);
      for (Index j = 0; j < rewards.cols(); ++j)
        for (Index k = 0; k < rewards.rows(); ++k)
          values[static_cast<std::size_t>(j)] += rewards(k, j) * head.weights(k);
      head.scores = rewardbench2::score(benchmark, values);
      if (!options.scores.empty()) head.reward = values;
      all.push_back(&head);
    }
  print(std::cout, heads);
  if (!options.csv.empty()) {
    write_csv(options.csv, all);
    std::cout << "wrote " << options.csv.string() << '\n';
  }
  if (!options.scores.empty()) {
    write_scores(options.scores, benchmark, all);
    std::cout << "wrote " << options.scores.string() << '\n';
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("RewardBench 2 scores of a model's heads, its population's head and its users' heads");
  Options options;
  app.add_option("--data", options.data, "RewardBench 2 as JSON lines; - for standard input")->required();
  app.add_option("--model", options.model, "Model file of train_basis")->required();
  app.add_option("--user", options.users, "Users to score, by name or number; may be repeated");
  app.add_option("--weights", options.weights, "Weights to score, such as 0.2,0.8: one a column of the basis")
      ->delimiter(',');
  app.add_flag("--all-users", options.all_users, "Score all of the model's users, and sum up");
  app.add_option("--csv", options.csv, "Scores of every head as CSV");
  app.add_option("--scores", options.scores,
                 "Rewards of every candidate under every head as JSON lines, to look at failures");
  add_encoder_options(app, options.prepare);
  return run_program(app, argc, argv, [&] { return evaluate(options); });
}
