# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The lore authors
#
# Installs the headers and what find_package(lore CONFIG [COMPONENTS io]) needs.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(lore_package_dir ${CMAKE_INSTALL_DATADIR}/cmake/lore)

# Two export sets, because the second one needs nlohmann_json and the first must not.
install(TARGETS lore EXPORT lore-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT lore-targets NAMESPACE lore:: DESTINATION ${lore_package_dir})
if(LORE_IO)
  install(TARGETS lore_io EXPORT lore-io-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT lore-io-targets NAMESPACE lore:: DESTINATION ${lore_package_dir})
endif()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/lore-config.cmake.in ${PROJECT_BINARY_DIR}/lore-config.cmake
  INSTALL_DESTINATION ${lore_package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lore-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/lore-config.cmake ${PROJECT_BINARY_DIR}/lore-config-version.cmake
  DESTINATION ${lore_package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
