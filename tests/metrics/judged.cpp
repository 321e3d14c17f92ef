// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#include "lore/metrics/judged.hpp"

#include <memory>
#include <stdexcept>
#include <vector>

#include "lore_catch.hpp"

using lore::Index;
using Vector = lore::Vector<float>;

TEST_CASE("ties are left out and a choice counts once, by its smallest margin") {
  lore::Comparisons<> all;
  all.features = std::make_shared<const lore::Features>();
  all.user = {0, 4, 7};
  all.offset = {0, 4, 5, 6};
  all.column = {0, 1, 2, 3, 4, 5};
  const Vector margins = (Vector(6) << 1, 3, -2, 5, 6, 7).finished();
  const auto plain = lore::judged_margins(all, margins);
  CHECK(plain.margins == margins);
  CHECK(plain.offset == all.offset);
  all.answer.resize(6);
  all.answer[1].choice = all.answer[2].choice = 8;
  all.answer[4].outcome = lore::Outcome::tie;
  const auto judged = lore::judged_margins(all, margins);
  CHECK(judged.margins == (Vector(4) << 1, -2, 5, 7).finished());
  CHECK(judged.offset == std::vector<Index>{0, 3, 3, 4});
  CHECK_THROWS_AS(lore::judged_margins(all, Vector(Vector::Zero(5))), std::invalid_argument);
}
