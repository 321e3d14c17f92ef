// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "chat_template.hpp"

#include <array>
#include <stdexcept>

namespace lore_examples {
namespace {

constexpr std::string_view white_space = " \t\r\n\v\f";

std::string_view without_trailing_space(std::string_view text) {
  const auto last = text.find_last_not_of(white_space);
  return last == std::string_view::npos ? std::string_view{} : text.substr(0, last + 1);
}

std::string_view trimmed(std::string_view text) {
  text = without_trailing_space(text);
  const auto first = text.find_first_not_of(white_space);
  return first == std::string_view::npos ? std::string_view{} : text.substr(first);
}

// Tokens that begin a text and that close a turn, in templates people use.
constexpr std::array<std::string_view, 5> begin_tokens = {"<|begin_of_text|>", "<s>", "<bos>",
                                                          "<|startoftext|>", "<｜begin▁of▁sentence｜>"};
constexpr std::array<std::string_view, 6> end_tokens = {
    "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<|END_OF_TURN_TOKEN|>", "<|eot|>"};

std::string_view tail_of(std::string_view text) {
  return text.size() > 80 ? text.substr(text.size() - 80) : text;
}
std::string_view head_of(std::string_view text) { return text.substr(0, 80); }

[[noreturn]] void raise_unclosed(std::string_view text, std::string_view wanted) {
  throw std::runtime_error(
      "chat template: the rendered conversation ends with \"" + std::string(tail_of(text)) + "\", wanted " +
      (wanted.empty() ? std::string("an end-of-turn token") : "\"" + std::string(wanted) + "\"") +
      " at the end. A reward head reads the hidden state of the end-of-turn token, so vectors of this text "
      "are of no use to it. llama.cpp drops the token when it takes the last reply for one to be continued: "
      "start llama-server with --no-prefill-assistant; with any server, --chat-template renders here "
      "instead.");
}

[[noreturn]] void raise_begins_twice(std::string_view text) {
  throw std::runtime_error(
      "chat template: the conversation begins with two begin-of-text tokens (\"" +
      std::string(head_of(text)) +
      "\"), wanted one. The template writes one and another is added to it; vectors of such a text differ "
      "from those the reward head was trained on. Take it out of the server's template, or render here with "
      "--chat-template.");
}

}  // namespace

ChatTemplate chat_template_from(std::string_view name) {
  for (const auto each :
       {ChatTemplate::server, ChatTemplate::llama3, ChatTemplate::chatml, ChatTemplate::none})
    if (name == name_of(each)) return each;
  throw std::invalid_argument("--chat-template: got \"" + std::string(name) +
                              "\", wanted server, llama3, chatml or none");
}

std::string_view name_of(ChatTemplate chat_template) noexcept {
  switch (chat_template) {
    case ChatTemplate::server:
      return "server";
    case ChatTemplate::llama3:
      return "llama3";
    case ChatTemplate::chatml:
      return "chatml";
    case ChatTemplate::none:
      return "none";
  }
  return "unknown";
}

std::string render(ChatTemplate chat_template, const Conversation& messages) {
  if (chat_template == ChatTemplate::server)
    throw std::invalid_argument("render: got the template \"server\", wanted llama3, chatml or none");
  if (messages.empty())
    throw std::invalid_argument("render: got an empty conversation, wanted one that ends in a reply");
  if (messages.back().role != "assistant")
    throw std::invalid_argument("render: got a last message by \"" + messages.back().role +
                                "\", wanted the assistant's reply");
  std::string text;
  if (chat_template == ChatTemplate::llama3) text = "<|begin_of_text|>";
  for (const auto& [role, content] : messages) {
    if (role != "system" && role != "user" && role != "assistant")
      throw std::invalid_argument("render: got the role \"" + role + "\", wanted system, user or assistant");
    switch (chat_template) {
      case ChatTemplate::llama3:
        text.append("<|start_header_id|>").append(role).append("<|end_header_id|>\n\n");
        text.append(trimmed(content)).append("<|eot_id|>");
        break;
      case ChatTemplate::chatml:
        text.append("<|im_start|>").append(role).append("\n").append(content).append("<|im_end|>\n");
        break;
      default:
        if (!text.empty()) text.append("\n\n");
        text.append(content);
    }
  }
  return text;
}

TurnMarks marks_of(ChatTemplate chat_template) {
  switch (chat_template) {
    case ChatTemplate::llama3:
      return {"<|begin_of_text|>", "<|eot_id|>"};
    case ChatTemplate::chatml:
      return {"", "<|im_end|>"};
    default:
      return {};
  }
}

const Conversation& probe_conversation() {
  static const Conversation probe = {{"user", "lore asks"}, {"assistant", "lore replies"}};
  return probe;
}

TurnMarks marks_from_probe(std::string_view text) {
  const std::string& question = probe_conversation()[0].content;
  const std::string& reply = probe_conversation()[1].content;
  const auto asked = text.find(question);
  const auto replied = text.rfind(reply);
  if (asked == std::string_view::npos || replied == std::string_view::npos || replied < asked)
    throw std::runtime_error("chat template: a question and a reply render as \"" +
                             std::string(text.substr(0, 200)) + "\", wanted a text that holds both");
  TurnMarks marks;
  for (const auto token : begin_tokens)
    if (text.starts_with(token)) marks.begin = token;
  if (begins_twice(text, marks)) raise_begins_twice(text);

  // What closes the question should close the reply too. Where the template has a token of its own for the
  // end of a reply, that is whatever follows the reply.
  const auto between = text.substr(asked + question.size(), replied - asked - question.size());
  const auto after = trimmed(text.substr(replied + reply.size()));
  for (const auto token : end_tokens)
    if (marks.end.empty() && trimmed(between).starts_with(token)) marks.end = token;
  if (after.empty()) raise_unclosed(text, marks.end);
  if (marks.end.empty() && after != trimmed(between)) marks.end = after;
  if (after == marks.end) return marks;
  if (!marks.end.empty() && !after.starts_with(marks.end)) raise_unclosed(text, marks.end);
  throw std::runtime_error(
      "chat template: after the reply the server renders \"" + std::string(after) +
      "\", wanted the end-of-turn token alone: it opens a new turn, and the vector would "
      "be that of the prompt for the next reply. Render here with --chat-template.");
}

bool begins_twice(std::string_view text, const TurnMarks& marks) {
  const auto twice = [&](std::string_view token) {
    return !token.empty() && text.starts_with(token) && trimmed(text.substr(token.size())).starts_with(token);
  };
  if (twice(marks.begin)) return true;
  for (const auto token : begin_tokens)
    if (twice(token)) return true;
  return false;
}

void check_rendered(std::string_view text, const TurnMarks& marks) {
  if (!marks.end.empty() && !without_trailing_space(text).ends_with(marks.end))
    raise_unclosed(text, marks.end);
  if (marks.end.empty()) return;
  if (begins_twice(text, marks)) raise_begins_twice(text);
}

}  // namespace lore_examples
