// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace lore_examples {

/// A value inside a row of a JSON-lines file that knows where it is, so that every error reads
/// `path:line: field 'info.post': got a number, wanted a string`. Valid until the next row is read.
class JsonField {
 public:
  JsonField(const nlohmann::json& value, const std::string& place, std::string name)
      : value_(&value), place_(&place), name_(std::move(name)) {}

  /// Member `key` of an object. @throws lore::io_error when this is no object or has no such member
  [[nodiscard]] JsonField operator[](std::string_view key) const;
  /// Member `key`, or nothing when it is absent or null. @throws lore::io_error when this is no object
  [[nodiscard]] std::optional<JsonField> find(std::string_view key) const;
  /// Number of elements of an array. @throws lore::io_error when this is no array
  [[nodiscard]] std::size_t size() const;
  /// Element i of an array. @throws lore::io_error when there is none
  [[nodiscard]] JsonField at(std::size_t i) const;

  /// @throws lore::io_error when the value is of another type
  [[nodiscard]] const std::string& text() const;
  [[nodiscard]] std::int64_t integer() const;
  /// A finite number. @throws lore::io_error when the value is of another type
  [[nodiscard]] double number() const;
  [[nodiscard]] bool boolean() const;

  [[nodiscard]] const nlohmann::json& value() const noexcept { return *value_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// `path:line`
  [[nodiscard]] const std::string& place() const noexcept { return *place_; }

  /// Throws lore::io_error: `path:line: field 'name': got .., wanted ..`.
  [[noreturn]] void fail(std::string_view got, std::string_view wanted) const;
  /// The same; what was got is this value's type, or the value itself if it is short.
  [[noreturn]] void fail(std::string_view wanted) const;

 private:
  const nlohmann::json* value_;
  const std::string* place_;
  std::string name_;
};

/// Reads a file of one JSON object a line, or standard input where the path is "-", one row at a time.
/// A byte order mark, CRLF line ends and blank lines are tolerated. Memory: one row.
class JsonLines {
 public:
  /// @throws lore::io_error when the file cannot be opened
  explicit JsonLines(std::filesystem::path path);
  /// Reads from a stream that outlives this object; `name` stands for the path in errors.
  JsonLines(std::istream& stream, std::string name);
  JsonLines(const JsonLines&) = delete;
  JsonLines& operator=(const JsonLines&) = delete;

  /// The next row, or nothing at the end.
  /// @throws lore::io_error with path and line when the line is no JSON object or cannot be read
  [[nodiscard]] std::optional<JsonField> next();

  /// Number of the line last read, from 1.
  [[nodiscard]] std::size_t line() const noexcept { return line_; }

 private:
  std::ifstream file_;
  std::istream* stream_;
  std::string name_;
  std::string buffer_;
  std::string place_;
  nlohmann::json row_;
  std::size_t line_ = 0;
};

/// "a string", "nothing", "a number", ..: how errors speak of a JSON value.
[[nodiscard]] std::string_view type_text(const nlohmann::json& value);

}  // namespace lore_examples
