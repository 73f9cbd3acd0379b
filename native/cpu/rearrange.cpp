// Trilu and ReverseSequence: rows kept in part, rows in another order.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// inputs: x; outputs: y; params: whether the upper triangle is kept, diagonal.
int32_t trilu(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t bytes = element_bytes(x);
    if (call->n_params != 2 || x.rank < 2) return call->host->error(call, EW_FAILED, "matrices are needed");
    if (count_of(x) == 0) return EW_OK;
    const int64_t height = x.shape[x.rank - 2], width = x.shape[x.rank - 1], rows = count_of(x) / width;
    const bool upper = call->params[0].i != 0;
    const int64_t diagonal = call->params[1].i;
    const char *from = static_cast<const char *>(x.data);
    char *to = static_cast<char *>(y.data);
    for_ranges(call, rows, task_count(count_of(x) * bytes, rows), [=](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
            int64_t edge = row % height + diagonal + (upper ? 0 : 1);
            edge = edge < 0 ? 0 : edge > width ? width : edge;
            const int64_t begin = upper ? edge : 0, end = upper ? width : edge, place = row * width * bytes;
            std::memset(to + place, 0, begin * bytes);
            std::memmove(to + place + begin * bytes, from + place + begin * bytes, (end - begin) * bytes);
            std::memset(to + place + end * bytes, 0, (width - end) * bytes);
        }
    });
    return EW_OK;
}

// inputs: x, lengths; outputs: y; params: axis of the batch, 0 or 1; the other one is that of time.
int32_t reverse_sequence(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &lengths = call->inputs[1], &y = call->outputs[0];
    const int64_t batch_axis = call->n_params == 1 ? call->params[0].i : -1;
    if (batch_axis < 0 || batch_axis > 1 || x.rank < 2 || count_of(lengths) != x.shape[batch_axis])
        return call->host->error(call, EW_SHAPE, "each batch needs one length");
    const int64_t steps = x.shape[1 - batch_axis], batches = x.shape[batch_axis];
    const int64_t run = count_of(x.shape, 2, x.rank) * element_bytes(x);
    const int64_t batch_stride = batch_axis == 0 ? steps * run : run,
                  step_stride = batch_axis == 0 ? run : batches * run;
    for (int64_t b = 0; b < batches; ++b) {
        const int64_t length = read_index(lengths, b);
        if (length < 0 || length > steps)
            return call->host->error(call, EW_INPUT, "length %lld of a sequence is outside 0 to %lld",
                                     (long long)length, (long long)steps);
        for (int64_t t = 0; t < steps && run > 0; ++t) {
            const int64_t source = t < length ? length - 1 - t : t;
            copy_run(static_cast<char *>(y.data) + b * batch_stride + t * step_stride,
                     static_cast<const char *>(x.data) + b * batch_stride + source * step_stride, run);
        }
    }
    return EW_OK;
}

}  // namespace

EW_KERNEL(trilu, trilu)
EW_KERNEL(reverse_sequence, reverse_sequence)

}  // namespace ew::EW_ISA
