// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "lore/core/error.hpp"

#include "folder.hpp"
#include "lore_catch.hpp"

namespace lore_test {

inline void put(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  REQUIRE(file.good());
}

[[nodiscard]] inline std::string get(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The bytes of a safetensors file with this header and data.
[[nodiscard]] inline std::string safetensors(const std::string& header, const std::string& data = {}) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

/// What the io_error says that f must throw; "" when it throws nothing.
template <class F>
[[nodiscard]] std::string io_message(F&& f) {
  try {
    f();
  } catch (const lore::io_error& error) {
    return error.what();
  }
  return "";
}

[[nodiscard]] inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace lore_test
