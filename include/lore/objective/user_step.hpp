// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <functional>

#include "lore/core/compiled.hpp"
#include "lore/core/types.hpp"
#include "lore/objective/pass.hpp"

namespace lore::detail {

/// A user step of a `Pass`, whatever it does: called once a user, so that the pass is compiled once for all
/// losses, weight maps and regularisers.
template <Real Scalar>
using UserStep =
    std::function<double(Index, const Eigen::Map<const Matrix<Scalar>>&, Eigen::Map<Matrix<Scalar>>&)>;

/// `Pass::value_and_gradient`.
template <Real Scalar, class Store>
[[gnu::noinline]] double value_and_gradient(Pass<Scalar, Store>& pass, const Matrix<Scalar>& V,
                                            const UserStep<Scalar>& step, Matrix<Scalar>& gradient) {
  return pass.value_and_gradient(V, step, gradient);
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE double value_and_gradient(Pass<float, Features>&, const Matrix<float>&,
                                                 const UserStep<float>&, Matrix<float>&);
#endif

}  // namespace lore::detail
