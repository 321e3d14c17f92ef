// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/preferences.hpp"

namespace lore {

/// Margins as figures count them, by user.
template <Real Scalar>
struct JudgedMargins {
  Vector<Scalar> margins;
  std::vector<Index> offset;  ///< users + 1 positions
};

/// What can be right or wrong among comparisons with n margins: a comparison by its margin, and a choice
/// among several replies once, by its smallest margin, since it is right where the chosen reply beats all
/// others. A tie says nothing of who won and is left out. Without answers these are the margins themselves.
/// @throws std::invalid_argument unless there is a margin for each comparison   @cost O(n)
template <Real Scalar, class Store>
[[nodiscard]] JudgedMargins<Scalar> judged_margins(const Comparisons<Store>& comparisons,
                                                   const Vector<Scalar>& margins) {
  detail::check_size("judged_margins", "margins", margins.size(), comparisons.size());
  if (comparisons.answer.empty()) return {margins, comparisons.offset};
  JudgedMargins<Scalar> out{Vector<Scalar>(margins.size()), {0}};
  Index n = 0;
  for (Index i = 0; i < comparisons.users(); ++i) {
    const Index begin = comparisons.begin(i), count = comparisons.count(i);
    for (Index j = 0; j < count;) {
      const Index end = detail::end_of_choice(comparisons.answers(i), j, count);
      if (comparisons.answers(i)[j].outcome != Outcome::tie)
        out.margins(n++) = margins.segment(begin + j, end - j).minCoeff();
      j = end;
    }
    out.offset.push_back(n);
  }
  out.margins.conservativeResize(n);
  return out;
}

}  // namespace lore
