// Lines of numbers joined to one, and rows joined column by column: what reductions and ArgMax are made of.
#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {
namespace {

enum Mode : int64_t { mode_sum, mode_abs, mode_square, mode_max, mode_min, mode_prod, mode_exp, MODES };
constexpr int64_t PIECE = 512;  // elements converted at once

template <class A>
constexpr int32_t dtype_of() {
    if (std::is_same_v<A, float>) return EW_FLOAT32;
    if (std::is_same_v<A, double>) return EW_FLOAT64;
    return std::is_same_v<A, int64_t> ? EW_INT64 : EW_UINT64;
}

// Elements in the type that is computed with: where they lie if they have it already, else converted to `buffer`.
template <class A>
const A *fetch(const char *data, int32_t dtype, int64_t n, A *buffer) {
    if (dtype == dtype_of<A>()) return reinterpret_cast<const A *>(data);
    if (is_half(dtype))
        load_elements(buffer, data, dtype, n);
    else
        find_function(op_cast, dtype, dtype_of<A>())(buffer, data, nullptr, nullptr, n);
    return buffer;
}

// The other way round; the buffer is changed.
template <class A>
void put(char *data, int32_t dtype, A *buffer, int64_t n) {
    if (is_half(dtype)) round_elements(buffer, dtype, n);
    if (is_half(dtype) || dtype == dtype_of<A>()) return store_elements(data, buffer, dtype, n);
    find_function(op_cast, dtype_of<A>(), dtype)(data, buffer, nullptr, nullptr, n);
}

template <class A, Mode mode>
A prepare(A x, A shift) {
    if constexpr (mode == mode_abs) return x < 0 ? static_cast<A>(-x) : x;
    if constexpr (mode == mode_square) return x * x;
    if constexpr (mode == mode_exp) return static_cast<A>(std::exp(x - shift));
    return x;
}

template <class A, Mode mode>
A join(A a, A b) {
    if constexpr (mode == mode_max) return a > b || a != a ? a : b;
    if constexpr (mode == mode_min) return a < b || a != a ? a : b;
    if constexpr (mode == mode_prod) return a * b;
    return a + b;
}

template <class A, Mode mode>
A neutral() {
    using Limits = std::numeric_limits<A>;
    if constexpr (mode == mode_max) return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    if constexpr (mode == mode_min) return Limits::has_infinity ? Limits::infinity() : Limits::max();
    return mode == mode_prod ? A(1) : A(0);
}

// Joins n elements to `start`, in lanes, so that the compiler makes vectors of them.
template <class A, Mode mode>
A join_line(const A *x, int64_t n, A start, A shift) {
    constexpr int LANES = 128 / sizeof(A);
    A lane[LANES];
    int64_t i = 0;
    if (n >= LANES) {
        for (int k = 0; k < LANES; ++k) lane[k] = neutral<A, mode>();
        for (; i + LANES <= n; i += LANES)
            for (int k = 0; k < LANES; ++k) lane[k] = join<A, mode>(lane[k], prepare<A, mode>(x[i + k], shift));
        for (int w = LANES / 2; w > 0; w /= 2)
            for (int k = 0; k < w; ++k) lane[k] = join<A, mode>(lane[k], lane[k + w]);
        start = join<A, mode>(start, lane[0]);
    }
    for (; i < n; ++i) start = join<A, mode>(start, prepare<A, mode>(x[i], shift));
    return start;
}

template <class A, Mode mode>
void join_row(A *total, const A *x, int64_t n, const A *shift) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i)
        total[i] = join<A, mode>(total[i], prepare<A, mode>(x[i], mode == mode_exp ? shift[i] : A(0)));
}

}  // namespace
}  // namespace ew::EW_ISA
