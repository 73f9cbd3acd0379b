// A pool over images with their channels last, read from a step's tensors and params, and what its windows see.
//
// Params of a window: kind (0 maximum, 1 mean, 2 mean with padding counted), then kernel, stride, dilation, padding before
// and behind for each spatial axis.
#pragma once

#include "cpu/conv_last.h"

namespace ew::EW_ISA {

namespace {

struct LastPool : Sliding {
    int64_t kind, end[3];
    const ew_tensor *x, *y;
};

inline bool read_last_pool(const ew_call *call, LastPool &p) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int32_t rank = x.rank - 2;
    if (rank < 1 || rank > 3 || y.rank != x.rank || call->n_params != 1 + 5 * rank) return false;
    p.n = x.shape[0];
    p.c = x.shape[rank + 1];
    p.m = y.shape[rank + 1];
    p.kind = call->params[0].i;
    fill_axes(p.in, x.shape + 1, rank);
    fill_axes(p.out, y.shape + 1, rank);
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t axis = i - (3 - rank);
        const ew_param *q = call->params + 1 + 5 * axis;
        p.kernel[i] = axis < 0 ? 1 : q[0].i;
        p.stride[i] = axis < 0 ? 1 : q[1].i;
        p.dilation[i] = axis < 0 ? 1 : q[2].i;
        p.begin[i] = axis < 0 ? 0 : q[3].i;
        p.end[i] = axis < 0 ? 0 : q[4].i;
    }
    p.x = &x;
    p.y = &y;
    return p.c == p.m;
}

// Elements of the window of output position `at` on an axis that are real: [lo, hi).
struct Seen {
    int64_t lo, hi, counted;
};
inline Seen seen(const LastPool &p, int axis, int64_t at) {
    const int64_t start = at * p.stride[axis] - p.begin[axis], step = p.dilation[axis];
    Seen s;
    s.lo = start < 0 ? least(p.kernel[axis], ceil_div(-start, step)) : 0;
    s.hi = p.in[axis] <= start ? s.lo : most(s.lo, least(p.kernel[axis], ceil_div(p.in[axis] - start, step)));
    s.counted = s.hi - s.lo;
    if (p.kind == 2) s.counted = least(p.kernel[axis], ceil_div(p.in[axis] + p.end[axis] - start, step));
    return s;
}

}  // namespace

}  // namespace ew::EW_ISA
