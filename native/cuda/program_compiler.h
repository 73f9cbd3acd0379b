// CUDA C++ made at run time: compiled by NVRTC for the GPU at hand, kept in memory and on disk by its text.
#pragma once

#include <cuda_runtime.h>

#include <string>

namespace ew::cuda {

// The machine code of a source for an architecture ("sm_90a"); false: `error` says why.
bool compile(const std::string &source, const std::string &architecture, std::string &code, std::string &error);
// The kernel `name` of a source on the current device; NULL: `error` says why.
cudaKernel_t compiled_kernel(const std::string &source, const char *name, std::string &error);

}  // namespace ew::cuda
