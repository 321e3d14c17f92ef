// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "text_generator.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "results.hpp"

namespace lore_examples {
namespace {

using lore::bernoulli;
using lore::Rng;
using Words = std::string_view;

/// The same in a formal and in a casual choice of words.
struct Pair {
  Words formal, casual;

  [[nodiscard]] std::string text(bool is_formal) const { return std::string(is_formal ? formal : casual); }
};

constexpr std::array<Words, 20> people{
    "the landlord",    "my sister",    "our neighbour", "the council",     "a former teacher",
    "the manager",     "my flatmate",  "the bank",      "her employer",    "the insurance",
    "his grandmother", "the mechanic", "a nurse",       "the association", "my coach",
    "the librarian",   "their lawyer", "the caretaker", "Señora Ibáñez",   "Jürgen"};
constexpr std::array<Words, 28> things{
    "the garden",         "a second car",      "the old kitchen",       "the deposit",
    "a trip to Kraków",   "the broken window", "the wedding",           "a loan",
    "piano lessons",      "the night shift",   "the \"smart\" lock",    "a new phone",
    "the café",           "the basement",      "the contract",          "a rescue dog",
    "the school play",    "the heating bill",  "the folder C:\\photos", "the shared bicycle",
    "a course in 日本語", "the train tickets", "the vegetable patch",   "the noisy party",
    "the medical report", "the driving test",  "the family recipe",     "the crème brûlée"};
constexpr std::array<Words, 12> times{"before the winter", "after the meeting", "last month",
                                      "this week",         "in the spring",     "a few days ago",
                                      "on Sunday",         "over the holidays", "since the move",
                                      "by the deadline",   "at the weekend",    "in the end"};
constexpr std::array<Pair, 16> verbs{{{"has requested", "asked for"},
                                      {"will require", "really needs"},
                                      {"has received", "just got"},
                                      {"intends to purchase", "wants to buy"},
                                      {"has declined", "said no to"},
                                      {"attempted to repair", "tried to fix"},
                                      {"has inspected", "checked out"},
                                      {"subsequently discarded", "threw out"},
                                      {"is considering", "is thinking about"},
                                      {"has postponed", "put off"},
                                      {"expressed concern regarding", "freaked out about"},
                                      {"has terminated", "quit"},
                                      {"will undertake to examine", "is gonna look at"},
                                      {"remains responsible for", "is stuck with"},
                                      {"provided information concerning", "talked about"},
                                      {"is unable to finance", "can't pay for"}}};
constexpr std::array<Pair, 6> links{{{"furthermore,", "plus,"},
                                     {"however,", "but yeah,"},
                                     {"consequently,", "so"},
                                     {"in addition,", "also,"},
                                     {"nevertheless,", "anyway,"},
                                     {"therefore,", "so basically"}}};
constexpr std::array<Pair, 5> remarks{{{"which is of considerable importance", "which is kind of a big deal"},
                                       {"in accordance with the agreement", "like they said"},
                                       {"to the satisfaction of all parties", "and everyone's cool with it"},
                                       {"notwithstanding numerous difficulties", "even with all that stuff"},
                                       {"for reasons that remain unclear", "no idea why"}}};
constexpr std::array<Words, 5> hedges{"perhaps", "it seems that", "it might be that", "possibly",
                                      "if I understand correctly,"};
constexpr std::array<Words, 4> assertions{"clearly,", "without any doubt,", "of course", "certainly"};
constexpr std::array<Words, 5> cheers{"Wow", "Amazing news", "Great", "Brilliant", "So exciting"};
constexpr std::array<Words, 4> thanks{"Thank you for asking.", "That is a good question.",
                                      "I am sorry to hear that.", "Thanks for sharing this with me."};
constexpr std::array<Words, 4> closings{
    "I hope this helps.", "Please let me know if you would like to hear more.",
    "Feel free to ask if anything is unclear.", "Would you like me to go on?"};
constexpr std::array<Words, 8> questions{"what should be done about",
                                         "is it reasonable to worry about",
                                         "who decides about",
                                         "how would you deal with",
                                         "can you explain",
                                         "what do you think about",
                                         "why does everybody talk about",
                                         "is there a fair way to handle"};

std::string figure(Rng& rng) {
  const auto number = lore::uniform_index(rng, 89) + 11;
  switch (lore::uniform_index(rng, 4)) {
    case 0:
      return "for " + std::to_string(10 * number) + " euros";
    case 1:
      return "(" + std::to_string(number) + " %)";
    case 2:
      return "within " + std::to_string(number) + " days";
    default:
      return "at " + std::to_string(number % 12 + 1) + ":30";
  }
}

void capitalise(std::string& sentence) {
  if (!sentence.empty() && sentence[0] >= 'a' && sentence[0] <= 'z')
    sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
}

/// "the landlord has requested the deposit last month"
std::string clause(Rng& rng, const Subject& subject, bool formal) {
  std::string text = pick(rng, subject.people);
  text.append(" ").append(pick(rng, verbs).text(formal)).append(" ").append(pick(rng, subject.things));
  if (bernoulli(rng, 0.5)) text.append(" ").append(pick(rng, times));
  return text;
}

/// A chance that rises with a trait from 0.05 at -1 to 0.95 at 1.
double chance(double trait) { return 0.5 + 0.45 * trait; }

double& at(Traits& traits, Trait trait) { return traits[static_cast<std::size_t>(trait)]; }

/// What kinds of readers like.
/// Length, list, formality, excitement, caution, figures, courtesy.
constexpr std::array<Traits, 4> readers{{{0.9, 0.9, 0.0, 0.0, 0.0, 0.6, 0.0},
                                         {-1.0, -0.6, -0.4, 0.0, -0.4, 0.0, -0.7},
                                         {0.0, -0.3, -0.8, 1.0, 0.0, -0.4, 0.8},
                                         {0.2, 0.0, 1.0, -1.0, 0.7, 0.3, 0.0}}};
constexpr Traits everybody{0.2, 0.05, 0.2, -0.05, -0.1, 0.3, 0.1};

}  // namespace

Subject draw_subject(Rng& rng) {
  Subject subject;
  for (int k = 0; k < 3; ++k) subject.people.emplace_back(pick(rng, people));
  for (int k = 0; k < 4; ++k) subject.things.emplace_back(pick(rng, things));
  return subject;
}

std::string draw_title(Rng& rng, const Subject& subject) {
  std::string title = subject.people.front() + " and " + pick(rng, subject.things);
  if (bernoulli(rng, 0.3)) title += ", what now?";
  capitalise(title);
  return title;
}

std::string draw_question(Rng& rng, const Subject& subject) {
  std::string text(pick(rng, questions));
  text.append(" ").append(pick(rng, subject.things)).append(bernoulli(rng, 0.8) ? "?" : " ??");
  capitalise(text);
  if (!bernoulli(rng, 0.4)) return text;
  std::string before = clause(rng, subject, false) + ". ";
  capitalise(before);
  return before + text;
}

std::string draw_story(Rng& rng, const Subject& subject, int sentences) {
  std::string text;
  for (int s = 0; s < sentences; ++s) {
    std::string sentence = clause(rng, subject, bernoulli(rng, 0.5));
    if (bernoulli(rng, 0.3)) sentence += " " + figure(rng);
    capitalise(sentence);
    if (s > 0) text += s % 4 == 0 ? "\n\n" : " ";
    text += sentence + ".";
  }
  return text;
}

Writing draw_reply(Rng& rng, const Subject& subject, int sentences) {
  Traits wanted;
  for (double& trait : wanted) trait = 2 * lore::uniform01(rng) - 1;
  const double length = std::pow(3.0, at(wanted, Trait::length));
  const int count = std::max(1, static_cast<int>(std::lround(sentences * length)));
  const bool list = count > 1 && bernoulli(rng, chance(at(wanted, Trait::list)));
  const bool opening = bernoulli(rng, chance(at(wanted, Trait::courtesy)));
  const bool closing = bernoulli(rng, chance(at(wanted, Trait::courtesy)));
  const bool numbered = bernoulli(rng, 0.3);

  Writing writing;
  int formal = 0, choices = 0, excited = 0, hedged = 0, asserted = 0, figures = 0;
  const auto is_formal = [&] {
    const bool yes = bernoulli(rng, chance(at(wanted, Trait::formality)));
    formal += yes ? 1 : -1;
    ++choices;
    return yes;
  };
  if (opening) writing.text.append(pick(rng, thanks)).append(list ? "\n" : " ");
  for (int s = 0; s < count; ++s) {
    std::string sentence;
    const double caution = at(wanted, Trait::caution);
    if (bernoulli(rng, 0.6 * std::abs(caution) + 0.1)) {
      const bool hedge = bernoulli(rng, chance(caution));
      (hedge ? hedged : asserted) += 1;
      sentence.append(hedge ? pick(rng, hedges) : pick(rng, assertions)).append(" ");
    } else if (s > 0 && bernoulli(rng, 0.4)) {
      sentence.append(pick(rng, links).text(is_formal())).append(" ");
    }
    sentence += clause(rng, subject, is_formal());
    if (bernoulli(rng, chance(at(wanted, Trait::figures)))) {
      sentence += " " + figure(rng);
      ++figures;
    }
    if (bernoulli(rng, 0.3)) sentence += ", " + pick(rng, remarks).text(is_formal());
    const bool exclaims = bernoulli(rng, chance(at(wanted, Trait::excitement)));
    excited += exclaims ? 1 : 0;
    sentence += exclaims ? "!" : ".";
    capitalise(sentence);
    if (exclaims && bernoulli(rng, 0.25)) sentence = std::string(pick(rng, cheers)) + "! " + sentence + " 🎉";
    if (list)
      writing.text.append(numbered ? std::to_string(s + 1) + ". " : "- ").append(sentence).append("\n");
    else
      writing.text.append(sentence).append(s + 1 < count || closing ? " " : "");
  }
  if (closing)
    writing.text.append(pick(rng, closings));
  else if (list)
    writing.text.pop_back();

  const double total = count;
  at(writing.traits, Trait::length) = std::log(total / sentences) / std::log(3.0);
  at(writing.traits, Trait::list) = list ? 1 : -1;
  at(writing.traits, Trait::formality) = static_cast<double>(formal) / choices;
  at(writing.traits, Trait::excitement) = 2 * excited / total - 1;
  at(writing.traits, Trait::caution) = (hedged - asserted) / total;
  at(writing.traits, Trait::figures) = 2 * figures / total - 1;
  at(writing.traits, Trait::courtesy) = (opening ? 1 : 0) + (closing ? 1 : 0) - 1;
  return writing;
}

Taste draw_taste(Rng& rng, double strength) {
  const lore::Vector<double> mixture =
      lore::dirichlet<double>(rng, 0.2, static_cast<lore::Index>(readers.size()));
  Taste taste;
  for (std::size_t t = 0; t < trait_count; ++t) {
    double liking = everybody[t] + 0.15 * lore::normal(rng);
    for (std::size_t k = 0; k < readers.size(); ++k)
      liking += mixture(static_cast<lore::Index>(k)) * readers[k][t];
    taste.liking[t] = strength * liking;
  }
  return taste;
}

void write_json_lines(const std::filesystem::path& path, const std::vector<nlohmann::ordered_json>& rows) {
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) text += rows[r].dump(-1, ' ', r % 3 == 0) + "\n";
  write_text(path, text);
}

}  // namespace lore_examples
