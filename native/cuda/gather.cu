// Gather along one axis, as an embedding's rows, of any element type.
//
// Inputs: x [outer, size, inner], indices (int32 or int64; negative ones count from the end). Output: [outer, indices,
// inner]. Parameters: outer, size, inner, number of indices. An index outside the axis gives zeros: a kernel on the
// device can't refuse it, and must not read what isn't there.
#include "cuda/copies.h"

namespace ew::cuda {
namespace {

struct Arguments {
    int64_t size, inner, indices, threads;  // inner in units
};

template <class T, class I>
__global__ void gather_kernel(const T *x, const I *indices, T *y, const Arguments p) {
    const int64_t thread = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    begin();
    if (thread >= p.threads) return;
    const int64_t unit = thread % p.inner, row = thread / p.inner;
    int64_t index = indices[row % p.indices];
    if (index < 0) index += p.size;
    const bool inside = index >= 0 && index < p.size;
    y[thread] = inside ? x[(row / p.indices * p.size + index) * p.inner + unit] : T{};
}

int32_t run(const ew_call *call) {
    const int bytes = bytes_of(call->inputs[0].dtype);
    const int32_t kind = call->n_inputs == 2 ? call->inputs[1].dtype : 0;
    if (call->n_params != 4 || bytes == 0 || (kind != EW_INT32 && kind != EW_INT64))
        return call->host->error(call, EW_INVALID_PLAN, "cuda_gather takes 4 parameters, and indices of 32 or 64 bits");
    const int64_t outer = call->params[0].i, size = call->params[1].i, inner = call->params[2].i * bytes;
    const int64_t indices = call->params[3].i;
    if (outer * inner * indices == 0) return EW_OK;
    const int unit = unit_of(inner);
    const Arguments p{size, inner / unit, indices, outer * indices * (inner / unit)};
    if (p.threads < 0 || p.threads > int64_t{INT32_MAX} * 128)
        return call->host->error(call, EW_SHAPE, "cuda_gather has too many elements");
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((p.threads + 127) / 128));
    shape.block = dim3(128);
    return for_unit(unit, [&](auto zero) {
        using T = decltype(zero);
        const T *x = input<const T>(call, 0);
        T *y = output<T>(call, 0);
        if (kind == EW_INT32)
            return launch(call, gather_kernel<T, int32_t>, shape, x, input<const int32_t>(call, 1), y, p);
        return launch(call, gather_kernel<T, int64_t>, shape, x, input<const int64_t>(call, 1), y, p);
    });
}

}  // namespace

EW_KERNEL(gather, run)

}  // namespace ew::cuda
