// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"

namespace lore {

/// A mean over users and how sure it is.
struct Gain {
  double mean = 0;
  double standard_error = 0;
  double lower = 0, upper = 0;  ///< confidence interval of the mean

  friend bool operator==(const Gain&, const Gain&) = default;
};

/// How much better than Bradley-Terry seen users did who were held out of the basis and treated as new, after
/// so many shots. Above 0 is better.
struct GuardPoint {
  Index shots = 0;
  Index users = 0;  ///< with at least so many shots, and comparisons left to judge
  Gain log_loss;    ///< nats a comparison, predictions averaged over the posterior
  Gain accuracy;    ///< share of comparisons

  friend bool operator==(const GuardPoint&, const GuardPoint&) = default;

  /// @throws std::domain_error on negative counts or numbers that are not finite
  void validate() const {
    detail::check_non_negative("GuardPoint", "shots", shots);
    detail::check_non_negative("GuardPoint", "users", users);
    for (const Gain& gain : {log_loss, accuracy}) {
      detail::check_finite("GuardPoint", "gain",
                           Vector<double, 4>(gain.mean, gain.standard_error, gain.lower, gain.upper));
    }
  }
};

}  // namespace lore
