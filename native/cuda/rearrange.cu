// Slice, Expand, Tile and Pad of any element type: each output element comes from one place of the input.
#include "cuda/copies.h"

namespace ew::cuda {
namespace {

constexpr int MOST_AXES = 2 * EW_MAX_RANK;

// How the input is walked in the order of the output; strides may be 0 (repeated) or negative (backwards).
struct Walk {
    int rank = 0;
    int64_t size[MOST_AXES], stride[MOST_AXES];

    // The next axis inwards; one that continues the axis before it is joined to it.
    void add(int64_t n, int64_t step) {
        if (n == 1) return;
        if (rank > 0 && stride[rank - 1] == step * n) {
            size[rank - 1] *= n;
            stride[rank - 1] = step;
            return;
        }
        size[rank] = n;
        stride[rank++] = step;
    }
};

template <class T, class Index>
__global__ void walk_kernel(const T *from, T *to, Index count, const Walk walk) {
    begin();
    for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += static_cast<Index>(gridDim.x) * blockDim.x) {
        Index rest = i;
        int64_t place = 0;
        for (int axis = walk.rank - 1; axis >= 0; --axis) {
            const Index size = static_cast<Index>(walk.size[axis]), next = rest / size;
            place += static_cast<int64_t>(rest - next * size) * walk.stride[axis];
            rest = next;
        }
        to[i] = from[place];
    }
}

void dense_strides(const ew_tensor &tensor, int64_t *strides) {
    int64_t stride = 1;
    for (int axis = tensor.rank - 1; axis >= 0; --axis) {
        strides[axis] = stride;
        stride *= tensor.shape[axis];
    }
}

// `first`: the element of the input that is walked from.
int32_t run_walk(const ew_call *call, int64_t first, Walk walk) {
    const int bytes = bytes_of(call->inputs[0].dtype);
    if (bytes == 0) return call->host->error(call, EW_INVALID_PLAN, "CUDA copies no elements without whole bytes");
    const int64_t elements = count_of(call->outputs[0]);
    if (elements == 0) return EW_OK;
    const char *from = input<const char>(call, 0) + first * bytes;
    int unit = bytes;
    if (walk.rank > 0 && walk.stride[walk.rank - 1] == 1) {
        unit = unit_of(walk.size[walk.rank - 1] * bytes, address(from), address(output<void>(call, 0)));
        for (int axis = 0; axis + 1 < walk.rank; ++axis) unit = unit_of(int64_t{unit}, walk.stride[axis] * bytes);
        const int64_t wide = unit / bytes;
        walk.size[walk.rank - 1] /= wide;
        for (int axis = 0; axis + 1 < walk.rank; ++axis) walk.stride[axis] /= wide;
    }
    const int64_t count = elements * bytes / unit;
    return for_unit(unit, [&](auto zero) {
        using T = decltype(zero);
        const T *source = reinterpret_cast<const T *>(from);
        if (count < SMALL)
            return launch(call, walk_kernel<T, uint32_t>, grid_for(count), source, output<T>(call, 0),
                          static_cast<uint32_t>(count), walk);
        return launch(call, walk_kernel<T, int64_t>, grid_for(count), source, output<T>(call, 0), count, walk);
    });
}

// Params: for each axis the place of the first element and the step.
int32_t run_slice(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (call->n_params != 2 * x.rank || x.rank != y.rank)
        return call->host->error(call, EW_INVALID_PLAN, "one start and step are needed for each axis");
    if (count_of(y) == 0) return EW_OK;
    int64_t strides[EW_MAX_RANK], first = 0;
    dense_strides(x, strides);
    Walk walk;
    for (int axis = 0; axis < x.rank; ++axis) {
        const int64_t start = call->params[2 * axis].i, step = call->params[2 * axis + 1].i;
        const int64_t end = start + (y.shape[axis] - 1) * step;
        if (start < 0 || start >= x.shape[axis] || end < 0 || end >= x.shape[axis])
            return call->host->error(call, EW_SHAPE, "a slice from %lld to %lld leaves axis %d of size %lld",
                                     (long long)start, (long long)end, axis, (long long)x.shape[axis]);
        first += start * strides[axis];
        walk.add(y.shape[axis], step * strides[axis]);
    }
    return run_walk(call, first, walk);
}

// Axes of size 1, and those that the input lacks, are repeated.
int32_t run_expand(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int extra = y.rank - x.rank;
    if (extra < 0) return call->host->error(call, EW_SHAPE, "expanding does not remove axes");
    int64_t strides[EW_MAX_RANK];
    dense_strides(x, strides);
    Walk walk;
    for (int axis = 0; axis < y.rank; ++axis) {
        const int64_t size = axis < extra ? 1 : x.shape[axis - extra];
        if (size != 1 && size != y.shape[axis])
            return call->host->error(call, EW_SHAPE, "axis %d of size %lld can't be expanded to %lld", axis,
                                     (long long)size, (long long)y.shape[axis]);
        walk.add(y.shape[axis], size == 1 ? 0 : strides[axis - extra]);
    }
    return run_walk(call, 0, walk);
}

// Each size of the output is a multiple of the input's.
int32_t run_tile(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (x.rank != y.rank) return call->host->error(call, EW_SHAPE, "tiling keeps the number of axes");
    if (count_of(y) == 0) return EW_OK;
    int64_t strides[EW_MAX_RANK];
    dense_strides(x, strides);
    Walk walk;
    for (int axis = 0; axis < x.rank; ++axis) {
        if (x.shape[axis] == 0 || y.shape[axis] % x.shape[axis] != 0)
            return call->host->error(call, EW_SHAPE, "axis %d of size %lld can't be repeated to %lld", axis,
                                     (long long)x.shape[axis], (long long)y.shape[axis]);
        walk.add(y.shape[axis] / x.shape[axis], 0);
        walk.add(x.shape[axis], strides[axis]);
    }
    return run_walk(call, 0, walk);
}

enum Mode { Constant, Reflect, Edge, Wrap };

// One axis of a pad: output place i is a copy of input place first + source(i - shift) of `kept` places.
struct Padded {
    int64_t size, shift, first, kept, stride;
};

struct Padding {
    int rank = 0;
    Padded axes[EW_MAX_RANK];
    int64_t inner = 1;  // units behind the last axis that changes
    int mode = Constant;
    int element = 1;  // bytes of the constant
};

// The place in [0, n), -1: the constant.
__device__ int64_t source_of(int64_t i, int64_t n, int mode) {
    if (i >= 0 && i < n) return i;
    if (mode == Constant || n == 0) return -1;
    if (mode == Edge) return i < 0 ? 0 : n - 1;
    if (mode == Wrap) return ((i % n) + n) % n;
    if (n == 1) return 0;
    const int64_t period = 2 * (n - 1), place = ((i % period) + period) % period;
    return place < n ? place : period - place;
}

template <class T>
__device__ T filled(const uint8_t *constant, int element) {
    union {
        T whole;
        uint8_t bytes[sizeof(T)];
    } value;
    for (int i = 0; i < static_cast<int>(sizeof(T)); ++i)
        value.bytes[i] = constant == nullptr ? uint8_t{0} : constant[i % element];
    return value.whole;
}

template <class T>
__global__ void pad_kernel(const T *from, T *to, const uint8_t *constant, int64_t count, const Padding padding) {
    begin();
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
        int64_t rest = i / padding.inner, place = i % padding.inner;
        bool inside = true;
        for (int axis = padding.rank - 1; axis >= 0; --axis) {
            const Padded &at = padding.axes[axis];
            const int64_t source = source_of(rest % at.size - at.shift, at.kept, padding.mode);
            inside = inside && source >= 0;
            place += (source + at.first) * at.stride;
            rest /= at.size;
        }
        to[i] = inside ? from[place] : filled<T>(constant, padding.element);
    }
}

// Inputs: x, constant (may be missing). Params: mode, beginnings, ends; negative ones take away.
int32_t run_pad(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int bytes = bytes_of(x.dtype);
    if (call->n_params != 1 + 2 * x.rank || x.rank != y.rank || bytes == 0)
        return call->host->error(call, EW_INVALID_PLAN, "two pads are needed for each axis");
    if (count_of(y) == 0) return EW_OK;
    const ew_param *begins = call->params + 1, *ends = begins + x.rank;
    int64_t strides[EW_MAX_RANK];
    dense_strides(x, strides);
    Padding padding;
    padding.mode = static_cast<int>(call->params[0].i);
    padding.element = bytes;
    for (int axis = 0; axis < x.rank; ++axis) {
        const int64_t b = begins[axis].i, e = ends[axis].i, first = b < 0 ? -b : 0;
        if (x.shape[axis] + b + e != y.shape[axis])
            return call->host->error(call, EW_SHAPE, "axis %d and its pads do not have the size of the output", axis);
        const int64_t kept = x.shape[axis] - first + (e < 0 ? e : 0);
        if (kept < 1 && padding.mode != Constant)
            return call->host->error(call, EW_SHAPE, "the pads of axis %d leave nothing of its %lld elements", axis,
                                     (long long)x.shape[axis]);
        padding.axes[axis] = {y.shape[axis], b > 0 ? b : 0, first, kept, strides[axis]};
        if (b != 0 || e != 0) padding.rank = axis + 1;
    }
    for (int axis = padding.rank; axis < x.rank; ++axis) padding.inner *= y.shape[axis];
    const int64_t from = address(input<void>(call, 0)), to = address(output<void>(call, 0));
    const int unit = padding.inner > 1 ? unit_of(padding.inner * bytes, from, to) : bytes;
    padding.inner = padding.inner * bytes / unit;
    for (int axis = 0; axis < padding.rank; ++axis) padding.axes[axis].stride = strides[axis] * bytes / unit;
    const bool given = call->n_inputs > 1 && call->inputs[1].data != nullptr;
    const uint8_t *constant = given ? input<const uint8_t>(call, 1) : nullptr;
    const int64_t count = count_of(y) * bytes / unit;
    return for_unit(unit, [&](auto zero) {
        using T = decltype(zero);
        return launch(call, pad_kernel<T>, grid_for(count), input<const T>(call, 0), output<T>(call, 0), constant,
                      count, padding);
    });
}

}  // namespace

EW_KERNEL(slice, run_slice)
EW_KERNEL(expand, run_expand)
EW_KERNEL(tile, run_tile)
EW_KERNEL(pad, run_pad)

}  // namespace ew::cuda
