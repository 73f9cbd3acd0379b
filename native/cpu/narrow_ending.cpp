// Reads the fused program of a call as what is done with sums in registers (narrow_ending.h).
#include "cpu/narrow_ending.h"

namespace ew::EW_ISA {

namespace {

// A further input of the program, which is to be added.
bool add(const ew_tensor &tensor, const ew_param *how, int64_t rows, int64_t cols, NarrowFinish &f) {
    const int64_t period = how[0].i;
    const bool wide = tensor.dtype == EW_FLOAT32;
    if (how[1].i != 0 || (period != 1 && period != rows)) return false;
    if (period == rows && !f.residual && !f.narrow_residual) {
        if (wide)
            f.residual = f32(tensor);
        else
            f.narrow_residual = static_cast<const uint16_t *>(tensor.data);
        f.ld_residual = cols;
        return true;
    }
    if (period != 1 || f.bias_col || !wide) return false;
    f.bias_col = f32(tensor);
    return true;
}

}  // namespace

bool read_finish(const ew_call *call, int fixed, int64_t rows, int64_t cols, NarrowEnding &ending) {
    if (call->n_params <= fixed) return false;
    const ew_param *words = call->params + fixed, *extras = words + 1;
    const int64_t n_extra = words[0].i, left = call->n_params - fixed - 1 - 2 * n_extra;
    const ew_tensor *inputs = call->inputs + call->n_inputs - n_extra;
    Program program;
    Pattern pattern;
    int64_t used = 0;
    if (!program.parse(extras + 2 * n_extra, left, &used) || !find_pattern(program, pattern) || pattern.scaled)
        return false;
    NarrowFinish f = ending.finish;
    const PatternKind kind = pattern.kind;
    const bool line = kind == PatternKind::affine || kind == PatternKind::gate || kind == PatternKind::sloped;
    if (kind != PatternKind::none && kind != PatternKind::clip && !line) return false;
    if (pattern.slope_input >= 0) {
        const ew_param *how = extras + 2 * pattern.slope_input;
        if (how[0].i != 1 || how[1].i != 0) return false;
        f.slope_col = f32(inputs[pattern.slope_input]);
    }
    for (int k = 0; k < pattern.n_added; ++k)
        if (!add(inputs[pattern.added[k]], extras + 2 * pattern.added[k], rows, cols, f)) return false;
    f.clamped = kind == PatternKind::clip;
    f.lo = pattern.low;
    f.hi = pattern.high;
    if (call->outputs[0].dtype == EW_BFLOAT16) {
        f.narrow = static_cast<uint16_t *>(call->outputs[0].data);
        f.ld_narrow = cols;
    }
    ending.finish = f;
    ending.pattern = pattern;
    ending.finish.line = line ? &ending.pattern : nullptr;
    return true;
}

bool read_ending(const ew_call *call, const LastConv &c, Epilogue &epilogue, NarrowEnding &ending) {
    if (!epilogue.parse(call, c.fixed, c.inputs, c.positions(), c.m)) return false;
    ending.finish.bias_col = c.bias;
    ending.rest = !epilogue.empty() && !read_finish(call, c.fixed, c.positions(), c.m, ending);
    ending.in_y = writes_f32(call);
    return true;
}

}  // namespace ew::EW_ISA
