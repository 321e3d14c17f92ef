// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/features.hpp"
#include "lore/data/preferences.hpp"
#include "lore/objective/kernels.hpp"
#include "lore/parallel/executor.hpp"

namespace lore {

/// One evaluation of value and gradient with respect to the basis V (d x K), by blocks of users. Everything
/// that is fitted goes through here; what a fit does with a user's scores is its user step, called once a
/// user and a pass, from several threads for different users:
///
///   value = step(i, Z, G)      Z (K x m): scores V'x_j of user i's m comparisons;
///                              G (K x m): dF/dz_j, written
///   value = step(i, Z, g, w)   the same when dF/dz_j = g_j w: g (m) and w (K) are written, and the gradient
///                              costs 2 d (m + K) operations instead of 2 d m K
///
/// A step may keep state by user, so a user's weights can move between the forward half (Z) and the gradient
/// of V.
///
/// Dense features are read a user at a time; an embedding table once for S = V'E and once for the gradient,
/// however many comparisons share an embedding. Sums run over fixed blocks in order: the same bits for any
/// number of threads. After the first call with a rank nothing is allocated.
template <Real Scalar, class Store = Features, Executor E = Serial>
requires FeatureStore<Store, Scalar>
class Pass {
 public:
  using ScoreBlock = Eigen::Map<const Matrix<Scalar>>;
  using GradientBlock = Eigen::Map<Matrix<Scalar>>;
  using Column = Eigen::Map<Vector<Scalar>>;

  /// @throws as `Comparisons::validate`
  explicit Pass(Comparisons<Store> comparisons, E executor = {})
      : comparisons_(std::move(comparisons)), executor_(std::move(executor)) {
    comparisons_.validate();
    if constexpr (TableStore<Store>)
      if (comparisons_.features->indexed()) index_items();
    values_.resize(static_cast<std::size_t>(comparisons_.users()));
  }

  [[nodiscard]] const Comparisons<Store>& comparisons() const noexcept { return comparisons_; }
  [[nodiscard]] const E& executor() const noexcept { return executor_; }

  /// Vectors that one reading of the data touches: comparisons, or distinct embeddings of an indexed table.
  [[nodiscard]] Index vectors() const noexcept {
    return indexed() ? static_cast<Index>(items_.size()) : comparisons_.size();
  }

  /// Sum of the comparisons' weights omega; their number where there are none.
  [[nodiscard]] double total_weight() const {
    double sum = 0;
    for (Index p = 0; p < comparisons_.size(); ++p) sum += weight_at(p);
    return sum;
  }

  /// Mean of ||x_j||^2 over the comparisons, weighted by omega, 0 without any: what prior scales are measured
  /// by. Not finite when a feature is not.   @cost one reading of the data
  [[gnu::noinline]] [[nodiscard]] double mean_square() {
    reserve(1);
    executor_.for_each(static_cast<Index>(chunks_.size()) - 1, [&](Index a) {
      Vector<Scalar> x(comparisons_.dimension());
      for (Index i = chunks_[at(a)]; i < chunks_[at(a) + 1]; ++i) {
        values_[at(i)] = 0;
        for (Index p = comparisons_.begin(i); p < comparisons_.end(i); ++p) {
          comparisons_.features->load(column_at(p), x.data());
          values_[at(i)] += weight_at(p) * static_cast<double>(x.squaredNorm());
        }
      }
    });
    const double sum = total(), weight = total_weight();
    return weight > 0 ? sum / weight : sum;
  }

  /// F = sum_i step(i, ..) and its gradient with respect to V.
  /// @param V  d x K   @param gradient  d x K, overwritten
  /// @throws std::invalid_argument on a shape mismatch, and whatever a step throws
  /// @cost 4 n d K operations with a general step, 2 n d (K + 1) with a rank-one step
  template <class Step>
  double value_and_gradient(const Matrix<Scalar>& V, Step&& step, Matrix<Scalar>& gradient) {
    check_basis(V);
    gradient.resize(V.rows(), V.cols());
    reserve(V.cols());
    if (indexed())
      run_items(V, step, gradient);
    else
      run_users(V, step, gradient);
    return total();
  }

  /// Z = V'X, the scores of all comparisons in the order of their positions: K x n.
  /// @cost 2 n d K operations, or 2 items d K + n K on an embedding table
  [[gnu::noinline]] [[nodiscard]] Matrix<Scalar> scores(const Matrix<Scalar>& V) {
    check_basis(V);
    const Index rank = V.cols();
    Matrix<Scalar> Z(rank, comparisons_.size());
    if (indexed()) {
      reserve(rank);
      score_items(V);
      executor_.for_each(static_cast<Index>(chunks_.size()) - 1, [&](Index a) {
        for (Index p = first_position(a); p < first_position(a + 1); ++p)
          Z.col(p) = item_scores_.col(chosen_[at(p)]) - item_scores_.col(rejected_[at(p)]);
      });
    } else {
      reserve(rank);
      executor_.for_each(static_cast<Index>(chunks_.size()) - 1, [&](Index a) {
        score_positions(work_[at(a)], first_position(a), first_position(a + 1), V,
                        Z.data() + first_position(a) * rank);
      });
    }
    return Z;
  }

 private:
  static constexpr Index tile = 32;  ///< columns whose addresses are gathered at once

  struct Work {
    Matrix<Scalar> gradient;             ///< d x K, this chunk's share
    Vector<Scalar> direction;            ///< d, h = X g of a rank-one step
    std::vector<Scalar> scores, slopes;  ///< K x m of the chunk's largest user
    Vector<Scalar> weights;              ///< K
    std::vector<Scalar> loaded;          ///< d x tile, for storage that the kernels do not read in place
  };

  static std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

  [[nodiscard]] bool indexed() const noexcept { return !items_.empty(); }

  [[nodiscard]] double weight_at(Index position) const {
    return comparisons_.weight.empty() ? 1.0 : static_cast<double>(comparisons_.weight[at(position)]);
  }

  void check_basis(const Matrix<Scalar>& V) const {
    detail::check_size("Pass", "rows of V", V.rows(), comparisons_.dimension());
    if (V.cols() < 1) detail::raise_shape("Pass", "columns of V", V.cols(), "at least 1");
  }

  [[nodiscard]] double total() const {
    double sum = 0;
    for (const double value : values_) sum += value;
    return sum;
  }

  [[nodiscard]] Index first_position(Index chunk) const {
    return comparisons_.offset[at(chunks_[at(chunk)])];
  }

  /// Workspaces and chunks for this rank. Chunks depend on the data's shape alone, never on the executor.
  [[gnu::noinline]] void reserve(Index rank) {
    if (rank == reserved_rank_) return;
    const Index n = comparisons_.size(), users = comparisons_.users();
    const Index most = indexed() ? 64 : std::clamp<Index>(n / (4 * rank), 1, 64);
    const Index count = std::max<Index>(std::min(users, most), 1);
    chunks_.assign(1, 0);
    for (Index i = 0; i < users; ++i)
      if (static_cast<Index>(chunks_.size()) < count &&
          comparisons_.end(i) * count >= n * static_cast<Index>(chunks_.size()) && i + 1 < users)
        chunks_.push_back(i + 1);
    chunks_.push_back(users);
    item_chunks_ = indexed() ? std::clamp<Index>(vectors() / (4 * rank), 1, 64) : 0;
    const Index width = comparisons_.dimension();
    work_.resize(std::max(chunks_.size() - 1, at(item_chunks_)));
    for (std::size_t a = 0; a < work_.size(); ++a) {
      Work& work = work_[a];
      if (!indexed() || static_cast<Index>(a) < item_chunks_) work.gradient.resize(width, rank);
      if (!indexed()) work.direction.resize(width);
      work.weights.resize(rank);
      Index largest = 0;
      if (a + 1 < chunks_.size())
        for (Index i = chunks_[a]; i < chunks_[a + 1]; ++i)
          largest = std::max(largest, comparisons_.count(i));
      work.scores.resize(indexed() ? 0 : at(largest * rank));
      work.slopes.resize(at(largest * (indexed() ? 1 : rank)));
    }
    if (indexed()) {
      item_scores_.resize(rank, vectors());
      position_scores_.resize(rank, n);
      position_slopes_.resize(rank, n);
      item_slopes_.resize(rank, vectors());
    }
    reserved_rank_ = rank;
  }

  /// Calls body(addresses, m, first) for tiles of the columns that column_of(first .. end) names, in place
  /// when the kernels can read the storage, else through `work.loaded`.
  template <class ColumnOf, class Body>
  void for_tiles(Work& work, Index begin, Index end, ColumnOf&& column_of, Body&& body) const {
    const Index d = comparisons_.dimension();
    const auto by_address = [&](const auto* base) {
      using T = std::remove_cvref_t<decltype(*base)>;
      const T* address[tile];
      for (Index p = begin; p < end; p += tile) {
        const Index m = std::min(tile, end - p);
        for (Index j = 0; j < m; ++j) address[j] = base + column_of(p + j) * d;
        body(static_cast<const T* const*>(address), m, p);
      }
    };
    const auto by_loading = [&](auto&& load) {
      work.loaded.resize(at(d * tile));
      const Scalar* address[tile];
      for (Index j = 0; j < tile; ++j) address[j] = work.loaded.data() + j * d;
      for (Index p = begin; p < end; p += tile) {
        const Index m = std::min(tile, end - p);
        for (Index j = 0; j < m; ++j) load(column_of(p + j), work.loaded.data() + j * d);
        body(static_cast<const Scalar* const*>(address), m, p);
      }
    };
    if constexpr (TableStore<Store>) {
      const FeatureMatrix& table = comparisons_.features->table();
      table.visit([&](const auto* values) {
        using T = std::remove_cvref_t<decltype(*values)>;
        if constexpr (detail::readable_in_place<Scalar, T>)
          by_address(values);
        else
          by_loading([&](Index column, Scalar* out) { table.load(column, out); });
      });
    } else {
      by_loading([&](Index column, Scalar* out) { comparisons_.features->load(column, out); });
    }
  }

  [[nodiscard]] Index column_at(Index position) const { return comparisons_.column[at(position)]; }

  [[gnu::noinline]] void score_positions(Work& work, Index begin, Index end, const Matrix<Scalar>& V,
                                         Scalar* Z) const {
    for_tiles(
        work, begin, end, [&](Index p) { return column_at(p); },
        [&](const auto* x, Index m, Index p) {
          detail::scores_of_columns(x, m, V.rows(), V.data(), V.cols(), Z + (p - begin) * V.cols());
        });
  }

  /// G += X C' over positions begin .. end.
  [[gnu::noinline]] void add_positions(Work& work, Index begin, Index end, const Scalar* C, Index rank,
                                       Scalar* G) const {
    const Index d = comparisons_.dimension();
    for_tiles(
        work, begin, end, [&](Index p) { return column_at(p); },
        [&](const auto* x, Index m, Index p) {
          detail::add_outer_products(x, m, d, C + (p - begin) * rank, rank, G);
        });
  }

  template <class Step>
  static constexpr bool rank_one =
      std::is_invocable_v<Step&, Index, const ScoreBlock&, Column&, Vector<Scalar>&>;

  template <class Step>
  void run_users(const Matrix<Scalar>& V, Step& step, Matrix<Scalar>& gradient) {
    const Index rank = V.cols(), chunks = static_cast<Index>(chunks_.size()) - 1;
    executor_.for_each(chunks, [&](Index a) {
      Work& work = work_[at(a)];
      work.gradient.setZero();
      for (Index i = chunks_[at(a)]; i < chunks_[at(a) + 1]; ++i) {
        const Index begin = comparisons_.begin(i), end = comparisons_.end(i), m = end - begin;
        score_positions(work, begin, end, V, work.scores.data());
        const ScoreBlock Z(work.scores.data(), rank, m);
        if constexpr (rank_one<Step>) {
          Column g(work.slopes.data(), m);
          values_[at(i)] = step(i, Z, g, work.weights);
          if (rank == 1) {
            g *= work.weights(0);
            add_positions(work, begin, end, g.data(), 1, work.gradient.data());
          } else {
            work.direction.setZero();
            add_positions(work, begin, end, g.data(), 1, work.direction.data());
            const Scalar* const h = work.direction.data();
            detail::add_outer_products(&h, 1, V.rows(), work.weights.data(), rank, work.gradient.data());
          }
        } else {
          GradientBlock G(work.slopes.data(), rank, m);
          values_[at(i)] = step(i, Z, G);
          add_positions(work, begin, end, work.slopes.data(), rank, work.gradient.data());
        }
      }
    });
    reduce(chunks, gradient);
  }

  template <class Step>
  void run_items(const Matrix<Scalar>& V, Step& step, Matrix<Scalar>& gradient) {
    const Index rank = V.cols();
    score_items(V);
    executor_.for_each(static_cast<Index>(chunks_.size()) - 1, [&](Index a) {
      Work& work = work_[at(a)];
      for (Index i = chunks_[at(a)]; i < chunks_[at(a) + 1]; ++i) {
        const Index begin = comparisons_.begin(i), m = comparisons_.count(i);
        for (Index p = begin; p < begin + m; ++p)
          position_scores_.col(p) = item_scores_.col(chosen_[at(p)]) - item_scores_.col(rejected_[at(p)]);
        const ScoreBlock Z(position_scores_.data() + begin * rank, rank, m);
        GradientBlock G(position_slopes_.data() + begin * rank, rank, m);
        if constexpr (rank_one<Step>) {
          Column g(work.slopes.data(), m);
          values_[at(i)] = step(i, Z, g, work.weights);
          for (Index j = 0; j < m; ++j) G.col(j) = g(j) * work.weights;
        } else {
          values_[at(i)] = step(i, Z, G);
        }
      }
    });
    add_items(rank);
    reduce(item_chunks_, gradient);
  }

  /// Each chunk's share of E Q', Q the sums of the comparisons' slopes by embedding.
  [[gnu::noinline]] void add_items(Index rank) {
    executor_.for_each(item_chunks_, [&](Index a) {
      Work& work = work_[at(a)];
      const Index begin = vectors() * a / item_chunks_, end = vectors() * (a + 1) / item_chunks_;
      for (Index t = begin; t < end; ++t) {
        auto sum = item_slopes_.col(t);
        sum.setZero();
        for (Index q = incidence_offset_[at(t)]; q < incidence_offset_[at(t) + 1]; ++q) {
          const Index p = incidence_[at(q)];
          if (p >= 0)
            sum += position_slopes_.col(p);
          else
            sum -= position_slopes_.col(-p - 1);
        }
      }
      work.gradient.setZero();
      for_tiles(
          work, begin, end, [&](Index t) { return items_[at(t)]; },
          [&](const auto* x, Index m, Index t) {
            detail::add_outer_products(x, m, comparisons_.dimension(), item_slopes_.data() + t * rank, rank,
                                       work.gradient.data());
          });
    });
  }

  [[gnu::noinline]] void score_items(const Matrix<Scalar>& V) {
    executor_.for_each(item_chunks_, [&](Index a) {
      const Index begin = vectors() * a / item_chunks_, end = vectors() * (a + 1) / item_chunks_;
      for_tiles(
          work_[at(a)], begin, end, [&](Index t) { return items_[at(t)]; },
          [&](const auto* x, Index m, Index t) {
            detail::scores_of_columns(x, m, V.rows(), V.data(), V.cols(), item_scores_.data() + t * V.cols());
          });
    });
  }

  /// gradient = the chunks' shares, added in order.
  [[gnu::noinline]] void reduce(Index chunks, Matrix<Scalar>& gradient) {
    executor_.for_each(gradient.cols(), [&](Index k) {
      gradient.col(k).setZero();
      for (Index a = 0; a < chunks; ++a) gradient.col(k) += work_[at(a)].gradient.col(k);
    });
  }

  /// The distinct embeddings that the comparisons touch, in table order, and which positions touch each.
  [[gnu::noinline]] void index_items() {
    const Store& store = *comparisons_.features;
    std::vector<Index> place(at(store.table().count()), -1);
    const Index n = comparisons_.size();
    for (Index p = 0; p < n; ++p)
      for (const Index item : {store.chosen(column_at(p)), store.rejected(column_at(p))}) place[at(item)] = 0;
    for (std::size_t item = 0; item < place.size(); ++item)
      if (place[item] == 0) {
        place[item] = static_cast<Index>(items_.size());
        items_.push_back(static_cast<Index>(item));
      }
    chosen_.resize(at(n));
    rejected_.resize(at(n));
    incidence_offset_.assign(items_.size() + 1, 0);
    for (Index p = 0; p < n; ++p) {
      chosen_[at(p)] = place[at(store.chosen(column_at(p)))];
      rejected_[at(p)] = place[at(store.rejected(column_at(p)))];
      ++incidence_offset_[at(chosen_[at(p)]) + 1];
      ++incidence_offset_[at(rejected_[at(p)]) + 1];
    }
    for (std::size_t t = 1; t < incidence_offset_.size(); ++t)
      incidence_offset_[t] += incidence_offset_[t - 1];
    incidence_.resize(at(2 * n));
    std::vector<Index> next(incidence_offset_.begin(), incidence_offset_.end() - 1);
    for (Index p = 0; p < n; ++p) {
      incidence_[at(next[at(chosen_[at(p)])]++)] = p;
      incidence_[at(next[at(rejected_[at(p)])]++)] = -p - 1;
    }
  }

  Comparisons<Store> comparisons_;
  E executor_;
  std::vector<double> values_;  ///< by user
  std::vector<Index> chunks_;   ///< first user of each chunk, then users()
  std::vector<Work> work_;
  Index reserved_rank_ = -1;

  // An embedding table only.
  std::vector<Index> items_;              ///< touched embeddings, ascending
  std::vector<Index> chosen_, rejected_;  ///< place in items_ of each position
  std::vector<Index> incidence_offset_;   ///< items_.size() + 1
  std::vector<Index> incidence_;          ///< position p where the item was chosen, -p - 1 where rejected
  Index item_chunks_ = 0;
  Matrix<Scalar> item_scores_, item_slopes_;          ///< K x items
  Matrix<Scalar> position_scores_, position_slopes_;  ///< K x n
};

}  // namespace lore
