// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
// Which pairs to ask a new user about.   05_questions [preferences.safetensors rank]
// Every unseen user answers pairs of a pool (the few-shot partition, answers recorded), once as suggested and
// ten times in random order; accuracy is measured on the user's test comparisons after every answer.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>

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

// Columns of users' shares in a mean: equal ones, then those of 200 bootstrap samples.
Matrix shares(Index users) {
  Matrix out = Matrix::Zero(users, 201);
  out.col(0).setConstant(1.0 / double(users));
  lore::Rng rng = lore::make_rng(2);
  for (Index sample = 1; sample < out.cols(); ++sample)
    for (Index u = 0; u < users; ++u) out(lore::uniform_index(rng, users), sample) += 1.0 / double(users);
  return out;
}

// Deviation of the samples from the first.
double error(const Vector& v) { return (v.array() - v(0)).matrix().norm() / std::sqrt(double(v.size() - 1)); }

int main(int argc, char** argv) try {
  const lore::PlantedOptions planted{
      .dimension = 32, .rank = 5, .seen_users = 300, .unseen_users = 150, .unseen_shots = 100};
  const auto data = argc > 1 ? lore::read_preferences(argv[1]) : lore::simulate_planted(planted).preferences;
  const auto fit = lore::JointFit<>{}(data.seen_train(), lore::Rank{argc > 2 ? std::atoi(argv[2]) : 5});
  const lore::ScoredPartition<float> pool(data.few_shot(), fit.model.basis, lore::Serial{});  // Z = V'x
  const lore::ScoredPartition<float> test(data.unseen_test(), fit.model.basis, lore::Serial{});
  Matrix R = Matrix::Zero(answers + 1, pool.comparisons.users()), S = R;  // curves, random and suggested
  Index users = 0;
  for (Index i = 0; i < pool.comparisons.users(); ++i) {
    if (pool.comparisons.count(i) < 2 * answers) continue;  // nothing to choose from
    const Matrix Z = pool.of_user(i).cast<double>(), T = test.of_user(i).cast<double>();
    lore::Rng rng = lore::make_rng(1, i);
    S.col(users) = curve(lore::OnlineUser<>(fit.model), Z, T, true, rng);
    for (int k = 0; k < 10; ++k) R.col(users) += curve(lore::OnlineUser<>(fit.model), Z, T, false, rng) / 10;
    ++users;
  }
  const Matrix share = shares(users), r = R.leftCols(users) * share, s = S.leftCols(users) * share;
  std::printf("%d users\nanswers  random  suggested  difference         as good suggested\n", int(users));
  for (const Index n : {0, 1, 2, 3, 5, 8, 12, 16, 20}) {
    const Vector gain = s.row(n) - r.row(n);
    Vector equal(share.cols());
    for (Index b = 0; b < equal.size(); ++b) equal(b) = needed(s.col(b), r(n, b));
    std::printf("%7d  %.4f     %.4f  %+.4f +- %.4f   %.2f +- %.2f\n", int(n), r(n, 0), s(n, 0), gain(0),
                error(gain), equal(0), error(equal));
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
