// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Parts of your own: a loss, a regulariser and a feature store, composed with the library's in both fits.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>

#include "lore/lore.hpp"

struct SquaredHinge {  // max(0, 1 - t)^2 / 2 of the margin t, with both derivatives
  template <lore::Real Scalar>
  lore::LossTerms<Scalar> operator()(Scalar t) const {
    const Scalar gap = std::max(Scalar(0), Scalar(1) - t);
    return {gap * gap / 2, -gap, t < Scalar(1) ? Scalar(1) : Scalar(0)};
  }
};

struct RidgeByCoordinate {     // R(V) = 1/2 sum_j lambda_j ||row j of V||^2
  lore::Vector<float> lambda;  // d: large where a coordinate is trusted less
  double add(const lore::Matrix<float>& V, float strength, lore::Matrix<float>& G) const {
    G += strength * (lambda.asDiagonal() * V);
    return 0.5 * static_cast<double>(strength * lambda.dot(V.rowwise().squaredNorm()));
  }
};

struct ByteStore {                                                 // vectors in sixteenths, a byte each
  Eigen::Matrix<std::int8_t, lore::Dynamic, lore::Dynamic> bytes;  // d x n
  lore::Index dimension() const { return bytes.rows(); }
  lore::Index size() const { return bytes.cols(); }
  template <lore::Real Scalar>
  void load(lore::Index j, Scalar* out) const {
    Eigen::Map<lore::Vector<Scalar>>(out, dimension()) = bytes.col(j).cast<Scalar>() / Scalar(16);
  }
};

void run() {
  lore::PlantedOptions population{.dimension = 32, .rank = 3, .seen_users = 80, .unseen_users = 40};
  const lore::Preferences<> given = lore::simulate_planted(population).preferences;
  ByteStore store{{32, given.size()}};
  lore::Vector<float> x(32);
  for (lore::Index j = 0; j < given.size(); ++j) {
    given.features->load(j, x.data());
    store.bytes.col(j) = (16.0F * x).array().round().max(-127).min(127).cast<std::int8_t>();
  }
  lore::Preferences<ByteStore> preferences;
  preferences.features = std::make_shared<const ByteStore>(store);
  preferences.user = given.user;
  preferences.partition = given.partition;
  preferences.users = given.users;
  lore::JointFit<SquaredHinge, lore::Signed, RidgeByCoordinate> fit;
  fit.regularizer.lambda = lore::Vector<float>::LinSpaced(32, 1, 20);
  const auto joint = fit(preferences.seen_train(), lore::Rank{3});
  const lore::FewShotFit<SquaredHinge> adapt(joint.model);
  const auto all = [&](const auto& Z, const auto& c) { return adapt.all_from_scores(Z, c, fit.executor); };
  const auto figures = lore::measure(joint.model, preferences, fit.executor, all);
  std::printf("accuracy: seen users %.3f, new users %.3f\n", figures.seen_test.accuracy.mean,
              figures.unseen_test.accuracy.mean);
}

int main() {
  try {
    run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
