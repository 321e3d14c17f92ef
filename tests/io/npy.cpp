// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/npy.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::FeatureMatrix;
using lore::Index;
using lore::Storage;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {

/// The bytes of an .npy file as NumPy lays them out.
std::string npy(const std::string& dictionary, const std::string& data, char major = 1) {
  std::string header = dictionary;
  while ((header.size() + (major == 1 ? 10 : 12) + 1) % 64 != 0) header.push_back(' ');
  header.push_back('\n');
  std::string bytes = std::string("\x93NUMPY") + major + '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i)
    bytes.push_back(static_cast<char>((header.size() >> (8 * i)) & 0xff));
  return bytes + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" +
         shape + "), }";
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

lore::Matrix<double> dense(const FeatureMatrix& table) {
  lore::Matrix<double> values(table.dimension(), table.count());
  for (Index j = 0; j < table.count(); ++j) table.load(j, values.col(j).data());
  return values;
}

}  // namespace

TEST_CASE("a C-order array of any version of the format is d x n, in the order of its rows") {
  const Folder folder;
  const char major = GENERATE(char{1}, char{2}, char{3});
  lore_test::put(folder / "a.npy", npy(dictionary("<f4", "2, 3"), raw<float>({1, 2, 3, 4, 5, 6}), major));
  const FeatureMatrix table = lore::read_npy(folder / "a.npy");
  REQUIRE(table.dimension() == 3);
  REQUIRE(table.count() == 2);
  CHECK(table.storage() == Storage::f32);
  lore::Matrix<double> wanted(3, 2);
  wanted << 1, 4, 2, 5, 3, 6;
  CHECK(dense(table) == wanted);
}

TEST_CASE("a Fortran-order array has the same values as the C-order one") {
  const Folder folder;
  lore_test::put(folder / "f.npy", npy(dictionary("<f8", "2, 3", true), raw<double>({1, 4, 2, 5, 3, 6})));
  lore::Matrix<double> wanted(3, 2);
  wanted << 1, 4, 2, 5, 3, 6;
  CHECK(dense(lore::read_npy(folder / "f.npy")) == wanted);
}

TEST_CASE("one dimension is one vector; empty arrays stay empty") {
  const Folder folder;
  lore_test::put(folder / "v.npy", npy(dictionary("<f8", "3,"), raw<double>({1, 2, 3})));
  CHECK(lore::read_npy(folder / "v.npy").dimension() == 3);
  CHECK(lore::read_npy(folder / "v.npy").count() == 1);
  lore_test::put(folder / "e.npy", npy(dictionary("<f4", "0, 8"), ""));
  CHECK(lore::read_npy(folder / "e.npy").dimension() == 8);
  CHECK(lore::read_npy(folder / "e.npy").count() == 0);
}

TEST_CASE("tables and lists come back as they were written") {
  const Folder folder;
  const Storage storage = GENERATE(Storage::f32, Storage::f64, Storage::f16, Storage::bf16);
  lore::Matrix<float> values(4, 3);
  for (Index i = 0; i < values.size(); ++i) values(i) = static_cast<float>(i) - 5.5F;
  const FeatureMatrix table =
      storage == Storage::f32   ? FeatureMatrix::own(values)
      : storage == Storage::f64 ? FeatureMatrix::own(lore::Matrix<double>(values.cast<double>()))
      : storage == Storage::f16
          ? FeatureMatrix::own(Eigen::Matrix<Eigen::half, -1, -1>(values.cast<Eigen::half>()))
          : FeatureMatrix::own(Eigen::Matrix<Eigen::bfloat16, -1, -1>(values.cast<Eigen::bfloat16>()));
  lore::write_npy(folder / "t.npy", table);
  CHECK(dense(lore::read_npy(folder / "t.npy")) == values.cast<double>());
  CHECK((lore::read_npy(folder / "t.npy").storage() == storage) == (storage != Storage::bf16));

  const std::vector<std::int64_t> ids{3, -1, std::int64_t{1} << 62};
  lore::write_npy<std::int64_t>(folder / "i.npy", ids);
  CHECK(lore::read_npy_vector<std::int64_t>(folder / "i.npy") == ids);
  const std::vector<std::uint8_t> bytes;
  lore::write_npy<std::uint8_t>(folder / "u.npy", bytes);
  CHECK(lore::read_npy_vector<std::uint8_t>(folder / "u.npy").empty());
  CHECK(folder.names().size() == 3);
}

TEST_CASE("a damaged or foreign array is an io_error that says what was found and wanted") {
  const Folder folder;
  const auto complaint = [&](const std::string& bytes) {
    lore_test::put(folder / "a.npy", bytes);
    const std::string message = io_message([&] { (void)lore::read_npy(folder / "a.npy"); });
    if (!message.empty()) CHECK(has(message, (folder / "a.npy").string() + ": npy "));
    return message;
  };
  const std::string data = raw<float>({1, 2, 3, 4, 5, 6});
  const std::string good = npy(dictionary("<f4", "2, 3"), data);
  REQUIRE(complaint(good).empty());
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(complaint(good.substr(0, length)).empty());
  }
  CHECK(has(complaint(good + "x"), "npy data: got 25 bytes, wanted 24 bytes for the shape [2, 3] of F32"));
  CHECK(has(complaint("PK\3\4 a zip archive"), "wanted those of an .npy file"));
  CHECK(has(complaint(npy(dictionary("<f4", "2, 3"), data, 4)), "version: got 4, wanted 1, 2 or 3"));
  CHECK(has(complaint(npy(dictionary(">f4", "2, 3"), data)), "got '>f4', wanted little-endian"));
  CHECK(has(complaint(npy(dictionary("|O", "2, 3"), data)), "got '|O', wanted a plain number type"));
  CHECK(has(complaint(npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", data)),
            "a structured type"));
  CHECK(has(complaint(npy(dictionary("<i8", "3,"), data)), "got I64, wanted F16, F32 or F64"));
  CHECK(has(complaint(npy(dictionary("<f4", "1, 2, 3"), data)), "got [1, 2, 3], wanted [n, d] or [d]"));
  CHECK(has(complaint(npy(dictionary("<f4", "4611686018427387904, 4"), data)), "a product below 2^63 bytes"));
  CHECK(has(complaint(npy(dictionary("<f4", "-2, -3"), data)), "no whole number, 0 or above"));
  CHECK(has(complaint(npy(dictionary("<f4", "99999999999999999999"), data)), "no whole number"));
  CHECK(has(complaint(npy("{'descr': '<f4', 'shape': (2, 3)}", data)), "fewer keys"));
  CHECK(has(complaint(npy("{'descr': '<f4', 'descr': '<f4'}", data)), "a second time"));
  CHECK(has(complaint(npy("{'descr': '<f4', 'fortran_order': maybe}", data)), "other than True and False"));
  CHECK(has(complaint(npy("{'other': 3}", data)), "the key 'other'"));
  CHECK(has(complaint(npy(dictionary("<f4", "2, 3") + " more", data)), "text after the dictionary"));
  lore_test::put(folder / "a.npy", good);
  CHECK(has(io_message([&] { (void)lore::read_npy_vector<std::int64_t>(folder / "a.npy"); }),
            "got F32, wanted I64"));
}
