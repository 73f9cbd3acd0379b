// The matrix core for narrow numbers. A word of 32 bits holds two bfloat16 or four 8-bit numbers along k, and one
// instruction multiplies a word of A with a vector of words of B and adds the products to 32-bit sums.
//
// The geometry is that of gemm.h with words in place of floats: panels of B [n / NR][steps][NR], zero-padded along k. A
// task keeps no partial sums: a tile is summed along all of k and finished in registers.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// Words of A: distances between rows and between steps, in words; one of them is 1.
struct Words {
    const int32_t *data;
    int64_t row, step;
};

// C [m, n] from A's words and panels of B. C holds float or int32 as the finish says.
struct NarrowGemm {
    int64_t m, n, steps;
    Words a;
    const int32_t *panels;
    void *c;
    int64_t ldc;
    // As for Gemm: called for finished blocks of C while they are in cache; NULL: none.
    void (*after)(void *arg, int64_t row, int64_t rows, int64_t col, int64_t cols) = nullptr;
    void *arg = nullptr;
};

// ---- bfloat16: products summed in float32 ----

EW_INLINE int64_t bf16_steps(int64_t k) { return ceil_div(k, 2); }
void run_bf16_gemm(const NarrowGemm &gemm, const Finish &finish);
// Rounds rows of A, or a panel matrix B [k, n], to bfloat16 (nearest, ties to even). `ld`: words between rows.
void pack_bf16_rows(const Matrix &a, int64_t rows, int64_t k, int32_t *out, int64_t ld);
void pack_bf16_panels(const Matrix &b, int64_t k, int64_t n, int32_t *out);
// Two rows of numbers as one row of words, `n` of them; `odd` NULL: zeros.
void pair_bf16(const float *even, const float *odd, int64_t n, int32_t *out);

// ---- uint8 times int8, summed in int32 ----

EW_INLINE int64_t byte_steps(int64_t k) { return ceil_div(k, 4); }

// What a row of A brings: sum of (a - zero)(b - zero_b) = sums + add - zero * column sum + term * zero_b.
struct RowTerms {
    int32_t zero, add, term;
    float scale;
};
struct ByteFinish {
    const RowTerms *rows = nullptr;  // NULL: the plain sums, all scales 1
    bool alike = false;              // `rows` is one for all rows; then zero_b is NULL
    const int32_t *col_sums = nullptr;
    const int32_t *zero_b = nullptr;   // for each column, else it is in `add`
    bool real = false;                 // times scale of the row and of the column: C is float
    const float *scale_col = nullptr;  // NULL: `scale` for all
    float scale = 1;
    const float *bias_col = nullptr;  // added to reals; NULL: none
    bool accumulate = false;          // reals are added to C
};
// The same for the part of C from (row, col) on.
EW_INLINE ByteFinish shifted(const ByteFinish &f, int64_t row, int64_t col) {
    ByteFinish out = f;
    if (f.rows && !f.alike) out.rows += row;
    if (f.col_sums) out.col_sums += col;
    if (f.zero_b) out.zero_b += col;
    if (f.scale_col) out.scale_col += col;
    if (f.bias_col) out.bias_col += col;
    return out;
}
void run_byte_gemm(const NarrowGemm &gemm, const ByteFinish &finish);

// Words between rows of A in memory: rows a multiple of 2 KiB apart would share cache sets.
EW_INLINE int64_t spaced(int64_t steps) { return steps % 512 == 0 ? steps + 16 : steps; }

}  // namespace ew::EW_ISA
