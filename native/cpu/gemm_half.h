// 16-bit floats as bits, widened to and rounded from f32.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

EW_INLINE float widen(uint16_t bits, bool brain) {
    if (brain) return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
    return static_cast<float>(__builtin_bit_cast(_Float16, bits));
}

EW_INLINE uint16_t narrow(float value, bool brain) {
    if (!brain) return __builtin_bit_cast(uint16_t, static_cast<_Float16>(value));
    const uint32_t bits = __builtin_bit_cast(uint32_t, value);
    if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40);
    return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);  // to nearest, ties to even
}

EW_INLINE void widen_all(const ew_tensor &t, float *out) {
    const auto *x = static_cast<const uint16_t *>(t.data);
    for (int64_t i = 0, n = count(t); i < n; ++i) out[i] = widen(x[i], t.dtype == EW_BFLOAT16);
}

EW_INLINE void narrow_all(const float *x, const ew_tensor &t) {
    auto *out = static_cast<uint16_t *>(t.data);
    for (int64_t i = 0, n = count(t); i < n; ++i) out[i] = narrow(x[i], t.dtype == EW_BFLOAT16);
}

}  // namespace ew::EW_ISA
