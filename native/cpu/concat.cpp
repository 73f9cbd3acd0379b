// Concat and Split: parts of one axis, side by side in one tensor.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// Copies between the whole and its parts, which lie one after another along `axis`.
int32_t move(const ew_call *call, const ew_tensor &whole, const ew_tensor *parts, int n_parts, bool join) {
    const int64_t axis = call->n_params == 1 ? call->params[0].i : -1;
    if (axis < 0 || axis >= whole.rank) return call->host->error(call, EW_FAILED, "there is no such axis");
    const int64_t outer = count_of(whole.shape, 0, axis);
    const int64_t inner = count_of(whole.shape, axis + 1, whole.rank) * element_bytes(whole);
    const int64_t row = whole.shape[axis] * inner;
    int64_t offset = 0;
    for (int i = 0; i < n_parts; ++i) {
        const int64_t run = parts[i].rank == whole.rank ? parts[i].shape[axis] * inner : -1;
        if (run < 0 || offset + run > row || count_of(parts[i]) * element_bytes(whole) != outer * run)
            return call->host->error(call, EW_SHAPE, "part %d does not fit into the whole", i);
        char *const place = static_cast<char *>(whole.data) + offset;
        Walk walk;
        walk.add(outer, join ? row : run, join ? run : row);
        walk.add(run, 1, 1);
        copy_strided(call, join ? place : parts[i].data, join ? parts[i].data : place, walk, 1);
        offset += run;
    }
    if (offset != row) return call->host->error(call, EW_SHAPE, "the parts do not fill the whole");
    return EW_OK;
}

// inputs: parts; outputs: y; params: axis.
int32_t concat(const ew_call *call) { return move(call, call->outputs[0], call->inputs, call->n_inputs, true); }

// inputs: x; outputs: parts; params: axis.
int32_t split(const ew_call *call) { return move(call, call->inputs[0], call->outputs, call->n_outputs, false); }

}  // namespace

EW_KERNEL(concat, concat)
EW_KERNEL(split, split)

}  // namespace ew::EW_ISA
