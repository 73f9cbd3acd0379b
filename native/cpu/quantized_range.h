// The range of floats, and the scale and zero point that it gives.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// The least and the largest of a vector.
EW_INLINE float least_of(vf v) {
#if EW_ISA_AVX512
    return _mm512_reduce_min_ps((__m512)v);
#else
    float found = v[0];
    for (int k = 1; k < VL; ++k) found = v[k] < found ? v[k] : found;
    return found;
#endif
}

EW_INLINE float largest_of(vf v) {
#if EW_ISA_AVX512
    return _mm512_reduce_max_ps((__m512)v);
#else
    float found = v[0];
    for (int k = 1; k < VL; ++k) found = v[k] > found ? v[k] : found;
    return found;
#endif
}

// The least and the largest number so far; NaN is passed over.
struct Extremes {
    float low, high;
    void add(const Extremes &other) {
        low = other.low < low ? other.low : low;
        high = other.high > high ? other.high : high;
    }
    void add(const float *x, int64_t n) {
        vf lo = splat(low), hi = splat(high);
        int64_t i = 0;
        for (; i + VL <= n; i += VL) {
            lo = vmin(load(x + i), lo);
            hi = vmax(load(x + i), hi);
        }
        low = least_of(lo), high = largest_of(hi);
        for (; i < n; ++i) add({x[i], x[i]});
    }
};

// Those of uint8 for numbers within a range that holds 0.
inline void scale_of_range(const Extremes &range, float *scale, float *zero) {
    *scale = range.low == range.high ? 1.0F : (range.high - range.low) / 255.0F;
    const float z = __builtin_rintf(-range.low / *scale);
    *zero = z < 0 ? 0 : z > 255 ? 255 : z;
}

}  // namespace ew::EW_ISA
