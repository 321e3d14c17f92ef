// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/safetensors.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::Dtype;
using lore::FeatureMatrix;
using lore::Index;
using lore::SafetensorsFile;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {

/// The header entry of one tensor.
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" +
         offsets + "]}";
}

/// What opening a file with these bytes complains of; "" when it opens.
std::string complaint(const std::string& bytes) {
  const Folder folder;
  lore_test::put(folder / "file.safetensors", bytes);
  const std::string message = io_message([&] { (void)SafetensorsFile::open(folder / "file.safetensors"); });
  if (!message.empty()) CHECK(has(message, (folder / "file.safetensors").string() + ": "));
  return message;
}

std::string header_complaint(const std::string& header, const std::string& data = {}) {
  return complaint(lore_test::safetensors(header, data));
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("a file written by other programs opens: metadata, order of bytes, padding, every type") {
  const Folder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt","note":"caf\u00e9"},)" + entry("second", "I64", "2", "8,24") + "," +
      entry("first", "F32", "1,2", "0,8") + "," + entry("scalar", "F64", "", "24,32") + "," +
      entry("none", "F32", "0,5", "32,32") + "," + entry("packed", "F4", "3,2", "32,35") + "," +
      entry("flag", "BOOL", "1", "35,36") + "}   ";
  lore_test::put(folder / "a",
                 lore_test::safetensors(header, raw<float>({1.5F, -2}) + raw<std::int64_t>({7, -8}) +
                                                    raw<double>({3}) + std::string(4, '\1')));
  const auto file = SafetensorsFile::open(folder / "a");
  CHECK(file.metadata().at("note") == "caf\u00e9");
  REQUIRE(file.tensors().size() == 6);
  CHECK(file.tensors().front().name == "first");
  CHECK(file.read_vector<std::int64_t>("second") == std::vector<std::int64_t>{7, -8});
  const lore::Matrix<double> first = file.read_matrix<double>("first");
  REQUIRE(first.rows() == 2);
  CHECK(first(0, 0) == 1.5);
  CHECK(first(1, 0) == -2);
  CHECK(file.info("scalar").shape.empty());
  CHECK(file.info("scalar").elements() == 1);
  CHECK(file.feature_matrix("none").count() == 0);
  CHECK(file.feature_matrix("none").dimension() == 5);
  CHECK(file.bytes("packed").size() == 3);
  CHECK(file.contains("flag"));
  CHECK_FALSE(file.contains("flags"));
}

TEST_CASE("an aligned table is mapped in place, an unaligned one is copied, with the same values") {
  const Folder folder;
  const bool odd = GENERATE(false, true);
  const std::string lead = odd ? "0,3" : "0,4";
  std::string header = "{" + entry("bytes", "U8", odd ? "3" : "4", lead) + "," +
                       entry("table", "F32", "2,3", odd ? "3,27" : "4,28") + "}";
  while ((header.size() + 8) % 8 != 0) header.push_back(' ');
  lore_test::put(folder / "a", lore_test::safetensors(
                                   header, std::string(odd ? 3 : 4, 'u') + raw<float>({1, 2, 3, 4, 5, 6})));
  FeatureMatrix table;
  bool in_place = false;
  {
    const auto file = SafetensorsFile::open(folder / "a");
    table = file.feature_matrix("table");
    in_place = table.data() == static_cast<const void*>(file.bytes("table").data());
  }  // the table alone keeps the mapping alive
  CHECK(in_place == !odd);
  REQUIRE(table.count() == 2);
  REQUIRE(table.dimension() == 3);
  std::vector<double> column(3);
  table.load(1, column.data());
  CHECK(column == std::vector<double>{4, 5, 6});
}

TEST_CASE("a header whose length is wrong is refused") {
  CHECK(has(complaint(""), "header length: got a file of 0 bytes"));
  CHECK(has(complaint("1234567"), "header length: got a file of 7 bytes"));
  const std::string good = lore_test::safetensors("{" + entry("a", "U8", "1", "0,1") + "}", "x");
  REQUIRE(complaint(good).empty());
  // Cut anywhere, it is an error: in the length, in the header, in the data.
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(complaint(good.substr(0, length)).empty());
  }
  const auto claiming = [&](std::uint64_t length) {
    std::string bytes = good;
    std::memcpy(bytes.data(), &length, 8);
    return complaint(bytes);
  };
  CHECK(has(claiming(1000), "header length: got 1000, wanted at most " + std::to_string(good.size() - 8)));
  CHECK(has(claiming(200'000'000), "wanted at most 100000000; this is not safetensors"));
  CHECK(has(claiming(~std::uint64_t{0}), "header length: got 18446744073709551615"));
  CHECK(has(claiming(~std::uint64_t{0} - 7), "header length"));
  CHECK_FALSE(claiming(good.size() - 8).empty());
  CHECK_FALSE(claiming(good.size() - 10).empty());
  CHECK_FALSE(claiming(0).empty());
}

TEST_CASE("a header that is no such JSON is refused, with the place") {
  CHECK(has(header_complaint("[]"), "begins with '{'"));
  CHECK(has(header_complaint("{\"a\":"), "not valid JSON"));
  CHECK(has(header_complaint("{} x"), "not valid JSON"));
  CHECK(has(header_complaint("{\"\xff\":1}"), "not valid JSON"));
  CHECK(has(header_complaint("{\"a\":3}"), "'a': got the number 3, wanted an object"));
  CHECK(has(header_complaint("{\"a\":" + std::string(100'000, '[')), "'a': got a list, wanted an object"));
  CHECK(has(header_complaint("{\"a\":{\"b\":1}}"), "tensor 'a': got the key 'b', wanted dtype, shape"));
  CHECK(has(header_complaint("{\"a\":{\"dtype\":\"F32\"}}"), "tensor 'a': wanted all of dtype, shape and"));
  CHECK(has(header_complaint("{" + entry("a", "F33", "1", "0,4") + "}"),
            "tensor 'a': dtype: got the type 'F33'"));
  CHECK(
      has(header_complaint("{" + entry("a", "F32", "-1", "0,4") + "}"), "tensor 'a': shape: got a negative"));
  CHECK(
      has(header_complaint("{" + entry("a", "F32", "1.0", "0,4") + "}"), "tensor 'a': shape: got a number"));
  CHECK(has(header_complaint("{" + entry("a", "F32", "[1]", "0,4") + "}"), "tensor 'a': shape: got a list"));
  CHECK(has(header_complaint("{" + entry("a", "F32", "9223372036854775808", "0,4") + "}"),
            "tensor 'a': shape"));
  CHECK(has(header_complaint("{" + entry("a", "F32", "1", "0") + "}"),
            "data_offsets: got 1 numbers, wanted 2"));
  CHECK(has(header_complaint("{" + entry("a", "F32", "1", "0,4,8") + "}"), "data_offsets: got the number 8"));
  CHECK(
      has(header_complaint("{" + entry("a", "F32", "1", "0,\"4\"") + "}"), "data_offsets: got the text '4'"));
  CHECK(has(header_complaint("{\"__metadata__\":{\"k\":1}}"), "key 'k': got the number 1, wanted a text"));
  CHECK(has(header_complaint("{\"__metadata__\":[]}"), "'__metadata__': got a list, wanted an object"));
  CHECK(has(header_complaint("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"), "the key 'k' comes twice"));
  CHECK(has(
      header_complaint("{" + entry("a", "U8", "1", "0,1") + "," + entry("a", "U8", "1", "1,2") + "}", "xy"),
      "the name 'a' comes twice"));
  CHECK(has(header_complaint("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}"), "the key 'dtype' comes twice"));
}

TEST_CASE("offsets and shapes that do not describe the data are refused") {
  const std::string data(16, 'd');
  const auto one = [&](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return header_complaint("{" + entry("t", dtype, shape, offsets) + "}", data);
  };
  CHECK(one("F32", "4", "0,16").empty());
  CHECK(has(one("F32", "5", "0,20"),
            "tensor 't': got data_offsets up to byte 20, wanted at most the 16 bytes"));
  CHECK(has(one("F32", "4", "16,0"), "tensor 't': got data_offsets [16, 0]"));
  CHECK(has(one("F32", "3", "0,16"), "span 16 bytes, wanted 12 bytes for the shape [3] of F32"));
  CHECK(has(one("F32", "3", "0,12"), "data: got 16 bytes, wanted 12 bytes"));
  CHECK(has(one("F32", "3", "4,16"), "tensor 't': got first byte 4, which leaves a hole before it"));
  CHECK(has(one("F32", "4", "18446744073709551600,18446744073709551615"), "tensor 't': got data_offsets"));
  CHECK(has(one("F32", "4294967296,4294967296", "0,16"), "fewer than 2^63 elements"));
  CHECK(has(one("F32", "4611686018427387905,4", "0,16"), "fewer than 2^63"));
  CHECK(has(one("F64", "2305843009213693954", "0,16"), "fewer than 2^63 bits"));
  CHECK(has(one("F4", "3", "0,1"), "a whole number of bytes"));
  const std::string overlap = header_complaint(
      "{" + entry("a", "F32", "2", "0,8") + "," + entry("b", "F32", "3", "4,16") + "}", data);
  CAPTURE(overlap);
  CHECK(has(overlap, "tensor 'b': got first byte 4, which overlaps tensor 'a', wanted first byte 8"));
  CHECK(has(header_complaint(
                "{" + entry("a", "F32", "4", "0,16") + "," + entry("b", "F32", "4", "0,16") + "}", data),
            "overlaps tensor 'a'"));
}

TEST_CASE("asking for a tensor in another way than it is stored names what was found and wanted") {
  const Folder folder;
  lore_test::put(folder / "a", lore_test::safetensors("{" + entry("embeddings", "F32", "1,2", "0,8") + "," +
                                                          entry("user", "I64", "1", "8,16") + "}",
                                                      std::string(16, '\0')));
  const auto file = SafetensorsFile::open(folder / "a");
  CHECK(has(io_message([&] { (void)file.info("embedding"); }),
            "tensor 'embedding': not in the file; the nearest names are 'embeddings', 'user'"));
  CHECK(
      has(io_message([&] { (void)file.read_vector<float>("user"); }), "tensor 'user': got I64, wanted F32"));
  CHECK(has(io_message([&] { (void)file.read_vector<float>("embeddings"); }),
            "tensor 'embeddings': got the shape [1, 2], wanted one dimension"));
  CHECK(has(io_message([&] { (void)file.read_vector<std::int64_t>("user", Index{3}); }),
            "tensor 'user': got the shape [1], wanted [3]"));
  CHECK(has(io_message([&] { (void)file.feature_matrix("user"); }),
            "tensor 'user': got I64, wanted F32, F16, BF16 or F64"));
  CHECK(has(io_message([&] { file.require_shape("user", {2, 2}); }), "got the shape [1], wanted [2, 2]"));
  CHECK(has(io_message([&] { file.require_format("lore.model", "1"); }),
            "metadata 'format': got nothing, wanted 'lore.model'"));
}
