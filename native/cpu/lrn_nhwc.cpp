// f32 local response normalization of images with their channels last: the window moves along a row of channels.
//
// y = x / (bias + alpha / window * sum of the squares of the window) ** beta. Params: window, alpha / window, beta, bias.
#include <cmath>
#include <cstring>

#include "cpu/gemm.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {

namespace {

struct Numbers {
    int64_t window;
    float alpha, beta, bias;
};

EW_INLINE vf vsqrt(vf x) {
#if EW_ISA_AVX512
    return (vf)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);
#elif EW_ISA_AVX2
    return (vf)_mm256_sqrt_ps((__m256)x);
#else
    for (int i = 0; i < VL; ++i) x[i] = std::sqrt(x[i]);
    return x;
#endif
}

// One place: `squares` has room for its channels, a window and a vector, zeros before the first channel.
void normalize(const Numbers &p, const float *x, int64_t channels, float *squares, float *y) {
    const int64_t before = (p.window - 1) / 2;
    for (int64_t c = 0; c < channels; c += VL) {
        const vf v = load_n(x + c, least(VL, channels - c));
        store(squares + before + c, v * v);
    }
    std::memset(squares + before + channels, 0, sizeof(float) * static_cast<size_t>(p.window / 2 + VL));
    for (int64_t c = 0; c < channels; c += VL) {
        const int64_t n = least(VL, channels - c);
        vf sum = load(squares + c);
        for (int64_t d = 1; d < p.window; ++d) sum += load(squares + c + d);
        const vf base = splat(p.alpha) * sum + splat(p.bias), v = load_n(x + c, n);
        if (p.beta == 0.75F) {
            const vf root = vsqrt(base);
            store_n(y + c, v / (root * vsqrt(root)), n);
        } else {
            store_n(y + c, v * vexp(splat(-p.beta) * vlog(base)), n);
        }
    }
}

int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    if (call->n_params != 4 || count(call->outputs[0]) != count(x))
        return call->host->error(call, EW_SHAPE, "local response normalization: sizes disagree");
    const Numbers p{call->params[0].i, static_cast<float>(call->params[1].f), static_cast<float>(call->params[2].f),
                    static_cast<float>(call->params[3].f)};
    const int64_t channels = x.shape[x.rank - 1], places = count(x) / most(1, channels);
    if (channels == 0) return EW_OK;
    const int64_t group = 1 + 20000 / channels;
    float *y = static_cast<float *>(call->outputs[0].data);
    parallel(call, ceil_div(places, group), [&](int64_t task) {
        float *squares = scratch(SCRATCH_A, channels + p.window + 2 * VL);
        std::memset(squares, 0, sizeof(float) * static_cast<size_t>((p.window - 1) / 2));
        for (int64_t i = task * group; i < least(places, (task + 1) * group); ++i)
            normalize(p, f32(x) + i * channels, channels, squares, y + i * channels);
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(lrn_nhwc_f32, run)

}  // namespace ew::EW_ISA
