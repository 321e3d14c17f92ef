# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# The FetchContent path without a network: no package may be found, the sources are given, once as a directory of
# headers and once as a checkout with a build of its own, which must stay unused.
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

set(not_installed "")
foreach(name Eigen3 nlohmann_json CLI11 Catch2)
  list(APPEND not_installed -D CMAKE_DISABLE_FIND_PACKAGE_${name}=ON)
endforeach()

# sources(<directory> <prefix> <header directory> <entry>): headers below a directory, as a checkout has them.
function(sources directory prefix from entry)
  file(MAKE_DIRECTORY ${work_dir}/${directory}/${prefix})
  file(CREATE_LINK ${from}/${entry} ${work_dir}/${directory}/${prefix}/${entry} SYMBOLIC)
  file(WRITE ${work_dir}/${directory}/CMakeLists.txt "message(FATAL_ERROR \"a dependency's own build was entered\")\n")
endfunction()
sources(eigen . ${eigen_dir} Eigen)
sources(json include ${json_dir} nlohmann)
sources(cli11 include ${cli_dir} CLI)

# Everything of ours is configured with headers alone ...
run(${configure} -S ${source_dir} -B ${work_dir}/headers ${not_installed} -D LORE_BUILD_TESTS=OFF
  -D FETCHCONTENT_SOURCE_DIR_EIGEN3=${eigen_dir} -D FETCHCONTENT_SOURCE_DIR_NLOHMANN_JSON=${json_dir}
  -D FETCHCONTENT_SOURCE_DIR_CLI11=${cli_dir})
run(${CMAKE_COMMAND} --install ${work_dir}/headers --prefix ${work_dir}/installed)

# ... and a user's program is built and run with checkouts.
run(${configure} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${work_dir}/checkouts ${not_installed}
  -D FETCHCONTENT_SOURCE_DIR_EIGEN3=${work_dir}/eigen -D FETCHCONTENT_SOURCE_DIR_NLOHMANN_JSON=${work_dir}/json
  -D FETCHCONTENT_SOURCE_DIR_LORE=${source_dir} -D how=FetchContent -D io=ON -D version=${version})
run(${CMAKE_COMMAND} --build ${work_dir}/checkouts)
run(${work_dir}/checkouts/consumer)

# A directory that holds something else is an error that says so.
execute_process(
  COMMAND ${configure} -S ${source_dir} -B ${work_dir}/wrong ${not_installed}
    -D FETCHCONTENT_SOURCE_DIR_EIGEN3=${CMAKE_CURRENT_LIST_DIR}
  RESULT_VARIABLE result ERROR_VARIABLE errors OUTPUT_QUIET)
if(result STREQUAL "0" OR NOT errors MATCHES "do not hold[ \n]+Eigen/Core")
  message(FATAL_ERROR "expected an error about Eigen/Core, got:\n${errors}")
endif()
