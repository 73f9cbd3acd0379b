// Resize of any rank, an axis at a time: nearest by copying rows, linear and cubic (with antialias) by weighted taps.
//
// Only input 0 is read, its output's sizes are in the output tensor. Params: mode (0 nearest, 1 linear, 2 cubic),
// coordinates, nearest rule (numbers as in tactics/resize.py), cubic a, exclude_outside, extrapolation, antialias, then
// for each axis: scale (0: output size / input size), crop start, crop end. Coordinates are computed in f32, as ONNX
// Runtime does.
#include <cmath>

#include "cpu/gemm_half.h"
#include "src/resize_params.h"

namespace ew::EW_ISA {

namespace {

struct Options {
    int64_t mode, coordinates, nearest;
    float a, extrapolation;
    bool exclude, antialias;
};

// One axis: for each output index `taps` input indices (clamped) and weights, and whether it lies outside the crop.
struct Axis {
    int64_t in, out, taps;
    float scale, start, end;
    int64_t *index;
    float *weight;
    char *outside;
};

float coordinate(const Options &o, const Axis &x, int64_t at) {
    const float i = static_cast<float>(at), in = static_cast<float>(x.in), out = static_cast<float>(x.out);
    const float half = (i + 0.5F) / x.scale;
    switch (o.coordinates) {
        case ASYMMETRIC: return i / x.scale;
        case TF_HALF_PIXEL: return half;
        case ALIGN_CORNERS: return x.out > 1 ? i * (in - 1) / (out - 1) : 0;
        case PYTORCH_HALF_PIXEL: return x.out == 1 ? 0 : half - 0.5F;
        case HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - out / (x.scale * in)) + half - 0.5F;
        case TF_CROP:
            if (x.out == 1) return 0.5F * (x.start + x.end) * (in - 1);
            return x.start * (in - 1) + i * (x.end - x.start) * (in - 1) / (out - 1);
        default: return half - 0.5F;
    }
}

int64_t nearest(const Options &o, const Axis &x, float at) {
    const int64_t rule = o.nearest == SIMPLE ? (x.scale < 1 ? CEIL : FLOOR) : o.nearest;
    const float found = rule == PREFER_FLOOR  ? std::ceil(at - 0.5F)
                        : rule == PREFER_CEIL ? std::floor(at + 0.5F)
                        : rule == CEIL        ? std::ceil(at)
                                              : std::floor(at);
    return most(0, least(x.in - 1, static_cast<int64_t>(found)));
}

// Keys' cubic kernel (https://doi.org/10.1109/TASSP.1981.1163711), or the linear one, at distance d >= 0.
float kernel_at(const Options &o, float d) {
    if (o.mode == 1) return d < 1 ? 1 - d : 0;
    const float a = o.a;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

float shrink(const Options &o, float scale) { return o.antialias && scale < 1 ? scale : 1.0F; }

int64_t first_tap(const Options &o, float scale) {
    const double reach = o.mode == 2 ? 2 : 1;
    return static_cast<int64_t>(std::floor(-reach / static_cast<double>(shrink(o, scale)))) + 1;
}

int64_t tap_count(const Options &o, float scale) { return o.mode == 0 ? 1 : 2 - 2 * first_tap(o, scale); }

void fill_taps(const Options &o, const Axis &x, int64_t at, float place) {
    int64_t *index = x.index + at * x.taps;
    float *weight = x.weight + at * x.taps;
    const int64_t base = static_cast<int64_t>(std::ceil(place)) - 1, first = first_tap(o, x.scale);
    float sum = 0;
    for (int64_t t = 0; t < x.taps; ++t) {
        const int64_t i = base + first + t;
        const float d = std::fabs(static_cast<float>(first + t) - (place - static_cast<float>(base)));
        weight[t] = o.exclude && (i < 0 || i >= x.in) ? 0 : kernel_at(o, d * shrink(o, x.scale));
        index[t] = most(0, least(x.in - 1, i));
        sum += weight[t];
    }
    if (o.exclude || o.antialias)
        for (int64_t t = 0; t < x.taps; ++t) weight[t] /= sum;
}

void fill_axis(const Options &o, Axis &x) {
    for (int64_t i = 0; i < x.out; ++i) {
        const float place = coordinate(o, x, i);
        x.outside[i] = o.coordinates == TF_CROP && (place < 0 || place > static_cast<float>(x.in - 1));
        if (o.mode == 0) {
            x.index[i] = nearest(o, x, place);
            x.weight[i] = 1;
        } else {
            fill_taps(o, x, i, place);
        }
    }
}

// The copying of any element type: rows of `inner` elements, index by index.
template <typename T>
void copy_axis(const ew_call *call, const T *x, T *y, int64_t outer, const Axis &axis, int64_t inner) {
    const int64_t group = 1 + 100000 / (axis.out * inner + 1);
    parallel(call, ceil_div(outer, group), [&](int64_t task) {
        for (int64_t o = task * group; o < least(outer, (task + 1) * group); ++o) {
            const T *from = x + o * axis.in * inner;
            T *to = y + o * axis.out * inner;
            if (inner == 1)
                for (int64_t i = 0; i < axis.out; ++i) to[i] = from[axis.index[i]];
            else
                for (int64_t i = 0; i < axis.out; ++i)
                    std::memcpy(to + i * inner, from + axis.index[i] * inner, sizeof(T) * static_cast<size_t>(inner));
        }
    });
}

template <typename T>
void weigh_axis(const ew_call *call, const T *x, T *y, int64_t outer, const Axis &axis, int64_t inner) {
    const int64_t group = 1 + 50000 / (axis.out * axis.taps * inner + 1);
    parallel(call, ceil_div(outer, group), [&](int64_t task) {
        for (int64_t o = task * group; o < least(outer, (task + 1) * group); ++o)
            for (int64_t i = 0; i < axis.out; ++i) {
                T *to = y + (o * axis.out + i) * inner;
                for (int64_t t = 0; t < axis.taps; ++t) {
                    const T *from = x + (o * axis.in + axis.index[i * axis.taps + t]) * inner;
                    const T w = static_cast<T>(axis.weight[i * axis.taps + t]);
                    for (int64_t j = 0; j < inner; ++j) to[j] = t ? to[j] + w * from[j] : w * from[j];
                }
            }
    });
}

template <typename T>
void extrapolate(T *y, const int64_t *shape, int32_t rank, const Axis *axes, T value) {
    int64_t total = 1;
    for (int32_t i = 0; i < rank; ++i) total *= shape[i];
    for (int64_t at = 0; at < total; ++at) {
        int64_t rest = at;
        bool outside = false;
        for (int32_t i = rank - 1; i >= 0; --i) {
            outside = outside || (axes[i].outside && axes[i].outside[rest % shape[i]]);
            rest /= shape[i];
        }
        if (outside) y[at] = value;
    }
}

// Resizes axis by axis between two buffers; the last axis that changes writes the output.
template <typename T>
void run_axes(const ew_call *call, const Options &o, Axis *axes, const T *x, T *y, T *const *buffers) {
    const ew_tensor &in = call->inputs[0], &out = call->outputs[0];
    const int32_t rank = in.rank;
    int32_t last = -1;
    for (int32_t i = 0; i < rank; ++i)
        if (axes[i].index) last = i;
    if (last < 0) std::memcpy(y, x, sizeof(T) * static_cast<size_t>(count(out)));
    int turn = 0;
    const T *from = x;
    for (int32_t i = 0; i <= last; ++i) {
        if (!axes[i].index) continue;
        int64_t outer = 1, inner = 1;
        for (int32_t k = 0; k < i; ++k) outer *= out.shape[k];
        for (int32_t k = i + 1; k < rank; ++k) inner *= in.shape[k];
        T *to = i == last ? y : buffers[turn];
        if (o.mode == 0)
            copy_axis<T>(call, from, to, outer, axes[i], inner);
        else if constexpr (std::is_floating_point_v<T>)
            weigh_axis<T>(call, from, to, outer, axes[i], inner);
        from = to;
        turn ^= 1;
    }
}

Options read_options(const ew_call *call) {
    const ew_param *p = call->params;
    return {p[0].i, p[1].i, p[2].i, static_cast<float>(p[3].f), static_cast<float>(p[5].f), p[4].i != 0, p[6].i != 0};
}

// Tables of all axes that change, in one piece of scratch memory.
void make_axes(const ew_call *call, const Options &o, Axis *axes) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    int64_t floats = 0;
    for (int32_t i = 0; i < x.rank; ++i) {
        const ew_param *p = call->params + RESIZE_FIXED + 3 * i;
        const bool given = p[0].f > 0;
        const float ratio = static_cast<float>(y.shape[i]) / static_cast<float>(most(1, x.shape[i]));
        axes[i] = {x.shape[i],
                   y.shape[i],
                   1,
                   given ? static_cast<float>(p[0].f) : ratio,
                   static_cast<float>(p[1].f),
                   static_cast<float>(p[2].f),
                   nullptr,
                   nullptr,
                   nullptr};
        axes[i].taps = tap_count(o, axes[i].scale);
        floats += round_up(y.shape[i] * (axes[i].taps * 3 + 1) + 1, 2);
    }
    float *memory = scratch(SCRATCH_A, floats);
    for (int32_t i = 0; i < x.rank; ++i) {
        Axis &a = axes[i];
        if (a.in == a.out && a.scale == 1 && o.coordinates != TF_CROP) continue;
        a.index = reinterpret_cast<int64_t *>(memory);
        a.weight = memory + 2 * a.out * a.taps;
        a.outside = reinterpret_cast<char *>(a.weight + a.out * a.taps);
        memory += round_up(a.out * (a.taps * 3 + 1) + 1, 2);
        fill_axis(o, a);
    }
}

// The largest tensor between two axes.
int64_t largest_between(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    int64_t most_elements = 1;
    for (int32_t i = 0; i <= x.rank; ++i) {
        int64_t n = 1;
        for (int32_t k = 0; k < x.rank; ++k) n *= k < i ? y.shape[k] : x.shape[k];
        most_elements = most(most_elements, n);
    }
    return most_elements;
}

template <typename T>
int32_t run_typed(const ew_call *call, const Options &o, const T *x, T *y) {
    Axis axes[EW_MAX_RANK];
    make_axes(call, o, axes);
    const int64_t floats = ceil_div(largest_between(call) * static_cast<int64_t>(sizeof(T)), 4) + 16;
    T *const buffers[] = {reinterpret_cast<T *>(scratch(SCRATCH_B, floats)),
                          reinterpret_cast<T *>(scratch(SCRATCH_C, floats))};
    run_axes<T>(call, o, axes, x, y, buffers);
    if (o.coordinates == TF_CROP)
        extrapolate<T>(y, call->outputs[0].shape, call->outputs[0].rank, axes, static_cast<T>(o.extrapolation));
    return EW_OK;
}

template <typename T>
int32_t run_plain(const ew_call *call, const Options &o) {
    return run_typed<T>(call, o, static_cast<const T *>(call->inputs[0].data), static_cast<T *>(call->outputs[0].data));
}

// Integers and 16-bit floats are interpolated in f32.
template <typename T>
int32_t run_through_f32(const ew_call *call, const Options &o) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t in = count(x), out = count(y);
    float *wide = scratch(SCRATCH_D, in + out);
    if constexpr (std::is_same_v<T, uint16_t>) {
        widen_all(x, wide);
    } else {
        for (int64_t i = 0; i < in; ++i) wide[i] = static_cast<float>(static_cast<const T *>(x.data)[i]);
    }
    run_typed<float>(call, o, wide, wide + in);
    if constexpr (std::is_same_v<T, uint16_t>) {
        narrow_all(wide + in, y);
    } else {
        for (int64_t i = 0; i < out; ++i) static_cast<T *>(y.data)[i] = static_cast<T>(wide[in + i]);
    }
    return EW_OK;
}

int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (call->n_params != RESIZE_FIXED + 3 * x.rank || x.rank != y.rank)
        return call->host->error(call, EW_INVALID_PLAN, "resize: params do not fit the rank");
    if (count(y) == 0) return EW_OK;
    if (count(x) == 0) return call->host->error(call, EW_SHAPE, "resize: the input is empty, the output is not");
    const Options o = read_options(call);
    const bool half = x.dtype == EW_FLOAT16 || x.dtype == EW_BFLOAT16, copies = o.mode == 0;
    if (half && copies && o.coordinates != TF_CROP) return run_plain<uint16_t>(call, o);  // no number is computed
    if (half) return run_through_f32<uint16_t>(call, o);
    if (x.dtype == EW_FLOAT32) return run_plain<float>(call, o);
    if (x.dtype == EW_FLOAT64) return run_plain<double>(call, o);
    switch (x.dtype) {
        case EW_UINT8: return copies ? run_plain<uint8_t>(call, o) : run_through_f32<uint8_t>(call, o);
        case EW_INT8: return copies ? run_plain<int8_t>(call, o) : run_through_f32<int8_t>(call, o);
        case EW_INT32: return copies ? run_plain<int32_t>(call, o) : run_through_f32<int32_t>(call, o);
        case EW_INT64: return copies ? run_plain<int64_t>(call, o) : run_through_f32<int64_t>(call, o);
        default: return call->host->error(call, EW_FAILED, "resize: element type %d", x.dtype);
    }
}

}  // namespace

EW_KERNEL(resize, run)

}  // namespace ew::EW_ISA
