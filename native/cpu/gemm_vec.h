// The vector type of the instruction set a source is compiled for, with whole and partial loads and stores.
//
// VL floats: 16 (AVX-512), 8 (AVX2) or 4 (portable: GCC vector extensions only, so SSE, NEON, anything).
#pragma once

#include <cstdint>
#include <cstring>

#if EW_ISA_AVX512 || EW_ISA_AVX2
#include <immintrin.h>
#endif

namespace ew::EW_ISA {

#if EW_ISA_AVX512
constexpr int VL = 16;
#elif EW_ISA_AVX2
constexpr int VL = 8;
#else
constexpr int VL = 4;
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float vfu __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t viu __attribute__((vector_size(VL * 4), aligned(4), may_alias));

#define EW_ALWAYS_INLINE inline __attribute__((always_inline, unused))
#define EW_INLINE static EW_ALWAYS_INLINE

EW_INLINE vf load(const float *p) { return *reinterpret_cast<const vfu *>(p); }
EW_INLINE void store(float *p, vf v) { *reinterpret_cast<vfu *>(p) = v; }
EW_INLINE vi load(const int32_t *p) { return *reinterpret_cast<const viu *>(p); }
EW_INLINE void store(int32_t *p, vi v) { *reinterpret_cast<viu *>(p) = v; }

#if EW_ISA_AVX512
EW_INLINE vf splat(float x) { return (vf)_mm512_set1_ps(x); }
EW_INLINE vi splat(int32_t x) { return (vi)_mm512_set1_epi32(x); }
EW_INLINE vf vmin(vf a, vf b) { return (vf)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b); }
EW_INLINE vf vmax(vf a, vf b) { return (vf)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b); }
EW_INLINE vf fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
EW_INLINE vf load_n(const float *p, int64_t n) {
    return (vf)_mm512_maskz_loadu_ps(static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))), p);
}
EW_INLINE void store_n(float *p, vf v, int64_t n) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))), (__m512)v);
}
EW_INLINE vi load_n(const int32_t *p, int64_t n) {
    return (vi)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))), p);
}
EW_INLINE void store_n(int32_t *p, vi v, int64_t n) {
    _mm512_mask_storeu_epi32(p, static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n))), (__m512i)v);
}
#else
#if EW_ISA_AVX2
EW_INLINE vf splat(float x) { return (vf)_mm256_set1_ps(x); }
EW_INLINE vi splat(int32_t x) { return (vi)_mm256_set1_epi32(x); }
EW_INLINE vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
EW_INLINE vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
EW_INLINE vf fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#else
EW_INLINE vf splat(float x) { return vf{x, x, x, x}; }
EW_INLINE vi splat(int32_t x) { return vi{x, x, x, x}; }
EW_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
EW_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }
EW_INLINE vf fma(vf a, vf b, vf c) { return a * b + c; }
#endif
EW_INLINE vf load_n(const float *p, int64_t n) {
    float t[VL] = {};
    for (int64_t i = 0; i < n; ++i) t[i] = p[i];
    return load(t);
}
EW_INLINE void store_n(float *p, vf v, int64_t n) {
    float t[VL];
    store(t, v);
    for (int64_t i = 0; i < n; ++i) p[i] = t[i];
}
EW_INLINE vi load_n(const int32_t *p, int64_t n) {
    int32_t t[VL] = {};
    for (int64_t i = 0; i < n; ++i) t[i] = p[i];
    return load(t);
}
EW_INLINE void store_n(int32_t *p, vi v, int64_t n) {
    int32_t t[VL];
    store(t, v);
    for (int64_t i = 0; i < n; ++i) p[i] = t[i];
}
#endif

// Clamps; a NaN in v stays NaN (min and max return their second operand for an unordered pair).
EW_INLINE vf clamp(vf v, vf lo, vf hi) { return vmin(hi, vmax(lo, v)); }

EW_INLINE float reduce_add(vf v) {
    float t[VL], s = 0;
    store(t, v);
    for (int w = VL / 2; w > 0; w /= 2)
        for (int i = 0; i < w; ++i) t[i] += t[i + w];
    s = t[0];
    return s;
}

EW_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
EW_INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
EW_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
EW_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace ew::EW_ISA
