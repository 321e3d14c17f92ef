// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/preferences.hpp"
#include "lore/fit/joint.hpp"
#include "lore/fit/predict.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/parallel/executor.hpp"
#include "lore/select/folds.hpp"

namespace lore {

/// A model that cross-validation can score: what a `JointFit` is told.
struct Candidate {
  Index rank = 1;
  WeightMapKind weight_map = WeightMapKind::signed_deviations;
  MarginScale scale{};  ///< q of the first column and of the others
};

/// Called as bool(const Candidate&) before each candidate; true ends the search. An empty one looks away.
using SelectionObserver = std::function<bool(const Candidate&)>;

/// Held-out log loss of a candidate, averaged over each user's posterior, by user.
struct CrossValidationScore {
  Vector<double> by_user;  ///< N sums over the user's held-out comparisons, nats, weighted by omega
  double weight = 0;       ///< sum of omega over all held-out comparisons

  [[nodiscard]] double mean() const {
    return weight > 0 ? by_user.sum() / weight : std::numeric_limits<double>::infinity();
  }
};

/// How much worse a is than b a comparison, and the standard error of that over users.
struct ScoreDifference {
  double mean = 0;
  double standard_error = 0;
};

[[nodiscard]] inline ScoreDifference operator-(const CrossValidationScore& a, const CrossValidationScore& b) {
  detail::check_size("CrossValidationScore", "users", b.by_user.size(), a.by_user.size());
  const Vector<double> difference = a.by_user - b.by_user;
  const auto users = static_cast<double>(difference.size());
  const double mean = difference.mean();
  const double deviation =
      users > 1 ? std::sqrt((difference.array() - mean).square().sum() / (users - 1)) : 0;
  return {difference.sum() / a.weight, deviation * std::sqrt(users) / a.weight};
}

/// Cross-validation over leak-free folds of seen users' training comparisons. Candidates share the folds,
/// what is known of the features, and starts: the bases of one candidate start the next.
template <class Store = Features, class Loss = BradleyTerry, Real Scalar = float>
class CrossValidation {
 public:
  using Bases = std::vector<Matrix<Scalar>>;  ///< one a fold

  /// A candidate's score and what it fitted, for the next candidate to start from.
  struct Result {
    CrossValidationScore score;
    Bases bases;
    std::vector<Matrix<Scalar>> parameters;  ///< one a fold, K x N
  };

  /// @throws as `make_folds` and `JointFit::prepare`
  CrossValidation(const Comparisons<Store>& comparisons, Index folds, std::uint64_t seed, Loss loss,
                  AnyExecutor executor, JointOptions options)
      : loss_(std::move(loss)), executor_(executor), options_(options), seed_(seed) {
    Pass<Scalar, Store> whole(comparisons, executor);
    prepared_ = fit<Signed>({}).prepare(whole, seed);
    prepared_.passes = 0;
    for (Fold<Store>& fold : make_folds(comparisons, folds, seed)) {
      if (fold.train.empty() || fold.held_out.empty()) continue;
      parts_.push_back(
          std::make_unique<Part>(Part{Pass<Scalar, Store>(std::move(fold.train), executor),
                                      Pass<Scalar, Store>(std::move(fold.held_out), executor), prepared_}));
    }
    users_ = comparisons.users();
  }

  [[nodiscard]] const PreparedFeatures<Scalar>& prepared() const noexcept { return prepared_; }
  [[nodiscard]] Index folds() const noexcept { return static_cast<Index>(parts_.size()); }
  [[nodiscard]] Index passes() const noexcept { return passes_; }

  /// Fits the candidate on every fold and scores what was held out.
  /// @param starts  bases to start from, one a fold, or nullptr
  [[nodiscard]] Result operator()(const Candidate& candidate, const Bases* starts,
                                  const std::function<bool()>& stop = {}) {
    return candidate.weight_map == WeightMapKind::simplex ? score<Simplex>(candidate, starts, stop)
                                                          : score<Signed>(candidate, starts, stop);
  }

 private:
  struct Part {
    Pass<Scalar, Store> train;
    Pass<Scalar, Store> held_out;
    PreparedFeatures<Scalar> prepared;  ///< of all, with what the fold's fits add
  };

  template <class Map>
  [[nodiscard]] auto fit(const MarginScale& scale) const {
    JointFit<Loss, Map, MarginScale, Lbfgs, Scalar> out{
        .loss = loss_, .weights = {}, .regularizer = scale, .executor = executor_, .options = options_};
    out.solver.options.objective_tolerance = 1e-4;
    out.solver.options.objective_window = 2;
    out.options.prior_rounds = 3;
    return out;
  }

  template <class Map>
  [[nodiscard]] Result score(const Candidate& candidate, const Bases* starts,
                             const std::function<bool()>& stop) {
    const auto folds = parts_.size();
    Result result;
    result.bases.resize(folds);
    result.parameters.resize(folds);
    std::vector<Vector<double>> sums(folds, Vector<double>::Zero(users_));
    std::vector<double> weights(folds, 0);
    std::vector<Index> passes(folds, 0);
    const auto one = [&](Index f) {
      const auto at = static_cast<std::size_t>(f);
      if (stop && stop()) return;
      Part& part = *parts_[at];
      const FitObserver watch = [&](const FitProgress&) { return stop && stop(); };
      auto fitted = fit<Map>(candidate.scale)
                        .run(part.train, part.prepared, Rank{candidate.rank}, seed_, watch,
                             starts != nullptr ? &(*starts)[at] : nullptr);
      passes[at] = fitted.passes;
      weights[at] = held_out_loss(Map{}, part.held_out, fitted, sums[at]);
      result.parameters[at] = std::move(fitted.model.parameters);
      result.bases[at] = fitted.model.basis.matrix();
    };
    // Whole folds side by side where there are enough of them; a pass inside one is then serial.
    if (executor_.concurrency() <= static_cast<int>(folds))
      executor_.for_each(static_cast<Index>(folds), one);
    else
      for (std::size_t f = 0; f < folds; ++f) one(static_cast<Index>(f));
    result.score.by_user = Vector<double>::Zero(users_);
    for (std::size_t f = 0; f < folds; ++f) {
      result.score.by_user += sums[f];
      result.score.weight += weights[f];
      passes_ += passes[f];
    }
    return result;
  }

  /// Adds -omega log E exp(-loss) of each held-out answer to its user's sum. @return the sum of omega
  template <class Map>
  [[nodiscard]] double held_out_loss(const Map& map, Pass<Scalar, Store>& pass,
                                     const JointResult<Scalar>& fitted, Vector<double>& sums) const {
    const auto& comparisons = pass.comparisons();
    const Matrix<double> Z = pass.scores(fitted.model.basis.matrix()).template cast<double>();
    double total = 0;
    for (Index i = 0; i < comparisons.users(); ++i) {
      const Vector<double> p = fitted.model.parameters.col(i).template cast<double>();
      const Index begin = comparisons.begin(i);
      const auto [loss, weight] =
          answers_log_loss(loss_, map, Z.middleCols(begin, comparisons.count(i)), comparisons.answers(i),
                           comparisons.weight.empty() ? nullptr : comparisons.weight.data() + begin, p,
                           fitted.covariance[static_cast<std::size_t>(i)], options_.temperature);
      sums(i) += loss;
      total += weight;
    }
    return total;
  }

  Loss loss_;
  AnyExecutor executor_;
  JointOptions options_;
  std::uint64_t seed_;
  PreparedFeatures<Scalar> prepared_;
  std::vector<std::unique_ptr<Part>> parts_;
  Index users_ = 0;
  Index passes_ = 0;
};

}  // namespace lore
