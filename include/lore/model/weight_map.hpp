// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <concepts>
#include <string_view>

#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// How a user's K parameters p become K weights w. Both maps have K - 1 degrees of freedom: p moves in
/// origin(K) + span(directions(K)), and priors and Newton steps work in the coordinates of those directions.
///   name()                       the word in a model file
///   origin(p)                    writes the parameters at coordinates zero
///   directions(K)                K x (K-1) with orthonormal columns
///   weights(p, w)                w = map(p)
///   pullback(p, w, gw, gp)       gp = (dw/dp)' gw
///   add_curvature(p, w, gw, H)   H += sum_k gw_k d2 w_k / dp dp'
/// dw/dp must be symmetric, as it is wherever w is a gradient of p: fits read it off pullbacks.
/// All vectors have K entries and may be fixed or dynamic; outputs are sized by the caller and may be blocks.
template <class Map>
concept WeightMap = requires(const Map& map, Vector<double>& p, const Vector<double>& c, Matrix<double>& H) {
  { Map::name() } -> std::convertible_to<std::string_view>;
  {map.template directions<double, Dynamic>(Index{2})};
  map.origin(p);
  map.weights(c, p);
  map.pullback(c, c, c, p);
  map.add_curvature(c, c, c, H);
};

/// w = softmax(p), p the logits: weights on the simplex (LoRe eq. 4). Directions are orthogonal to the vector
/// of ones.
struct Simplex {
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "simplex"; }

  template <Writable P>
  void origin(P&& p) const {
    p.setZero();
  }

  /// Helmert columns: column j is (1, .., 1, -(j+1), 0, ..) / sqrt((j+1)(j+2)).
  template <Real Scalar, int K>
  [[nodiscard]] auto directions(Index rank) const {
    constexpr int free = K == Dynamic ? Dynamic : K - 1;
    Matrix<Scalar, K, free> Q = Matrix<Scalar, K, free>::Zero(rank, rank - 1);
    for (Index j = 0; j + 1 < rank; ++j) {
      const Scalar scale = Scalar(1) / std::sqrt(static_cast<Scalar>((j + 1) * (j + 2)));
      Q.col(j).head(j + 1).setConstant(scale);
      Q(j + 1, j) = -static_cast<Scalar>(j + 1) * scale;
    }
    return Q;
  }

  template <class P, Writable W>
  void weights(const Eigen::MatrixBase<P>& p, W&& w) const {
    softmax(p, w.derived());
  }

  template <class P, class W, class G, Writable Out>
  void pullback(const Eigen::MatrixBase<P>&, const Eigen::MatrixBase<W>& w, const Eigen::MatrixBase<G>& gw,
                Out&& gp) const {
    softmax_pullback(w, gw, gp.derived());
  }

  /// sum_k g_k d2 softmax_k = diag(v) - v w' - w v' with v = w .* (g - w'g).
  template <class P, class W, class G, Writable Out>
  void add_curvature(const Eigen::MatrixBase<P>&, const Eigen::MatrixBase<W>& w,
                     const Eigen::MatrixBase<G>& gw, Out&& H) const {
    using Scalar = typename W::Scalar;
    const Scalar mean = w.dot(gw);
    for (Index a = 0; a < w.size(); ++a) {
      const Scalar va = w(a) * (gw(a) - mean);
      H(a, a) += va;
      for (Index b = 0; b < w.size(); ++b) H(a, b) -= va * w(b) + w(a) * (w(b) * (gw(b) - mean));
    }
  }
};

/// w = p = (1, delta): the first column is the population's reward, the others are deviations from it.
/// Linear, so a user's fit under a Gaussian prior is convex. p(0) is 1 and never moves: its pullback is 0.
struct Signed {
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "signed"; }

  template <Writable P>
  void origin(P&& p) const {
    p.setZero();
    p(0) = 1;
  }

  template <Real Scalar, int K>
  [[nodiscard]] auto directions(Index rank) const {
    constexpr int free = K == Dynamic ? Dynamic : K - 1;
    Matrix<Scalar, K, free> Q = Matrix<Scalar, K, free>::Zero(rank, rank - 1);
    for (Index j = 0; j + 1 < rank; ++j) Q(j + 1, j) = 1;
    return Q;
  }

  template <class P, Writable W>
  void weights(const Eigen::MatrixBase<P>& p, W&& w) const {
    w = p;
  }

  template <class P, class W, class G, Writable Out>
  void pullback(const Eigen::MatrixBase<P>&, const Eigen::MatrixBase<W>&, const Eigen::MatrixBase<G>& gw,
                Out&& gp) const {
    gp = gw;
    gp(0) = 0;
  }

  template <class P, class W, class G, Writable Out>
  void add_curvature(const Eigen::MatrixBase<P>&, const Eigen::MatrixBase<W>&, const Eigen::MatrixBase<G>&,
                     Out&&) const {}
};

/// Which map a fitted model uses, for files and reports.
enum class WeightMapKind { simplex, signed_deviations };

[[nodiscard]] constexpr std::string_view name_of(WeightMapKind kind) noexcept {
  return kind == WeightMapKind::simplex ? Simplex::name() : Signed::name();
}

}  // namespace lore
