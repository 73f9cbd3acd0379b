// Resize of any rank in one launch: nearest moves elements of any type, linear weighs the neighbours along all axes.
//
// Params as in native/cpu/resize.cpp: mode (0 nearest, 1 linear), coordinates, nearest rule, cubic a, exclude_outside,
// extrapolation, antialias, then for each axis: scale (0: output size / input size), crop start, crop end. Coordinates
// are computed in float32 as there, each operation rounded by itself, so that nearest takes the same elements.
#include "cuda/copies.h"
#include "cuda/values.h"
#include "src/resize_params.h"

namespace ew::cuda {
namespace {

struct Axis {
    int64_t in, out, stride;
    float scale, start, end;
    bool resized;
};

struct Resizing {
    int rank = 0, coordinates = 0, nearest = 0;
    bool linear = false;
    float extrapolation = 0;
    Axis axes[EW_MAX_RANK];

    // The next axis inwards; one that is not resized is joined to such a one before it.
    void add(const Axis &axis) {
        if (rank > 0 && !axis.resized && !axes[rank - 1].resized) {
            axes[rank - 1].in *= axis.in;
            axes[rank - 1].out *= axis.out;
            axes[rank - 1].stride = axis.stride;
            return;
        }
        axes[rank++] = axis;
    }
};

__device__ float coordinate(const Resizing &o, const Axis &x, int64_t at) {
    const float i = static_cast<float>(at), in = static_cast<float>(x.in), out = static_cast<float>(x.out);
    const float half = __fdiv_rn(__fadd_rn(i, 0.5f), x.scale);
    switch (o.coordinates) {
        case ASYMMETRIC: return __fdiv_rn(i, x.scale);
        case TF_HALF_PIXEL: return half;
        case ALIGN_CORNERS: return x.out > 1 ? __fdiv_rn(__fmul_rn(i, in - 1), out - 1) : 0;
        case PYTORCH_HALF_PIXEL: return x.out == 1 ? 0 : __fsub_rn(half, 0.5f);
        case HALF_PIXEL_SYMMETRIC: {
            const float adjusted = __fsub_rn(1, __fdiv_rn(out, __fmul_rn(x.scale, in)));
            return __fsub_rn(__fadd_rn(__fmul_rn(in / 2, adjusted), half), 0.5f);
        }
        case TF_CROP: {
            if (x.out == 1) return __fmul_rn(__fmul_rn(0.5f, __fadd_rn(x.start, x.end)), in - 1);
            const float moved = __fmul_rn(__fmul_rn(i, __fsub_rn(x.end, x.start)), in - 1);
            return __fadd_rn(__fmul_rn(x.start, in - 1), __fdiv_rn(moved, out - 1));
        }
        default: return __fsub_rn(half, 0.5f);
    }
}

__device__ int64_t clamped(int64_t at, int64_t size) { return at < 0 ? 0 : at < size ? at : size - 1; }

__device__ int64_t nearest(const Resizing &o, const Axis &x, float at) {
    const int rule = o.nearest == SIMPLE ? (x.scale < 1 ? CEIL : FLOOR) : o.nearest;
    const float found = rule == PREFER_FLOOR  ? ceilf(at - 0.5f)
                        : rule == PREFER_CEIL ? floorf(at + 0.5f)
                        : rule == CEIL        ? ceilf(at)
                                              : floorf(at);
    return clamped(static_cast<int64_t>(found), x.in);
}

// Nearest without a crop: no number is computed, so T is any unit of bytes.
template <class T, class Index>
__global__ void move_kernel(const T *from, T *to, Index count, const Resizing o) {
    begin();
    for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += static_cast<Index>(gridDim.x) * blockDim.x) {
        Index rest = i;
        int64_t place = 0;
        for (int k = o.rank - 1; k >= 0; --k) {
            const Axis &axis = o.axes[k];
            const Index size = static_cast<Index>(axis.out), next = rest / size;
            const int64_t at = rest - next * size;
            place += (axis.resized ? nearest(o, axis, coordinate(o, axis, at)) : at) * axis.stride;
            rest = next;
        }
        to[i] = from[place];
    }
}

// The sum over the two neighbours along each resized axis, in float32; with nearest there is one.
template <class T, class Index>
__global__ void weigh_kernel(const T *from, T *to, Index count, const Resizing o) {
    begin();
    for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += static_cast<Index>(gridDim.x) * blockDim.x) {
        int64_t places[EW_MAX_RANK][2], place = 0;
        float weights[EW_MAX_RANK][2];
        int resized = 0;
        bool outside = false;
        Index rest = i;
        for (int k = o.rank - 1; k >= 0; --k) {
            const Axis &axis = o.axes[k];
            const Index size = static_cast<Index>(axis.out), next = rest / size;
            const int64_t at = rest - next * size;
            rest = next;
            if (!axis.resized) {
                place += at * axis.stride;
                continue;
            }
            const float found = coordinate(o, axis, at);
            outside = outside || (o.coordinates == TF_CROP && (found < 0 || found > static_cast<float>(axis.in - 1)));
            if (!o.linear) {
                place += nearest(o, axis, found) * axis.stride;
                continue;
            }
            const int64_t below = static_cast<int64_t>(ceilf(found)) - 1;
            const float part = found - static_cast<float>(below);
            places[resized][0] = clamped(below, axis.in) * axis.stride;
            places[resized][1] = clamped(below + 1, axis.in) * axis.stride;
            weights[resized][0] = 1 - part;
            weights[resized++][1] = 1 - fabsf(1 - part);
        }
        float sum = 0;
        for (int corner = 0; corner < 1 << resized; ++corner) {
            int64_t there = place;
            float weight = 1;
            for (int k = 0; k < resized; ++k) {
                there += places[k][corner >> k & 1];
                weight *= weights[k][corner >> k & 1];
            }
            sum += weight * widen(from[there]);
        }
        to[i] = narrow<T>(outside ? o.extrapolation : sum);
    }
}

int32_t move(const ew_call *call, Resizing o, int64_t elements) {
    const int bytes = bytes_of(call->inputs[0].dtype);
    if (bytes == 0) return call->host->error(call, EW_INVALID_PLAN, "CUDA copies no elements without whole bytes");
    Axis &last = o.axes[o.rank - 1];
    int unit = bytes;
    if (!last.resized) {  // rows move in wide units
        unit = unit_of(last.out * bytes, address(input<void>(call, 0)), address(output<void>(call, 0)));
        last.in = last.out = last.out * bytes / unit;
        for (int k = 0; k + 1 < o.rank; ++k) o.axes[k].stride = o.axes[k].stride * bytes / unit;
    }
    const int64_t count = elements * bytes / unit;
    return for_unit(unit, [&](auto zero) {
        using T = decltype(zero);
        if (count < SMALL)
            return launch(call, move_kernel<T, uint32_t>, grid_for(count), input<T>(call, 0), output<T>(call, 0),
                          static_cast<uint32_t>(count), o);
        return launch(call, move_kernel<T, int64_t>, grid_for(count), input<T>(call, 0), output<T>(call, 0), count, o);
    });
}

template <class T>
int32_t weigh(const ew_call *call, const Resizing &o, int64_t count) {
    if (count < SMALL)
        return launch(call, weigh_kernel<T, uint32_t>, grid_for(count), input<T>(call, 0), output<T>(call, 0),
                      static_cast<uint32_t>(count), o);
    return launch(call, weigh_kernel<T, int64_t>, grid_for(count), input<T>(call, 0), output<T>(call, 0), count, o);
}

Resizing read(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const ew_param *p = call->params;
    Resizing o;
    o.linear = p[0].i != 0;
    o.coordinates = static_cast<int>(p[1].i);
    o.nearest = static_cast<int>(p[2].i);
    o.extrapolation = static_cast<float>(p[5].f);
    int64_t strides[EW_MAX_RANK], stride = 1;
    for (int axis = x.rank - 1; axis >= 0; --axis) {
        strides[axis] = stride;
        stride *= x.shape[axis];
    }
    for (int axis = 0; axis < x.rank; ++axis) {
        const ew_param *own = p + RESIZE_FIXED + 3 * axis;
        const int64_t in = x.shape[axis], out = y.shape[axis];
        const float ratio = static_cast<float>(out) / static_cast<float>(in < 1 ? 1 : in);
        const float scale = own[0].f > 0 ? static_cast<float>(own[0].f) : ratio;
        const bool resized = in != out || scale != 1 || o.coordinates == TF_CROP;
        o.add({in, out, strides[axis], scale, static_cast<float>(own[1].f), static_cast<float>(own[2].f), resized});
    }
    return o;
}

int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (call->n_params != RESIZE_FIXED + 3 * x.rank || x.rank != y.rank || x.rank == 0)
        return call->host->error(call, EW_INVALID_PLAN, "resize: params do not fit the rank");
    const int64_t count = count_of(y);
    if (count == 0) return EW_OK;
    if (count_of(x) == 0) return call->host->error(call, EW_SHAPE, "resize: the input is empty, the output is not");
    const Resizing o = read(call);
    if (!o.linear && o.coordinates != TF_CROP) return move(call, o, count);
    switch (x.dtype) {
        case EW_FLOAT32: return weigh<float>(call, o, count);
        case EW_FLOAT16: return weigh<half>(call, o, count);
        case EW_BFLOAT16: return weigh<bf16>(call, o, count);
        default: return call->host->error(call, EW_FAILED, "resize: element type %d", x.dtype);
    }
}

}  // namespace

EW_KERNEL(resize, run)

}  // namespace ew::cuda
