// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "http_client.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#ifdef LORE_HAVE_HTTPLIB
#include <httplib.h>
#endif

namespace lore_examples {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds longest_retry_after{600'000};

void sleep_unless(const std::stop_token& stop, Milliseconds time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any woken;
  woken.wait_for(lock, stop, time, [] { return false; });
  if (stop.stop_requested()) throw HttpStopped();
}

Milliseconds back_off(const HttpOptions& options, int attempt) {
  Milliseconds time = std::min(options.first_wait, options.longest_wait);
  for (; attempt > 0 && time < options.longest_wait; --attempt)
    time = std::min(2 * time, options.longest_wait);
  return time;
}

std::string seconds_text(Milliseconds time) {
  if (time < Milliseconds(1000)) return std::to_string(time.count()) + " ms";
  return std::to_string((time.count() + 500) / 1000) + " s";
}

void wait_for_retry(const HttpOptions& options, int attempt, std::optional<Milliseconds> asked,
                    const std::string& reason, const std::stop_token& stop) {
  const Milliseconds time = asked ? std::min(*asked, longest_retry_after) : back_off(options, attempt);
  if (options.on_wait)
    options.on_wait(reason + ", again in " + seconds_text(time) + " (" + std::to_string(attempt + 1) +
                    " of " + std::to_string(options.retries) + ")");
  sleep_unless(stop, time);
}

}  // namespace

#ifdef LORE_HAVE_HTTPLIB

namespace {

bool worth_another_try(const httplib::Response& response) {
  switch (response.status) {
    case 408:
    case 425:
    case 429:
    case 502:
    case 503:
    case 504:
      return true;
    case 500:  // what llama-server also says of a text that is too long, and then it will say so again
      return response.body.find("too large") == std::string::npos;
    default:
      return false;
  }
}

// Retry-After in seconds; the form with a date is left to the usual back-off.
std::optional<Milliseconds> retry_after(const httplib::Response& response) {
  const std::string text = response.get_header_value("Retry-After");
  double seconds = 0;
  try {
    std::size_t used = 0;
    seconds = std::stod(text, &used);
    if (used != text.size()) return std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;
  }
  if (!(seconds >= 0)) return std::nullopt;
  return Milliseconds(static_cast<Milliseconds::rep>(std::min(seconds, 1e6) * 1000));
}

struct Address {
  std::string origin;
  std::string prefix;
};

Address parse_url(std::string_view url) {
  const auto refuse = [&](const std::string& wanted) {
    throw std::invalid_argument("--server-url: got \"" + std::string(url) + "\", wanted " + wanted);
  };
  const auto scheme_end = url.find("://");
  const auto scheme = url.substr(0, scheme_end == std::string_view::npos ? 0 : scheme_end);
  if (scheme != "http" && scheme != "https") refuse("http://host:port or https://host:port");
  const auto host_begin = scheme_end + 3;
  const auto slash = std::min(url.find('/', host_begin), url.size());
  if (slash == host_begin) refuse("a host after " + std::string(scheme) + "://");
  if (url.substr(0, slash).find('@') != std::string_view::npos)
    throw std::invalid_argument(
        "--server-url: got a user name or password in the address, wanted them in an "
        "environment variable: --api-key-env NAME");
  std::string_view prefix = url.substr(slash);
  const auto strip = [&](std::string_view end) {
    if (prefix.ends_with(end)) prefix.remove_suffix(end.size());
  };
  strip("/");
  strip("/v1");
  strip("/");
  return {std::string(url.substr(0, slash)), std::string(prefix)};
}

}  // namespace

struct HttpClient::Connection {
  explicit Connection(const std::string& origin) : client(origin) {}

  httplib::Client client;
};

bool http_available() noexcept { return true; }

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)) {
  const Address address = parse_url(options_.url);
  prefix_ = address.prefix;
  if (std::any_of(options_.api_key.begin(), options_.api_key.end(),
                  [](char c) { return static_cast<unsigned char>(c) <= ' '; }))
    throw std::invalid_argument("the API key holds white space or a control character; wanted none");
  connection_ = std::make_unique<Connection>(address.origin);
  httplib::Client& client = connection_->client;
  if (!client.is_valid())
    throw std::invalid_argument("--server-url: got \"" + options_.url + "\", wanted http://host:port" +
                                " (https needs cpp-httplib built with OpenSSL)");
  client.set_keep_alive(true);
  client.set_tcp_nodelay(
      true);  // a request is two writes; the second would wait 40 ms for an acknowledgement
  client.set_connection_timeout(std::min(options_.timeout, Milliseconds(10'000)));
  client.set_read_timeout(options_.timeout);
  client.set_write_timeout(options_.timeout);
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send(const HttpRequest& request, const std::stop_token& stop) {
  httplib::Client& client = connection_->client;
  httplib::Headers headers;
  if (!options_.api_key.empty()) headers.emplace("Authorization", "Bearer " + options_.api_key);
  const std::string path = prefix_ + request.path;
  for (int attempt = 0;; ++attempt) {
    if (stop.stop_requested()) throw HttpStopped();
    const httplib::Result result = [&] {
      // A stop closes the connection, so that nobody waits for an answer that is not wanted any more.
      const std::stop_callback on_stop(stop, [&] { client.stop(); });
      return request.method == "POST" ? client.Post(path, headers, request.body, "application/json")
                                      : client.Get(path, headers);
    }();
    if (stop.stop_requested()) throw HttpStopped();
    if (result) {
      if (!worth_another_try(*result) || attempt >= options_.retries)
        return {result->status, std::move(result->body)};
      wait_for_retry(options_, attempt, retry_after(*result), "status " + std::to_string(result->status),
                     stop);
    } else {
      const std::string reason = httplib::to_string(result.error());
      if (attempt >= options_.retries)
        throw std::runtime_error(request.method + " " + options_.url + ": " + request.path +
                                 ": got no answer in " + std::to_string(attempt + 1) +
                                 " attempts (last: " + reason + "); is the server running there, and is " +
                                 seconds_text(options_.timeout) + " enough (--server-timeout)?");
      wait_for_retry(options_, attempt, std::nullopt, reason, stop);
    }
  }
}

#else

struct HttpClient::Connection {};

bool http_available() noexcept { return false; }

HttpClient::HttpClient(HttpOptions) {
  throw std::runtime_error(
      "embeddings from a server need the HTTP library cpp-httplib, which was not found when this program was "
      "built: install it (Debian and Ubuntu: apt install libcpp-httplib-dev), then configure and build "
      "again");
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send(const HttpRequest&, const std::stop_token&) { return {}; }

#endif

void HttpClient::wait(int attempt, const std::string& reason, const std::stop_token& stop) const {
  wait_for_retry(options_, attempt, std::nullopt, reason, stop);
}

}  // namespace lore_examples
