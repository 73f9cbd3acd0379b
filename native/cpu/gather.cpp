// Gather, GatherElements, GatherND: elements and rows picked by index.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// y[i] = x[index(i) * step] for elements of one width.
template <class T, class Index>
void pick(char *to, const char *from, int64_t step, const Index *indices, int64_t size, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        const int64_t index = indices[i] < 0 ? indices[i] + size : indices[i];
        std::memcpy(to + i * sizeof(T), from + index * step, sizeof(T));
    }
}

struct Pair {
    int64_t lo, hi;
};

template <class Index>
void pick_rows(char *to, const char *from, int64_t bytes, const Index *indices, int64_t size, int64_t n) {
    switch (bytes) {
        case 1: return pick<int8_t>(to, from, bytes, indices, size, n);
        case 2: return pick<int16_t>(to, from, bytes, indices, size, n);
        case 4: return pick<int32_t>(to, from, bytes, indices, size, n);
        case 8: return pick<int64_t>(to, from, bytes, indices, size, n);
        case 16: return pick<Pair>(to, from, bytes, indices, size, n);
        default: break;
    }
    for (int64_t i = 0; i < n; ++i) {
        const int64_t index = indices[i] < 0 ? indices[i] + size : indices[i];
        copy_run(to + i * bytes, from + index * bytes, bytes);
    }
}

// inputs: data, indices; outputs: y; params: axis.
int32_t gather(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1], &y = call->outputs[0];
    const int64_t axis = call->n_params == 1 ? call->params[0].i : -1;
    if (axis < 0 || axis >= x.rank) return call->host->error(call, EW_FAILED, "there is no such axis");
    const int64_t size = x.shape[axis], n = count_of(indices), outer = count_of(x.shape, 0, axis);
    const int64_t bytes = count_of(x.shape, axis + 1, x.rank) * element_bytes(x);
    if (const int32_t status = check_indices(call, indices, size)) return status;
    if (count_of(y) == 0) return EW_OK;
    const char *from = static_cast<const char *>(x.data);
    char *to = static_cast<char *>(y.data);
    const bool narrow = indices.dtype == EW_INT32;
    // The units are single rows, so that one long list of indices is cut as well as many short ones.
    for_ranges(call, outer * n, task_count(outer * n * bytes, outer * n), [=](int64_t first, int64_t last) {
        while (first < last) {
            const int64_t block = first / n, begin = first % n;
            const int64_t count = last - first < n - begin ? last - first : n - begin;
            const char *rows = from + block * size * bytes;
            if (narrow)
                pick_rows(to + first * bytes, rows, bytes, static_cast<const int32_t *>(indices.data) + begin, size,
                          count);
            else
                pick_rows(to + first * bytes, rows, bytes, static_cast<const int64_t *>(indices.data) + begin, size,
                          count);
            first += count;
        }
    });
    return EW_OK;
}

// A row of indices: along the axis itself each picks from one line, else each from its own column.
struct Row {
    const char *from;
    char *to;
    int64_t n, size, stride, column;  // stride: bytes along the axis; column: bytes from one place to the next
};

template <class T, class Index>
void pick_elements(const Row &row, const Index *indices) {
    for (int64_t k = 0; k < row.n; ++k) {
        const int64_t index = indices[k] < 0 ? indices[k] + row.size : indices[k];
        std::memcpy(row.to + k * sizeof(T), row.from + k * row.column + index * row.stride, sizeof(T));
    }
}

template <class T>
void pick_row(const Row &row, const ew_tensor &indices, int64_t first) {
    if (indices.dtype == EW_INT32) return pick_elements<T>(row, static_cast<const int32_t *>(indices.data) + first);
    pick_elements<T>(row, static_cast<const int64_t *>(indices.data) + first);
}

void pick_row_of(int64_t bytes, const Row &row, const ew_tensor &indices, int64_t first) {
    switch (bytes) {
        case 1: return pick_row<int8_t>(row, indices, first);
        case 2: return pick_row<int16_t>(row, indices, first);
        case 4: return pick_row<int32_t>(row, indices, first);
        case 8: return pick_row<int64_t>(row, indices, first);
        default: return pick_row<Pair>(row, indices, first);
    }
}

// inputs: data, indices; outputs: y; params: axis.
int32_t gather_elements(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1], &y = call->outputs[0];
    const int64_t axis = call->n_params == 1 ? call->params[0].i : -1;
    if (axis < 0 || axis >= x.rank || x.rank != indices.rank)
        return call->host->error(call, EW_FAILED, "there is no such axis");
    if (const int32_t status = check_indices(call, indices, x.shape[axis])) return status;
    for (int i = 0; i < x.rank; ++i)
        if (i != axis && indices.shape[i] > x.shape[i])
            return call->host->error(call, EW_SHAPE, "axis %d of the indices is longer than that of the data", i);
    int64_t strides[EW_MAX_RANK];
    dense_strides(x, strides);
    const int64_t length = indices.shape[x.rank - 1], n = count_of(indices), bytes = element_bytes(x);
    if (n == 0) return EW_OK;
    for_ranges(call, n / length, task_count(n * bytes, n / length), [&](int64_t first, int64_t last) {
        for (int64_t unit = first; unit < last; ++unit) {
            const char *from = static_cast<const char *>(x.data);
            int64_t rest = unit;
            for (int i = x.rank - 2; i >= 0; --i) {
                if (i != axis) from += rest % indices.shape[i] * strides[i];
                rest /= indices.shape[i];
            }
            const Row row{from,          static_cast<char *>(y.data) + unit * length * bytes,
                          length,        x.shape[axis],
                          strides[axis], axis == x.rank - 1 ? 0 : bytes};
            pick_row_of(bytes, row, indices, unit * length);
        }
    });
    return EW_OK;
}

// Bytes into the data at which index tuple `i` points, counted from its batch; -1 after an error.
int64_t place_of(const ew_call *call, int64_t i, int batch, int depth, const int64_t *strides) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1];
    int64_t place = 0;
    for (int k = 0; k < depth; ++k) {
        const int64_t size = x.shape[batch + k], given = read_index(indices, i * depth + k);
        const int64_t index = index_in(given, size);
        if (index < 0) {
            call->host->error(call, EW_INPUT, "index %lld is outside axis %d of size %lld; allowed are %lld to %lld",
                              (long long)given, batch + k, (long long)size, (long long)-size, (long long)(size - 1));
            return -1;
        }
        place += index * strides[batch + k];
    }
    return place;
}

// inputs: data, indices; outputs: y; params: batch_dims.
int32_t gather_nd(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1], &y = call->outputs[0];
    const int64_t batch = call->n_params == 1 ? call->params[0].i : -1;
    const int64_t depth = indices.rank ? indices.shape[indices.rank - 1] : -1;
    if (batch < 0 || depth < 0 || batch + depth > x.rank || batch >= indices.rank)
        return call->host->error(call, EW_FAILED, "the indices do not fit the data");
    int64_t strides[EW_MAX_RANK];
    dense_strides(x, strides);
    const int64_t batches = count_of(x.shape, 0, batch), tuples = count_of(indices.shape, 0, indices.rank - 1);
    const int64_t run = count_of(x.shape, batch + depth, x.rank) * element_bytes(x);
    if (batches == 0 || tuples == 0) return EW_OK;
    const int64_t whole = count_of(x) * element_bytes(x) / batches;
    for (int64_t i = 0; i < tuples; ++i) {
        const int64_t place = place_of(call, i, batch, depth, strides);
        if (place < 0) return EW_INPUT;
        const char *from = static_cast<const char *>(x.data) + i / (tuples / batches) * whole;
        if (run) std::memcpy(static_cast<char *>(y.data) + i * run, from + place, run);
    }
    return EW_OK;
}

}  // namespace

EW_KERNEL(gather, gather)
EW_KERNEL(gather_elements, gather_elements)
EW_KERNEL(gather_nd, gather_nd)

}  // namespace ew::EW_ISA
