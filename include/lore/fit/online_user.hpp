// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"
#include "lore/core/types.hpp"
#include "lore/data/answer.hpp"
#include "lore/fit/coordinate_prior.hpp"
#include "lore/fit/user_objective.hpp"
#include "lore/model/basis.hpp"
#include "lore/model/prior.hpp"
#include "lore/model/reward_model.hpp"
#include "lore/model/weight_map.hpp"
#include "lore/objective/loss.hpp"
#include "lore/solve/dense.hpp"
#include "lore/solve/newton.hpp"

namespace lore {

/// One user kept up to date, with the basis frozen. Holds the scores z = V'x and the weights omega of the
/// user's comparisons, and after every change the mode of
///   sum_j omega_j loss(z_j' w / tau) + (p - p0)' Sigma^-1 (p - p0) / 2,
/// which is what `FewShotFit` with `Posterior::map` finds on the comparisons that remain.
///
///   lore::OnlineUser<> user(model);                     // the population's mean
///   const auto id = user.add(model.basis.project(x));   // x = e(chosen) - e(rejected)
///   user.flip(id);                                      // a change of mind
///   user.add(z, 1, {.outcome = lore::Outcome::tie});    // where the loss reads ties
///   user.keep_last(100);
///   const double r = user.weights().dot(z);
///
/// Where the problem is convex (`Signed` with `BradleyTerry`, `Davidson`, ..) an update starts from the last
/// mode: a Newton step or two. Elsewhere there may be several modes, and which one a search ends in depends
/// on its start; so each update starts from the prior mean, as the batch fit does, some six steps. Either is
/// followed by one full Newton step, which takes the mode to rounding. An update takes memory from the heap
/// only where more is held than ever before. A choice among several replies is added, forgotten and kept as a
/// whole. A failed check changes nothing. Copies are independent; one object is for one thread at a time.
/// @cost O(m K^2 + K^3) a Newton step, m the comparisons held; about 8 (5 K + 16) m bytes
template <class Loss = BradleyTerry, WeightMap Map = Signed>
class OnlineUser {
 public:
  /// Name of a comparison, given in order from 0 and never used again.
  using Id = std::uint64_t;

  /// Whether there is one mode only.
  static constexpr bool convex = std::is_same_v<Map, Signed> && detail::is_convex<Loss>();

  /// @param prior  of the K parameters
  /// @throws std::invalid_argument or std::domain_error on a bad prior; std::domain_error unless tau > 0
  explicit OnlineUser(GaussianPrior<double> prior, double temperature = 1, Loss loss = {}, Map map = {})
      : prior_((prior.validate(), std::move(prior))),
        temperature_((detail::check_positive("OnlineUser", "temperature", temperature), temperature)),
        loss_(loss),
        objective_(std::move(loss), map, temperature),
        coordinates_(detail::CoordinatePrior::from(map, prior_)),
        c_(coordinates_.mean),
        scores_(prior_.size(), 0) {
    take();
    settle();
  }

  /// @throws std::invalid_argument when the model was fitted with another weight map
  template <Real Scalar, int D, int K>
  explicit OnlineUser(const RewardModel<Scalar, D, K>& model, Loss loss = {}, Map map = {})
      : OnlineUser(GaussianPrior<double>{model.prior.mean.template cast<double>(),
                                         model.prior.covariance.template cast<double>()},
                   static_cast<double>(model.temperature), std::move(loss), std::move(map)) {
    if (name_of(model.weight_map) != Map::name())
      detail::raise_shape("OnlineUser", "weight map of the model", name_of(model.weight_map), Map::name());
  }

  // ---- updates ------------------------------------------------------------------------------------------

  /// Adds one comparison by its scores z = V'(e(chosen) - e(rejected)).
  /// @param answer  its `choice` is not looked at
  /// @return its id   @throws std::invalid_argument unless z has K entries; std::domain_error on an entry
  /// that is not finite, omega < 0, an abstention, or a tie where the loss does not read ties
  Id add(const ConstVectorRef<double>& z, float omega = 1, Answer answer = {}) {
    answer.choice = -1;
    new_omega_.assign(1, omega);
    new_answers_.assign(1, answer);
    return add_all(z, new_omega_, new_answers_);
  }

  /// Adds a choice of one reply among m + 1. @param Z  K x m, the scores of the chosen reply minus those of
  /// each other one   @return the first one's id   @throws as `add`, and where the loss does not read choices
  Id add_choice(const ConstMatrixRef<double>& Z, float omega = 1) {
    const auto m = static_cast<std::size_t>(Z.cols());
    return add_all(Z, std::vector<float>(m, omega), std::vector<Answer>(m, Answer{.choice = 0}));
  }

  /// Adds the columns of Z (K x m) in one update. @param omega  m weights, or empty for 1
  /// @param answers  m, as in `Comparisons`, or empty: all plain
  /// @return the first one's id; the others follow
  /// @throws as `add`; std::domain_error on a choice that the loss does not read or of several weights
  Id add_all(const ConstMatrixRef<double>& Z, const std::vector<float>& omega = {},
             const std::vector<Answer>& answers = {}) {
    check(Z, omega, answers);
    const Index m = size(), more = Z.cols();
    if (scores_.cols() < m + more) scores_.conservativeResize(rank(), std::max(m + more, 2 * m));
    scores_.middleCols(m, more) = Z;
    const Id first = next_;
    for (Index j = 0; j < more; ++j) {
      omega_.push_back(omega.empty() ? 1.0F : omega[static_cast<std::size_t>(j)]);
      answers_.push_back(answers.empty() ? Answer{} : answers[static_cast<std::size_t>(j)]);
      ids_.push_back(next_++);
    }
    for (Index j = 0, end = 0; !answers.empty() && j < more; j = end) {  // a choice is known by its first id
      end = detail::end_of_choice(answers.data(), j, more);
      for (Index k = j; k < end; ++k)
        answers_[static_cast<std::size_t>(m + k)].choice =
            end > j + 1 ? static_cast<Index>(first) + j : Index{-1};
    }
    update();
    return first;
  }

  /// Takes a comparison back, or the whole choice that it is of. @throws std::domain_error when it is not
  /// held
  void forget(Id id) {
    const Index gone = find("OnlineUser::forget", id);
    const Index choice = answers_[static_cast<std::size_t>(gone)].choice;
    retain([&](Index j) {
      return j != gone && (choice < 0 || answers_[static_cast<std::size_t>(j)].choice != choice);
    });
    update();
  }

  /// Keeps the n newest comparisons: a window; a choice that begins before it goes.
  /// @throws std::domain_error if n < 0
  void keep_last(Index n) {
    detail::check_non_negative("OnlineUser::keep_last", "n", n);
    Index drop = size() - n;
    if (drop <= 0) return;
    const auto choice = [&](Index j) { return answers_[static_cast<std::size_t>(j)].choice; };
    while (drop < size() && choice(drop) >= 0 && choice(drop) == choice(drop - 1)) ++drop;
    retain([&](Index j) { return j >= drop; });
    update();
  }

  /// Multiplies every omega by `factor` and forgets comparisons whose omega falls below `floor`.
  /// @throws std::domain_error unless 0 <= factor <= 1 and floor >= 0
  void decay(double factor, double floor = 0) {
    if (!(factor >= 0 && factor <= 1))
      detail::raise_value("OnlineUser::decay", "factor", factor, "a number from 0 to 1");
    detail::check_non_negative("OnlineUser::decay", "floor", floor);
    for (float& omega : omega_) omega = static_cast<float>(omega * factor);
    retain([&](Index j) { return static_cast<double>(omega_[static_cast<std::size_t>(j)]) >= floor; });
    update();
  }

  /// A change of mind: the rejected response is now the chosen one. @throws std::domain_error when `id` is
  /// not held, or is of a choice among several
  void flip(Id id) {
    const Index j = find("OnlineUser::flip", id);
    if (answers_[static_cast<std::size_t>(j)].choice >= 0)
      detail::raise_value("OnlineUser::flip", "id", id, "a comparison of its own, not one of a choice");
    scores_.col(j) *= -1;
    update();
  }

  /// Takes all answers held for those of a judge who records the opposite with this probability, where the
  /// loss reads it (`LabelNoiseByUser`); answers added later bring their own.
  /// @throws std::domain_error unless 0 <= flip < 1/2
  void set_flip(float flip) {
    if (!(flip >= 0 && flip < 0.5F))
      detail::raise_value("OnlineUser::set_flip", "flip", flip, "0 or above, below 0.5");
    for (Answer& answer : answers_) answer.flip = flip;
    update();
  }

  // ---- what is known ------------------------------------------------------------------------------------

  [[nodiscard]] Index rank() const noexcept { return prior_.size(); }                      ///< K
  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(ids_.size()); }    ///< m
  [[nodiscard]] const Vector<double>& weights() const noexcept { return weights_; }        ///< K
  [[nodiscard]] const Vector<double>& parameters() const noexcept { return parameters_; }  ///< K
  [[nodiscard]] const Matrix<double>& covariance() const noexcept { return covariance_; }  ///< K x K
  [[nodiscard]] double objective() const noexcept { return value_; }                       ///< nats
  [[nodiscard]] bool indefinite() const noexcept { return indefinite_; }   ///< as in `UserFit`
  [[nodiscard]] Status status() const noexcept { return status_; }         ///< of the last search
  [[nodiscard]] Index iterations() const noexcept { return iterations_; }  ///< of the last search
  [[nodiscard]] double temperature() const noexcept { return temperature_; }
  [[nodiscard]] const GaussianPrior<double>& prior() const noexcept { return prior_; }

  /// The comparisons held, oldest first.
  [[nodiscard]] const std::vector<Id>& ids() const noexcept { return ids_; }
  [[nodiscard]] const std::vector<float>& omega() const noexcept { return omega_; }
  [[nodiscard]] const std::vector<Answer>& answers() const noexcept { return answers_; }
  [[nodiscard]] Matrix<double> scores() const { return scores_.leftCols(size()); }  ///< K x m

  // ---- keeping it ---------------------------------------------------------------------------------------

  /// Everything, in a string of bytes that `restore` takes back: the state and all later updates then have
  /// the same bits. For machines of the same byte order. The loss is not among them. @cost 8 K + 12 bytes a
  /// comparison, 17 more where some answer is not plain, which readers of plain ones refuse
  [[nodiscard]] std::vector<std::byte> save() const {
    Writer out;
    const bool plain = all_plain();
    out.put(header(plain));
    const Index K = rank(), D = c_.size();
    out.put(std::uint64_t(K));
    out.put(std::uint64_t(size()));
    out.put(next_);
    out.put(temperature_);
    out.put(std::int64_t(status_));
    out.put(std::int64_t(iterations_));
    out.array(prior_.mean.data(), K);
    out.array(prior_.covariance.data(), K * K);
    out.array(c_.data(), D);
    out.array(ids_.data(), size());
    out.array(omega_.data(), size());
    out.array(scores_.data(), K * size());
    for (const Answer& answer : answers_) {
      if (plain) break;
      out.put(answer.outcome);
      out.put(answer.strength);
      out.put(answer.flip);
      out.put(std::int64_t{answer.choice});
    }
    out.put(checksum(out.bytes.data(), out.bytes.size()));
    return std::move(out.bytes);
  }

  /// @param loss  the one it was saved with; the bytes do not hold it
  /// @throws std::domain_error on bytes that `save` of an OnlineUser with this weight map cannot have written
  [[nodiscard]] static OnlineUser restore(const std::vector<std::byte>& bytes, Loss loss = {}, Map map = {}) {
    constexpr auto where = "OnlineUser::restore";
    Reader in{bytes.data(), bytes.size()};
    if (bytes.size() < sizeof(std::uint64_t) * 8)
      detail::raise_value(where, "bytes", bytes.size(), "a whole state, 64 bytes or more");
    const auto found = in.template get<std::uint64_t>();
    const bool plain = found == header(true);
    if (!plain && found != header(false))
      detail::raise_value(where, "header", "another one", "that of this version, weight map and byte order");
    in.left -= sizeof(std::uint64_t);
    std::uint64_t sum = 0;
    std::memcpy(&sum, bytes.data() + bytes.size() - sizeof sum, sizeof sum);
    if (sum != checksum(bytes.data(), bytes.size() - sizeof sum))
      detail::raise_value(where, "checksum", sum, "that of the bytes before it");
    const auto K = in.template get<std::uint64_t>(), m = in.template get<std::uint64_t>();
    const std::uint64_t limit = bytes.size();
    if (K < 1 || K > limit || m > limit || K * K > limit || K * m > limit)
      detail::raise_value(where, "rank or size", std::max(K, m), "what the bytes can hold");
    const Id next = in.template get<Id>();
    const auto temperature = in.template get<double>();
    const auto status = in.template get<std::int64_t>();
    const auto iterations = in.template get<std::int64_t>();
    const std::uint64_t wanted = 8 * (K + K * K + (K - 1) + m + K * m) + (plain ? 4 : 21) * m;
    if (in.left != wanted) detail::raise_value(where, "bytes after the header", in.left, wanted);
    if (status < 0 || status > std::int64_t(last_status))
      detail::raise_value(where, "status", status, "one of lore::Status");
    const auto rank = static_cast<Index>(K), size = static_cast<Index>(m);
    GaussianPrior<double> prior{Vector<double>(rank), Matrix<double>(rank, rank)};
    in.array(prior.mean.data(), rank);
    in.array(prior.covariance.data(), rank * rank);
    OnlineUser user(std::move(prior), temperature, std::move(loss), std::move(map));
    Vector<double> c(rank - 1);
    Matrix<double> Z(rank, size);
    user.ids_.resize(m);
    user.omega_.resize(m);
    in.array(c.data(), rank - 1);
    in.array(user.ids_.data(), size);
    in.array(user.omega_.data(), size);
    in.array(Z.data(), rank * size);
    detail::check_finite(where, "mode", c);
    detail::check_finite(where, "scores", Z);
    for (std::size_t j = 0; j < m; ++j) {
      detail::check_non_negative(where, "omega", user.omega_[j]);
      if (user.ids_[j] >= next || (j > 0 && user.ids_[j] <= user.ids_[j - 1]))
        detail::raise_value(where, "id", user.ids_[j], "rising ids below the next one");
    }
    user.answers_.resize(m);
    for (Answer& answer : user.answers_) {
      if (plain) break;
      answer.outcome = in.template get<Outcome>();
      answer.strength = in.template get<float>();
      answer.flip = in.template get<float>();
      answer.choice = static_cast<Index>(in.template get<std::int64_t>());
    }
    user.check_answers(where, user.answers_, user.omega_);
    user.scores_ = std::move(Z);
    user.next_ = next;
    user.c_ = std::move(c);
    user.status_ = static_cast<Status>(status);
    user.iterations_ = static_cast<Index>(iterations);
    user.take();
    user.settle();
    return user;
  }

 private:
  static constexpr Status last_status = Status::not_finite;

  struct Writer {
    std::vector<std::byte> bytes;
    template <class T>
    void array(const T* data, Index count) {
      const auto* raw = reinterpret_cast<const std::byte*>(data);
      bytes.insert(bytes.end(), raw, raw + sizeof(T) * static_cast<std::size_t>(count));
    }
    template <class T>
    void put(T value) {
      array(&value, 1);
    }
  };

  struct Reader {
    const std::byte* at;
    std::size_t left;
    template <class T>
    void array(T* data, Index count) {
      const std::size_t length = sizeof(T) * static_cast<std::size_t>(count);
      if (length > 0) std::memcpy(data, at, length);
      at += length;
      left -= length;
    }
    template <class T>
    T get() {
      T value{};
      array(&value, 1);
      return value;
    }
  };

  /// FNV-1a.
  [[nodiscard]] static std::uint64_t checksum(const std::byte* bytes, std::size_t count) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (std::size_t i = 0; i < count; ++i)
      hash = (hash ^ std::to_integer<std::uint64_t>(bytes[i])) * 0x100000001b3U;
    return hash;
  }

  [[nodiscard]] static std::uint64_t header(bool plain) noexcept {
    const std::string_view word = plain ? "lore.online_user 1 " : "lore.online_user 2 ";
    const std::string_view name = Map::name();
    return checksum(reinterpret_cast<const std::byte*>(word.data()), word.size()) ^
           (3 * checksum(reinterpret_cast<const std::byte*>(name.data()), name.size()));
  }

  [[nodiscard]] bool all_plain() const {
    return std::all_of(answers_.begin(), answers_.end(), [](const Answer& one) { return one == Answer{}; });
  }

  void check_answers(const char* where, const std::vector<Answer>& answers,
                     const std::vector<float>& omega) const {
    detail::check_user_answers(where, answers, omega);
    detail::check_readable(where, loss_, answers);
  }

  void check(const ConstMatrixRef<double>& Z, const std::vector<float>& omega,
             const std::vector<Answer>& answers) const {
    detail::check_size("OnlineUser::add", "entries of z", Z.rows(), rank());
    detail::check_finite("OnlineUser::add", "z", Z);
    if (!omega.empty())
      detail::check_size("OnlineUser::add", "omega", static_cast<Index>(omega.size()), Z.cols());
    for (const float value : omega) detail::check_non_negative("OnlineUser::add", "omega", value);
    if (!answers.empty()) {
      detail::check_size("OnlineUser::add", "answers", static_cast<Index>(answers.size()), Z.cols());
      check_answers("OnlineUser::add", answers, omega);
    }
  }

  [[nodiscard]] Index find(const char* where, Id id) const {
    const auto place = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (place == ids_.end() || *place != id)
      detail::raise_value(where, "id", id, "a comparison that is held");
    return static_cast<Index>(place - ids_.begin());
  }

  template <class Keep>
  void retain(const Keep& keep) {
    Index kept = 0;
    for (Index j = 0; j < size(); ++j) {
      if (!keep(j)) continue;
      if (kept != j) {
        scores_.col(kept) = scores_.col(j);
        ids_[static_cast<std::size_t>(kept)] = ids_[static_cast<std::size_t>(j)];
        omega_[static_cast<std::size_t>(kept)] = omega_[static_cast<std::size_t>(j)];
        answers_[static_cast<std::size_t>(kept)] = answers_[static_cast<std::size_t>(j)];
      }
      ++kept;
    }
    ids_.resize(static_cast<std::size_t>(kept));
    omega_.resize(static_cast<std::size_t>(kept));
    answers_.resize(static_cast<std::size_t>(kept));
  }

  void take() { objective_.take(scores_.leftCols(size()), omega_.data(), answers_.data(), coordinates_); }

  void update() {
    status_ = Status::converged;
    iterations_ = 0;
    take();
    if (c_.size() > 0) {
      const bool warm = convex && !indefinite_;
      const auto& minimum = Newton{}.minimize(objective_, warm ? c_ : coordinates_.mean, newton_);
      status_ = minimum.status;
      iterations_ = minimum.iterations;
      c_ = minimum.x;
      if (minimum.converged() && !minimum.indefinite) {
        gradient_ = minimum.gradient;
        hessian_ = minimum.hessian;
        if (detail::cholesky_in_place(hessian_)) {
          detail::cholesky_solve(hessian_, gradient_);
          c_ -= gradient_;
        }
      }
    }
    settle();
  }

  /// What follows from the mode c.
  void settle() {
    const Index D = c_.size();
    objective_.evaluate(c_, nullptr);
    value_ = objective_.value();
    indefinite_ = false;
    gradient_.resize(D);
    hessian_.resize(D, D);
    inverse_.setIdentity(D, D);
    if (D > 0) {
      objective_.derivatives(gradient_, hessian_, true);
      indefinite_ = std::isnan(detail::invert_positive(hessian_, inverse_));
      if (indefinite_) {
        objective_.derivatives(gradient_, hessian_, false);
        (void)detail::invert_positive(hessian_, inverse_);
      }
    }
    weights_ = objective_.weights();
    parameters_ = objective_.parameters();
    half_.noalias() = coordinates_.Q.lazyProduct(inverse_);
    covariance_.noalias() = half_.lazyProduct(coordinates_.Q.transpose());
  }

  GaussianPrior<double> prior_;
  double temperature_;
  Loss loss_;
  detail::UserObjective<Loss, Map> objective_;
  detail::CoordinatePrior coordinates_;
  Vector<double> c_;       // the mode
  Matrix<double> scores_;  // K x room, the first m columns in use
  std::vector<float> omega_;
  std::vector<Answer> answers_;
  std::vector<Id> ids_;
  Id next_ = 0;
  Vector<double> weights_, parameters_;
  Matrix<double> covariance_;
  double value_ = 0;
  bool indefinite_ = false;
  Status status_ = Status::converged;
  Index iterations_ = 0;

  NewtonWorkspace<Vector<double>> newton_;  // from here on: room for updates
  Vector<double> gradient_;
  Matrix<double> hessian_, inverse_, half_;
  std::vector<float> new_omega_;
  std::vector<Answer> new_answers_;
};

}  // namespace lore
