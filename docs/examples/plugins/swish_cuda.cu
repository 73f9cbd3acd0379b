// A plugin library for GPUs: each kernel is host code that queues its work on call->stream. It may be captured into a
// CUDA graph, so it neither waits nor allocates; pointers lie on the GPU, shapes and params on the host.
//
//   nvcc -shared -Xcompiler -fPIC -arch=native -I "$(python -c 'import enginewright as ew; print(ew.header_folder())')"
//        swish_cuda.cu -o libswish_cuda.so
#include <cuda_runtime.h>

#include "enginewright.h"

namespace {

__global__ void swish_kernel(const float *x, float *y, int64_t n, float beta) {
    const int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) y[i] = x[i] / (1.0f + expf(-beta * x[i]));
}

}  // namespace

// params: elements, beta.
extern "C" int32_t swish_f32(const ew_call *call) {
    const int64_t n = call->params[0].i;
    if (n == 0) return EW_OK;
    const unsigned blocks = static_cast<unsigned>((n + 255) / 256);
    swish_kernel<<<blocks, 256, 0, static_cast<cudaStream_t>(call->stream)>>>(
        static_cast<const float *>(call->inputs[0].data), static_cast<float *>(call->outputs[0].data), n,
        static_cast<float>(call->params[1].f));
    const cudaError_t status = cudaGetLastError();
    return status == cudaSuccess ? EW_OK : call->host->error(call, EW_FAILED, "CUDA: %s", cudaGetErrorString(status));
}

EW_PLUGIN("acme", "build-1", EW_ENTRY(swish_f32))
