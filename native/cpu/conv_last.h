// A convolution or pool over images with their channels last, [N, spatial, C], read from a step's tensors and params.
#pragma once

#include "cpu/conv.h"

namespace ew::EW_ISA {

// As read_sliding, for x and y with their channels last.
EW_INLINE bool read_sliding_last(const ew_call *call, int32_t first, const ew_tensor &x, const ew_tensor &y,
                                 Sliding &s) {
    const int32_t rank = x.rank - 2;
    if (!read_sliding(call, first, x, y, s)) return false;
    s.c = x.shape[rank + 1];
    s.m = y.shape[rank + 1];
    fill_axes(s.in, x.shape + 1, rank);
    fill_axes(s.out, y.shape + 1, rank);
    return true;
}

struct LastConv : Sliding {
    int64_t channels, per_group;  // input and output channels of a group
    const float *x, *w, *bias;
    float *y;
    int32_t fixed, inputs;
    bool bf16 = false;  // x and w are words of two bfloat16, and `c` and `channels` count words
    int64_t positions() const { return n * out_size(); }
};

// Inputs x, w, bias; params group, number of inputs, window. False: sizes disagree.
EW_INLINE bool read_last_conv(const ew_call *call, LastConv &c) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1];
    if (!read_sliding_last(call, 2, x, call->outputs[0], c)) return false;
    c.group = call->params[0].i;
    c.inputs = static_cast<int32_t>(call->params[1].i);
    c.fixed = 2 + sliding_params(x);
    fill_axes(c.kernel, w.shape + 2, w.rank - 2);
    c.channels = w.shape[1];
    c.per_group = c.m / most(1, c.group);
    c.x = f32(x);
    c.w = f32(w);
    c.bias = c.inputs > 2 && present(call, 2) ? f32(call->inputs[2]) : nullptr;
    c.y = static_cast<float *>(call->outputs[0].data);
    return c.group > 0 && c.m % c.group == 0 && c.channels * c.group == c.c && w.shape[0] == c.m;
}

// What is done with the sums before they are written, and what is left to do behind.
struct Ending {
    Finish finish;    // pointers for row 0 and column 0
    bool rest, in_y;  // the fused program runs behind; sums can be kept in the output
};

// The clamp or the line of a finish, for kernels that ask for no slopes.
EW_INLINE vf bounded(const Finish &f, vf v) {
    if (f.clamped) return clamp(v, splat(f.lo), splat(f.hi));
    if (!f.line) return v;
    const LineNumbers line(*f.line);
    return f.line->kind == PatternKind::gate ? line.gate(v) : line.affine(v);
}

// The same, slopes included: the first of `n` channels is `channel`.
EW_INLINE vf bounded(const Finish &f, vf v, int64_t channel, int64_t n) {
    if (!f.line || f.line->kind != PatternKind::sloped) return bounded(f, v);
    return v < 0 ? v * (f.slope_col ? load_n(f.slope_col + channel, n) : splat(f.line->slope)) : v;
}

EW_INLINE Finish moved_finish(const Finish &f, int64_t row, int64_t column) {
    Finish out = f;
    if (f.bias_col) out.bias_col += column;
    if (f.slope_col) out.slope_col += column;
    if (f.residual) out.residual += row * f.ld_residual + column;
    return out;
}

}  // namespace ew::EW_ISA
