// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "json_lines.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <iostream>
#include <istream>
#include <system_error>
#include <utility>

#include "lore/core/error.hpp"

namespace lore_examples {

std::string_view type_text(const nlohmann::json& value) {
  using Type = nlohmann::json::value_t;
  switch (value.type()) {
    case Type::null:
      return "null";
    case Type::object:
      return "an object";
    case Type::array:
      return "an array";
    case Type::string:
      return "a string";
    case Type::boolean:
      return value.get<bool>() ? "true" : "false";
    case Type::number_integer:
    case Type::number_unsigned:
    case Type::number_float:
      return "a number";
    case Type::binary:
    case Type::discarded:
      break;
  }
  return "something else";
}

void JsonField::fail(std::string_view got, std::string_view wanted) const {
  std::string text;
  if (!name_.empty()) text.append("field '").append(name_).append("': ");
  text.append("got ").append(got).append(", wanted ").append(wanted);
  throw lore::io_error(*place_, text);
}

void JsonField::fail(std::string_view wanted) const {
  if (value_->is_number() || (value_->is_string() && value_->get_ref<const std::string&>().size() <= 40))
    fail(value_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), wanted);
  fail(type_text(*value_), wanted);
}

JsonField JsonField::operator[](std::string_view key) const {
  if (!value_->is_object()) fail(type_text(*value_), "an object");
  std::string name = name_.empty() ? std::string(key) : name_ + "." + std::string(key);
  const auto member = value_->find(key);
  if (member == value_->end())
    JsonField(*value_, *place_, std::move(name)).fail("nothing", "this field in every row");
  return {*member, *place_, std::move(name)};
}

std::optional<JsonField> JsonField::find(std::string_view key) const {
  if (!value_->is_object()) fail(type_text(*value_), "an object");
  const auto member = value_->find(key);
  if (member == value_->end() || member->is_null()) return std::nullopt;
  return JsonField(*member, *place_, name_.empty() ? std::string(key) : name_ + "." + std::string(key));
}

std::size_t JsonField::size() const {
  if (!value_->is_array()) fail(type_text(*value_), "an array");
  return value_->size();
}

JsonField JsonField::at(std::size_t i) const {
  const std::size_t count = size();
  if (i >= count)
    fail("an array of " + std::to_string(count), "at least " + std::to_string(i + 1) + " elements");
  return {(*value_)[i], *place_, name_ + "[" + std::to_string(i) + "]"};
}

const std::string& JsonField::text() const {
  if (!value_->is_string()) fail("a string");
  return value_->get_ref<const std::string&>();
}

std::int64_t JsonField::integer() const {
  if (value_->is_number_unsigned() && value_->get<std::uint64_t>() > std::uint64_t{INT64_MAX})
    fail("a whole number of 64 bits");
  if (value_->is_number_integer()) return value_->get<std::int64_t>();
  // Some writers (a data frame with missing values) turn whole numbers into 1.0.
  if (value_->is_number_float()) {
    const double number = value_->get<double>();
    if (std::trunc(number) == number && std::abs(number) < 9e15) return static_cast<std::int64_t>(number);
  }
  fail("a whole number");
}

double JsonField::number() const {
  if (!value_->is_number() || !std::isfinite(value_->get<double>())) fail("a number");
  return value_->get<double>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) fail("true or false");
  return value_->get<bool>();
}

JsonLines::JsonLines(std::filesystem::path path) : stream_(&file_), name_(path.string()) {
  if (name_ == "-") {
    name_ = "standard input";
    stream_ = &std::cin;
    return;
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    throw lore::io_error(name_, "got a directory, wanted a JSON-lines file");
  errno = 0;
  file_.open(path, std::ios::binary);
  if (!file_)
    throw lore::io_error(
        name_, std::string("cannot be opened: ") + (errno != 0 ? std::strerror(errno) : "unknown reason"));
}

JsonLines::JsonLines(std::istream& stream, std::string name) : stream_(&stream), name_(std::move(name)) {}

std::optional<JsonField> JsonLines::next() {
  while (std::getline(*stream_, buffer_)) {
    ++line_;
    std::string_view text = buffer_;
    if (line_ == 1 && text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) continue;
    place_ = name_ + ":" + std::to_string(line_);
    try {
      row_ = nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& error) {
      std::string_view reason = error.what();
      // Keep what comes after the library's own "[json.exception..] parse error at line 1, column n: ".
      if (const auto at = reason.find(": "); at != std::string_view::npos) reason.remove_prefix(at + 2);
      throw lore::io_error(
          place_, "malformed JSON at byte " + std::to_string(error.byte) + ": " + std::string(reason));
    }
    if (!row_.is_object())
      throw lore::io_error(place_, std::string("got ") + std::string(type_text(row_)) +
                                       ", wanted one JSON object on each line");
    return JsonField(row_, place_, "");
  }
  if (stream_->bad())
    throw lore::io_error(name_ + ":" + std::to_string(line_ + 1), "cannot be read: input error");
  return std::nullopt;
}

}  // namespace lore_examples
