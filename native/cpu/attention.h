// What kernels of attention share: sizes and options of a call, which keys a query sees, and the mask.
#pragma once

#include <limits>

#include "cpu/gemm.h"

namespace ew::EW_ISA {
namespace {

constexpr float INF = std::numeric_limits<float>::infinity();

struct Attention {
    int64_t batch, heads, groups, queries, keys, depth, width;  // width: elements of a row of v
    const float *q, *k, *v;
    const ew_tensor *mask;
    int64_t mask_step[4];  // batch, head, query, key; 0: broadcast
    const int64_t *lengths;
    int64_t one_length;
    float scale, softcap;
    bool causal, bottom_right;
    int64_t left, right;
    float *out;

    int64_t shared() const { return heads / groups; }
    int64_t length(int64_t b) const { return lengths ? lengths[one_length ? 0 : b] : keys; }
    int64_t offset(int64_t b) const { return lengths ? length(b) - queries : bottom_right ? keys - queries : 0; }
};

[[maybe_unused]] void read_mask(const ew_tensor &t, int64_t *step) {
    int64_t stride = 1;
    for (int32_t i = 3; i >= 0; --i) {
        const int32_t axis = t.rank - 4 + i;
        const int64_t size = axis >= 0 ? t.shape[axis] : 1;
        step[i] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

[[maybe_unused]] bool read(const ew_call *call, Attention &a) {
    const ew_tensor &q = call->inputs[0], &k = call->inputs[1], &v = call->inputs[2];
    if (q.rank != 4 || k.rank != 4 || v.rank != 4 || call->n_params < 6) return false;
    a.batch = q.shape[0];
    a.heads = q.shape[1];
    a.queries = q.shape[2];
    a.depth = q.shape[3];
    a.groups = k.shape[1];
    a.keys = k.shape[2];
    a.width = v.shape[3];
    a.q = f32(q);
    a.k = f32(k);
    a.v = f32(v);
    a.mask = present(call, 3) ? &call->inputs[3] : nullptr;
    if (a.mask) read_mask(*a.mask, a.mask_step);
    a.lengths = present(call, 4) ? static_cast<const int64_t *>(call->inputs[4].data) : nullptr;
    a.one_length = a.lengths && count(call->inputs[4]) == 1;
    const ew_param *p = call->params;
    a.scale = p[0].f == 0 ? 1.0F / __builtin_sqrtf(static_cast<float>(most(1, a.depth))) : static_cast<float>(p[0].f);
    a.causal = p[1].i != 0;
    a.bottom_right = p[2].i != 0;
    a.softcap = static_cast<float>(p[3].f);
    a.left = p[4].i;
    a.right = p[5].i;
    a.out = static_cast<float *>(call->outputs[0].data);
    return a.groups > 0 && a.heads % a.groups == 0 && k.shape[3] == a.depth && v.shape[2] == a.keys;
}

// Keys [low, high) that a query sees by its position.
struct Visible {
    int64_t low, high;
};

EW_INLINE Visible see(const Attention &a, int64_t batch, int64_t query) {
    const int64_t position = query + a.offset(batch);
    int64_t low = 0, high = most(0, least(a.keys, a.length(batch)));
    if (a.causal) high = least(high, position + 1);
    if (a.right >= 0) high = least(high, position + a.right + 1);
    if (a.left >= 0) low = most(low, position - a.left);
    high = most(high, 0);
    return {least(low, high), high};
}

EW_INLINE float mask_value(const ew_tensor &mask, int64_t at) {
    if (mask.dtype == EW_BOOL) return static_cast<const uint8_t *>(mask.data)[at] ? 0 : -INF;
    return f32(mask)[at];
}

}  // namespace
}  // namespace ew::EW_ISA
