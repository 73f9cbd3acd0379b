// Depthwise convolution by 3 x 3 in NHWC for large images, in half or bfloat16: a block computes a tile of some channels,
// of which one bulk copy brings the input, zeros around the image too. A thread computes 8 channels of one column.
//
// Inputs and parameters are those of cuda_depthwise_nhwc.
#include "cuda/bulk.h"
#include "cuda/bulk_maps.h"
#include "cuda/launch.h"

namespace ew::cuda {
namespace {

constexpr int KERNEL = 3, TAPS = KERNEL * KERNEL, V = 8, MOST_VECTORS = 8, BARRIER = 16;

struct Arguments {
    const void *w, *bias;
    void *y;
    int channels, out_height, out_width, pad_y, pad_x;
    int vectors, tile_height, tile_width, across, in_width, bytes;  // of a tile; bytes: its input
    Activate activate;
};

template <class T>
__device__ __forceinline__ void finish(float (&sum)[V], const Arguments &p, const float (&bias)[V], T *to) {
#pragma unroll
    for (int j = 0; j < V; ++j) sum[j] += bias[j];
    p.activate(sum);
    store(to, sum);
}

template <class T>
__device__ __forceinline__ void load_row(float (&x)[KERNEL][V], const T *from, int step) {
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx) load(x[kx], from + kx * step);
}

template <int STRIDE, class T>
__device__ __forceinline__ void column(const Arguments &p, const T *from, const float (&w)[TAPS][V],
                                       const float (&bias)[V], T *to, int rows) {
    const int pixel = p.vectors * V, row = p.in_width * pixel;
    const int64_t out_row = static_cast<int64_t>(p.out_width) * p.channels;
    float sum[KERNEL][V] = {};  // of the rows that the next row of the input belongs to, the first to be complete first
    const auto add = [&](const float (&x)[KERNEL][V], float (&s)[V], int ky) {
#pragma unroll
        for (int kx = 0; kx < KERNEL; ++kx)
#pragma unroll
            for (int j = 0; j < V; ++j) s[j] += x[kx][j] * w[ky * KERNEL + kx][j];
    };
    float x[KERNEL][V];
    if constexpr (STRIDE == 1) {
        load_row(x, from, pixel);
        add(x, sum[0], 0);
        load_row(x, from + row, pixel);
        add(x, sum[0], 1), add(x, sum[1], 0);
#pragma unroll 1  // nvcc 13.0 unrolls this by 3 without a test of `rows` in between
        for (int y = 0; y < rows; ++y) {
            load_row(x, from + (y + 2) * row, pixel);
            add(x, sum[0], 2), add(x, sum[1], 1), add(x, sum[2], 0);
            finish(sum[0], p, bias, to + y * out_row);
#pragma unroll
            for (int j = 0; j < V; ++j) sum[0][j] = sum[1][j], sum[1][j] = sum[2][j], sum[2][j] = 0.0f;
        }
    } else {
        load_row(x, from, pixel);
        for (int y = 0; y < rows; ++y) {
#pragma unroll
            for (int j = 0; j < V; ++j) sum[0][j] = 0.0f;
            add(x, sum[0], 0);
            load_row(x, from + (2 * y + 1) * row, pixel);
            add(x, sum[0], 1);
            load_row(x, from + (2 * y + 2) * row, pixel);
            add(x, sum[0], 2);
            finish(sum[0], p, bias, to + y * out_row);
        }
    }
}

// blockIdx: tile of the image, channels, image.
template <class T, int STRIDE>
__global__ void __launch_bounds__(MOST_VECTORS * 14, 4)
    tile_kernel(const __grid_constant__ CUtensorMap image, const __grid_constant__ Arguments p) {
    extern __shared__ __align__(128) unsigned char shared[];
    const uint32_t barrier = shared_address(shared) + p.bytes;
    const int vector = static_cast<int>(threadIdx.x) % p.vectors, x = static_cast<int>(threadIdx.x) / p.vectors;
    const int channel = (static_cast<int>(blockIdx.y) * p.vectors + vector) * V;
    const int x0 = static_cast<int>(blockIdx.x) % p.across * p.tile_width;
    const int y0 = static_cast<int>(blockIdx.x) / p.across * p.tile_height;
    allow_next();
    if (threadIdx.x == 0) {
        barrier_init(barrier, 1);
        publish_barriers();
        barrier_expect(barrier, p.bytes);
        wait_for_previous();
        copy_image(shared_address(shared), image, static_cast<int>(blockIdx.y) * p.vectors * V, x0 * STRIDE - p.pad_x,
                   y0 * STRIDE - p.pad_y, static_cast<int>(blockIdx.z), barrier);
    }
    float w[TAPS][V], bias[V] = {};
#pragma unroll
    for (int tap = 0; tap < TAPS; ++tap) load(w[tap], static_cast<const T *>(p.w) + tap * p.channels + channel);
    __syncthreads();  // the barrier is ready
    wait_for_previous();
    if (p.bias != nullptr) load(bias, static_cast<const T *>(p.bias) + channel);
    barrier_wait(barrier, 0);
    const int rows = min(p.tile_height, p.out_height - y0);
    if (x0 + x >= p.out_width || rows <= 0) return;
    const int64_t place = (static_cast<int64_t>(blockIdx.z) * p.out_height + y0) * p.out_width + x0 + x;
    column<STRIDE, T>(p, reinterpret_cast<const T *>(shared) + (x * STRIDE * p.vectors + vector) * V, w, bias,
                      static_cast<T *>(p.y) + place * p.channels + channel, rows);
}

// The most vectors of channels, up to 8, that divide all of them.
int vectors_of(int channels) {
    int vectors = MOST_VECTORS;
    while (channels / V % vectors != 0) --vectors;
    return vectors;
}

template <class T>
int32_t run_tiles(const ew_call *call, Arguments p, int batch, int height, int width, int stride) {
    p.vectors = vectors_of(p.channels);
    p.tile_width = min(14, p.out_width), p.tile_height = min(stride == 1 ? 14 : 7, p.out_height);
    p.in_width = (p.tile_width - 1) * stride + KERNEL;
    const int in_height = (p.tile_height - 1) * stride + KERNEL;
    p.bytes = p.in_width * in_height * p.vectors * V * 2;
    p.across = (p.out_width + p.tile_width - 1) / p.tile_width;
    CUtensorMap image;
    const ImageBox box = {batch, height, width, p.channels, in_height, p.in_width, p.vectors * V};
    if (const int32_t status = describe_image(call, call->inputs[0].data, box, &image); status != EW_OK) return status;
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>(p.across * ((p.out_height + p.tile_height - 1) / p.tile_height)),
                      static_cast<unsigned>(p.channels / V / p.vectors), static_cast<unsigned>(batch));
    shape.block = dim3(static_cast<unsigned>(p.vectors * p.tile_width));
    shape.shared = static_cast<size_t>(p.bytes + BARRIER);
    return launch(call, stride == 1 ? tile_kernel<T, 1> : tile_kernel<T, 2>, shape, image, p);
}

int32_t run(const ew_call *call) {
    constexpr int N_PARAMS = 14;
    if (call->n_params != N_PARAMS || call->n_inputs < 2)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA depthwise convolution takes %d parameters", N_PARAMS);
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    for (int i = 0; i < 10; ++i)
        if (call->params[i].i < 0 || call->params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of a depthwise convolution is %d", i, number(i));
    if (number(6) != KERNEL || (number(7) != 1 && number(7) != 2) || number(10) < 0 || number(10) >= N_ACTIVATIONS ||
        call->n_inputs < 2 + (number(13) != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a depthwise convolution is out of its range");
    if (number(0) > 65535 || number(3) % V != 0 || number(3) / V > 65535)
        return call->host->error(call, EW_SHAPE, "a depthwise convolution of %d images of %d channels", number(0),
                                 number(3));
    Arguments p = {};
    p.w = call->inputs[1].data, p.y = call->outputs[0].data;
    p.bias = number(13) ? call->inputs[2].data : nullptr;
    p.channels = number(3), p.out_height = number(4), p.out_width = number(5), p.pad_y = number(8), p.pad_x = number(9);
    p.activate = {number(10), static_cast<float>(call->params[11].f), static_cast<float>(call->params[12].f)};
    if (number(0) == 0 || number(1) == 0 || number(2) == 0 || p.channels == 0 || p.out_height == 0 || p.out_width == 0)
        return EW_OK;
    return for_half(call, call->inputs[0].dtype, [&](auto zero) {
        return run_tiles<decltype(zero)>(call, p, number(0), number(1), number(2), number(7));
    });
}

}  // namespace

EW_KERNEL(depthwise_bulk, run)

}  // namespace ew::cuda
