// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lore/data/split.hpp"

#include "common/conversation.hpp"
#include "common/json_lines.hpp"
#include "common/prepare.hpp"
#include "common/progress.hpp"
#include "common/results.hpp"

/// PRISM: `survey.jsonl`, one participant a line, and `conversations.jsonl`, one dialogue a line with
/// conversation_id, user_id and conversation_history[{turn, role, content, if_chosen, within_turn_id}]; role
/// is user or model, and a turn is one utterance of the user with up to four replies, shown in the order of
/// within_turn_id (of the file where it is absent). Other fields are ignored.
namespace lore_examples::prism {

/// One round of a dialogue. Blank texts are none.
struct Turn {
  std::string utterance;
  std::string chosen;
  std::vector<std::string> rejected;
  std::int64_t chosen_place = 0;               ///< where the reply was shown
  std::vector<std::int64_t> rejected_place{};  ///< one a rejected reply

  /// Whether it can stand in the prompt of a later turn.
  [[nodiscard]] bool complete() const noexcept { return !utterance.empty() && !chosen.empty(); }
  /// Whether it yields comparisons.
  [[nodiscard]] bool counts() const noexcept { return complete() && !rejected.empty(); }
};

struct Dialogue {
  std::string id;
  std::string user;
  std::vector<Turn> turns;
  std::string cut;  ///< why what followed was left out; empty: nothing was
};

/// What to do with a dialogue that contradicts itself or the survey.
enum class Contradictions : std::uint8_t {
  refuse,  ///< an error
  cut      ///< leave it out from there on, and count it
};

[[nodiscard]] inline bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

inline constexpr const char* keep_going_hint = " (--keep-going leaves out such parts)";

/// @throws lore::io_error with file, line and field: a field is absent or of another type, and, unless they
///         are to be cut, turns that leave a number out, a second chosen reply or utterance in one turn
[[nodiscard]] inline Dialogue parse(const JsonField& json, Contradictions contradictions) {
  Dialogue dialogue{json["conversation_id"].text(), json["user_id"].text(), {}, {}};
  std::map<std::int64_t, Turn> turns;
  std::set<std::int64_t> has_utterance, has_choice;
  std::int64_t end = INT64_MAX;  // turns from here on are left out
  const auto contradiction = [&](const JsonField& field, std::int64_t turn, const std::string& what,
                                 const std::string& got, const std::string& wanted) {
    if (contradictions == Contradictions::refuse) field.fail(got, wanted + keep_going_hint);
    if (turn >= end) return;
    end = turn;
    dialogue.cut = what;
  };
  const JsonField history = json["conversation_history"];
  for (std::size_t m = 0; m < history.size(); ++m) {
    const JsonField message = history.at(m);
    const JsonField number = message["turn"];
    const std::int64_t at = number.integer();
    if (at < 0) number.fail("the number of a turn, 0 or above");
    const std::string& role = message["role"].text();
    const std::string& content = message["content"].text();
    const std::string in_turn = " in turn " + std::to_string(at);
    Turn& turn = turns[at];
    if (role == "user") {
      if (!has_utterance.insert(at).second)
        contradiction(message["role"], at, "turns with two utterances of the user",
                      "a second utterance of the user" + in_turn, "one");
      else if (!is_blank(content))
        turn.utterance = content;
    } else if (role == "model") {
      const JsonField if_chosen = message["if_chosen"];
      const auto within_turn = message.find("within_turn_id");
      const std::int64_t place = within_turn && within_turn->value().is_number_integer()
                                     ? within_turn->integer()
                                     : static_cast<std::int64_t>(m);
      if (!if_chosen.boolean()) {
        if (is_blank(content)) continue;
        turn.rejected.push_back(content);
        turn.rejected_place.push_back(place);
      } else if (!has_choice.insert(at).second) {
        contradiction(if_chosen, at, "turns with two chosen replies", "a second chosen reply" + in_turn,
                      "one");
      } else if (!is_blank(content)) {
        turn.chosen = content;
        turn.chosen_place = place;
      }
    } else {
      message["role"].fail("user or model");
    }
  }
  std::int64_t next = 0;
  for (auto& [at, turn] : turns) {
    if (at != next) {
      contradiction(history, next, "numbers of turns with holes",
                    "turn " + std::to_string(at) + " but no turn " + std::to_string(next),
                    "every turn from 0 on");
      break;
    }
    if (at >= end) break;
    dialogue.turns.push_back(std::move(turn));
    ++next;
  }
  return dialogue;
}

/// What was read, to hold against what others report of the data set.
struct Counts {
  Index survey_users = 0;
  Index users = 0;  ///< with at least one dialogue
  Index dialogues = 0;
  Index chosen = 0;    ///< replies that are not blank
  Index rejected = 0;  ///< replies that are not blank
  Index turns = 0;
  Index without_utterance = 0;  ///< turns that do not count, by the first reason that applies
  Index without_chosen = 0;
  Index without_rejected = 0;
  Index without_turns = 0;           ///< dialogues in which no turn counts
  std::map<std::string, Index> cut;  ///< dialogues cut or left out, by reason
};

/// All dialogues of all users.
class Dialogues {
 public:
  explicit Dialogues(Contradictions contradictions = Contradictions::refuse)
      : contradictions_(contradictions) {}

  /// Reads the participants; to be done first. @throws lore::io_error, also for a file without a single row
  /// or with a participant given twice
  void read_survey(JsonLines& lines, const std::string& name, Progress& progress) {
    read_all(lines, name, "participants", progress, [&](const JsonField& line) {
      const JsonField id = line["user_id"];
      if (id.text().empty()) id.fail("an empty string", "the participant's name");
      if (!user_place_.try_emplace(id.text(), static_cast<Index>(user_names_.size())).second)
        id.fail("\"" + id.text() + "\" again", "each participant once");
      user_names_.push_back(id.text());
    });
  }

  /// Reads the dialogues, one in memory at a time beyond the texts that are kept. @throws lore::io_error,
  /// also for a file without a single row and, unless they are to be left out, for a dialogue of a user who
  /// is not in the survey or one given twice
  void read(JsonLines& lines, const std::string& name, Progress& progress) {
    read_all(lines, name, "conversations", progress, [&](const JsonField& line) {
      Dialogue dialogue = parse(line, contradictions_);
      const auto contradiction = [&](const char* field, const char* what, const std::string& got,
                                     const char* wanted) {
        if (contradictions_ == Contradictions::refuse)
          line[field].fail(got, std::string(wanted) + keep_going_hint);
        ++counts_.cut[what];
      };
      if (!user_place_.contains(dialogue.user))
        return contradiction("user_id", "conversations of users who are not in the survey",
                             "\"" + dialogue.user + "\"", "a user of the survey");
      if (!ids_.insert(dialogue.id).second)
        return contradiction("conversation_id", "conversations given twice", "\"" + dialogue.id + "\" again",
                             "each conversation once");
      if (!dialogue.cut.empty()) ++counts_.cut["conversations cut before " + dialogue.cut];
      add(std::move(dialogue));
    });
  }

  /// Counts of what was read.
  [[nodiscard]] Counts counts() const {
    Counts counts = counts_;
    counts.survey_users = static_cast<Index>(user_names_.size());
    counts.users = static_cast<Index>(std::set<Index>(user_.begin(), user_.end()).size());
    counts.dialogues = static_cast<Index>(turns_.size());
    return counts;
  }

  /// Applies the protocol: one comparison for each (chosen, rejected) pair of a turn that counts; its prompt
  /// is what was said before, with the chosen replies. A group is a dialogue. Turns without an utterance or a
  /// chosen reply cannot be part of a prompt.
  [[nodiscard]] RawPreferences split(const lore::GroupProtocol& protocol) const {
    struct Place {
      std::size_t dialogue, turn, rejected;
    };
    std::vector<Place> place;
    std::vector<Index> user, group;
    lore::Dropped equal{.reason = "comparisons of two equal replies"};
    for (std::size_t d = 0; d < turns_.size(); ++d)
      for (std::size_t t = 0; t < turns_[d].size(); ++t) {
        const Turn& turn = turns_[d][t];
        if (!turn.counts()) continue;
        for (std::size_t r = 0; r < turn.rejected.size(); ++r) {
          if (turn.rejected[r] == turn.chosen) {
            ++equal.comparisons;
            continue;
          }
          place.push_back({d, t, r});
          user.push_back(user_[d]);
          group.push_back(static_cast<Index>(d));
        }
      }
    const lore::Split split = lore::split_groups(user, group, protocol);

    RawPreferences raw;
    raw.dataset = "prism";
    raw.shot_unit = lore::ShotUnit::group;
    raw.user = split.user;
    raw.partition = split.partition;
    raw.dropped = split.dropped;
    if (equal.comparisons > 0) raw.dropped.push_back(equal);
    for (const Index original : split.original_user)
      raw.user_names.push_back(user_names_[static_cast<std::size_t>(original)]);
    for (const Index kept : split.kept) {
      const Place& at = place[static_cast<std::size_t>(kept)];
      const Turn& turn = turns_[at.dialogue][at.turn];
      Conversation prompt = prompt_of(turns_[at.dialogue], at.turn);
      const auto row = [&](const std::string& reply) {
        Conversation conversation = prompt;
        conversation.push_back({"assistant", reply});
        return raw.texts.add(std::move(conversation));
      };
      raw.group.push_back(static_cast<Index>(at.dialogue));
      raw.chosen.push_back(row(turn.chosen));
      raw.rejected.push_back(row(turn.rejected[at.rejected]));
      const std::int64_t other = turn.rejected_place[at.rejected];
      raw.chosen_first.push_back(turn.chosen_place < other ? 1 : turn.chosen_place > other ? -1 : 0);
    }
    return raw;
  }

 private:
  template <class Take>
  static void read_all(JsonLines& lines, const std::string& name, const char* what, Progress& progress,
                       const Take& take) {
    progress.begin("reading " + name, 0);
    std::size_t count = 0;
    while (const auto line = lines.next()) {
      take(*line);
      ++count;
      progress.advance();
    }
    progress.end();
    if (count == 0) throw lore::io_error(name, std::string("got no ") + what + ", wanted at least one line");
  }

  void add(Dialogue dialogue) {
    bool any = false;
    for (const Turn& turn : dialogue.turns) {
      ++counts_.turns;
      counts_.chosen += turn.chosen.empty() ? 0 : 1;
      counts_.rejected += static_cast<Index>(turn.rejected.size());
      any = any || turn.counts();
      if (turn.counts()) continue;
      ++(turn.utterance.empty() ? counts_.without_utterance
         : turn.chosen.empty()  ? counts_.without_chosen
                                : counts_.without_rejected);
    }
    counts_.without_turns += any ? 0 : 1;
    user_.push_back(user_place_.at(dialogue.user));
    turns_.push_back(std::move(dialogue.turns));
  }

  [[nodiscard]] static Conversation prompt_of(const std::vector<Turn>& turns, std::size_t last) {
    Conversation messages;
    for (std::size_t t = 0; t < last; ++t) {
      if (!turns[t].complete()) continue;
      messages.push_back({"user", turns[t].utterance});
      messages.push_back({"assistant", turns[t].chosen});
    }
    messages.push_back({"user", turns[last].utterance});
    return messages;
  }

  Contradictions contradictions_;
  std::unordered_map<std::string, Index> user_place_;
  std::vector<std::string> user_names_;
  std::unordered_set<std::string> ids_;
  std::vector<Index> user_;               ///< one a dialogue
  std::vector<std::vector<Turn>> turns_;  ///< one a dialogue
  Counts counts_;
};

/// What was read and kept beside what is published of the data set, and what was left out and why.
inline void print_comparison_with_paper(std::ostream& out, const Counts& counts, const RawPreferences& raw) {
  std::array<std::set<Index>, 2> users, dialogues;  // unseen, seen
  for (std::size_t j = 0; j < raw.user.size(); ++j) {
    const bool seen =
        raw.partition[j] == lore::Partition::seen_train || raw.partition[j] == lore::Partition::seen_test;
    users[seen ? 1 : 0].insert(raw.user[j]);
    dialogues[seen ? 1 : 0].insert(raw.group[j]);
  }
  std::vector<std::vector<std::string>> rows{{"", "here", "published"}};
  const auto row = [&](const char* what, auto here, const char* published) {
    rows.push_back({what, std::to_string(here), published});
  };
  row("participants of the survey", counts.survey_users, "1500");
  row("users with conversations", counts.users, "1396");
  row("conversations", counts.dialogues, "8011");
  row("chosen replies", counts.chosen, "27431");
  row("rejected replies", counts.rejected, "40925");
  row("seen users kept", users[1].size(), "643");
  row("unseen users kept", users[0].size(), "643");
  row("conversations of seen users", dialogues[1].size(), "-");
  row("conversations of unseen users", dialogues[0].size(), "-");
  print_columns(out, rows);
  const auto left_out = [&](const std::string& what, Index count) {
    if (count > 0) out << "  left out, " << what << ": " << count << '\n';
  };
  left_out("participants without conversations", counts.survey_users - counts.users);
  left_out("turns without an utterance of the user", counts.without_utterance);
  left_out("turns without a chosen reply", counts.without_chosen);
  left_out("turns without a rejected reply", counts.without_rejected);
  left_out("conversations in which no turn counts", counts.without_turns);
  for (const auto& [what, count] : counts.cut) left_out(what, count);
  out << '\n';
}

}  // namespace lore_examples::prism
