// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "findings.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "format.hpp"
#include "interrupt.hpp"
#include "protocol.hpp"

namespace lore_examples {
namespace {

using Json = nlohmann::ordered_json;

/// A user's name in the preference file, or the id.
std::string name_of_user(const lore::Preferences<>& preferences, Index id) {
  const auto at = static_cast<std::size_t>(id);
  return at < preferences.user_names.size() ? preferences.user_names[at] : std::to_string(id);
}

Json json_of(const lore::Directions& found, const lore::Preferences<>& preferences) {
  const auto users = [&](const std::vector<lore::PlacedUser>& placed) {
    Json list = Json::array();
    for (const lore::PlacedUser& user : placed)
      list.push_back({{"user", name_of_user(preferences, user.user)}, {"weight", user.weight}});
    return list;
  };
  Json list = Json::array();
  for (const lore::Direction& direction : found.directions) {
    Json moved = Json::array();
    for (const lore::MovedComparison& one : direction.most_moved) {
      const auto at = static_cast<std::size_t>(one.position);
      Json entry{
          {"position", one.position}, {"user", name_of_user(preferences, one.user)}, {"score", one.score}};
      if (!preferences.group.empty()) entry["group"] = preferences.group[at];
      moved.push_back(std::move(entry));
    }
    list.push_back({{"variance", direction.variance},
                    {"share", direction.share},
                    {"highest_users", users(direction.highest)},
                    {"lowest_users", users(direction.lowest)},
                    {"most_moved", std::move(moved)},
                    {"vector", std::vector<double>(direction.vector.begin(), direction.vector.end())}});
  }
  return list;
}

/// Quoted where a comma, quotation mark or line break asks for it.
std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

/// A line a comparison and a line a user.
std::string csv_of(const char* axes, const lore::Directions& found, const lore::Preferences<>& preferences) {
  std::string text;
  for (std::size_t k = 0; k < found.directions.size(); ++k) {
    const lore::Direction& direction = found.directions[k];
    const std::string start =
        std::string(axes) + "," + std::to_string(k) + "," + formatted("%.6g", direction.share) + ",";
    const auto users = [&](const char* end, const std::vector<lore::PlacedUser>& placed) {
      for (const lore::PlacedUser& user : placed)
        text += start + end + "," + csv_text(name_of_user(preferences, user.user)) + ",,," +
                formatted("%.6g", user.weight) + "\n";
    };
    users("highest user", direction.highest);
    users("lowest user", direction.lowest);
    for (const lore::MovedComparison& one : direction.most_moved) {
      const auto at = static_cast<std::size_t>(one.position);
      text += start + "comparison," + csv_text(name_of_user(preferences, one.user)) + "," +
              std::to_string(one.position) + "," +
              (preferences.group.empty() ? std::string() : std::to_string(preferences.group[at])) + "," +
              formatted("%.6g", one.score) + "\n";
    }
  }
  return text;
}

}  // namespace

Findings findings_of(const Protocol& protocol, const Model& model, const Model& bradley_terry,
                     Progress& progress) {
  Findings out;
  out.rank = model.rank;
  const lore::Preferences<>& preferences = protocol.preferences();
  const lore::Threads& executor = protocol.executor();
  lore::ControlOptions options;
  options.seed = protocol.settings().seed;
  const lore::Vector<float> population = lore::population_weights(model);
  const Comparisons seen_test = preferences.seen_test(), unseen_test = preferences.unseen_test();
  progress.begin("controls", 0);
  if (!seen_test.empty()) {
    const auto at = [&](Index i) -> lore::Vector<float> { return model.weights.col(i); };
    const auto weights = lore::weights_by_id(model.user, at, population);
    out.seen_test =
        lore::compare_controls(model, bradley_terry, protocol.train(), seen_test, executor, weights, options);
  }
  if (!unseen_test.empty() && !interrupted()) {
    const lore::ScoredPartition<float> shots(preferences.few_shot(), model.basis, executor);
    const Fits fits = protocol.adapt(model, shots.Z, shots.comparisons, 0);
    const auto at = [&](Index i) -> lore::Vector<float> { return fits[static_cast<std::size_t>(i)].weights; };
    const auto weights = lore::weights_by_id(shots.comparisons.user, at, population);
    out.unseen_test = lore::compare_controls(model, bradley_terry, shots.comparisons, unseen_test, executor,
                                             weights, options);
  }
  progress.end();
  if (protocol.train().empty() || model.user.empty() || interrupted()) return out;
  const Stopwatch watch;
  lore::Refits<float> refits;
  if (protocol.settings().name == "default" && model.rank > 1 && protocol.train().size() > 1)
    refits = lore::refit(protocol.train(), 1, 2, protocol.settings().seed,
                         [&](const Comparisons& part, std::uint64_t seed) {
                           return protocol.refit(part, model.rank, seed, progress);
                         });
  out.refit_seconds = watch.seconds();
  if (!interrupted()) out.diagnosis = protocol.diagnose(model, refits);
  return out;
}

void write_directions(const std::filesystem::path& path, const Protocol& protocol, const Model& model) {
  const lore::Preferences<>& preferences = protocol.preferences();
  const auto found = [&](lore::Axes axes) {
    return lore::directions_of(model, protocol.train(), protocol.executor(), {axes, 10, 5});
  };
  const lore::Directions principal = found(lore::Axes::principal), varimax = found(lore::Axes::varimax);
  if (path.extension() == ".csv") {
    write_text(path, "axes,direction,share,what,user,position,group,value\n" +
                         csv_of("principal", principal, preferences) +
                         csv_of("varimax", varimax, preferences));
    return;
  }
  const Json json{{"format", "lore.directions"},
                  {"version", 1},
                  {"dataset", preferences.dataset},
                  {"rank", model.rank},
                  {"personal_share", principal.personal_share()},
                  {"common", std::vector<double>(principal.common.begin(), principal.common.end())},
                  {"principal", json_of(principal, preferences)},
                  {"varimax", json_of(varimax, preferences)}};
  write_text(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace lore_examples
