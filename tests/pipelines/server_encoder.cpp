// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "server_encoder.hpp"

#include <stdexcept>
#include <string>

#include "lore_catch.hpp"

#ifndef LORE_HAVE_HTTPLIB

TEST_CASE("without cpp-httplib the server encoder says what to install") {
  lore_examples::ServerOptions options;
  options.cache = "unused.cache";
  std::string complaint;
  try {
    lore_examples::ServerEncoder encoder(options);
  } catch (const std::runtime_error& error) {
    complaint = error.what();
  }
  CHECK(complaint.find("libcpp-httplib-dev") != std::string::npos);
}

#else

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"

#include "interrupt.hpp"
#include "model_server.hpp"
#include <sys/wait.h>

using namespace lore_examples;
using lore::Storage;
using lore_test::ModelServer;
using lore_test::ModelServerOptions;
namespace fs = std::filesystem;

namespace {

struct Scratch {
  fs::path directory =
      fs::temp_directory_path() / ("lore_server_encoder_" + std::to_string(static_cast<long>(::getpid())));
  fs::path cache = directory / "vectors.cache";
  Scratch() {
    fs::remove_all(directory);
    fs::create_directories(directory);
  }
  ~Scratch() { fs::remove_all(directory); }
};

Conversation dialogue(int i) {
  return {{"user", "Question " + std::to_string(i) + "?"},
          {"assistant", "Reply \u00e9 " + std::to_string(i)}};
}

std::vector<EncodeItem> items(int count) {
  std::vector<EncodeItem> list;
  for (int i = 0; i < count; ++i) list.push_back({"item-" + std::to_string(i), dialogue(i)});
  return list;
}

ServerOptions options_for(const ModelServer& server, const Scratch& scratch) {
  ServerOptions options;
  options.url = server.url();
  options.cache = scratch.cache;
  options.batch = 4;
  options.parallel = 2;
  options.timeout_seconds = 5;
  options.first_wait_seconds = 0.005;
  options.retries = 3;
  return options;
}

ModelServerOptions kind(Dialect dialect) {
  ModelServerOptions options;
  options.dialect = dialect;
  return options;
}

bool renders_here(Dialect dialect) { return dialect == Dialect::tei || dialect == Dialect::openai; }

lore::FeatureMatrix encode(ServerOptions options, const std::vector<EncodeItem>& list,
                           Storage storage = Storage::f32) {
  Progress silent(false);
  ServerEncoder encoder(std::move(options));
  return encoder.encode(list, storage, silent);
}

std::string bytes_of_matrix(const lore::FeatureMatrix& matrix) {
  return {static_cast<const char*>(matrix.data()),
          static_cast<std::size_t>(matrix.dimension() * matrix.count()) * lore::bytes_of(matrix.storage())};
}

// What an undisturbed server says of the same items.
std::string expected_bytes(const ModelServer& server, const std::vector<EncodeItem>& list) {
  std::string bytes;
  for (const EncodeItem& item : list) {
    const auto vector = server.vector_of(render(ChatTemplate::llama3, item.messages), false);
    bytes.append(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
  }
  return bytes;
}

std::string complaint(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no complaint";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Misbehaves at the requests for vectors with these numbers.
std::function<bool(int, const httplib::Request&, httplib::Response&)> at(
    std::vector<int> numbers, std::function<bool(const httplib::Request&, httplib::Response&)> what) {
  return [=](int number, const httplib::Request& request, httplib::Response& response) {
    return std::find(numbers.begin(), numbers.end(), number) != numbers.end() && what(request, response);
  };
}

bool says(httplib::Response& response, int status, const std::string& body) {
  response.status = status;
  response.set_content(body, "application/json");
  return true;
}

// An answer of llama-server with this text in place of each vector.
std::string llama_answer(const httplib::Request& request, const std::string& vector, int fewer = 0) {
  const int count = static_cast<int>(nlohmann::json::parse(request.body).at("content").size()) - fewer;
  std::string body = "[";
  for (int i = 0; i < count; ++i)
    body += (i > 0 ? "," : "") + std::string("{\"index\":") + std::to_string(i) + ",\"embedding\":[" +
            vector + "]}";
  return body + "]";
}

}  // namespace

TEST_CASE("every kind of server is recognised and gives the same vectors of the same text") {
  const auto dialect = GENERATE(Dialect::llama, Dialect::vllm, Dialect::tei, Dialect::openai);
  const bool named = GENERATE(false, true);
  const bool reversed = GENERATE(false, true);
  CAPTURE(name_of(dialect), named, reversed);
  Scratch scratch;
  auto how = kind(dialect);
  how.reversed = reversed;
  ModelServer server(how);
  auto options = options_for(server, scratch);
  if (named) options.dialect = dialect;
  if (renders_here(dialect)) options.chat_template = ChatTemplate::llama3;
  const auto list = items(11);
  ServerEncoder encoder(options);
  Progress silent(false);
  const auto matrix = encoder.encode(list, Storage::f32, silent);
  CHECK(encoder.dialect() == dialect);
  CHECK(has(encoder.name(), "reward-8b"));
  REQUIRE(matrix.dimension() == 8);
  REQUIRE(matrix.count() == 11);
  CHECK(bytes_of_matrix(matrix) == expected_bytes(server, list));
  for (const std::string& text : server.read()) {
    CHECK(text.starts_with("<|begin_of_text|><|start_header_id|>"));
    CHECK(text.ends_with("<|eot_id|>"));
  }
}

TEST_CASE("a template rendered here reaches every kind of server as the same text") {
  const auto dialect = GENERATE(Dialect::llama, Dialect::vllm, Dialect::tei, Dialect::openai);
  CAPTURE(name_of(dialect));
  Scratch scratch;
  ModelServer server(kind(dialect));
  auto options = options_for(server, scratch);
  const auto list = items(3);
  SECTION("llama3") {
    options.chat_template = ChatTemplate::llama3;
    CHECK(bytes_of_matrix(encode(options, list)) == expected_bytes(server, list));
  }
  SECTION("chatml") {
    options.chat_template = ChatTemplate::chatml;
    CHECK_NOTHROW(encode(options, list));
    for (const std::string& text : server.read()) CHECK(text.ends_with("<|im_end|>\n"));
  }
  SECTION("none") {
    options.chat_template = ChatTemplate::none;
    CHECK_NOTHROW(encode(options, list));
    for (const std::string& text : server.read()) CHECK(has(text, "?\n\nReply"));
  }
}

TEST_CASE("the begin-of-text token is sent along exactly where the tokeniser adds none") {
  const auto dialect = GENERATE(Dialect::llama, Dialect::tei);
  const bool adds = GENERATE(false, true);
  CAPTURE(name_of(dialect), adds);
  Scratch scratch;
  auto how = kind(dialect);
  how.adds_begin = adds;
  ModelServer server(how);
  auto options = options_for(server, scratch);
  options.chat_template = ChatTemplate::llama3;
  const auto list = items(3);
  CHECK(bytes_of_matrix(encode(options, list)) == expected_bytes(server, list));
}

TEST_CASE("a server that does not say what it is must be named") {
  Scratch scratch;
  auto how = kind(Dialect::openai);
  how.introduces_itself = false;
  ModelServer server(how);
  auto options = options_for(server, scratch);
  options.chat_template = ChatTemplate::llama3;
  CHECK(has(complaint([&] { encode(options, items(1)); }), "--server-dialect"));
  options.dialect = Dialect::openai;
  CHECK(has(complaint([&] { encode(options, items(1)); }), "--server-model"));
  options.model = "reward-8b";
  CHECK(complaint([&] { encode(options, items(1)); }) == "no complaint");
}

TEST_CASE("a server without templates needs one named") {
  Scratch scratch;
  ModelServer server(kind(Dialect::tei));
  CHECK(has(complaint([&] { encode(options_for(server, scratch), items(1)); }), "--chat-template"));
}

TEST_CASE("equal conversations are embedded once, and in place") {
  Scratch scratch;
  ModelServer server(kind(Dialect::llama));
  auto list = items(5);
  for (int i = 0; i < 5; ++i) list.push_back({"again-" + std::to_string(i), dialogue(i % 2)});
  CHECK(bytes_of_matrix(encode(options_for(server, scratch), list)) == expected_bytes(server, list));
  CHECK(server.embedded() == 5);
}

TEST_CASE("vectors come in the storage asked for") {
  Scratch scratch;
  ModelServer server(kind(Dialect::llama));
  const auto list = items(6);
  const auto exact = encode(options_for(server, scratch), list);
  const auto storage = GENERATE(Storage::f16, Storage::bf16);
  const auto matrix = encode(options_for(server, scratch), list, storage);
  CHECK(matrix.storage() == storage);
  for (Index j = 0; j < 6; ++j) {
    std::vector<double> got(8), wanted(8);
    matrix.load(j, got.data());
    exact.load(j, wanted.data());
    for (std::size_t k = 0; k < 8; ++k) CHECK(got[k] == lore_test::Approx(wanted[k]).epsilon(1.0 / 256));
  }
  CHECK(server.embedded() == 6);
}

TEST_CASE("what overflows f16 is an error that suggests bf16") {
  Scratch scratch;
  auto how = kind(Dialect::llama);
  how.misbehave = [](int, const httplib::Request& request, httplib::Response& response) {
    return says(response, 200, llama_answer(request, "[1.5, -70000]"));
  };
  ModelServer server(how);
  const auto said = complaint([&] { encode(options_for(server, scratch), items(2), Storage::f16); });
  CHECK(has(said, "bf16"));
  CHECK(has(said, "item-0"));
  CHECK(complaint([&] { encode(options_for(server, scratch), items(2), Storage::bf16); }) == "no complaint");
}

TEST_CASE("a fault that passes leaves no trace in the result") {
  const std::string fault = GENERATE("slow", "429", "503", "500", "dropped", "cut short", "refused batches");
  CAPTURE(fault);
  Scratch scratch;
  auto how = kind(Dialect::llama);
  std::atomic<bool> over{false};
  if (fault == "slow")
    how.misbehave = at({0, 2}, [&](const auto&, auto&) {
      for (int i = 0; i < 40 && !over; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
      return false;
    });
  if (fault == "429")
    how.misbehave = at({1, 2}, [](const auto&, auto& response) {
      response.set_header("Retry-After", "0.2");
      return says(response, 429, "{}");
    });
  if (fault == "503") how.misbehave = at({0, 1, 4}, [](const auto&, auto& r) { return says(r, 503, ""); });
  if (fault == "500") how.misbehave = at({3}, [](const auto&, auto& r) { return says(r, 500, "oops"); });
  if (fault == "dropped")
    how.misbehave = at({0, 3}, [](const auto&, auto& response) {
      response.set_content_provider(10'000, "application/json",
                                    [](std::size_t, std::size_t, httplib::DataSink& sink) {
                                      sink.write("[{\"index\":", 10);
                                      return false;
                                    });
      return true;
    });
  if (fault == "cut short")
    how.misbehave = at({0, 2}, [](const auto&, auto& r) { return says(r, 200, "[{\"index\":0,\"embedd"); });
  if (fault == "refused batches")
    how.misbehave = [](int, const httplib::Request& request, httplib::Response& response) {
      return nlohmann::json::parse(request.body).at("content").size() > 1 &&
             says(response, 413, "batch too large");
    };
  ModelServer server(how);
  auto options = options_for(server, scratch);
  if (fault == "slow") options.timeout_seconds = 0.08;
  const auto list = items(14);
  const auto start = std::chrono::steady_clock::now();
  CHECK(bytes_of_matrix(encode(options, list)) == expected_bytes(server, list));
  const auto took = std::chrono::steady_clock::now() - start;
  if (fault == "429") CHECK(took >= std::chrono::milliseconds(200));
  CHECK(took < std::chrono::seconds(3));
  over = true;
}

TEST_CASE("a fault that stays is named, with the conversation") {
  Scratch scratch;
  auto how = kind(Dialect::llama);
  const auto said_of = [&](std::function<bool(const httplib::Request&, httplib::Response&)> what) {
    how.misbehave = [=](int, const auto& request, auto& response) { return what(request, response); };
    ModelServer server(how);
    return complaint([&] { encode(options_for(server, scratch), items(6)); });
  };
  const auto answers = [&](const std::string& vector, int fewer = 0) {
    return said_of([=](const httplib::Request& request, httplib::Response& response) {
      return says(response, 200, llama_answer(request, vector, fewer));
    });
  };
  SECTION("an error of the server's own") {
    const auto said =
        said_of([](const auto&, auto& r) { return says(r, 500, R"({"error":{"message":"no memory"}})"); });
    CHECK(has(said, "500"));
    CHECK(has(said, "no memory"));
    CHECK(has(said, "item-0"));
  }
  SECTION("a text that is too long") {
    const auto said = said_of([](const httplib::Request& request, httplib::Response& response) {
      return has(request.body, "Question 2") &&
             says(response, 500, R"({"error":{"message":"input is too large to process"}})");
    });
    CHECK(has(said, "-ub"));
    CHECK(has(said, "item-2"));
  }
  SECTION("an answer cut short each time") {
    CHECK(has(said_of([](const auto&, auto& r) { return says(r, 200, "[[1, 2"); }), "cut short"));
  }
  SECTION("NaN, written in three ways") {
    CHECK(has(answers("[1.0, NaN]"), "NaN"));
    CHECK(has(answers("[1.0, null]"), "null"));
    CHECK(has(answers("[1.0, 1e60]"), "finite"));
  }
  SECTION("zeros only") { CHECK(has(answers("[0, 0.0]"), "zeros")); }
  SECTION("fewer vectors than texts") { CHECK(has(answers("[1, 2]", 1), "wanted 4")); }
  SECTION("a vector for each token") { CHECK(has(answers("[1, 2], [3, 4]"), "--pooling last")); }
  SECTION("no numbers") { CHECK(has(answers("\"x\""), "vector of numbers")); }
  SECTION("vectors of different dimensions") {
    const auto said = said_of([](const auto&, auto& response) {
      return says(response, 200,
                  R"([{"index":0,"embedding":[[1,2]]},{"index":1,"embedding":[[1,2,3]]},)"
                  R"({"index":2,"embedding":[[1,2]]},{"index":3,"embedding":[[1,2]]}])");
    });
    CHECK(has(said, "dimension 2 and 3"));
  }
  SECTION("an index twice") {
    const auto said = said_of([](const auto&, auto& response) {
      return says(response, 200,
                  R"([{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]},)"
                  R"({"index":2,"embedding":[1,2]},{"index":9,"embedding":[1,2]}])");
    });
    CHECK(has(said, "index 0"));
  }
  SECTION("no list") {
    CHECK(has(said_of([](const auto&, auto& r) { return says(r, 200, "{}"); }), "list"));
  }
}

TEST_CASE("another dimension in a later answer, or than the cache has, is refused") {
  Scratch scratch;
  auto how = kind(Dialect::llama);
  how.misbehave = at({1, 2, 3}, [](const auto& request, auto& response) {
    return says(response, 200, llama_answer(request, "[1, 2, 3]"));
  });
  ModelServer server(how);
  const auto said = complaint([&] { encode(options_for(server, scratch), items(12)); });
  CHECK(has(said, "dimension 3"));
  CHECK(has(said, "wanted 8"));
  CHECK(has(said, "4 of 12"));
}

TEST_CASE("vectors of unit length are refused, unless they are wanted") {
  const auto dialect = GENERATE(Dialect::llama, Dialect::vllm, Dialect::tei, Dialect::openai);
  CAPTURE(name_of(dialect));
  Scratch scratch;
  auto how = kind(dialect);
  how.normalises = true;
  ModelServer server(how);
  auto options = options_for(server, scratch);
  options.chat_template = ChatTemplate::llama3;
  const auto said = complaint([&] { encode(options, items(9)); });
  CHECK(has(said, "length 1"));
  CHECK(has(said, "normalises"));
  CHECK(server.embedded() <= 9);
  options.accept_unit_length = true;
  CHECK(complaint([&] { encode(options, items(9)); }) == "no complaint");
  options.accept_unit_length = false;
  CHECK(has(complaint([&] { encode(options, items(9)); }), "length 1"));
}

TEST_CASE("vLLM is asked in the words its version knows") {
  Scratch scratch;
  auto how = kind(Dialect::vllm);
  how.old_vllm = GENERATE(false, true);
  how.pooling_only = GENERATE(false, true);
  CAPTURE(how.old_vllm, how.pooling_only);
  ModelServer server(how);
  const auto list = items(9);
  CHECK(bytes_of_matrix(encode(options_for(server, scratch), list)) == expected_bytes(server, list));
}

TEST_CASE("a conversation whose end-of-turn token is missing, or not the last, is refused") {
  const auto dialect = GENERATE(Dialect::llama, Dialect::vllm);
  CAPTURE(name_of(dialect));
  Scratch scratch;
  auto how = kind(dialect);
  SECTION("dropped") {
    how.drops_end = true;
    ModelServer server(how);
    CHECK(has(complaint([&] { encode(options_for(server, scratch), items(2)); }), "--no-prefill-assistant"));
    CHECK(server.embedded() == 0);
  }
  SECTION("followed by a new turn") {
    how.opens_turn = true;
    ModelServer server(how);
    CHECK(has(complaint([&] { encode(options_for(server, scratch), items(2)); }), "new turn"));
    CHECK(server.embedded() == 0);
  }
  SECTION("two begin-of-text tokens") {
    how.doubles_begin = true;
    ModelServer server(how);
    CHECK(
        has(complaint([&] { encode(options_for(server, scratch), items(2)); }), "two begin-of-text tokens"));
    CHECK(server.embedded() == 0);
  }
}

TEST_CASE("what the tokeniser adds to a text is found out before anything is embedded") {
  const auto dialect = GENERATE(Dialect::llama, Dialect::tei);
  CAPTURE(name_of(dialect));
  Scratch scratch;
  auto how = kind(dialect);
  SECTION("a token of its own behind the end-of-turn token") {
    how.adds_end = true;
    ModelServer server(how);
    auto options = options_for(server, scratch);
    options.chat_template = ChatTemplate::llama3;
    const auto said = complaint([&] { encode(options, items(2)); });
    CHECK(has(said, "</s>"));
    CHECK(has(said, "<|eot_id|>"));
    CHECK(server.embedded() == 0);
  }
  SECTION("a second begin-of-text token, when told to keep the text's own") {
    ModelServer server(how);
    auto options = options_for(server, scratch);
    options.chat_template = ChatTemplate::llama3;
    options.begin_token = BeginToken::keep;
    CHECK(has(complaint([&] { encode(options, items(2)); }), "--server-bos"));
    CHECK(server.embedded() == 0);
  }
}

TEST_CASE("a llama-server without /tokenize still works") {
  Scratch scratch;
  auto how = kind(Dialect::llama);
  how.has_tokenizer = false;
  ModelServer server(how);
  const auto list = items(3);
  CHECK(bytes_of_matrix(encode(options_for(server, scratch), list)) == expected_bytes(server, list));
}

TEST_CASE("an interrupted run goes on where it stopped and ends the same, byte for byte") {
  const int survives = GENERATE(1, 3, 5);
  CAPTURE(survives);
  Scratch scratch;
  std::atomic<bool> dead{false};
  auto how = kind(Dialect::llama);
  how.misbehave = [&](int number, const auto&, auto& response) {
    return number >= survives && !dead && says(response, 400, "the power went");
  };
  ModelServer server(how);
  auto options = options_for(server, scratch);
  const auto list = items(30);
  Progress silent(false);
  int kept = 0;
  {
    ServerEncoder first(options);
    CHECK(has(complaint([&] { (void)first.encode(list, Storage::f32, silent); }), "goes on from there"));
    kept = static_cast<int>(first.sent());
  }
  CHECK(server.embedded() >= 4 * survives);
  CHECK(kept >= 4);
  CHECK(kept <= server.embedded());  // what was under way in another request is given up
  CHECK(kept < 30);

  dead = true;
  ServerEncoder encoder(options);
  CHECK(bytes_of_matrix(encoder.encode(list, Storage::f32, silent)) == expected_bytes(server, list));
  CHECK(static_cast<int>(encoder.sent()) == 30 - kept);
  CHECK(bytes_of_matrix(encoder.encode(list, Storage::f32, silent)) == expected_bytes(server, list));
  CHECK(encoder.sent() == 0);
}

#if !defined(__SANITIZE_THREAD__)  // which allows no threads after a fork
TEST_CASE("a killed or interrupted process loses nothing that had come") {
  const int signal = GENERATE(SIGKILL, SIGINT);
  CAPTURE(signal);
  Scratch scratch;
  std::atomic<bool> alone{true};
  auto how = kind(Dialect::llama);
  how.misbehave = [&](int number, const auto&, auto&) {
    for (int i = 0; i < 1000 && alone && number >= 3; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return false;
  };
  ModelServer server(how);
  const auto options = options_for(server, scratch);
  const auto list = items(30);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    catch_interrupts();
    const auto said = complaint([&] { encode(options, list); });
    ::_exit(has(said, "interrupted: ") && has(said, "goes on from there") ? interrupted_exit_code : 1);
  }
  const auto kept = [&] {
    std::error_code none;
    const auto bytes = fs::file_size(scratch.cache, none);
    return none ? 0 : (static_cast<int>(bytes) - 32) / (24 + 4 * 8);
  };
  for (int i = 0; i < 1000 && kept() < 12; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(child, signal);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (signal == SIGINT) {
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == interrupted_exit_code);
  }
  alone = false;
  CHECK(kept() == 12);
  ServerEncoder encoder(options);
  Progress silent(false);
  CHECK(bytes_of_matrix(encoder.encode(list, Storage::f32, silent)) == expected_bytes(server, list));
  CHECK(encoder.sent() == 18);
}
#endif

TEST_CASE("a cache torn by a kill costs the torn vector alone") {
  Scratch scratch;
  ModelServer server(kind(Dialect::llama));
  const auto list = items(10);
  const auto whole = bytes_of_matrix(encode(options_for(server, scratch), list, Storage::bf16));
  fs::resize_file(scratch.cache, fs::file_size(scratch.cache) - 7);
  ServerEncoder encoder(options_for(server, scratch));
  Progress silent(false);
  CHECK(bytes_of_matrix(encoder.encode(list, Storage::bf16, silent)) == whole);
  CHECK(encoder.sent() == 1);
}

TEST_CASE("another model or template does not take the first one's vectors") {
  Scratch scratch;
  ModelServer server(kind(Dialect::llama));
  auto options = options_for(server, scratch);
  encode(options, items(4));
  options.chat_template = ChatTemplate::chatml;
  encode(options, items(4));
  CHECK(server.embedded() == 8);
  options.model = "other";
  encode(options, items(4));
  CHECK(server.embedded() == 12);
}

TEST_CASE("several requests are in flight, and no more than asked for") {
  Scratch scratch;
  auto how = kind(Dialect::llama);
  how.misbehave = [](int, const auto&, auto&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    return false;
  };
  ModelServer server(how);
  auto options = options_for(server, scratch);
  options.parallel = 3;
  options.batch = 2;
  const auto list = items(30);
  CHECK(bytes_of_matrix(encode(options, list)) == expected_bytes(server, list));
  CHECK(server.requests() == 15);
  CHECK(server.most_at_once() == 3);
}

TEST_CASE("a batch is no larger than Text Embeddings Inference says it takes") {
  Scratch scratch;
  auto how = kind(Dialect::tei);
  how.largest_batch = 3;
  ModelServer server(how);
  auto options = options_for(server, scratch);
  options.batch = 64;
  options.chat_template = ChatTemplate::llama3;
  encode(options, items(9));
  CHECK(server.requests() == 3);
}

TEST_CASE("the API key comes from the environment and is never printed") {
  Scratch scratch;
  auto how = kind(Dialect::llama);
  how.api_key = "the-right-key";
  ModelServer server(how);
  auto options = options_for(server, scratch);
  const auto list = items(3);
  CHECK(has(complaint([&] { encode(options, list); }), "--api-key-env"));
  options.api_key_variable = "LORE_TEST_NO_SUCH_KEY";
  ::unsetenv("LORE_TEST_NO_SUCH_KEY");
  CHECK(has(complaint([&] { encode(options, list); }), "LORE_TEST_NO_SUCH_KEY"));
  options.api_key_variable = "LORE_TEST_API_KEY";
  ::setenv("LORE_TEST_API_KEY", "a-wrong-key", 1);
  const auto said = complaint([&] { encode(options, list); });
  CHECK(has(said, "Invalid API Key"));
  CHECK_FALSE(has(said, "a-wrong-key"));
  ::setenv("LORE_TEST_API_KEY", "the-right-key", 1);
  CHECK(bytes_of_matrix(encode(options, list)) == expected_bytes(server, list));
}

TEST_CASE("an address may end in /v1, and must be one") {
  Scratch scratch;
  auto how = kind(Dialect::openai);
  ModelServer server(how);
  auto options = options_for(server, scratch);
  options.chat_template = ChatTemplate::llama3;
  options.url += "/v1/";
  CHECK(complaint([&] { encode(options, items(2)); }) == "no complaint");
  for (const char* url : {"", "127.0.0.1:8080", "ftp://x", "http://", "http://me:secret@host"}) {
    options.url = url;
    CHECK_THROWS_AS(ServerEncoder(options), std::invalid_argument);
  }
  CHECK_FALSE(has(complaint([&] { ServerEncoder encoder(options); }), "secret"));
}

TEST_CASE("nobody there is said at once") {
  Scratch scratch;
  std::string url;
  {
    ModelServer server(kind(Dialect::llama));
    url = server.url();
  }
  ServerOptions options;
  options.url = url;
  options.cache = scratch.cache;
  options.first_wait_seconds = 0.001;
  const auto said = complaint([&] { ServerEncoder encoder(options); });
  CHECK(has(said, url));
  CHECK(has(said, "is the server running"));
}

TEST_CASE("options out of range are named") {
  ServerOptions options;
  CHECK(has(complaint([&] { options.validate(); }), "--embedding-cache"));
  options.cache = "x";
  CHECK_NOTHROW(options.validate());
  const auto with = [&](auto change) {
    ServerOptions changed = options;
    change(changed);
    return complaint([&] { changed.validate(); });
  };
  CHECK(has(with([](auto& o) { o.batch = 0; }), "--server-batch"));
  CHECK(has(with([](auto& o) { o.parallel = 0; }), "--server-parallel"));
  CHECK(has(with([](auto& o) { o.timeout_seconds = 0; }), "--server-timeout"));
  CHECK(has(with([](auto& o) { o.retries = -1; }), "--server-retries"));
  CHECK_THROWS_AS(dialect_from("ollama"), std::invalid_argument);
  CHECK_THROWS_AS(begin_token_from("maybe"), std::invalid_argument);
}

#endif
