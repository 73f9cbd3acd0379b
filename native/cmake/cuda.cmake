# libenginewright_cuda.so: the CUDA kernels and what runs them, where nvcc is installed; skipped otherwise. Static CUDA
# runtime; libcuda, cuBLASLt, cuDNN and NVRTC are opened when they are needed, so building it takes no GPU.
file(GLOB EW_CUDA_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cuda/*.cu"
                                            "${CMAKE_CURRENT_SOURCE_DIR}/cuda/*.cpp")
option(EW_CUDA "build the CUDA kernels where nvcc is installed" ON)
if(EW_CUDA AND EW_CUDA_SOURCES)
  if(CCACHE_PROGRAM AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90a-real)  # with Hopper's own instructions
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    add_library(enginewright_cuda SHARED ${EW_CUDA_SOURCES})
    set_target_properties(enginewright_cuda PROPERTIES CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON
                                                       CUDA_RUNTIME_LIBRARY Static)
    target_compile_options(enginewright_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${EW_COMMON_FLAGS}>)
    target_include_directories(enginewright_cuda PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/include"
                                                         "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(enginewright_cuda PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS})
    target_link_options(enginewright_cuda PRIVATE -Wl,--no-undefined -Wl,--gc-sections)
    install(TARGETS enginewright_cuda LIBRARY DESTINATION enginewright/_native)
  else()
    message(STATUS "no nvcc: the CUDA kernels are not built")
  endif()
endif()
