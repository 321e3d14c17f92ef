// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/fit/online_user.hpp"

#include <limits>
#include <stdexcept>

#include "lore/core/numerics.hpp"
#include "lore/core/random.hpp"
#include "lore/data/preferences.hpp"
#include "lore/data/simulate.hpp"
#include "lore/fit/few_shot.hpp"
#include "lore/fit/joint.hpp"
#include "lore/objective/label_noise.hpp"
#include "lore/objective/ranking.hpp"
#include "lore/objective/ties.hpp"
#include "lore/select/figures.hpp"

#include "allocations.hpp"
#include "lore_catch.hpp"

namespace {

using lore::Index;
using Matrix = lore::Matrix<double>;
using Vector = lore::Vector<double>;
using Prior = lore::GaussianPrior<double>;
template <class Map>
using User = lore::OnlineUser<lore::BradleyTerry, Map>;

[[nodiscard]] Matrix random(lore::Rng& rng, Index rows, Index cols, double scale = 1) {
  Matrix out(rows, cols);
  lore::fill_normal(rng, out);
  return out * scale;
}

template <class Map>
[[nodiscard]] Prior some_prior(Index K, double scale) {
  lore::Rng rng(77);
  const Matrix Q = Map{}.template directions<double, lore::Dynamic>(K);
  Vector origin(K);
  Map{}.origin(origin);
  const Matrix A = random(rng, K - 1, K - 1, 0.4 * scale);
  const Matrix S = A * A.transpose() + scale * scale * Matrix::Identity(K - 1, K - 1);
  return {origin + Q * random(rng, K - 1, 1, 0.3), Q * S * Q.transpose()};
}

/// The batch fit of what a user holds, and how far the user is from it.
template <class Loss, class Map>
[[nodiscard]] double distance_to_batch(const lore::OnlineUser<Loss, Map>& user, const Loss& loss = {}) {
  const Index K = user.rank();
  lore::FewShotFit<Loss, Map, double> batch(lore::Basis<double>(Matrix::Identity(K, K)), user.prior(),
                                            user.temperature(), loss);
  batch.posterior = lore::Posterior::map;
  batch.options.tolerance = 1e-16;
  const auto fit = batch.from_scores(user.scores(), user.omega(), user.answers());
  return std::max({(fit.parameters - user.parameters()).template lpNorm<Eigen::Infinity>(),
                   (fit.weights - user.weights()).template lpNorm<Eigen::Infinity>(),
                   (fit.covariance - user.covariance()).template lpNorm<Eigen::Infinity>() /
                       std::max(1.0, fit.covariance.norm())});
}

/// One of the changes a user can go through.
template <class Loss, class Map>
void change(lore::OnlineUser<Loss, Map>& user, lore::Rng& rng, double scale, float flip = 0) {
  const double what = lore::uniform01<double>(rng);
  const auto any = [&] {
    return user
        .ids()[static_cast<std::size_t>(lore::uniform01<double>(rng) * static_cast<double>(user.size()))];
  };
  if (what < 0.6 || user.size() == 0) {
    const Vector z = random(rng, user.rank(), 1, scale);
    user.add(z, what < 0.1 ? 0.3F : 1.0F, {.flip = flip});
  } else if (what < 0.72) {
    user.forget(any());
  } else if (what < 0.84) {
    user.flip(any());
  } else if (what < 0.94) {
    user.decay(0.9, 0.15);
  } else {
    user.keep_last(25);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("After any changes a user is what a batch fit of the rest finds", "", lore::Simplex,
                   lore::Signed) {
  for (const double scale : {0.3, 2.0, 8.0}) {  // at 8 the logits' problem has several minima
    lore::Rng rng(11);
    User<TestType> user(some_prior<TestType>(4, 2), 1.5);
    double worst = 0;
    for (int step = 0; step < 150; ++step) {
      change(user, rng, scale);
      worst = std::max(worst, distance_to_batch(user));
    }
    CAPTURE(scale);
    CHECK(worst < 1e-6);
  }
}

TEMPLATE_TEST_CASE("Careless users, too, are what a batch fit finds", "", lore::Simplex, lore::Signed) {
  for (const double scale : {0.3, 2.0, 8.0}) {  // several minima under either weight map
    lore::Rng rng(14);
    lore::OnlineUser<lore::LabelNoiseByUser<>, TestType> user(some_prior<TestType>(4, 2), 1.5);
    double worst = 0;
    float flip = 0.1F;
    for (int step = 0; step < 150; ++step) {
      if (step % 20 == 19) user.set_flip(flip = flip < 0.2F ? 0.3F : 0.1F);  // a new estimate
      change(user, rng, scale, flip);
      worst = std::max(worst, distance_to_batch(user));
    }
    CAPTURE(scale);
    CHECK(worst < 1e-6);
  }
  lore::OnlineUser<lore::LabelNoiseByUser<>, TestType> user(some_prior<TestType>(2, 2));
  user.add_all(3 * Matrix::Identity(2, 2));
  const double sure = (user.parameters() - user.prior().mean).norm();
  user.set_flip(0.4F);
  CHECK((user.parameters() - user.prior().mean).norm() < sure);
  CHECK_THROWS_AS(user.set_flip(0.5F), std::domain_error);
}

TEMPLATE_TEST_CASE("An update takes no memory once there is room", "", lore::Simplex, lore::Signed) {
  lore::Rng rng(15);
  User<TestType> user(some_prior<TestType>(5, 1));
  user.add_all(random(rng, 5, 60));
  const Matrix Z = random(rng, 5, 100);
  const auto round = [&](Index j) {
    user.add(Z.col(j));
    user.keep_last(50);
    user.flip(user.ids().back());
    user.forget(user.ids().front());
    user.decay(0.99, 0.1);
  };
  round(0);
  const long before = lore_test::allocations;
  Eigen::internal::set_is_malloc_allowed(false);
  for (Index j = 1; j < Z.cols(); ++j) round(j);
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(lore_test::allocations == before);
}

TEST_CASE("A month of traffic folds new users in as batch fits would") {
  // 30 days; every day two new users arrive, all ask and answer, change their minds and age.
  lore::Rng rng(5);
  const Index K = 5;
  const Prior prior = some_prior<lore::Signed>(K, 1);
  std::vector<User<lore::Signed>> users;
  std::vector<Vector> truth;
  double worst = 0;
  Index iterations = 0, updates = 0;
  for (int day = 0; day < 30; ++day) {
    for (int i = 0; i < 2; ++i) {
      users.emplace_back(prior);
      truth.push_back(prior.mean +
                      lore::Signed{}.directions<double, lore::Dynamic>(K) * random(rng, K - 1, 1));
    }
    for (std::size_t i = 0; i < users.size(); ++i) {
      users[i].decay(0.97, 0.5);
      for (int j = 0; j < 2; ++j) {
        Vector z = random(rng, K, 1);
        if (!lore::bernoulli(rng, lore::sigmoid(z.dot(truth[i])))) z = -z;
        users[i].add(z);
        iterations += users[i].iterations();
        ++updates;
      }
      if (i % 7 == 0) users[i].flip(users[i].ids().back());
    }
    for (const auto& user : users) worst = std::max(worst, distance_to_batch(user));
  }
  CHECK(worst < 1e-6);
  CHECK(iterations <= 4 * updates);
  double before = 0, after = 0;
  for (std::size_t i = 0; i < 20; ++i) {
    before += (prior.mean - truth[i]).squaredNorm();
    after += (users[i].weights() - truth[i]).squaredNorm();
  }
  CHECK(after < 0.6 * before);
}

TEMPLATE_TEST_CASE("A user restored has the same bits, then and later", "", lore::Simplex, lore::Signed) {
  lore::Rng rng(21);
  User<TestType> user(some_prior<TestType>(4, 1.3), 0.7);
  for (int step = 0; step < 40; ++step) change(user, rng, 1);
  auto again = User<TestType>::restore(user.save());
  lore::Rng one(3), two(3);
  for (int step = 0; step < 20; ++step) {
    CHECK(again.parameters() == user.parameters());
    CHECK(again.weights() == user.weights());
    CHECK(again.covariance() == user.covariance());
    CHECK(again.objective() == user.objective());
    CHECK(again.save() == user.save());
    change(user, one, 1);
    change(again, two, 1);
  }
}

TEST_CASE("Changes undo each other") {
  lore::Rng rng(8);
  User<lore::Signed> user(some_prior<lore::Signed>(4, 1));
  const Vector start = user.parameters();
  CHECK((start - user.prior().mean).norm() < 1e-12);
  const auto id = user.add(random(rng, 4, 1).col(0));
  const Vector with = user.parameters();
  user.flip(id);
  CHECK((user.parameters() - with).norm() > 1e-2);
  user.flip(id);
  CHECK((user.parameters() - with).norm() < 1e-9);
  user.forget(id);
  CHECK((user.parameters() - start).norm() < 1e-9);
  // All at once is one after another.
  const Matrix Z = random(rng, 4, 12);
  User<lore::Signed> single = user;
  user.add_all(Z);
  for (Index j = 0; j < Z.cols(); ++j) single.add(Z.col(j));
  CHECK((user.parameters() - single.parameters()).norm() < 1e-9);
  user.keep_last(0);
  CHECK(user.size() == 0);
  CHECK((user.parameters() - start).norm() < 1e-9);
}

TEST_CASE("Bradley-Terry has nothing to learn of a user") {
  User<lore::Signed> user(Prior{Vector::Ones(1), Matrix::Zero(1, 1)});
  user.add(Vector::Constant(1, 2.0));
  CHECK(user.weights()(0) == 1);
  CHECK(user.covariance()(0, 0) == 0);
  CHECK(User<lore::Signed>::restore(user.save()).save() == user.save());
}

TEST_CASE("Bad input to a user is refused and changes nothing") {
  lore::Rng rng(9);
  const Prior prior = some_prior<lore::Signed>(3, 1);
  User<lore::Signed> user(prior);
  const auto id = user.add(random(rng, 3, 1).col(0));
  const auto before = user.save();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(user.add(Vector::Ones(4)), std::invalid_argument);
  CHECK_THROWS_AS(user.add(Vector::Constant(3, nan)), std::domain_error);
  CHECK_THROWS_AS(user.add(Vector::Ones(3), -1.0F), std::domain_error);
  CHECK_THROWS_AS(user.add_all(Matrix::Ones(3, 2), {1.0F}), std::invalid_argument);
  CHECK_THROWS_AS(user.forget(id + 1), std::domain_error);
  CHECK_THROWS_AS(user.flip(id + 1), std::domain_error);
  CHECK_THROWS_AS(user.keep_last(-1), std::domain_error);
  CHECK_THROWS_AS(user.decay(1.5), std::domain_error);
  CHECK_THROWS_AS(user.decay(nan), std::domain_error);
  CHECK_THROWS_AS(user.decay(0.5, -1), std::domain_error);
  CHECK(user.save() == before);
  CHECK_THROWS_AS(User<lore::Signed>(prior, 0), std::domain_error);
  CHECK_THROWS_AS(User<lore::Signed>(Prior{}), std::invalid_argument);

  CHECK_THROWS_AS(User<lore::Simplex>::restore(before), std::domain_error);
  CHECK_THROWS_AS(User<lore::Signed>::restore({}), std::domain_error);
  auto shorter = before;
  shorter.pop_back();
  CHECK_THROWS_AS(User<lore::Signed>::restore(shorter), std::domain_error);
  for (std::size_t i = 0; i < before.size(); ++i) {
    auto spoilt = before;
    spoilt[i] ^= std::byte{0x10};
    CHECK_THROWS_AS(User<lore::Signed>::restore(spoilt), std::domain_error);
  }
}

namespace {

using Luce = lore::PlackettLuce<lore::Davidson>;
using Answering = lore::OnlineUser<Luce, lore::Signed>;

[[nodiscard]] Answering answering(Index K) {
  return Answering(some_prior<lore::Signed>(K, 2), 1.5, Luce{lore::Davidson(0.8)});
}

}  // namespace

TEST_CASE("With ties and choices a user is what a batch fit finds, too") {
  lore::Rng rng(12);
  const Index K = 4;
  Answering user = answering(K);
  double worst = 0;
  for (int step = 0; step < 120; ++step) {
    const double what = lore::uniform01<double>(rng);
    const auto any = [&] {
      return user
          .ids()[static_cast<std::size_t>(lore::uniform01<double>(rng) * static_cast<double>(user.size()))];
    };
    if (what < 0.3 || user.size() == 0) {
      user.add_choice(random(rng, K, 3, 1.5), what < 0.1 ? 0.5F : 1.0F);
    } else if (what < 0.5) {
      user.add(random(rng, K, 1, 1.5), 1, {.outcome = lore::Outcome::tie});
    } else if (what < 0.65) {
      user.add(random(rng, K, 1, 1.5));
    } else if (what < 0.8) {
      user.forget(any());
    } else if (what < 0.9) {
      user.decay(0.9, 0.3);
    } else {
      user.keep_last(30);
    }
    worst = std::max(worst, distance_to_batch(user, Luce{lore::Davidson(0.8)}));
    for (std::size_t j = 0; j < user.answers().size();) {  // choices stay whole
      const auto end = static_cast<std::size_t>(
          lore::detail::end_of_choice(user.answers().data(), static_cast<Index>(j), user.size()));
      CHECK((end - j == 1 || end - j == 3));
      CHECK((user.answers()[j].choice < 0 || end - j == 3));
      j = end;
    }
  }
  CHECK(worst < 1e-6);
  const std::vector<std::byte> bytes = user.save();
  const Answering again = Answering::restore(bytes, Luce{lore::Davidson(0.8)});
  CHECK(again.weights() == user.weights());
  CHECK(again.answers() == user.answers());
  CHECK(again.save() == bytes);
  // What reads plain answers alone does not take these for some.
  CHECK_THROWS_AS((User<lore::Signed>::restore(bytes)), std::domain_error);
}

TEST_CASE("A choice is taken back as a whole and cannot be turned") {
  lore::Rng rng(13);
  Answering user = answering(3);
  const auto alone = user.add(random(rng, 3, 1));
  const auto choice = user.add_choice(random(rng, 3, 3));
  const auto tie = user.add(random(rng, 3, 1), 1, {.outcome = lore::Outcome::tie, .choice = 4});
  CHECK(user.answers().back().choice == -1);
  const Vector before = user.weights();
  user.flip(tie);  // a tie is one from both sides
  CHECK((user.weights() - before).norm() < 1e-9);
  CHECK_THROWS_AS(user.flip(choice + 1), std::domain_error);
  user.keep_last(3);  // would cut the choice
  CHECK(user.ids() == std::vector<Answering::Id>{tie});
  user = answering(3);
  user.add_choice(random(rng, 3, 2));
  user.add(random(rng, 3, 1));
  user.forget(1);
  CHECK(user.ids() == std::vector<Answering::Id>{2});
  CHECK(alone == 0);
}

TEST_CASE("An online user refuses what its loss does not read, and abstentions") {
  lore::OnlineUser<> plain(some_prior<lore::Signed>(3, 1));
  const Vector z = Vector::Ones(3);
  CHECK_THROWS_AS(plain.add(z, 1, {.outcome = lore::Outcome::tie}), std::domain_error);
  CHECK_THROWS_AS(plain.add_choice(Matrix::Ones(3, 2)), std::domain_error);
  CHECK_NOTHROW(plain.add_choice(z));
  Answering user = answering(3);
  CHECK_THROWS_AS(user.add(z, 1, {.outcome = lore::Outcome::abstained}), std::domain_error);
  CHECK_THROWS_AS(user.add_all(z, {}, std::vector<lore::Answer>(2)), std::invalid_argument);
  CHECK_THROWS_AS(user.add_all(Matrix::Ones(3, 2), {1, 2}, {{.choice = 1}, {.choice = 1}}),
                  std::domain_error);
  CHECK(user.size() == 0);
}

TEST_CASE("A month of new users needs no refit of the basis") {
  // The same new users, folded in one answer at a time or fitted together with everybody, basis and all.
  const lore::Preferences<> data =
      lore::simulate_planted(
          {.dimension = 24, .rank = 3, .seen_users = 80, .unseen_users = 60, .unseen_shots = 20, .seed = 4})
          .preferences;
  const auto before = lore::JointFit<>{}(data.seen_train(), lore::Rank{3});
  const auto fold_in = [&](const lore::Matrix<float>& Z, const lore::Comparisons<>& comparisons) {
    lore::UserFits<float> fits(Z.rows(), comparisons.users());
    for (Index i = 0; i < comparisons.users(); ++i) {
      lore::OnlineUser<> user(before.model);
      for (Index j = comparisons.begin(i); j < comparisons.end(i); ++j) user.add(Z.col(j).cast<double>());
      fits.weights.col(i) = user.weights().cast<float>();
    }
    return fits;
  };
  const auto folded = lore::measure(before.model, data, lore::Serial{}, fold_in).unseen_test.accuracy;
  lore::Preferences<> together = data;
  for (auto& part : together.partition)
    if (part == lore::Partition::unseen_few_shot) part = lore::Partition::seen_train;
  const auto after = lore::JointFit<>{}(together.seen_train(), lore::Rank{3});
  const auto own = lore::weights_by_id(
      after.model.user, [&](Index i) -> lore::Vector<float> { return after.model.weights.col(i); },
      lore::population_weights(after.model));
  const lore::ScoredPartition<float> test(data.unseen_test(), after.model.basis, lore::Serial{});
  const auto refitted = test.accuracy_with(own, "").accuracy;
  const auto population = lore::population_weights(before.model);
  const lore::ScoredPartition<float> plain(data.unseen_test(), before.model.basis, lore::Serial{});
  const double shared = plain.accuracy_with([&](Index) { return population; }, "").accuracy.mean;
  CAPTURE(folded.mean, refitted.mean, shared);
  CHECK(folded.mean > refitted.mean - 0.02);
  CHECK(folded.mean > shared + 0.03);
}
