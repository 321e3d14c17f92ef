// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/spectrum.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/solve/dense.hpp"

namespace lore::detail {

/// The comparisons seen through a subspace of few directions, which grows: p_j = Q'x_j in place of x_j. A
/// basis V = Q A has the margins of A on the p_j and the norms of A, so that a fit with a ridge is the same
/// fit within the subspace, on much smaller features.
template <Real Scalar>
class Subspace {
 public:
  static constexpr Index most_directions = 512;  ///< of all; beyond that the features themselves serve
  static constexpr Index users_apart = 64;       ///< so many users add a direction each, more users mixtures
  static constexpr Index mixtures = 48;

  /// Whether the coordinates are much less to read than the features.
  template <class Store>
  [[nodiscard]] static bool pays(const Pass<Scalar, Store>& pass, Index rank) {
    const Index d = pass.comparisons().dimension();
    return d >= most_directions && pass.vectors() * d >= pass.comparisons().size() * most_directions &&
           8 * rank <= most_directions;
  }

  [[nodiscard]] Index size() const noexcept { return basis_.cols(); }
  [[nodiscard]] bool full() const noexcept { return size() + users_apart > most_directions; }
  [[nodiscard]] const Matrix<Scalar>& basis() const noexcept { return basis_; }  ///< Q, d x r, orthonormal
  [[nodiscard]] const Comparisons<>& comparisons() const noexcept { return comparisons_; }
  [[nodiscard]] const Spectrum<Scalar>& spectrum() const noexcept { return spectrum_; }  ///< of the p_j

  /// Answers as they are now: a fit may change them after the subspace grew.
  void take_answers(const std::vector<Answer>& answer) {
    if (size() > 0) comparisons_.answer = answer;
  }

  /// The spectrum of the features themselves, as far as the subspace knows it.
  /// @param total  sum_j omega_j ||x_j||^2
  [[nodiscard]] Spectrum<Scalar> spectrum_of_features(double total) const;

  /// V less its part in the subspace.
  [[nodiscard]] Matrix<Scalar> outside(const Matrix<Scalar>& V, const AnyExecutor& executor) const;

  /// Adds what the columns of `along` have outside, and the leading directions of the users' gradients h_i =
  /// sum_j slope_j x_ij outside: each user's where there are few, random mixtures of them otherwise. Two
  /// readings of the data, one without slopes.
  template <class Store>
  void grow(Pass<Scalar, Store>& pass, const Matrix<Scalar>& along, const Vector<double>* slopes,
            std::uint64_t seed);

 private:
  template <class Store>
  [[nodiscard]] static Matrix<Scalar> user_gradients(Pass<Scalar, Store>& pass, const Vector<double>& slopes,
                                                     std::uint64_t seed);

  /// Orthonormal directions outside, all of `along` and the leading ones of `gradients`.
  [[nodiscard]] Matrix<Scalar> directions(const Matrix<Scalar>& along, const Matrix<Scalar>& gradients,
                                          const AnyExecutor& executor) const;

  /// An orthonormal basis of the leading directions of M, orthogonal to the subspace.
  [[nodiscard]] Matrix<Scalar> leading_columns(const Matrix<Scalar>& M, const AnyExecutor& executor) const;

  /// Q <- [Q, added], with the coordinates, their second moment and its spectrum.
  template <class Store>
  void append(const Matrix<Scalar>& added, const Matrix<Scalar>& coordinates,
              const Pass<Scalar, Store>& pass);

  Matrix<Scalar> basis_;
  Comparisons<> comparisons_;
  Matrix<double> second_moment_;  ///< sum_j omega_j p_j p_j'
  Spectrum<Scalar> spectrum_;
};

template <Real Scalar>
Spectrum<Scalar> Subspace<Scalar>::spectrum_of_features(double total) const {
  const double others = std::max(total - spectrum_.values.sum(), 0.0);
  return {times<Scalar>(basis_, spectrum_.vectors), spectrum_.values,
          others / static_cast<double>(std::max<Index>(basis_.rows() - size(), 1))};
}

template <Real Scalar>
Matrix<Scalar> Subspace<Scalar>::outside(const Matrix<Scalar>& V, const AnyExecutor& executor) const {
  Matrix<Scalar> out = V;
  if (size() > 0)
    executor.for_each((V.cols() + 7) / 8, [&](Index b) {
      auto part = out.middleCols(8 * b, std::min<Index>(8, V.cols() - 8 * b));
      part -= times<Scalar>(basis_, transposed_times<Scalar>(basis_, part));
    });
  return out;
}

template <Real Scalar>
template <class Store>
void Subspace<Scalar>::grow(Pass<Scalar, Store>& pass, const Matrix<Scalar>& along,
                            const Vector<double>* slopes, std::uint64_t seed) {
  Matrix<Scalar> gradients(along.rows(), 0);
  if (slopes != nullptr) gradients = user_gradients(pass, *slopes, seed);
  const Matrix<Scalar> added = directions(along, gradients, pass.executor());
  if (added.cols() > 0) append(added, pass.scores(added), pass);
}

template <Real Scalar>
template <class Store>
Matrix<Scalar> Subspace<Scalar>::user_gradients(Pass<Scalar, Store>& pass, const Vector<double>& slopes,
                                                std::uint64_t seed) {
  const Index users = pass.comparisons().users();
  Matrix<Scalar> mix;
  if (users <= users_apart) {
    mix = Matrix<Scalar>::Identity(users, users);
  } else {
    mix.resize(mixtures, users);
    Rng rng(seed);
    fill_normal(rng, mix);
  }
  Matrix<Scalar> out, unused;
  using Column = typename Pass<Scalar, Store>::Column;
  const auto known = [&](Index, Index first, const Column& t, Column& g) {
    g = slopes.segment(first, t.size()).template cast<Scalar>();
    return 0.0;
  };
  pass.value_and_gradients(Matrix<Scalar>::Zero(pass.comparisons().dimension(), mix.rows()), mix, known, out,
                           unused);
  return out;
}

template <Real Scalar>
Matrix<Scalar> Subspace<Scalar>::directions(const Matrix<Scalar>& along, const Matrix<Scalar>& gradients,
                                            const AnyExecutor& executor) const {
  Matrix<Scalar> all(along.rows(), along.cols() + gradients.cols());
  all.leftCols(along.cols()) = along;
  all.rightCols(gradients.cols()) = gradients;
  Matrix<Scalar> rest = outside(all, executor);
  double largest = 0;
  Vector<double> norm(all.cols());
  for (Index k = 0; k < all.cols(); ++k) {
    norm(k) = static_cast<double>(rest.col(k).norm());
    if (norm(k) < 1e-4 * static_cast<double>(all.col(k).norm())) norm(k) = 0;  // rounding
    largest = std::max(largest, norm(k));
  }
  for (Index k = 0; k < all.cols(); ++k)  // columns of `along` as long as the longest: none is left out
    rest.col(k) *= static_cast<Scalar>(norm(k) == 0 ? 0 : k < along.cols() ? largest / norm(k) : 1);
  return leading_columns(rest, executor);
}

template <Real Scalar>
Matrix<Scalar> Subspace<Scalar>::leading_columns(const Matrix<Scalar>& M, const AnyExecutor& executor) const {
  const Matrix<double> wide = M.template cast<double>();
  const PositiveEigen eigen = eigen_of_positive(transposed_times<double>(wide, wide));
  const Index count = (eigen.values.array() > 1e-6 * eigen.values.maxCoeff()).count();
  if (count == 0) return Matrix<Scalar>(M.rows(), 0);
  Matrix<Scalar> factor =
      (eigen.vectors.leftCols(count) * eigen.values.head(count).cwiseSqrt().cwiseInverse().asDiagonal())
          .template cast<Scalar>();
  const Matrix<Scalar> U = outside(times<Scalar>(M, factor), executor);
  return orthonormalised(U.template cast<double>()).template cast<Scalar>();
}

template <Real Scalar>
template <class Store>
void Subspace<Scalar>::append(const Matrix<Scalar>& added, const Matrix<Scalar>& coordinates,
                              const Pass<Scalar, Store>& pass) {
  const Index before = size(), r = before + added.cols(), n = coordinates.cols();
  const auto& whole = pass.comparisons();
  const Scalar* old =
      before > 0 ? static_cast<const Scalar*>(comparisons_.features->table().data()) : nullptr;
  Matrix<Scalar> P(r, n);
  constexpr Index blocks = 16;
  std::vector<Matrix<Scalar>> part(static_cast<std::size_t>(blocks));
  pass.executor().for_each(blocks, [&](Index b) {
    const Index begin = n * b / blocks, count = n * (b + 1) / blocks - begin;
    if (before > 0)
      P.block(0, begin, before, count) =
          Eigen::Map<const Matrix<Scalar>>(old + begin * before, before, count);
    Matrix<Scalar> fresh = coordinates.middleCols(begin, count);
    P.block(before, begin, added.cols(), count) = fresh;
    if (!whole.weight.empty())
      for (Index j = 0; j < count; ++j)
        fresh.col(j) *= static_cast<Scalar>(whole.weight[static_cast<std::size_t>(begin + j)]);
    part[static_cast<std::size_t>(b)] = times_transposed<Scalar>(P.middleCols(begin, count), fresh);
  });
  Matrix<double> product = Matrix<double>::Zero(r, added.cols());
  for (const auto& M : part) product += M.template cast<double>();
  Matrix<double> moment(r, r);
  moment.topLeftCorner(before, before) = second_moment_;
  moment.rightCols(added.cols()) = product;
  moment.bottomLeftCorner(added.cols(), before) = product.topRows(before).transpose();
  second_moment_ = std::move(moment);
  Matrix<Scalar> Q(added.rows(), r);
  if (before > 0) Q.leftCols(before) = basis_;
  Q.rightCols(added.cols()) = added;
  basis_ = std::move(Q);

  PositiveEigen eigen = eigen_of_positive(second_moment_);
  spectrum_.vectors = eigen.vectors.template cast<Scalar>();
  spectrum_.values = std::move(eigen.values);
  spectrum_.rest = spectrum_.values.minCoeff();

  comparisons_.user = whole.user;
  comparisons_.offset = whole.offset;
  comparisons_.weight = whole.weight;
  comparisons_.answer = whole.answer;
  comparisons_.column.resize(static_cast<std::size_t>(n));
  std::iota(comparisons_.column.begin(), comparisons_.column.end(), Index{0});
  comparisons_.features =
      std::make_shared<const Features>(Features::differences(FeatureMatrix::own<Scalar>(std::move(P))));
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE class Subspace<float>;
LORE_COMPILED_TEMPLATE void Subspace<float>::grow(Pass<float, Features>&, const Matrix<float>&,
                                                  const Vector<double>*, std::uint64_t);
#endif

}  // namespace lore::detail
