# sdk/enginewright/_native/_abi.py: cffi's view of the header, made when building, so that import parses no C.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

set(EW_HEADER "${CMAKE_CURRENT_SOURCE_DIR}/include/enginewright.h")
set(EW_RECORDS_HEADER "${CMAKE_CURRENT_SOURCE_DIR}/src/records_api.h")  # of the Python package alone
set(EW_ABI_SCRIPT "${CMAKE_CURRENT_SOURCE_DIR}/generate_cffi.py")
set(EW_ABI_PY "${CMAKE_CURRENT_BINARY_DIR}/_abi.py")
if(EXISTS "${EW_HEADER}")
  add_custom_command(
    OUTPUT "${EW_ABI_PY}"
    COMMAND "${Python3_EXECUTABLE}" "${EW_ABI_SCRIPT}" "${EW_ABI_PY}" "${EW_HEADER}" "${EW_RECORDS_HEADER}"
    DEPENDS "${EW_HEADER}" "${EW_RECORDS_HEADER}" "${EW_ABI_SCRIPT}"
    VERBATIM)
  add_custom_target(abi ALL DEPENDS "${EW_ABI_PY}")
  install(FILES "${EW_ABI_PY}" DESTINATION enginewright/_native)
  # Kernels of plugins are compiled with these.
  install(FILES "${EW_HEADER}" "${CMAKE_CURRENT_SOURCE_DIR}/include/enginewright_deprecated.h"
    DESTINATION enginewright/_native/include)
endif()
