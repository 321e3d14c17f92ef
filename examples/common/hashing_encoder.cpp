// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "hashing_encoder.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string_view>

#include "lore/core/error.hpp"
#include "lore/io/safetensors.hpp"
#include "lore/io/safetensors_writer.hpp"

#include "embedding_table.hpp"
#include "hash.hpp"

namespace lore_examples {
namespace {

constexpr const char* file_format = "lore.hashing_encoder";
constexpr const char* file_version = "1";
constexpr Index block = 64;

/// The prompt as one text.
std::string prompt_of(const Conversation& messages) {
  std::string prompt;
  for (std::size_t m = 0; m + 1 < messages.size(); ++m) prompt.append(messages[m].content).append("\n");
  return prompt;
}

const std::string& reply_of(const Conversation& messages) {
  if (messages.empty())
    lore::detail::raise_shape("HashingEncoder", "messages", 0, "at least one message, the reply");
  return messages.back().content;
}

/// A number in the metadata of a file.
Index whole_number(const lore::SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  Index value = -1;
  if (found != file.metadata().end()) {
    const std::string& text = found->second;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size()) value = -1;
  }
  if (value < 0)
    throw lore::io_error(file.path().string(),
                         "metadata '" + key + "': got " +
                             (found == file.metadata().end() ? "nothing" : found->second) +
                             ", wanted a whole number");
  return value;
}

}  // namespace

HashingEncoder::HashingEncoder(Index dimension) : dimension_(dimension), document_frequency_(buckets, 0.0F) {
  if (dimension < smallest_dimension || dimension > Index{1} << 20)
    lore::detail::raise_shape(
        "HashingEncoder", "dimension", dimension,
        lore::detail::to_text(smallest_dimension) + " to " + lore::detail::to_text(Index{1} << 20));
  surface_deviation_.fill(1.0F);
}

void HashingEncoder::learn(const std::vector<const EncodeItem*>& training) {
  std::vector<std::atomic<std::uint32_t>> frequency(buckets);
  std::vector<std::array<float, surface_count>> surface(training.size());
  const auto count = static_cast<Index>(training.size());
  for_each_in_parallel((count + block - 1) / block, [&](Index b) {
    std::vector<std::size_t> present;
    for (Index i = b * block; i < std::min(count, (b + 1) * block); ++i) {
      const Conversation& messages = training[static_cast<std::size_t>(i)]->messages;
      const NgramCounts counts = count_ngrams(reply_of(messages));
      present.clear();
      for (const auto* part : {&counts.words, &counts.pairs, &counts.pieces})
        for (const auto& [hash, times] : *part) present.push_back(hash % buckets);
      std::sort(present.begin(), present.end());
      present.erase(std::unique(present.begin(), present.end()), present.end());
      for (const std::size_t bucket : present) frequency[bucket].fetch_add(1, std::memory_order_relaxed);
      surface[static_cast<std::size_t>(i)] = surface_features(reply_of(messages), prompt_of(messages));
    }
  });
  documents_ = count;
  for (std::size_t k = 0; k < buckets; ++k) document_frequency_[k] = static_cast<float>(frequency[k].load());
  for (std::size_t k = 0; k < surface_count; ++k) {
    double sum = 0, squares = 0;
    for (const auto& row : surface) sum += row[k];
    const double mean = count > 0 ? sum / static_cast<double>(count) : 0;
    for (const auto& row : surface) squares += (row[k] - mean) * (row[k] - mean);
    const double deviation = count > 1 ? std::sqrt(squares / static_cast<double>(count - 1)) : 0;
    surface_mean_[k] = static_cast<float>(mean);
    // A feature that never varies says nothing: it stays 0 in training and small elsewhere.
    surface_deviation_[k] = deviation > 1e-6 ? static_cast<float>(deviation) : 1.0F;
  }
}

void HashingEncoder::embed(const Conversation& messages, float* out) const {
  const auto surface = surface_features(reply_of(messages), prompt_of(messages));
  const float scale = 1.0F / std::sqrt(static_cast<float>(surface_count));
  for (std::size_t k = 0; k < surface_count; ++k)
    out[k] = scale * std::clamp((surface[k] - surface_mean_[k]) / surface_deviation_[k], -5.0F, 5.0F);

  const auto width = static_cast<std::uint64_t>(dimension_) - surface_count;
  std::vector<double> sums(width, 0.0);
  const double all = 1.0 + static_cast<double>(documents_);
  const NgramCounts counts = count_ngrams(messages.back().content);
  const auto add = [&](const NgramCounts::Counts& part, double weight) {
    for (const auto& [hash, times] : part) {
      const double idf =
          1.0 + std::log(all / (1.0 + static_cast<double>(document_frequency_[hash % buckets])));
      const std::uint64_t place = mix(hash + 1);
      const double value = weight * (1.0 + std::log(times)) * idf;
      sums[(place >> 1) % width] += (place & 1U) != 0 ? value : -value;
    }
  };
  add(counts.words, 1.0);
  add(counts.pairs, 0.5);
  add(counts.pieces, 0.5);
  double squares = 0;
  for (const double sum : sums) squares += sum * sum;
  const double length = squares > 0 ? std::sqrt(squares) : 1.0;
  for (std::size_t k = 0; k < width; ++k) out[surface_count + k] = static_cast<float>(sums[k] / length);
}

lore::FeatureMatrix HashingEncoder::encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                                           Progress& progress) {
  const auto count = static_cast<Index>(items.size());
  EmbeddingTable table(dimension_, count, storage);
  progress.begin("embedding", items.size());
  for_each_in_parallel((count + block - 1) / block, [&](Index b) {
    std::vector<float> values(static_cast<std::size_t>(dimension_));
    const Index end = std::min(count, (b + 1) * block);
    for (Index i = b * block; i < end; ++i) {
      embed(items[static_cast<std::size_t>(i)].messages, values.data());
      table.store(i, values.data());
    }
    progress.advance(static_cast<std::size_t>(end - b * block));
  });
  progress.end();
  return table.finish();
}

std::string HashingEncoder::name() const {
  const auto bytes_of_values = [](const auto& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  };
  std::uint64_t print = hash64(bytes_of_values(document_frequency_), static_cast<std::uint64_t>(documents_));
  print = hash64(bytes_of_values(surface_mean_), print);
  print = hash64(bytes_of_values(surface_deviation_), print);
  char text[96];
  std::snprintf(text, sizeof text, "hashing-%s d=%lld %08llx", file_version,
                static_cast<long long>(dimension_), static_cast<unsigned long long>(print >> 32));
  return text;
}

std::filesystem::path HashingEncoder::path_beside(const std::filesystem::path& data) {
  std::filesystem::path path = data;
  path.replace_extension();
  path += ".hashing.safetensors";
  return path;
}

std::vector<std::filesystem::path> HashingEncoder::save_beside(const std::filesystem::path& data) const {
  std::filesystem::path path = path_beside(data);
  save(path);
  return {path};
}

void HashingEncoder::save(const std::filesystem::path& path) const {
  lore::SafetensorsWriter writer;
  writer.metadata("format", file_format);
  writer.metadata("version", file_version);
  writer.metadata("dimension", lore::detail::to_text(dimension_));
  writer.metadata("documents", lore::detail::to_text(documents_));
  writer.metadata("name", name());
  writer.add<float>("document_frequency", document_frequency_);
  writer.add<float>("surface_mean", surface_mean_);
  writer.add<float>("surface_deviation", surface_deviation_);
  writer.write(path);
}

std::unique_ptr<HashingEncoder> HashingEncoder::load(const std::filesystem::path& path) {
  const lore::SafetensorsFile file = lore::SafetensorsFile::open(path);
  file.require_format(file_format, file_version);
  const Index dimension = whole_number(file, "dimension");
  if (dimension < smallest_dimension || dimension > Index{1} << 20)
    throw lore::io_error(path.string(), "metadata 'dimension': got " + lore::detail::to_text(dimension) +
                                            ", wanted " + lore::detail::to_text(smallest_dimension) +
                                            " or above");
  auto encoder = std::make_unique<HashingEncoder>(dimension);
  encoder->documents_ = whole_number(file, "documents");
  const auto read = [&](const char* name, auto& into, float least) {
    const std::vector<float> values = file.read_vector<float>(name, static_cast<Index>(into.size()));
    for (std::size_t k = 0; k < values.size(); ++k) {
      if (!std::isfinite(values[k]) || values[k] < least)
        throw lore::io_error(path.string(), std::string("tensor '") + name + "'[" + std::to_string(k) +
                                                "]: got " + lore::detail::to_text(values[k]) +
                                                ", wanted a finite number in range");
      into[k] = values[k];
    }
  };
  read("document_frequency", encoder->document_frequency_, 0.0F);
  read("surface_mean", encoder->surface_mean_, std::numeric_limits<float>::lowest());
  read("surface_deviation", encoder->surface_deviation_, std::numeric_limits<float>::min());
  return encoder;
}

}  // namespace lore_examples
