// A 1 x 1 convolution of pixels that lie one behind another, all groups of a block of pixels in one pass.
#pragma once

#include "cpu/narrow_ending.h"

namespace ew::EW_ISA {

constexpr int64_t MAX_SHUFFLED = 16;
constexpr int64_t PIXELS_OF_BLOCK = 48;  // that all weights pass by: their channels stay in L1 or L2

// y = w x for each pixel and group. With shuffled > 1 the convolution sees channel i * shuffled + s where x has channel
// s * (c / shuffled) + i. Weights as pack_pixels writes them: a group's channels in the order in which x has them. In
// bfloat16 x and weights are words of two channels (narrow_gemm.h); those that a group shares with others have zeros.
struct PixelConv {
    int64_t group = 1, channels = 0, per_group = 0;  // input and output channels of a group
    int64_t shuffled = 1;
    bool bf16 = false;
    const float *w = nullptr;
    int64_t inputs() const { return group * channels; }
    int64_t outputs() const { return group * per_group; }
    int64_t numbers() const { return bf16 ? inputs() / 2 : inputs(); }  // of a pixel
    int64_t most_of_group() const { return bf16 ? channels / 2 + shuffled : channels; }
};

// Inputs x, w; params group, number of inputs, shuffled. False: sizes disagree.
EW_INLINE bool read_pixels(const ew_call *call, PixelConv &c) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1], &y = call->outputs[0];
    c.group = call->params[0].i;
    c.shuffled = call->params[2].i;
    c.channels = w.shape[1];
    c.per_group = w.shape[0] / most(1, c.group);
    c.w = f32(w);
    return c.group > 0 && c.outputs() == w.shape[0] && c.inputs() == x.shape[x.rank - 1] &&
           y.shape[y.rank - 1] == w.shape[0] && c.shuffled > 0 && c.shuffled <= MAX_SHUFFLED &&
           c.inputs() % c.shuffled == 0;
}

// Channels that lie side by side in x and belong to one group.
struct ChannelRun {
    int64_t first, n;
};
// The run of a group that comes from part `s` of the channels, of `shuffled` parts.
EW_INLINE ChannelRun channel_run(const PixelConv &c, int64_t group, int64_t s) {
    const int64_t begin = group * c.channels, end = begin + c.channels, part = c.inputs() / c.shuffled;
    const int64_t first = begin > s ? ceil_div(begin - s, c.shuffled) : 0;
    const int64_t last = end > s ? ceil_div(end - s, c.shuffled) : 0;
    return {s * part + first, last - first};
}

// The same in numbers of x.
EW_INLINE ChannelRun number_run(const PixelConv &c, int64_t group, int64_t s) {
    const ChannelRun run = channel_run(c, group, s);
    if (!c.bf16 || run.n == 0) return run;
    return {run.first / 2, ceil_div(run.first + run.n, 2) - run.first / 2};
}

// Pixels are ld numbers apart; no y where results are bfloat16 (NarrowFinish).
struct PixelRows {
    const float *x;
    int64_t ld_x, rows;
    float *y;
    int64_t ld_y;
};
// Groups [from, to) of some pixels; pointers of `finish` belong to the first pixel and channel 0.
void run_pixels(const PixelConv &c, const PixelRows &rows, const NarrowFinish &finish, int64_t from, int64_t to);

// Some panels of outputs and some channels of a convolution with one group that is not shuffled.
struct PixelSlice {
    int64_t from, to;        // panels
    int64_t channel, depth;  // input channels
};
// The slice of some pixels: x begins at its first channel, y at its first column, `finish` at channel 0.
void run_slice(const PixelConv &c, const PixelRows &rows, const Finish &finish, const PixelSlice &slice);

}  // namespace ew::EW_ISA
