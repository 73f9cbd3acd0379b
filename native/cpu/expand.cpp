// Expand and Tile: axes repeated.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// inputs: x; outputs: y, of at least as many axes; axes of size 1 are repeated.
int32_t expand(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int extra = y.rank - x.rank;
    if (extra < 0) return call->host->error(call, EW_SHAPE, "expanding does not remove axes");
    int64_t from[EW_MAX_RANK], to[EW_MAX_RANK];
    dense_strides(x, from);
    dense_strides(y, to);
    Walk walk;
    for (int i = 0; i < y.rank; ++i) {
        const int64_t size = i < extra ? 1 : x.shape[i - extra];
        if (size != 1 && size != y.shape[i])
            return call->host->error(call, EW_SHAPE, "axis %d of size %lld can't be expanded to %lld", i,
                                     (long long)size, (long long)y.shape[i]);
        walk.add(y.shape[i], to[i], size == 1 ? 0 : from[i - extra]);
    }
    copy_strided(call, y.data, x.data, walk, element_bytes(x));
    return EW_OK;
}

// inputs: x; outputs: y, whose sizes are multiples of those of x.
int32_t tile(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (x.rank != y.rank) return call->host->error(call, EW_SHAPE, "tiling keeps the number of axes");
    int64_t from[EW_MAX_RANK], to[EW_MAX_RANK];
    dense_strides(x, from);
    dense_strides(y, to);
    if (count_of(y) == 0) return EW_OK;
    Walk walk;
    for (int i = 0; i < x.rank; ++i) {
        if (x.shape[i] == 0 || y.shape[i] % x.shape[i] != 0)
            return call->host->error(call, EW_SHAPE, "axis %d of size %lld can't be repeated to %lld", i,
                                     (long long)x.shape[i], (long long)y.shape[i]);
        walk.add(y.shape[i] / x.shape[i], to[i] * x.shape[i], 0);
        walk.add(x.shape[i], to[i], from[i]);
    }
    copy_strided(call, y.data, x.data, walk, element_bytes(x));
    return EW_OK;
}

}  // namespace

EW_KERNEL(expand, expand)
EW_KERNEL(tile, tile)

}  // namespace ew::EW_ISA
