// Layer and RMS normalization of rows, with what comes right before it: the partial sums of a matrix product, a bias
// and a residual are added first, in float.
//
// Inputs: x [rows, n] (float [parts, rows, n] where parts is not 0), scale, then where given bias, residual [rows, n]
// and shift [n]: y = normalized(x + shift + residual) * scale + bias. Outputs: y; then that sum if asked for, else mean
// and inverse deviation of each row in float where given. Parameters: rows, n, epsilon, scale's and bias's stride (0:
// one number), root mean square only, bias, residual, shift given, parts, the sum is output 1, scale and bias
// are constant. y may be x.
#include "cuda/rows.h"

namespace ew::cuda {
namespace {

struct Arguments {
    const void *x, *scale, *bias, *residual, *shift;
    void *y, *sum;
    float *mean, *inverse;
    int64_t rows;
    int n, stride, rms, parts, constant;
    float epsilon;
};

// V elements of what is normalized.
template <class T, int V>
__device__ __forceinline__ void load_sum(float (&x)[V], const Arguments &p, int64_t row, int i) {
    const int64_t at = row * p.n + i;
    if (p.parts == 0) {
        load(x, static_cast<const T *>(p.x) + at);
    } else {
#pragma unroll
        for (int j = 0; j < V; ++j) x[j] = 0.0f;
        for (int part = 0; part < p.parts; ++part)
#pragma unroll
            for (int j = 0; j < V; ++j) x[j] += static_cast<const float *>(p.x)[part * p.rows * p.n + at + j];
    }
    float more[V];
    if (p.shift != nullptr) {
        load(more, static_cast<const T *>(p.shift) + i);
#pragma unroll
        for (int j = 0; j < V; ++j) x[j] += more[j];
    }
    if (p.residual != nullptr) {
        load(more, static_cast<const T *>(p.residual) + at);
#pragma unroll
        for (int j = 0; j < V; ++j) x[j] += more[j];
    }
    if (p.sum != nullptr) store(static_cast<T *>(p.sum) + at, x);
}

// Scale or bias for V elements, as it lies in memory; 0 where there is none.
template <class T, int V>
__device__ __forceinline__ Vector<T, V> affine(const void *from, const Arguments &p, int i) {
    if (from == nullptr) return {};
    if (p.stride != 0) return *reinterpret_cast<const Vector<T, V> *>(static_cast<const T *>(from) + i);
    Vector<T, V> one;
#pragma unroll
    for (int j = 0; j < V; ++j) one.v[j] = *static_cast<const T *>(from);
    return one;
}

template <class T, int V>
__device__ __forceinline__ void finish(float (&x)[V], const Arguments &p, int64_t row, int i, float mean, float inverse,
                                       const Vector<T, V> &factor, const Vector<T, V> &shift) {
#pragma unroll
    for (int j = 0; j < V; ++j) x[j] = (x[j] - mean) * inverse * widen(factor.v[j]) + widen(shift.v[j]);
    store(static_cast<T *>(p.y) + row * p.n + i, x);
}

__device__ __forceinline__ void keep(const Arguments &p, int64_t row, float mean, float inverse) {
    if (p.mean != nullptr) p.mean[row] = mean;
    if (p.inverse != nullptr) p.inverse[row] = inverse;
}

// A thread's part of a row, widened. PLAIN: nothing is added, so that all loads are under way before the first is used.
template <class T, int CHUNKS, bool PLAIN>
__device__ __forceinline__ void load_row(float (&x)[CHUNKS][LANES<T>], const Arguments &p, int64_t row, int lane) {
    constexpr int V = LANES<T>;
    Vector<T, V> raw[CHUNKS];
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        const int i = (c * 32 + lane) * V;
        if (i >= p.n) continue;
        if constexpr (PLAIN)
            raw[c] = *reinterpret_cast<const Vector<T, V> *>(static_cast<const T *>(p.x) + row * p.n + i);
        else
            load_sum<T>(x[c], p, row, i);
    }
    if constexpr (PLAIN)
#pragma unroll
        for (int c = 0; c < CHUNKS; ++c)
#pragma unroll
            for (int j = 0; j < V; ++j) x[c][j] = (c * 32 + lane) * V < p.n ? widen(raw[c].v[j]) : 0.0f;
}

// A warp for each row, which stays in registers: at most CHUNKS vectors a thread.
template <class T, int CHUNKS, bool PLAIN>
__global__ void warp_kernel(const Arguments p) {
    constexpr int V = LANES<T>;
    const int lane = threadIdx.x & 31;
    const int64_t row = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
    allow_next();
    Vector<T, V> factor[CHUNKS], shift[CHUNKS];
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        const int i = (c * 32 + lane) * V;
        if (p.constant && i < p.n) factor[c] = affine<T, V>(p.scale, p, i), shift[c] = affine<T, V>(p.bias, p, i);
    }
    wait_for_previous();
    if (row >= p.rows) return;
    float x[CHUNKS][V], total = 0.0f;
    load_row<T, CHUNKS, PLAIN>(x, p, row, lane);
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c)
        if ((c * 32 + lane) * V < p.n)
#pragma unroll
            for (int j = 0; j < V; ++j) total += x[c][j];
    const float mean = p.rms ? 0.0f : across_warp<Add>(total) / static_cast<float>(p.n);
    float squares = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c)
        if ((c * 32 + lane) * V < p.n)
#pragma unroll
            for (int j = 0; j < V; ++j) squares += (x[c][j] - mean) * (x[c][j] - mean);
    const float inverse = rsqrtf(across_warp<Add>(squares) / static_cast<float>(p.n) + p.epsilon);
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
        const int i = (c * 32 + lane) * V;
        if (i >= p.n) continue;
        if (!p.constant) factor[c] = affine<T, V>(p.scale, p, i), shift[c] = affine<T, V>(p.bias, p, i);
        finish(x[c], p, row, i, mean, inverse, factor[c], shift[c]);
    }
    if (lane == 0) keep(p, row, mean, inverse);
}

// A block for each row, read three times.
template <class T, int V>
__global__ void block_kernel(Arguments p) {
    __shared__ float shared[32];
    const int64_t row = blockIdx.x;
    const int first = static_cast<int>(threadIdx.x) * V, step = static_cast<int>(blockDim.x) * V;
    begin();
    float x[V], total = 0.0f, squares = 0.0f;
    for (int i = first; i < p.n; i += step) {
        load_sum<T>(x, p, row, i);
#pragma unroll
        for (int j = 0; j < V; ++j) total += x[j];
    }
    p.sum = nullptr;  // it is written now
    const float mean = p.rms ? 0.0f : across_block<Add>(total, shared) / static_cast<float>(p.n);
    for (int i = first; i < p.n; i += step) {
        load_sum<T>(x, p, row, i);
#pragma unroll
        for (int j = 0; j < V; ++j) squares += (x[j] - mean) * (x[j] - mean);
    }
    const float inverse = rsqrtf(across_block<Add>(squares, shared) / static_cast<float>(p.n) + p.epsilon);
    for (int i = first; i < p.n; i += step) {
        load_sum<T>(x, p, row, i);
        finish(x, p, row, i, mean, inverse, affine<T, V>(p.scale, p, i), affine<T, V>(p.bias, p, i));
    }
    if (threadIdx.x == 0) keep(p, row, mean, inverse);
}

template <class T>
int32_t launch_rows(const ew_call *call, const Arguments &p) {
    constexpr int V = LANES<T>, IN_WARP = 1024;
    Shape3 shape;
    if (p.n % V == 0 && p.n <= IN_WARP) {
        const int warps = p.rows <= 1024 ? 1 : 4;
        shape.grid = dim3(static_cast<unsigned>((p.rows + warps - 1) / warps));
        shape.block = dim3(static_cast<unsigned>(warps * 32));
        const bool plain = p.parts == 0 && p.shift == nullptr && p.residual == nullptr && p.sum == nullptr;
        constexpr int FEW = IN_WARP / 4 / 32 / V, MANY = IN_WARP / 32 / V;
        if (p.n <= IN_WARP / 4)
            return launch(call, plain ? warp_kernel<T, FEW, true> : warp_kernel<T, FEW, false>, shape, p);
        return launch(call, plain ? warp_kernel<T, MANY, true> : warp_kernel<T, MANY, false>, shape, p);
    }
    shape.grid = dim3(static_cast<unsigned>(p.rows));
    shape.block = dim3(256);
    return launch(call, p.n % V == 0 ? block_kernel<T, V> : block_kernel<T, 1>, shape, p);
}

int32_t run(const ew_call *call) {
    constexpr int N_PARAMS = 11;
    const ew_param *params = call->params;
    if (call->n_params != N_PARAMS)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA normalization takes %d parameters", N_PARAMS);
    const int64_t rows = params[0].i, n = params[1].i;
    if (rows < 0 || rows > INT32_MAX || n < 0 || n > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "a CUDA normalization has %lld rows of %lld elements",
                                 static_cast<long long>(rows), static_cast<long long>(n));
    if (rows == 0 || n == 0) return EW_OK;
    int next = 2;
    const auto given = [&](int64_t flag) -> const void * {
        return flag != 0 && next < call->n_inputs ? call->inputs[next++].data : nullptr;
    };
    Arguments p = {};
    p.x = call->inputs[0].data;
    p.scale = call->inputs[1].data;
    p.bias = given(params[5].i);
    p.residual = given(params[6].i);
    p.shift = given(params[7].i);
    p.y = call->outputs[0].data;
    const auto extra = [&](int index) { return index < call->n_outputs ? call->outputs[index].data : nullptr; };
    if (params[9].i != 0) {
        p.sum = extra(1);
    } else {
        p.mean = static_cast<float *>(extra(1));
        p.inverse = static_cast<float *>(extra(2));
    }
    p.rows = rows, p.n = static_cast<int>(n), p.epsilon = static_cast<float>(params[2].f);
    p.stride = static_cast<int>(params[3].i), p.rms = params[4].i != 0, p.parts = static_cast<int>(params[8].i);
    p.constant = params[10].i != 0;
    return for_float(call, call->outputs[0].dtype, [&](auto zero) { return launch_rows<decltype(zero)>(call, p); });
}

}  // namespace

EW_KERNEL(layer_normalization, run)

}  // namespace ew::cuda
