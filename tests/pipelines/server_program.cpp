// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// A prepare program with --encoder server as a user runs it, killed half-way.
#include "lore_catch.hpp"

#if defined(LORE_EXAMPLES_DIR) && defined(LORE_HAVE_HTTPLIB)

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "lore/io/preference_file.hpp"

#include "model_server.hpp"
#include "program.hpp"
#include <sys/wait.h>

using lore_test::contains;
using lore_test::content_of;

namespace {

/// Six workers who compare two summaries of each post; every second summary is the same as another's.
std::string comparisons(const std::string& split, int first, int count) {
  std::string text;
  for (int j = first; j < first + count; ++j)
    for (const char* worker : {"ann", "bob", "cleo", "dan", "eve", "fay"})
      text += R"({"info":{"id":"p)" + std::to_string(j) + R"(","post":"Post )" + std::to_string(j) +
              R"(","title":"T","subreddit":"s"},"summaries":[{"text":"short"},{"text":"longer, of )" +
              std::to_string(j) + R"("}],"choice":)" + (worker[0] < 'd' ? "0" : "1") + R"(,"worker":")" +
              worker + R"(","split":")" + split + "\"}\n";
  return text;
}

}  // namespace

TEST_CASE("prepare killed while a server embeds: a second run ends with the same bytes") {
  const lore_test::Folder folder;
  (void)folder.write("train.jsonl", comparisons("train", 0, 10));
  (void)folder.write("valid.jsonl", comparisons("valid1", 20, 6));
  std::atomic<bool> slow{false};
  lore_test::ModelServerOptions how;
  how.misbehave = [&](int number, const auto&, auto&) {
    for (int i = 0; i < 4000 && slow && number >= 3; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return false;
  };
  const auto arguments = [](const lore_test::ModelServer& server, const std::string& name) {
    return "--train train.jsonl --validation valid.jsonl --encoder server --server-url " + server.url() +
           " --server-batch 4 --server-parallel 2 --embedding-cache " + name + ".cache --out " + name +
           ".safetensors";
  };

  std::string whole;
  int texts = 0;
  {
    lore_test::ModelServer server(how);
    const lore_test::Run run = lore_test::run(folder, "reddit_tldr/prepare", arguments(server, "whole"));
    CAPTURE(run.err);
    REQUIRE(run.code == 0);
    whole = content_of(folder / "whole.safetensors");
    texts = server.embedded();
    CHECK(lore::read_preferences(folder / "whole.safetensors").features->table().count() <= texts);
    REQUIRE(texts > 12);
  }

  slow = true;
  lore_test::ModelServer server(how);
  const std::string command = "cd " + lore_test::shell_word(folder.path()) + " && exec " +
                              lore_test::shell_word(LORE_EXAMPLES_DIR "/reddit_tldr/prepare") + " " +
                              arguments(server, "cut") + " >/dev/null 2>&1";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  // Until vectors have reached the cache; the fourth request is never answered.
  const auto cached = [&] {
    std::error_code none;
    const auto bytes = std::filesystem::file_size(folder / "cut.cache", none);
    return none ? 0 : static_cast<int>((bytes - 32) / (24 + 4 * 8));
  };
  for (int i = 0; i < 2000 && cached() < 12; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK_FALSE(std::filesystem::exists(folder / "cut.safetensors"));
  const int kept = cached();
  CHECK(kept == 12);
  slow = false;

  lore_test::ModelServer again{lore_test::ModelServerOptions{}};
  const lore_test::Run run = lore_test::run(folder, "reddit_tldr/prepare", arguments(again, "cut"));
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  CHECK(content_of(folder / "cut.safetensors") == whole);
  CHECK(again.embedded() < texts);
  CHECK(again.embedded() <= texts - kept + 2);  // and the trial vectors with which a run begins
}

#endif
