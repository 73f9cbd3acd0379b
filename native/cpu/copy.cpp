// Copies as they are (Reshape and the like where no view is possible), and contents that follow from sizes.
#include "cpu/strided.h"

namespace ew::EW_ISA {

namespace {

// inputs: x; outputs: y of as many bytes.
int32_t copy(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t bytes = tensor_bytes(x.dtype, EW_LINEAR, x.shape, x.rank);
    if (bytes != tensor_bytes(y.dtype, EW_LINEAR, y.shape, y.rank))
        return call->host->error(call, EW_SHAPE, "a copy needs the same number of bytes on both sides");
    Walk walk;
    walk.add(bytes, 1, 1);
    copy_strided(call, y.data, x.data, walk, 1);
    return EW_OK;
}

template <class T>
void write(const ew_tensor &y, const ew_param *numbers, int64_t n) {
    for (int64_t i = 0; i < n; ++i) static_cast<T *>(y.data)[i] = static_cast<T>(numbers[i].i);
}

// outputs: y; params: its elements as integers.
int32_t shape_value(const ew_call *call) {
    const ew_tensor &y = call->outputs[0];
    const int64_t n = count_of(y);
    if (n != call->n_params) return call->host->error(call, EW_SHAPE, "one number is needed for each element");
    switch (y.dtype) {
        case EW_BOOL:
            for (int64_t i = 0; i < n; ++i) static_cast<uint8_t *>(y.data)[i] = call->params[i].i != 0;
            return EW_OK;
        case EW_FLOAT32: return write<float>(y, call->params, n), EW_OK;
        case EW_FLOAT64: return write<double>(y, call->params, n), EW_OK;
        default: break;
    }
    switch (element_bytes(y)) {
        case 1: return write<int8_t>(y, call->params, n), EW_OK;
        case 2: return write<int16_t>(y, call->params, n), EW_OK;
        case 4: return write<int32_t>(y, call->params, n), EW_OK;
        case 8: return write<int64_t>(y, call->params, n), EW_OK;
        default: return call->host->error(call, EW_FAILED, "sizes can't be written as type %d", y.dtype);
    }
}

}  // namespace

EW_KERNEL(copy, copy)
EW_KERNEL(shape_value, shape_value)

}  // namespace ew::EW_ISA
