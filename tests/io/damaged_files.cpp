// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Valid files, damaged at random with a fixed seed: each opens and is valid, or is an io_error. Nothing else
// may be thrown and, under the sanitizers, no byte beyond the file may be read.
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lore/io/checkpoint.hpp"
#include "lore/io/model_file.hpp"
#include "lore/io/npy.hpp"
#include "lore/io/preference_file.hpp"

#include "io/support.hpp"
#include "lore_catch.hpp"

using lore::FeatureMatrix;
using lore::Index;
using lore_test::Folder;

namespace {

/// One of: bits flipped, a digit of the text changed, bytes cut off, removed, doubled, or the length
/// replaced.
std::string damage(std::string bytes, std::size_t text_size, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random()) % n; };
  for (std::size_t times = 1 + below(4); times > 0; --times) {
    const std::size_t place = below(3) == 0 ? below(bytes.size()) : below(std::min(text_size, bytes.size()));
    if (bytes.empty()) return bytes;
    switch (below(7)) {
      case 0:
        bytes[place] = static_cast<char>(static_cast<unsigned char>(bytes[place]) ^ (1U << below(8)));
        break;
      case 1: {
        const std::size_t digit = bytes.find_first_of("0123456789", place);
        if (digit != std::string::npos) bytes[digit] = static_cast<char>('0' + below(10));
        break;
      }
      case 2:
        bytes.resize(below(bytes.size()));
        break;
      case 3:
        bytes.erase(place, 1 + below(9));
        break;
      case 4:
        bytes.insert(place, bytes.substr(below(bytes.size()), 1 + below(9)));
        break;
      case 5:
        bytes[place] = static_cast<char>(below(256));
        break;
      default:
        bytes[below(std::min<std::size_t>(bytes.size(), 12))] = static_cast<char>(below(256));
        break;
    }
  }
  return bytes;
}

/// @return how many of the damaged files were refused
int refused(const std::filesystem::path& path, std::size_t text_size, int rounds,
            const std::function<void(const std::filesystem::path&)>& read) {
  const std::string good = lore_test::get(path);
  std::mt19937 random(20250417);
  int count = 0;
  for (int round = 0; round < rounds; ++round) {
    lore_test::put(path, damage(good, text_size, random));
    try {
      read(path);
    } catch (const lore::io_error& error) {
      ++count;
      if (std::string(error.what()).find(path.string()) != 0) FAIL_CHECK("no path in: " << error.what());
    } catch (const std::exception& error) {
      FAIL_CHECK("round " << round << " threw: " << error.what());
    }
  }
  return count;
}

lore::Preferences<> some_preferences(bool indexed) {
  lore::Preferences<> preferences;
  const auto table = FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Constant(3, 5, 0.25F)));
  preferences.features = std::make_shared<const lore::Features>(
      indexed ? lore::Features::pairs(table, {0, 1, 2, 3, 4}, {1, 2, 3, 4, 0})
              : lore::Features::differences(table));
  preferences.user = {0, 0, 1, 1, 2};
  using enum lore::Partition;
  preferences.partition = {seen_train, seen_test, unseen_few_shot, unseen_test, seen_train};
  preferences.group = {1, 2, 3, 4, 5};
  preferences.weight = {1, 1, 1, 1, 1};
  preferences.users = 3;
  preferences.user_names = {"a", "b", "c"};
  preferences.reference_head = lore::Vector<float>(lore::Vector<float>::Ones(3));
  return preferences;
}

}  // namespace

TEST_CASE("damaged preference files are valid or refused") {
  const Folder folder;
  const bool indexed = GENERATE(true, false);
  lore::write_preferences(folder / "p", some_preferences(indexed));
  const int count = refused(folder / "p", 900, 3000, [](const std::filesystem::path& path) {
    const lore::Preferences<> read = lore::read_preferences(path);
    read.validate();
    std::vector<float> x(static_cast<std::size_t>(read.dimension()));
    for (Index j = 0; j < read.size(); ++j) read.features->load(j, x.data());
  });
  CHECK(count > 1500);
  CHECK(count < 3000);
}

TEST_CASE("damaged model files are valid or refused") {
  const Folder folder;
  lore::RewardModel<float> model;
  model.basis = lore::Basis<float>(lore::Matrix<float>(lore::Matrix<float>::Ones(4, 2)));
  model.rank = 2;
  model.user = {0, 1};
  model.parameters = lore::Matrix<float>::Zero(2, 2);
  model.weights = lore::Matrix<float>::Constant(2, 2, 0.5F);
  model.prior.mean = lore::Vector<float>::Zero(2);
  model.prior.covariance = lore::Matrix<float>::Identity(2, 2);
  model.training["seed"] = "3";
  lore::write_model(folder / "m", model);
  const int count = refused(folder / "m", 700, 3000,
                            [](const std::filesystem::path& path) { lore::read_model(path).validate(); });
  CHECK(count > 1500);
  CHECK(count < 3000);
}

TEST_CASE("damaged NumPy arrays are valid or refused") {
  const Folder folder;
  lore::write_npy(folder / "a", FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Ones(4, 6))));
  const int count = refused(folder / "a", 80, 3000, [](const std::filesystem::path& path) {
    const FeatureMatrix table = lore::read_npy(path);
    std::vector<double> x(static_cast<std::size_t>(table.dimension()));
    for (Index j = 0; j < table.count(); ++j) table.load(j, x.data());
  });
  CHECK(count > 1500);
  CHECK(count < 3000);
}

TEST_CASE("a damaged checkpoint index is valid or refused") {
  const Folder folder;
  lore::SafetensorsWriter out;
  out.add_table("score.weight", FeatureMatrix::own(lore::Matrix<float>(lore::Matrix<float>::Ones(4, 1))),
                lore::Storage::f32);
  out.write(folder / "model.safetensors");
  lore_test::put(folder / "index.json",
                 R"({"metadata":{},"weight_map":{"score.weight":"model.safetensors"}})");
  const std::string good = lore_test::get(folder / "index.json");
  std::mt19937 random(5);
  int count = 0;
  for (int round = 0; round < 2000; ++round) {
    lore_test::put(folder / "index.json", damage(good, good.size(), random));
    try {
      (void)lore::read_reference_head(folder / "index.json");
    } catch (const lore::io_error&) {
      ++count;
    } catch (const std::exception& error) {
      FAIL_CHECK("round " << round << " threw: " << error.what());
    }
  }
  CHECK(count > 500);
}
