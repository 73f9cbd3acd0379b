// The sums of a RowsTile in registers: how they begin, and what is done with them before they are written.
#pragma once

#include "cpu/gemm_rows.h"

namespace ew::EW_ISA {

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

}  // namespace ew::EW_ISA
