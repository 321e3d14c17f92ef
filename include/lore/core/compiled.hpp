// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The lore authors
#pragma once

/// What `lore::compiled` is made of. The fits that most programs use (Bradley-Terry, features and arithmetic
/// in float) need not be compiled again in every file that calls them: where LORE_COMPILED is defined, as by
/// linking `lore::compiled`, the headers say that they are compiled elsewhere. Without CMake: define
/// LORE_COMPILED everywhere, and compile one more file that holds
///
///     #define LORE_COMPILED_HERE
///     #include "lore/lore.hpp"
///
/// Compile that file for the same instruction set as those that use it: Eigen's alignment depends on it.
/// Another loss, scalar, store or solver is compiled where it is used, with or without.
///
/// Functions that no template argument matters to are templates of an unused `class Lazy`, so that a program
/// compiles them only where it calls them; where they are compiled elsewhere their bodies are not read at
/// all.

#if defined(LORE_COMPILED_HERE)
#define LORE_COMPILED_TEMPLATE template
#elif defined(LORE_COMPILED)
#define LORE_COMPILED_TEMPLATE extern template
#define LORE_COMPILED_ELSEWHERE
#endif
