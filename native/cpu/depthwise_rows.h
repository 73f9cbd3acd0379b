// A row of a depthwise convolution with channels last, from rows of its input that lie anywhere.
#pragma once

#include "cpu/conv_last.h"

namespace ew::EW_ISA {

// An output row and what it sees: input rows that are real, each with the weights of its taps.
struct Line {
    const float *in, *w;
};
struct Lines {
    const LastConv &c;
    const Finish &finish;
    const Line *list;
    int64_t n;
    float *y;     // column 0 of the row
    int64_t row;  // the position of column 0
    int64_t ld;   // floats between pixels, of input and output
};

// Channels [from, to) of a whole row.
void run_lines(const Lines &l, int64_t from, int64_t to);

}  // namespace ew::EW_ISA
