// Softmax and LogSoftmax of float32 along any axis, in three passes over data that stays in the cache.
//
// Parameters: outer, n, inner (the axes before, of, and behind the softmax), log (0 or 1). May work in place.
#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {
namespace {

constexpr int UNROLL = 4;

vf lane_max(const float *x, int64_t n) {
    vf m[UNROLL];
    for (vf &v : m) v = splat(-INFINITY);
    int64_t i = 0;
    for (; i + UNROLL * VL <= n; i += UNROLL * VL)
        for (int u = 0; u < UNROLL; ++u) m[u] = vmax(m[u], load(x + i + u * VL));
    for (; i + VL <= n; i += VL) m[0] = vmax(m[0], load(x + i));
    float rest[VL];
    store(rest, vmax(vmax(m[0], m[1]), vmax(m[2], m[3])));
    for (int64_t k = 0; i < n; ++i, ++k) rest[k] = x[i] > rest[k] || x[i] != x[i] ? x[i] : rest[k];
    return load(rest);
}

float row_max(const float *x, int64_t n) {
    float lanes[VL];
    store(lanes, lane_max(x, n));
    float m = lanes[0];
    for (int k = 1; k < VL; ++k) m = lanes[k] > m || lanes[k] != lanes[k] ? lanes[k] : m;
    return m;
}

// Writes exp(x - m) to y unless y is NULL, and returns the sum.
float row_exp(float *y, const float *x, int64_t n, float m) {
    const vf shift = splat(m);
    vf sum[2] = {};
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        const vf a = vexp(load(x + i) - shift), b = vexp(load(x + i + VL) - shift);
        if (y != nullptr) {
            store(y + i, a);
            store(y + i + VL, b);
        }
        sum[0] += a;
        sum[1] += b;
    }
    float total = reduce_add(sum[0] + sum[1]);
    for (; i < n; i += VL) {
        const int64_t k = std::min<int64_t>(VL, n - i);
        float part[VL];
        const vf e = vexp(load_n(x + i, k) - shift);
        store(part, e);
        if (y != nullptr) store_n(y + i, e, k);
        for (int64_t j = 0; j < k; ++j) total += part[j];
    }
    return total;
}

void softmax_row(float *y, const float *x, int64_t n, bool log) {
    const float m = row_max(x, n), sum = row_exp(log ? nullptr : y, x, n, m);
    const vf factor = splat(log ? std::log(sum) : 1.0f / sum), shift = splat(m);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(y + i, log ? load(x + i) - shift - factor : load(y + i) * factor);
    if (i < n) store_n(y + i, log ? load_n(x + i, n - i) - shift - factor : load_n(y + i, n - i) * factor, n - i);
}

// `width` neighbouring columns (at most VL), whose elements are `inner` apart.
void softmax_columns(float *y, const float *x, int64_t n, int64_t inner, int64_t width, bool log) {
    const auto at = [&](const float *p, int64_t j) {
        return width == VL ? load(p + j * inner) : load_n(p + j * inner, width);
    };
    const auto put = [&](int64_t j, vf v) {
        if (width == VL)
            store(y + j * inner, v);
        else
            store_n(y + j * inner, v, width);
    };
    vf m = splat(-INFINITY), sum = {};
    for (int64_t j = 0; j < n; ++j) {
        const vf v = at(x, j);
        m = select((v > m) | (v != v), v, m);
    }
    for (int64_t j = 0; j < n; ++j) {
        const vf e = vexp(at(x, j) - m);
        if (!log) put(j, e);
        sum += e;
    }
    const vf factor = log ? vlog(sum) : 1.0f / sum;
    for (int64_t j = 0; j < n; ++j) put(j, log ? at(x, j) - m - factor : at(y, j) * factor);
}

// Short rows side by side: VL of them become columns, so that all lanes have work.
constexpr int64_t SHORT = 12;
void softmax_short_rows(float *y, const float *x, int64_t n, int64_t rows, bool log) {
    alignas(64) float block[SHORT * VL] = {};
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < n; ++j) block[j * VL + r] = x[r * n + j];
    softmax_columns(block, block, n, VL, VL, log);
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < n; ++j) y[r * n + j] = block[j * VL + r];
}

int32_t run_float(const ew_call *call) {
    const int64_t outer = call->params[0].i, n = call->params[1].i, inner = call->params[2].i;
    const bool log = call->params[3].i != 0;
    const float *x = static_cast<const float *>(call->inputs[0].data);
    float *y = static_cast<float *>(call->outputs[0].data);
    if (inner == 1 && n <= SHORT) {
        for_ranges(call, (outer + VL - 1) / VL, n * VL * 4, [&](int64_t begin, int64_t end) {
            for (int64_t b = begin * VL; b < std::min(outer, end * VL); b += VL)
                softmax_short_rows(y + b * n, x + b * n, n, std::min<int64_t>(VL, outer - b), log);
        });
        return EW_OK;
    }
    if (inner == 1) {
        for_ranges(call, outer, n * 12, [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r) softmax_row(y + r * n, x + r * n, n, log);
        });
        return EW_OK;
    }
    const int64_t blocks = (inner + VL - 1) / VL;
    for_ranges(call, outer * blocks, n * VL * 12, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
            const int64_t column = b % blocks * VL, offset = b / blocks * n * inner + column;
            softmax_columns(y + offset, x + offset, n, inner, std::min<int64_t>(VL, inner - column), log);
        }
    });
    return EW_OK;
}

int32_t run(const ew_call *call) {
    if (call->n_params != 4) return call->host->error(call, EW_INVALID_PLAN, "softmax takes 4 parameters");
    if (count_of(call->outputs[0]) == 0) return EW_OK;
    return run_wide(call, run_float);
}

}  // namespace

EW_KERNEL(softmax, run)

}  // namespace ew::EW_ISA
