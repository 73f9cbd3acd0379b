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
    const int64_t *offsets;
    int32_t fixed, inputs;
};

// What the loops over one input slice need: the first value of a sum, or adding to y; weights and places of the taps.
struct Slice {
    float start;
    bool add;
    const float *w;
    const int64_t *offsets;
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
    d.phase_width = round_up(d.out[2], 4 * VL) + ((d.kernel[2] - 1) * d.dilation[2]) / d.stride[2] + 1;
    d.row_floats = d.phase_width * d.stride[2];
    return d.group == d.c && w.shape[1] == 1 && d.c > 0 && d.m % d.c == 0;
}

// One input row, padded and parted: column c goes to phase c % stride, place c / stride.
void copy_row(const Depthwise &d, const float *in, float *out) {
    const int64_t stride = d.stride[2], pad = d.begin[2];
    if (stride == 1) {
        const int64_t n = most(0, least(d.in[2], d.phase_width - pad));
        for (int64_t i = 0; i < least(pad, d.phase_width); ++i) out[i] = 0;
        std::memcpy(out + pad, in, sizeof(float) * static_cast<size_t>(n));
        for (int64_t i = pad + n; i < d.phase_width; ++i) out[i] = 0;
        return;
    }
    std::memset(out, 0, sizeof(float) * static_cast<size_t>(d.row_floats));
    const int64_t last = least(d.in[2], d.phase_width * stride - pad);
    for (int64_t phase = 0; phase < stride; ++phase) {
        // Padded column phase + stride * i holds input column phase + stride * i - pad.
        int64_t i = phase >= pad ? 0 : ceil_div(pad - phase, stride);
        float *to = out + phase * d.phase_width;
        if (stride == 2)
            for (; phase + 2 * i - pad + 2 * VL - 1 <= last; i += VL)
                store(to + i, load_even(in + phase + 2 * i - pad));
        for (; phase + stride * i - pad < last; ++i) to[i] = in[phase + stride * i - pad];
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

// R output rows of V vectors each, all taps of one slice; TAPS if their number is known (else 0).
template <int R, int V, int TAPS>
EW_INLINE void run_vectors(const Depthwise &d, const Slice &s, const float *rows, float *y, int64_t n) {
    const int64_t step = d.stride[1] * d.row_floats, taps = TAPS ? TAPS : d.kernel[1] * d.kernel[2];
    vf acc[R][V];
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v)
            acc[r][v] = s.add ? load_n(y + r * d.out[2] + v * VL, least(VL, n - v * VL)) : splat(s.start);
#pragma GCC unroll 25
    for (int64_t t = 0; t < taps; ++t) {
        const float *in = rows + s.offsets[t];
        const vf tap = splat(s.w[t]);
        for (int r = 0; r < R; ++r)
            for (int v = 0; v < V; ++v) acc[r][v] += load(in + r * step + v * VL) * tap;
    }
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) {
            float *to = y + r * d.out[2] + v * VL;
            const int64_t left = n - v * VL;
            left >= VL ? store(to, acc[r][v]) : store_n(to, acc[r][v], left);
        }
}

// Columns [x, end) of R output rows; the last vectors singly where V do not fit.
template <int R, int V, int TAPS>
EW_INLINE void run_columns(const Depthwise &d, const Slice &s, const float *rows, float *y, int64_t x, int64_t end) {
    for (; x + (V - 1) * VL < end; x += V * VL) run_vectors<R, V, TAPS>(d, s, rows + x, y + x, end - x);
    for (; V > 1 && x < end; x += VL) run_vectors<R, 1, TAPS>(d, s, rows + x, y + x, end - x);
}

template <int R, int V, int TAPS>
EW_INLINE void run_lines(const Depthwise &d, const Slice &s, const float *rows, float *y) {
    run_columns<R, V, TAPS>(d, s, rows, y, 0, d.out[2]);
}

// All output rows of a slice, in blocks of R rows and V vectors, so that enough sums are under way at a time.
template <int R, int V, int TAPS>
void run_rows(const Depthwise &d, const Slice &s, const float *padded, float *y) {
    const int64_t step = d.stride[1] * d.row_floats;
    int64_t r = 0;
    for (; r + R <= d.out[1]; r += R) run_lines<R, V, TAPS>(d, s, padded + r * step, y + r * d.out[2]);
    for (; r < d.out[1]; ++r) run_lines<1, V, TAPS>(d, s, padded + r * step, y + r * d.out[2]);
}

template <int TAPS>
void run_slice(const Depthwise &d, const Slice &s, const float *padded, float *y) {
    switch (d.out[2] <= 3 * VL ? ceil_div(d.out[2], VL) : 4) {
        case 1: return run_rows<4, 1, TAPS>(d, s, padded, y);
        case 2: return run_rows<2, 2, TAPS>(d, s, padded, y);
        case 3: return run_rows<2, 3, TAPS>(d, s, padded, y);
        default: return run_rows<1, 4, TAPS>(d, s, padded, y);
    }
}

// One output channel of one image.
void run_channel(const Depthwise &d, int64_t image, int64_t m, float *y) {
    const float *x = d.x + (image * d.c + m / (d.m / d.c)) * d.in_size(), *w = d.w + m * d.taps();
    float *padded = scratch(SCRATCH_A, d.rows * d.row_floats + VL);
    const int64_t plane = d.out[1] * d.out[2], taps = d.kernel[1] * d.kernel[2];
    const auto run = taps == 9 ? run_slice<9> : taps == 25 ? run_slice<25> : run_slice<0>;
    Slice s{d.bias ? d.bias[m] : 0, false, w, d.offsets};
    for (int64_t z = 0; z < d.out[0]; ++z) {
        s.add = false;
        for (int64_t kz = 0; kz < d.kernel[0]; ++kz) {
            const bool any = copy_slice(d, x, z * d.stride[0] + kz * d.dilation[0] - d.begin[0], padded);
            if (!any && (s.add || kz + 1 < d.kernel[0])) continue;
            if (!any) std::memset(padded, 0, sizeof(float) * static_cast<size_t>(d.rows * d.row_floats));
            s.w = w + kz * taps;
            run(d, s, padded, y + z * plane);
            s.add = true;
        }
    }
}

// Whether there is one axis only: a signal.
bool is_line(const Depthwise &d) {
    return d.out[0] * d.kernel[0] * d.in[0] == 1 && d.out[1] * d.kernel[1] * d.in[1] == 1 && d.begin[0] == 0 &&
           d.begin[1] == 0;
}

// One signal, a stretch of places a task: there are no other channels to share.
void run_line(const ew_call *call, const Depthwise &d, const Epilogue &epilogue) {
    float *padded = scratch(SCRATCH_A, d.row_floats + VL);
    copy_slice(d, d.x, 0, padded);
    const Slice s{d.bias ? d.bias[0] : 0, false, d.w, d.offsets};
    const int64_t stretch = round_up(1 + 60000 / (d.taps() + 4), 4 * VL);
    parallel(call, ceil_div(d.out[2], stretch), [&](int64_t task) {
        const int64_t first = task * stretch, last = least(d.out[2], first + stretch);
        run_columns<1, 4, 0>(d, s, padded, d.y, first, last);
        if (!epilogue.empty()) epilogue.run(d.y + first, d.out[2], 0, 1, first, last);
    });
}

// Where each tap reads in the padded copy.
void find_offsets(const Depthwise &d, int64_t *offsets) {
    for (int64_t ky = 0; ky < d.kernel[1]; ++ky)
        for (int64_t kx = 0; kx < d.kernel[2]; ++kx) {
            const int64_t column = kx * d.dilation[2];
            *offsets++ =
                ky * d.dilation[1] * d.row_floats + column % d.stride[2] * d.phase_width + column / d.stride[2];
        }
}

int32_t run(const ew_call *call) {
    Depthwise d;
    if (!read(call, d)) return call->host->error(call, EW_SHAPE, "depthwise convolution: sizes disagree");
    const int64_t positions = d.out_size(), channels = d.n * d.m;
    if (channels * positions == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, d.fixed, d.inputs, channels, positions)) return EW_INVALID_PLAN;
    auto *offsets = reinterpret_cast<int64_t *>(scratch(SCRATCH_D, 2 * d.kernel[1] * d.kernel[2]));
    find_offsets(d, offsets);
    d.offsets = offsets;
    const bool direct = epilogue.empty() || (call->n_outputs == 1 && call->outputs[0].dtype == EW_FLOAT32);
    if (channels == 1 && direct && is_line(d)) return run_line(call, d, epilogue), EW_OK;
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
