// What becomes of the sums of a tile of a float product before they are written (gemm.h's Finish).
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// Sums `v` of row r, from column j on, as `n` numbers of C; `whole`: a full vector of them. `c` is the tile's first.
EW_INLINE void finish_vector(float *c, int64_t ldc, const Finish &f, int r, int j, vf v, bool whole, int64_t n) {
    c += r * ldc + j;
    if (f.alpha != 1) v *= splat(f.alpha);
    if (f.accumulate) v += whole ? load(c) : load_n(c, n);
    if (f.bias_col) v += whole ? load(f.bias_col + j) : load_n(f.bias_col + j, n);
    if (f.bias_row) v += splat(f.bias_row[r]);
    if (f.residual) {
        const float *x = f.residual + r * f.ld_residual + j;
        v += whole ? load(x) : load_n(x, n);
    }
    if (f.clamped) v = clamp(v, splat(f.lo), splat(f.hi));
    if (whole)
        store(c, v);
    else
        store_n(c, v, n);
}

// The same for the part of C from (row, col) on.
EW_INLINE Finish shifted(const Finish &f, int64_t row, int64_t col) {
    Finish out = f;
    if (f.bias_col) out.bias_col += col;
    if (f.bias_row) out.bias_row += row;
    if (f.residual) out.residual += row * f.ld_residual + col;
    return out;
}

}  // namespace ew::EW_ISA
