// Rows of floats to 8-bit integers, a vector at a time.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// To the nearest integer, half to even; an instruction, so that no product before it is contracted into a sum.
EW_INLINE vf round_even(vf x) {
#if EW_ISA_AVX512
    return (vf)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif EW_ISA_AVX2
    return (vf)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
    vf out;
    for (int i = 0; i < VL; ++i) out[i] = __builtin_rintf(x[i]);
    return out;
#endif
}

// `n` whole numbers between -128 and 255 as bytes.
EW_INLINE void store_bytes(void *out, vf v, int64_t n) {
    const vi whole = __builtin_convertvector(v, vi);
#if EW_ISA_AVX512
    const __m128i bytes = _mm512_cvtepi32_epi8((__m512i)whole);
    _mm_mask_storeu_epi8(out, static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))), bytes);
#else
    auto *to = static_cast<uint8_t *>(out);
    uint8_t bytes[VL];
    for (int i = 0; i < VL; ++i) bytes[i] = static_cast<uint8_t>(whole[i]);
    std::memcpy(to, bytes, static_cast<size_t>(n));
#endif
}

// y = saturate(rint(f(x)) + zero) between lo and hi, which are those of uint8 or int8; NaN becomes lo.
template <typename Function>
EW_INLINE void quantize_vectors(const float *x, int64_t n, float zero, float lo, float hi, void *y, Function &&f) {
    auto *out = static_cast<uint8_t *>(y);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t width = least(VL, n - i);
        const vf v = round_even(f(width == VL ? load(x + i) : load_n(x + i, width))) + splat(zero);
        store_bytes(out + i, vmin(vmax(v, splat(lo)), splat(hi)), width);
    }
}

}  // namespace ew::EW_ISA
