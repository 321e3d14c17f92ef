// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/mapped_file.hpp"

#include <string>
#include <thread>

#include "io/support.hpp"
#include "lore_catch.hpp"
#include <sys/stat.h>

using lore::MappedFile;
using lore_test::Folder;
using lore_test::has;
using lore_test::io_message;

namespace {
std::string content(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}
}  // namespace

TEST_CASE("a mapped file has the bytes of the file, under any name") {
  const Folder folder;
  for (const std::string name : {"plain", "two words", "çà et là", "日本語", "-dash"}) {
    lore_test::put(folder / name, "content of " + name);
    CHECK(content(*MappedFile::open(folder / name)) == "content of " + name);
  }
}

TEST_CASE("an empty file maps to no bytes") {
  const Folder folder;
  lore_test::put(folder / "empty", "");
  CHECK(MappedFile::open(folder / "empty")->bytes().empty());
}

TEST_CASE("a mapping outlives the removal and the replacement of its file") {
  const Folder folder;
  lore_test::put(folder / "a", "first");
  const auto file = MappedFile::open(folder / "a");
  std::filesystem::remove(folder / "a");
  CHECK(content(*file) == "first");
}

TEST_CASE("what cannot be mapped is read into memory") {
  const Folder folder;
  const std::filesystem::path pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const std::string text(3'000'000, 'x');
  std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << text << "end"; });
  const auto file = MappedFile::open(pipe);
  writer.join();
  CHECK(content(*file) == text + "end");
}

TEST_CASE("a file that cannot be opened is an io_error with path and reason") {
  const Folder folder;
  const std::string missing = io_message([&] { (void)MappedFile::open(folder / "no such file"); });
  CAPTURE(missing);
  CHECK(has(missing, "no such file"));
  CHECK(has(missing, "cannot open"));
  CHECK(has(missing, "No such file or directory"));
  const std::string directory = io_message([&] { (void)MappedFile::open(folder.path()); });
  CAPTURE(directory);
  CHECK(has(directory, "Is a directory"));
}
