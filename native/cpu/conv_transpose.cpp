// f32 transposed convolution: one matrix product for all taps, then its rows are added into the output, in tap order.
//
// Inputs x [N, C, spatial], packed w (logical shape [C, M / group, kernel]), bias [M] if any. Params: group, number of
// inputs, then stride, dilation, padding before (may be negative) for each spatial axis, then the fused program.
#include "cpu/conv.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

struct Transposed : Sliding {
    int64_t per_group, channels;  // output and input channels of a group
    const float *x, *w, *bias;
    float *y;
    int32_t fixed, inputs;
};

bool read(const ew_call *call, Transposed &t) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1];
    if (!read_sliding(call, 2, x, call->outputs[0], t)) return false;
    t.group = call->params[0].i;
    t.inputs = static_cast<int32_t>(call->params[1].i);
    t.fixed = 2 + sliding_params(x);
    fill_axes(t.kernel, w.shape + 2, w.rank - 2);
    t.per_group = w.shape[1];
    t.channels = t.c / most(1, t.group);
    t.x = f32(x);
    t.w = f32(w);
    t.bias = t.inputs > 2 && present(call, 2) ? f32(call->inputs[2]) : nullptr;
    t.y = static_cast<float *>(call->outputs[0].data);
    return t.group > 0 && w.shape[0] == t.c && t.per_group * t.group == t.m;
}

// Rows of the product for one output channel: taps, padded to whole tiles, so that each channel starts a tile.
int64_t rows_of(const Transposed &t) { return round_up(t.taps(), MR); }

// Adds row `tap` of the product, one number for each input position, to the places it reaches.
void add_tap(const Transposed &t, const float *row, int64_t tap, float *y) {
    const int64_t k[3] = {tap / (t.kernel[1] * t.kernel[2]), tap / t.kernel[2] % t.kernel[1], tap % t.kernel[2]};
    const int64_t shift = k[2] * t.dilation[2] - t.begin[2], stride = t.stride[2];
    const int64_t lo = shift < 0 ? (stride - 1 - shift) / stride : 0, past = t.out[2] - shift;
    const int64_t hi = least(t.in[2], past <= 0 ? 0 : (past + stride - 1) / stride);
    for (int64_t z = 0; z < t.in[0]; ++z)
        for (int64_t r = 0; r < t.in[1]; ++r, row += t.in[2]) {
            const int64_t oz = z * t.stride[0] + k[0] * t.dilation[0] - t.begin[0];
            const int64_t oy = r * t.stride[1] + k[1] * t.dilation[1] - t.begin[1];
            if (oz < 0 || oz >= t.out[0] || oy < 0 || oy >= t.out[1]) continue;
            float *out = y + (oz * t.out[1] + oy) * t.out[2] + shift;
            if (stride == 1)
                for (int64_t i = lo; i < hi; ++i) out[i] += row[i];
            else
                for (int64_t i = lo; i < hi; ++i) out[i * stride] += row[i];
        }
}

// One output channel: product rows of its taps, then the additions.
void run_channel(const Transposed &t, int64_t unit, int64_t m, const float *panels, float *y) {
    const int64_t group = unit % t.group, positions = t.in_size(), taps = t.taps(), rows = rows_of(t);
    float *product = scratch(SCRATCH_A, taps * positions);
    const float *w = t.w + (group * t.per_group + m) * rows * t.channels;
    for (int64_t r = 0; r < taps; r += MR) {
        const int64_t part_rows = least(MR, taps - r);
        for (int64_t p = 0; p < positions; p += NR) {
            const Part part{w + r * t.channels, panel(panels, t.channels, p / NR)};
            run_tile({&part, 1, t.channels, 1, MR, panel_width(positions, p / NR), product + r * positions + p,
                      positions, static_cast<int>(part_rows), static_cast<int>(least(NR, positions - p))},
                     Finish{});
        }
    }
    const float start = t.bias ? t.bias[group * t.per_group + m] : 0.0F;
    for (int64_t i = 0, n = t.out_size(); i < n; ++i) y[i] = start;
    for (int64_t tap = 0; tap < taps; ++tap) add_tap(t, product + tap * positions, tap, y);
}

int32_t run(const ew_call *call) {
    Transposed t;
    if (!read(call, t)) return call->host->error(call, EW_SHAPE, "transposed convolution: sizes disagree");
    const int64_t positions = t.out_size(), units = t.n * t.group;
    if (t.n * t.m * positions == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, t.fixed, t.inputs, t.n * t.m, positions)) return EW_INVALID_PLAN;
    const int64_t floats = packed_floats(t.channels, t.in_size());
    float *panels = scratch(SCRATCH_D, units * floats);
    parallel(call, units, [&](int64_t u) {
        const float *x = t.x + u * t.channels * t.in_size();
        pack_panels({x, t.in_size(), 1}, t.channels, t.in_size(), panels + u * floats);
    });
    const bool direct = epilogue.empty() || (call->n_outputs == 1 && call->outputs[0].dtype == EW_FLOAT32);
    const double work = 2.0 * static_cast<double>(t.in_size() * t.channels) * static_cast<double>(t.taps());
    const int64_t group = 1 + static_cast<int64_t>(5e5 / (work + 1)), channels = t.n * t.m;
    parallel(call, ceil_div(channels, group), [&](int64_t task) {
        for (int64_t i = task * group; i < least(channels, (task + 1) * group); ++i) {
            float *y = direct ? t.y + i * positions : scratch(SCRATCH_C, positions);
            run_channel(t, i / t.per_group, i % t.per_group, panels + i / t.per_group * floats, y);
            if (!epilogue.empty()) epilogue.run(y, positions, i, i + 1, 0, positions);
        }
    });
    return EW_OK;
}

// [C, M / group, taps] to, for each output channel: tiles of MR taps, [taps / MR][C / group][MR], zero-padded.
int32_t pack(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t group = call->params[0].i, channels = w.shape[0] / group, per_group = w.shape[1];
    const int64_t taps = count(w) / most(1, w.shape[0] * per_group), tiles = ceil_div(taps, MR);
    float *out = static_cast<float *>(call->outputs[0].data);
    for (int64_t g = 0; g < group; ++g)
        for (int64_t m = 0; m < per_group; ++m)
            for (int64_t tile = 0; tile < tiles; ++tile)
                for (int64_t c = 0; c < channels; ++c)
                    for (int64_t tap = tile * MR; tap < (tile + 1) * MR; ++tap)
                        *out++ = tap < taps ? f32(w)[((g * channels + c) * per_group + m) * taps + tap] : 0.0F;
    clear_rest(call->outputs[0], group * per_group * tiles * MR * channels);
    return EW_OK;
}

}  // namespace

EW_KERNEL(conv_transpose_f32, run)
EW_KERNEL(pack_conv_transpose_f32, pack)

}  // namespace ew::EW_ISA
