// Convolutions of half and bfloat16 in NHWC as matrix products of patches that are never written out; for small images
// the sum over taps and channels is shared by several blocks.
//
// Inputs: x [batch, height, width, channels], w [output channels, kernel height, kernel width, channels], then bias
// [output channels] and residual (like the output) where given. Parameters: batch, height, width, channels, output
// height, width and channels, kernel height and width, stride, padding before and dilation for y and x each, tile
// (see run_tile), blocks that share a sum, activation, its low and high bound, activation before the residual, bias
// given, residual given. Channels are a multiple of 8, or 4; a kernel may be padded by zeros in w, as a stem's 7 to 8.
#include "cuda/gemm_tile.h"

namespace ew::cuda {
namespace {

constexpr int N_PARAMS = 23;

enum { MEDIUM = 0, TALL = 1, LARGE = 2, N_TILES = 3 };

template <class T>
int32_t run_tile(const ew_call *call, const Product &p, int tile, int split) {
    if (p.patches.channels == 4) return launch_product<Tile<T, 128, 64, 16, 64, 4, PATCHES_OF_4>>(call, p, split);
    switch (tile) {
        case MEDIUM: return launch_product<Tile<T, 64, 64, 16, 64, 5, PATCHES>>(call, p, split);
        case TALL: return launch_product<Tile<T, 128, 64, 16, 64, 4, PATCHES>>(call, p, split);
        default: return launch_product<Tile<T, 128, 128, 16, 128, 3, PATCHES>>(call, p, split);
    }
}

int32_t refuse(const ew_call *call) {
    const ew_param *params = call->params;
    if (call->n_params != N_PARAMS || call->n_inputs < 2)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA convolution takes %d parameters", N_PARAMS);
    const int64_t tile = params[15].i, split = params[16].i, activation = params[17].i;
    if (tile < 0 || tile >= N_TILES || (split != 1 && split != 2 && split != 4 && split != 8) || activation < 0 ||
        activation >= N_ACTIVATIONS || call->n_inputs < 2 + (params[21].i != 0) + (params[22].i != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a CUDA convolution is out of its range");
    if (params[3].i % 8 != 0 && params[3].i != 4)
        return call->host->error(call, EW_SHAPE, "%lld channels are neither 4 nor a multiple of 8",
                                 static_cast<long long>(params[3].i));
    for (int i = 0; i < 15; ++i)
        if (params[i].i < 0 || params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of a CUDA convolution is %lld", i,
                                     static_cast<long long>(params[i].i));
    if (params[3].i < 1 || params[7].i < 1 || params[8].i < 1 || params[1].i * params[2].i * params[3].i > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "an image of a CUDA convolution is empty or too large");
    if (params[0].i * params[4].i * params[5].i > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "a CUDA convolution has too many output places");
    return EW_OK;
}

int32_t run(const ew_call *call) {
    if (const int32_t status = refuse(call); status != EW_OK) return status;
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    const bool bias = number(21) != 0, residual = number(22) != 0;
    Product p = {};
    p.a = call->inputs[0].data;
    p.b = call->inputs[1].data;
    p.c = call->outputs[0].data;
    p.m = number(0) * number(4) * number(5);
    p.n = number(6);
    p.k = number(7) * number(8) * number(3);
    p.constant_b = 1;
    p.epilogue.bias = bias ? call->inputs[2].data : nullptr;
    p.epilogue.residual = residual ? call->inputs[2 + bias].data : nullptr;
    p.epilogue.activate = {number(17), static_cast<float>(call->params[18].f), static_cast<float>(call->params[19].f)};
    p.epilogue.activate_first = number(20);
    p.patches = {number(1), number(2),  number(3),  number(4),  number(5),  number(8),
                 number(9), number(10), number(11), number(12), number(13), number(14)};
    p.patches.step_channel = TILE_K % number(3);
    p.patches.step_x = TILE_K / number(3) % number(8);
    p.patches.step_y = TILE_K / number(3) / number(8);
    if (p.m == 0 || p.n == 0) return EW_OK;
    return for_half(call, call->inputs[0].dtype,
                    [&](auto zero) { return run_tile<decltype(zero)>(call, p, number(15), number(16)); });
}

}  // namespace

EW_KERNEL(conv_nhwc, run)

}  // namespace ew::cuda
