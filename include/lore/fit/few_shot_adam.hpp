// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/initial_parameters.hpp"
#include "lore/model/basis.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/solve/adam.hpp"

namespace lore {

/// The published few-shot fit, kept for comparison: maximum likelihood of a new user's parameters with the
/// basis frozen, by a fixed number of Adam steps from a random start,
///
///   min_p  mean_j loss(x_j' V w(p) / tau)       (a mean weighted by omega)
///
/// without a prior, so a user with few comparisons is fitted to their noise; `FewShotFit` is the better
/// guess. Protocol `paper` is the default; protocol `regularised` sets `solver.options.learning_rate` to 0.5.
///
///   lore::FewShotAdam<> adapt(model);
///   adapt.seed = trial;
///   const auto users = adapt.all(preferences.few_shot(), lore::Threads());
///
/// Computed in double. The covariance is zero: a point estimate claims no uncertainty. Without comparisons
/// the random start stays.
/// @cost 2 d m K to project, then O(m K) an iteration   @ref LoRe eq. 11
template <class Loss = BradleyTerry, WeightMap Map = Simplex, Real Scalar = float, int D = Dynamic,
          int K = Dynamic>
class FewShotAdam {
 public:
  using Fit = UserFit<Scalar, K>;

  /// @throws std::domain_error unless tau > 0
  explicit FewShotAdam(Basis<Scalar, D, K> basis, double temperature = 100, Loss loss = {}, Map map = {})
      : basis_(std::move(basis)), temperature_(temperature), loss_(std::move(loss)), map_(std::move(map)) {
    detail::check_positive("FewShotAdam", "temperature", temperature);
  }

  /// @throws std::invalid_argument when the model was fitted with another weight map
  explicit FewShotAdam(const RewardModel<Scalar, D, K>& model, Loss loss = {}, Map map = {})
      : FewShotAdam(model.basis, static_cast<double>(model.temperature), std::move(loss), std::move(map)) {
    if (name_of(model.weight_map) != Map::name())
      detail::raise_shape("FewShotAdam", "weight map of the model", name_of(model.weight_map), Map::name());
  }

  Adam solver{.options = {.learning_rate = 0.1}, .iterations = 500};
  InitialParameters initial_parameters = InitialParameters::normal;
  std::uint64_t seed = 0;  ///< each user id has its own stream: derive_seed(seed, user)

  [[nodiscard]] const Basis<Scalar, D, K>& basis() const noexcept { return basis_; }
  [[nodiscard]] double temperature() const noexcept { return temperature_; }

  /// @param X  d x m differences, m >= 0   @param omega  m weights, or empty for 1   @param user  names the
  /// stream of random numbers
  /// @throws std::invalid_argument on a shape mismatch; std::domain_error on a value that is not finite
  template <class Derived>
  [[nodiscard]] Fit operator()(const Eigen::MatrixBase<Derived>& X, const std::vector<float>& omega = {},
                               Index user = 0) const {
    if (X.cols() > 0) detail::check_size("FewShotAdam", "rows of X", X.rows(), basis_.dimension());
    if (X.cols() == 0) return from_scores(Matrix<Scalar, K, Dynamic>(basis_.columns(), 0), omega, user);
    return from_scores(basis_.project_all(X), omega, user);
  }

  /// The same from scores Z = V'X (K x m) that were projected before.
  template <class Derived>
  [[nodiscard]] Fit from_scores(const Eigen::MatrixBase<Derived>& Z, const std::vector<float>& omega = {},
                                Index user = 0) const {
    Vector<double> start(basis_.columns());
    detail::draw_parameters(map_, initial_parameters, seed, user, start);
    return from_scores(Z, omega, start);
  }

  /// The same from a given start (K parameters).
  template <class Derived>
  [[nodiscard]] Fit from_scores(const Eigen::MatrixBase<Derived>& scores, const std::vector<float>& omega,
                                const Vector<double>& start) const {
    detail::check_size("FewShotAdam", "rows of Z", scores.rows(), basis_.columns());
    const Matrix<Scalar, K, Dynamic> Z = scores;
    detail::check_size("FewShotAdam", "start", start.size(), basis_.columns());
    detail::check_finite("FewShotAdam", "scores", Z);
    detail::check_finite("FewShotAdam", "start", start);
    if (!omega.empty()) {
      detail::check_size("FewShotAdam", "omega", static_cast<Index>(omega.size()), Z.cols());
      for (const float value : omega) detail::check_non_negative("FewShotAdam", "omega", value);
    }
    return solve(Z, omega.empty() ? nullptr : omega.data(), start);
  }

  /// Every user of `comparisons`, in parallel: one fit a user, in order.
  /// @throws std::invalid_argument when the dimension differs; std::domain_error on scores that are not
  /// finite
  template <class Store>
  [[nodiscard]] UserFits<Scalar, K> all(const Comparisons<Store>& comparisons,
                                        const AnyExecutor& executor) const {
    Pass<Scalar, Store> pass(comparisons, executor);
    return all_from_scores(pass.scores(basis_.matrix()), comparisons, executor);
  }

  /// The same from the scores of all positions (K x n).
  template <class Store>
  [[nodiscard]] UserFits<Scalar, K> all_from_scores(const Matrix<Scalar>& Z,
                                                    const Comparisons<Store>& comparisons,
                                                    const AnyExecutor& executor) const {
    detail::check_size("FewShotAdam", "rows of Z", Z.rows(), basis_.columns());
    detail::check_size("FewShotAdam", "columns of Z", Z.cols(), comparisons.size());
    detail::check_finite("FewShotAdam", "scores", Z);
    detail::check_plain("FewShotAdam", comparisons.answer);
    const Index users = comparisons.users(), block = 8;
    UserFits<Scalar, K> fits(basis_.columns(), users);
    executor.for_each((users + block - 1) / block, [&](Index b) {
      Vector<double> start(basis_.columns());
      for (Index i = b * block; i < std::min(users, (b + 1) * block); ++i) {
        detail::draw_parameters(map_, initial_parameters, seed, comparisons.user[static_cast<std::size_t>(i)],
                                start);
        fits.set(
            i, solve(Z.middleCols(comparisons.begin(i), comparisons.count(i)),
                     comparisons.weight.empty() ? nullptr : comparisons.weight.data() + comparisons.begin(i),
                     start));
      }
    });
    return fits;
  }

 private:
  template <class Scores>
  [[nodiscard]] Fit solve(const Scores& Z, const float* omega, const Vector<double>& start) const {
    const Index rank = basis_.columns(), m = Z.cols();
    Matrix<double> z = Z.template cast<double>() / temperature_;
    Vector<double> share = Vector<double>::Ones(m);
    if (omega != nullptr)
      for (Index j = 0; j < m; ++j) share(j) = static_cast<double>(omega[j]);
    if (share.sum() > 0) share /= share.sum();
    Vector<double> w(rank), gw(rank), margin(m), value(m), slope(m), curvature(m);
    const auto objective = [&](const Vector<double>& p, Vector<double>& gradient) {
      map_.weights(p, w);
      margin.noalias() = z.transpose() * w;
      detail::evaluate_losses(loss_, margin, value, slope, curvature);
      slope.array() *= share.array();
      gw.noalias() = z * slope;
      map_.pullback(p, w, gw, gradient);
      return share.dot(value);
    };
    Adam adam = solver;
    if (rank == 1) adam.iterations = 0;  // no freedom
    const auto minimum = adam.minimize(objective, start);
    map_.weights(minimum.x, w);
    Fit fit;
    fit.weights = w.template cast<Scalar>();
    fit.parameters = minimum.x.template cast<Scalar>();
    fit.covariance = Matrix<Scalar, K, K>::Zero(rank, rank);
    fit.objective = minimum.value;
    fit.status = minimum.status;
    return fit;
  }

  Basis<Scalar, D, K> basis_;
  double temperature_;
  Loss loss_;
  Map map_;
};

}  // namespace lore
