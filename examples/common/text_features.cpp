// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "text_features.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "hash.hpp"

namespace lore_examples {
namespace {

constexpr char32_t invalid = 0xFFFD;

/// The code point at `at`, which moves past it; `invalid` and one byte on where the bytes are not UTF-8.
char32_t decode(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  ++at;
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 && lead < 0xF8   ? 3
                   : lead >= 0xE0 && lead < 0xF0 ? 2
                   : lead >= 0xC2 && lead < 0xE0 ? 1
                                                 : 0;
  if (more == 0 || at + static_cast<std::size_t>(more) > text.size()) return invalid;
  char32_t code = lead & (0x3FU >> more);
  for (int i = 0; i < more; ++i) {
    const unsigned char next = byte(at + static_cast<std::size_t>(i));
    if ((next & 0xC0U) != 0x80U) return invalid;
    code = (code << 6) | (next & 0x3FU);
  }
  at += static_cast<std::size_t>(more);
  return code;
}

void append(std::string& text, char32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0U | (code >> 6));
    text += static_cast<char>(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0U | (code >> 12));
    text += static_cast<char>(0x80U | ((code >> 6) & 0x3FU));
    text += static_cast<char>(0x80U | (code & 0x3FU));
  } else {
    text += static_cast<char>(0xF0U | (code >> 18));
    text += static_cast<char>(0x80U | ((code >> 12) & 0x3FU));
    text += static_cast<char>(0x80U | ((code >> 6) & 0x3FU));
    text += static_cast<char>(0x80U | (code & 0x3FU));
  }
}

bool in(char32_t code, char32_t first, char32_t last) { return code >= first && code <= last; }
bool is_digit(char32_t code) { return in(code, U'0', U'9'); }
bool is_space(char32_t code) { return code == U' ' || in(code, U'\t', U'\r') || code == 0xA0; }

/// Upper-case letters of ASCII, Latin-1, Greek and Cyrillic.
bool is_upper(char32_t code) {
  return in(code, U'A', U'Z') || (in(code, 0xC0, 0xDE) && code != 0xD7) || in(code, 0x391, 0x3A9) ||
         in(code, 0x400, 0x42F);
}

char32_t to_lower(char32_t code) {
  if (!is_upper(code)) return code;
  return code + (in(code, 0x400, 0x40F) ? 80U : 32U);
}

/// Letters of any script: what is neither ASCII punctuation nor one of the blocks of signs and symbols.
bool is_letter(char32_t code) {
  if (code < 0x80) return in(code, U'A', U'Z') || in(code, U'a', U'z');
  if (code == 0xAA || code == 0xB5 || code == 0xBA) return true;
  return !(code < 0xC0 || code == 0xD7 || code == 0xF7 || in(code, 0x2000, 0x2BFF) ||
           in(code, 0x2E00, 0x2E7F) || in(code, 0x3000, 0x303F) || in(code, 0xFE00, 0xFE6F) ||
           in(code, 0xFF00, 0xFF20) || in(code, 0xD800, 0xF8FF) || in(code, 0xFFF0, 0xFFFF) ||
           in(code, 0x1F000, 0x1FAFF) || code >= 0xE0000);
}

/// Scripts written without spaces between words.
bool is_ideograph(char32_t code) {
  return in(code, 0x3040, 0x30FF) || in(code, 0x3400, 0x9FFF) || in(code, 0xAC00, 0xD7AF) ||
         in(code, 0x20000, 0x3FFFF);
}

bool is_apostrophe(char32_t code) { return code == U'\'' || code == 0x2019; }

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> codes;
  codes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) codes.push_back(decode(text, at));
  return codes;
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size()))
    ++count;
  return count;
}

/// Lines that begin as an item of a list: "- ", "* ", "• ", "1. ", "2) ".
std::size_t list_items(std::string_view text) {
  std::size_t count = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t")));
    const std::size_t digits = std::min(line.size(), line.find_first_not_of("0123456789"));
    const std::string_view rest = line.substr(digits);
    const bool numbered = digits > 0 && digits < 4 && (rest.starts_with(". ") || rest.starts_with(") "));
    if (numbered || line.starts_with("- ") || line.starts_with("* ") || line.starts_with("\xE2\x80\xA2 "))
      ++count;
  }
  return count;
}

NgramCounts::Counts tally(std::vector<std::uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  NgramCounts::Counts counts;
  for (const std::uint64_t hash : hashes) {
    if (counts.empty() || counts.back().first != hash) counts.emplace_back(hash, 0);
    ++counts.back().second;
  }
  return counts;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto close = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  const std::vector<char32_t> codes = code_points(text);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const char32_t code = codes[i];
    if (is_ideograph(code)) {
      close();
      append(word, code);
      close();
    } else if (is_letter(code) || is_digit(code)) {
      append(word, to_lower(code));
    } else if (is_apostrophe(code) && !word.empty() && i + 1 < codes.size() && is_letter(codes[i + 1])) {
      word += '\'';
    } else {
      close();
    }
  }
  close();
  return words;
}

NgramCounts count_ngrams(std::string_view text) {
  std::vector<std::uint64_t> single, pairs, pieces;
  const std::vector<std::string> words = words_of(text);
  std::string key;
  for (std::size_t i = 0; i < words.size(); ++i) {
    single.push_back(hash64(words[i], 1));
    if (i > 0) {
      key.assign(words[i - 1]).append(" ").append(words[i]);
      pairs.push_back(hash64(key, 2));
    }
    key.assign("<").append(words[i]).append(">");
    std::vector<std::size_t> starts;  // of each character, and the end
    for (std::size_t at = 0; at < key.size(); (void)decode(key, at)) starts.push_back(at);
    starts.push_back(key.size());
    for (const std::size_t length : {std::size_t{3}, std::size_t{4}})
      for (std::size_t c = 0; c + length < starts.size(); ++c)
        pieces.push_back(hash64(std::string_view(key).substr(starts[c], starts[c + length] - starts[c]), 3));
  }
  return {tally(std::move(single)), tally(std::move(pairs)), tally(std::move(pieces))};
}

const std::array<std::string_view, surface_count> surface_names{
    "log words",
    "log characters",
    "log sentences",
    "log words a sentence",
    "log letters a word",
    "share of distinct words",
    "share of long words",
    "log commas",
    "log full stops",
    "log question marks",
    "log exclamation marks",
    "log colons and semicolons",
    "log brackets",
    "log dashes and ellipses",
    "log quotation marks",
    "share of digits",
    "log numbers",
    "share of capitals",
    "log words in capitals",
    "log line breaks",
    "log list items",
    "log links",
    "share of letters outside ASCII",
    "begins with a capital",
    "ends with a stop",
    "share of the reply's words in the prompt",
    "share of the prompt's words in the reply",
    "log length over the prompt's",
};

std::array<float, surface_count> surface_features(std::string_view reply, std::string_view prompt) {
  const std::vector<std::string> words = words_of(reply);
  const std::vector<std::string> prompt_words = words_of(prompt);
  const std::unordered_set<std::string> distinct(words.begin(), words.end());
  const std::unordered_set<std::string> asked(prompt_words.begin(), prompt_words.end());
  const std::vector<char32_t> codes = code_points(reply);

  double letters = 0, foreign = 0, capitals = 0, digits = 0, numbers = 0, shouted = 0, lines = 0;
  double commas = 0, stops = 0, questions = 0, exclamations = 0, colons = 0, brackets = 0, dashes = 0,
         quotes = 0, sentences = 0;
  char32_t first = 0, last = 0;
  bool ended = true;  // no sentence is open
  for (std::size_t i = 0; i < codes.size();) {
    // A run of letters or digits, or one other character.
    std::size_t end = i;
    std::size_t upper = 0, run_digits = 0;
    while (end < codes.size() && (is_letter(codes[end]) || is_digit(codes[end]))) {
      upper += is_upper(codes[end]);
      run_digits += is_digit(codes[end]);
      foreign += codes[end] >= 0x80;
      ++end;
    }
    if (end > i) {
      const std::size_t length = end - i;
      letters += static_cast<double>(length - run_digits);
      capitals += static_cast<double>(upper);
      digits += static_cast<double>(run_digits);
      numbers += run_digits == length;
      shouted += length > 1 && upper == length;
      ended = false;
      if (first == 0) first = codes[i];
      last = codes[end - 1];
      i = end;
      continue;
    }
    const char32_t code = codes[i];
    const bool stop = code == U'.' || code == U'?' || code == U'!' || code == 0x2026 || code == 0x3002 ||
                      code == 0xFF1F || code == 0xFF01;
    if (stop && !ended) {
      ++sentences;
      ended = true;
    }
    commas += code == U',' || code == 0x3001 || code == 0xFF0C;
    stops += code == U'.' || code == 0x3002;
    questions += code == U'?' || code == 0xFF1F;
    exclamations += code == U'!' || code == 0xFF01;
    colons += code == U':' || code == U';';
    brackets += code == U'(' || code == U'[';
    dashes += code == 0x2013 || code == 0x2014 || code == 0x2026 ||
              (code == U'-' && i > 0 && is_space(codes[i - 1]));
    quotes += code == U'"' || in(code, 0x201C, 0x201F) || code == 0xAB || code == 0xBB;
    lines += code == U'\n';
    if (!is_space(code)) {
      if (first == 0) first = code;
      last = code;
    }
    ++i;
  }
  if (!ended) ++sentences;

  double long_words = 0, word_letters = 0, shared = 0, answered = 0;
  for (const std::string& word : words) {
    const auto length = static_cast<double>(code_points(word).size());
    word_letters += length;
    long_words += length > 6;
  }
  for (const std::string& word : distinct) shared += asked.contains(word);
  for (const std::string& word : asked) answered += distinct.contains(word);

  const auto log1 = [](double count) { return static_cast<float>(std::log1p(count)); };
  const auto share = [](double part, std::size_t whole) {
    return whole == 0 ? 0.0F : static_cast<float>(part / static_cast<double>(whole));
  };
  const auto count = static_cast<double>(words.size());
  const auto characters = static_cast<double>(codes.size());
  return {log1(count),
          log1(characters),
          log1(sentences),
          log1(count / std::max(1.0, sentences)),
          log1(word_letters / std::max(1.0, count)),
          share(static_cast<double>(distinct.size()), words.size()),
          share(long_words, words.size()),
          log1(commas),
          log1(stops),
          log1(questions),
          log1(exclamations),
          log1(colons),
          log1(brackets),
          log1(dashes),
          log1(quotes),
          share(digits, codes.size()),
          log1(numbers),
          letters > 0 ? static_cast<float>(capitals / letters) : 0.0F,
          log1(shouted),
          log1(lines),
          log1(static_cast<double>(list_items(reply))),
          log1(static_cast<double>(count_of(reply, "http://") + count_of(reply, "https://") +
                                   count_of(reply, "www."))),
          share(foreign, codes.size()),
          is_upper(first) ? 1.0F : 0.0F,
          last == U'.' || last == U'?' || last == U'!' || last == 0x3002 ? 1.0F : 0.0F,
          share(shared, distinct.size()),
          share(answered, asked.size()),
          log1(count) - log1(static_cast<double>(prompt_words.size()))};
}

}  // namespace lore_examples
