// Conversions of pointwise programs: casts, comparisons, selection, and the 16-bit floats in memory and registers.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "cpu/pointwise_loops.h"

namespace ew::EW_ISA {
namespace {

struct Equal {
    template <class T>
    static uint8_t f(T a, T b) {
        return a == b;
    }
};
struct Less {
    template <class T>
    static uint8_t f(T a, T b) {
        return a < b;
    }
};
struct LessEqual {
    template <class T>
    static uint8_t f(T a, T b) {
        return a <= b;
    }
};
struct IsNan {
    template <class T>
    static uint8_t f(T a) {
        return a != a;
    }
};
struct ToBool {
    template <class T>
    static uint8_t f(T a) {
        return a != 0;
    }
};

// A float outside the range of an integer type becomes the nearest number of that type, NaN becomes 0.
template <class S, class D>
D convert(S x) {
    if constexpr (std::is_floating_point_v<S> && std::is_integral_v<D>) {
        constexpr S low = static_cast<S>(std::numeric_limits<D>::min());
        constexpr S high = static_cast<S>(std::numeric_limits<D>::max());  // may be one too large: then x < high fits
        const D inside = x > low && x < high ? static_cast<D>(x) : D(0);
        return x >= high ? std::numeric_limits<D>::max() : x <= low ? std::numeric_limits<D>::min() : inside;
    } else {
        return static_cast<D>(x);
    }
}

template <class S, class D>
void cast(void *out, const void *a, const void *, const void *, int64_t n) {
    D *o = static_cast<D *>(out);
    const S *x = static_cast<const S *>(a);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = convert<S, D>(x[i]);
}

template <class S>
TileFunction cast_from(int32_t result) {
    switch (result) {
        case EW_FLOAT32: return cast<S, float>;
        case EW_FLOAT64: return cast<S, double>;
        case EW_INT8: return cast<S, int8_t>;
        case EW_UINT8: return cast<S, uint8_t>;
        case EW_INT16: return cast<S, int16_t>;
        case EW_UINT16: return cast<S, uint16_t>;
        case EW_INT32: return cast<S, int32_t>;
        case EW_UINT32: return cast<S, uint32_t>;
        case EW_INT64: return cast<S, int64_t>;
        case EW_UINT64: return cast<S, uint64_t>;
        case EW_BOOL: return unary<ToBool, S, uint8_t>;
        default: return nullptr;
    }
}

template <class T>
TileFunction compare(int32_t opcode) {
    if (opcode == op_equal) return binary<Equal, T, uint8_t>;
    if (opcode == op_less) return binary<Less, T, uint8_t>;
    if (opcode == op_less_equal) return binary<LessEqual, T, uint8_t>;
    if constexpr (std::is_floating_point_v<T>)
        if (opcode == op_is_nan) return unary<IsNan, T, uint8_t>;
    return nullptr;
}

template <class T>
void where(void *out, const void *condition, const void *a, const void *b, int64_t n) {
    T *o = static_cast<T *>(out);
    const uint8_t *c = static_cast<const uint8_t *>(condition);
    const T *x = static_cast<const T *>(a), *y = static_cast<const T *>(b);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = c[i] ? x[i] : y[i];
}

uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
float float_of(uint32_t x) { return __builtin_bit_cast(float, x); }

// The multiplication moves the exponent's bias and makes subnormal halves normal.
float half_to_float(uint16_t h) {
    const uint32_t magnitude = static_cast<uint32_t>(h & 0x7fff) << 13;
    const uint32_t scaled = bits_of(float_of(magnitude) * 0x1p112f);
    const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
    return float_of(scaled | special | static_cast<uint32_t>(h & 0x8000) << 16);
}

// x is a half already, so nothing is lost.
uint16_t float_to_half(float x) {
    const uint32_t bits = bits_of(x), a = bits & 0x7fffffff;
    const uint32_t normal = (a - (112u << 23)) >> 13;
    const uint32_t subnormal =
        static_cast<uint32_t>(static_cast<int32_t>(std::fabs(x) < 1.0f ? std::fabs(x) * 0x1p24f : 0));
    const uint32_t special = a > 0x7f800000u ? 0x7e00u : 0x7c00u;
    const uint32_t finite = a < 0x38800000u ? subnormal : normal;
    return static_cast<uint16_t>((a >= 0x7f800000u ? special : finite) | (bits >> 16 & 0x8000u));
}

// To nearest, ties to even: by the integer sum for normal halves; below 2^-14, where halves are multiples of 2^-24, by
// adding 0.75, a float whose last place is 2^-24.
float round_to_half(float x) {
    const uint32_t bits = bits_of(x), sign = bits & 0x80000000u, a = bits & 0x7fffffffu;
    const uint32_t rounded = (a + 0xfffu + ((a >> 13) & 1u)) & ~0x1fffu;
    const uint32_t normal = rounded >= 0x47800000u ? 0x7f800000u : rounded;
    const uint32_t small = bits_of((float_of(a) + 0.75f) - 0.75f);
    const uint32_t finite = a < 0x38800000u ? small : normal;
    return float_of((a > 0x7f800000u ? 0x7fc00000u : finite) | sign);
}

float round_to_bfloat(float x) {
    const uint32_t bits = bits_of(x);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    return float_of((bits & 0x7fffffffu) > 0x7f800000u ? (bits & 0x80000000u) | 0x7fc00000u : rounded);
}

uint16_t narrow_to_half(float x) { return float_to_half(round_to_half(x)); }
uint16_t narrow_to_bfloat(float x) { return static_cast<uint16_t>(bits_of(round_to_bfloat(x)) >> 16); }
float bfloat_to_float(uint16_t x) { return float_of(static_cast<uint32_t>(x) << 16); }

template <class T>
void fill(void *out, const void *element, int64_t n) {
    T value{};
    std::memcpy(&value, element, sizeof value);
    T *o = static_cast<T *>(out);
    for (int64_t i = 0; i < n; ++i) o[i] = value;
}

template <class S, class D, D (*f)(S)>
void map(void *out, const void *in, int64_t n) {
    D *o = static_cast<D *>(out);
    const S *x = static_cast<const S *>(in);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = f(x[i]);
}

}  // namespace

int32_t machine_type(int32_t dtype) {
    if (dtype == EW_FLOAT16 || dtype == EW_BFLOAT16) return EW_FLOAT32;
    return element_size(dtype) != 0 ? dtype : 0;
}

int64_t element_size(int32_t dtype) {
    switch (dtype) {
        case EW_BOOL:
        case EW_INT8:
        case EW_UINT8: return 1;
        case EW_INT16:
        case EW_UINT16:
        case EW_FLOAT16:
        case EW_BFLOAT16: return 2;
        case EW_FLOAT32:
        case EW_INT32:
        case EW_UINT32: return 4;
        case EW_FLOAT64:
        case EW_INT64:
        case EW_UINT64: return 8;
        default: return 0;
    }
}

void load_elements(void *out, const void *data, int32_t dtype, int64_t n) {
    if (dtype == EW_FLOAT16) return map<uint16_t, float, half_to_float>(out, data, n);
    if (dtype == EW_BFLOAT16) return map<uint16_t, float, bfloat_to_float>(out, data, n);
    std::memcpy(out, data, static_cast<size_t>(n * element_size(dtype)));
}

void store_elements(void *data, const void *elements, int32_t dtype, int64_t n) {
    if (data == elements) return;
    if (dtype == EW_FLOAT16) return map<float, uint16_t, narrow_to_half>(data, elements, n);
    if (dtype == EW_BFLOAT16) return map<float, uint16_t, narrow_to_bfloat>(data, elements, n);
    std::memcpy(data, elements, static_cast<size_t>(n * element_size(dtype)));
}

void fill_elements(void *out, const void *element, int32_t dtype, int64_t n) {
    if (machine_type(dtype) != dtype) {
        float value = 0;
        load_elements(&value, element, dtype, 1);
        return fill<float>(out, &value, n);
    }
    switch (element_size(dtype)) {
        case 1: return fill<uint8_t>(out, element, n);
        case 2: return fill<uint16_t>(out, element, n);
        case 4: return fill<uint32_t>(out, element, n);
        default: return fill<uint64_t>(out, element, n);
    }
}

void round_elements(void *elements, int32_t dtype, int64_t n) {
    if (dtype == EW_FLOAT16) map<float, float, round_to_half>(elements, elements, n);
    if (dtype == EW_BFLOAT16) map<float, float, round_to_bfloat>(elements, elements, n);
}

TileFunction cast_function(int32_t operand, int32_t result) {
    switch (operand) {
        case EW_FLOAT32: return cast_from<float>(result);
        case EW_FLOAT64: return cast_from<double>(result);
        case EW_INT8: return cast_from<int8_t>(result);
        case EW_UINT8:
        case EW_BOOL: return cast_from<uint8_t>(result);
        case EW_INT16: return cast_from<int16_t>(result);
        case EW_UINT16: return cast_from<uint16_t>(result);
        case EW_INT32: return cast_from<int32_t>(result);
        case EW_UINT32: return cast_from<uint32_t>(result);
        case EW_INT64: return cast_from<int64_t>(result);
        case EW_UINT64: return cast_from<uint64_t>(result);
        default: return nullptr;
    }
}

TileFunction compare_function(int32_t opcode, int32_t operand) {
    switch (operand) {
        case EW_FLOAT32: return compare<float>(opcode);
        case EW_FLOAT64: return compare<double>(opcode);
        case EW_INT8: return compare<int8_t>(opcode);
        case EW_UINT8:
        case EW_BOOL: return compare<uint8_t>(opcode);
        case EW_INT16: return compare<int16_t>(opcode);
        case EW_UINT16: return compare<uint16_t>(opcode);
        case EW_INT32: return compare<int32_t>(opcode);
        case EW_UINT32: return compare<uint32_t>(opcode);
        case EW_INT64: return compare<int64_t>(opcode);
        case EW_UINT64: return compare<uint64_t>(opcode);
        default: return nullptr;
    }
}

TileFunction where_function(int32_t dtype) {
    switch (element_size(dtype)) {
        case 1: return where<uint8_t>;
        case 2: return where<uint16_t>;
        case 4: return where<uint32_t>;
        case 8: return where<uint64_t>;
        default: return nullptr;
    }
}

}  // namespace ew::EW_ISA
