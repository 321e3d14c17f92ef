// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "json_lines.hpp"

#include <sstream>
#include <vector>

#include "lore/core/error.hpp"

#include "lore_catch.hpp"
#include "support.hpp"

using namespace lore_examples;
using lore_test::complaint_of;
using lore_test::contains;

namespace {

std::vector<std::string> names(const std::string& text) {
  std::istringstream stream(text);
  JsonLines lines(stream, "input");
  std::vector<std::string> out;
  while (const auto row = lines.next()) out.push_back((*row)["n"].text());
  return out;
}

}  // namespace

TEST_CASE(
    "Byte order mark, CRLF, blank lines and a missing last line end are read as if they were not there") {
  const std::vector<std::string> wanted{"a", "ü 数 \"q\"\n"};
  const std::string second = R"({"n": "\u00fc 数 \"q\"\n"})";
  CHECK(names("{\"n\":\"a\"}\n" + second + "\n") == wanted);
  CHECK(names("\xEF\xBB\xBF{\"n\":\"a\"}\r\n" + second + "\r\n\r\n") == wanted);
  CHECK(names("\n  \n{\"n\":\"a\"}\n\n" + second) == wanted);
  CHECK(names("").empty());
}

TEST_CASE("A malformed line is named by file and line") {
  const lore_test::Folder folder;
  const auto path = folder.write("rows.jsonl", "{\"n\":\"a\"}\n\n{\"n\": tru}\n");
  JsonLines lines(path);
  CHECK(lines.next().has_value());
  const std::string text = complaint_of([&] { (void)lines.next(); });
  CHECK(contains(text, path.string() + ":3: malformed JSON"));
}

TEST_CASE("Truncated, doubled and non-object lines and invalid UTF-8 are refused") {
  for (const char* line :
       {"{\"n\":\"a\"", "{\"n\":\"a\"}{}", "[1]", "3", "{\"n\":\"\xff\"}", "{\"n\":\"\\ud800\"}"}) {
    CAPTURE(line);
    CHECK(contains(complaint_of([&] { (void)names(std::string("{\"n\":\"a\"}\n") + line + "\n"); }),
                   "input:2: "));
  }
}

TEST_CASE("Missing fields and wrong types say where, what was got and what was wanted") {
  std::istringstream stream(
      R"({"a":{"b":"text","list":[1,"x"]},"n":2.5,"whole":3.0,"t":true,"none":null,"big":1e300})");
  JsonLines lines(stream, "input");
  const auto row = lines.next();
  REQUIRE(row);
  const auto complaint = [&](auto&& call) { return complaint_of([&] { (void)call(*row); }); };
  CHECK((*row)["a"]["b"].text() == "text");
  CHECK((*row)["whole"].integer() == 3);
  CHECK((*row)["n"].number() == 2.5);
  CHECK((*row)["t"].boolean());
  CHECK_FALSE(row->find("none"));
  CHECK_FALSE(row->find("absent"));
  CHECK(contains(complaint([](auto& r) { return r["a"]["c"].text(); }), "input:1: field 'a.c': got nothing"));
  CHECK(contains(complaint([](auto& r) { return r["n"].text(); }),
                 "input:1: field 'n': got 2.5, wanted a string"));
  CHECK(contains(complaint([](auto& r) { return r["n"].integer(); }), "got 2.5, wanted a whole number"));
  CHECK(contains(complaint([](auto& r) { return r["big"].integer(); }), "wanted a whole number"));
  CHECK(contains(complaint([](auto& r) { return r["a"].number(); }),
                 "field 'a': got an object, wanted a number"));
  CHECK(contains(complaint([](auto& r) { return r["none"].text(); }), "field 'none': got null"));
  CHECK(contains(complaint([](auto& r) { return r["n"]["x"].text(); }),
                 "field 'n': got a number, wanted an object"));
  CHECK(contains(complaint([](auto& r) { return r["a"]["list"].at(0).text(); }), "field 'a.list[0]'"));
  CHECK(contains(complaint([](auto& r) { return r["a"]["list"].at(2).text(); }),
                 "field 'a.list': got an array of 2"));
}

TEST_CASE("A missing file and a directory are refused by name") {
  const lore_test::Folder folder;
  CHECK(contains(complaint_of([&] { JsonLines lines(folder / "absent.jsonl"); }),
                 "absent.jsonl: cannot be opened"));
  CHECK(contains(complaint_of([&] { JsonLines lines(folder.path()); }), "got a directory"));
  CHECK_THROWS_AS(JsonLines(folder / "absent.jsonl"), lore::io_error);
}
