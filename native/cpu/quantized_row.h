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
    if (n == VL) return _mm_storeu_si128(static_cast<__m128i *>(out), bytes);
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

struct ByteScale {
    float scale, zero, lo, hi;
};

// Saturated rint(x / scale) + zero, with few divisions: a product with the inverse is near enough but where the quotient
// lies halfway between two numbers. Up to 512, beyond which all saturate, both roundings together are below 1e-4.
EW_INLINE void divide_to_bytes(const float *x, int64_t n, const ByteScale &to, void *y) {
#if EW_ISA_AVX512
    const vf inverse = splat(1.0F / to.scale), divisor = splat(to.scale);
    const auto divided = [&](vf v) {
        const vf near = v * inverse, whole = round_even(near);
        const __m512 off = _mm512_abs_ps((__m512)(near - whole));
        const bool sure = _mm512_cmp_ps_mask(off, _mm512_set1_ps(0.4999F), _CMP_GT_OQ) == 0;
        return __builtin_expect(sure, 1) ? whole : v / divisor;
    };
    if (to.scale > 1e-30F && to.scale < 1e30F) return quantize_vectors(x, n, to.zero, to.lo, to.hi, y, divided);
#endif
    quantize_vectors(x, n, to.zero, to.lo, to.hi, y, [&](vf v) { return v / splat(to.scale); });
}

}  // namespace ew::EW_ISA
