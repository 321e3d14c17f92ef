// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// A user kept up to date: answers arrive, one is taken back, old ones age; the basis stays as it is.
#include <cstddef>
#include <cstdio>
#include <vector>

#include "lore/lore.hpp"

using lore::Index;

int main() {
  // A model of seen users, and one user it has not seen: 60 answers, and 200 to be tested on.
  lore::PlantedOptions population{.dimension = 32, .rank = 4, .seen_users = 200, .unseen_users = 1};
  population.unseen_shots = 60;
  const lore::Preferences<> data = lore::simulate_planted(population).preferences;
  const lore::RewardModel<float> model = lore::JointFit<>{}(data.seen_train(), lore::Rank{4}).model;
  const auto scores = [&](const lore::Comparisons<>& comparisons) -> lore::Matrix<double> {  // V'x, K x m
    lore::Pass<float> pass(comparisons);
    return pass.scores(model.basis.matrix()).cast<double>();
  };
  const lore::Matrix<double> Z = scores(data.few_shot()), test = scores(data.unseen_test());

  lore::OnlineUser<> user(model);  // nothing known: the population's mean
  Index closest = 0;               // the pair that is hardest to judge for somebody unknown
  (test.transpose() * user.weights()).cwiseAbs().minCoeff(&closest);
  const lore::Vector<double> pair = test.col(closest);
  const auto report = [&](const char* what) {
    const double accuracy = ((test.transpose() * user.weights()).array() > 0).cast<double>().mean();
    const lore::MarginEstimate margin =
        lore::estimate_margin(lore::Signed{}, pair, user.parameters(), user.covariance(), user.temperature());
    const lore::Judgement says = lore::preference(lore::BradleyTerry{}, margin, 0.8);
    std::printf("%-26s %3d held, accuracy %.3f; a pair: margin %5.2f +- %.2f, P(first) %.3f, %s\n", what,
                int(user.size()), accuracy, margin.mean, margin.deviation, says.probability,
                says.choice == lore::Choice::first    ? "first"
                : says.choice == lore::Choice::second ? "second"
                                                      : "not sure enough");
  };

  report("a new user");
  for (Index j = 0; j < 5; ++j) user.add(Z.col(j));
  report("after 5 answers");
  for (Index j = 5; j < Z.cols(); ++j) user.add(Z.col(j));
  report("after all");

  const auto last = user.ids().back();
  user.flip(last);
  report("a change of mind");
  user.forget(last);
  report("that answer forgotten");
  for (int week = 0; week < 4; ++week) user.decay(0.9);
  report("four weeks, 0.9 each");
  user.keep_last(20);
  report("the last 20 only");

  const std::vector<std::byte> bytes = user.save();
  const auto again = lore::OnlineUser<>::restore(bytes);
  std::printf("saved in %d bytes; restored %s\n", int(bytes.size()),
              again.weights() == user.weights() ? "the same to the bit" : "differently");
}
