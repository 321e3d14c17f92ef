// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/numerics.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/objective/loss.hpp"

namespace lore {

/// A Bradley-Terry judge who records the opposite of the preference with probability `flip`:
/// -log((1 - flip) sigma(t) + flip sigma(-t)). Bounded slope, so careless answers cannot dominate; not
/// convex.
/// @throws std::domain_error from the constructor unless 0 <= flip < 1/2
class LabelNoise {
 public:
  explicit LabelNoise(double flip) : flip_(flip) {
    if (!(flip >= 0) || !(flip < 0.5))
      detail::raise_value("LabelNoise", "flip", flip, "0 or above, below 0.5");
  }

  [[nodiscard]] double flip() const noexcept { return flip_; }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    const auto flip = static_cast<Scalar>(flip_);
    const Scalar e = std::exp(-std::abs(margin));
    const Scalar large = Scalar(1) / (Scalar(1) + e), small = e / (Scalar(1) + e);
    const Scalar p = margin >= 0 ? large : small;            // sigma(t)
    const Scalar q = margin >= 0 ? small : large;            // sigma(-t)
    const Scalar noisy = flip + (Scalar(1) - 2 * flip) * p;  // P(recorded as chosen)
    const Scalar reach =
        flip > 0 ? (Scalar(1) - 2 * flip) * p / noisy : Scalar(1);  // share of it that is not noise
    const Scalar slope = -reach * q;
    const Scalar value = flip > 0 ? -std::log(noisy) : softplus(-margin);
    return {value, slope, slope * slope - reach * q * (q - p)};
  }

 private:
  double flip_;
};

/// A careless judge under any other loss: with probability f = `Answer::flip` the opposite of what was meant
/// is recorded,
///   -log((1 - f) exp(-L(t, answer)) + f exp(-L(-t, answer))),
/// and f = 0 is L itself. Rates by user come from `estimate_flip` or `fit_answer_model`. Not convex.
template <class Base = BradleyTerry>
struct LabelNoiseByUser {
  Base base{};

  [[nodiscard]] bool reads_ties() const { return detail::reads_ties(base); }
  [[nodiscard]] std::vector<Answer> outcomes() const { return detail::outcomes_of(base); }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const {
    return base(margin);
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const {
    const LossTerms<Scalar> meant = detail::terms_of(base, margin, answer);
    if (!(answer.flip > 0)) return meant;
    const LossTerms<Scalar> opposite = detail::terms_of(base, -margin, answer);
    const auto flip = static_cast<Scalar>(answer.flip);
    const Scalar a = std::log1p(-flip) - meant.value, b = std::log(flip) - opposite.value;
    const Scalar value = -std::max(a, b) - std::log1p(std::exp(-std::abs(a - b)));
    const Scalar careful = sigmoid(a - b), careless = sigmoid(b - a);  // responsibilities
    const Scalar slope = careful * meant.slope - careless * opposite.slope;
    const Scalar apart = meant.slope + opposite.slope;
    const Scalar curvature =
        careful * meant.curvature + careless * opposite.curvature - careful * careless * apart * apart;
    return {value, slope, curvature};
  }
};

}  // namespace lore
