// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// What somebody said of a pair.
enum class Outcome : std::uint8_t {
  preferred = 0,  ///< the chosen reply rather than the rejected one
  tie = 1,        ///< neither: which of the two is called chosen means nothing
  abstained = 2,  ///< nothing: kept in files, out of fits and figures
};

/// All that is known of an answer besides its two replies and its weight. The default is a plain comparison.
struct Answer {
  Outcome outcome = Outcome::preferred;
  float strength = 1;  ///< how strongly, finite and >= 0, in units that the loss knows
  float flip = 0;      ///< probability that the opposite was recorded, 0 <= flip < 1/2
  /// Consecutive comparisons of a user with the same number, 0 or above, are one choice: of the reply that
  /// they share as the chosen one among all their replies. -1: a comparison of its own.
  Index choice = -1;

  [[nodiscard]] bool operator==(const Answer&) const = default;
};

namespace detail {

/// Past the last comparison of the choice that begins at p, one of `end` answers; nullptr: all plain.
[[nodiscard]] inline Index end_of_choice(const Answer* answer, Index p, Index end) noexcept {
  Index after = p + 1;
  if (answer == nullptr || answer[p].choice < 0) return after;
  while (after < end && answer[after].choice == answer[p].choice) ++after;
  return after;
}

/// What each answer must be by itself.   @throws std::domain_error naming answer and field
inline void check_answers(const char* where, const std::vector<Answer>& answer) {
  for (std::size_t j = 0; j < answer.size(); ++j) {
    const Answer& one = answer[j];
    const auto place = [&](const char* field) { return "answer[" + to_text(j) + "]." + std::string(field); };
    if (static_cast<int>(one.outcome) > 2)
      raise_value(where, place("outcome"), static_cast<int>(one.outcome), "0, 1 or 2");
    if (!(one.strength >= 0) || !std::isfinite(one.strength))
      raise_value(where, place("strength"), one.strength, "a finite number, 0 or above");
    if (!(one.flip >= 0 && one.flip < 0.5F))
      raise_value(where, place("flip"), one.flip, "0 or above, below 0.5");
    if (one.choice < -1) raise_value(where, place("choice"), one.choice, "-1, or a number of 0 or above");
  }
}

/// What the answers of one user, in order, must be in a fit: none abstained, and comparisons of a choice
/// `preferred` and of one weight.   @param omega  a weight each, or empty: 1   @throws std::domain_error
inline void check_user_answers(const char* where, const std::vector<Answer>& answer,
                               const std::vector<float>& omega) {
  check_answers(where, answer);
  for (std::size_t j = 0; j < answer.size(); ++j) {
    const auto place = [&] { return "answer[" + to_text(j) + "]"; };
    if (answer[j].outcome == Outcome::abstained)
      raise_value(where, place(), "an abstention", "a preference or a tie");
    if (j == 0 || answer[j].choice < 0 || answer[j].choice != answer[j - 1].choice) continue;
    if (answer[j].outcome != Outcome::preferred || answer[j - 1].outcome != Outcome::preferred)
      raise_value(where, place(), "a tie in a choice", "the chosen reply preferred to each other one");
    if (!omega.empty() && omega[j] != omega[j - 1])
      raise_value(where, "omega[" + to_text(j) + "]", omega[j], "that of the whole choice");
  }
}

/// What the comparisons of a choice must have in common: consecutive places among the user's comparisons, an
/// answer `preferred`, and whatever differs(a, b) looks at.
/// @param user     n, any numbering of users   @param place  n, rank among the user's comparisons
/// @param differs  name of what comparisons a and b of a choice disagree in, or nullptr
/// @throws std::domain_error naming choice and user   @cost O(c log c) with c comparisons in choices
template <class Differs>
void check_choices(const char* where, const std::vector<Answer>& answer, const std::vector<Index>& user,
                   const std::vector<Index>& place, Differs&& differs) {
  const auto at = [](Index j) { return static_cast<std::size_t>(j); };
  std::vector<Index> member;
  for (std::size_t j = 0; j < answer.size(); ++j)
    if (answer[j].choice >= 0) member.push_back(static_cast<Index>(j));
  const auto key = [&](Index j) { return std::pair(user[at(j)], answer[at(j)].choice); };
  std::stable_sort(member.begin(), member.end(), [&](Index a, Index b) {
    return key(a) != key(b) ? key(a) < key(b) : place[at(a)] < place[at(b)];
  });
  for (std::size_t k = 1; k < member.size(); ++k) {
    const Index a = member[k - 1], b = member[k];
    if (key(a) != key(b)) continue;
    const std::string name = "choice " + to_text(answer[at(b)].choice) + " of user " + to_text(user[at(b)]);
    if (place[at(b)] != place[at(a)] + 1)
      raise_value(where, name, "comparisons apart", "consecutive ones among the user's comparisons");
    if (answer[at(a)].outcome != Outcome::preferred || answer[at(b)].outcome != Outcome::preferred)
      raise_value(where, name, "a tie or an abstention", "the chosen reply preferred to each other one");
    if (const char* what = differs(a, b); what != nullptr)
      raise_value(where, name, "comparisons that differ in their " + std::string(what), "the same for all");
  }
}

}  // namespace detail
}  // namespace lore
