// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "lore/core/compiled.hpp"
#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/spectrum.hpp"
#include "lore/fit/start.hpp"
#include "lore/fit/subspace.hpp"
#include "lore/fit/user_posterior.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/objective/regularizer.hpp"
#include "lore/objective/user_step.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/parallel/pool.hpp"
#include "lore/solve/lbfgs.hpp"

namespace lore {

/// The number of columns asked for: `lore::Rank{5}`.
struct Rank {
  Index value = 1;
};

/// What an observer of a fit sees; returning true stops the fit, which keeps the best that it has.
struct FitProgress {
  Index rank = 0;
  Index passes = 0;      ///< evaluations over the data so far
  double objective = 0;  ///< nats
};

/// Settings of a joint fit that are not parts of their own.
struct JointOptions {
  double temperature = 1;                        ///< tau, > 0
  Posterior posterior = Posterior::variational;  ///< of the users' weights while the basis is fitted
  double prior_deviation = 1;  ///< of a user's coordinates under the prior that the fit starts from, > 0
  int prior_rounds = 6;        ///< alternations of basis and prior (maps whose prior is estimated), >= 1
  Index spectrum_width = 96;   ///< leading directions of the features that coordinates are whitened by, >= 1
  Index max_passes = 300;      ///< >= 1
  bool compress = true;        ///< fit within a growing subspace where that is much less to read

  /// @throws std::domain_error naming the field
  void validate() const {
    constexpr const char* where = "JointOptions";
    detail::check_positive(where, "temperature", temperature);
    detail::check_positive(where, "prior_deviation", prior_deviation);
    detail::check_positive(where, "prior_rounds", prior_rounds);
    detail::check_positive(where, "spectrum_width", spectrum_width);
    detail::check_positive(where, "max_passes", max_passes);
  }
};

/// Called as bool(const FitProgress&) once an iteration; an empty one looks away.
using FitObserver = std::function<bool(const FitProgress&)>;

/// What fits of several ranks, scales and weight maps on the same comparisons share.
template <Real Scalar>
struct PreparedFeatures {
  double mean_square = 0;             ///< mean ||x||^2
  detail::Spectrum<Scalar> spectrum;  ///< empty until a fit that does not compress asks for it
  detail::Subspace<Scalar> subspace;  ///< grows with what fits need
  Index passes = 0;
};

/// Early stopping: the basis with the lowest log loss on held-out comparisons of the same users is kept, and
/// the fit ends when `patience` iterations bring no lower one.
template <class Store = Features>
struct Validation {
  Comparisons<Store> comparisons;  ///< users whose ids are not in training are left out
  int patience = 5;                ///< iterations, >= 1
};

/// What a joint fit learned.
template <Real Scalar>
struct [[nodiscard]] JointResult {
  RewardModel<Scalar> model;               ///< basis, seen users in the order of the comparisons, prior
  std::vector<Matrix<double>> covariance;  ///< by user: of the parameters, K x K
  std::vector<double> trace;               ///< objective after each iteration
  double objective = 0;                    ///< nats
  Index passes = 0;                        ///< evaluations over the data, those of the start included
  Status status = Status::not_finite;
};

namespace detail {

/// The users' posteriors and their prior: what a fit hands on when it goes on with other features.
struct Posteriors {
  CoordinatePrior prior;
  std::vector<Vector<double>> mean;
  std::vector<Matrix<double>> covariance;
};

/// The joint objective as a function of the basis alone, every user's weights at their optimum (variable
/// projection): by the envelope theorem its gradient is the partial one.
template <Real Scalar, class Loss, WeightMap Map, class Regularizer, class Store>
class ProfiledObjective {
 public:
  using PassType = Pass<Scalar, Store>;

  ProfiledObjective(PassType& pass, const Loss& loss, const Map& map, const Regularizer& regularizer,
                    Index rank, const JointOptions& options, double deviation)
      : pass_(pass),
        loss_(loss),
        map_(map),
        regularizer_(regularizer),
        posterior_(options.posterior),
        temperature_(options.temperature),
        prior_(CoordinatePrior::isotropic(map, rank, deviation)) {
    const auto users = static_cast<std::size_t>(pass.comparisons().users());
    mean_.assign(users, prior_.mean);
    covariance_.assign(users, prior_.covariance);
  }

  [[nodiscard]] const std::vector<Index>& users() const noexcept { return pass_.comparisons().user; }
  [[nodiscard]] Posteriors posteriors() const { return {prior_, mean_, covariance_}; }
  void go_on_from(const Posteriors& from) {
    prior_ = from.prior;
    mean_ = from.mean;
    covariance_ = from.covariance;
  }

  Vector<double>* slopes = nullptr;  ///< where not null: by position, dF / d margin of the last call

  double tolerance = 1e-6;  ///< of a user's fit
  int max_iterations = 8;   ///< of a user's fit in one pass; the next goes on from there

  [[nodiscard]] const CoordinatePrior& prior() const noexcept { return prior_; }
  [[nodiscard]] const std::vector<Vector<double>>& means() const noexcept { return mean_; }
  [[nodiscard]] std::vector<Matrix<double>> parameter_covariances() const {
    std::vector<Matrix<double>> out;
    out.reserve(covariance_.size());
    for (const auto& C : covariance_) out.push_back(prior_.parameter_covariance(C));
    return out;
  }
  [[nodiscard]] Index passes() const noexcept { return passes_; }

  /// F(V) and dF/dV.
  double operator()(const Matrix<Scalar>& V, Matrix<Scalar>& gradient) {
    using Block = typename PassType::ScoreBlock;
    using Gradient = typename PassType::GradientBlock;
    ++passes_;
    const auto step = [this](Index i, const Block& Z, Gradient& G) {
      return pool_.with([this] { return User(loss_, map_, temperature_); },
                        [&](User& user) {
                          const double value = fit_user(user, i, Z);
                          if (slopes != nullptr)
                            slopes->segment(pass_.comparisons().begin(i), Z.cols()) =
                                user.objective().slopes();
                          if (posterior_ == Posterior::variational)
                            user.objective().score_gradient(covariance_[at(i)], G);
                          else
                            G = (user.objective().weights() * user.objective().slopes().transpose())
                                    .template cast<Scalar>();
                          return value;
                        });
    };
    const double value = value_and_gradient<Scalar, Store>(pass_, V, step, gradient);
    return value + regularizer_.add(V, Scalar(1), gradient);
  }

  /// Every user's posterior at V, with the mean of the second moments of (c - mean) that an estimate of the
  /// prior needs.
  double settle(const Matrix<Scalar>& V) {
    const Matrix<Scalar> Z = pass_.scores(V);
    ++passes_;
    return settle_scores(Z);
  }

  double settle_scores(const Matrix<Scalar>& Z) {
    const auto& comparisons = pass_.comparisons();
    std::vector<double> value(mean_.size());
    pass_.executor().for_each(comparisons.users(), [&](Index i) {
      value[at(i)] =
          pool_.with([this] { return User(loss_, map_, temperature_); },
                     [&](User& user) {
                       return fit_user(user, i, Z.middleCols(comparisons.begin(i), comparisons.count(i)));
                     });
    });
    double sum = 0;
    for (const double v : value) sum += v;
    return sum;
  }

  /// One step of EM for the prior: mean and covariance of the users' posteriors, their own uncertainty
  /// included, shrunk towards the diagonal when users are few.
  void update_prior() {
    const Index D = prior_.degrees();
    const auto users = static_cast<double>(mean_.size());
    Vector<double> centre = Vector<double>::Zero(D);
    for (const auto& c : mean_) centre += c / users;
    Matrix<double> S = Matrix<double>::Zero(D, D);
    for (std::size_t i = 0; i < mean_.size(); ++i)
      S += ((mean_[i] - centre) * (mean_[i] - centre).transpose() + covariance_[i]) / users;
    shrink_to_diagonal(S, D, static_cast<Index>(mean_.size()));
    prior_.set(centre, S);
  }

  /// Moves the prior's mean to the mean of the users' posteriors and keeps its covariance.
  void centre_prior() {
    Vector<double> centre = Vector<double>::Zero(prior_.degrees());
    for (const auto& c : mean_) centre += c / static_cast<double>(mean_.size());
    prior_.mean = centre;
  }

  /// Weights (K x N) and parameters (K x N) of the users as they stand.
  void write(Matrix<Scalar>& weights, Matrix<Scalar>& parameters) const {
    const Index K = prior_.origin.size();
    weights.resize(K, static_cast<Index>(mean_.size()));
    parameters.resize(K, weights.cols());
    Vector<double> w(K);
    for (Index i = 0; i < weights.cols(); ++i) {
      Vector<double> p = prior_.origin;
      if (K > 1) p += prior_.Q * mean_[at(i)];
      map_.weights(p, w);
      weights.col(i) = w.template cast<Scalar>();
      parameters.col(i) = p.template cast<Scalar>();
    }
  }

 private:
  using User = UserPosterior<Loss, Map>;

  static std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }

  template <class Scores>
  double fit_user(User& user, Index i, const Scores& Z) {
    const auto& comparisons = pass_.comparisons();
    user.tolerance = tolerance;
    user.max_iterations = max_iterations;
    user.objective().take(
        Z, comparisons.weight.empty() ? nullptr : comparisons.weight.data() + comparisons.begin(i),
        comparisons.answers(i), prior_);
    const double value = user.fit(prior_, posterior_, mean_[at(i)], covariance_[at(i)]);
    if (!std::isfinite(value)) {  // a trial basis far out: forget it, so that the next one starts well
      mean_[at(i)] = prior_.mean;
      covariance_[at(i)] = prior_.covariance;
    }
    return value;
  }

  PassType& pass_;
  const Loss& loss_;
  const Map& map_;
  const Regularizer& regularizer_;
  Posterior posterior_;
  double temperature_;
  CoordinatePrior prior_;
  std::vector<Vector<double>> mean_;
  std::vector<Matrix<double>> covariance_;
  Pool<User> pool_;
  Index passes_ = 0;
};

/// The lowest mean loss on validation comparisons over the iterations of a fit, and the basis that had it.
template <Real Scalar, class Store>
class BestOnValidation {
 public:
  BestOnValidation(const Validation<Store>* validation, const Comparisons<Store>& training,
                   const AnyExecutor& executor) {
    if (validation == nullptr) return;
    check_positive("Validation", "patience", validation->patience);
    patience_ = validation->patience;
    const auto known = [&](Index i) {
      const Index id = validation->comparisons.user[static_cast<std::size_t>(i)];
      const auto place = std::find(training.user.begin(), training.user.end(), id);
      return place != training.user.end() ? place - training.user.begin() : Index{-1};
    };
    std::vector<Index> which;
    for (Index i = 0; i < validation->comparisons.users(); ++i)
      if (known(i) >= 0) {
        which.push_back(i);
        place_.push_back(known(i));
      }
    pass_.emplace(validation->comparisons.subset(which), executor);
    if (pass_->comparisons().empty())
      raise_shape("Validation", "comparisons of training users", 0, "at least one");
  }

  [[nodiscard]] const Matrix<Scalar>& basis() const noexcept { return basis_; }

  /// @return whether `patience` calls in a row brought nothing lower
  template <class Loss>
  bool worse_for_long(const Matrix<Scalar>& V, const Matrix<Scalar>& weights, const Loss& loss,
                      double temperature) {
    const Matrix<Scalar> Z = pass_->scores(V);
    const auto& comparisons = pass_->comparisons();
    double sum = 0;
    Vector<double> t, values, slopes, curvatures;
    for (Index i = 0; i < comparisons.users(); ++i) {
      t = Z.middleCols(comparisons.begin(i), comparisons.count(i))
              .transpose()
              .lazyProduct(weights.col(place_[static_cast<std::size_t>(i)]))
              .template cast<double>();
      t /= temperature;
      answer_terms(loss, t, comparisons.answers(i), values, slopes, curvatures);
      sum += values.sum();
    }
    if (sum < lowest_) {
      lowest_ = sum;
      basis_ = V;
      since_ = 0;
      return false;
    }
    return ++since_ >= patience_;
  }

 private:
  std::optional<Pass<Scalar, Store>> pass_;
  std::vector<Index> place_;  ///< in training, of each validation user
  Matrix<Scalar> basis_;
  double lowest_ = std::numeric_limits<double>::infinity();
  int patience_ = 1, since_ = 0;
};

/// The regulariser to use on features of this mean square.
template <class Regularizer>
[[nodiscard]] auto bound_regularizer(const Regularizer& regularizer, double mean_square, double temperature) {
  if constexpr (requires { regularizer.bound(mean_square, temperature); })
    return regularizer.bound(mean_square, temperature);
  else
    return regularizer;
}

/// The second derivative of a regulariser along column k where it tells, else a small share of the data's.
template <class Regularizer>
[[nodiscard]] double regularizer_curvature(const Regularizer& regularizer, Index k, double fallback) {
  if constexpr (requires { regularizer.curvature(k); })
    return std::max(static_cast<double>(regularizer.curvature(k)), 0.0);
  else
    return fallback;
}

}  // namespace detail

/// Fits the basis V, the seen users' weights and the prior of new users:
///
///   min_V  sum_i min_{w_i} [ sum_j omega_ij loss(x_ij' V w_i / tau) + P(w_i) ] + R(V)
///
/// with each user's weights at their optimum for every V (variable projection), averaged over their posterior
/// where `options.posterior` is variational, and V moved by `solver` in coordinates whitened by the features'
/// spectrum. `Simplex` starts from a `Signed` fit and estimates the mean and covariance of the logits along
/// the way; `Signed` keeps delta ~ N(0, I), whose scale lives in V. rank 1 is Bradley-Terry.
///
///   lore::JointFit<> fit;
///   fit.regularizer = {.first = 0.5, .others = 0.5};
///   const auto result = fit(preferences.seen_train(), lore::Rank{5}, seed);
///
/// @tparam Scalar  arithmetic of the pass; users' posteriors are always found in double
/// @cost about 10 to 40 passes of 4 n d K operations   @ref LoRe eq. 5-10; Golub & Pereyra 2003
template <class Loss = BradleyTerry, class Map = Signed, class Regularizer = MarginScale,
          class Solver = Lbfgs, Real Scalar = float>
struct JointFit {
  Loss loss{};
  Map weights{};
  Regularizer regularizer{};
  Solver solver = default_solver();
  AnyExecutor executor{};
  JointOptions options{};

  /// Solves to a relative change of 1e-5 over three iterations.
  [[nodiscard]] static Solver default_solver() {
    if constexpr (std::is_same_v<Solver, Lbfgs>)
      return Lbfgs{{.memory = 12,
                    .gradient_tolerance = 0,
                    .relative_gradient_tolerance = 1e-5,
                    .objective_tolerance = 1e-5,
                    .objective_window = 3,
                    .initial_step = 1}};
    else
      return Solver{};
  }

  /// @param comparisons  seen users' training comparisons, at least one a user
  /// @param rank         1 .. min(d, users)
  /// @param seed         of the random directions that starts are found with; results depend on it only to
  /// rounding
  /// @param observer     called as bool(const FitProgress&); true stops
  /// @param validation   for early stopping, or nullptr
  /// @throws std::invalid_argument on a rank out of range or no comparisons; std::domain_error on features
  /// that are not
  ///         finite, options out of range, or ties and choices that the loss does not read
  template <class Store>
  JointResult<Scalar> operator()(const Comparisons<Store>& comparisons, Rank rank, std::uint64_t seed = 0,
                                 const FitObserver& observer = {},
                                 const Validation<Store>* validation = nullptr) const;

  using Prepared = PreparedFeatures<Scalar>;

  template <class Store>
  [[nodiscard]] Prepared prepare(Pass<Scalar, Store>& pass, std::uint64_t seed) const;

  /// The fit on a pass and what was prepared for it. @param start  where to begin instead of from scratch, d
  /// x K
  template <class Store>
  JointResult<Scalar> run(Pass<Scalar, Store>& pass, Prepared& prepared, Rank rank, std::uint64_t seed,
                          const FitObserver& observer, const Matrix<Scalar>* start = nullptr,
                          const Validation<Store>* validation = nullptr) const;

 private:
  using Bound = decltype(detail::bound_regularizer(std::declval<const Regularizer&>(), 1.0, 1.0));

  [[nodiscard]] Bound bind(double mean_square) const {
    return detail::bound_regularizer(regularizer, mean_square, options.temperature);
  }

  /// Norms of the basis alone count, and the solver is one that goes on where it was.
  static constexpr bool can_compress = std::is_same_v<Solver, Lbfgs> && requires(const Bound& bound) {
    requires Bound::rotation_invariant;
    bound.curvature(Index{});
  };

  /// A fit compresses where the ridge is strong enough that few directions do: q up to 4. Weak ridges make
  /// ever more of them matter.
  template <class Store>
  [[nodiscard]] bool compresses(const Pass<Scalar, Store>& pass, const Prepared& prepared, Index rank) const {
    if constexpr (can_compress) {
      if (!options.compress || !detail::Subspace<Scalar>::pays(pass, rank)) return false;
      const Bound bound = bind(prepared.mean_square);
      const double weakest = std::min(bound.curvature(0), bound.curvature(rank - 1));
      return 16 * weakest * options.temperature * options.temperature >= prepared.mean_square;
    } else {
      return false;
    }
  }

  /// Finds the features' leading directions. Two readings of the data with many columns.
  template <class Store>
  void whiten(Pass<Scalar, Store>& pass, Prepared& prepared, std::uint64_t seed) const {
    const Index d = pass.comparisons().dimension();
    const Index width = d <= 2 * options.spectrum_width ? d : options.spectrum_width;
    prepared.spectrum =
        detail::Spectrum<Scalar>::of(pass, width, prepared.mean_square * pass.total_weight(), seed);
    prepared.passes += 2;
  }

  /// The same fit with another map or rank-one, for starts.
  template <class OtherMap>
  [[nodiscard]] auto loosely(Index max_evaluations, double tolerance) const {
    JointFit<Loss, OtherMap, Regularizer, Lbfgs, Scalar> fit{
        .loss = loss, .weights = {}, .regularizer = regularizer, .executor = executor, .options = options};
    fit.options.prior_deviation = 1;
    fit.solver.options.max_evaluations = max_evaluations;
    fit.solver.options.objective_tolerance = tolerance;
    return fit;
  }

  template <class Store>
  [[nodiscard]] Matrix<Scalar> signed_start(Pass<Scalar, Store>& pass, Prepared& prepared, Index K,
                                            std::uint64_t seed, Index& spent,
                                            const FitObserver& observer) const {
    const auto first = loosely<Signed>(15, 1e-4).run(pass, prepared, Rank{1}, seed, observer);
    spent += first.passes - prepared.passes + 4;
    const Vector<Scalar> v0 = first.model.basis.matrix().col(0);
    const double precision =
        detail::regularizer_curvature(bind(prepared.mean_square), 1, 1e-3 * prepared.mean_square);
    Matrix<Scalar> V(v0.size(), K);
    V.col(0) = v0;
    const detail::Residuals<Scalar> residuals =
        detail::residuals_of(pass.comparisons(), loss, pass.scores(v0), options.temperature);
    V.rightCols(K - 1) = detail::residual_directions(pass, prepared.spectrum, residuals, K - 1,
                                                     precision / static_cast<double>(K - 1), seed);
    return V;
  }

  template <class Store>
  [[nodiscard]] Matrix<Scalar> simplex_start(Pass<Scalar, Store>& pass, Prepared& prepared, Index K,
                                             std::uint64_t seed, Index& spent,
                                             const FitObserver& observer) const {
    const auto fit = loosely<Signed>(20, 1e-3).run(pass, prepared, Rank{K}, seed, observer);
    spent += fit.passes - prepared.passes;
    return detail::simplex_vertices(fit.model.basis.matrix(), fit.model.parameters);
  }

  static constexpr bool estimates_prior = std::is_same_v<Map, Simplex>;

  template <class Store>
  using Objective = detail::ProfiledObjective<Scalar, Loss, Map, Bound, Store>;

  template <class Store>
  [[nodiscard]] Objective<Store> objective_on(Pass<Scalar, Store>& pass, const Bound& bound, Index K) const {
    return Objective<Store>(pass, loss, weights, bound, K, options,
                            estimates_prior ? 1.5 * options.prior_deviation : options.prior_deviation);
  }

  /// What a fit keeps track of over its descents.
  struct Course {
    const FitObserver& observer;
    Index spent = 0;     ///< readings of the data before the descent
    bool counts = true;  ///< whether an evaluation reads the data
    bool stopped = false;
    bool exhausted = false;

    [[nodiscard]] bool over() const noexcept { return stopped || exhausted; }
  };

  template <class Store>
  JointResult<Scalar> descend(Pass<Scalar, Store>& pass, const Prepared& prepared, const Bound& bound,
                              Matrix<Scalar> V, Index spent, const FitObserver& observer,
                              const Validation<Store>* validation) const {
    JointResult<Scalar> result;
    auto objective = objective_on(pass, bound, V.cols());
    Course course{observer, spent};
    detail::BestOnValidation<Scalar, Store> best(validation, pass.comparisons(), executor);
    improve(objective, prepared.spectrum, bound, solver, options.prior_rounds, V, course, result,
            [&](const Matrix<Scalar>& at) {
              if (validation == nullptr) return false;
              objective.write(result.model.weights, result.model.parameters);
              return best.worse_for_long(at, result.model.weights, loss, options.temperature);
            });
    if (validation != nullptr && best.basis().size() > 0) V = best.basis();
    conclude(objective, pass.scores(V), V, result);
    result.passes = spent + objective.passes() + 1;
    return result;
  }

  /// Moves V towards the minimum of the objective, in whitened coordinates.
  /// @param worse  bool(V), after each iteration; true ends the descent
  template <class Store, class Worse>
  void improve(Objective<Store>& objective, const detail::Spectrum<Scalar>& spectrum, const Bound& bound,
               const Solver& by, int prior_rounds, Matrix<Scalar>& V, Course& course,
               JointResult<Scalar>& result, const Worse& worse) const {
    const Index K = V.cols();
    const double curvature =
        0.2 / (options.temperature * options.temperature) / (estimates_prior ? static_cast<double>(K) : 1.0);
    Vector<double> precision(K);
    for (Index k = 0; k < K; ++k)
      precision(k) = detail::regularizer_curvature(bound, k, 1e-3 * curvature * spectrum.values(0));
    const detail::Whitening<Scalar> whitening(spectrum, Vector<double>::Constant(K, curvature), precision);

    Matrix<Scalar> natural, natural_gradient(V.rows(), K);
    // One solver serves every weight map and regulariser: a call a pass costs nothing, its code much.
    const std::function<double(const Matrix<Scalar>&, Matrix<Scalar>&)> problem =
        [&](const Matrix<Scalar>& at, Matrix<Scalar>& gradient) {
          natural = at;
          whitening.apply(natural);
          const double value = objective(natural, natural_gradient);
          gradient = natural_gradient;
          whitening.apply(gradient);
          return value;
        };
    bool worsened = false;
    using Watch = std::function<bool(const SolverProgress&, const Matrix<Scalar>&)>;
    const Watch watch = [&](const SolverProgress& progress, const Matrix<Scalar>& at) {
      natural = at;
      whitening.apply(natural);
      worsened = worse(natural);
      if (worsened) return true;
      const Index passes = course.spent + (course.counts ? objective.passes() : 0);
      if (progress.iteration > 0 || result.trace.empty()) result.trace.push_back(progress.value);
      if (course.observer) course.stopped = course.observer(FitProgress{K, passes, progress.value});
      course.exhausted = passes >= options.max_passes;
      return course.over();
    };
    Matrix<Scalar> A = V;
    whitening.unapply(A);
    const int rounds = estimates_prior && K > 1 ? prior_rounds : 1;
    for (int round = 0; round < rounds && !course.over(); ++round) {
      auto stage = by;
      if constexpr (std::is_same_v<Solver, Lbfgs>)
        if (rounds > 1)
          stage.options.max_evaluations =
              std::min<Index>(stage.options.max_evaluations, round + 1 < rounds ? 8 : 24);
      const auto minimum = stage.minimize(problem, A, watch);
      A = minimum.x;
      result.objective = minimum.value;
      result.status = minimum.status;
      if (!std::isfinite(minimum.value)) break;
      if (round + 1 < rounds) objective.update_prior();
    }
    if (course.stopped)
      result.status = Status::stopped;
    else if (course.exhausted && result.status == Status::stopped)
      result.status = Status::evaluation_limit;
    V = A;
    whitening.apply(V);
  }

  /// Settles the users and the prior on their scores under V, and writes the model.
  template <class Store>
  void conclude(Objective<Store>& objective, const Matrix<Scalar>& Z, const Matrix<Scalar>& V,
                JointResult<Scalar>& result) const {
    const Index K = V.cols();
    objective.tolerance = 1e-10;
    objective.max_iterations = 50;
    objective.settle_scores(Z);
    if (estimates_prior && K > 1)
      for (int round = 0; round < 5; ++round) {
        objective.update_prior();
        objective.settle_scores(Z);
      }
    if (!estimates_prior && K > 1) objective.centre_prior();
    RewardModel<Scalar>& model = result.model;
    model.basis = Basis<Scalar>(V);
    model.rank = K;
    model.weight_map = estimates_prior ? WeightMapKind::simplex : WeightMapKind::signed_deviations;
    model.temperature = static_cast<Scalar>(options.temperature);
    model.user = objective.users();
    objective.write(model.weights, model.parameters);
    model.prior = objective.prior().template of_parameters<Scalar>();
    result.covariance = objective.parameter_covariances();
  }

  /// The fit by way of a subspace Q that the users' gradients span, where passes cost next to nothing: fit in
  /// it, read the features once for the gradient of the whole, and grow Q by what that and the users' own
  /// gradients have outside, until the gradient outside promises next to nothing. With ridge strength lambda
  /// it promises at most |G_k|^2 / (2 lambda_k), of which the last round shows how much comes true.
  template <class Store>
  JointResult<Scalar> run_compressed(Pass<Scalar, Store>& pass, Prepared& prepared, const Bound& bound,
                                     Index K, std::uint64_t seed, const FitObserver& observer,
                                     const Matrix<Scalar>* start) const {
    detail::Subspace<Scalar>& subspace = prepared.subspace;
    subspace.take_answers(pass.comparisons().answer);
    const double share = 50 * solver.options.objective_tolerance;
    JointFit within = *this;  // on the subspace
    within.options.compress = false;
    within.options.prior_rounds = options.prior_rounds;
    JointResult<Scalar> result;
    Course course{observer, prepared.passes, false};
    Vector<double> slopes(pass.comparisons().size());
    Matrix<Scalar> V, G;
    std::optional<detail::Posteriors> posteriors;
    double promise = 0;
    const auto outlook = [&] {  // the gradient of the whole, and what it promises outside
      auto whole = objective_on(pass, bound, V.cols());
      if (posteriors) whole.go_on_from(*posteriors);
      whole.slopes = &slopes;
      whole(V, G);
      G = subspace.outside(G, executor);
      promise = 0;
      for (Index k = 0; k < V.cols(); ++k)
        promise += static_cast<double>(G.col(k).squaredNorm()) / (2 * bound.curvature(k));
      ++course.spent;
    };
    const auto grow = [&] {
      subspace.grow(pass, G, &slopes, seed + static_cast<std::uint64_t>(course.spent));
      course.spent += 2;
    };
    bool simple = false;  // Bradley-Terry first
    if (start != nullptr) {
      V = *start;
    } else if (estimates_prior && K > 1) {
      V = simplex_start(pass, prepared, K, seed, course.spent, observer);
    } else if (subspace.size() == 0) {
      V = Matrix<Scalar>::Zero(pass.comparisons().dimension(), 1);
      outlook();
      grow();
      simple = K > 1;
      if (simple) V.resize(0, 0);
    }
    if (V.cols() > 0) {
      const Matrix<Scalar> rest = subspace.outside(V, executor);
      if (rest.norm() > Scalar(1e-3) * V.norm()) {
        subspace.grow(pass, rest, nullptr, seed);
        ++course.spent;
      }
    }
    if (subspace.size() == 0)  // no gradient anywhere, such as of nothing but ties
      return within.run(pass, prepared, Rank{K}, seed, observer, start);
    double tolerance = 1e-3;
    bool grew = true;
    for (int round = 0;; ++round) {
      Pass<Scalar, Features> coordinates(subspace.comparisons(), executor);
      Prepared small{.mean_square = prepared.mean_square, .spectrum = subspace.spectrum(), .subspace = {}};
      Matrix<Scalar> A;
      if (V.cols() == K)
        A = detail::transposed_times<Scalar>(subspace.basis(), V);
      else if (simple || K == 1)
        A = Matrix<Scalar>::Zero(subspace.size(), 1);
      else {
        Index unread = 0;
        A = within.signed_start(coordinates, small, K, seed, unread, {});
      }
      auto objective = within.objective_on(coordinates, bound, A.cols());
      if (posteriors && posteriors->prior.origin.size() == A.cols()) objective.go_on_from(*posteriors);
      Solver by = solver;
      by.options.objective_tolerance = std::max(solver.options.objective_tolerance, tolerance);
      const double before = result.objective, promised = promise;
      const bool compare = round > 0 && V.cols() == K;
      within.improve(objective, small.spectrum, bound, by, round == 0 ? options.prior_rounds : 2, A, course,
                     result, [](const Matrix<Scalar>&) { return false; });
      posteriors = objective.posteriors();
      V = detail::times<Scalar>(subspace.basis(), A);
      outlook();
      const double comes_true = compare ? std::clamp((before - result.objective) / promised, 0.1, 1.0) : 1.0;
      const bool enough = promise * comes_true <= share * std::abs(result.objective);
      if (course.over() || (!simple && (enough || !grew))) {
        conclude(objective, coordinates.scores(A), A, result);
        break;
      }
      if (subspace.full()) {
        auto whole = objective_on(pass, bound, K);
        whole.go_on_from(*posteriors);
        course.counts = true;
        improve(whole, subspace.spectrum_of_features(prepared.mean_square * pass.total_weight()), bound,
                solver, 2, V, course, result, [](const Matrix<Scalar>&) { return false; });
        conclude(whole, pass.scores(V), V, result);
        course.spent += whole.passes() + 1;
        break;
      }
      tolerance = std::clamp(0.02 * promise * comes_true / std::abs(result.objective), 0.0, 1e-3);
      const Index size = subspace.size();
      grow();
      grew = subspace.size() > size;
      if (simple) V.resize(0, 0);
      simple = false;
    }
    result.model.basis = Basis<Scalar>(V);
    result.passes = course.spent;
    return result;
  }

  template <class, class, class, class, Real>
  friend struct JointFit;
};

// The entry points are defined outside of the class, so that they can be compiled elsewhere.

template <class Loss, class Map, class Regularizer, class Solver, Real Scalar>
template <class Store>
JointResult<Scalar> JointFit<Loss, Map, Regularizer, Solver, Scalar>::operator()(
    const Comparisons<Store>& comparisons, Rank rank, std::uint64_t seed, const FitObserver& observer,
    const Validation<Store>* validation) const {
  Pass<Scalar, Store> pass(comparisons, executor);
  // Starts are fits of their own: the observer sees the rank asked for, and once it said stop it stays so.
  FitObserver whole;
  if (observer)
    whole = [&observer, rank, stop = false](const FitProgress& now) mutable {
      if (!stop) stop = observer(FitProgress{rank.value, now.passes, now.objective});
      return stop;
    };
  Prepared prepared = prepare(pass, seed);
  return run(pass, prepared, rank, seed, whole, nullptr, validation);
}

template <class Loss, class Map, class Regularizer, class Solver, Real Scalar>
template <class Store>
PreparedFeatures<Scalar> JointFit<Loss, Map, Regularizer, Solver, Scalar>::prepare(Pass<Scalar, Store>& pass,
                                                                                   std::uint64_t seed) const {
  options.validate();
  const auto& comparisons = pass.comparisons();
  if (comparisons.empty()) detail::raise_shape("JointFit", "comparisons", 0, "at least one");
  Prepared prepared;
  prepared.mean_square = pass.mean_square();
  if (!std::isfinite(prepared.mean_square))
    detail::raise_value("JointFit", "features", prepared.mean_square, "finite numbers");
  if (!(prepared.mean_square > 0))
    detail::raise_value("JointFit", "mean square of the features", prepared.mean_square,
                        "above 0: a comparison of weight above 0 between two different embeddings");
  prepared.passes = 1;
  if (!compresses(pass, prepared, 1)) whiten(pass, prepared, seed);
  return prepared;
}

template <class Loss, class Map, class Regularizer, class Solver, Real Scalar>
template <class Store>
JointResult<Scalar> JointFit<Loss, Map, Regularizer, Solver, Scalar>::run(
    Pass<Scalar, Store>& pass, Prepared& prepared, Rank rank, std::uint64_t seed, const FitObserver& observer,
    const Matrix<Scalar>* start, const Validation<Store>* validation) const {
  const auto& comparisons = pass.comparisons();
  const Index K = rank.value, d = comparisons.dimension();
  if (K < 1) detail::raise_shape("JointFit", "rank", K, "at least 1");
  if (K > d) detail::raise_shape("JointFit", "rank", K, "at most the dimension " + detail::to_text(d));
  if (K > comparisons.users())
    detail::raise_shape("JointFit", "rank", K,
                        "at most the number of seen users " + detail::to_text(comparisons.users()));
  detail::check_readable("JointFit", loss, comparisons.answer);
  if (validation != nullptr) detail::check_readable("JointFit", loss, validation->comparisons.answer);
  if (start != nullptr) {
    detail::check_size("JointFit", "rows of the start", start->rows(), d);
    detail::check_size("JointFit", "columns of the start", start->cols(), K);
  }
  const auto bound = bind(prepared.mean_square);
  if constexpr (can_compress)
    if (validation == nullptr && compresses(pass, prepared, K))
      return run_compressed(pass, prepared, bound, K, seed, observer, start);
  if (prepared.spectrum.values.size() == 0) whiten(pass, prepared, seed);
  Index spent = prepared.passes;
  Matrix<Scalar> V;
  if (start != nullptr) {
    V = *start;
  } else if (K == 1) {
    if constexpr (requires { bound.start(); }) {
      V = bound.start();
      detail::check_size("JointFit", "rows of the regulariser's start", V.rows(), d);
    } else {
      V = Matrix<Scalar>::Zero(d, 1);
    }
  } else if constexpr (std::is_same_v<Map, Simplex>) {
    V = simplex_start(pass, prepared, K, seed, spent, observer);
  } else {
    V = signed_start(pass, prepared, K, seed, spent, observer);
  }
  return descend(pass, prepared, bound, std::move(V), spent, observer, validation);
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE JointResult<float> JointFit<BradleyTerry, Signed>::operator()(
    const Comparisons<Features>&, Rank, std::uint64_t, const FitObserver&, const Validation<Features>*) const;
LORE_COMPILED_TEMPLATE PreparedFeatures<float> JointFit<BradleyTerry, Signed>::prepare(Pass<float, Features>&,
                                                                                       std::uint64_t) const;
LORE_COMPILED_TEMPLATE JointResult<float> JointFit<BradleyTerry, Signed>::run(
    Pass<float, Features>&, PreparedFeatures<float>&, Rank, std::uint64_t, const FitObserver&,
    const Matrix<float>*, const Validation<Features>*) const;

LORE_COMPILED_TEMPLATE JointResult<float> JointFit<BradleyTerry, Simplex>::operator()(
    const Comparisons<Features>&, Rank, std::uint64_t, const FitObserver&, const Validation<Features>*) const;
LORE_COMPILED_TEMPLATE PreparedFeatures<float> JointFit<BradleyTerry, Simplex>::prepare(
    Pass<float, Features>&, std::uint64_t) const;
LORE_COMPILED_TEMPLATE JointResult<float> JointFit<BradleyTerry, Simplex>::run(
    Pass<float, Features>&, PreparedFeatures<float>&, Rank, std::uint64_t, const FitObserver&,
    const Matrix<float>*, const Validation<Features>*) const;
#endif

}  // namespace lore
