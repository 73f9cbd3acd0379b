// Transposes of any element type; and images from NCHW to NHWC with channels padded by zeros and a change of float type.
//
// cuda_transpose: parameters: rank, the input's sizes, the permutation. Axes that stay together are seen as one; where
// the last two of three change places, tiles go through shared memory; else units of the last axis, if it stays.
// cuda_nchw_to_nhwc: parameters: batch, channels, places, channels of the output (4 or 8), each from 1 to 8.
#include "cuda/copies.h"
#include "cuda/values.h"

namespace ew::cuda {
namespace {

struct Order {
    int rank;
    int64_t size[EW_MAX_RANK], perm[EW_MAX_RANK];
};

// Without axes of one element, and with axes that stay neighbours made one.
Order merged(const Order &given) {
    Order kept = {};
    int number[EW_MAX_RANK];
    for (int axis = 0; axis < given.rank; ++axis) {
        number[axis] = kept.rank;
        if (given.size[axis] != 1) kept.size[kept.rank++] = given.size[axis];
    }
    int count = 0;
    for (int axis = 0; axis < given.rank; ++axis)
        if (given.size[given.perm[axis]] != 1) kept.perm[count++] = number[given.perm[axis]];
    for (int i = 0; i + 1 < kept.rank;) {
        if (kept.perm[i + 1] != kept.perm[i] + 1) {
            ++i;
            continue;
        }
        const int64_t axis = kept.perm[i];
        kept.size[axis] *= kept.size[axis + 1];
        for (int64_t k = axis + 1; k + 1 < kept.rank; ++k) kept.size[k] = kept.size[k + 1];
        for (int k = i + 1; k + 1 < kept.rank; ++k) kept.perm[k] = kept.perm[k + 1];
        --kept.rank;
        for (int k = 0; k < kept.rank; ++k)
            if (kept.perm[k] > axis) --kept.perm[k];
    }
    return kept;
}

constexpr int SIDE = 32;

template <class T>
__global__ void swap_kernel(const T *x, T *y, int rows, int columns) {
    __shared__ T tile[SIDE][SIDE + 1];
    const int64_t image = static_cast<int64_t>(blockIdx.z) * rows * columns;
    const int row0 = static_cast<int>(blockIdx.y) * SIDE, column0 = static_cast<int>(blockIdx.x) * SIDE;
    begin();
    for (int i = threadIdx.y; i < SIDE; i += blockDim.y) {
        const int row = row0 + i, column = column0 + threadIdx.x;
        if (row < rows && column < columns)
            tile[i][threadIdx.x] = x[image + static_cast<int64_t>(row) * columns + column];
    }
    __syncthreads();
    for (int i = threadIdx.y; i < SIDE; i += blockDim.y) {
        const int row = row0 + threadIdx.x, column = column0 + i;
        if (row < rows && column < columns) y[image + static_cast<int64_t>(column) * rows + row] = tile[threadIdx.x][i];
    }
}

struct Steps {
    int rank;
    int size[EW_MAX_RANK];      // of the output
    int64_t step[EW_MAX_RANK];  // in the input
    int64_t count;
};

template <class T>
__global__ void permute_kernel(const T *x, T *y, const Steps p) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    begin();
    if (index >= p.count) return;
    int64_t from = 0, rest = index;
#pragma unroll
    for (int axis = EW_MAX_RANK - 1; axis >= 0; --axis) {
        if (axis >= p.rank) continue;
        const int64_t next =
            p.count <= INT32_MAX
                ? static_cast<int64_t>(static_cast<uint32_t>(rest) / static_cast<uint32_t>(p.size[axis]))
                : rest / p.size[axis];
        from += (rest - next * p.size[axis]) * p.step[axis];
        rest = next;
    }
    y[index] = x[from];
}

int32_t permute(const ew_call *call, const Order &o, int bytes) {
    Order order = o;
    int unit = bytes;
    if (order.rank == 0 || order.perm[order.rank - 1] == order.rank - 1) {  // the last axis stays: units of it
        int64_t last = order.rank == 0 ? 1 : order.size[order.rank - 1];
        unit = unit_of(last * bytes);
        last = last * bytes / unit;
        if (order.rank > 0) order.size[order.rank - 1] = last;
    }
    Steps p = {};
    p.rank = order.rank, p.count = 1;
    int64_t step[EW_MAX_RANK];
    for (int axis = order.rank - 1; axis >= 0; --axis) step[axis] = p.count, p.count *= order.size[axis];
    for (int axis = 0; axis < order.rank; ++axis) {
        p.size[axis] = static_cast<int>(order.size[order.perm[axis]]);
        p.step[axis] = step[order.perm[axis]];
    }
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((p.count + 255) / 256));
    shape.block = dim3(256);
    return for_unit(unit, [&](auto zero) {
        using T = decltype(zero);
        return launch(call, permute_kernel<T>, shape, input<const T>(call, 0), output<T>(call, 0), p);
    });
}

int32_t run(const ew_call *call) {
    const int64_t rank = call->n_params > 0 ? call->params[0].i : -1;
    const int bytes = bytes_of(call->inputs[0].dtype);
    if (rank < 0 || rank > EW_MAX_RANK || call->n_params != 1 + 2 * rank || bytes == 0)
        return call->host->error(call, EW_INVALID_PLAN, "cuda_transpose takes rank, sizes and a permutation");
    Order given = {static_cast<int>(rank), {}, {}};
    for (int axis = 0; axis < rank; ++axis) {
        given.size[axis] = call->params[1 + axis].i;
        given.perm[axis] = call->params[1 + rank + axis].i;
        if (given.size[axis] < 0 || given.size[axis] > INT32_MAX || given.perm[axis] < 0 || given.perm[axis] >= rank)
            return call->host->error(call, EW_SHAPE, "axis %d of a CUDA transpose is out of its range", axis);
        if (given.size[axis] == 0) return EW_OK;
    }
    const Order order = merged(given);
    const bool two = order.rank == 2 && order.perm[0] == 1;
    const bool three = order.rank == 3 && order.perm[0] == 0 && order.perm[1] == 2;
    const int64_t images = three ? order.size[0] : 1;
    if ((!two && !three) || images > 65535) return permute(call, order, bytes);
    const int rows = static_cast<int>(order.size[three]), columns = static_cast<int>(order.size[1 + three]);
    if ((rows + SIDE - 1) / SIDE > 65535) return permute(call, order, bytes);
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((columns + SIDE - 1) / SIDE),
                      static_cast<unsigned>((rows + SIDE - 1) / SIDE), static_cast<unsigned>(images));
    shape.block = dim3(SIDE, 8);
    return for_unit(bytes, [&](auto zero) {
        using T = decltype(zero);
        return launch(call, swap_kernel<T>, shape, input<const T>(call, 0), output<T>(call, 0), rows, columns);
    });
}

template <class X, class Y, int CHANNELS>
__global__ void image_kernel(const X *x, Y *y, int channels, int64_t places, int64_t threads) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    begin();
    if (index >= threads) return;
    const X *from = x + index / places * channels * places + index % places;
    float values[CHANNELS];
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) values[c] = c < channels ? widen(from[c * places]) : 0.0f;
    store(y + index * CHANNELS, values);
}

int32_t run_image(const ew_call *call) {
    if (call->n_params != 4) return call->host->error(call, EW_INVALID_PLAN, "cuda_nchw_to_nhwc takes 4 parameters");
    const int64_t batch = call->params[0].i, channels = call->params[1].i, places = call->params[2].i;
    const int64_t padded = call->params[3].i, threads = batch * places;
    if (batch < 0 || places < 0 || channels < 1 || channels > padded || (padded != 4 && padded != 8) ||
        threads > int64_t{INT32_MAX} * 256)
        return call->host->error(call, EW_SHAPE, "cuda_nchw_to_nhwc pads 1 to 8 channels to 4 or 8");
    if (threads == 0) return EW_OK;
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((threads + 255) / 256));
    shape.block = dim3(256);
    const int narrow_channels = static_cast<int>(channels);
    return for_float(call, call->inputs[0].dtype, [&](auto in) {
        return for_half(call, call->outputs[0].dtype, [&](auto out) {
            using X = decltype(in);
            using Y = decltype(out);
            return launch(call, padded == 4 ? image_kernel<X, Y, 4> : image_kernel<X, Y, 8>, shape,
                          input<const X>(call, 0), output<Y>(call, 0), narrow_channels, places, threads);
        });
    });
}

}  // namespace

EW_KERNEL(transpose, run)
EW_KERNEL(nchw_to_nhwc, run_image)

}  // namespace ew::cuda
