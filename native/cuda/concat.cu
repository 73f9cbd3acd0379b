// Concat and Split along one axis, of any element type: one launch copies all parts.
//
// Parameters: outer, then for each part its elements along the axis times those behind it.
#include "cuda/copies.h"

namespace ew::cuda {
namespace {

constexpr int MOST_PARTS = 32;

struct Parts {
    void *part[MOST_PARTS];
    int64_t begin[MOST_PARTS + 1];  // in units, within a row of the whole
    int64_t outer;
};

// blockIdx.y: the part.
template <class T, bool SPLIT>
__global__ void parts_kernel(T *whole, const Parts p) {
    const int64_t width = p.begin[blockIdx.y + 1] - p.begin[blockIdx.y], count = width * p.outer;
    T *part = static_cast<T *>(p.part[blockIdx.y]);
    begin();
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += static_cast<int64_t>(gridDim.x) * blockDim.x) {
        T *place = whole + i / width * p.begin[gridDim.y] + p.begin[blockIdx.y] + i % width;
        if (SPLIT)
            part[i] = *place;
        else
            *place = part[i];
    }
}

template <bool SPLIT>
int32_t run_parts(const ew_call *call) {
    const ew_tensor *parts = SPLIT ? call->outputs : call->inputs;
    const ew_tensor &whole = SPLIT ? call->inputs[0] : call->outputs[0];
    const int count = SPLIT ? call->n_outputs : call->n_inputs, bytes = bytes_of(whole.dtype);
    if (count < 1 || count > MOST_PARTS || call->n_params != 1 + count || bytes == 0)
        return call->host->error(call, EW_INVALID_PLAN, "CUDA copies 1 to %d parts, with a parameter for each",
                                 MOST_PARTS);
    int unit = 16;
    for (int i = 0; i < count; ++i) unit = unit_of(call->params[1 + i].i * bytes, int64_t{unit});
    Parts p = {};
    p.outer = call->params[0].i;
    int64_t widest = 0;
    for (int i = 0; i < count; ++i) {
        const int64_t width = call->params[1 + i].i * bytes / unit;
        p.part[i] = parts[i].data;
        p.begin[i + 1] = p.begin[i] + width;
        widest = width > widest ? width : widest;
    }
    if (p.outer <= 0 || widest == 0) return EW_OK;
    constexpr int64_t MOST_BLOCKS = 2048;
    const int64_t blocks = (widest * p.outer + 255) / 256;
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS), static_cast<unsigned>(count));
    shape.block = dim3(256);
    return for_unit(unit, [&](auto zero) {
        using T = decltype(zero);
        return launch(call, parts_kernel<T, SPLIT>, shape, static_cast<T *>(whole.data), p);
    });
}

int32_t run_concat(const ew_call *call) { return run_parts<false>(call); }
int32_t run_split(const ew_call *call) { return run_parts<true>(call); }

}  // namespace

EW_KERNEL(concat, run_concat)
EW_KERNEL(split, run_split)

}  // namespace ew::cuda
