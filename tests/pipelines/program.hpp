// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support.hpp"
#include <sys/wait.h>

namespace lore_test {

/// A path as one word of a shell command.
[[nodiscard]] inline std::string shell_word(const std::filesystem::path& path) {
  return "'" + path.string() + "'";
}

struct Run {
  int code = 0;
  std::string out;
  std::string err;
};

#ifdef LORE_EXAMPLES_DIR

/// Runs a program such as "prism/prepare" in the folder, as a user would. What it prints goes to stdout.txt
/// and stderr.txt there.
[[nodiscard]] inline Run run(const Folder& folder, const std::string& program, const std::string& arguments) {
  const std::string command = "cd " + shell_word(folder.path()) + " && " +
                              shell_word(std::string(LORE_EXAMPLES_DIR "/") + program) + " " + arguments +
                              " >stdout.txt 2>stderr.txt";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(folder / "stdout.txt"),
          content_of(folder / "stderr.txt")};
}

#endif

}  // namespace lore_test
