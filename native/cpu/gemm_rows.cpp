// The micro-kernels of gemm_rows.h.
#include "cpu/gemm_rows.h"

#include "cpu/narrow_dot.h"

#include <utility>

namespace ew::EW_ISA {

namespace {

// The first or last vectors of a tile in memory; all of them whole, or the last ones cut off at column n.
template <bool Whole>
EW_INLINE vf take(const float *row, int v, int64_t n) {
    return Whole ? load(row + v * VL) : load_n(row + v * VL, most(0, least(VL, n - v * VL)));
}

template <int M, int V, bool Whole>
EW_INLINE void begin_sums(const RowsTile &t, const Finish &f, vf (&sums)[M][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        const vf bias = f.bias_col ? take<Whole>(f.bias_col, v, t.n) : vf{};
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) sums[r][v] = bias;
    }
    if (!f.accumulate) return;
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] += take<Whole>(t.c + r * t.ldc, v, t.n);
}

// x where x >= 0, else x * slope.
template <int M, int V, bool Whole>
EW_INLINE void apply_slopes(const RowsTile &t, const Finish &f, vf (&sums)[M][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        const vf slope = f.slope_col ? take<Whole>(f.slope_col, v, t.n) : splat(f.line->slope);
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) sums[r][v] = sums[r][v] < 0 ? sums[r][v] * slope : sums[r][v];
    }
}

template <int M, int V>
EW_INLINE void apply_line(const Pattern &pattern, vf (&sums)[M][V]) {
    const LineNumbers line(pattern);
    if (pattern.kind == PatternKind::gate) {
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sums[r][v] = line.gate(sums[r][v]);
    } else {
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sums[r][v] = line.affine(sums[r][v]);
    }
}

template <int M, int V, bool Whole>
EW_INLINE void end_sums(const RowsTile &t, const Finish &f, vf (&sums)[M][V]) {
    if (f.residual)
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sums[r][v] += take<Whole>(f.residual + r * f.ld_residual, v, t.n);
    if (f.clamped)
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sums[r][v] = clamp(sums[r][v], splat(f.lo), splat(f.hi));
    if (f.line && f.line->kind == PatternKind::sloped)
        apply_slopes<M, V, Whole>(t, f, sums);
    else if (f.line)
        apply_line<M, V>(*f.line, sums);
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            float *c = t.c + r * t.ldc + v * VL;
            if (Whole)
                store(c, sums[r][v]);
            else if (t.n > v * VL)
                store_n(c, sums[r][v], least(VL, t.n - v * VL));
        }
}

struct Floats {
    using Wide = vf;
    static EW_ALWAYS_INLINE vf widen(vf b) { return b; }
    static EW_ALWAYS_INLINE vf dot(vf sum, vf a, vf b) { return sum + a * b; }
};
struct Pairs {
    using Wide = Bf16::Wide;
    static EW_ALWAYS_INLINE Wide widen(vf b) { return Bf16::widen((vi)b); }
    static EW_ALWAYS_INLINE vf dot(vf sum, vf a, const Wide &b) { return Bf16::dot(sum, (vi)a, b); }
};

template <class Kind, int M, int V, bool Whole>
void rows_kernel(const RowsTile &t, const Finish &f) {
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)  // else the stores at the end would wait for one line after the other
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            __builtin_prefetch(t.c + r * t.ldc + v * VL, 1);
            if (f.residual) __builtin_prefetch(f.residual + r * f.ld_residual + v * VL);
        }
    vf sums[M][V];
    begin_sums<M, V, Whole>(t, f, sums);
    for (int64_t part = 0; part < t.n_parts; ++part) {
        const float *rows[M], *b = t.parts[part].b;
        for (int r = 0; r < M; ++r) rows[r] = t.parts[part].rows[r];
        const int64_t depth = t.parts[part].k;
        for (int64_t k = 0; k < depth; ++k) {
            typename Kind::Wide bv[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) bv[v] = Kind::widen(load(b + v * VL));
#pragma GCC unroll 8
            for (int r = 0; r < M; ++r) {
                const vf av = splat(rows[r][k]);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) sums[r][v] = Kind::dot(sums[r][v], av, bv[v]);
            }
            b += V * VL;
        }
    }
    end_sums<M, V, Whole>(t, f, sums);
}

using RowsKernel = void (*)(const RowsTile &, const Finish &);

template <class Kind, int V, bool Whole, typename Sequence>
struct Row;
template <class Kind, int V, bool Whole, int... M>
struct Row<Kind, V, Whole, std::integer_sequence<int, M...>> {
    static constexpr RowsKernel kernels[] = {rows_kernel<Kind, M + 1, V, Whole>...};
};

template <class Kind, bool Whole>
RowsKernel find_kernel(int m, int vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const RowsKernel *table[] = {Row<Kind, 1, Whole, All>::kernels, Row<Kind, 2, Whole, All>::kernels,
#if EW_ISA_AVX512
                                                  Row<Kind, 3, Whole, All>::kernels,
                                                  Row<Kind, 4, Whole, std::make_integer_sequence<int, 6>>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

}  // namespace

void run_rows_tile(const RowsTile &tile, const Finish &finish) {
    const bool whole = tile.n == tile.vectors * VL;
    const auto find = tile.bf16 ? (whole ? find_kernel<Pairs, true> : find_kernel<Pairs, false>)
                                : (whole ? find_kernel<Floats, true> : find_kernel<Floats, false>);
    find(tile.m, tile.vectors)(tile, finish);
}

}  // namespace ew::EW_ISA
