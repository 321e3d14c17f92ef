// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "lore/core/types.hpp"

#include "conversation.hpp"
#include "http_client.hpp"

/// What requests and answers look like for each kind of server. Nothing here sends anything.
namespace lore_examples {

/// llama   llama.cpp's llama-server: /apply-template, /tokenize, /embedding
/// vllm    vLLM: /tokenize, /detokenize, /v1/embeddings or /pooling
/// tei     Text Embeddings Inference: /tokenize, /embed
/// openai  anything else with /v1/embeddings
enum class Dialect : std::uint8_t { automatic, llama, vllm, tei, openai };

/// @throws std::invalid_argument for any other name than auto, llama, vllm, tei, openai
[[nodiscard]] Dialect dialect_from(std::string_view name);
[[nodiscard]] std::string_view name_of(Dialect dialect) noexcept;

/// What is embedded: a text, or the tokens that the server itself made of a conversation.
struct Prompt {
  std::string text;
  std::vector<std::int64_t> tokens;
};

struct Token {
  std::int64_t id = 0;
  std::string piece;
};

/// vLLM up to 0.16 leaves a vector's length alone on "normalize": false, later versions on
/// "use_activation": false, and each refuses or ignores the other's word.
enum class VllmWord : std::uint8_t { use_activation, normalize };

/// How this server wants to be asked.
struct EmbedForm {
  Dialect dialect = Dialect::openai;
  std::string model;
  VllmWord word = VllmWord::use_activation;
  bool pooling_endpoint = false;  ///< vLLM: /pooling instead of /v1/embeddings
};

/// Asks for the un-normalised vectors of the prompts, in this order.
[[nodiscard]] HttpRequest embed_request(const EmbedForm& form, std::span<const Prompt> prompts);

/// Several vectors of one dimension, one after the other.
struct Vectors {
  lore::Index dimension = 0;
  std::vector<float> values;
};

/// An answer that is cut short or no JSON at all: asking again may help.
struct BrokenAnswer : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The vectors of an answer, in the order of the prompts whatever the order of the answer.
/// @throws BrokenAnswer for what is not JSON; std::runtime_error, with what was got and wanted, for another
///         number of vectors, an index twice or out of range, a value that is no finite number, vectors of
///         different dimensions, several vectors for one prompt (no pooling), or one that is all zeros
[[nodiscard]] Vectors parse_vectors(const EmbedForm& form, const std::string& body, std::size_t wanted);

/// Asks the server to apply its own chat template; only llama and vllm can.
[[nodiscard]] HttpRequest render_request(const EmbedForm& form, const Conversation& messages);
/// @throws BrokenAnswer; std::runtime_error
[[nodiscard]] Prompt parse_rendered(const EmbedForm& form, const std::string& body);

/// Asks what tokens a text has, with or without those that the tokeniser adds by itself; not for openai.
[[nodiscard]] HttpRequest tokenize_request(const EmbedForm& form, const std::string& text, bool add_special);
/// @throws BrokenAnswer; std::runtime_error
[[nodiscard]] std::vector<Token> parse_tokens(const EmbedForm& form, const std::string& body);

/// Asks for the text of tokens; vllm only.
[[nodiscard]] HttpRequest detokenize_request(const EmbedForm& form, std::span<const std::int64_t> tokens);
/// @throws BrokenAnswer; std::runtime_error
[[nodiscard]] std::string parse_text(const std::string& body);

/// What the questions that tell servers apart were answered.
struct Introduction {
  Dialect dialect = Dialect::automatic;  ///< automatic: this answer does not tell
  std::string model;
  std::string chat_template;      ///< llama: the template in use
  std::size_t largest_batch = 0;  ///< tei: inputs a request may have; 0: not said
};

/// GET /props of llama-server.
[[nodiscard]] Introduction read_props(const std::string& body);
/// GET /info of Text Embeddings Inference.
[[nodiscard]] Introduction read_info(const std::string& body);
/// GET /v1/models of the others. `model` is empty when the server has several.
[[nodiscard]] Introduction read_models(const std::string& body);

/// The server's own words in an answer that is an error, at most 300 bytes.
[[nodiscard]] std::string error_text(const std::string& body);

}  // namespace lore_examples
