// The loops that the functions of pointwise programs are made of, and how the function tables are split over sources.
#pragma once

#include "cpu/pointwise.h"

namespace ew::EW_ISA {

template <class T>
TileFunction integer_function(int32_t opcode);
TileFunction bool_function(int32_t opcode);
TileFunction float32_function(int32_t opcode);
TileFunction float64_function(int32_t opcode);
TileFunction compare_function(int32_t opcode, int32_t operand);
TileFunction cast_function(int32_t operand, int32_t result);
TileFunction where_function(int32_t dtype);

namespace {

// out may be an operand: then each element is read before it is written, and no element depends on another.
template <class F, class T, class R>
[[maybe_unused]] void unary(void *out, const void *a, const void *, const void *, int64_t n) {
    R *o = static_cast<R *>(out);
    const T *x = static_cast<const T *>(a);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = F::template f<T>(x[i]);
}

template <class F, class T, class R>
[[maybe_unused]] void binary(void *out, const void *a, const void *b, const void *, int64_t n) {
    R *o = static_cast<R *>(out);
    const T *x = static_cast<const T *>(a), *y = static_cast<const T *>(b);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) o[i] = F::template f<T>(x[i], y[i]);
}

// A NaN on either side is the result.
struct Min {
    template <class T>
    static T f(T a, T b) {
        return a < b || a != a ? a : b;
    }
};
struct Max {
    template <class T>
    static T f(T a, T b) {
        return a > b || a != a ? a : b;
    }
};

}  // namespace
}  // namespace ew::EW_ISA
