// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <type_traits>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/preferences.hpp"

namespace lore {

/// A loss at one margin, in nats, with its first and second derivative with respect to the margin.
template <Real Scalar>
struct LossTerms {
  Scalar value;
  Scalar slope;
  Scalar curvature;
};

/// What a comparison costs as a function of its margin t = x' V w / tau (positive when the chosen reply
/// wins).
///   loss(t)   LossTerms at t; pure, callable from several threads, any finite t
template <class L, class Scalar>
concept PairwiseLoss = Real<Scalar> && std::copy_constructible<L> && requires(const L& loss, Scalar margin) {
  { loss(margin) } -> std::same_as<LossTerms<Scalar>>;
};

/// A loss that also reads what was answered:
///   loss(t, answer)      LossTerms of this answer at t; loss(t) is that of a plain one, and what predictions
///                        rest on
///   loss.reads_ties()    optional: whether answers may be ties
///   loss.reads_choices() optional: whether comparisons of a choice may be taken together (`PlackettLuce`)
///   loss.outcomes()      optional: an Answer of each kind that there is, up to which reply it prefers;
///                        exp(-loss(+-t, answer)) over them, ties once, are probabilities that sum to 1
/// Constants that tell more of a loss, true whatever the answer:
///   convex           in t
///   self_concordant  the third derivative is at most the second, so that Newton steps need no search where
///                    they change no margin by much
template <class L, class Scalar>
concept AnswerLoss = PairwiseLoss<L, Scalar> && requires(const L& loss, Scalar margin, const Answer& answer) {
  { loss(margin, answer) } -> std::same_as<LossTerms<Scalar>>;
};

/// A loss that may take comparisons of a choice together.
template <class L>
concept ChoiceLoss = requires(const L& loss) {
  { loss.reads_choices() } -> std::convertible_to<bool>;
};

/// Bradley-Terry: -log sigma(t) = softplus(-t).   @cost one exponential, one logarithm   @ref Bradley & Terry
/// 1952
struct BradleyTerry {
  static constexpr bool convex = true, self_concordant = true;

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const noexcept {
    const Scalar e = std::exp(-std::abs(margin));
    const Scalar small = e / (Scalar(1) + e);  // sigma(-|t|)
    return {std::log1p(e) + std::max(-margin, Scalar(0)), margin >= 0 ? -small : small - Scalar(1),
            small * (Scalar(1) - small)};
  }

  /// The same for an array of margins, in vector code: value, slope and curvature are written.
  template <class T, class Out>
  void array(const Eigen::MatrixBase<T>& margin, Out&& value, Out&& slope, Out&& curvature) const {
    using Scalar = typename T::Scalar;
    const Scalar one(1), zero(0);
    curvature.array() = (-margin.array().abs()).exp();
    slope.array() = one + curvature.array();
    // log1p(e) = log(u) + (e - (u - 1)) / u where u is 1 + e as it is rounded; Eigen's own is not vector code
    value.array() = slope.array().log() + (curvature.array() - (slope.array() - one)) / slope.array() +
                    (-margin.array()).max(zero);
    curvature.array() /= slope.array();
    from_tails(margin, slope, curvature);
  }

  /// The same without values, at half the cost.
  template <class T, class Out>
  void array_derivatives(const Eigen::MatrixBase<T>& margin, Out&& slope, Out&& curvature) const {
    using Scalar = typename T::Scalar;
    curvature.array() = (-margin.array().abs()).exp();
    curvature.array() = curvature.array() / (Scalar(1) + curvature.array());
    from_tails(margin, slope, curvature);
  }

 private:
  /// From sigma(-|t|) in `curvature`: -sigma(-t) and its derivative. A choice by the sign of t would not be
  /// vector code; about t = 0 both answers are the same.
  template <class T, class Out>
  static void from_tails(const Eigen::MatrixBase<T>& margin, Out&& slope, Out&& curvature) {
    using Scalar = typename T::Scalar;
    const Scalar one(1), zero(0), huge = std::is_same_v<Scalar, float> ? Scalar(1e30) : Scalar(1e300);
    slope.array() = -curvature.array() -
                    (-huge * margin.array()).max(zero).min(one) * (one - Scalar(2) * curvature.array());
    curvature.array() *= one - curvature.array();
  }
};

namespace detail {

/// Loss terms of many margins at once; a loss may offer `array(t, value, slope, curvature)`, and
/// `array_derivatives(t, slope, curvature)` beside it, with vector code.
template <class Loss, class T, class Out>
void evaluate_losses(const Loss& loss, const T& t, Out&& value, Out&& slope, Out&& curvature) {
  if constexpr (requires { loss.array(t, value, slope, curvature); }) {
    loss.array(t, value, slope, curvature);
  } else {
    for (Index j = 0; j < t.size(); ++j) {
      const LossTerms<typename T::Scalar> terms = loss(t(j));
      value(j) = terms.value;
      slope(j) = terms.slope;
      curvature(j) = terms.curvature;
    }
  }
}

/// Slopes and curvatures alone; `value` is scratch.
template <class Loss, class T, class Out>
void evaluate_loss_derivatives(const Loss& loss, const T& t, Out&& value, Out&& slope, Out&& curvature) {
  if constexpr (requires { loss.array_derivatives(t, slope, curvature); }) {
    loss.array_derivatives(t, slope, curvature);
  } else {
    evaluate_losses(loss, t, value, slope, curvature);
  }
}

template <class Loss>
[[nodiscard]] bool reads_ties(const Loss& loss) {
  if constexpr (requires { loss.reads_ties(); })
    return loss.reads_ties();
  else
    return false;
}

template <class Loss>
[[nodiscard]] bool reads_choices(const Loss& loss) {
  if constexpr (ChoiceLoss<Loss>)
    return loss.reads_choices();
  else
    return false;
}

template <class Loss>
[[nodiscard]] constexpr bool is_convex() {
  if constexpr (requires { Loss::convex; })
    return Loss::convex;
  else
    return false;
}

template <class Loss>
[[nodiscard]] constexpr bool is_self_concordant() {
  if constexpr (requires { Loss::self_concordant; })
    return Loss::self_concordant;
  else
    return false;
}

/// The kinds of answers that `loss` tells apart; empty: the plain one alone.
template <class Loss>
[[nodiscard]] std::vector<Answer> outcomes_of(const Loss& loss) {
  if constexpr (requires { loss.outcomes(); }) return loss.outcomes();
  if (reads_ties(loss)) return {Answer{}, Answer{.outcome = Outcome::tie}};
  return {};
}

/// loss(t, answer), or loss(t) where the loss does not read answers.
template <class Loss, Real Scalar>
[[nodiscard]] LossTerms<Scalar> terms_of(const Loss& loss, Scalar margin, const Answer& answer) {
  if constexpr (AnswerLoss<Loss, Scalar>)
    return loss(margin, answer);
  else
    return loss(margin);
}

/// The same for the first `count` margins, which `answer` belongs to; later ones are padding. nullptr: plain.
template <class Loss, class T, class Out>
void evaluate_answers(const Loss& loss, const T& t, const Answer* answer, Index count, Out&& value,
                      Out&& slope, Out&& curvature) {
  if (answer == nullptr) return evaluate_losses(loss, t, value, slope, curvature);
  value.setZero();
  slope.setZero();
  curvature.setZero();
  for (Index j = 0; j < count; ++j) {
    const LossTerms<typename T::Scalar> terms = terms_of(loss, t(j), answer[j]);
    value(j) = terms.value;
    slope(j) = terms.slope;
    curvature(j) = terms.curvature;
  }
}

/// @throws std::domain_error when there is a tie or a choice among several replies and the loss would take it
/// for something else   @cost O(n) where there are answers
template <class Loss>
void check_readable(const char* where, const Loss& loss, const std::vector<Answer>& answer) {
  const auto n = static_cast<Index>(answer.size());
  for (Index j = 0; j < n; ++j) {
    const Answer& one = answer[static_cast<std::size_t>(j)];
    if (one.outcome == Outcome::tie && !reads_ties(loss)) [[unlikely]]
      raise_value(where, "answer[" + to_text(j) + "]", "a tie",
                  "a loss that reads ties (Davidson, RaoKupper, Ordinal), or Comparisons::decided()");
    if (one.choice >= 0 && !reads_choices(loss) && j + 1 < n &&
        answer[static_cast<std::size_t>(j) + 1].choice == one.choice) [[unlikely]]
      raise_value(where, "answer[" + to_text(j) + "]", "a choice among several replies",
                  "a loss that reads choices (PlackettLuce)");
  }
}

/// For fits that read no answers.   @throws std::domain_error when there is a tie or a choice among several
inline void check_plain(const char* where, const std::vector<Answer>& answer) {
  for (std::size_t j = 0; j < answer.size(); ++j) {
    const bool choice = j > 0 && answer[j].choice >= 0 && answer[j].choice == answer[j - 1].choice;
    if (choice || answer[j].outcome != Outcome::preferred) [[unlikely]]
      raise_value(where, "answer[" + to_text(j) + "]", choice ? "a choice among several replies" : "a tie",
                  "plain comparisons; JointFit and FewShotFit read answers");
  }
}

}  // namespace detail
}  // namespace lore
