# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# What the packaging scripts share. They get source_dir, work_dir, generator, compiler, version, and given: the cache
# entries by which this build found its dependencies, joined by |.
cmake_minimum_required(VERSION 3.24)

# A caller's environment must not decide what is built here.
foreach(variable CXXFLAGS CPPFLAGS LDFLAGS CMAKE_BUILD_TYPE DESTDIR)
  unset(ENV{${variable}})
endforeach()

string(REPLACE "|" ";" given "${given}")
file(REMOVE_RECURSE ${work_dir})
file(MAKE_DIRECTORY ${work_dir})

# run(<command>...): stops at the first command that fails, with all it said. run_output is what it printed.
macro(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE run_output ERROR_VARIABLE run_errors)
  if(NOT result STREQUAL "0")
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\n${run_output}\n${run_errors}")
  endif()
endmacro()

set(configure ${CMAKE_COMMAND} -G ${generator} -D CMAKE_CXX_COMPILER=${compiler})
