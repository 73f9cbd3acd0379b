// Matrix products of half and bfloat16 with few rows, or with an epilogue that the vendor's library lacks; and products
// with a handful of rows of any type, one warp for each column.
//
// cuda_gemm: inputs a [m, k], b [k, n] or [n, k], then bias [n] and residual [m, n] where given. Parameters: m, n, k,
// b is [n, k], b is constant, tile (see TILES), blocks that share a sum, activation, its low and high bound, activation
// before the residual, bias given, residual given. k is a multiple of 8; so is n, unless b is [n, k].
//
// cuda_gemv: the same inputs and parameters, b [n, k], any k; tile and the blocks are not used.
#include "cuda/gemm_tile.h"
#include "cuda/rows.h"

namespace ew::cuda {
namespace {

constexpr int N_PARAMS = 13;
constexpr int GEMV_ROWS = 4;

enum { SMALL = 0, MEDIUM = 1, LARGE = 2, N_TILES = 3 };

template <class T, Source SOURCE>
int32_t run_tile(const ew_call *call, const Product &p, int tile, int split) {
    switch (tile) {
        case SMALL: return launch_product<Tile<T, 16, 64, 16, 16, 6, SOURCE>>(call, p, split);
        case MEDIUM: return launch_product<Tile<T, 64, 64, 16, 64, 5, SOURCE>>(call, p, split);
        default: return launch_product<Tile<T, 128, 128, 16, 128, 3, SOURCE>>(call, p, split);
    }
}

bool is_power_up_to_8(int64_t x) { return x == 1 || x == 2 || x == 4 || x == 8; }

// The call as a product; an error's status otherwise.
int32_t read(const ew_call *call, Product *p) {
    if (call->n_params != N_PARAMS || call->n_inputs < 2)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA matrix product takes %d parameters", N_PARAMS);
    const ew_param *params = call->params;
    const int64_t bias = params[11].i, residual = params[12].i;
    for (int i = 0; i < 3; ++i)
        if (params[i].i < 0 || params[i].i > INT32_MAX)
            return call->host->error(call, EW_SHAPE, "a CUDA matrix product has an axis of %lld elements",
                                     static_cast<long long>(params[i].i));
    if (call->n_inputs < 2 + (bias != 0) + (residual != 0) || params[7].i < 0 || params[7].i >= N_ACTIVATIONS ||
        params[5].i < 0 || params[5].i >= N_TILES || !is_power_up_to_8(params[6].i))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a CUDA matrix product is out of its range");
    p->a = call->inputs[0].data;
    p->b = call->inputs[1].data;
    p->c = call->outputs[0].data;
    p->m = static_cast<int>(params[0].i);
    p->n = static_cast<int>(params[1].i);
    p->k = static_cast<int>(params[2].i);
    p->constant_b = params[4].i != 0;
    p->epilogue.bias = bias ? call->inputs[2].data : nullptr;
    p->epilogue.residual = residual ? call->inputs[2 + (bias != 0)].data : nullptr;
    p->epilogue.activate = {static_cast<int>(params[7].i), static_cast<float>(params[8].f),
                            static_cast<float>(params[9].f)};
    p->epilogue.activate_first = params[10].i != 0;
    return EW_OK;
}

int32_t run(const ew_call *call) {
    Product p = {};
    if (const int32_t status = read(call, &p); status != EW_OK) return status;
    if (p.m == 0 || p.n == 0) return EW_OK;
    const bool b_nk = call->params[3].i != 0;
    if (p.k % 8 != 0 || (!b_nk && p.n % 8 != 0))
        return call->host->error(call, EW_SHAPE, "rows of %d and %d elements are not whole 16-byte vectors", p.k, p.n);
    const int tile = static_cast<int>(call->params[5].i), split = static_cast<int>(call->params[6].i);
    return for_half(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        return b_nk ? run_tile<T, ROWS_B_NK>(call, p, tile, split) : run_tile<T, ROWS>(call, p, tile, split);
    });
}

// One warp for each column of c; VECTORS: k is a multiple of the elements in 16 bytes.
template <class T, bool VECTORS>
__global__ void gemv_kernel(const Product p) {
    constexpr int STEP = VECTORS ? LANES<T> : 1;
    const int lane = threadIdx.x & 31, n = static_cast<int>(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32);
    const int m0 = static_cast<int>(blockIdx.y) * GEMV_ROWS;
    if (n < p.n && p.constant_b) {
        const T *b = static_cast<const T *>(p.b) + static_cast<int64_t>(n) * p.k;
        for (int k = lane * 64; k < p.k; k += 32 * 64) prefetch_l2(b + k);
    }
    begin();
    if (n >= p.n) return;
    const T *a = static_cast<const T *>(p.a) + static_cast<int64_t>(m0) * p.k;
    const T *b = static_cast<const T *>(p.b) + static_cast<int64_t>(n) * p.k;
    float sum[GEMV_ROWS] = {};
    for (int k = lane * STEP; k < p.k; k += 32 * STEP) {
        float x[STEP], w[STEP];
        load(w, b + k);
#pragma unroll
        for (int i = 0; i < GEMV_ROWS; ++i) {
            if (m0 + i >= p.m) break;
            load(x, a + static_cast<int64_t>(i) * p.k + k);
#pragma unroll
            for (int j = 0; j < STEP; ++j) sum[i] += x[j] * w[j];
        }
    }
#pragma unroll
    for (int i = 0; i < GEMV_ROWS; ++i) sum[i] = across_warp<Add>(sum[i]);
    if (lane >= GEMV_ROWS || m0 + lane >= p.m) return;
    const int64_t place = static_cast<int64_t>(m0 + lane) * p.n + n;
    const T *bias = static_cast<const T *>(p.epilogue.bias), *residual = static_cast<const T *>(p.epilogue.residual);
    const float add = residual == nullptr ? 0.0f : widen(residual[place]);
    float x[1] = {bias == nullptr ? 0.0f : widen(bias[n])};
#pragma unroll
    for (int i = 0; i < GEMV_ROWS; ++i) x[0] += lane == i ? sum[i] : 0.0f;
    if (!p.epilogue.activate_first) x[0] += add;
    p.epilogue.activate(x);
    if (p.epilogue.activate_first) x[0] += add;
    static_cast<T *>(p.c)[place] = narrow<T>(x[0]);
}

int32_t run_gemv(const ew_call *call) {
    Product p = {};
    if (const int32_t status = read(call, &p); status != EW_OK) return status;
    if (call->params[3].i == 0) return call->host->error(call, EW_INVALID_PLAN, "cuda_gemv takes b as [n, k]");
    if (p.m == 0 || p.n == 0) return EW_OK;
    Shape3 shape;
    constexpr int WARPS = 4;
    shape.grid = dim3(static_cast<unsigned>((p.n + WARPS - 1) / WARPS),
                      static_cast<unsigned>((p.m + GEMV_ROWS - 1) / GEMV_ROWS));
    shape.block = dim3(WARPS * 32);
    return for_float(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        return launch(call, p.k % LANES<T> == 0 ? gemv_kernel<T, true> : gemv_kernel<T, false>, shape, p);
    });
}

}  // namespace

EW_KERNEL(gemm, run)
EW_KERNEL(gemv, run_gemv)

}  // namespace ew::cuda
