// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore::detail {

/// 'name', cut to a readable length, without control characters: names come from files that nobody checked.
[[nodiscard]] inline std::string in_quotes(std::string_view name) {
  constexpr std::size_t longest = 100;
  std::string text = "'";
  for (const char c : name.substr(0, longest)) text.push_back(static_cast<unsigned char>(c) < 32 ? '?' : c);
  text.append(name.size() > longest ? "...'" : "'");
  return text;
}

/// "[3, 4]"
[[nodiscard]] inline std::string shape_text(const std::vector<Index>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size() && i < 8; ++i) {
    if (i > 0) text.append(", ");
    text.append(to_text(shape[i]));
  }
  if (shape.size() > 8) text.append(", ...");
  return text.append("]");
}

/// "path: place: got <got>, wanted <wanted>"
template <class Got, class Wanted>
[[noreturn, gnu::cold, gnu::noinline]] void raise_io(const std::filesystem::path& path,
                                                     std::string_view place, const Got& got,
                                                     const Wanted& wanted) {
  std::string text(place);
  text.append(": got ").append(to_text(got)).append(", wanted ").append(to_text(wanted));
  throw io_error(path.string(), text);
}

/// "path: cannot <action>: <the system's words for `code`>"
[[noreturn, gnu::cold, gnu::noinline]] inline void raise_system(const std::filesystem::path& path,
                                                                std::string_view action, int code) {
  throw io_error(path.string(),
                 "cannot " + std::string(action) + ": " + std::generic_category().message(code));
}

/// Runs f; a std::invalid_argument or std::domain_error of its checks becomes an io_error about `path`,
/// without the name of the function that found it.
template <class F>
decltype(auto) blame_file(const std::filesystem::path& path, F&& f) {
  const auto reason = [](std::string_view text) {
    const auto colon = text.find(": ");
    if (text.substr(0, 6) == "lore::" && colon != std::string_view::npos) text.remove_prefix(colon + 2);
    return std::string(text);
  };
  try {
    return f();
  } catch (const std::invalid_argument& error) {
    throw io_error(path.string(), reason(error.what()));
  } catch (const std::domain_error& error) {
    throw io_error(path.string(), reason(error.what()));
  }
}

/// Levenshtein distance; only the first 200 characters count. @cost O(|a| |b|)
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, 200);
  b = b.substr(0, 200);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

/// "'a', 'b', 'c'": the few of `names` that are most like `wanted`, or "none" when there are no names.
[[nodiscard]] inline std::string nearest_names(std::string_view wanted,
                                               const std::vector<std::string>& names) {
  constexpr std::size_t shown = 5;
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  ranked.reserve(names.size());
  for (const std::string& name : names) ranked.emplace_back(edit_distance(wanted, name), name);
  const std::size_t count = std::min(shown, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(count), ranked.end());
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.append(i > 0 ? ", " : "").append(in_quotes(ranked[i].second));
  return text.empty() ? "none" : text;
}

}  // namespace lore::detail
