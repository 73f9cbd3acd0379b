// What quantized convolutions with channels last share: sizes and numbers of the step, the image as windows see it, and
// what becomes of sums.
//
// Inputs: x uint8 [N, spatial, C], packed w, bias int32 [M], factor float32 [M], shift float32 [M] if any, addend uint8
// of the output's shape if any. Params: group, zero point of x; of the output: zero point, lowest, highest; of the sum
// with the addend: step, step and zero point of the addend, then zero point, lowest, highest; then the window.
#pragma once

#include <cmath>

#include "cpu/conv_last.h"
#include "cpu/quantized_row.h"

#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC reports its own _mm512_undefined_ps (GCC bug 105593)

namespace ew::EW_ISA {

namespace {

constexpr int32_t FIXED = 11;

// Where y leaves the range of bytes it is cut; with an addend, y is the range of the first of two roundings.
struct Range {
    int32_t zero;
    float low, high;  // less zero
};

struct ByteConv : Sliding {
    int64_t channels, per_group, words;  // input and output channels, and words of a pixel, of a group
    uint8_t x_zero;
    const uint8_t *x;
    int64_t pixel;       // bytes from one to the next
    bool dense = false;  // runs of pixels are multiplied four bytes at a time, so pixels need not be whole words
    const uint8_t *w;
    const float *factor, *shift;  // shift NULL: none
    const uint8_t *addend;        // NULL: none
    float step, addend_step, addend_shift;
    Range range, sum;
    void *y;
    bool real;
    // There is no shift; reals that are rounded for the last time fit int32, and those before it are cut around zero.
    bool tame;
    int64_t positions() const { return n * out_size(); }
    int64_t padded() const { return round_up(per_group, VL); }
};

inline Range read_range(const ew_param *p) {
    const auto number = [&](int i) { return static_cast<float>(p[i].i - p[0].i); };
    return {static_cast<int32_t>(p[0].i), number(1), number(2)};
}

// Sums reach 2^31.
inline bool is_tame(const ByteConv &c) {
    constexpr float FACTOR = 0.5F, STEP = 1 << 20;
    if (c.shift) return false;
    if (c.addend)
        return std::fabs(c.step) < STEP && std::fabs(c.addend_step) < STEP && c.range.low <= 0 && c.range.high >= 0;
    float factor = 0;
    for (int64_t m = 0; m < c.m; ++m) factor = std::fmax(factor, std::fabs(c.factor[m]));
    return factor < FACTOR;
}

inline bool read_byte_conv(const ew_call *call, ByteConv &c) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1], &y = call->outputs[0];
    if (!read_sliding_last(call, FIXED, x, y, c)) return false;
    const ew_param *p = call->params;
    c.group = p[0].i;
    c.x_zero = static_cast<uint8_t>(p[1].i);
    c.range = read_range(p + 2);
    c.step = static_cast<float>(p[5].f);
    c.addend_step = static_cast<float>(p[6].f);
    c.addend_shift = -static_cast<float>(p[7].i) * c.addend_step;
    c.sum = read_range(p + 8);
    fill_axes(c.kernel, w.shape + 2, w.rank - 2);
    c.channels = w.shape[1];
    c.per_group = c.m / most(1, c.group);
    c.words = ceil_div(c.channels, 4);
    c.x = static_cast<const uint8_t *>(x.data);
    c.pixel = c.c;
    c.w = static_cast<const uint8_t *>(w.data);
    c.factor = f32(call->inputs[3]);
    c.shift = present(call, 4) ? f32(call->inputs[4]) : nullptr;
    c.addend = present(call, 5) ? static_cast<const uint8_t *>(call->inputs[5].data) : nullptr;
    c.y = y.data;
    c.real = y.dtype == EW_FLOAT32;
    c.tame = is_tame(c);
    return c.group > 0 && c.m % c.group == 0 && c.channels * c.group == c.c && w.shape[0] == c.m && c.taps() > 0;
}

// ---- the image as windows see it ----

// Elements of an axis that windows see, padding included.
inline int64_t seen_of(const ByteConv &c, int axis) {
    return (c.out[axis] - 1) * c.stride[axis] + (c.kernel[axis] - 1) * c.dilation[axis] + 1;
}

inline bool is_copied(const ByteConv &c) {
    bool inside = c.channels % 4 == 0;
    for (int i = 0; i < 3; ++i) inside = inside && c.begin[i] == 0 && seen_of(c, i) <= c.in[i];
    return !inside;
}

// Bytes of a pixel of the copy.
inline int64_t copied_pixel(const ByteConv &c) { return c.dense ? c.c : c.group * c.words * 4; }

constexpr int64_t WORD = 4;  // whose end is read behind the last pixel

inline int64_t copied_bytes(const ByteConv &c) {
    return is_copied(c) ? c.n * seen_of(c, 0) * seen_of(c, 1) * seen_of(c, 2) * copied_pixel(c) + WORD : 0;
}

// Copies pixels, each group to whole words unless they are dense.
inline void copy_pixels(const ByteConv &c, const uint8_t *from, int64_t pixels, uint8_t *to) {
    if (c.dense || c.channels % 4 == 0) {
        std::memcpy(to, from, static_cast<size_t>(pixels * c.c));
        return;
    }
    for (int64_t i = 0; i < pixels * c.group; ++i, from += c.channels, to += c.words * 4) {
        for (int64_t k = 0; k < c.channels; ++k) to[k] = from[k];
        for (int64_t k = c.channels; k < c.words * 4; ++k) to[k] = 0;
    }
}

// Writes all that windows see of an image to `copy`, its zero point where there is none, and lets c see the copy.
inline void copy_image(const ew_call *call, ByteConv &c, uint8_t *copy) {
    const int64_t sizes[3] = {seen_of(c, 0), seen_of(c, 1), seen_of(c, 2)}, pixel = copied_pixel(c);
    const int64_t rows = c.n * sizes[0] * sizes[1], row = sizes[2] * pixel, each = 1 + 32768 / (row + 1);
    const int64_t begin = least(c.begin[2], sizes[2]), real = most(0, least(c.in[2], sizes[2] - begin));
    parallel(call, ceil_div(rows, each), [&](int64_t task) {
        for (int64_t i = task * each; i < least(rows, (task + 1) * each); ++i) {
            uint8_t *to = copy + i * row;
            const int64_t z = i / sizes[1] % sizes[0] - c.begin[0], y = i % sizes[1] - c.begin[1];
            if (z < 0 || z >= c.in[0] || y < 0 || y >= c.in[1]) {
                std::memset(to, c.x_zero, static_cast<size_t>(row));
                continue;
            }
            const int64_t line = (i / sizes[1] / sizes[0] * c.in[0] + z) * c.in[1] + y;
            std::memset(to, c.x_zero, static_cast<size_t>(begin * pixel));
            copy_pixels(c, c.x + line * c.in[2] * c.c, real, to + begin * pixel);
            std::memset(to + (begin + real) * pixel, c.x_zero, static_cast<size_t>((sizes[2] - begin - real) * pixel));
        }
    });
    c.x = copy;
    c.pixel = pixel;
    for (int i = 0; i < 3; ++i) c.in[i] = sizes[i], c.begin[i] = 0;
}

// ---- sums to numbers ----

EW_INLINE vi to_whole(vf v) {  // to the nearest, ties to even
#if EW_ISA_AVX512
    return (vi)_mm512_cvtps_epi32((__m512)v);
#elif EW_ISA_AVX2
    return (vi)_mm256_cvtps_epi32((__m256)v);
#else
    return __builtin_convertvector(round_even(v), vi);
#endif
}

// For low <= -0 and high >= 0 their bits can be compared as integers, which any port of the core does; convertors and
// comparisons of floats share two.
EW_INLINE vf clamp_around_zero(vf v, vf low, vf high) {
#if EW_ISA_AVX512
    return (vf)_mm512_min_epi32(_mm512_min_epu32((__m512i)v, (__m512i)low), (__m512i)high);
#else
    return vmin(vmax(v, low), high);
#endif
}

EW_INLINE vf load_bytes(const uint8_t *p, int64_t n) {
#if EW_ISA_AVX512
    const auto mask = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n)));
    return __builtin_convertvector((vi)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, p)), vf);
#else
    float out[VL] = {};
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(p[i]);
    return load(out);
#endif
}

// Whole numbers between 0 and 255 as bytes.
EW_INLINE void store_whole(uint8_t *p, vi v, int64_t n) {
#if EW_ISA_AVX512
    const auto mask = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n)));
    _mm_mask_storeu_epi8(p, mask, _mm512_cvtepi32_epi8((__m512i)v));
#else
    for (int64_t i = 0; i < n; ++i) p[i] = static_cast<uint8_t>(v[i]);
#endif
}

// Rows of a finished tile: columns [channel, channel + n) of positions from `row` on.
struct Done {
    int64_t row, rows, channel, n;
    int64_t width(int v) const { return most(0, least(VL, n - v * VL)); }
};

// Numbers of the columns, in registers for all rows.
template <int V>
struct Scaling {
    vf factor[V], shift[V];
    Scaling(const ByteConv &c, const Done &d) {
        const bool whole = d.n == V * VL;
        const auto take = [&](const float *p, int v) {
            return whole ? load(p + d.channel + v * VL) : load_n(p + d.channel + v * VL, d.width(v));
        };
        for (int v = 0; v < V; ++v) {
            factor[v] = take(c.factor, v);
            shift[v] = c.shift ? take(c.shift, v) : vf{};
        }
    }
    EW_ALWAYS_INLINE vf real(vi sums, int v) const {
        return fma(__builtin_convertvector(sums, vf), factor[v], shift[v]);
    }
};

// Sums of a row of a tile as bytes, with an addend or without.
template <int V, bool Added>
struct ByteEnding {
    Scaling<V> scaling;
    vf low, high, step, addend_step, addend_shift, sum_high;
    int32_t zero, lowest, highest;
    const uint8_t *addend;
    uint8_t *y;
    int64_t ld;

    ByteEnding(const ByteConv &c, const Done &d)
        : scaling(c, d),
          low(splat(c.range.low == 0 ? -0.0F : c.range.low)),
          high(splat(c.range.high)),
          step(splat(c.step)),
          addend_step(splat(c.addend_step)),
          addend_shift(splat(c.addend_shift)),
          sum_high(splat(c.sum.high)),
          zero(Added ? c.sum.zero : c.range.zero),
          lowest(zero + static_cast<int32_t>(Added ? c.sum.low : c.range.low)),
          highest(zero + static_cast<int32_t>(Added ? c.sum.high : c.range.high)),
          addend(Added ? c.addend + d.row * c.m + d.channel : nullptr),
          y(static_cast<uint8_t *>(c.y) + d.row * c.m + d.channel),
          ld(c.m) {}

    // Less the zero point, and not cut off; `tame`: as below, so that no clamp is needed before rounding for the last time.
    EW_ALWAYS_INLINE vi whole_number(vi sums, int v, int64_t r, int64_t n, bool tame) const {
        vf real = tame ? __builtin_convertvector(sums, vf) * scaling.factor[v] : scaling.real(sums, v);
        if (!Added) return to_whole(tame ? real : vmin(real, high));
        real = round_even(tame ? clamp_around_zero(real, low, high) : vmin(vmax(real, low), high));
        real = fma(real, step, fma(load_bytes(addend + r * ld + v * VL, n), addend_step, addend_shift));
        return to_whole(tame ? real : vmin(real, sum_high));
    }

    EW_ALWAYS_INLINE void store_row(const vi *whole, int64_t r, const Done &d) const {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            const vi low_end = splat(lowest), high_end = splat(highest), number = whole[v] + splat(zero);
            const vi least_ = number < low_end ? low_end : number;
            store_whole(y + r * ld + v * VL, least_ > high_end ? high_end : least_, d.width(v));
        }
    }

    EW_ALWAYS_INLINE void row(const vi (&sums)[V], int64_t r, const Done &d) const {
        vi whole[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) whole[v] = whole_number(sums[v], v, r, d.width(v), false);
        store_row(whole, r, d);
    }

    // Of whole vectors and tame numbers.
    EW_ALWAYS_INLINE void whole_row(const vi (&sums)[V], int64_t r) const {
        vi whole[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) whole[v] = whole_number(sums[v], v, r, VL, true);
#if EW_ISA_AVX512
        if (V == 4) {
            const __m512i zeros = _mm512_set1_epi16(static_cast<int16_t>(zero));
            const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32((__m512i)whole[0], (__m512i)whole[1 % V]), zeros);
            const __m512i b =
                _mm512_adds_epi16(_mm512_packs_epi32((__m512i)whole[2 % V], (__m512i)whole[3 % V]), zeros);
            const __m512i cut = _mm512_max_epu8(_mm512_packus_epi16(a, b), _mm512_set1_epi8(static_cast<char>(lowest)));
            const __m512i bytes = _mm512_min_epu8(cut, _mm512_set1_epi8(static_cast<char>(highest)));
            const vi order = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
            return _mm512_storeu_si512(y + r * ld, _mm512_permutexvar_epi32((__m512i)order, bytes));
        }
#endif
        store_row(whole, r, {0, 1, 0, V * VL});
    }
};

template <int V>
struct RealEnding {
    Scaling<V> scaling;
    float *y;
    int64_t ld;
    RealEnding(const ByteConv &c, const Done &d)
        : scaling(c, d), y(static_cast<float *>(c.y) + d.row * c.m + d.channel), ld(c.m) {}
    void row(const vi (&sums)[V], int64_t r, const Done &d) const {
        for (int v = 0; v < V; ++v) store_n(y + r * ld + v * VL, scaling.real(sums[v], v), d.width(v));
    }
    void whole_row(const vi (&sums)[V], int64_t r) const {
        for (int v = 0; v < V; ++v) store(y + r * ld + v * VL, scaling.real(sums[v], v));
    }
};

// Rows whose sums lie in memory, [rows][V * VL].
template <int V, class Ending>
void finish_rows(const ByteConv &c, const Done &d, const int32_t *sums) {
    const Ending ending(c, d);
    const bool whole = c.tame && d.n == V * VL;
    for (int64_t r = 0; r < d.rows; ++r, sums += V * VL) {
        vi row[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) row[v] = load(sums + v * VL);
        whole ? ending.whole_row(row, r) : ending.row(row, r, d);
    }
}

inline void finish_tile(const ByteConv &c, const Done &d, int64_t vectors, const int32_t *sums) {
    using Finisher = void (*)(const ByteConv &, const Done &, const int32_t *);
    static constexpr Finisher all[][4] = {{finish_rows<1, ByteEnding<1, false>>, finish_rows<2, ByteEnding<2, false>>,
                                           finish_rows<3, ByteEnding<3, false>>, finish_rows<4, ByteEnding<4, false>>},
                                          {finish_rows<1, ByteEnding<1, true>>, finish_rows<2, ByteEnding<2, true>>,
                                           finish_rows<3, ByteEnding<3, true>>, finish_rows<4, ByteEnding<4, true>>},
                                          {finish_rows<1, RealEnding<1>>, finish_rows<2, RealEnding<2>>,
                                           finish_rows<3, RealEnding<3>>, finish_rows<4, RealEnding<4>>}};
    all[c.real ? 2 : c.addend ? 1 : 0][vectors - 1](c, d, sums);
}

}  // namespace

}  // namespace ew::EW_ISA
