// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "results.hpp"

namespace lore_examples {

/// How values lie along the horizontal axis.
enum class Axis : std::uint8_t { linear, logarithmic, categories };

/// A measured value with its standard error, in the units of the axes.
struct ChartPoint {
  double x = 0;
  double y = 0;
  double error = 0;  ///< 0 or NaN: no error bar
  /// Of the band around the line; NaN: none here.
  double low = std::numeric_limits<double>::quiet_NaN(), high = low;
};

/// Points joined by a line.
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points;  ///< ascending in x; a y that is not finite leaves a gap
  int colour = 0;                  ///< place in the palette
  bool secondary = false;          ///< thinner, with open markers
};

/// A horizontal line across the chart.
struct ChartLine {
  std::string name;  ///< lines of the same name share one entry of the legend
  double y = 0;
  int colour = -1;      ///< place in the palette; -1: grey
  bool dotted = false;  ///< else dashed
};

/// Something else to hold the values against, in a strip beside the chart. Marks of one name share a place.
struct ChartMark {
  std::string name;
  double y = 0;
  int colour = 0;  ///< place in the palette
};

/// A line chart with error bars, bands and marks.
struct Chart {
  std::string title;
  std::string subtitle;
  std::string x_label;
  std::string y_label;
  Axis axis = Axis::linear;
  std::vector<double> x_ticks;           ///< empty: chosen by the chart
  std::vector<std::string> tick_labels;  ///< empty, or one a tick
  std::vector<ChartSeries> series;
  std::vector<ChartLine> lines;
  std::vector<ChartMark> marks;  ///< a value that is not finite is left out
  std::string marks_label;       ///< below their strip
  std::string band_note;         ///< what bands are, one line of the legend each line
  double error_sizes = 1;        ///< how many standard errors a bar shows to each side, for the note below
};

/// A complete SVG 1.1 document of 800 x 480 on white, in fonts that every viewer replaces by its own.
[[nodiscard]] std::string svg_text(const Chart& chart);

/// Numbers to write along an axis from `low` to `high`: multiples of 1, 2 or 5 times a power of ten, about
/// `wanted` of them.
[[nodiscard]] std::vector<double> nice_ticks(double low, double high, int wanted);

/// Accuracy against rank: four series for ranks 1 and above, Bradley-Terry, the reference and formatting
/// alone as lines, other controls of the selected rank as marks.
[[nodiscard]] Chart chart_of(const Results& results);
/// Accuracy on unseen users' test comparisons against shots with the interval of the gain over Bradley-Terry,
/// which is a line, as is the reference.
[[nodiscard]] Chart chart_of(const FewShotCurve& curve);

/// Writes the chart as SVG. @throws lore::io_error when it cannot be written
void write_plot(const std::filesystem::path& path, const Results& results);
void write_plot(const std::filesystem::path& path, const FewShotCurve& curve);

}  // namespace lore_examples
