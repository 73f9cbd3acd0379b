// Vectors of bfloat16 in memory, words of two, and what kernels with outputs of bfloat16 do with their sums.
#pragma once

#include "cpu/gemm_half.h"

namespace ew::EW_ISA {

// ---- vectors of bfloat16: a vector of floats in half the memory ----

#if EW_ISA_AVX512
EW_INLINE vf widen_words(__m256i words) { return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(words), 16); }
EW_INLINE vf load_bf16(const uint16_t *p) { return widen_words(_mm256_loadu_si256((const __m256i_u *)p)); }
EW_INLINE vf load_bf16_n(const uint16_t *p, int64_t n) {
    return widen_words(
        _mm256_maskz_loadu_epi16(static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))), p));
}
// To nearest, ties to even; as the instruction of products does, it takes denormals for zeros.
EW_INLINE void store_bf16(uint16_t *p, vf v) {
    _mm256_storeu_si256((__m256i_u *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
// Two vectors, one behind the other.
EW_INLINE void store_two_bf16(uint16_t *p, vf v, vf next) {
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh((__m512)next, (__m512)v));
}
EW_INLINE void store_bf16_n(uint16_t *p, vf v, int64_t n) {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))),
                             (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
#else
EW_INLINE vf load_bf16(const uint16_t *p) {
    typedef uint16_t words __attribute__((vector_size(VL * 2), aligned(2), may_alias));
    return (vf)(__builtin_convertvector(*reinterpret_cast<const words *>(p), vi) << 16);
}
EW_INLINE vf load_bf16_n(const uint16_t *p, int64_t n) {
    uint16_t words[VL] = {};
    for (int64_t i = 0; i < n; ++i) words[i] = p[i];
    return load_bf16(words);
}
EW_INLINE void store_bf16_n(uint16_t *p, vf v, int64_t n) {
    for (int64_t i = 0; i < n; ++i) p[i] = narrow(v[i], true);
}
EW_INLINE void store_bf16(uint16_t *p, vf v) { store_bf16_n(p, v, VL); }
EW_INLINE void store_two_bf16(uint16_t *p, vf v, vf next) {
    store_bf16(p, v);
    store_bf16(p + VL, next);
}
#endif

// A finish whose residual may be bfloat16 (`ld_residual` is the distance of its rows, too), and whose results may be: then
// they go there instead of C.
struct NarrowFinish : Finish {
    const uint16_t *narrow_residual = nullptr;
    uint16_t *narrow = nullptr;
    int64_t ld_narrow = 0;
    NarrowFinish() = default;
    NarrowFinish(const Finish &finish) : Finish(finish) {}
};

// The same for the part of C from (row, col) on.
EW_INLINE NarrowFinish shifted(const NarrowFinish &f, int64_t row, int64_t col) {
    NarrowFinish out = f;
    if (f.bias_col) out.bias_col += col;
    if (f.bias_row) out.bias_row += row;
    if (f.residual) out.residual += row * f.ld_residual + col;
    if (f.narrow_residual) out.narrow_residual += row * f.ld_residual + col;
    if (f.narrow) out.narrow += row * f.ld_narrow + col;
    return out;
}

// ---- words of two bfloat16: one number of each of two vectors ----

EW_INLINE vi round_bf16(vf x) {  // the upper halves; the lower ones are garbage
    const vi bits = (vi)x, nan = bits | splat(0x400000);
    const vi rounded = bits + splat(0x7fff) + ((bits >> 16) & splat(1));
    return x == x ? rounded : nan;
}

EW_INLINE vi join_bf16(vf even, vf odd) {
#if EW_ISA_AVX512
    // Rounded side by side, then brought together; unlike the integer code it takes denormals for zeros.
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    const vi steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return (vi)_mm512_permutexvar_epi16((__m512i)(steps * 0x10001 + 0x100000), both);
#else
    typedef uint32_t vu __attribute__((vector_size(VL * 4)));
    return (vi)((vu)round_bf16(even) >> 16) | (round_bf16(odd) & splat(int32_t(0xffff0000)));
#endif
}

}  // namespace ew::EW_ISA
