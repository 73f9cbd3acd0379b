// How a convolution or pool slides over one, two or three spatial axes, read from a step's tensors and params.
#pragma once

#include <utility>

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// Sizes are always three; missing axes in front have size 1, stride 1 and no padding.
struct Sliding {
    int64_t n, c, m, group;
    int64_t in[3], kernel[3], out[3], stride[3], dilation[3], begin[3];
    int64_t in_size() const { return in[0] * in[1] * in[2]; }
    int64_t out_size() const { return out[0] * out[1] * out[2]; }
    int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

EW_INLINE void fill_axes(int64_t *axes, const int64_t *shape, int32_t rank) {
    for (int32_t i = 0; i < 3; ++i) axes[i] = i < 3 - rank ? 1 : shape[i - (3 - rank)];
}

// x and y are [N, C, spatial]; params from `first` on: stride, dilation, padding before, for each spatial axis.
// False: more than three spatial axes.
EW_INLINE bool read_sliding(const ew_call *call, int32_t first, const ew_tensor &x, const ew_tensor &y, Sliding &s) {
    const int32_t rank = x.rank - 2;
    if (rank < 1 || rank > 3 || y.rank != x.rank || call->n_params < first + 3 * rank) return false;
    s.n = x.shape[0];
    s.c = x.shape[1];
    s.m = y.shape[1];
    s.group = 1;
    fill_axes(s.in, x.shape + 2, rank);
    fill_axes(s.out, y.shape + 2, rank);
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t axis = i - (3 - rank);
        const ew_param *p = call->params + first + 3 * axis;
        s.stride[i] = axis < 0 ? 1 : p[0].i;
        s.dilation[i] = axis < 0 ? 1 : p[1].i;
        s.begin[i] = axis < 0 ? 0 : p[2].i;
    }
    return true;
}

EW_INLINE int32_t sliding_params(const ew_tensor &x) { return 3 * (x.rank - 2); }

struct Conv : Sliding {
    int64_t k, per_group;  // products of an output element; output channels of a group
    const float *x, *w, *bias;
    float *y;
    int32_t fixed, inputs;
    bool pointwise;  // 1x1 with stride 1 and no padding: the input is the matrix of patches
};

// Inputs x, w, bias; params group, number of inputs, window. False: sizes disagree.
EW_INLINE bool read_conv(const ew_call *call, Conv &c) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1];
    if (!read_sliding(call, 2, x, call->outputs[0], c)) return false;
    c.group = call->params[0].i;
    c.inputs = static_cast<int32_t>(call->params[1].i);
    c.fixed = 2 + sliding_params(x);
    fill_axes(c.kernel, w.shape + 2, w.rank - 2);
    c.per_group = c.m / most(1, c.group);
    c.k = w.shape[1] * c.taps();
    c.x = f32(x);
    c.w = f32(w);
    c.bias = c.inputs > 2 && present(call, 2) ? f32(call->inputs[2]) : nullptr;
    c.y = static_cast<float *>(call->outputs[0].data);
    c.pointwise = c.taps() == 1;
    for (int i = 0; i < 3; ++i) c.pointwise = c.pointwise && c.stride[i] == 1 && c.begin[i] == 0 && c.in[i] == c.out[i];
    return c.group > 0 && c.m % c.group == 0 && w.shape[1] * c.group == c.c && w.shape[0] == c.m;
}

// Whether the product can be written where the output lies.
EW_INLINE bool writes_f32(const ew_call *call) { return call->n_outputs == 1 && call->outputs[0].dtype == EW_FLOAT32; }

// Every second element: picked from two vectors, the second of which starts one early so as not to read past the end.
template <int... I>
EW_INLINE vf pick_even(vf a, vf b, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I < VL / 2 ? 2 * I : 2 * I + 1)...);
}
EW_INLINE vf load_even(const float *in) {
    return pick_even(load(in), load(in + VL - 1), std::make_integer_sequence<int, VL>{});
}

}  // namespace ew::EW_ISA
