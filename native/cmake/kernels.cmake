# libenginewright.so: src/*.cpp once at the baseline, cpu/*.cpp once for each instruction set.
find_package(Threads REQUIRED)

string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" EW_PROCESSOR)
if(EW_PROCESSOR MATCHES "^(x86_64|amd64)$")
  set(EW_ISAS portable avx2 avx512)
  set(EW_FLAGS_portable -march=x86-64-v2)
  set(EW_FLAGS_avx2 -march=x86-64-v3)
  set(EW_FLAGS_avx512 -march=x86-64-v4 -mavx512vnni -mavx512bf16 -mprefer-vector-width=512)
  # GCC reports its own _mm512_undefined_ps as uninitialized (GCC bug 105593).
  list(APPEND EW_FLAGS_avx512 -Wno-maybe-uninitialized)
else()
  set(EW_ISAS portable)
  set(EW_FLAGS_portable)
endif()

# Floating point: contraction to FMA is wanted, errno and traps are not; -ffast-math is not used, because NaN and
# infinity must keep their meaning.
set(EW_COMMON_FLAGS -Wall -Wextra -ffp-contract=fast -fno-math-errno -fno-trapping-math)

file(GLOB EW_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/src/*.cpp")
file(GLOB EW_KERNELS CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cpu/*.cpp")

function(ew_compile_options target isa)
  target_compile_options(${target} PRIVATE ${EW_COMMON_FLAGS} ${EW_FLAGS_${isa}})
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/include" "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE Threads::Threads)
endfunction()

set(EW_KERNEL_OBJECTS)
if(EW_KERNELS)
  foreach(isa IN LISTS EW_ISAS)
    string(TOUPPER "${isa}" isa_upper)
    add_library(kernels_${isa} OBJECT ${EW_KERNELS})
    ew_compile_options(kernels_${isa} ${isa})
    target_compile_definitions(kernels_${isa} PRIVATE EW_ISA=${isa} EW_ISA_${isa_upper}=1)
    list(APPEND EW_KERNEL_OBJECTS $<TARGET_OBJECTS:kernels_${isa}>)
  endforeach()
endif()

# The order matters: of an inline function or template in several objects the linker keeps the first copy, so the
# baseline comes first, and a machine without AVX never runs a copy compiled for it. Kernels that must differ live in
# a namespace named EW_ISA or in an anonymous one.
add_library(enginewright SHARED ${EW_SOURCES} ${EW_KERNEL_OBJECTS})
ew_compile_options(enginewright portable)
target_link_libraries(enginewright PRIVATE ${CMAKE_DL_LIBS})
target_link_options(enginewright PRIVATE -Wl,--no-undefined -Wl,--gc-sections)
foreach(isa IN LISTS EW_ISAS)
  string(TOUPPER "${isa}" isa_upper)
  target_compile_definitions(enginewright PRIVATE EW_HAVE_${isa_upper}=1)
endforeach()
install(TARGETS enginewright LIBRARY DESTINATION enginewright/_native)
