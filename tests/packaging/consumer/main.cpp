// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Prints lore's version, and exits with 0 if the parts are there.

#include "lore/lore.hpp"

#ifdef CONSUMER_USES_IO
#include <nlohmann/json.hpp>

#include "lore/io/dtype.hpp"
#endif

#include <cstdio>

/// Fits compiled here, or elsewhere.
bool fits() {
#ifdef LORE_COMPILED
  const auto world = lore::simulate_planted({.dimension = 8,
                                             .rank = 2,
                                             .margin_deviation = 4,
                                             .seen_users = 20,
                                             .seen_train = 20,
                                             .unseen_users = 5,
                                             .unseen_shots = 5});
  const auto joint = lore::JointFit<>{}(world.preferences.seen_train(), lore::Rank{2});
  const lore::FewShotFit<> adapt(joint.model);
  const auto user = adapt(lore::Matrix<float>::Identity(8, 3).eval());
  const auto adapted = [&](const lore::Matrix<float>& Z, const lore::Comparisons<>& shots) {
    return lore::fit_users(joint.model, Z, shots, lore::Serial{});
  };
  const auto figures = lore::measure(joint.model, world.preferences, lore::Serial{}, adapted);
  return user.status == lore::Status::converged && figures.seen_test.accuracy.mean > 0.6;
#else
  return true;
#endif
}

int main() {
  static_assert(lore::Real<float> && !lore::Real<int>);
  const lore::Vector<double> x = lore::Vector<double>::Constant(3, 1.0);
#ifdef CONSUMER_USES_IO
  if (nlohmann::json::parse("[1]").size() != 1) return 1;
#endif
  std::printf("%s\n", LORE_VERSION_STRING);
  return x.sum() == 3.0 && fits() ? 0 : 1;
}
