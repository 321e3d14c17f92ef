// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/rotation.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/folds.hpp"
#include "lore/solve/dense.hpp"

namespace lore {

/// How far two fits found the same. Columns of V can be mixed at will; what can agree are margins. NaN where
/// a part is missing, such as what differs between users at rank 1.
struct Agreement {
  double common = std::numeric_limits<double>::quiet_NaN();  ///< cosine of the mean users' margins
  double personal =
      std::numeric_limits<double>::quiet_NaN();  ///< cosine of the margins' deviations from them
  double subspace =
      std::numeric_limits<double>::quiet_NaN();  ///< share of the personal variance, 0 .. 1, that
                                                 ///< lies in the other's directions; mean of both
  Vector<double> cosines;  ///< of the principal angles between the directions, descending
  Vector<double> axes;     ///< by principal axis of the first: share of it in the second's directions
};

/// A fit again and again: with other seeds on the same comparisons, and on parts of them.
template <Real Scalar>
struct Refits {
  std::vector<RewardModel<Scalar>> seeds;
  std::vector<RewardModel<Scalar>> folds;  ///< each on all folds but one; with two folds, on halves
};

/// What refits say of a model. Means over them, NaN without.
struct Identifiability {
  Agreement seeds;                         ///< the model and refits with other seeds
  Agreement folds;                         ///< the model and refits on parts of its data
  Agreement parts;                         ///< refits on parts among themselves; with two, independent data
  Index seed_refits = 0, fold_refits = 0;  ///< how many there were
};

namespace detail {

/// A model as far as margins on some comparisons go.
struct MarginSpace {
  Matrix<double> Z;         ///< K x n scores
  Matrix<double> W;         ///< K x users, centred over users
  Vector<double> mean;      ///< K
  Matrix<double> basis;     ///< K x r: basis'Z has orthonormal rows
  Vector<double> variance;  ///< r, of the principal axes
  std::vector<Index> user;
};

/// @param Z  K x n   @param W  K x users   @param user  ids
template <class Lazy = void>
[[nodiscard]] MarginSpace margin_space(Matrix<double> Z, Matrix<double> W, std::vector<Index> user);

template <Real Scalar, class Store>
[[nodiscard]] MarginSpace margin_space(const RewardModel<Scalar>& model, Pass<Scalar, Store>& pass) {
  return margin_space(pass.scores(model.basis.matrix()).template cast<double>(),
                      model.weights.template cast<double>(), model.user);
}

[[nodiscard]] inline double cosine(double product, double a, double b) {
  return a > 0 && b > 0 ? product / std::sqrt(a * b) : std::numeric_limits<double>::quiet_NaN();
}

template <class Lazy = void>
[[nodiscard]] Agreement agreement_of(const MarginSpace& a, const MarginSpace& b);

/// Means of each part; of cosines and axes as many as all have.
template <class Lazy = void>
[[nodiscard]] Agreement mean_agreement(const std::vector<Agreement>& all);

#ifndef LORE_COMPILED_ELSEWHERE

template <class Lazy>
MarginSpace margin_space(Matrix<double> Z, Matrix<double> W, std::vector<Index> user) {
  const RotatedBasis axes = principal_axes(Matrix<double>::Zero(1, Z.rows()), W, Z);
  MarginSpace out{std::move(Z), std::move(W), {}, axes.rotation, axes.variance, std::move(user)};
  out.mean = out.W.rowwise().mean();
  out.W.colwise() -= out.mean;
  for (Index k = 0; k < out.basis.cols(); ++k)
    out.basis.col(k) /= (out.basis.col(k).transpose() * out.Z).norm();
  return out;
}

template <class Lazy>
Agreement agreement_of(const MarginSpace& a, const MarginSpace& b) {
  Agreement out;
  const Matrix<double> cross = a.Z * b.Z.transpose(), aa = a.Z * a.Z.transpose(), bb = b.Z * b.Z.transpose();
  out.common = cosine(a.mean.dot(cross * b.mean), a.mean.dot(aa * a.mean), b.mean.dot(bb * b.mean));
  std::unordered_map<Index, Index> place;
  for (std::size_t j = 0; j < b.user.size(); ++j) place.emplace(b.user[j], static_cast<Index>(j));
  Matrix<double> A(a.W.rows(), a.W.cols()), B(b.W.rows(), a.W.cols());
  Index both = 0;
  for (std::size_t i = 0; i < a.user.size(); ++i) {
    const auto found = place.find(a.user[i]);
    if (found == place.end()) continue;
    A.col(both) = a.W.col(static_cast<Index>(i));
    B.col(both++) = b.W.col(found->second);
  }
  const auto product = [&](const Matrix<double>& left, const Matrix<double>& S, const Matrix<double>& right) {
    return (left.leftCols(both) * right.leftCols(both).transpose()).cwiseProduct(S).sum();
  };
  out.personal = cosine(product(A, cross, B), product(A, aa, A), product(B, bb, B));
  if (a.basis.cols() == 0 || b.basis.cols() == 0) return out;
  const Matrix<double> overlap = a.basis.transpose() * cross * b.basis;
  out.cosines = singular_values(overlap).cwiseMin(1.0);
  const Vector<double> squares = overlap.colwise().squaredNorm().transpose().cwiseMin(1.0);
  out.axes = overlap.rowwise().squaredNorm().cwiseMin(1.0);
  out.subspace =
      0.5 * (out.axes.dot(a.variance) / a.variance.sum() + squares.dot(b.variance) / b.variance.sum());
  return out;
}

template <class Lazy>
Agreement mean_agreement(const std::vector<Agreement>& all) {
  Agreement out;
  if (all.empty()) return out;
  const auto mean = [&](auto member) {
    double sum = 0;
    for (const Agreement& one : all) sum += one.*member;
    return sum / static_cast<double>(all.size());
  };
  const auto mean_vector = [&](auto member) {
    Index length = (all.front().*member).size();
    for (const Agreement& one : all) length = std::min(length, (one.*member).size());
    Vector<double> sum = Vector<double>::Zero(length);
    for (const Agreement& one : all) sum += (one.*member).head(length);
    return Vector<double>(sum / static_cast<double>(all.size()));
  };
  out.common = mean(&Agreement::common);
  out.personal = mean(&Agreement::personal);
  out.subspace = mean(&Agreement::subspace);
  out.cosines = mean_vector(&Agreement::cosines);
  out.axes = mean_vector(&Agreement::axes);
  return out;
}

#endif

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE MarginSpace margin_space<>(Matrix<double>, Matrix<double>, std::vector<Index>);
LORE_COMPILED_TEMPLATE Agreement agreement_of<>(const MarginSpace&, const MarginSpace&);
LORE_COMPILED_TEMPLATE Agreement mean_agreement<>(const std::vector<Agreement>&);
#endif

}  // namespace detail

/// Agreement of two models on some comparisons x_j. With a_ij = x_j' V (w_i - mean w) the personal margins,
///   personal = <a, b> / (||a|| ||b||) over the users of both,
/// cosines are those of the principal angles between the spaces that a and b span over the comparisons, and
///   subspace = sum_k variance_k (squared cosine of axis k to the other's space) / sum_k variance_k,
/// so that directions count as much as users use them. 1 is the same; unrelated directions of r in d
/// dimensions, equally spread, have r / d.
/// @throws std::invalid_argument when dimensions differ, or without users or comparisons
/// @cost  a reading of the comparisons a model, O((n + users) K^2 + K^3)   @ref Bjorck & Golub 1973
template <Real Scalar, class Store>
[[nodiscard]] Agreement agreement(const RewardModel<Scalar>& a, const RewardModel<Scalar>& b,
                                  const Comparisons<Store>& comparisons, const AnyExecutor& executor) {
  Pass<Scalar, Store> pass(comparisons, executor);
  return detail::agreement_of(detail::margin_space(a, pass), detail::margin_space(b, pass));
}

/// Fits again by fit(comparisons, seed), a `RewardModel` each time: with the seeds after `seed`, and on each
/// of `folds` folds' training parts (`make_folds`; 0 for none, else 2 or more).
/// @throws as `make_folds` and the fit   @cost seeds + folds fits
template <class Store, class Fit>
[[nodiscard]] auto refit(const Comparisons<Store>& comparisons, Index seeds, Index folds, std::uint64_t seed,
                         const Fit& fit) {
  using Model = decltype(fit(comparisons, seed));
  Refits<typename decltype(Model::weights)::Scalar> out;
  for (Index s = 1; s <= seeds; ++s)
    out.seeds.push_back(fit(comparisons, derive_seed(seed, static_cast<std::uint64_t>(s))));
  if (folds > 0)
    for (const Fold<Store>& fold : make_folds(comparisons, folds, seed))
      out.folds.push_back(fit(fold.train, seed));
  return out;
}

/// How well the data identify a model, from refits.
/// @throws as `agreement`   @cost a reading of the comparisons a model, O(refits^2 n K^2)
template <Real Scalar, class Store>
[[nodiscard]] Identifiability identifiability(const RewardModel<Scalar>& model, const Refits<Scalar>& refits,
                                              const Comparisons<Store>& comparisons,
                                              const AnyExecutor& executor) {
  Pass<Scalar, Store> pass(comparisons, executor);
  const detail::MarginSpace own = detail::margin_space(model, pass);
  const auto spaces = [&](const std::vector<RewardModel<Scalar>>& models) {
    std::vector<detail::MarginSpace> out;
    for (const RewardModel<Scalar>& other : models) out.push_back(detail::margin_space(other, pass));
    return out;
  };
  const auto with_model = [&](const std::vector<detail::MarginSpace>& others) {
    std::vector<Agreement> all;
    for (const detail::MarginSpace& other : others) all.push_back(detail::agreement_of(own, other));
    return detail::mean_agreement(all);
  };
  const std::vector<detail::MarginSpace> seeds = spaces(refits.seeds), folds = spaces(refits.folds);
  std::vector<Agreement> pairs;
  for (std::size_t a = 0; a < folds.size(); ++a)
    for (std::size_t b = a + 1; b < folds.size(); ++b)
      pairs.push_back(detail::agreement_of(folds[a], folds[b]));
  Identifiability out{with_model(seeds), with_model(folds), detail::mean_agreement(pairs)};
  out.seed_refits = static_cast<Index>(seeds.size());
  out.fold_refits = static_cast<Index>(folds.size());
  return out;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Identifiability identifiability(const RewardModel<float>&, const Refits<float>&,
                                                       const Comparisons<Features>&, const AnyExecutor&);
#endif

}  // namespace lore
