// Matrix products of half and bfloat16 by bulk copies, with bias, residual and activation: for many rows, or weights
// that can be fetched while the kernel before still runs.
//
// Inputs and parameters are those of cuda_gemm; tile is one of run_tile's, and the blocks of a cluster, 1 or 2, share tiles
// of b; with the last two tiles 2, 4 or 8 share a sum. Rows of a and b are whole 16-byte vectors; where b is [n, k], n is any number. The output
// may be float.
#include "cuda/product_bulk.h"

namespace ew::cuda {
namespace {

constexpr int N_PARAMS = 13;
enum { N_TILES = 8, SHARED_SUM = 6 };

template <class T, BulkSource SOURCE>
int32_t run_tile(const ew_call *call, const BulkProduct &p, int tile, int ranks) {
    const void *b = call->inputs[1].data;
    const auto run = [&](auto shape) {
        using S = decltype(shape);
        CUtensorMap a;
        const int32_t status = describe_rows(call, call->inputs[0].data, p.m, p.k, S::BM, &a);
        return status != EW_OK ? status : launch_bulk<S>(call, a, b, p, ranks);
    };
    switch (tile) {
        case 0: return run(BulkTile<T, 1, 64, 12, 1, SOURCE>{});
        case 1: return run(BulkTile<T, 2, 64, 4, 2, SOURCE>{});
        case 2: return run(BulkTile<T, 2, 128, 6, 1, SOURCE>{});
        case 3: return run(BulkTile<T, 2, 192, 4, 1, SOURCE>{});
        case 4: return run(BulkTile<T, 2, 256, 3, 1, SOURCE>{});
        case 5: return run(BulkTile<T, 3, 192, 3, 1, SOURCE>{});
        case SHARED_SUM: return run(BulkTile<T, 1, 64, 6, 2, SOURCE, true>{});
        default: return run(BulkTile<T, 2, 64, 7, 1, SOURCE, true>{});
    }
}

int32_t run(const ew_call *call) {
    const ew_param *params = call->params;
    if (call->n_params != N_PARAMS || call->n_inputs < 2)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA matrix product takes %d parameters", N_PARAMS);
    const int64_t m = params[0].i, n = params[1].i, k = params[2].i, tile = params[5].i, ranks = params[6].i;
    const bool b_nk = params[3].i != 0, bias = params[11].i != 0, residual = params[12].i != 0;
    if (m < 0 || n < 0 || k < 8 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX || k % 8 != 0 ||
        (n % 8 != 0 && (!b_nk || residual || tile >= SHARED_SUM)))
        return call->host->error(call, EW_SHAPE, "no CUDA matrix product of %lld by %lld by %lld elements",
                                 static_cast<long long>(m), static_cast<long long>(k), static_cast<long long>(n));
    if (call->n_inputs < 2 + bias + residual || tile < 0 || tile >= N_TILES ||
        (ranks != 1 && ranks != 2 && ranks != 4 && ranks != 8) || !BulkProduct::has(params[7].i))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a CUDA matrix product is out of its range");
    if (m == 0 || n == 0) return EW_OK;
    BulkProduct p = {};
    p.bias = bias ? call->inputs[2].data : nullptr;
    p.residual = residual ? call->inputs[2 + bias].data : nullptr;
    p.c = call->outputs[0].data;
    p.m = static_cast<int>(m), p.n = static_cast<int>(n), p.k = static_cast<int>(k);
    p.constant_b = params[4].i != 0, p.activate_first = params[10].i != 0;
    p.set_activation(params + 7);
    p.wide = call->outputs[0].dtype == EW_FLOAT32;
    return for_half(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        return b_nk ? run_tile<T, BULK_ROWS_B_NK>(call, p, static_cast<int>(tile), static_cast<int>(ranks))
                    : run_tile<T, BULK_ROWS>(call, p, static_cast<int>(tile), static_cast<int>(ranks));
    });
}

}  // namespace

EW_KERNEL(gemm_bulk, run)

}  // namespace ew::cuda
