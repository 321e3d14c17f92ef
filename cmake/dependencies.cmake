# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# Where lore's dependencies come from, in this order:
#   1. a target of that name that the parent project already has,
#   2. the directory in FETCHCONTENT_SOURCE_DIR_<NAME>: a checkout, or just a directory of headers,
#   3. an installed package (unless CMAKE_DISABLE_FIND_PACKAGE_<Name> or FETCHCONTENT_TRY_FIND_PACKAGE_MODE=NEVER),
#   4. FetchContent, at a fixed commit.
# Where none of them works, configuration stops with one message that names the Debian package.
include_guard(GLOBAL)
include(FetchContent)

# lore_populate(<name> PACKAGE <Debian package> HEADERS <any of these> REPOSITORY <url> COMMIT <hash>)
#
# Takes the sources from FETCHCONTENT_SOURCE_DIR_<NAME> or fetches them, and sets <name>_source_dir and
# <name>_include_dir (the directory below which a header of HEADERS lies). They are only populated, not added: a
# dependency's own build, tests and install rules stay out of ours.
function(lore_populate name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PACKAGE;REPOSITORY;COMMIT" "HEADERS")
  string(TOLOWER ${name} lower)
  string(TOUPPER ${name} upper)
  set(places "" /include /src /single_include)  # a directory of headers is as good as a checkout

  if(NOT FETCHCONTENT_SOURCE_DIR_${upper})
    set(fetched OFF)
    foreach(place IN LISTS places)
      foreach(header IN LISTS arg_HEADERS)
        if(EXISTS ${FETCHCONTENT_BASE_DIR}/${lower}-src${place}/${header})
          set(fetched ON)
        endif()
      endforeach()
    endforeach()
    if(NOT fetched)
      # A clone that fails ends in pages of its log; asking first keeps the message short.
      find_program(git git NO_CACHE)
      set(result "no git")
      if(git AND NOT FETCHCONTENT_FULLY_DISCONNECTED)
        execute_process(
          COMMAND ${CMAKE_COMMAND} -E env GIT_TERMINAL_PROMPT=0 ${git} ls-remote ${arg_REPOSITORY} HEAD
          TIMEOUT 60 RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
      endif()
      if(NOT result STREQUAL "0")
        message(FATAL_ERROR
          "lore needs ${name}, which is not installed, and ${arg_REPOSITORY} cannot be reached to fetch it.\n"
          "On Debian or Ubuntu: apt-get install ${arg_PACKAGE}\n"
          "Elsewhere: install it where CMake looks (CMAKE_PREFIX_PATH), "
          "or set FETCHCONTENT_SOURCE_DIR_${upper} to its sources.")
      endif()
      message(STATUS "lore: ${name} is not installed; fetching ${arg_REPOSITORY}")
    endif()
  endif()

  FetchContent_Declare(${name} GIT_REPOSITORY ${arg_REPOSITORY} GIT_TAG ${arg_COMMIT} SOURCE_SUBDIR populate-only)
  FetchContent_MakeAvailable(${name})
  set(source_dir ${${lower}_SOURCE_DIR})

  list(TRANSFORM places PREPEND ${source_dir} OUTPUT_VARIABLE paths)
  find_path(include_dir NAMES ${arg_HEADERS} PATHS ${paths} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH NO_CACHE)
  if(NOT include_dir)
    message(FATAL_ERROR "lore: the sources of ${name}, ${source_dir}, do not hold ${arg_HEADERS}")
  endif()
  message(STATUS "lore: ${name} from ${include_dir}")
  set(${name}_include_dir ${include_dir} PARENT_SCOPE)
  set(${name}_source_dir ${source_dir} PARENT_SCOPE)
endfunction()

# Whether an installed package may be used, by the rules at the top of this file.
function(lore_may_find name result)
  string(TOUPPER ${name} upper)
  set(${result} ON PARENT_SCOPE)
  if(FETCHCONTENT_SOURCE_DIR_${upper} OR FETCHCONTENT_TRY_FIND_PACKAGE_MODE STREQUAL "NEVER")
    set(${result} OFF PARENT_SCOPE)
  endif()
endfunction()

function(lore_headers_target target include_dir)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} INTERFACE ${include_dir})
endfunction()

# Found targets are global: a parent that links lore::lore sees what stands behind it.

function(lore_require_threads)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)
endfunction()

function(lore_require_eigen)
  if(TARGET Eigen3::Eigen)
    return()
  endif()
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  lore_may_find(Eigen3 may_find)
  if(may_find)
    # Unversioned: to its version file, Eigen 5 would be no Eigen 3.4.
    find_package(Eigen3 CONFIG QUIET)
    if(Eigen3_FOUND)
      if(Eigen3_VERSION VERSION_LESS 3.4)
        message(FATAL_ERROR "lore needs Eigen 3.4 or newer, found ${Eigen3_VERSION} in ${Eigen3_DIR}. "
          "Set Eigen3_DIR to a newer one, or FETCHCONTENT_SOURCE_DIR_EIGEN3 to its sources.")
      endif()
      message(STATUS "lore: Eigen3 ${Eigen3_VERSION} from ${Eigen3_DIR}")
      return()
    endif()
  endif()
  lore_populate(Eigen3 PACKAGE libeigen3-dev HEADERS Eigen/Core
    REPOSITORY https://gitlab.com/libeigen/eigen.git COMMIT 3147391d946bb4b6c68edd901f2add6ac1f31f8c)  # 3.4.0
  lore_headers_target(Eigen3::Eigen ${Eigen3_include_dir})
endfunction()

function(lore_require_nlohmann_json)
  if(TARGET nlohmann_json::nlohmann_json)
    return()
  endif()
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  lore_may_find(nlohmann_json may_find)
  if(may_find)
    find_package(nlohmann_json CONFIG QUIET)
    if(nlohmann_json_FOUND)
      message(STATUS "lore: nlohmann_json ${nlohmann_json_VERSION} from ${nlohmann_json_DIR}")
      return()
    endif()
  endif()
  lore_populate(nlohmann_json PACKAGE nlohmann-json3-dev HEADERS nlohmann/json.hpp
    REPOSITORY https://github.com/nlohmann/json.git COMMIT 9cca280a4d0ccf0c08f47a99aa71d1b0e52f8d03)  # 3.11.3
  lore_headers_target(nlohmann_json::nlohmann_json ${nlohmann_json_include_dir})
endfunction()

function(lore_require_cli11)
  if(TARGET CLI11::CLI11)
    return()
  endif()
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  lore_may_find(CLI11 may_find)
  if(may_find)
    find_package(CLI11 CONFIG QUIET)
    if(CLI11_FOUND)
      message(STATUS "lore: CLI11 ${CLI11_VERSION} from ${CLI11_DIR}")
      return()
    endif()
  endif()
  lore_populate(CLI11 PACKAGE libcli11-dev HEADERS CLI/CLI.hpp
    REPOSITORY https://github.com/CLIUtils/CLI11.git COMMIT 4160d259d961cd393fd8d67590a8c7d210207348)  # 2.5.0
  lore_headers_target(CLI11::CLI11 ${CLI11_include_dir})
endfunction()

# Catch2::Catch2WithMain, of version 2.13 or 3; LORE_CATCH_MODULE is the path of its Catch.cmake, where it has one.
function(lore_require_catch2)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  if(NOT TARGET Catch2::Catch2WithMain)
    lore_may_find(Catch2 may_find)
    if(may_find)
      find_package(Catch2 CONFIG QUIET)
    endif()
    if(TARGET Catch2::Catch2WithMain)
      message(STATUS "lore: Catch2 ${Catch2_VERSION} from ${Catch2_DIR}")
    else()
      lore_populate(Catch2 PACKAGE catch2 HEADERS catch2/catch_all.hpp catch2/catch.hpp
        REPOSITORY https://github.com/catchorg/Catch2.git COMMIT fa43b77429ba76c462b1898d6cd2f2d7a9416b14)  # 3.7.1
      if(NOT EXISTS ${Catch2_include_dir}/catch2/catch_all.hpp)
        # Version 2 is one header, and its main is ours to compile.
        file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/catch_main.cpp
          CONTENT "#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n")
        add_library(lore_catch_main STATIC EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/catch_main.cpp)
        target_compile_features(lore_catch_main PUBLIC cxx_std_20)
        target_include_directories(lore_catch_main SYSTEM PUBLIC ${Catch2_include_dir})
        add_library(Catch2::Catch2WithMain ALIAS lore_catch_main)
      elseif(EXISTS ${Catch2_source_dir}/CMakeLists.txt)
        set(CMAKE_CXX_STANDARD 20)
        add_subdirectory(${Catch2_source_dir} ${PROJECT_BINARY_DIR}/_deps/catch2-build EXCLUDE_FROM_ALL)
        get_target_property(include_dirs Catch2 INTERFACE_INCLUDE_DIRECTORIES)
        set_target_properties(Catch2 PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${include_dirs}")
      else()
        message(FATAL_ERROR "lore: Catch2 3 is a compiled library; "
          "FETCHCONTENT_SOURCE_DIR_CATCH2 must be a checkout, got ${Catch2_source_dir}")
      endif()
    endif()
  endif()
  find_file(LORE_CATCH_MODULE Catch.cmake NO_CMAKE_FIND_ROOT_PATH
    HINTS ${Catch2_DIR} ${Catch2_source_dir}/extras ${Catch2_source_dir}/contrib
    PATH_SUFFIXES lib/cmake/Catch2 share/cmake/Catch2)
  mark_as_advanced(LORE_CATCH_MODULE)
endfunction()

# cpp-httplib is optional: sets <result> to a target that defines LORE_HAVE_HTTPLIB=1, or to nothing.
function(lore_find_httplib result)
  if(NOT TARGET lore_httplib)
    find_package(Threads REQUIRED)
    find_package(httplib CONFIG QUIET)
    find_path(LORE_HTTPLIB_INCLUDE_DIR httplib.h)
    find_library(LORE_HTTPLIB_LIBRARY cpp-httplib)
    mark_as_advanced(LORE_HTTPLIB_INCLUDE_DIR LORE_HTTPLIB_LIBRARY)
    set(libraries "")
    set(definitions "")
    if(TARGET httplib::httplib)
      set(libraries httplib::httplib)
    elseif(LORE_HTTPLIB_INCLUDE_DIR AND LORE_HTTPLIB_LIBRARY)
      # Debian's is split into header and library, and both must see the same macros: its .pc file has them.
      get_filename_component(directory ${LORE_HTTPLIB_LIBRARY} DIRECTORY)
      if(EXISTS ${directory}/pkgconfig/cpp-httplib.pc)
        file(STRINGS ${directory}/pkgconfig/cpp-httplib.pc flags REGEX "^Cflags:")
        string(REGEX MATCHALL "CPPHTTPLIB_[A-Z_]+" definitions "${flags}")
      endif()
      set(libraries ${LORE_HTTPLIB_LIBRARY})
    endif()
    if(LORE_HTTPLIB_INCLUDE_DIR OR libraries)
      # One probe decides, so that an incomplete installation costs an encoder and not the build.
      include(CheckCXXSourceCompiles)
      set(CMAKE_REQUIRED_LIBRARIES ${libraries} Threads::Threads)
      list(TRANSFORM definitions PREPEND -D OUTPUT_VARIABLE CMAKE_REQUIRED_DEFINITIONS)
      if(LORE_HTTPLIB_INCLUDE_DIR)
        set(CMAKE_REQUIRED_INCLUDES ${LORE_HTTPLIB_INCLUDE_DIR})
      endif()
      check_cxx_source_compiles("#include <httplib.h>
        int main() { httplib::Client client(\"localhost\", 1); return client.is_valid() ? 0 : 1; }" LORE_HTTPLIB_WORKS)
    endif()
    if(NOT LORE_HTTPLIB_WORKS)
      message(STATUS "lore: no cpp-httplib (Debian: libcpp-httplib-dev), so no encoder that asks a server")
      set(${result} "" PARENT_SCOPE)
      return()
    endif()
    add_library(lore_httplib INTERFACE)
    if(LORE_HTTPLIB_INCLUDE_DIR)
      target_include_directories(lore_httplib SYSTEM INTERFACE ${LORE_HTTPLIB_INCLUDE_DIR})
    endif()
    target_compile_definitions(lore_httplib INTERFACE LORE_HAVE_HTTPLIB=1 ${definitions})
    target_link_libraries(lore_httplib INTERFACE ${libraries} Threads::Threads)
    message(STATUS "lore: cpp-httplib from ${LORE_HTTPLIB_INCLUDE_DIR}")
  endif()
  set(${result} lore_httplib PARENT_SCOPE)
endfunction()
