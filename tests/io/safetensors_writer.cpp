// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/safetensors_writer.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "lore/io/safetensors.hpp"

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::Dtype;
using lore::FeatureMatrix;
using lore::Index;
using lore::SafetensorsFile;
using lore::SafetensorsWriter;
using lore::Storage;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {

lore::Matrix<float> counted(Index rows, Index columns) {
  lore::Matrix<float> values(rows, columns);
  for (Index i = 0; i < values.size(); ++i) values(i) = 0.37F * static_cast<float>(i % 1009) - 90.0F;
  return values;
}

}  // namespace

TEST_CASE("what is written reads back, aligned whatever the order and the odd bytes") {
  const Folder folder;
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const std::vector<std::int64_t> ids{-5, std::numeric_limits<std::int64_t>::max()};
  const lore::Matrix<float> table = counted(7, 5);
  SafetensorsWriter writer;
  writer.metadata("dataset", "quotes \" and ünïcode\n");
  writer.add<std::uint8_t>("bytes", bytes);
  writer.add_table("half", FeatureMatrix::own(table), Storage::f16);
  writer.add_table("table", FeatureMatrix::own(table), Storage::f32);
  writer.add<std::int64_t>("ids", ids);
  writer.add_table("double", FeatureMatrix::own(table), Storage::f64);
  writer.write(folder / "a b.safetensors");

  const auto file = SafetensorsFile::open(folder / "a b.safetensors");
  CHECK(file.metadata().at("dataset") == "quotes \" and ünïcode\n");
  CHECK(file.read_vector<std::uint8_t>("bytes") == bytes);
  CHECK(file.read_vector<std::int64_t>("ids") == ids);
  CHECK(file.read_matrix<float>("table") == table);
  CHECK(file.read_matrix<double>("double") == table.cast<double>());
  CHECK((file.read_matrix<float>("half") - table).cwiseAbs().maxCoeff() < 0.2F);
  for (const lore::TensorInfo& tensor : file.tensors()) {
    CAPTURE(tensor.name);
    const auto address = reinterpret_cast<std::uintptr_t>(file.bytes(tensor.name).data());
    CHECK(address % (lore::bits_of(tensor.dtype) / 8) == 0);
  }
  CHECK(reinterpret_cast<std::uintptr_t>(file.bytes(file.tensors().front().name).data()) % 64 == 0);
}

TEST_CASE("a table larger than the conversion's block comes out as rounded to nearest") {
  const Folder folder;
  const Storage storage = GENERATE(Storage::f16, Storage::bf16, Storage::f64, Storage::f32);
  const lore::Matrix<float> table = counted(300, 400);
  SafetensorsWriter writer;
  writer.add_table("t", FeatureMatrix::own(table), storage);
  writer.write(folder / "a");
  const lore::Matrix<float> back = SafetensorsFile::open(folder / "a").read_matrix<float>("t");
  REQUIRE(back.rows() == 300);
  REQUIRE(back.cols() == 400);
  const float spacing = storage == Storage::f16 ? 0x1p-11F : storage == Storage::bf16 ? 0x1p-8F : 0.0F;
  CHECK(((back - table).array().abs() <= spacing * table.array().abs() + 1e-7F * spacing).all());
}

TEST_CASE("a value that overflows half precision is an error that suggests bf16") {
  const Folder folder;
  lore_test::put(folder / "a", "old");
  lore::Matrix<float> table = lore::Matrix<float>::Zero(300, 400);
  table(17, 333) = -70000;
  SafetensorsWriter writer;
  writer.add_table("embeddings", FeatureMatrix::own(table), Storage::f16);
  const std::string message = io_message([&] { writer.write(folder / "a"); });
  CAPTURE(message);
  CHECK(has(message, (folder / "a").string()));
  CHECK(has(message, "tensor 'embeddings', row 333, column 17: got -70000"));
  CHECK(has(message, "at most 65504"));
  CHECK(has(message, "store it as BF16"));
  CHECK(lore_test::get(folder / "a") == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("other overflows suggest the next type that holds the value; NaN and infinity are kept") {
  const Folder folder;
  const auto message = [&](auto value, Storage storage) {
    using Scalar = decltype(value);
    SafetensorsWriter writer;
    writer.add_table(
        "t", FeatureMatrix::own(lore::Matrix<Scalar>(lore::Matrix<Scalar>::Constant(1, 1, value))), storage);
    return io_message([&] { writer.write(folder / "a"); });
  };
  CHECK(message(65519.0F, Storage::f16).empty());
  CHECK(has(message(65520.0F, Storage::f16), "store it as BF16"));
  CHECK(has(message(std::numeric_limits<float>::max(), Storage::bf16), "store it as F32"));
  CHECK(has(message(1e200, Storage::f16), "store it as F64"));
  CHECK(has(message(1e200, Storage::f32), "store it as F64"));
  CHECK(has(message(1e39, Storage::bf16), "store it as F64"));
  CHECK(message(std::numeric_limits<float>::infinity(), Storage::f16).empty());
  CHECK(std::isinf(SafetensorsFile::open(folder / "a").read_matrix<float>("t")(0, 0)));
  CHECK(message(std::numeric_limits<double>::quiet_NaN(), Storage::bf16).empty());
  CHECK(std::isnan(SafetensorsFile::open(folder / "a").read_matrix<float>("t")(0, 0)));
}

TEST_CASE("a tensor can be streamed as it is made") {
  const Folder folder;
  SafetensorsWriter writer;
  writer.add("t", Dtype::f32, {1000, 3}, [](const SafetensorsWriter::Append& append) {
    for (int i = 0; i < 1000; ++i) {
      const float row[3] = {static_cast<float>(i), 1, 2};
      append(row, sizeof row);
    }
  });
  writer.write(folder / "a");
  const lore::Matrix<float> back = SafetensorsFile::open(folder / "a").read_matrix<float>("t");
  CHECK(back(0, 999) == 999);
  CHECK(back(2, 0) == 2);
}

TEST_CASE("a source that gives more or fewer bytes than it said, or throws, leaves nothing") {
  const Folder folder;
  const int bytes = GENERATE(11, 13, -1);
  SafetensorsWriter writer;
  writer.add("t", Dtype::f32, {3}, [=](const SafetensorsWriter::Append& append) {
    if (bytes < 0) throw std::runtime_error("the caller's");
    for (int i = 0; i < bytes; ++i) append("x", 1);
  });
  if (bytes < 0)
    CHECK_THROWS_AS(writer.write(folder / "a"), std::runtime_error);
  else
    CHECK_THROWS_AS(writer.write(folder / "a"), std::invalid_argument);
  CHECK(folder.names().empty());
}

TEST_CASE("names and shapes that no file can have are refused") {
  SafetensorsWriter writer;
  const std::vector<float> values{1, 2};
  writer.add<float>("t", values);
  CHECK_THROWS_AS(writer.add<float>("t", values), std::domain_error);
  CHECK_THROWS_AS(writer.add<float>("__metadata__", values), std::domain_error);
  CHECK_THROWS_AS(writer.add<float>("u", values, {3}), std::invalid_argument);
  CHECK_THROWS_AS(writer.add<float>("u", values, {-1, -2}), std::domain_error);
  CHECK_THROWS_AS(writer.add("u", Dtype::f32, {Index{1} << 40, Index{1} << 40}, nullptr), std::domain_error);
  const Folder folder;
  SafetensorsWriter latin;
  latin.metadata("dataset", "caf\xe9");
  CHECK(has(io_message([&] { latin.write(folder / "a"); }), "UTF-8"));
  CHECK(folder.names().empty());
}
