// Convolution, plain and transposed, of any float type by simple loops: for f64, f16 and bf16, and w not constant.
//
// Inputs x, w, bias if any. Params: group, number of inputs, then stride, dilation, padding for each spatial axis.
// 16-bit floats are widened as a whole and summed in f32.
#include "cpu/conv.h"
#include "cpu/gemm_half.h"

namespace ew::EW_ISA {

namespace {

// Reads what both forms share; `channels` and `outputs` are the axes of w.
bool read(const ew_call *call, Sliding &s) {
    if (!read_sliding(call, 2, call->inputs[0], call->outputs[0], s)) return false;
    s.group = call->params[0].i;
    fill_axes(s.kernel, call->inputs[1].shape + 2, call->inputs[1].rank - 2);
    return s.group > 0 && s.c % s.group == 0 && s.m % s.group == 0;
}

// Where one output element takes its input from, on one axis: false if the tap lies outside.
EW_INLINE bool source(const Sliding &s, bool transposed, int axis, int64_t at, int64_t tap, int64_t &index) {
    if (!transposed) {
        index = at * s.stride[axis] + tap * s.dilation[axis] - s.begin[axis];
        return index >= 0 && index < s.in[axis];
    }
    const int64_t far = at + s.begin[axis] - tap * s.dilation[axis];
    index = far / s.stride[axis];
    return far >= 0 && far % s.stride[axis] == 0 && index < s.in[axis];
}

// One tap of one input channel, added along one output row.
template <typename T>
void add_row(const Sliding &s, bool transposed, const T *x, T w, int64_t tap, T *row) {
    for (int64_t i = 0; i < s.out[2]; ++i) {
        int64_t at;
        if (source(s, transposed, 2, i, tap, at)) row[i] += x[at] * w;
    }
}

template <typename T>
void run_channel(const Sliding &s, bool transposed, const T *x, const T *w, T start, int64_t image, int64_t m, T *y) {
    const int64_t channels = s.c / s.group, outputs = s.m / s.group, g = m / outputs, taps = s.taps();
    for (int64_t i = 0; i < s.out_size(); ++i) y[i] = start;
    for (int64_t c = 0; c < channels; ++c) {
        const T *plane = x + (image * s.c + g * channels + c) * s.in_size();
        const T *kernel = w + (transposed ? (g * channels + c) * outputs + m % outputs : m * channels + c) * taps;
        for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t kz = tap / (s.kernel[1] * s.kernel[2]), ky = tap / s.kernel[2] % s.kernel[1];
            for (int64_t r = 0; r < s.out[0] * s.out[1]; ++r) {
                int64_t z, line;
                if (!source(s, transposed, 0, r / s.out[1], kz, z) || !source(s, transposed, 1, r % s.out[1], ky, line))
                    continue;
                add_row(s, transposed, plane + (z * s.in[1] + line) * s.in[2], kernel[tap], tap % s.kernel[2],
                        y + r * s.out[2]);
            }
        }
    }
}

template <typename T>
int32_t run_typed(const ew_call *call, const Sliding &s, bool transposed, const T *x, const T *w, const T *bias, T *y) {
    parallel(call, s.n * s.m, [&](int64_t i) {
        run_channel(s, transposed, x, w, bias ? bias[i % s.m] : T(0), i / s.m, i % s.m, y + i * s.out_size());
    });
    return EW_OK;
}

int32_t run_half(const ew_call *call, const Sliding &s, bool transposed, bool with_bias) {
    const int64_t nx = count(call->inputs[0]), nw = count(call->inputs[1]), nb = with_bias ? s.m : 0;
    float *x = scratch(SCRATCH_C, nx + nw + nb), *w = x + nx, *bias = w + nw;
    widen_all(call->inputs[0], x);
    widen_all(call->inputs[1], w);
    if (with_bias) widen_all(call->inputs[2], bias);
    float *y = scratch(SCRATCH_D, count(call->outputs[0]));
    run_typed<float>(call, s, transposed, x, w, with_bias ? bias : nullptr, y);
    narrow_all(y, call->outputs[0]);
    return EW_OK;
}

int32_t run(const ew_call *call, bool transposed) {
    Sliding s;
    if (!read(call, s)) return call->host->error(call, EW_SHAPE, "convolution: sizes disagree");
    const bool with_bias = call->params[1].i > 2 && present(call, 2);
    const void *x = call->inputs[0].data, *w = call->inputs[1].data, *b = with_bias ? call->inputs[2].data : nullptr;
    void *y = call->outputs[0].data;
    using F = float;
    using D = double;
    switch (call->inputs[0].dtype) {
        case EW_FLOAT32:
            return run_typed<F>(call, s, transposed, static_cast<const F *>(x), static_cast<const F *>(w),
                                static_cast<const F *>(b), static_cast<F *>(y));
        case EW_FLOAT64:
            return run_typed<D>(call, s, transposed, static_cast<const D *>(x), static_cast<const D *>(w),
                                static_cast<const D *>(b), static_cast<D *>(y));
        case EW_FLOAT16:
        case EW_BFLOAT16: return run_half(call, s, transposed, with_bias);
        default: return call->host->error(call, EW_FAILED, "convolution: element type %d", call->inputs[0].dtype);
    }
}

int32_t conv(const ew_call *call) { return run(call, false); }
int32_t conv_transpose(const ew_call *call) { return run(call, true); }

}  // namespace

EW_KERNEL(conv_generic, conv)
EW_KERNEL(conv_transpose_generic, conv_transpose)

}  // namespace ew::EW_ISA
