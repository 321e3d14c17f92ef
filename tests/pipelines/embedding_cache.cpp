// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "embedding_cache.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include "lore/core/error.hpp"

#include "lore_catch.hpp"

using namespace lore_examples;
namespace fs = std::filesystem;

namespace {

struct Scratch {
  fs::path directory =
      fs::temp_directory_path() / ("lore_embedding_cache_" + std::to_string(static_cast<long>(::getpid())));
  fs::path file = directory / "vectors.cache";
  Scratch() {
    fs::remove_all(directory);
    fs::create_directories(directory);
  }
  ~Scratch() { fs::remove_all(directory); }
};

constexpr lore::Index d = 5;
constexpr std::size_t record = 24 + 4 * d;

CacheKey key(int i) { return cache_key({"model", std::to_string(i)}); }
std::vector<float> vector_of(int i) {
  std::vector<float> values;
  for (int k = 0; k < d; ++k) values.push_back(std::sin(static_cast<float>(7 * i + k)));
  return values;
}

void append(EmbeddingCache& cache, int i) {
  const CacheKey keys[] = {key(i)};
  cache.append(keys, vector_of(i), d);
}

bool holds(const EmbeddingCache& cache, int i) {
  if (!cache.contains(key(i))) return false;
  const auto wanted = vector_of(i);
  return std::equal(wanted.begin(), wanted.end(), cache.find(key(i)));
}

void damage(const fs::path& path, std::size_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char was = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(was ^ 0x10));
}

}  // namespace

TEST_CASE("vectors come back from the cache, also after it was closed") {
  Scratch scratch;
  {
    EmbeddingCache cache(scratch.file);
    CHECK(cache.size() == 0);
    CHECK(cache.dimension() == 0);
    for (int i = 0; i < 20; ++i) append(cache, i);
    CHECK(cache.size() == 20);
    CHECK(cache.dimension() == d);
    for (int i = 0; i < 20; ++i) CHECK(holds(cache, i));
    CHECK_FALSE(cache.contains(key(20)));
    CHECK_THROWS_AS(cache.find(key(20)), std::out_of_range);
  }
  EmbeddingCache cache(scratch.file);
  CHECK(cache.size() == 20);
  CHECK(cache.torn_bytes() == 0);
  for (int i = 0; i < 20; ++i) CHECK(holds(cache, i));
  append(cache, 20);
  CHECK(holds(cache, 20));
  CHECK(holds(cache, 3));
}

TEST_CASE("a key that is there is not written again") {
  Scratch scratch;
  EmbeddingCache cache(scratch.file);
  append(cache, 1);
  const auto before = fs::file_size(scratch.file);
  const CacheKey keys[] = {key(1)};
  cache.append(keys, vector_of(2), d);
  CHECK(fs::file_size(scratch.file) == before);
  CHECK(holds(cache, 1));
}

TEST_CASE("a file torn at any byte gives back every whole vector and takes the rest anew") {
  Scratch scratch;
  {
    EmbeddingCache cache(scratch.file);
    for (int i = 0; i < 4; ++i) append(cache, i);
  }
  const auto whole = fs::file_size(scratch.file);
  REQUIRE(whole == 32 + 4 * record);
  const fs::path torn = scratch.directory / "torn.cache";
  for (std::size_t length = 0; length <= whole; ++length) {
    CAPTURE(length);
    fs::copy_file(scratch.file, torn, fs::copy_options::overwrite_existing);
    fs::resize_file(torn, length);
    const int kept = length < 32 ? 0 : static_cast<int>((length - 32) / record);
    {
      EmbeddingCache cache(torn);
      REQUIRE(cache.size() == static_cast<std::size_t>(kept));
      for (int i = 0; i < 4; ++i) append(cache, i);
    }
    EmbeddingCache cache(torn);
    REQUIRE(cache.torn_bytes() == 0);
    for (int i = 0; i < 4; ++i) REQUIRE(holds(cache, i));
    REQUIRE(fs::file_size(torn) == whole);
  }
}

TEST_CASE("a damaged record is passed over, the ones behind it are kept") {
  Scratch scratch;
  const std::size_t within =
      GENERATE(std::size_t{0}, std::size_t{9}, std::size_t{17}, std::size_t{24}, record - 1);
  {
    EmbeddingCache cache(scratch.file);
    for (int i = 0; i < 4; ++i) append(cache, i);
  }
  damage(scratch.file, 32 + record + within);
  EmbeddingCache cache(scratch.file);
  CHECK(cache.size() == 3);
  CHECK(cache.torn_bytes() == record);
  CHECK_FALSE(cache.contains(key(1)));
  for (const int i : {0, 2, 3}) CHECK(holds(cache, i));
  append(cache, 1);
  CHECK(holds(cache, 1));
}

TEST_CASE("keys depend on every part and on where one ends") {
  CHECK_FALSE(cache_key({"ab", "c"}) == cache_key({"a", "bc"}));
  CHECK_FALSE(cache_key({"ab"}) == cache_key({"ab", ""}));
  CHECK_FALSE(cache_key({"a", "b"}) == cache_key({"b", "a"}));
  CHECK(cache_key({"a", "b"}) == cache_key({"a", "b"}));
}

TEST_CASE("another file, version, dimension or user of the cache is refused") {
  Scratch scratch;
  SECTION("another file is left as it is") {
    std::ofstream(scratch.file) << "my only copy of something";
    CHECK_THROWS_AS(EmbeddingCache(scratch.file), lore::io_error);
    CHECK(fs::file_size(scratch.file) == 25);
  }
  SECTION("a later version") {
    {
      EmbeddingCache cache(scratch.file);
      append(cache, 0);
    }
    damage(scratch.file, 16);
    CHECK_THROWS_AS(EmbeddingCache(scratch.file), lore::io_error);
  }
  SECTION("another dimension") {
    EmbeddingCache cache(scratch.file);
    append(cache, 0);
    const CacheKey keys[] = {key(1)};
    CHECK_THROWS_AS(cache.append(keys, std::vector<float>(d + 1), d + 1), std::invalid_argument);
    CHECK_THROWS_AS(cache.append(keys, std::vector<float>(d + 1), d), std::invalid_argument);
    CHECK(cache.size() == 1);
  }
  SECTION("a second user") {
    EmbeddingCache cache(scratch.file);
    CHECK_THROWS_AS(EmbeddingCache(scratch.file), lore::io_error);
  }
  SECTION("no such directory") {
    CHECK_THROWS_AS(EmbeddingCache(scratch.directory / "none" / "x.cache"), lore::io_error);
  }
}
