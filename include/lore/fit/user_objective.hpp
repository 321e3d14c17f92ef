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
inline constexpr double hermite_weighted_node[hermite_count] = {
    hermite_weight[0] * hermite_node[0], hermite_weight[1] * hermite_node[1], 0,
    hermite_weight[3] * hermite_node[3], hermite_weight[4] * hermite_node[4]};

/// Small dense algebra on n x D arrays with few columns, along the rows in steps of eight: the callers pad
/// their rows to a multiple of that. Sizes are those of one user, too small for Eigen's products.
inline constexpr Index row_step = 8;
using RowStep = Eigen::Array<double, row_step, 1>;

inline auto row_step_at(const Matrix<double>& A, Index row, Index column) {
  return Eigen::Map<const RowStep>(A.data() + column * A.outerStride() + row);
}

/// out(j) = sum_k A(j, k) c_k, for j below rows
[[gnu::noinline]] inline void combine_columns(const Matrix<double>& A, Index rows, const double* c,
                                              double* out) {
  for (Index j = 0; j < rows; j += row_step) {
    RowStep sum = RowStep::Zero();
    for (Index k = 0; k < A.cols(); ++k) sum += c[k] * row_step_at(A, j, k);
    Eigen::Map<RowStep>(out + j) = sum;
  }
}

/// out(j) = a_j' C a_j for the rows a_j of A, C symmetric
[[gnu::noinline]] inline void quadratic_of_rows(const Matrix<double>& A, Index rows, const Matrix<double>& C,
                                                double* out) {
  for (Index j = 0; j < rows; j += row_step) {
    RowStep sum = RowStep::Zero();
    for (Index b = 0; b < A.cols(); ++b) {
      RowStep inner = (0.5 * C(b, b)) * row_step_at(A, j, b);
      for (Index a = 0; a < b; ++a) inner += C(a, b) * row_step_at(A, j, a);
      sum += inner * row_step_at(A, j, b);
    }
    Eigen::Map<RowStep>(out + j) = 2.0 * sum;
  }
}

/// sum_j A(j, column) x(j)
inline double dot_column(const Matrix<double>& A, Index rows, Index column, const double* x) {
  RowStep sum = RowStep::Zero();
  for (Index j = 0; j < rows; j += row_step)
    sum += row_step_at(A, j, column) * Eigen::Map<const RowStep>(x + j);
  return sum.sum();
}

/// H += A' diag(c) A
[[gnu::noinline]] inline void add_weighted_gram(const Matrix<double>& A, Index rows, const double* c,
                                                Matrix<double>& scaled, Matrix<double>& H) {
  const Index D = A.cols();
  for (Index a = 0; a < D; ++a)
    scaled.col(a).head(rows).array() =
        A.col(a).head(rows).array() * Eigen::Map<const Eigen::ArrayXd>(c, rows);
  if (D > 12) {
    H.noalias() += scaled.topRows(rows).transpose() * A.topRows(rows);
    return;
  }
  for (Index b = 0; b < D; ++b)
    for (Index a = 0; a <= b; ++a) {
      const double sum = dot_column(A, rows, a, scaled.data() + b * scaled.outerStride());
      H(a, b) += sum;
      if (a != b) H(b, a) += sum;
    }
}

/// The negative log posterior of one user's coordinates c, given the scores of the user's comparisons:
///   f(c) = sum_j omega_j loss(t_j) + (c - c0)' P (c - c0) / 2,   t_j = z_j' w(c) / tau
/// and, when a covariance C is given, with loss(t_j) replaced by its mean over t_j ~ N(z_j' w(c) / tau, y_j'
/// C y_j), y_j = (dw/dc)' z_j / tau (exact for `Signed`, linearised for `Simplex`). A workspace that serves
/// one user after another and allocates only for a user larger than all before. Comparisons are rows, so that
/// vector code runs along them, in steps of eight; the rows past the last one are zero.
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
    rows_ = (m_ + 7) / 8 * 8;
    if (z_.cols() != K || z_.rows() < rows_) reserve(K, D, std::max(rows_, 2 * z_.rows()));
    for (Index j = 0; j < m_; ++j)
      for (Index k = 0; k < K; ++k) z_(j, k) = static_cast<double>(Z(k, j)) * scale_;
    z_.middleRows(m_, rows_ - m_).setZero();
  }

  [[nodiscard]] Index degrees() const noexcept { return prior_->degrees(); }

  /// Moves to c; leaves weights, margins, slopes and curvatures behind. C: nullptr for the plain posterior.
  [[gnu::noinline]] void evaluate(const Vector<double>& c, const Matrix<double>* C) {
    place(c);
    averaged_ = C != nullptr && degrees() > 0;
    if (averaged_) {
      quadratic_of_rows(y_, rows_, *C, deviation_.data());
      deviation_.head(rows_) = deviation_.head(rows_).cwiseMax(0.0).cwiseSqrt();
    }
    differentiate(c);
  }

  /// The same with the margins' deviations as the last evaluate() with a covariance left them.
  [[gnu::noinline]] void evaluate_with_deviations_kept(const Vector<double>& c) {
    place(c);
    averaged_ = true;
    differentiate(c);
  }

  /// f at the last evaluate(), which does not need it: values cost more than derivatives.
  [[nodiscard, gnu::noinline]] double value() {
    const Index copies = averaged_ ? hermite_count : 1;
    const Index all = copies * rows_;
    if (averaged_)
      place_nodes();
    else
      node_.head(all) = t_.head(all);
    evaluate_losses(loss_, node_.head(all), node_value_.head(all), node_slope_.head(all),
                    node_curvature_.head(all));
    double total = 0;
    for (Index q = 0; q < copies; ++q) {
      const auto terms = node_value_.segment(q * rows_, m_);
      const double weight = averaged_ ? hermite_weight[q] : 1.0;
      if (omega_ == nullptr)
        total += weight * terms.sum();
      else
        total += weight * terms.dot(Eigen::Map<const Vector<float>>(omega_, m_).template cast<double>());
    }
    return degrees() == 0 ? total : total + 0.5 * offset_.dot(pull_);
  }

  /// Gradient and Hessian at the last evaluate(); `exact` adds the curvature of the weight map and keeps
  /// concave losses.
  [[gnu::noinline]] void derivatives(Vector<double>& gradient, Matrix<double>& hessian, bool exact) {
    auto curvature = node_.head(rows_);
    curvature = curvature_.head(rows_);
    if (!exact) curvature = curvature.cwiseMax(0.0);
    gradient = pull_;
    for (Index a = 0; a < degrees(); ++a) gradient(a) += dot_column(y_, rows_, a, slope_.data());
    hessian = prior_->precision;
    add_weighted_gram(y_, rows_, node_.data(), spread_, hessian);
    if (exact) {
      for (Index k = 0; k < direction_.size(); ++k) direction_(k) = dot_column(z_, rows_, k, slope_.data());
      bend_.setZero();
      map_.add_curvature(p_, w_, direction_, bend_);
      hessian.noalias() += prior_->Q.transpose() * bend_ * prior_->Q;
    }
  }

  /// Mean and standard deviation of the margin of one comparison at the last evaluate(), for scores z (K).
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
    evaluate(c, nullptr);
    derivatives(gradient, hessian, true);
    return value();
  }

  [[nodiscard]] const Vector<double>& parameters() const noexcept { return p_; }  ///< K
  [[nodiscard]] const Vector<double>& weights() const noexcept { return w_; }     ///< K
  [[nodiscard]] auto slopes() const { return slope_.head(m_) * scale_; }          ///< m, d f / d (z_j' w)

  /// dF/dz_j of the averaged loss as columns of G (K x m): slope_j w + curvature_j (dw/dc) C y_j.
  template <class Out>
  [[gnu::noinline]] void score_gradient(const Matrix<double>& C, Out& G) {
    using Scalar = typename Out::Scalar;
    full_.topRows(m_).noalias() = slope_.head(m_) * w_.transpose();
    if (degrees() > 0) {
      spread_.topRows(m_).noalias() = y_.topRows(m_) * C;
      for (Index a = 0; a < degrees(); ++a) spread_.col(a).head(m_).array() *= curvature_.head(m_).array();
      full_.topRows(m_).noalias() += spread_.topRows(m_) * jacobian_.transpose();
    }
    G = (full_.topRows(m_).transpose() * scale_).template cast<Scalar>();
  }

 private:
  [[gnu::noinline]] void place(const Vector<double>& c) {
    const Index D = degrees();
    p_ = prior_->origin;
    if (D > 0) p_.noalias() += prior_->Q * c;
    map_.weights(p_, w_);
    combine_columns(z_, rows_, w_.data(), t_.data());
    for (Index a = 0; a < D; ++a) {  // both maps have a symmetric Jacobian: its columns are pullbacks
      direction_ = prior_->Q.col(a);
      map_.pullback(p_, w_, direction_, column_);
      jacobian_.col(a) = column_;
      combine_columns(z_, rows_, column_.data(), y_.data() + a * y_.outerStride());
    }
  }

  /// Slopes and curvatures of the terms, and the prior's pull.
  [[gnu::noinline]] void differentiate(const Vector<double>& c) {
    if (averaged_)
      average_losses();
    else
      evaluate_loss_derivatives(loss_, t_.head(rows_), node_value_.head(rows_), slope_.head(rows_),
                                curvature_.head(rows_));
    if (omega_ != nullptr)
      for (Index j = 0; j < m_; ++j) {
        const auto omega = static_cast<double>(omega_[j]);
        slope_(j) *= omega;
        curvature_(j) *= omega;
      }
    if (degrees() == 0) return;
    offset_ = c - prior_->mean;
    pull_.noalias() = prior_->precision * offset_;
  }

  void place_nodes() {
    const auto s = deviation_.head(rows_).array();
    for (int q = 0; q < hermite_count; ++q)
      node_.segment(q * rows_, rows_).array() = t_.head(rows_).array() + hermite_node[q] * s;
  }

  /// The derivatives averaged over t + s N(0, 1), all nodes in one sweep.
  void average_losses() {
    const Index all = hermite_count * rows_;
    const auto s = deviation_.head(rows_).array();
    place_nodes();
    evaluate_loss_derivatives(loss_, node_.head(all), node_value_.head(all), node_slope_.head(all),
                              node_curvature_.head(all));
    const auto averaged = [this](const Vector<double>& terms, const double* weight, auto&& out) {
      const auto at = [&](int q) { return terms.segment(q * rows_, rows_).array(); };
      out = weight[0] * at(0) + weight[1] * at(1) + weight[2] * at(2) + weight[3] * at(3) + weight[4] * at(4);
    };
    averaged(node_slope_, hermite_weight, slope_.head(rows_).array());
    averaged(node_curvature_, hermite_weight, curvature_.head(rows_).array());
    // E loss'' as E loss'(t + s x) x / s (Stein's identity): the exact derivative of the value above, with
    // which gradients agree with values however coarse five nodes are.
    auto tilt = node_.head(rows_).array();
    averaged(node_slope_, hermite_weighted_node, tilt);
    auto curvature = curvature_.head(rows_).array();
    curvature = (s > 1e-3).select(tilt / s, curvature);
  }

  [[gnu::noinline]] void reserve(Index K, Index D, Index room) {
    z_.resize(room, K);
    full_.resize(room, K);
    y_.resize(room, D);
    spread_.resize(room, D);
    for (Vector<double>* list : {&t_, &deviation_, &slope_, &curvature_}) list->resize(room);
    for (Vector<double>* list : {&node_, &node_value_, &node_slope_, &node_curvature_})
      list->resize(hermite_count * room);
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
  Index m_ = 0, rows_ = 0;     ///< comparisons, and the same in steps of eight
  Matrix<double> z_, full_;    ///< rows x K
  Matrix<double> y_, spread_;  ///< rows x (K - 1)
  bool averaged_ = false;      ///< over the margins' deviations, at the last evaluate()
  Vector<double> t_, deviation_, slope_, curvature_;
  Vector<double> node_, node_value_, node_slope_, node_curvature_;  ///< a segment of rows a node
  Vector<double> p_, w_, direction_, column_;
  Vector<double> offset_, pull_;
  Matrix<double> jacobian_;
  Matrix<double> bend_;
};

}  // namespace lore::detail
