// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "chat_template.hpp"
#include "encoder.hpp"
#include "server_dialect.hpp"

namespace lore_examples {

/// Whether the begin-of-text token of a rendered conversation is sent along. Tokenisers that add one
/// themselves must not get a second. `automatic` asks the server's tokeniser where it can be asked, sends
/// vLLM the text with "add_special_tokens": false, and otherwise drops the token, since most servers add it.
enum class BeginToken : std::uint8_t { automatic, keep, drop };

/// @throws std::invalid_argument for any other name than auto, keep, drop
[[nodiscard]] BeginToken begin_token_from(std::string_view name);

/// How to reach and ask the server; the names of the command line's options are in parentheses.
struct ServerOptions {
  std::string url = "http://127.0.0.1:8080";          ///< (--server-url)
  Dialect dialect = Dialect::automatic;               ///< (--server-dialect)
  std::string model;                                  ///< empty: the only one it has (--server-model)
  ChatTemplate chat_template = ChatTemplate::server;  ///< (--chat-template)
  BeginToken begin_token = BeginToken::automatic;     ///< (--server-bos)
  std::size_t batch = 16;                             ///< conversations in a request (--server-batch)
  std::size_t parallel = 4;                           ///< requests in flight (--server-parallel)
  double timeout_seconds = 600;                       ///< (--server-timeout)
  int retries = 8;                                    ///< (--server-retries)
  double first_wait_seconds = 1;                      ///< before the first retry; doubles, up to a minute
  std::string api_key_variable;                       ///< environment variable (--api-key-env)
  bool accept_unit_length = false;                    ///< (--accept-unit-length)
  std::filesystem::path cache;                        ///< required (--embedding-cache)

  /// @throws std::invalid_argument naming the option, what was got and wanted
  void validate() const;
};

/// Embeds conversations by a running model: the un-normalised hidden state, after the final norm, of the
/// token that ends the reply, which is what a reward head reads. Vectors go to the cache file as they come;
/// what the file has is not asked again, and equal conversations are asked once. The result does not depend
/// on how often the work was interrupted, on the number of requests in flight, or on the order of the
/// answers.
///
/// Refuses, with the reason and a remedy, rather than return vectors that no reward head was trained on:
/// those of unit length, of a conversation whose last turn is not closed, that begins with two begin-of-text
/// tokens, or whose last token after the server's tokeniser is another one; and those that hold NaN, zeros
/// only, or another dimension than the others.
class ServerEncoder final : public Encoder {
 public:
  /// Asks the server who it is, unless dialect and model are given.
  /// @throws std::runtime_error when nobody answers, or (with the package's name) in a program built without
  ///         cpp-httplib; std::invalid_argument; lore::io_error for the cache
  explicit ServerEncoder(ServerOptions options);
  ~ServerEncoder() override;

  /// "<model>, template <template>"
  [[nodiscard]] std::string name() const override;

  /// On an interrupt (see interrupt.hpp) the vectors that came are in the cache, and std::runtime_error says
  /// so.
  [[nodiscard]] lore::FeatureMatrix encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                                           Progress& progress) override;

  [[nodiscard]] Dialect dialect() const noexcept;
  /// Conversations that the last `encode` sent to the server.
  [[nodiscard]] std::size_t sent() const noexcept;

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace lore_examples
