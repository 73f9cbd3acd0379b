// The sums of a RowsTile in registers: how they begin, what is added, and what is done with them before they are written.
//
// Loops over M and V are unrolled to the end: sums with an index that is no constant would lie in memory.
#pragma once

#include "cpu/bfloat16.h"
#include "cpu/gemm_rows.h"
#include "cpu/narrow_dot.h"

namespace ew::EW_ISA {

// What rows and panels hold: numbers, or words of two bfloat16.
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

// How many columns of each vector of a tile are there; all, or the last ones cut off.
template <int V, bool Whole>
struct Columns {
    int32_t n[V];
    explicit Columns(const RowsTile &t) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) n[v] = Whole || t.n >= (v + 1) * VL ? VL : t.n > v * VL ? t.n - v * VL : 0;
    }
    vf take(const float *row, int v) const { return Whole ? load(row + v * VL) : load_n(row + v * VL, n[v]); }
    vf take(const uint16_t *row, int v) const {
        return Whole ? load_bf16(row + v * VL) : load_bf16_n(row + v * VL, n[v]);
    }
    void put(float *row, int v, vf sum) const {
        if (Whole)
            store(row + v * VL, sum);
        else
            store_n(row + v * VL, sum, n[v]);
    }
    void put(uint16_t *row, int v, vf sum) const {
        if (Whole)
            store_bf16(row + v * VL, sum);
        else
            store_bf16_n(row + v * VL, sum, n[v]);
    }
};

template <int M, int V, bool Whole>
EW_INLINE void begin_sums(const RowsTile &t, const NarrowFinish &f, vf (&sums)[M][V]) {
    const Columns<V, Whole> columns(t);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        const vf bias = f.bias_col ? columns.take(f.bias_col, v) : vf{};
#pragma GCC unroll 12
        for (int r = 0; r < M; ++r) sums[r][v] = bias;
    }
    if (!f.accumulate) return;
    const float *c = t.c;
    const int64_t ldc = t.ldc;
#pragma GCC unroll 12
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] += columns.take(c + r * ldc, v);
}

// fn(sum) for all sums.
template <int M, int V, typename Fn>
EW_ALWAYS_INLINE void change_sums(vf (&sums)[M][V], Fn &&fn) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
#pragma GCC unroll 12
        for (int r = 0; r < M; ++r) sums[r][v] = fn(sums[r][v]);
}

// x where x >= 0, else x * slope.
template <int M, int V, bool Whole>
EW_INLINE void apply_slopes(const Columns<V, Whole> &columns, const NarrowFinish &f, vf (&sums)[M][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        const vf slope = f.slope_col ? columns.take(f.slope_col, v) : splat(f.line->slope);
#pragma GCC unroll 12
        for (int r = 0; r < M; ++r) sums[r][v] = sums[r][v] < 0 ? sums[r][v] * slope : sums[r][v];
    }
}

template <int M, int V>
EW_INLINE void apply_line(const Pattern &pattern, vf (&sums)[M][V]) {
    const LineNumbers line(pattern);
    if (pattern.kind == PatternKind::gate)
        change_sums<M, V>(sums, [&](vf sum) { return line.gate(sum); });
    else
        change_sums<M, V>(sums, [&](vf sum) { return line.affine(sum); });
}

template <int M, int V, bool Whole, typename T>
EW_ALWAYS_INLINE void add_rows(const Columns<V, Whole> &columns, const T *rows, int64_t ld, vf (&sums)[M][V]) {
#pragma GCC unroll 12
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sums[r][v] += columns.take(rows + r * ld, v);
}

// Two vectors at once where both are whole: only the last one of a tile may be cut off.
template <int M, int V, bool Whole>
EW_INLINE void put_narrow(const Columns<V, Whole> &columns, const NarrowFinish &f, const vf (&sums)[M][V]) {
    uint16_t *to = f.narrow;
    const int64_t ld = f.ld_narrow;
#pragma GCC unroll 12
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < V; v += 2)
            if (v + 1 < V && (Whole || v + 2 < V)) {
                store_two_bf16(to + r * ld + v * VL, sums[r][v], sums[r][v + 1]);
            } else {
                columns.put(to + r * ld, v, sums[r][v]);
                if (v + 1 < V) columns.put(to + r * ld, v + 1, sums[r][v + 1]);
            }
}

template <int M, int V, bool Whole>
EW_INLINE void end_sums(const RowsTile &t, const NarrowFinish &f, vf (&sums)[M][V]) {
    const Columns<V, Whole> columns(t);
    if (f.residual) add_rows(columns, f.residual, f.ld_residual, sums);
    if (f.narrow_residual) add_rows(columns, f.narrow_residual, f.ld_residual, sums);
    if (f.clamped) {
        const vf low = splat(f.lo), high = splat(f.hi);
        change_sums<M, V>(sums, [&](vf sum) { return clamp(sum, low, high); });
    }
    if (f.line && f.line->kind == PatternKind::sloped)
        apply_slopes<M, V, Whole>(columns, f, sums);
    else if (f.line)
        apply_line<M, V>(*f.line, sums);
    if (f.narrow) return put_narrow(columns, f, sums);
    float *c = t.c;
    const int64_t ldc = t.ldc;
#pragma GCC unroll 12
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) columns.put(c + r * ldc, v, sums[r][v]);
}

}  // namespace ew::EW_ISA
