// The 8-bit matrix core: uint8 rows times int8 panels, summed in int32, four products a lane and step.
//
// Other signs are brought to this one by adding 128 (a) or subtracting it (b), which moves the zero points with them.
#pragma once

#include "cpu/narrow_gemm.h"

namespace ew::EW_ISA {

// Bytes of B [k, n] packed: panels [n / NR][k / 4][NR][4] (k zero-padded), then the sums of its columns as int32.
EW_INLINE int64_t byte_panels(int64_t k, int64_t n) { return 4 * packed_floats(ceil_div(k, 4), n); }
EW_INLINE int64_t packed_bytes(int64_t k, int64_t n) { return byte_panels(k, n) + 4 * n; }

// B as strides in bytes; `flip`: 0x80 for uint8 (made int8), 0 for int8.
struct ByteMatrix {
    const uint8_t *data;
    int64_t row, col;
    uint8_t flip;
};
void pack_byte_panels(const ByteMatrix &b, int64_t k, int64_t n, uint8_t *out);
// The panels without the sums.
void pack_bytes(const ByteMatrix &b, int64_t k, int64_t n, uint8_t *out);

// Rows of A copied as uint8, k padded to a multiple of 4 with zeros; row_sums as well (of the copies), unless NULL.
// `ld`: bytes between the copies.
void copy_byte_rows(const ByteMatrix &a, int64_t rows, int64_t k, uint8_t *out, int64_t ld, int32_t *row_sums);

// Plain sums: C [m, n] = A B.
struct ByteSums {
    int64_t m, n, k;
    const uint8_t *a;  // copied rows, round_up(k, 4) apart
    const uint8_t *panels;
    int32_t *c;
    int64_t ldc;
};
void sum_bytes(const ByteSums &sums);

// Sums of (a - za)(b - zb) from sums of a b: one zero point for each row of a and each column of b, already flipped.
struct ZeroPoints {
    int32_t a0 = 0, b0 = 0;
    const int32_t *a = nullptr, *b = nullptr;  // NULL: a0, b0 for all
    int32_t of_a(int64_t i) const { return a ? a[i] : a0; }
    int32_t of_b(int64_t j) const { return b ? b[j] : b0; }
};
void correct_sums(int32_t *c, int64_t ldc, int64_t rows, int64_t cols, int64_t k, const ZeroPoints &zero,
                  const int32_t *row_sums, const int32_t *col_sums);

// The range of a row and 0 as scale and zero point of uint8, as DynamicQuantizeLinear defines them; and the row so:
// rint(x * (1 / scale)) + zero, saturated. The scale is no number where some x is none, or infinite.
void find_row_range(const float *x, int64_t n, float *scale, float *zero);
void quantize_row(const float *x, int64_t n, float scale, float zero, uint8_t *out);

// Scale and zero point of the uint8 numbers that cover the range of x and 0, as DynamicQuantizeLinear defines them.
void find_range(const ew_call *call, const float *x, int64_t n, float *scale, float *zero);

}  // namespace ew::EW_ISA
