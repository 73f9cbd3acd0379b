// Weights as the matrix cores read them: panels of columns, in float32 or in words of two rows in bfloat16.
#pragma once

#include "cpu/gemm_rows.h"
#include "cpu/narrow_gemm.h"

namespace ew::EW_ISA {

// Writes `rows` rows of panel `p`, in bfloat16 in twos; returns where the next one begins. `weight(row, column)` gives the
// numbers, zeros behind the last row and column, too: a panel is written to its whole width.
template <typename Weight>
float *write_panel(const Panels &panels, int64_t p, int64_t rows, bool bf16, float *out, const Weight &weight) {
    for (int64_t row = 0; row < rows; row += bf16 ? 2 : 1)
        for (int64_t j = 0; j < panels.vectors(p) * VL; ++j, ++out) {
            const int64_t column = panels.column(p) + j;
            const float even = weight(row, column), odd = bf16 ? weight(row + 1, column) : 0.0F;
            if (bf16)
                pair_bf16(&even, &odd, 1, reinterpret_cast<int32_t *>(out));
            else
                *out = even;
        }
    return out;
}

}  // namespace ew::EW_ISA
