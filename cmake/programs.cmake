# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# How lore's own programs (demo, examples, tests, benchmarks) are compiled. None of this reaches a user's target.
include_guard(GLOBAL)
include(CheckCXXCompilerFlag)

add_library(lore_program_options INTERFACE)
target_compile_features(lore_program_options INTERFACE cxx_std_20)

# Warnings are errors here through CMAKE_COMPILE_WARNING_AS_ERROR, which cmake --compile-no-warning-as-error lifts.
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(lore_program_options INTERFACE -Wall -Wextra -Wconversion -Wshadow
    -fno-math-errno -fno-trapping-math)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms inside the compiler's own headers: AVX-512 intrinsics (GCC bug 105593), std::string (105329).
  target_compile_options(lore_program_options INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict)
endif()
if(NOT DEFINED CMAKE_COMPILE_WARNING_AS_ERROR)
  set(CMAKE_COMPILE_WARNING_AS_ERROR ON)
endif()

if(LORE_NATIVE)
  check_cxx_compiler_flag(-march=native LORE_HAVE_MARCH_NATIVE)
  if(LORE_HAVE_MARCH_NATIVE)
    target_compile_options(lore_program_options INTERFACE -march=native)
  endif()
endif()

set(CMAKE_CXX_EXTENSIONS OFF)

# A build type for a stand-alone build that names none (the presets do); a parent's choice is left alone.
get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(PROJECT_IS_TOP_LEVEL AND NOT multi_config AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# lore::compiled for these programs: it has to be compiled for the instruction set that they are compiled for.
add_library(lore_program_compiled STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/compiled.cpp)
target_link_libraries(lore_program_compiled PUBLIC lore PRIVATE lore_program_options)
target_compile_definitions(lore_program_compiled INTERFACE LORE_COMPILED PRIVATE EIGEN_RUNTIME_NO_MALLOC)  # for tests
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
  target_compile_options(lore_program_compiled PRIVATE "$<$<CONFIG:Release>:-O2>")
endif()

# lore_precompile(<target> <key> [<headers>...])
#
# The target's files see lore.hpp and these headers precompiled. Targets of one key share the result, so they must
# have the same options and definitions.
option(LORE_PRECOMPILE "Precompile headers for lore's own programs" ON)
mark_as_advanced(LORE_PRECOMPILE)
function(lore_precompile target key)
  if(NOT LORE_PRECOMPILE)
    return()
  endif()
  string(MAKE_C_IDENTIFIER "lore_precompiled_${key}_${ARGN}" owner)
  get_property(first GLOBAL PROPERTY ${owner})
  if(first)
    target_precompile_headers(${target} REUSE_FROM ${first})
  else()
    target_precompile_headers(${target} PRIVATE ${PROJECT_SOURCE_DIR}/include/lore/lore.hpp ${ARGN})
    set_property(GLOBAL PROPERTY ${owner} ${target})
  endif()
endfunction()
