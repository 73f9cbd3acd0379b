// The first convolution of a network, of images with 4 channels in half or bfloat16: a warp computes 32 places with up to
// 64 output channels, and its threads read the patches as the tensor cores take them, straight from the image.
//
// Inputs and parameters are those of cuda_conv_nhwc; tile and the blocks that share a sum are not used. Windows are 3 by
// 4 or 7 by 8, as padded by zeros, undilated.
//
// The 16 products that one instruction adds up are 4 neighbouring pixels of 4 channels: a thread's four, which the
// instruction numbers 2 t, 2 t + 1, 2 t + 8 and 2 t + 9, are the channels of pixel t, in a and in b alike.
#include "cuda/product_bulk.h"

namespace ew::cuda {
namespace {

constexpr int N_PARAMS = 23, WARPS = 4, PIXELS = 4, TILES = 2;  // TILES: of 16 places, for which weights are read once

struct Arguments {
    const void *x, *w;
    int height, width, kernel_height;
    BulkProduct finish;
};

template <class T, int KERNEL_HEIGHT, int QUADS, int BLOCKS>
struct Stem {
    static constexpr int STEPS = KERNEL_HEIGHT * QUADS, WEIGHTS = STEPS * BLOCKS * 32 * 8;
    static constexpr int SHARED = WEIGHTS + WARPS * 16 * 128;

    // Weights in the order in which threads take them: step, eight output channels, lane.
    static __device__ __forceinline__ void keep_weights(const Arguments &p, uint2 *to) {
        for (int at = threadIdx.x; at < STEPS * BLOCKS * 32; at += WARPS * 32) {
            const int lane = at % 32, block = at / 32 % BLOCKS, step = at / 32 / BLOCKS, n = block * 8 + lane / 4;
            const uint2 *from = static_cast<const uint2 *>(p.w) + (n * STEPS + step) * PIXELS + lane % 4;
            to[at] = n < p.finish.n ? *from : uint2{};
        }
    }

    // The four channels of this thread's pixel, for each step.
    static __device__ __forceinline__ void read(uint2 (&a)[STEPS], const Arguments &p, int place) {
        const int image = place / p.finish.places, at = place - image * p.finish.places;
        const int out_y = at / p.finish.out_width, out_x = at - out_y * p.finish.out_width;
        const int y0 = out_y * p.finish.stride_y + p.finish.begin_y;
        const int x0 = out_x * p.finish.stride_x + p.finish.begin_x + static_cast<int>(threadIdx.x & 3);
        const uint2 *from = static_cast<const uint2 *>(p.x) + static_cast<int64_t>(image) * p.height * p.width;
#pragma unroll
        for (int ky = 0; ky < KERNEL_HEIGHT; ++ky)
#pragma unroll
            for (int quad = 0; quad < QUADS; ++quad) {
                const int y = y0 + ky, x = x0 + quad * PIXELS;
                const bool inside = place < p.finish.m && static_cast<unsigned>(y) < static_cast<unsigned>(p.height) &&
                                    static_cast<unsigned>(x) < static_cast<unsigned>(p.width);
                a[ky * QUADS + quad] = inside ? from[y * p.width + x] : uint2{};
            }
    }
};

template <class T, int KERNEL_HEIGHT, int QUADS, int BLOCKS>
__global__ void __launch_bounds__(WARPS * 32, KERNEL_HEIGHT *BLOCKS == 12 ? 4 : 2)
    stem_kernel(const __grid_constant__ Arguments p) {
    using S = Stem<T, KERNEL_HEIGHT, QUADS, BLOCKS>;
    extern __shared__ __align__(128) unsigned char shared[];
    const auto *weights = reinterpret_cast<const uint2 *>(shared);
    const int lane = threadIdx.x & 31, warp = static_cast<int>(threadIdx.x) / 32;
    const uint32_t staging = shared_address(shared) + S::WEIGHTS + warp * (16 * 128);
    allow_next();
    S::keep_weights(p, reinterpret_cast<uint2 *>(shared));
    __syncthreads();
    wait_for_previous();
    Vector<T, 2> bias[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
        const int column = j * 8 + lane % 4 * 2;
        bias[j] = p.finish.bias != nullptr && column < p.finish.n
                      ? *reinterpret_cast<const Vector<T, 2> *>(static_cast<const T *>(p.finish.bias) + column)
                      : Vector<T, 2>{};
    }
    const int step_places = static_cast<int>(gridDim.x) * WARPS * TILES * 16;
    for (int m0 = (static_cast<int>(blockIdx.x) * WARPS + warp) * TILES * 16; m0 < p.finish.m; m0 += step_places) {
        uint2 low[TILES][S::STEPS], high[TILES][S::STEPS];
#pragma unroll
        for (int t = 0; t < TILES; ++t) {
            S::read(low[t], p, m0 + t * 16 + lane / 4);
            S::read(high[t], p, m0 + t * 16 + lane / 4 + 8);
        }
        float sum[TILES][8][4] = {};
#pragma unroll
        for (int step = 0; step < S::STEPS; ++step)
#pragma unroll
            for (int j = 0; j < BLOCKS; ++j) {
                const uint2 b = weights[(step * BLOCKS + j) * 32 + lane];
#pragma unroll
                for (int t = 0; t < TILES; ++t) {
                    const uint32_t a[4] = {low[t][step].x, high[t][step].x, low[t][step].y, high[t][step].y};
                    multiply<T>(sum[t][j], a, b.x, b.y);
                }
            }
#pragma unroll
        for (int t = 0; t < TILES; ++t) {
#pragma unroll
            for (int j = 0; j < 8; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e) sum[t][j][e] += widen(bias[j].v[e % 2]);
            activate_32(sum[t], p.finish.activate);
            BulkChunk<T>{p.finish, staging, m0 + t * 16, 0}.write(sum[t]);
        }
    }
}

template <class T, int KERNEL_HEIGHT, int QUADS, int BLOCKS>
int32_t launch_stem(const ew_call *call, const Arguments &p) {
    using S = Stem<T, KERNEL_HEIGHT, QUADS, BLOCKS>;
    constexpr int PLACES = WARPS * TILES * 16;
    const int needed = (p.finish.m + PLACES - 1) / PLACES, most = multiprocessors() * 4;
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>(needed < most ? needed : most));
    shape.block = dim3(WARPS * 32);
    shape.shared = S::SHARED;
    return launch(call, stem_kernel<T, KERNEL_HEIGHT, QUADS, BLOCKS>, shape, p);
}

int32_t refuse(const ew_call *call) {
    const ew_param *params = call->params;
    if (call->n_params != N_PARAMS || call->n_inputs < 2 + (params[21].i != 0) || params[22].i != 0 ||
        !BulkProduct::has(params[17].i))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a CUDA convolution is out of its range");
    for (int i = 0; i < 15; ++i)
        if (params[i].i < 0 || params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of a CUDA convolution is %lld", i,
                                     static_cast<long long>(params[i].i));
    const bool window = (params[7].i == 3 && params[8].i == 4) || (params[7].i == 7 && params[8].i == 8);
    if (params[3].i != 4 || params[6].i % 8 != 0 || params[6].i > 64 || !window || params[13].i != 1 ||
        params[14].i != 1 || params[0].i * params[4].i * params[5].i > INT32_MAX - (1 << 20) ||
        params[1].i * params[2].i > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "no CUDA stem of such a window, or of so many channels");
    return EW_OK;
}

int32_t run(const ew_call *call) {
    if (const int32_t status = refuse(call); status != EW_OK) return status;
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    Arguments p = {};
    p.x = call->inputs[0].data, p.w = call->inputs[1].data;
    p.height = number(1), p.width = number(2), p.kernel_height = number(7);
    p.finish.bias = number(21) ? call->inputs[2].data : nullptr;
    p.finish.c = call->outputs[0].data;
    p.finish.m = number(0) * number(4) * number(5), p.finish.n = number(6);
    p.finish.out_width = number(5), p.finish.places = number(4) * number(5);
    p.finish.stride_y = number(9), p.finish.stride_x = number(10);
    p.finish.begin_y = -number(11), p.finish.begin_x = -number(12);
    p.finish.set_activation(call->params + 17);
    if (p.finish.m == 0 || p.finish.n == 0) return EW_OK;
    return for_half(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        if (p.kernel_height == 3)
            return p.finish.n <= 32 ? launch_stem<T, 3, 1, 4>(call, p) : launch_stem<T, 3, 1, 8>(call, p);
        return p.finish.n <= 32 ? launch_stem<T, 7, 2, 4>(call, p) : launch_stem<T, 7, 2, 8>(call, p);
    });
}

}  // namespace

EW_KERNEL(conv_stem, run)

}  // namespace ew::cuda
