// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "formatting_probe.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <ostream>
#include <string_view>

#include <nlohmann/json.hpp>

#include "lore/evaluate/probe.hpp"
#include "lore/io/safetensors.hpp"
#include "lore/parallel/threads.hpp"

#include "format.hpp"
#include "text_features.hpp"

namespace lore_examples {
namespace {

using Json = nlohmann::ordered_json;

/// What of a reply's surface is formatting: how much, which marks, which layout; not which words.
struct Part {
  const char* name;
  std::vector<std::string_view> features;
};
const std::array<Part, 3> parts{
    {{"length", {"log words", "log characters", "log sentences", "log words a sentence"}},
     {"punctuation",
      {"log commas", "log full stops", "log question marks", "log exclamation marks",
       "log colons and semicolons", "log brackets", "log dashes and ellipses", "log quotation marks",
       "ends with a stop"}},
     {"layout",
      {"share of digits", "log numbers", "share of capitals", "log words in capitals", "log line breaks",
       "log list items", "log links", "begins with a capital"}}}};

std::size_t place_of(std::string_view name) {
  for (std::size_t f = 0; f < surface_count; ++f)
    if (surface_names[f] == name) return f;
  throw std::logic_error("no surface feature '" + std::string(name) + "'");
}

FormattingProbe::Part part_of(std::string name, const lore::UserScores& scores) {
  return {std::move(name), scores.mean, scores.standard_error};
}

Json json_of(const FormattingProbe::Part& part) {
  return {{"name", part.name},
          {"accuracy", part.accuracy},
          {"standard_error", std::isfinite(part.standard_error) ? Json(part.standard_error) : Json(nullptr)}};
}

FormattingProbe::Part part_of(const Json& json) {
  const Json& error = json.at("standard_error");
  return {json.at("name"), json.at("accuracy"),
          error.is_null() ? std::numeric_limits<double>::quiet_NaN() : error.get<double>()};
}

}  // namespace

std::optional<FormattingProbe> probe_formatting(const RawPreferences& raw) {
  std::vector<std::size_t> used;
  for (std::size_t j = 0; j < raw.user.size(); ++j)
    if (raw.partition[j] == lore::Partition::seen_train) used.push_back(j);
  if (used.size() < 5) return std::nullopt;

  std::vector<lore::ProbeGroup> groups;
  std::vector<std::size_t> rows;
  for (const Part& part : parts) {
    groups.push_back({part.name, {}});
    for (const std::string_view name : part.features) {
      groups.back().rows.push_back(static_cast<Index>(rows.size()));
      rows.push_back(place_of(name));
    }
  }
  const auto features = static_cast<Index>(rows.size());
  const bool placed = !raw.chosen_first.empty();
  if (placed) groups.push_back({"position", {features}});

  std::vector<lore::Vector<float>> of_text(raw.texts.size());
  const auto surface = [&](Index text) -> const lore::Vector<float>& {
    lore::Vector<float>& known = of_text[static_cast<std::size_t>(text)];
    if (known.size() > 0) return known;
    const Conversation& messages = raw.texts.items()[static_cast<std::size_t>(text)].messages;
    const auto all = surface_features(messages.back().content, {});
    known.resize(features);
    for (std::size_t r = 0; r < rows.size(); ++r) known(static_cast<Index>(r)) = all[rows[r]];
    return known;
  };
  lore::Matrix<float> S(features + (placed ? 1 : 0), static_cast<Index>(used.size()));
  std::vector<Index> user, group;
  for (std::size_t p = 0; p < used.size(); ++p) {
    const std::size_t j = used[p];
    S.col(static_cast<Index>(p)).head(features) = surface(raw.chosen[j]) - surface(raw.rejected[j]);
    if (placed) S(features, static_cast<Index>(p)) = static_cast<float>(raw.chosen_first[j]);
    user.push_back(raw.user[j]);
    if (!raw.group.empty()) group.push_back(raw.group[j]);
  }
  const lore::SurfaceProbe found = lore::surface_probe(S, user, group, groups, lore::Threads());
  FormattingProbe probe;
  probe.together = part_of("together", found.together);
  for (const auto& [name, scores] : found.groups) probe.parts.push_back(part_of(name, scores));
  probe.comparisons = static_cast<Index>(used.size());
  probe.users = found.together.users;
  probe.suspicious = found.suspicious();
  return probe;
}

void print(std::ostream& out, const FormattingProbe& probe) {
  out << "formatting alone predicts " << percent(probe.together.accuracy, probe.together.standard_error)
      << " % of seen users' held-out training choices (";
  for (const FormattingProbe::Part& part : probe.parts)
    out << (&part == probe.parts.data() ? "" : ", ") << part.name << ' '
        << formatted("%.1f", 100 * part.accuracy);
  out << ")\n";
  if (probe.suspicious)
    out << "warning: that is more than judgements of content allow; look for what gives the answer away, "
           "such "
           "as replies that were cut, joined or formatted by which was chosen\n";
}

std::string metadata_text(const FormattingProbe& probe) {
  Json json = json_of(probe.together);
  json.erase("name");
  json["comparisons"] = probe.comparisons;
  json["users"] = probe.users;
  json["suspicious"] = probe.suspicious;
  json["parts"] = Json::array();
  for (const FormattingProbe::Part& part : probe.parts) json["parts"].push_back(json_of(part));
  return json.dump();
}

std::optional<FormattingProbe> read_formatting_probe(const std::filesystem::path& path) try {
  const auto file = lore::SafetensorsFile::open(path);
  const auto found = file.metadata().find(formatting_probe_key);
  if (found == file.metadata().end()) return std::nullopt;
  Json json = Json::parse(found->second);
  json["name"] = "together";
  FormattingProbe probe;
  probe.together = part_of(json);
  for (const Json& part : json.at("parts")) probe.parts.push_back(part_of(part));
  probe.comparisons = json.at("comparisons");
  probe.users = json.at("users");
  probe.suspicious = json.at("suspicious");
  return probe;
} catch (const Json::exception&) {
  return std::nullopt;
}

}  // namespace lore_examples
