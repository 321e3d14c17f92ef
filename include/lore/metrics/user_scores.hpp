// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// One number a user and their mean. Users without comparisons have NaN and are left out of the mean.
struct UserScores {
  double mean = std::numeric_limits<double>::quiet_NaN();            ///< over users; NaN without users
  double standard_error = std::numeric_limits<double>::quiet_NaN();  ///< NaN with fewer than two users
  Index users = 0;                                                   ///< users with a score
  Index users_without = 0;                                           ///< users left out
  double pooled = std::numeric_limits<double>::quiet_NaN();  ///< over all comparisons alike, where known
  std::vector<double> by_user{};                             ///< one a user; NaN where left out
};

/// Mean over users and its standard error: sample standard deviation over users / sqrt(users).
/// @param by_user  one finite or infinite number a user; NaN leaves that user out   @cost O(users)
[[nodiscard]] inline UserScores summarize_users(std::vector<double> by_user) {
  UserScores out;
  double sum = 0;
  for (const double value : by_user) {
    if (std::isnan(value)) {
      ++out.users_without;
    } else {
      ++out.users;
      sum += value;
    }
  }
  if (out.users > 0) out.mean = sum / static_cast<double>(out.users);
  if (out.users > 1) {
    double squares = 0;
    for (const double value : by_user)
      if (!std::isnan(value)) squares += (value - out.mean) * (value - out.mean);
    const auto count = static_cast<double>(out.users);
    out.standard_error = std::sqrt(squares / (count - 1) / count);
  }
  out.by_user = std::move(by_user);
  return out;
}

namespace detail {

/// @throws std::invalid_argument unless offset is 0 = offset[0] <= offset[1] <= .. = count
inline void check_offsets(std::string_view function, std::span<const Index> offset, Index count) {
  if (offset.empty()) raise_shape(function, "offset", "no entries", "users + 1 entries");
  if (offset.front() != 0) raise_shape(function, "offset[0]", offset.front(), 0);
  for (std::size_t i = 1; i < offset.size(); ++i)
    if (offset[i] < offset[i - 1])
      raise_shape(function, "offset[" + to_text(i) + "]", offset[i], "at least the entry before it");
  if (offset.back() != count) raise_shape(function, "last offset", offset.back(), count);
}

/// Mean of term(margin) by user, over users, and pooled.
/// @throws as check_offsets; std::domain_error on a NaN margin
template <class Derived, class Term>
[[nodiscard]] UserScores score_users(std::string_view function, const Eigen::MatrixBase<Derived>& margins,
                                     std::span<const Index> offset, Term&& term) {
  check_offsets(function, offset, margins.size());
  std::vector<double> by_user(offset.size() - 1, std::numeric_limits<double>::quiet_NaN());
  double total = 0;
  for (std::size_t i = 0; i + 1 < offset.size(); ++i) {
    double sum = 0;
    for (Index j = offset[i]; j < offset[i + 1]; ++j) {
      const auto margin = static_cast<double>(margins.derived().coeff(j));
      if (std::isnan(margin)) raise_value(function, "margin " + to_text(j), margin, "a number");
      sum += term(margin);
    }
    total += sum;
    if (offset[i + 1] > offset[i]) by_user[i] = sum / static_cast<double>(offset[i + 1] - offset[i]);
  }
  UserScores out = summarize_users(std::move(by_user));
  if (margins.size() > 0) out.pooled = total / static_cast<double>(margins.size());
  return out;
}

}  // namespace detail
}  // namespace lore
