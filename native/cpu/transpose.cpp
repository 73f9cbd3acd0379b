// Transpose: axes in another order; also of data seen in another shape (depth to space and back).
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// y's axis i is axis perm[i] of x seen in the shape `sizes`.
int32_t permute(const ew_call *call, int rank, const int64_t *sizes, const ew_param *perm) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t bytes = element_bytes(x);
    if (count_of(sizes, 0, rank) != count_of(x) || count_of(x) != count_of(y))
        return call->host->error(call, EW_SHAPE, "transposing does not change the number of elements");
    int64_t from[MAX_WALK], to = bytes, stride = bytes;
    for (int i = rank - 1; i >= 0; --i) {
        from[i] = stride;
        stride *= sizes[i];
    }
    Walk walk;
    int64_t to_strides[MAX_WALK];
    for (int i = rank - 1; i >= 0; --i) {
        if (perm[i].i < 0 || perm[i].i >= rank) return call->host->error(call, EW_FAILED, "perm is no order of axes");
        to_strides[i] = to;
        to *= sizes[perm[i].i];
    }
    for (int i = 0; i < rank; ++i) walk.add(sizes[perm[i].i], to_strides[i], from[perm[i].i]);
    copy_strided(call, y.data, x.data, walk, bytes);
    return EW_OK;
}

// inputs: x; outputs: y; params: perm.
int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    if (call->n_params != x.rank) return call->host->error(call, EW_FAILED, "perm has %d axes", call->n_params);
    return permute(call, x.rank, x.shape, call->params);
}

// inputs: x; outputs: y; params: the shape in which x is seen, then perm.
int32_t reshaped(const ew_call *call) {
    const int rank = call->n_params / 2;
    if (rank > MAX_WALK) return call->host->error(call, EW_FAILED, "too many axes");
    int64_t sizes[MAX_WALK];
    for (int i = 0; i < rank; ++i) sizes[i] = call->params[i].i;
    return permute(call, rank, sizes, call->params + rank);
}

}  // namespace

EW_KERNEL(transpose, run)
EW_KERNEL(transpose_reshaped, reshaped)

}  // namespace ew::EW_ISA
