// Depthwise convolution of bfloat16 images with their channels last, summed in float32.
//
// Two lines of the window are taken at once: a word holds a channel of a pixel of the one and of the pixel below, and one
// instruction multiplies both by their weights (narrow_dot.h). A vector of channels becomes two of such words, `Two`, and so
// do sums and weights; in the end sums are rounded and brought back to the order of channels. Each pixel of a row is loaded
// once for all taps that see it. Inputs and params as for depthwise_nhwc.cpp.
#include "cpu/depthwise_tasks.h"
#include "cpu/narrow_dot.h"
#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"

#include <utility>

namespace ew::EW_ISA {

namespace {

constexpr int PAIR = 2 * VL;  // channels of a vector
#define EW_LAMBDA __attribute__((always_inline))

template <typename T>
struct Two {
    T low, high;
};

// The order of channels in a Two: element i of both, one behind the other.
constexpr int64_t channel_of(int64_t i) {
#if EW_ISA_AVX512
    return i % VL / 4 * 8 + i / VL * 4 + i % 4;  // as unpack instructions leave them
#else
    return 2 * (i % VL) + i / VL;
#endif
}

// `n` channels, PAIR at most.
EW_INLINE vi take(const uint16_t *from, int64_t n) {
#if EW_ISA_AVX512
    if (n >= PAIR) return (vi)_mm512_loadu_si512(from);
    return (vi)_mm512_maskz_loadu_epi16(_bzhi_u32(0xffffffff, static_cast<uint32_t>(n)), from);
#else
    vi words = {};
    if (n >= PAIR)
        std::memcpy(&words, from, sizeof words);  // which may begin between two words
    else
        std::memcpy(&words, from, sizeof(uint16_t) * static_cast<size_t>(n));
    return words;
#endif
}

// Words of a number of each.
EW_INLINE Two<vi> pair(vi first, vi second) {
#if EW_ISA_AVX512
    return {(vi)_mm512_unpacklo_epi16((__m512i)first, (__m512i)second),
            (vi)_mm512_unpackhi_epi16((__m512i)first, (__m512i)second)};
#else
    typedef uint32_t vu __attribute__((vector_size(VL * 4)));
    return {(first & splat(0xffff)) | second << 16, (vi)((vu)first >> 16) | (second & splat(int32_t(0xffff0000)))};
#endif
}

EW_INLINE void put(uint16_t *to, const Two<vf> &v, int64_t n) {
#if EW_ISA_AVX512
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)v.high, (__m512)v.low);
    const __m512i words = _mm512_permutexvar_epi64(order, both);
    if (n >= PAIR)
        _mm512_storeu_si512(to, words);
    else
        _mm512_mask_storeu_epi16(to, _bzhi_u32(0xffffffff, static_cast<uint32_t>(n)), words);
#else
    const vi words = join_bf16(v.low, v.high);
    if (n >= PAIR)
        std::memcpy(to, &words, sizeof words);
    else
        std::memcpy(to, &words, sizeof(uint16_t) * static_cast<size_t>(n));
#endif
}

// The same as floats.
EW_INLINE void put(float *to, const Two<vf> &v, int64_t n) {
    float from[PAIR];
    store(from, v.low);
    store(from + VL, v.high);
    for (int64_t i = 0; i < PAIR; ++i)
        if (channel_of(i) < n) to[channel_of(i)] = from[i];
}

// Two lines that an output row sees, with the weights of their taps; what lies in padding is zeros, `step` 0.
struct Line {
    const uint16_t *first, *second;
    int64_t step_first, step_second;  // between pixels
    const float *w;
};
struct Lines {
    const LastConv &c;
    const NarrowFinish &finish;
    const Line *list;
    int64_t n;
    const float *bias;  // in the order of Two
    int64_t row;        // the position of column 0
    uint16_t *y;        // column 0 of the row
    float *sums;        // instead of y: what the fused program finishes
};

// The sums of S positions: loops over them are written out, as sums with an index that is no constant would lie in memory.
template <int S>
struct Sums {
    vf low[S], high[S];
};
template <int... I, typename Fn>
EW_ALWAYS_INLINE void each(std::integer_sequence<int, I...>, Fn &&fn) {
    (fn(std::integral_constant<int, I>{}), ...);
}
template <int N, typename Fn>
EW_ALWAYS_INLINE void each(Fn &&fn) {
    each(std::make_integer_sequence<int, N>{}, fn);
}

template <int S, typename Fn>
EW_ALWAYS_INLINE void change(Sums<S> &sums, Fn &&fn) {
    each<S>([&](auto s) EW_LAMBDA { sums.low[s] = fn(sums.low[s]), sums.high[s] = fn(sums.high[s]); });
}

// What is done with the sums of a strip before they are written.
template <int S>
EW_ALWAYS_INLINE void end_strip(const Lines &l, int64_t channel, int64_t n, int64_t x, Sums<S> &sums) {
    const int64_t ld = l.c.c, to = x * ld + channel;
    const NarrowFinish &f = l.finish;
    if (l.sums) {
        each<S>([&](auto s) EW_LAMBDA { put(l.sums + to + s * ld, {sums.low[s], sums.high[s]}, n); });
        return;
    }
    if (f.narrow_residual)
        each<S>([&](auto s) EW_LAMBDA {
            const vi more = take(f.narrow_residual + (l.row + x + s) * f.ld_residual + channel, n);
            const Two<vi> floats = pair(vi{}, more);
            sums.low[s] += (vf)floats.low, sums.high[s] += (vf)floats.high;
        });
    if (f.clamped) {
        const vf low = splat(f.lo), high = splat(f.hi);
        change(sums, [&](vf sum) EW_LAMBDA { return clamp(sum, low, high); });
    } else if (f.line) {
        const LineNumbers line(*f.line);
        if (f.line->kind == PatternKind::gate)
            change(sums, [&](vf sum) EW_LAMBDA { return line.gate(sum); });
        else
            change(sums, [&](vf sum) EW_LAMBDA { return line.affine(sum); });
    }
    each<S>([&](auto s) EW_LAMBDA { put(l.y + to + s * ld, {sums.low[s], sums.high[s]}, n); });
}

// `n` channels from `channel` on, S positions from column x on. Inside: no tap sees padding. K: taps of a row, steps of
// STEP and no dilation; 0: any.
template <int S, int K, int STEP, bool Inside>
EW_INLINE void run_strip(const Lines &l, int64_t channel, int64_t n, int64_t x) {
    const LastConv &c = l.c;
    const int64_t kernel = K ? K : c.kernel[2], stride = K ? STEP : c.stride[2], dilation = K ? 1 : c.dilation[2];
    const int64_t first = x * stride - c.begin[2], block = channel / PAIR * PAIR, width = c.in[2];
    Sums<S> sums;
    const vf bias = load(l.bias + block), bias_high = load(l.bias + block + VL);
    each<S>([&](auto s) EW_LAMBDA { sums.low[s] = bias, sums.high[s] = bias_high; });
    for (int64_t i = 0; i < l.n; ++i) {
        const Line &line = l.list[i];
        const float *w = line.w + block * kernel;
        const int64_t step_above = line.step_first, step_below = line.step_second;
        const uint16_t *above = line.first + first * step_above + channel;
        const uint16_t *below = line.second + first * step_below + channel;
        if constexpr (K > 0) {
            Bf16::Wide low[K], high[K];
            each<K>([&](auto k) EW_LAMBDA {
                low[k] = Bf16::widen((vi)load(w + k * PAIR)), high[k] = Bf16::widen((vi)load(w + k * PAIR + VL));
            });
            each<(S - 1) * STEP + K>([&](auto p) EW_LAMBDA {
                const auto *up = above, *down = below;
                above += step_above, below += step_below;
                if (!Inside && (first + p < 0 || first + p >= width)) return;
                const Two<vi> pixel = pair(take(up, n), take(down, n));
                each<K>([&](auto k) EW_LAMBDA {
                    constexpr int D = p - k, s = D / STEP;
                    if constexpr (D >= 0 && D % STEP == 0 && s < S) {
                        sums.low[s] = Bf16::dot(sums.low[s], pixel.low, low[k]);
                        sums.high[s] = Bf16::dot(sums.high[s], pixel.high, high[k]);
                    }
                });
            });
            continue;
        }
        for (int64_t k = 0; k < kernel; ++k, w += PAIR) {
            const Bf16::Wide low = Bf16::widen((vi)load(w)), high = Bf16::widen((vi)load(w + VL));
            each<S>([&](auto s) EW_LAMBDA {
                const int64_t p = k * dilation + s * stride;
                if (!Inside && (first + p < 0 || first + p >= width)) return;
                const Two<vi> pixel = pair(take(above + p * step_above, n), take(below + p * step_below, n));
                sums.low[s] = Bf16::dot(sums.low[s], pixel.low, low);
                sums.high[s] = Bf16::dot(sums.high[s], pixel.high, high);
            });
        }
    }
    end_strip<S>(l, channel, n, x, sums);
}

// All channels of a strip in turn, as they lie in memory.
template <int S, int K, int STEP>
void run_columns(const Lines &l, int64_t from, int64_t to, int64_t &x) {
    for_strips<S>(l.c, x, [&](int64_t at, bool inside) {
        int64_t channel = from;
        for (; channel + PAIR <= to; channel += PAIR)
            inside ? run_strip<S, K, STEP, true>(l, channel, PAIR, at)
                   : run_strip<S, K, STEP, false>(l, channel, PAIR, at);
        if (channel < to) run_strip<S, K, STEP, false>(l, channel, to - channel, at);
    });
}

template <int K, int STEP>
void run_row(const Lines &l, int64_t from, int64_t to) {
    int64_t x = 0;
    if constexpr (K > 0) {
        run_columns<8, K, STEP>(l, from, to, x);
        run_columns<7, K, STEP>(l, from, to, x);  // the width of the last images of many networks
    }
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

// Lines 2 i and 2 i + 1 of the window are one of the list, unless both lie in padding.
int64_t list_lines(const LastConv &c, const uint16_t *x, const uint16_t *zeros, int64_t row, Line *list) {
    int64_t n = 0, last = -1;
    for_lines(c, row, [&](int64_t line, int64_t pixel) {
        if (line / 2 != last) {
            last = line / 2;
            list[n++] = {zeros, zeros, 0, 0, c.w + last * c.kernel[2] * round_up(c.c, PAIR)};
        }
        Line &made = list[n - 1];
        (line % 2 ? made.second : made.first) = x + pixel * c.c;
        (line % 2 ? made.step_second : made.step_first) = c.c;
    });
    return n;
}

// Numbers of channels in the order of Two, zeros behind the last.
void deal_out(const float *from, int64_t c, float *to) {
    for (int64_t first = 0; first < c; first += PAIR)
        for (int64_t i = 0; i < PAIR; ++i) {
            const int64_t channel = first + channel_of(i);
            *to++ = from && channel < c ? from[channel] : 0.0F;
        }
}

int32_t run(const ew_call *call) {
    LastConv c;
    if (!read_last_conv(call, c) || c.channels != 1 || c.per_group != 1)
        return call->host->error(call, EW_SHAPE, "depthwise convolution: sizes disagree");
    const int64_t width = c.out[2], all = round_up(c.c, PAIR);
    if (c.positions() * c.c == 0) return EW_OK;
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
    float *bias = scratch(SCRATCH_D, 2 * all), *zeros = bias + all;
    deal_out(finish.bias_col, c.c, bias);
    std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(all));
    const RunRow run_row = find_row(c);
    for_rows(call, c, {600000, PAIR, 64}, [&](int64_t row, int64_t from, int64_t to) {
        auto *list = lines_of<Line>(c);
        const int64_t n = list_lines(c, static_cast<const uint16_t *>(call->inputs[0].data),
                                     reinterpret_cast<const uint16_t *>(zeros), row, list);
        const int64_t start = row * width;
        float *sums = whole ? nullptr : scratch(SCRATCH_C, width * c.c);
        run_row(Lines{c, finish, list, n, bias, start, whole ? finish.narrow + start * c.c : nullptr, sums}, from, to);
        if (!whole) epilogue.run(sums + from, c.c, start, start + width, from, to);
    });
    return EW_OK;
}

// [C, 1, rows, columns] to [rows / 2][C / PAIR][column][words of two rows in the order of Two], rounded to bfloat16.
int32_t pack(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t c = w.shape[0], columns = w.shape[w.rank - 1], rows = count(w) / most(1, c * columns);
    auto *out = static_cast<int32_t *>(call->outputs[0].data), *begin = out;
    const auto weight_at = [&](int64_t channel, int64_t row, int64_t column) {
        return channel < c && row < rows ? f32(w)[(channel * rows + row) * columns + column] : 0.0F;
    };
    for (int64_t row = 0; row < rows; row += 2)
        for (int64_t first = 0; first < c; first += PAIR)
            for (int64_t column = 0; column < columns; ++column)
                for (int64_t i = 0; i < PAIR; ++i) {
                    const int64_t channel = first + channel_of(i);
                    const float above = weight_at(channel, row, column), below = weight_at(channel, row + 1, column);
                    pair_bf16(&above, &below, 1, out++);
                }
    clear_rest(call->outputs[0], out - begin);
    return EW_OK;
}

}  // namespace

EW_KERNEL(depthwise_nhwc_bf16, run)
EW_KERNEL(pack_depthwise_nhwc_bf16, pack)

}  // namespace ew::EW_ISA
