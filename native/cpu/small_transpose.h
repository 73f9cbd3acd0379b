// Turns matrices that are in the first-level cache, four rows and columns at a time.
#pragma once

#include "cpu/gemm_vec.h"

namespace ew::EW_ISA {
namespace {

typedef float v4 __attribute__((vector_size(16)));
typedef float v4u __attribute__((vector_size(16), aligned(4), may_alias));

EW_INLINE void transpose_4x4(const float *in, int64_t ld, float *out, int64_t ldo) {
    v4 row[4], pair[4];
    for (int i = 0; i < 4; ++i) row[i] = *reinterpret_cast<const v4u *>(in + i * ld);
    for (int i = 0; i < 2; ++i) {
        pair[i] = __builtin_shufflevector(row[2 * i], row[2 * i + 1], 0, 4, 1, 5);
        pair[i + 2] = __builtin_shufflevector(row[2 * i], row[2 * i + 1], 2, 6, 3, 7);
    }
    for (int i = 0; i < 2; ++i) {
        *reinterpret_cast<v4u *>(out + 2 * i * ldo) = __builtin_shufflevector(pair[2 * i], pair[2 * i + 1], 0, 1, 4, 5);
        *reinterpret_cast<v4u *>(out + (2 * i + 1) * ldo) =
            __builtin_shufflevector(pair[2 * i], pair[2 * i + 1], 2, 3, 6, 7);
    }
}

// y[columns][rows] = tile[rows][columns].
[[maybe_unused]] void write_transposed(const float *tile, int64_t ld, int64_t rows, int64_t columns, float *y,
                                       int64_t ldy) {
    const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
    for (int64_t j = 0; j < whole_columns; j += 4)
        for (int64_t i = 0; i < whole_rows; i += 4) transpose_4x4(tile + i * ld + j, ld, y + j * ldy + i, ldy);
    for (int64_t j = 0; j < columns; ++j)
        for (int64_t i = j < whole_columns ? whole_rows : 0; i < rows; ++i) y[j * ldy + i] = tile[i * ld + j];
}

}  // namespace
}  // namespace ew::EW_ISA
