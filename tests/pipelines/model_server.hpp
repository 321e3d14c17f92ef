// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "chat_template.hpp"
#include "hash.hpp"
#include "server_dialect.hpp"

namespace lore_test {

/// What the server in the test is and does. The model's vectors depend on nothing but the text that reaches
/// it after tokenising, so two servers agree whatever their dialect.
struct ModelServerOptions {
  lore_examples::Dialect dialect = lore_examples::Dialect::llama;
  int dimension = 8;
  bool adds_begin = true;     ///< the tokeniser puts <|begin_of_text|> before a text
  bool adds_end = false;      ///< the tokeniser puts </s> behind a text
  bool has_tokenizer = true;  ///< /tokenize is there
  bool drops_end = false;     ///< takes the last reply for a prefill
  bool doubles_begin = false;
  bool opens_turn = false;    ///< renders a generation prompt whatever it is asked
  bool normalises = false;    ///< whatever it is asked
  bool old_vllm = false;      ///< knows "normalize", not "use_activation"
  bool pooling_only = false;  ///< vLLM without /v1/embeddings
  bool reversed = false;      ///< answers in the reverse order, with indices
  bool introduces_itself = true;
  std::string api_key;
  std::size_t largest_batch = 32;
  /// Called for every request for vectors, with its number from 0; returns true if it answered.
  std::function<bool(int, const httplib::Request&, httplib::Response&)> misbehave;
};

class ModelServer {
 public:
  using Json = nlohmann::json;
  using Dialect = lore_examples::Dialect;

  explicit ModelServer(ModelServerOptions options) : options_(std::move(options)) {
    server_.set_tcp_nodelay(true);
    route();
    port_ = server_.bind_to_any_port("127.0.0.1");
    if (port_ <= 0) throw std::runtime_error("no port on 127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~ModelServer() {
    server_.stop();
    thread_.join();
  }
  ModelServer(const ModelServer&) = delete;
  ModelServer& operator=(const ModelServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int requests() const { return requests_; }
  int embedded() const { return embedded_; }
  int most_at_once() const { return most_at_once_; }
  /// The texts the model has read, begin-of-text token included.
  std::set<std::string> read() {
    const std::lock_guard lock(mutex_);
    return read_;
  }

  /// Lengths between about 2 and 20, never 1.
  std::vector<float> vector_of(const std::string& text, bool unit) const {
    std::vector<float> values;
    double square = 0;
    for (int k = 0; k < options_.dimension; ++k) {
      const auto bits = lore_examples::hash64(text, static_cast<std::uint64_t>(k) + 1);
      values.push_back(static_cast<float>(static_cast<double>(bits >> 40) / 16777216.0 * 8.0 - 4.0) + 0.5f);
      square += static_cast<double>(values.back()) * static_cast<double>(values.back());
    }
    if (unit)
      for (float& value : values) value = static_cast<float>(static_cast<double>(value) / std::sqrt(square));
    return values;
  }

 private:
  // A tokeniser of special tokens and bytes.
  static constexpr std::array<std::string_view, 7> special = {
      "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|im_start|>",
      "<|im_end|>",        "</s>"};

  std::vector<int> tokens_of(std::string_view text, bool add_special) const {
    std::vector<int> ids;
    if (add_special && options_.adds_begin) ids.push_back(1000);
    while (!text.empty()) {
      std::size_t used = 0;
      for (std::size_t s = 0; s < special.size() && used == 0; ++s)
        if (text.starts_with(special[s])) {
          ids.push_back(1000 + static_cast<int>(s));
          used = special[s].size();
        }
      if (used == 0) {
        ids.push_back(static_cast<unsigned char>(text.front()));
        used = 1;
      }
      text.remove_prefix(used);
    }
    if (add_special && options_.adds_end) ids.push_back(1006);
    return ids;
  }
  static std::string piece_of(int id) {
    return id >= 1000 ? std::string(special[static_cast<std::size_t>(id - 1000)])
                      : std::string(1, static_cast<char>(id));
  }
  static std::string text_of(const std::vector<int>& ids) {
    std::string text;
    for (const int id : ids) text += piece_of(id);
    return text;
  }

  std::string rendered(const Json& messages, bool opens_turn) const {
    lore_examples::Conversation conversation;
    for (const Json& message : messages)
      conversation.push_back(
          {message.at("role").get<std::string>(), message.at("content").get<std::string>()});
    std::string text = lore_examples::render(lore_examples::ChatTemplate::llama3, conversation);
    if (options_.drops_end) text.resize(text.size() - special[1].size());
    if (options_.doubles_begin) text = std::string(special[0]) + text;
    if (opens_turn || options_.opens_turn) text += "<|start_header_id|>assistant<|end_header_id|>\n\n";
    // llama-server leaves out what its tokeniser adds.
    if (options_.dialect == Dialect::llama && options_.adds_begin && !options_.doubles_begin)
      text.erase(0, special[0].size());
    return text;
  }

  static void reply(httplib::Response& response, const Json& json) {
    response.set_content(json.dump(-1, ' ', false, Json::error_handler_t::replace), "application/json");
  }

  Json vectors(const httplib::Request&, const Json& inputs, bool add_special, bool unit) {
    Json list = Json::array();
    for (const Json& input : inputs) {
      const std::string text = text_of(input.is_string() ? tokens_of(input.get<std::string>(), add_special)
                                                         : input.get<std::vector<int>>());
      list.push_back(vector_of(text, unit || options_.normalises));
      ++embedded_;
      const std::lock_guard lock(mutex_);
      read_.insert(text);
    }
    return list;
  }

  // Entries with their index, as the names say, in whatever order.
  Json entries(const Json& list, const char* name, bool nested) const {
    Json out = Json::array();
    for (std::size_t i = 0; i < list.size(); ++i) {
      const std::size_t at = options_.reversed ? list.size() - 1 - i : i;
      out.push_back(
          {{"index", at}, {"object", "embedding"}, {name, nested ? Json::array({list[at]}) : list[at]}});
    }
    return out;
  }

  template <class Answer>
  void on_vectors(const char* path, Answer answer) {
    server_.Post(path, [this, answer](const httplib::Request& request, httplib::Response& response) {
      const int now = ++at_once_;
      int most = most_at_once_;
      while (most < now && !most_at_once_.compare_exchange_weak(most, now)) {
      }
      const int number = requests_++;
      if (!allowed(request, response)) {
      } else if (!options_.misbehave || !options_.misbehave(number, request, response)) {
        answer(request, response, Json::parse(request.body));
      }
      --at_once_;
    });
  }

  bool allowed(const httplib::Request& request, httplib::Response& response) const {
    if (options_.api_key.empty() || request.get_header_value("Authorization") == "Bearer " + options_.api_key)
      return true;
    response.status = 401;
    reply(response, {{"error", {{"message", "Invalid API Key"}, {"code", 401}}}});
    return false;
  }

  void route() {
    const auto get = [&](const char* path, Json body) {
      if (!options_.introduces_itself) return;
      server_.Get(path, [this, body](const httplib::Request& request, httplib::Response& response) {
        if (allowed(request, response)) reply(response, body);
      });
    };
    switch (options_.dialect) {
      case Dialect::llama:
        get("/props", {{"default_generation_settings", Json::object()},
                       {"model_path", "/models/reward-8b.gguf"},
                       {"chat_template", "{{ messages }}"},
                       {"build_info", "b1"}});
        get("/v1/models", {{"data", {{{"id", "reward-8b.gguf"}, {"owned_by", "llamacpp"}}}}});
        server_.Post("/apply-template", [this](const httplib::Request& request, httplib::Response& response) {
          const Json body = Json::parse(request.body);
          reply(response,
                {{"prompt", rendered(body.at("messages"), body.value("add_generation_prompt", true))}});
        });
        if (options_.has_tokenizer)
          server_.Post("/tokenize", [this](const httplib::Request& request, httplib::Response& response) {
            const Json body = Json::parse(request.body);
            Json list = Json::array();
            for (const int id :
                 tokens_of(body.at("content").get<std::string>(), body.value("add_special", false)))
              list.push_back(
                  {{"id", id}, {"piece", id < 128 || id >= 1000 ? Json(piece_of(id)) : Json::array({id})}});
            reply(response, {{"tokens", list}});
          });
        on_vectors("/embedding", [this](const auto& request, auto& response, const Json& body) {
          reply(response,
                entries(vectors(request, body.at("content"), true, body.value("embd_normalize", 2) != -1),
                        "embedding", true));
        });
        break;
      case Dialect::vllm: {
        get("/v1/models", {{"object", "list"}, {"data", {{{"id", "acme/reward-8b"}, {"owned_by", "vllm"}}}}});
        server_.Post("/tokenize", [this](const httplib::Request& request, httplib::Response& response) {
          const Json body = Json::parse(request.body);
          const auto ids =
              body.contains("messages")
                  ? tokens_of(rendered(body.at("messages"), body.value("add_generation_prompt", true)),
                              body.value("add_special_tokens", false))
                  : tokens_of(body.at("prompt").get<std::string>(), body.value("add_special_tokens", true));
          Json pieces = Json::array();
          for (const int id : ids) pieces.push_back(id == '\n' ? "\u010a" : piece_of(id));
          reply(response,
                {{"count", ids.size()}, {"max_model_len", 8192}, {"tokens", ids}, {"token_strs", pieces}});
        });
        server_.Post("/detokenize", [](const httplib::Request& request, httplib::Response& response) {
          reply(response,
                {{"prompt", text_of(Json::parse(request.body).at("tokens").get<std::vector<int>>())}});
        });
        const auto answer = [this](const char* name) {
          return [this, name](const auto& request, auto& response, const Json& body) {
            if (!options_.old_vllm && body.contains("normalize")) {
              response.status = 400;
              reply(response, {{"error", {{"message", "Parameter `normalize` was removed"}}}});
              return;
            }
            const bool unit = body.value(options_.old_vllm ? "normalize" : "use_activation", true);
            reply(response, {{"object", "list"},
                             {"data", entries(vectors(request, body.at("input"),
                                                      body.value("add_special_tokens", true), unit),
                                              name, false)}});
          };
        };
        if (!options_.pooling_only) on_vectors("/v1/embeddings", answer("embedding"));
        on_vectors("/pooling", answer("data"));
        break;
      }
      case Dialect::tei:
        get("/info", {{"model_id", "acme/reward-8b"}, {"max_client_batch_size", options_.largest_batch}});
        if (options_.has_tokenizer)
          server_.Post("/tokenize", [this](const httplib::Request& request, httplib::Response& response) {
            const Json body = Json::parse(request.body);
            Json list = Json::array();
            for (const int id :
                 tokens_of(body.at("inputs").get<std::string>(), body.value("add_special_tokens", true)))
              list.push_back({{"id", id}, {"text", piece_of(id)}, {"special", id >= 1000}});
            reply(response, Json::array({list}));
          });
        on_vectors("/embed", [this](const auto& request, auto& response, const Json& body) {
          if (body.at("inputs").size() > options_.largest_batch) {
            response.status = 413;
            reply(response, {{"error", "batch size error"}, {"error_type", "Validation"}});
            return;
          }
          reply(response, vectors(request, body.at("inputs"), true, body.value("normalize", true)));
        });
        break;
      default:
        get("/v1/models", {{"object", "list"}, {"data", {{{"id", "reward-8b"}, {"owned_by", "acme"}}}}});
        on_vectors("/v1/embeddings", [this](const auto& request, auto& response, const Json& body) {
          reply(response,
                {{"data", entries(vectors(request, body.at("input"), true, false), "embedding", false)}});
        });
    }
  }

  ModelServerOptions options_;
  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
  std::atomic<int> requests_{0};
  std::atomic<int> embedded_{0};
  std::atomic<int> at_once_{0};
  std::atomic<int> most_at_once_{0};
  std::mutex mutex_;
  std::set<std::string> read_;
};

}  // namespace lore_test
