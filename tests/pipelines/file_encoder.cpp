// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "file_encoder.hpp"

#include <limits>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/core/error.hpp"
#include "lore/io/npy.hpp"
#include "lore/io/safetensors_writer.hpp"

#include "json_lines.hpp"
#include "lore_catch.hpp"
#include "support.hpp"

using namespace lore_examples;
using lore_test::complaint_of;
using lore_test::contains;

namespace {

/// Row j of the file is (10 j, 10 j + 1, 10 j + 2).
lore::FeatureMatrix rows(Index count) {
  lore::Matrix<float> values(3, count);
  for (Index j = 0; j < count; ++j)
    for (Index k = 0; k < 3; ++k) values(k, j) = static_cast<float>(10 * j + k);
  return lore::FeatureMatrix::own<float>(std::move(values));
}

void write_safetensors(const std::filesystem::path& path, const lore::FeatureMatrix& table,
                       const std::string& name = "embeddings", lore::Storage storage = lore::Storage::f32) {
  lore::SafetensorsWriter writer;
  writer.add_table(name, table, storage);
  writer.write(path);
}

std::vector<EncodeItem> items_of(std::initializer_list<const char*> ids) {
  std::vector<EncodeItem> items;
  for (const char* id : ids) items.push_back({id, {{"user", "q"}, {"assistant", id}}});
  return items;
}

std::vector<float> firsts(FileEncoder& encoder, const std::vector<EncodeItem>& items,
                          lore::Storage storage = lore::Storage::f32) {
  Progress silent(false);
  const lore::FeatureMatrix table = encoder.encode(items, storage, silent);
  std::vector<float> out, column(static_cast<std::size_t>(table.dimension()));
  for (Index j = 0; j < table.count(); ++j) {
    table.load(j, column.data());
    out.push_back(column[0]);
  }
  return out;
}

}  // namespace

TEST_CASE("Rows are matched by order, from npy and safetensors") {
  const lore_test::Folder folder;
  lore::write_npy(folder / "e.npy", rows(3));
  write_safetensors(folder / "e.safetensors", rows(3));
  write_safetensors(folder / "other name.safetensors", rows(3), "vectors", lore::Storage::bf16);
  for (const char* name : {"e.npy", "e.safetensors", "other name.safetensors"}) {
    CAPTURE(name);
    FileEncoder encoder(folder / name);
    CHECK(firsts(encoder, items_of({"a", "b", "c"})) == std::vector<float>{0, 10, 20});
    CHECK(firsts(encoder, items_of({"a", "b", "c"}), lore::Storage::bf16) == std::vector<float>{0, 10, 20});
    CHECK(contains(complaint_of([&] {
                     (void)firsts(encoder, items_of({"a", "b"}));
                   }),
                   "got 3 rows, wanted 2"));
  }
  CHECK(FileEncoder(folder / "e.npy").name() == "file e.npy");
  CHECK(FileEncoder(folder / "other name.safetensors").preferred_storage() == lore::Storage::bf16);
}

TEST_CASE("Rows are matched by id, in any order, and unused rows are ignored") {
  const lore_test::Folder folder;
  lore::write_npy(folder / "e.npy", rows(4));
  const auto ids =
      folder.write("ids.jsonl", "{\"id\":\"c\"}\n{\"id\":\"a\"}\n{\"id\":\"unused\"}\n{\"id\":\"b\"}\n");
  FileEncoder encoder(folder / "e.npy", ids);
  CHECK(firsts(encoder, items_of({"a", "b", "c"})) == std::vector<float>{10, 30, 0});
  const std::string missing = complaint_of([&] { (void)firsts(encoder, items_of({"a", "x", "y"})); });
  CHECK(contains(missing, "ids.jsonl: got no row for 2 of 3"));
  CHECK(contains(missing, "'x'"));
}

TEST_CASE("Ids that do not fit the rows are refused") {
  const lore_test::Folder folder;
  lore::write_npy(folder / "e.npy", rows(2));
  const auto complaint = [&](const char* ids) {
    const auto path = folder.write("ids.jsonl", ids);
    return complaint_of([&] { FileEncoder encoder(folder / "e.npy", path); });
  };
  CHECK(contains(complaint("{\"id\":\"a\"}\n"), "got 1 ids, wanted one for each of the 2 rows"));
  CHECK(contains(complaint("{\"id\":\"a\"}\n{\"id\":\"a\"}\n"),
                 "ids.jsonl:2: field 'id': got 'a', as in row 1"));
  CHECK(contains(complaint("{\"id\":\"a\"}\n{\"name\":\"b\"}\n"), "ids.jsonl:2: field 'id': got nothing"));
  CHECK(
      contains(complaint("{\"id\":\"a\"}\n{\"id\":7}\n"), "ids.jsonl:2: field 'id': got 7, wanted a string"));
}

TEST_CASE("A value that is not finite, or too large for f16, is refused with its row") {
  const lore_test::Folder folder;
  lore::Matrix<float> values = lore::Matrix<float>::Ones(3, 2);
  values(1, 1) = std::numeric_limits<float>::quiet_NaN();
  lore::write_npy(folder / "nan.npy", lore::FeatureMatrix::own<float>(values));
  FileEncoder nan(folder / "nan.npy");
  CHECK(contains(complaint_of([&] {
                   (void)firsts(nan, items_of({"a", "b"}), lore::Storage::bf16);
                 }),
                 "row 1"));
  values(1, 1) = 1e6F;
  lore::write_npy(folder / "large.npy", lore::FeatureMatrix::own<float>(values));
  FileEncoder large(folder / "large.npy");
  CHECK(contains(complaint_of([&] {
                   (void)firsts(large, items_of({"a", "b"}), lore::Storage::f16);
                 }),
                 "bf16"));
}

TEST_CASE("Files without one clear matrix are refused") {
  const lore_test::Folder folder;
  lore::SafetensorsWriter writer;
  writer.add_table("one", rows(2), lore::Storage::f32);
  writer.add_table("two", rows(2), lore::Storage::f32);
  writer.write(folder / "two.safetensors");
  CHECK(contains(complaint_of([&] { FileEncoder encoder(folder / "two.safetensors"); }), "got 2 matrices"));
  CHECK_THROWS_AS(FileEncoder(folder / "absent.npy"), lore::io_error);
  CHECK_THROWS_AS(FileEncoder(folder.write("text.safetensors", "hello")), lore::io_error);
}

TEST_CASE("The texts file holds the conversations as they are and serves as ids file") {
  const lore_test::Folder folder;
  std::vector<EncodeItem> items{{"one", {{"user", "Line\nbreak \"q\" 数"}, {"assistant", "ü\\"}}},
                                {"two", {{"system", ""}, {"user", "u"}, {"assistant", "a"}}}};
  write_texts(folder / "texts.jsonl", items);
  JsonLines lines(folder / "texts.jsonl");
  for (const EncodeItem& item : items) {
    const auto row = lines.next();
    REQUIRE(row);
    CHECK((*row)["id"].text() == item.id);
    REQUIRE((*row)["messages"].size() == item.messages.size());
    for (std::size_t m = 0; m < item.messages.size(); ++m) {
      CHECK((*row)["messages"].at(m)["role"].text() == item.messages[m].role);
      CHECK((*row)["messages"].at(m)["content"].text() == item.messages[m].content);
    }
  }
  CHECK_FALSE(lines.next());
  lore::write_npy(folder / "e.npy", rows(2));
  FileEncoder encoder(folder / "e.npy", folder / "texts.jsonl");
  CHECK(firsts(encoder, {items[1], items[0]}) == std::vector<float>{10, 0});
}
