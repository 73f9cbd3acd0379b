# libenginewright_plugins.so: the kernels of the bundled plugins, by the public C interface only; with nvcc also
# libenginewright_plugins_cuda.so, those for GPUs. Their build ids tell apart what any source, compiler or flag makes
# different.
set(EW_PLUGIN_DIR "${CMAKE_CURRENT_SOURCE_DIR}/../plugins/enginewright_plugins/native")
file(GLOB EW_PLUGIN_SOURCES CONFIGURE_DEPENDS "${EW_PLUGIN_DIR}/*.cpp")
file(GLOB EW_PLUGIN_CUDA_SOURCES CONFIGURE_DEPENDS "${EW_PLUGIN_DIR}/*.cu")
file(GLOB EW_PLUGIN_HEADERS CONFIGURE_DEPENDS "${EW_PLUGIN_DIR}/*.h")
set(EW_PLUGIN_CUDA_HEADERS ${EW_PLUGIN_HEADERS})
list(FILTER EW_PLUGIN_HEADERS EXCLUDE REGEX "/cuda_")

# Sets `result` to a build id for these files, by what compiles them.
function(ew_build_id result compiler)
  set(digests "${compiler} ${EW_COMMON_FLAGS}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  foreach(name IN LISTS ARGN)
    file(SHA256 "${name}" digest)
    string(APPEND digests " ${digest}")
  endforeach()
  string(SHA256 digest "${digests} ${CMAKE_BUILD_TYPE} ${EW_PROCESSOR}")
  string(SUBSTRING "${digest}" 0 32 digest)
  set(${result} "${digest}" PARENT_SCOPE)
endfunction()

ew_build_id(EW_PLUGIN_BUILD_ID "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_CXX_FLAGS}"
            ${EW_PLUGIN_SOURCES} ${EW_PLUGIN_HEADERS} "${EW_HEADER}")
add_library(enginewright_plugins SHARED ${EW_PLUGIN_SOURCES})
target_compile_options(enginewright_plugins PRIVATE ${EW_COMMON_FLAGS} ${EW_FLAGS_portable})
set_source_files_properties("${EW_PLUGIN_DIR}/plugin.cpp" PROPERTIES COMPILE_DEFINITIONS
                            "EW_BUILD_ID=\"${EW_PLUGIN_BUILD_ID}\"")
set(EW_PLUGIN_LIBRARIES enginewright_plugins)

if(TARGET enginewright_cuda AND EW_PLUGIN_CUDA_SOURCES)
  ew_build_id(EW_PLUGIN_CUDA_BUILD_ID "${CMAKE_CUDA_COMPILER_VERSION} ${CMAKE_CUDA_ARCHITECTURES}"
              ${EW_PLUGIN_CUDA_SOURCES} ${EW_PLUGIN_CUDA_HEADERS} "${EW_HEADER}")
  add_library(enginewright_plugins_cuda SHARED ${EW_PLUGIN_CUDA_SOURCES})
  set_target_properties(enginewright_plugins_cuda PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON
                                                             CUDA_RUNTIME_LIBRARY Static)
  target_link_libraries(enginewright_plugins_cuda PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS})
  set_source_files_properties("${EW_PLUGIN_DIR}/plugin.cu" PROPERTIES COMPILE_DEFINITIONS
                              "EW_BUILD_ID=\"${EW_PLUGIN_CUDA_BUILD_ID}\"")
  list(APPEND EW_PLUGIN_LIBRARIES enginewright_plugins_cuda)
endif()

foreach(library IN LISTS EW_PLUGIN_LIBRARIES)
  target_include_directories(${library} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/include")
  target_link_options(${library} PRIVATE -Wl,--no-undefined -Wl,--gc-sections)
  install(TARGETS ${library} LIBRARY DESTINATION enginewright_plugins COMPONENT plugins)
endforeach()
