// What becomes of the sums of a tile of a float product before they are written (gemm.h's Finish).
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// The vector from column v * VL on; cut off at column n unless all columns are `Whole` vectors.
template <bool Whole, typename T>
EW_INLINE auto take(const T *row, int v, int64_t n) {
    return Whole ? load(row + v * VL) : load_n(row + v * VL, most(0, least(VL, n - v * VL)));
}
template <bool Whole, typename T, typename Vector>
EW_INLINE void put(T *row, int v, int64_t n, Vector value) {
    if (Whole)
        store(row + v * VL, value);
    else if (n > v * VL)
        store_n(row + v * VL, value, least(VL, n - v * VL));
}

// fn(r, v) for all vectors of a tile, unrolled: with one question before all of them instead of one for each.
template <int M, int V, typename Fn>
EW_INLINE void each(Fn &&fn) {
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) fn(r, v);
}

// Brings the lines of C that a tile writes, which else would come one after the other when it is done.
template <int M, int V>
EW_INLINE void expect_writes(const void *c, int64_t ldc) {
    each<M, V>([&](int r, int v) { __builtin_prefetch(static_cast<const float *>(c) + r * ldc + v * VL, 1); });
}

// Writes the sums of a tile as `n` columns of C. `c` is the tile's first number, the pointers in f those of a tile that
// begins `row` rows above.
template <int M, int V, bool Whole>
EW_INLINE void finish_tile(float *c, int64_t ldc, int64_t n, const Finish &f, int64_t row, vf (&sums)[M][V]) {
    if (f.alpha != 1) each<M, V>([&](int r, int v) { sums[r][v] *= splat(f.alpha); });
    if (f.accumulate) each<M, V>([&](int r, int v) { sums[r][v] += take<Whole>(c + r * ldc, v, n); });
    if (f.bias_col) each<M, V>([&](int r, int v) { sums[r][v] += take<Whole>(f.bias_col, v, n); });
    if (f.bias_row) each<M, V>([&](int r, int v) { sums[r][v] += splat(f.bias_row[row + r]); });
    if (f.residual)
        each<M, V>([&](int r, int v) { sums[r][v] += take<Whole>(f.residual + (row + r) * f.ld_residual, v, n); });
    if (f.clamped) each<M, V>([&](int r, int v) { sums[r][v] = clamp(sums[r][v], splat(f.lo), splat(f.hi)); });
    each<M, V>([&](int r, int v) { put<Whole>(c + r * ldc, v, n, sums[r][v]); });
}

// Rows dealt out to as few tiles as possible, whose heights differ by one at most: a low one would wait for B.
struct Heights {
    int64_t tiles, height, higher;  // the first `higher` tiles have one row more
    explicit Heights(int64_t rows) : tiles(ceil_div(rows, MR)), height(rows / tiles), higher(rows % tiles) {}
    // fn(row, height, count) for the tiles of each height.
    template <typename Fn>
    void each(Fn &&fn) const {
        if (higher > 0) fn(int64_t{0}, height + 1, higher);
        fn(higher * (height + 1), height, tiles - higher);
    }
};

// The same for the part of C from (row, col) on.
EW_INLINE Finish shifted(const Finish &f, int64_t row, int64_t col) {
    Finish out = f;
    if (f.bias_col) out.bias_col += col;
    if (f.bias_row) out.bias_row += row;
    if (f.residual) out.residual += row * f.ld_residual + col;
    return out;
}

}  // namespace ew::EW_ISA
