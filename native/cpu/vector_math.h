// exp, log, tanh, erf, sin and their relatives on vectors of float32, branch-free.
//
// Polynomials are weighted minimax fits made for this file. Largest errors over all normal inputs are stated in units
// in the last place (ulp) and held by tests/sdk/tactics/test_pointwise_accuracy.py. Infinities, NaN and denormal
// results are as in libm.
#pragma once

#include <cmath>

#include "cpu/gemm_vec.h"

namespace ew::EW_ISA {

typedef double vd __attribute__((vector_size(VL * 4)));  // half as many lanes
typedef int64_t vl __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));  // for differences that may wrap
typedef uint64_t vul __attribute__((vector_size(VL * 4)));

EW_INLINE vf select(vi mask, vf a, vf b) { return mask ? a : b; }
EW_INLINE vf bits_to_float(vi v) { return (vf)v; }
EW_INLINE vi float_to_bits(vf v) { return (vi)v; }
EW_INLINE vf vabs(vf x) { return (vf)((vi)x & splat(0x7fffffff)); }
EW_INLINE vf sign_of(vf x) { return (vf)((vi)x & splat(static_cast<int32_t>(0x80000000))); }
EW_INLINE vf with_sign(vf magnitude, vf sign) { return (vf)((vi)magnitude | (vi)sign); }

// To the nearest integer, half to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no bit for a fraction.
EW_INLINE vf round_small(vf x) {
    const vf magic = splat(12582912.0f);
    return (x + magic) - magic;
}

// p * 2^n for a whole -252 <= n <= 254, rounded once.
EW_INLINE vf scale_by_power(vf p, vf n) {
#if EW_ISA_AVX512
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    // In two steps, so that neither factor overflows.
    const vi whole = __builtin_convertvector(n, vi), half = whole >> 1;
    const vf a = (vf)((half + 127) << 23), b = (vf)((whole - half + 127) << 23);
    return p * a * b;
#endif
}

// e^x, 1 ulp. x = n ln 2 + r, e^r by a polynomial.
EW_INLINE vf vexp(vf x) {
    x = vmin(splat(89.0f), vmax(splat(-104.0f), x));
    const vf n = round_small(x * 1.44269504f);
    vf r = fma(n, splat(-0.693145752f), x);
    r = fma(n, splat(-1.42860677e-6f), r);
    vf p = splat(0.00139517173f);
    p = fma(p, r, splat(0.00836959841f));
    p = fma(p, r, splat(0.0416661873f));
    p = fma(p, r, splat(0.166665129f));
    p = fma(p, r, splat(0.50000001f));
    p = fma(p * r, r, r) + 1.0f;
    return scale_by_power(p, n);
}

// Natural logarithm, 2 ulp. x = 2^e m with m in [sqrt(1/2), sqrt(2)).
EW_INLINE vf vlog(vf x) {
    const vi tiny = x < 1.17549435e-38f;
    const vf scaled = select(tiny, x * 8388608.0f, x);
    const vi bits = (vi)((vu)scaled - 0x3f3504f3u);  // sqrt(1/2)
    const vi exponent = (bits >> 23) - (tiny & 23);
    const vf m = (vf)((bits & 0x007fffff) + 0x3f3504f3);
    const vf f = m - 1.0f, e = __builtin_convertvector(exponent, vf), square = f * f;
    vf p = splat(0.0691536807f);
    p = fma(p, f, splat(-0.117898077f));
    p = fma(p, f, splat(0.118729763f));
    p = fma(p, f, splat(-0.123843485f));
    p = fma(p, f, splat(0.142186581f));
    p = fma(p, f, splat(-0.166692508f));
    p = fma(p, f, splat(0.200022266f));
    p = fma(p, f, splat(-0.249999866f));
    p = fma(p, f, splat(0.333333104f));
    vf tail = fma(e, splat(1.42860677e-6f), p * f * square);
    tail = fma(square, splat(-0.5f), tail);
    vf y = fma(e, splat(0.693145752f), f + tail);
    y = select(x == splat(INFINITY), x, y);
    y = select(x == splat(0.0f), splat(-INFINITY), y);
    return select((x < splat(0.0f)) | (x != x), splat(NAN), y);
}

// log(1 + x) for 0 <= x <= 1: the rounding of 1 + x is made good by a quotient (Kahan).
EW_INLINE vf vlog1p_unit(vf x) {
    const vf u = x + 1.0f;
    return select(u == splat(1.0f), x, vlog(u) * x / (u - 1.0f));
}

// 2 ulp. Odd polynomial below 0.625, else 1 - 2 / (e^2x + 1).
EW_INLINE vf vtanh(vf x) {
    const vf a = vabs(x), z = a * a;
    vf p = splat(-0.00560390547f);
    p = fma(p, z, splat(0.0205517107f));
    p = fma(p, z, splat(-0.0537141042f));
    p = fma(p, z, splat(0.133311528f));
    p = fma(p, z, splat(-0.333332721f));
    const vf small = fma(p * z, a, a);
    const vf large = 1.0f - 2.0f / (vexp(a + a) + 1.0f);
    return with_sign(select(a < splat(0.625f), small, large), sign_of(x));
}

// 2 ulp.
EW_INLINE vf vsigmoid(vf x) {
    const vf e = vexp(with_sign(vabs(x), splat(-0.0f)));
    return select(x < splat(0.0f), e, splat(1.0f)) / (1.0f + e);
}

// erf(a) for 0 <= a < 1, by an odd polynomial.
EW_INLINE vf verf_small(vf a) {
    const vf z = a * a;
    vf p = splat(7.88911954e-05f);
    p = fma(p, z, splat(-0.000802084128f));
    p = fma(p, z, splat(0.00518953534f));
    p = fma(p, z, splat(-0.0268544446f));
    p = fma(p, z, splat(0.112836002f));
    p = fma(p, z, splat(-0.376126271f));
    p = fma(p, z, splat(1.12837917f));
    return p * a;
}

// 1 - erf(a) for a >= 1, as the exponential of a polynomial; from 4 on (1.5e-8) continued with e^-a^2.
EW_INLINE vf verfc_large(vf a) {
    const vf t = vmin(splat(4.0f), a);
    vf q = splat(-2.1496113e-05f);
    q = fma(q, t, splat(0.000439106366f));
    q = fma(q, t, splat(-0.00419361106f));
    q = fma(q, t, splat(0.0251789677f));
    q = fma(q, t, splat(-0.108372478f));
    q = fma(q, t, splat(-0.633262612f));
    q = fma(q, t, splat(-1.12955683f));
    return vexp(fma(q, t, splat(0.000183444137f)) - vmax(splat(0.0f), fma(a, a, splat(-16.0f))));
}

// 3 ulp.
EW_INLINE vf verf(vf x) {
    const vf a = vabs(x);
    return with_sign(select(a < splat(1.0f), verf_small(a), 1.0f - verfc_large(a)), sign_of(x));
}

// x (1 + erf(x / sqrt 2)) / 2, absolute error 2.5e-7 |x|. With a = |x| / sqrt 2: erfc(a) = e^-a^2 u Q(u),
// u = 1 / (1 + 0.3275911 a) (the form of Hastings; Q of higher degree), so that nothing cancels for x < 0.
EW_INLINE vf vgelu(vf x) {
    const vf a = vabs(x) * 0.707106781f;
    const vf u = 1.0f / fma(a, splat(0.3275911f), splat(1.0f));
    vf q = splat(-0.139405802f);
    q = fma(q, u, splat(0.48740724f));
    q = fma(q, u, splat(-0.385514055f));
    q = fma(q, u, splat(0.429545308f));
    q = fma(q, u, splat(0.0411417681f));
    q = fma(q, u, splat(0.199962686f));
    q = fma(q, u, splat(0.18190371f));
    q = fma(q, u, splat(0.184959116f));
    const vf tail = 0.5f * q * u * vexp(-a * a);
    return x * select(x < splat(0.0f), tail, 1.0f - tail);
}

// 0.5 (1 + tanh u) is sigmoid(2 u), which does not cancel.
EW_INLINE vf vgelu_tanh(vf x) {
    const vf u = x * fma(x * x, splat(0.0713548163f), splat(1.59576912f));
    return x * vsigmoid(u);
}

// log(1 + e^x), 3 ulp.
EW_INLINE vf vsoftplus(vf x) { return vmax(splat(0.0f), x) + vlog1p_unit(vexp(with_sign(vabs(x), splat(-0.0f)))); }

// x - k pi/2 for |x| < 2^15, k in *quadrant; pi/2 in three parts, products exact by fma (Cody and Waite).
EW_INLINE vf reduce_quadrant(vf x, vi *quadrant) {
    const vf k = round_small(x * 0.636619772f);
    *quadrant = __builtin_convertvector(k, vi);
    vf r = fma(k, splat(-1.5703125f), x);
    r = fma(k, splat(-4.83751297e-4f), r);
    return fma(k, splat(-7.54978942e-8f), r);
}

// sin of x + quarter * pi/2, 2 ulp of the larger of |result| and 1e-3; lanes with |x| >= 2^13 are for the caller.
EW_INLINE vf vsin_shifted(vf x, int32_t quarter) {
    vi quadrant;
    const vf r = reduce_quadrant(x, &quadrant), z = r * r;
    quadrant += quarter;
    vf s = splat(2.71756441e-6f);
    s = fma(s, z, splat(-0.000198392566f));
    s = fma(s, z, splat(0.00833332914f));
    s = fma(s, z, splat(-0.166666666f));
    s = fma(s * z, r, r);
    vf c = splat(-2.72033022e-07f);
    c = fma(c, z, splat(2.47994364e-05f));
    c = fma(c, z, splat(-0.00138888834f));
    c = fma(c, z, splat(0.0416666666f));
    c = fma(c * z, z, 1.0f - 0.5f * z);
    const vf y = select((quadrant & 1) != 0, c, s);
    return (vf)((vi)y ^ ((quadrant & 2) << 30));
}

// Double precision for pow: e^(y log x) of positive normal x with 1e-14 relative error before the rounding to float.
// Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits: conversions that AVX2 has no instruction for.
constexpr double MAGIC = 6755399441055744.0;
constexpr int64_t MAGIC_BITS = 0x4338000000000000LL;

EW_INLINE vd log_double(vd x) {
    const vl bits = (vl)((vul)x - 0x3fe6a09e667f3bcdULL);
    const vl exponent = bits >> 52;
    const vd m = (vd)((bits & 0x000fffffffffffffLL) + 0x3fe6a09e667f3bcdLL);
    const vd s = (m - 1.0) / (m + 1.0), z = s * s;
    vd p = z * 0.168258005 + 0.181231893;
    p = p * z + 0.222233839;
    p = p * z + 0.28571417;
    p = p * z + 0.400000001;
    p = p * z + 0.66666666666666667;
    return ((vd)(exponent + MAGIC_BITS) - MAGIC) * 0.69314718055994531 + (p * z * s + 2.0 * s);
}

EW_INLINE vd exp_double(vd x) {
    const vd shifted = x * 1.4426950408889634 + MAGIC, n = shifted - MAGIC;
    const vd r = x - n * 0.69314718055994531;
    vd p = r * 2.762452997e-07 + 2.763711969e-06;
    p = p * r + 2.4801502091e-05;
    p = p * r + 0.00019841180387;
    p = p * r + 0.00138888889438;
    p = p * r + 0.00833333337426;
    p = p * r + 0.04166666666648;
    p = p * r + 0.16666666666605;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    return p * (vd)(((vl)shifted - MAGIC_BITS + 1023) << 52);
}

}  // namespace ew::EW_ISA
