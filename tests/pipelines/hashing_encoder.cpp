// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "hashing_encoder.hpp"

#include <cmath>
#include <utility>
#include <vector>

#include "lore/core/error.hpp"

#include "hash.hpp"
#include "lore_catch.hpp"
#include "support.hpp"
#include "text_features.hpp"

using namespace lore_examples;
using lore_test::Approx;

namespace {

Conversation talk(const std::string& prompt, const std::string& reply) {
  return {{"user", prompt}, {"assistant", reply}};
}

std::vector<EncodeItem> some_items() {
  ConversationTable table;
  table.add(talk("Should cats be allowed?", "Yes, cats are nice. They purr!"));
  table.add(talk("Should cats be allowed?", "No. Cats scratch the sofa (see https://example.org)."));
  table.add(talk("Wer hat Recht?", "Das weiß der Müller nicht.\n\n- Punkt eins\n- Punkt zwei"));
  table.add(talk("Why?", "BECAUSE I said so 42 times"));
  return table.items();
}

std::vector<const EncodeItem*> pointers(const std::vector<EncodeItem>& items) {
  std::vector<const EncodeItem*> out;
  for (const EncodeItem& item : items) out.push_back(&item);
  return out;
}

std::vector<float> embedding(const HashingEncoder& encoder, const Conversation& messages) {
  std::vector<float> values(static_cast<std::size_t>(encoder.dimension()));
  encoder.embed(messages, values.data());
  return values;
}

double dot_of_words(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t k = surface_count; k < a.size(); ++k)
    sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return sum;
}

std::size_t place_of(std::string_view name) {
  for (std::size_t k = 0; k < surface_count; ++k)
    if (surface_names[k] == name) return k;
  FAIL("no surface feature is called " << name);
  return 0;
}

float surface(std::string_view name, const std::string& reply, const std::string& prompt = "") {
  return surface_features(reply, prompt)[place_of(name)];
}

}  // namespace

TEST_CASE("Hashes and ids never change: files depend on them") {
  CHECK(hash64("") == 12591593934349417548ULL);
  CHECK(hash64("lore", 1) == 3546682064760667324ULL);
  CHECK(conversation_id(talk("a", "b")) == "4079f5c4caf8784392069a5432614577");
  CHECK(conversation_id(talk("a", "b")) != conversation_id(talk("ab", "")));
  CHECK(conversation_id(talk("a", "b")) != conversation_id(talk("b", "a")));
  CHECK(conversation_id({{"user", "a"}}) != conversation_id({{"assistant", "a"}}));
}

TEST_CASE("Words are found in any script") {
  using Words = std::vector<std::string>;
  CHECK(words_of("Don't stop, it's 42nd!") == Words{"don't", "stop", "it's", "42nd"});
  CHECK(words_of("«ÄPFEL» и ЁЖ — naïve…") == Words{"äpfel", "и", "ёж", "naïve"});
  CHECK(words_of("猫が3匹") == Words{"猫", "が", "3", "匹"});
  CHECK(words_of("  'quoted' \xff\xfe bad\x80tail ") == Words{"quoted", "bad", "tail"});
  CHECK(words_of("").empty());
}

TEST_CASE("Surface features see what they are named after") {
  CHECK(surface("log words", "one two three") == Approx(std::log(4.0)));
  CHECK(surface("log characters", "né!") == Approx(std::log(4.0)));
  CHECK(surface("log sentences", "One. Two?! Three") == Approx(std::log(4.0)));
  CHECK(surface("log question marks", "What?? No.") == Approx(std::log(3.0)));
  CHECK(surface("log words in capitals", "I am VERY LOUD") == Approx(std::log(3.0)));
  CHECK(surface("log links", "see http://a.b and www.c.d") == Approx(std::log(3.0)));
  CHECK(surface("log quotation marks", "he said \"no\" and “yes”") == Approx(std::log(5.0)));
  CHECK(surface("log list items", "1. one\n2. two\n - three\nnot - four") == Approx(std::log(4.0)));
  CHECK(surface("log line breaks", "a\n\nb") == Approx(std::log(3.0)));
  CHECK(surface("share of digits", "a1b2") == Approx(0.5));
  CHECK(surface("share of capitals", "Ab1 cD") == Approx(0.5));
  CHECK(surface("begins with a capital", "\"Well") == 0.0F);
  CHECK(surface("begins with a capital", "Über") == 1.0F);
  CHECK(surface("ends with a stop", "Done.  ") == 1.0F);
  CHECK(surface("share of the reply's words in the prompt", "the cat sat", "The CAT?") == Approx(2.0 / 3));
  CHECK(surface("share of the prompt's words in the reply", "the cat sat", "a cat") == Approx(0.5));
  for (const float value : surface_features("", "")) CHECK(std::isfinite(value));
}

TEST_CASE("The hashing encoder gives the same numbers everywhere") {
  const auto items = some_items();
  HashingEncoder encoder(64);
  encoder.learn(pointers(items));
  const auto values = embedding(encoder, items[0].messages);
  const std::pair<std::size_t, float> wanted[] = {
      {0, -0.16366339F}, {4, -0.11890187F},  {12, -0.09449112F}, {16, -0.09449112F}, {20, -0.09449112F},
      {24, 0.16366343F}, {28, -0.11479281F}, {36, 0.14560013F},  {40, 0.29120025F},  {44, -0.14560013F},
      {48, 0.26039293F}, {52, 0.11479281F},  {60, -0.14560013F}};
  for (const auto& [k, value] : wanted) {
    CAPTURE(k);
    CHECK(values[k] == Approx(value).epsilon(1e-5).margin(1e-7));
  }
}

TEST_CASE("Embeddings are finite and both parts have about unit length") {
  const auto items = some_items();
  HashingEncoder encoder(128);
  encoder.learn(pointers(items));
  for (const std::string& reply :
       {std::string(), std::string("!?"), std::string("plain words"), std::string(100000, 'x'),
        std::string("\xff\xc0\x80 not utf-8"), std::string("a\0b", 3)}) {
    const auto values = embedding(encoder, talk("", reply));
    double squares = 0;
    for (const float value : values) {
      REQUIRE(std::isfinite(value));
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    CHECK(squares <= 1 + 25.0 + 1e-5);
    const double words = dot_of_words(values, values);
    CHECK((words_of(reply).empty() ? words == 0 : std::abs(words - 1) < 1e-5));
  }
  CHECK_THROWS_AS(embedding(encoder, {}), std::invalid_argument);
  CHECK_THROWS_AS(HashingEncoder(HashingEncoder::smallest_dimension - 1), std::invalid_argument);
}

TEST_CASE("Surface features are standardised on the training texts") {
  const auto items = some_items();
  HashingEncoder encoder(64);
  encoder.learn(pointers(items));
  const std::size_t words = place_of("log words");
  double sum = 0, squares = 0;
  for (const EncodeItem& item : items) {
    const double value = static_cast<double>(embedding(encoder, item.messages)[words]);
    sum += value;
    squares += value * value;
  }
  CHECK(std::abs(sum) < 1e-5);
  CHECK(squares / 3 * static_cast<double>(surface_count) == Approx(1.0).epsilon(1e-4));
}

TEST_CASE("Rare words weigh more than common ones, by training texts alone") {
  ConversationTable training;
  for (const char* reply : {"alpha common", "beta common", "gamma common", "delta common", "rare common"})
    training.add(talk("", reply));
  HashingEncoder encoder(4096), ignorant(4096);
  encoder.learn(pointers(training.items()));
  const auto at = [](const HashingEncoder& e, const char* reply) { return embedding(e, talk("", reply)); };
  // Without statistics both words matter alike; with them the rare one decides what a text resembles.
  const double before = dot_of_words(at(ignorant, "rare common"), at(ignorant, "rare")) -
                        dot_of_words(at(ignorant, "rare common"), at(ignorant, "common"));
  const double after = dot_of_words(at(encoder, "rare common"), at(encoder, "rare")) -
                       dot_of_words(at(encoder, "rare common"), at(encoder, "common"));
  CHECK(after > before + 0.2);

  // Encoding other texts leaves the statistics, and so every embedding, as they were.
  const auto first = at(encoder, "rare common");
  const std::string name = encoder.name();
  Progress silent(false);
  (void)encoder.encode(some_items(), lore::Storage::f32, silent);
  CHECK(at(encoder, "rare common") == first);
  CHECK(encoder.name() == name);
}

TEST_CASE("A saved hashing encoder embeds new replies the same way") {
  const lore_test::Folder folder;
  const auto items = some_items();
  HashingEncoder encoder(96);
  encoder.learn(pointers(items));
  const auto written = encoder.save_beside(folder / "my data.prepared.safetensors");
  REQUIRE(written.size() == 1);
  CHECK(written[0].filename() == "my data.prepared.hashing.safetensors");
  const auto again = HashingEncoder::load(written[0]);
  CHECK(again->name() == encoder.name());
  CHECK(again->documents() == 4);
  CHECK(embedding(*again, talk("New?", "Entirely new: a reply.")) ==
        embedding(encoder, talk("New?", "Entirely new: a reply.")));

  HashingEncoder other(96);
  other.learn({&items[0]});
  CHECK(other.name() != encoder.name());
  CHECK_THROWS_AS(HashingEncoder::load(folder.write("bad.safetensors", "nonsense")), lore::io_error);
}

TEST_CASE("encode agrees with embed, column by column, in every storage") {
  const auto items = some_items();
  HashingEncoder encoder(64);
  encoder.learn(pointers(items));
  Progress silent(false);
  for (const auto storage : {lore::Storage::f32, lore::Storage::f16, lore::Storage::bf16}) {
    const lore::FeatureMatrix table = encoder.encode(items, storage, silent);
    REQUIRE(table.count() == 4);
    REQUIRE(table.dimension() == 64);
    CHECK(table.storage() == storage);
    std::vector<float> column(64);
    for (std::size_t j = 0; j < items.size(); ++j) {
      table.load(static_cast<Index>(j), column.data());
      const auto wanted = embedding(encoder, items[j].messages);
      for (std::size_t k = 0; k < 64; ++k)
        CHECK(std::abs(column[k] - wanted[k]) <= 0.005F * std::abs(wanted[k]) + 1e-6F);
    }
  }
}
