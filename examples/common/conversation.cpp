// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "conversation.hpp"

#include <cstdint>
#include <cstdio>
#include <utility>

#include "hash.hpp"

namespace lore_examples {

std::string conversation_id(const Conversation& messages) {
  std::uint64_t first = 1;
  std::uint64_t second = 2;
  // Each part is chained with its length, so no two splits of the same bytes agree.
  const auto chain = [&](const std::string& part) {
    first = hash64(part, first + part.size());
    second = hash64(part, second ^ mix(part.size() + 1));
  };
  for (const Message& message : messages) {
    chain(message.role);
    chain(message.content);
  }
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(second));
  return text;
}

Index ConversationTable::add(Conversation messages) {
  std::string id = conversation_id(messages);
  const auto [place, is_new] = row_.try_emplace(id, static_cast<Index>(items_.size()));
  if (is_new) items_.push_back({std::move(id), std::move(messages)});
  return place->second;
}

}  // namespace lore_examples
