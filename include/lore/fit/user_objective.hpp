// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "lore/core/types.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"

namespace lore::detail {

/// Nodes and weights of the mean under N(0, 1): Gauss-Hermite, exact to degree 9. Nine nodes change no
/// objective of a fit in its fifth digit.
inline constexpr int hermite_count = 5;
inline constexpr double hermite_node[hermite_count] = {-2.8569700138728056, -1.355626179974266, 0,
                                                       1.355626179974266, 2.8569700138728056};
inline constexpr double hermite_weight[hermite_count] = {
    0.011257411327720677, 0.22207592200561257, 0.5333333333333333, 0.22207592200561257, 0.011257411327720677};

/// The negative log posterior of one user's coordinates c, given the scores of the user's comparisons:
///   f(c) = sum_j omega_j loss(t_j) + (c - c0)' P (c - c0) / 2,   t_j = z_j' w(c) / tau
/// and, when a covariance C is given, with loss(t_j) replaced by its mean over t_j ~ N(z_j' w(c) / tau, y_j'
/// C y_j), y_j = (dw/dc)' z_j / tau (exact for `Signed`, linearised for `Simplex`). A workspace that serves
/// one user after another and allocates only for a user larger than all before.
/// @cost O(m K^2) an evaluation with its Hessian
template <class Loss, WeightMap Map>
class UserObjective {
 public:
  UserObjective(Loss loss, Map map, double temperature)
      : loss_(std::move(loss)), map_(std::move(map)), scale_(1 / temperature) {}

  /// Takes a user: Z (K x m) scores, omega m weights or nullptr for 1. The prior is kept by address.
  template <class Scores>
  [[gnu::noinline]] void take(const Eigen::MatrixBase<Scores>& Z, const float* omega,
                              const CoordinatePrior& prior) {
    const Index K = Z.rows(), D = prior.degrees();
    prior_ = &prior;
    omega_ = omega;
    m_ = Z.cols();
    if (z_.rows() != K || z_.cols() < m_) reserve(K, D, std::max(m_, 2 * z_.cols()));
    z_.leftCols(m_) = Z.template cast<double>() * scale_;
  }

  [[nodiscard]] Index degrees() const noexcept { return prior_->degrees(); }

  /// f(c); leaves weights, margins, slopes and curvatures behind. C: nullptr for the plain posterior.
  [[gnu::noinline]] double value(const Vector<double>& c, const Matrix<double>* C) {
    place(c);
    if (C != nullptr && degrees() > 0) {
      spread_.leftCols(m_).noalias() = *C * y_.leftCols(m_);
      deviation_.head(m_) = spread_.leftCols(m_)
                                .cwiseProduct(y_.leftCols(m_))
                                .colwise()
                                .sum()
                                .transpose()
                                .cwiseMax(0.0)
                                .cwiseSqrt();
    }
    return sum(c, C != nullptr && degrees() > 0);
  }

  /// f(c) with the margins' deviations as the last value() with a covariance left them.
  double value_with_deviations_kept(const Vector<double>& c) {
    place(c);
    return sum(c, true);
  }

  /// Gradient and Hessian at the last value(); `exact` adds the curvature of the weight map and keeps concave
  /// losses.
  [[gnu::noinline]] void derivatives(Vector<double>& gradient, Matrix<double>& hessian, bool exact) {
    gradient = pull_;
    gradient.noalias() += y_.leftCols(m_) * slope_.head(m_);
    hessian = prior_->precision;
    for (Index j = 0; j < m_; ++j)
      spread_.col(j) = y_.col(j) * (exact ? curvature_(j) : std::max(curvature_(j), 0.0));
    hessian.noalias() += spread_.leftCols(m_) * y_.leftCols(m_).transpose();
    if (exact) {
      direction_.noalias() = z_.leftCols(m_) * slope_.head(m_);
      bend_.setZero();
      map_.add_curvature(p_, w_, direction_, bend_);
      hessian.noalias() += prior_->Q.transpose() * bend_ * prior_->Q;
    }
  }

  /// Mean and standard deviation of the margin of one comparison at the last value(), for scores z (K).
  template <class Scores>
  [[nodiscard]] std::pair<double, double> margin(const Eigen::MatrixBase<Scores>& z,
                                                 const Matrix<double>& C) const {
    const Vector<double> scaled = z.template cast<double>() * scale_;
    if (degrees() == 0) return {w_.dot(scaled), 0.0};
    const Vector<double> y = jacobian_.transpose() * scaled;
    return {w_.dot(scaled), std::sqrt(std::max(y.dot(C * y), 0.0))};
  }

  /// For a solver: value, gradient and exact Hessian of the plain posterior.
  double operator()(const Vector<double>& c, Vector<double>& gradient, Matrix<double>& hessian) {
    const double f = value(c, nullptr);
    derivatives(gradient, hessian, true);
    return f;
  }

  [[nodiscard]] const Vector<double>& parameters() const noexcept { return p_; }  ///< K
  [[nodiscard]] const Vector<double>& weights() const noexcept { return w_; }     ///< K
  [[nodiscard]] auto slopes() const { return slope_.head(m_) * scale_; }          ///< m, d f / d (z_j' w)

  /// dF/dz_j of the averaged loss as columns of G (K x m): slope_j w + curvature_j (dw/dc) C y_j.
  template <class Out>
  [[gnu::noinline]] void score_gradient(const Matrix<double>& C, Out& G) {
    using Scalar = typename Out::Scalar;
    if (degrees() > 0) {
      spread_.leftCols(m_).noalias() = C * y_.leftCols(m_);
      for (Index j = 0; j < m_; ++j) spread_.col(j) *= curvature_(j);
      full_.leftCols(m_).noalias() = jacobian_ * spread_.leftCols(m_);
      full_.leftCols(m_).noalias() += w_ * slope_.head(m_).transpose();
    } else {
      full_.leftCols(m_).noalias() = w_ * slope_.head(m_).transpose();
    }
    G = (full_.leftCols(m_) * scale_).template cast<Scalar>();
  }

 private:
  [[gnu::noinline]] void place(const Vector<double>& c) {
    const Index D = degrees();
    p_ = prior_->origin;
    if (D > 0) p_.noalias() += prior_->Q * c;
    map_.weights(p_, w_);
    t_.head(m_).noalias() = z_.leftCols(m_).transpose() * w_;
    for (Index a = 0; a < D; ++a) {  // both maps have a symmetric Jacobian: its columns are pullbacks
      direction_ = prior_->Q.col(a);
      map_.pullback(p_, w_, direction_, column_);
      jacobian_.col(a) = column_;
    }
    if (D > 0) y_.leftCols(m_).noalias() = jacobian_.transpose() * z_.leftCols(m_);
  }

  [[gnu::noinline]] double sum(const Vector<double>& c, bool averaged) {
    if (!averaged) {
      evaluate_losses(loss_, t_.head(m_), value_.head(m_), slope_.head(m_), curvature_.head(m_));
    } else {
      value_.head(m_).setZero();
      slope_.head(m_).setZero();
      curvature_.head(m_).setZero();
      tilt_.head(m_).setZero();
      for (int q = 0; q < hermite_count; ++q) {
        node_.head(m_) = t_.head(m_) + hermite_node[q] * deviation_.head(m_);
        evaluate_losses(loss_, node_.head(m_), node_value_.head(m_), node_slope_.head(m_),
                        node_curvature_.head(m_));
        value_.head(m_) += hermite_weight[q] * node_value_.head(m_);
        slope_.head(m_) += hermite_weight[q] * node_slope_.head(m_);
        curvature_.head(m_) += hermite_weight[q] * node_curvature_.head(m_);
        tilt_.head(m_) += (hermite_weight[q] * hermite_node[q]) * node_slope_.head(m_);
      }
      // E loss'' as E loss'(t + s x) x / s (Stein's identity): the exact derivative of the value above, with
      // which gradients agree with values however coarse five nodes are.
      curvature_.head(m_) =
          (deviation_.head(m_).array() > 1e-3)
              .select(tilt_.head(m_).cwiseQuotient(deviation_.head(m_)), curvature_.head(m_));
    }
    if (omega_ != nullptr)
      for (Index j = 0; j < m_; ++j) {
        const auto omega = static_cast<double>(omega_[j]);
        value_(j) *= omega;
        slope_(j) *= omega;
        curvature_(j) *= omega;
      }
    if (degrees() == 0) return value_.head(m_).sum();
    offset_ = c - prior_->mean;
    pull_.noalias() = prior_->precision * offset_;
    return value_.head(m_).sum() + 0.5 * offset_.dot(pull_);
  }

  [[gnu::noinline]] void reserve(Index K, Index D, Index room) {
    z_.resize(K, room);
    full_.resize(K, room);
    y_.resize(D, room);
    spread_.resize(D, room);
    for (Vector<double>* list : {&t_, &deviation_, &value_, &slope_, &curvature_, &node_, &node_value_,
                                 &tilt_, &node_slope_, &node_curvature_})
      list->resize(room);
    for (Vector<double>* list : {&p_, &w_, &direction_, &column_}) list->resize(K);
    jacobian_.resize(K, D);
    bend_.resize(K, K);
    offset_.resize(D);
    pull_.resize(D);
  }

  Loss loss_;
  Map map_;
  double scale_;
  const CoordinatePrior* prior_ = nullptr;
  const float* omega_ = nullptr;
  Index m_ = 0;
  Matrix<double> z_, y_, spread_, full_, jacobian_, bend_;
  Vector<double> t_, deviation_, value_, slope_, curvature_, node_, node_value_, tilt_, node_slope_,
      node_curvature_;
  Vector<double> p_, w_, direction_, column_, offset_, pull_;
};

}  // namespace lore::detail
