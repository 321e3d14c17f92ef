# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# A dependency that is neither installed nor reachable ends in one message that names its Debian package.
include(${CMAKE_CURRENT_LIST_DIR}/run.cmake)

# No network: a proxy that nobody listens at.
foreach(variable http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY)
  set(ENV{${variable}} http://127.0.0.1:9)
endforeach()
foreach(variable no_proxy NO_PROXY)
  unset(ENV{${variable}})
endforeach()

foreach(entry Eigen3=libeigen3-dev nlohmann_json=nlohmann-json3-dev CLI11=libcli11-dev Catch2=catch2)
  string(REPLACE "=" ";" entry ${entry})
  list(GET entry 0 name)
  list(GET entry 1 package)
  string(TOUPPER ${name} upper)
  execute_process(
    COMMAND ${configure} -S ${source_dir} -B ${work_dir}/${name} ${given} -U ${name}_DIR
      -U FETCHCONTENT_SOURCE_DIR_${upper} -D CMAKE_DISABLE_FIND_PACKAGE_${name}=ON
    RESULT_VARIABLE result ERROR_VARIABLE errors OUTPUT_VARIABLE output)
  if(result STREQUAL "0")
    message(SEND_ERROR "configuring without ${name} succeeded:\n${output}")
    continue()
  endif()
  string(REGEX MATCHALL "CMake Error" count "${errors}")
  list(LENGTH count count)
  if(NOT count EQUAL 1 OR NOT errors MATCHES "apt-get install ${package}")
    message(SEND_ERROR "without ${name}: expected one error that names ${package}, got:\n${errors}")
  endif()
endforeach()
