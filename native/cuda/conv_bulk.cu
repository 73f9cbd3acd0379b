// Convolutions of half and bfloat16 in NHWC as matrix products whose patches bulk copies collect.
//
// Inputs and parameters are those of cuda_conv_nhwc; tile is one of run_tile's, and the blocks of a cluster, 1 or 2,
// share tiles of the weights; with the last tile 2, 4 or 8 share a sum. Channels come in 64s.
#include "cuda/product_bulk.h"

namespace ew::cuda {
namespace {

constexpr int N_PARAMS = 23;
enum { N_TILES = 4 };

template <class T>
int32_t run_tile(const ew_call *call, const BulkProduct &p, const PatchImage &image, int tile, int ranks) {
    const auto run = [&](auto shape) {
        using S = decltype(shape);
        CUtensorMap a;
        const int32_t status = describe_patches(call, call->inputs[0].data, image, S::BM, &a);
        return status != EW_OK ? status : launch_bulk<S>(call, a, call->inputs[1].data, p, ranks);
    };
    switch (tile) {
        case 0: return run(BulkTile<T, 2, 64, 4, 2, BULK_PATCHES>{});
        case 1: return run(BulkTile<T, 2, 128, 6, 1, BULK_PATCHES>{});
        case 2: return run(BulkTile<T, 2, 256, 3, 1, BULK_PATCHES>{});
        default: return run(BulkTile<T, 1, 64, 6, 2, BULK_PATCHES, true>{});
    }
}

int32_t refuse(const ew_call *call) {
    const ew_param *params = call->params;
    if (call->n_params != N_PARAMS || call->n_inputs < 2)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA convolution takes %d parameters", N_PARAMS);
    const int64_t tile = params[15].i, ranks = params[16].i, activation = params[17].i;
    if (tile < 0 || tile >= N_TILES || (ranks != 1 && ranks != 2 && ranks != 4 && ranks != 8) ||
        !BulkProduct::has(activation) || call->n_inputs < 2 + (params[21].i != 0) + (params[22].i != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a CUDA convolution is out of its range");
    for (int i = 0; i < 15; ++i)
        if (params[i].i < 0 || params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of a CUDA convolution is %lld", i,
                                     static_cast<long long>(params[i].i));
    if (params[3].i < 64 || params[3].i % 64 != 0 || params[6].i % 8 != 0 || params[7].i < 1 || params[8].i < 1 ||
        params[9].i < 1 || params[10].i < 1 || params[1].i < 1 || params[2].i < 1)
        return call->host->error(call, EW_SHAPE, "channels of this CUDA convolution come in 64s, outputs in 8s");
    if (params[0].i * params[4].i * params[5].i > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "a CUDA convolution has too many output places");
    return EW_OK;
}

int32_t run(const ew_call *call) {
    if (const int32_t status = refuse(call); status != EW_OK) return status;
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    const bool bias = number(21) != 0, residual = number(22) != 0;
    const int out_height = number(4), out_width = number(5);
    BulkProduct p = {};
    p.bias = bias ? call->inputs[2].data : nullptr;
    p.residual = residual ? call->inputs[2 + bias].data : nullptr;
    p.c = call->outputs[0].data;
    p.m = number(0) * out_height * out_width, p.n = number(6), p.k = number(7) * number(8) * number(3);
    if (p.m == 0 || p.n == 0) return EW_OK;
    p.constant_b = 1, p.activate_first = number(20);
    p.set_activation(call->params + 17);
    p.out_width = out_width, p.places = out_height * out_width, p.channels = number(3), p.kernel_width = number(8);
    p.stride_y = number(9), p.stride_x = number(10), p.begin_y = -number(11), p.begin_x = -number(12);
    p.dilation_y = number(13), p.dilation_x = number(14);
    const PatchImage image = {number(0),
                              number(1),
                              number(2),
                              number(3),
                              p.stride_y,
                              p.stride_x,
                              p.begin_y,
                              p.begin_x,
                              p.begin_y + (out_height - 1) * p.stride_y - (number(1) - 1),
                              p.begin_x + (out_width - 1) * p.stride_x - (number(2) - 1)};
    return for_half(call, call->inputs[0].dtype,
                    [&](auto zero) { return run_tile<decltype(zero)>(call, p, image, number(15), number(16)); });
}

}  // namespace

EW_KERNEL(conv_bulk, run)

}  // namespace ew::cuda
