/* The most that one core does: multiply-adds without memory, and bytes read from memory without arithmetic. */

#include <stddef.h>
#include <stdint.h>
#if defined(__AVX512BF16__) || defined(__AVX512VNNI__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif

typedef float floats __attribute__((vector_size(BYTES)));
typedef int64_t words __attribute__((vector_size(BYTES)));

/* Twelve sums that do not wait for each other fill two units of four cycles, and AVX2's registers. */
#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

/* Each makes so many turns and returns the operations of one: two for each product and its sum; 0 where the CPU lacks it. */

int64_t limit_f32(int64_t turns, float *sink) {
    floats factor = {0}, addend = {0};
    factor += sink[0], addend += sink[1];
#define MAKE(n) floats sum##n = addend + n;
#define STEP(n) sum##n = sum##n * factor + addend;
#define KEEP(n) total += sum##n;
    TWELVE(MAKE)
    for (int64_t i = 0; i < turns; ++i) { TWELVE(STEP) }
    floats total = {0};
    TWELVE(KEEP)
    sink[2] = total[0];
    return 12 * 2 * (BYTES / 4);
}

#undef MAKE
#undef STEP

int64_t limit_bf16(int64_t turns, float *sink) {
#ifdef __AVX512BF16__
    __m512bh factor = (__m512bh)_mm512_set1_ps(sink[0]);
#define MAKE(n) __m512 sum##n = _mm512_set1_ps(n);
#define STEP(n) sum##n = _mm512_dpbf16_ps(sum##n, factor, factor);
    TWELVE(MAKE)
    for (int64_t i = 0; i < turns; ++i) { TWELVE(STEP) }
    __m512 total = _mm512_setzero_ps();
    TWELVE(KEEP)
    sink[2] = _mm512_cvtss_f32(total);
    return 12 * 2 * 32;
#undef MAKE
#undef STEP
#else
    (void)turns, (void)sink;
    return 0;
#endif
}

int64_t limit_int8(int64_t turns, float *sink) {
#ifdef __AVX512VNNI__
    __m512i factor = _mm512_set1_epi32((int)sink[0]);
#define MAKE(n) __m512i sum##n = _mm512_set1_epi32(n);
#define STEP(n) sum##n = _mm512_dpbusd_epi32(sum##n, factor, factor);
    TWELVE(MAKE)
    for (int64_t i = 0; i < turns; ++i) { TWELVE(STEP) }
    __m512i total = _mm512_setzero_si512();
    TWELVE(KEEP)
    sink[2] = (float)_mm_cvtsi128_si32(_mm512_castsi512_si128(total));
    return 12 * 2 * 64;
#else
    (void)turns, (void)sink;
    return 0;
#endif
}

int64_t limit_read(const char *data, int64_t bytes) {
    words a = {0}, b = {0}, c = {0}, d = {0};
    for (const char *end = data + bytes; data < end; data += 4 * BYTES) {
        const words *at = (const words *)data;
        a += at[0], b += at[1], c += at[2], d += at[3];
    }
    a += b + c + d;
    return a[0];
}
