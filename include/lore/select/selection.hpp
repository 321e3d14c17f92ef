// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/select/cross_validation.hpp"

namespace lore {

/// What selection may choose from, and how.
struct SelectionOptions {
  Index folds = 5;             ///< >= 2
  std::uint64_t seed = 0;      ///< of the folds and of the starts
  std::vector<Index> ranks{};  ///< ranks >= 1 to choose settings for; empty: a ladder up to 17
  bool grow = true;            ///< go on above the largest of `ranks` while it pays
  bool simplex = true;         ///< try simplex weights, for ranks 2 .. 8; for all above 1 without signed ones
  bool with_signed = true;     ///< try signed deviations
  double smallest_scale = 0.05, largest_scale = 5000;  ///< of the prior margin scale q

  /// @throws std::domain_error naming the field
  void validate() const {
    constexpr const char* where = "SelectionOptions";
    if (folds < 2) detail::raise_value(where, "folds", folds, "at least 2");
    for (const Index rank : ranks)
      if (rank < 1) detail::raise_value(where, "ranks", rank, "at least 1");
    if (!simplex && !with_signed) detail::raise_value(where, "weight maps", "none", "at least one");
    detail::check_positive(where, "smallest_scale", smallest_scale);
    if (!(largest_scale >= smallest_scale))
      detail::raise_value(where, "largest_scale", largest_scale, "at least smallest_scale");
  }
};

/// The settings that cross-validation prefers for one rank.
struct RankChoice {
  Candidate candidate;
  double log_loss = 0;            ///< held-out, nats a comparison
  ScoreDifference against_first;  ///< minus that of rank 1; below 0 is better
};

/// The outcome: settings for each rank, and the rank to use.
struct Selection {
  std::vector<RankChoice> ranks;  ///< ascending by rank
  Index selected = 1;             ///< the rank to use
  Candidate bradley_terry{};      ///< settings of rank 1, also where it is not among the ranks
  /// Where the rank to use has simplex weights: the signed settings above rank 1 of lowest loss.
  std::optional<RankChoice> deviations{};
  Index candidates = 0;  ///< scored
  Index passes = 0;      ///< readings of a fold, all in all
  bool stopped = false;  ///< the observer ended it early; what was scored counts

  /// @throws std::invalid_argument when the rank was not among the candidates
  [[nodiscard]] const RankChoice& at(Index rank) const {
    for (const RankChoice& choice : ranks)
      if (choice.candidate.rank == rank) return choice;
    detail::raise_shape("Selection::at", "rank", rank, "a rank that was scored");
  }

  /// Makes these settings those of their rank, and that the rank to use.
  void select(RankChoice choice) {
    selected = choice.candidate.rank;
    deviations.reset();
    const auto place = std::find_if(ranks.begin(), ranks.end(), [this](const RankChoice& known) {
      return known.candidate.rank >= selected;
    });
    if (place != ranks.end() && place->candidate.rank == selected)
      *place = std::move(choice);
    else
      ranks.insert(place, std::move(choice));
  }
};

namespace detail {

/// Walks settings towards lower held-out log loss, with every result kept.
template <class Store, class Loss, Real Scalar>
class Selector {
 public:
  using Validation = CrossValidation<Store, Loss, Scalar>;
  using Result = typename Validation::Result;

  Selector(Validation& validation, const SelectionOptions& options, const SelectionObserver& observer)
      : validation_(validation), options_(options), observer_(observer) {}

  struct Scored {
    Candidate candidate;
    Result result;
    double loss = std::numeric_limits<double>::infinity();
  };

  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  [[nodiscard]] Index candidates() const noexcept { return candidates_; }

  [[nodiscard]] Scored score(const Candidate& candidate, const typename Validation::Bases* starts) {
    Scored out{candidate, {}, std::numeric_limits<double>::infinity()};
    if (stopped_) return out;
    if (observer_ && observer_(candidate)) stopped_ = true;
    if (stopped_) return out;
    out.result = validation_(candidate, starts);
    out.loss = out.result.score.mean();
    if (std::isnan(out.loss)) out.loss = std::numeric_limits<double>::infinity();
    ++candidates_;
    return out;
  }

  /// Multiplies a scale by each factor in turn while the loss falls; the first that helps is the last tried.
  template <class Scale>
  void walk(Scored& best, std::initializer_list<double> factors, const Scale& scaled, int most = 12) {
    for (const double direction : factors) {
      bool moved = false;
      for (int step = 0; step < most; ++step) {
        const Candidate next = scaled(best.candidate, direction);
        if (next.scale.first < options_.smallest_scale || next.scale.others < options_.smallest_scale ||
            next.scale.first > options_.largest_scale || next.scale.others > options_.largest_scale)
          break;
        Scored tried = score(next, &best.result.bases);
        if (!(tried.loss < best.loss)) break;
        best = std::move(tried);
        moved = true;
      }
      if (moved) break;
    }
  }

 private:
  Validation& validation_;
  const SelectionOptions& options_;
  const SelectionObserver& observer_;
  Index candidates_ = 0;
  bool stopped_ = false;
};

}  // namespace detail

/// Chooses rank, weight map and prior margin scales by cross-validated log loss on seen users' training
/// comparisons:
/// 1. rank 1 (Bradley-Terry): its q, by factors of 2, then of sqrt 2;
/// 2. the largest rank, signed: q of the deviations by factors of 1.5, where too large a q is easiest to see,
///    then q of the first column by factors of 2; where that does not pay, again from a wide q of the
///    deviations;
/// 3. the other ranks downwards, each starting from the one above, their q by factors of 1.5; then upwards
///    by factors of 2 while it pays, if `grow`;
/// 4. simplex weights at the best rank up to 8, started from the signed fit, their q by factors of 2, and if
/// that pays
///    at the other ranks up to 8; they need to beat signed deviations by one standard error of the paired
///    difference by user;
/// 5. the rank of lowest loss, or the largest one of the same weight map within half such a standard error of
/// it, for
///    what is trained on in a fold is less than all and supports less rank; 1 unless that beats rank 1 by
///    more than one standard error.
/// @param observer  called before each candidate; true ends the search
/// @throws std::invalid_argument, std::domain_error as the parts do   @cost a few dozen fits on each fold
template <class Store, class Loss, Real Scalar>
[[nodiscard]] Selection select_settings(CrossValidation<Store, Loss, Scalar>& validation, Index dimension,
                                        Index users, const SelectionOptions& options,
                                        const SelectionObserver& observer = {}) {
  options.validate();
  detail::Selector<Store, Loss, Scalar> selector(validation, options, observer);
  using Scored = typename decltype(selector)::Scored;
  const Index limit = std::min(dimension, users);
  std::vector<Index> ranks = options.ranks;
  const bool ladder = ranks.empty();
  if (ladder) ranks = {1, 2, 3, 4, 5, 6, 8, 12, 17};
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  if (ladder)
    ranks.erase(std::remove_if(ranks.begin(), ranks.end(), [&](Index rank) { return rank > limit; }),
                ranks.end());
  for (const Index rank : ranks)
    if (rank > limit)
      detail::raise_shape("select_settings", "rank", rank,
                          "at most min(d, users) = " + detail::to_text(limit));

  constexpr auto both = [](Candidate candidate, double factor) {
    candidate.scale.first *= factor;
    candidate.scale.others *= factor;
    return candidate;
  };
  constexpr auto first = [](Candidate candidate, double factor) {
    candidate.scale.first *= factor;
    return candidate;
  };
  constexpr auto others = [](Candidate candidate, double factor) {
    candidate.scale.others *= factor;
    return candidate;
  };

  Selection selection;
  std::map<Index, Scored> best;
  const double middle = std::clamp(0.8, options.smallest_scale, options.largest_scale);
  Scored base = selector.score({1, WeightMapKind::signed_deviations, {middle, middle}}, nullptr);
  selector.walk(base, {0.5, 2}, both);
  selector.walk(base, {std::sqrt(0.5), std::sqrt(2.0)}, both, 1);

  std::optional<RankChoice> deviations;
  std::vector<Index> above(std::upper_bound(ranks.begin(), ranks.end(), 1), ranks.end());
  if (!above.empty()) {
    const auto signed_at = [&](Index rank, const MarginScale& scale, const Scored* from) {
      typename CrossValidation<Store, Loss, Scalar>::Bases starts;
      if (from != nullptr && !from->result.bases.empty())
        for (const auto& V : from->result.bases)
          starts.push_back(detail::leading_deviations(V, validation.prepared().spectrum, rank));
      return selector.score({rank, WeightMapKind::signed_deviations, scale},
                            starts.empty() ? nullptr : &starts);
    };
    Scored top = signed_at(above.back(), base.candidate.scale, nullptr);
    selector.walk(top, {1 / 1.5, 1.5}, others);
    selector.walk(top, {2, 0.5}, first);
    // People who disagree about everything leave Bradley-Terry with next to no scale, at which deviations
    // vanish.
    const auto gains = [&] {
      const ScoreDifference gain = top.result.score - base.result.score;
      return gain.mean < -gain.standard_error;
    };
    if (base.candidate.scale.others < middle && !selector.stopped() && !gains()) {
      Scored apart = signed_at(above.back(), {base.candidate.scale.first, middle}, nullptr);
      selector.walk(apart, {1 / 1.5, 1.5}, others, 4);
      if (apart.loss < top.loss) top = std::move(apart);
    }
    std::map<Index, Scored> by_rank;
    const Scored* from = &by_rank.emplace(above.back(), std::move(top)).first->second;
    for (auto rank = std::next(above.rbegin()); rank != above.rend(); ++rank) {
      Scored scored = signed_at(*rank, from->candidate.scale, from);
      selector.walk(scored, {1 / 1.5}, others, 3);
      from = &by_rank.emplace(*rank, std::move(scored)).first->second;
    }
    // Upwards while it pays.
    while (options.grow && !selector.stopped()) {
      const auto& largest = *by_rank.rbegin();
      const bool pays = by_rank.size() < 2 || largest.second.loss < std::prev(by_rank.end(), 2)->second.loss;
      const Index next = std::min(limit, 2 * largest.first);
      if (!pays || next <= largest.first) break;
      by_rank.emplace(next, signed_at(next, largest.second.candidate.scale, nullptr));
    }
    for (const auto& [rank, scored] : by_rank)
      if (std::isfinite(scored.loss) && (!deviations || scored.loss < deviations->log_loss))
        deviations = {scored.candidate, scored.loss, scored.result.score - base.result.score};
    if (options.simplex) {
      const auto simplex_at = [&](Index rank, const Scored& scored, std::optional<double> q, int most) {
        typename CrossValidation<Store, Loss, Scalar>::Bases starts;
        for (std::size_t f = 0; f < scored.result.bases.size(); ++f)
          starts.push_back(detail::simplex_vertices(scored.result.bases[f], scored.result.parameters[f]));
        const double scale = std::min(q.value_or(2 * scored.candidate.scale.others), options.largest_scale);
        Scored simplex = selector.score({rank, WeightMapKind::simplex, {scale, scale}}, &starts);
        selector.walk(simplex, {2, 0.5}, both, most);
        return simplex;
      };
      const auto better = [&](const Scored& simplex, const Scored& scored) {
        if (!std::isfinite(simplex.loss)) return false;
        if (!options.with_signed) return true;
        const ScoreDifference difference = simplex.result.score - scored.result.score;
        return difference.mean < -difference.standard_error;
      };
      const Index highest = options.with_signed ? 8 : limit;
      // At the best signed rank first: where simplex weights do not pay there, they are not tried elsewhere.
      auto first_tried = by_rank.end();
      for (auto at = by_rank.begin(); at != by_rank.end() && at->first <= highest; ++at)
        if (std::isfinite(at->second.loss) &&
            (first_tried == by_rank.end() || at->second.loss < first_tried->second.loss))
          first_tried = at;
      if (first_tried != by_rank.end()) {
        Scored simplex = simplex_at(first_tried->first, first_tried->second, std::nullopt, 4);
        if (better(simplex, first_tried->second)) {
          const double q = simplex.candidate.scale.others;
          for (auto at = by_rank.begin(); at != by_rank.end() && at->first <= highest; ++at) {
            if (at == first_tried || !std::isfinite(at->second.loss)) continue;
            Scored other = simplex_at(at->first, at->second, q, 0);
            if (better(other, at->second)) at->second = std::move(other);
          }
          first_tried->second = std::move(simplex);
        }
      }
    }
    best = std::move(by_rank);
  }
  selection.bradley_terry = base.candidate;
  if (std::find(ranks.begin(), ranks.end(), Index{1}) != ranks.end() || best.empty())
    best.emplace(1, std::move(base));

  selection.candidates = selector.candidates();
  selection.passes = validation.passes();
  selection.stopped = selector.stopped();
  const Scored* chosen = nullptr;
  for (auto& [rank, scored] : best) {
    if (!std::isfinite(scored.loss)) continue;
    const auto one = best.find(1);
    const Scored& reference = one != best.end() ? one->second : base;
    selection.ranks.push_back({scored.candidate, scored.loss, scored.result.score - reference.result.score});
    if (chosen == nullptr || scored.loss < chosen->loss) chosen = &scored;
  }
  if (chosen == nullptr) {
    selection.selected = ranks.front();
    return selection;
  }
  const Scored* lowest = chosen;
  for (auto& [rank, scored] : best) {
    if (!std::isfinite(scored.loss) || scored.candidate.weight_map != lowest->candidate.weight_map) continue;
    const ScoreDifference loss = scored.result.score - lowest->result.score;
    if (rank > chosen->candidate.rank && lowest->candidate.rank > 1 && loss.mean <= 0.5 * loss.standard_error)
      chosen = &scored;
  }
  selection.selected = chosen->candidate.rank;
  if (const auto one = best.find(1); one != best.end() && selection.selected > 1) {
    const ScoreDifference gain = lowest->result.score - one->second.result.score;
    if (!(gain.mean < -gain.standard_error)) selection.selected = 1;
  }
  if (options.with_signed && selection.at(selection.selected).candidate.weight_map == WeightMapKind::simplex)
    selection.deviations = std::move(deviations);
  return selection;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE Selection select_settings(CrossValidation<>&, Index, Index, const SelectionOptions&,
                                                 const SelectionObserver&);
#endif

}  // namespace lore
