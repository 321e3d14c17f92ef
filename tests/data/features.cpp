// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/data/features.hpp"

#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

using lore::Dynamic;
using lore::FeatureMatrix;
using lore::Features;
using lore::Index;
using lore::Matrix;
using lore::Storage;
using lore::Vector;

static_assert(lore::FeatureStore<Features, float>);
static_assert(lore::FeatureStore<Features, double>);
static_assert(lore::TableStore<Features>);

namespace {

/// 3 x 4 numbers that every storage type holds exactly.
Matrix<float> exact_values() {
  Matrix<float> values(3, 4);
  values << 1, -2, 0.5F, 0, 3, 0.25F, -8, 1.5F, 0, 16, -0.125F, 2;
  return values;
}

template <class T>
FeatureMatrix stored_as() {
  Eigen::Matrix<T, Dynamic, Dynamic> values = exact_values().cast<T>();
  return FeatureMatrix::own(std::move(values));
}

template <class Scalar, class Store>
Vector<Scalar> loaded(const Store& store, Index j) {
  Vector<Scalar> out = Vector<Scalar>::Constant(store.dimension(), Scalar(-99));
  store.load(j, out.data());
  return out;
}

}  // namespace

TEMPLATE_TEST_CASE("a dense store returns its columns from every storage type", "[features]", float, double) {
  const Matrix<TestType> expected = exact_values().cast<TestType>();
  for (const FeatureMatrix& table :
       {stored_as<float>(), stored_as<double>(), stored_as<Eigen::half>(), stored_as<Eigen::bfloat16>()}) {
    CAPTURE(std::string(lore::name_of(table.storage())));
    const Features features = Features::differences(table);
    CHECK(features.dimension() == 3);
    CHECK(features.size() == 4);
    CHECK_FALSE(features.indexed());
    for (Index j = 0; j < 4; ++j) CHECK(loaded<TestType>(features, j) == expected.col(j));
  }
}

TEMPLATE_TEST_CASE("an indexed store returns differences of its table's columns", "[features]", float,
                   double) {
  const Matrix<TestType> table_values = exact_values().cast<TestType>();
  const std::vector<Index> chosen{0, 3, 2, 1};
  const std::vector<Index> rejected{1, 0, 2, 0};
  for (const FeatureMatrix& table :
       {stored_as<float>(), stored_as<double>(), stored_as<Eigen::half>(), stored_as<Eigen::bfloat16>()}) {
    const Features features = Features::pairs(table, chosen, rejected);
    CHECK(features.indexed());
    CHECK(features.size() == 4);
    CHECK(features.table().count() == 4);
    for (Index j = 0; j < 4; ++j) {
      const auto at = static_cast<std::size_t>(j);
      CHECK(features.chosen(j) == chosen[at]);
      CHECK(loaded<TestType>(features, j) == table_values.col(chosen[at]) - table_values.col(rejected[at]));
    }
    // Exchanging chosen and rejected turns every comparison round.
    const Features swapped = Features::pairs(table, rejected, chosen);
    for (Index j = 0; j < 4; ++j) CHECK(loaded<TestType>(swapped, j) == -loaded<TestType>(features, j));
  }
}

TEST_CASE("doubles keep their precision, and halves round to nearest", "[features]") {
  Matrix<double> fine(1, 1);
  fine << 1 + 1e-12;
  CHECK(loaded<double>(Features::differences(FeatureMatrix::own(fine)), 0)(0) == 1 + 1e-12);
  lore::Rng rng = lore::make_rng(2);
  Matrix<float> values(16, 8);
  lore::fill_normal(rng, values);
  const auto relative_error = [&](const FeatureMatrix& table) {
    double worst = 0;
    for (Index j = 0; j < 8; ++j) {
      const Vector<float> back = loaded<float>(Features::differences(table), j);
      worst = std::max(worst, static_cast<double>(
                                  ((back - values.col(j)).array() / values.col(j).array()).abs().maxCoeff()));
    }
    return worst;
  };
  const Eigen::Matrix<Eigen::half, Dynamic, Dynamic> halves = values.cast<Eigen::half>();
  const Eigen::Matrix<Eigen::bfloat16, Dynamic, Dynamic> brains = values.cast<Eigen::bfloat16>();
  CHECK(relative_error(FeatureMatrix::own(values)) == 0);
  CHECK(relative_error(FeatureMatrix::own(halves)) < std::ldexp(1.0, -10));
  CHECK(relative_error(FeatureMatrix::own(brains)) <= std::ldexp(1.0, -8));
  CHECK(relative_error(FeatureMatrix::own(brains)) > 0);
}

TEST_CASE("copies of a store share the values, and a moved matrix is not copied", "[features]") {
  Matrix<float> values = exact_values();
  const float* before = values.data();
  const FeatureMatrix table = FeatureMatrix::own(std::move(values));
  CHECK(table.data() == before);
  const FeatureMatrix copy = table;
  CHECK(copy.data() == before);
}

TEST_CASE("a view keeps its memory alive", "[features]") {
  auto bytes = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::weak_ptr<std::vector<float>> watch = bytes;
  {
    const Features features =
        Features::differences(FeatureMatrix::view(bytes->data(), Storage::f32, 3, 2, bytes));
    bytes.reset();
    REQUIRE_FALSE(watch.expired());
    CHECK(loaded<float>(features, 1) == Vector<float, 3>(4, 5, 6));
  }
  CHECK(watch.expired());
}

TEST_CASE("stores refuse what cannot be", "[features]") {
  alignas(8) const unsigned char bytes[64] = {};
  CHECK_NOTHROW(FeatureMatrix::view(bytes, Storage::f64, 4, 2, nullptr));
  CHECK_NOTHROW(FeatureMatrix::view(bytes + 2, Storage::bf16, 4, 2, nullptr));
  CHECK_NOTHROW(FeatureMatrix::view(nullptr, Storage::f32, 4, 0, nullptr));
  CHECK_THROWS_AS(FeatureMatrix::view(bytes + 1, Storage::f16, 4, 2, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(FeatureMatrix::view(bytes + 2, Storage::f32, 4, 2, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(FeatureMatrix::view(bytes + 4, Storage::f64, 4, 2, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(FeatureMatrix::view(nullptr, Storage::f32, 4, 2, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(FeatureMatrix::view(bytes, Storage::f32, -1, 2, nullptr), std::invalid_argument);
  CHECK_THROWS_AS(FeatureMatrix::view(bytes, Storage::f32, 1, -2, nullptr), std::invalid_argument);
  const FeatureMatrix table = stored_as<float>();
  CHECK_THROWS_AS(Features::pairs(table, {0, 1}, {0}), std::invalid_argument);
  CHECK_THROWS_WITH(Features::pairs(table, {0, 4}, {0, 1}),
                    "lore::Features::pairs: chosen[1]: got 4, wanted a row below 4");
  CHECK_THROWS_AS(Features::pairs(table, {0, 1}, {0, -1}), std::domain_error);
  CHECK(Features::pairs(table, {}, {}).size() == 0);
}
