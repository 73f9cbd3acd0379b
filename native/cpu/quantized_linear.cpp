// Numbers to small integers and back: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
//
// Inputs x, scale, zero point if any; scale and zero point are one number, a vector along an axis, or one number for each
// block of an axis. Params: kind (0 one, 1 axis, 2 block), axis, block size.
#include <cmath>
#include <limits>

#include "cpu/gemm_half.h"
#include "cpu/quantized_gemm.h"
#include "cpu/quantized_range.h"
#include "cpu/quantized_row.h"

#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC reports its own _mm512_undefined_ps (GCC bug 105593)

namespace ew::EW_ISA {

namespace {

// Element i of an array of `bits` wide elements, the first in the lowest bits of a byte.
int part_of_byte(const void *data, int64_t i, int bits) {
    const int64_t in_byte = 8 / bits;
    return static_cast<const uint8_t *>(data)[i / in_byte] >> (i % in_byte * bits) & ((1 << bits) - 1);
}

int with_sign(int value, int bits) { return value < 1 << (bits - 1) ? value : value - (1 << bits); }

// Element i of an array as a number.
double number(const void *data, int32_t dtype, int64_t i) {
    switch (dtype) {
        case EW_FLOAT32: return static_cast<double>(static_cast<const float *>(data)[i]);
        case EW_FLOAT64: return static_cast<const double *>(data)[i];
        case EW_UINT8: return static_cast<const uint8_t *>(data)[i];
        case EW_INT8: return static_cast<const int8_t *>(data)[i];
        case EW_UINT16: return static_cast<const uint16_t *>(data)[i];
        case EW_INT16: return static_cast<const int16_t *>(data)[i];
        case EW_INT32: return static_cast<const int32_t *>(data)[i];
        case EW_UINT4: return part_of_byte(data, i, 4);
        case EW_INT4: return with_sign(part_of_byte(data, i, 4), 4);
        case EW_UINT2: return part_of_byte(data, i, 2);
        case EW_INT2: return with_sign(part_of_byte(data, i, 2), 2);
        default: return static_cast<double>(widen(static_cast<const uint16_t *>(data)[i], dtype == EW_BFLOAT16));
    }
}

struct Range {
    double lo, hi;
};

Range range_of(int32_t dtype) {
    switch (dtype) {
        case EW_UINT8: return {0, 255};
        case EW_INT8: return {-128, 127};
        case EW_UINT16: return {0, 65535};
        case EW_INT16: return {-32768, 32767};
        case EW_UINT4: return {0, 15};
        case EW_INT4: return {-8, 7};
        case EW_UINT2: return {0, 3};
        case EW_INT2: return {-2, 1};
        default: return {0, -1};
    }
}

bool is_real(int32_t dtype) {
    return dtype == EW_FLOAT32 || dtype == EW_FLOAT64 || dtype == EW_FLOAT16 || dtype == EW_BFLOAT16;
}

// Where the scale of element i stands.
struct Places {
    int64_t kind, axis_size, inner, block, blocks;
    int64_t of(int64_t i) const {
        if (kind == 0) return 0;
        const int64_t a = i / inner % axis_size;
        if (kind == 1) return a;
        return (i / inner / axis_size * blocks + a / block) * inner + i % inner;
    }
};

Places read_places(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    Places p{call->params[0].i, 1, 1, call->params[2].i, 1};
    if (p.kind == 0) return p;
    const int64_t axis = call->params[1].i;
    p.axis_size = x.shape[axis];
    for (int32_t i = static_cast<int32_t>(axis) + 1; i < x.rank; ++i) p.inner *= x.shape[i];
    if (p.kind == 2) p.blocks = ceil_div(p.axis_size, p.block);
    return p;
}

// A whole row with one scale: f32 to bytes and back.
void quantize_row(const float *x, float scale, float zero, Range range, void *y, int64_t n) {
    divide_to_bytes(x, n, {scale, zero, static_cast<float>(range.lo), static_cast<float>(range.hi)}, y);
}

template <typename T>
void dequantize_row(const T *x, float scale, int32_t zero, float *y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i] - zero) * scale;
}

constexpr int64_t CHUNK = 16384;  // elements of a task

// Elements [begin, end) of a chunk in rows of equal scale.
template <typename Fn>
void for_rows(const Places &p, int64_t begin, int64_t end, Fn &&fn) {
    const int64_t row = p.kind == 0 ? std::numeric_limits<int64_t>::max() : p.kind == 1 ? p.inner : 1;
    for (int64_t i = begin; i < end;) {
        const int64_t stop = p.kind == 0 ? end : least(end, (i / row + 1) * row);
        fn(i, stop - i, p.of(i));
        i = stop;
    }
}

void write(void *data, int32_t dtype, int64_t i, double v) {
    const auto n = static_cast<int64_t>(v);
    switch (dtype) {
        case EW_UINT8:
        case EW_INT8: static_cast<uint8_t *>(data)[i] = static_cast<uint8_t>(n); break;
        case EW_UINT16:
        case EW_INT16: static_cast<uint16_t *>(data)[i] = static_cast<uint16_t>(n); break;
        case EW_FLOAT32: static_cast<float *>(data)[i] = static_cast<float>(v); break;
        case EW_FLOAT64: static_cast<double *>(data)[i] = v; break;
        case EW_FLOAT16:
        case EW_BFLOAT16: static_cast<uint16_t *>(data)[i] = narrow(static_cast<float>(v), dtype == EW_BFLOAT16); break;
        default: {  // several to a byte: chunks are multiples of 4, so no two tasks share one
            const int bits = dtype == EW_UINT2 || dtype == EW_INT2 ? 2 : 4;
            const int64_t in_byte = 8 / bits, shift = i % in_byte * bits;
            uint8_t &byte = static_cast<uint8_t *>(data)[i / in_byte];
            const int64_t kept = shift == 0 ? 0 : byte & ((1 << shift) - 1);
            byte = static_cast<uint8_t>(kept | (n & ((1 << bits) - 1)) << shift);
        }
    }
}

// The quotient in the precision of x: f32, or f64 for f64.
double quantized(double x, double scale, double zero, Range r, bool wide) {
    const double q = wide ? std::nearbyint(x / scale)
                          : static_cast<double>(std::nearbyintf(static_cast<float>(x) / static_cast<float>(scale)));
    const double v = q + zero;
    return v > r.lo ? (v < r.hi ? v : r.hi) : r.lo;
}

int32_t refuse(const ew_call *call) { return call->host->error(call, EW_FAILED, "quantization: these element types"); }

int32_t quantize(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &s = call->inputs[1], &y = call->outputs[0];
    const Range r = range_of(y.dtype);
    if (r.hi < r.lo || !(is_real(x.dtype) || x.dtype == EW_INT32)) return refuse(call);
    const Places p = read_places(call);
    const bool with_zero = present(call, 2), plain = x.dtype == EW_FLOAT32 && s.dtype == EW_FLOAT32;
    const int64_t n = count(x);
    parallel(call, ceil_div(n, CHUNK), [&](int64_t task) {
        for_rows(p, task * CHUNK, least(n, (task + 1) * CHUNK), [&](int64_t i, int64_t length, int64_t at) {
            const double scale = number(s.data, s.dtype, at),
                         zero = with_zero ? number(call->inputs[2].data, y.dtype, at) : 0;
            const auto narrow_scale = static_cast<float>(scale), narrow_zero = static_cast<float>(zero);
            if (plain && (y.dtype == EW_UINT8 || y.dtype == EW_INT8))
                return quantize_row(f32(x) + i, narrow_scale, narrow_zero, r, static_cast<uint8_t *>(y.data) + i,
                                    length);
            for (int64_t k = i; k < i + length; ++k)
                write(y.data, y.dtype, k, quantized(number(x.data, x.dtype, k), scale, zero, r, x.dtype == EW_FLOAT64));
        });
    });
    return EW_OK;
}

int32_t dequantize(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &s = call->inputs[1], &y = call->outputs[0];
    const bool known = range_of(x.dtype).hi > 0 || x.dtype == EW_INT32;
    if (!known || !is_real(s.dtype) || !is_real(y.dtype)) return refuse(call);
    const Places p = read_places(call);
    const bool with_zero = present(call, 2), plain = y.dtype == EW_FLOAT32 && s.dtype == EW_FLOAT32;
    const int64_t n = count(x);
    parallel(call, ceil_div(n, CHUNK), [&](int64_t task) {
        for_rows(p, task * CHUNK, least(n, (task + 1) * CHUNK), [&](int64_t i, int64_t length, int64_t at) {
            const double scale = number(s.data, s.dtype, at),
                         zero = with_zero ? number(call->inputs[2].data, x.dtype, at) : 0;
            const auto narrow_scale = static_cast<float>(scale);
            const auto whole_zero = static_cast<int32_t>(zero);
            float *out = static_cast<float *>(y.data) + i;
            if (plain && x.dtype == EW_UINT8)
                return dequantize_row(static_cast<const uint8_t *>(x.data) + i, narrow_scale, whole_zero, out, length);
            if (plain && x.dtype == EW_INT8)
                return dequantize_row(static_cast<const int8_t *>(x.data) + i, narrow_scale, whole_zero, out, length);
            for (int64_t k = i; k < i + length; ++k) {
                const double v = number(x.data, x.dtype, k) - zero;
                const bool wide = s.dtype == EW_FLOAT64;
                write(y.data, y.dtype, k, wide ? v * scale : static_cast<double>(static_cast<float>(v) * narrow_scale));
            }
        });
    });
    return EW_OK;
}

// ---- the range of x gives scale and zero point ----

EW_INLINE bool is_zero(vf v) {  // false for NaN
#if EW_ISA_AVX512
    return _mm512_cmp_ps_mask((__m512)v, _mm512_setzero_ps(), _CMP_EQ_OQ) == 0xffff;
#else
    float sum = 0;
    for (int k = 0; k < VL; ++k) sum += v[k];
    return sum == 0;
#endif
}

// Whether all are numbers, and finite: comparisons pass over what is none.
bool all_finite(const float *x, int64_t n) {
    vf differences{};
    int64_t i = 0;
    for (; i + VL <= n; i += VL) differences += load(x + i) - load(x + i);
    if (i < n) differences += load_n(x + i, n - i) - load_n(x + i, n - i);
    return is_zero(differences);
}

}  // namespace

void find_row_range(const float *x, int64_t n, float *scale, float *zero) {
    Extremes range{0, 0};
    range.add(x, n);
    scale_of_range(range, scale, zero);
    if (!all_finite(x, n)) *scale = __builtin_nanf(""), *zero = 0;
}

void quantize_row(const float *x, int64_t n, float scale, float zero, uint8_t *out) {
    const vf inverse = splat(1.0F / scale);
    quantize_vectors(x, n, zero, 0, 255, out, [&](vf v) { return v * inverse; });
}

void find_range(const ew_call *call, const float *x, int64_t n, float *scale, float *zero) {
    const int64_t chunks = ceil_div(n, CHUNK);
    auto *ranges = reinterpret_cast<Extremes *>(scratch(SCRATCH_D, 2 * chunks + 2));
    // From the end on, where what was written last is still in a cache; x is read again from its begin on.
    parallel(call, chunks, [&](int64_t task) {
        const int64_t c = chunks - 1 - task;
        ranges[c] = {0, 0};
        ranges[c].add(x + c * CHUNK, least(CHUNK, n - c * CHUNK));
    });
    Extremes range{0, 0};
    for (int64_t c = 0; c < chunks; ++c) range.add(ranges[c]);
    scale_of_range(range, scale, zero);
}

namespace {

// Outputs y (uint8), y_scale, y_zero_point.
int32_t dynamic_quantize(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    if (x.dtype != EW_FLOAT32) return refuse(call);
    const int64_t n = count(x);
    float scale, zero;
    find_range(call, f32(x), n, &scale, &zero);
    auto *y = static_cast<uint8_t *>(call->outputs[0].data);
    parallel(call, ceil_div(n, CHUNK), [&](int64_t c) {
        quantize_row(f32(x) + c * CHUNK, scale, zero, {0, 255}, y + c * CHUNK, least(CHUNK, n - c * CHUNK));
    });
    *static_cast<float *>(call->outputs[1].data) = scale;
    *static_cast<uint8_t *>(call->outputs[2].data) = static_cast<uint8_t>(zero);
    return EW_OK;
}

}  // namespace

EW_KERNEL(quantize_linear, quantize)
EW_KERNEL(dequantize_linear, dequantize)
EW_KERNEL(dynamic_quantize_linear, dynamic_quantize)

}  // namespace ew::EW_ISA
