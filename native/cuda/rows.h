// Sums and maxima over the threads of a warp or a block, for kernels that work on rows.
#pragma once

#include "cuda/launch.h"
#include "cuda/values.h"

namespace ew::cuda {

struct Add {
    static constexpr float EMPTY = 0.0f;
    static __device__ __forceinline__ float join(float a, float b) { return a + b; }
};

struct Multiply {
    static constexpr float EMPTY = 1.0f;
    static __device__ __forceinline__ float join(float a, float b) { return a * b; }
};

// The largest; NaN wins.
struct Largest {
    static constexpr float EMPTY = -INFINITY;
    static __device__ __forceinline__ float join(float a, float b) { return a != a || a > b ? a : b; }
};

struct Smallest {
    static constexpr float EMPTY = INFINITY;
    static __device__ __forceinline__ float join(float a, float b) { return a != a || a < b ? a : b; }
};

template <class R>
__device__ __forceinline__ float across_warp(float x) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) x = R::join(x, __shfl_xor_sync(~0u, x, step));
    return x;
}

// For all threads of a block of whole warps; `shared` has 32 floats. The order of the sum is always the same.
template <class R>
__device__ __forceinline__ float across_block(float x, float *shared) {
    x = across_warp<R>(x);
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = static_cast<int>(blockDim.x) / 32;
    __syncthreads();  // an earlier result has been read
    if (lane == 0) shared[warp] = x;
    __syncthreads();
    return across_warp<R>(lane < warps ? shared[lane] : R::EMPTY);
}

}  // namespace ew::cuda
