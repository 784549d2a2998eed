# What `cmake --install` puts where: a prefix that works from any place and that find_package(forebay) finds.
include(CMakePackageConfigHelpers)

install(TARGETS forebay RUNTIME)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/forebay DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/jobscripts/ DESTINATION ${CMAKE_INSTALL_DATADIR}/forebay/jobscripts
  FILES_MATCHING PATTERN "*.sbatch")
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(client_library ${CMAKE_STATIC_LIBRARY_PREFIX}forebay_client${CMAKE_STATIC_LIBRARY_SUFFIX})
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/forebayConfig.cmake.in ${PROJECT_BINARY_DIR}/forebayConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forebay)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/forebayConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/forebayConfig.cmake ${PROJECT_BINARY_DIR}/forebayConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/forebay)
