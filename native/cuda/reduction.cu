// Reductions of float types along one axis, or neighbouring axes seen as one: sums, means, maxima and their kin; among
// them the global pools of both layouts.
//
// Parameters: outer, n, inner (the axes before, reduced, and behind), kind (see Kind). Rows of neighbours go to a warp or
// a block each. Where the axis is not the last, a block takes up to 32 vectors of columns and its threads share n; the
// blocks of a cluster share it further where there are few columns. Every sum has one order.
#include <cooperative_groups.h>

#include "cuda/rows.h"

namespace ew::cuda {
namespace {

enum Kind { SUM, MEAN, MAX, MIN, PRODUCT, L1, L2, SUM_SQUARE, LOG_SUM, N_KINDS };

struct Arguments {
    const void *x;
    void *y;
    int64_t outer, inner;
    int n, kind;
};

__device__ __forceinline__ float before(float x, int kind) {
    return kind == L1 ? fabsf(x) : kind == L2 || kind == SUM_SQUARE ? x * x : x;
}

__device__ __forceinline__ float after(float x, const Arguments &p) {
    return p.kind == MEAN ? x / static_cast<float>(p.n) : p.kind == L2 ? sqrtf(x) : p.kind == LOG_SUM ? logf(x) : x;
}

template <class T, class R>
__global__ void row_kernel(const Arguments p) {
    __shared__ float shared[32];
    const T *from = static_cast<const T *>(p.x) + static_cast<int64_t>(blockIdx.x) * p.n;
    begin();
    float x = R::EMPTY;
    for (int i = static_cast<int>(threadIdx.x); i < p.n; i += static_cast<int>(blockDim.x))
        x = R::join(x, before(widen(from[i]), p.kind));
    x = across_block<R>(x, shared);
    if (threadIdx.x == 0) static_cast<T *>(p.y)[blockIdx.x] = narrow<T>(after(x, p));
}

constexpr int COLUMN_THREADS = 256;

// threadIdx.x: a vector of columns; threadIdx.y and the rank in the cluster: a part of n.
template <class T, class R, int V>
__global__ void column_kernel(const Arguments p) {
    __shared__ float shared[COLUMN_THREADS][V];
    const int ranks = static_cast<int>(gridDim.x), rank = static_cast<int>(blockIdx.x);
    const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * V;
    const bool inside = column < p.inner;
    const int parts = static_cast<int>(blockDim.y) * ranks, part = rank * static_cast<int>(blockDim.y) + threadIdx.y;
    const T *from = static_cast<const T *>(p.x) + static_cast<int64_t>(blockIdx.z) * p.n * p.inner + column;
    begin();
    float x[V];
#pragma unroll
    for (int j = 0; j < V; ++j) x[j] = R::EMPTY;
    if (inside)
#pragma unroll 8
        for (int i = part; i < p.n; i += parts) {
            float value[V];
            load(value, from + i * p.inner);
#pragma unroll
            for (int j = 0; j < V; ++j) x[j] = R::join(x[j], before(value[j], p.kind));
        }
    float (*mine)[V] = shared + threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
    for (int j = 0; j < V; ++j) (*mine)[j] = x[j];
    for (int step = static_cast<int>(blockDim.y) / 2; step > 0; step /= 2) {
        __syncthreads();
        if (static_cast<int>(threadIdx.y) < step)
#pragma unroll
            for (int j = 0; j < V; ++j) (*mine)[j] = R::join((*mine)[j], mine[step * blockDim.x][j]);
    }
    const cooperative_groups::cluster_group cluster = cooperative_groups::this_cluster();
    if (ranks > 1) cluster_barrier();
    if (rank == 0 && threadIdx.y == 0 && inside) {
#pragma unroll
        for (int j = 0; j < V; ++j) x[j] = (*mine)[j];
        for (int other = 1; other < ranks; ++other) {
            const float *theirs = cluster.map_shared_rank(&(*mine)[0], other);
#pragma unroll
            for (int j = 0; j < V; ++j) x[j] = R::join(x[j], theirs[j]);
        }
#pragma unroll
        for (int j = 0; j < V; ++j) x[j] = after(x[j], p);
        store(static_cast<T *>(p.y) + static_cast<int64_t>(blockIdx.z) * p.inner + column, x);
    }
    if (ranks > 1) cluster_barrier_without_memory();
}

template <class T, class R>
int32_t launch_reduction(const ew_call *call, const Arguments &p) {
    Shape3 shape;
    if (p.inner == 1) {
        shape.grid = dim3(static_cast<unsigned>(p.outer));
        shape.block = dim3(p.n <= 256 ? 32 : 256);
        return launch(call, row_kernel<T, R>, shape, p);
    }
    constexpr int V = LANES<T>, MOST_BLOCKS = 65535, FEW_BLOCKS = 132;
    const bool vectors = p.inner % V == 0;
    const int64_t columns = vectors ? p.inner / V : p.inner;
    unsigned across = 32;
    while (across > 1 && across / 2 >= columns) across /= 2;
    const unsigned parts = COLUMN_THREADS / across;
    const int64_t blocks = (columns + across - 1) / across;
    if (blocks > MOST_BLOCKS || p.outer > MOST_BLOCKS)
        return call->host->error(call, EW_SHAPE, "a CUDA reduction has too many columns");
    shape.cluster = 1;
    while (shape.cluster < 8 && blocks * p.outer * shape.cluster < FEW_BLOCKS &&
           p.n >= static_cast<int>(parts) * shape.cluster * 16)
        shape.cluster *= 2;
    shape.grid =
        dim3(static_cast<unsigned>(shape.cluster), static_cast<unsigned>(blocks), static_cast<unsigned>(p.outer));
    shape.block = dim3(across, parts);
    return launch(call, vectors ? column_kernel<T, R, V> : column_kernel<T, R, 1>, shape, p);
}

int32_t run(const ew_call *call) {
    if (call->n_params != 4) return call->host->error(call, EW_INVALID_PLAN, "a CUDA reduction takes 4 parameters");
    const int64_t outer = call->params[0].i, n = call->params[1].i, inner = call->params[2].i, kind = call->params[3].i;
    if (kind < 0 || kind >= N_KINDS) return call->host->error(call, EW_INVALID_PLAN, "no such reduction");
    if (outer < 0 || n < 0 || inner < 0 || outer > INT32_MAX || n > INT32_MAX || inner > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "a reduction of %lld by %lld by %lld elements on CUDA",
                                 static_cast<long long>(outer), static_cast<long long>(n),
                                 static_cast<long long>(inner));
    if (outer * inner == 0) return EW_OK;
    const Arguments p{call->inputs[0].data, call->outputs[0].data, outer, inner,
                      static_cast<int>(n),  static_cast<int>(kind)};
    return for_float(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        switch (kind) {
            case MAX: return launch_reduction<T, Largest>(call, p);
            case MIN: return launch_reduction<T, Smallest>(call, p);
            case PRODUCT: return launch_reduction<T, Multiply>(call, p);
            default: return launch_reduction<T, Add>(call, p);
        }
    });
}

}  // namespace

EW_KERNEL(reduction, run)

}  // namespace ew::cuda
