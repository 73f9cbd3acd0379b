// Slice: a part of each axis, forwards or backwards, in steps.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// inputs: x; outputs: y; params: for each axis the place of the first element and the step.
int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (call->n_params != 2 * x.rank || x.rank != y.rank)
        return call->host->error(call, EW_FAILED, "one start and step are needed for each axis");
    int64_t from[EW_MAX_RANK], to[EW_MAX_RANK];
    dense_strides(x, from);
    dense_strides(y, to);
    if (count_of(y) == 0) return EW_OK;
    Walk walk;
    const char *first = static_cast<const char *>(x.data);
    for (int i = 0; i < x.rank; ++i) {
        const int64_t start = call->params[2 * i].i, step = call->params[2 * i + 1].i;
        const int64_t end = start + (y.shape[i] - 1) * step;
        if (start < 0 || start >= x.shape[i] || end < 0 || end >= x.shape[i])
            return call->host->error(call, EW_SHAPE, "a slice from %lld to %lld leaves axis %d of size %lld",
                                     (long long)start, (long long)end, i, (long long)x.shape[i]);
        first += start * from[i];
        walk.add(y.shape[i], to[i], step * from[i]);
    }
    copy_strided(call, y.data, first, walk, element_bytes(x));
    return EW_OK;
}

}  // namespace

EW_KERNEL(slice, run)

}  // namespace ew::EW_ISA
