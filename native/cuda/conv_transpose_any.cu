// Transposed convolutions of any float type, window, and number of groups over up to three axes, channels first: a
// thread for each output adds up what reaches it.
//
// Inputs: x [batch, channels, spatial], w [channels, output channels of a group, kernel], bias [output channels] where
// given. Parameters: batch, channels, output channels, groups, bias given, then a window's (see window.h), whose places
// are the output's and whose padding before is what is cut off there.
#include "cuda/launch.h"
#include "cuda/values.h"
#include "cuda/window.h"

namespace ew::cuda {
namespace {

struct Arguments {
    const void *x, *w, *bias;
    void *y;
    int channels, outputs, groups;  // of a group
    int64_t threads;
    Window window;
};

// The element of x that tap `tap` brings to place `at` of the output, -1 where there is none.
__device__ __forceinline__ int source(const WindowAxis &axis, int at, int tap) {
    const int from = at + axis.begin - tap * axis.dilation;
    if (from < 0 || from % axis.stride != 0) return -1;
    return from / axis.stride < axis.size ? from / axis.stride : -1;
}

template <class T>
__global__ void transposed_kernel(const __grid_constant__ Arguments p) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, places = p.window.places();
    const WindowAxis *axis = p.window.axis;
    begin();
    if (index >= p.threads) return;
    const int64_t row = index / places;
    const int place = static_cast<int>(index - row * places);
    const int channel = static_cast<int>(row % (p.groups * p.outputs)), group = channel / p.outputs;
    const int64_t image = row / (p.groups * p.outputs), elements = p.window.elements();
    const int c = place % axis[2].out, b = place / axis[2].out % axis[1].out, a = place / axis[2].out / axis[1].out;
    const T *x = static_cast<const T *>(p.x) + (image * p.groups + group) * p.channels * elements;
    const int64_t taps = p.window.taps(), step = p.outputs * taps;  // of w, from one channel to the next
    const T *w = static_cast<const T *>(p.w) + group * p.channels * step + (channel - group * p.outputs) * taps;
    float sum = p.bias == nullptr ? 0.0f : widen(static_cast<const T *>(p.bias)[channel]);
    for (int ka = 0; ka < axis[0].kernel; ++ka)
        for (int kb = 0; kb < axis[1].kernel; ++kb)
            for (int kc = 0; kc < axis[2].kernel; ++kc) {
                const int at_a = source(axis[0], a, ka), at_b = source(axis[1], b, kb), at_c = source(axis[2], c, kc);
                if (at_a < 0 || at_b < 0 || at_c < 0) continue;
                const int64_t from = (static_cast<int64_t>(at_a) * axis[1].size + at_b) * axis[2].size + at_c;
                const int tap = (ka * axis[1].kernel + kb) * axis[2].kernel + kc;
                for (int k = 0; k < p.channels; ++k) sum += widen(x[k * elements + from]) * widen(w[k * step + tap]);
            }
    static_cast<T *>(p.y)[index] = narrow<T>(sum);
}

int32_t run(const ew_call *call) {
    constexpr int OWN_PARAMS = 5;
    const ew_param *params = call->params;
    Arguments p = {};
    if (call->n_params != OWN_PARAMS + WINDOW_PARAMS || call->n_inputs < 2 || call->n_inputs < 2 + (params[4].i != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a CUDA transposed convolution takes %d parameters",
                                 OWN_PARAMS + WINDOW_PARAMS);
    const int64_t batch = params[0].i, channels = params[1].i, outputs = params[2].i, groups = params[3].i;
    if (batch < 0 || channels < 0 || outputs < 0 || groups < 1 || batch > INT32_MAX || channels > INT32_MAX ||
        outputs > INT32_MAX || channels % groups != 0 || outputs % groups != 0 ||
        !read_window(params + OWN_PARAMS, &p.window))
        return call->host->error(
            call, EW_SHAPE, "no CUDA transposed convolution of %lld by %lld channels in %lld groups",
            static_cast<long long>(channels), static_cast<long long>(outputs), static_cast<long long>(groups));
    p.x = call->inputs[0].data, p.w = call->inputs[1].data, p.y = call->outputs[0].data;
    p.bias = params[4].i != 0 ? call->inputs[2].data : nullptr;
    p.groups = static_cast<int>(groups), p.channels = static_cast<int>(channels / groups);
    p.outputs = static_cast<int>(outputs / groups), p.threads = batch * outputs * p.window.places();
    if (p.threads == 0) return EW_OK;
    if (p.threads > int64_t{INT32_MAX} * 256) return call->host->error(call, EW_SHAPE, "a convolution is too large");
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((p.threads + 255) / 256));
    shape.block = dim3(256);
    return for_float(call, call->inputs[0].dtype,
                     [&](auto zero) { return launch(call, transposed_kernel<decltype(zero)>, shape, p); });
}

}  // namespace

EW_KERNEL(conv_transpose_any, run)

}  // namespace ew::cuda
