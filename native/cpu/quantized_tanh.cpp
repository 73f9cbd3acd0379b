// tanh of a pointwise program, quantized to uint8 by its range. Outputs y, y_scale, y_zero_point.
//
// tanh rises, so the range of what is before it gives the range of the result, and no float is ever in memory. Nor is every
// tanh computed as exactly as floats are: cubic polynomials are near enough for a byte, but where the number lies halfway
// between two; that vector is computed as if it were stored. So the bytes are those of tanh and DynamicQuantizeLinear.
#include "cpu/pointwise_tiles.h"
#include "cpu/quantized_range.h"
#include "cpu/quantized_row.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t MOST_ELEMENTS = 1024;  // of a tile

// tanh(x) / scale, rounded as if tanh were stored.
float exactly(float x, float scale) { return round_even(vtanh(splat(x)) / splat(scale))[0]; }

// tanh(x) / scale for |x| < 8 in 32 pieces: a cubic polynomial of the place within the piece.
struct Pieces {
    static constexpr int COUNT = 32, PER_UNIT = 4;
    static constexpr double ERROR = 7e-6;  // of tanh: 5.2e-6 of the polynomials, the rest for rounding
    alignas(64) float c[4][COUNT];

    // A piece on which all numbers have the same result is that one: where tanh is saturated, 1 / scale lies halfway
    // between two integers if both signs are, and no number near it would be sure.
    explicit Pieces(float scale) {
        for (int piece = 0; piece < COUNT; ++piece) {
            const float first = exactly(float(piece) / PER_UNIT, scale),
                        last = exactly(float(piece + 1) / PER_UNIT, scale);
            fit(piece, 1 / static_cast<double>(scale));
            for (int k = 0; k < 4 && first == last; ++k) c[k][piece] = k == 0 ? first : 0;
        }
    }
    // Through the function at Chebyshev's points; Newton's differences, multiplied out.
    void fit(int piece, double factor) {
        double at[4], d[4];
        for (int i = 0; i < 4; ++i) {
            at[i] = 0.5 - 0.5 * std::cos((2 * i + 1) * 0.39269908169872414);
            d[i] = factor * std::tanh((piece + at[i]) / PER_UNIT);
        }
        for (int order = 1; order < 4; ++order)
            for (int i = 3; i >= order; --i) d[i] = (d[i] - d[i - 1]) / (at[i] - at[i - order]);
        double p[4] = {d[3], 0, 0, 0};
        for (int i = 2; i >= 0; --i) {
            for (int k = 3; k > 0; --k) p[k] = p[k - 1] - at[i] * p[k];
            p[0] = d[i] - at[i] * p[0];
        }
        for (int k = 0; k < 4; ++k) c[k][piece] = static_cast<float>(p[k]);
    }
};

struct Conversion {
    ByteScale to;
    Pieces pieces;
    float sure;        // distance from the nearest integer up to which that one is right
    float top, top_x;  // the largest of all results before the zero point, and the least x that gives it
};

// By search: it may lie beyond the last piece.
void find_top(Conversion &conversion) {
    constexpr float SATURATED = 10;
    conversion.top = exactly(SATURATED, conversion.to.scale);
    int32_t low = 0, high = float_to_bits(splat(SATURATED))[0];
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const bool below = exactly(bits_to_float(splat(middle))[0], conversion.to.scale) < conversion.top;
        (below ? low : high) = below ? middle + 1 : middle;
    }
    conversion.top_x = bits_to_float(splat(high))[0];
}

void convert_exactly(const float *x, int64_t n, const Conversion &conversion, uint8_t *y) {
    quantize_vectors(x, n, conversion.to.zero, 0, 255, y, [&](vf v) { return vtanh(v) / splat(conversion.to.scale); });
}

#if EW_ISA_AVX512
// A vector as integers, without the zero point; NaN as the least of all.
EW_INLINE __m512i convert_vector(vf x, const Conversion &conversion) {
    const auto pick = [&](int k, __m512i piece) {
        const float *c = conversion.pieces.c[k];
        return (vf)_mm512_permutex2var_ps((__m512)load(c), piece, (__m512)load(c + VL));
    };
    constexpr int FLOOR = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC, JOIN_SIGN = 0xf8;  // a | (b & c)
    const vf a = vabs(x), place = vmin(splat(Pieces::COUNT - 0.001F), a * splat(float(Pieces::PER_UNIT)));  // NaN stays
    const vf piece = (vf)_mm512_roundscale_ps((__m512)place, FLOOR), t = place - piece;
    const __m512i index = _mm512_cvttps_epi32((__m512)piece);
    const vf p = fma(fma(fma(pick(3, index), t, pick(2, index)), t, pick(1, index)), t, pick(0, index));
    const __mmask16 is_top = _mm512_cmp_ps_mask((__m512)a, _mm512_set1_ps(conversion.top_x), _CMP_GE_OQ);
    const __m512i number = (__m512i)_mm512_mask_mov_ps((__m512)p, is_top, _mm512_set1_ps(conversion.top));
    const vf near = (vf)_mm512_ternarylogic_epi32(number, (__m512i)x, _mm512_set1_epi32(INT32_MIN), JOIN_SIGN);
    vf whole = round_even(near);
    const __m512 off = _mm512_abs_ps((__m512)(near - whole));
    if (__builtin_expect(_mm512_cmp_ps_mask(off, _mm512_set1_ps(conversion.sure), _CMP_GT_OQ) != 0, 0))
        whole = round_even(vtanh(x) / splat(conversion.to.scale));
    return _mm512_cvtps_epi32((__m512)whole);
}

void convert(const float *x, int64_t n, const Conversion &conversion, uint8_t *y) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i zero = _mm512_set1_epi16(static_cast<int16_t>(conversion.to.zero));
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        __m512i words[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) words[k] = convert_vector(load(x + i + k * VL), conversion);
        const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(words[0], words[1]), zero);
        const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(words[2], words[3]), zero);
        _mm512_storeu_si512(y + i, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high)));
    }
    convert_exactly(x + i, n - i, conversion, y + i);
}
#else
void convert(const float *x, int64_t n, const Conversion &conversion, uint8_t *y) {
    convert_exactly(x, n, conversion, y);
}
#endif

// Calls fn(task, x, start, n) with the numbers before tanh of each tile.
template <class Fn>
void visit(const Job &job, Fn &&fn) {
    const int result = job.program.outputs[0];
    parallel(job.call, job.tasks(), [&](int64_t task) {
        alignas(64) float tile[MOST_ELEMENTS];
        for_tiles(job, task, [&](Registers &registers, int64_t start, int64_t n) {
            if (job.program.direct_output()) registers.values[result] = tile;
            job.program.run(registers, n);
            fn(task, static_cast<const float *>(registers.values[result]), start, n);
        });
    });
}

constexpr Extremes NONE{__builtin_inff(), -__builtin_inff()};

// The least and largest of each column of a matrix.
void find_columns(const ew_tensor &x, int64_t columns, Extremes *out) {
    std::fill(out, out + columns, NONE);
    for (int64_t i = 0; i < count(x); i += columns)
        for (int64_t k = 0; k < columns; ++k) {
            const float v = f32(x)[i + k];
            out[k].low = v < out[k].low ? v : out[k].low;
            out[k].high = v > out[k].high ? v : out[k].high;
        }
}

// Whether each row of one input is added to each of the other: then the extremes of columns say all, as sums are rounded
// upwards and downwards alike.
bool adds_all_rows(const Job &job) {
    const Program &program = job.program;
    if (program.n_instructions != 1 || program.step(0).opcode != op_add || program.dtypes[2] != EW_FLOAT32)
        return false;
    const int64_t columns = job.axes.size[0], pairs = count(job.call->inputs[0]) / columns * count(job.call->inputs[1]);
    return program.n_inputs == 2 && job.axes.stride[0][0] == 1 && job.axes.stride[1][0] == 1 && pairs == job.total;
}

Extremes range_of_sums(const Job &job) {
    const int64_t columns = job.axes.size[0];
    auto *a = reinterpret_cast<Extremes *>(scratch(SCRATCH_D, 4 * columns)), *b = a + columns;
    find_columns(job.call->inputs[0], columns, a);
    find_columns(job.call->inputs[1], columns, b);
    Extremes range = NONE;
    for (int64_t k = 0; k < columns; ++k) range.add({a[k].low + b[k].low, a[k].high + b[k].high});
    return range;
}

Extremes range_of_all(const Job &job) {
    Extremes ranges[MOST_TASKS], all = NONE;
    std::fill(ranges, ranges + job.tasks(), NONE);
    visit(job, [&](int64_t task, const float *x, int64_t, int64_t n) { ranges[task].add(x, n); });
    for (int64_t task = 0; task < job.tasks(); ++task) all.add(ranges[task]);
    return all;
}

int32_t run(const ew_call *call) {
    Job job;
    if (const int32_t status = prepare(call, job); status != EW_OK) return status;
    const Program &program = job.program;
    if (program.n_outputs != 1 || program.dtypes[program.outputs[0]] != EW_FLOAT32 || call->n_outputs != 3)
        return call->host->error(call, EW_INVALID_PLAN, "a quantized tanh has a program that gives one float32");
    Extremes range{0, 0};  // of tanh, and 0
    if (job.total > 0) {
        const Extremes before = adds_all_rows(job) ? range_of_sums(job) : range_of_all(job);
        float ends[VL] = {before.low, before.high};
        store(ends, vtanh(load(ends)));
        range.add(ends, before.low <= before.high ? 2 : 0);
    }
    float scale, zero;
    scale_of_range(range, &scale, &zero);
    auto *y = static_cast<uint8_t *>(call->outputs[0].data);
    const float sure = 0.4999F - static_cast<float>(Pieces::ERROR) / scale;
    Conversion conversion{{scale, zero, 0, 255}, Pieces(scale), sure, 0, 0};
    find_top(conversion);
    const auto part = sure > 0.45F && job.total >= 16384 ? convert : convert_exactly;
    visit(job, [&](int64_t, const float *x, int64_t start, int64_t n) { part(x, n, conversion, y + start); });
    *static_cast<float *>(call->outputs[1].data) = scale;
    *static_cast<uint8_t *>(call->outputs[2].data) = static_cast<uint8_t>(zero);
    return EW_OK;
}

}  // namespace

EW_KERNEL(quantized_tanh, run)

}  // namespace ew::EW_ISA
