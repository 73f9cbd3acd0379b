// NonZero, Compress, OneHot: elements chosen by what they or others contain.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// Says how large axis `axis` of output 0 is; all other sizes are known.
int32_t set_size(const ew_call *call, int axis, int64_t size) {
    const ew_tensor &y = call->outputs[0];
    if (y.size_out == nullptr) {
        if (y.shape[axis] == size) return EW_OK;
        return call->host->error(call, EW_SHAPE, "%lld elements were chosen, not %lld", (long long)size,
                                 (long long)y.shape[axis]);
    }
    int64_t shape[EW_MAX_RANK];
    bool bounded = true;
    for (int i = 0; i < y.rank; ++i) {
        shape[i] = i == axis ? size : y.shape[i];
        bounded = bounded && y.shape[i] >= 0;
    }
    if (!bounded) return call->host->resize(call, 0, shape);
    if (size > y.shape[axis]) return call->host->error(call, EW_SHAPE, "more elements were chosen than have memory");
    for (int i = 0; i < y.rank; ++i) y.size_out[i] = shape[i];
    return EW_OK;
}

// Whether an element is not zero. -0.0 is zero, so the sign of floats is left out by `mask`.
template <class T>
struct NonZero {
    const T *data;
    T mask;
    bool operator()(int64_t i) const { return (data[i] & mask) != 0; }
};

template <class T>
int32_t nonzero(const ew_call *call, bool is_float) {
    const ew_tensor &x = call->inputs[0];
    const NonZero<T> chosen{static_cast<const T *>(x.data),
                            static_cast<T>(is_float ? static_cast<T>(~T{0}) >> 1 : ~T{0})};
    const int64_t n = count_of(x);
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) count += chosen(i);
    if (const int32_t status = set_size(call, 1, count)) return status;
    int64_t *to = static_cast<int64_t *>(call->outputs[0].data), place[EW_MAX_RANK] = {};
    const int64_t row = x.rank ? x.shape[x.rank - 1] : 1;
    for (int64_t first = 0; first < n; first += row) {
        for (int64_t i = 0; i < row; ++i) {
            if (!chosen(first + i)) continue;
            for (int k = 0; k + 1 < x.rank; ++k) to[k * count] = place[k];
            if (x.rank) to[(x.rank - 1) * count] = i;
            ++to;
        }
        for (int k = x.rank - 2; k >= 0 && ++place[k] == x.shape[k]; --k) place[k] = 0;
    }
    return EW_OK;
}

// inputs: x; outputs: places [rank, count], count by size_out.
int32_t run_nonzero(const ew_call *call) {
    const int32_t dtype = call->inputs[0].dtype;
    const bool is_float = dtype == EW_FLOAT32 || dtype == EW_FLOAT64 || dtype == EW_FLOAT16 || dtype == EW_BFLOAT16;
    switch (element_bytes(call->inputs[0])) {
        case 1: return nonzero<uint8_t>(call, false);
        case 2: return nonzero<uint16_t>(call, is_float);
        case 4: return nonzero<uint32_t>(call, is_float);
        case 8: return nonzero<uint64_t>(call, is_float);
        default: return call->host->error(call, EW_FAILED, "elements of type %d are not compared", dtype);
    }
}

// inputs: x, condition; outputs: y, chosen slices by size_out; params: axis, -1: x as one list.
int32_t compress(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &condition = call->inputs[1];
    const int64_t axis = call->n_params == 1 ? call->params[0].i : -1;
    if (axis >= x.rank) return call->host->error(call, EW_FAILED, "there is no such axis");
    const int64_t outer = axis < 0 ? 1 : count_of(x.shape, 0, axis), size = axis < 0 ? count_of(x) : x.shape[axis];
    const int64_t run = (axis < 0 ? 1 : count_of(x.shape, axis + 1, x.rank)) * element_bytes(x);
    const int64_t looked = count_of(condition) < size ? count_of(condition) : size;
    const bool *wanted = static_cast<const bool *>(condition.data);
    int64_t count = 0;
    for (int64_t i = 0; i < looked; ++i) count += wanted[i];
    if (const int32_t status = set_size(call, axis < 0 ? 0 : axis, count)) return status;
    char *to = static_cast<char *>(call->outputs[0].data);
    for (int64_t o = 0; o < outer && run > 0; ++o)
        for (int64_t i = 0; i < looked; ++i) {
            if (!wanted[i]) continue;
            copy_run(to, static_cast<const char *>(x.data) + (o * size + i) * run, run);
            to += run;
        }
    return EW_OK;
}

// The index at place i, or one that is outside every depth where it is no number that a place can have.
int64_t index_at(const ew_tensor &indices, int64_t i) {
    constexpr int64_t outside = INT64_MIN / 2;
    switch (indices.dtype) {
        case EW_INT64: return static_cast<const int64_t *>(indices.data)[i];
        case EW_INT32: return static_cast<const int32_t *>(indices.data)[i];
        case EW_UINT8: return static_cast<const uint8_t *>(indices.data)[i];
        default: break;
    }
    const float index = static_cast<const float *>(indices.data)[i];
    return index > -1e9f && index < 1e9f ? static_cast<int64_t>(index) : outside;
}

// inputs: indices, values; outputs: y; params: axis.
int32_t one_hot(const ew_call *call) {
    const ew_tensor &indices = call->inputs[0], &values = call->inputs[1], &y = call->outputs[0];
    const int64_t axis = call->n_params == 1 ? call->params[0].i : -1, bytes = element_bytes(values);
    if (axis < 0 || axis >= y.rank || count_of(values) != 2)
        return call->host->error(call, EW_FAILED, "an axis and two values are needed");
    const int64_t outer = count_of(y.shape, 0, axis), depth = y.shape[axis];
    const int64_t inner = count_of(y.shape, axis + 1, y.rank);
    if (outer * inner != count_of(indices)) return call->host->error(call, EW_SHAPE, "each index needs one list");
    const char *off = static_cast<const char *>(values.data), *on = off + bytes;
    char *to = static_cast<char *>(y.data);
    fill_run(to, off, count_of(y), bytes);
    for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
            const int64_t index = index_in(index_at(indices, o * inner + i), depth);
            if (index >= 0) std::memcpy(to + ((o * depth + index) * inner + i) * bytes, on, bytes);
        }
    return EW_OK;
}

}  // namespace

EW_KERNEL(nonzero, run_nonzero)
EW_KERNEL(compress, compress)
EW_KERNEL(one_hot, one_hot)

}  // namespace ew::EW_ISA
