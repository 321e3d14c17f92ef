// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"

namespace lore_examples::personal_llm {

/// Reads comma-separated values with a header, one row at a time (RFC 4180): a field in double quotes may
/// hold commas, line breaks and doubled quotes. CRLF line ends, a byte order mark and blank lines between
/// rows are tolerated. Memory: one row.
class CsvFile {
 public:
  /// Opens the file and reads the header.
  /// @throws lore::io_error when it cannot be opened, is empty, or names a column twice
  explicit CsvFile(const std::filesystem::path& path) : name_(path.string()) {
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored))
      throw lore::io_error(name_, "got a directory, wanted a CSV file");
    errno = 0;
    file_.open(path, std::ios::binary);
    if (!file_)
      throw lore::io_error(
          name_, std::string("cannot be opened: ") + (errno != 0 ? std::strerror(errno) : "unknown reason"));
    if (file_.peek() == 0xEF) skip_byte_order_mark();
    if (!read_record()) throw lore::io_error(name_, "got an empty file, wanted a header and rows");
    for (std::size_t c = 0; c < fields_.size(); ++c)
      if (!column_.try_emplace(fields_[c], c).second)
        throw lore::io_error(place(), "column '" + fields_[c] + "': got it twice, wanted one");
  }

  /// Moves to the next row; false at the end.
  /// @throws lore::io_error on a row with more or fewer fields than the header, or quotes out of place
  [[nodiscard]] bool next() {
    if (!read_record()) return false;
    ++row_;
    if (fields_.size() != column_.size())
      throw lore::io_error(place(), "got " + std::to_string(fields_.size()) + " fields, wanted " +
                                        std::to_string(column_.size()) + " as in the header");
    return true;
  }

  /// The field of this row. @throws lore::io_error when the header has no such column
  [[nodiscard]] const std::string& text(const std::string& column) const {
    const auto found = column_.find(column);
    if (found == column_.end())
      throw lore::io_error(name_, "column '" + column + "': got nothing, wanted this column in the header");
    return fields_[found->second];
  }

  /// The same as a finite number. @throws lore::io_error naming row and column when it is none
  [[nodiscard]] double number(const std::string& column) const {
    std::string_view cell = text(column);
    const auto first = cell.find_first_not_of(" \t");
    cell = first == std::string_view::npos ? std::string_view()
                                           : cell.substr(first, cell.find_last_not_of(" \t") - first + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (error != std::errc() || end != cell.data() + cell.size() || !std::isfinite(value))
      throw lore::io_error(place(),
                           "column '" + column + "': got " +
                               (cell.empty() ? "nothing" : "'" + std::string(cell.substr(0, 40)) + "'") +
                               ", wanted a number");
    return value;
  }

  /// `path:line (row n)`; rows count from 1 below the header.
  [[nodiscard]] std::string place() const {
    return name_ + ":" + std::to_string(begin_line_) +
           (row_ > 0 ? " (row " + std::to_string(row_) + ")" : "");
  }

 private:
  static constexpr int end_of_file = std::ifstream::traits_type::eof();

  void skip_byte_order_mark() {
    char mark[3] = {};
    file_.read(mark, 3);
    if (std::string_view(mark, 3) != "\xEF\xBB\xBF") {
      file_.clear();
      file_.seekg(0);
    }
  }

  [[nodiscard]] int get() {
    const int c = file_.get();
    if (c == '\n') ++line_;
    return c;
  }

  /// At a line's end: LF, CRLF or the end of the file, which is consumed.
  [[nodiscard]] bool ends_line(int c) {
    if (c == '\r' && file_.peek() == '\n') c = get();
    return c == '\n' || c == end_of_file;
  }

  /// The rest of a field after its opening quote, and what follows its closing one.
  [[nodiscard]] int read_quoted(std::string& field) {
    const std::size_t opened = line_;
    for (;;) {
      const int c = get();
      if (c == end_of_file)
        throw lore::io_error(name_ + ":" + std::to_string(opened),
                             "got a quote that is never closed, wanted a second one");
      if (c != '"') {
        field += static_cast<char>(c);
        continue;
      }
      const int after = get();
      if (after != '"') return after;
      field += '"';
    }
  }

  /// One record to `fields_`; false at the end of the file. @throws lore::io_error
  [[nodiscard]] bool read_record() {
    int c = 0;
    do {
      begin_line_ = line_;
      c = get();
      if (c == end_of_file) return end();
    } while (c == '\n' || (c == '\r' && ends_line(c)));
    fields_.clear();
    for (;;) {
      std::string field;
      if (c == '"') {
        c = read_quoted(field);
        if (c != ',' && !ends_line(c))
          throw lore::io_error(name_ + ":" + std::to_string(line_),
                               "got text after a closing quote, wanted a comma or the line's end");
        fields_.push_back(std::move(field));
        if (c != ',') return true;
      } else {
        while (c != ',' && !ends_line(c)) {
          field += static_cast<char>(c);
          c = get();
        }
        fields_.push_back(std::move(field));
        if (c != ',') return true;
      }
      c = get();
    }
  }

  [[nodiscard]] bool end() const {
    if (file_.bad()) throw lore::io_error(name_, "cannot be read: input error");
    return false;
  }

  std::ifstream file_;
  std::string name_;
  std::unordered_map<std::string, std::size_t> column_;
  std::vector<std::string> fields_;
  std::size_t line_ = 1;
  std::size_t begin_line_ = 1;
  std::size_t row_ = 0;
};

}  // namespace lore_examples::personal_llm
