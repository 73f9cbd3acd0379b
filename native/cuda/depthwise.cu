// Depthwise convolution in NHWC: a thread computes 16 bytes of neighbouring channels at four places of a row, or at one place for one row
// of the window.
//
// Inputs: x [batch, height, width, channels], w [kernel, kernel, channels], bias [channels] where given. Parameters:
// batch, height, width, channels, output height and width, kernel (3, 5 or 7), stride (1 or 2), padding before in y and
// x, activation, its low and high bound, bias given. Channels fill whole 16-byte vectors.
#include "cuda/launch.h"
#include "cuda/values.h"

namespace ew::cuda {
namespace {

struct Arguments {
    const void *x, *w, *bias;
    void *y;
    int height, width, channels, out_height, out_width, pad_y, pad_x;
    int64_t threads;
    Activate activate;
};

constexpr int SPREAD = 32;

template <class T, int KERNEL, int STRIDE, int PLACES>
__global__ void __launch_bounds__(128, 4) depthwise_kernel(const Arguments p) {
    constexpr int V = LANES<T>, COLUMNS = (PLACES - 1) * STRIDE + KERNEL;
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const int vectors = p.channels / V, runs = (p.out_width + PLACES - 1) / PLACES;
    const int channel = static_cast<int>(index % vectors) * V;
    const int64_t run = index / vectors;
    const int x0 = static_cast<int>(run % runs) * PLACES, y0 = static_cast<int>(run / runs % p.out_height);
    const int64_t image = run / runs / p.out_height;
    const T *x = static_cast<const T *>(p.x) + image * p.height * p.width * p.channels + channel;
    begin();
    if (index >= p.threads) return;
    float sum[PLACES][V] = {};
#pragma unroll
    for (int ky = 0; ky < KERNEL; ++ky) {
        const int y = y0 * STRIDE - p.pad_y + ky;
        const bool row = y >= 0 && y < p.height;  // no branch: the loads of all rows may be under way at once
        Vector<T, V> w[KERNEL], values[COLUMNS];
#pragma unroll
        for (int column = 0; column < COLUMNS; ++column) {
            const int at = x0 * STRIDE - p.pad_x + column;
            const bool inside = row && at >= 0 && at < p.width;
            values[column] =
                inside ? *reinterpret_cast<const Vector<T, V> *>(x + (y * p.width + at) * p.channels) : Vector<T, V>{};
        }
#pragma unroll
        for (int kx = 0; kx < KERNEL; ++kx)
            w[kx] = *reinterpret_cast<const Vector<T, V> *>(static_cast<const T *>(p.w) +
                                                            (ky * KERNEL + kx) * p.channels + channel);
#pragma unroll
        for (int column = 0; column < COLUMNS; ++column)
#pragma unroll
            for (int place = 0; place < PLACES; ++place) {
                const int kx = column - place * STRIDE;
                if (kx < 0 || kx >= KERNEL) continue;
#pragma unroll
                for (int j = 0; j < V; ++j) sum[place][j] += widen(values[column].v[j]) * widen(w[kx].v[j]);
            }
    }
    float shift[V] = {};
    if (p.bias != nullptr) load(shift, static_cast<const T *>(p.bias) + channel);
    T *to = static_cast<T *>(p.y) + ((image * p.out_height + y0) * p.out_width + x0) * p.channels + channel;
#pragma unroll
    for (int place = 0; place < PLACES; ++place) {
        if (x0 + place >= p.out_width) break;
#pragma unroll
        for (int j = 0; j < V; ++j) sum[place][j] += shift[j];
        p.activate(sum[place]);
        store(to + static_cast<int64_t>(place) * p.channels, sum[place]);
    }
}

// For few places: a thread for each row of the window, so that no thread waits for one row after another.
template <class T, int KERNEL, int STRIDE>
__global__ void spread_kernel(const Arguments p) {
    constexpr int V = LANES<T>;
    __shared__ float shared[KERNEL][SPREAD][V];
    const int64_t index = static_cast<int64_t>(blockIdx.x) * SPREAD + threadIdx.x;
    const int vectors = p.channels / V, channel = static_cast<int>(index % vectors) * V, ky = threadIdx.y;
    const int64_t place = index / vectors;
    const int x0 = static_cast<int>(place % p.out_width) * STRIDE - p.pad_x;
    const int y = static_cast<int>(place / p.out_width % p.out_height) * STRIDE - p.pad_y + ky;
    const int64_t image = place / p.out_width / p.out_height;
    const bool inside = index < p.threads && y >= 0 && y < p.height;
    const T *w = static_cast<const T *>(p.w) + ky * KERNEL * p.channels + channel;
    const T *x = static_cast<const T *>(p.x) + ((image * p.height + y) * p.width + x0) * p.channels + channel;
    Vector<T, V> taps[KERNEL], values[KERNEL];
    allow_next();
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx) taps[kx] = *reinterpret_cast<const Vector<T, V> *>(w + kx * p.channels);
    wait_for_previous();
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx) {
        const bool here = inside && x0 + kx >= 0 && x0 + kx < p.width;
        values[kx] = here ? *reinterpret_cast<const Vector<T, V> *>(x + kx * p.channels) : Vector<T, V>{};
    }
    float sum[V] = {};
#pragma unroll
    for (int kx = 0; kx < KERNEL; ++kx)
#pragma unroll
        for (int j = 0; j < V; ++j) sum[j] += widen(values[kx].v[j]) * widen(taps[kx].v[j]);
#pragma unroll
    for (int j = 0; j < V; ++j) shared[ky][threadIdx.x][j] = sum[j];
    __syncthreads();
    if (ky != 0 || index >= p.threads) return;
    if (p.bias != nullptr) load(sum, static_cast<const T *>(p.bias) + channel);
#pragma unroll
    for (int row = 0; row < KERNEL; ++row)
#pragma unroll
        for (int j = 0; j < V; ++j)
            sum[j] = (row == 0 && p.bias == nullptr ? 0.0f : sum[j]) + shared[row][threadIdx.x][j];
    p.activate(sum);
    store(static_cast<T *>(p.y) + place * p.channels + channel, sum);
}

template <class T, int KERNEL, int STRIDE>
int32_t launch_depthwise(const ew_call *call, Arguments p, int batch) {
    constexpr int FEW = 132 * 2048;  // threads that a device runs at once
    const int64_t rows = static_cast<int64_t>(batch) * p.out_height * (p.channels / LANES<T>);
    Shape3 shape;
    if (rows * p.out_width * KERNEL < 2 * FEW) {
        p.threads = rows * p.out_width;
        shape.block = dim3(SPREAD, KERNEL);
        shape.grid = dim3(static_cast<unsigned>((p.threads + SPREAD - 1) / SPREAD));
        return launch(call, spread_kernel<T, KERNEL, STRIDE>, shape, p);
    }
    p.threads = rows * ((p.out_width + 3) / 4);
    shape.block = dim3(128);
    shape.grid = dim3(static_cast<unsigned>((p.threads + 127) / 128));
    return launch(call, depthwise_kernel<T, KERNEL, STRIDE, 4>, shape, p);
}

template <class T>
int32_t select(const ew_call *call, const Arguments &p, int batch, int kernel, int stride) {
    if (p.channels % LANES<T> != 0)
        return call->host->error(call, EW_SHAPE, "%d channels do not fill 16-byte vectors", p.channels);
    switch (kernel * 10 + stride) {
        case 31: return launch_depthwise<T, 3, 1>(call, p, batch);
        case 32: return launch_depthwise<T, 3, 2>(call, p, batch);
        case 51: return launch_depthwise<T, 5, 1>(call, p, batch);
        case 52: return launch_depthwise<T, 5, 2>(call, p, batch);
        case 71: return launch_depthwise<T, 7, 1>(call, p, batch);
        default:
            return call->host->error(call, EW_INVALID_PLAN, "no depthwise kernel of %d by stride %d", kernel, stride);
    }
}

int32_t run(const ew_call *call) {
    constexpr int N_PARAMS = 14;
    if (call->n_params != N_PARAMS || call->n_inputs < 2)
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA depthwise convolution takes %d parameters", N_PARAMS);
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    for (int i = 0; i < 10; ++i)
        if (call->params[i].i < 0 || call->params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of a depthwise convolution is %d", i, number(i));
    if (call->params[1].i * call->params[2].i * call->params[3].i > INT32_MAX)
        return call->host->error(call, EW_SHAPE, "an image of a depthwise convolution is too large");
    if (number(10) < 0 || number(10) >= N_ACTIVATIONS || call->n_inputs < 2 + (number(13) != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of a depthwise convolution is out of its range");
    Arguments p = {};
    p.x = call->inputs[0].data, p.w = call->inputs[1].data, p.y = call->outputs[0].data;
    p.bias = number(13) ? call->inputs[2].data : nullptr;
    p.height = number(1), p.width = number(2), p.channels = number(3), p.out_height = number(4),
    p.out_width = number(5);
    p.pad_y = number(8), p.pad_x = number(9);
    p.activate = {number(10), static_cast<float>(call->params[11].f), static_cast<float>(call->params[12].f)};
    const int batch = number(0);
    if (batch == 0 || p.channels == 0 || p.out_height == 0 || p.out_width == 0) return EW_OK;
    return for_float(call, call->inputs[0].dtype,
                     [&](auto zero) { return select<decltype(zero)>(call, p, batch, number(6), number(7)); });
}

}  // namespace

EW_KERNEL(depthwise_nhwc, run)

}  // namespace ew::cuda
