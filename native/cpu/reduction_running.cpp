// CumSum: running sums along one axis, added one after the other as NumPy does.
//
// Parameters: outer, n, inner, exclusive, reverse.
#include <type_traits>

#include "cpu/rows.h"

namespace ew::EW_ISA {
namespace {

template <class T>
T add(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
        return a + b;
    else
        return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
}

// One row of `inner` elements after the other; `x` and `y` point to the first one, `step` leads to the next.
template <class T>
void running_sum(T *y, const T *x, int64_t n, int64_t inner, int64_t step, bool exclusive) {
    for (int64_t i = 0; i < inner && n > 0; ++i) y[i] = exclusive ? T(0) : x[i];
    for (int64_t j = 1; j < n; ++j) {
        const T *before = y + (j - 1) * step, *term = x + (exclusive ? j - 1 : j) * step;
        T *out = y + j * step;
        for (int64_t i = 0; i < inner; ++i) out[i] = add(before[i], term[i]);
    }
}

template <class T>
void run_type(const ew_call *call) {
    const int64_t n = call->params[1].i, inner = call->params[2].i;
    const bool exclusive = call->params[3].i != 0, reverse = call->params[4].i != 0;
    for_ranges(call, call->params[0].i, n * inner, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t first = r * n * inner + (reverse ? (n - 1) * inner : 0);
            running_sum(static_cast<T *>(call->outputs[0].data) + first,
                        static_cast<const T *>(call->inputs[0].data) + first, n, inner, reverse ? -inner : inner,
                        exclusive);
        }
    });
}

int32_t run_wide_type(const ew_call *call) {
    switch (call->inputs[0].dtype) {
        case EW_FLOAT32: run_type<float>(call); return EW_OK;
        case EW_FLOAT64: run_type<double>(call); return EW_OK;
        case EW_INT32: run_type<int32_t>(call); return EW_OK;
        case EW_UINT32: run_type<uint32_t>(call); return EW_OK;
        case EW_INT64: run_type<int64_t>(call); return EW_OK;
        case EW_UINT64: run_type<uint64_t>(call); return EW_OK;
        default: return call->host->error(call, EW_INVALID_PLAN, "CumSum of this type has no kernel");
    }
}

int32_t run(const ew_call *call) {
    if (call->n_params != 5) return call->host->error(call, EW_INVALID_PLAN, "CumSum takes 5 parameters");
    if (count_of(call->outputs[0]) == 0) return EW_OK;
    return run_wide(call, run_wide_type);
}

}  // namespace

EW_KERNEL(cumsum, run)

}  // namespace ew::EW_ISA
