// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
// Which pairs to ask a new user about.   05_questions [preferences.safetensors rank]
// Every unseen user answers pairs of a pool (the few-shot partition, answers recorded), once as suggested and
// ten times in random order; accuracy is measured on the user's test comparisons after every answer.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "lore/io/preference_file.hpp"
#include "lore/lore.hpp"

using lore::Index;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;
constexpr Index answers = 20;

Vector curve(lore::OnlineUser<> user, Matrix Z, const Matrix& T, bool suggested, lore::Rng& rng) {
  Vector accuracy(answers + 1);  // after 0, 1, .. answers; Z: K x pool, T: K x test
  for (Index n = 0;; ++n) {
    accuracy(n) = ((T.transpose() * user.weights()).array() > 0).cast<double>().mean();
    if (n == answers) return accuracy;
    const auto best = lore::suggest(lore::Signed{}, Z, user.parameters(), user.covariance());
    const Index next = suggested ? best[0].index : lore::uniform_index(rng, Z.cols());
    user.add(Z.col(next));
    Z.col(next) = Z.rightCols(1).eval();  // asked: out of the pool
    Z.conservativeResize(Eigen::NoChange, Z.cols() - 1);
  }
}

double needed(const Vector& mean, double accuracy) {  // answers, interpolated, until a mean curve is as good
  Index n = 0;
  while (n < answers && mean(n) < accuracy) ++n;
  return n == 0 ? 0 : double(n) - (mean(n) - accuracy) / (mean(n) - mean(n - 1));
}

// A statistic of the shares that users have in the mean, and its standard error: a bootstrap over users.
template <class Statistic>
std::pair<double, double> over_users(Index users, const Statistic& statistic) {
  const double value = statistic(Vector::Constant(users, 1.0 / double(users)));
  lore::Rng rng = lore::make_rng(2);
  double squares = 0;
  for (int sample = 0; sample < 200; ++sample) {
    Vector share = Vector::Zero(users);
    for (Index u = 0; u < users; ++u) share(lore::uniform_index(rng, users)) += 1.0 / double(users);
    squares += std::pow(statistic(share) - value, 2) / 200;
  }
  return {value, std::sqrt(squares)};
}

int main(int argc, char** argv) try {
  const lore::PlantedOptions planted{
      .dimension = 32, .rank = 5, .seen_users = 300, .unseen_users = 150, .unseen_shots = 100};
  const auto data = argc > 1 ? lore::read_preferences(argv[1]) : lore::simulate_planted(planted).preferences;
  const auto fit = lore::JointFit<>{}(data.seen_train(), lore::Rank{argc > 2 ? std::atoi(argv[2]) : 5});
  const lore::ScoredPartition<float> pool(data.few_shot(), fit.model.basis, lore::Serial{});  // Z = V'x
  const lore::ScoredPartition<float> test(data.unseen_test(), fit.model.basis, lore::Serial{});
  const auto scores_of = [](const auto& part, Index i) -> Matrix {
    return part.Z.middleCols(part.comparisons.begin(i), part.comparisons.count(i)).template cast<double>();
  };
  Matrix R = Matrix::Zero(answers + 1, pool.comparisons.users()), S = R;  // curves, random and suggested
  Index users = 0;
  for (Index i = 0; i < pool.comparisons.users(); ++i) {
    if (pool.comparisons.count(i) < 2 * answers) continue;  // nothing to choose from
    const Matrix Z = scores_of(pool, i), T = scores_of(test, i);
    lore::Rng rng = lore::make_rng(1, i);
    S.col(users) = curve(lore::OnlineUser<>(fit.model), Z, T, true, rng);
    for (int k = 0; k < 10; ++k) R.col(users) += curve(lore::OnlineUser<>(fit.model), Z, T, false, rng) / 10;
    ++users;
  }
  R.conservativeResize(Eigen::NoChange, users);
  S.conservativeResize(Eigen::NoChange, users);
  std::printf("%d users\nanswers  random  suggested  difference         as good suggested\n", int(users));
  for (const Index n : {0, 1, 2, 3, 5, 8, 12, 16, 20}) {
    const auto at = [&](const Matrix& M) {
      return [&M, n](const Vector& share) { return M.row(n).dot(share); };
    };
    const auto gain = over_users(users, [&](const Vector& u) { return at(S)(u) - at(R)(u); });
    const auto equal = over_users(users, [&](const Vector& u) { return needed(S * u, at(R)(u)); });
    std::printf("%7d  %.4f     %.4f  %+.4f +- %.4f   %.2f +- %.2f\n", int(n), over_users(users, at(R)).first,
                over_users(users, at(S)).first, gain.first, gain.second, equal.first, equal.second);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
