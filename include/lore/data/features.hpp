// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// How vectors lie in memory or in a file; arithmetic is always done in a `Real` scalar.
enum class Storage : std::uint8_t { f32, f16, bf16, f64 };

[[nodiscard]] constexpr std::size_t bytes_of(Storage storage) noexcept {
  return storage == Storage::f64 ? 8 : storage == Storage::f32 ? 4 : 2;
}

[[nodiscard]] constexpr std::string_view name_of(Storage storage) noexcept {
  switch (storage) {
    case Storage::f32:
      return "f32";
    case Storage::f16:
      return "f16";
    case Storage::bf16:
      return "bf16";
    case Storage::f64:
      return "f64";
  }
  return "unknown";
}

namespace detail {
template <class T>
struct storage_of;
template <>
struct storage_of<float> : std::integral_constant<Storage, Storage::f32> {};
template <>
struct storage_of<double> : std::integral_constant<Storage, Storage::f64> {};
template <>
struct storage_of<Eigen::half> : std::integral_constant<Storage, Storage::f16> {};
template <>
struct storage_of<Eigen::bfloat16> : std::integral_constant<Storage, Storage::bf16> {};
}  // namespace detail

/// A d x count matrix of vectors, one a column, in any `Storage`: owned, or a view of memory that somebody
/// else keeps alive (a mapped file). Copies are cheap and share the values, which never change.
///
/// An (n, d) C-order array of NumPy or safetensors has the same bytes as this d x n matrix.
class FeatureMatrix {
 public:
  FeatureMatrix() = default;

  /// Takes a dense matrix: `Matrix<float>`, `Matrix<double>`, or an Eigen matrix of `Eigen::half` or
  /// `Eigen::bfloat16`.
  /// @cost no copy when given an rvalue of a column-major matrix
  template <class T>
  [[nodiscard]] static FeatureMatrix own(Eigen::Matrix<T, Dynamic, Dynamic> values) {
    auto kept = std::make_shared<const Eigen::Matrix<T, Dynamic, Dynamic>>(std::move(values));
    return FeatureMatrix(kept->data(), detail::storage_of<T>::value, kept->rows(), kept->cols(), kept);
  }

  /// Views `dimension` x `count` values at `data`, aligned to their size; `keep_alive` is held as long as any
  /// copy.
  /// @throws std::invalid_argument when data is null or not aligned to the storage type, or a size is
  /// negative
  [[nodiscard]] static FeatureMatrix view(const void* data, Storage storage, Index dimension, Index count,
                                          std::shared_ptr<const void> keep_alive) {
    if (dimension < 0) detail::raise_shape("FeatureMatrix::view", "dimension", dimension, "0 or above");
    if (count < 0) detail::raise_shape("FeatureMatrix::view", "count", count, "0 or above");
    if (data == nullptr && dimension > 0 && count > 0)
      detail::raise_shape("FeatureMatrix::view", "data", "a null pointer", "the values");
    if (reinterpret_cast<std::uintptr_t>(data) % bytes_of(storage) != 0)
      detail::raise_shape("FeatureMatrix::view", "data", "an unaligned address",
                          "one aligned to the storage type");
    return FeatureMatrix(data, storage, dimension, count, std::move(keep_alive));
  }

  [[nodiscard]] Index dimension() const noexcept { return dimension_; }
  [[nodiscard]] Index count() const noexcept { return count_; }
  [[nodiscard]] Storage storage() const noexcept { return storage_; }
  [[nodiscard]] const void* data() const noexcept { return data_; }

  /// Calls f(const T* values) with T the stored type: float, double, Eigen::half or Eigen::bfloat16.
  template <class F>
  decltype(auto) visit(F&& f) const {
    switch (storage_) {
      case Storage::f64:
        return f(static_cast<const double*>(data_));
      case Storage::f16:
        return f(static_cast<const Eigen::half*>(data_));
      case Storage::bf16:
        return f(static_cast<const Eigen::bfloat16*>(data_));
      case Storage::f32:
        break;
    }
    return f(static_cast<const float*>(data_));
  }

  /// Writes column `column` to out[0..d), converted to Scalar. No bounds check: 0 <= column < count().
  template <Real Scalar>
  void load(Index column, Scalar* out) const {
    visit([&](const auto* values) {
      using T = std::remove_cvref_t<decltype(*values)>;
      using Column = Eigen::Matrix<T, Dynamic, 1>;
      Eigen::Map<Vector<Scalar>>(out, dimension_) =
          Eigen::Map<const Column>(values + column * dimension_, dimension_).template cast<Scalar>();
    });
  }

 private:
  FeatureMatrix(const void* data, Storage storage, Index dimension, Index count,
                std::shared_ptr<const void> keep)
      : data_(data), keep_(std::move(keep)), dimension_(dimension), count_(count), storage_(storage) {}

  const void* data_ = nullptr;
  std::shared_ptr<const void> keep_;
  Index dimension_ = 0;
  Index count_ = 0;
  Storage storage_ = Storage::f32;
};

/// Where the vectors of comparisons live. The simplest store a user can bring:
///   dimension()      d
///   size()           n, the number of comparisons
///   load(j, out)     writes x_j = e(chosen_j) - e(rejected_j) to out[0..d), 0 <= j < n; called from several
///   threads
template <class Store, class Scalar>
concept FeatureStore = Real<Scalar> && requires(const Store& store, Index j, Scalar* out) {
  { store.dimension() } -> std::convertible_to<Index>;
  { store.size() } -> std::convertible_to<Index>;
  store.load(j, out);
};

/// A store whose comparisons are pairs of columns of one `FeatureMatrix`, which the pass reads in place.
///   table()          the FeatureMatrix
///   indexed()        false: x_j is column j of the table; true: x_j = column chosen(j) - column rejected(j)
template <class Store>
concept TableStore = requires(const Store& store, Index j) {
  { store.table() } -> std::convertible_to<const FeatureMatrix&>;
  { store.indexed() } -> std::convertible_to<bool>;
  { store.chosen(j) } -> std::convertible_to<Index>;
  { store.rejected(j) } -> std::convertible_to<Index>;
};

/// The library's feature store: a dense matrix of differences, or an embedding table with index pairs.
class Features {
 public:
  Features() = default;

  /// Column j of `table` is x_j itself.
  [[nodiscard]] static Features differences(FeatureMatrix table) {
    Features features;
    features.size_ = table.count();
    features.table_ = std::move(table);
    return features;
  }

  /// x_j = column chosen[j] - column rejected[j] of `table`.
  /// @throws std::invalid_argument when the lists differ in length; std::domain_error on an index out of
  /// range
  [[nodiscard]] static Features pairs(FeatureMatrix table, std::vector<Index> chosen,
                                      std::vector<Index> rejected) {
    detail::check_size("Features::pairs", "rejected", static_cast<Index>(rejected.size()),
                       static_cast<Index>(chosen.size()));
    for (const auto* list : {&chosen, &rejected})
      for (std::size_t j = 0; j < list->size(); ++j)
        if ((*list)[j] < 0 || (*list)[j] >= table.count()) [[unlikely]]
          detail::raise_value(
              "Features::pairs",
              std::string(list == &chosen ? "chosen[" : "rejected[") + detail::to_text(j) + "]", (*list)[j],
              "a row below " + detail::to_text(table.count()));
    Features features;
    features.size_ = static_cast<Index>(chosen.size());
    features.table_ = std::move(table);
    features.chosen_ = std::move(chosen);
    features.rejected_ = std::move(rejected);
    features.indexed_ = true;
    return features;
  }

  [[nodiscard]] Index dimension() const noexcept { return table_.dimension(); }
  [[nodiscard]] Index size() const noexcept { return size_; }
  [[nodiscard]] bool indexed() const noexcept { return indexed_; }
  [[nodiscard]] const FeatureMatrix& table() const noexcept { return table_; }
  [[nodiscard]] Index chosen(Index j) const noexcept { return chosen_[static_cast<std::size_t>(j)]; }
  [[nodiscard]] Index rejected(Index j) const noexcept { return rejected_[static_cast<std::size_t>(j)]; }

  /// @cost O(d); allocates once a thread for an indexed table
  template <Real Scalar>
  void load(Index j, Scalar* out) const {
    if (!indexed_) return table_.load(j, out);
    thread_local std::vector<Scalar> other;
    other.resize(static_cast<std::size_t>(dimension()));
    table_.load(chosen(j), out);
    table_.load(rejected(j), other.data());
    Eigen::Map<Vector<Scalar>>(out, dimension()) -=
        Eigen::Map<const Vector<Scalar>>(other.data(), dimension());
  }

 private:
  FeatureMatrix table_;
  std::vector<Index> chosen_;
  std::vector<Index> rejected_;
  Index size_ = 0;
  bool indexed_ = false;
};

}  // namespace lore
