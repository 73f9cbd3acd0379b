// Layer, RMS, group, instance, batch and Lp normalization, and local response normalization, of float32.
//
// Sums are taken in vectors of partial sums, and the variance from centered values, so nothing cancels.
#include "cpu/rows.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {
namespace {

const float *input(const ew_call *call, int index) { return static_cast<const float *>(call->inputs[index].data); }
float *output(const ew_call *call, int index) { return static_cast<float *>(call->outputs[index].data); }

int32_t expect(const ew_call *call, int n_params, int n_inputs) {
    if (call->n_params == n_params && call->n_inputs >= n_inputs) return EW_OK;
    return call->host->error(call, EW_INVALID_PLAN, "a normalization takes %d parameters", n_params);
}

// The sum of f(x[i]).
template <class F>
float sum_of(const float *x, int64_t n, const F &f) {
    vf s[4] = {};
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL)
        for (int u = 0; u < 4; ++u) s[u] += f(load(x + i + u * VL));
    for (; i + VL <= n; i += VL) s[0] += f(load(x + i));
    float total = reduce_add((s[0] + s[1]) + (s[2] + s[3])), rest[VL];
    if (i < n) {
        store(rest, f(load_n(x + i, n - i)));
        for (int64_t k = 0; k < n - i; ++k) total += rest[k];
    }
    return total;
}

float mean_of(const float *x, int64_t n) {
    return sum_of(x, n, [](vf v) { return v; }) / static_cast<float>(n);
}

float variance_of(const float *x, int64_t n, float mean) {
    const vf m = splat(mean);
    return sum_of(x, n, [&](vf v) { return (v - m) * (v - m); }) / static_cast<float>(n);
}

// y = (x - mean) * inverse * scale + bias; scale and bias are read at i * stride, bias NULL: none.
struct Affine {
    const float *scale, *bias;
    int64_t stride;
};

void normalize_row(float *y, const float *x, int64_t n, float mean, float inverse, const Affine &affine) {
    const vf m = splat(mean), v = splat(inverse);
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t k = std::min<int64_t>(VL, n - i);
        const auto factor = [&](const float *p) { return affine.stride == 0 ? splat(*p) : load_n(p + i, k); };
        const vf centered = ((k == VL ? load(x + i) : load_n(x + i, k)) - m) * v * factor(affine.scale);
        const vf result = affine.bias == nullptr ? centered : centered + factor(affine.bias);
        if (k == VL)
            store(y + i, result);
        else
            store_n(y + i, result, k);
    }
}

// Parameters: rows, n, epsilon, scale's stride (0: one number), root mean square only (no mean). Inputs: x, scale, bias.
int32_t run_layer(const ew_call *call) {
    const int64_t rows = call->params[0].i, n = call->params[1].i;
    const double epsilon = call->params[2].f;
    const bool rms = call->params[4].i != 0;
    const bool has_bias = call->n_inputs > 2 && call->inputs[2].dtype != 0;
    const Affine affine{input(call, 1), has_bias ? input(call, 2) : nullptr, call->params[3].i};
    const float *x = input(call, 0);
    for_ranges(call, rows, n * 3, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float mean = rms ? 0.0f : mean_of(x + r * n, n);
            const float inverse = static_cast<float>(1 / std::sqrt(variance_of(x + r * n, n, mean) + epsilon));
            normalize_row(output(call, 0) + r * n, x + r * n, n, mean, inverse, affine);
            if (call->n_outputs > 1) output(call, 1)[r] = mean;
            if (call->n_outputs > 2) output(call, 2)[r] = inverse;
        }
    });
    return EW_OK;
}

int32_t run_layer_checked(const ew_call *call) {
    if (const int32_t status = expect(call, 5, 2); status != EW_OK) return status;
    return run_wide(call, run_layer);
}

// Parameters: batch, groups, channels of a group, spatial size, epsilon. Inputs: x, scale, bias (one number a channel).
int32_t run_group(const ew_call *call) {
    const int64_t groups = call->params[1].i, rows = call->params[0].i * groups, channels = call->params[2].i;
    const int64_t spatial = call->params[3].i, n = channels * spatial;
    for_ranges(call, rows, n * 3, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const float *x = input(call, 0) + r * n;
            float *y = output(call, 0) + r * n;
            const float mean = mean_of(x, n);
            const float inverse = static_cast<float>(1 / std::sqrt(variance_of(x, n, mean) + call->params[4].f));
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t channel = r % groups * channels + c;
                const Affine affine{input(call, 1) + channel, input(call, 2) + channel, 0};
                normalize_row(y + c * spatial, x + c * spatial, spatial, mean, inverse, affine);
            }
        }
    });
    return EW_OK;
}

int32_t run_group_checked(const ew_call *call) {
    if (const int32_t status = expect(call, 5, 3); status != EW_OK) return status;
    return run_wide(call, run_group);
}

// Parameters: batch, channels, spatial size, epsilon. Inputs: x, scale, bias, mean, variance (one number a channel).
int32_t run_batch(const ew_call *call) {
    const int64_t channels = call->params[1].i, spatial = call->params[2].i;
    for_ranges(call, call->params[0].i * channels, spatial, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t c = r % channels;
            const double deviation = std::sqrt(input(call, 4)[c] + call->params[3].f);
            const Affine affine{input(call, 1) + c, input(call, 2) + c, 0};
            normalize_row(output(call, 0) + r * spatial, input(call, 0) + r * spatial, spatial, input(call, 3)[c],
                          static_cast<float>(1 / deviation), affine);
        }
    });
    return EW_OK;
}

int32_t run_batch_checked(const ew_call *call) {
    if (const int32_t status = expect(call, 4, 5); status != EW_OK) return status;
    return run_wide(call, run_batch);
}

// Parameters: outer, n, inner, p. Columns of at most VL neighbours at once; 0 where the norm is 0.
int32_t run_lp(const ew_call *call) {
    const int64_t n = call->params[1].i, inner = call->params[2].i, blocks = (inner + VL - 1) / VL;
    const bool one = call->params[3].i == 1;
    for_ranges(call, call->params[0].i * blocks, n * VL * 2, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
            const int64_t column = b % blocks * VL, offset = b / blocks * n * inner + column;
            const int64_t width = std::min<int64_t>(VL, inner - column);
            const float *x = input(call, 0) + offset;
            vf sum = {};
            for (int64_t j = 0; j < n; ++j) {
                const vf v = load_n(x + j * inner, width);
                sum += one ? vabs(v) : v * v;
            }
            float norm[VL];
            store(norm, sum);
            if (!one)
                for (float &v : norm) v = std::sqrt(v);
            for (int64_t j = 0; j < n; ++j)
                for (int64_t i = 0; i < width; ++i)
                    output(call, 0)[offset + j * inner + i] = norm[i] == 0 ? 0.0f : x[j * inner + i] / norm[i];
        }
    });
    return EW_OK;
}

int32_t run_lp_checked(const ew_call *call) {
    if (const int32_t status = expect(call, 4, 1); status != EW_OK) return status;
    return run_wide(call, run_lp);
}

// Parameters: batch, channels, spatial size, window, alpha / window, beta, bias.
int32_t run_lrn(const ew_call *call) {
    const int64_t channels = call->params[1].i, spatial = call->params[2].i, window = call->params[3].i;
    const vf alpha = splat(static_cast<float>(call->params[4].f)), bias = splat(static_cast<float>(call->params[6].f));
    const vf power = splat(static_cast<float>(-call->params[5].f));
    const int64_t before = (window - 1) / 2, after = window / 2;
    for_ranges(call, call->params[0].i * channels, spatial * (window + 16), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t c = r % channels, first = std::max<int64_t>(0, c - before) - c;
            const int64_t last = std::min(channels - 1, c + after) - c;
            const float *x = input(call, 0) + r * spatial;
            for (int64_t i = 0; i < spatial; i += VL) {
                const int64_t k = std::min<int64_t>(VL, spatial - i);
                vf sum = {};
                for (int64_t d = first; d <= last; ++d) {
                    const vf v = load_n(x + d * spatial + i, k);
                    sum = fma(v, v, sum);
                }
                const vf scale = vexp(power * vlog(fma(alpha, sum, bias)));
                store_n(output(call, 0) + r * spatial + i, load_n(x + i, k) * scale, k);
            }
        }
    });
    return EW_OK;
}

int32_t run_lrn_checked(const ew_call *call) {
    if (const int32_t status = expect(call, 7, 1); status != EW_OK) return status;
    return run_wide(call, run_lrn);
}

}  // namespace

EW_KERNEL(layer_normalization, run_layer_checked)
EW_KERNEL(group_normalization, run_group_checked)
EW_KERNEL(batch_normalization, run_batch_checked)
EW_KERNEL(lp_normalization, run_lp_checked)
EW_KERNEL(lrn, run_lrn_checked)

}  // namespace ew::EW_ISA
