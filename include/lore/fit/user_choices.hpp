// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <utility>
#include <vector>

#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/solve/dense.hpp"

namespace lore::detail {

/// Of a loss that takes no choices together there are none.
template <class Loss>
struct UserChoices {
  [[nodiscard]] static constexpr bool empty() noexcept { return true; }
};

/// One user's choices among several replies: what their coupled margins add to the objective of a user.
/// Single comparisons are none of its business.
template <ChoiceLoss Loss>
class UserChoices<Loss> {
 public:
  /// Finds the choices among m answers; nullptr: none.
  void take(const Answer* answer, Index m) {
    choices_.clear();
    for (Index p = 0, end = 0; answer != nullptr && p < m; p = end) {
      end = end_of_choice(answer, p, m);
      if (end > p + 1) choices_.push_back({p, end - p});
    }
    averaged_ = false;
  }

  [[nodiscard]] bool empty() const noexcept { return choices_.empty(); }

  /// At margins t (m or more): writes the slopes of the choices' comparisons, with zero for their curvatures,
  /// and keeps their Hessian in the coordinates.
  /// @param Y      the margins' derivatives by the coordinates, a row a comparison
  /// @param omega  m, or nullptr: 1
  /// @param C      covariance of the coordinates to average over, or nullptr for the margins as they are
  [[gnu::noinline]] void differentiate(const Vector<double>& t, const Matrix<double>& Y, const double* omega,
                                       const Matrix<double>* C, Vector<double>& slope,
                                       Vector<double>& curvature) {
    const Index D = Y.cols();
    set_covariance(C, D);
    at_mean_.setZero(D, D);
    if (averaged_) {
      lower_.setZero(D, D);
      pull_.resize(Y.rows(), D);
    }
    for (const auto& [begin, count] : choices_) {
      const double share = omega == nullptr ? 1.0 : omega[begin];
      mean_ = t.segment(begin, count);
      q_.resize(count);
      choice_cost(mean_, q_);
      if (D > 0) {
        y_ = Y.middleRows(begin, count);
        centre_.noalias() = y_.transpose() * q_;
        scaled_ = y_.array().colwise() * (share * q_).array();
        at_mean_.noalias() += y_.transpose() * scaled_;
        at_mean_.noalias() -= share * centre_ * centre_.transpose();
      }
      q_ *= -1;
      if (averaged_) {
        A_.noalias() = y_ * root_;
        scaled_.resize(count, D);
        means_.cost(mean_, A_, nodes_, q_, scaled_);
        scaled_ *= share;
        lower_.noalias() += A_.transpose() * scaled_;
        pull_.middleRows(begin, count).noalias() = scaled_ * root_.transpose();
      }
      slope.segment(begin, count) = share * q_;
      curvature.segment(begin, count).setZero();
    }
    if (!averaged_) return;
    // Twice the derivative of the mean by C, from that by its root G: G^-T sym(lower(G' dG)) G^-1.
    hessian_.resize(D, D);
    for (Index a = 0; a < D; ++a)
      for (Index b = 0; b <= a; ++b) hessian_(a, b) = hessian_(b, a) = lower_(a, b);
    for (int side = 0; side < 2; ++side) {
      for (Index column = 0; column < D; ++column)
        for (Index a = D; a-- > 0;) {
          for (Index k = a + 1; k < D; ++k) hessian_(a, column) -= root_(k, a) * hessian_(k, column);
          hessian_(a, column) /= root_(a, a);
        }
      hessian_.transposeInPlace();
    }
  }

  /// What the choices cost at margins t, averaged over the covariance of the last differentiate() if it had
  /// one. Takes them out of the terms of single comparisons: `copies` of m in steps of `stride`.
  [[gnu::noinline]] double value(const Vector<double>& t, const Matrix<double>& Y, const double* omega,
                                 Vector<double>& terms, Index copies, Index stride) {
    double total = 0;
    for (const auto& [begin, count] : choices_) {
      for (Index copy = 0; copy < copies; ++copy) terms.segment(copy * stride + begin, count).setZero();
      mean_ = t.segment(begin, count);
      q_.resize(count);
      double cost = 0;
      if (averaged_) {
        A_.noalias() = Y.middleRows(begin, count) * root_;
        scaled_.resize(count, Y.cols());
        cost = means_.cost(mean_, A_, nodes_, q_, scaled_);
      } else {
        cost = choice_cost(mean_, q_);
      }
      total += omega == nullptr ? cost : omega[begin] * cost;
    }
    return total;
  }

  /// Adds the choices' Hessian to H, which holds everything else and is positive definite; where that of the
  /// averaged cost, whose nodes are finitely many, would spoil it, the one at the mean.
  void add_hessian(Matrix<double>& H) {
    if (averaged_) {
      trial_ = H + hessian_;
      if (cholesky_in_place(trial_)) {
        H += hessian_;
        return;
      }
    }
    H += at_mean_;
  }

  /// Adds (dF/dY) J' to the rows of the choices' comparisons, F the mean cost and J = dw/dc (K x D).
  void add_pulls(const Matrix<double>& jacobian, Matrix<double>& rows) const {
    if (!averaged_) return;
    for (const auto& [begin, count] : choices_)
      rows.middleRows(begin, count).noalias() += pull_.middleRows(begin, count) * jacobian.transpose();
  }

 private:
  void set_covariance(const Matrix<double>* C, Index D) {
    averaged_ = C != nullptr && D > 0;
    if (!averaged_) return;
    if (nodes_.at.cols() != D) nodes_ = GaussianNodes<double>::in(D);
    root_ = *C;
    averaged_ = cholesky_in_place(root_);
    for (Index a = 1; a < D; ++a) root_.col(a).head(a).setZero();
  }

  std::vector<std::pair<Index, Index>> choices_;  ///< first comparison and how many
  bool averaged_ = false;
  GaussianNodes<double> nodes_;
  ChoiceMean<double> means_;
  Vector<double> mean_, q_, centre_;
  Matrix<double> y_, A_, scaled_, pull_, root_, lower_, hessian_, at_mean_, trial_;
};

}  // namespace lore::detail
