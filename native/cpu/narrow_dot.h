// The instructions under narrow_gemm.h: vdpbf16ps and vpdpbusd where the CPU has them; else bfloat16 as pairs of float32
// products and bytes as pairs of 16-bit products (vpmaddubsw would saturate), or plain loops.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {
namespace {

// `Wide` is a vector of words of B as the instruction set wants it; dot adds the products with words of A.
struct Bf16 {
    using Sums = vf;
#if EW_ISA_AVX512
    struct Wide {
        vi b;
    };
    static EW_ALWAYS_INLINE Wide widen(vi b) { return {b}; }
    static EW_ALWAYS_INLINE vf dot(vf acc, vi a, const Wide &w) {
        return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)w.b);
    }
#else
    struct Wide {
        vf even, odd;
    };
    static EW_ALWAYS_INLINE Wide widen(vi b) { return {(vf)(b << 16), (vf)(b & splat(int32_t(0xffff0000)))}; }
    static EW_ALWAYS_INLINE vf dot(vf acc, vi a, const Wide &w) {
        const Wide x = widen(a);
        return fma(x.odd, w.odd, fma(x.even, w.even, acc));
    }
#endif
};

struct Bytes {
    using Sums = vi;
#if EW_ISA_AVX512
    struct Wide {
        vi b;
    };
    static EW_ALWAYS_INLINE Wide widen(vi b) { return {b}; }
    static EW_ALWAYS_INLINE vi dot(vi acc, vi a, const Wide &w) {
        return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)w.b);
    }
#elif EW_ISA_AVX2
    struct Wide {
        __m256i even, odd;
    };
    static EW_ALWAYS_INLINE Wide widen(vi b) {
        const __m256i x = (__m256i)b;
        return {_mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), _mm256_srai_epi16(x, 8)};
    }
    static EW_ALWAYS_INLINE vi dot(vi acc, vi a, const Wide &w) {
        const __m256i even = _mm256_and_si256((__m256i)a, _mm256_set1_epi16(0xff));
        const __m256i odd = _mm256_srli_epi16((__m256i)a, 8);
        return acc + (vi)_mm256_madd_epi16(even, w.even) + (vi)_mm256_madd_epi16(odd, w.odd);
    }
#else
    struct Wide {
        vi b;
    };
    static EW_ALWAYS_INLINE Wide widen(vi b) { return {b}; }
    static EW_ALWAYS_INLINE vi dot(vi acc, vi a, const Wide &w) {
        for (int i = 0; i < 4; ++i) acc += (a >> 8 * i & 0xff) * (w.b << (24 - 8 * i) >> 24);
        return acc;
    }
#endif
};

}  // namespace
}  // namespace ew::EW_ISA
