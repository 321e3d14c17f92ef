// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>

#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/model/weight_map.hpp"

namespace lore {

/// How the published protocols draw the parameters that a user starts from.
enum class InitialParameters {
  normal,   ///< N(0, 1)
  uniform,  ///< U(0, 1)
};

namespace detail {

/// Draws a user's K parameters from the user's own stream, so that neither order nor number of users matters,
/// and takes them to origin + span(directions): for `Simplex` a common shift, which softmax ignores.
/// @param p  K, written
template <WeightMap Map, Writable P>
void draw_parameters(const Map& map, InitialParameters kind, std::uint64_t seed, Index user, P&& p) {
  const Index K = p.size();
  Rng rng = make_rng(seed, user);
  Vector<double> drawn(K), origin(K);
  if (kind == InitialParameters::normal)
    fill_normal(rng, drawn);
  else
    fill_uniform(rng, drawn);
  map.origin(origin);
  const Matrix<double> Q = map.template directions<double, Dynamic>(K);
  const Vector<double> coordinates = Q.transpose() * (drawn - origin);
  if (K > 1) origin += Q * coordinates;
  using Scalar = typename std::remove_cvref_t<P>::Scalar;
  p = origin.template cast<Scalar>();
}

}  // namespace detail
}  // namespace lore
