// A tile of a product whose rows of A lie anywhere, given by a pointer each: pixels that a convolution sees. Numbers are
// float32, or words of narrow_gemm.h.
//
// B comes in panels of 1 to MAX_VECTORS vectors: n columns are dealt out evenly, so that no panel is much narrower.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

#if EW_ISA_AVX512
constexpr int MAX_VECTORS = 4;
#else
constexpr int MAX_VECTORS = NV;
#endif
constexpr int MAX_ROWS_OF_TILE = MR;

// Rows of a tile whose sums fit the registers.
EW_INLINE int rows_of_tile(int64_t vectors) { return vectors > NV ? MR * NV / MAX_VECTORS : MR; }

// How n columns are dealt out.
struct Panels {
    int64_t n, count, least_vectors, wider;  // the first `wider` panels have one vector more
    explicit Panels(int64_t columns)
        : n(columns),
          count(most(1, ceil_div(ceil_div(columns, VL), MAX_VECTORS))),
          least_vectors(ceil_div(columns, VL) / count),
          wider(ceil_div(columns, VL) % count) {}
    int64_t vectors(int64_t i) const { return least_vectors + (i < wider); }
    int64_t column(int64_t i) const { return VL * (i * least_vectors + least(i, wider)); }
    int64_t columns(int64_t i) const { return least(n - column(i), VL * vectors(i)); }
};

struct RowsPart {
    const float *b;  // [k][vectors * VL]
    int64_t k;
    const float *rows[MAX_ROWS_OF_TILE];
};
// C[m, n] = finish(sum over parts of rows_i[m, k] B_i[k, n]); of Finish all but alpha and bias_row.
struct RowsTile {
    const RowsPart *parts;
    int64_t n_parts;
    float *c;
    int64_t ldc;
    int m, vectors, n;  // n: columns that are written
    bool bf16 = false;  // rows and panels hold words of two bfloat16; k counts words
};
void run_rows_tile(const RowsTile &tile, const Finish &finish);

}  // namespace ew::EW_ISA
