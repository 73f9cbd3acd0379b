// A row of a depthwise convolution with channels last, from rows of its input that lie anywhere.
//
// A strip is some positions of an output row for one vector of channels, its sums in registers; each tap multiplies one
// vector of weights by the pixels that the strip sees.
#pragma once

#include "cpu/conv_last.h"

namespace ew::EW_ISA {

constexpr int STRIP = 8;  // positions

// An output row and what it sees: input rows that are real, each with the weights of its taps.
struct Line {
    const float *in, *w;
};
struct Lines {
    const LastConv &c;
    const Finish &finish;
    const Line *list;
    int64_t n;
    float *y;     // column 0 of the row
    int64_t row;  // the position of column 0
    int64_t ld;   // floats between pixels, of input and output
};

template <bool Whole>
EW_INLINE vf take_channels(const float *from, int64_t n) {
    return Whole ? load(from) : load_n(from, n);
}

// `n` channels from `channel` on, S positions from column x on. Inside: no tap sees padding.
template <int S, bool Whole, bool Inside>
EW_INLINE void run_strip(const Lines &l, int64_t channel, int64_t n, int64_t x) {
    const LastConv &c = l.c;
    const int64_t first = x * c.stride[2] - c.begin[2], step = c.stride[2] * l.ld;
    const vf bias = l.finish.bias_col ? take_channels<Whole>(l.finish.bias_col + channel, n) : vf{};
    vf sums[S];
#pragma GCC unroll 8
    for (int s = 0; s < S; ++s) sums[s] = bias;
    for (int64_t i = 0; i < l.n; ++i) {
        const float *w = l.list[i].w + channel, *in = l.list[i].in + first * l.ld + channel;
        for (int64_t kx = 0; kx < c.kernel[2]; ++kx, w += c.c, in += c.dilation[2] * l.ld) {
            const vf tap = take_channels<Whole>(w, n);
#pragma GCC unroll 8
            for (int s = 0; s < S; ++s) {
                const int64_t at = first + kx * c.dilation[2] + s * c.stride[2];
                if (Inside || (at >= 0 && at < c.in[2])) sums[s] += take_channels<Whole>(in + s * step, n) * tap;
            }
        }
    }
    float *y = l.y + x * l.ld + channel;
#pragma GCC unroll 8
    for (int s = 0; s < S; ++s) {
        if (l.finish.residual)
            sums[s] += take_channels<Whole>(l.finish.residual + (l.row + x + s) * l.finish.ld_residual + channel, n);
        sums[s] = bounded(l.finish, sums[s]);
        if (Whole)
            store(y + s * l.ld, sums[s]);
        else
            store_n(y + s * l.ld, sums[s], n);
    }
}

// All channels of a strip in turn, as they lie in memory.
template <int S>
static inline void run_columns(const Lines &l, int64_t from, int64_t to, int64_t &x) {
    const LastConv &c = l.c;
    const int64_t extent = (c.kernel[2] - 1) * c.dilation[2];
    for (; x + S <= c.out[2]; x += S) {
        const int64_t first = x * c.stride[2] - c.begin[2], last = first + (S - 1) * c.stride[2] + extent;
        const bool inside = first >= 0 && last < c.in[2];
        int64_t channel = from;
        for (; channel + VL <= to; channel += VL)
            inside ? run_strip<S, true, true>(l, channel, VL, x) : run_strip<S, true, false>(l, channel, VL, x);
        if (channel < to) run_strip<S, false, false>(l, channel, to - channel, x);
    }
}

// Channels [from, to) of a whole row.
static inline void run_lines(const Lines &l, int64_t from, int64_t to) {
    int64_t x = 0;
    run_columns<STRIP>(l, from, to, x);
    run_columns<STRIP / 2>(l, from, to, x);
    run_columns<1>(l, from, to, x);
}

}  // namespace ew::EW_ISA
