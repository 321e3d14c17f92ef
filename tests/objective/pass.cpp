// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/objective/pass.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/objective/loss.hpp"
#include "lore/parallel/threads.hpp"
#include "lore/solve/check_gradient.hpp"

#include "count_allocations.hpp"
#include "lore_catch.hpp"

namespace {

using lore::Index;
using lore_test::allocations;
using lore_test::Approx;
using lore_test::tolerance;

/// Embeddings and index pairs, with the differences that they stand for. All numbers are multiples of 1/8
/// below 2, which every storage holds exactly.
struct Data {
  lore::Matrix<double> E, X;
  std::vector<Index> chosen, rejected;
  std::vector<Index> counts = {3, 0, 5, 1, 70, 40, 2, 0};  // more than one tile, and users without any
  std::vector<float> weight;

  explicit Data(Index d, std::uint64_t seed = 1) : E(d, 37) {
    lore::Rng rng(seed);
    for (double& e : E.reshaped()) e = static_cast<double>(lore::uniform_index(rng, 15) - 7) / 8;
    const Index n = std::accumulate(counts.begin(), counts.end(), Index{0});
    X.resize(d, n);
    for (Index j = 0; j < n; ++j) {
      chosen.push_back(lore::uniform_index(rng, 37));
      rejected.push_back(lore::uniform_index(rng, 37));
      X.col(j) = E.col(chosen.back()) - E.col(rejected.back());
      weight.push_back(static_cast<float>(lore::uniform_index(rng, 4)));
    }
  }
};

template <class Store>
[[nodiscard]] lore::Comparisons<Store> by_user(const Data& data, Store store) {
  lore::Comparisons<Store> out;
  out.features = std::make_shared<const Store>(std::move(store));
  out.offset.push_back(0);
  for (const Index count : data.counts) {
    out.user.push_back(static_cast<Index>(out.user.size()));
    out.offset.push_back(out.offset.back() + count);
  }
  for (Index j = 0; j < data.X.cols(); ++j) out.column.push_back(j);
  out.weight = data.weight;
  return out;
}

template <class T>
[[nodiscard]] lore::FeatureMatrix matrix_of(const lore::Matrix<double>& values) {
  return lore::FeatureMatrix::own<T>(values.cast<float>().template cast<T>());
}

template <class T>
[[nodiscard]] lore::Features dense(const Data& data) {
  return lore::Features::differences(matrix_of<T>(data.X));
}

template <class T>
[[nodiscard]] lore::Features pairs(const Data& data) {
  return lore::Features::pairs(matrix_of<T>(data.E), data.chosen, data.rejected);
}

/// The least that a user's own store has to offer.
struct OwnStore {
  lore::Matrix<double> X;
  [[nodiscard]] Index dimension() const { return X.rows(); }
  [[nodiscard]] Index size() const { return X.cols(); }
  template <class Scalar>
  void load(Index j, Scalar* out) const {
    for (Index r = 0; r < X.rows(); ++r) out[r] = static_cast<Scalar>(X(r, j));
  }
};

/// F(V) = sum_ij omega_ij softplus(-x_ij' V w_i) with fixed w_i, as a rank-one step.
template <class Scalar, class Store>
struct Fixed {
  const lore::Comparisons<Store>& comparisons;
  lore::Matrix<Scalar> W;  ///< K x users

  Fixed(const lore::Comparisons<Store>& given, Index rank, std::uint64_t seed)
      : comparisons(given), W(rank, given.users()) {
    lore::Rng rng(seed);
    lore::fill_normal(rng, W);
  }

  template <class Block, class Column>
  double operator()(Index i, const Block& Z, Column& g, lore::Vector<Scalar>& w) const {
    double sum = 0;
    for (Index j = 0; j < Z.cols(); ++j) {
      const auto omega =
          comparisons.weight.empty()
              ? Scalar(1)
              : static_cast<Scalar>(comparisons.weight[static_cast<std::size_t>(comparisons.begin(i) + j)]);
      const auto terms = lore::BradleyTerry{}(Scalar(Z.col(j).dot(W.col(i))));
      sum += static_cast<double>(omega * terms.value);
      g(j) = omega * terms.slope;
    }
    w = W.col(i);
    return sum;
  }
};

/// The same as a general step.
template <class Scalar, class Store, class Block>
[[nodiscard]] auto general(const Fixed<Scalar, Store>& fixed) {
  return [&fixed](Index i, const Block& Z, Eigen::Map<lore::Matrix<Scalar>>& G) {
    lore::Vector<Scalar> g(Z.cols()), w;
    const double value = fixed(i, Z, g, w);
    G = w * g.transpose();
    return value;
  };
}

template <class Scalar>
struct Evaluation {
  double value = 0;
  lore::Matrix<Scalar> gradient;
};

template <class Scalar>
[[nodiscard]] lore::Matrix<Scalar> basis(Index d, Index rank) {
  lore::Rng rng(17);
  lore::Matrix<Scalar> V(d, rank);
  lore::fill_normal(rng, V);
  return V / static_cast<Scalar>(std::sqrt(static_cast<double>(d)));
}

template <class Scalar, class Store>
[[nodiscard]] Evaluation<Scalar> evaluate(const lore::Comparisons<Store>& comparisons,
                                          const lore::Matrix<Scalar>& V, bool rank_one,
                                          const lore::AnyExecutor& executor = {}) {
  lore::Pass<Scalar, Store> pass(comparisons, executor);
  const Fixed<Scalar, Store> fixed(comparisons, V.cols(), 23);
  Evaluation<Scalar> out;
  if (rank_one)
    out.value = pass.value_and_gradient(V, fixed, out.gradient);
  else
    out.value = pass.value_and_gradient(
        V, general<Scalar, Store, typename lore::Pass<Scalar, Store>::ScoreBlock>(fixed), out.gradient);
  return out;
}

template <class Scalar>
void check_same(const Evaluation<Scalar>& got, const Evaluation<Scalar>& wanted) {
  CHECK(got.value == Approx(wanted.value).epsilon(tolerance<Scalar>()));
  CHECK((got.gradient - wanted.gradient).norm() <= tolerance<Scalar>() * wanted.gradient.norm());
}

}  // namespace

TEST_CASE("A pass states the gradient of what it sums") {
  const Data data(6);
  for (const bool indexed : {false, true})
    for (const Index rank : {1, 3}) {
      CAPTURE(indexed, rank);
      const auto comparisons = by_user(data, indexed ? pairs<double>(data) : dense<double>(data));
      lore::Pass<double> pass(comparisons);
      const Fixed<double, lore::Features> fixed(comparisons, rank, 3);
      for (const double scale : {1.0, 50.0}) {
        const auto f = [&](const lore::Matrix<double>& V, lore::Matrix<double>& gradient) {
          return pass.value_and_gradient(V, fixed, gradient);
        };
        CHECK(lore::check_gradient(f, scale * basis<double>(6, rank)).agrees(1e-5));
      }
    }
}

TEMPLATE_TEST_CASE("A pass gives the same numbers from every store, storage and kind of step", "", float,
                   double) {
  using Scalar = TestType;
  for (const Index d : {5, 40})
    for (const Index rank : {1, 2, 5}) {
      CAPTURE(d, rank);
      const Data data(d);
      const lore::Matrix<Scalar> V = basis<Scalar>(d, rank);
      const auto reference = evaluate<Scalar>(by_user(data, OwnStore{data.X}), V, true);
      CHECK(reference.value > 1);
      for (const bool rank_one : {true, false}) {
        check_same(evaluate<Scalar>(by_user(data, OwnStore{data.X}), V, rank_one), reference);
        for (const auto& features : {dense<float>(data), dense<double>(data), dense<Eigen::half>(data),
                                     dense<Eigen::bfloat16>(data), pairs<float>(data), pairs<double>(data),
                                     pairs<Eigen::half>(data), pairs<Eigen::bfloat16>(data)})
          check_same(evaluate<Scalar>(by_user(data, features), V, rank_one), reference);
      }
    }
}

TEMPLATE_TEST_CASE("Scores and the mean square are those of the differences", "", float, double) {
  using Scalar = TestType;
  const Data data(9);
  const lore::Matrix<Scalar> V = basis<Scalar>(9, 3);
  const lore::Matrix<double> wanted = V.template cast<double>().transpose() * data.X;
  for (const auto& features : {dense<float>(data), pairs<Eigen::half>(data), pairs<double>(data)}) {
    lore::Pass<Scalar> pass(by_user(data, features));
    CHECK((pass.scores(V).template cast<double>() - wanted).norm() <= tolerance<Scalar>() * wanted.norm());
    const lore::Vector<double> omega =
        Eigen::Map<const lore::Vector<float>>(data.weight.data(), data.X.cols()).cast<double>();
    CHECK(pass.total_weight() == omega.sum());
    CHECK(pass.mean_square() ==
          Approx(data.X.colwise().squaredNorm().dot(omega) / omega.sum()).epsilon(tolerance<Scalar>()));
    auto equal = by_user(data, features);
    equal.weight.clear();
    CHECK(lore::Pass<Scalar>(equal).mean_square() ==
          Approx(data.X.colwise().squaredNorm().mean()).epsilon(tolerance<Scalar>()));
  }
  // In the order of positions, whatever columns they name.
  auto turned = by_user(data, dense<float>(data));
  std::reverse(turned.column.begin(), turned.column.end());
  const lore::Matrix<double> Z = lore::Pass<Scalar>(turned).scores(V).template cast<double>();
  CHECK((Z - wanted.rowwise().reverse()).norm() <= tolerance<Scalar>() * wanted.norm());
}

/// Weights known before the pass: margins by user or by scores.
template <class Scalar>
struct Known {
  Evaluation<Scalar> evaluation;
  lore::Matrix<Scalar> weight_gradient;

  template <class Store>
  Known(const lore::Comparisons<Store>& comparisons, const lore::Matrix<Scalar>& V,
        const lore::AnyExecutor& executor = {}) {
    lore::Pass<Scalar, Store> pass(comparisons, executor);
    const Fixed<Scalar, Store> fixed(comparisons, V.cols(), 23);
    const auto step = [&](Index, Index first, const auto& t, auto& g) {
      double sum = 0;
      for (Index j = 0; j < t.size(); ++j) {
        const auto omega = comparisons.weight.empty()
                               ? Scalar(1)
                               : static_cast<Scalar>(comparisons.weight[static_cast<std::size_t>(first + j)]);
        const auto terms = lore::BradleyTerry{}(Scalar(t(j)));
        sum += static_cast<double>(omega * terms.value);
        g(j) = omega * terms.slope;
      }
      return sum;
    };
    evaluation.value = pass.value_and_gradients(V, fixed.W, step, evaluation.gradient, weight_gradient);
  }
};

TEMPLATE_TEST_CASE("With known weights a pass gives the same value and both gradients", "", float, double) {
  using Scalar = TestType;
  for (const Index d : {5, 40, 67})
    for (const Index rank : {1, 2, 5, 11}) {
      CAPTURE(d, rank);
      Data data(d);
      const lore::Matrix<Scalar> V = basis<Scalar>(d, rank);
      const auto comparisons = by_user(data, OwnStore{data.X});
      const auto reference = evaluate<Scalar>(comparisons, V, true);
      lore::Matrix<Scalar> wanted = lore::Matrix<Scalar>::Zero(rank, comparisons.users());
      {
        lore::Pass<Scalar, OwnStore> pass(comparisons);
        const Fixed<Scalar, OwnStore> fixed(comparisons, rank, 23);
        const lore::Matrix<Scalar> Z = pass.scores(V);
        for (Index i = 0; i < comparisons.users(); ++i) {
          const lore::Matrix<Scalar> mine = Z.middleCols(comparisons.begin(i), comparisons.count(i));
          lore::Vector<Scalar> g(mine.cols()), w;
          fixed(i, mine, g, w);
          wanted.col(i) = mine * g;
        }
      }
      const auto check = [&](const Known<Scalar>& got) {
        check_same(got.evaluation, reference);
        CHECK((got.weight_gradient - wanted).norm() <= tolerance<Scalar>() * wanted.norm());
      };
      check(Known<Scalar>(comparisons, V));
      for (const auto& features : {dense<float>(data), dense<double>(data), dense<Eigen::half>(data),
                                   dense<Eigen::bfloat16>(data), pairs<float>(data), pairs<double>(data)})
        check(Known<Scalar>(by_user(data, features), V));
    }
}

TEST_CASE("Pairs that share few embeddings, and one user with nearly everything, change nothing") {
  // 600 comparisons, each of two embeddings of its own; the second user has 590 of them.
  lore::Rng rng(4);
  const Index d = 36, n = 600;
  lore::Matrix<double> E(d, 2 * n);
  for (double& e : E.reshaped()) e = static_cast<double>(lore::uniform_index(rng, 15) - 7) / 8;
  Data data(d);
  data.counts = {7, 590, 0, 3};
  data.weight.clear();
  data.chosen.clear();
  data.rejected.clear();
  data.E = E;
  data.X.resize(d, n);
  for (Index j = 0; j < n; ++j) {
    data.chosen.push_back(2 * j + 1);
    data.rejected.push_back(2 * j);
    data.X.col(j) = E.col(2 * j + 1) - E.col(2 * j);
  }
  for (const Index rank : {1, 3}) {
    const lore::Matrix<float> V = basis<float>(d, rank);
    const auto reference = evaluate<float>(by_user(data, OwnStore{data.X}), V, true);
    std::optional<lore::Matrix<float>> first;
    for (const auto& features : {dense<float>(data), pairs<float>(data), pairs<Eigen::bfloat16>(data)})
      for (const int threads : {1, 3}) {
        const Known<float> got(by_user(data, features), V, lore::Threads(threads));
        check_same(got.evaluation, reference);
        if (!first) first = got.weight_gradient;
        CHECK((got.weight_gradient - *first).norm() <= tolerance<float>() * first->norm());
      }
  }
}

TEST_CASE("A pass touches each embedding once, however many comparisons share it") {
  const Data data(4);
  std::vector<Index> used = data.chosen;
  used.insert(used.end(), data.rejected.begin(), data.rejected.end());
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  CHECK(lore::Pass<float>(by_user(data, pairs<float>(data))).vectors() == static_cast<Index>(used.size()));
  CHECK(lore::Pass<float>(by_user(data, dense<float>(data))).vectors() == data.X.cols());
}

namespace {

/// `prompts` prompts of eight replies each, in table order or shuffled; every user has six comparisons within
/// each of `share` prompts, one user's after the other's, or pairs from anywhere.
[[nodiscard]] Data replies(Index d, Index prompts, Index share, Index users, bool anywhere,
                           bool shuffled = false) {
  Data data(d);
  const Index items = 8 * prompts;
  lore::Rng rng(5);
  data.E.resize(d, items);
  for (double& e : data.E.reshaped()) e = static_cast<double>(lore::uniform_index(rng, 15) - 7) / 8;
  std::vector<Index> row(static_cast<std::size_t>(items));
  std::iota(row.begin(), row.end(), Index{0});
  if (shuffled)
    for (Index t = items - 1; t > 0; --t)
      std::swap(row[static_cast<std::size_t>(t)],
                row[static_cast<std::size_t>(lore::uniform_index(rng, t + 1))]);
  data.counts.assign(static_cast<std::size_t>(users), 6 * share);
  data.chosen.clear();
  data.rejected.clear();
  data.weight.clear();
  for (Index i = 0; i < users; ++i)
    for (Index j = 0; j < 6 * share; ++j) {
      const Index prompt = (i * share + j / 6) % prompts;
      const auto pick = [&](Index reply) {
        return row[static_cast<std::size_t>(anywhere ? lore::uniform_index(rng, items) : 8 * prompt + reply)];
      };
      data.chosen.push_back(pick(j % 6));
      data.rejected.push_back(pick(6 + j % 2));
    }
  data.X.resize(d, static_cast<Index>(data.chosen.size()));
  for (Index j = 0; j < data.X.cols(); ++j)
    data.X.col(j) = data.E.col(data.chosen[static_cast<std::size_t>(j)]) -
                    data.E.col(data.rejected[static_cast<std::size_t>(j)]);
  return data;
}

}  // namespace

TEST_CASE("An embedding table is streamed once where comparisons close within a block, else at most twice") {
  struct Case {
    const char* name;
    Data data;
    double known, general;  ///< most readings of a touched embedding
  };
  const Case cases[] = {
      {"own prompts", replies(13, 40, 2, 20, false), 1.1, 1.1},
      {"own prompts, table shuffled", replies(13, 40, 2, 20, false, true), 1.1, 2.1},
      {"prompts of several users", replies(13, 40, 2, 60, false), 1.1, 1.1},
      {"prompts of several users, table shuffled", replies(13, 40, 2, 60, false, true), 2.1, 2.1},
      {"pairs from anywhere", replies(13, 40, 2, 60, true), 2.1, 2.1},
  };
  for (const Case& given : cases)
    for (const Index rank : {1, 2, 7}) {
      CAPTURE(given.name, rank);
      const lore::Matrix<double> V = basis<double>(13, rank);
      const auto reference = evaluate<double>(by_user(given.data, OwnStore{given.data.X}), V, true);
      const auto dense_known = Known<double>(by_user(given.data, OwnStore{given.data.X}), V);
      const auto comparisons = by_user(given.data, pairs<double>(given.data));
      for (const bool rank_one : {true, false})
        check_same(evaluate<double>(comparisons, V, rank_one, lore::Threads(3)), reference);
      const Known<double> known(comparisons, V);
      check_same(known.evaluation, reference);
      CHECK((known.weight_gradient - dense_known.weight_gradient).norm() <=
            tolerance<double>() * dense_known.weight_gradient.norm());
      const Known<double> spread(comparisons, V, lore::Threads(3));
      CHECK(spread.evaluation.gradient == known.evaluation.gradient);
      CHECK(spread.weight_gradient == known.weight_gradient);
      CHECK(spread.evaluation.value == known.evaluation.value);

      lore::Pass<double> pass(comparisons);
      const Fixed<double, lore::Features> fixed(comparisons, rank, 23);
      lore::Matrix<double> gradient, weight_gradient;
      const auto touched = static_cast<double>(pass.vectors());
      pass.value_and_gradient(V, fixed, gradient);
      CHECK(static_cast<double>(pass.vectors_streamed()) <= given.general * touched);
      const auto flat = [](Index, Index, const auto& t, auto& g) {
        g.setConstant(1);
        return static_cast<double>(t.sum());
      };
      pass.value_and_gradients(V, fixed.W, flat, gradient, weight_gradient);
      CHECK(static_cast<double>(pass.vectors_streamed()) <= given.known * touched);
      CHECK(pass.vectors_streamed() >= pass.vectors());
      const long counted = allocations;
      pass.value_and_gradients(V, fixed.W, flat, gradient, weight_gradient);
      pass.value_and_gradient(V, fixed, gradient);
      CHECK(allocations == counted);
    }
}

TEST_CASE("Users with none, one, many and most of the comparisons, in odd dimensions and 16 bits") {
  for (const Index d : {1, 33, 129, 1031}) {
    Data data(d, 3);
    data.counts = {0, 1, 6, 7, 13, 4, 90, 0};  // 121, as drawn
    const lore::Matrix<float> V = basis<float>(d, d == 1 ? 1 : 4);
    const auto reference = Known<float>(by_user(data, OwnStore{data.X}), V);
    for (const auto& features : {dense<float>(data), dense<Eigen::half>(data), dense<Eigen::bfloat16>(data),
                                 pairs<Eigen::half>(data), pairs<Eigen::bfloat16>(data)}) {
      CAPTURE(d);
      const Known<float> got(by_user(data, features), V, lore::Threads(2));
      check_same(got.evaluation, reference.evaluation);
      CHECK((got.weight_gradient - reference.weight_gradient).norm() <=
            tolerance<float>() * reference.weight_gradient.norm());
    }
    const auto plain = evaluate<float>(by_user(data, OwnStore{data.X}), V, false);
    check_same(reference.evaluation, plain);
  }
}

TEST_CASE("A pass gives the same bits for any number of threads") {
  const Data data(40);
  for (const bool indexed : {false, true})
    for (const bool rank_one : {false, true}) {
      CAPTURE(indexed, rank_one);
      const auto comparisons = by_user(data, indexed ? pairs<float>(data) : dense<float>(data));
      const lore::Matrix<float> V = basis<float>(40, 3);
      const auto serial = evaluate<float>(comparisons, V, rank_one);
      for (const int threads : {1, 2, 3, 8}) {
        const auto parallel = evaluate<float>(comparisons, V, rank_one, lore::Threads(threads));
        CHECK(parallel.value == serial.value);
        CHECK(parallel.gradient == serial.gradient);
      }
      const Known<float> alone(comparisons, V);
      for (const int threads : {1, 2, 8}) {
        const Known<float> many(comparisons, V, lore::Threads(threads));
        CHECK(many.evaluation.value == alone.evaluation.value);
        CHECK(many.evaluation.gradient == alone.evaluation.gradient);
        CHECK(many.weight_gradient == alone.weight_gradient);
      }
    }
}

TEST_CASE("A pass allocates nothing after the first") {
  const Data data(40);
  for (const auto& features : {dense<float>(data), dense<double>(data), dense<Eigen::half>(data),
                               pairs<float>(data), pairs<double>(data)}) {
    const auto comparisons = by_user(data, features);
    lore::Pass<float> pass(comparisons);
    const lore::Matrix<float> V = basis<float>(40, 5);
    const Fixed<float, lore::Features> fixed(comparisons, 5, 3);
    lore::Matrix<float> gradient, first;
    const double before = pass.value_and_gradient(V, fixed, first);
    gradient = first;
    const long counted = allocations;
    Eigen::internal::set_is_malloc_allowed(false);
    const double after = pass.value_and_gradient(V, fixed, gradient);
    Eigen::internal::set_is_malloc_allowed(true);
    CHECK(allocations == counted);
    CHECK(after == before);
    CHECK(gradient == first);
    const auto flat = [](Index, Index, const auto& t, auto& g) {
      g.setConstant(1);
      return static_cast<double>(t.sum());
    };
    lore::Matrix<float> weight_gradient;
    pass.value_and_gradients(V, fixed.W, flat, gradient, weight_gradient);
    const long known = allocations;
    Eigen::internal::set_is_malloc_allowed(false);
    pass.value_and_gradients(V, fixed.W, flat, gradient, weight_gradient);
    Eigen::internal::set_is_malloc_allowed(true);
    CHECK(allocations == known);
  }
  const auto people = by_user(data, dense<float>(data));
  const long counted = allocations;
  const lore::Pass<float> pass(people);
  CHECK(allocations > counted);  // the count does count
}

TEST_CASE("A pass may change its rank") {
  const Data data(12);
  const auto comparisons = by_user(data, pairs<double>(data));
  lore::Pass<double> pass(comparisons);
  for (const Index rank : {4, 1, 6, 2}) {
    const lore::Matrix<double> V = basis<double>(12, rank);
    const Fixed<double, lore::Features> fixed(comparisons, rank, 23);
    Evaluation<double> got;
    got.value = pass.value_and_gradient(V, fixed, got.gradient);
    check_same(got, evaluate<double>(comparisons, V, true));
  }
}

TEST_CASE("The order of users changes nothing but rounding") {
  const Data data(8);
  const auto comparisons = by_user(data, dense<double>(data));
  const std::vector<Index> order = {5, 1, 7, 0, 4, 2, 6, 3};
  const auto turned = comparisons.subset(order);
  const lore::Matrix<double> V = basis<double>(8, 2);
  lore::Pass<double> pass(comparisons), other(turned);
  const Fixed<double, lore::Features> fixed(comparisons, 2, 5);
  Fixed<double, lore::Features> moved(turned, 2, 5);
  for (std::size_t i = 0; i < order.size(); ++i) moved.W.col(static_cast<Index>(i)) = fixed.W.col(order[i]);
  Evaluation<double> a, b;
  a.value = pass.value_and_gradient(V, fixed, a.gradient);
  b.value = other.value_and_gradient(V, moved, b.gradient);
  check_same(b, a);
}

TEST_CASE("A comparison of weight 2 counts as two, of weight 0 as none") {
  const Data data(7);
  const lore::Matrix<double> V = basis<double>(7, 2);
  auto weighted = by_user(data, dense<double>(data));
  auto repeated = weighted;
  repeated.weight.clear();
  repeated.column.clear();
  repeated.offset.assign(1, 0);
  for (Index i = 0; i < weighted.users(); ++i) {
    for (Index p = weighted.begin(i); p < weighted.end(i); ++p)
      for (int times = 0; times < static_cast<int>(weighted.weight[static_cast<std::size_t>(p)]); ++times)
        repeated.column.push_back(p);
    repeated.offset.push_back(static_cast<Index>(repeated.column.size()));
  }
  check_same(evaluate<double>(repeated, V, true), evaluate<double>(weighted, V, true));
}

TEST_CASE("A user step may keep state, and sees each user once a pass") {
  const Data data(5);
  for (const bool indexed : {false, true}) {
    const auto comparisons = by_user(data, indexed ? pairs<double>(data) : dense<double>(data));
    lore::Pass<double> pass(comparisons, lore::Threads(3));
    std::vector<int> visits(data.counts.size(), 0);
    std::vector<Index> sizes(data.counts.size(), -1);
    const auto step = [&](Index i, const auto& Z, auto& g, lore::Vector<double>& w) {
      ++visits[static_cast<std::size_t>(i)];
      sizes[static_cast<std::size_t>(i)] = Z.cols();
      g.setZero();
      w.setZero();
      return 1.0;
    };
    lore::Matrix<double> gradient;
    CHECK(pass.value_and_gradient(basis<double>(5, 2), step, gradient) == 8);
    CHECK(visits == std::vector<int>(8, 1));
    CHECK(sizes == data.counts);
    CHECK(gradient.norm() == 0);
  }
}

TEST_CASE("What a user step throws reaches the caller, and the pass works on") {
  const Data data(5);
  const auto comparisons = by_user(data, dense<double>(data));
  lore::Pass<double> pass(comparisons, lore::Threads(2));
  lore::Matrix<double> gradient;
  const auto fail = [](Index i, const auto&, auto& g, lore::Vector<double>& w) {
    if (i == 4) throw std::runtime_error("no");
    g.setZero();
    w.setZero();
    return 0.0;
  };
  CHECK_THROWS_AS(pass.value_and_gradient(basis<double>(5, 2), fail, gradient), std::runtime_error);
  const Fixed<double, lore::Features> fixed(comparisons, 2, 23);
  Evaluation<double> again;
  again.value = pass.value_and_gradient(basis<double>(5, 2), fixed, again.gradient);
  check_same(again, evaluate<double>(comparisons, basis<double>(5, 2), true));
}

TEST_CASE("A pass over nothing is zero; one over nonsense is refused") {
  const Data data(5);
  const auto comparisons = by_user(data, pairs<double>(data));
  const auto nobody = comparisons.filtered([](Index) { return false; });
  const auto idle = comparisons.filtered([](Index) { return false; }, true);
  CHECK(idle.users() == 8);
  for (const auto& given : {nobody, idle}) {
    const auto got = evaluate<double>(given, basis<double>(5, 2), true);
    CHECK(got.value == 0);
    CHECK(got.gradient == lore::Matrix<double>::Zero(5, 2));
    lore::Pass<double> pass(given);
    CHECK(pass.mean_square() == 0);
    CHECK(pass.scores(basis<double>(5, 2)).cols() == 0);
  }
  CHECK_THROWS_AS(lore::Pass<double>(lore::Comparisons<>{}), std::invalid_argument);
  lore::Pass<double> pass(comparisons);
  CHECK_THROWS_AS(pass.scores(basis<double>(4, 2)), std::invalid_argument);
  CHECK_THROWS_AS(pass.scores(lore::Matrix<double>(5, 0)), std::invalid_argument);
  CHECK_THROWS_AS(evaluate<double>(comparisons, basis<double>(6, 1), true), std::invalid_argument);
}
