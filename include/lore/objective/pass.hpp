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
/// Where the weights are known before the pass, `value_and_gradients` needs margins alone and costs the same
/// whatever the rank.
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
    cut_segments();
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

  /// F = sum_ij f_ij(x_ij' V w_i) with known weights, and its gradients with respect to V and W. By user, u =
  /// V w_i, t = X'u, h = X g, dV += h w_i', dw_i = V'h, or by scores, whichever is less work; dense features,
  /// and pairs of an embedding table that share few embeddings, are read once.
  /// @param W     K x users
  /// @param step  value = step(i, first, t, g): margins t (m) of user i's positions first .. first + m; g
  /// (m),
  ///              their derivatives, is written. Called for parts of a user, from several threads
  /// @param dV    d x K, overwritten   @param dW  K x users, overwritten
  /// @throws std::invalid_argument on a shape mismatch, and whatever a step throws
  /// @cost 4 n d + 6 d K users operations by user, 2 n d (K + 1) + 2 d K users by scores
  template <class Step>
  double value_and_gradients(const Matrix<Scalar>& V, const Matrix<Scalar>& W, Step&& step,
                             Matrix<Scalar>& dV, Matrix<Scalar>& dW) {
    check_basis(V);
    detail::check_size("Pass", "rows of W", W.rows(), V.cols());
    detail::check_size("Pass", "columns of W", W.cols(), comparisons_.users());
    dW.resize(W.rows(), W.cols());
    if (by_user_pays(V.cols())) {
      dV.resize(V.rows(), V.cols());
      return run_margins(V, W, step, dV, dW);
    }
    return value_and_gradient(
        V,
        [&](Index i, const ScoreBlock& Z, Column& g, Vector<Scalar>& w) {
          w = W.col(i);
          const Index begin = comparisons_.begin(i);
          const Column t(margins_.data() + begin, Z.cols());
          Column(margins_.data() + begin, Z.cols()).noalias() = Z.transpose() * w;
          const double value = Z.cols() > 0 ? step(i, begin, t, g) : 0.0;
          dW.col(i).noalias() = Z * g;
          return value;
        },
        dV);
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
  static constexpr Index tile = 32;            ///< columns whose addresses are gathered at once
  static constexpr Index segment_block = 256;  ///< segments whose u and h are in memory at once
  static constexpr Index row_block = 256;

  /// Positions of one user that are worked through in a row.
  struct Segment {
    Index user, begin, end;
  };

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

  /// Calls body(addresses, m, first, next) for tiles of the columns that column_of(first .. end) names, with
  /// the addresses of the tile after, or the same, in place when the kernels can read the storage, else
  /// through `work.loaded`. At least `stream_width` addresses
  /// can be read: a small tile is filled up with its first column.
  template <class ColumnOf, class Body>
  void for_tiles(Work& work, Index begin, Index end, Index width, ColumnOf&& column_of, Body&& body) const {
    const Index d = comparisons_.dimension();
    const auto by_address = [&](const auto* base) {
      using T = std::remove_cvref_t<decltype(*base)>;
      const T *tiles[2][tile], **now = tiles[0], **next = tiles[1];
      const auto gather = [&](const T** out, Index p) {
        const Index m = std::min(width, end - p);
        for (Index j = 0; j < m; ++j) out[j] = base + column_of(p + j) * d;
        for (Index j = std::max<Index>(m, 1); j < detail::stream_width; ++j) out[j] = out[0];
      };
      if (begin < end) gather(now, begin);
      for (Index p = begin; p < end; p += width) {
        const bool more = p + width < end;
        if (more) gather(next, p + width);
        body(static_cast<const T* const*>(now), std::min(width, end - p), p,
             static_cast<const T* const*>(more ? next : now));
        std::swap(now, next);
      }
    };
    const auto by_loading = [&](auto&& load) {
      work.loaded.resize(at(d * width));
      const Scalar* address[tile];
      for (Index p = begin; p < end; p += width) {
        const Index m = std::min(width, end - p);
        for (Index j = 0; j < std::max<Index>(m, detail::stream_width); ++j)
          address[j] = work.loaded.data() + (j < m ? j : 0) * d;
        for (Index j = 0; j < m; ++j) load(column_of(p + j), work.loaded.data() + j * d);
        body(static_cast<const Scalar* const*>(address), m, p, static_cast<const Scalar* const*>(address));
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
        work, begin, end, tile, [&](Index p) { return column_at(p); },
        [&](const auto* x, Index m, Index p, const auto*) {
          detail::scores_of_columns(x, m, V.rows(), V.data(), V.cols(), Z + (p - begin) * V.cols());
        });
  }

  /// G += X C' over positions begin .. end.
  [[gnu::noinline]] void add_positions(Work& work, Index begin, Index end, const Scalar* C, Index rank,
                                       Scalar* G) const {
    const Index d = comparisons_.dimension();
    for_tiles(
        work, begin, end, tile, [&](Index p) { return column_at(p); },
        [&](const auto* x, Index m, Index p, const auto*) {
          detail::add_outer_products(x, m, d, C + (p - begin) * rank, rank, rank, G, d);
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
            detail::add_outer_products(&h, 1, V.rows(), work.weights.data(), rank, rank, work.gradient.data(),
                                       V.rows());
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

  /// Users in segments, so that one user with most of the comparisons occupies every thread.
  void cut_segments() {
    const Index longest = std::max<Index>(256, comparisons_.size() / 16);
    for (Index i = 0; i < comparisons_.users(); ++i) {
      const Index m = comparisons_.count(i), parts = (m + longest - 1) / longest;
      for (Index part = 0; part < parts; ++part)
        segments_.push_back(
            {i, comparisons_.begin(i) + m * part / parts, comparisons_.begin(i) + m * (part + 1) / parts});
    }
    margins_.resize(at(comparisons_.size()));
    margin_slopes_.resize(at(comparisons_.size()));
  }

  /// Whether margins by user are less work than by scores. An embedding table is read by pairs then, which
  /// pays where few embeddings are shared.
  [[nodiscard]] bool by_user_pays(Index rank) const {
    const Index n = comparisons_.size(), segments = static_cast<Index>(segments_.size());
    if (indexed() && 2 * n > vectors() + vectors() / 10) return false;
    return rank == 1 || n * (rank - 1) >= 2 * rank * segments;
  }

  template <class Step>
  double run_margins(const Matrix<Scalar>& V, const Matrix<Scalar>& W, Step& step, Matrix<Scalar>& dV,
                     Matrix<Scalar>& dW) {
    const Index K = V.cols(), d = V.rows(), count = static_cast<Index>(segments_.size());
    const Index room = std::min(count, segment_block), blocks = (d + row_block - 1) / row_block;
    rewards_.resize(d, room);
    pulls_.resize(d, room);
    segment_weights_.resize(K, room);
    segment_weights_by_row_.resize(room, K);
    segment_gradients_.resize(K, room);
    segment_values_.resize(at(room));
    work_.resize(std::max(work_.size(), at(std::min<Index>(room, 64))));
    dW.setZero();
    dV.setZero();
    double value = 0;
    for (Index first = 0; first < count; first += segment_block) {
      const Index some = std::min(segment_block, count - first);
      for (Index s = 0; s < some; ++s) {
        segment_weights_.col(s) = W.col(segments_[at(first + s)].user);
        segment_weights_by_row_.row(s) = segment_weights_.col(s).transpose();
      }
      executor_.for_each(blocks, [&](Index b) { place_rewards(V, b * row_block, some); });
      const Index tasks = std::min<Index>(some, 64);
      executor_.for_each(tasks, [&](Index a) {
        for (Index s = some * a / tasks; s < some * (a + 1) / tasks; ++s)
          run_segment(work_[at(a)], segments_[at(first + s)], s, step);
      });
      executor_.for_each(blocks + (some + 7) / 8, [&](Index b) {
        if (b < blocks)
          add_pulls(dV, b * row_block, some);
        else
          weigh_pulls(V, (b - blocks) * 8, std::min(some, (b - blocks) * 8 + 8));
      });
      for (Index s = 0; s < some; ++s) {
        value += segment_values_[at(s)];
        dW.col(segments_[at(first + s)].user) += segment_gradients_.col(s);
      }
    }
    return value;
  }

  /// U = V W, rows from `row` on.
  [[gnu::noinline]] void place_rewards(const Matrix<Scalar>& V, Index row, Index some) {
    const Index rows = std::min(row_block, V.rows() - row);
    rewards_.block(row, 0, rows, some).setZero();
    outer(V, row, rows, V.cols(), segment_weights_by_row_.data(), segment_weights_by_row_.rows(), some,
          rewards_);
  }

  /// dV += H W'.
  [[gnu::noinline]] void add_pulls(Matrix<Scalar>& dV, Index row, Index some) {
    outer(pulls_, row, std::min(row_block, dV.rows() - row), some, segment_weights_.data(), dV.cols(),
          dV.cols(), dV);
  }

  /// out += A C' over `rows` rows, m columns of A and `width` columns of out; C's columns `stride` apart.
  static void outer(const Matrix<Scalar>& A, Index row, Index rows, Index m, const Scalar* C, Index stride,
                    Index width, Matrix<Scalar>& out) {
    const Scalar* address[tile];
    for (Index begin = 0; begin < m; begin += tile) {
      const Index some = std::min(tile, m - begin);
      for (Index j = 0; j < some; ++j) address[j] = A.data() + (begin + j) * A.rows() + row;
      detail::add_outer_products(static_cast<const Scalar* const*>(address), some, rows, C + begin * stride,
                                 stride, width, out.data() + row, out.rows());
    }
  }

  /// dw = V'h of segments begin .. end.
  [[gnu::noinline]] void weigh_pulls(const Matrix<Scalar>& V, Index begin, Index end) {
    const Scalar* address[8];
    for (Index s = begin; s < end; ++s) address[s - begin] = pulls_.data() + s * V.rows();
    detail::scores_of_columns(static_cast<const Scalar* const*>(address), end - begin, V.rows(), V.data(),
                              V.cols(), segment_gradients_.data() + begin * V.cols());
  }

  /// One segment's margins, slopes and h, its features read once: by tiles that stay in cache between the
  /// dots and the sums.
  template <class Step>
  void run_segment(Work& work, const Segment& segment, Index s, Step& step) {
    if constexpr (TableStore<Store>)
      if (indexed()) {
        stream<2>(work, segment, s, step, [&](Index q) {
          const Index column = column_at(q / 2);
          return q % 2 == 0 ? comparisons_.features->chosen(column) : comparisons_.features->rejected(column);
        });
        return;
      }
    stream<1>(work, segment, s, step, [&](Index p) { return column_at(p); });
  }

  /// @tparam Each  columns a comparison: 1, or 2 whose difference counts
  template <int Each, class Step, class ColumnOf>
  void stream(Work& work, const Segment& segment, Index s, Step& step, ColumnOf&& column_of) {
    constexpr Index width = detail::stream_width;
    const Index d = comparisons_.dimension(), end = Each * segment.end;
    Scalar* const u = rewards_.data() + s * d;
    Scalar* const h = pulls_.data() + s * d;
    std::fill_n(h, d, Scalar(0));
    double value = 0;
    bool ordered = false;
    for_tiles(work, Each * segment.begin, end, width, column_of,
              [&]<class T>(const T* const* x, Index m, Index q, const T* const* next) {
                if (!ordered) order_pairs<T>(u, d, true);
                ordered = true;
                Scalar t[width], g[width] = {};
                detail::stream_dots(x, u, d, t);
                const Index first = q / Each, some = m / Each;
                for (Index j = 0; j < some; ++j)
                  margins_[at(first + j)] = Each == 1 ? t[j] : t[2 * j] - t[2 * j + 1];
                Column slopes(margin_slopes_.data() + first, some);
                value += step(segment.user, first, Column(margins_.data() + first, some), slopes);
                for (Index j = 0; j < some; ++j) {
                  g[Each * j] = slopes(j);
                  if constexpr (Each == 2) g[2 * j + 1] = -slopes(j);
                }
                detail::stream_sums(x, g, d, h, next);
                if (q + m == end) order_pairs<T>(h, d, false);
              });
    segment_values_[at(s)] = value;
  }

  /// Puts the d values at v into the order in which the kernels read pairs of T, or back.
  template <class T>
  static void order_pairs(Scalar* v, Index d, bool forth) {
    if constexpr (std::is_same_v<T, Eigen::bfloat16>) {
      constexpr Index n = detail::lanes<Scalar>;
      Scalar pair[2 * n];
      for (; d >= 2 * n; d -= 2 * n, v += 2 * n) {
        for (Index q = 0; q < n; ++q) {
          pair[forth ? q : 2 * q] = v[forth ? 2 * q : q];
          pair[forth ? n + q : 2 * q + 1] = v[forth ? 2 * q + 1 : n + q];
        }
        std::copy_n(pair, 2 * n, v);
      }
    }
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
          work, begin, end, tile, [&](Index t) { return items_[at(t)]; },
          [&](const auto* x, Index m, Index t, const auto*) {
            detail::add_outer_products(x, m, comparisons_.dimension(), item_slopes_.data() + t * rank, rank,
                                       rank, work.gradient.data(), comparisons_.dimension());
          });
    });
  }

  [[gnu::noinline]] void score_items(const Matrix<Scalar>& V) {
    executor_.for_each(item_chunks_, [&](Index a) {
      const Index begin = vectors() * a / item_chunks_, end = vectors() * (a + 1) / item_chunks_;
      for_tiles(
          work_[at(a)], begin, end, tile, [&](Index t) { return items_[at(t)]; },
          [&](const auto* x, Index m, Index t, const auto*) {
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

  // Known weights only.
  std::vector<Segment> segments_;
  std::vector<Scalar> margins_, margin_slopes_;         ///< by position
  Matrix<Scalar> rewards_, pulls_;                      ///< d x segments of a block: u and h
  Matrix<Scalar> segment_weights_, segment_gradients_;  ///< K x segments of a block
  Matrix<Scalar> segment_weights_by_row_;               ///< segments of a block x K
  std::vector<double> segment_values_;

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
