// Sums of a tile of words times packed words, rows lying anywhere: bytes four at a time, or int16 in pairs.
#pragma once

#include <utility>

#include "cpu/gemm_rows.h"
#include "cpu/narrow_dot.h"

namespace ew::EW_ISA {

namespace {

// As Bytes of narrow_dot.h: two products of int16; sums wrap around at 32 bits.
struct Pairs {
    using Wide = vi;
    static EW_ALWAYS_INLINE Wide widen(vi b) { return b; }
    static EW_ALWAYS_INLINE vi dot(vi acc, vi a, vi b) {
#if EW_ISA_AVX512
        return (vi)_mm512_dpwssd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif EW_ISA_AVX2
        return (vi)_mm256_add_epi32((__m256i)acc, _mm256_madd_epi16((__m256i)a, (__m256i)b));
#else
        typedef uint32_t vu __attribute__((vector_size(VL * 4)));
        const vu low = (vu)(a << 16 >> 16) * (vu)(b << 16 >> 16), high = (vu)(a >> 16) * (vu)(b >> 16);
        return (vi)((vu)acc + low + high);
#endif
    }
};

// Runs of words that a row has: where each begins, in bytes from the row's place, and how many words all have.
struct Runs {
    const int64_t *begin;
    int64_t count, words;
};

struct ByteTile {
    const uint8_t *x;
    const int64_t *places;  // of the tile's rows, in bytes from x
    Runs runs;
    const int32_t *w, *start;
    const int32_t *ahead;  // what is fetched into L2 meanwhile, FETCHED vectors a word
};

constexpr int FETCHED = 2;

typedef int32_t AnyWord __attribute__((aligned(1), may_alias));

// What a tile reads at a time.
template <int M>
struct Reading {
    const AnyWord *a[M];
    const int32_t *b, *ahead;
    EW_ALWAYS_INLINE void begin(const ByteTile &t, int64_t run) {
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) a[r] = reinterpret_cast<const AnyWord *>(t.x + t.places[r] + t.runs.begin[run]);
    }
};

template <class Dot, int M, int V>
EW_INLINE void add_products(int64_t words, Reading<M> &from, vi (&acc)[M][V]) {
    for (int64_t k = 0; k < words; ++k, from.b += V * VL, from.ahead += FETCHED * VL) {
#pragma GCC unroll 2
        for (int i = 0; i < FETCHED; ++i) __builtin_prefetch(from.ahead + i * VL, 0, 2);
        typename Dot::Wide bv[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) bv[v] = Dot::widen(load(from.b + v * VL));
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) {
            const vi av = splat(static_cast<int32_t>(from.a[r][k]));
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) acc[r][v] = Dot::dot(acc[r][v], av, bv[v]);
        }
    }
}

// Sums of a tile but for the last `left` words of its last run, where `from` then stands.
template <class Dot, int M, int V>
EW_INLINE void sum_products(const ByteTile &t, int64_t left, Reading<M> &from, vi (&acc)[M][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) acc[r][v] = load(t.start + v * VL);
    from.b = t.w;
    from.ahead = t.ahead;
    for (int64_t run = 0;; ++run) {  // there is one at least
        const bool last = run == t.runs.count - 1;
        from.begin(t, run);
        add_products<Dot>(t.runs.words - (last ? left : 0), from, acc);
        if (last) return;
    }
}

// Leaves the sums in memory, [rows][vectors * VL].
template <class Dot, int M, int V>
void sum_tile(const ByteTile &t, int32_t *sums) {
    vi acc[M][V];
    Reading<M> from;
    sum_products<Dot>(t, 0, from, acc);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(sums + (r * V + v) * VL, acc[r][v]);
}

constexpr int WHOLE_ROWS = MAX_VECTORS > NV ? MR * NV / MAX_VECTORS : MR;  // of a tile of MAX_VECTORS

using Kernel = void (*)(const ByteTile &, int32_t *);
template <class Dot, int V, typename Sequence>
struct Row;
template <class Dot, int V, int... M>
struct Row<Dot, V, std::integer_sequence<int, M...>> {
    static constexpr Kernel kernels[] = {sum_tile<Dot, M + 1, V>...};
};

template <class Dot>
Kernel find_kernel(int64_t m, int64_t vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const Kernel *table[] = {Row<Dot, 1, All>::kernels, Row<Dot, 2, All>::kernels,
#if EW_ISA_AVX512
                                              Row<Dot, 3, All>::kernels,
                                              Row<Dot, 4, std::make_integer_sequence<int, WHOLE_ROWS>>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

}  // namespace

}  // namespace ew::EW_ISA
