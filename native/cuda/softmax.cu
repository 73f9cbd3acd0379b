// Softmax and LogSoftmax along any axis, sums in float: a warp for each row of up to 1024 elements, a block for longer
// ones, a thread for each column where the axis is not the last.
//
// Parameters: outer, n, inner (the axes before, of, and behind the softmax), log (0 or 1). May work in place.
#include "cuda/rows.h"

namespace ew::cuda {
namespace {

struct Arguments {
    const void *x;
    void *y;
    int64_t outer, inner;
    int n, log;
};

__device__ __forceinline__ float result(float x, float top, float total, int log) {
    return log ? x - top - logf(total) : __expf(x - top) / total;
}

template <class T, int V, int CHUNKS>
__global__ void warp_kernel(const Arguments p) {
    const int lane = threadIdx.x & 31;
    const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
    begin();
    if (row >= p.outer) return;
    const T *from = static_cast<const T *>(p.x) + row * p.n;
    float x[CHUNKS][V], top = -INFINITY, total = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        const int i = (c * 32 + lane) * V;
        if (i >= p.n) continue;
        load(x[c], from + i);
#pragma unroll
        for (int j = 0; j < V; ++j) top = Largest::join(top, x[c][j]);
    }
    top = across_warp<Largest>(top);
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c)
        if ((c * 32 + lane) * V < p.n)
#pragma unroll
            for (int j = 0; j < V; ++j) total += __expf(x[c][j] - top);
    total = across_warp<Add>(total);
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        const int i = (c * 32 + lane) * V;
        if (i >= p.n) continue;
#pragma unroll
        for (int j = 0; j < V; ++j) x[c][j] = result(x[c][j], top, total, p.log);
        store(static_cast<T *>(p.y) + row * p.n + i, x[c]);
    }
}

template <class T>
__global__ void block_kernel(const Arguments p) {
    __shared__ float shared[32];
    const T *from = static_cast<const T *>(p.x) + static_cast<int64_t>(blockIdx.x) * p.n;
    T *to = static_cast<T *>(p.y) + static_cast<int64_t>(blockIdx.x) * p.n;
    const int first = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
    begin();
    float top = -INFINITY, total = 0.0f;
    for (int i = first; i < p.n; i += step) top = Largest::join(top, widen(from[i]));
    top = across_block<Largest>(top, shared);
    for (int i = first; i < p.n; i += step) total += __expf(widen(from[i]) - top);
    total = across_block<Add>(total, shared);
    for (int i = first; i < p.n; i += step) to[i] = narrow<T>(result(widen(from[i]), top, total, p.log));
}

template <class T>
__global__ void column_kernel(const Arguments p) {
    const int64_t column = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    begin();
    if (column >= p.outer * p.inner) return;
    const int64_t at = column / p.inner * p.n * p.inner + column % p.inner;
    const T *from = static_cast<const T *>(p.x) + at;
    T *to = static_cast<T *>(p.y) + at;
    float top = -INFINITY, total = 0.0f;
    for (int i = 0; i < p.n; ++i) top = Largest::join(top, widen(from[i * p.inner]));
    for (int i = 0; i < p.n; ++i) total += __expf(widen(from[i * p.inner]) - top);
    for (int i = 0; i < p.n; ++i) to[i * p.inner] = narrow<T>(result(widen(from[i * p.inner]), top, total, p.log));
}

template <class T>
int32_t launch_softmax(const ew_call *call, const Arguments &p) {
    constexpr int V = LANES<T>, IN_WARP = 1024;
    Shape3 shape;
    shape.block = dim3(128);
    if (p.inner != 1) {
        shape.grid = dim3(static_cast<unsigned>((p.outer * p.inner + 127) / 128));
        return launch(call, column_kernel<T>, shape, p);
    }
    if (p.n <= IN_WARP) {
        shape.grid = dim3(static_cast<unsigned>((p.outer + 3) / 4));
        if (p.n % V == 0) return launch(call, warp_kernel<T, V, IN_WARP / 32 / V>, shape, p);
        if (p.n <= IN_WARP / 4) return launch(call, warp_kernel<T, 1, IN_WARP / 4 / 32>, shape, p);
    }
    shape.grid = dim3(static_cast<unsigned>(p.outer));
    shape.block = dim3(256);
    return launch(call, block_kernel<T>, shape, p);
}

int32_t run(const ew_call *call) {
    if (call->n_params != 4) return call->host->error(call, EW_INVALID_PLAN, "softmax takes 4 parameters");
    const int64_t outer = call->params[0].i, n = call->params[1].i, inner = call->params[2].i;
    if (outer < 0 || n < 0 || inner < 0 || n > INT32_MAX || outer > INT32_MAX || inner > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "softmax of %lld by %lld by %lld elements on CUDA",
                                 static_cast<long long>(outer), static_cast<long long>(n),
                                 static_cast<long long>(inner));
    if (outer * n * inner == 0) return EW_OK;
    const Arguments p{call->inputs[0].data, call->outputs[0].data, outer, inner,
                      static_cast<int>(n),  call->params[3].i != 0};
    return for_float(call, call->inputs[0].dtype, [&](auto zero) { return launch_softmax<decltype(zero)>(call, p); });
}

}  // namespace

EW_KERNEL(softmax, run)

}  // namespace ew::cuda
