# enginewright_compat/_version.py: the four version numbers, written into a wheel; a source tree computes them instead.
set(EW_VERSION "" CACHE STRING "major.minor.patch+build for releases and for tests; empty: computed from the sources")
if(SKBUILD)
  set(EW_VERSION_PY "${CMAKE_CURRENT_BINARY_DIR}/_version.py")
  add_custom_target(version ALL
    COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/../compat/enginewright_compat/version.py"
            "${EW_VERSION_PY}" ${EW_VERSION}
    BYPRODUCTS "${EW_VERSION_PY}"
    VERBATIM)
  install(FILES "${EW_VERSION_PY}" DESTINATION enginewright_compat)
endif()
