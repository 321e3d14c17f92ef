// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_posterior.hpp"
#include "lore/model/basis.hpp"
#include "lore/model/prior.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/kernels.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/parallel/pool.hpp"
#include "lore/solve/newton.hpp"

namespace lore {

/// What was learned of one user.
template <Real Scalar, int K = Dynamic>
struct [[nodiscard]] UserFit {
  Vector<Scalar, K> weights;        ///< K
  Vector<Scalar, K> parameters;     ///< K, logits or (1, delta)
  Matrix<Scalar, K, K> covariance;  ///< K x K, posterior covariance of the parameters
  double objective = 0;     ///< nats at the optimum: negative log posterior, or the bound of `variational`
  bool indefinite = false;  ///< the Hessian at the optimum was not positive definite (not with `Signed`)
  Status status = Status::not_finite;
};

/// What was learned of N users, in a few arrays: a batch allocates nothing for a user.
///
///   const lore::UserFits<float> fits = adapt.all(comparisons, executor);
///   fits.weights.col(i), fits.covariance_of(i), fits.status[i], or all of them in fits[i]
template <Real Scalar, int K = Dynamic>
struct [[nodiscard]] UserFits {
  Matrix<Scalar, K, Dynamic> weights;     ///< K x N
  Matrix<Scalar, K, Dynamic> parameters;  ///< K x N, logits or (1, delta)
  Matrix<Scalar, K, Dynamic> covariance;  ///< K x (K N), a user's K columns beside the last one's
  Vector<double> objective;               ///< N, as in `UserFit`
  std::vector<std::uint8_t> indefinite;   ///< N, 0 or 1
  std::vector<Status> status;             ///< N

  UserFits() = default;
  UserFits(Index rank, Index users)
      : weights(rank, users),
        parameters(rank, users),
        covariance(rank, rank * users),
        objective(users),
        indefinite(static_cast<std::size_t>(users)),
        status(static_cast<std::size_t>(users), Status::not_finite) {}

  [[nodiscard]] std::size_t size() const noexcept { return status.size(); }
  [[nodiscard]] auto covariance_of(Index i) const {
    return covariance.middleCols(i * weights.rows(), weights.rows());
  }
  [[nodiscard]] auto covariance_of(Index i) {
    return covariance.middleCols(i * weights.rows(), weights.rows());
  }

  /// User i's, as a copy.
  template <std::integral I>
  [[nodiscard]] UserFit<Scalar, K> operator[](I i) const {
    const auto at = static_cast<std::size_t>(i);
    const auto column = static_cast<Index>(i);
    return {weights.col(column), parameters.col(column), covariance_of(column),
            objective(column),   indefinite[at] != 0,    status[at]};
  }

  /// For distinct users from several threads.
  void set(Index i, const UserFit<Scalar, K>& fit) {
    const auto at = static_cast<std::size_t>(i);
    weights.col(i) = fit.weights;
    parameters.col(i) = fit.parameters;
    covariance_of(i) = fit.covariance;
    objective(i) = fit.objective;
    indefinite[at] = fit.indefinite ? 1 : 0;
    status[at] = fit.status;
  }
};

/// Fits a new user with the basis frozen: the posterior of the parameters p, whose negative logarithm is
///   sum_j omega_j loss(x_j' V w / tau) + (p - p0)' Sigma^-1 (p - p0) / 2
/// under the prior N(p0, Sigma). `posterior` says what is told of it: the Gaussian closest to it, or its mode
/// by damped Newton from the prior mean with the inverse Hessian as covariance. No comparisons give the prior
/// mean; many give the user's own optimum.
///
///   const lore::FewShotFit<> adapt(model);
///   const auto user = adapt(X);                        // d x m, column j = e(chosen_j) - e(rejected_j)
///   const float r = lore::reward(model.basis, user.weights, e);
///
/// @cost 2 d m K to project, then O(m K^2 + K^3) an iteration, about five   @ref LoRe eq. 11; Challis &
/// Barber 2013
template <class Loss = BradleyTerry, WeightMap Map = Signed, Real Scalar = float, int D = Dynamic,
          int K = Dynamic>
class FewShotFit {
 public:
  using Fit = UserFit<Scalar, K>;
  using Fits = UserFits<Scalar, K>;

  /// @throws std::invalid_argument when the prior has not K entries; std::domain_error unless tau > 0
  FewShotFit(Basis<Scalar, D, K> basis, const GaussianPrior<Scalar, K>& prior, double temperature = 1,
             Loss loss = {}, Map map = {});

  /// @throws std::invalid_argument when the model was fitted with another weight map
  explicit FewShotFit(const RewardModel<Scalar, D, K>& model, Loss loss = {}, Map map = {})
      : FewShotFit(model.basis, model.prior, static_cast<double>(model.temperature), std::move(loss),
                   std::move(map)) {
    if (name_of(model.weight_map) != Map::name())
      detail::raise_shape("FewShotFit", "weight map of the model", name_of(model.weight_map), Map::name());
  }

  /// `variational` gives the mean and covariance of the closest Gaussian, which is the better guess with few
  /// comparisons; `map` the mode and the inverse Hessian there.
  Posterior posterior = Posterior::variational;
  NewtonOptions options{};  ///< of the search for the mode

  [[nodiscard]] const Basis<Scalar, D, K>& basis() const noexcept { return basis_; }
  [[nodiscard]] double temperature() const noexcept { return temperature_; }

  /// Room that serves one user after another, for one thread at a time.
  struct Workspace {
    detail::UserPosterior<Loss, Map> user;
    Matrix<Scalar, K, Dynamic> scores;
  };
  [[nodiscard]] Workspace workspace() const { return {{loss_, map_, temperature_}, {}}; }

  /// @param X  d x m differences, m >= 0   @param omega  m weights, or empty for 1
  /// @param answers  m, as in `Comparisons`, or empty: all plain
  /// @throws std::invalid_argument on a shape mismatch; std::domain_error on a value that is not finite, a
  /// tie or choice that the loss does not read, an abstention, or a choice with several weights
  template <class Derived>
  [[nodiscard]] Fit operator()(const Eigen::MatrixBase<Derived>& X, const std::vector<float>& omega = {},
                               const std::vector<Answer>& answers = {}) const {
    Workspace work = workspace();
    return (*this)(X, work, omega, answers);
  }

  /// The same in a workspace: only the result is taken from the heap once there is room for the most shots.
  template <class Derived>
  [[nodiscard]] Fit operator()(const Eigen::MatrixBase<Derived>& X, Workspace& work,
                               const std::vector<float>& omega = {},
                               const std::vector<Answer>& answers = {}) const {
    if (X.cols() > 0) detail::check_size("FewShotFit", "rows of X", X.rows(), basis_.dimension());
    work.user.objective().set(loss_, map_, temperature_);
    if (work.scores.rows() != basis_.columns() || work.scores.cols() < X.cols())
      work.scores.resize(basis_.columns(), X.cols());
    if (X.cols() > 0) project(X, work.scores);
    return fit_scores(work.user, work.scores.leftCols(X.cols()), omega, answers);
  }

  /// The same from scores Z = V'X (K x m) that were projected before.
  template <class Derived>
  [[nodiscard]] Fit from_scores(const Eigen::MatrixBase<Derived>& scores,
                                const std::vector<float>& omega = {},
                                const std::vector<Answer>& answers = {}) const {
    detail::check_size("FewShotFit", "rows of Z", scores.rows(), basis_.columns());
    User user(loss_, map_, temperature_);
    return fit_scores(user, scores.derived(), omega, answers);
  }

  /// Every user of `comparisons`, in parallel and in order; the heap is used for the result and for one
  /// workspace a thread, whatever the number of users.
  /// @throws std::invalid_argument when the dimension differs; std::domain_error on scores that are not
  /// finite, or ties and choices that the loss does not read
  template <class Store>
  [[nodiscard]] Fits all(const Comparisons<Store>& comparisons, const AnyExecutor& executor) const {
    Pass<Scalar, Store> pass(comparisons, executor);
    return all_from_scores(pass.scores(basis_.matrix()), comparisons, executor);
  }

  /// The same from the scores of all positions (K x n).
  template <class Store>
  [[nodiscard]] Fits all_from_scores(const Matrix<Scalar>& Z, const Comparisons<Store>& comparisons,
                                     const AnyExecutor& executor) const;

 private:
  using User = detail::UserPosterior<Loss, Map>;

  [[nodiscard]] Fit fit_scores(User& user, const Eigen::Ref<const Matrix<Scalar, K, Dynamic>>& Z,
                               const std::vector<float>& omega, const std::vector<Answer>& answers) const;

  /// Writes V'X to the first columns of Z, reading columns that lie in memory once.
  template <class Derived>
  void project(const Eigen::MatrixBase<Derived>& X, Matrix<Scalar, K, Dynamic>& Z) const {
    if constexpr (std::is_same_v<typename Derived::Scalar, Scalar> && !Derived::IsRowMajor &&
                  Derived::InnerStrideAtCompileTime == 1) {
      constexpr Index most = 32;
      const Scalar* columns[most];
      for (Index begin = 0; begin < X.cols(); begin += most) {
        const Index count = std::min(most, X.cols() - begin);
        for (Index j = 0; j < count; ++j)
          columns[j] = X.derived().data() + (begin + j) * X.derived().outerStride();
        detail::scores_of_columns(columns, count, basis_.dimension(), basis_.matrix().data(),
                                  basis_.columns(), Z.data() + begin * Z.rows());
      }
    } else {
      Z.leftCols(X.cols()) = basis_.project_all(X);
    }
  }

  struct Summary {
    double objective;
    bool indefinite;
    Status status;
  };

  template <class Scores, class Column, class Square>
  [[nodiscard]] Summary solve(User& user, const Scores& Z, const float* omega, const Answer* answers,
                              Column&& weights, Column&& parameters, Square&& covariance) const {
    auto& objective = user.objective();
    objective.take(Z, omega, answers, prior_);
    Summary out{};
    if (prior_.degrees() == 0 || posterior == Posterior::variational) {
      user.tolerance = 1e-12;
      user.max_iterations = 100;
      user.start(prior_);
      out.objective = user.fit(prior_, posterior, user.mean, user.covariance);
      if (user.settled && prior_.degrees() > 0) user.mean = user.mean_ahead();
      objective.move_to(user.mean);
      out.status = !std::isfinite(out.objective) ? Status::not_finite
                   : user.settled                ? Status::converged
                                                 : Status::iteration_limit;
    } else {
      const auto& minimum = user.find_mode(prior_, options);
      out = {minimum.value, minimum.indefinite, minimum.status};
    }
    weights = objective.weights().template cast<Scalar>();
    parameters = objective.parameters().template cast<Scalar>();
    covariance = user.of_parameters(prior_, user.covariance).template cast<Scalar>();
    return out;
  }

  Basis<Scalar, D, K> basis_;
  double temperature_;
  Loss loss_;
  Map map_;
  detail::CoordinatePrior prior_;
};

template <class Loss, WeightMap Map, Real Scalar, int D, int K>
FewShotFit<Loss, Map, Scalar, D, K>::FewShotFit(Basis<Scalar, D, K> basis,
                                                const GaussianPrior<Scalar, K>& prior, double temperature,
                                                Loss loss, Map map)
    : basis_(std::move(basis)), temperature_(temperature), loss_(std::move(loss)), map_(std::move(map)) {
  detail::check_size("FewShotFit", "prior", prior.size(), basis_.columns());
  detail::check_positive("FewShotFit", "temperature", temperature);
  prior.validate();
  prior_ = detail::CoordinatePrior::from(map_, prior);
}

template <class Loss, WeightMap Map, Real Scalar, int D, int K>
template <class Store>
auto FewShotFit<Loss, Map, Scalar, D, K>::all_from_scores(const Matrix<Scalar>& Z,
                                                          const Comparisons<Store>& comparisons,
                                                          const AnyExecutor& executor) const -> Fits {
  detail::check_size("FewShotFit", "rows of Z", Z.rows(), basis_.columns());
  detail::check_size("FewShotFit", "columns of Z", Z.cols(), comparisons.size());
  detail::check_finite("FewShotFit", "scores", Z);
  detail::check_readable("FewShotFit", loss_, comparisons.answer);
  const Index users = comparisons.users(), block = 256;
  Fits fits(basis_.columns(), users);
  const auto fit_block = [&](User& user, Index b) {
    for (Index i = b * block; i < std::min(users, (b + 1) * block); ++i) {
      const auto at = static_cast<std::size_t>(i);
      const Summary summary =
          solve(user, Z.middleCols(comparisons.begin(i), comparisons.count(i)),
                comparisons.weight.empty() ? nullptr : comparisons.weight.data() + comparisons.begin(i),
                comparisons.answers(i), fits.weights.col(i), fits.parameters.col(i), fits.covariance_of(i));
      fits.objective(i) = summary.objective;
      fits.indefinite[at] = summary.indefinite ? 1 : 0;
      fits.status[at] = summary.status;
    }
    return b;
  };
  detail::Pool<User> pool;
  executor.for_each((users + block - 1) / block, [&](Index b) {
    (void)pool.with([this] { return User(loss_, map_, temperature_); },
                    [&](User& user) { return fit_block(user, b); });
  });
  return fits;
}

template <class Loss, WeightMap Map, Real Scalar, int D, int K>
auto FewShotFit<Loss, Map, Scalar, D, K>::fit_scores(User& user,
                                                     const Eigen::Ref<const Matrix<Scalar, K, Dynamic>>& Z,
                                                     const std::vector<float>& omega,
                                                     const std::vector<Answer>& answers) const -> Fit {
  detail::check_finite("FewShotFit", "scores", Z);
  if (!omega.empty()) {
    detail::check_size("FewShotFit", "omega", static_cast<Index>(omega.size()), Z.cols());
    for (const float value : omega) detail::check_non_negative("FewShotFit", "omega", value);
  }
  if (!answers.empty()) {
    detail::check_size("FewShotFit", "answers", static_cast<Index>(answers.size()), Z.cols());
    detail::check_user_answers("FewShotFit", answers, omega);
    detail::check_readable("FewShotFit", loss_, answers);
  }
  const Index rank = basis_.columns();
  Fit fit{Vector<Scalar, K>(rank), Vector<Scalar, K>(rank), Matrix<Scalar, K, K>(rank, rank)};
  const Summary summary =
      solve(user, Z, omega.empty() ? nullptr : omega.data(), answers.empty() ? nullptr : answers.data(),
            fit.weights, fit.parameters, fit.covariance);
  fit.objective = summary.objective;
  fit.indefinite = summary.indefinite;
  fit.status = summary.status;
  return fit;
}

/// Every user of `comparisons` under a model's prior, whichever weight map it has, from the scores of all
/// positions.
/// @param Z  K x n, V'X   @throws as `FewShotFit`   @cost see `FewShotFit`
template <Real Scalar, class Store, class Loss = BradleyTerry>
[[nodiscard]] UserFits<Scalar> fit_users(const RewardModel<Scalar>& model, const Matrix<Scalar>& Z,
                                         const Comparisons<Store>& comparisons, const AnyExecutor& executor,
                                         const Loss& loss = {}) {
  if (model.weight_map == WeightMapKind::simplex)
    return FewShotFit<Loss, Simplex, Scalar>(model, loss).all_from_scores(Z, comparisons, executor);
  return FewShotFit<Loss, Signed, Scalar>(model, loss).all_from_scores(Z, comparisons, executor);
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE FewShotFit<BradleyTerry, Signed>::FewShotFit(Basis<float>, const GaussianPrior<float>&,
                                                                    double, BradleyTerry, Signed);
LORE_COMPILED_TEMPLATE auto FewShotFit<BradleyTerry, Signed>::all_from_scores(const Matrix<float>&,
                                                                              const Comparisons<Features>&,
                                                                              const AnyExecutor&) const
    -> UserFits<float>;
LORE_COMPILED_TEMPLATE auto FewShotFit<BradleyTerry, Signed>::fit_scores(
    detail::UserPosterior<BradleyTerry, Signed>&, const Eigen::Ref<const Matrix<float>>&,
    const std::vector<float>&, const std::vector<Answer>&) const -> UserFit<float>;
LORE_COMPILED_TEMPLATE FewShotFit<BradleyTerry, Simplex>::FewShotFit(Basis<float>,
                                                                     const GaussianPrior<float>&, double,
                                                                     BradleyTerry, Simplex);
LORE_COMPILED_TEMPLATE auto FewShotFit<BradleyTerry, Simplex>::all_from_scores(const Matrix<float>&,
                                                                               const Comparisons<Features>&,
                                                                               const AnyExecutor&) const
    -> UserFits<float>;
LORE_COMPILED_TEMPLATE auto FewShotFit<BradleyTerry, Simplex>::fit_scores(
    detail::UserPosterior<BradleyTerry, Simplex>&, const Eigen::Ref<const Matrix<float>>&,
    const std::vector<float>&, const std::vector<Answer>&) const -> UserFit<float>;
LORE_COMPILED_TEMPLATE UserFits<float> fit_users(const RewardModel<float>&, const Matrix<float>&,
                                                 const Comparisons<Features>&, const AnyExecutor&,
                                                 const BradleyTerry&);
#endif

}  // namespace lore
