// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "results.hpp"

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"

#include "lore_catch.hpp"
#include "plot.hpp"
#include "support.hpp"

using namespace lore_examples;
using lore_test::contains;
using Json = nlohmann::json;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Figure figure(double accuracy, double standard_error = 0.01) {
  Figure out;
  out.accuracy = accuracy;
  out.standard_error = standard_error;
  out.users = 40;
  return out;
}

Results some_results() {
  Results results;
  results.dataset = "a <b> & \"c\" 数";
  results.protocol = "default";
  results.seed = 18446744073709551615ULL;
  results.threads = 2;
  results.selected_rank = 2;
  for (Index rank = 0; rank <= 2; ++rank) {
    RankResult result;
    result.rank = rank;
    const double r = static_cast<double>(rank);
    result.seen_train = figure(0.70 + 0.02 * r);
    result.seen_test = figure(0.65 + 0.02 * r);
    result.few_shot_train = figure(0.69 + 0.02 * r);
    result.unseen_test = figure(0.64 + 0.02 * r, nan);
    result.columns_kept = rank;
    result.fit = {
        "converged",
        17,
        rank == 0 ? nan : 12.5,
        0.25,
        {{"q", 1.5}, {"starts", std::int64_t{3}}, {"weights", std::string("simplex")}, {"warm", true}}};
    results.ranks.push_back(result);
  }
  Findings findings;
  findings.rank = 2;
  findings.seen_test.emplace();
  findings.seen_test->personalised.mean = 0.69;
  findings.seen_test->personalised.standard_error = 0.01;
  for (const char* name : {"Bradley-Terry", "population mean", "another user", "per-user fit"}) {
    lore::Control control{name, {}, {}, {0.01, 0.05}};
    control.accuracy.mean = 0.66;
    control.gain.mean = 0.03;
    findings.seen_test->others.push_back(control);
  }
  findings.diagnosis.emplace();
  findings.diagnosis->users = {{7, 20, 0.25, 1.5, true, false}, {9, 4, 0.05, 0.2, false, false}};
  findings.diagnosis->parameters = 2;
  findings.diagnosis->effective_parameters = 0.3;
  findings.diagnosis->too_little = findings.diagnosis->separable = 1;
  findings.diagnosis->collapse.effective_rank = 1.9;
  findings.diagnosis->identifiability.parts.personal = 0.8;
  findings.diagnosis->identifiability.fold_refits = 2;
  results.findings = findings;
  results.formatting = FormattingProbe{{"together", 0.6, nan}, {{"length", 0.58, 0.01}}, 500, 40, false};
  results.guard.emplace();
  results.guard->points = {{5, 30, {0.01, 0.004, 0.002, 0.018}, {0.02, 0.01, 0.0, 0.04}}};
  results.ranks[0].seen_train = results.ranks[0].seen_test = no_figure("no reference head");
  return results;
}

FewShotCurve some_curve() {
  FewShotCurve curve;
  curve.dataset = "polis";
  curve.protocol = "paper";
  curve.rank = 3;
  for (const Index shots : {1, 5, 50}) {
    CurvePoint point;
    point.shots = shots;
    point.users_with_at_least = 100 - shots;
    point.few_shot_train = figure(0.9);
    point.unseen_test = figure(0.6 + 0.002 * static_cast<double>(shots));
    if (shots > 1) point.gain = lore::Gain{0.01, 0.004, 0.002, 0.018};
    point.trial_sd = shots == 1 ? nan : 0.004;
    curve.points.push_back(point);
  }
  curve.bradley_terry = figure(0.66);
  curve.reference = no_figure("no reference head");
  return curve;
}

std::set<std::string> keys(const Json& json) {
  std::set<std::string> out;
  for (const auto& [key, value] : json.items()) out.insert(key);
  return out;
}

using Keys = std::set<std::string>;

/// Whether the text is well-formed XML: one root, tags that nest, quoted attributes, no stray & or <.
bool well_formed(const std::string& text) {
  std::vector<std::string> open;
  std::size_t roots = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      const std::string_view rest = std::string_view(text).substr(at, 6);
      if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") &&
          rest != "&quot;")
        return false;
    }
    if (text[at] != '<') {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    bool quoted = false;
    for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<') return false;
    }
    if (end >= text.size()) return false;
    const std::string tag = text.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.starts_with("?")) continue;
    const std::string name =
        tag.substr(tag.starts_with("/") ? 1 : 0, tag.find_first_of(" /", 1) - (tag.starts_with("/") ? 1 : 0));
    if (tag.starts_with("/")) {
      if (open.empty() || open.back() != name) return false;
      open.pop_back();
    } else {
      if (open.empty()) ++roots;
      if (!tag.ends_with("/")) open.push_back(name);
    }
  }
  return open.empty() && roots == 1;
}

}  // namespace

TEST_CASE("The results file has exactly the keys of its format") {
  const Json json = Json::parse(json_text(some_results()));
  CHECK(keys(json) == Keys{"format", "version", "complete", "dataset", "protocol", "seed", "threads",
                           "peak_memory_bytes", "selected_rank", "selection_seconds", "ranks", "controls",
                           "diagnosis", "guard", "formatting_probe"});
  CHECK(json["format"] == "lore.results");
  CHECK(json["version"] == 1);
  CHECK(json["complete"] == false);
  CHECK(json["dataset"] == "a <b> & \"c\" 数");
  CHECK(json["seed"].get<std::uint64_t>() == 18446744073709551615ULL);
  CHECK(json["selected_rank"] == 2);
  CHECK(json["peak_memory_bytes"].get<std::int64_t>() > 100000);
  REQUIRE(json["ranks"].size() == 3);
  const Json& rank = json["ranks"][2];
  CHECK(keys(rank) == Keys{"rank", "seen_train", "seen_test", "few_shot_train", "unseen_test", "columns_kept",
                           "collapse", "fit", "few_shot"});
  CHECK(keys(rank["seen_test"]) == Keys{"accuracy", "standard_error", "users", "ties"});
  CHECK(keys(rank["fit"]) == Keys{"status", "passes", "objective", "seconds", "options"});
  CHECK(keys(rank["few_shot"]) == Keys{"seconds"});
  CHECK(rank["fit"]["options"] == Json{{"q", 1.5}, {"starts", 3}, {"weights", "simplex"}, {"warm", true}});
  CHECK(rank["seen_test"]["accuracy"].get<double>() == lore_test::Approx(0.69));
}

TEST_CASE("A figure that does not exist is null with a reason, and NaN never reaches the file") {
  const Json json = Json::parse(json_text(some_results()));
  CHECK(json["ranks"][0]["seen_test"] == Json{{"accuracy", nullptr}, {"reason", "no reference head"}});
  CHECK(json["ranks"][0]["fit"]["objective"].is_null());
  CHECK(json["ranks"][1]["unseen_test"]["standard_error"].is_null());
  Results none;
  CHECK(Json::parse(json_text(none))["selected_rank"].is_null());
  CHECK(Json::parse(json_text(none))["ranks"] == Json::array());
}

TEST_CASE("The few-shot curve has exactly the keys of its format") {
  const Json json = Json::parse(json_text(some_curve()));
  CHECK(keys(json) == Keys{"format", "version", "complete", "dataset", "protocol", "seed", "threads",
                           "peak_memory_bytes", "rank", "points"});
  CHECK(json["format"] == "lore.few_shot_curve");
  const Json& point = json["points"][1];
  CHECK(keys(point) == Keys{"shots", "users_with_at_least", "few_shot_train", "unseen_test",
                            "gain_over_bradley_terry", "calibration", "seconds"});
  CHECK(keys(point["gain_over_bradley_terry"]) == Keys{"mean", "standard_error", "lower", "upper"});
  CHECK(json["points"][0]["gain_over_bradley_terry"].is_null());
  CHECK(keys(point["unseen_test"]) == Keys{"accuracy", "standard_error", "users", "ties", "trial_sd"});
  CHECK(keys(point["few_shot_train"]) == Keys{"accuracy", "standard_error", "users", "ties"});
  CHECK(json["points"][0]["unseen_test"]["trial_sd"].is_null());
}

TEST_CASE("Results are replaced as a whole, and an unwritable place leaves nothing behind") {
  const lore_test::Folder folder;
  Results results = some_results();
  results.ranks.resize(1);
  write_results(folder / "r.json", results);
  CHECK(Json::parse(lore_test::content_of(folder / "r.json"))["ranks"].size() == 1);
  results = some_results();
  results.complete = true;
  write_results(folder / "r.json", results);
  CHECK(Json::parse(lore_test::content_of(folder / "r.json"))["ranks"].size() == 3);
  CHECK(folder.files() == 1);
  CHECK_THROWS_AS(write_results(folder / "absent" / "r.json", results), lore::io_error);
  CHECK_THROWS_AS(write_results(folder.path(), results), lore::io_error);
  CHECK(folder.files() == 1);
  if (std::filesystem::exists("/dev/full"))
    CHECK_THROWS_AS(write_results("/dev/full", results), lore::io_error);
}

TEST_CASE("Every CSV line has as many fields as its header") {
  const lore_test::Folder folder;
  write_csv(folder / "r.csv", some_results());
  write_csv(folder / "c.csv", some_curve());
  for (const char* name : {"r.csv", "c.csv"}) {
    std::istringstream lines(lore_test::content_of(folder / name));
    std::string line;
    std::set<std::ptrdiff_t> commas;
    std::size_t count = 0;
    for (; std::getline(lines, line); ++count) commas.insert(std::count(line.begin(), line.end(), ','));
    CHECK(commas.size() == 1);
    CHECK(count == 4);
    CHECK_FALSE(contains(lore_test::content_of(folder / name), "nan"));
  }
}

TEST_CASE("The tables mark the selected rank and say why a figure is missing") {
  std::ostringstream out;
  print_table(out, some_results());
  CHECK(contains(out.str(), "\n2 * "));
  CHECK(contains(out.str(), "69.0 +- 1.0"));
  CHECK(contains(out.str(), "Bradley-Terry"));
  CHECK(contains(out.str(), "no reference head"));
  std::ostringstream curve;
  print_table(curve, some_curve());
  CHECK(contains(curve.str(), "Bradley-Terry"));
  CHECK(contains(curve.str(), "66.0 +- 1.0"));
}

TEST_CASE("Controls, what a rank rests on and formatting are shown beside the accuracies") {
  const Results results = some_results();
  std::ostringstream out;
  print_controls(out, *results.findings);
  print_diagnosis(out, *results.findings);
  print(out, *results.formatting);
  for (const char* part :
       {"another user", "+3.0 (+1.0 to +5.0)", "personalised", "69.0 +- 1.0", "1 of 2 (50 %)", "two halves",
        "personal part 0.80", "formatting alone predicts 60.0 %", "length 58.0"}) {
    CAPTURE(part, out.str());
    CHECK(contains(out.str(), part));
  }
  CHECK_FALSE(contains(out.str(), "another seed"));
  std::ostringstream guard;
  print_guard(guard, *results.guard);
  CHECK(contains(guard.str(), "+2.0 (+0.0 to +4.0)"));
  CHECK(contains(guard.str(), "+0.010 (+0.002 to +0.018)"));
  CHECK(Json::parse(json_text(results))["guard"]["points"][0]["accuracy"]["mean"] == 0.02);
  CHECK(Json::parse(json_text(results))["guard"]["skipped_folds"] == 0);
  CHECK(Json::parse(json_text(results))["guard"]["population_is_bradley_terry"] == false);
  CHECK_FALSE(contains(guard.str(), "left out"));
  lore::GuardReport skipping = *results.guard;
  skipping.skipped = 2;
  print_guard(guard, skipping);
  CHECK(contains(guard.str(), "2 folds of users left out"));
  CHECK_FALSE(contains(out.str(), "warning"));
  FormattingProbe leak = *results.formatting;
  leak.suspicious = true;
  std::ostringstream warned;
  print(warned, leak);
  CHECK(contains(warned.str(), "warning"));

  const Json json = Json::parse(json_text(results));
  CHECK(keys(json["controls"]) == Keys{"rank", "seen_test", "unseen_test"});
  CHECK(json["controls"]["unseen_test"].is_null());
  const Json& control = json["controls"]["seen_test"]["others"][2];
  CHECK(keys(control) == Keys{"name", "accuracy", "standard_error", "gain", "gain_standard_error",
                              "gain_lower", "gain_upper"});
  CHECK(control["name"] == "another user");
  CHECK(keys(json["diagnosis"]) == Keys{"rank", "effective_rank", "parameters", "effective_parameters",
                                        "users_with_too_little_data", "separable_users", "agreement",
                                        "users"});
  CHECK(json["diagnosis"]["agreement"]["seeds"].is_null());
  CHECK(json["diagnosis"]["agreement"]["between_folds"]["personal"] == 0.8);
  CHECK(json["diagnosis"]["users"][0]["separable"] == true);
  CHECK(json["formatting_probe"]["parts"][0]["name"] == "length");
  const Json none = Json::parse(json_text(Results{}));
  for (const char* key : {"controls", "diagnosis", "formatting_probe"}) CHECK(none[key].is_null());
}

TEST_CASE("Plots are well-formed, whatever the names and figures are") {
  REQUIRE_FALSE(well_formed("<a><b></a></b>"));
  REQUIRE_FALSE(well_formed("<a>x & y</a>"));
  CHECK(well_formed(svg_text(chart_of(some_results()))));
  CHECK(well_formed(svg_text(chart_of(some_curve()))));
  CHECK(contains(svg_text(chart_of(some_results())), "a &lt;b&gt; &amp; &quot;c&quot; 数"));

  Results hostile = some_results();
  hostile.dataset = "\x01\xff</text><script>\xed\xa0\x80\xef\xbf\xbf";
  const std::string text = svg_text(chart_of(hostile));
  CHECK(well_formed(text));
  CHECK_FALSE(contains(text, "<script>"));
  CHECK_FALSE(contains(text, "\xff"));
  CHECK(Json::parse(json_text(hostile)).is_object());

  CHECK(well_formed(svg_text(chart_of(Results{}))));
  CHECK(well_formed(svg_text(chart_of(FewShotCurve{}))));
  CHECK_FALSE(contains(svg_text(chart_of(Results{})), "nan"));
  FewShotCurve single = some_curve();
  single.points.resize(1);
  single.points[0].shots = 0;
  const std::string one = svg_text(chart_of(single));
  CHECK(well_formed(one));
  CHECK_FALSE(contains(one, "nan"));
  CHECK_FALSE(contains(one, "inf"));
}

TEST_CASE("Plots show Bradley-Terry and the reference as lines only where they exist") {
  const Chart curve = chart_of(some_curve());
  REQUIRE(curve.lines.size() == 1);
  CHECK(curve.lines[0].name == "Bradley-Terry");
  CHECK(curve.lines[0].y == lore_test::Approx(66.0));
  CHECK(curve.axis == Axis::logarithmic);
  // The band is the interval of the gain, from Bradley-Terry up.
  CHECK(std::isnan(curve.series[0].points[0].low));
  CHECK(curve.series[0].points[1].low == lore_test::Approx(66.2));
  CHECK(curve.series[0].points[1].high == lore_test::Approx(67.8));
  CHECK(contains(svg_text(curve), "<polygon"));
  const Chart ranks = chart_of(some_results());
  REQUIRE(ranks.series.size() == 4);
  CHECK(ranks.series[0].points.size() == 2);  // ranks 1 and 2; the reference is a line
  // Twice Bradley-Terry, once the reference on unseen users, and formatting alone.
  CHECK(ranks.lines.size() == 4);
  REQUIRE(ranks.marks.size() == 3);  // controls that are not lines
  CHECK(ranks.marks[0].name == "population mean");
  CHECK(ranks.marks[0].y == lore_test::Approx(66.0));
}

TEST_CASE("Ticks are round numbers inside the range") {
  CHECK(nice_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  for (const double low : {-3.0, 49.5, 66.61, 0.0})
    for (const double span : {1e-3, 0.7, 4.2, 13.0, 1000.0}) {
      const auto ticks = nice_ticks(low, low + span, 6);
      CHECK(ticks.size() >= 3);
      CHECK(ticks.size() <= 10);
      CHECK(ticks.front() >= low - 1e-9);
      CHECK(ticks.back() <= low + span + 1e-9);
    }
  CHECK(nice_ticks(2, 2, 6).size() == 1);
}
