// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Which pairs to ask a new user about.   05_questions [preferences.safetensors rank]
// Every unseen user answers pairs of a pool (the few-shot partition, answers recorded), once in random order
// and once as suggested; accuracy is measured on the user's test comparisons after every answer.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "lore/io/preference_file.hpp"
#include "lore/lore.hpp"

using lore::Index;
constexpr Index answers = 20;

// The accuracy of a user after 0 .. answers answers. Z: K x pool, T: K x test.
lore::Vector<double> curve(lore::OnlineUser<> user, lore::Matrix<double> Z, const lore::Matrix<double>& T,
                           bool suggested, lore::Rng& rng) {
  lore::Vector<double> out(answers + 1);
  for (Index n = 0;; ++n) {
    out(n) = ((T.transpose() * user.weights()).array() > 0).cast<double>().mean();
    if (n == answers) return out;
    const Index left = Z.cols();
    Index next = static_cast<Index>(lore::uniform01<double>(rng) * double(left));
    if (suggested) next = lore::suggest(lore::Signed{}, Z, user.parameters(), user.covariance())[0].index;
    user.add(Z.col(next));
    Z.col(next) = Z.col(left - 1).eval();  // asked: out of the pool
    Z.conservativeResize(Eigen::NoChange, left - 1);
  }
}

// The first number of answers, interpolated, at which a mean curve reaches `accuracy`.
double needed(const lore::Vector<double>& mean, double accuracy) {
  for (Index n = 0; n <= answers; ++n)
    if (mean(n) >= accuracy) return n == 0 ? 0 : double(n) - (mean(n) - accuracy) / (mean(n) - mean(n - 1));
  return answers;
}

int main(int argc, char** argv) try {
  lore::PlantedOptions planted{.dimension = 32, .rank = 5, .seen_users = 300, .unseen_users = 150};
  planted.unseen_shots = 100;
  const lore::Preferences<> data =
      argc > 1 ? lore::read_preferences(argv[1]) : lore::simulate_planted(planted).preferences;
  const auto fit = lore::JointFit<>{}(data.seen_train(), lore::Rank{argc > 2 ? std::atoi(argv[2]) : 5});
  const auto pool = data.few_shot(), test = data.unseen_test();
  const auto project = [&](const auto& comparisons) -> lore::Matrix<double> {  // V'x
    lore::Pass<float, lore::Features, lore::Serial> pass(comparisons, lore::Serial{});
    return pass.scores(fit.model.basis.matrix()).cast<double>();
  };
  const lore::Matrix<double> Z = project(pool), T = project(test);
  std::vector<lore::Vector<double>> by_chance, by_choice;  // one curve a user
  for (Index i = 0; i < pool.users(); ++i) {
    const auto at = std::find(test.user.begin(), test.user.end(), pool.user[std::size_t(i)]);
    if (at == test.user.end() || pool.count(i) < 2 * answers) continue;  // a pool to choose from
    const Index j = at - test.user.begin();
    const lore::Matrix<double> asked = Z.middleCols(pool.begin(i), pool.count(i));
    const lore::Matrix<double> held_out = T.middleCols(test.begin(j), test.count(j));
    lore::Rng rng = lore::make_rng(1, i);
    const lore::OnlineUser<> user(fit.model);
    by_choice.push_back(curve(user, asked, held_out, true, rng));
    by_chance.push_back(lore::Vector<double>::Zero(answers + 1));
    for (int k = 0; k < 10; ++k) by_chance.back() += curve(user, asked, held_out, false, rng) / 10;
  }
  constexpr std::size_t samples = 200;  // bootstrap samples of the users; sample 0 is everybody
  const std::size_t users = by_choice.size();
  lore::Rng rng = lore::make_rng(2);
  std::vector<lore::Vector<double>> chance(samples, lore::Vector<double>::Zero(answers + 1)), choice = chance;
  for (std::size_t b = 0; b < samples; ++b)
    for (std::size_t u = 0; u < users; ++u) {
      const auto who = b == 0 ? u : std::size_t(lore::uniform01<double>(rng) * double(users));
      chance[b] += by_chance[who] / double(users);
      choice[b] += by_choice[who] / double(users);
    }
  const auto error = [&](auto&& value) {  // standard error
    double squares = 0;
    for (std::size_t b = 1; b < samples; ++b) squares += std::pow(value(b) - value(0), 2);
    return std::sqrt(squares / (samples - 1));
  };
  std::printf("%d users\nanswers  random  suggested  difference         as good suggested\n", int(users));
  for (const Index n : {0, 1, 2, 3, 5, 8, 12, 16, 20}) {
    const auto gain = [&](std::size_t b) { return choice[b](n) - chance[b](n); };
    const auto enough = [&](std::size_t b) { return needed(choice[b], chance[b](n)); };
    std::printf("%7d  %.4f     %.4f  %+.4f +- %.4f  %5.2f +- %.2f\n", int(n), chance[0](n), choice[0](n),
                gain(0), error(gain), enough(0), error(enough));
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
