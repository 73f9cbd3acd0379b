// Pad: each output place is mapped to a place of the input or to the constant, axis by axis; rows are copied as runs.
#include <algorithm>

#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

typedef int32_t Word __attribute__((may_alias, aligned(1)));
enum Mode { Constant, Reflect, Edge, Wrap };

// The place in [0, n) of which output place i is a copy, counted from the first that is kept; -1: the constant.
int64_t source_of(int64_t i, int64_t n, int64_t mode) {
    if (i >= 0 && i < n) return i;
    if (mode == Constant || n == 0) return -1;
    if (mode == Edge) return i < 0 ? 0 : n - 1;
    if (mode == Wrap) return ((i % n) + n) % n;
    if (n == 1) return 0;
    const int64_t period = 2 * (n - 1), place = ((i % period) + period) % period;
    return place < n ? place : period - place;
}

struct Axis {
    int64_t *map;          // source place of each output place, -1: the constant
    int64_t size;          // of the output
    int64_t begin, count;  // the run [begin, begin + count) of output places is copied from map[begin] on
    int64_t stride;        // bytes in the input
};

struct Job {
    Axis axes[EW_MAX_RANK];
    int last;       // the innermost axis that changes; what lies behind is one element
    int64_t bytes;  // of such an element
    const char *from;
    char *to;
    const char *constant;  // one element of `unit` bytes
    int64_t unit;
};

// Fills the maps. Elements taken away at an end are not seen by reflection and the like.
void map_axis(Axis &axis, int64_t size, int64_t begin, int64_t end, int64_t mode) {
    const int64_t first = begin < 0 ? -begin : 0, kept = size - first + (end < 0 ? end : 0);
    const int64_t shift = begin > 0 ? begin : 0;
    axis.begin = shift < axis.size ? shift : axis.size;
    axis.count = kept < axis.size - axis.begin ? kept : axis.size - axis.begin;
    if (axis.count < 0) axis.count = 0;
    const auto look = [&](int64_t i) {
        const int64_t place = source_of(i - shift, kept, mode);
        axis.map[i] = place < 0 ? -1 : place + first;
    };
    const int64_t behind = axis.begin + axis.count;
    for (int64_t i = 0; i < axis.begin; ++i) look(i);
    for (int64_t i = axis.begin; i < behind; ++i) axis.map[i] = i - shift + first;
    for (int64_t i = behind; i < axis.size; ++i) look(i);
}

void fill(const Job &job, char *to, int64_t bytes) { fill_run(to, job.constant, bytes / job.unit, job.unit); }

// Places [first, last) of a row of elements of 4 bytes, one by one.
void pad_words(const Job &job, char *to, const char *from, int64_t first, int64_t last) {
    const int64_t *map = job.axes[job.last].map;
    const auto *source = reinterpret_cast<const Word *>(from);
    auto *target = reinterpret_cast<Word *>(to);
    const Word constant = *reinterpret_cast<const Word *>(job.constant);
    for (int64_t i = first; i < last; ++i) target[i] = map[i] < 0 ? constant : source[map[i]];
}

// One row along the last axis: `from` is its source, NULL where the whole row is the constant.
void pad_row(const Job &job, char *to, const char *from) {
    const Axis &axis = job.axes[job.last];
    if (from == nullptr) return fill(job, to, axis.size * job.bytes);
    if (job.bytes == sizeof(Word) && job.unit == job.bytes) {
        const int64_t behind = axis.begin + axis.count;
        pad_words(job, to, from, 0, axis.begin);
        if (axis.count > 0)
            copy_run(to + axis.begin * job.bytes, from + axis.map[axis.begin] * job.bytes, axis.count * job.bytes);
        return pad_words(job, to, from, behind, axis.size);
    }
    for (int64_t i = 0; i < axis.size; ++i) {
        if (i == axis.begin && axis.count > 0) {
            copy_run(to + i * job.bytes, from + axis.map[i] * job.bytes, axis.count * job.bytes);
            i += axis.count - 1;
        } else if (axis.map[i] < 0) {
            fill(job, to + i * job.bytes, job.bytes);
        } else {
            std::memcpy(to + i * job.bytes, from + axis.map[i] * job.bytes, job.bytes);
        }
    }
}

void pad_rows(const Job &job, int64_t first, int64_t last) {
    const int64_t row = job.axes[job.last].size * job.bytes;
    int64_t place[EW_MAX_RANK];
    for (int64_t i = job.last - 1, rest = first; i >= 0; --i) {
        place[i] = rest % job.axes[i].size;
        rest /= job.axes[i].size;
    }
    for (int64_t unit = first; unit < last; ++unit) {
        const char *from = job.from;
        for (int i = 0; i < job.last && from != nullptr; ++i) {
            const int64_t source = job.axes[i].map[place[i]];
            from = source < 0 ? nullptr : from + source * job.axes[i].stride;
        }
        pad_row(job, job.to + unit * row, from);
        for (int i = job.last - 1; i >= 0 && ++place[i] == job.axes[i].size; --i) place[i] = 0;
    }
}

// inputs: x, constant (may be missing); outputs: y; params: mode, beginnings, ends. workspace: 8 bytes for each
// place of each output axis.
int32_t run(const ew_call *call) {
    static const int64_t zero[2] = {0, 0};
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t unit = element_bytes(x);
    if (call->n_params != 1 + 2 * x.rank || x.rank != y.rank)
        return call->host->error(call, EW_FAILED, "two pads are needed for each axis");
    if (count_of(y) == 0) return EW_OK;
    const ew_param *begins = call->params + 1, *ends = begins + x.rank;
    const bool given = call->n_inputs > 1 && call->inputs[1].data != nullptr;
    Job job{{},
            0,
            unit,
            static_cast<const char *>(x.data),
            static_cast<char *>(y.data),
            given ? static_cast<const char *>(call->inputs[1].data) : reinterpret_cast<const char *>(zero),
            unit};
    int64_t strides[EW_MAX_RANK], *map = static_cast<int64_t *>(call->workspace);
    dense_strides(x, strides);
    int64_t places = 0;
    for (int i = 0; i < x.rank; ++i) places += y.shape[i];
    if (places * 8 > static_cast<int64_t>(call->workspace_size))
        return call->host->error(call, EW_FAILED, "the workspace of a pad is too small");
    for (int i = 0; i < x.rank; ++i) {
        if (x.shape[i] + begins[i].i + ends[i].i != y.shape[i])
            return call->host->error(call, EW_SHAPE, "axis %d and its pads do not have the size of the output", i);
        const int64_t kept = std::min<int64_t>(begins[i].i, 0) + x.shape[i] + std::min<int64_t>(ends[i].i, 0);
        if (kept < 1 && call->params[0].i != Constant)
            return call->host->error(call, EW_SHAPE, "the pads of axis %d leave nothing of its %lld elements", i,
                                     static_cast<long long>(x.shape[i]));
        job.axes[i] = {map, y.shape[i], 0, 0, strides[i]};
        map_axis(job.axes[i], x.shape[i], begins[i].i, ends[i].i, call->params[0].i);
        map += y.shape[i];
        if (begins[i].i != 0 || ends[i].i != 0) job.last = i;
    }
    if (x.rank > 0) job.bytes = strides[job.last];
    if (x.rank == 0) return std::memcpy(y.data, x.data, unit), EW_OK;
    const int64_t rows = count_of(y.shape, 0, job.last);
    for_ranges(call, rows, task_count(count_of(y) * unit, rows),
               [&](int64_t first, int64_t last) { pad_rows(job, first, last); });
    return EW_OK;
}

}  // namespace

EW_KERNEL(pad, run)

}  // namespace ew::EW_ISA
