// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/features.hpp"

namespace lore {

/// What a comparison is for. A user is seen or unseen, never both.
enum class Partition : std::uint8_t { seen_train = 0, seen_test = 1, unseen_few_shot = 2, unseen_test = 3 };

/// What "one shot" means to a few-shot subset.
enum class ShotUnit : std::uint8_t { comparison, group };

namespace detail {

/// Whether comparisons a and b of a store are known to have different chosen replies.
template <class Store>
[[nodiscard]] bool other_chosen(const Store& store, Index a, Index b) {
  if constexpr (TableStore<Store>)
    return store.indexed() && store.chosen(a) != store.chosen(b);
  else
    return false;
}

}  // namespace detail

/// Comparisons by user: user i of 0..users() owns the positions offset[i] .. offset[i+1] of `column`,
/// `group`, `weight` and `answer`, in file order. A cheap description; the vectors stay in the shared feature
/// store.
template <class Store = Features>
struct Comparisons {
  std::shared_ptr<const Store> features;
  std::vector<Index> user;       ///< ids of the users as in the preference file, ascending
  std::vector<Index> offset;     ///< users() + 1 positions, offset[0] = 0
  std::vector<Index> column;     ///< the store's comparison at each position
  std::vector<Index> group;      ///< prompt or dialogue at each position; empty where there are none
  std::vector<float> weight;     ///< omega at each position; empty means 1
  std::vector<Answer> answer{};  ///< at each position, none of them abstained; empty: all plain

  [[nodiscard]] Index users() const noexcept { return static_cast<Index>(user.size()); }
  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(column.size()); }
  [[nodiscard]] bool empty() const noexcept { return column.empty(); }
  [[nodiscard]] Index dimension() const { return features ? static_cast<Index>(features->dimension()) : 0; }
  [[nodiscard]] Index begin(Index i) const { return offset[static_cast<std::size_t>(i)]; }
  [[nodiscard]] Index end(Index i) const { return offset[static_cast<std::size_t>(i) + 1]; }
  [[nodiscard]] Index count(Index i) const { return end(i) - begin(i); }

  /// The answers of user i in order, or nullptr where all are plain.
  [[nodiscard]] const Answer* answers(Index i) const {
    return answer.empty() ? nullptr : answer.data() + begin(i);
  }

  /// @throws std::invalid_argument without a feature store, or on lengths and offsets that do not agree;
  /// std::domain_error on a column that the store has not, a weight that is negative or not finite, an
  /// abstention, or an answer that `detail::check_answers` or `check_choices` refuse
  /// @cost O(n), with answers O(n log n)
  void validate() const {
    constexpr const char* where = "Comparisons::validate";
    if (!features) detail::raise_shape(where, "features", "none", "a feature store");
    const Index known = static_cast<Index>(features->size());
    detail::check_size(where, "offset", static_cast<Index>(offset.size()), users() + 1);
    detail::check_size(where, "offset[0]", offset.front(), 0);
    detail::check_size(where, "last offset", offset.back(), size());
    for (std::size_t i = 1; i < offset.size(); ++i)
      if (offset[i] < offset[i - 1])
        detail::raise_shape(where, "offset[" + detail::to_text(i) + "]", offset[i],
                            "at least the entry before it");
    if (!group.empty()) detail::check_size(where, "group", static_cast<Index>(group.size()), size());
    if (!weight.empty()) detail::check_size(where, "weight", static_cast<Index>(weight.size()), size());
    for (std::size_t p = 0; p < column.size(); ++p)
      if (column[p] < 0 || column[p] >= known)
        detail::raise_value(where, "column[" + detail::to_text(p) + "]", column[p],
                            "a comparison below " + detail::to_text(known));
    for (std::size_t p = 0; p < weight.size(); ++p)
      if (!(weight[p] >= 0) || !std::isfinite(weight[p]))
        detail::raise_value(where, "weight[" + detail::to_text(p) + "]", weight[p],
                            "a finite number, 0 or above");
    if (!answer.empty()) validate_answers();
  }

  /// The same users with only the positions for which keep(position) holds; a user left without any drops out
  /// unless `keep_empty_users`.
  template <class Predicate>
  [[nodiscard]] Comparisons filtered(Predicate&& keep, bool keep_empty_users = false) const {
    Comparisons out;
    out.features = features;
    out.offset.push_back(0);
    for (Index i = 0; i < users(); ++i) {
      const std::size_t before = out.column.size();
      for (Index p = begin(i); p < end(i); ++p)
        if (keep(p)) append_position(out, p);
      if (out.column.size() == before && !keep_empty_users) continue;
      out.user.push_back(user[static_cast<std::size_t>(i)]);
      out.offset.push_back(static_cast<Index>(out.column.size()));
    }
    return out;
  }

  /// The users at places `which` (0 .. users()-1) in that order, with all their comparisons.
  [[nodiscard]] Comparisons subset(std::span<const Index> which) const {
    Comparisons out;
    out.features = features;
    out.offset.push_back(0);
    for (const Index i : which) {
      if (i < 0 || i >= users())
        detail::raise_value("Comparisons::subset", "which", i, "a place below " + detail::to_text(users()));
      for (Index p = begin(i); p < end(i); ++p) append_position(out, p);
      out.user.push_back(user[static_cast<std::size_t>(i)]);
      out.offset.push_back(static_cast<Index>(out.column.size()));
    }
    return out;
  }

  /// Without the ties: what says who won.
  [[nodiscard]] Comparisons decided() const {
    if (answer.empty()) return *this;
    return filtered(
        [&](Index p) { return answer[static_cast<std::size_t>(p)].outcome == Outcome::preferred; }, true);
  }

 private:
  void append_position(Comparisons& out, Index p) const {
    const auto at = static_cast<std::size_t>(p);
    out.column.push_back(column[at]);
    if (!group.empty()) out.group.push_back(group[at]);
    if (!weight.empty()) out.weight.push_back(weight[at]);
    if (!answer.empty()) out.answer.push_back(answer[at]);
  }

  void validate_answers() const {
    constexpr const char* where = "Comparisons::validate";
    detail::check_size(where, "answer", static_cast<Index>(answer.size()), size());
    detail::check_answers(where, answer);
    std::vector<Index> owner, place;
    for (Index i = 0; i < users(); ++i)
      for (Index p = begin(i); p < end(i); ++p) {
        if (answer[static_cast<std::size_t>(p)].outcome == Outcome::abstained)
          detail::raise_value(where, "answer[" + detail::to_text(p) + "]", "an abstention",
                              "a preference or a tie");
        owner.push_back(i);
        place.push_back(p);
      }
    detail::check_choices(where, answer, owner, place, [&](Index a, Index b) -> const char* {
      const auto x = static_cast<std::size_t>(a), y = static_cast<std::size_t>(b);
      if (!weight.empty() && weight[x] != weight[y]) return "weight";
      if (!group.empty() && group[x] != group[y]) return "group";
      return detail::other_chosen(*features, column[x], column[y]) ? "chosen reply" : nullptr;
    });
  }
};

/// Who preferred what: n comparisons of `users` users over a feature store, with what a preference file says
/// of them. An aggregate of plain members; `validate()` states what must hold.
template <class Store = Features>
struct Preferences {
  std::shared_ptr<const Store> features;        ///< n comparisons of dimension d
  std::vector<Index> user;                      ///< n ids, 0 .. users-1
  std::vector<Partition> partition;             ///< n, or empty: all seen_train
  std::vector<Index> group;                     ///< n, or empty
  std::vector<float> weight;                    ///< n, finite and >= 0, or empty: all 1
  std::vector<Answer> answer{};                 ///< n, or empty: all plain
  Index users = 0;                              ///< number of users
  std::optional<Vector<float>> reference_head;  ///< v_ref, d entries
  ShotUnit shot_unit = ShotUnit::comparison;
  std::string dataset;
  std::string encoder;
  std::vector<std::string> user_names;  ///< empty, or one a user

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(user.size()); }
  [[nodiscard]] Index dimension() const { return features ? static_cast<Index>(features->dimension()) : 0; }

  /// @throws std::invalid_argument on lengths that do not agree; std::domain_error on a user id out of range,
  /// a user
  ///         both seen and unseen, a group that spans a user's training and test comparisons, a weight that
  ///         is negative or not finite, a user without comparisons, a reference head that is not finite, an
  ///         answer out of range, or a choice whose comparisons are not consecutive or differ in more than
  ///         the rejected reply
  /// @cost O(n log n)
  void validate() const {
    constexpr const char* where = "Preferences::validate";
    if (!features) detail::raise_shape(where, "features", "none", "a feature store");
    const Index n = size();
    detail::check_size(where, "user", n, static_cast<Index>(features->size()));
    if (!partition.empty()) detail::check_size(where, "partition", static_cast<Index>(partition.size()), n);
    if (!group.empty()) detail::check_size(where, "group", static_cast<Index>(group.size()), n);
    if (!weight.empty()) detail::check_size(where, "weight", static_cast<Index>(weight.size()), n);
    if (reference_head) {
      detail::check_size(where, "reference_head", reference_head->size(), dimension());
      detail::check_finite(where, "reference_head", *reference_head);
    }
    if (!user_names.empty())
      detail::check_size(where, "user_names", static_cast<Index>(user_names.size()), users);
    std::vector<std::uint8_t> side(static_cast<std::size_t>(std::max<Index>(users, 0)), 0);
    for (Index j = 0; j < n; ++j) {
      const auto at = static_cast<std::size_t>(j);
      if (user[at] < 0 || user[at] >= users)
        detail::raise_value(where, "user[" + detail::to_text(j) + "]", user[at],
                            "an id below " + detail::to_text(users));
      if (static_cast<int>(of(j)) > 3)
        detail::raise_value(where, "partition[" + detail::to_text(j) + "]", static_cast<int>(of(j)),
                            "0, 1, 2 or 3");
      const bool seen = of(j) == Partition::seen_train || of(j) == Partition::seen_test;
      const std::uint8_t mine = seen ? 1 : 2;
      std::uint8_t& known = side[static_cast<std::size_t>(user[at])];
      if (known != 0 && known != mine)
        detail::raise_value(where, "user " + detail::to_text(user[at]), "seen and unseen comparisons",
                            "one or the other");
      known = mine;
      if (!weight.empty() && (!(weight[at] >= 0) || !std::isfinite(weight[at])))
        detail::raise_value(where, "weight[" + detail::to_text(j) + "]", weight[at],
                            "a finite number, 0 or above");
    }
    for (std::size_t i = 0; i < side.size(); ++i)
      if (side[i] == 0)
        detail::raise_value(where, "user " + detail::to_text(i), "no comparisons", "at least one");
    if (!group.empty()) check_groups();
    if (!answer.empty()) validate_answers();
  }

  /// How many comparisons ended so, of all partitions.
  [[nodiscard]] Index count(Outcome outcome) const {
    if (answer.empty()) return outcome == Outcome::preferred ? size() : 0;
    return static_cast<Index>(std::count_if(answer.begin(), answer.end(),
                                            [&](const Answer& one) { return one.outcome == outcome; }));
  }

  /// Comparisons of one partition by user, users ascending, each user's in file order; abstentions stay out.
  /// @cost O(n)
  [[nodiscard]] Comparisons<Store> select(Partition wanted) const {
    Comparisons<Store> out;
    out.features = features;
    std::vector<Index> start(static_cast<std::size_t>(users) + 1, 0);
    for (Index j = 0; j < size(); ++j)
      if (takes_part(j, wanted)) ++start[static_cast<std::size_t>(user[static_cast<std::size_t>(j)]) + 1];
    out.offset.push_back(0);
    for (std::size_t i = 0; i + 1 < start.size(); ++i) {
      if (start[i + 1] > 0) {
        out.user.push_back(static_cast<Index>(i));
        out.offset.push_back(out.offset.back() + start[i + 1]);
      }
      start[i + 1] += start[i];
    }
    const auto total = static_cast<std::size_t>(start.back());
    out.column.resize(total);
    if (!group.empty()) out.group.resize(total);
    if (!weight.empty()) out.weight.resize(total);
    if (!answer.empty()) out.answer.resize(total);
    for (Index j = 0; j < size(); ++j) {
      if (!takes_part(j, wanted)) continue;
      const auto from = static_cast<std::size_t>(j);
      const auto to = static_cast<std::size_t>(start[static_cast<std::size_t>(user[from])]++);
      out.column[to] = j;
      if (!group.empty()) out.group[to] = group[from];
      if (!weight.empty()) out.weight[to] = weight[from];
      if (!answer.empty()) out.answer[to] = answer[from];
    }
    return out;
  }

  [[nodiscard]] Comparisons<Store> seen_train() const { return select(Partition::seen_train); }
  [[nodiscard]] Comparisons<Store> seen_test() const { return select(Partition::seen_test); }
  [[nodiscard]] Comparisons<Store> few_shot() const { return select(Partition::unseen_few_shot); }
  [[nodiscard]] Comparisons<Store> unseen_test() const { return select(Partition::unseen_test); }

 private:
  [[nodiscard]] Partition of(Index j) const {
    return partition.empty() ? Partition::seen_train : partition[static_cast<std::size_t>(j)];
  }

  [[nodiscard]] bool takes_part(Index j, Partition wanted) const {
    return of(j) == wanted &&
           (answer.empty() || answer[static_cast<std::size_t>(j)].outcome != Outcome::abstained);
  }

  void validate_answers() const {
    constexpr const char* where = "Preferences::validate";
    detail::check_size(where, "answer", static_cast<Index>(answer.size()), size());
    detail::check_answers(where, answer);
    std::vector<Index> place, known(static_cast<std::size_t>(users), 0);
    for (const Index id : user) place.push_back(known[static_cast<std::size_t>(id)]++);
    detail::check_choices(where, answer, user, place, [&](Index a, Index b) -> const char* {
      const auto x = static_cast<std::size_t>(a), y = static_cast<std::size_t>(b);
      if (of(a) != of(b)) return "partition";
      if (!weight.empty() && weight[x] != weight[y]) return "weight";
      if (!group.empty() && group[x] != group[y]) return "group";
      return detail::other_chosen(*features, a, b) ? "chosen reply" : nullptr;
    });
  }

  void check_groups() const {
    std::vector<Index> order(static_cast<std::size_t>(size()));
    std::iota(order.begin(), order.end(), Index{0});
    const auto key = [&](Index j) {
      return std::pair(user[static_cast<std::size_t>(j)], group[static_cast<std::size_t>(j)]);
    };
    std::sort(order.begin(), order.end(), [&](Index a, Index b) { return key(a) < key(b); });
    for (std::size_t p = 1; p < order.size(); ++p)
      if (key(order[p - 1]) == key(order[p]) && of(order[p - 1]) != of(order[p]))
        detail::raise_value("Preferences::validate",
                            "group " + detail::to_text(key(order[p]).second) + " of user " +
                                detail::to_text(key(order[p]).first),
                            "training and test comparisons", "one or the other");
  }
};

}  // namespace lore
