# libenginewright_plugins.so: the kernels of the bundled plugins, by the public C interface only. Their build id tells
# apart what any source, compiler or flag makes different.
set(EW_PLUGIN_DIR "${CMAKE_CURRENT_SOURCE_DIR}/../plugins/enginewright_plugins/native")
file(GLOB EW_PLUGIN_SOURCES CONFIGURE_DEPENDS "${EW_PLUGIN_DIR}/*.cpp")
file(GLOB EW_PLUGIN_HEADERS CONFIGURE_DEPENDS "${EW_PLUGIN_DIR}/*.h")
set(EW_PLUGIN_FILES ${EW_PLUGIN_SOURCES} ${EW_PLUGIN_HEADERS} "${EW_HEADER}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${EW_PLUGIN_FILES})

set(digests "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_CXX_FLAGS} ${EW_COMMON_FLAGS}")
foreach(name IN LISTS EW_PLUGIN_FILES)
  file(SHA256 "${name}" digest)
  string(APPEND digests " ${digest}")
endforeach()
string(SHA256 digest "${digests} ${CMAKE_BUILD_TYPE} ${EW_PROCESSOR}")
string(SUBSTRING "${digest}" 0 32 EW_PLUGIN_BUILD_ID)

add_library(enginewright_plugins SHARED ${EW_PLUGIN_SOURCES})
target_compile_options(enginewright_plugins PRIVATE ${EW_COMMON_FLAGS} ${EW_FLAGS_portable})
target_include_directories(enginewright_plugins PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/include")
target_link_options(enginewright_plugins PRIVATE -Wl,--no-undefined -Wl,--gc-sections)
set_source_files_properties("${EW_PLUGIN_DIR}/plugin.cpp" PROPERTIES COMPILE_DEFINITIONS
                            "EW_BUILD_ID=\"${EW_PLUGIN_BUILD_ID}\"")
install(TARGETS enginewright_plugins LIBRARY DESTINATION enginewright_plugins COMPONENT plugins)
