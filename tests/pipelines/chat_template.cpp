// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "chat_template.hpp"

#include <stdexcept>
#include <string>

#include "lore_catch.hpp"

using namespace lore_examples;

namespace {

const Conversation dialogue = {{"system", "Be brief."},
                               {"user", "  Hi \u00e9!\n"},
                               {"assistant", "Hello."},
                               {"user", "Bye"},
                               {"assistant", "See you.\n\n"}};

std::string complaint_about(const std::string& rendered) {
  try {
    static_cast<void>(marks_from_probe(rendered));
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a conversation renders as Llama 3 and ChatML write it") {
  CHECK(render(ChatTemplate::llama3, dialogue) ==
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi \u00e9!<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nSee you.<|eot_id|>");
  CHECK(render(ChatTemplate::chatml, {{"user", "Hi\n"}, {"assistant", "Yo"}}) ==
        "<|im_start|>user\nHi\n<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n");
  CHECK(render(ChatTemplate::none, {{"user", "Hi"}, {"assistant", "Yo"}}) == "Hi\n\nYo");
  CHECK(render(ChatTemplate::llama3, {{"user", " \n"}, {"assistant", ""}}) ==
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n<|eot_id|>");
}

TEST_CASE("what cannot be rendered is refused") {
  CHECK_THROWS_AS(render(ChatTemplate::llama3, {}), std::invalid_argument);
  CHECK_THROWS_AS(render(ChatTemplate::llama3, {{"user", "no reply"}}), std::invalid_argument);
  CHECK_THROWS_AS(render(ChatTemplate::chatml, {{"tool", "x"}, {"assistant", "y"}}), std::invalid_argument);
  CHECK_THROWS_AS(render(ChatTemplate::server, dialogue), std::invalid_argument);
  CHECK_THROWS_AS(chat_template_from("llama2"), std::invalid_argument);
  for (const char* name : {"server", "llama3", "chatml", "none"})
    CHECK(name_of(chat_template_from(name)) == name);
}

TEST_CASE("what is rendered here passes its own check") {
  for (const auto each : {ChatTemplate::llama3, ChatTemplate::chatml, ChatTemplate::none})
    CHECK_NOTHROW(check_rendered(render(each, dialogue), marks_of(each)));
}

TEST_CASE("the marks of a server's template are read off a rendered probe") {
  const auto marks = [](ChatTemplate t) { return marks_from_probe(render(t, probe_conversation())); };
  CHECK(marks(ChatTemplate::llama3).begin == "<|begin_of_text|>");
  CHECK(marks(ChatTemplate::llama3).end == "<|eot_id|>");
  CHECK(marks(ChatTemplate::chatml).begin.empty());
  CHECK(marks(ChatTemplate::chatml).end == "<|im_end|>");

  const std::string question = probe_conversation()[0].content;
  const std::string reply = probe_conversation()[1].content;
  // Templates that this program does not know: one token closes both turns, or a reply has its own.
  CHECK(marks_from_probe("[U]" + question + "[/T]\n[A]" + reply + "[/T]\n").end == "[/T]");
  CHECK(marks_from_probe("<s>[INST] " + question + " [/INST] " + reply + "</s>").end == "</s>");
}

TEST_CASE("a last turn that is not closed, or is followed by another, is explained") {
  std::string llama = render(ChatTemplate::llama3, probe_conversation());
  const std::string closed = llama;
  llama.resize(llama.size() - std::string("<|eot_id|>").size());
  CHECK(complaint_about(llama).find("--no-prefill-assistant") != std::string::npos);
  CHECK(complaint_about(llama).find("<|eot_id|>") != std::string::npos);
  CHECK(complaint_about(closed + "<|start_header_id|>assistant<|end_header_id|>\n\n").find("new turn") !=
        std::string::npos);
  const std::string question = probe_conversation()[0].content;
  const std::string reply = probe_conversation()[1].content;
  CHECK(complaint_about("[U]" + question + "[/T]\n[A]" + reply).find("end-of-turn") != std::string::npos);
  CHECK(complaint_about("[U]" + question + "[/T]\n[A]" + reply + "[/T]\n[A]").find("new turn") !=
        std::string::npos);
  CHECK(complaint_about("nothing of it").find("holds both") != std::string::npos);

  CHECK_THROWS_AS(check_rendered("<|im_start|>assistant\nx", marks_of(ChatTemplate::chatml)),
                  std::runtime_error);
  CHECK_THROWS_AS(check_rendered("", marks_of(ChatTemplate::llama3)), std::runtime_error);
}

TEST_CASE("two begin-of-text tokens are refused, one in the middle of a text is not") {
  const std::string text = render(ChatTemplate::llama3, probe_conversation());
  CHECK(complaint_about("<|begin_of_text|>" + text).find("two begin-of-text") != std::string::npos);
  CHECK_THROWS_AS(check_rendered("<|begin_of_text|>" + text, marks_of(ChatTemplate::llama3)),
                  std::runtime_error);
  CHECK_NOTHROW(
      check_rendered(render(ChatTemplate::llama3, {{"user", "<|begin_of_text|>"}, {"assistant", "odd"}}),
                     marks_of(ChatTemplate::llama3)));
}
