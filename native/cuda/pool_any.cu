// Pooling of any float type over up to three axes, channels first or last: the largest element or the mean of each
// window.
//
// Parameters: images, channels, mean (0: the largest), padding counts, channels last, then a window's (see window.h).
#include "cuda/rows.h"
#include "cuda/window.h"

namespace ew::cuda {
namespace {

struct Arguments {
    const void *x;
    void *y;
    int channels, mean, count_padding;
    int64_t threads;
    Layout in, out;
    Window window;
};

template <class T>
__global__ void pool_kernel(const __grid_constant__ Arguments p) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    const WindowAxis *axis = p.window.axis;
    begin();
    if (index >= p.threads) return;
    int64_t image, at;
    int channel;
    p.out.split(index, p.channels, p.window.places(), &image, &channel, &at);
    const int place = static_cast<int>(at);
    const int z = place / axis[2].out / axis[1].out, y = place / axis[2].out % axis[1].out, x = place % axis[2].out;
    const T *from = static_cast<const T *>(p.x) + p.in.at(image, channel, 0);
    float result = p.mean ? 0.0f : -INFINITY;
    int count = 0;
    for (int kz = 0; kz < axis[0].kernel; ++kz) {
        const int a = axis[0].element(z, kz);
        if (a < 0 || a >= axis[0].size) continue;
        for (int ky = 0; ky < axis[1].kernel; ++ky) {
            const int b = axis[1].element(y, ky);
            if (b < 0 || b >= axis[1].size) continue;
            for (int kx = 0; kx < axis[2].kernel; ++kx) {
                const int c = axis[2].element(x, kx);
                if (c < 0 || c >= axis[2].size) continue;
                const int64_t offset = (static_cast<int64_t>(a) * axis[1].size + b) * axis[2].size + c;
                const float value = widen(from[offset * p.in.place]);
                result = p.mean ? result + value : Largest::join(result, value);
                ++count;
            }
        }
    }
    if (p.mean) {
        const int padded = axis[0].covered(z) * axis[1].covered(y) * axis[2].covered(x);
        result /= static_cast<float>(p.count_padding ? padded : count);
    }
    static_cast<T *>(p.y)[index] = narrow<T>(result);
}

int32_t run(const ew_call *call) {
    constexpr int OWN_PARAMS = 5;
    const ew_param *params = call->params;
    Arguments p = {};
    if (call->n_params != OWN_PARAMS + WINDOW_PARAMS)
        return call->host->error(call, EW_INVALID_PLAN, "CUDA pooling takes %d parameters", OWN_PARAMS + WINDOW_PARAMS);
    if (params[0].i < 0 || params[0].i > INT32_MAX || params[1].i < 0 || params[1].i > INT32_MAX ||
        !read_window(params + OWN_PARAMS, &p.window))
        return call->host->error(call, EW_SHAPE, "no CUDA pooling of %lld images of %lld channels",
                                 static_cast<long long>(params[0].i), static_cast<long long>(params[1].i));
    p.x = call->inputs[0].data, p.y = call->outputs[0].data;
    p.channels = static_cast<int>(params[1].i), p.mean = params[2].i != 0, p.count_padding = params[3].i != 0;
    p.in = Layout::of(params[4].i != 0, params[1].i, p.window.elements());
    p.out = Layout::of(params[4].i != 0, params[1].i, p.window.places());
    p.threads = params[0].i * p.out.image;
    if (p.threads == 0) return EW_OK;
    if (p.threads > int64_t{INT32_MAX} * 256) return call->host->error(call, EW_SHAPE, "a pool is too large");
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((p.threads + 255) / 256));
    shape.block = dim3(256);
    return for_float(call, call->inputs[0].dtype,
                     [&](auto zero) { return launch(call, pool_kernel<decltype(zero)>, shape, p); });
}

}  // namespace

EW_KERNEL(pool_any, run)

}  // namespace ew::cuda
