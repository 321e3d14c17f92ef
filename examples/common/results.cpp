// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "results.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <ostream>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "lore/io/atomic_file.hpp"

#include "format.hpp"
#include "progress.hpp"
#include <sys/resource.h>

namespace lore_examples {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no NaN: what is not a number is null.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const Figure& figure) {
  if (!figure.accuracy) return {{"accuracy", nullptr}, {"reason", figure.reason}};
  return {{"accuracy", number(*figure.accuracy)},
          {"standard_error", number(figure.standard_error)},
          {"users", figure.users},
          {"ties", number(figure.ties)}};
}

Json json_of(const OptionValue& value) {
  return std::visit(
      [](const auto& held) -> Json {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(held)>, double>)
          return number(held);
        else
          return held;
      },
      value);
}

Json numbers(const lore::Vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(number(value));
  return list;
}

Json json_of(const lore::Gain& gain) {
  return {{"mean", number(gain.mean)},
          {"standard_error", number(gain.standard_error)},
          {"lower", number(gain.lower)},
          {"upper", number(gain.upper)}};
}

Json json_of(const std::optional<lore::GuardReport>& guard) {
  if (!guard || guard->points.empty()) return nullptr;
  Json points = Json::array();
  for (const lore::GuardPoint& point : guard->points)
    points.push_back({{"shots", point.shots},
                      {"users", point.users},
                      {"log_loss", json_of(point.log_loss)},
                      {"accuracy", json_of(point.accuracy)}});
  return {{"prior_covariance_factor", number(guard->factor)},
          {"prior_covariance_estimated", guard->estimated},
          {"population_is_bradley_terry", guard->population.has_value()},
          {"loses", guard->loses},
          {"skipped_folds", guard->skipped},
          {"points", std::move(points)}};
}

Json json_of(const lore::ProbabilityScores& scores) {
  return {{"log_loss", number(scores.log_loss.mean)},
          {"log_loss_standard_error", number(scores.log_loss.standard_error)},
          {"brier", number(scores.brier.mean)},
          {"brier_standard_error", number(scores.brier.standard_error)},
          {"expected_calibration_error", number(scores.calibration.expected_error)},
          {"expected_calibration_error_standard_error", number(scores.expected_error_se)}};
}

Json json_of(const std::optional<lore::CalibrationPoint>& calibration) {
  if (!calibration) return nullptr;
  return {{"averaged", json_of(calibration->averaged)},
          {"plug_in", json_of(calibration->plug_in)},
          {"log_loss_gain", number(calibration->log_loss_gain.mean)},
          {"log_loss_gain_standard_error", number(calibration->log_loss_gain.standard_error)}};
}

/// null with one column: it has nothing to fall together with.
Json json_of(const std::optional<lore::CollapseDiagnosis>& collapse) {
  if (!collapse) return nullptr;
  Json cosines = Json::array();
  for (Index k = 0; k < collapse->cosines.rows(); ++k)
    cosines.push_back(numbers(collapse->cosines.row(k).transpose()));
  return {{"cosines", std::move(cosines)},
          {"singular_values", numbers(collapse->singular_values)},
          {"effective_rank", number(collapse->effective_rank)},
          {"share_of_users", numbers(collapse->users)}};
}

Json json_of(const RankResult& result) {
  Json options = Json::object();
  for (const auto& [name, value] : result.fit.options) options[name] = json_of(value);
  return {{"rank", result.rank},
          {"seen_train", json_of(result.seen_train)},
          {"seen_test", json_of(result.seen_test)},
          {"few_shot_train", json_of(result.few_shot_train)},
          {"unseen_test", json_of(result.unseen_test)},
          {"columns_kept", result.columns_kept},
          {"collapse", json_of(result.collapse)},
          {"fit",
           {{"status", result.fit.status},
            {"passes", result.fit.passes},
            {"objective", number(result.fit.objective)},
            {"seconds", number(result.fit.seconds)},
            {"options", std::move(options)}}},
          {"few_shot", {{"seconds", number(result.few_shot_seconds)}}}};
}

template <class Run>
Json head(std::string_view format, const Run& run) {
  return {{"format", format},         {"version", 1},
          {"complete", run.complete}, {"dataset", run.dataset},
          {"protocol", run.protocol}, {"seed", run.seed},
          {"threads", run.threads},   {"peak_memory_bytes", peak_memory_bytes()}};
}

std::string text_of(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string percent(const Figure& figure) {
  return figure.accuracy ? lore_examples::percent(*figure.accuracy, figure.standard_error) : "-";
}

std::string rank_name(Index rank) {
  if (rank == 0) return "0 reference";
  if (rank == 1) return "1 Bradley-Terry";
  return std::to_string(rank);
}

void print_reasons(std::ostream& out, std::vector<std::pair<std::string, std::string>> reasons) {
  std::sort(reasons.begin(), reasons.end());
  reasons.erase(std::unique(reasons.begin(), reasons.end()), reasons.end());
  for (const auto& [what, reason] : reasons) out << "- no " << what << ": " << reason << '\n';
}

std::string csv_number(double value) { return std::isfinite(value) ? formatted("%.9g", value) : ""; }

std::string csv_of(const Figure& figure) {
  if (!figure.accuracy) return ",,,,";
  return "," + csv_number(*figure.accuracy) + "," + csv_number(figure.standard_error) + "," +
         std::to_string(figure.users) + "," + csv_number(figure.ties);
}

std::string csv_head(const char* name) {
  const std::string prefix = std::string(",") + name;
  return prefix + prefix + "_standard_error" + prefix + "_users" + prefix + "_ties";
}

constexpr std::array<std::pair<const char*, Figure RankResult::*>, 4> figures{
    {{"seen_train", &RankResult::seen_train},
     {"seen_test", &RankResult::seen_test},
     {"few_shot_train", &RankResult::few_shot_train},
     {"unseen_test", &RankResult::unseen_test}}};

}  // namespace

void print_collapse(std::ostream& out, const Results& results) {
  std::vector<std::vector<std::string>> rows{{"rank", "columns", "effective rank", "mean cosine",
                                              "largest cosine", "singular values", "most users on one"}};
  for (const RankResult& result : results.ranks) {
    if (!result.collapse) continue;
    const lore::CollapseDiagnosis& found = *result.collapse;
    lore::Matrix<double> apart = found.cosines;
    apart.diagonal().setConstant(-1);
    rows.push_back({rank_name(result.rank), std::to_string(result.columns_kept),
                    formatted("%.1f", found.effective_rank), formatted("%.2f", found.mean_cosine()),
                    formatted("%.2f", apart.maxCoeff()),
                    formatted("%.3g", found.singular_values(0)) + " .. " +
                        formatted("%.3g", found.singular_values(found.singular_values.size() - 1)),
                    formatted("%.0f %%", 100 * found.users.maxCoeff())});
  }
  if (rows.size() == 1) return;
  out << "\nColumns of the basis\n";
  print_columns(out, rows);
}

void print_columns(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width(rows.front().size(), 0);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string space(width[c] - rows[r][c].size(), ' ');
      line += (c == 0 ? rows[r][c] + space : "  " + space + rows[r][c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
    if (r == 0) {
      std::size_t total = 0;
      for (const std::size_t w : width) total += w;
      out << std::string(total + 2 * (width.size() - 1), '-') << '\n';
    }
  }
}

Figure no_figure(std::string reason) {
  Figure figure;
  figure.reason = std::move(reason);
  return figure;
}

std::string json_text(const Results& results) {
  Json json = head("lore.results", results);
  json["selected_rank"] = results.selected_rank ? Json(*results.selected_rank) : Json(nullptr);
  json["selection_seconds"] = number(results.selection_seconds);
  json["ranks"] = Json::array();
  for (const RankResult& result : results.ranks) json["ranks"].push_back(json_of(result));
  if (results.findings)
    add_json(json, *results.findings);
  else
    json["controls"] = json["diagnosis"] = nullptr;
  json["guard"] = json_of(results.guard);
  json["formatting_probe"] =
      results.formatting ? Json::parse(metadata_text(*results.formatting)) : Json(nullptr);
  return text_of(json);
}

std::string json_text(const FewShotCurve& curve) {
  Json json = head("lore.few_shot_curve", curve);
  json["rank"] = curve.rank;
  json["points"] = Json::array();
  for (const CurvePoint& point : curve.points) {
    Json unseen = json_of(point.unseen_test);
    if (point.unseen_test.accuracy) unseen["trial_sd"] = number(point.trial_sd);
    json["points"].push_back({{"shots", point.shots},
                              {"users_with_at_least", point.users_with_at_least},
                              {"few_shot_train", json_of(point.few_shot_train)},
                              {"unseen_test", std::move(unseen)},
                              {"gain_over_bradley_terry", point.gain ? json_of(*point.gain) : Json(nullptr)},
                              {"calibration", json_of(point.calibration)},
                              {"seconds", number(point.seconds)}});
  }
  return text_of(json);
}

void write_results(const std::filesystem::path& path, const Results& results) {
  write_text(path, json_text(results));
}

void write_results(const std::filesystem::path& path, const FewShotCurve& curve) {
  write_text(path, json_text(curve));
}

void write_csv(const std::filesystem::path& path, const Results& results) {
  std::string text = "rank";
  for (const auto& [name, member] : figures) text += csv_head(name);
  text += ",columns_kept,selected,fit_seconds,few_shot_seconds\n";
  for (const RankResult& result : results.ranks) {
    text += std::to_string(result.rank);
    for (const auto& [name, member] : figures) text += csv_of(result.*member);
    text += "," + std::to_string(result.columns_kept) +
            (results.selected_rank == result.rank ? ",1," : ",0,") + csv_number(result.fit.seconds) + "," +
            csv_number(result.few_shot_seconds) + "\n";
  }
  write_text(path, text);
}

void write_csv(const std::filesystem::path& path, const FewShotCurve& curve) {
  std::string text = "shots,users_with_at_least" + csv_head("few_shot_train") + csv_head("unseen_test") +
                     ",gain,gain_lower,gain_upper,trial_sd,seconds\n";
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  for (const CurvePoint& point : curve.points)
    text += std::to_string(point.shots) + "," + std::to_string(point.users_with_at_least) +
            csv_of(point.few_shot_train) + csv_of(point.unseen_test) + "," +
            csv_number(point.gain ? point.gain->mean : none) + "," +
            csv_number(point.gain ? point.gain->lower : none) + "," +
            csv_number(point.gain ? point.gain->upper : none) + "," + csv_number(point.trial_sd) + "," +
            csv_number(point.seconds) + "\n";
  write_text(path, text);
}

void print_table(std::ostream& out, const Results& results) {
  std::vector<std::vector<std::string>> rows{
      {"rank", "seen train", "seen test", "few-shot train", "unseen test", "columns", "fit"}};
  std::vector<std::pair<std::string, std::string>> reasons;
  bool ties = false;
  for (const RankResult& result : results.ranks) {
    const bool selected = results.selected_rank == result.rank;
    std::vector<std::string> row{rank_name(result.rank) + (selected ? " *" : "")};
    for (const auto& [name, member] : figures) {
      const Figure& figure = result.*member;
      row.push_back(percent(figure));
      ties = ties || (figure.accuracy && figure.ties > 0);
      if (!figure.accuracy) {
        std::string words(name);
        std::replace(words.begin(), words.end(), '_', ' ');
        if (words.starts_with("few ")) words[3] = '-';
        reasons.emplace_back(words + " at rank " + std::to_string(result.rank), figure.reason);
      }
    }
    row.push_back(std::to_string(result.columns_kept));
    row.push_back(duration_text(result.fit.seconds));
    rows.push_back(std::move(row));
  }
  print_columns(out, rows);
  out << "Accuracy in percent, mean +- standard error over users.";
  if (results.selected_rank) out << " * selected rank.";
  out << '\n';
  if (ties)
    for (const RankResult& result : results.ranks)
      if (result.seen_test.accuracy && result.seen_test.ties > 0)
        out << "- rank " << result.rank << ": " << formatted("%.3g", 100 * result.seen_test.ties)
            << " % of the seen users' test margins are exactly 0 and count as wrong\n";
  print_reasons(out, std::move(reasons));
}

void print_table(std::ostream& out, const FewShotCurve& curve) {
  const bool groups = curve.shot_unit == "group";
  std::vector<std::vector<std::string>> rows{{groups ? "shots (groups)" : "shots", "users", "few-shot train",
                                              "unseen test", "over Bradley-Terry", "trial sd", "time"}};
  std::vector<std::pair<std::string, std::string>> reasons;
  const auto note = [&](const char* what, const Figure& figure) {
    if (!figure.accuracy) reasons.emplace_back(what, figure.reason);
  };
  for (const CurvePoint& point : curve.points) {
    rows.push_back(
        {std::to_string(point.shots), std::to_string(point.users_with_at_least),
         percent(point.few_shot_train), percent(point.unseen_test), point.gain ? gain_text(*point.gain) : "-",
         std::isfinite(point.trial_sd) && point.unseen_test.accuracy ? formatted("%.2f", 100 * point.trial_sd)
                                                                     : "-",
         duration_text(point.seconds)});
    note("few-shot train", point.few_shot_train);
    note("unseen test", point.unseen_test);
  }
  const auto line = [&](const char* name, const std::optional<Figure>& figure) {
    if (!figure) return;
    rows.push_back({name, std::to_string(figure->users), "-", percent(*figure), "-", "-", "-"});
    note(name, *figure);
  };
  line("Bradley-Terry", curve.bradley_terry);
  line("reference", curve.reference);
  print_columns(out, rows);
  out << "Rank " << curve.rank
      << ". Accuracy in percent, mean +- standard error over users; users: how many have at least that many "
         "shots;\nover Bradley-Terry: points, paired by user, with 95 % bootstrap intervals.\n";
  print_reasons(out, std::move(reasons));
}

void print_guard(std::ostream& out, const lore::GuardReport& guard) {
  if (guard.points.empty()) return;
  const auto nats = [](const lore::Gain& gain) {
    return formatted("%+.3f", gain.mean) + " (" + formatted("%+.3f", gain.lower) + " to " +
           formatted("%+.3f", gain.upper) + ")";
  };
  std::vector<std::vector<std::string>> rows{{"shots", "users", "accuracy", "log loss"}};
  for (const lore::GuardPoint& point : guard.points)
    rows.push_back({std::to_string(point.shots), std::to_string(point.users), gain_text(point.accuracy),
                    nats(point.log_loss)});
  out << "\nSeen users held out and treated as new: gains over Bradley-Terry\n";
  print_columns(out, rows);
  out << "Points of accuracy and nats a comparison, above 0 is better, with 95 % intervals over users.\n";
  if (guard.estimated) out << "The covariance of new users' prior was estimated anew.\n";
  if (guard.skipped > 0)
    out << guard.skipped << " folds of users left out: nobody else to fit to, or nothing to judge\n";
  if (guard.loses) out << "warning: new users are worse off than under Bradley-Terry after some shots\n";
}

void print_calibration(std::ostream& out, const FewShotCurve& curve) {
  std::vector<std::vector<std::string>> rows{
      {"shots", "log loss", "plug-in", "difference", "Brier", "plug-in", "calibration error", "plug-in"}};
  const auto both = [](double mean, double standard_error) {
    return formatted("%.4f", mean) +
           (std::isfinite(standard_error) ? " +- " + formatted("%.4f", standard_error) : "");
  };
  for (const CurvePoint& point : curve.points) {
    if (!point.calibration) continue;
    const lore::ProbabilityScores &mean = point.calibration->averaged, &plug = point.calibration->plug_in;
    const lore::UserScores& gain = point.calibration->log_loss_gain;
    rows.push_back({std::to_string(point.shots), formatted("%.4f", mean.log_loss.mean),
                    formatted("%.4f", plug.log_loss.mean), both(gain.mean, gain.standard_error),
                    formatted("%.4f", mean.brier.mean), formatted("%.4f", plug.brier.mean),
                    both(mean.calibration.expected_error, mean.expected_error_se),
                    both(plug.calibration.expected_error, plug.expected_error_se)});
  }
  if (rows.size() == 1) return;
  out << "\nProbabilities predicted for new users\n";
  print_columns(out, rows);
  out << "Averaged over the posterior of a user's weights, beside plug-in at its mean; lower is better.\n";
}

void write_text(const std::filesystem::path& path, const std::string& content) {
  lore::AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::int64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<std::int64_t>(usage.ru_maxrss);
#else
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace lore_examples
