// The strips of depthwise_rows.h.
//
// A strip is some positions of an output row for one vector of channels, its sums in registers. Windows of 3 or 5 columns
// in steps of 1 or 2 load each pixel once, for all positions that see it; others load it for each tap. Either way a sum
// adds its taps in the same order.
#include "cpu/depthwise_rows.h"

#include "cpu/depthwise_tasks.h"

namespace ew::EW_ISA {

namespace {

constexpr int STRIP = 8;  // positions

template <bool Whole>
EW_INLINE vf take_channels(const float *from, int64_t n) {
    return Whole ? load(from) : load_n(from, n);
}

// What is done with the sums of `n` channels from `channel` on, S positions from column x on.
template <int S, bool Whole>
EW_INLINE void end_strip(const Lines &l, vf (&sums)[S], int64_t channel, int64_t n, int64_t x) {
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

// Inside: no tap sees padding.
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
    end_strip<S, Whole>(l, sums, channel, n, x);
}

// All channels of a strip in turn, as they lie in memory.
template <int S>
void run_columns(const Lines &l, int64_t from, int64_t to, int64_t &x) {
    for_strips<S>(l.c, x, [&](int64_t at, bool inside) {
        int64_t channel = from;
        for (; channel + VL <= to; channel += VL)
            inside ? run_strip<S, true, true>(l, channel, VL, at) : run_strip<S, true, false>(l, channel, VL, at);
        if (channel < to) run_strip<S, false, false>(l, channel, to - channel, at);
    });
}

// ---- windows of a known width ----------------------------------------------------------------------------------------

// The pixel at distance D from the first that a position of number 0 sees through this tap.
template <int S, int Step, int D>
EW_INLINE void add_product(vf (&sums)[S], vf pixel, vf tap) {
    if constexpr (D >= 0 && D % Step == 0 && D / Step < S) sums[D / Step] += pixel * tap;
}

template <int S, int Step, int P, int... K>
EW_INLINE void spread(vf (&sums)[S], vf pixel, const vf *taps, std::integer_sequence<int, K...>) {
    (add_product<S, Step, P - K>(sums, pixel, taps[K]), ...);
}

// Pixels [low, high) of those that the strip sees are real.
struct Seen {
    const float *in;
    int64_t ld, low, high;
};
template <int S, int K, int Step, bool Whole, bool Inside, int... P>
EW_INLINE void add_line(vf (&sums)[S], const Seen &seen, const vf *taps, int64_t n, std::integer_sequence<int, P...>) {
    (
        [&] {
            if (Inside || (P >= seen.low && P < seen.high))
                spread<S, Step, P>(sums, take_channels<Whole>(seen.in + P * seen.ld, n), taps,
                                   std::make_integer_sequence<int, K>{});
        }(),
        ...);
}

template <int S, int K, int Step, bool Whole, bool Inside>
EW_INLINE void run_known(const Lines &l, int64_t channel, int64_t n, int64_t x) {
    constexpr int SEEN = (S - 1) * Step + K;
    const int64_t first = x * Step - l.c.begin[2];
    const vf bias = l.finish.bias_col ? take_channels<Whole>(l.finish.bias_col + channel, n) : vf{};
    vf sums[S];
#pragma GCC unroll 8
    for (int s = 0; s < S; ++s) sums[s] = bias;
    for (int64_t i = 0; i < l.n; ++i) {
        vf taps[K];
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) taps[k] = take_channels<Whole>(l.list[i].w + k * l.c.c + channel, n);
        const Seen seen{l.list[i].in + first * l.ld + channel, l.ld, -first, l.c.in[2] - first};
        add_line<S, K, Step, Whole, Inside>(sums, seen, taps, n, std::make_integer_sequence<int, SEEN>{});
    }
    end_strip<S, Whole>(l, sums, channel, n, x);
}

// All channels of S positions.
template <int K, int Step, int S>
void run_known_columns(const Lines &l, int64_t from, int64_t to, int64_t x) {
    const int64_t first = x * Step - l.c.begin[2];
    const bool inside = first >= 0 && first + (S - 1) * Step + K <= l.c.in[2];
    int64_t channel = from;
    for (; channel + VL <= to; channel += VL)
        inside ? run_known<S, K, Step, true, true>(l, channel, VL, x)
               : run_known<S, K, Step, true, false>(l, channel, VL, x);
    if (channel < to) run_known<S, K, Step, false, false>(l, channel, to - channel, x);
}

using Columns = void (*)(const Lines &, int64_t, int64_t, int64_t);

// Strips of nearly the same length.
template <int K, int Step, int... S>
void run_known_row(const Lines &l, int64_t from, int64_t to, std::integer_sequence<int, S...>) {
    static constexpr Columns columns[] = {run_known_columns<K, Step, S + 1>...};
    const int64_t width = l.c.out[2], strips = ceil_div(width, STRIP);
    for (int64_t i = 0, x = 0; i < strips; ++i) {
        const int64_t end = width * (i + 1) / strips;
        columns[end - x - 1](l, from, to, x);
        x = end;
    }
}

}  // namespace

void run_lines(const Lines &l, int64_t from, int64_t to) {
    using Lengths = std::make_integer_sequence<int, STRIP>;
    const int64_t k = l.c.kernel[2], step = l.c.stride[2];
    const bool known = l.c.dilation[2] == 1;
    if (known && k == 3 && step == 1) return run_known_row<3, 1>(l, from, to, Lengths{});
    if (known && k == 3 && step == 2) return run_known_row<3, 2>(l, from, to, Lengths{});
    if (known && k == 5 && step == 1) return run_known_row<5, 1>(l, from, to, Lengths{});
    if (known && k == 5 && step == 2) return run_known_row<5, 2>(l, from, to, Lengths{});
    int64_t x = 0;
    run_columns<STRIP>(l, from, to, x);
    run_columns<STRIP / 2>(l, from, to, x);
    run_columns<1>(l, from, to, x);
}

}  // namespace ew::EW_ISA
