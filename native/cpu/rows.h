// What kernels on rows share: ranges of work run in parallel, and 16-bit tensors widened to float32 for a kernel.
#pragma once

#include <algorithm>

#include "cpu/pointwise.h"

namespace ew::EW_ISA {
namespace {

constexpr int64_t RANGE_COST = 1 << 17;  // element operations of a task: about 20 us
constexpr int MAX_WIDE = 8;

inline int64_t count_of(const ew_tensor &tensor) {
    int64_t n = 1;
    for (int a = 0; a < tensor.rank; ++a) n *= tensor.shape[a];
    return n;
}

// Calls f(begin, end) for ranges that cover [0, n), from any thread; `cost` in element operations for each item.
template <class F>
void for_ranges(const ew_call *call, int64_t n, int64_t cost, const F &f) {
    const int64_t chunk = std::max<int64_t>({RANGE_COST / std::max<int64_t>(cost, 1), (n + 255) / 256, 1});
    if (n <= chunk) {
        if (n > 0) f(int64_t{0}, n);
        return;
    }
    struct Ranges {
        const F *f;
        int64_t n, chunk;
    } ranges{&f, n, chunk};
    call->host->parallel(
        call, (n + chunk - 1) / chunk,
        [](void *argument, int64_t task) {
            const Ranges &r = *static_cast<const Ranges *>(argument);
            (*r.f)(task *r.chunk, std::min(r.n, (task + 1) * r.chunk));
        },
        &ranges);
}

inline bool is_half(int32_t dtype) { return dtype == EW_FLOAT16 || dtype == EW_BFLOAT16; }

// Copies of the tensors in which halves are float32, in the workspace from *used on; false where that is too small.
inline bool widen(const ew_call *call, const ew_tensor *tensors, int n, ew_tensor *wide, uint64_t *used) {
    for (int i = 0; i < n; ++i) {
        wide[i] = tensors[i];
        if (!is_half(tensors[i].dtype)) continue;
        wide[i].data = static_cast<char *>(call->workspace) + *used;
        wide[i].dtype = EW_FLOAT32;
        *used += static_cast<uint64_t>(count_of(tensors[i]) * 4 + 63) / 64 * 64;
    }
    return *used <= call->workspace_size;
}

// Runs a kernel for float32 on a call with halves: they are widened before and rounded behind it.
template <class F>
int32_t run_wide(const ew_call *call, const F &kernel) {
    ew_tensor inputs[MAX_WIDE], outputs[MAX_WIDE];
    uint64_t used = 0;
    bool any = false;
    for (int i = 0; i < call->n_inputs; ++i) any |= is_half(call->inputs[i].dtype);
    if (!any) return kernel(call);
    if (call->n_inputs > MAX_WIDE || call->n_outputs > MAX_WIDE ||
        !widen(call, call->inputs, call->n_inputs, inputs, &used) ||
        !widen(call, call->outputs, call->n_outputs, outputs, &used))
        return call->host->error(call, EW_INVALID_PLAN, "the workspace is too small for tensors in float32");
    for (int i = 0; i < call->n_inputs; ++i)
        if (is_half(call->inputs[i].dtype))
            load_elements(inputs[i].data, call->inputs[i].data, call->inputs[i].dtype, count_of(inputs[i]));
    ew_call wide = *call;
    wide.inputs = inputs;
    wide.outputs = outputs;
    if (const int32_t status = kernel(&wide); status != EW_OK) return status;
    for (int i = 0; i < call->n_outputs; ++i) {
        const ew_tensor &output = call->outputs[i];
        if (!is_half(output.dtype)) continue;
        round_elements(outputs[i].data, output.dtype, count_of(output));
        store_elements(output.data, outputs[i].data, output.dtype, count_of(output));
    }
    return EW_OK;
}

}  // namespace
}  // namespace ew::EW_ISA
