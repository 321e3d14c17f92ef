// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "conversation.hpp"

namespace lore_examples {

/// Who turns a conversation into the text that the model reads, and how.
///   server  the server applies the model's own template
///   llama3  Llama 3 headers, every turn closed by <|eot_id|>; contents are trimmed, no system turn is added
///   chatml  <|im_start|>role ... <|im_end|> and a line end
///   none    the contents alone, a blank line between them: for encoders that know no turns
enum class ChatTemplate : std::uint8_t { server, llama3, chatml, none };

/// @throws std::invalid_argument for any other name than server, llama3, chatml, none
[[nodiscard]] ChatTemplate chat_template_from(std::string_view name);
[[nodiscard]] std::string_view name_of(ChatTemplate chat_template) noexcept;

/// The text of a conversation under llama3, chatml or none; llama3 begins with <|begin_of_text|>.
/// @throws std::invalid_argument for an empty conversation, a last message that is not the assistant's, a
///         role that is not system, user or assistant, or the template `server`
[[nodiscard]] std::string render(ChatTemplate chat_template, const Conversation& messages);

/// What a rendered conversation must look like for its last token to be the one a reward head reads.
struct TurnMarks {
  std::string begin;  ///< the begin-of-text token; empty: the template writes none
  std::string end;    ///< what closes the last turn, white space after it aside; empty: nothing is known
};

/// The marks of llama3, chatml and none.
[[nodiscard]] TurnMarks marks_of(ChatTemplate chat_template);

/// A short conversation that a server renders first, to show how it begins and ends its turns.
[[nodiscard]] const Conversation& probe_conversation();

/// Reads the marks off a rendered `probe_conversation`.
/// @throws std::runtime_error with the reason and the remedy when its last turn is not closed (the server
///         took it for the beginning of a reply), when a new turn is opened after it, when the text does not
///         hold the messages, or when it begins with two begin-of-text tokens
[[nodiscard]] TurnMarks marks_from_probe(std::string_view text);

/// @throws std::runtime_error when `text` does not end with the end mark or begins with two begin-of-text
/// tokens
void check_rendered(std::string_view text, const TurnMarks& marks);

/// Whether the text begins with the same begin-of-text token twice.
[[nodiscard]] bool begins_twice(std::string_view text, const TurnMarks& marks);

}  // namespace lore_examples
