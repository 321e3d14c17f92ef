// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Protocol `default` where all there is to know is which of two replies was preferred.
#include <algorithm>

#include "lore/objective/loss.hpp"

#include "default_protocol_of.hpp"

namespace lore_examples {
namespace {

/// Bradley-Terry, always.
struct PlainLosses {
  using Loss = lore::BradleyTerry;

  PlainLosses(const lore::Preferences<>&, const lore::Threads&) {}

  [[nodiscard]] Loss before(const Comparisons&) const { return {}; }
  template <class Fit>
  [[nodiscard]] Loss at(const Comparisons&, const lore::Candidate&, const Fit&) const {
    return {};
  }
  [[nodiscard]] Loss of(const Model&) const { return {}; }
  void note(const Loss&, Model&) const {}
};

}  // namespace

bool says_more(const lore::Preferences<>& preferences) {
  const auto& answers = preferences.answer;
  const auto preferred = [](const lore::Answer& answer) {
    return answer.outcome == lore::Outcome::preferred;
  };
  const auto first = std::find_if(answers.begin(), answers.end(), preferred);
  return std::any_of(answers.begin(), answers.end(), [&](const lore::Answer& answer) {
    return answer.outcome == lore::Outcome::tie || answer.choice >= 0 || answer.flip > 0 ||
           (preferred(answer) && answer.strength != first->strength);
  });
}

std::unique_ptr<DefaultProtocol> plain_protocol(const lore::Preferences<>& preferences,
                                                const lore::Threads& executor) {
  return std::make_unique<DefaultProtocolOf<PlainLosses>>(preferences, executor);
}

std::unique_ptr<DefaultProtocol> default_protocol(const lore::Preferences<>& preferences,
                                                  const lore::Threads& executor) {
  return says_more(preferences) ? answered_protocol(preferences, executor)
                                : plain_protocol(preferences, executor);
}

}  // namespace lore_examples
