// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Protocol `default` where answers are ties, graded, choices among several replies or perhaps careless.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "lore/fit/answer_model.hpp"
#include "lore/objective/graded.hpp"
#include "lore/objective/label_noise.hpp"
#include "lore/objective/ranking.hpp"

#include "default_protocol_of.hpp"

namespace lore_examples {
namespace {

template <class Number>
std::string joined(const std::vector<Number>& numbers) {
  std::string text;
  for (const Number number : numbers) text += (text.empty() ? "" : " ") + lore::detail::to_text(number);
  return text;
}

/// What `joined` wrote into a model.
/// @throws std::domain_error naming the field where it is missing or holds something else
template <class Number>
std::vector<Number> noted_numbers(const Model& model, const std::string& field) {
  constexpr const char* where = "answered_protocol";
  const auto noted = model.training.find(field);
  if (noted == model.training.end())
    lore::detail::raise_value(where, "training." + field, "nothing", "numbers");
  std::istringstream words(noted->second);
  std::vector<Number> numbers;
  for (std::string word; words >> word;) {
    Number number{};
    const char* const last = word.data() + word.size();
    const auto [end, error] = std::from_chars(word.data(), last, number);
    if (error != std::errc() || end != last)
      lore::detail::raise_value(where, "training." + field, word, "a number");
    numbers.push_back(number);
  }
  return numbers;
}

/// Losses that read everything, with thresholds as each rank's own margins say.
class AnsweredLosses {
 public:
  using Loss = lore::PlackettLuce<lore::LabelNoiseByUser<lore::Ordinal>>;

  AnsweredLosses(const lore::Preferences<>& preferences, const lore::Threads& executor)
      : preferences_(preferences), executor_(executor) {}

  /// With thresholds by Bradley-Terry's margins: those of a personal fit are larger, so that ranks above 1
  /// are judged with some severity.
  [[nodiscard]] Loss before(const Comparisons& train) {
    if (!before_) {
      Loss loss = with(lore::ordinal_for(train));
      const std::vector<double> thresholds = loss.base.base.thresholds();
      if (!train.empty() && (thresholds.size() > 1 || thresholds[0] > 0)) {
        lore::JointFit<Loss> fit;
        fit.loss = loss;
        fit.executor = executor_;
        loss = with(lore::fit_answer_model(fit, train, lore::Rank{1}, 0, {.rounds = 4}).loss.base.base);
      }
      before_ = std::move(loss);
    }
    return *before_;
  }

  /// Estimated once a rank, from fits in turn with the estimates, the first with the loss before.
  template <class Fit>
  [[nodiscard]] Loss at(const Comparisons& train, const lore::Candidate& candidate, const Fit& fit) {
    const auto known = by_rank_.find(candidate.rank);
    if (known != by_rank_.end()) return known->second;
    Loss loss = before(train);
    for (int round = 0; round < 2; ++round) {
      const auto fitted = fit(loss);
      loss = with(lore::estimate_loss(loss.base.base, lore::answered_margins(fitted, train, executor_)));
    }
    return by_rank_.emplace(candidate.rank, std::move(loss)).first->second;
  }

  /// As noted; of a model of plain comparisons, by this file's training.
  [[nodiscard]] Loss of(const Model& model) {
    if (!model.training.contains("answer_thresholds")) return before(preferences_.seen_train());
    std::vector<double> thresholds = noted_numbers<double>(model, "answer_thresholds");
    return with(lore::Ordinal(std::move(thresholds), noted_numbers<float>(model, "answer_cuts")));
  }

  void note(const Loss& loss, Model& model) const {
    model.training["answer_thresholds"] = joined(loss.base.base.thresholds());
    model.training["answer_cuts"] = joined(loss.base.base.cuts());
  }

 private:
  /// Where new users call ties and seen ones did not, the threshold of ties is next to nothing: the
  /// likelihood of a tie hardly depends on it.
  [[nodiscard]] Loss with(const lore::Ordinal& ordinal) const {
    std::vector<double> thresholds = ordinal.thresholds();
    if (preferences_.count(lore::Outcome::tie) > 0) thresholds[0] = std::max(thresholds[0], 1e-6);
    return {{lore::Ordinal(std::move(thresholds), ordinal.cuts())}};
  }

  const lore::Preferences<>& preferences_;
  lore::Threads executor_;
  std::optional<Loss> before_;
  std::map<lore::Index, Loss> by_rank_;
};

}  // namespace

std::unique_ptr<DefaultProtocol> answered_protocol(const lore::Preferences<>& preferences,
                                                   const lore::Threads& executor) {
  return std::make_unique<DefaultProtocolOf<AnsweredLosses>>(preferences, executor);
}

}  // namespace lore_examples
