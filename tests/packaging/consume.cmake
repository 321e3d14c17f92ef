# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# Builds and runs consumer/ with lore obtained as `how` says, with lore::io if `io` is ON and with lore::compiled if
# `compiled` is ON.
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

set(from "")
if(how STREQUAL "find_package")
  run(${configure} -S ${source_dir} -B ${work_dir}/lore ${given}
    -D LORE_BUILD_TESTS=OFF -D LORE_BUILD_EXAMPLES=OFF -D LORE_BUILD_BENCH=OFF)
  run(${CMAKE_COMMAND} --install ${work_dir}/lore --prefix ${work_dir}/staged)
  # An installation may be moved, and must not need the tree it came from.
  file(RENAME ${work_dir}/staged "${work_dir}/in stalled")
  file(REMOVE_RECURSE ${work_dir}/lore)
  set(from "-Dlore_DIR=${work_dir}/in stalled/share/cmake/lore")
elseif(how STREQUAL "add_subdirectory")
  set(from -D lore_source_dir=${source_dir})
elseif(how STREQUAL "FetchContent")
  set(from -D FETCHCONTENT_SOURCE_DIR_LORE=${source_dir})
endif()

run(${configure} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${work_dir}/build ${given} ${from}
  -D how=${how} -D io=${io} -D compiled=${compiled} -D version=${version})
run(${CMAKE_COMMAND} --build ${work_dir}/build)
run(${work_dir}/build/consumer)
string(STRIP "${run_output}" run_output)
if(NOT run_output STREQUAL version)
  message(FATAL_ERROR "the program was built with lore '${run_output}', expected ${version}")
endif()
