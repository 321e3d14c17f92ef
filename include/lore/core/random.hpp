// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

/// Random numbers from an engine that the caller passes. No distribution of the standard library is used,
/// since the standard leaves their results open: integers, permutations and samples are the same on every
/// platform, and real numbers agree up to the last digits of the platform's log and exp.
namespace lore {

/// The engine of this library's own fits and simulations; the standard specifies it word by word.
using Rng = std::mt19937_64;

/// Any engine that yields all 64-bit words with equal probability.
template <class E>
concept RandomEngine = std::uniform_random_bit_generator<std::remove_reference_t<E>> &&
    std::remove_reference_t<E>::min()
== 0 && std::remove_reference_t<E>::max() == std::numeric_limits<std::uint64_t>::max();

static_assert(RandomEngine<Rng>);

namespace detail {

/// One step of SplitMix64: a bijection of 64 bits that spreads every input bit over the output.
[[nodiscard]] constexpr std::uint64_t split_mix(std::uint64_t z) noexcept {
  z += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

/// Uniform on the midpoints (k + 1/2) 2^-52 of (0, 1): never 0, never 1, symmetric about 1/2. One word.
template <RandomEngine Engine>
[[nodiscard]] double uniform_open(Engine& rng) {
  return (static_cast<double>(static_cast<std::uint64_t>(rng()) >> 12) + 0.5) * 0x1p-52;
}

/// c[0] + c[1] t + ... + c[7] t^7
[[nodiscard]] constexpr double polynomial(const std::array<double, 8>& c, double t) noexcept {
  double sum = c[7];
  for (std::size_t i = 7; i-- > 0;) sum = sum * t + c[i];
  return sum;
}

/// Quantile of the standard normal distribution at p = 1/2 + q, relative error about 1e-16.
/// @ref Wichura 1988, algorithm AS 241 (PPND16)
[[nodiscard]] inline double normal_quantile(double q) noexcept {
  constexpr std::array<double, 8> centre_top{
      3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
      4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3};
  constexpr std::array<double, 8> centre_bottom{1.0,
                                                4.2313330701600911252e1,
                                                6.8718700749205790830e2,
                                                5.3941960214247511077e3,
                                                2.1213794301586595867e4,
                                                3.9307895800092710610e4,
                                                2.8729085735721942674e4,
                                                5.2264952788528545610e3};
  constexpr std::array<double, 8> middle_top{1.42343711074968357734e0,  4.63033784615654529590e0,
                                             5.76949722146069140550e0,  3.64784832476320460504e0,
                                             1.27045825245236838258e0,  2.41780725177450611770e-1,
                                             2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr std::array<double, 8> middle_bottom{1.0,
                                                2.05319162663775882187e0,
                                                1.67638483018380384940e0,
                                                6.89767334985100004550e-1,
                                                1.48103976427480074590e-1,
                                                1.51986665636164571966e-2,
                                                5.47593808499534494600e-4,
                                                1.05075007164441684324e-9};
  constexpr std::array<double, 8> far_top{6.65790464350110377720e0,  5.46378491116411436990e0,
                                          1.78482653991729133580e0,  2.96560571828504891230e-1,
                                          2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                          2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr std::array<double, 8> far_bottom{1.0,
                                             5.99832206555887937690e-1,
                                             1.36929880922735805310e-1,
                                             1.48753612908506148525e-2,
                                             7.86869131145613259100e-4,
                                             1.84631831751005468180e-5,
                                             1.42151175831644588870e-7,
                                             2.04426310338993978564e-15};
  if (std::abs(q) <= 0.425) {
    const double t = 0.180625 - q * q;
    return q * polynomial(centre_top, t) / polynomial(centre_bottom, t);
  }
  const double s = std::sqrt(-std::log(0.5 - std::abs(q)));
  const double z = s <= 5.0 ? polynomial(middle_top, s - 1.6) / polynomial(middle_bottom, s - 1.6)
                            : polynomial(far_top, s - 5.0) / polynomial(far_bottom, s - 5.0);
  return q < 0 ? -z : z;
}

}  // namespace detail

/// A seed for an independent stream, such as one per user and trial: `derive_seed(seed, trial, user)`.
/// Depends on every argument and on their order; with no stream it still scrambles the seed.
/// @cost a few multiplications   @ref SplitMix64: Steele, Lea & Flood 2014
template <std::integral... Stream>
[[nodiscard]] constexpr std::uint64_t derive_seed(std::uint64_t seed, Stream... stream) noexcept {
  std::uint64_t state = detail::split_mix(seed);
  ((state = detail::split_mix(state +
                              detail::split_mix(static_cast<std::uint64_t>(stream) ^ 0xd1b54a32d192ed03U))),
   ...);
  return state;
}

/// An engine for the stream that `derive_seed` names.
template <std::integral... Stream>
[[nodiscard]] Rng make_rng(std::uint64_t seed, Stream... stream) {
  return Rng(derive_seed(seed, stream...));
}

/// Uniform on [0, 1): a multiple of 2^-53 (float: 2^-24). @cost one word
template <Real Scalar = double, RandomEngine Engine>
[[nodiscard]] Scalar uniform01(Engine& rng) {
  const auto word = static_cast<std::uint64_t>(rng());
  if constexpr (std::same_as<Scalar, float>) {
    return static_cast<float>(word >> 40) * 0x1p-24F;
  } else {
    return static_cast<double>(word >> 11) * 0x1p-53;
  }
}

/// Uniform on 0 .. n-1, without bias.
/// @throws std::domain_error unless n > 0   @cost one word, rarely more
template <RandomEngine Engine>
[[nodiscard]] Index uniform_index(Engine& rng, Index n) {
  detail::check_positive("uniform_index", "n", n);
  const auto range = static_cast<std::uint64_t>(n);
  const std::uint64_t excess = (std::uint64_t(0) - range) % range;  // 2^64 mod n: words that would bias
  std::uint64_t word = static_cast<std::uint64_t>(rng());
  while (word < excess) word = static_cast<std::uint64_t>(rng());
  return static_cast<Index>(word % range);
}

/// True with probability p.
/// @throws std::domain_error unless 0 <= p <= 1   @cost one word
template <RandomEngine Engine>
[[nodiscard]] bool bernoulli(Engine& rng, double p) {
  if (!(p >= 0 && p <= 1)) [[unlikely]]
    detail::raise_value("bernoulli", "p", p, "a probability, 0 to 1");
  return uniform01<double>(rng) < p;
}

/// Standard normal, by inversion: always finite (|z| < 8.3), no state between calls. @cost one word
template <Real Scalar = double, RandomEngine Engine>
[[nodiscard]] Scalar normal(Engine& rng) {
  return static_cast<Scalar>(detail::normal_quantile(detail::uniform_open(rng) - 0.5));
}

/// log G with G ~ Gamma(alpha, 1), accurate in log space for any alpha: at alpha = 0.001 G itself would
/// underflow in half of all draws. For alpha < 1, log G = log G' + log(U) / alpha with G' ~ Gamma(alpha + 1).
/// @throws std::domain_error unless alpha is finite and above 0
/// @cost about three words   @ref Marsaglia & Tsang 2000
template <RandomEngine Engine>
[[nodiscard]] double log_gamma_variate(Engine& rng, double alpha) {
  detail::check_positive("log_gamma_variate", "alpha", alpha);
  const double boost = alpha < 1 ? std::log(detail::uniform_open(rng)) / alpha : 0.0;
  const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = normal<double>(rng);
    const double u = detail::uniform_open(rng);
    const double root = 1.0 + c * x;
    if (root <= 0) continue;
    const double log_v = 3.0 * std::log(root);
    if (std::log(u) < 0.5 * x * x + d * (1.0 - root * root * root + log_v))
      return std::max(std::log(d) + log_v + boost, std::numeric_limits<double>::lowest());
  }
}

/// log w with w ~ Dirichlet(alpha_1, .., alpha_K): finite at any alpha, and sum_k exp(log w_k) = 1.
/// @param alpha  K >= 1 numbers above 0   @return K
/// @throws std::invalid_argument if alpha is empty; std::domain_error unless every alpha_k is finite and
/// above 0
template <Real Scalar = double, RandomEngine Engine, class Derived>
[[nodiscard]] Vector<Scalar> log_dirichlet(Engine& rng, const Eigen::MatrixBase<Derived>& alpha) {
  if (alpha.size() < 1) [[unlikely]]
    detail::raise_shape("log_dirichlet", "size of alpha", alpha.size(), "at least 1");
  Vector<double> g(alpha.size());
  for (Index k = 0; k < g.size(); ++k) g[k] = log_gamma_variate(rng, static_cast<double>(alpha(k)));
  const double top = g.maxCoeff();
  const double log_sum = std::log((g.array() - top).exp().sum());
  g = ((g.array() - top) - log_sum).max(static_cast<double>(std::numeric_limits<Scalar>::lowest())).matrix();
  return g.template cast<Scalar>();
}

/// The symmetric case, alpha_k = alpha for all K components.
template <Real Scalar = double, RandomEngine Engine>
[[nodiscard]] Vector<Scalar> log_dirichlet(Engine& rng, double alpha, Index K) {
  if (K < 1) [[unlikely]]
    detail::raise_shape("log_dirichlet", "K", K, "at least 1");
  return log_dirichlet<Scalar>(rng, Vector<double>::Constant(K, alpha));
}

/// w ~ Dirichlet(alpha_1, .., alpha_K): w_k >= 0, sum 1. At alpha = 0.001 one weight is nearly always 1 and
/// the others may be exactly 0, never NaN. Arguments as of `log_dirichlet`.
template <Real Scalar = double, RandomEngine Engine, class Derived>
[[nodiscard]] Vector<Scalar> dirichlet(Engine& rng, const Eigen::MatrixBase<Derived>& alpha) {
  const Vector<double> log_w = log_dirichlet<double>(rng, alpha);
  return log_w.array().exp().matrix().template cast<Scalar>();
}

template <Real Scalar = double, RandomEngine Engine>
[[nodiscard]] Vector<Scalar> dirichlet(Engine& rng, double alpha, Index K) {
  const Vector<double> log_w = log_dirichlet<double>(rng, alpha, K);
  return log_w.array().exp().matrix().template cast<Scalar>();
}

/// Puts the values in a random order, each order equally likely. @cost O(n), n - 1 words (Fisher-Yates)
template <RandomEngine Engine, class T>
void shuffle(Engine& rng, std::span<T> values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    const auto j = static_cast<std::size_t>(uniform_index(rng, static_cast<Index>(i)));
    std::swap(values[i - 1], values[j]);
  }
}

/// 0 .. n-1 in random order.
/// @throws std::domain_error if n < 0   @cost O(n)
template <RandomEngine Engine>
[[nodiscard]] std::vector<Index> permutation(Engine& rng, Index n) {
  detail::check_non_negative("permutation", "n", n);
  std::vector<Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Index(0));
  shuffle(rng, std::span<Index>(order));
  return order;
}

/// k different numbers of 0 .. n-1, in the order of drawing: the first s of them are a sample of s.
/// @throws std::domain_error unless 0 <= k <= n   @cost O(n) memory, k words
template <RandomEngine Engine>
[[nodiscard]] std::vector<Index> sample_without_replacement(Engine& rng, Index n, Index k) {
  detail::check_non_negative("sample_without_replacement", "n", n);
  if (k < 0 || k > n) [[unlikely]]
    detail::raise_value("sample_without_replacement", "k", k, "0 to n = " + detail::to_text(n));
  std::vector<Index> pool(static_cast<std::size_t>(n));
  std::iota(pool.begin(), pool.end(), Index(0));
  for (Index i = 0; i < k; ++i)
    std::swap(pool[static_cast<std::size_t>(i)],
              pool[static_cast<std::size_t>(i + uniform_index(rng, n - i))]);
  pool.resize(static_cast<std::size_t>(k));
  return pool;
}

/// Fills any dense matrix, vector, block or map with independent N(0, 1), column by column.
/// @cost one word an entry
template <RandomEngine Engine, Writable Values>
void fill_normal(Engine& rng, Values&& values) {
  using Scalar = typename std::remove_cvref_t<Values>::Scalar;
  for (Index c = 0; c < values.cols(); ++c)
    for (Index r = 0; r < values.rows(); ++r) values.coeffRef(r, c) = normal<Scalar>(rng);
}

/// The same with the uniform distribution on [0, 1).
template <RandomEngine Engine, Writable Values>
void fill_uniform(Engine& rng, Values&& values) {
  using Scalar = typename std::remove_cvref_t<Values>::Scalar;
  for (Index c = 0; c < values.cols(); ++c)
    for (Index r = 0; r < values.rows(); ++r) values.coeffRef(r, c) = uniform01<Scalar>(rng);
}

}  // namespace lore
