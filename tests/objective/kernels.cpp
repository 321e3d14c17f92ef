// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/kernels.hpp"

#include <cstdint>
#include <cstring>
#include <vector>

#include "lore/core/random.hpp"

#include "lore_catch.hpp"

namespace {

using lore::Index;

template <class Scalar, class T>
struct Stored {
  using scalar = Scalar;
  using type = T;
};

using FloatOfFloat = Stored<float, float>;
using FloatOfHalf = Stored<float, Eigen::half>;
using FloatOfBfloat = Stored<float, Eigen::bfloat16>;
using DoubleOfDouble = Stored<double, double>;

}  // namespace

TEMPLATE_TEST_CASE("Kernels compute plain products for every shape and storage", "", FloatOfFloat,
                   FloatOfHalf, FloatOfBfloat, DoubleOfDouble) {
  using Scalar = typename TestType::scalar;
  using T = typename TestType::type;
  for (const Index d : {1, 7, 14, 33, 4096}) {
    lore::Rng rng(static_cast<std::uint64_t>(d));
    lore::Matrix<double> drawn(d, 9);
    lore::fill_normal(rng, drawn);
    const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> X =
        drawn.template cast<float>().template cast<T>();
    const lore::Matrix<double> exact = X.template cast<float>().template cast<double>();
    lore::Matrix<Scalar> V(d, 14), C(14, 9), before(d, 14);
    lore::fill_normal(rng, V);
    lore::fill_normal(rng, C);
    lore::fill_normal(rng, before);
    // Columns in any order, one of them twice.
    const Index order[] = {8, 1, 3, 3, 0, 7, 2, 5, 4};
    std::vector<const T*> address;
    lore::Matrix<double> picked(d, 9);
    for (const Index j : order) {
      picked.col(static_cast<Index>(address.size())) = exact.col(j);
      address.push_back(X.data() + j * d);
    }
    double worst_scores = 0, worst_products = 0;
    bool inside = true;
    for (Index rank = d == 4096 ? 5 : 1; rank <= 14; ++rank)
      for (Index m = d == 4096 ? 6 : 1; m <= 9; ++m) {
        // One number too many on either side shows a write out of bounds.
        std::vector<Scalar> Z(static_cast<std::size_t>(rank * m) + 2, Scalar(77));
        lore::detail::scores_of_columns<Scalar>(address.data(), m, d, V.data(), rank, Z.data() + 1);
        inside = inside && Z.front() == 77 && Z.back() == 77;
        const lore::Matrix<double> wanted =
            V.leftCols(rank).template cast<double>().transpose() * picked.leftCols(m);
        const Eigen::Map<const lore::Matrix<Scalar>> got(Z.data() + 1, rank, m);
        worst_scores = std::max(worst_scores, (got.template cast<double>() - wanted).cwiseAbs().maxCoeff());

        std::vector<Scalar> packed;
        for (Index j = 0; j < m; ++j)
          for (Index k = 0; k < rank; ++k) packed.push_back(C(k, j));
        std::vector<Scalar> G(static_cast<std::size_t>(d * rank) + 2, Scalar(77));
        std::memcpy(G.data() + 1, before.data(), sizeof(Scalar) * static_cast<std::size_t>(d * rank));
        lore::detail::add_outer_products<Scalar>(address.data(), m, d, packed.data(), rank, rank,
                                                 G.data() + 1, d);
        inside = inside && G.front() == 77 && G.back() == 77;
        const lore::Matrix<double> sum =
            before.leftCols(rank).template cast<double>() +
            picked.leftCols(m) * C.topLeftCorner(rank, m).template cast<double>().transpose();
        const Eigen::Map<const lore::Matrix<Scalar>> added(G.data() + 1, d, rank);
        worst_products =
            std::max(worst_products, (added.template cast<double>() - sum).cwiseAbs().maxCoeff());
      }
    CAPTURE(d);
    const double root = std::sqrt(static_cast<double>(d));
    CHECK(inside);
    CHECK(worst_scores < 10 * root * lore_test::tolerance<Scalar>(lore_test::Of::rounding));
    CHECK(worst_products < 10 * lore_test::tolerance<Scalar>(lore_test::Of::rounding));
  }
}

TEMPLATE_TEST_CASE("Every finite 16-bit number is widened exactly, subnormals and signed zeros too", "",
                   Eigen::half, Eigen::bfloat16) {
  constexpr Index lanes = lore::detail::lanes<float>;
  std::vector<TestType> stored(static_cast<std::size_t>(lanes));
  Index wrong = 0, checked = 0;
  for (std::uint32_t first = 0; first < 0x10000; first += static_cast<std::uint32_t>(lanes)) {
    for (Index l = 0; l < lanes; ++l)
      stored[static_cast<std::size_t>(l)] = Eigen::numext::bit_cast<TestType>(
          static_cast<std::uint16_t>(first + static_cast<std::uint32_t>(l)));
    float got[static_cast<std::size_t>(lanes)], plain[static_cast<std::size_t>(lanes)];
    Eigen::internal::pstoreu(got, lore::detail::load_packet<float>(stored.data()));
    Eigen::internal::pstoreu(plain, lore::detail::widen(stored.data()));
    for (Index l = 0; l < lanes; ++l) {
      const auto wanted = static_cast<float>(stored[static_cast<std::size_t>(l)]);
      if (!std::isfinite(wanted)) continue;
      ++checked;
      if (std::memcmp(&wanted, &got[l], sizeof wanted) != 0) ++wrong;
      if (std::memcmp(&wanted, &plain[l], sizeof wanted) != 0) ++wrong;
    }
  }
  CHECK(wrong == 0);
  CHECK(checked > 63000);
}
