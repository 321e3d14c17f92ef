// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/data/preferences.hpp"

namespace lore_test {

using lore::Index;

/// Comparisons with ids 0 .. from dense differences (d x n) and how many each user has.
template <class Scalar>
[[nodiscard]] lore::Comparisons<> comparisons_of(const lore::Matrix<Scalar>& X,
                                                 const std::vector<Index>& counts) {
  lore::Comparisons<> out;
  out.features = std::make_shared<const lore::Features>(
      lore::Features::differences(lore::FeatureMatrix::own<Scalar>(X)));
  out.offset.push_back(0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out.user.push_back(static_cast<Index>(i));
    out.offset.push_back(out.offset.back() + counts[i]);
  }
  for (Index j = 0; j < X.cols(); ++j) out.column.push_back(j);
  return out;
}

/// Users who mix `rank` random reward directions (Dirichlet 0.4, margins of deviation `margin`) and choose by
/// Bradley-Terry.
template <class Scalar>
struct Population {
  lore::Matrix<Scalar> X;        ///< d x n
  lore::Matrix<double> B;        ///< d x rank
  lore::Matrix<double> weights;  ///< rank x users
  lore::Comparisons<> comparisons;
};

template <class Scalar>
[[nodiscard]] Population<Scalar> population(Index d, Index rank, Index users, Index each, std::uint64_t seed,
                                            double margin = 4) {
  lore::Rng rng(seed);
  Population<Scalar> out;
  lore::Matrix<double> X(d, users * each);
  out.B.resize(d, rank);
  out.weights.resize(rank, users);
  lore::fill_normal(rng, X);
  lore::fill_normal(rng, out.B);
  out.B *= margin / std::sqrt(static_cast<double>(d));
  for (Index i = 0; i < users; ++i) {
    out.weights.col(i) = lore::dirichlet(rng, 0.4, rank);
    for (Index j = i * each; j < (i + 1) * each; ++j)
      if (!lore::bernoulli(rng, lore::sigmoid(X.col(j).dot(out.B * out.weights.col(i))))) X.col(j) *= -1;
  }
  out.X = X.template cast<Scalar>();
  out.comparisons = comparisons_of<Scalar>(out.X, std::vector<Index>(static_cast<std::size_t>(users), each));
  return out;
}

}  // namespace lore_test
