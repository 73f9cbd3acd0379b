// How depthwise convolutions with channels last are dealt out to threads: some rows of the output, and some channels, too,
// where there are few rows.
#pragma once

#include "cpu/conv_last.h"

namespace ew::EW_ISA {

// What a task does at least, in products; channels that stay together, and how many are worth a task.
struct Grain {
    int64_t work, together, channels;
};

// Calls run(row, from, to) for all rows of the output of all images, and all channels [from, to).
template <typename Run>
void for_rows(const ew_call *call, const LastConv &c, const Grain &grain, Run &&run) {
    constexpr int64_t FEW = 12;
    const int64_t rows = c.n * c.out[0] * c.out[1], group = 1 + grain.work / (c.out[2] * c.c * (c.taps() + 4) + 1);
    const int64_t by_rows = ceil_div(rows, group);
    const int64_t parts = by_rows < FEW ? most(1, least(ceil_div(FEW, by_rows), c.c / grain.channels)) : 1;
    const int64_t channels = round_up(ceil_div(c.c, parts), grain.together), by_channels = ceil_div(c.c, channels);
    parallel(call, by_rows * by_channels, [&](int64_t task) {
        const int64_t from = task % by_channels * channels, first = task / by_channels * group;
        for (int64_t row = first; row < least(rows, first + group); ++row) run(row, from, least(c.c, from + channels));
    });
}

// Calls take(line of the window, its first pixel in x) for the lines that an output row sees; those in padding are left out.
template <typename Take>
void for_lines(const LastConv &c, int64_t row, Take &&take) {
    const int64_t oy = row % c.out[1], oz = row / c.out[1] % c.out[0], image = row / (c.out[1] * c.out[0]);
    for (int64_t kz = 0; kz < c.kernel[0]; ++kz)
        for (int64_t ky = 0; ky < c.kernel[1]; ++ky) {
            const int64_t z = oz * c.stride[0] + kz * c.dilation[0] - c.begin[0];
            const int64_t y = oy * c.stride[1] + ky * c.dilation[1] - c.begin[1];
            if (z < 0 || z >= c.in[0] || y < 0 || y >= c.in[1]) continue;
            take(kz * c.kernel[1] + ky, ((image * c.in[0] + z) * c.in[1] + y) * c.in[2]);
        }
}

// Calls run(column, whether no tap sees padding) for strips of S positions of an output row, from column x on.
template <int S, typename Run>
void for_strips(const LastConv &c, int64_t &x, Run &&run) {
    const int64_t extent = (c.kernel[2] - 1) * c.dilation[2];
    for (; x + S <= c.out[2]; x += S) {
        const int64_t first = x * c.stride[2] - c.begin[2], last = first + (S - 1) * c.stride[2] + extent;
        run(x, first >= 0 && last < c.in[2]);
    }
}

// Memory for the lines of a window.
template <typename Line>
Line *lines_of(const LastConv &c) {
    constexpr auto FLOATS = static_cast<int64_t>(sizeof(Line) / sizeof(float));
    return reinterpret_cast<Line *>(scratch(SCRATCH_A, c.kernel[0] * c.kernel[1] * FLOATS));
}

}  // namespace ew::EW_ISA
