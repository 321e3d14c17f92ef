// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/core/version.hpp"
#include "lore/data/preferences.hpp"
#include "lore/io/detail/complaint.hpp"
#include "lore/io/preference_file.hpp"
#include "lore/io/safetensors.hpp"
#include "lore/io/safetensors_writer.hpp"
#include "lore/model/guard.hpp"
#include "lore/model/reward_model.hpp"

namespace lore {

namespace detail {

inline constexpr const char* model_format = "lore.model";
inline constexpr const char* model_version = "1";
inline constexpr std::string_view training_prefix = "training.";

/// A number of the metadata, exactly as it was written.
template <class T>
[[nodiscard]] T read_metadata_number(const SafetensorsFile& file, const std::string& key,
                                     std::string_view wanted) {
  const std::string text = metadata_or_empty(file, key);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || !(value >= T(0)))
    raise_io(file.path(), "metadata '" + key + "'", text.empty() ? std::string("nothing") : in_quotes(text),
             wanted);
  return value;
}

/// A finite F32 tensor [rows, columns] as a columns x rows matrix.
[[nodiscard]] inline Matrix<float> read_f32(const SafetensorsFile& file, std::string_view name, Index rows,
                                            Index columns) {
  file.require_dtype(name, Dtype::f32);
  file.require_shape(name, {rows, columns});
  Matrix<float> values = file.read_matrix<float>(name);
  blame_file(file.path(), [&] { check_finite("read_model", in_quotes(name), values); });
  return values;
}

/// One object a point; doubles are written so that they read back to the same bits.
[[nodiscard]] inline std::string guard_text(const std::vector<GuardPoint>& guard) {
  nlohmann::json list = nlohmann::json::array();
  const auto gain = [](const Gain& of) {
    return nlohmann::json{
        {"mean", of.mean}, {"standard_error", of.standard_error}, {"interval", {of.lower, of.upper}}};
  };
  for (const GuardPoint& point : guard)
    list.push_back({{"shots", point.shots},
                    {"users", point.users},
                    {"log_loss", gain(point.log_loss)},
                    {"accuracy", gain(point.accuracy)}});
  return list.dump();
}

[[nodiscard]] inline std::vector<GuardPoint> read_guard(const SafetensorsFile& file) {
  const std::string text = metadata_or_empty(file, "guard");
  if (text.empty()) return {};
  try {
    const auto gain = [](const nlohmann::json& from) {
      const nlohmann::json& interval = from.at("interval");
      return Gain{from.at("mean").get<double>(), from.at("standard_error").get<double>(),
                  interval.at(0).get<double>(), interval.at(1).get<double>()};
    };
    const auto count = [](const nlohmann::json& from) {  // what no count can be is refused by `validate`
      return from.is_number_integer() ? from.get<Index>() : Index{-1};
    };
    const nlohmann::json list = nlohmann::json::parse(text);
    std::vector<GuardPoint> out;
    for (std::size_t j = 0; list.is_array() && j < list.size(); ++j)
      out.push_back({count(list[j].at("shots")), count(list[j].at("users")), gain(list[j].at("log_loss")),
                     gain(list[j].at("accuracy"))});
    if (list.is_array()) return out;
  } catch (const nlohmann::json::exception&) {  // said below
  }
  raise_io(file.path(), "metadata 'guard'", in_quotes(text),
           "a JSON array of {shots, users, log_loss, accuracy}, each gain {mean, standard_error, interval}");
}

template <class Derived>
[[nodiscard]] std::span<const float> span_of(const Eigen::PlainObjectBase<Derived>& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

}  // namespace detail

/// Writes all that a joint fit learned. Numbers are stored as F32: for a float model reading back gives the
/// same bits, hence the same rewards; a double model is rounded.
/// @throws std::invalid_argument or std::domain_error when the model is not valid, or not finite in float;
///         io_error when the file cannot be written. An older file of that name stays untouched then.
template <Real Scalar, int D, int K>
void write_model(const std::filesystem::path& path, const RewardModel<Scalar, D, K>& model) {
  constexpr const char* where = "write_model";
  model.validate();
  const Index columns = model.basis.columns();
  const auto count = static_cast<Index>(model.user.size());
  const bool simplex = model.weight_map == WeightMapKind::simplex;
  const auto to_float = [&](std::string_view name, const auto& values) {
    const Matrix<float> rounded = values.template cast<float>();
    detail::check_finite(where, name, rounded);
    return rounded;
  };
  const Matrix<float> basis = to_float("basis", model.basis.matrix());
  const Matrix<float> weights = to_float("weights", model.weights);
  const Index dropped = simplex || count == 0 ? 0 : 1;  // the 1 of (1, delta)
  const Matrix<float> parameters =
      to_float("parameters", model.parameters.bottomRows(model.parameters.rows() - dropped));
  const Matrix<float> mean = to_float("prior mean", model.prior.mean);
  const Matrix<float> covariance = to_float("prior covariance", model.prior.covariance);
  Matrix<float> head;
  if (model.reference_head) head = to_float("reference_head", *model.reference_head);
  const auto temperature = static_cast<float>(model.temperature);
  detail::check_positive(where, "temperature", temperature);
  if (!simplex && count > 0 && !(model.parameters.row(0).array() == Scalar(1)).all())
    detail::raise_value(where, "first row of parameters", "other numbers", "ones, as (1, delta) has");

  SafetensorsWriter writer;
  for (const auto& [key, value] : model.training)
    writer.metadata(std::string(detail::training_prefix) + key, value);
  writer.metadata("format", detail::model_format);
  writer.metadata("version", detail::model_version);
  writer.metadata("library_version", LORE_VERSION_STRING);
  writer.metadata("rank", detail::to_text(model.rank));
  writer.metadata("temperature", detail::to_text(temperature));
  writer.metadata("weight_map", std::string(name_of(model.weight_map)));
  if (!model.dataset.empty()) writer.metadata("dataset", model.dataset);
  if (!model.encoder.empty()) writer.metadata("encoder", model.encoder);
  if (!model.user_names.empty()) writer.metadata("users", detail::user_names_text(model.user_names, path));
  if (!model.guard.empty()) writer.metadata("guard", detail::guard_text(model.guard));

  const std::vector<std::int64_t> user(model.user.begin(), model.user.end());
  writer.add("basis", detail::span_of(basis), {columns, model.basis.dimension()});
  writer.add("weights", detail::span_of(weights), {count, columns});
  writer.add(simplex ? "logits" : "deviations", detail::span_of(parameters),
             {count, simplex ? columns : columns - 1});
  writer.add<std::int64_t>("user", user);
  writer.add("prior_mean", detail::span_of(mean), {columns});
  writer.add("prior_covariance", detail::span_of(covariance), {columns, columns});
  if (model.reference_head) writer.add("reference_head", detail::span_of(head), {head.size()});
  writer.write(path);
}

/// Reads a model file. Metadata that the format does not know go to `training`.
/// @throws io_error that names the path, the tensor or metadata key, what was found and what was expected; an
///         unknown version or weight map is refused
[[nodiscard]] inline RewardModel<float> read_model(const std::filesystem::path& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  file.require_format(detail::model_format, detail::model_version);
  RewardModel<float> model;
  const std::string map = detail::metadata_or_empty(file, "weight_map");
  if (map != Simplex::name() && map != Signed::name())
    detail::raise_io(path, "metadata 'weight_map'",
                     map.empty() ? std::string("nothing") : detail::in_quotes(map), "'simplex' or 'signed'");
  const bool simplex = map == Simplex::name();
  model.weight_map = simplex ? WeightMapKind::simplex : WeightMapKind::signed_deviations;
  model.rank = detail::read_metadata_number<Index>(file, "rank", "a whole number, 0 or above");
  model.temperature = detail::read_metadata_number<float>(file, "temperature", "a number above 0");
  const Index columns = std::max<Index>(model.rank, 1);

  const std::vector<Index>& shape = file.info("basis").shape;
  if (shape.size() != 2 || shape[0] != columns || shape[1] < 1)
    detail::raise_io(path, "tensor 'basis'", "the shape " + detail::shape_text(shape),
                     "[" + detail::to_text(columns) + ", d] for rank " + detail::to_text(model.rank));
  const Index d = shape[1];
  model.basis = Basis<float>(detail::read_f32(file, "basis", columns, d));
  model.user = detail::read_ids(file, "user");
  const auto count = static_cast<Index>(model.user.size());
  model.weights = detail::read_f32(file, "weights", count, columns);
  if (simplex) {
    model.parameters = detail::read_f32(file, "logits", count, columns);
  } else {
    const Matrix<float> deviations = detail::read_f32(file, "deviations", count, columns - 1);
    model.parameters = Matrix<float>::Ones(columns, count);
    if (deviations.size() > 0) model.parameters.bottomRows(columns - 1) = deviations;
  }
  file.require_dtype("prior_mean", Dtype::f32);
  file.require_shape("prior_mean", {columns});
  model.prior.mean = file.read_matrix<float>("prior_mean").col(0);
  model.prior.covariance = detail::read_f32(file, "prior_covariance", columns, columns);
  model.reference_head = detail::read_optional_head(file, d);
  model.user_names = detail::read_user_names(file);
  model.dataset = detail::metadata_or_empty(file, "dataset");
  model.encoder = detail::metadata_or_empty(file, "encoder");
  model.guard = detail::read_guard(file);

  std::vector<Index> ids = model.user;
  std::sort(ids.begin(), ids.end());
  if (!ids.empty() && ids.front() < 0)
    detail::raise_io(path, "tensor 'user'", ids.front(), "ids of 0 or above");
  if (const auto twice = std::adjacent_find(ids.begin(), ids.end()); twice != ids.end())
    detail::raise_io(path, "tensor 'user'", "user " + detail::to_text(*twice) + " twice", "every user once");

  constexpr std::array<std::string_view, 10> known{"format",      "version", "library_version", "rank",
                                                   "dataset",     "encoder", "weight_map",      "users",
                                                   "temperature", "guard"};
  for (const bool prefixed : {true, false})
    for (const auto& [key, value] : file.metadata()) {
      if ((key.rfind(detail::training_prefix, 0) == 0) != prefixed) continue;
      if (prefixed)
        model.training.emplace(key.substr(detail::training_prefix.size()), value);
      else if (std::find(known.begin(), known.end(), key) == known.end())
        model.training.emplace(key, value);
    }
  detail::blame_file(path, [&] { model.validate(); });
  return model;
}

/// Whether a model may be used on these preferences.
/// @return a warning that names both encoders when they differ, for the caller to show
/// @throws std::invalid_argument when the dimensions differ
template <Real Scalar, int D, int K, class Store>
[[nodiscard]] std::optional<std::string> check_compatible(const RewardModel<Scalar, D, K>& model,
                                                          const Preferences<Store>& preferences) {
  detail::check_size("check_compatible", "dimension of the preferences", preferences.dimension(),
                     model.basis.dimension());
  if (model.encoder == preferences.encoder) return std::nullopt;
  const auto name = [](const std::string& encoder) {
    return encoder.empty() ? std::string("an unnamed encoder") : detail::in_quotes(encoder);
  };
  return "the model was fitted on embeddings of " + name(model.encoder) + ", the preferences hold those of " +
         name(preferences.encoder);
}

}  // namespace lore
