// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <string_view>
#include <utility>

namespace lore_examples {
namespace {

/// Colours that colour-blind readers can tell apart (Okabe and Ito 2008).
constexpr std::array<const char*, 6> palette{"#0072B2", "#D55E00", "#009E73",
                                             "#CC79A7", "#E69F00", "#56B4E9"};
constexpr const char* grey = "#666666";

constexpr double left = 70, right = 612, top = 66, bottom = 408;
constexpr double legend_x = 634;
constexpr double strip = 92;  ///< for marks, at the right of the chart

/// Names in the order of their first appearance.
template <class Items>
std::vector<std::string> names_of(const Items& items) {
  std::vector<std::string> names;
  for (const auto& item : items)
    if (std::find(names.begin(), names.end(), item.name) == names.end()) names.push_back(item.name);
  return names;
}

const char* colour_of(int place) {
  return place < 0 ? grey : palette[static_cast<std::size_t>(place) % palette.size()];
}

/// Text inside XML: markup escaped, control characters dropped. Bytes that are no UTF-8 become '?'.
std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    std::size_t length = lead < 0x80                   ? 1
                         : lead >= 0xC2 && lead < 0xE0 ? 2
                         : lead >= 0xE0 && lead < 0xF0 ? 3
                         : lead >= 0xF0 && lead < 0xF5 ? 4
                                                       : 0;
    bool good = length > 0 && at + length <= text.size();
    for (std::size_t i = 1; good && i < length; ++i)
      good = (static_cast<unsigned char>(text[at + i]) & 0xC0U) == 0x80U;
    if (!good) {
      out += '?';
      ++at;
      continue;
    }
    const std::string_view character = text.substr(at, length);
    at += length;
    // Overlong forms, surrogates and the two non-characters that XML forbids.
    const auto second = length > 1 ? static_cast<unsigned char>(character[1]) : 0U;
    if ((lead == 0xE0 && second < 0xA0U) || (lead == 0xED && second >= 0xA0U) ||
        (lead == 0xF0 && second < 0x90U) || (lead == 0xF4 && second >= 0x90U) ||
        character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF")
      out += '?';
    else if (character == "&")
      out += "&amp;";
    else if (character == "<")
      out += "&lt;";
    else if (character == ">")
      out += "&gt;";
    else if (character == "\"")
      out += "&quot;";
    else if (length > 1 || lead >= 0x20)
      out += character;
  }
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

/// As few digits as tell the ticks apart.
std::string tick_text(double value, double step) {
  const int digits = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", std::clamp(digits, 0, 9), value);
  return text;
}

/// The document under construction.
class Svg {
 public:
  Svg() {
    text_ =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
        "version=\"1.1\" "
        "width=\"800\" height=\"480\" viewBox=\"0 0 800 480\" font-family=\"Helvetica, Arial, 'Liberation "
        "Sans', "
        "'DejaVu Sans', sans-serif\">\n<rect width=\"800\" height=\"480\" fill=\"white\"/>\n";
  }

  void line(double x1, double y1, double x2, double y2, const char* colour, double thickness,
            const char* dashes = nullptr) {
    text_ += "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" +
             number(y2) + "\" stroke=\"" + colour + "\" stroke-width=\"" + number(thickness) + "\"" +
             (dashes != nullptr ? std::string(" stroke-dasharray=\"") + dashes + "\"" : std::string()) +
             "/>\n";
  }

  void path(const std::vector<std::pair<double, double>>& points, const char* colour, double thickness) {
    if (points.size() < 2) return;
    text_ += "<polyline fill=\"none\" stroke-linejoin=\"round\" stroke=\"" + std::string(colour) +
             "\" stroke-width=\"" + number(thickness) + "\" points=\"";
    for (const auto& [x, y] : points) text_ += number(x) + "," + number(y) + " ";
    text_.back() = '"';
    text_ += "/>\n";
  }

  void marker(double x, double y, const char* colour, bool open) {
    text_ += "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"" + (open ? "3.2" : "4") +
             "\" stroke=\"" + colour + "\" stroke-width=\"1.6\" fill=\"" + (open ? "white" : colour) +
             "\"/>\n";
  }

  void area(const std::vector<std::pair<double, double>>& outline, const char* colour) {
    text_ += "<polygon fill=\"" + std::string(colour) + "\" fill-opacity=\"0.16\" stroke=\"none\" points=\"";
    for (const auto& [x, y] : outline) text_ += number(x) + "," + number(y) + " ";
    text_.back() = '"';
    text_ += "/>\n";
  }

  /// An outline of corners (x, y) in units of 5 around a point, closed and white inside.
  void shape(double x, double y, std::size_t kind, const char* colour) {
    static constexpr std::array<std::string_view, 4> outlines{
        "M-1,-1 L1,1 M-1,1 L1,-1", "M0,-1.3 L1.3,0 L0,1.3 L-1.3,0 Z", "M0,-1.2 L1.2,1 L-1.2,1 Z",
        "M-1,-1 L1,-1 L1,1 L-1,1 Z"};
    text_ += "<path transform=\"translate(" + number(x) + " " + number(y) + ") scale(4.2)\" d=\"" +
             std::string(outlines[kind % outlines.size()]) + "\" fill=\"white\" stroke=\"" + colour +
             "\" stroke-width=\"0.42\"/>\n";
  }

  void words(double x, double y, std::string_view text, double size, const char* anchor, const char* colour,
             const char* more = "") {
    text_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" font-size=\"" + number(size) +
             "\" text-anchor=\"" + anchor + "\" fill=\"" + colour + "\"" + more + ">" + escaped(text) +
             "</text>\n";
  }

  [[nodiscard]] std::string finish() && { return std::move(text_) + "</svg>\n"; }

 private:
  std::string text_;
};

/// Where values lie on the page.
struct Frame {
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1, end = right;
  std::vector<double> categories;
  Axis axis = Axis::linear;

  [[nodiscard]] double position(double value) const {
    if (axis == Axis::logarithmic) return std::log(value);
    if (axis == Axis::linear) return value;
    const auto place = std::find(categories.begin(), categories.end(), value);
    return static_cast<double>(place - categories.begin());
  }
  [[nodiscard]] double x(double value) const {
    constexpr double margin = 26;  // so that the first and last markers do not touch the frame
    return left + margin + (end - left - 2 * margin) * (position(value) - x_low) / (x_high - x_low);
  }
  [[nodiscard]] double y(double value) const {
    return bottom - (bottom - top) * (value - y_low) / (y_high - y_low);
  }
};

Frame frame_of(const Chart& chart) {
  Frame frame;
  frame.axis = chart.axis;
  if (!chart.marks.empty()) frame.end = right - strip;
  double low = std::numeric_limits<double>::infinity(), high = -low, first = low, last = high;
  const auto cover = [&](double y) {
    if (!std::isfinite(y)) return;
    low = std::min(low, y);
    high = std::max(high, y);
  };
  for (const ChartSeries& series : chart.series)
    for (const ChartPoint& point : series.points) {
      frame.categories.push_back(point.x);
      const double error = std::isfinite(point.error) ? point.error : 0;
      cover(point.y - error);
      cover(point.y + error);
      cover(point.low);
      cover(point.high);
    }
  for (const ChartLine& line : chart.lines) cover(line.y);
  for (const ChartMark& mark : chart.marks) cover(mark.y);
  std::sort(frame.categories.begin(), frame.categories.end());
  frame.categories.erase(std::unique(frame.categories.begin(), frame.categories.end()),
                         frame.categories.end());
  for (const double x : frame.categories) {
    first = std::min(first, frame.position(x));
    last = std::max(last, frame.position(x));
  }
  if (!(first < last)) {  // one value, or none
    const double middle = std::isfinite(first) ? first : 0;
    first = middle - 1;
    last = middle + 1;
  }
  if (!std::isfinite(low)) low = 0, high = 1;
  const double pad = std::max(0.06 * (high - low), 1e-3 * std::max(1.0, std::abs(high)));
  frame.x_low = first;
  frame.x_high = last;
  frame.y_low = low - pad;
  frame.y_high = high + pad;
  return frame;
}

void draw_axes(Svg& svg, const Chart& chart, const Frame& frame) {
  const std::vector<double> ticks = nice_ticks(frame.y_low, frame.y_high, 6);
  const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
  for (const double tick : ticks) {
    svg.line(left, frame.y(tick), right, frame.y(tick), "#e4e4e4", 1);
    svg.words(left - 9, frame.y(tick) + 4.5, tick_text(tick, step), 13, "end", "#333333");
  }
  std::vector<double> x_ticks = chart.x_ticks.empty() ? frame.categories : chart.x_ticks;
  double free_from = -1;
  for (std::size_t t = 0; t < x_ticks.size(); ++t) {
    const double x = frame.x(x_ticks[t]);
    svg.line(x, bottom, x, bottom + 5, "#333333", 1);
    const std::string label = t < chart.tick_labels.size() ? chart.tick_labels[t] : tick_text(x_ticks[t], 1);
    const double half = 3.7 * static_cast<double>(label.size());
    if (x - half < free_from) continue;  // labels that would overlap are left out
    free_from = x + half + 4;
    svg.words(x, bottom + 21, label, 13, "middle", "#333333");
  }
  svg.line(left, bottom, right, bottom, "#333333", 1.2);
  svg.line(left, top, left, bottom, "#333333", 1.2);
  svg.words((left + frame.end) / 2, bottom + 45, chart.x_label, 14, "middle", "#111111");
  const std::string turned = " transform=\"rotate(-90 20 " + number((top + bottom) / 2) + ")\"";
  svg.words(20, (top + bottom) / 2, chart.y_label, 14, "middle", "#111111", turned.c_str());
}

void draw_lines(Svg& svg, const Chart& chart, const Frame& frame) {
  for (const ChartLine& line : chart.lines)
    if (std::isfinite(line.y))
      svg.line(left, frame.y(line.y), right, frame.y(line.y), colour_of(line.colour), 1.5,
               line.dotted ? "1.5 4" : "7 4");
}

void draw_series(Svg& svg, const Chart& chart, const Frame& frame) {
  const auto count = static_cast<double>(chart.series.size());
  const auto each = [&](auto&& draw) {
    for (std::size_t s = 0; s < chart.series.size(); ++s) {
      // Neighbours stand a little apart, so that no error bar hides another.
      const double shift = 5 * (static_cast<double>(s) - (count - 1) / 2);
      draw(chart.series[s], shift);
    }
  };
  each([&](const ChartSeries& series, double shift) {
    std::vector<std::pair<double, double>> outline;
    for (const ChartPoint& point : series.points)
      if (std::isfinite(point.low)) outline.emplace_back(frame.x(point.x) + shift, frame.y(point.low));
    for (auto point = series.points.rbegin(); point != series.points.rend(); ++point)
      if (std::isfinite(point->high)) outline.emplace_back(frame.x(point->x) + shift, frame.y(point->high));
    if (outline.size() > 2) svg.area(outline, colour_of(series.colour));
  });
  each([&](const ChartSeries& series, double shift) {
    const char* colour = colour_of(series.colour);
    std::vector<std::pair<double, double>> run;
    for (const ChartPoint& point : series.points) {
      if (std::isfinite(point.y)) {
        run.emplace_back(frame.x(point.x) + shift, frame.y(point.y));
        continue;
      }
      svg.path(run, colour, series.secondary ? 1.2 : 2.2);
      run.clear();
    }
    svg.path(run, colour, series.secondary ? 1.2 : 2.2);
  });
  each([&](const ChartSeries& series, double shift) {
    const char* colour = colour_of(series.colour);
    for (const ChartPoint& point : series.points) {
      if (!std::isfinite(point.y)) continue;
      const double x = frame.x(point.x) + shift;
      if (std::isfinite(point.error) && point.error > 0) {
        const double low = frame.y(point.y - point.error), high = frame.y(point.y + point.error);
        svg.line(x, low, x, high, colour, 1.2);
        svg.line(x - 3, low, x + 3, low, colour, 1.2);
        svg.line(x - 3, high, x + 3, high, colour, 1.2);
      }
      svg.marker(x, frame.y(point.y), colour, series.secondary);
    }
  });
}

/// The strip at the right: one place for each name, neighbours of one name a little apart.
void draw_marks(Svg& svg, const Chart& chart, const Frame& frame) {
  if (chart.marks.empty()) return;
  const std::vector<std::string> names = names_of(chart.marks);
  svg.line(frame.end, top, frame.end, bottom, "#bbbbbb", 1);
  svg.words((frame.end + right) / 2, bottom + 21, chart.marks_label, 13, "middle", "#333333");
  std::vector<int> colours;
  for (const ChartMark& mark : chart.marks)
    if (std::find(colours.begin(), colours.end(), mark.colour) == colours.end())
      colours.push_back(mark.colour);
  const double step = (right - frame.end) / static_cast<double>(names.size());
  for (const ChartMark& mark : chart.marks) {
    if (!std::isfinite(mark.y)) continue;
    const auto kind =
        static_cast<std::size_t>(std::find(names.begin(), names.end(), mark.name) - names.begin());
    const auto place =
        static_cast<double>(std::find(colours.begin(), colours.end(), mark.colour) - colours.begin());
    const double shift = 10 * (place - static_cast<double>(colours.size() - 1) / 2);
    svg.shape(frame.end + step * (static_cast<double>(kind) + 0.5) + shift, frame.y(mark.y), kind,
              colour_of(mark.colour));
  }
}

void draw_legend(Svg& svg, const Chart& chart) {
  double y = top + 10;
  const auto entry = [&](const std::string& name, auto&& draw) {
    draw(y - 4.5);
    svg.words(legend_x + 36, y, name, 13, "start", "#222222");
    y += 23;
  };
  for (const ChartSeries& series : chart.series)
    entry(series.name, [&](double at) {
      const char* colour = colour_of(series.colour);
      svg.line(legend_x, at, legend_x + 28, at, colour, series.secondary ? 1.2 : 2.2);
      svg.marker(legend_x + 14, at, colour, series.secondary);
    });
  const std::vector<std::string> marked = names_of(chart.marks);
  for (std::size_t kind = 0; kind < marked.size(); ++kind)
    entry(marked[kind], [&](double at) { svg.shape(legend_x + 14, at, kind, grey); });
  for (const std::string& name : names_of(chart.lines)) {
    const ChartLine& line = *std::find_if(chart.lines.begin(), chart.lines.end(),
                                          [&](const ChartLine& one) { return one.name == name; });
    const auto shared = std::count_if(chart.lines.begin(), chart.lines.end(),
                                      [&](const ChartLine& other) { return other.name == line.name; });
    entry(line.name, [&](double at) {
      svg.line(legend_x, at, legend_x + 28, at, shared > 1 ? grey : colour_of(line.colour), 1.5,
               line.dotted ? "1.5 4" : "7 4");
    });
  }
  const bool bars = std::any_of(chart.series.begin(), chart.series.end(), [](const ChartSeries& series) {
    return std::any_of(series.points.begin(), series.points.end(),
                       [](const ChartPoint& point) { return point.error > 0; });
  });
  for (std::size_t from = 0; from < chart.band_note.size(); y += 16) {
    const std::size_t to = std::min(chart.band_note.find('\n', from), chart.band_note.size());
    svg.words(legend_x, y + 8, std::string_view(chart.band_note).substr(from, to - from), 11.5, "start",
              grey);
    from = to + 1;
  }
  if (bars)
    svg.words(legend_x, y + 8,
              chart.error_sizes == 1 ? "bars: one standard error"
                                     : "bars: " + tick_text(chart.error_sizes, 0.01) + " standard errors",
              11.5, "start", grey);
}

ChartPoint point_of(double x, const Figure& figure) {
  if (!figure.accuracy) return {x, std::numeric_limits<double>::quiet_NaN(), 0};
  return {x, 100 * *figure.accuracy, 100 * figure.standard_error};
}

bool any_point(const ChartSeries& series) {
  return std::any_of(series.points.begin(), series.points.end(),
                     [](const ChartPoint& point) { return std::isfinite(point.y); });
}

std::string under(const std::string& dataset, const std::string& protocol) {
  if (dataset.empty()) return "protocol " + protocol;
  return dataset + ", protocol " + protocol;
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int wanted) {
  if (!(low < high) || !std::isfinite(high - low) || wanted < 1) return {low};
  const double raw = (high - low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double factor = raw / power;
  const double step = power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double i = std::ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) {
    const double tick = i * step;
    ticks.push_back(tick == 0 ? 0.0 : tick);
  }
  return ticks;
}

std::string svg_text(const Chart& chart) {
  const Frame frame = frame_of(chart);
  Svg svg;
  svg.words(left, 30, chart.title, 18, "start", "#111111", " font-weight=\"bold\"");
  svg.words(left, 50, chart.subtitle, 13, "start", grey);
  draw_axes(svg, chart, frame);
  draw_lines(svg, chart, frame);
  draw_series(svg, chart, frame);
  draw_marks(svg, chart, frame);
  draw_legend(svg, chart);
  return std::move(svg).finish();
}

Chart chart_of(const Results& results) {
  Chart chart;
  chart.title = "Accuracy against rank";
  chart.subtitle = under(results.dataset, results.protocol);
  if (results.selected_rank) chart.subtitle += ", selected rank " + std::to_string(*results.selected_rank);
  chart.x_label = "rank K (1 is Bradley-Terry)";
  chart.y_label = "accuracy, mean over users (%)";
  chart.axis = Axis::categories;
  struct Row {
    const char* name;
    Figure RankResult::*figure;
    int colour;
    bool secondary;
  };
  constexpr std::array<Row, 4> rows{{{"seen, test", &RankResult::seen_test, 0, false},
                                     {"unseen, test", &RankResult::unseen_test, 1, false},
                                     {"seen, train", &RankResult::seen_train, 0, true},
                                     {"unseen, few-shot", &RankResult::few_shot_train, 1, true}}};
  for (const Row& row : rows) {
    ChartSeries series{row.name, {}, row.colour, row.secondary};
    for (const RankResult& result : results.ranks)
      if (result.rank > 0) {
        series.points.push_back(point_of(static_cast<double>(result.rank), result.*row.figure));
        // Training accuracies have no bars: they are not what is estimated.
        if (row.secondary) series.points.back().error = 0;
      }
    std::sort(series.points.begin(), series.points.end(),
              [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
    if (any_point(series)) chart.series.push_back(std::move(series));
  }
  for (const Index rank : {Index{1}, Index{0}})
    for (const RankResult& result : results.ranks) {
      if (result.rank != rank) continue;
      for (const Row& row : rows)
        if (!row.secondary && (result.*row.figure).accuracy)
          chart.lines.push_back({rank == 1 ? "Bradley-Terry" : "reference",
                                 100 * *(result.*row.figure).accuracy, row.colour, rank == 0});
    }
  if (results.formatting)
    chart.lines.push_back({"formatting alone", 100 * results.formatting->together.accuracy, -1, true});
  if (!results.findings) return chart;
  chart.marks_label = "controls";
  const auto add = [&](const std::optional<lore::Controls>& controls, int colour) {
    if (!controls) return;
    for (const lore::Control& control : controls->others)
      if (control.name != "reference" && control.name != "Bradley-Terry")
        chart.marks.push_back({control.name, 100 * control.accuracy.mean, colour});
  };
  add(results.findings->seen_test, 0);
  add(results.findings->unseen_test, 1);
  return chart;
}

Chart chart_of(const FewShotCurve& curve) {
  const bool groups = curve.shot_unit == "group";
  Chart chart;
  chart.title = "Accuracy of new users against shots";
  chart.subtitle = under(curve.dataset, curve.protocol) + ", rank " + std::to_string(curve.rank);
  chart.x_label = groups ? "shots (groups of comparisons)" : "shots (comparisons)";
  chart.y_label = "accuracy on unseen users (%)";
  ChartSeries series{"rank " + std::to_string(curve.rank), {}, 0, false};
  for (const CurvePoint& point : curve.points) {
    series.points.push_back(point_of(static_cast<double>(point.shots), point.unseen_test));
    if (!point.gain || !curve.bradley_terry || !std::isfinite(point.gain->lower)) continue;
    // The band says how sure the distance to Bradley-Terry is; how people differ is in the table.
    ChartPoint& last = series.points.back();
    last.low = 100 * (*curve.bradley_terry->accuracy + point.gain->lower);
    last.high = 100 * (*curve.bradley_terry->accuracy + point.gain->upper);
    last.error = 0;
    chart.band_note = "band: 95 % interval of the\ngain over Bradley-Terry";
  }
  std::sort(series.points.begin(), series.points.end(),
            [](const ChartPoint& a, const ChartPoint& b) { return a.x < b.x; });
  if (series.points.size() > 1) {
    const double first = series.points.front().x, last = series.points.back().x;
    if (first > 0)
      chart.axis = last / first >= 12 ? Axis::logarithmic : Axis::linear;
    else
      chart.axis = last > 12 ? Axis::categories : Axis::linear;
  }
  if (any_point(series)) chart.series.push_back(std::move(series));
  if (curve.bradley_terry && curve.bradley_terry->accuracy)
    chart.lines.push_back({"Bradley-Terry", 100 * *curve.bradley_terry->accuracy, 1, false});
  if (curve.reference && curve.reference->accuracy)
    chart.lines.push_back({"reference", 100 * *curve.reference->accuracy, -1, true});
  return chart;
}

void write_plot(const std::filesystem::path& path, const Results& results) {
  write_text(path, svg_text(chart_of(results)));
}

void write_plot(const std::filesystem::path& path, const FewShotCurve& curve) {
  write_text(path, svg_text(chart_of(curve)));
}

}  // namespace lore_examples
