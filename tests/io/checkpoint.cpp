// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/checkpoint.hpp"

#include <limits>
#include <string>
#include <vector>

#include "lore/io/safetensors_writer.hpp"

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::FeatureMatrix;
using lore::Storage;
using lore::Vector;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {

const Vector<float> head = Vector<float>::LinSpaced(6, -1, 1.5F);

/// A shard with one head of shape [1, d] and another tensor.
void write_shard(const std::filesystem::path& path, const std::string& name, Storage storage) {
  lore::SafetensorsWriter out;
  out.add_table("model.layers.0.mlp.weight",
                FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Zero(6, 7))), Storage::bf16);
  out.add_table(name, FeatureMatrix::own(lore::Matrix<float>(head)), storage);
  out.write(path);
}

}  // namespace

TEST_CASE("a head is found in a file, in a folder and through the index of shards") {
  const Folder folder;
  const Storage storage = GENERATE(Storage::f32, Storage::bf16, Storage::f16);
  write_shard(folder / "model.safetensors", "score.weight", storage);
  CHECK(lore::read_named_tensor(folder / "model.safetensors", "score.weight") == head);
  CHECK(lore::read_named_tensor(folder.path(), "score.weight") == head);
  std::filesystem::rename(folder / "model.safetensors", folder / "model-00002-of-00004.safetensors");
  lore_test::put(
      folder / "model.safetensors.index.json",
      R"({"metadata":{"total_size":15},"weight_map":{"lm.weight":"model-00001-of-00004.safetensors",
                     "score.weight":"model-00002-of-00004.safetensors"}})");
  CHECK(lore::read_named_tensor(folder.path(), "score.weight") == head);
  CHECK(lore::read_reference_head(folder / "model.safetensors.index.json") == head);
}

TEST_CASE("a reference head may be a NumPy array") {
  const Folder folder;
  lore::write_npy(folder / "head.npy", FeatureMatrix::own(lore::Matrix<double>(head.cast<double>())));
  CHECK(lore::read_reference_head(folder / "head.npy") == head);
  const std::vector<float> flat(head.data(), head.data() + head.size());
  lore::write_npy<float>(folder / "flat.npy", flat);
  CHECK(lore::read_reference_head(folder / "flat.npy") == head);
  lore::write_npy(folder / "two.npy",
                  FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Zero(6, 2))));
  CHECK(has(io_message([&] { (void)lore::read_reference_head(folder / "two.npy"); }),
            "got the shape [2, 6], wanted [d] or [1, d]"));
}

TEST_CASE("a tensor that is missing is answered with the nearest names") {
  const Folder folder;
  write_shard(folder / "model.safetensors", "scores.weight", Storage::f32);
  const std::string in_file =
      io_message([&] { (void)lore::read_named_tensor(folder.path(), "score.weight"); });
  CAPTURE(in_file);
  CHECK(has(in_file, "tensor 'score.weight': not in the file; the nearest names are 'scores.weight'"));
  lore_test::put(folder / "model.safetensors.index.json",
                 R"({"weight_map":{"v_head.weight":"a","score.bias":"a","model.embed_tokens.weight":"a"}})");
  const std::string in_index =
      io_message([&] { (void)lore::read_named_tensor(folder.path(), "score.weight"); });
  CAPTURE(in_index);
  CHECK(has(in_index, "model.safetensors.index.json: tensor 'score.weight': not in the checkpoint"));
  CHECK(has(in_index, "'score.bias'"));
}

TEST_CASE("what is no checkpoint, or leaves its folder, is refused") {
  const Folder folder;
  const auto complaint = [&] {
    return io_message([&] { (void)lore::read_named_tensor(folder.path(), "score.weight"); });
  };
  CHECK(has(complaint(), "wanted a folder with model.safetensors.index.json or model.safetensors"));
  for (const std::string index : {"", "[]", "{", R"({"weight_map":3})", R"({"other":{}})"}) {
    lore_test::put(folder / "model.safetensors.index.json", index);
    CAPTURE(index);
    CHECK(has(complaint(), "wanted a JSON object with the object 'weight_map'"));
  }
  for (const std::string shard : {R"("../secret")", R"("/etc/passwd")", R"("..")", R"("")", "3"}) {
    lore_test::put(folder / "model.safetensors.index.json",
                   R"({"weight_map":{"score.weight":)" + shard + "}}");
    CAPTURE(shard);
    CHECK(has(complaint(), "wanted the name of a file in the same folder"));
  }
  lore_test::put(folder / "model.safetensors.index.json", R"({"weight_map":{"score.weight":"gone"}})");
  CHECK(has(complaint(), "gone: cannot open: No such file"));
}

TEST_CASE("a head that is not one finite vector is refused") {
  const Folder folder;
  lore::SafetensorsWriter two;
  two.add_table("score.weight", FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Zero(6, 2))),
                Storage::f32);
  two.write(folder / "model.safetensors");
  CHECK(has(io_message([&] { (void)lore::read_reference_head(folder.path()); }),
            "tensor 'score.weight': got the shape [2, 6], wanted [d] or [1, d]"));
  Vector<float> bad = head;
  bad(2) = std::numeric_limits<float>::quiet_NaN();
  lore::SafetensorsWriter nan;
  nan.add_table("score.weight", FeatureMatrix::own(lore::Matrix<float>(bad)), Storage::f32);
  nan.write(folder / "model.safetensors");
  CHECK(has(io_message([&] { (void)lore::read_reference_head(folder.path()); }), "got nan, wanted a finite"));
}
