// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
//
// Prints lore's version, and exits with 0 if the parts are there.

#include "lore/lore.hpp"

#ifdef CONSUMER_USES_IO
#include <nlohmann/json.hpp>

#include "lore/io/dtype.hpp"
#endif

#include <cstdio>

int main() {
  static_assert(lore::Real<float> && !lore::Real<int>);
  const lore::Vector<double> x = lore::Vector<double>::Constant(3, 1.0);
#ifdef CONSUMER_USES_IO
  if (nlohmann::json::parse("[1]").size() != 1) return 1;
#endif
  std::printf("%s\n", LORE_VERSION_STRING);
  return x.sum() == 3.0 ? 0 : 1;
}
