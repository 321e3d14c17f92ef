// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/initial_parameters.hpp"
#include "lore/fit/joint.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"
#include "lore/objective/pass.hpp"
#include "lore/objective/regularizer.hpp"
#include "lore/objective/schedule.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/solve/adam.hpp"

namespace lore {

/// What a protocol's loss averages over; comparison weights enter both as weights of the mean.
enum class Averaging {
  users,        ///< sum over users of the mean over their comparisons
  comparisons,  ///< mean over all comparisons
};

/// When V's gradient is taken.
enum class StepOrder {
  simultaneous,  ///< V and the users' parameters step together, from the same point
  alternating,   ///< the users' parameters step first, and V's gradient sees the new ones
};

struct GradientDescentOptions {
  Index iterations = 1000;                 ///< >= 0
  AdamOptions adam{.learning_rate = 0.5};  ///< of both V and the users' parameters
  double temperature = 100;                ///< tau, > 0
  Averaging averaging = Averaging::users;
  StepOrder order = StepOrder::simultaneous;
  InitialParameters initial_parameters = InitialParameters::normal;
  double prune_below = 0;  ///< drop columns with max_i |w_ik| below this after the fit; 0 .. 1, 1 excluded

  /// @throws std::domain_error naming the field
  void validate() const {
    constexpr const char* where = "GradientDescentOptions";
    detail::check_non_negative(where, "iterations", iterations);
    adam.validate();
    detail::check_positive(where, "temperature", temperature);
    if (!(prune_below >= 0) || !(prune_below < 1))
      detail::raise_value(where, "prune_below", prune_below, "0 or above, below 1");
  }
};

/// First-order fit of V and all users' parameters by a fixed number of Adam steps:
///
///   min_{V, p}  mean of loss(x_ij' V w(p_i) / tau) as `options.averaging` says + s_t R(V)
///
/// with s_t the schedule's strength at iteration t. This is what the LoRe paper and its code do, kept for
/// comparison: `paper_protocol` and `regularised_protocol` set it up as published. There is no prior on the
/// users' weights; `JointFit` needs far fewer passes and predicts better.
///
///   auto fit = lore::paper_protocol(lore::Threads());
///   const auto result = fit(preferences.seen_train(), lore::Rank{5}, seed);
///
/// One pass over the data an iteration. Nothing is allocated after the first iteration.
/// @cost iterations + 1 passes of 4 n d + 6 d K users operations; 2 n d (K + 1) where steps alternate   @ref
/// LoRe eq. 10 and section 4.2; Kingma & Ba 2015
template <class Loss = BradleyTerry, class Map = Simplex, class Regularizer = NoRegularizer,
          class Schedule = Constant, Real Scalar = float>
struct GradientDescentFit {
  Loss loss{};
  Map weights{};
  Regularizer regularizer{};
  Schedule schedule{};
  AnyExecutor executor{};
  GradientDescentOptions options{};

  /// Starts from V ~ N(0, 1) and parameters as `options.initial_parameters` says, a stream of random numbers
  /// for each user id.
  /// @param comparisons  seen users' training comparisons
  /// @param rank         1 .. min(d, users)
  /// @param observer     called as bool(const FitProgress&) after every iteration, with the objective before
  /// it; true stops
  /// @return model        the prior is the Gaussian of the seen users' parameters; training["columns_kept"]
  ///                      counts the columns left by pruning, whose weights are those of the kept parameters
  ///                      alone (`Simplex`: softmax over the kept logits)
  ///         covariance   zero: a point estimate claims no uncertainty
  ///         trace        objective before each iteration
  ///         objective    after the last one, before pruning, at the last iteration's strength
  ///         status       `iteration_limit` as a rule; `stopped`; `not_finite` with the last finite point
  /// @throws std::invalid_argument on a rank out of range or no comparisons; std::domain_error on features
  ///         that are not finite or options out of range
  template <class Store, class Observer = NoObserver>
  JointResult<Scalar> operator()(const Comparisons<Store>& comparisons, Rank rank, std::uint64_t seed = 0,
                                 Observer&& observer = {}) const {
    constexpr const char* where = "GradientDescentFit";
    const Index K = rank.value, d = comparisons.dimension(), users = comparisons.users();
    if (K < 1) detail::raise_shape(where, "rank", K, "at least 1");
    if (K > d) detail::raise_shape(where, "rank", K, "at most the dimension " + detail::to_text(d));
    if (K > users)
      detail::raise_shape(where, "rank", K, "at most the number of seen users " + detail::to_text(users));
    Matrix<Scalar> V(d, K), parameters(K, users);
    Rng rng = make_rng(seed);
    fill_normal(rng, V);
    for (Index i = 0; i < users; ++i)
      detail::draw_parameters(weights, options.initial_parameters, seed,
                              comparisons.user[static_cast<std::size_t>(i)], parameters.col(i));
    return from(comparisons, std::move(V), std::move(parameters), observer);
  }

  /// The same from given starting points. @param V  d x K   @param parameters  K x users
  template <class Store, class Observer = NoObserver>
  JointResult<Scalar> from(const Comparisons<Store>& comparisons, Matrix<Scalar> V, Matrix<Scalar> parameters,
                           Observer&& observer = {}) const {
    constexpr const char* where = "GradientDescentFit";
    options.validate();
    if constexpr (requires { schedule.validate(); }) schedule.validate();
    if (comparisons.empty()) detail::raise_shape(where, "comparisons", 0, "at least one");
    detail::check_plain(where, comparisons.answer);
    detail::check_size(where, "rows of V", V.rows(), comparisons.dimension());
    if (V.cols() < 1) detail::raise_shape(where, "columns of V", V.cols(), "at least 1");
    detail::check_size(where, "rows of parameters", parameters.rows(), V.cols());
    detail::check_size(where, "columns of parameters", parameters.cols(), comparisons.users());
    detail::check_finite(where, "V", V);
    detail::check_finite(where, "parameters", parameters);
    Pass<Scalar, Store> pass(comparisons, executor);
    const double mean_square = pass.mean_square();
    if (!std::isfinite(mean_square)) detail::raise_value(where, "features", mean_square, "finite numbers");
    const auto bound = bind(mean_square);

    JointResult<Scalar> result;
    result.trace.reserve(static_cast<std::size_t>(options.iterations));
    result.status = Status::iteration_limit;
    Users<Store> users(*this, comparisons, std::move(parameters));
    AdamState<Matrix<Scalar>> basis_steps(options.adam);
    Matrix<Scalar> gradient(V.rows(), V.cols());
    Matrix<Scalar> weight_gradient;
    const auto evaluate = [&] {
      using Block = typename Pass<Scalar, Store>::ScoreBlock;
      using Column = typename Pass<Scalar, Store>::Column;
      if (options.order == StepOrder::alternating)
        return pass.value_and_gradient(
            V,
            [&users](Index i, const Block& Z, Column& g, Vector<Scalar>& w) {
              return users.step_then_terms(i, Z, g, w);
            },
            gradient);
      return pass.value_and_gradients(
          V, users.weights(),
          [&users](Index i, Index first, const Column& t, Column& g) { return users.terms(i, first, t, g); },
          gradient, weight_gradient);
    };
    for (Index t = 0; t < options.iterations; ++t) {
      double value = evaluate();
      value += regularize(bound, V, t, gradient);
      ++result.passes;
      if (!std::isfinite(value) || !gradient.allFinite()) {
        result.status = Status::not_finite;
        break;
      }
      result.trace.push_back(value);
      basis_steps.step(V, gradient);
      if (options.order == StepOrder::simultaneous)
        for (Index i = 0; i < comparisons.users(); ++i) users.step(i, weight_gradient.col(i));
      if constexpr (!std::is_same_v<std::remove_cvref_t<Observer>, NoObserver>)
        if (observer(FitProgress{V.cols(), result.passes, value})) {
          result.status = Status::stopped;
          break;
        }
    }
    const Matrix<Scalar> Z = pass.scores(V);
    ++result.passes;
    for (Index i = 0; i < comparisons.users(); ++i)
      result.objective += users.value(i, Z.middleCols(comparisons.begin(i), comparisons.count(i)));
    result.objective += regularize(bound, V, std::max<Index>(options.iterations - 1, 0), gradient);
    if (!std::isfinite(result.objective)) result.status = Status::not_finite;
    write(comparisons, V, users.parameters(), result);
    return result;
  }

 private:
  /// The users' half of an iteration: parameters, their Adam moments, and room for the terms of each
  /// comparison.
  template <class Store>
  class Users {
   public:
    Users(const GradientDescentFit& fit, const Comparisons<Store>& comparisons, Matrix<Scalar> parameters)
        : fit_(fit),
          comparisons_(comparisons),
          parameters_(std::move(parameters)),
          weights_(parameters_.rows(), parameters_.cols()),
          gradient_(parameters_.rows(), parameters_.cols()),
          steps_(static_cast<std::size_t>(parameters_.cols()), AdamState<Vector<Scalar>>(fit.options.adam)),
          share_(parameters_.cols()),
          unscaled_(comparisons.size()),
          margin_(comparisons.size()),
          value_(comparisons.size()),
          slope_(comparisons.size()),
          curvature_(comparisons.size()) {
      for (Index i = 0; i < parameters_.cols(); ++i) {
        fit_.weights.weights(parameters_.col(i), weights_.col(i));
        double sum = 0;
        for (Index p = comparisons_.begin(i); p < comparisons_.end(i); ++p) sum += omega(p);
        share_(i) = sum;
      }
      if (fit_.options.averaging == Averaging::comparisons) share_.setConstant(share_.sum());
      for (double& share : share_) share = share > 0 ? 1 / share : 0;
    }

    [[nodiscard]] const Matrix<Scalar>& parameters() const noexcept { return parameters_; }

    [[nodiscard]] const Matrix<Scalar>& weights() const noexcept { return weights_; }

    /// User i's share of the loss over positions first, .. with margins t before the temperature; g = its
    /// derivatives with respect to them.
    template <class Margins, class Column>
    double terms(Index i, Index first, const Margins& t, Column& g) {
      const Index m = t.size();
      auto margin = margin_.segment(first, m);
      auto value = value_.segment(first, m);
      auto slope = slope_.segment(first, m);
      auto curvature = curvature_.segment(first, m);
      const auto scale = static_cast<Scalar>(1 / fit_.options.temperature);
      margin = t * scale;
      detail::evaluate_losses(fit_.loss, margin, value, slope, curvature);
      double sum = 0;
      for (Index j = 0; j < m; ++j) {
        const double part = omega(first + j) * share_(i);
        sum += part * static_cast<double>(value(j));
        g(j) = static_cast<Scalar>(part) * slope(j) * scale;
      }
      return sum;
    }

    /// One Adam step on user i's parameters, given the gradient with respect to the weights.
    template <class Gradient>
    void step(Index i, const Gradient& weight_gradient) {
      if (!weight_gradient.allFinite()) return;
      fit_.weights.pullback(parameters_.col(i), weights_.col(i), weight_gradient, gradient_.col(i));
      steps_[static_cast<std::size_t>(i)].step(parameters_.col(i), gradient_.col(i));
      fit_.weights.weights(parameters_.col(i), weights_.col(i));
    }

    /// The step, then g and w of V's gradient at the new weights.   @return the value before
    template <class Block, class Column>
    double step_then_terms(Index i, const Block& Z, Column& g, Vector<Scalar>& w) {
      const double before = value(i, Z, g);
      w.noalias() = Z * g;
      step(i, w);
      value(i, Z, g);
      w = weights_.col(i);
      return before;
    }

    template <class Block, class Column>
    double value(Index i, const Block& Z, Column& g) {
      auto t = unscaled_.segment(comparisons_.begin(i), Z.cols());
      t.noalias() = Z.transpose() * weights_.col(i);
      return terms(i, comparisons_.begin(i), t, g);
    }

    template <class Block>
    double value(Index i, const Block& Z) {
      Vector<Scalar> g(Z.cols());
      return value(i, Z, g);
    }

   private:
    [[nodiscard]] double omega(Index p) const {
      return comparisons_.weight.empty()
                 ? 1.0
                 : static_cast<double>(comparisons_.weight[static_cast<std::size_t>(p)]);
    }

    const GradientDescentFit& fit_;
    const Comparisons<Store>& comparisons_;
    Matrix<Scalar> parameters_, weights_, gradient_;  ///< K x users
    std::vector<AdamState<Vector<Scalar>>> steps_;
    Vector<double> share_;  ///< of one comparison of each user in the mean
    Vector<Scalar> unscaled_, margin_, value_, slope_, curvature_;  ///< by position
  };

  [[nodiscard]] auto bind(double mean_square) const {
    if constexpr (requires { regularizer.bound(mean_square, options.temperature); })
      return regularizer.bound(mean_square, options.temperature);
    else
      return regularizer;
  }

  /// Adds s_t dR/dV and returns s_t R(V).
  template <class Bound>
  double regularize(const Bound& bound, const Matrix<Scalar>& V, Index t, Matrix<Scalar>& gradient) const {
    const double strength = schedule(t, options.iterations);
    return strength == 0 ? 0.0 : static_cast<double>(bound.add(V, static_cast<Scalar>(strength), gradient));
  }

  template <class Store>
  void write(const Comparisons<Store>& comparisons, const Matrix<Scalar>& V, const Matrix<Scalar>& parameters,
             JointResult<Scalar>& result) const {
    const Index users = parameters.cols();
    Matrix<Scalar> w(parameters.rows(), users);
    for (Index i = 0; i < users; ++i) weights.weights(parameters.col(i), w.col(i));
    const Vector<Scalar> largest = w.cwiseAbs().rowwise().maxCoeff();
    Index best = 0;
    largest.maxCoeff(&best);
    std::vector<Index> kept;
    for (Index k = 0; k < V.cols(); ++k)
      if (k == best || !(static_cast<double>(largest(k)) < options.prune_below)) kept.push_back(k);
    const auto K = static_cast<Index>(kept.size());
    Matrix<Scalar> basis(V.rows(), K);
    RewardModel<Scalar>& model = result.model;
    model.parameters.resize(K, users);
    model.weights.resize(K, users);
    for (Index k = 0; k < K; ++k) {
      basis.col(k) = V.col(kept[static_cast<std::size_t>(k)]);
      model.parameters.row(k) = parameters.row(kept[static_cast<std::size_t>(k)]);
    }
    for (Index i = 0; i < users; ++i) weights.weights(model.parameters.col(i), model.weights.col(i));
    model.basis = Basis<Scalar>(std::move(basis));
    model.rank = K;
    model.weight_map =
        std::is_same_v<Map, Simplex> ? WeightMapKind::simplex : WeightMapKind::signed_deviations;
    model.temperature = static_cast<Scalar>(options.temperature);
    model.user = comparisons.user;
    model.prior = population(model.parameters);
    model.training["method"] = "gradient descent";
    model.training["iterations"] = detail::to_text(static_cast<Index>(result.trace.size()));
    model.training["learning_rate"] = detail::to_text(options.adam.learning_rate);
    model.training["columns"] = detail::to_text(V.cols());
    model.training["columns_kept"] = detail::to_text(K);
    result.covariance.assign(static_cast<std::size_t>(users), Matrix<double>::Zero(K, K));
  }

  /// Mean and covariance of the users' parameters, in the map's directions.
  [[nodiscard]] GaussianPrior<Scalar> population(const Matrix<Scalar>& parameters) const {
    const Index K = parameters.rows();
    Vector<double> origin(K);
    weights.origin(origin);
    const Matrix<double> Q = weights.template directions<double, Dynamic>(K);
    const Matrix<double> C = Q.transpose() * (parameters.template cast<double>().colwise() - origin);
    const Vector<double> mean = C.rowwise().mean();
    const Matrix<double> centred = C.colwise() - mean;
    const Matrix<double> spread = Q * centred;
    const Matrix<double> covariance = spread * spread.transpose() / static_cast<double>(parameters.cols());
    if (K > 1) origin += Q * mean;
    return {origin.template cast<Scalar>(), covariance.template cast<Scalar>()};
  }
};

/// Protocol `paper`: V, a ~ N(0, 1); one Adam over both, learning rate 0.5, 1,000 iterations; tau = 100; sum
/// over users of the mean over their comparisons; no prior. Set `options.iterations` to 500 for few-shot
/// curves.   @ref LoRe section 5
template <Real Scalar = float>
[[nodiscard]] GradientDescentFit<BradleyTerry, Simplex, NoRegularizer, Constant, Scalar> paper_protocol(
    AnyExecutor executor = {}) {
  GradientDescentFit<BradleyTerry, Simplex, NoRegularizer, Constant, Scalar> fit{.executor =
                                                                                     std::move(executor)};
  return fit;
}

/// Protocol `regularised`: V ~ N(0, 1), a ~ U(0, 1); each of 20,000 iterations one Adam step on the logits,
/// then, with the new ones, one on V with alpha_t mean_k(1 - cos(V_k, v_ref)), where alpha_t rises from 0 to
/// alpha between 20 and 80 % of the run; learning rate 0.5; tau = 100; mean over all comparisons; columns
/// with max_i w_ik < 0.01 are dropped.   @ref LoRe section 4.2
/// @param alpha  1e4 as published   @param v_ref  d, the backbone's own reward head
/// @throws std::domain_error unless alpha is finite and 0 or above
template <Real Scalar>
[[nodiscard]] GradientDescentFit<BradleyTerry, Simplex, CosineTo<Scalar>, LinearWarmUp, Scalar>
regularised_protocol(double alpha, Vector<Scalar> v_ref, AnyExecutor executor = {}) {
  detail::check_non_negative("regularised_protocol", "alpha", alpha);
  GradientDescentFit<BradleyTerry, Simplex, CosineTo<Scalar>, LinearWarmUp, Scalar> fit{
      .regularizer = {alpha, std::move(v_ref)}, .executor = std::move(executor)};
  fit.options.iterations = 20000;
  fit.options.averaging = Averaging::comparisons;
  fit.options.order = StepOrder::alternating;
  fit.options.initial_parameters = InitialParameters::uniform;
  fit.options.prune_below = 0.01;
  return fit;
}

}  // namespace lore
