// f32 convolution over one or two axes without packing patches: the taps are the parts of a batch-reduce product.
//
// The input of an image is copied once, padded and parted by stride phase: [C][phase y][phase x][rows][columns]. Output
// positions are counted in rows of that copy, so that what a tap sees is one contiguous stretch; the few positions
// behind the end of an output row are computed and dropped. Good for small strides, many taps, few output channels.
// Inputs and params as for conv_gemm.cpp; w packed as [group][M / MR][tap][C / group][MR].
#include "cpu/conv.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

struct Direct : Conv {
    int64_t channels;        // of a group
    int64_t rows, columns;   // of one phase plane
    int64_t plane;           // floats of a channel: all its phases
    int64_t length;          // positions, counted with those that are dropped
    const int64_t *offsets;  // of each tap, within a channel
    const float *padded;     // of the image at hand
};

bool read(const ew_call *call, Direct &d) {
    if (!read_conv(call, d) || d.in[0] != 1 || d.kernel[0] != 1 || d.out[0] != 1) return false;
    d.channels = d.c / d.group;
    d.rows = d.out[1] + (d.kernel[1] - 1) * d.dilation[1] / d.stride[1];
    d.columns = d.out[2] + (d.kernel[2] - 1) * d.dilation[2] / d.stride[2];
    d.plane = d.rows * d.columns * d.stride[1] * d.stride[2];
    d.length = d.out[1] * d.columns;
    return true;
}

void find_offsets(const Direct &d, int64_t *offsets) {
    for (int64_t ky = 0; ky < d.kernel[1]; ++ky)
        for (int64_t kx = 0; kx < d.kernel[2]; ++kx) {
            const int64_t y = ky * d.dilation[1], x = kx * d.dilation[2];
            const int64_t phase = y % d.stride[1] * d.stride[2] + x % d.stride[2];
            *offsets++ = (phase * d.rows + y / d.stride[1]) * d.columns + x / d.stride[2];
        }
}

// One row of a phase plane: columns phase + stride * i of the padded row, whose real part is `in`.
void copy_row(const Direct &d, const float *in, int64_t phase, float *out) {
    const int64_t stride = d.stride[2], shift = phase - d.begin[2], past = d.in[2] - shift;
    const int64_t lo = least(d.columns, shift < 0 ? (stride - 1 - shift) / stride : 0);
    const int64_t hi = most(lo, least(d.columns, past <= 0 ? 0 : (past + stride - 1) / stride));
    for (int64_t i = 0; i < lo; ++i) out[i] = 0;
    if (stride == 1) {
        std::memcpy(out + lo, in + lo + shift, sizeof(float) * static_cast<size_t>(hi - lo));
    } else {
        int64_t i = lo;
        if (stride == 2)
            for (; i + VL <= hi; i += VL) store(out + i, load_even(in + 2 * i + shift));
        for (; i < hi; ++i) out[i] = in[i * stride + shift];
    }
    for (int64_t i = hi; i < d.columns; ++i) out[i] = 0;
}

void copy_channel(const Direct &d, const float *in, float *out) {
    for (int64_t py = 0; py < d.stride[1]; ++py)
        for (int64_t px = 0; px < d.stride[2]; ++px)
            for (int64_t r = 0; r < d.rows; ++r, out += d.columns) {
                const int64_t y = py + d.stride[1] * r - d.begin[1];
                if (y >= 0 && y < d.in[1])
                    copy_row(d, in + y * d.in[2], px, out);
                else
                    std::memset(out, 0, sizeof(float) * static_cast<size_t>(d.columns));
            }
}

// The output position of a counted one, or of the next real one.
int64_t real_position(const Direct &d, int64_t q) { return q / d.columns * d.out[2] + least(q % d.columns, d.out[2]); }

// Copies the real positions of a tile [rows][NR], whose first column is counted position q.
void write_tile(const Direct &d, const float *tile, int64_t rows, int64_t q, int64_t n, float *y, int64_t ldy) {
    for (int64_t at = 0; at < n;) {
        const int64_t x = (q + at) % d.columns, run = least(n - at, d.columns - x), real = least(run, d.out[2] - x);
        if (real > 0)
            for (int64_t r = 0; r < rows; ++r)
                std::memcpy(y + r * ldy, tile + r * NR + at, sizeof(float) * static_cast<size_t>(real));
        y += most(0, real);
        at += run;
    }
}

// Channels [row, row + rows) of a group at counted positions [q, q + n), n <= NR; y: the first real position.
void run_panel(const Direct &d, int64_t group, int64_t row, int64_t rows, int64_t q, int64_t n, float *y, int64_t ldy) {
    const int64_t taps = d.taps(), step = d.channels * MR;
    const float *x = d.padded + group * d.channels * d.plane + q;
    const float *w = d.w + group * round_up(d.per_group, MR) * d.k;
    auto *parts = reinterpret_cast<Part *>(scratch(SCRATCH_A, 4 * taps));
    float *tile = scratch(SCRATCH_B, MR * NR);
    for (int64_t r = row; r < row + rows; r += MR) {
        for (int64_t t = 0; t < taps; ++t) parts[t] = {w + r * d.k + t * step, x + d.offsets[t]};
        const int64_t m = least(MR, row + rows - r);
        Finish f;
        if (d.bias) f.bias_row = d.bias + group * d.per_group + r;
        run_tile(
            {parts, taps, d.channels, 1, MR, d.plane, tile, NR, static_cast<int>(m), static_cast<int>(round_up(n, VL))},
            f);
        write_tile(d, tile, m, q, n, y + (r - row) * ldy, ldy);
    }
}

struct Cut {
    int64_t panels, group, channels, parts;  // panels; panels of a task; channels of a task; parts of the channels
};

Cut cut(const Direct &d) {
    constexpr double TASK = 1.5e6;
    const double work = 2.0 * static_cast<double>(d.per_group * d.k) * NR;
    Cut t;
    t.panels = ceil_div(d.length, NR);
    t.group = most(1, least(t.panels, static_cast<int64_t>(TASK / work)));
    const int64_t units = d.group * ceil_div(t.panels, t.group);
    t.parts = units < 16 && work > 2 * TASK ? least(ceil_div(16, units), most(1, d.per_group / (4 * MR))) : 1;
    t.channels = round_up(ceil_div(d.per_group, t.parts), MR);
    t.parts = ceil_div(d.per_group, t.channels);
    return t;
}

void run_image(const ew_call *call, const Direct &d, int64_t image, const Epilogue &epilogue) {
    const Cut t = cut(d);
    const bool direct = epilogue.empty() || writes_f32(call);
    const int64_t positions = d.out_size(), by_panels = ceil_div(t.panels, t.group);
    parallel(call, d.group * by_panels * t.parts, [&](int64_t task) {
        const int64_t part = task % t.parts, chunk = task / t.parts % by_panels, g = task / t.parts / by_panels;
        const int64_t row = part * t.channels, rows = least(t.channels, d.per_group - row);
        const int64_t start = (image * d.group + g) * d.per_group + row;
        const int64_t begin = chunk * t.group * NR, end = least(d.length, (chunk + 1) * t.group * NR);
        const int64_t first = real_position(d, begin), last = real_position(d, end);
        float *y = direct ? d.y + start * positions + first : scratch(SCRATCH_C, rows * (last - first));
        const int64_t ldy = direct ? positions : last - first;
        for (int64_t q = begin; q < end; q += NR)
            run_panel(d, g, row, rows, q, least(NR, end - q), y + real_position(d, q) - first, ldy);
        if (!epilogue.empty() && last > first) epilogue.run(y, ldy, start, start + rows, first, last);
    });
}

int32_t run(const ew_call *call) {
    Direct d;
    if (!read(call, d)) return call->host->error(call, EW_SHAPE, "convolution: sizes disagree, or three axes");
    const int64_t positions = d.out_size();
    if (d.n * d.m * positions == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, d.fixed, d.inputs, d.n * d.m, positions)) return EW_INVALID_PLAN;
    // The copy, room for the last panel to read on, and the offsets.
    const int64_t floats = round_up(d.c * d.plane + NR, 2);
    float *padded = scratch(SCRATCH_D, floats + 2 * d.taps());
    auto *offsets = reinterpret_cast<int64_t *>(padded + floats);
    find_offsets(d, offsets);
    d.offsets = offsets;
    d.padded = padded;
    const int64_t group = 1 + 50000 / (d.plane + 1);
    for (int64_t image = 0; image < d.n; ++image) {
        parallel(call, ceil_div(d.c, group), [&](int64_t task) {
            for (int64_t c = task * group; c < least(d.c, (task + 1) * group); ++c)
                copy_channel(d, d.x + (image * d.c + c) * d.in_size(), padded + c * d.plane);
        });
        run_image(call, d, image, epilogue);
    }
    return EW_OK;
}

// [M, C / group, taps] to [group][M / MR][tap][C / group][MR], the last block zero-padded. Params: group.
int32_t pack(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t group = call->params[0].i, per_group = w.shape[0] / group, channels = w.shape[1];
    const int64_t taps = count(w) / most(1, w.shape[0] * channels);
    float *out = static_cast<float *>(call->outputs[0].data), *begin = out;
    for (int64_t g = 0; g < group; ++g)
        for (int64_t r0 = 0; r0 < per_group; r0 += MR)
            for (int64_t tap = 0; tap < taps; ++tap)
                for (int64_t c = 0; c < channels; ++c)
                    for (int64_t r = r0; r < r0 + MR; ++r)
                        *out++ = r < per_group ? f32(w)[((g * per_group + r) * channels + c) * taps + tap] : 0.0F;
    clear_rest(call->outputs[0], out - begin);
    return EW_OK;
}

}  // namespace

EW_KERNEL(conv_direct_f32, run)
EW_KERNEL(pack_conv_taps_f32, pack)

}  // namespace ew::EW_ISA
