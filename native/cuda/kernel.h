// How a CUDA kernel is written and signs in: include this, write `static int32_t run(const ew_call *)`, then
// EW_KERNEL(softmax_rows_f16, run): it is registered as "cuda_softmax_rows_f16" (family, variant, dtype).
//
// run() is host code: it reads sizes from the call, launches on stream_of(call) and returns launched(call). It may be
// captured into a CUDA graph, so it neither waits nor allocates, and takes all memory from the call: inputs, outputs
// and workspace lie on the device. Everything but the macro has internal linkage.
#pragma once

#include <cuda_runtime.h>

#include "enginewright.h"

namespace ew::cuda {

using KernelFn = int32_t (*)(const ew_call *);

struct KernelEntry {
    KernelEntry(const char *name, KernelFn run);
};

inline cudaStream_t stream_of(const ew_call *call) { return static_cast<cudaStream_t>(call->stream); }

// The status to return for a CUDA call inside a kernel: EW_OK, or EW_FAILED with CUDA's own words.
inline int32_t checked(const ew_call *call, cudaError_t error) {
    if (error == cudaSuccess) return EW_OK;
    return call->host->error(call, error == cudaErrorMemoryAllocation ? EW_OUT_OF_MEMORY : EW_FAILED, "CUDA: %s",
                             cudaGetErrorString(error));
}

// What a kernel returns after its launches.
inline int32_t launched(const ew_call *call) { return checked(call, cudaGetLastError()); }

template <typename T>
T *input(const ew_call *call, int32_t index) {
    return static_cast<T *>(call->inputs[index].data);
}
template <typename T>
T *output(const ew_call *call, int32_t index) {
    return static_cast<T *>(call->outputs[index].data);
}

}  // namespace ew::cuda

#define EW_KERNEL(name, fn) static const ::ew::cuda::KernelEntry ew_entry_##name("cuda_" #name, fn);
