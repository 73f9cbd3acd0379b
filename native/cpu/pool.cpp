// Pooling over windows of [N, C, spatial]: maximum (with places), mean, p-norm; and over all spatial axes; MaxUnpool.
//
// A window is reduced over its rows first (whole vectors), then along the row. Params of a window: `option` (see each
// kernel), then kernel, stride, dilation, padding before and behind for each spatial axis.
#include <cmath>
#include <limits>

#include "cpu/gemm_half.h"

namespace ew::EW_ISA {

namespace {

struct Pool {
    int64_t planes, option;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], begin[3], end[3];
    int64_t in_size() const { return in[0] * in[1] * in[2]; }
    int64_t out_size() const { return out[0] * out[1] * out[2]; }
};

bool read(const ew_call *call, Pool &p) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int32_t rank = x.rank - 2;
    if (rank < 1 || rank > 3 || y.rank != x.rank || call->n_params < 1 + 5 * rank) return false;
    p.planes = x.shape[0] * x.shape[1];
    p.option = call->params[0].i;
    for (int32_t i = 0; i < 3; ++i) {
        const int32_t axis = i - (3 - rank);
        const ew_param *q = call->params + 1 + 5 * axis;
        p.in[i] = axis < 0 ? 1 : x.shape[2 + axis];
        p.out[i] = axis < 0 ? 1 : y.shape[2 + axis];
        p.kernel[i] = axis < 0 ? 1 : q[0].i;
        p.stride[i] = axis < 0 ? 1 : q[1].i;
        p.dilation[i] = axis < 0 ? 1 : q[2].i;
        p.begin[i] = axis < 0 ? 0 : q[3].i;
        p.end[i] = axis < 0 ? 0 : q[4].i;
    }
    return true;
}

int32_t refuse(const ew_call *call) { return call->host->error(call, EW_FAILED, "pooling: this shape or type"); }

// How two elements combine, where a window starts, and what a finished window gives (`n`: elements counted).
template <typename T>
struct Maximum {
    static T start(int64_t) {
        return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                    : std::numeric_limits<T>::lowest();
    }
    static T first(T x, int64_t) { return x; }
    static T combine(T a, T b) { return a > b || a != a ? a : b; }  // a NaN stays
    static T finish(T sum, int64_t, int64_t) { return sum; }
    static constexpr bool counts = false;
};
template <typename T>
struct Mean {
    static T start(int64_t) { return 0; }
    static T first(T x, int64_t) { return x; }
    static T combine(T a, T b) { return a + b; }
    static T finish(T sum, int64_t n, int64_t) { return sum / static_cast<T>(n); }
    static constexpr bool counts = true;
};
template <typename T>
struct Norm {
    static T start(int64_t) { return 0; }
    static T first(T x, int64_t p) { return p == 1 ? std::abs(x) : p == 2 ? x * x : std::pow(std::abs(x), T(p)); }
    static T combine(T a, T b) { return a + b; }
    static T finish(T sum, int64_t, int64_t p) {
        return p == 1 ? sum : p == 2 ? std::sqrt(sum) : std::pow(sum, T(1) / T(p));
    }
    static constexpr bool counts = false;
};

// Window elements of one axis inside [-begin, in + end) (padding counted) or [0, in).
int64_t counted(const Pool &p, int axis, int64_t at, bool padding) {
    const int64_t lo = padding ? -p.begin[axis] : 0, hi = p.in[axis] + (padding ? p.end[axis] : 0);
    int64_t n = 0;
    for (int64_t k = 0; k < p.kernel[axis]; ++k) {
        const int64_t i = at * p.stride[axis] - p.begin[axis] + k * p.dilation[axis];
        n += i >= lo && i < hi;
    }
    return n;
}

// Combines the input rows that the windows of one output row see into `line`. False: none is inside.
template <typename T, typename Op>
bool combine_rows(const Pool &p, const T *x, int64_t z, int64_t y, T *line) {
    bool any = false;
    for (int64_t kz = 0; kz < p.kernel[0]; ++kz)
        for (int64_t ky = 0; ky < p.kernel[1]; ++ky) {
            const int64_t iz = z * p.stride[0] - p.begin[0] + kz * p.dilation[0];
            const int64_t iy = y * p.stride[1] - p.begin[1] + ky * p.dilation[1];
            if (iz < 0 || iz >= p.in[0] || iy < 0 || iy >= p.in[1]) continue;
            const T *row = x + (iz * p.in[1] + iy) * p.in[2];
            if (any)
                for (int64_t i = 0; i < p.in[2]; ++i) line[i] = Op::combine(line[i], Op::first(row[i], p.option));
            else
                for (int64_t i = 0; i < p.in[2]; ++i) line[i] = Op::first(row[i], p.option);
            any = true;
        }
    return any;
}

template <typename T, typename Op>
void combine_columns(const Pool &p, const T *line, T *out) {
    const int64_t stride = p.stride[2];
    for (int64_t kx = 0; kx < p.kernel[2]; ++kx) {
        const int64_t shift = kx * p.dilation[2] - p.begin[2], past = p.in[2] - shift;
        const int64_t lo = shift < 0 ? (stride - 1 - shift) / stride : 0;
        const int64_t hi = least(p.out[2], past <= 0 ? 0 : (past + stride - 1) / stride);
        const T *in = line + shift;
        if (stride == 1)
            for (int64_t i = lo; i < hi; ++i) out[i] = Op::combine(out[i], in[i]);
        else
            for (int64_t i = lo; i < hi; ++i) out[i] = Op::combine(out[i], in[i * stride]);
    }
}

template <typename T, typename Op>
void run_plane(const Pool &p, const T *x, T *y, T *line, const int64_t *columns) {
    for (int64_t z = 0; z < p.out[0]; ++z)
        for (int64_t r = 0; r < p.out[1]; ++r, y += p.out[2]) {
            for (int64_t i = 0; i < p.out[2]; ++i) y[i] = Op::start(p.option);
            if (combine_rows<T, Op>(p, x, z, r, line)) combine_columns<T, Op>(p, line, y);
            int64_t rows = 0;
            if (Op::counts) rows = counted(p, 0, z, p.option) * counted(p, 1, r, p.option);
            for (int64_t i = 0; i < p.out[2]; ++i)
                y[i] = Op::finish(y[i], rows * (Op::counts ? columns[i] : 1), p.option);
        }
}

// Planes in their own type; 16-bit floats are widened a plane at a time.
template <typename T, typename Op, bool Half>
void run_task(const ew_call *call, const Pool &p, int64_t plane, const int64_t *columns) {
    const int64_t in = p.in_size(), out = p.out_size();
    T *line = reinterpret_cast<T *>(scratch(SCRATCH_A, p.in[2] * 2 + 1));
    if constexpr (!Half) {
        const T *x = static_cast<const T *>(call->inputs[0].data) + plane * in;
        run_plane<T, Op>(p, x, static_cast<T *>(call->outputs[0].data) + plane * out, line, columns);
    } else {
        const bool brain = call->inputs[0].dtype == EW_BFLOAT16;
        const auto *x = static_cast<const uint16_t *>(call->inputs[0].data) + plane * in;
        auto *y = static_cast<uint16_t *>(call->outputs[0].data) + plane * out;
        float *wide = scratch(SCRATCH_B, in + out);
        for (int64_t i = 0; i < in; ++i) wide[i] = widen(x[i], brain);
        run_plane<T, Op>(p, wide, wide + in, line, columns);
        for (int64_t i = 0; i < out; ++i) y[i] = narrow(wide[in + i], brain);
    }
}

template <typename T, typename Op, bool Half = false>
int32_t run_typed(const ew_call *call, const Pool &p) {
    if (p.planes * p.out_size() == 0) return EW_OK;
    auto *columns = reinterpret_cast<int64_t *>(scratch(SCRATCH_D, 2 * p.out[2]));
    if (Op::counts)
        for (int64_t i = 0; i < p.out[2]; ++i) columns[i] = counted(p, 2, i, p.option);
    const int64_t work = p.out_size() * (p.kernel[0] * p.kernel[1] * p.stride[2] + p.kernel[2]);
    const int64_t group = 1 + 60000 / (work + 1);
    parallel(call, ceil_div(p.planes, group), [&](int64_t task) {
        for (int64_t i = task * group; i < least(p.planes, (task + 1) * group); ++i)
            run_task<T, Op, Half>(call, p, i, columns);
    });
    return EW_OK;
}

template <template <typename> class Op>
int32_t run_float(const ew_call *call) {
    Pool p;
    if (!read(call, p)) return refuse(call);
    switch (call->inputs[0].dtype) {
        case EW_FLOAT32: return run_typed<float, Op<float>>(call, p);
        case EW_FLOAT64: return run_typed<double, Op<double>>(call, p);
        case EW_FLOAT16:
        case EW_BFLOAT16: return run_typed<float, Op<float>, true>(call, p);
        default: return refuse(call);
    }
}

int32_t pool_max(const ew_call *call) {
    Pool p;
    if (!read(call, p)) return refuse(call);
    switch (call->inputs[0].dtype) {
        case EW_UINT8: return run_typed<uint8_t, Maximum<uint8_t>>(call, p);
        case EW_INT8: return run_typed<int8_t, Maximum<int8_t>>(call, p);
        default: return run_float<Maximum>(call);
    }
}

int32_t pool_mean(const ew_call *call) { return run_float<Mean>(call); }  // option: padding counts
int32_t pool_norm(const ew_call *call) { return run_float<Norm>(call); }  // option: p

// ---- maximum and its place ----

template <typename T, typename Wide>
Wide element(const T *x, int64_t i, int32_t dtype) {
    if constexpr (std::is_same_v<T, uint16_t>)
        return widen(x[i], dtype == EW_BFLOAT16);
    else
        return static_cast<Wide>(x[i]);
}

// Option: storage order (1: places count the spatial axes column by column).
template <typename T, typename Wide>
void places_of_plane(const ew_call *call, const Pool &p, int64_t plane) {
    const int32_t dtype = call->inputs[0].dtype;
    const T *x = static_cast<const T *>(call->inputs[0].data) + plane * p.in_size();
    T *y = static_cast<T *>(call->outputs[0].data) + plane * p.out_size();
    int64_t *where = static_cast<int64_t *>(call->outputs[1].data) + plane * p.out_size();
    for (int64_t o = 0; o < p.out_size(); ++o) {
        const int64_t at[3] = {o / (p.out[1] * p.out[2]), o / p.out[2] % p.out[1], o % p.out[2]};
        int64_t best = -1, place = -1;
        for (int64_t k = 0; k < p.kernel[0] * p.kernel[1] * p.kernel[2]; ++k) {
            const int64_t tap[3] = {k / (p.kernel[1] * p.kernel[2]), k / p.kernel[2] % p.kernel[1], k % p.kernel[2]};
            int64_t i[3];
            bool inside = true;
            for (int a = 0; a < 3; ++a) {
                i[a] = at[a] * p.stride[a] - p.begin[a] + tap[a] * p.dilation[a];
                inside = inside && i[a] >= 0 && i[a] < p.in[a];
            }
            if (!inside) continue;
            const int64_t index = (i[0] * p.in[1] + i[1]) * p.in[2] + i[2];
            if (best >= 0 && !(element<T, Wide>(x, index, dtype) > element<T, Wide>(x, best, dtype))) continue;
            best = index;
            place = p.option ? (i[2] * p.in[1] + i[1]) * p.in[0] + i[0] : index;
        }
        y[o] = best >= 0 ? x[best] : T{};
        where[o] = place < 0 ? -1 : plane * p.in_size() + place;
    }
}

template <typename T, typename Wide>
int32_t run_places(const ew_call *call, const Pool &p) {
    parallel(call, p.planes, [&](int64_t plane) { places_of_plane<T, Wide>(call, p, plane); });
    return EW_OK;
}

int32_t pool_max_places(const ew_call *call) {
    Pool p;
    if (!read(call, p)) return refuse(call);
    switch (call->inputs[0].dtype) {
        case EW_UINT8: return run_places<uint8_t, int32_t>(call, p);
        case EW_INT8: return run_places<int8_t, int32_t>(call, p);
        case EW_FLOAT32: return run_places<float, float>(call, p);
        case EW_FLOAT64: return run_places<double, double>(call, p);
        case EW_FLOAT16:
        case EW_BFLOAT16: return run_places<uint16_t, float>(call, p);
        default: return refuse(call);
    }
}

// ---- over all spatial axes; params: kind (0 maximum, 1 mean, 2 norm), p ----

float global_f32(const float *x, int64_t n, int64_t kind, int64_t p) {
    if (kind == 2) {
        float sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += Norm<float>::first(x[i], p);
        return Norm<float>::finish(sum, n, p);
    }
    vf sum[4];
    for (vf &v : sum) v = splat(kind ? 0.0F : -std::numeric_limits<float>::infinity());
    const auto combine = [&](vf a, vf b) { return kind ? a + b : (a > b) | (a != a) ? a : b; };
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL)
        for (int v = 0; v < 4; ++v) sum[v] = combine(sum[v], load(x + i + v * VL));
    for (; i + VL <= n; i += VL) sum[0] = combine(sum[0], load(x + i));
    sum[0] = combine(combine(sum[0], sum[1]), combine(sum[2], sum[3]));
    float total = kind ? reduce_add(sum[0]) : sum[0][0];
    for (int v = 1; v < VL && !kind; ++v) total = Maximum<float>::combine(total, sum[0][v]);
    for (; i < n; ++i) total = kind ? total + x[i] : Maximum<float>::combine(total, x[i]);
    return kind ? total / static_cast<float>(n) : total;
}

double global_f64(const double *x, int64_t n, int64_t kind, int64_t p) {
    double sum = kind ? 0 : Maximum<double>::start(0);
    for (int64_t i = 0; i < n; ++i)
        sum = kind == 0 ? Maximum<double>::combine(sum, x[i]) : sum + (kind == 2 ? Norm<double>::first(x[i], p) : x[i]);
    return kind == 0 ? sum : kind == 1 ? sum / static_cast<double>(n) : Norm<double>::finish(sum, n, p);
}

void global_plane(const ew_call *call, int64_t plane, int64_t n) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const int64_t kind = call->params[0].i, p = call->params[1].i;
    if (x.dtype == EW_FLOAT32) {
        static_cast<float *>(y.data)[plane] = global_f32(f32(x) + plane * n, n, kind, p);
    } else if (x.dtype == EW_FLOAT64) {
        const auto *in = static_cast<const double *>(x.data) + plane * n;
        static_cast<double *>(y.data)[plane] = global_f64(in, n, kind, p);
    } else {
        float *wide = scratch(SCRATCH_A, n);
        const auto *in = static_cast<const uint16_t *>(x.data) + plane * n;
        for (int64_t i = 0; i < n; ++i) wide[i] = widen(in[i], x.dtype == EW_BFLOAT16);
        static_cast<uint16_t *>(y.data)[plane] = narrow(global_f32(wide, n, kind, p), x.dtype == EW_BFLOAT16);
    }
}

int32_t pool_global(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    const bool known =
        x.dtype == EW_FLOAT32 || x.dtype == EW_FLOAT64 || x.dtype == EW_FLOAT16 || x.dtype == EW_BFLOAT16;
    if (!known || x.rank < 2) return refuse(call);
    const int64_t planes = x.shape[0] * x.shape[1];
    if (planes == 0) return EW_OK;
    const int64_t n = count(x) / planes, group = 1 + 100000 / (n + 1);
    parallel(call, ceil_div(planes, group), [&](int64_t task) {
        for (int64_t i = task * group; i < least(planes, (task + 1) * group); ++i) global_plane(call, i, n);
    });
    return EW_OK;
}

// ---- MaxUnpool: x, indices into a tensor whose spatial sizes are the params; the output cuts or fills it ----

// Where element `index` of the natural tensor lies in the output; -1: it is cut off.
int64_t place_of(const ew_call *call, int64_t index) {
    const ew_tensor &y = call->outputs[0];
    int64_t at = 0, stride = 1;
    for (int32_t axis = y.rank - 1; axis >= 0; --axis) {
        const int64_t size = axis >= 2 ? call->params[axis - 2].i : y.shape[axis], i = index % size;
        if (i >= y.shape[axis]) return -1;
        at += i * stride;
        stride *= y.shape[axis];
        index /= size;
    }
    return at;
}

template <typename T>
int32_t unpool(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    const auto *indices = static_cast<const int64_t *>(call->inputs[1].data);
    int64_t natural = x.shape[0] * x.shape[1];
    for (int32_t i = 0; i < call->n_params; ++i) natural *= call->params[i].i;
    std::memset(y.data, 0, static_cast<size_t>(count(y)) * sizeof(T));
    for (int64_t i = 0, n = count(x); i < n; ++i) {
        if (indices[i] < 0 || indices[i] >= natural)
            return call->host->error(call, EW_INPUT, "index %lld is outside an output of %lld elements",
                                     static_cast<long long>(indices[i]), static_cast<long long>(natural));
        const int64_t place = place_of(call, indices[i]);
        if (place >= 0) static_cast<T *>(y.data)[place] = static_cast<const T *>(x.data)[i];
    }
    return EW_OK;
}

int32_t max_unpool(const ew_call *call) {
    if (call->n_params != call->inputs[0].rank - 2) return refuse(call);
    switch (call->inputs[0].dtype) {
        case EW_FLOAT16:
        case EW_BFLOAT16: return unpool<uint16_t>(call);
        case EW_FLOAT32: return unpool<uint32_t>(call);
        case EW_FLOAT64: return unpool<uint64_t>(call);
        default: return refuse(call);
    }
}

}  // namespace

EW_KERNEL(pool_max, pool_max)
EW_KERNEL(pool_mean, pool_mean)
EW_KERNEL(pool_norm, pool_norm)
EW_KERNEL(pool_max_places, pool_max_places)
EW_KERNEL(pool_global, pool_global)
EW_KERNEL(max_unpool, max_unpool)

}  // namespace ew::EW_ISA
