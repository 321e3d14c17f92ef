// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "prepare.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <ostream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "lore/io/checkpoint.hpp"
#include "lore/io/preference_file.hpp"

#include "file_encoder.hpp"
#include "formatting_probe.hpp"
#include "hashing_encoder.hpp"
#include "interrupt.hpp"
#include "server_encoder.hpp"

namespace lore_examples {
namespace {

constexpr std::array<std::string_view, 4> partition_names{"seen users, training", "seen users, test",
                                                          "unseen users, few-shot", "unseen users, test"};

/// The conversations in seen users' training comparisons, each once, in table order.
std::vector<const EncodeItem*> training_items(const RawPreferences& raw) {
  std::vector<char> used(raw.texts.size(), 0);
  for (std::size_t j = 0; j < raw.user.size(); ++j)
    if (raw.partition[j] == lore::Partition::seen_train)
      used[static_cast<std::size_t>(raw.chosen[j])] = used[static_cast<std::size_t>(raw.rejected[j])] = 1;
  std::vector<const EncodeItem*> items;
  for (std::size_t row = 0; row < used.size(); ++row)
    if (used[row] != 0) items.push_back(&raw.texts.items()[row]);
  return items;
}

}  // namespace

std::unique_ptr<Encoder> make_encoder(const PrepareOptions& options) {
  options.validate();
  switch (options.encoder_kind()) {
    case EncoderKind::file:
      return std::make_unique<FileEncoder>(options.embeddings, options.ids);
    case EncoderKind::server: {
      ServerOptions server = options.server;
      if (server.cache.empty()) {
        server.cache = options.out;
        server.cache.replace_extension();
        server.cache += ".embeddings.cache";
      }
      return std::make_unique<ServerEncoder>(std::move(server));
    }
    case EncoderKind::hashing:
      break;
  }
  if (!options.hashing_statistics.empty()) return HashingEncoder::load(options.hashing_statistics);
  return std::make_unique<HashingEncoder>(options.dimension);
}

void print_counts(std::ostream& out, const RawPreferences& raw) {
  std::array<Index, 4> comparisons{};
  std::array<std::vector<Index>, 4> by_user;
  for (auto& counts : by_user) counts.assign(raw.user_names.size(), 0);
  for (std::size_t j = 0; j < raw.user.size(); ++j) {
    const auto part = static_cast<std::size_t>(raw.partition[j]);
    ++comparisons[part];
    ++by_user[part][static_cast<std::size_t>(raw.user[j])];
  }
  out << raw.dataset << ": " << raw.user_names.size() << " users, " << raw.user.size() << " comparisons, "
      << raw.texts.size() << " distinct conversations\n";
  for (std::size_t part = 0; part < 4; ++part) {
    std::vector<Index> counts = by_user[part];
    counts.erase(std::remove(counts.begin(), counts.end(), 0), counts.end());
    std::sort(counts.begin(), counts.end());
    out << "  " << partition_names[part] << ": " << comparisons[part] << " comparisons of " << counts.size()
        << " users";
    if (!counts.empty())
      out << " (each " << counts.front() << " to " << counts.back() << ", median "
          << counts[counts.size() / 2] << ")";
    out << '\n';
  }
  for (const lore::Dropped& dropped : raw.dropped) {
    out << "  dropped, " << dropped.reason << ": ";
    if (dropped.users > 0) out << dropped.users << " users, ";
    out << dropped.comparisons << " comparisons\n";
  }
}

int embed_and_write(const RawPreferences& raw, const PrepareOptions& options, std::ostream& out) {
  options.validate();
  print_counts(out, raw);
  if (!options.write_texts.empty()) {
    write_texts(options.write_texts, raw.texts.items());
    out << "wrote " << options.write_texts.string() << ": " << raw.texts.size()
        << " conversations to embed\n";
  }
  if (options.only_texts()) {
    out << "no preference file yet: embed them, one row a line, and run this again with --embeddings\n";
    return 0;
  }
  if (raw.user.empty())
    throw std::runtime_error(raw.dataset +
                             ": got no comparisons that the protocol keeps, wanted at least one");

  const std::optional<FormattingProbe> probe = probe_formatting(raw);
  if (probe) print(out, *probe);
  lore::Preferences<> preferences;
  if (!options.reference_head.empty())
    preferences.reference_head = lore::read_reference_head(options.reference_head, options.tensor);

  const std::unique_ptr<Encoder> encoder = make_encoder(options);
  if (options.hashing_statistics.empty()) encoder->learn(training_items(raw));
  Progress progress;
  const auto start = std::chrono::steady_clock::now();
  lore::FeatureMatrix table =
      encoder->encode(raw.texts.items(), options.storage.value_or(encoder->preferred_storage()), progress);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (interrupted()) throw std::runtime_error("interrupted; nothing was written to " + options.out.string());
  if (preferences.reference_head && preferences.reference_head->size() != table.dimension())
    throw lore::io_error(options.reference_head.string(),
                         "tensor '" + options.tensor + "': got " +
                             std::to_string(preferences.reference_head->size()) + " entries, wanted " +
                             std::to_string(table.dimension()) + ", the dimension of the embeddings");

  preferences.features = std::make_shared<const lore::Features>(
      lore::Features::pairs(std::move(table), raw.chosen, raw.rejected));
  preferences.user = raw.user;
  preferences.partition = raw.partition;
  preferences.group = raw.group;
  preferences.users = static_cast<Index>(raw.user_names.size());
  preferences.user_names = raw.user_names;
  preferences.shot_unit = raw.shot_unit;
  preferences.dataset = raw.dataset;
  preferences.encoder = encoder->name();
  lore::PreferenceWriteOptions write;
  write.metadata = raw.metadata;
  write.metadata["seed"] = std::to_string(options.seed);
  if (probe) write.metadata[formatting_probe_key] = metadata_text(*probe);
  lore::write_preferences(options.out, preferences, write);
  out << "encoder " << preferences.encoder << ": d = " << preferences.dimension() << ", "
      << duration_text(seconds) << "\nwrote " << options.out.string() << '\n';
  for (const auto& path : encoder->save_beside(options.out)) out << "wrote " << path.string() << '\n';
  return 0;
}

}  // namespace lore_examples
