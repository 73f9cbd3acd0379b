// AppendRows: the first rows of the past, then the new ones, for each head of each sequence.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// inputs: past [B, G, P, D], new [B, G, S, D], lengths [B] (int64); outputs: y [B, G, T, D].
int32_t append_rows(const ew_call *call) {
    const ew_tensor &past = call->inputs[0], &added = call->inputs[1], &y = call->outputs[0];
    const int64_t *lengths = static_cast<const int64_t *>(call->inputs[2].data);
    const int64_t batch = y.shape[0], heads = y.shape[1], rows = y.shape[2], fresh = added.shape[2];
    for (int64_t b = 0; b < batch; ++b)
        if (lengths[b] < 0 || lengths[b] > past.shape[2] || lengths[b] > rows - fresh)
            return call->host->error(
                call, EW_SHAPE, "sequence %lld keeps %lld rows of %lld, and %lld new ones follow in %lld", (long long)b,
                (long long)lengths[b], (long long)past.shape[2], (long long)fresh, (long long)rows);
    const int64_t row = y.shape[3] * element_bytes(y);
    char *to = static_cast<char *>(y.data);
    const char *kept = static_cast<const char *>(past.data), *following = static_cast<const char *>(added.data);
    for_ranges(call, batch * heads, task_count(batch * heads * rows * row, batch * heads),
               [=](int64_t first, int64_t last) {
                   for (int64_t unit = first; unit < last; ++unit) {
                       const int64_t length = lengths[unit / heads] * row, end = length + fresh * row;
                       char *out = to + unit * rows * row;
                       if (length) std::memcpy(out, kept + unit * past.shape[2] * row, static_cast<size_t>(length));
                       if (fresh > 0 && row > 0)
                           std::memcpy(out + length, following + unit * fresh * row, static_cast<size_t>(fresh * row));
                       std::memset(out + end, 0, static_cast<size_t>(rows * row - end));
                   }
               });
    return EW_OK;
}

}  // namespace

EW_KERNEL(append_rows, append_rows)

}  // namespace ew::EW_ISA
