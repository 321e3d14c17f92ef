// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/objective/loss.hpp"

namespace lore {

/// Choices among several replies by Luce's rule: a choice of the reply with margins t_1 .. t_m against the
/// others costs
///   log(1 + sum_j exp(-t_j)),
/// and a full ranking, a choice a place, has exactly the likelihood of Plackett and Luce. Comparisons of
/// their own cost what Base says; one alone in its choice too (with Bradley-Terry that is the same).
///
/// Averages over an uncertain user, t ~ N(mean, A A'), are cubatures (`detail::GaussianNodes`): within 1 % of
/// the cost for margins' deviations up to 4, with exactly its derivatives.
/// @ref Luce 1959; Plackett 1975
template <class Base = BradleyTerry>
struct PlackettLuce {
  static constexpr bool convex = detail::is_convex<Base>();
  static constexpr bool self_concordant = detail::is_self_concordant<Base>();  ///< of single comparisons

  Base base{};

  [[nodiscard]] bool reads_ties() const { return detail::reads_ties(base); }
  [[nodiscard]] std::vector<Answer> outcomes() const { return detail::outcomes_of(base); }
  [[nodiscard]] bool reads_choices() const noexcept { return true; }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin) const {
    return base(margin);
  }

  template <Real Scalar>
  [[nodiscard]] LossTerms<Scalar> operator()(Scalar margin, const Answer& answer) const {
    return detail::terms_of(base, margin, answer);
  }

  template <class T, class Out>
  void array(const Eigen::MatrixBase<T>& margin, Out&& value, Out&& slope, Out&& curvature) const {
    detail::evaluate_losses(base, margin, value, slope, curvature);
  }

  template <class T, class Out>
  requires requires(const Base& inner, const T& t, Out& out) { inner.array_derivatives(t, out, out); }
  void array_derivatives(const Eigen::MatrixBase<T>& margin, Out&& slope, Out&& curvature) const {
    base.array_derivatives(margin, slope, curvature);
  }
};

namespace detail {

/// log(1 + sum_j exp(-t_j)); q_j = exp(-t_j) / (1 + sum_j exp(-t_j)), so the slopes are -q and the Hessian
/// diag(q) - q q'.
/// @param t  m   @param q  m, written
template <class T, class Q>
double choice_cost(const Eigen::MatrixBase<T>& t, Q&& q) {
  const double top = std::max(0.0, -static_cast<double>(t.minCoeff()));
  double sum = std::exp(-top);
  for (Index j = 0; j < t.size(); ++j) sum += q(j) = std::exp(-static_cast<double>(t(j)) - top);
  for (Index j = 0; j < t.size(); ++j) q(j) /= sum;
  return top + std::log(sum);
}

/// Terms of one user's answers at margins t (m): of single comparisons their own; of a choice among several
/// its cost at the first comparison, 0 at the others, slopes, and the diagonal of its Hessian.
template <class Loss>
void answer_terms(const Loss& loss, const Vector<double>& t, const Answer* answer, Vector<double>& value,
                  Vector<double>& slope, Vector<double>& curvature) {
  const Index m = t.size();
  for (Vector<double>* out : {&value, &slope, &curvature}) out->resize(m);
  evaluate_answers(loss, t, answer, m, value, slope, curvature);
  if constexpr (ChoiceLoss<Loss>) {
    Vector<double> q;
    for (Index p = 0, end = 0; reads_choices(loss) && p < m; p = end) {
      end = end_of_choice(answer, p, m);
      if (end == p + 1) continue;
      q.resize(end - p);
      value.segment(p, end - p).setZero();
      value(p) = choice_cost(t.segment(p, end - p), q);
      slope.segment(p, end - p) = -q;
      curvature.segment(p, end - p) = q - q.cwiseAbs2();
    }
  }
}

/// Nodes (rows of `at`, R x D) and weights of the mean under N(0, I) in D dimensions: three radii of
/// Gauss, and on each the points +-q of random orthonormal frames. Exact to degree 3, in the radius to
/// degree 11.
/// @ref Genz & Monahan 1998
template <Real Scalar>
struct GaussianNodes {
  Matrix<Scalar> at;
  Vector<Scalar> weight;

  /// @cost O(D^3) once; R = 6 D frames
  [[gnu::noinline]] static GaussianNodes in(Index D) {
    const Index frames = D == 1 ? 1 : std::max<Index>(1, (7 + D) / D);
    Matrix<Scalar> at(D, 6 * D * frames);
    GaussianNodes out{{}, Vector<Scalar>(at.cols())};
    Rng rng = make_rng(17, D);
    // |x|^2 / 2 at the roots of the Laguerre polynomial of degree 3, a cubic with a closed form.
    const double b = 0.5 * static_cast<double>(D) + 2, angle = std::acos(1 / std::sqrt(b));
    constexpr double third_turn = 2.0943951023931957;
    double x[3];
    for (int k = 0; k < 3; ++k) x[k] = b + 2 * std::sqrt(b) * std::cos(angle / 3 - k * third_turn);
    Index r = 0;
    for (int k = 0; k < 3; ++k) {
      const double y = x[(k + 1) % 3], z = x[(k + 2) % 3];
      const double share = ((b - 2) * (b - 1) - (y + z) * (b - 2) + y * z) / ((x[k] - y) * (x[k] - z));
      for (Index frame = 0; frame < frames; ++frame) {
        for (Index a = 0; a < D; ++a, r += 2) {
          auto q = at.col(r);
          for (double norm = 0; norm < 1e-3;) {  // Gram-Schmidt, twice for rounding
            fill_normal(rng, q);
            for (int round = 0; round < 2; ++round)
              for (Index c = 1; c <= a; ++c)
                q -= at.col(r - 2 * c) * (at.col(r - 2 * c).dot(q) / at.col(r - 2 * c).squaredNorm());
            norm = q.norm();
          }
          q *= std::sqrt(2 * x[k]) / q.norm();
          at.col(r + 1) = -q;
        }
      }
      out.weight.segment(r - 2 * D * frames, 2 * D * frames)
          .setConstant(share / static_cast<double>(2 * D * frames));
    }
    out.at = at.transpose();
    return out;
  }
};

/// Means over t ~ N(mean, A A') for one choice, all nodes in one sweep.
template <Real Scalar>
class ChoiceMean {
 public:
  /// The cost, its slope by `mean` (m, written) and its derivative by A (m x D, written).   @cost O(m D R)
  template <class Slope, class Pull>
  Scalar cost(const ConstVectorRef<Scalar>& mean, const Matrix<Scalar>& A, const GaussianNodes<Scalar>& nodes,
              Slope&& slope, Pull&& pull) {
    weigh(mean, A, nodes);
    for (Index j = 0; j < mean.size(); ++j) {
      q_.col(j).array() *= nodes.weight.array() / sum_.array();
      slope(j) = -q_.col(j).sum();
      for (Index k = 0; k < A.cols(); ++k) pull(j, k) = -q_.col(j).dot(nodes.at.col(k));
    }
    return nodes.weight.dot(top_) + nodes.weight.dot(sum_.array().log().matrix());
  }

  /// P(the chosen reply is chosen).
  Scalar probability(const ConstVectorRef<Scalar>& mean, const Matrix<Scalar>& A,
                     const GaussianNodes<Scalar>& nodes) {
    weigh(mean, A, nodes);
    return (nodes.weight.array() * (-top_.array()).exp() / sum_.array()).sum();
  }

 private:
  /// exp(-t_j - top) of all replies at all nodes and, with the chosen one, their sum.
  void weigh(const ConstVectorRef<Scalar>& mean, const Matrix<Scalar>& A,
             const GaussianNodes<Scalar>& nodes) {
    const Index m = mean.size(), R = nodes.weight.size();
    q_.resize(R, m);
    top_.setZero(R);
    for (Index j = 0; j < m; ++j) {
      auto t = q_.col(j);
      t.setConstant(-mean(j));
      for (Index k = 0; k < A.cols(); ++k) t -= A(j, k) * nodes.at.col(k);
      top_ = top_.cwiseMax(t);
    }
    sum_ = (-top_.array()).exp().matrix();
    for (Index j = 0; j < m; ++j) {
      q_.col(j) = (q_.col(j) - top_).array().exp().matrix();
      sum_ += q_.col(j);
    }
  }

  Vector<Scalar> top_, sum_;
  Matrix<Scalar> q_;  ///< R x m
};

}  // namespace detail
}  // namespace lore
