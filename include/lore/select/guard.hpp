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
#include "lore/core/random.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/data/shots.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/joint.hpp"
#include "lore/fit/predict.hpp"
#include "lore/fit/prior_covariance.hpp"
#include "lore/metrics/interval.hpp"
#include "lore/metrics/user_scores.hpp"
#include "lore/model/guard.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/cross_validation.hpp"
#include "lore/select/figures.hpp"
#include "lore/select/folds.hpp"

namespace lore {

/// How seen users are held out to see what personalisation does for new ones.
struct GuardOptions {
  bool enabled = true;
  Index folds = 4;                                   ///< of users, >= 2
  std::vector<Index> shots{0, 1, 3, 5, 10, 20, 50};  ///< each >= 0
  ShotUnit shot_unit = ShotUnit::comparison;
  Index least_users = 5;             ///< points with fewer users say nothing and are left out, >= 2
  bool estimate = true;              ///< try the covariance of `estimate_prior_covariance` (`Signed` weights)
  Index most_judged = 200;           ///< comparisons of a user that are judged in each half, >= 1
  double smallest_factor = 1e-3;     ///< of the prior covariance of new users, in (0, 1]
  double largest_factor = 16;        ///< >= 1
  double least_improvement = 0.005;  ///< that another prior covariance must bring, nats a comparison, >= 0
  double tolerated_loss = 1e-4;      ///< nats a comparison that nobody notices, >= 0
  BootstrapOptions bootstrap{};      ///< of the confidence intervals over users

  /// @throws std::domain_error naming the field
  void validate() const {
    constexpr const char* where = "GuardOptions";
    if (folds < 2) detail::raise_value(where, "folds", folds, "at least 2");
    for (const Index s : shots) detail::check_non_negative(where, "shots", s);
    if (least_users < 2) detail::raise_value(where, "least_users", least_users, "at least 2");
    detail::check_positive(where, "most_judged", most_judged);
    if (!(smallest_factor > 0 && smallest_factor <= 1))
      detail::raise_value(where, "smallest_factor", smallest_factor, "above 0, at most 1");
    detail::check_non_negative(where, "least_improvement", least_improvement);
    detail::check_non_negative(where, "tolerated_loss", tolerated_loss);
    if (!(largest_factor >= 1)) detail::raise_value(where, "largest_factor", largest_factor, "at least 1");
    bootstrap.validate();
  }
};

/// What users who were held out say of a model for new users.
struct [[nodiscard]] GuardReport {
  std::vector<GuardPoint> points;  ///< with the prior that new users get; empty: nobody to ask
  /// Held-out loss of each user under that prior, nats a comparison, averaged over the numbers of shots above
  /// 0; NaN: not judged.
  std::vector<double> loss_by_user{};
  Candidate candidate{};   ///< that this speaks of
  bool estimated = false;  ///< the prior covariance is `estimate_prior_covariance`'s, not the joint fit's
  double factor = 1;       ///< of that covariance
  /// Settings of Bradley-Terry where its reward is the population's: users without any shots were not surely
  /// judged better by the mean reward of the joint fit, or were surely worse off under it after some shots.
  std::optional<Candidate> population{};
  bool loses = false;  ///< under every prior tried new users are surely worse off at some number of shots
  Index skipped = 0;   ///< folds without anything to fit to or anybody to ask, of min(folds, users)

  /// Writes the points and the prior into a model whose covariance is what `factor` speaks of.
  template <Real Scalar>
  void apply_to(RewardModel<Scalar>& model) const {
    model.guard = points;
    model.prior.covariance *= static_cast<Scalar>(factor);
    model.training["prior_covariance_factor"] = detail::to_text(factor);
    model.training["prior_covariance_estimated"] = estimated ? "true" : "false";
  }
};

namespace detail {

/// The whole confidence interval of the gain in log loss is below 0, by more than nobody notices, at some
/// number of shots.
[[nodiscard]] inline bool surely_loses(const GuardReport& report, const GuardOptions& options) {
  return std::any_of(report.points.begin(), report.points.end(),
                     [&](const GuardPoint& point) { return point.log_loss.upper < -options.tolerated_loss; });
}

/// c of c v, which stands for the mean reward V w in a model whose population is Bradley-Terry's v: as far
/// along v as the mean reward reaches over some comparisons, and less far under a narrower prior, down to v.
/// @param mean, common  n margins by V w and by v   @param factor  of the prior covariance
template <class Mean, class Common>
[[nodiscard]] double population_scale(const Mean& mean, const Common& common, double factor) {
  const double size = static_cast<double>(common.squaredNorm());
  if (!(size > 0)) return 1;
  const double reach = std::max(static_cast<double>(common.dot(mean)) / size, 0.0);
  return 1 + std::min(factor, 1.0) * (reach - 1);
}

[[nodiscard]] inline Gain gain_over_users(std::vector<double> by_user, const BootstrapOptions& options) {
  const Interval interval = bootstrap_interval(by_user, options);
  const UserScores scores = summarize_users(std::move(by_user));
  return {scores.mean, scores.standard_error, interval.lower, interval.upper};
}

/// Folds of users: the basis is fitted to the others, the held-out ones are fitted to one half of their
/// comparisons and judged on the other, both ways.
template <class Store, class Loss, Real Scalar>
class Guard {
 public:
  Guard(const Comparisons<Store>& comparisons, Loss loss, Loss common_loss, AnyExecutor executor,
        JointOptions joint, GuardOptions options, std::uint64_t seed)
      : comparisons_(of_some_weight(comparisons)),
        loss_(std::move(loss)),
        common_loss_(std::move(common_loss)),
        executor_(executor),
        joint_(joint),
        options_(std::move(options)),
        seed_(seed) {
    options_.validate();
  }

  [[nodiscard]] Index skipped() const noexcept { return skipped_; }

  /// Fits the folds.   @return whether there is anybody to ask
  bool prepare(const Candidate& candidate, const Candidate& bradley_terry,
               const std::function<bool()>& stop) {
    const Index users = comparisons_.users(), folds = std::min(options_.folds, users);
    if (users < std::max<Index>(options_.least_users, 2) || candidate.rank < 2) return false;
    Rng rng = make_rng(seed_, 7);
    const std::vector<Index> order = permutation(rng, users);
    for (Index f = 0; f < folds; ++f) {
      std::vector<Index> others, held;
      for (Index p = 0; p < users; ++p) (p % folds == f ? held : others).push_back(order[at(p)]);
      std::sort(others.begin(), others.end());
      std::sort(held.begin(), held.end());
      const Comparisons<Store> train = comparisons_.subset(others);
      const Comparisons<Store> fresh = comparisons_.subset(held);
      if (stop && stop()) return false;
      Pass<Scalar, Store> pass(train, executor_);
      if (fresh.empty() || train.empty() || pass.mean_square() == 0) {
        ++skipped_;
        continue;
      }
      auto prepared = fit<Signed>(candidate, loss_).prepare(pass, seed_);
      const auto run = [&](const Candidate& wanted, const Loss& loss) {
        const Rank rank{std::min({wanted.rank, train.users(), train.dimension()})};
        return wanted.weight_map == WeightMapKind::simplex
                   ? fit<Simplex>(wanted, loss).run(pass, prepared, rank, seed_, {}).model
                   : fit<Signed>(wanted, loss).run(pass, prepared, rank, seed_, {}).model;
      };
      const RewardModel<Scalar> one = run(bradley_terry, common_loss_), model = run(candidate, loss_);
      Matrix<Scalar> estimated = model.prior.covariance;
      if (options_.estimate && model.weight_map == WeightMapKind::signed_deviations)
        estimated =
            estimate_prior_covariance(model, pass.scores(model.basis.matrix()), train, executor_, loss_);
      for (Fold<Store>& half : make_folds(fresh, 2, seed_)) {
        Scored pool(std::move(half.train), model.basis, executor_);
        Scored judged(first_shots(half.held_out, options_.most_judged), model.basis, executor_);
        const Scored base(judged.comparisons, one.basis, executor_);
        Half out{held, model, std::move(pool), std::move(judged), model.prior.covariance, estimated, {},
                 {},   {}};
        out.mean_pool = out.pool.Z.transpose() * population_weights(model);
        out.common_pool = Scored(out.pool.comparisons, one.basis, executor_).Z.row(0).transpose();
        out.common_judged = base.Z.row(0).transpose();
        const Vector<double> p = Vector<double>::Ones(1);
        const Matrix<double> C = Matrix<double>::Zero(1, 1);
        out.base_loss = no_scores(fresh.users());
        for (Index i = 0; i < fresh.users(); ++i)
          out.base_loss[at(i)] = loss_of(common_loss_, Signed{}, base, i, p, C);
        out.base_right = right_of(base, [](Index) { return Vector<Scalar>(Vector<Scalar>::Ones(1)); });
        halves_.push_back(std::move(out));
      }
    }
    return !halves_.empty();
  }

  /// From here on Bradley-Terry's reward is the population's.
  void share_population() { shared_ = true; }
  [[nodiscard]] bool shared() const noexcept { return shared_; }

  /// Whether users of whom nothing is known are surely judged better by the mean reward of the joint fit.
  [[nodiscard]] bool knows_better() {
    std::vector<double> unused;
    const std::vector<GuardPoint> unknown = points(false, 1, {0}, unused);
    return !unknown.empty() && unknown.front().accuracy.lower > 0;
  }

  /// Judges new users with the prior covariance as fitted, or as estimated afterwards, times a factor.
  [[nodiscard]] GuardReport judge(bool estimated, double factor) {
    GuardReport out;
    out.estimated = estimated;
    out.factor = factor;
    out.points = points(estimated, factor, options_.shots, out.loss_by_user);
    return out;
  }

 private:
  using Scored = ScoredPartition<Scalar, Store>;

  struct Half {
    std::vector<Index> user;  ///< places in the whole
    RewardModel<Scalar> model;
    Scored pool, judged;
    Matrix<Scalar> covariance, estimated;           ///< of the prior as fitted, and estimated afterwards
    Vector<Scalar> mean_pool;                       ///< n margins by the mean reward
    Vector<Scalar> common_pool, common_judged;      ///< n margins by Bradley-Terry
    std::vector<double> base_loss{}, base_right{};  ///< Bradley-Terry's, by user

    void set_prior(bool estimate, double factor, bool shared) {
      model.prior.covariance = (estimate ? estimated : covariance) * static_cast<Scalar>(factor);
      if (!shared) return;
      const auto c = static_cast<Scalar>(population_scale(mean_pool, common_pool, factor));
      model.prior.mean.tail(model.prior.mean.size() - 1).setZero();
      pool.Z.row(0) = c * common_pool.transpose();
      judged.Z.row(0) = c * common_judged.transpose();
    }
  };

  static std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }
  [[nodiscard]] static std::vector<double> no_scores(Index users) {
    return std::vector<double>(at(users), std::numeric_limits<double>::quiet_NaN());
  }
  /// What takes part in fits.
  [[nodiscard]] static Comparisons<Store> of_some_weight(const Comparisons<Store>& all) {
    if (all.weight.empty()) return all;
    return all.filtered([&](Index p) { return all.weight[at(p)] > 0; }, true);
  }

  [[nodiscard]] std::vector<GuardPoint> points(bool estimated, double factor,
                                               const std::vector<Index>& numbers_of_shots,
                                               std::vector<double>& loss_by_user) {
    for (Half& half : halves_) half.set_prior(estimated, factor, shared_);
    const auto users = at(comparisons_.users());
    std::vector<double> sum(users, 0), count(users, 0);
    std::vector<GuardPoint> out;
    for (const Index shots : numbers_of_shots) {
      std::vector<double> loss(users, 0), loss_gain(users, 0), right_gain(users, 0), judged(users, 0);
      for (const Half& half : halves_) add_half(half, shots, loss, loss_gain, right_gain, judged);
      Index known = 0;
      for (std::size_t i = 0; i < users; ++i) {
        known += judged[i] > 0 ? 1 : 0;
        loss[i] /= judged[i];  // nobody judged: NaN
        loss_gain[i] /= judged[i];
        right_gain[i] /= judged[i];
      }
      if (known < options_.least_users) continue;
      for (std::size_t i = 0; i < users; ++i)
        if (shots > 0 && judged[i] > 0) {
          sum[i] += loss[i];
          count[i] += 1;
        }
      out.push_back({shots, known, gain_over_users(std::move(loss_gain), options_.bootstrap),
                     gain_over_users(std::move(right_gain), options_.bootstrap)});
    }
    loss_by_user.assign(users, 0);
    for (std::size_t i = 0; i < users; ++i) loss_by_user[i] = sum[i] / count[i];
    return out;
  }

  template <class Map>
  [[nodiscard]] auto fit(const Candidate& wanted, const Loss& loss) const {
    JointFit<Loss, Map, MarginScale, Lbfgs, Scalar> out{
        .loss = loss, .weights = {}, .regularizer = wanted.scale, .executor = executor_, .options = joint_};
    out.solver.options.objective_tolerance = 1e-4;
    out.solver.options.objective_window = 2;
    return out;
  }

  /// Mean loss of a user's judged comparisons; NaN without any.
  template <class Map>
  [[nodiscard]] double loss_of(const Loss& of, const Map& map, const Scored& judged, Index i,
                               const Vector<double>& p, const Matrix<double>& C) const {
    const auto& comparisons = judged.comparisons;
    const Matrix<double> Z = judged.of_user(i).template cast<double>();
    const auto [loss, weight] =
        answers_log_loss(of, map, Z, comparisons.answers(i), nullptr, p, C, joint_.temperature);
    return loss / weight;
  }

  /// Accuracy by user; NaN without comparisons that can be right.
  template <class WeightsOf>
  [[nodiscard]] static std::vector<double> right_of(const Scored& judged, const WeightsOf& weights_of) {
    Figure figure = judged.accuracy_with(weights_of, "nothing to judge");
    return figure.exists() ? std::move(figure.accuracy.by_user) : no_scores(judged.comparisons.users());
  }

  void add_half(const Half& half, Index shots, std::vector<double>& loss, std::vector<double>& loss_gain,
                std::vector<double>& right_gain, std::vector<double>& judged) const {
    const auto& pool = half.pool.comparisons;
    std::vector<Index> place(at(static_cast<Index>(pool.features->size())), 0), units;
    for (Index p = 0; p < pool.size(); ++p) place[at(pool.column[at(p)])] = p;
    const Scored given(first_shots(pool, shots, options_.shot_unit), half.pool, place);
    const RewardModel<Scalar>& model = half.model;
    const auto fits = fit_users(model, given.Z, given.comparisons, executor_, loss_);
    std::vector<double> own_loss = no_scores(pool.users());
    executor_.for_each(pool.users(), [&](Index i) {
      const Vector<double> p = fits[at(i)].parameters.template cast<double>();
      const Matrix<double> C = fits[at(i)].covariance.template cast<double>();
      own_loss[at(i)] = model.weight_map == WeightMapKind::simplex
                            ? loss_of(loss_, Simplex{}, half.judged, i, p, C)
                            : loss_of(loss_, Signed{}, half.judged, i, p, C);
    });
    const auto weights_at = [&](Index i) -> Vector<Scalar> { return fits[at(i)].weights; };
    const Vector<Scalar> unused;
    const std::vector<double> own_right =
        right_of(half.judged, weights_by_id(half.judged.comparisons.user, weights_at, unused));
    for (Index i = 0; i < pool.users(); ++i) {
      if (std::isnan(own_loss[at(i)]) || std::isnan(own_right[at(i)])) continue;
      if (number_shots(pool, i, options_.shot_unit, units) < shots) continue;
      const std::size_t whole = at(half.user[at(i)]);
      loss[whole] += own_loss[at(i)];
      loss_gain[whole] += half.base_loss[at(i)] - own_loss[at(i)];
      right_gain[whole] += own_right[at(i)] - half.base_right[at(i)];
      judged[whole] += 1;
    }
  }

  Comparisons<Store> comparisons_;
  Loss loss_, common_loss_;
  AnyExecutor executor_;
  JointOptions joint_;
  GuardOptions options_;
  std::uint64_t seed_;
  std::vector<Half> halves_;
  Index skipped_ = 0;
  bool shared_ = false;
};

/// Whether a report's users are judged better than another's, paired by user: by more than one standard error
/// and `least_improvement`, or by more than two and a fifth of it.
[[nodiscard]] inline bool clearly_better(const GuardReport& report, const GuardReport& than,
                                         const GuardOptions& options) {
  const UserScores gain = paired_difference(than.loss_by_user, report.loss_by_user);
  return gain.mean > std::max(gain.standard_error, options.least_improvement) ||
         gain.mean > std::max(2 * gain.standard_error, 0.2 * options.least_improvement);
}

/// The prior covariance that judges best: the fitted one, or where it is clearly better that times the best
/// factor, and where it is clearly better still the estimated one, times the factor that is best then. Where
/// new users are still surely worse off at some number of shots, times the largest smaller factor at which
/// they are not, of the fitted one if there is none of the estimated one.
template <class Guard>
[[nodiscard]] GuardReport choose_prior(Guard& guard, const GuardOptions& options, WeightMapKind map) {
  const auto loss = [](const GuardReport& report) { return summarize_users(report.loss_by_user).mean; };
  const auto best_factor = [&](GuardReport best) {
    for (const double step : {0.5, 2.0}) {
      while (best.factor * step >= options.smallest_factor && best.factor * step <= options.largest_factor) {
        GuardReport tried = guard.judge(best.estimated, best.factor * step);
        if (!(loss(tried) < loss(best))) break;
        best = std::move(tried);
      }
      if (best.factor != 1) break;
    }
    return best;
  };
  const auto narrowed = [&](GuardReport report) {
    while (surely_loses(report, options) && report.factor * 0.5 >= options.smallest_factor)
      report = guard.judge(report.estimated, report.factor * 0.5);
    return report;
  };
  GuardReport chosen = guard.judge(false, 1);
  GuardReport scaled = best_factor(chosen);
  if (clearly_better(scaled, chosen, options)) chosen = std::move(scaled);
  if (options.estimate && map == WeightMapKind::signed_deviations) {
    GuardReport estimated = guard.judge(true, 1);
    if (clearly_better(estimated, chosen, options)) {
      estimated = narrowed(best_factor(std::move(estimated)));
      if (!surely_loses(estimated, options)) return estimated;
    }
  }
  return narrowed(std::move(chosen));
}

}  // namespace detail

/// Holds out folds of seen users, fits the basis to the others, treats the held-out users as new, and says
/// per number of shots what they gain over Bradley-Terry that was fitted to the same others. Nothing that is
/// judged, its group, or without groups its items, is among the shots. Comparisons of weight 0 are nothing.
/// - The population's reward is Bradley-Terry's (`Signed` weights), unless users without any shots are surely
///   judged better by the mean reward of the joint fit.
/// - The covariance of new users' prior is multiplied by the factor that judges best, if that is clearly
///   better: paired by user, by more than one standard error and `least_improvement`, or by more than two and
///   a fifth of it. In place of the fitted covariance that which `estimate_prior_covariance` finds is taken
///   if it is clearly better still (`Signed` weights).
/// - Where new users are then surely worse off than under Bradley-Terry at some number of shots, by the
///   largest smaller factor at which they are not: with Bradley-Terry's population narrower priors end in
///   Bradley-Terry.
/// - Where there is none, the same with Bradley-Terry's population, and at last `loses` says so.
/// Surely: by a confidence interval, beyond `tolerated_loss`. The points are those of the model with all
/// that.
/// @param loss  of the candidate   @param common_loss  of Bradley-Terry: the same but for what was estimated
/// @param stop  bool(), called before each fold; true gives an empty report
/// @throws as `JointFit`, std::domain_error on options out of range
/// @cost   folds cold fits of each candidate, up to 20 few-shot fits of each user and fold to estimate, then
/// a few new users' fits a user, number of shots and factor
template <class Store, class Loss, Real Scalar = float>
[[nodiscard]] GuardReport guard_new_users(const Comparisons<Store>& comparisons, const Candidate& candidate,
                                          const Candidate& bradley_terry, const Loss& loss,
                                          const Loss& common_loss, const AnyExecutor& executor,
                                          const JointOptions& joint, const GuardOptions& options,
                                          std::uint64_t seed, const std::function<bool()>& stop) {
  comparisons.validate();
  detail::Guard<Store, Loss, Scalar> guard(comparisons, loss, common_loss, executor, joint, options, seed);
  GuardReport report;
  const bool anybody = guard.prepare(candidate, bradley_terry, stop),
             of_deviations = candidate.weight_map == WeightMapKind::signed_deviations;
  if (anybody) {
    if (of_deviations && !guard.knows_better()) guard.share_population();
    report = detail::choose_prior(guard, options, candidate.weight_map);
    if (detail::surely_loses(report, options) && of_deviations && !guard.shared()) {
      guard.share_population();
      report = detail::choose_prior(guard, options, candidate.weight_map);
    }
  }
  report.candidate = candidate;
  report.skipped = guard.skipped();
  if (guard.shared()) report.population = bradley_terry;
  report.loses = detail::surely_loses(report, options);
  return report;
}

#ifdef LORE_COMPILED_TEMPLATE
LORE_COMPILED_TEMPLATE GuardReport guard_new_users<Features, BradleyTerry, float>(
    const Comparisons<Features>&, const Candidate&, const Candidate&, const BradleyTerry&,
    const BradleyTerry&, const AnyExecutor&, const JointOptions&, const GuardOptions&, std::uint64_t,
    const std::function<bool()>&);
#endif

}  // namespace lore
