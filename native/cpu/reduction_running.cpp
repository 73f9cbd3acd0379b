// CumSum and CumProd: running sums and products along one axis, one after the other as NumPy does.
//
// Parameters: outer, n, inner, exclusive, reverse.
#include <type_traits>

#include "cpu/rows.h"

namespace ew::EW_ISA {
namespace {

template <class T>
struct Unsigned {
    using Type = std::make_unsigned_t<T>;
};
template <>
struct Unsigned<float> {
    using Type = float;
};
template <>
struct Unsigned<double> {
    using Type = double;
};

// Signed integers wrap around, as NumPy's do.
struct Add {
    static constexpr int START = 0;
    template <class T>
    static T apply(T a, T b) {
        using U = typename Unsigned<T>::Type;
        return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
    }
};
struct Multiply {
    static constexpr int START = 1;
    template <class T>
    static T apply(T a, T b) {
        using U = typename Unsigned<T>::Type;
        return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
    }
};

// One row of `inner` elements after the other; `x` and `y` point to the first one, `step` leads to the next.
template <class Op, class T>
void running(T *y, const T *x, int64_t n, int64_t inner, int64_t step, bool exclusive) {
    for (int64_t i = 0; i < inner && n > 0; ++i) y[i] = exclusive ? T(Op::START) : x[i];
    for (int64_t j = 1; j < n; ++j) {
        const T *before = y + (j - 1) * step, *term = x + (exclusive ? j - 1 : j) * step;
        T *out = y + j * step;
        for (int64_t i = 0; i < inner; ++i) out[i] = Op::apply(before[i], term[i]);
    }
}

template <class Op, class T>
void run_type(const ew_call *call) {
    const int64_t n = call->params[1].i, inner = call->params[2].i;
    const bool exclusive = call->params[3].i != 0, reverse = call->params[4].i != 0;
    for_ranges(call, call->params[0].i, n * inner, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t first = r * n * inner + (reverse ? (n - 1) * inner : 0);
            running<Op>(static_cast<T *>(call->outputs[0].data) + first,
                        static_cast<const T *>(call->inputs[0].data) + first, n, inner, reverse ? -inner : inner,
                        exclusive);
        }
    });
}

template <class Op>
int32_t run_wide_type(const ew_call *call) {
    switch (call->inputs[0].dtype) {
        case EW_FLOAT32: run_type<Op, float>(call); return EW_OK;
        case EW_FLOAT64: run_type<Op, double>(call); return EW_OK;
        case EW_INT32: run_type<Op, int32_t>(call); return EW_OK;
        case EW_UINT32: run_type<Op, uint32_t>(call); return EW_OK;
        case EW_INT64: run_type<Op, int64_t>(call); return EW_OK;
        case EW_UINT64: run_type<Op, uint64_t>(call); return EW_OK;
        default: return call->host->error(call, EW_INVALID_PLAN, "a running sum of this type has no kernel");
    }
}

template <class Op>
int32_t run(const ew_call *call) {
    if (call->n_params != 5) return call->host->error(call, EW_INVALID_PLAN, "a running sum takes 5 parameters");
    if (count_of(call->outputs[0]) == 0) return EW_OK;
    return run_wide(call, run_wide_type<Op>);
}

}  // namespace

EW_KERNEL(cumsum, run<Add>)
EW_KERNEL(cumprod, run<Multiply>)

}  // namespace ew::EW_ISA
