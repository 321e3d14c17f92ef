// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// The programs train_basis and vary_fewshot as a user runs them, and on real preferences where there are any.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "lore/data/simulate.hpp"
#include "lore/io/preference_file.hpp"

#include "lore_catch.hpp"
#include "program.hpp"
#include "reddit_tldr/training.hpp"
#include "support.hpp"
#include <sys/wait.h>

using lore::Index;
using lore_test::contains;
using Json = nlohmann::json;

#ifdef LORE_EXAMPLES_DIR

namespace {

using Clock = std::chrono::steady_clock;

/// reddit_tldr/train_basis in the folder, on its own while this object lives.
class Child {
 public:
  Child(const lore_test::Folder& folder, const std::vector<std::string>& arguments) {
    const std::string program = LORE_EXAMPLES_DIR "/reddit_tldr/train_basis";
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const std::string where = folder.path().string();
    process_ = ::fork();
    if (process_ != 0) return;
    const int quiet = ::chdir(where.c_str()) == 0 ? ::open("out.txt", O_WRONLY | O_CREAT, 0600) : -1;
    if (quiet >= 0 && ::dup2(quiet, 1) == 1 && ::dup2(quiet, 2) == 2) ::execv(argv[0], argv.data());
    ::_exit(99);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (process_ <= 0 || ended_) return;
    ::kill(process_, SIGKILL);
    (void)::waitpid(process_, nullptr, 0);
  }

  [[nodiscard]] bool running() {
    if (!ended_ && process_ > 0) ended_ = ::waitpid(process_, &status_, WNOHANG) != 0;
    return process_ > 0 && !ended_;
  }

  /// Waits, two minutes at most, until `condition` holds or the program ends. @return whether it holds
  template <class Condition>
  bool wait_until(Condition&& condition) {
    for (const auto until = Clock::now() + std::chrono::minutes(2); Clock::now() < until;) {
      if (condition()) return true;
      if (!running()) return condition();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  void interrupt(int signal = SIGINT) const { ::kill(process_, signal); }

  /// @return its exit code; -1 when a signal ended it or it does not end
  [[nodiscard]] int code() {
    const bool over = wait_until([&] { return !running(); });
    return over && WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  pid_t process_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

Json results_in(const lore_test::Folder& folder) {
  const std::string text = lore_test::content_of(folder / "results.json");
  return text.empty() ? Json{{"ranks", Json::array()}} : Json::parse(text);
}

void write_population(const lore_test::Folder& folder, Index comparisons) {
  lore::PlantedOptions options;
  options.dimension = options.strong = 32;
  options.seen_users = 9;
  options.seen_train = comparisons;
  options.seen_test = options.unseen_users = options.unseen_shots = options.unseen_test = 4;
  lore::write_preferences(folder / "reddit_tldr.prepared.safetensors",
                          lore::simulate_planted(options).preferences);
}

}  // namespace

TEST_CASE("An interrupt keeps the ranks that are finished") {
  const lore_test::Folder folder;
  write_population(folder, 1);  // too few to hold some out for choosing a rank: the fits begin at once
  Child child(folder, {"--protocol", "paper", "--iterations", "1500000", "--ranks", "1,2,3,4,5,6,7,8,9",
                       "--threads", "1", "--results", "results.json", "--csv", "table.csv", "--plot",
                       "plot.svg", "--model", "model.safetensors"});
  REQUIRE(child.wait_until([&] { return !results_in(folder)["ranks"].empty(); }));
  child.interrupt();
  CHECK(child.code() == 130);
  const Json json = results_in(folder);
  CHECK(json["complete"] == false);
  REQUIRE(json["ranks"].size() >= 1);
  CHECK(json["ranks"].size() < 9);
  for (const Json& rank : json["ranks"]) CHECK(rank["unseen_test"]["accuracy"].is_number());
  const std::string out = lore_test::content_of(folder / "out.txt");
  CHECK(contains(out, "1 Bradley-Terry"));
  CHECK(contains(out, "interrupted"));
  CHECK(folder.files() == 6);  // data, out.txt, results, table, plot and the model of the first rank
}

TEST_CASE("An interrupt before the first rank leaves valid results without ranks") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const lore_test::Folder folder;
    write_population(folder, 20);
    Child child(folder, {"--protocol", "paper", "--iterations", "100000000", "--ranks", "1,2", "--results",
                         "results.json", "--model", "model.safetensors"});
    REQUIRE(child.wait_until([&] { return std::filesystem::exists(folder / "results.json"); }));
    child.interrupt(signal);
    CHECK(child.code() == 130);
    const Json json = results_in(folder);
    CHECK(json["complete"] == false);
    CHECK(json["ranks"].empty());
    CHECK(json["selected_rank"].is_null());
    CHECK(folder.files() == 3);  // data, out.txt and results
  }
}

TEST_CASE("The programs find what prepare writes by default and are quiet in a pipe") {
  const lore_test::Folder folder;
  for (const char* program : {"reddit_tldr/train_basis", "reddit_tldr/vary_fewshot"}) {
    const lore_test::Run missing = lore_test::run(folder, program, "--results results.json");
    CHECK(missing.code == 1);
    CHECK(contains(missing.err, "error: reddit_tldr.prepared.safetensors"));
    CHECK(contains(missing.err, "prepare"));
    CHECK_FALSE(std::filesystem::exists(folder / "results.json"));
  }
  write_population(folder, 20);
  const lore_test::Run train =
      lore_test::run(folder, "reddit_tldr/train_basis", "--ranks 2,1,2 --model 'm 数.safetensors'");
  CHECK(train.code == 0);
  CHECK(train.err.empty());
  CHECK(contains(train.out, "1 Bradley-Terry"));
  const lore_test::Run curve = lore_test::run(folder, "reddit_tldr/vary_fewshot",
                                              "--model 'm 数.safetensors' --shots 1,4 --first --seed 3");
  CHECK(curve.code == 0);
  CHECK(curve.err.empty());
  CHECK(contains(curve.out, "Bradley-Terry"));
}

TEST_CASE("vary_fewshot fits with as many iterations as asked, and writes into a pipe") {
  const lore_test::Folder folder;
  write_population(folder, 20);
  const auto curve = [&](int iterations) {
    const lore_test::Run run =
        lore_test::run(folder, "reddit_tldr/vary_fewshot",
                       "--protocol paper --rank 2 --shots 4 --first --csv /dev/stdout --iterations " +
                           std::to_string(iterations) + " | cat");
    CHECK(run.code == 0);
    const auto row = run.out.find("\n4,");  // the last column is a time
    REQUIRE(row != std::string::npos);
    return run.out.substr(row, run.out.rfind(',', run.out.find('\n', row + 1)) - row);
  };
  const std::string once = curve(1);
  CHECK(curve(1) == once);
  CHECK(curve(40) != once);
}

TEST_CASE("Command lines that make no sense are refused before anything happens") {
  const lore_test::Folder folder;
  write_population(folder, 20);
  const auto refused = [&](const char* program, const std::string& arguments) {
    CAPTURE(program, arguments);
    const lore_test::Run run = lore_test::run(folder, program, arguments + " --results r.json");
    CHECK(run.code != 0);
    CHECK_FALSE(run.err.empty());
    CHECK_FALSE(std::filesystem::remove(folder / "r.json"));
  };
  for (const char* arguments :
       {"--ranks -1", "--ranks two", "--ranks 33", "--ranks 1.5", "--protocol published", "--iterations 0",
        "--threads -1", "--cosine-alpha -1", "--seed -1", "--unknown", "extra"})
    refused("reddit_tldr/train_basis", arguments);
  for (const char* arguments :
       {"--rank 2 --model m.safetensors", "--first --trials 3", "--trials 0", "--shots -1", "--rank -1",
        "--rank 10", "--model absent.safetensors", "--rank 2 --iterations 0"})
    refused("reddit_tldr/vary_fewshot", arguments);
}

#endif

TEST_CASE("On real preferences train_basis needs nothing set by hand and chooses more than one reward") {
  const auto data = lore_test::test_data("polis/preferences.safetensors");
  if (!data) return lore_test::skip();
  const lore_test::Folder folder;
  lore_examples::TrainOptions options;
  options.data = *data;
  options.threads = 2;
  options.results = folder / "results.json";
  options.model = folder / "model.safetensors";
  std::ostringstream out;
  CHECK(lore_examples::train_basis(options, lore_examples::reddit_tldr::training, out) == 0);
  const Json json = Json::parse(lore_test::content_of(options.results));
  CHECK(json["complete"] == true);
  CHECK(json["selected_rank"] > 1);
  CHECK(std::filesystem::exists(options.model));
  REQUIRE(json["ranks"].size() >= 7);
  CHECK(json["ranks"][0]["seen_test"]["accuracy"].is_null());
  for (const Json& rank : json["ranks"])
    if (rank["rank"] == json["selected_rank"])
      CHECK(rank["seen_test"]["accuracy"] > json["ranks"][1]["seen_test"]["accuracy"]);
}
