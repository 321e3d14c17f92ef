// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>

#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_choices.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/kernels.hpp"
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

/// Small dense algebra on n x D arrays with few columns, along the rows in packets: the callers pad their
/// rows to a multiple of `row_step`. Sizes are those of one user, too small for Eigen's products.
inline constexpr Index row_step = lanes<double>;

/// out(j) = sum_k A(j, k) c_k, for j below rows
[[gnu::noinline]] inline void combine_columns(const Matrix<double>& A, Index rows, const double* c,
                                              double* out) {
  using namespace Eigen::internal;
  const Index columns = A.cols(), stride = A.outerStride();
  for (Index j = 0; j < rows; j += row_step) {
    Packet<double> sum = pset1<Packet<double>>(0.0);
    const double* at = A.data() + j;
    for (Index k = 0; k < columns; ++k, at += stride)
      sum = pmadd(pset1<Packet<double>>(c[k]), ploadu<Packet<double>>(at), sum);
    pstoreu(out + j, sum);
  }
}

/// out(j) = sqrt(a_j' C a_j) for the rows a_j of A, C symmetric
[[gnu::noinline]] inline void deviations_of_rows(const Matrix<double>& A, Index rows, const Matrix<double>& C,
                                                 double* out) {
  using namespace Eigen::internal;
  using P = Packet<double>;
  const Index columns = A.cols(), stride = A.outerStride(), C_stride = C.outerStride();
  for (Index j = 0; j < rows; j += row_step) {
    P sum = pset1<P>(0.0);
    for (Index b = 0; b < columns; ++b) {
      const double* row = A.data() + j;
      const double* c = C.data() + b * C_stride;
      P inner = pset1<P>(0.0);
      for (Index a = 0; a < b; ++a, row += stride) inner = pmadd(pset1<P>(c[a]), ploadu<P>(row), inner);
      const P last = ploadu<P>(row);
      sum = pmadd(pmadd(pset1<P>(c[b]), last, padd(inner, inner)), last, sum);
    }
    pstoreu(out + j, psqrt(pmax(sum, pset1<P>(0.0))));
  }
}

/// H(a, b) += sum_j A(j, a) c_j B(j, b) for a block of columns of each, which start at A and B.
template <int Na, int Nb>
[[gnu::always_inline]] inline void weighted_dots(const double* A, const double* B, Index stride, Index rows,
                                                 const double* c, double* H, Index H_stride) {
  using namespace Eigen::internal;
  using P = Packet<double>;
  P sum[Na][Nb];
#pragma GCC unroll 4
  for (int a = 0; a < Na; ++a)
#pragma GCC unroll 4
    for (int b = 0; b < Nb; ++b) sum[a][b] = pset1<P>(0.0);
  for (Index j = 0; j < rows; j += row_step) {
    const P factor = ploadu<P>(c + j);
    P scaled[Nb];
#pragma GCC unroll 4
    for (int b = 0; b < Nb; ++b) scaled[b] = pmul(factor, ploadu<P>(B + b * stride + j));
#pragma GCC unroll 4
    for (int a = 0; a < Na; ++a) {
      const P left = ploadu<P>(A + a * stride + j);
#pragma GCC unroll 4
      for (int b = 0; b < Nb; ++b) sum[a][b] = pmadd(left, scaled[b], sum[a][b]);
    }
  }
#pragma GCC unroll 4
  for (int a = 0; a < Na; ++a)
#pragma GCC unroll 4
    for (int b = 0; b < Nb; ++b) H[a + b * H_stride] += predux(sum[a][b]);
}

/// H += A' diag(c) A
[[gnu::noinline]] inline void add_weighted_gram(const Matrix<double>& A, Index rows, const double* c,
                                                Matrix<double>& H) {
  const Index D = A.cols(), stride = A.outerStride(), H_stride = H.outerStride();
  for_blocks<4>(D, [&]<int Na>(Index a, std::integral_constant<int, Na>) {
    for_blocks<4>(a + Na, [&]<int Nb>(Index b, std::integral_constant<int, Nb>) {
      weighted_dots<Na, Nb>(A.data() + a * stride, A.data() + b * stride, stride, rows, c,
                            H.data() + a + b * H_stride, H_stride);
    });
  });
  for (Index b = 1; b < D; ++b)
    for (Index a = 0; a < b; ++a) H(a, b) = H(b, a);
}

/// g(a) += sum_j A(j, a) c_j
[[gnu::noinline]] inline void add_dots(const Matrix<double>& A, Index rows, const double* c, double* g) {
  using namespace Eigen::internal;
  using P = Packet<double>;
  const Index stride = A.outerStride();
  for_blocks<4>(A.cols(), [&]<int N>(Index begin, std::integral_constant<int, N>) {
    const double* from = A.data() + begin * stride;
    P sum[N];
#pragma GCC unroll 4
    for (int a = 0; a < N; ++a) sum[a] = pset1<P>(0.0);
    for (Index j = 0; j < rows; j += row_step) {
      const P factor = ploadu<P>(c + j);
#pragma GCC unroll 4
      for (int a = 0; a < N; ++a) sum[a] = pmadd(factor, ploadu<P>(from + a * stride + j), sum[a]);
    }
#pragma GCC unroll 4
    for (int a = 0; a < N; ++a) g[begin + a] += predux(sum[a]);
  });
}

/// nodes(j + q rows) = t_j + node_q s_j
[[gnu::noinline]] inline void place_nodes(const double* t, const double* s, Index rows, double* nodes) {
  using namespace Eigen::internal;
  using P = Packet<double>;
  for (Index j = 0; j < rows; j += row_step) {
    const P centre = ploadu<P>(t + j), deviation = ploadu<P>(s + j);
#pragma GCC unroll 5
    for (int q = 0; q < hermite_count; ++q)
      pstoreu(nodes + q * rows + j, pmadd(pset1<P>(hermite_node[q]), deviation, centre));
  }
}

/// E loss' and E loss'' over t + s N(0, 1) from the derivatives at the nodes. E loss'' is E loss'(t + s x) x
/// / s (Stein's identity): the exact derivative of the averaged value, with which gradients agree with values
/// however coarse five nodes are.
[[gnu::noinline]] inline void average_nodes(const double* node_slope, const double* node_curvature,
                                            const double* s, Index rows, double* slope, double* curvature) {
  using namespace Eigen::internal;
  using P = Packet<double>;
  constexpr double small = 1e-3;  // where s is, the curvature hardly changes over the nodes
  for (Index j = 0; j < rows; j += row_step) {
    P mean = pset1<P>(0.0), tilt = mean;
#pragma GCC unroll 5
    for (int q = 0; q < hermite_count; ++q) {
      const P at = ploadu<P>(node_slope + q * rows + j);
      mean = pmadd(pset1<P>(hermite_weight[q]), at, mean);
      tilt = pmadd(pset1<P>(hermite_weighted_node[q]), at, tilt);
    }
    const P deviation = ploadu<P>(s + j);
    pstoreu(slope + j, mean);
    pstoreu(curvature + j, pdiv(tilt, pmax(deviation, pset1<P>(small))));
    for (Index r = j; r < j + row_step; ++r)
      if (!(s[r] > small)) curvature[r] = node_curvature[hermite_count / 2 * rows + r];
  }
}

/// The negative log posterior of one user's coordinates c, given the scores of the user's comparisons:
///   f(c) = sum_j omega_j loss(t_j) + (c - c0)' P (c - c0) / 2,   t_j = z_j' w(c) / tau
/// and, when a covariance C is given, with loss(t_j) replaced by its mean over t_j ~ N(z_j' w(c) / tau, y_j'
/// C y_j), y_j = (dw/dc)' z_j / tau (exact for `Signed`, linearised for `Simplex`). A workspace that serves
/// one user after another and allocates only for a user larger than all before. Comparisons are rows, so that
/// vector code runs along them; the rows past the last one, up to a whole packet, are zero.
/// @cost O(m K^2) an evaluation with its Hessian
template <class Loss, WeightMap Map>
class UserObjective {
 public:
  UserObjective(Loss loss, Map map, double temperature)
      : loss_(std::move(loss)), map_(std::move(map)), scale_(1 / temperature) {}

  void set(const Loss& loss, const Map& map, double temperature) {
    loss_ = loss;
    map_ = map;
    scale_ = 1 / temperature;
  }

  /// Where the weights are linear in the coordinates, dw/dc is found once a user.
  static constexpr bool linear = std::is_same_v<Map, Signed>;

  /// f has one minimum, and |f'''| <= f'' along a line on which no margin changes faster than 1.
  [[nodiscard]] bool self_concordant() const noexcept {
    return linear && is_self_concordant<Loss>() && choices_.empty();
  }

  /// Takes a user: Z (K x m) scores, omega m weights or nullptr for 1, m answers or nullptr for plain ones.
  /// Answers and prior are kept by address.
  template <class Scores>
  [[gnu::noinline]] void take(const Eigen::MatrixBase<Scores>& Z, const float* omega, const Answer* answer,
                              const CoordinatePrior& prior) {
    const Index K = Z.rows(), D = prior.degrees();
    prior_ = &prior;
    if constexpr (AnswerLoss<Loss, double>) answer_ = answer;
    if constexpr (ChoiceLoss<Loss>) choices_.take(reads_choices(loss_) ? answer : nullptr, Z.cols());
    m_ = Z.cols();
    rows_ = (m_ + row_step - 1) / row_step * row_step;
    if (z_.rows() < rows_)
      reserve(K, D, std::max(rows_, 2 * z_.rows()));
    else if (z_.cols() != K || y_.cols() != D)
      reserve(K, D, z_.rows());
    for (Index k = 0; k < K; ++k) {
      for (Index j = 0; j < m_; ++j) z_(j, k) = static_cast<double>(Z(k, j)) * scale_;
      for (Index j = m_; j < rows_; ++j) z_(j, k) = 0;
    }
    weighted_ = omega != nullptr;
    if (weighted_) {
      omega_.head(m_) = Eigen::Map<const Vector<float>>(omega, m_).template cast<double>();
      omega_.segment(m_, rows_ - m_).setZero();
    }
    if constexpr (linear) find_directions(prior.origin);
  }

  [[nodiscard]] Index degrees() const noexcept { return prior_->degrees(); }

  /// Moves to c; leaves weights, margins, slopes and curvatures behind. C: nullptr for the plain posterior.
  [[gnu::noinline]] void evaluate(const Vector<double>& c, const Matrix<double>* C) {
    place(c);
    averaged_ = C != nullptr && degrees() > 0;
    if (averaged_) deviations_of_rows(y_, rows_, *C, deviation_.data());
    differentiate(c);
    if constexpr (ChoiceLoss<Loss>)
      if (!choices_.empty())
        choices_.differentiate(t_, y_, weighted_ ? omega_.data() : nullptr, averaged_ ? C : nullptr, slope_,
                               curvature_);
  }

  /// Moves the parameters and weights alone.
  void move_to(const Vector<double>& c) {
    p_ = prior_->origin;
    for (Index a = 0; a < degrees(); ++a) p_ += c(a) * prior_->Q.col(a);
    map_.weights(p_, w_);
  }

  /// f at c, with the margins' deviations as the last evaluate() with a covariance left them; slopes and
  /// curvatures stay where they were.
  [[nodiscard, gnu::noinline]] double value_at(const Vector<double>& c) {
    place(c);
    pull(c);
    place_terms();
    return value();
  }

  /// f where the last call moved to; evaluate() does not need it, and values cost more than derivatives.
  [[nodiscard, gnu::noinline]] double value() {
    const Index copies = averaged_ ? hermite_count : 1, all = copies * rows_;
    double total = 0;
    if (answer_ == nullptr) {
      evaluate_losses(loss_, node_.head(all), node_value_.head(all), node_slope_.head(all),
                      node_curvature_.head(all));
    } else {
      evaluate_copies(copies);
    }
    if constexpr (ChoiceLoss<Loss>) {
      if (!choices_.empty())
        total = choices_.value(t_, y_, weighted_ ? omega_.data() : nullptr, node_value_, copies, rows_);
    }
    for (Index q = 0; q < copies; ++q) {
      const double* terms = node_value_.data() + q * rows_;
      double sum = 0;
      if (weighted_)
        for (Index j = 0; j < m_; ++j) sum += omega_(j) * terms[j];
      else
        for (Index j = 0; j < m_; ++j) sum += terms[j];
      total += averaged_ ? hermite_weight[q] * sum : sum;
    }
    for (Index a = 0; a < degrees(); ++a) total += 0.5 * offset_(a) * pull_(a);
    return total;
  }

  /// Gradient and Hessian at the last evaluate(); `exact` adds the curvature of the weight map and keeps
  /// concave losses.
  [[gnu::noinline]] void derivatives(Vector<double>& gradient, Matrix<double>& hessian, bool exact) {
    const double* curvature = curvature_.data();
    if (!exact) {
      node_curvature_.head(rows_) = curvature_.head(rows_).cwiseMax(0.0);
      curvature = node_curvature_.data();
    }
    gradient = pull_;
    add_dots(y_, rows_, slope_.data(), gradient.data());
    hessian = prior_->precision;
    add_weighted_gram(y_, rows_, curvature, hessian);
    if constexpr (ChoiceLoss<Loss>)
      if (!choices_.empty()) choices_.add_hessian(hessian);
    if (exact) add_bend(hessian);
  }

  /// What the curvature of the weight map adds to the Hessian.
  void add_bend(Matrix<double>& hessian) {
    if constexpr (!linear) {
      direction_.setZero();
      add_dots(z_, rows_, slope_.data(), direction_.data());
      bend_.setZero();
      map_.add_curvature(p_, w_, direction_, bend_);
      for (Index a = 0; a < degrees(); ++a) {
        column_.noalias() = bend_ * prior_->Q.col(a);
        for (Index b = 0; b < degrees(); ++b) hessian(b, a) += prior_->Q.col(b).dot(column_);
      }
    }
  }

  /// The largest change of a margin along a step of the coordinates, dw/dc as at the last evaluate().
  [[nodiscard]] double reach(const Vector<double>& step) {
    combine_columns(y_, rows_, step.data(), node_curvature_.data());
    return node_curvature_.head(rows_).cwiseAbs().maxCoeff();
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
    if (degrees() > 0) mixing_.noalias() = C.lazyProduct(jacobian_.transpose());
    for (Index k = 0; k < w_.size(); ++k) {
      auto column = full_.col(k).head(rows_).array();
      if (degrees() > 0) {
        combine_columns(y_, rows_, mixing_.data() + k * degrees(), full_.data() + k * full_.outerStride());
        column *= curvature_.head(rows_).array();
        column += w_(k) * slope_.head(rows_).array();
      } else {
        column = w_(k) * slope_.head(rows_).array();
      }
    }
    if constexpr (ChoiceLoss<Loss>) choices_.add_pulls(jacobian_, full_);
    G = (full_.topRows(m_).transpose() * scale_).template cast<Scalar>();
  }

 private:
  void place(const Vector<double>& c) {
    move_to(c);
    combine_columns(z_, rows_, w_.data(), t_.data());
    if constexpr (!linear) find_directions(p_);
  }

  /// dw/dc and y at the parameters p, whose weights are w_.
  void find_directions(const Vector<double>& p) {
    for (Index a = 0; a < degrees(); ++a) {  // both maps have a symmetric Jacobian: its columns are pullbacks
      direction_ = prior_->Q.col(a);
      map_.pullback(p, w_, direction_, column_);
      jacobian_.col(a) = column_;
      combine_columns(z_, rows_, column_.data(), y_.data() + a * y_.outerStride());
    }
  }

  /// Where the loss is evaluated: at the margins, or at the nodes about them.
  void place_terms() {
    if (averaged_)
      place_nodes(t_.data(), deviation_.data(), rows_, node_.data());
    else
      node_.head(rows_) = t_.head(rows_);
  }

  /// Loss terms at all nodes, by what was answered.
  void evaluate_copies(Index copies) {
    for (Index q = 0; q < copies; ++q)
      evaluate_answers(loss_, node_.segment(q * rows_, rows_), answer_, m_,
                       node_value_.segment(q * rows_, rows_), node_slope_.segment(q * rows_, rows_),
                       node_curvature_.segment(q * rows_, rows_));
  }

  /// The prior's pull on c.
  void pull(const Vector<double>& c) {
    for (Index a = 0; a < degrees(); ++a) offset_(a) = c(a) - prior_->mean(a);
    for (Index a = 0; a < degrees(); ++a) pull_(a) = prior_->precision.col(a).dot(offset_);
  }

  /// Slopes and curvatures of the terms, and the prior's pull.
  void differentiate(const Vector<double>& c) {
    place_terms();
    if (averaged_) {
      const Index all = hermite_count * rows_;
      if (answer_ == nullptr)
        evaluate_loss_derivatives(loss_, node_.head(all), node_value_.head(all), node_slope_.head(all),
                                  node_curvature_.head(all));
      else
        evaluate_copies(hermite_count);
      average_nodes(node_slope_.data(), node_curvature_.data(), deviation_.data(), rows_, slope_.data(),
                    curvature_.data());
    } else if (answer_ == nullptr) {
      evaluate_loss_derivatives(loss_, node_.head(rows_), node_value_.head(rows_), slope_.head(rows_),
                                curvature_.head(rows_));
    } else {
      evaluate_copies(1);
      slope_.head(rows_) = node_slope_.head(rows_);
      curvature_.head(rows_) = node_curvature_.head(rows_);
    }
    if (weighted_) {
      slope_.head(rows_).array() *= omega_.head(rows_).array();
      curvature_.head(rows_).array() *= omega_.head(rows_).array();
    }
    pull(c);
  }

  [[gnu::noinline]] void reserve(Index K, Index D, Index room) {
    z_.resize(room, K);
    full_.resize(room, K);
    y_.resize(room, D);
    for (Vector<double>* list : {&t_, &deviation_, &slope_, &curvature_, &omega_}) list->resize(room);
    for (Vector<double>* list : {&node_, &node_value_, &node_slope_, &node_curvature_})
      list->resize(hermite_count * room);
    for (Vector<double>* list : {&p_, &w_, &direction_, &column_}) list->resize(K);
    jacobian_.resize(K, D);
    mixing_.resize(D, K);
    bend_.resize(K, K);
    offset_.resize(D);
    pull_.resize(D);
  }

  Loss loss_;
  Map map_;
  double scale_;
  const CoordinatePrior* prior_ = nullptr;
  const Answer* answer_ = nullptr;  ///< m, or nullptr where all are plain or the loss does not look
  UserChoices<Loss> choices_;
  Index m_ = 0, rows_ = 0;   ///< comparisons, and the same in whole packets
  Matrix<double> z_, full_;  ///< rows x K
  Matrix<double> y_;         ///< rows x (K - 1)
  bool weighted_ = false;    ///< by omega_
  bool averaged_ = false;    ///< over the margins' deviations, at the last evaluate()
  Vector<double> t_, deviation_, slope_, curvature_, omega_;
  Vector<double> node_, node_value_, node_slope_, node_curvature_;  ///< a segment of rows a node
  Vector<double> p_, w_, direction_, column_;
  Vector<double> offset_, pull_;
  Matrix<double> jacobian_;  ///< K x (K - 1)
  Matrix<double> mixing_;    ///< (K - 1) x K
  Matrix<double> bend_;
};

}  // namespace lore::detail
