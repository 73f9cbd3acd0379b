// What 8-bit products share around the matrix core: packing of both sides, and the correction by zero points.
#include "cpu/quantized_gemm.h"

namespace ew::EW_ISA {

void pack_byte_panels(const ByteMatrix &b, int64_t k, int64_t n, uint8_t *out) {
    auto *sums = reinterpret_cast<int32_t *>(out + byte_panels(k, n));
    for (int64_t j = 0; j < n; ++j) sums[j] = 0;
    for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < n; ++j) sums[j] += static_cast<int8_t>(b.data[i * b.row + j * b.col] ^ b.flip);
    pack_bytes(b, k, n, out);
}

void pack_bytes(const ByteMatrix &b, int64_t k, int64_t n, uint8_t *out) {
    const int64_t steps = ceil_div(k, 4);
    for (int64_t j0 = 0; j0 < n; j0 += NR) {
        const int64_t width = panel_width(n, j0 / NR);
        for (int64_t s = 0; s < steps; ++s)
            for (int64_t j = j0; j < j0 + width; ++j)
                for (int64_t i = 4 * s; i < 4 * s + 4; ++i) {
                    const bool real = i < k && j < n;
                    const uint8_t byte = real ? static_cast<uint8_t>(b.data[i * b.row + j * b.col] ^ b.flip) : 0;
                    *out++ = byte;
                }
    }
}

namespace {

EW_INLINE int32_t copy_row(const uint8_t *x, int64_t n, uint8_t flip, uint8_t *out) {
    int32_t sum = 0;
    for (int64_t i = 0; i < n; ++i) {
        const auto byte = static_cast<uint8_t>(x[i] ^ flip);
        out[i] = byte;
        sum += byte;
    }
    return sum;
}

}  // namespace

void copy_byte_rows(const ByteMatrix &a, int64_t rows, int64_t k, uint8_t *out, int64_t ld, int32_t *row_sums) {
    const int64_t whole = round_up(k, 4);
    for (int64_t r = 0; r < rows; ++r, out += ld) {
        const uint8_t *x = a.data + r * a.row;
        int32_t sum = 0;
        if (a.col == 1) {
            sum = copy_row(x, k, a.flip, out);
        } else {
            for (int64_t i = 0; i < k; ++i) sum += out[i] = static_cast<uint8_t>(x[i * a.col] ^ a.flip);
        }
        for (int64_t i = k; i < whole; ++i) out[i] = 0;
        if (row_sums) row_sums[r] = sum;
    }
}

void sum_bytes(const ByteSums &s) {
    const int64_t steps = byte_steps(s.k);
    const auto words = [](const uint8_t *p) { return reinterpret_cast<const int32_t *>(p); };
    run_byte_gemm(NarrowGemm{s.m, s.n, steps, {words(s.a), steps, 1}, words(s.panels), s.c, s.ldc}, {});
}

void correct_sums(int32_t *c, int64_t ldc, int64_t rows, int64_t cols, int64_t k, const ZeroPoints &zero,
                  const int32_t *row_sums, const int32_t *col_sums) {
    // Unsigned: sums may wrap, as int32 sums do.
    for (int64_t i = 0; i < rows; ++i) {
        auto *row = reinterpret_cast<uint32_t *>(c + i * ldc);
        const auto za = static_cast<uint32_t>(zero.of_a(i)), sum = static_cast<uint32_t>(row_sums[i]);
        const auto both = static_cast<uint32_t>(k) * za - sum;  // times zb
        if (zero.b)
            for (int64_t j = 0; j < cols; ++j)
                row[j] += both * static_cast<uint32_t>(zero.b[j]) - za * static_cast<uint32_t>(col_sums[j]);
        else
            for (int64_t j = 0; j < cols; ++j)
                row[j] += both * static_cast<uint32_t>(zero.b0) - za * static_cast<uint32_t>(col_sums[j]);
    }
}

}  // namespace ew::EW_ISA
