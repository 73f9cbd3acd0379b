// f32 depthwise convolution: each output channel sees one input channel; direct, vectors along the width.
//
// A padded copy of the channel is made first, its columns parted by stride phase, so that every tap of every output row
// is a plain load. Inputs and params as for conv_gemm.cpp with C / group = 1; w [M, 1, kernel] is not packed.
#include "cpu/conv.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

struct Depthwise : Sliding {
    int64_t rows, phase_width, row_floats;  // padded input rows of a slice; columns of a phase; floats of a padded row
    const float *x, *w, *bias;
    float *y;
    int32_t fixed, inputs;
};

bool read(const ew_call *call, Depthwise &d) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1];
    if (!read_sliding(call, 2, x, call->outputs[0], d)) return false;
    d.group = call->params[0].i;
    d.inputs = static_cast<int32_t>(call->params[1].i);
    d.fixed = 2 + sliding_params(x);
    fill_axes(d.kernel, w.shape + 2, w.rank - 2);
    d.x = f32(x);
    d.w = f32(w);
    d.bias = d.inputs > 2 && present(call, 2) ? f32(call->inputs[2]) : nullptr;
    d.y = static_cast<float *>(call->outputs[0].data);
    d.rows = (d.out[1] - 1) * d.stride[1] + (d.kernel[1] - 1) * d.dilation[1] + 1;
    d.phase_width = round_up(d.out[2], VL) + ((d.kernel[2] - 1) * d.dilation[2]) / d.stride[2] + VL;
    d.row_floats = d.phase_width * d.stride[2];
    return d.group == d.c && w.shape[1] == 1 && d.c > 0 && d.m % d.c == 0;
}

// One input row, padded and parted: column c goes to phase c % stride, place c / stride.
void copy_row(const Depthwise &d, const float *in, float *out) {
    const int64_t stride = d.stride[2], pad = d.begin[2];
    std::memset(out, 0, sizeof(float) * static_cast<size_t>(d.row_floats));
    if (stride == 1) {
        std::memcpy(out + pad, in, sizeof(float) * static_cast<size_t>(least(d.in[2], d.phase_width - pad)));
        return;
    }
    const int64_t last = least(d.in[2], d.phase_width * stride - pad);
    for (int64_t phase = 0; phase < stride; ++phase) {
        // Padded column phase + stride * i holds input column phase + stride * i - pad.
        int64_t i = phase >= pad ? 0 : ceil_div(pad - phase, stride);
        for (float *to = out + phase * d.phase_width; phase + stride * i - pad < last; ++i)
            to[i] = in[phase + stride * i - pad];
    }
}

// The slice that output depth z sees through tap kz, padded; all zeros where it lies in the padding.
bool copy_slice(const Depthwise &d, const float *x, int64_t z, float *out) {
    if (z < 0 || z >= d.in[0]) return false;
    for (int64_t r = 0; r < d.rows; ++r) {
        const int64_t y = r - d.begin[1];
        float *to = out + r * d.row_floats;
        if (y < 0 || y >= d.in[1])
            std::memset(to, 0, sizeof(float) * static_cast<size_t>(d.row_floats));
        else
            copy_row(d, x + (z * d.in[1] + y) * d.in[2], to);
    }
    return true;
}

// `V` vectors of one output row, all taps of one slice; KX taps along the width if it is known (else 0).
template <int V, int KX>
EW_INLINE void run_vectors(const Depthwise &d, const float *rows, const float *w, float start, bool add, float *y,
                           int64_t n) {
    vf acc[V];
    for (int v = 0; v < V; ++v) acc[v] = add ? load_n(y + v * VL, least(VL, n - v * VL)) : splat(start);
    const int64_t width = KX ? KX : d.kernel[2];
    for (int64_t ky = 0; ky < d.kernel[1]; ++ky) {
        const float *row = rows + ky * d.dilation[1] * d.row_floats;
#pragma GCC unroll 5
        for (int64_t kx = 0; kx < width; ++kx) {
            const int64_t column = kx * d.dilation[2];
            const float *in = row + column % d.stride[2] * d.phase_width + column / d.stride[2];
            const vf tap = splat(w[ky * width + kx]);
            for (int v = 0; v < V; ++v) acc[v] += load(in + v * VL) * tap;
        }
    }
    for (int v = 0; v < V; ++v) {
        const int64_t left = n - v * VL;
        if (left >= VL)
            store(y + v * VL, acc[v]);
        else
            store_n(y + v * VL, acc[v], left);
    }
}

template <int KX>
void run_row(const Depthwise &d, const float *rows, const float *w, float start, bool add, float *y) {
    int64_t x = 0;
    for (; x + 3 * VL < d.out[2]; x += 4 * VL) run_vectors<4, KX>(d, rows + x, w, start, add, y + x, d.out[2] - x);
    for (; x < d.out[2]; x += VL) run_vectors<1, KX>(d, rows + x, w, start, add, y + x, d.out[2] - x);
}

// One output channel of one image.
void run_channel(const Depthwise &d, int64_t image, int64_t m, float *y) {
    const float *x = d.x + (image * d.c + m / (d.m / d.c)) * d.in_size(), *w = d.w + m * d.taps();
    float *padded = scratch(SCRATCH_A, d.rows * d.row_floats + VL);
    const float start = d.bias ? d.bias[m] : 0;
    const int64_t plane = d.out[1] * d.out[2];
    for (int64_t z = 0; z < d.out[0]; ++z) {
        bool add = false;
        for (int64_t kz = 0; kz < d.kernel[0]; ++kz) {
            const bool any = copy_slice(d, x, z * d.stride[0] + kz * d.dilation[0] - d.begin[0], padded);
            if (!any && (add || kz + 1 < d.kernel[0])) continue;
            if (!any) std::memset(padded, 0, sizeof(float) * static_cast<size_t>(d.rows * d.row_floats));
            const float *taps = w + kz * d.kernel[1] * d.kernel[2];
            const auto row = d.kernel[2] == 3 ? run_row<3> : d.kernel[2] == 5 ? run_row<5> : run_row<0>;
            for (int64_t r = 0; r < d.out[1]; ++r)
                row(d, padded + r * d.stride[1] * d.row_floats, taps, start, add, y + z * plane + r * d.out[2]);
            add = true;
        }
    }
}

int32_t run(const ew_call *call) {
    Depthwise d;
    if (!read(call, d)) return call->host->error(call, EW_SHAPE, "depthwise convolution: sizes disagree");
    const int64_t positions = d.out_size(), channels = d.n * d.m;
    if (channels * positions == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, d.fixed, d.inputs, channels, positions)) return EW_INVALID_PLAN;
    const bool direct = epilogue.empty() || (call->n_outputs == 1 && call->outputs[0].dtype == EW_FLOAT32);
    const int64_t group = 1 + 60000 / (positions * (d.taps() + 4) + 1);
    parallel(call, ceil_div(channels, group), [&](int64_t task) {
        for (int64_t i = task * group; i < least(channels, (task + 1) * group); ++i) {
            float *y = direct ? d.y + i * positions : scratch(SCRATCH_C, positions);
            run_channel(d, i / d.m, i % d.m, y);
            if (!epilogue.empty()) epilogue.run(y, positions, i, i + 1, 0, positions);
        }
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(depthwise_direct_f32, run)

}  // namespace ew::EW_ISA
