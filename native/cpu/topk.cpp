// TopK: the k largest or smallest of each row, kept in a heap of k places while the row streams by, then sorted.
#include <algorithm>

#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

template <class T>
struct Item {
    T value;
    int64_t place;
};

// Whether `a` stands before `b` in the result: larger (or smaller) first, of equal ones the first place first. NaN
// counts as larger than all others.
template <class T>
struct Before {
    bool largest;
    bool operator()(const Item<T> &a, const Item<T> &b) const {
        const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
        if (a_nan || b_nan) return a_nan != b_nan ? a_nan == largest : a.place < b.place;
        if (a.value != b.value) return largest ? a.value > b.value : a.value < b.value;
        return a.place < b.place;
    }
};

struct Rows {
    int64_t inner, size, k;
    bool largest;
};

template <class T>
void top_row(const Rows &rows, const T *from, T *values, int64_t *places, Item<T> *heap) {
    const Before<T> before{rows.largest};
    if (rows.k == 0) return;
    for (int64_t i = 0; i < rows.k; ++i) heap[i] = {from[i * rows.inner], i};
    std::make_heap(heap, heap + rows.k, before);
    for (int64_t i = rows.k; i < rows.size; ++i) {
        const T value = from[i * rows.inner];
        // The common case in one comparison; of equal elements the earlier one is in the heap already.
        if (rows.largest ? value <= heap[0].value : value >= heap[0].value) continue;
        const Item<T> item{value, i};
        if (!before(item, heap[0])) continue;
        std::pop_heap(heap, heap + rows.k, before);
        heap[rows.k - 1] = item;
        std::push_heap(heap, heap + rows.k, before);
    }
    std::sort_heap(heap, heap + rows.k, before);
    for (int64_t i = 0; i < rows.k; ++i) {
        values[i * rows.inner] = heap[i].value;
        places[i * rows.inner] = heap[i].place;
    }
}

template <class T>
int32_t top(const ew_call *call, const Rows &rows, int64_t outer) {
    const T *from = static_cast<const T *>(call->inputs[0].data);
    T *values = static_cast<T *>(call->outputs[0].data);
    int64_t *places = static_cast<int64_t *>(call->outputs[1].data);
    const int64_t n = outer * rows.inner;
    const int64_t tasks = task_count(n * rows.size * 16, n);
    const int64_t heaps = tasks > 1 ? tasks : 1;
    if (heaps * rows.k * 16 > static_cast<int64_t>(call->workspace_size))
        return call->host->error(call, EW_FAILED, "the workspace is too small");
    Item<T> *memory = static_cast<Item<T> *>(call->workspace);
    // Each task has a heap of its own: the one of its number.
    for_ranges(call, heaps, tasks, [&](int64_t task, int64_t end) {
        for (int64_t row = n * task / heaps; row < n * end / heaps; ++row) {
            const int64_t o = row / rows.inner, i = row % rows.inner;
            top_row(rows, from + o * rows.size * rows.inner + i, values + o * rows.k * rows.inner + i,
                    places + o * rows.k * rows.inner + i, memory + task * rows.k);
        }
    });
    return EW_OK;
}

// inputs: x; outputs: values, places; params: axis, whether the largest are wanted. workspace: 16 bytes for each of
// the k places of 64 tasks.
int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t axis = call->n_params == 2 ? call->params[0].i : -1;
    if (axis < 0 || axis >= x.rank || y.rank != x.rank)
        return call->host->error(call, EW_FAILED, "there is no such axis");
    const Rows rows{count_of(x.shape, axis + 1, x.rank), x.shape[axis], y.shape[axis], call->params[1].i != 0};
    if (rows.k > rows.size)
        return call->host->error(call, EW_INPUT, "k is %lld, but the axis has size %lld", (long long)rows.k,
                                 (long long)rows.size);
    if (count_of(y) == 0) return EW_OK;
    const int64_t outer = count_of(x.shape, 0, axis);
    switch (x.dtype) {
        case EW_FLOAT32: return top<float>(call, rows, outer);
        case EW_FLOAT64: return top<double>(call, rows, outer);
        case EW_INT64: return top<int64_t>(call, rows, outer);
        case EW_INT32: return top<int32_t>(call, rows, outer);
        case EW_INT8: return top<int8_t>(call, rows, outer);
        case EW_UINT8: return top<uint8_t>(call, rows, outer);
        default: return call->host->error(call, EW_FAILED, "elements of type %d are not compared", x.dtype);
    }
}

}  // namespace

EW_KERNEL(topk, run)

}  // namespace ew::EW_ISA
