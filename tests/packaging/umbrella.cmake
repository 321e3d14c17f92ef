# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# lore.hpp holds every public header but lore/io and the adapters, holds each once and in order, and pulls in nothing
# heavy. Run with -D source_dir= -D compiler= -D include_dirs=.
cmake_minimum_required(VERSION 3.24)
set(include_dir ${source_dir}/include)

# The opt-in headers: each needs an engine or library that lore::lore does not link.
set(opt_in "^lore/io/|^lore/parallel/(openmp|tbb|mpi)\\.hpp$")

file(GLOB_RECURSE expected RELATIVE ${include_dir} ${include_dir}/lore/*.hpp)
list(REMOVE_ITEM expected lore/lore.hpp)
list(FILTER expected EXCLUDE REGEX "/detail/")
list(FILTER expected EXCLUDE REGEX "${opt_in}")
list(SORT expected)

file(STRINGS ${include_dir}/lore/lore.hpp included REGEX "^#include")
list(TRANSFORM included REPLACE "^#include [<\"](.*)[>\"].*$" "\\1")
list(SORT included)

set(failed OFF)
foreach(header IN LISTS expected)
  if(NOT header IN_LIST included)
    message(SEND_ERROR "include/lore/lore.hpp: #include \"${header}\" is missing")
    set(failed ON)
  endif()
endforeach()
foreach(header IN LISTS included)
  if(NOT header IN_LIST expected)
    message(SEND_ERROR "include/lore/lore.hpp: ${header} does not belong there")
    set(failed ON)
  endif()
endforeach()

# What the preprocessor opens.
set(includes "")
foreach(directory IN LISTS include_dirs)
  list(APPEND includes -isystem ${directory})
endforeach()
execute_process(
  COMMAND ${compiler} -std=c++20 -M -x c++ -I ${include_dir} ${includes} ${include_dir}/lore/lore.hpp
  OUTPUT_VARIABLE opened ERROR_VARIABLE errors RESULT_VARIABLE result)
if(NOT result STREQUAL "0")
  message(FATAL_ERROR "lore/lore.hpp does not preprocess:\n${errors}")
endif()
string(REGEX REPLACE "[\\\\\n ]+" ";" opened "${opened}")
foreach(heavy "/nlohmann/" "/CLI/" "/iostream$" "/httplib\\.h$" "/mpi\\.h$" "/lore/io/")
  set(found ${opened})
  list(FILTER found INCLUDE REGEX "${heavy}")
  if(found)
    message(SEND_ERROR "lore/lore.hpp pulls in ${found}")
  endif()
endforeach()

# The version is stated once more than once: as numbers and as text.
file(READ ${include_dir}/lore/core/version.hpp text)
foreach(part MAJOR MINOR PATCH)
  string(REGEX MATCH "LORE_VERSION_${part} ([0-9]+)" ignored "${text}")
  set(${part} ${CMAKE_MATCH_1})
endforeach()
if(NOT text MATCHES "LORE_VERSION_STRING \"${MAJOR}\\.${MINOR}\\.${PATCH}\"")
  message(SEND_ERROR "include/lore/core/version.hpp: LORE_VERSION_STRING is not \"${MAJOR}.${MINOR}.${PATCH}\"")
endif()
