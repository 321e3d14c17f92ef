// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "embedding_table.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "lore/core/error.hpp"

namespace lore_examples {

using lore::Index;

EmbeddingTable::EmbeddingTable(Index dimension, Index count, lore::Storage storage)
    : dimension_(dimension), count_(count), storage_(storage) {
  if (dimension < 1) lore::detail::raise_shape("EmbeddingTable", "dimension", dimension, "at least 1");
  if (count < 0) lore::detail::raise_shape("EmbeddingTable", "count", count, "0 or above");
  if (storage == lore::Storage::f64)
    lore::detail::raise_shape("EmbeddingTable", "storage", name_of(storage), "f32, f16 or bf16");
  bytes_ = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(dimension) *
                                                    static_cast<std::size_t>(count) * bytes_of(storage));
}

void EmbeddingTable::store(Index column, const float* values) {
  constexpr const char* where = "EmbeddingTable::store";
  if (column < 0 || column >= count_)
    lore::detail::raise_shape(where, "column", column, "one below " + lore::detail::to_text(count_));
  const Eigen::Map<const lore::Vector<float>> from(values, dimension_);
  lore::detail::check_finite(where, "embedding " + lore::detail::to_text(column), from);
  std::byte* to = bytes_->data() + static_cast<std::size_t>(column * dimension_) * bytes_of(storage_);
  switch (storage_) {
    case lore::Storage::f16:
      for (Index k = 0; k < dimension_; ++k)
        if (std::abs(values[k]) >= 65520.0F)
          lore::detail::raise_value(where, "embedding " + lore::detail::to_text(column), values[k],
                                    "values that f16 can hold (up to 65504); store as bf16 or f32 instead");
      Eigen::Map<Eigen::Matrix<Eigen::half, Eigen::Dynamic, 1>>(reinterpret_cast<Eigen::half*>(to),
                                                                dimension_) = from.cast<Eigen::half>();
      break;
    case lore::Storage::bf16:
      Eigen::Map<Eigen::Matrix<Eigen::bfloat16, Eigen::Dynamic, 1>>(
          reinterpret_cast<Eigen::bfloat16*>(to), dimension_) = from.cast<Eigen::bfloat16>();
      break;
    case lore::Storage::f32:
    case lore::Storage::f64:
      Eigen::Map<lore::Vector<float>>(reinterpret_cast<float*>(to), dimension_) = from;
      break;
  }
}

lore::FeatureMatrix EmbeddingTable::finish() {
  auto bytes = std::exchange(bytes_, nullptr);
  const void* data = bytes->data();
  return lore::FeatureMatrix::view(data, storage_, dimension_, count_, std::move(bytes));
}

void for_each_in_parallel(Index count, const std::function<void(Index)>& work) {
  const auto cores = std::max<Index>(1, static_cast<Index>(std::thread::hardware_concurrency()));
  std::atomic<Index> next{0};
  std::exception_ptr first;
  std::mutex mutex;
  const auto run = [&] {
    try {
      for (Index i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (Index t = 1; t < std::min(cores, count); ++t) threads.emplace_back(run);
    run();
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace lore_examples
