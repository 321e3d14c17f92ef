// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
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
/// Dense features are read a user at a time. An embedding table is read by blocks that stay in cache: once
/// where the comparisons (with a user step: all comparisons of a user) close within a block, the other
/// embeddings twice, for the scores and for the gradient, however many comparisons share them. Sums run over
/// fixed blocks in order: the same bits for any number of threads. After the first call with a rank nothing
/// is allocated.
template <Real Scalar, class Store = Features>
requires FeatureStore<Store, Scalar>
class Pass {
 public:
  using ScoreBlock = Eigen::Map<const Matrix<Scalar>>;
  using GradientBlock = Eigen::Map<Matrix<Scalar>>;
  using Column = Eigen::Map<Vector<Scalar>>;

  /// @throws as `Comparisons::validate`
  explicit Pass(Comparisons<Store> comparisons, AnyExecutor executor = {})
      : comparisons_(std::move(comparisons)), executor_(std::move(executor)) {
    comparisons_.validate();
    values_.resize(static_cast<std::size_t>(comparisons_.users()));
    if constexpr (TableStore<Store>)
      if (comparisons_.features->indexed()) index_items();
    cut_segments();
  }

  [[nodiscard]] const Comparisons<Store>& comparisons() const noexcept { return comparisons_; }
  [[nodiscard]] const AnyExecutor& executor() const noexcept { return executor_; }

  /// Vectors that one reading of the data touches: comparisons, or distinct embeddings of an indexed table.
  [[nodiscard]] Index vectors() const noexcept {
    return indexed() ? static_cast<Index>(items_.size()) : comparisons_.size();
  }

  /// Vectors that the last evaluation read from memory: one that is used again while its block is in cache (1
  /// MB) counts once, one that is fetched again counts again.
  [[nodiscard]] Index vectors_streamed() const noexcept { return streamed_; }

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
  /// V w_i, t = X'u, h = X g, dV += h w_i', dw_i = V'h, or by scores, whichever is less work. Features are
  /// read once, but for embeddings of comparisons that do not close within a block.
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
    if (indexed()) {
      dV.resize(V.rows(), V.cols());
      reserve(V.cols());
      return run_pairs(V, W, step, dV, dW);
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
      executor_.for_each(item_chunks_, [&](Index a) {
        score_items(work_[at(a)], V, vectors() * a / item_chunks_, vectors() * (a + 1) / item_chunks_);
      });
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
  static constexpr Index ahead = 4;            ///< further addresses, of columns that are wanted next
  static constexpr Index segment_block = 256;  ///< segments whose u and h are in memory at once
  static constexpr Index row_block = 256;
  static constexpr Index batch = 8;  ///< users whose h w' are added to the gradient at once
  static constexpr Index tasks_at_most = 64;
  static constexpr Index cache_bytes = Index{1} << 20;  ///< what stays near between two uses
  static constexpr Index tile_columns = 24;             ///< of a tile, between the dots and the sums, at most
  static constexpr Index tile_pairs = 64;               ///< comparisons of a tile, at most

  /// Positions of one user that are worked through in a row, tile by tile.
  struct Segment {
    Index user, begin, end, first_tile, last_tile;
  };

  /// Positions whose features stay in cache between the dots and the sums, and the first of their columns.
  struct Tile {
    Index begin, end, column;
  };

  /// How an embedding table is worked through: blocks of touched embeddings that stay in cache, and the units
  /// (comparisons, or users) whose embeddings all lie in one.
  struct Blocks {
    std::vector<Index> begin;                   ///< first item of each block, then their number
    std::vector<Index> closed, closed_begin;    ///< units, by block
    std::vector<Index> open;                    ///< the other units
    std::vector<Index> settled, settled_begin;  ///< items of closed units alone, by block
    std::vector<Index> late;                    ///< the other items
  };

  /// Columns in the features' own memory.
  template <class T>
  struct InPlace {
    const T* values;
    Index d;
    [[nodiscard]] const T* take(Index column, Index) const { return values + column * d; }
    [[nodiscard]] const T* expect(Index column) const { return values + column * d; }
  };

  /// Columns converted into room for `tile` of them.
  template <class Load>
  struct Converted {
    Load load;
    Scalar* room;
    Index d;
    [[nodiscard]] const Scalar* take(Index column, Index slot) const {
      load(column, room + slot * d);
      return room + slot * d;
    }
    [[nodiscard]] const Scalar* expect(Index) const { return room; }
  };

  struct Work {
    Matrix<Scalar> gradient;             ///< d x K, this chunk's share
    Matrix<Scalar> pulls;                ///< d x batch, h = X g of rank-one steps
    Matrix<Scalar> pull_weights;         ///< K x batch
    std::vector<Scalar> scores, slopes;  ///< K x m of the chunk's largest user
    Vector<Scalar> weights;              ///< K
    Matrix<Scalar> item_slopes;          ///< K x tile
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
    const Index most = indexed() ? tasks_at_most : std::clamp<Index>(n / (4 * rank), 1, tasks_at_most);
    const Index count = std::max<Index>(std::min(users, most), 1);
    chunks_.assign(1, 0);
    for (Index i = 0; i < users; ++i)
      if (static_cast<Index>(chunks_.size()) < count &&
          comparisons_.end(i) * count >= n * static_cast<Index>(chunks_.size()) && i + 1 < users)
        chunks_.push_back(i + 1);
    chunks_.push_back(users);
    item_chunks_ = indexed() ? std::clamp<Index>(vectors() / (4 * rank), 1, tasks_at_most) : 0;
    const Index width = comparisons_.dimension();
    Index longest = 0;
    for (Index i = 0; i < users; ++i) longest = std::max(longest, comparisons_.count(i));
    work_.resize(std::max(work_.size(), indexed() ? at(tasks_at_most) : chunks_.size() - 1));
    for (std::size_t a = 0; a < work_.size(); ++a) {
      Work& work = work_[a];
      work.weights.resize(rank);
      if (indexed()) {
        if (static_cast<Index>(a) < item_chunks_) work.gradient.resize(width, rank);
        work.item_slopes.resize(rank, tile);
        work.slopes.resize(at(longest));
      } else if (a + 1 < chunks_.size()) {
        work.gradient.resize(width, rank);
        Index largest = 0;
        for (Index i = chunks_[a]; i < chunks_[a + 1]; ++i)
          largest = std::max(largest, comparisons_.count(i));
        work.scores.resize(at(largest * rank));
        work.slopes.resize(at(largest * rank));
      }
    }
    if (indexed()) {
      item_scores_.resize(rank, vectors());
      position_scores_.resize(rank, n);
      position_slopes_.resize(rank, n);
    }
    reserved_rank_ = rank;
  }

  /// Calls body(columns) with columns.take(column, slot) the address of a column, in place where the kernels
  /// can read the storage, else converted into slot 0 .. tile - 1 of `work.loaded`.
  template <class Body>
  void with_columns(Work& work, Body&& body) const {
    const Index d = comparisons_.dimension();
    const auto by_loading = [&](auto&& load) {
      work.loaded.resize(at(d * tile));
      body(Converted<std::remove_cvref_t<decltype(load)>>{load, work.loaded.data(), d});
    };
    if constexpr (TableStore<Store>) {
      const FeatureMatrix& table = comparisons_.features->table();
      table.visit([&](const auto* values) {
        using T = std::remove_cvref_t<decltype(*values)>;
        if constexpr (detail::readable_in_place<Scalar, T>)
          body(InPlace<T>{values, d});
        else
          by_loading([&](Index column, Scalar* out) { table.load(column, out); });
      });
    } else {
      by_loading([&](Index column, Scalar* out) { comparisons_.features->load(column, out); });
    }
  }

  /// Calls body(addresses, m, first) for tiles of the columns that column_of(begin .. end) names, the
  /// addresses followed by those of the columns that come next, which column_of(.. last) names.
  template <class ColumnOf, class Body>
  void for_tiles(Work& work, Index begin, Index end, Index last, ColumnOf&& column_of, Body&& body) const {
    with_columns(work, [&](const auto& columns) {
      decltype(columns.expect(0)) address[tile + ahead];
      for (Index p = begin; p < end; p += tile) {
        const Index m = std::min(tile, end - p);
        for (Index j = 0; j < m; ++j) address[j] = columns.take(column_of(p + j), j);
        for (Index j = m; j < m + ahead; ++j)
          address[j] = columns.expect(column_of(std::min(p + j, last - 1)));
        body(&address[0], m, p);
      }
    });
  }

  [[nodiscard]] Index column_at(Index position) const { return comparisons_.column[at(position)]; }

  [[gnu::noinline]] void score_positions(Work& work, Index begin, Index end, const Matrix<Scalar>& V,
                                         Scalar* Z) const {
    for_tiles(
        work, begin, end, comparisons_.size(), [&](Index p) { return column_at(p); },
        [&](const auto* x, Index m, Index p) {
          detail::scores_of_columns(x, m, V.rows(), V.data(), V.cols(), Z + (p - begin) * V.cols(),
                                    m + ahead);
        });
  }

  /// G += X C' over positions begin .. end.
  [[gnu::noinline]] void add_positions(Work& work, Index begin, Index end, const Scalar* C, Index rank,
                                       Scalar* G) const {
    const Index d = comparisons_.dimension();
    for_tiles(
        work, begin, end, comparisons_.size(), [&](Index p) { return column_at(p); },
        [&](const auto* x, Index m, Index p) {
          detail::add_outer_products(x, m, d, C + (p - begin) * rank, rank, rank, G, d);
        });
  }

  template <class Step>
  static constexpr bool rank_one =
      std::is_invocable_v<Step&, Index, const ScoreBlock&, Column&, Vector<Scalar>&>;

  template <class Step>
  void run_users(const Matrix<Scalar>& V, Step& step, Matrix<Scalar>& gradient) {
    const Index rank = V.cols(), chunks = static_cast<Index>(chunks_.size()) - 1;
    streamed_ = 0;
    for (Index i = 0; i < comparisons_.users(); ++i)
      streamed_ += comparisons_.count(i) * (comparisons_.count(i) > cache_bytes / column_bytes() ? 2 : 1);
    executor_.for_each(chunks, [&](Index a) {
      Work& work = work_[at(a)];
      work.gradient.setZero();
      Index held = 0;
      if constexpr (rank_one<Step>) {
        work.pulls.resize(V.rows(), batch);
        work.pull_weights.resize(rank, batch);
      }
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
            work.pulls.col(held).setZero();
            add_positions(work, begin, end, g.data(), 1, work.pulls.col(held).data());
            work.pull_weights.col(held) = work.weights;
            if (++held == batch) add_batch(work, std::exchange(held, 0));
          }
        } else {
          GradientBlock G(work.slopes.data(), rank, m);
          values_[at(i)] = step(i, Z, G);
          add_positions(work, begin, end, work.slopes.data(), rank, work.gradient.data());
        }
      }
      if (held > 0) add_batch(work, held);
    });
    reduce(chunks, gradient);
  }

  /// work.gradient += h w' of the users held.
  [[gnu::noinline]] static void add_batch(Work& work, Index held) {
    const Scalar* address[batch];
    const Index d = work.gradient.rows(), rank = work.gradient.cols();
    for (Index j = 0; j < held; ++j) address[j] = work.pulls.col(j).data();
    detail::add_outer_products(static_cast<const Scalar* const*>(address), held, d, work.pull_weights.data(),
                               rank, rank, work.gradient.data(), d);
  }

  /// Users in segments, so that one user with most of the comparisons occupies every thread, and segments in
  /// tiles.
  [[gnu::noinline]] void cut_segments() {
    const Index longest = std::max<Index>(256, comparisons_.size() / 16);
    for (Index i = 0; i < comparisons_.users(); ++i) {
      const Index m = comparisons_.count(i), parts = (m + longest - 1) / longest;
      for (Index part = 0; part < parts; ++part) {
        Segment segment{i, comparisons_.begin(i) + m * part / parts,
                        comparisons_.begin(i) + m * (part + 1) / parts, static_cast<Index>(tiles_.size()), 0};
        if (indexed())
          cut_pairs(segment);
        else
          cut_columns(segment);
        segment.last_tile = static_cast<Index>(tiles_.size());
        segments_.push_back(segment);
      }
    }
    tiles_.push_back({comparisons_.size(), comparisons_.size(), tile_column_count()});
    margins_.resize(at(comparisons_.size()));
    margin_slopes_.resize(at(comparisons_.size()));
  }

  void cut_columns(const Segment& segment) {
    constexpr Index step = detail::stream_width;
    const Index most = std::clamp(cache_bytes / (5 * column_bytes()) / step * step, step, tile_columns);
    for (Index p = segment.begin; p < segment.end; p += most)
      tiles_.push_back({p, std::min(p + most, segment.end), p});
  }

  /// A tile of pairs holds each embedding that they share once.
  void cut_pairs(const Segment& segment) {
    Tile current{segment.begin, segment.begin, tile_column_count()};
    const auto place = [&](Index item) {
      for (Index q = current.column; q < tile_column_count(); ++q)
        if (tile_items_[at(q)] == item) return q - current.column;
      tile_items_.push_back(item);
      return tile_column_count() - 1 - current.column;
    };
    for (Index p = segment.begin; p < segment.end; ++p) {
      const Index before = tile_column_count();
      Index first = place(items_[at(chosen_[at(p)])]), second = place(items_[at(rejected_[at(p)])]);
      if (std::max(first, second) >= tile_columns || current.end - current.begin == tile_pairs) {
        tile_items_.resize(at(before));
        tiles_.push_back(current);
        current = {p, p, before};
        first = place(items_[at(chosen_[at(p)])]);
        second = place(items_[at(rejected_[at(p)])]);
      }
      tile_pair_[at(p)] = {static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(second)};
      current.end = p + 1;
    }
    if (current.begin < current.end) tiles_.push_back(current);
  }

  /// Columns of all tiles so far.
  [[nodiscard]] Index tile_column_count() const noexcept {
    return indexed() ? static_cast<Index>(tile_items_.size()) : comparisons_.size();
  }

  /// Bytes of one vector as it is stored.
  [[nodiscard]] Index column_bytes() const {
    Index each = sizeof(Scalar);
    if constexpr (TableStore<Store>)
      each = static_cast<Index>(bytes_of(comparisons_.features->table().storage()));
    return std::max<Index>(1, comparisons_.dimension()) * each;
  }

  /// Whether margins by user are less work than by scores, with four operations in the time of a byte.
  [[nodiscard]] bool by_user_pays(Index rank) const {
    const Index n = comparisons_.size(), segments = static_cast<Index>(segments_.size());
    if (!indexed()) return rank == 1 || n * (rank - 1) >= 2 * rank * segments;
    const Index d = comparisons_.dimension(), columns = tile_column_count();
    const Index twice = vectors() + static_cast<Index>(by_pair_.late.size());
    const Index user = std::max(4 * d * columns + 6 * d * rank * segments, 4 * column_bytes() * columns);
    const Index score = std::max(4 * d * rank * vectors(), 4 * column_bytes() * twice);
    return user <= score;
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
    work_.resize(std::max(work_.size(), at(std::min(room, tasks_at_most))));
    dW.setZero();
    dV.setZero();
    streamed_ = tile_column_count();
    double value = 0;
    for (Index first = 0; first < count; first += segment_block) {
      const Index some = std::min(segment_block, count - first);
      for (Index s = 0; s < some; ++s) {
        segment_weights_.col(s) = W.col(segments_[at(first + s)].user);
        segment_weights_by_row_.row(s) = segment_weights_.col(s).transpose();
      }
      executor_.for_each(blocks, [&](Index b) { place_rewards(V, b * row_block, some); });
      const Index tasks = std::min(some, tasks_at_most);
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
    constexpr Index J = detail::stream_width;
    const Index d = comparisons_.dimension(), all = tile_column_count();
    const Index* const column = indexed() ? tile_items_.data() : comparisons_.column.data();
    Scalar* const u = rewards_.data() + s * d;
    Scalar* const h = pulls_.data() + s * d;
    std::fill_n(h, d, Scalar(0));
    double value = 0;
    with_columns(work, [&](const auto& columns) {
      using Address = decltype(columns.expect(0));
      using T = std::remove_cvref_t<decltype(*columns.expect(0))>;
      order_pairs<T>(u, d, true);
      for (Index a = segment.first_tile; a < segment.last_tile; ++a) {
        const Tile& part = tiles_[at(a)];
        const Index count = tiles_[at(a + 1)].column - part.column, some = part.end - part.begin;
        Address x[tile_columns + J], next[tile_columns + J];  // filled up with the last column
        for (Index j = 0; j < count + J; ++j) {
          x[j] = j < count ? columns.take(column[part.column + j], j) : x[count - 1];
          next[j] = columns.expect(column[std::min(part.column + count + j, all - 1)]);
        }
        Scalar t[tile_columns + J], g[tile_columns + J] = {};
        for (Index j = 0; j < count; j += J) detail::stream_dots(x + j, u, d, t + j, next + j);
        for (Index j = 0; j < some; ++j) margins_[at(part.begin + j)] = tile_margin(part.begin + j, t, j);
        Column slopes(margin_slopes_.data() + part.begin, some);
        value += step(segment.user, part.begin, Column(margins_.data() + part.begin, some), slopes);
        for (Index j = 0; j < some; ++j) add_tile_slope(part.begin + j, slopes(j), g, j);
        for (Index j = 0; j < count; j += J) detail::stream_sums(x + j, g + j, d, h, next + j);
      }
      order_pairs<T>(h, d, false);
    });
    segment_values_[at(s)] = value;
  }

  /// The margin of position p, the j-th of a tile whose columns have products t.
  [[nodiscard]] Scalar tile_margin(Index p, const Scalar* t, Index j) const {
    return indexed() ? t[tile_pair_[at(p)][0]] - t[tile_pair_[at(p)][1]] : t[j];
  }

  void add_tile_slope(Index p, Scalar slope, Scalar* g, Index j) const {
    if (indexed()) {
      g[tile_pair_[at(p)][0]] += slope;
      g[tile_pair_[at(p)][1]] -= slope;
    } else {
      g[j] = slope;
    }
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

  /// A user step on an embedding table: a user whose embeddings all lie in one block is done with it.
  template <class Step>
  void run_items(const Matrix<Scalar>& V, Step& step, Matrix<Scalar>& gradient) {
    const Index rank = V.cols();
    run_blocks(by_user_, V, gradient, [&](Work& work, Index, const Index* users, Index count) {
      for (Index a = 0; a < count; ++a) {
        const Index i = users[a], begin = comparisons_.begin(i), m = comparisons_.count(i);
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
  }

  /// Known weights by scores on an embedding table: a comparison within one block is done with it.
  template <class Step>
  double run_pairs(const Matrix<Scalar>& V, const Matrix<Scalar>& W, Step& step, Matrix<Scalar>& dV,
                   Matrix<Scalar>& dW) {
    task_values_.assign(at(item_chunks_ + tasks_at_most), 0);
    run_blocks(by_pair_, V, dV, [&](Work&, Index task, const Index* position, Index count) {
      for (Index a = 0, b = 0; a < count; a = b) {
        const Index p = position[a], i = user_of_[at(p)];  // p .. p + m: consecutive positions of one user
        for (b = a + 1; b < count && position[b] == p + b - a && user_of_[at(position[b])] == i;) ++b;
        const Index m = b - a;
        Column slopes(margin_slopes_.data() + p, m);
        for (Index q = p; q < p + m; ++q)
          margins_[at(q)] =
              W.col(i).dot(item_scores_.col(chosen_[at(q)]) - item_scores_.col(rejected_[at(q)]));
        task_values_[at(task)] += step(i, p, Column(margins_.data() + p, m), slopes);
        for (Index j = 0; j < m; ++j) position_slopes_.col(p + j) = slopes(j) * W.col(i);
      }
    });
    executor_.for_each(static_cast<Index>(chunks_.size()) - 1, [&](Index a) {
      for (Index i = chunks_[at(a)]; i < chunks_[at(a) + 1]; ++i) {
        dW.col(i).setZero();
        for (Index p = comparisons_.begin(i); p < comparisons_.end(i); ++p)
          dW.col(i) +=
              margin_slopes_[at(p)] * (item_scores_.col(chosen_[at(p)]) - item_scores_.col(rejected_[at(p)]));
      }
    });
    double sum = 0;
    for (const double value : task_values_) sum += value;
    return sum;
  }

  /// Scores of the embeddings by blocks; settle(work, task, units, count) turns scores into
  /// `position_slopes_` for the units that close within a block, whose embeddings are then added to the
  /// gradient while they are near; then the other units, and their embeddings once more.
  template <class Settle>
  void run_blocks(const Blocks& plan, const Matrix<Scalar>& V, Matrix<Scalar>& gradient, Settle&& settle) {
    const auto blocks = static_cast<Index>(plan.begin.size()) - 1,
               open = static_cast<Index>(plan.open.size()), late = static_cast<Index>(plan.late.size());
    const Index tasks = std::min(open, tasks_at_most);
    executor_.for_each(item_chunks_, [&](Index a) {
      Work& work = work_[at(a)];
      work.gradient.setZero();
      for (Index b = blocks * a / item_chunks_; b < blocks * (a + 1) / item_chunks_; ++b) {
        score_items(work, V, plan.begin[at(b)], plan.begin[at(b + 1)]);
        settle(work, a, plan.closed.data() + plan.closed_begin[at(b)],
               plan.closed_begin[at(b + 1)] - plan.closed_begin[at(b)]);
        add_items(work, plan.settled.data(), plan.settled_begin[at(b)], plan.settled_begin[at(b + 1)]);
      }
    });
    executor_.for_each(tasks, [&](Index a) {
      settle(work_[at(a)], item_chunks_ + a, plan.open.data() + open * a / tasks,
             open * (a + 1) / tasks - open * a / tasks);
    });
    executor_.for_each(item_chunks_, [&](Index a) {
      add_items(work_[at(a)], plan.late.data(), late * a / item_chunks_, late * (a + 1) / item_chunks_);
    });
    reduce(item_chunks_, gradient);
    streamed_ = vectors() + late;
  }

  /// work.gradient += E Q' over list[begin .. end], Q the sums of the comparisons' slopes by embedding.
  [[gnu::noinline]] void add_items(Work& work, const Index* list, Index begin, Index end) {
    const Index d = comparisons_.dimension(), rank = work.gradient.cols();
    for_tiles(
        work, begin, end, end, [&](Index q) { return items_[at(list[q])]; },
        [&](const auto* x, Index m, Index first) {
          for (Index j = 0; j < m; ++j) {
            auto sum = work.item_slopes.col(j);
            sum.setZero();
            const std::size_t t = at(list[first + j]);
            for (Index q = incidence_offset_[t]; q < incidence_offset_[t + 1]; ++q) {
              const Index p = incidence_[at(q)];
              if (p >= 0)
                sum += position_slopes_.col(p);
              else
                sum -= position_slopes_.col(-p - 1);
            }
          }
          detail::add_outer_products(x, m, d, work.item_slopes.data(), rank, rank, work.gradient.data(), d);
        });
  }

  /// Scores of items begin .. end.
  [[gnu::noinline]] void score_items(Work& work, const Matrix<Scalar>& V, Index begin, Index end) {
    for_tiles(
        work, begin, end, vectors(), [&](Index t) { return items_[at(t)]; },
        [&](const auto* x, Index m, Index t) {
          detail::scores_of_columns(x, m, V.rows(), V.data(), V.cols(), item_scores_.data() + t * V.cols(),
                                    m + ahead);
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
    tile_pair_.resize(at(n));
    for (Index i = 0; i < comparisons_.users(); ++i)
      user_of_.insert(user_of_.end(), at(comparisons_.count(i)), i);
    std::vector<Index> positions(at(n));
    for (Index p = 0; p < n; ++p) positions[at(p)] = p;
    cut_blocks(n, positions, by_pair_);
    cut_blocks(comparisons_.users(), user_of_, by_user_);
  }

  /// Blocks between whose items as few units as possible are cut.   @param unit_of  by position
  [[gnu::noinline]] void cut_blocks(Index units, const std::vector<Index>& unit_of, Blocks& out) const {
    const Index n = comparisons_.size(), count = vectors();
    std::vector<Index> low(at(units), std::numeric_limits<Index>::max()), high(at(units), -1);
    for (Index p = 0; p < n; ++p) {
      Index &least = low[at(unit_of[at(p)])], &most = high[at(unit_of[at(p)])];
      least = std::min({least, chosen_[at(p)], rejected_[at(p)]});
      most = std::max({most, chosen_[at(p)], rejected_[at(p)]});
    }
    std::vector<Index> crossing(at(count + 1), 0);  // units that a cut before an item would part
    for (Index i = 0; i < units; ++i)
      if (low[at(i)] < high[at(i)]) {
        ++crossing[at(low[at(i)] + 1)];
        --crossing[at(high[at(i)] + 1)];
      }
    for (Index t = 1; t <= count; ++t) crossing[at(t)] += crossing[at(t - 1)];
    const Index room = std::max<Index>(16, std::min(cache_bytes / column_bytes(), count / 16));
    std::vector<Index> block(at(count));
    out.begin.assign(1, 0);
    while (out.begin.back() < count) {
      const Index begin = out.begin.back();
      const Index end = std::min(begin + room, count);
      Index best = end;  // the last cut that parts nobody, else the best one in the back half
      for (Index t = end; t > begin && crossing[at(best)] > 0; --t)
        if (crossing[at(t)] == 0 || (2 * t > begin + end && crossing[at(t)] < crossing[at(best)])) best = t;
      std::fill(block.begin() + begin, block.begin() + best, static_cast<Index>(out.begin.size()) - 1);
      out.begin.push_back(best);
    }
    const auto blocks = static_cast<Index>(out.begin.size()) - 1;
    const auto closes = [&](Index i) {
      return high[at(i)] >= 0 && block[at(low[at(i)])] == block[at(high[at(i)])];
    };
    std::vector<std::vector<Index>> closed(at(blocks));
    for (Index i = 0; i < units; ++i)
      if (closes(i))
        closed[at(block[at(low[at(i)])])].push_back(i);
      else
        out.open.push_back(i);
    out.closed_begin.assign(1, 0);
    out.settled_begin.assign(1, 0);
    for (Index b = 0; b < blocks; ++b) {
      out.closed.insert(out.closed.end(), closed[at(b)].begin(), closed[at(b)].end());
      out.closed_begin.push_back(static_cast<Index>(out.closed.size()));
      for (Index t = out.begin[at(b)]; t < out.begin[at(b + 1)]; ++t) {
        bool settled = true;
        for (Index q = incidence_offset_[at(t)]; q < incidence_offset_[at(t + 1)]; ++q)
          settled = settled && closes(unit_of[at(std::max(incidence_[at(q)], -incidence_[at(q)] - 1))]);
        (settled ? out.settled : out.late).push_back(t);
      }
      out.settled_begin.push_back(static_cast<Index>(out.settled.size()));
    }
  }

  Comparisons<Store> comparisons_;
  AnyExecutor executor_;
  std::vector<double> values_;  ///< by user
  std::vector<Index> chunks_;   ///< first user of each chunk, then users()
  std::vector<Work> work_;
  Index reserved_rank_ = -1;
  Index streamed_ = 0;

  // Known weights only.
  std::vector<Segment> segments_;
  std::vector<Tile> tiles_;                             ///< of all segments, then their end
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
  std::vector<Index> user_of_;            ///< by position
  std::vector<Index> tile_items_;         ///< columns of the tiles' embeddings
  std::vector<std::array<std::uint8_t, 2>> tile_pair_;  ///< by position: places in its tile
  Blocks by_pair_, by_user_;
  std::vector<double> task_values_;
  Index item_chunks_ = 0;
  Matrix<Scalar> item_scores_;                        ///< K x items
  Matrix<Scalar> position_scores_, position_slopes_;  ///< K x n
};

}  // namespace lore
