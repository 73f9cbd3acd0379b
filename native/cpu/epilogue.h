// The pointwise program fused behind a matrix product or a convolution: read from the step, run on finished tiles.
#pragma once

#include "cpu/gemm.h"

namespace ew::EW_ISA {

class Epilogue {
  public:
    // Reads the program from params [first_param, ...) and the extra inputs from first_input on. What the tile kernel
    // does itself (bias, residual, clamp) goes into `finish`; the rest is left for run(). 0 or an error status.
    int32_t parse(const ew_call *call, int32_t first_param, int32_t, int64_t, Finish &) {
        if (call->n_params <= first_param) return EW_OK;
        return call->host->error(call, EW_FAILED, "this kernel cannot run a fused program");
    }
    // Whether run() has anything to do.
    bool active() const { return false; }
    // Applies the program to rows [row, row + rows) and columns [col, col + cols) of the output.
    void run(float *, int64_t, int64_t, int64_t, int64_t, int64_t) const {}
};

}  // namespace ew::EW_ISA
