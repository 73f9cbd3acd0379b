// The matrix core of narrow_gemm.h: tiles, the loops around them, and rounding to bfloat16.
#include "cpu/narrow_gemm.h"

#include <utility>

#include "cpu/bfloat16.h"
#include "cpu/gemm_finish.h"
#include "cpu/gemm_half.h"
#include "cpu/narrow_dot.h"
#include "cpu/rows_ahead.h"

namespace ew::EW_ISA {

namespace {

template <class Kind>
struct FinishOf;
template <>
struct FinishOf<Bf16> {
    using type = Finish;
};
template <>
struct FinishOf<Bytes> {
    using type = ByteFinish;
};

// Tiles one below the other; `n`: columns of C that are written.
struct NarrowTile {
    Words a;
    const int32_t *b;
    int64_t row_b, steps;
    int32_t *c;
    int64_t ldc, n, count;
};

// `c`: the tile's first number, `row` rows below that of the first tile.
template <int M, int V, bool Whole>
EW_INLINE void finish_sums(const NarrowTile &t, const Finish &f, int64_t row, int32_t *c, vf (&sums)[M][V]) {
    finish_tile<M, V, Whole>(reinterpret_cast<float *>(c), t.ldc, t.n, f, row, sums);
}

// The row's terms without the scale.
template <int M, int V, bool Whole>
EW_INLINE void add_terms(const NarrowTile &t, const ByteFinish &f, const RowTerms *rows, vi (&sums)[M][V]) {
    if (f.alike) {  // a product for each column, not for each sum
        vi terms[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) terms[v] = splat(rows->add) - splat(rows->zero) * take<Whole>(f.col_sums, v, t.n);
        return each<M, V>([&](int r, int v) { sums[r][v] += terms[v]; });
    }
    each<M, V>([&](int r, int v) {
        sums[r][v] += splat(rows[r].add) - splat(rows[r].zero) * take<Whole>(f.col_sums, v, t.n);
    });
    if (f.zero_b) each<M, V>([&](int r, int v) { sums[r][v] += splat(rows[r].term) * take<Whole>(f.zero_b, v, t.n); });
}

template <int M, int V, bool Whole>
EW_INLINE void finish_sums(const NarrowTile &t, const ByteFinish &f, int64_t row, int32_t *c, vi (&sums)[M][V]) {
    const RowTerms *rows = f.rows && !f.alike ? f.rows + row : f.rows;
    if (rows) add_terms<M, V, Whole>(t, f, rows, sums);
    if (!f.real) return each<M, V>([&](int r, int v) { put<Whole>(c + r * t.ldc, v, t.n, sums[r][v]); });
    auto *reals = reinterpret_cast<float *>(c);
    each<M, V>([&](int r, int v) {
        const float scale = rows ? rows[f.alike ? 0 : r].scale * f.scale : f.scale;
        vf real = __builtin_convertvector(sums[r][v], vf) * splat(scale);
        if (f.scale_col) real *= take<Whole>(f.scale_col, v, t.n);
        if (f.bias_col) real += take<Whole>(f.bias_col, v, t.n);
        if (f.accumulate) real += take<Whole>(reals + r * t.ldc, v, t.n);
        put<Whole>(reals + r * t.ldc, v, t.n, real);
    });
}

typedef int32_t AnyWord __attribute__((aligned(1), may_alias));  // bytes of A may be used where they lie

// Steps before which the lines of C are brought: at a tile's beginning that would hold up its first products.
constexpr int64_t LAST_STEPS = 16;

// `Rows`: the words of a row of A follow each other, else those of a step. Every RowsAhead::STEPS steps `between` is called.
template <class Kind, int M, int V, bool Rows, bool Whole, typename Between>
EW_INLINE void sum_tiles(const NarrowTile &t, const typename FinishOf<Kind>::type &f, Between &&between) {
    constexpr bool INTERRUPTED = !std::is_same_v<std::decay_t<Between>, std::nullptr_t>;
    int32_t *c = t.c;
    for (int64_t row = 0; row < t.count * M; row += M, c += M * t.ldc) {
        typename Kind::Sums acc[M][V] = {};
        const int32_t *a = t.a.data + row * t.a.row, *b = t.b;
        const int64_t stride = Rows ? t.a.row : t.a.step, row_b = t.row_b;
        const auto sum = [&](int64_t steps) __attribute__((always_inline)) {
            for (int64_t k = steps; k > 0; --k) {
                typename Kind::Wide bv[V];
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) bv[v] = Kind::widen(load(b + v * VL));
#pragma GCC unroll 8
                for (int r = 0; r < M; ++r) {
                    const auto *word = reinterpret_cast<const AnyWord *>(a + (Rows ? r * stride : r));
                    const vi av = splat(static_cast<int32_t>(*word));
#pragma GCC unroll 4
                    for (int v = 0; v < V; ++v) acc[r][v] = Kind::dot(acc[r][v], av, bv[v]);
                }
                a += Rows ? 1 : stride;
                b += row_b;
            }
        };
        int64_t left = t.steps;
        if constexpr (INTERRUPTED)
            for (; left >= RowsAhead::STEPS; left -= RowsAhead::STEPS) {
                sum(RowsAhead::STEPS);
                between();
            }
        const int64_t last = least(left, LAST_STEPS);
        sum(left - last);
        expect_writes<M, V>(c, t.ldc);
        sum(last);
        finish_sums<M, V, Whole>(t, f, row, c, acc);
    }
}

template <class Kind, int M, int V, bool Rows, bool Whole>
void tile_kernel(const NarrowTile &t, const typename FinishOf<Kind>::type &f) {
    sum_tiles<Kind, M, V, Rows, Whole>(t, f, nullptr);
}

template <class Kind>
using TileKernel = void (*)(const NarrowTile &, const typename FinishOf<Kind>::type &);

template <class Kind, int V, bool Rows, bool Whole, typename Sequence>
struct Row;
template <class Kind, int V, bool Rows, bool Whole, int... M>
struct Row<Kind, V, Rows, Whole, std::integer_sequence<int, M...>> {
    static constexpr TileKernel<Kind> kernels[] = {tile_kernel<Kind, M + 1, V, Rows, Whole>...};
};

template <class Kind, bool Rows, bool Whole>
TileKernel<Kind> find_kernel(int64_t m, int64_t vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const TileKernel<Kind> *table[] = {Row<Kind, 1, Rows, Whole, All>::kernels,
                                                        Row<Kind, 2, Rows, Whole, All>::kernels,
#if EW_ISA_AVX512
                                                        Row<Kind, 3, Rows, Whole, All>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

template <class Kind>
void run_tile(const NarrowTile &tile, int64_t m, int64_t vectors, const typename FinishOf<Kind>::type &finish) {
    const bool whole = tile.n == vectors * VL;
    const auto find = tile.a.step == 1 ? (whole ? find_kernel<Kind, true, true> : find_kernel<Kind, true, false>)
                                       : (whole ? find_kernel<Kind, false, true> : find_kernel<Kind, false, false>);
    find(m, vectors)(tile, finish);
}

constexpr int64_t GROUP = 192 / NR * NR;  // columns handed on at once, as in gemm_core.cpp
constexpr int64_t MAX_ROWS = 128;

// All rows times one panel.
template <class Kind>
void run_panel(const NarrowGemm &g, const typename FinishOf<Kind>::type &finish, int64_t col, int64_t first,
               int64_t rows) {
    const int64_t width = panel_width(g.n, col / NR), columns = least(NR, g.n - col);
    Heights(rows).each([&](int64_t r, int64_t height, int64_t tiles) {
        r += first;
        int32_t *c = static_cast<int32_t *>(g.c) + r * g.ldc + col;
        const Words a{g.a.data + r * g.a.row, g.a.row, g.a.step};
        const NarrowTile tile{a, g.panels + col * g.steps, width, g.steps, c, g.ldc, columns, tiles};
        run_tile<Kind>(tile, height, width / VL, shifted(finish, r, col));
    });
}

// ---- rounding to bfloat16 ----

EW_INLINE int32_t word(float even, float odd) {
    return static_cast<int32_t>(static_cast<uint32_t>(narrow(odd, true)) << 16 | narrow(even, true));
}

// A row whose numbers follow each other.
void round_row(const float *x, int64_t k, int32_t *out) {
    int64_t i = 0;
#if EW_ISA_AVX512
    for (; i + 2 * VL <= k; i += 2 * VL)
        store(out + i / 2, (vi)(__m512i)_mm512_cvtne2ps_pbh((__m512)load(x + i + VL), (__m512)load(x + i)));
    for (; i < k; i += VL) {
        const int64_t n = least(VL, k - i);
        const auto words = static_cast<__mmask8>(_bzhi_u32(0xff, static_cast<uint32_t>(ceil_div(n, 2))));
        _mm256_mask_storeu_epi32(out + i / 2, words, (__m256i)_mm512_cvtneps_pbh((__m512)load_n(x + i, n)));
    }
#else
    for (; i + 2 <= k; i += 2) out[i / 2] = word(x[i], x[i + 1]);
    if (i < k) out[i / 2] = word(x[i], 0);
#endif
}

// ---- the first panel, while A is rounded ----

#if EW_ISA_AVX512
// A whole tile, and a block of rows between its products.
template <int M>
void tile_and_rows(const NarrowTile &t, const Finish &f, const RowsAhead &rows) {
    static_assert(RowsAhead::STEPS == VL);
    const float *from = rows.from;
    int32_t *to = rows.to;
    sum_tiles<Bf16, M, NV, true, true>(t, f, [&]() __attribute__((always_inline)) {
#pragma GCC unroll 8
        for (int64_t r = 0; r < RowsAhead::ROWS; ++r) {
            const float *x = from + r * rows.row_from;
            store(to + r * rows.row_to, (vi)(__m512i)_mm512_cvtne2ps_pbh((__m512)load(x + VL), (__m512)load(x)));
        }
        from += 2 * VL;
        to += VL;
    });
    for (int64_t r = 0; r < RowsAhead::ROWS; ++r)
        round_row(from + r * rows.row_from, rows.k - (from - rows.from), to + r * rows.row_to);
}

template <int... M>
void run_tile_and_rows(const NarrowTile &t, const Finish &f, const RowsAhead &rows, int64_t height,
                       std::integer_sequence<int, M...>) {
    static constexpr void (*kernels[])(const NarrowTile &, const Finish &,
                                       const RowsAhead &) = {tile_and_rows<M + 1>...};
    kernels[height - 1](t, f, rows);
}
#endif

// One tile, once its rows are there; a block of the rows below it is rounded meanwhile if nobody else does.
void run_tile_of_source(const NarrowGemm &g, const Finish &finish, const RowSource &source, int64_t row,
                        int64_t height) {
    source.need(row, height);
#if EW_ISA_AVX512
    const int64_t below = row + height;
    const RowsAhead ahead = g.n >= NR ? source.begin(below, least(2 * RowsAhead::ROWS, g.m - below)) : RowsAhead{};
    if (ahead.from) {
        const Words a{g.a.data + row * g.a.row, g.a.row, 1};
        const NarrowTile tile{a, g.panels, NR, g.steps, static_cast<int32_t *>(g.c) + row * g.ldc, g.ldc, NR, 1};
        run_tile_and_rows(tile, shifted(finish, row, 0), ahead, height, std::make_integer_sequence<int, MR>());
        return source.end(ahead);
    }
#endif
    run_panel<Bf16>(g, finish, 0, row, height);
}

void run_first_panel(const NarrowGemm &g, const Finish &finish, const RowSource &source, int64_t first, int64_t rows) {
    Heights(rows).each([&](int64_t r, int64_t height, int64_t tiles) {
        for (int64_t i = 0; i < tiles; ++i) run_tile_of_source(g, finish, source, first + r + i * height, height);
    });
}

template <class Kind>
void run_rows(const NarrowGemm &g, const typename FinishOf<Kind>::type &finish, int64_t first, int64_t rows,
              const RowSource *source) {
    for (int64_t col = 0; col < g.n; col += NR) {
        bool run = false;
        if constexpr (std::is_same_v<Kind, Bf16>)
            if ((run = source && col == 0)) run_first_panel(g, finish, *source, first, rows);
        if (!run) run_panel<Kind>(g, finish, col, first, rows);
        const int64_t done = least(col + NR, g.n), begin = col / GROUP * GROUP;
        if (g.after && (done == g.n || done % GROUP == 0)) g.after(g.arg, first, rows, begin, done - begin);
    }
}

constexpr int CHAINS = 4;  // steps with sums of their own: one chain of instructions a vector would leave a row waiting

// One row of bytes times whole panels, in one go: 21 calls of a tile would take a third of the time of 256 x 1024. The
// columns done.
int64_t run_byte_row(const NarrowGemm &g, const ByteFinish &finish) {
    const auto *a = reinterpret_cast<const AnyWord *>(g.a.data);
    auto *c = static_cast<int32_t *>(g.c);
    const NarrowTile tile{g.a, nullptr, 0, g.steps, c, g.ldc, NR, 1};
    int64_t col = 0;
    for (const int32_t *b = g.panels; col + NR <= g.n; col += NR) {
        vi acc[CHAINS][1][NV] = {};
        const auto step = [&](int64_t k, vi(&sums)[NV]) __attribute__((always_inline)) {
            const vi av = splat(static_cast<int32_t>(a[k]));
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) sums[v] = Bytes::dot(sums[v], av, Bytes::widen(load(b + v * VL)));
            b += NR;
        };
        int64_t k = 0;
        for (; k + CHAINS <= g.steps; k += CHAINS)
#pragma GCC unroll 4
            for (int i = 0; i < CHAINS; ++i) step(k + i, acc[i][0]);
        for (; k < g.steps; ++k) step(k, acc[0][0]);
#pragma GCC unroll 4
        for (int i = 1; i < CHAINS; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < NV; ++v) acc[0][0][v] += acc[i][0][v];
        finish_sums<1, NV, true>(tile, shifted(finish, 0, col), 0, c + col, acc[0]);
    }
    return col;
}

typedef int32_t AnyWords __attribute__((vector_size(VL * 4), aligned(1), may_alias));

constexpr int64_t MOST_STEPS = 1024;

// Rows of bytes times one column of no more steps: vectors along k.
void run_byte_column(const NarrowGemm &g, const ByteFinish &finish) {
    int32_t column[MOST_STEPS];
    const NarrowTile tile{g.a, nullptr, 0, g.steps, static_cast<int32_t *>(g.c), g.ldc, 1, 1};
    for (int64_t k = 0; k < g.steps; ++k) column[k] = g.panels[k * VL];
    for (int64_t r = 0; r < g.m; ++r) {
        const int32_t *a = g.a.data + r * g.a.row;
        vi sums{};
        int64_t k = 0;
        for (; k + VL <= g.steps; k += VL)
            sums = Bytes::dot(sums, (vi) * reinterpret_cast<const AnyWords *>(a + k), Bytes::widen(load(column + k)));
        if (k < g.steps) {
            const int64_t left = g.steps - k;
            sums = Bytes::dot(sums, load_n(a + k, left), Bytes::widen(load_n(column + k, left)));
        }
        int32_t sum = 0;
        for (int i = 0; i < VL; ++i) sum += sums[i];
        vi found[1][1] = {{vi{sum}}};
        finish_sums<1, 1, false>(tile, finish, r, tile.c + r * g.ldc, found);
    }
}

template <class Kind>
void run_all(const NarrowGemm &g, const typename FinishOf<Kind>::type &finish, const RowSource *source = nullptr) {
    for (int64_t row = 0; row < g.m; row += MAX_ROWS)
        run_rows<Kind>(g, finish, row, least(MAX_ROWS, g.m - row), source);
}

}  // namespace

void run_bf16_gemm(const NarrowGemm &gemm, const Finish &finish) { run_all<Bf16>(gemm, finish); }
void run_bf16_gemm(const NarrowGemm &gemm, const Finish &finish, const RowSource &source) {
    run_all<Bf16>(gemm, finish, &source);
}

void run_byte_gemm(const NarrowGemm &gemm, const ByteFinish &finish) {
    if (gemm.a.step == 1 && gemm.n == 1 && gemm.m > 1 && gemm.steps <= MOST_STEPS) {
        run_byte_column(gemm, finish);
        if (gemm.after) gemm.after(gemm.arg, 0, gemm.m, 0, 1);
        return;
    }
    if (gemm.a.step != 1 || gemm.m != 1 || gemm.after) return run_all<Bytes>(gemm, finish);
    const int64_t done = run_byte_row(gemm, finish);
    NarrowGemm rest = gemm;
    rest.n -= done;
    rest.panels += done * gemm.steps;
    rest.c = static_cast<int32_t *>(gemm.c) + done;
    if (rest.n > 0) run_all<Bytes>(rest, shifted(finish, 0, done));
}

// ---- packing of bfloat16 ----

void pair_bf16(const float *even, const float *odd, int64_t n, int32_t *out) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(out + i, join_bf16(load(even + i), odd ? load(odd + i) : vf{}));
    if (i < n) store_n(out + i, join_bf16(load_n(even + i, n - i), odd ? load_n(odd + i, n - i) : vf{}), n - i);
}

void pack_bf16_rows(const Matrix &a, int64_t rows, int64_t k, int32_t *out, int64_t ld) {
    if (a.col == 1) {
        for (int64_t r = 0; r < rows; ++r) round_row(a.data + r * a.row, k, out + r * ld);
        return;
    }
    for (int64_t i = 0; i < k; i += 2)
        for (int64_t r = 0; r < rows; ++r) {
            const float *x = a.data + r * a.row + i * a.col;
            out[r * ld + i / 2] = word(x[0], i + 1 < k ? x[a.col] : 0);
        }
}

void pack_bf16_panels(const Matrix &b, int64_t k, int64_t n, int32_t *out) {
    const int64_t steps = bf16_steps(k);
    for (int64_t col = 0; col < n; col += NR) {
        const int64_t columns = least(NR, n - col), width = panel_width(n, col / NR);
        if (b.col == 1) {
            for (int64_t s = 0; s < steps; ++s, out += width) {
                const float *even = b.data + 2 * s * b.row + col, *odd = 2 * s + 1 < k ? even + b.row : nullptr;
                pair_bf16(even, odd, columns, out);
                for (int64_t j = columns; j < width; ++j) out[j] = 0;
            }
            continue;
        }
        constexpr int64_t BLOCK = 16;  // steps at a time, so that the lines being written stay in L1
        for (int64_t s0 = 0; s0 < steps; s0 += BLOCK)
            for (int64_t j = 0; j < width; ++j)
                for (int64_t s = s0; s < least(steps, s0 + BLOCK); ++s) {
                    const float *x = b.data + (col + j) * b.col + 2 * s * b.row;
                    out[s * width + j] = j < columns ? word(x[0], 2 * s + 1 < k ? x[b.row] : 0) : 0;
                }
        out += steps * width;
    }
}

}  // namespace ew::EW_ISA
