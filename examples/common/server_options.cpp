// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "server_options.hpp"

#include <exception>
#include <string>

#include <CLI/CLI.hpp>

namespace lore_examples {
namespace {

// An option whose text is read by `read`; what that throws is the parser's complaint.
template <class Value>
void add_named(CLI::App& app, const char* option, Value& value, Value (*read)(std::string_view),
               const char* help) {
  app.add_option_function<std::string>(
         option,
         [&value, read](const std::string& name) {
           try {
             value = read(name);
           } catch (const std::exception& error) {
             throw CLI::ValidationError(error.what());
           }
         },
         help)
      ->group("Embedding server");
}

}  // namespace

void add_server_options(CLI::App& app, ServerOptions& options) {
  const std::string group = "Embedding server";
  const auto add = [&](const char* option, auto& value, const char* help) {
    app.add_option(option, value, help)->capture_default_str()->group(group);
  };
  add("--server-url", options.url, "Address of the server, with http:// or https://");
  add_named<Dialect>(app, "--server-dialect", options.dialect, dialect_from,
                     "auto, llama (llama.cpp), vllm, tei (Text Embeddings Inference) or openai");
  add("--server-model", options.model, "Model, where the server has several");
  add_named<ChatTemplate>(app, "--chat-template", options.chat_template, chat_template_from,
                          "server (its own; llama and vllm), or llama3, chatml, none rendered here");
  add_named<BeginToken>(
      app, "--server-bos", options.begin_token, begin_token_from,
      "Begin-of-text token of a rendered text: auto, keep, or drop where the server adds one");
  add("--server-batch", options.batch, "Conversations in a request");
  add("--server-parallel", options.parallel, "Requests in flight");
  add("--server-timeout", options.timeout_seconds, "Seconds to wait for an answer");
  add("--server-retries", options.retries, "Attempts after the first, with growing waits");
  add("--api-key-env", options.api_key_variable, "Environment variable that holds the server's API key");
  app.add_flag("--accept-unit-length", options.accept_unit_length,
               "Take normalised vectors, which are of no use to a reward head")
      ->group(group);
  app.add_option("--embedding-cache", options.cache, "File that keeps the vectors as they come")
      ->group(group);
}

}  // namespace lore_examples
