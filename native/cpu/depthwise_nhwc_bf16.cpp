// Depthwise convolution of bfloat16 images with their channels last, summed in float32.
//
// A vector of words holds two channels in each: it is split into its even and its odd channels, each a vector of floats, and
// so are weights (packed as two vectors for each tap) and sums; in the end both are rounded and joined again. Each pixel of
// a row is widened once for all taps that see it. Inputs and params as for depthwise_nhwc.cpp.
#include "cpu/conv_last.h"
#include "cpu/narrow_ending.h"

namespace ew::EW_ISA {

namespace {

constexpr int PAIR = 2 * VL;  // channels of a vector of words

// Even and odd channels.
struct Two {
    vf even, odd;
};

EW_INLINE Two split(vi words) { return {(vf)(words << 16), (vf)(words & splat(int32_t(0xffff0000)))}; }

// `n` channels, PAIR at most, from `from` on.
EW_INLINE Two take(const uint16_t *from, int64_t n) {
    if (n >= PAIR) return split(load(reinterpret_cast<const int32_t *>(from)));
#if EW_ISA_AVX512
    return split((vi)_mm512_maskz_loadu_epi16(_bzhi_u32(0xffffffff, static_cast<uint32_t>(n)), from));
#else
    int32_t words[VL] = {};
    std::memcpy(words, from, sizeof(uint16_t) * static_cast<size_t>(n));
    return split(load(words));
#endif
}

EW_INLINE void put(uint16_t *to, const Two &v, int64_t n) {
    const vi words = join_bf16(v.even, v.odd);
    if (n >= PAIR) return store(reinterpret_cast<int32_t *>(to), words);
#if EW_ISA_AVX512
    _mm512_mask_storeu_epi16(to, _bzhi_u32(0xffffffff, static_cast<uint32_t>(n)), (__m512i)words);
#else
    int32_t from[VL];
    store(from, words);
    std::memcpy(to, from, sizeof(uint16_t) * static_cast<size_t>(n));
#endif
}

// The same as floats.
EW_INLINE void put(float *to, const Two &v, int64_t n) {
#if EW_ISA_AVX512
    const vi steps = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
    const vf low = (vf)_mm512_permutex2var_ps((__m512)v.even, (__m512i)steps, (__m512)v.odd);
    const vf high = (vf)_mm512_permutex2var_ps((__m512)v.even, (__m512i)(steps + splat(8)), (__m512)v.odd);
    store_n(to, low, least(VL, n));
    if (n > VL) store_n(to + VL, high, least(VL, n - VL));
#else
    for (int64_t i = 0; i < n; ++i) to[i] = (i % 2 ? v.odd : v.even)[i / 2];
#endif
}

// One output row: the input rows that are real, each with the weights of its taps.
struct Line {
    const uint16_t *in;
    const float *w;
};
struct Lines {
    const LastConv &c;
    const NarrowFinish &finish;
    const Line *list;
    int64_t n;
    const float *bias;  // [C / PAIR][even, odd]
    int64_t row;        // the position of column 0
    uint16_t *y;        // column 0 of the row
    float *sums;        // instead of y: what the fused program finishes
};

// What is done with the sums of a strip before they are written.
template <int S>
EW_INLINE void end_strip(const Lines &l, int64_t channel, int64_t n, int64_t x, Two (&sums)[S]) {
    const LastConv &c = l.c;
#pragma GCC unroll 8
    for (int s = 0; s < S; ++s) {
        if (l.finish.narrow_residual) {
            const Two more = take(l.finish.narrow_residual + (l.row + x + s) * l.finish.ld_residual + channel, n);
            sums[s].even += more.even;
            sums[s].odd += more.odd;
        }
        const int64_t to = (x + s) * c.c + channel;
        if (l.sums)
            put(l.sums + to, sums[s], n);
        else
            put(l.y + to, {bounded(l.finish, sums[s].even), bounded(l.finish, sums[s].odd)}, n);
    }
}

// `n` channels from `channel` on, S positions from column x on. Inside: no tap sees padding. K: taps of a row, steps of
// STEP and no dilation; 0: any.
template <int S, int K, int STEP, bool Inside>
EW_INLINE void run_strip(const Lines &l, int64_t channel, int64_t n, int64_t x) {
    const LastConv &c = l.c;
    const int64_t kernel = K ? K : c.kernel[2], stride = K ? STEP : c.stride[2], dilation = K ? 1 : c.dilation[2];
    const int64_t first = x * stride - c.begin[2], block = channel / PAIR * 2 * VL;
    Two sums[S];
#pragma GCC unroll 8
    for (int s = 0; s < S; ++s) sums[s] = {load(l.bias + block), load(l.bias + block + VL)};
    for (int64_t i = 0; i < l.n; ++i) {
        const float *w = l.list[i].w + block * kernel;
        const uint16_t *in = l.list[i].in + first * c.c + channel;
        if constexpr (K > 0) {
            Two taps[K];
#pragma GCC unroll 8
            for (int k = 0; k < K; ++k) taps[k] = {load(w + 2 * k * VL), load(w + (2 * k + 1) * VL)};
#pragma GCC unroll 32
            for (int p = 0; p < (S - 1) * STEP + K; ++p) {
                if (!Inside && (first + p < 0 || first + p >= c.in[2])) continue;
                const Two pixel = take(in + p * c.c, n);
#pragma GCC unroll 8
                for (int k = 0; k < K; ++k) {
                    const int s = (p - k) / STEP;
                    if (p < k || (p - k) % STEP != 0 || s >= S) continue;
                    sums[s].even += pixel.even * taps[k].even;
                    sums[s].odd += pixel.odd * taps[k].odd;
                }
            }
            continue;
        }
        for (int64_t k = 0; k < kernel; ++k, w += 2 * VL, in += dilation * c.c) {
            const Two tap{load(w), load(w + VL)};
#pragma GCC unroll 8
            for (int s = 0; s < S; ++s) {
                const int64_t at = first + k * dilation + s * stride;
                if (!Inside && (at < 0 || at >= c.in[2])) continue;
                const Two pixel = take(in + s * stride * c.c, n);
                sums[s].even += pixel.even * tap.even;
                sums[s].odd += pixel.odd * tap.odd;
            }
        }
    }
    end_strip<S>(l, channel, n, x, sums);
}

// All channels of a strip in turn, as they lie in memory.
template <int S, int K, int STEP>
void run_columns(const Lines &l, int64_t from, int64_t to, int64_t &x) {
    const LastConv &c = l.c;
    const int64_t extent = (c.kernel[2] - 1) * c.dilation[2];
    for (; x + S <= c.out[2]; x += S) {
        const int64_t first = x * c.stride[2] - c.begin[2], last = first + (S - 1) * c.stride[2] + extent;
        const bool inside = first >= 0 && last < c.in[2];
        int64_t channel = from;
        for (; channel + PAIR <= to; channel += PAIR)
            inside ? run_strip<S, K, STEP, true>(l, channel, PAIR, x)
                   : run_strip<S, K, STEP, false>(l, channel, PAIR, x);
        if (channel < to)
            inside ? run_strip<S, K, STEP, true>(l, channel, to - channel, x)
                   : run_strip<S, K, STEP, false>(l, channel, to - channel, x);
    }
}

template <int K, int STEP>
void run_row(const Lines &l, int64_t from, int64_t to) {
    int64_t x = 0;
    run_columns<8, K, STEP>(l, from, to, x);
    run_columns<7, K, STEP>(l, from, to, x);  // the width of the last images of many networks
    run_columns<4, K, STEP>(l, from, to, x);
    run_columns<2, K, STEP>(l, from, to, x);
    run_columns<1, K, STEP>(l, from, to, x);
}

using RunRow = void (*)(const Lines &, int64_t, int64_t);
RunRow find_row(const LastConv &c) {
    const int64_t k = c.kernel[2], step = c.stride[2];
    if ((k != 3 && k != 5) || c.dilation[2] != 1 || step > 2) return run_row<0, 1>;
    if (k == 5) return step == 1 ? run_row<5, 1> : run_row<5, 2>;
    return step == 1 ? run_row<3, 1> : run_row<3, 2>;
}

// The input rows that an output row sees, with their weights.
int64_t list_lines(const LastConv &c, const uint16_t *x, int64_t row, Line *list) {
    const int64_t oy = row % c.out[1], oz = row / c.out[1] % c.out[0], image = row / (c.out[1] * c.out[0]);
    int64_t n = 0;
    for (int64_t kz = 0; kz < c.kernel[0]; ++kz)
        for (int64_t ky = 0; ky < c.kernel[1]; ++ky) {
            const int64_t z = oz * c.stride[0] + kz * c.dilation[0] - c.begin[0];
            const int64_t y = oy * c.stride[1] + ky * c.dilation[1] - c.begin[1];
            if (z < 0 || z >= c.in[0] || y < 0 || y >= c.in[1]) continue;
            list[n++] = {x + ((image * c.in[0] + z) * c.in[1] + y) * c.in[2] * c.c,
                         c.w + (kz * c.kernel[1] + ky) * c.kernel[2] * round_up(c.c, PAIR)};
        }
    return n;
}

// Channels [C] as [C / PAIR][even, odd], zeros behind the last.
void deal_out(const float *from, int64_t c, float *to) {
    for (int64_t first = 0; first < c; first += PAIR)
        for (int64_t i = 0; i < PAIR; ++i) {
            const int64_t channel = first + 2 * (i % VL) + i / VL;
            *to++ = from && channel < c ? from[channel] : 0.0F;
        }
}

int32_t run(const ew_call *call) {
    LastConv c;
    if (!read_last_conv(call, c) || c.channels != 1 || c.per_group != 1)
        return call->host->error(call, EW_SHAPE, "depthwise convolution: sizes disagree");
    const int64_t rows = c.n * c.out[0] * c.out[1], width = c.out[2], all = round_up(c.c, PAIR);
    if (rows * width * c.c == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, c.fixed, c.inputs, c.positions(), c.m)) return EW_INVALID_PLAN;
    NarrowEnding ending;
    NarrowFinish &finish = ending.finish;
    finish.bias_col = c.bias;
    const bool whole = read_finish(call, c.fixed, c.positions(), c.m, ending) && finish.narrow && !finish.residual &&
                       ending.pattern.kind != PatternKind::sloped;
    if (!whole) {
        finish = NarrowFinish{};
        finish.bias_col = c.bias;
    }
    float *bias = scratch(SCRATCH_D, all);
    deal_out(finish.bias_col, c.c, bias);
    const RunRow run_row = find_row(c);
    // Tasks of some rows; of some channels, too, where there are few rows.
    const int64_t work = width * c.c * (c.taps() + 4), group = 1 + 600000 / (work + 1);
    const int64_t by_rows = ceil_div(rows, group);
    const int64_t parts = by_rows < 12 ? most(1, least(ceil_div(12, by_rows), c.c / 64)) : 1;
    const int64_t channels = round_up(ceil_div(c.c, parts), PAIR), by_channels = ceil_div(c.c, channels);
    parallel(call, by_rows * by_channels, [&](int64_t task) {
        const int64_t from = task % by_channels * channels, to = least(c.c, from + channels);
        auto *list = reinterpret_cast<Line *>(
            scratch(SCRATCH_A, c.kernel[0] * c.kernel[1] * static_cast<int64_t>(sizeof(Line) / sizeof(float))));
        const int64_t first = task / by_channels * group;
        for (int64_t row = first; row < least(rows, first + group); ++row) {
            const int64_t n = list_lines(c, static_cast<const uint16_t *>(call->inputs[0].data), row, list);
            const int64_t start = row * width;
            float *sums = whole ? nullptr : scratch(SCRATCH_C, width * c.c);
            run_row(Lines{c, finish, list, n, bias, start, whole ? finish.narrow + start * c.c : nullptr, sums}, from,
                    to);
            if (!whole) epilogue.run(sums + from, c.c, start, start + width, from, to);
        }
    });
    return EW_OK;
}

// [C, 1, rows, columns] to [row][C / PAIR][column][even, odd], rounded to bfloat16.
int32_t pack(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t c = w.shape[0], columns = w.shape[w.rank - 1], rows = count(w) / most(1, c * columns);
    float *out = static_cast<float *>(call->outputs[0].data), *begin = out;
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t first = 0; first < c; first += PAIR)
            for (int64_t column = 0; column < columns; ++column)
                for (int64_t i = 0; i < PAIR; ++i) {
                    const int64_t channel = first + 2 * (i % VL) + i / VL;
                    const float weight = channel < c ? f32(w)[(channel * rows + row) * columns + column] : 0.0F;
                    *out++ = widen(narrow(weight, true), true);
                }
    clear_rest(call->outputs[0], out - begin);
    return EW_OK;
}

}  // namespace

EW_KERNEL(depthwise_nhwc_bf16, run)
EW_KERNEL(pack_depthwise_nhwc_bf16, pack)

}  // namespace ew::EW_ISA
