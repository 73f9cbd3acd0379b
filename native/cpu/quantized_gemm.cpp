// The 8-bit matrix core of quantized_gemm.h: vpdpbusd where there is VNNI, 16-bit products on AVX2, plain else.
#include "cpu/quantized_gemm.h"

#include <utility>

namespace ew::EW_ISA {

namespace {

typedef int32_t viu1 __attribute__((aligned(1), may_alias));

// acc + the four products of uint8 a with int8 b in each lane. `Wide` is b as the instruction set wants it.
#if EW_ISA_AVX512
struct Wide {
    vi b;
};
EW_INLINE Wide widen_b(vi b) { return {b}; }
EW_INLINE vi dot(vi acc, vi a, const Wide &w) {
    return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)w.b);
}
#elif EW_ISA_AVX2
// Even and odd bytes as 16-bit numbers: vpmaddubsw would saturate.
struct Wide {
    __m256i even, odd;
};
EW_INLINE Wide widen_b(vi b) {
    const __m256i x = (__m256i)b;
    return {_mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8), _mm256_srai_epi16(x, 8)};
}
EW_INLINE vi dot(vi acc, vi a, const Wide &w) {
    const __m256i even = _mm256_and_si256((__m256i)a, _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16((__m256i)a, 8);
    return acc + (vi)_mm256_madd_epi16(even, w.even) + (vi)_mm256_madd_epi16(odd, w.odd);
}
#else
struct Wide {
    vi b;
};
EW_INLINE Wide widen_b(vi b) { return {b}; }
EW_INLINE vi dot(vi acc, vi a, const Wide &w) {
    for (int i = 0; i < 4; ++i) acc += (a >> 8 * i & 0xff) * (w.b << (24 - 8 * i) >> 24);
    return acc;
}
#endif

struct ByteTile {
    const uint8_t *a;
    int64_t lda, steps;  // bytes between rows of a; groups of four along k
    const int32_t *b;
    int64_t row_b;
    int32_t *c;
    int64_t ldc;
    int n;
};

EW_INLINE void store_part(int32_t *p, vi v, int64_t n) {
    if (n >= VL) return store(p, v);
    int32_t t[VL];
    store(t, v);
    for (int64_t i = 0; i < n; ++i) p[i] = t[i];
}

template <int M, int V>
void tile_kernel(const ByteTile &t) {
    vi acc[M][V] = {};
    const uint8_t *a = t.a;
    const int32_t *b = t.b;
    for (int64_t k = t.steps; k > 0; --k, a += 4, b += t.row_b) {
        Wide bv[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) bv[v] = widen_b(load(b + v * VL));
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) {
            const vi av = splat(static_cast<int32_t>(*reinterpret_cast<const viu1 *>(a + r * t.lda)));
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) acc[r][v] = dot(acc[r][v], av, bv[v]);
        }
    }
    for (int r = 0; r < M; ++r)
        for (int v = 0; v < V; ++v) store_part(t.c + r * t.ldc + v * VL, acc[r][v], t.n - v * VL);
}

using Kernel = void (*)(const ByteTile &);

template <int V, typename Sequence>
struct Row;
template <int V, int... M>
struct Row<V, std::integer_sequence<int, M...>> {
    static constexpr Kernel kernels[] = {tile_kernel<M + 1, V>...};
};

Kernel find_kernel(int64_t m, int64_t vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const Kernel *table[] = {Row<1, All>::kernels, Row<2, All>::kernels,
#if EW_ISA_AVX512
                                              Row<3, All>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

}  // namespace

void pack_byte_panels(const ByteMatrix &b, int64_t k, int64_t n, uint8_t *out) {
    const int64_t steps = ceil_div(k, 4);
    auto *sums = reinterpret_cast<int32_t *>(out + byte_panels(k, n));
    for (int64_t j = 0; j < n; ++j) sums[j] = 0;
    for (int64_t j0 = 0; j0 < n; j0 += NR) {
        const int64_t width = panel_width(n, j0 / NR);
        for (int64_t s = 0; s < steps; ++s)
            for (int64_t j = j0; j < j0 + width; ++j)
                for (int64_t i = 4 * s; i < 4 * s + 4; ++i) {
                    const bool real = i < k && j < n;
                    const uint8_t byte = real ? static_cast<uint8_t>(b.data[i * b.row + j * b.col] ^ b.flip) : 0;
                    if (real) sums[j] += static_cast<int8_t>(byte);
                    *out++ = byte;
                }
    }
}

void copy_byte_rows(const ByteMatrix &a, int64_t rows, int64_t k, uint8_t *out, int32_t *row_sums) {
    const int64_t ld = round_up(k, 4);
    for (int64_t r = 0; r < rows; ++r, out += ld) {
        const uint8_t *x = a.data + r * a.row;
        int32_t sum = 0;
        for (int64_t i = 0; i < k; ++i) {
            out[i] = static_cast<uint8_t>(x[i * a.col] ^ a.flip);
            sum += out[i];
        }
        for (int64_t i = k; i < ld; ++i) out[i] = 0;
        row_sums[r] = sum;
    }
}

void run_byte_gemm(const ByteGemm &g) {
    const int64_t steps = ceil_div(g.k, 4), lda = 4 * steps;
    for (int64_t col = 0; col < g.n; col += NR) {
        const int64_t width = panel_width(g.n, col / NR), columns = least(NR, g.n - col);
        const auto *b = reinterpret_cast<const int32_t *>(g.panels) + col * steps;
        for (int64_t row = 0; row < g.m; row += MR)
            find_kernel(least(MR, g.m - row), width / VL)(
                {g.a + row * lda, lda, steps, b, width, g.c + row * g.ldc + col, g.ldc, static_cast<int>(columns)});
    }
}

void correct_sums(int32_t *c, int64_t ldc, int64_t rows, int64_t cols, int64_t k, const ZeroPoints &zero,
                  const int32_t *row_sums, const int32_t *col_sums) {
    // Unsigned: sums may wrap, as int32 sums do.
    for (int64_t i = 0; i < rows; ++i) {
        auto *row = reinterpret_cast<uint32_t *>(c + i * ldc);
        const auto za = static_cast<uint32_t>(zero.of_a(i)), sum = static_cast<uint32_t>(row_sums[i]);
        const auto both = static_cast<uint32_t>(k) * za - sum;  // times zb
        if (zero.b)
            for (int64_t j = 0; j < cols; ++j)
                row[j] += both * static_cast<uint32_t>(zero.b[j]) - za * static_cast<uint32_t>(col_sums[j]);
        else
            for (int64_t j = 0; j < cols; ++j)
                row[j] += both * static_cast<uint32_t>(zero.b0) - za * static_cast<uint32_t>(col_sums[j]);
    }
}

}  // namespace ew::EW_ISA
