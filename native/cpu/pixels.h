// A 1 x 1 convolution of pixels that lie one behind another, all groups of a block of pixels in one pass.
#pragma once

#include "cpu/gemm_rows.h"

namespace ew::EW_ISA {

constexpr int64_t PIXELS_OF_BLOCK = 48;  // that all weights pass by: their channels stay in L1 or L2

// y = w x for each pixel and group. With shuffled > 1 the convolution sees channel i * shuffled + s where x has channel
// s * (c / shuffled) + i. Weights as pack_pixels writes them: a group's channels in the order in which x has them.
struct PixelConv {
    int64_t group = 1, channels = 0, per_group = 0;  // input and output channels of a group
    int64_t shuffled = 1;
    const float *w = nullptr;
    int64_t inputs() const { return group * channels; }
    int64_t outputs() const { return group * per_group; }
};

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

// Pixels of x and of y are `outputs()` and `inputs()` floats apart, or more: ld.
struct PixelRows {
    const float *x;
    int64_t ld_x, rows;
    float *y;
    int64_t ld_y;
};
// Groups [from, to) of some pixels; pointers of `finish` belong to the first pixel and channel 0.
void run_pixels(const PixelConv &c, const PixelRows &rows, const Finish &finish, int64_t from, int64_t to);

}  // namespace ew::EW_ISA
