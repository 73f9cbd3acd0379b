// How kernels that can write bfloat16 end: like Ending of conv_last.h, with a residual and an output that may be bfloat16.
#pragma once

#include "cpu/bfloat16.h"
#include "cpu/conv_last.h"
#include "cpu/gemm_rows.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

struct NarrowEnding {
    NarrowFinish finish;  // pointers for row 0 and column 0
    bool rest = false, in_y = true;
    Pattern pattern;  // what the finish refers to
};

// As Epilogue::as_finish, slopes included, for the program of a call that Epilogue::parse accepted with these numbers; `finish`
// is added to. False: it is unchanged.
bool read_finish(const ew_call *call, int fixed, int64_t rows, int64_t cols, NarrowEnding &ending);

// The program of a convolution, and how it ends: with its bias, in a finish as far as that goes. False: the plan is invalid.
bool read_ending(const ew_call *call, const LastConv &c, Epilogue &epilogue, NarrowEnding &ending);

EW_INLINE NarrowFinish moved_finish(const NarrowFinish &f, int64_t row, int64_t column) {
    NarrowFinish out = shifted(f, row, column);
    if (f.slope_col) out.slope_col += column;
    return out;
}

// As that of gemm_rows.h; C may be NULL where the results go elsewhere.
void run_rows_tile(const RowsTile &tile, const NarrowFinish &finish);

// Whether every position sees the pixel of the same number, and no more.
EW_INLINE bool is_product(const LastConv &c) {
    bool same = c.taps() == 1;
    for (int i = 0; i < 3; ++i) same = same && c.stride[i] == 1 && c.begin[i] == 0 && c.in[i] == c.out[i];
    return same;
}

}  // namespace ew::EW_ISA
