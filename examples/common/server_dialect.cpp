// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "server_dialect.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

namespace lore_examples {
namespace {

using Json = nlohmann::json;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string shortened(std::string text, std::size_t most = 300) {
  if (text.size() > most) {
    text.resize(most);
    text += "...";
  }
  return text;
}

// JSON has no NaN, but some servers write one; asking again would bring the same.
bool breaks_at_nan(const std::string& body, std::size_t byte) {
  const std::size_t from = byte > 4 ? byte - 4 : 0;
  const std::string_view around = std::string_view(body).substr(std::min(from, body.size()), 8);
  return around.find("NaN") != std::string_view::npos || around.find("nan") != std::string_view::npos ||
         around.find("Inf") != std::string_view::npos || around.find("inf") != std::string_view::npos;
}

[[noreturn]] void raise_not_finite(const std::string& got) {
  throw std::runtime_error("the server's answer holds the value " + got +
                           ", wanted finite numbers: the model produces NaN or infinity (a half-precision "
                           "overflow, or a broken checkpoint?)");
}

Json parse(const std::string& body) {
  try {
    return Json::parse(body);
  } catch (const Json::parse_error& error) {
    if (breaks_at_nan(body, error.byte)) raise_not_finite("NaN or infinity");
    throw BrokenAnswer("the server's answer is cut short or is no JSON: \"" + shortened(body, 120) + "\"");
  }
}

const Json* member(const Json& json, const char* name) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(name);
  return found == json.end() ? nullptr : &*found;
}

std::string text_member(const Json& json, const char* name) {
  const Json* value = member(json, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string{};
}

[[noreturn]] void raise_answer(const std::string& wanted, const Json& got) {
  throw std::runtime_error("the server's answer: got " + shortened(dump(got), 120) + ", wanted " + wanted);
}

Json messages_json(const Conversation& messages) {
  Json list = Json::array();
  for (const auto& [role, content] : messages) list.push_back({{"role", role}, {"content", content}});
  return list;
}

HttpRequest post(std::string path, const Json& body) { return {"POST", std::move(path), dump(body)}; }

bool is_vector(const Json& json) { return json.is_array() && !json.empty() && !json.front().is_array(); }

// One vector, bare or (llama.cpp, /pooling) as the only row of a matrix.
const Json& pooled(const Json& json) {
  if (is_vector(json)) return json;
  if (!json.is_array() || json.empty()) raise_answer("a vector of numbers", json);
  if (json.size() > 1)
    throw std::runtime_error("the server answers with " + std::to_string(json.size()) +
                             " vectors for one conversation, wanted one, that of its last token: start "
                             "llama-server with --pooling last, vLLM with --runner pooling --convert embed");
  if (!is_vector(json.front())) raise_answer("a vector of numbers", json);
  return json.front();
}

void read_vector(const Json& json, std::size_t place, Vectors& out) {
  const Json& vector = pooled(json);
  const auto dimension = static_cast<lore::Index>(vector.size());
  if (out.dimension == 0) out.dimension = dimension;
  if (dimension != out.dimension)
    throw std::runtime_error("the server's answer: got vectors of dimension " +
                             std::to_string(out.dimension) + " and " + std::to_string(dimension) +
                             " in one answer, wanted one dimension");
  float* to = out.values.data() + place * static_cast<std::size_t>(dimension);
  bool all_zero = true;
  for (const Json& number : vector) {
    if (number.is_null()) raise_not_finite("null");  // what JSON makes of NaN
    if (!number.is_number()) raise_answer("a vector of numbers", json);
    const auto value = static_cast<float>(number.get<double>());
    if (!std::isfinite(value)) raise_not_finite(shortened(dump(number), 40));
    all_zero = all_zero && value == 0.0f;
    *to++ = value;
  }
  if (all_zero)
    throw std::runtime_error(
        "the server answers with a vector of zeros, which is what llama-server sends when it failed to "
        "compute one; see its log");
}

}  // namespace

Dialect dialect_from(std::string_view name) {
  for (const auto each : {Dialect::automatic, Dialect::llama, Dialect::vllm, Dialect::tei, Dialect::openai})
    if (name == name_of(each)) return each;
  throw std::invalid_argument("--server-dialect: got \"" + std::string(name) +
                              "\", wanted auto, llama, vllm, tei or openai");
}

std::string_view name_of(Dialect dialect) noexcept {
  switch (dialect) {
    case Dialect::automatic:
      return "auto";
    case Dialect::llama:
      return "llama";
    case Dialect::vllm:
      return "vllm";
    case Dialect::tei:
      return "tei";
    case Dialect::openai:
      return "openai";
  }
  return "unknown";
}

// ---- embedding ------------------------------------------------------------------------------------------

HttpRequest embed_request(const EmbedForm& form, std::span<const Prompt> prompts) {
  Json inputs = Json::array();
  for (const Prompt& prompt : prompts) {
    if (prompt.tokens.empty())
      inputs.push_back(prompt.text);
    else
      inputs.push_back(prompt.tokens);
  }
  switch (form.dialect) {
    case Dialect::llama:
      return post("/embedding", {{"content", std::move(inputs)}, {"embd_normalize", -1}});
    case Dialect::tei:
      return post("/embed", {{"inputs", std::move(inputs)}, {"normalize", false}, {"truncate", false}});
    case Dialect::vllm: {
      Json body = {{"model", form.model},
                   {"input", std::move(inputs)},
                   {"encoding_format", "float"},
                   {"add_special_tokens", false}};
      body[form.word == VllmWord::normalize ? "normalize" : "use_activation"] = false;
      if (form.pooling_endpoint) body["task"] = "embed";
      return post(form.pooling_endpoint ? "/pooling" : "/v1/embeddings", body);
    }
    default:
      return post("/v1/embeddings",
                  {{"model", form.model}, {"input", std::move(inputs)}, {"encoding_format", "float"}});
  }
}

Vectors parse_vectors(const EmbedForm& form, const std::string& body, std::size_t wanted) {
  const Json answer = parse(body);
  const bool bare = form.dialect == Dialect::llama || form.dialect == Dialect::tei;
  const Json* list = bare ? &answer : member(answer, "data");
  if (list == nullptr || !list->is_array())
    raise_answer(bare ? "a list of vectors" : "an object with the list \"data\"", answer);
  if (list->size() != wanted)
    throw std::runtime_error("the server's answer: got " + std::to_string(list->size()) +
                             " vectors, wanted " + std::to_string(wanted) + ", one for each text sent");
  Vectors vectors;
  std::vector<bool> filled(wanted, false);
  for (std::size_t i = 0; i < wanted; ++i) {
    const Json& entry = (*list)[i];
    const Json* vector = &entry;
    std::size_t place = i;
    if (form.dialect != Dialect::tei) {
      vector = member(entry, form.pooling_endpoint ? "data" : "embedding");
      if (vector == nullptr) raise_answer("an entry with a vector", entry);
      if (const Json* index = member(entry, "index"); index != nullptr) {
        if (!index->is_number_integer() || index->get<double>() < 0 ||
            index->get<double>() >= static_cast<double>(wanted))
          raise_answer("an index below " + std::to_string(wanted), *index);
        place = index->get<std::size_t>();
      }
    }
    if (filled[place])
      throw std::runtime_error("the server's answer: got two vectors with index " + std::to_string(place) +
                               ", wanted one");
    filled[place] = true;
    if (i == 0) vectors.values.resize(wanted * pooled(*vector).size());
    read_vector(*vector, place, vectors);
  }
  return vectors;
}

// ---- templates and tokens -------------------------------------------------------------------------------

HttpRequest render_request(const EmbedForm& form, const Conversation& messages) {
  if (form.dialect == Dialect::llama)
    return post("/apply-template", {{"messages", messages_json(messages)}, {"add_generation_prompt", false}});
  if (form.dialect == Dialect::vllm)
    return post("/tokenize", {{"model", form.model},
                              {"messages", messages_json(messages)},
                              {"add_generation_prompt", false},
                              {"continue_final_message", false},
                              {"add_special_tokens", false}});
  throw std::invalid_argument("this kind of server (" + std::string(name_of(form.dialect)) +
                              ") cannot apply a chat template: name one with --chat-template llama3, chatml "
                              "or none");
}

Prompt parse_rendered(const EmbedForm& form, const std::string& body) {
  if (form.dialect == Dialect::llama) {
    const Json answer = parse(body);
    const Json* prompt = member(answer, "prompt");
    if (prompt == nullptr || !prompt->is_string()) raise_answer("an object with the text \"prompt\"", answer);
    return {prompt->get<std::string>(), {}};
  }
  Prompt prompt;
  for (const Token& token : parse_tokens(form, body)) prompt.tokens.push_back(token.id);
  if (prompt.tokens.empty()) throw std::runtime_error("the server's answer: got no tokens, wanted some");
  return prompt;
}

HttpRequest tokenize_request(const EmbedForm& form, const std::string& text, bool add_special) {
  switch (form.dialect) {
    case Dialect::llama:
      return post(
          "/tokenize",
          {{"content", text}, {"add_special", add_special}, {"parse_special", true}, {"with_pieces", true}});
    case Dialect::tei:
      return post("/tokenize", {{"inputs", text}, {"add_special_tokens", add_special}});
    default:
      return post("/tokenize", {{"model", form.model},
                                {"prompt", text},
                                {"add_special_tokens", add_special},
                                {"return_token_strs", true}});
  }
}

std::vector<Token> parse_tokens(const EmbedForm& form, const std::string& body) {
  const Json answer = parse(body);
  const Json* list = nullptr;
  if (form.dialect == Dialect::tei) {
    list = answer.is_array() && answer.size() == 1 ? &answer.front() : nullptr;
  } else {
    list = member(answer, "tokens");
  }
  if (list == nullptr || !list->is_array()) raise_answer("a list of tokens", answer);
  const Json* pieces = form.dialect == Dialect::vllm ? member(answer, "token_strs") : nullptr;
  std::vector<Token> tokens;
  for (const Json& entry : *list) {
    const Json* id = entry.is_object() ? member(entry, "id") : &entry;
    if (id == nullptr || !id->is_number_integer()) raise_answer("a token's number", entry);
    Token token{id->get<std::int64_t>(), {}};
    if (pieces != nullptr && pieces->is_array() && tokens.size() < pieces->size() &&
        (*pieces)[tokens.size()].is_string())
      token.piece = (*pieces)[tokens.size()].get<std::string>();
    else
      token.piece = text_member(entry, form.dialect == Dialect::tei ? "text" : "piece");
    tokens.push_back(std::move(token));
  }
  return tokens;
}

HttpRequest detokenize_request(const EmbedForm& form, std::span<const std::int64_t> tokens) {
  return post("/detokenize",
              {{"model", form.model}, {"tokens", std::vector<std::int64_t>(tokens.begin(), tokens.end())}});
}

std::string parse_text(const std::string& body) {
  const Json answer = parse(body);
  const Json* prompt = member(answer, "prompt");
  if (prompt == nullptr || !prompt->is_string()) raise_answer("an object with the text \"prompt\"", answer);
  return prompt->get<std::string>();
}

// ---- who is there ---------------------------------------------------------------------------------------

Introduction read_props(const std::string& body) {
  Introduction found;
  const Json answer = Json::parse(body, nullptr, false);
  if (member(answer, "default_generation_settings") == nullptr && member(answer, "build_info") == nullptr)
    return found;
  found.dialect = Dialect::llama;
  found.model = text_member(answer, "model_alias");
  if (found.model.empty()) {
    found.model = text_member(answer, "model_path");
    found.model.erase(0, found.model.find_last_of('/') + 1);
  }
  found.chat_template = text_member(answer, "chat_template");
  return found;
}

Introduction read_info(const std::string& body) {
  Introduction found;
  const Json answer = Json::parse(body, nullptr, false);
  if (member(answer, "model_id") == nullptr || member(answer, "max_client_batch_size") == nullptr)
    return found;
  found.dialect = Dialect::tei;
  found.model = text_member(answer, "model_id");
  const Json& largest = answer["max_client_batch_size"];
  if (largest.is_number_unsigned()) found.largest_batch = largest.get<std::size_t>();
  return found;
}

Introduction read_models(const std::string& body) {
  Introduction found;
  const Json answer = Json::parse(body, nullptr, false);
  const Json* list = member(answer, "data");
  if (list == nullptr || !list->is_array()) return found;
  found.dialect = Dialect::openai;
  if (list->size() == 1) found.model = text_member(list->front(), "id");
  for (const Json& model : *list)
    if (text_member(model, "owned_by") == "vllm") found.dialect = Dialect::vllm;
  return found;
}

std::string error_text(const std::string& body) {
  const Json answer = Json::parse(body, nullptr, false);
  if (const Json* error = member(answer, "error"); error != nullptr) {
    if (error->is_string()) return shortened(error->get<std::string>());
    if (const std::string message = text_member(*error, "message"); !message.empty())
      return shortened(message);
  }
  for (const char* name : {"message", "detail"})
    if (const std::string message = text_member(answer, name); !message.empty()) return shortened(message);
  return shortened(body);
}

}  // namespace lore_examples
