// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>

namespace lore_examples {

/// Where requests go and how patient to be.
struct HttpOptions {
  std::string url;      ///< scheme://host[:port][/prefix]; a prefix that ends in /v1 loses that part
  std::string api_key;  ///< sent as "Authorization: Bearer ..."; empty: none. Never part of a message
  std::chrono::milliseconds timeout{600'000};      ///< without any byte of an answer
  std::chrono::milliseconds first_wait{1'000};     ///< before the first retry; doubles with each
  std::chrono::milliseconds longest_wait{60'000};  ///< what it doubles up to
  int retries = 8;                                 ///< attempts after the first
  /// Told why and how long a request waits before it is tried again; called from the thread that sends.
  std::function<void(const std::string&)> on_wait;
};

struct HttpRequest {
  std::string method = "GET";  ///< GET or POST
  std::string path;            ///< begins with /
  std::string body;            ///< JSON, for POST
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// Thrown by `send` when the stop token asked for it.
struct HttpStopped : std::runtime_error {
  HttpStopped() : std::runtime_error("stopped") {}
};

/// Whether this program was built with an HTTP library.
[[nodiscard]] bool http_available() noexcept;

/// One connection, kept alive between requests; for one thread at a time.
class HttpClient {
 public:
  /// @throws std::runtime_error if the program was built without cpp-httplib (the text names the package);
  ///         std::invalid_argument for a URL that is none
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// The server's answer. A connection that cannot be made or breaks, a timeout, and the statuses 408, 425,
  /// 429, 500, 502, 503 and 504 are tried again after a wait that doubles each time, or that the server names
  /// in Retry-After; after the last attempt such a status is returned like any other.
  /// @throws std::runtime_error if the last attempt brought no answer at all; HttpStopped
  [[nodiscard]] HttpAnswer send(const HttpRequest& request, const std::stop_token& stop = {});

  /// Waits before attempt number `attempt` + 1, as `send` does between its own.
  void wait(int attempt, const std::string& reason, const std::stop_token& stop) const;

  [[nodiscard]] const HttpOptions& options() const noexcept { return options_; }

 private:
  struct Connection;

  HttpOptions options_;
  std::string prefix_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace lore_examples
