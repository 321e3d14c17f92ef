// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "server_encoder.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "embedding_cache.hpp"
#include "http_client.hpp"
#include "interrupt.hpp"

namespace lore_examples {
namespace {

// Above this, a number of seconds does not fit the HTTP library's clocks.
constexpr double longest_seconds = 86'400;

// How far from 1 the length of a normalised vector may be, after rounding to f16 and to text.
constexpr double unit_tolerance = 1e-3;

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(std::ceil(seconds * 1000)));
}

std::string read_api_key(const std::string& variable) {
  if (variable.empty()) return {};
  const char* key = std::getenv(variable.c_str());
  if (key == nullptr || *key == '\0')
    throw std::invalid_argument(
        "--api-key-env: got the name \"" + variable +
        "\", wanted that of an environment variable that holds the key; it is not set");
  return key;
}

HttpOptions http_options(const ServerOptions& options) {
  HttpOptions http;
  http.url = options.url;
  http.api_key = read_api_key(options.api_key_variable);
  http.timeout = milliseconds(options.timeout_seconds);
  http.first_wait = milliseconds(options.first_wait_seconds);
  http.retries = options.retries;
  return http;
}

// Whoever mistyped the address need not wait as long as a run of hours may.
HttpOptions first_contact(HttpOptions http) {
  http.retries = std::min(http.retries, 3);
  return http;
}

bool absent(int status) { return status == 404 || status == 405 || status == 501; }

// An answer with a status that is no success and no reason to try again.
struct RefusedRequest : std::runtime_error {
  RefusedRequest(int number, const std::string& text) : std::runtime_error(text), status(number) {}
  int status;
};

[[noreturn]] void raise_refused(const std::string& path, const HttpAnswer& answer) {
  const std::string said = error_text(answer.body);
  std::string text = path + ": the server answers " + std::to_string(answer.status) + ": " + said;
  const auto says = [&](std::string_view words) { return said.find(words) != std::string::npos; };
  if (answer.status == 401 || answer.status == 403)
    text += " (name the environment variable that holds its key with --api-key-env)";
  else if (says("too large to process") || says("context size") || says("physical batch size"))
    text += " (start llama-server with -c, -b and -ub at least the tokens of the longest conversation)";
  else if (says("prefill"))
    text += " (start llama-server with --no-prefill-assistant)";
  else if (answer.status == 501 && path == "/embedding")
    text += " (start llama-server with --embeddings --pooling last)";
  throw RefusedRequest(answer.status, text);
}

std::string describe(std::span<const EncodeItem* const> items) {
  std::string text = items.size() == 1 ? "conversation " : "conversations ";
  for (std::size_t i = 0; i < std::min<std::size_t>(items.size(), 3); ++i)
    text += (i > 0 ? ", " : "") + items[i]->id;
  if (items.size() > 3) text += " and " + std::to_string(items.size() - 3) + " more";
  return text;
}

bool all_unit_length(const Vectors& vectors) {
  const auto d = static_cast<std::size_t>(vectors.dimension);
  for (std::size_t at = 0; at < vectors.values.size(); at += d) {
    double square = 0;
    for (std::size_t i = 0; i < d; ++i) square += std::pow(static_cast<double>(vectors.values[at + i]), 2);
    if (std::abs(std::sqrt(square) - 1) > unit_tolerance) return false;
  }
  return true;
}

template <class T>
lore::FeatureMatrix assemble(const EmbeddingCache& cache, std::span<const CacheKey> keys,
                             const std::vector<EncodeItem>& items) {
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> table(cache.dimension(), static_cast<Index>(keys.size()));
  for (std::size_t j = 0; j < keys.size(); ++j) {
    const Eigen::Map<const Eigen::VectorXf> vector(cache.find(keys[j]), cache.dimension());
    auto column = table.col(static_cast<Index>(j));
    column = vector.template cast<T>();
    if constexpr (!std::is_same_v<T, float>) {
      for (Index i = 0; i < cache.dimension(); ++i)
        if (!std::isfinite(static_cast<float>(column[i]))) [[unlikely]]
          throw std::runtime_error("conversation " + items[j].id + ": value " + std::to_string(vector[i]) +
                                   " overflows the storage asked for, wanted at most " +
                                   (std::is_same_v<T, Eigen::half> ? "65504 in size: store bf16 or f32"
                                                                   : "what bf16 holds: store f32"));
    }
  }
  return lore::FeatureMatrix::own<T>(std::move(table));
}

}  // namespace

BeginToken begin_token_from(std::string_view name) {
  if (name == "auto") return BeginToken::automatic;
  if (name == "keep") return BeginToken::keep;
  if (name == "drop") return BeginToken::drop;
  throw std::invalid_argument("--server-bos: got \"" + std::string(name) + "\", wanted auto, keep or drop");
}

void ServerOptions::validate() const {
  const auto check = [](bool good, const char* option, const std::string& got, const char* wanted) {
    if (!good) throw std::invalid_argument(std::string(option) + ": got " + got + ", wanted " + wanted);
  };
  check(batch >= 1 && batch <= 4096, "--server-batch", std::to_string(batch), "1 to 4096");
  check(parallel >= 1 && parallel <= 256, "--server-parallel", std::to_string(parallel), "1 to 256");
  check(timeout_seconds > 0 && timeout_seconds <= longest_seconds, "--server-timeout",
        std::to_string(timeout_seconds), "seconds above 0, at most a day");
  check(first_wait_seconds >= 0 && first_wait_seconds <= longest_seconds, "the first wait",
        std::to_string(first_wait_seconds), "seconds, 0 or above, at most a day");
  check(retries >= 0 && retries <= 1000, "--server-retries", std::to_string(retries), "0 to 1000");
  check(!cache.empty(), "--embedding-cache", "nothing", "the path of a file that keeps the vectors");
}

// ---- the session ----------------------------------------------------------------------------------------

class ServerEncoder::Session {
 public:
  explicit Session(ServerOptions options)
      : options_((options.validate(), std::move(options))),
        http_(http_options(options_)),
        client_(first_contact(http_)) {
    introduce();
    if (options_.chat_template == ChatTemplate::server && form_.dialect != Dialect::llama &&
        form_.dialect != Dialect::vllm)
      static_cast<void>(render_request(form_, probe_conversation()));  // says what to do instead
    cache_.emplace(options_.cache);
  }

  std::string name() const {
    return form_.model + ", template " + std::string(name_of(options_.chat_template));
  }
  Dialect dialect() const noexcept { return form_.dialect; }
  std::size_t sent() const noexcept { return sent_; }

  lore::FeatureMatrix encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                             Progress& progress) {
    if (items.empty())
      throw std::invalid_argument("ServerEncoder::encode: got no items, wanted at least one");
    if (storage == lore::Storage::f64)
      throw std::invalid_argument("ServerEncoder::encode: got storage f64, wanted f32, f16 or bf16");
    std::vector<CacheKey> keys;
    keys.reserve(items.size());
    std::vector<const EncodeItem*> missing;
    std::vector<CacheKey> missing_keys;
    std::unordered_set<std::string> seen;
    for (const EncodeItem& item : items) {
      std::string id = conversation_id(item.messages);
      keys.push_back(cache_key({"1", name_of(form_.dialect), form_.model, name_of(options_.chat_template),
                                chat_template_text_, std::to_string(static_cast<int>(options_.begin_token)),
                                options_.accept_unit_length ? "unit length accepted" : "", id}));
      if (cache_->contains(keys.back()) || !seen.insert(std::move(id)).second) continue;
      missing.push_back(&item);
      missing_keys.push_back(keys.back());
    }
    sent_ = 0;
    if (!missing.empty()) {
      learn_marks();
      embed_all(missing, missing_keys, progress);
    }
    switch (storage) {
      case lore::Storage::f16:
        return assemble<Eigen::half>(*cache_, keys, items);
      case lore::Storage::bf16:
        return assemble<Eigen::bfloat16>(*cache_, keys, items);
      default:
        return assemble<float>(*cache_, keys, items);
    }
  }

 private:
  // ---- who is there ----

  void introduce() {
    std::size_t largest_batch = 0;
    form_.dialect = options_.dialect;
    form_.model = options_.model;
    const auto meet = [&](const char* path, Dialect asked, Introduction (*read)(const std::string&)) {
      const bool unknown = form_.dialect == Dialect::automatic;
      if (!unknown && form_.dialect != asked) return;
      const HttpAnswer answer = client_.send({"GET", path, {}});
      if (answer.status == 401 || answer.status == 403 || (answer.status >= 500 && !absent(answer.status)))
        raise_refused(path, answer);
      if (answer.status != 200) return;
      const Introduction found = read(answer.body);
      if (found.dialect == Dialect::automatic) return;
      if (unknown) form_.dialect = found.dialect;
      if (form_.model.empty()) form_.model = found.model;
      chat_template_text_ = found.chat_template;
      largest_batch = found.largest_batch;
    };
    meet("/props", Dialect::llama, read_props);
    meet("/info", Dialect::tei, read_info);
    if (form_.dialect != Dialect::llama && form_.dialect != Dialect::tei)
      meet("/v1/models", form_.dialect, read_models);
    if (form_.dialect == Dialect::automatic)
      throw std::runtime_error(
          options_.url +
          ": this server does not say what it is (asked /props, /info, /v1/models); name "
          "its kind with --server-dialect llama, vllm, tei or openai");
    if (form_.model.empty())
      throw std::runtime_error(options_.url +
                               ": the server names no model, or several; choose with --server-model");
    if (options_.chat_template != ChatTemplate::server) chat_template_text_.clear();
    if (largest_batch > 0) options_.batch = std::min(options_.batch, largest_batch);
  }

  // ---- what a conversation must look like ----

  // Sends, and turns what is no success into an error. An answer cut short is asked for again.
  template <class Parse>
  auto ask(HttpClient& client, const HttpRequest& request, const std::stop_token& stop, Parse&& parse) const {
    for (int attempt = 0;; ++attempt) {
      const HttpAnswer answer = client.send(request, stop);
      if (answer.status != 200) raise_refused(request.path, answer);
      try {
        return parse(answer.body);
      } catch (const BrokenAnswer& broken) {
        if (attempt >= client.options().retries)
          throw std::runtime_error(request.path + ": " + broken.what());
      }
      client.wait(attempt, "an answer cut short", stop);
    }
  }

  // Nothing where the server has no such endpoint.
  std::optional<std::vector<Token>> tokenize(const std::string& text, bool add_special) {
    if (form_.dialect == Dialect::openai) return std::nullopt;
    try {
      return ask(client_, tokenize_request(form_, text, add_special), {},
                 [&](const std::string& body) { return parse_tokens(form_, body); });
    } catch (const RefusedRequest& refused) {
      if (absent(refused.status)) return std::nullopt;
      throw;
    }
  }

  // Renders the probe, learns what closes a turn and what the tokeniser adds, and checks both.
  void learn_marks() {
    if (options_.chat_template == ChatTemplate::none) return;
    learn_added_tokens();
    if (options_.chat_template != ChatTemplate::server) {
      marks_ = marks_of(options_.chat_template);
    } else {
      Prompt probe = ask(client_, render_request(form_, probe_conversation()), {},
                         [&](const std::string& body) { return parse_rendered(form_, body); });
      if (!probe.tokens.empty()) {
        check_begin(probe.tokens);
        probe.text = ask(client_, detokenize_request(form_, probe.tokens), {}, parse_text);
        marks_ = marks_from_probe(probe.text);
        // The last token, and the one before it where white space follows the end mark.
        const std::size_t tail = probe.text.ends_with(marks_.end) ? 1 : 2;
        tail_.assign(probe.tokens.end() - static_cast<std::ptrdiff_t>(std::min(tail, probe.tokens.size())),
                     probe.tokens.end());
        return;
      }
      marks_ = marks_from_probe(probe.text);
    }
    check_tokenised(prompt_of(client_, probe_conversation(), {}).text);
  }

  // The tokens that the tokeniser puts before a text by itself, if it can be asked.
  void learn_added_tokens() {
    if (form_.dialect == Dialect::vllm) return;  // is told to add none
    const auto with = tokenize("a", true);
    const auto without = tokenize("a", false);
    if (!with || !without || with->size() < without->size() || without->empty()) return;
    const auto first = std::find_if(with->begin(), with->end(),
                                    [&](const Token& token) { return token.id == without->front().id; });
    if (first == with->end()) return;
    added_known_ = true;
    added_begin_.clear();
    for (auto token = with->begin(); token != first; ++token) added_begin_ += token->piece;
  }

  bool drops_begin() const {
    if (form_.dialect == Dialect::vllm || options_.begin_token == BeginToken::keep) return false;
    if (options_.begin_token == BeginToken::drop) return true;
    return !added_known_ || !added_begin_.empty();
  }

  static void check_begin(std::span<const std::int64_t> tokens) {
    if (tokens.size() > 1 && tokens[0] == tokens[1])
      throw std::runtime_error(
          "chat template: the server's tokeniser makes two begin-of-text tokens of a conversation (number " +
          std::to_string(tokens[0]) +
          " twice), wanted one; with a template rendered here, --server-bos drop leaves the text's own out");
  }

  // What the model will see of a text: one begin token, and the end mark as one token in the last place.
  void check_tokenised(const std::string& text) {
    const auto tokens = tokenize(text, form_.dialect != Dialect::vllm);
    if (!tokens || tokens->empty()) return;
    std::vector<std::int64_t> ids;
    for (const Token& token : *tokens) ids.push_back(token.id);
    check_begin(ids);
    auto last = tokens->rbegin();
    if (last->piece.empty()) return;  // a server that does not name its tokens
    if (!text.ends_with(marks_.end) && last + 1 != tokens->rend() && last->piece != marks_.end) ++last;
    if (last->piece != marks_.end)
      throw std::runtime_error(
          "chat template: the server's tokeniser ends a conversation with the token \"" +
          tokens->back().piece + "\", wanted \"" + marks_.end +
          "\": either its vocabulary has no such token (another --chat-template?), or it adds a token of its "
          "own behind it, whose hidden state is not the one a reward head reads");
  }

  Prompt prompt_of(HttpClient& client, const Conversation& messages, const std::stop_token& stop) const {
    Prompt prompt;
    if (options_.chat_template != ChatTemplate::server)
      prompt.text = render(options_.chat_template, messages);
    else
      prompt = ask(client, render_request(form_, messages), stop,
                   [&](const std::string& body) { return parse_rendered(form_, body); });
    if (!prompt.tokens.empty()) {
      check_begin(prompt.tokens);
      if (prompt.tokens.size() < tail_.size() ||
          !std::equal(tail_.rbegin(), tail_.rend(), prompt.tokens.rbegin()))
        throw std::runtime_error("chat template: the last token of the rendered conversation has number " +
                                 std::to_string(prompt.tokens.back()) + ", wanted the end-of-turn token \"" +
                                 marks_.end + "\"");
      return prompt;
    }
    check_rendered(prompt.text, marks_);
    const std::string& begin = added_begin_.empty() ? marks_.begin : added_begin_;
    if (drops_begin() && !begin.empty() && prompt.text.starts_with(begin)) prompt.text.erase(0, begin.size());
    return prompt;
  }

  // ---- embedding ----

  Vectors embed_once(HttpClient& client, const EmbedForm& form, std::span<const Prompt> prompts,
                     const std::stop_token& stop) const {
    return ask(client, embed_request(form, prompts), stop,
               [&](const std::string& body) { return parse_vectors(form, body, prompts.size()); });
  }

  // A batch that the server refuses is sent one by one: then it is small enough, or the text at fault is
  // named.
  Vectors embed_batch(HttpClient& client, std::span<const EncodeItem* const> items,
                      const std::stop_token& stop) const {
    std::vector<Prompt> prompts;
    for (const EncodeItem* item : items) {
      try {
        prompts.push_back(prompt_of(client, item->messages, stop));
      } catch (const HttpStopped&) {
        throw;
      } catch (const std::exception& error) {
        throw std::runtime_error("conversation " + item->id + ": " + error.what());
      }
    }
    try {
      return embed_once(client, form_, prompts, stop);
    } catch (const RefusedRequest& refused) {
      const bool about_the_texts = refused.status == 400 || refused.status == 413 || refused.status == 422;
      if (items.size() == 1 || !about_the_texts)
        throw std::runtime_error(describe(items) + ": " + refused.what());
    } catch (const HttpStopped&) {
      throw;
    } catch (const std::exception& error) {
      throw std::runtime_error(describe(items) + ": " + error.what());
    }
    Vectors all;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Vectors one = embed_batch(client, items.subspan(i, 1), stop);
      if (i == 0) all.dimension = one.dimension;
      check_dimension(one.dimension, all.dimension, items.subspan(i, 1));
      all.values.insert(all.values.end(), one.values.begin(), one.values.end());
    }
    return all;
  }

  static void check_dimension(Index got, Index wanted, std::span<const EncodeItem* const> items) {
    if (got != wanted)
      throw std::runtime_error(describe(items) + ": got vectors of dimension " + std::to_string(got) +
                               ", wanted " + std::to_string(wanted) + " as for the others");
  }

  // The first batch, alone: finds the form of request that brings un-normalised vectors.
  Vectors embed_first(HttpClient& client, std::span<const EncodeItem* const> items,
                      const std::stop_token& stop) {
    if (form_.dialect == Dialect::vllm) {
      const Prompt prompt = prompt_of(client, items.front()->messages, stop);
      try {
        static_cast<void>(embed_once(client, form_, {&prompt, 1}, stop));
      } catch (const RefusedRequest& refused) {
        if (!absent(refused.status)) throw;
        form_.pooling_endpoint = true;
      }
    }
    Vectors vectors = embed_batch(client, items, stop);
    if (options_.accept_unit_length || !all_unit_length(vectors)) return vectors;
    if (form_.dialect == Dialect::vllm) {
      form_.word = VllmWord::normalize;
      try {
        vectors = embed_batch(client, items, stop);
        if (!all_unit_length(vectors)) return vectors;
      } catch (const HttpStopped&) {
        throw;
      } catch (const std::exception&) {  // later versions refuse the word; the complaint is the same
      }
      form_.word = VllmWord::use_activation;
    }
    throw std::runtime_error(
        options_.url +
        ": every vector has length 1, so the server normalises. A reward head needs the hidden "
        "state as it is; training on these would be wrong without looking wrong. llama.cpp: a build whose "
        "/embedding knows \"embd_normalize\"; vLLM: start it with --pooler-config '{\"pooling_type\": "
        "\"LAST\", "
        "\"use_activation\": false}' (up to 0.16 \"normalize\": false); others: an endpoint that can leave "
        "it "
        "out. --accept-unit-length takes the vectors as they are.");
  }

  void keep(std::span<const EncodeItem* const> items, std::span<const CacheKey> keys, const Vectors& vectors,
            Progress& progress) {
    if (cache_->dimension() != 0 && vectors.dimension != cache_->dimension())
      throw std::runtime_error(describe(items) + ": got vectors of dimension " +
                               std::to_string(vectors.dimension) + ", wanted " +
                               std::to_string(cache_->dimension()) + " as in " + cache_->path().string() +
                               "; another model? Name another file with --embedding-cache");
    cache_->append(keys, vectors.values, vectors.dimension);
    sent_ += items.size();
    progress.advance(items.size());
  }

  void embed_all(std::span<const EncodeItem* const> items, std::span<const CacheKey> keys,
                 Progress& progress) {
    progress.begin("Embedding", items.size());
    const std::size_t batches = (items.size() + options_.batch - 1) / options_.batch;
    const auto part = [&](auto list, std::size_t b) {
      return list.subspan(b * options_.batch, std::min(options_.batch, list.size() - b * options_.batch));
    };
    std::stop_source stopping;
    std::mutex mutex;
    std::condition_variable finished;
    std::exception_ptr failure;
    std::size_t running = 0;
    std::size_t next = 1;

    const auto guarded = [&](auto&& work) {
      try {
        work();
      } catch (const HttpStopped&) {
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        stopping.request_stop();
      }
      const std::lock_guard lock(mutex);
      --running;
      finished.notify_all();
    };
    // Returns when all workers have; an interrupt stops them.
    const auto watch = [&] {
      std::unique_lock lock(mutex);
      while (!finished.wait_for(lock, std::chrono::milliseconds(100), [&] { return running == 0; }))
        if (interrupted()) stopping.request_stop();
    };
    const auto run = [&](std::size_t workers, auto work) {
      running = workers;
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < workers; ++i) threads.emplace_back([&guarded, work] { guarded(work); });
      watch();
    };

    HttpOptions http = http_;
    http.on_wait = [&](const std::string& why) {
      const std::lock_guard lock(mutex);
      progress.update(sent_, why);
    };
    run(1, [&] {
      HttpClient client(http);
      const Vectors vectors = embed_first(client, part(items, 0), stopping.get_token());
      const std::lock_guard lock(mutex);
      keep(part(items, 0), part(keys, 0), vectors, progress);
    });
    if (!failure && !stopping.stop_requested() && batches > 1)
      run(std::min(options_.parallel, batches - 1), [&] {
        HttpClient client(http);
        for (;;) {
          std::size_t batch = 0;
          {
            const std::lock_guard lock(mutex);
            if (next == batches || stopping.stop_requested()) return;
            batch = next++;
          }
          const Vectors vectors = embed_batch(client, part(items, batch), stopping.get_token());
          const std::lock_guard lock(mutex);
          keep(part(items, batch), part(keys, batch), vectors, progress);
        }
      });
    progress.end();
    const std::string kept = std::to_string(sent_) + " of " + std::to_string(items.size()) +
                             " embeddings are kept in " + cache_->path().string() +
                             "; the same command goes on from there";
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const lore::io_error&) {
        throw;
      } catch (const std::exception& error) {
        throw std::runtime_error(std::string(error.what()) + "\n" + kept);
      }
    }
    if (stopping.stop_requested()) throw std::runtime_error("interrupted: " + kept);
  }

  ServerOptions options_;
  HttpOptions http_;
  HttpClient client_;
  EmbedForm form_;
  std::string chat_template_text_;
  std::optional<EmbeddingCache> cache_;
  TurnMarks marks_;
  std::vector<std::int64_t> tail_;
  bool added_known_ = false;
  std::string added_begin_;
  std::size_t sent_ = 0;
};

ServerEncoder::ServerEncoder(ServerOptions options)
    : session_(std::make_unique<Session>(std::move(options))) {}
ServerEncoder::~ServerEncoder() = default;
std::string ServerEncoder::name() const { return session_->name(); }
Dialect ServerEncoder::dialect() const noexcept { return session_->dialect(); }
std::size_t ServerEncoder::sent() const noexcept { return session_->sent(); }

lore::FeatureMatrix ServerEncoder::encode(const std::vector<EncodeItem>& items, lore::Storage storage,
                                          Progress& progress) {
  return session_->encode(items, storage, progress);
}

}  // namespace lore_examples
