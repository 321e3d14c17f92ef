// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/io/atomic_file.hpp"

#include <csignal>
#include <stdexcept>
#include <string>
#include <unistd.h>

#include "io/support.hpp"
#include "lore_catch.hpp"
#include <sys/resource.h>
#include <sys/stat.h>

using lore::AtomicFile;
using lore_test::Folder;
using lore_test::get;
using lore_test::has;
using lore_test::io_message;

namespace {

/// No file of this process may grow beyond `bytes` while the object lives: what a full disk does to a write.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;
  ~SizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("a committed file is there whole, and nothing beside it") {
  const Folder folder;
  const std::string large(1'000'000, 'y');
  AtomicFile file(folder / "out put ä.txt");
  file.write("head ");
  file.write(large);
  file.write(" tail");
  CHECK_FALSE(std::filesystem::exists(folder / "out put ä.txt"));
  file.commit();
  CHECK(get(folder / "out put ä.txt") == "head " + large + " tail");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("an empty commit makes an empty file") {
  const Folder folder;
  AtomicFile(folder / "empty").commit();
  CHECK(std::filesystem::file_size(folder / "empty") == 0);
}

TEST_CASE("without a commit the old file stays and the temporary goes") {
  const Folder folder;
  lore_test::put(folder / "a", "old");
  const auto interrupted = [&] {
    AtomicFile file(folder / "a");
    file.write(std::string(200'000, 'z'));
    CHECK(folder.names().size() == 2);
    throw std::runtime_error("an error of the caller");
  };
  CHECK_THROWS_AS(interrupted(), std::runtime_error);
  CHECK(get(folder / "a") == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("a new file replaces the old one and keeps its permissions") {
  const Folder folder;
  lore_test::put(folder / "a", "old");
  std::filesystem::permissions(folder / "a", std::filesystem::perms(0640));
  AtomicFile file(folder / "a");
  file.write("new");
  CHECK(get(folder / "a") == "old");
  file.commit();
  CHECK(get(folder / "a") == "new");
  CHECK(std::filesystem::status(folder / "a").permissions() == std::filesystem::perms(0640));
}

TEST_CASE("a symbolic link keeps pointing to the file that is written") {
  const Folder folder;
  lore_test::put(folder / "real", "old");
  std::filesystem::create_symlink(folder / "real", folder / "link");
  AtomicFile file(folder / "link");
  file.write("new");
  file.commit();
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(get(folder / "real") == "new");
}

TEST_CASE("a disk that is full leaves the old file and no temporary") {
  const Folder folder;
  lore_test::put(folder / "a", "old");
  const bool at_commit = GENERATE(false, true);
  std::string message;
  {
    const SizeLimit limit(4096);
    message = io_message([&] {
      AtomicFile file(folder / "a");
      file.write(std::string(at_commit ? 20'000 : 200'000, 'z'));  // the smaller one waits in the buffer
      if (!at_commit) FAIL("write() should have failed");
      file.commit();
    });
  }
  CAPTURE(message, at_commit);
  CHECK(has(message, (folder / "a").string()));
  CHECK(has(message, "File too large"));
  CHECK(get(folder / "a") == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("a full device says so and stays a device") {
  if (!std::filesystem::is_character_file("/dev/full")) return lore_test::skip("no /dev/full");
  const std::string message = io_message([] {
    AtomicFile file("/dev/full");
    file.write("text");
    file.commit();
  });
  CAPTURE(message);
  CHECK(has(message, "/dev/full: cannot write"));
  CHECK(has(message, "No space left on device"));
  CHECK(std::filesystem::is_character_file("/dev/full"));
}

TEST_CASE("an output that may not be written is an error before anything is computed") {
  const Folder folder;
  const std::string no_folder = io_message([&] { AtomicFile(folder / "no folder/a"); });
  CAPTURE(no_folder);
  CHECK(has(no_folder, "no folder/a: cannot write: No such file or directory"));
  const std::string is_folder = io_message([&] { AtomicFile(folder.path()); });
  CAPTURE(is_folder);
  CHECK(has(is_folder, "Is a directory"));
  CHECK(folder.names().empty());
}

TEST_CASE("a folder without the right to write leaves nothing") {
  if (::geteuid() == 0) return lore_test::skip("root may write everywhere");
  const Folder folder;
  lore_test::put(folder / "a", "old");
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0500));
  const std::string message = io_message([&] { AtomicFile(folder / "a"); });
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0700));
  CAPTURE(message);
  CHECK(has(message, "Permission denied"));
  CHECK(get(folder / "a") == "old");
}

TEST_CASE("a finished file takes no more") {
  const Folder folder;
  AtomicFile file(folder / "a");
  file.commit();
  CHECK_THROWS_AS(file.write("more"), std::logic_error);
  CHECK_THROWS_AS(file.commit(), std::logic_error);
}

TEST_CASE("a pipe is written through the link that names its descriptor") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  AtomicFile file("/dev/fd/" + std::to_string(ends[1]));
  file.write("a table");
  file.commit();
  ::close(ends[1]);
  std::string got(16, ' ');
  const auto count = ::read(ends[0], got.data(), got.size());
  ::close(ends[0]);
  REQUIRE(count > 0);
  CHECK(got.substr(0, static_cast<std::size_t>(count)) == "a table");
}
