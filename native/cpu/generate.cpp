// Tensors made from a few numbers: filled, counted up, ones on a diagonal.
#include <cmath>

#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// outputs: y; params: the bytes of an element.
int32_t fill(const ew_call *call) {
    const ew_tensor &y = call->outputs[0];
    const int64_t bytes = element_bytes(y), n = count_of(y);
    if (bytes == 0 || bytes > 8 || call->n_params != 1)
        return call->host->error(call, EW_FAILED, "elements of type %d are not filled", y.dtype);
    const char *const element = reinterpret_cast<const char *>(&call->params[0].i);
    char *const to = static_cast<char *>(y.data);
    for_ranges(call, n, task_count(n * bytes, n),
               [=](int64_t first, int64_t last) { fill_run(to + first * bytes, element, last - first, bytes); });
    return EW_OK;
}

// How many numbers from `first` in steps of `step` come before `limit`.
int64_t steps(int64_t first, int64_t limit, int64_t step) {
    if (step > 0 ? first >= limit : first <= limit) return 0;
    const uint64_t distance = step > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(first)
                                       : static_cast<uint64_t>(first) - static_cast<uint64_t>(limit);
    const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
    return static_cast<int64_t>((distance - 1) / stride + 1);
}

int64_t steps(double first, double limit, double step) {
    const double count = std::ceil((limit - first) / step);
    return count > 0 && count < 9e15 ? static_cast<int64_t>(count) : 0;
}

template <class T, class Wide>
int32_t count_up(const ew_call *call) {
    const Wide first = static_cast<Wide>(*static_cast<const T *>(call->inputs[0].data));
    const Wide limit = static_cast<Wide>(*static_cast<const T *>(call->inputs[1].data));
    const Wide step = static_cast<Wide>(*static_cast<const T *>(call->inputs[2].data));
    if (step == 0) return call->host->error(call, EW_INPUT, "the step of a range is 0");
    const int64_t n = steps(first, limit, step);
    const ew_tensor &y = call->outputs[0];
    if (y.size_out != nullptr && y.shape[0] < 0) {
        if (const int32_t status = call->host->resize(call, 0, &n)) return status;
    } else if (y.size_out != nullptr) {
        if (n > y.shape[0]) return call->host->error(call, EW_SHAPE, "a range is longer than its memory");
        y.size_out[0] = n;
    } else if (n != y.shape[0]) {
        return call->host->error(call, EW_SHAPE, "a range has %lld numbers, not %lld", (long long)n,
                                 (long long)y.shape[0]);
    }
    T *to = static_cast<T *>(y.data);
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(first + static_cast<Wide>(i) * step);
    return EW_OK;
}

// inputs: start, limit, delta; outputs: y.
int32_t range(const ew_call *call) {
    for (int i = 0; i < 3; ++i)
        if (count_of(call->inputs[i]) != 1) return call->host->error(call, EW_SHAPE, "a range needs three scalars");
    switch (call->outputs[0].dtype) {
        case EW_FLOAT32: return count_up<float, double>(call);
        case EW_FLOAT64: return count_up<double, double>(call);
        case EW_INT64: return count_up<int64_t, int64_t>(call);
        case EW_INT32: return count_up<int32_t, int64_t>(call);
        case EW_INT16: return count_up<int16_t, int64_t>(call);
        case EW_INT8: return count_up<int8_t, int64_t>(call);
        case EW_UINT8: return count_up<uint8_t, int64_t>(call);
        case EW_UINT16: return count_up<uint16_t, int64_t>(call);
        case EW_UINT32: return count_up<uint32_t, int64_t>(call);
        case EW_UINT64: return count_up<uint64_t, int64_t>(call);
        default: return call->host->error(call, EW_FAILED, "type %d is not counted", call->outputs[0].dtype);
    }
}

// outputs: y; params: diagonal, the bytes of a 1.
int32_t eye(const ew_call *call) {
    const ew_tensor &y = call->outputs[0];
    const int64_t bytes = element_bytes(y);
    if (call->n_params != 2 || y.rank != 2 || bytes == 0 || bytes > 8)
        return call->host->error(call, EW_FAILED, "a matrix and its diagonal are needed");
    const int64_t rows = y.shape[0], columns = y.shape[1], diagonal = call->params[0].i;
    if (rows * columns == 0) return EW_OK;
    std::memset(y.data, 0, rows * columns * bytes);
    for (int64_t r = 0; r < rows; ++r)
        if (r + diagonal >= 0 && r + diagonal < columns)
            std::memcpy(static_cast<char *>(y.data) + (r * columns + r + diagonal) * bytes, &call->params[1].i, bytes);
    return EW_OK;
}

}  // namespace

EW_KERNEL(fill, fill)
EW_KERNEL(range, range)
EW_KERNEL(eye, eye)

}  // namespace ew::EW_ISA
