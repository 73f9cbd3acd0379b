// A plugin library in C++: the running maximum along the last axis, for several types, with a workspace.
//
// HEADER=$(python -c 'import enginewright as ew; print(ew.header_folder())')
// c++ -std=c++17 -O3 -shared -fPIC -I"$HEADER" cumulative_max.cpp -o cumulative_max.so
#include <algorithm>
#include <cstdint>

#include "enginewright.h"

namespace {

template <class T>
void running_maximum(const T *x, T *y, int64_t n, T *best) {
    *best = n > 0 ? x[0] : T{};
    for (int64_t i = 0; i < n; ++i) y[i] = *best = std::max(*best, x[i]);
}

template <class T>
int32_t rows(const ew_call *call) {
    const int64_t n = call->params[1].i;
    const auto *x = static_cast<const T *>(call->inputs[0].data);
    auto *y = static_cast<T *>(call->outputs[0].data);
    for (int64_t row = 0; row < call->params[0].i; ++row)
        running_maximum(x + row * n, y + row * n, n, static_cast<T *>(call->workspace));
    return EW_OK;
}

// params: rows, columns; workspace: one element. No exception may leave a kernel, and nothing here throws.
int32_t acme_cumulative_max(const ew_call *call) {
    if (call->n_inputs != 1 || call->n_outputs != 1 || call->n_params != 2 || call->workspace_size < sizeof(int64_t))
        return call->host->error(call, EW_FAILED, "cumulative_max is called wrongly");
    switch (call->inputs[0].dtype) {
        case EW_FLOAT32: return rows<float>(call);
        case EW_INT32: return rows<int32_t>(call);
        case EW_INT64: return rows<int64_t>(call);
        default: return call->host->error(call, EW_FAILED, "type %d is not supported", call->inputs[0].dtype);
    }
}

}  // namespace

EW_PLUGIN("acme", "cumulative_max 1.0", EW_ENTRY(acme_cumulative_max))
