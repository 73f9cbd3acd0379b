// What the CUDA kernels of the bundled plugins share: the list of them, element types, launches. Only the public C
// interface is used: a kernel is a launcher on call->stream, may be captured into a CUDA graph, and takes all memory
// from the call.
//
// A graph has no way to refuse what it finds in its inputs: where the kernels for the CPU return an error, these write
// NaN.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "enginewright.h"

extern "C" {
int32_t efficient_nms(const ew_call *call);
int32_t roi_align_rotated(const ew_call *call);
int32_t multiscale_deformable_attention(const ew_call *call);
int32_t group_norm(const ew_call *call);
int32_t top_p_sample(const ew_call *call);
int32_t rotary_attention(const ew_call *call);
int32_t modulated_deform_conv(const ew_call *call);
int32_t grid_sampler(const ew_call *call);
}

namespace ew_plugins::cuda {

constexpr int THREADS = 256;
constexpr int WARP = 32;
constexpr unsigned ALL = 0xffffffff;  // lanes

template <class T>
T *data(const ew_tensor &tensor) {
    return static_cast<T *>(tensor.data);
}

inline int64_t count(const ew_tensor &tensor) {
    int64_t n = 1;
    for (int a = 0; a < tensor.rank; ++a) n *= tensor.shape[a];
    return n;
}

// Whether an optional input was given.
inline bool has_input(const ew_call *call, int index) {
    return index < call->n_inputs && call->inputs[index].dtype != 0;
}

inline cudaStream_t stream_of(const ew_call *call) { return static_cast<cudaStream_t>(call->stream); }

// The status of a CUDA call, or with cudaGetLastError() that of all launches before.
inline int32_t checked(const ew_call *call, cudaError_t error) {
    if (error == cudaSuccess) return EW_OK;
    return call->host->error(call, EW_FAILED, "CUDA: %s", cudaGetErrorString(error));
}

// Blocks of THREADS for n threads; kernels loop where there are more than these.
inline unsigned blocks_for(int64_t n) {
    constexpr int64_t MOST = 1 << 20;
    const int64_t blocks = (n + THREADS - 1) / THREADS;
    return static_cast<unsigned>(blocks < MOST ? blocks : MOST);
}

// The number of this thread in the grid, and of all threads.
__device__ inline int64_t first_item() { return blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; }
__device__ inline int64_t all_threads() { return gridDim.x * static_cast<int64_t>(blockDim.x); }

__device__ inline float read(float v) { return v; }
__device__ inline float read(__half v) { return __half2float(v); }
__device__ inline float read(__nv_bfloat16 v) { return __bfloat162float(v); }
__device__ inline void write(float *to, float v) { *to = v; }
__device__ inline void write(__half *to, float v) { *to = __float2half(v); }
__device__ inline void write(__nv_bfloat16 *to, float v) { *to = __float2bfloat16(v); }

// An element of an int32 or int64 tensor.
struct Integers {
    const void *data;
    bool wide;
    __device__ int64_t operator[](int64_t i) const {
        return wide ? static_cast<const int64_t *>(data)[i] : static_cast<const int32_t *>(data)[i];
    }
};
inline Integers integers(const ew_tensor &tensor) { return {tensor.data, tensor.dtype == EW_INT64}; }

// Calls f with an element of the type: f(float{}), f(__half{}) or f(__nv_bfloat16{}).
template <class F>
int32_t by_type(const ew_call *call, int32_t dtype, const F &f) {
    if (dtype == EW_FLOAT32) return f(float{});
    if (dtype == EW_FLOAT16) return f(__half{});
    if (dtype == EW_BFLOAT16) return f(__nv_bfloat16{});
    return call->host->error(call, EW_INVALID_PLAN, "there is no kernel for element type %d", dtype);
}

__device__ inline float warp_sum(float v) {
    for (int offset = WARP / 2; offset > 0; offset /= 2) v += __shfl_xor_sync(ALL, v, offset);
    return v;
}

// The sum over the block, in every thread; `shared` has a place for each warp.
__device__ inline float block_sum(float v, float *shared) {
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    v = warp_sum(v);
    __syncthreads();  // `shared` may still be read from the last time
    if (lane == 0) shared[warp] = v;
    __syncthreads();
    float total = 0;
    for (int w = 0; w < warps; ++w) total += shared[w];
    return total;
}

}  // namespace ew_plugins::cuda
