// ScatterElements, ScatterND, TensorScatter: elements written or reduced into places given by index, in order.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

enum Reduction { None, Add, Mul, Max, Min };

// to[i] = to[i] combined with from[i].
template <class T>
void combine(T *to, const T *from, int64_t n, int64_t reduction) {
    switch (reduction) {
        case Add:
            for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to[i] + from[i]);
            return;
        case Mul:
            for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to[i] * from[i]);
            return;
        // A NaN on either side stays, as in NumPy.
        case Max:
            for (int64_t i = 0; i < n; ++i) to[i] = from[i] > to[i] || from[i] != from[i] ? from[i] : to[i];
            return;
        case Min:
            for (int64_t i = 0; i < n; ++i) to[i] = from[i] < to[i] || from[i] != from[i] ? from[i] : to[i];
            return;
        default: return;
    }
}

bool reducible(int32_t dtype) {
    return dtype == EW_FLOAT32 || dtype == EW_FLOAT64 || dtype == EW_INT32 || dtype == EW_INT64;
}

// A run of `n` elements; the caller has checked the type.
void put(void *to, const void *from, int64_t n, int32_t dtype, int64_t bytes, int64_t reduction) {
    if (reduction == None) {
        std::memcpy(to, from, n * bytes);
        return;
    }
    switch (dtype) {
        case EW_FLOAT32: return combine(static_cast<float *>(to), static_cast<const float *>(from), n, reduction);
        case EW_FLOAT64: return combine(static_cast<double *>(to), static_cast<const double *>(from), n, reduction);
        // Unsigned, so that a sum that overflows wraps; order does not matter to add and mul.
        case EW_INT32:
            if (reduction == Add || reduction == Mul)
                return combine(static_cast<uint32_t *>(to), static_cast<const uint32_t *>(from), n, reduction);
            return combine(static_cast<int32_t *>(to), static_cast<const int32_t *>(from), n, reduction);
        default:
            if (reduction == Add || reduction == Mul)
                return combine(static_cast<uint64_t *>(to), static_cast<const uint64_t *>(from), n, reduction);
            return combine(static_cast<int64_t *>(to), static_cast<const int64_t *>(from), n, reduction);
    }
}

// The output starts as the data, unless it shares its memory.
void start_from(const ew_call *call, const ew_tensor &x, const ew_tensor &y) {
    if (x.data == y.data) return;
    Walk walk;
    walk.add(count_of(x) * element_bytes(x), 1, 1);
    copy_strided(call, y.data, x.data, walk, 1);
}

// inputs: data, indices, updates; outputs: y; params: axis, reduction.
int32_t scatter_elements(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1], &updates = call->inputs[2], &y = call->outputs[0];
    const int64_t axis = call->n_params == 2 ? call->params[0].i : -1, reduction = axis < 0 ? 0 : call->params[1].i;
    if (axis < 0 || axis >= x.rank || x.rank != indices.rank || (reduction != None && !reducible(x.dtype)))
        return call->host->error(call, EW_FAILED, "the indices do not fit the data");
    const int64_t n = count_of(indices), bytes = element_bytes(x);
    if (n != count_of(updates)) return call->host->error(call, EW_SHAPE, "each index needs one update");
    if (const int32_t status = check_indices(call, indices, x.shape[axis])) return status;
    for (int i = 0; i < x.rank; ++i)
        if (i != axis && indices.shape[i] > x.shape[i])
            return call->host->error(call, EW_SHAPE, "axis %d of the indices is longer than that of the data", i);
    int64_t strides[EW_MAX_RANK], place[EW_MAX_RANK] = {};
    dense_strides(x, strides);
    start_from(call, x, y);
    const char *from = static_cast<const char *>(updates.data);
    for (int64_t i = 0; i < n; ++i) {
        char *to = static_cast<char *>(y.data) + index_in(read_index(indices, i), x.shape[axis]) * strides[axis];
        for (int k = 0; k < x.rank; ++k)
            if (k != axis) to += place[k] * strides[k];
        put(to, from + i * bytes, 1, x.dtype, bytes, reduction);
        for (int k = x.rank - 1; k >= 0 && ++place[k] == indices.shape[k]; --k) place[k] = 0;
    }
    return EW_OK;
}

// Bytes into the data at which index tuple `i` points; -1 after an error.
int64_t place_of(const ew_call *call, int64_t i, int64_t depth, const int64_t *strides) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1];
    int64_t place = 0;
    for (int64_t k = 0; k < depth; ++k) {
        const int64_t given = read_index(indices, i * depth + k), index = index_in(given, x.shape[k]);
        if (index < 0) {
            call->host->error(call, EW_INPUT, "index %lld is outside axis %lld of size %lld; allowed are %lld to %lld",
                              (long long)given, (long long)k, (long long)x.shape[k], (long long)-x.shape[k],
                              (long long)(x.shape[k] - 1));
            return -1;
        }
        place += index * strides[k];
    }
    return place;
}

// inputs: data, indices, updates; outputs: y; params: reduction.
int32_t scatter_nd(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &indices = call->inputs[1], &updates = call->inputs[2], &y = call->outputs[0];
    const int64_t reduction = call->n_params == 1 ? call->params[0].i : 0;
    const int64_t depth = indices.rank ? indices.shape[indices.rank - 1] : -1;
    if (depth < 0 || depth > x.rank || (reduction != None && !reducible(x.dtype)))
        return call->host->error(call, EW_FAILED, "the indices do not fit the data");
    const int64_t tuples = count_of(indices.shape, 0, indices.rank - 1), run = count_of(x.shape, depth, x.rank);
    if (count_of(updates) != tuples * run) return call->host->error(call, EW_SHAPE, "each index needs one update");
    int64_t strides[EW_MAX_RANK];
    dense_strides(x, strides);
    start_from(call, x, y);
    const int64_t bytes = element_bytes(x);
    for (int64_t i = 0; i < tuples; ++i) {
        const int64_t place = place_of(call, i, depth, strides);
        if (place < 0) return EW_INPUT;
        put(static_cast<char *>(y.data) + place, static_cast<const char *>(updates.data) + i * run * bytes, run,
            x.dtype, bytes, reduction);
    }
    return EW_OK;
}

// inputs: cache, update, first places (may be missing); outputs: y; params: axis, whether it is circular.
int32_t tensor_scatter(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &update = call->inputs[1], &y = call->outputs[0];
    const int64_t axis = call->n_params == 2 ? call->params[0].i : -1;
    if (axis < 1 || axis >= x.rank || update.rank != x.rank)
        return call->host->error(call, EW_FAILED, "the update does not fit the cache");
    const int64_t size = x.shape[axis], count = update.shape[axis], batches = x.shape[0];
    const int64_t run = count_of(x.shape, axis + 1, x.rank) * element_bytes(x), middle = count_of(x.shape, 1, axis);
    const bool given = call->n_inputs > 2 && call->inputs[2].data != nullptr, circular = call->params[1].i != 0;
    if (count_of(update) * element_bytes(x) != batches * middle * count * run)
        return call->host->error(call, EW_SHAPE, "the update does not fit the cache");
    start_from(call, x, y);
    if (count_of(update) == 0) return EW_OK;
    for (int64_t b = 0; b < batches; ++b) {
        const int64_t first = given ? read_index(call->inputs[2], b) : 0;
        if (first < 0 || (!circular && first > size - count))
            return call->host->error(call, EW_INPUT, "place %lld for %lld rows is outside a cache of %lld rows",
                                     (long long)first, (long long)count, (long long)size);
        for (int64_t m = b * middle; m < (b + 1) * middle; ++m)
            for (int64_t k = 0; k < count; ++k)
                copy_run(static_cast<char *>(y.data) + (m * size + (first + k) % size) * run,
                         static_cast<const char *>(update.data) + (m * count + k) * run, run);
    }
    return EW_OK;
}

}  // namespace

EW_KERNEL(scatter_elements, scatter_elements)
EW_KERNEL(scatter_nd, scatter_nd)
EW_KERNEL(tensor_scatter, tensor_scatter)

}  // namespace ew::EW_ISA
