// Convolutions of any float type, window, and number of groups over up to three axes, channels first or last, in float
// arithmetic: as a product of tiles, or where a group has few output channels, a thread for each output.
//
// Inputs: x [batch, channels, spatial] or [batch, spatial, channels], w [output channels, channels of a group, kernel],
// bias [output channels] where given. Parameters: batch, channels, output channels, groups, bias given, channels last,
// then a window's (see window.h).
#include "cuda/launch.h"
#include "cuda/values.h"
#include "cuda/window.h"

namespace ew::cuda {
namespace {

constexpr int TILE = 64, STEP = 16, ACROSS = 16, EACH = TILE / ACROSS;  // a thread has EACH by EACH outputs
constexpr int FEW = 8;

struct Arguments {
    const void *x, *w, *bias;
    void *y;
    int channels, outputs, depth;  // of a group; depth: of its sum
    int groups;
    Layout in, out;
    int64_t places, count;  // count: places of all images
    Window window;
};

// One place of the output, and what the sum's element k multiplies there.
struct Place {
    int at[3];
    bool inside;

    __device__ __forceinline__ Place(const Window &w, int place, bool inside_) : inside(inside_) {
        at[2] = place % w.axis[2].out;
        at[1] = place / w.axis[2].out % w.axis[1].out;
        at[0] = place / w.axis[2].out / w.axis[1].out;
    }

    // x: the group's first channel of the image.
    template <class T>
    __device__ __forceinline__ float value(const Window &w, const Layout &layout, const T *x, int k) const {
        const int last = k % w.axis[2].kernel, rest = k / w.axis[2].kernel;
        const int middle = rest % w.axis[1].kernel, more = rest / w.axis[1].kernel;
        const int first = more % w.axis[0].kernel, channel = more / w.axis[0].kernel;
        const int a = w.axis[0].element(at[0], first), b = w.axis[1].element(at[1], middle),
                  c = w.axis[2].element(at[2], last);
        const bool here =
            inside && a >= 0 && a < w.axis[0].size && b >= 0 && b < w.axis[1].size && c >= 0 && c < w.axis[2].size;
        const int64_t offset = (static_cast<int64_t>(a) * w.axis[1].size + b) * w.axis[2].size + c;
        return here ? widen(x[channel * layout.channel + offset * layout.place]) : 0.0f;
    }
};

// blockIdx: places of all images, output channels, group.
template <class T>
__global__ void __launch_bounds__(ACROSS *ACROSS) tile_kernel(const __grid_constant__ Arguments p) {
    __shared__ float weights[STEP][TILE + 1], values[STEP][TILE];
    const int thread = threadIdx.x, group = blockIdx.z, m0 = static_cast<int>(blockIdx.y) * TILE;
    const int64_t n0 = static_cast<int64_t>(blockIdx.x) * TILE, mine = n0 + thread % TILE;
    const Place place(p.window, static_cast<int>(mine % p.places), mine < p.count);
    const T *x = static_cast<const T *>(p.x) + p.in.at(mine / p.places, group * p.channels, 0);
    const T *w = static_cast<const T *>(p.w) + static_cast<int64_t>(group) * p.outputs * p.depth;
    begin();
    float sum[EACH][EACH] = {};
    for (int k0 = 0; k0 < p.depth; k0 += STEP) {
#pragma unroll
        for (int i = 0; i < STEP; i += ACROSS * ACROSS / TILE) {
            const int k = k0 + i + thread / TILE;
            values[i + thread / TILE][thread % TILE] = k < p.depth ? place.value(p.window, p.in, x, k) : 0.0f;
        }
#pragma unroll
        for (int i = 0; i < TILE; i += ACROSS * ACROSS / STEP) {
            const int m = i + thread / STEP, k = k0 + thread % STEP;
            const bool inside = m0 + m < p.outputs && k < p.depth;
            weights[thread % STEP][m] = inside ? widen(w[static_cast<int64_t>(m0 + m) * p.depth + k]) : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < STEP; ++k)
#pragma unroll
            for (int i = 0; i < EACH; ++i)
#pragma unroll
                for (int j = 0; j < EACH; ++j)
                    sum[i][j] += weights[k][thread / ACROSS * EACH + i] * values[k][thread % ACROSS + j * ACROSS];
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        const int m = m0 + thread / ACROSS * EACH + i;
        if (m >= p.outputs) break;
        const int channel = group * p.outputs + m;
        const float shift = p.bias == nullptr ? 0.0f : widen(static_cast<const T *>(p.bias)[channel]);
#pragma unroll
        for (int j = 0; j < EACH; ++j) {
            const int64_t n = n0 + thread % ACROSS + j * ACROSS;
            if (n >= p.count) break;
            const int64_t image = n / p.places;
            static_cast<T *>(p.y)[p.out.at(image, channel, n - image * p.places)] = narrow<T>(sum[i][j] + shift);
        }
    }
}

// Neighbouring threads have neighbouring elements of the output.
template <class T>
__global__ void output_kernel(const __grid_constant__ Arguments p, int64_t threads) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    begin();
    if (index >= threads) return;
    const int channels = p.groups * p.outputs;
    int64_t image, at;
    int channel;
    p.out.split(index, channels, p.places, &image, &channel, &at);
    const int group = channel / p.outputs;
    const Place place(p.window, static_cast<int>(at), true);
    const T *x = static_cast<const T *>(p.x) + p.in.at(image, group * p.channels, 0);
    const T *w = static_cast<const T *>(p.w) + static_cast<int64_t>(channel) * p.depth;
    float sum = p.bias == nullptr ? 0.0f : widen(static_cast<const T *>(p.bias)[channel]);
    for (int k = 0; k < p.depth; ++k) sum += place.value(p.window, p.in, x, k) * widen(w[k]);
    static_cast<T *>(p.y)[index] = narrow<T>(sum);
}

template <class T>
int32_t launch_convolution(const ew_call *call, const Arguments &p, int batch) {
    Shape3 shape;
    if (p.outputs < FEW) {
        const int64_t threads = static_cast<int64_t>(batch) * p.groups * p.outputs * p.places;
        if (threads > int64_t{INT32_MAX} * 256) return call->host->error(call, EW_SHAPE, "a convolution is too large");
        shape.grid = dim3(static_cast<unsigned>((threads + 255) / 256));
        shape.block = dim3(256);
        return launch(call, output_kernel<T>, shape, p, threads);
    }
    const int64_t across = (p.count + TILE - 1) / TILE, down = (p.outputs + TILE - 1) / TILE;
    if (across > INT32_MAX || down > 65535 || p.groups > 65535)
        return call->host->error(call, EW_SHAPE, "a convolution has too many places, channels or groups");
    shape.grid = dim3(static_cast<unsigned>(across), static_cast<unsigned>(down), static_cast<unsigned>(p.groups));
    shape.block = dim3(ACROSS * ACROSS);
    return launch(call, tile_kernel<T>, shape, p);
}

int32_t run(const ew_call *call) {
    constexpr int OWN_PARAMS = 6;
    const ew_param *params = call->params;
    Arguments p = {};
    if (call->n_params != OWN_PARAMS + WINDOW_PARAMS || call->n_inputs < 2 || call->n_inputs < 2 + (params[4].i != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA convolution takes %d parameters",
                                 OWN_PARAMS + WINDOW_PARAMS);
    const int64_t batch = params[0].i, channels = params[1].i, outputs = params[2].i, groups = params[3].i;
    if (batch < 0 || channels < 0 || outputs < 0 || groups < 1 || batch > INT32_MAX || channels > INT32_MAX ||
        outputs > INT32_MAX || channels % groups != 0 || outputs % groups != 0 ||
        !read_window(params + OWN_PARAMS, &p.window))
        return call->host->error(call, EW_SHAPE, "no CUDA convolution of %lld by %lld channels in %lld groups",
                                 static_cast<long long>(channels), static_cast<long long>(outputs),
                                 static_cast<long long>(groups));
    p.x = call->inputs[0].data, p.w = call->inputs[1].data, p.y = call->outputs[0].data;
    p.bias = params[4].i != 0 ? call->inputs[2].data : nullptr;
    p.groups = static_cast<int>(groups);
    p.in = Layout::of(params[5].i != 0, channels, p.window.elements());
    p.out = Layout::of(params[5].i != 0, outputs, p.window.places());
    p.channels = static_cast<int>(channels / groups), p.outputs = static_cast<int>(outputs / groups);
    const int64_t depth = static_cast<int64_t>(p.channels) * p.window.taps();
    if (depth > INT32_MAX) return call->host->error(call, EW_SHAPE, "a CUDA convolution adds up too much");
    p.depth = static_cast<int>(depth), p.places = p.window.places(), p.count = batch * p.places;
    if (p.count == 0 || p.outputs == 0) return EW_OK;
    return for_float(call, call->inputs[0].dtype,
                     [&](auto zero) { return launch_convolution<decltype(zero)>(call, p, static_cast<int>(batch)); });
}

}  // namespace

EW_KERNEL(conv_any, run)

}  // namespace ew::cuda
