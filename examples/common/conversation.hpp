// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "lore/core/types.hpp"

namespace lore_examples {

using lore::Index;

/// One turn of a dialogue; role is "user", "assistant" or "system".
struct Message {
  std::string role;
  std::string content;

  bool operator==(const Message&) const = default;
};

/// A dialogue. What an encoder embeds is its last message, the assistant's reply, in the context of the
/// others.
using Conversation = std::vector<Message>;

/// A conversation to embed. The id is unique within one data set and the same in every run.
struct EncodeItem {
  std::string id;
  Conversation messages;
};

/// 32 hexadecimal digits that depend on every role and content: the same conversation has the same id in
/// every data set, program and run.
[[nodiscard]] std::string conversation_id(const Conversation& messages);

/// Conversations in the order of their first appearance, equal ones kept once: the rows of the embedding
/// table.
class ConversationTable {
 public:
  /// The row of this conversation, a new one if it was not there yet. @cost O(length)
  Index add(Conversation messages);

  [[nodiscard]] const std::vector<EncodeItem>& items() const noexcept { return items_; }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }

 private:
  std::vector<EncodeItem> items_;
  std::unordered_map<std::string, Index> row_;
};

}  // namespace lore_examples
