// Pooling in NHWC: the largest element or the mean of each window, 16 bytes of neighbouring channels a thread.
//
// Parameters: batch, height, width, channels, output height and width, then for y and x each: kernel, stride, dilation,
// padding before and behind; mean (0: the largest), padding counts. Channels fill whole 16-byte vectors.
#include "cuda/rows.h"

namespace ew::cuda {
namespace {

struct Axis {
    int size, out, kernel, stride, dilation, begin, end;

    // How many elements of the padded axis the window at `first` covers.
    __device__ __forceinline__ int covered(int first) const {
        const int bound = min(first + (kernel - 1) * dilation + 1, size + end);
        return (bound - first + dilation - 1) / dilation;
    }
};

struct Arguments {
    const void *x;
    void *y;
    Axis vertical, horizontal;
    int channels, mean, count_padding;
    int64_t threads;
};

template <class T>
__global__ void pool_kernel(const Arguments p) {
    constexpr int V = LANES<T>;
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const Axis &v = p.vertical, &h = p.horizontal;
    const int vectors = p.channels / V, channel = static_cast<int>(index % vectors) * V;
    const int64_t place = index / vectors, row = place / h.out, image = row / v.out;
    const int y0 = static_cast<int>(row % v.out) * v.stride - v.begin;
    const int x0 = static_cast<int>(place % h.out) * h.stride - h.begin;
    const T *x = static_cast<const T *>(p.x) + image * v.size * h.size * p.channels + channel;
    begin();
    if (index >= p.threads) return;
    float result[V];
#pragma unroll
    for (int j = 0; j < V; ++j) result[j] = p.mean ? 0.0f : -INFINITY;
    int count = 0;
    for (int ky = 0; ky < v.kernel; ++ky) {
        const int at_y = y0 + ky * v.dilation;
        if (at_y < 0 || at_y >= v.size) continue;
#pragma unroll 3
        for (int kx = 0; kx < h.kernel; ++kx) {
            const int at_x = x0 + kx * h.dilation;
            const bool inside = at_x >= 0 && at_x < h.size;
            const int64_t at = (static_cast<int64_t>(at_y) * h.size + (inside ? at_x : 0)) * p.channels;
            const Vector<T, V> value = *reinterpret_cast<const Vector<T, V> *>(x + at);
            count += inside;
#pragma unroll
            for (int j = 0; j < V; ++j) {
                const float f = widen(value.v[j]);
                const float joint = p.mean ? result[j] + f : Largest::join(result[j], f);
                result[j] = inside ? joint : result[j];
            }
        }
    }
    if (p.mean) {
        const float all = static_cast<float>(p.count_padding ? v.covered(y0) * h.covered(x0) : count);
#pragma unroll
        for (int j = 0; j < V; ++j) result[j] /= all;
    }
    store(static_cast<T *>(p.y) + place * p.channels + channel, result);
}

int32_t run(const ew_call *call) {
    constexpr int N_PARAMS = 18;
    if (call->n_params != N_PARAMS)
        return call->host->error(call, EW_INVALID_PLAN, "CUDA pooling takes %d parameters", N_PARAMS);
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    for (int i = 0; i < N_PARAMS; ++i)
        if (call->params[i].i < 0 || call->params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of CUDA pooling is %lld", i,
                                     static_cast<long long>(call->params[i].i));
    const auto axis = [&](int size, int out, int at) {
        return Axis{size, out, number(at), number(at + 1), number(at + 2), number(at + 3), number(at + 4)};
    };
    Arguments p = {};
    p.x = call->inputs[0].data, p.y = call->outputs[0].data;
    p.vertical = axis(number(1), number(4), 6), p.horizontal = axis(number(2), number(5), 11);
    p.channels = number(3), p.mean = number(16), p.count_padding = number(17);
    return for_float(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        if (p.channels % LANES<T> != 0)
            return call->host->error(call, EW_SHAPE, "%d channels do not fill 16-byte vectors", p.channels);
        p.threads = static_cast<int64_t>(number(0)) * number(4) * number(5) * (p.channels / LANES<T>);
        if (p.threads == 0) return int32_t{EW_OK};
        Shape3 shape;
        shape.grid = dim3(static_cast<unsigned>((p.threads + 127) / 128));
        shape.block = dim3(128);
        return launch(call, pool_kernel<T>, shape, p);
    });
}

}  // namespace

EW_KERNEL(pool_nhwc, run)

}  // namespace ew::cuda
