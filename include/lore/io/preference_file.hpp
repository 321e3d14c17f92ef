// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/data/preferences.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/detail/convert.hpp"
#include "lore/io/dtype.hpp"
#include "lore/io/safetensors.hpp"
#include "lore/io/safetensors_writer.hpp"

namespace lore {

struct PreferenceReadOptions {
  /// Look at every vector that a comparison uses and refuse NaN and infinity: one pass over the table. To be
  /// switched off only for a file that has been checked before.
  bool check_values = true;
};

struct PreferenceWriteOptions {
  /// How to store the vectors; by default as they are, f64 as f32.
  std::optional<Storage> storage = std::nullopt;
  /// Further metadata, such as a seed or how the data were prepared; readers of the format ignore them.
  std::map<std::string, std::string> metadata = {};
};

namespace detail {

inline constexpr const char* preference_format = "lore.preferences";
/// Version 2 has answers that are not plain, which readers of version 1 would take for preferences.
inline constexpr const char* preference_version = "1";
inline constexpr const char* preference_version_with_answers = "2";
inline constexpr const char* answer_tensors[] = {"answer", "strength", "flip", "choice"};

/// The metadata key `users`: a JSON array of names, absent when there are none.
[[nodiscard]] inline std::vector<std::string> read_user_names(const SafetensorsFile& file) {
  const auto found = file.metadata().find("users");
  if (found == file.metadata().end()) return {};
  const nlohmann::json list = nlohmann::json::parse(found->second, nullptr, false);
  const bool good = list.is_array() && std::all_of(list.begin(), list.end(), [](const nlohmann::json& name) {
                      return name.is_string();
                    });
  if (!good)
    raise_io(file.path(), "metadata 'users'", in_quotes(found->second), "a JSON array of the users' names");
  return list.get<std::vector<std::string>>();
}

[[nodiscard]] inline std::string user_names_text(const std::vector<std::string>& names,
                                                 const std::filesystem::path& path) {
  try {
    return nlohmann::json(names).dump();
  } catch (const nlohmann::json::exception& error) {
    throw io_error(path.string(), std::string("metadata 'users': wanted names in UTF-8: ") + error.what());
  }
}

[[nodiscard]] inline std::string metadata_or_empty(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? std::string() : found->second;
}

[[nodiscard]] inline std::vector<Index> read_ids(const SafetensorsFile& file, std::string_view name,
                                                 std::optional<Index> length = std::nullopt) {
  const std::vector<std::int64_t> ids = file.read_vector<std::int64_t>(name, length);
  return {ids.begin(), ids.end()};
}

/// v_ref as a finite F32 tensor [d].
[[nodiscard]] inline std::optional<Vector<float>> read_optional_head(const SafetensorsFile& file,
                                                                     Index dimension) {
  if (!file.contains("reference_head")) return std::nullopt;
  const std::vector<float> head = file.read_vector<float>("reference_head", dimension);
  Vector<float> values = Eigen::Map<const Vector<float>>(head.data(), dimension);
  blame_file(file.path(), [&] { check_finite("read", "reference_head", values); });
  return values;
}

/// Which columns of its table the comparisons use.
[[nodiscard]] inline std::vector<bool> touched_columns(const Features& features) {
  const auto count = static_cast<std::size_t>(features.table().count());
  if (!features.indexed()) return std::vector<bool>(count, true);
  std::vector<bool> touched(count, false);
  for (Index j = 0; j < features.size(); ++j) {
    touched[static_cast<std::size_t>(features.chosen(j))] = true;
    touched[static_cast<std::size_t>(features.rejected(j))] = true;
  }
  return touched;
}

/// @throws std::domain_error at the first NaN or infinity among the vectors in use
inline void check_touched_values(const Features& features) {
  const FeatureMatrix& table = features.table();
  const std::vector<bool> touched = touched_columns(features);
  for (Index column = 0; column < table.count(); ++column) {
    if (!touched[static_cast<std::size_t>(column)]) continue;
    if (const std::optional<Index> row = non_finite_row(table, column))
      raise_value("check_touched_values",
                  std::string("tensor '") + (features.indexed() ? "embeddings" : "differences") + "', row " +
                      to_text(column) + ", column " + to_text(*row),
                  value_at(table, *row, column), "a finite number");
  }
}

/// A table of vectors for a preference file.
[[nodiscard]] inline FeatureMatrix read_vectors(const SafetensorsFile& file, std::string_view name) {
  const TensorInfo& tensor = file.info(name);
  if (tensor.dtype != Dtype::f32 && tensor.dtype != Dtype::f16 && tensor.dtype != Dtype::bf16)
    raise_io(file.path(), "tensor " + in_quotes(name), name_of(tensor.dtype), "F32, F16 or BF16");
  if (tensor.shape.size() != 2 || tensor.shape[1] < 1)
    raise_io(file.path(), "tensor " + in_quotes(name), "the shape " + shape_text(tensor.shape),
             "[rows, d] with d of 1 or above");
  return file.feature_matrix(name);
}

/// The feature store of a preference file: `differences`, or `embeddings` with `chosen` and `rejected`.
[[nodiscard]] inline Features read_features(const SafetensorsFile& file) {
  const bool differences = file.contains("differences");
  for (const char* name : {"embeddings", "chosen", "rejected"})
    if (differences && file.contains(name))
      raise_io(file.path(), "tensors", "'differences' and " + in_quotes(name),
               "either 'differences' or all of 'embeddings', 'chosen' and 'rejected'");
  if (differences) return Features::differences(read_vectors(file, "differences"));
  if (!file.contains("embeddings"))
    raise_io(file.path(), "tensors", "neither 'differences' nor 'embeddings'",
             "either 'differences' or all of 'embeddings', 'chosen' and 'rejected'");
  FeatureMatrix table = read_vectors(file, "embeddings");
  std::vector<Index> chosen = read_ids(file, "chosen");
  std::vector<Index> rejected = read_ids(file, "rejected", static_cast<Index>(chosen.size()));
  return blame_file(
      file.path(), [&] { return Features::pairs(std::move(table), std::move(chosen), std::move(rejected)); });
}

/// Whether the file has answers, as its version says.
[[nodiscard]] inline bool has_answers(const SafetensorsFile& file) {
  const std::string version = metadata_or_empty(file, "version");
  const bool second = version == preference_version_with_answers;
  file.require_format(preference_format, second ? version : preference_version,
                      "'1', or '2' with answers that are not plain");
  for (const char* name : answer_tensors)
    if (!second && file.contains(name))
      raise_io(file.path(), "metadata 'version'", "'1' beside the tensor " + in_quotes(name), "'2'");
  return second;
}

/// Answers of a file of version 2, plain where it does not say otherwise.
[[nodiscard]] inline std::vector<Answer> read_answers(const SafetensorsFile& file, Index n) {
  std::vector<Answer> out(static_cast<std::size_t>(n));
  if (file.contains("answer")) {
    const std::vector<std::uint8_t> outcome = file.read_vector<std::uint8_t>("answer", n);
    for (std::size_t j = 0; j < out.size(); ++j) {
      if (outcome[j] > 2)
        raise_io(file.path(), "tensor 'answer'[" + to_text(j) + "]", static_cast<int>(outcome[j]),
                 "0, 1 or 2");
      out[j].outcome = static_cast<Outcome>(outcome[j]);
    }
  }
  const auto fill = [&](const char* name, float Answer::*field) {
    if (!file.contains(name)) return;
    const std::vector<float> values = file.read_vector<float>(name, n);
    for (std::size_t j = 0; j < out.size(); ++j) out[j].*field = values[j];
  };
  fill("strength", &Answer::strength);
  fill("flip", &Answer::flip);
  if (file.contains("choice")) {
    const std::vector<Index> choice = read_ids(file, "choice", n);
    for (std::size_t j = 0; j < out.size(); ++j) out[j].choice = choice[j];
  }
  return out;
}

/// Answers as the tensors of a file; what no answer says is empty.
struct AnswerColumns {
  std::vector<std::uint8_t> outcome;
  std::vector<float> strength, flip;
  std::vector<std::int64_t> choice;

  explicit AnswerColumns(const std::vector<Answer>& answer) {
    const Answer plain;
    for (const Answer& one : answer) {
      outcome.push_back(static_cast<std::uint8_t>(one.outcome));
      strength.push_back(one.strength);
      flip.push_back(one.flip);
      choice.push_back(one.choice);
    }
    const auto keep_if_said = [](auto& column, auto default_value) {
      if (std::all_of(column.begin(), column.end(), [&](auto value) { return value == default_value; }))
        column.clear();
    };
    keep_if_said(outcome, static_cast<std::uint8_t>(plain.outcome));
    keep_if_said(strength, plain.strength);
    keep_if_said(flip, plain.flip);
    keep_if_said(choice, std::int64_t{plain.choice});
  }

  [[nodiscard]] bool plain() const noexcept {
    return outcome.empty() && strength.empty() && flip.empty() && choice.empty();
  }

  /// The columns must outlive the writing.
  void add_to(SafetensorsWriter& writer) const {
    if (!outcome.empty()) writer.add<std::uint8_t>("answer", outcome);
    if (!strength.empty()) writer.add<float>("strength", strength);
    if (!flip.empty()) writer.add<float>("flip", flip);
    if (!choice.empty()) writer.add<std::int64_t>("choice", choice);
  }
};

/// The number of users, from their names or from the largest id; each has a comparison. Checked before
/// anything is allocated by an id: n comparisons cannot be those of more than n users.
[[nodiscard]] inline Index count_users(const SafetensorsFile& file, const std::vector<Index>& user,
                                       const std::vector<std::string>& names) {
  std::vector<bool> known(user.size() + 1, false);
  Index users = static_cast<Index>(names.size());
  for (std::size_t j = 0; j < user.size(); ++j) {
    constexpr const char* place = "tensor 'user'";
    if (user[j] < 0)
      raise_io(file.path(), std::string(place) + "[" + to_text(j) + "]", user[j], "an id of 0 or above");
    if (!names.empty() && user[j] >= static_cast<Index>(names.size()))
      raise_io(file.path(), std::string(place) + "[" + to_text(j) + "]", user[j],
               "an id below " + to_text(names.size()) + ", the number of names in metadata 'users'");
    if (static_cast<std::size_t>(user[j]) < known.size()) known[static_cast<std::size_t>(user[j])] = true;
    if (names.empty()) users = std::max(users, std::min(user[j], static_cast<Index>(user.size())) + 1);
  }
  const auto missing = std::find(known.begin(), known.end(), false) - known.begin();
  if (missing < users)
    raise_io(file.path(), "tensor 'user'", "no comparisons of user " + to_text(missing),
             "at least one of every user");
  return users;
}

}  // namespace detail

/// Reads a preference file: who preferred what, over a table that stays mapped. Everything is checked: types,
/// shapes, index ranges, users, partitions, groups, weights, answers and choices, and that the vectors in use
/// are finite. Metadata and tensors that the format does not know are ignored.
/// @throws io_error that names the path, the tensor or metadata key, what was found and what was expected
/// @cost one read of the vectors in use, O(n log n) for the rest
[[nodiscard]] inline Preferences<> read_preferences(const std::filesystem::path& path,
                                                    const PreferenceReadOptions& options = {}) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const bool answers = detail::has_answers(file);
  Preferences<> preferences;
  auto features = std::make_shared<const Features>(detail::read_features(file));
  const Index n = features->size();
  preferences.features = features;
  preferences.user = detail::read_ids(file, "user", n);
  if (file.contains("partition")) {
    const std::vector<std::uint8_t> partition = file.read_vector<std::uint8_t>("partition", n);
    preferences.partition.reserve(partition.size());
    for (std::size_t j = 0; j < partition.size(); ++j) {
      if (partition[j] > 3)
        detail::raise_io(path, "tensor 'partition'[" + detail::to_text(j) + "]",
                         static_cast<int>(partition[j]), "0, 1, 2 or 3");
      preferences.partition.push_back(static_cast<Partition>(partition[j]));
    }
  }
  if (file.contains("group")) preferences.group = detail::read_ids(file, "group", n);
  if (file.contains("weight")) preferences.weight = file.read_vector<float>("weight", n);
  if (answers) preferences.answer = detail::read_answers(file, n);
  preferences.reference_head = detail::read_optional_head(file, features->dimension());
  preferences.dataset = detail::metadata_or_empty(file, "dataset");
  preferences.encoder = detail::metadata_or_empty(file, "encoder");
  preferences.user_names = detail::read_user_names(file);
  preferences.users = detail::count_users(file, preferences.user, preferences.user_names);
  const std::string unit = detail::metadata_or_empty(file, "shot_unit");
  if (!unit.empty() && unit != "comparison" && unit != "group")
    detail::raise_io(path, "metadata 'shot_unit'", detail::in_quotes(unit), "'comparison' or 'group'");
  preferences.shot_unit = unit == "group" ? ShotUnit::group : ShotUnit::comparison;
  if (preferences.shot_unit == ShotUnit::group && preferences.group.empty() && n > 0)
    detail::raise_io(path, "tensor 'group'", "none", "one, since metadata 'shot_unit' is 'group'");
  detail::blame_file(path, [&] {
    preferences.validate();
    if (options.check_values) detail::check_touched_values(*features);
  });
  return preferences;
}

/// Writes a preference file: of version 2 where some answer is not plain, else of version 1. The table of
/// vectors is converted block by block while it is written.
/// @throws std::invalid_argument or std::domain_error when the preferences are not valid or a vector in use
/// is
///         not finite; io_error when the file cannot be written or a value does not fit the storage (the text
///         suggests another). An older file of that name stays untouched then.
inline void write_preferences(const std::filesystem::path& path, const Preferences<>& preferences,
                              const PreferenceWriteOptions& options = {}) {
  constexpr const char* where = "write_preferences";
  preferences.validate();
  const Features& features = *preferences.features;
  if (features.dimension() < 1) detail::raise_shape(where, "dimension", features.dimension(), "at least 1");
  if (preferences.shot_unit == ShotUnit::group && preferences.group.empty() && preferences.size() > 0)
    detail::raise_shape(where, "group", "none", "one a comparison, since a shot is a group");
  const Storage have = features.table().storage();
  const Storage storage = options.storage.value_or(have == Storage::f64 ? Storage::f32 : have);
  if (storage == Storage::f64) detail::raise_value(where, "storage", "f64", "f32, f16 or bf16");
  detail::check_touched_values(features);

  SafetensorsWriter writer;
  for (const auto& [key, value] : options.metadata) writer.metadata(key, value);
  writer.metadata("format", detail::preference_format);
  writer.metadata("shot_unit", preferences.shot_unit == ShotUnit::group ? "group" : "comparison");
  if (!preferences.dataset.empty()) writer.metadata("dataset", preferences.dataset);
  if (!preferences.encoder.empty()) writer.metadata("encoder", preferences.encoder);
  if (!preferences.user_names.empty())
    writer.metadata("users", detail::user_names_text(preferences.user_names, path));

  writer.add_table(features.indexed() ? "embeddings" : "differences", features.table(), storage);
  std::vector<std::int64_t> chosen, rejected;
  if (features.indexed()) {
    for (Index j = 0; j < features.size(); ++j) {
      chosen.push_back(features.chosen(j));
      rejected.push_back(features.rejected(j));
    }
    writer.add<std::int64_t>("chosen", chosen);
    writer.add<std::int64_t>("rejected", rejected);
  }
  const std::vector<std::int64_t> user(preferences.user.begin(), preferences.user.end());
  const std::vector<std::int64_t> group(preferences.group.begin(), preferences.group.end());
  std::vector<std::uint8_t> partition;
  for (const Partition part : preferences.partition) partition.push_back(static_cast<std::uint8_t>(part));
  writer.add<std::int64_t>("user", user);
  if (!partition.empty()) writer.add<std::uint8_t>("partition", partition);
  if (!group.empty()) writer.add<std::int64_t>("group", group);
  if (!preferences.weight.empty()) writer.add<float>("weight", preferences.weight);
  const detail::AnswerColumns answers(preferences.answer);
  answers.add_to(writer);
  writer.metadata("version",
                  answers.plain() ? detail::preference_version : detail::preference_version_with_answers);
  if (preferences.reference_head)
    writer.add<float>("reference_head",
                      std::span<const float>(preferences.reference_head->data(),
                                             static_cast<std::size_t>(preferences.reference_head->size())));
  writer.write(path);
}

}  // namespace lore
