// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "personal_llm/training.hpp"

int main(int argc, char** argv) {
  return lore_examples::vary_fewshot_main(argc, argv, lore_examples::personal_llm::training);
}
