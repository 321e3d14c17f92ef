// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "embedding_cache.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"

#include "hash.hpp"
#include <sys/file.h>
#include <sys/stat.h>

namespace lore_examples {
namespace {

static_assert(std::endian::native == std::endian::little, "the cache file is little endian");

struct Header {
  std::array<char, 16> magic = {'l', 'o', 'r', 'e', '.', 'e', 'm', 'b', 'e', 'd', 'd', 'i', 'n', 'g', 's', 0};
  std::uint32_t version = 1;
  std::uint32_t dimension = 0;
  std::uint64_t reserved = 0;
};
static_assert(sizeof(Header) == 32);

struct RecordHead {
  CacheKey key;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(RecordHead) == 24);

std::string why() { return std::generic_category().message(errno); }

std::uint64_t checksum_of(const CacheKey& key, const void* values, std::size_t bytes) noexcept {
  std::uint64_t sum = mix(key.first + 0x9e3779b97f4a7c15ULL) ^ key.second;
  const char* at = static_cast<const char*>(values);
  for (; bytes >= 8; bytes -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    sum = (std::rotl(sum, 23) ^ word) * 0x9fb21c651e98df25ULL;
  }
  std::uint64_t rest = bytes;
  std::memcpy(&rest, at, bytes);
  return mix(sum ^ mix(rest + 1));
}

}  // namespace

CacheKey cache_key(std::initializer_list<std::string_view> parts) noexcept {
  CacheKey key{1, 2};
  for (const auto part : parts) {
    key.first = hash64(part, key.first + part.size());
    key.second = hash64(part, key.second ^ mix(part.size() + 1));
  }
  return key;
}

EmbeddingCache::EmbeddingCache(std::filesystem::path path) : path_(std::move(path)) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) throw lore::io_error(path_.string(), "cannot open the embedding cache: " + why());
  try {
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
      throw lore::io_error(path_.string(), errno == EWOULDBLOCK
                                               ? "this embedding cache is in use by another process"
                                               : "cannot lock the embedding cache: " + why());
    read_header();
    scan();
  } catch (...) {
    ::close(file_);
    throw;
  }
}

EmbeddingCache::~EmbeddingCache() { ::close(file_); }

void EmbeddingCache::read_header() {
  struct stat status {};
  if (::fstat(file_, &status) != 0) throw lore::io_error(path_.string(), "cannot be examined: " + why());
  if (!S_ISREG(status.st_mode)) throw lore::io_error(path_.string(), "not a regular file");
  bytes_ = static_cast<std::size_t>(status.st_size);

  const Header wanted;
  Header found;
  std::memset(static_cast<void*>(&found), 0, sizeof found);
  const auto got = ::pread(file_, &found, sizeof found, 0);
  if (got < 0) throw lore::io_error(path_.string(), "cannot be read: " + why());
  const auto compared = std::min(static_cast<std::size_t>(got), found.magic.size());
  if (std::memcmp(found.magic.data(), wanted.magic.data(), compared) != 0)
    throw lore::io_error(path_.string(),
                         "not an embedding cache: it does not begin with \"lore.embeddings\"; nothing was "
                         "changed");
  if (static_cast<std::size_t>(got) < sizeof found) {  // new, or torn while the header was written
    torn_bytes_ = bytes_;
    if (bytes_ > 0 && ::ftruncate(file_, 0) != 0)
      throw lore::io_error(path_.string(), "cannot be cut: " + why());
    bytes_ = 0;
    return;
  }
  if (found.version != wanted.version)
    throw lore::io_error(path_.string(), "embedding cache of version " + std::to_string(found.version) +
                                             ", wanted version " + std::to_string(wanted.version));
  if (found.dimension == 0 || found.dimension > (1u << 24))
    throw lore::io_error(path_.string(), "embedding cache: got dimension " + std::to_string(found.dimension) +
                                             ", wanted 1 to 16777216");
  dimension_ = static_cast<lore::Index>(found.dimension);
}

std::size_t EmbeddingCache::record_bytes() const noexcept {
  return sizeof(RecordHead) + sizeof(float) * static_cast<std::size_t>(dimension_);
}

void EmbeddingCache::scan() {
  if (bytes_ == 0) return;
  const auto mapped = lore::MappedFile::open(path_);
  const std::span<const std::byte> bytes = mapped->bytes();
  const std::size_t values = record_bytes() - sizeof(RecordHead);
  std::size_t good_end = sizeof(Header);
  std::size_t good = 0;
  for (std::size_t at = sizeof(Header); bytes_ - at >= record_bytes(); at += record_bytes()) {
    RecordHead head;
    std::memcpy(&head, bytes.data() + at, sizeof head);
    const std::byte* data = bytes.data() + at + sizeof head;
    if (head.checksum != checksum_of(head.key, data, values)) continue;
    place_.try_emplace(head.key, at + sizeof head);
    good_end = at + record_bytes();
    ++good;
  }
  torn_bytes_ = bytes_ - sizeof(Header) - good * record_bytes();
  if (good_end < bytes_) {
    if (::ftruncate(file_, static_cast<off_t>(good_end)) != 0)
      throw lore::io_error(path_.string(), "a torn record cannot be cut off: " + why());
    bytes_ = good_end;
  }
}

void EmbeddingCache::append(std::span<const CacheKey> keys, std::span<const float> values,
                            lore::Index dimension) {
  if (dimension < 1 || values.size() != keys.size() * static_cast<std::size_t>(dimension))
    throw std::invalid_argument("EmbeddingCache::append: got " + std::to_string(values.size()) +
                                " values, wanted " + std::to_string(keys.size()) + " vectors of dimension " +
                                std::to_string(dimension));
  if (dimension_ != 0 && dimension != dimension_)
    throw std::invalid_argument(path_.string() + ": got vectors of dimension " + std::to_string(dimension) +
                                ", the cache holds dimension " + std::to_string(dimension_) +
                                "; another model? Name another cache file");
  if (keys.empty()) return;

  const auto width = static_cast<std::size_t>(dimension);
  std::vector<std::byte> buffer;
  buffer.reserve(sizeof(Header) + keys.size() * (sizeof(RecordHead) + width * sizeof(float)));
  const auto put = [&](const void* data, std::size_t bytes) {
    const auto* begin = static_cast<const std::byte*>(data);
    buffer.insert(buffer.end(), begin, begin + bytes);
  };
  if (bytes_ == 0) {
    Header header;
    header.dimension = static_cast<std::uint32_t>(dimension);
    put(&header, sizeof header);
  }
  std::vector<std::pair<CacheKey, std::size_t>> added;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (place_.contains(keys[i])) continue;
    const float* vector = values.data() + i * width;
    const RecordHead head{keys[i], checksum_of(keys[i], vector, width * sizeof(float))};
    put(&head, sizeof head);
    added.emplace_back(keys[i], bytes_ + buffer.size());
    put(vector, width * sizeof(float));
  }
  if (added.empty()) return;
  write_all(buffer.data(), buffer.size(), bytes_);
  bytes_ += buffer.size();
  dimension_ = dimension;
  place_.insert(added.begin(), added.end());
}

void EmbeddingCache::write_all(const void* data, std::size_t bytes, std::size_t at) {
  const char* from = static_cast<const char*>(data);
  for (std::size_t done = 0; done < bytes;) {
    const auto wrote = ::pwrite(file_, from + done, bytes - done, static_cast<off_t>(at + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const std::string reason = why();
      // What was written of it is cut off again; should that fail too, the next opening does it.
      [[maybe_unused]] const int cut = ::ftruncate(file_, static_cast<off_t>(at));
      throw lore::io_error(path_.string(), "cannot write to the embedding cache: " + reason);
    }
    done += static_cast<std::size_t>(wrote);
  }
}

const float* EmbeddingCache::find(const CacheKey& key) const {
  const auto place = place_.find(key);
  if (place == place_.end()) throw std::out_of_range(path_.string() + ": no vector for this text");
  if (!mapped_ || mapped_->bytes().size() != bytes_) mapped_ = lore::MappedFile::open(path_);
  return reinterpret_cast<const float*>(mapped_->bytes().data() + place->second);
}

}  // namespace lore_examples
