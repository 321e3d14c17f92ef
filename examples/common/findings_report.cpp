// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Findings as tables and JSON.
#include <algorithm>
#include <cmath>
#include <ostream>
#include <utility>

#include <nlohmann/json.hpp>

#include "findings.hpp"
#include "format.hpp"
#include "results.hpp"

namespace lore_examples {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string points(const lore::Control& control) {
  return gain_text(
      {control.gain.mean, control.gain.standard_error, control.interval.lower, control.interval.upper});
}

Json json_of(const std::optional<lore::Controls>& controls) {
  if (!controls) return nullptr;
  Json others = Json::array();
  for (const lore::Control& control : controls->others)
    others.push_back({{"name", control.name},
                      {"accuracy", number(control.accuracy.mean)},
                      {"standard_error", number(control.accuracy.standard_error)},
                      {"gain", number(control.gain.mean)},
                      {"gain_standard_error", number(control.gain.standard_error)},
                      {"gain_lower", number(control.interval.lower)},
                      {"gain_upper", number(control.interval.upper)}});
  return {{"accuracy", number(controls->personalised.mean)},
          {"standard_error", number(controls->personalised.standard_error)},
          {"users", controls->personalised.users},
          {"own_scale", number(controls->own_scale)},
          {"others", std::move(others)}};
}

Json json_of(const lore::Agreement& agreement, Index refits) {
  if (refits == 0) return nullptr;
  Json cosines = Json::array(), axes = Json::array();
  for (const double value : agreement.cosines) cosines.push_back(number(value));
  for (const double value : agreement.axes) axes.push_back(number(value));
  return {{"refits", refits},
          {"common", number(agreement.common)},
          {"personal", number(agreement.personal)},
          {"subspace", number(agreement.subspace)},
          {"cosines", std::move(cosines)},
          {"axes", std::move(axes)}};
}

Json json_of(const std::optional<lore::Diagnosis>& diagnosis, double refit_seconds) {
  if (!diagnosis) return nullptr;
  Json users = Json::array();
  for (const lore::UserDiagnosis& user : diagnosis->users)
    users.push_back({{"user", user.user},
                     {"comparisons", user.comparisons},
                     {"from_data", number(user.from_data)},
                     {"information", number(user.information)},
                     {"separable", user.separable}});
  const lore::Identifiability& found = diagnosis->identifiability;
  return {{"effective_rank", number(diagnosis->collapse.effective_rank)},
          {"parameters", number(diagnosis->parameters)},
          {"effective_parameters", number(diagnosis->effective_parameters)},
          {"users_with_too_little_data", diagnosis->too_little},
          {"separable_users", diagnosis->separable},
          {"agreement",
           {{"seeds", json_of(found.seeds, found.seed_refits)},
            {"folds", json_of(found.folds, found.fold_refits)},
            {"between_folds", json_of(found.parts, found.fold_refits)},
            {"seconds", number(refit_seconds)}}},
          {"users", std::move(users)}};
}

}  // namespace

std::string gain_text(const lore::Gain& gain) {
  if (!std::isfinite(gain.mean)) return "-";
  std::string text = formatted("%+.1f", 100 * gain.mean);
  if (std::isfinite(gain.lower))
    text += " (" + formatted("%+.1f", 100 * gain.lower) + " to " + formatted("%+.1f", 100 * gain.upper) + ")";
  return text;
}

void print_controls(std::ostream& out, const Findings& findings) {
  if (!findings.seen_test && !findings.unseen_test) return;
  std::vector<std::vector<std::string>> rows{{"rank " + std::to_string(findings.rank) + " and controls"}};
  const auto add = [&](const char* name, const std::optional<lore::Controls>& controls) {
    if (!controls) return;
    rows[0].insert(rows[0].end(), {name, "personalising gains"});
    const auto fill = [&](std::size_t row, const std::string& label, const lore::Accuracy& accuracy,
                          std::string gain) {
      if (rows.size() == row) rows.push_back({label});
      rows[row].insert(rows[row].end(), {percent(accuracy.mean, accuracy.standard_error), std::move(gain)});
    };
    fill(1, "personalised", controls->personalised, "-");
    for (std::size_t c = 0; c < controls->others.size(); ++c)
      fill(c + 2, controls->others[c].name, controls->others[c].accuracy, points(controls->others[c]));
  };
  add("seen test", findings.seen_test);
  add("unseen test", findings.unseen_test);
  out << '\n';
  print_columns(out, rows);
  out << "Gains in points, paired by user, with 95 % bootstrap intervals.\n";
}

void print_diagnosis(std::ostream& out, const Findings& findings) {
  if (!findings.diagnosis) return;
  const lore::Diagnosis& found = *findings.diagnosis;
  const auto count = static_cast<double>(found.users.size());
  const auto line = [&](const char* label, const std::string& text) {
    out << label << std::string(22 - std::string(label).size(), ' ') << text << '\n';
  };
  const auto of_users = [&](Index some) {
    return std::to_string(some) + " of " + std::to_string(found.users.size()) + " (" +
           formatted("%.0f", 100 * static_cast<double>(some) / std::max(count, 1.0)) + " %)";
  };
  out << "\nWhat rank " << findings.rank << " rests on\n";
  if (found.parameters > 0) {
    line("effective rank",
         formatted("%.1f", found.collapse.effective_rank) + " of " + std::to_string(findings.rank));
    line("users' weights",
         formatted("%.0f", found.parameters) + ", of which the data decide " +
             formatted("%.0f", found.effective_parameters) + "; share by user " +
             formatted("%.2f", found.quantile(0.1, &lore::UserDiagnosis::from_data)) + " .. " +
             formatted("%.2f", found.quantile(0.5, &lore::UserDiagnosis::from_data)) + " .. " +
             formatted("%.2f", found.quantile(0.9, &lore::UserDiagnosis::from_data)) +
             " (10 %, median, 90 %)");
    line("too little data",
         of_users(found.too_little) + " learned less than one bit; median " +
             formatted("%.1f", found.quantile(0.5, &lore::UserDiagnosis::information) / std::log(2.0)) +
             " bits");
  }
  line("separable users", of_users(found.separable) + ": maximum likelihood would diverge");
  const lore::Identifiability& refits = found.identifiability;
  const auto agreement = [&](const char* label, const lore::Agreement& one, Index fits) {
    if (fits > 0)
      line(label, "common reward " + formatted("%.2f", one.common) + ", personal part " +
                      formatted("%.2f", one.personal) + ", its directions " +
                      formatted("%.2f", one.subspace));
  };
  agreement("another seed", refits.seeds, refits.seed_refits);
  agreement("two halves", refits.parts, refits.fold_refits);
  if (refits.seed_refits + refits.fold_refits > 0)
    out << "Agreement of margins under refits: 1 is the same, 0 unrelated.\n";
}

void add_json(nlohmann::ordered_json& json, const Findings& findings) {
  json["controls"] = {{"rank", findings.rank},
                      {"seen_test", json_of(findings.seen_test)},
                      {"unseen_test", json_of(findings.unseen_test)}};
  json["diagnosis"] = json_of(findings.diagnosis, findings.refit_seconds);
  if (findings.diagnosis) json["diagnosis"]["rank"] = findings.rank;
}

}  // namespace lore_examples
