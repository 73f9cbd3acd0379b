// f32 pooling of images with their channels last: maximum or mean of a window, mean over all places.
//
// Vectors along the channels. Params of a window as in pool_last.h.
#include "cpu/pool_last.h"

namespace ew::EW_ISA {

namespace {

// A NaN stays: max gives its second operand for an unordered pair, so either order loses one kind.
EW_INLINE vf larger(vf best, vf x) { return best != best ? best : x > best || x != x ? x : best; }

template <bool Mean>
EW_INLINE vf pool_vector(const LastPool &p, const float *from, const Seen *s, int64_t n, float scale) {
    vf sum = splat(Mean ? 0.0F : -__builtin_inff());
    for (int64_t kz = s[0].lo; kz < s[0].hi; ++kz)
        for (int64_t ky = s[1].lo; ky < s[1].hi; ++ky)
            for (int64_t kx = s[2].lo; kx < s[2].hi; ++kx) {
                const int64_t z = kz * p.dilation[0], y = ky * p.dilation[1], x = kx * p.dilation[2];
                const float *at = from + ((z * p.in[1] + y) * p.in[2] + x) * p.c;
                const vf v = n >= VL ? load(at) : load_n(at, n);
                sum = Mean ? sum + v : larger(sum, v);
            }
    return Mean ? sum / splat(scale) : sum;
}

// A position whose window is cut off along the row; s: what it sees of the other axes.
void pool_position(const LastPool &p, const float *row, Seen *s, int64_t x, float *y) {
    s[2] = seen(p, 2, x);
    const float *from = row + (x * p.stride[2] - p.begin[2]) * p.c;
    const float scale = static_cast<float>(s[0].counted * s[1].counted * s[2].counted);
    for (int64_t c = 0; c < p.c; c += VL) {
        const int64_t n = p.c - c;
        const vf v = p.kind ? pool_vector<true>(p, from + c, s, n, scale) : pool_vector<false>(p, from + c, s, n, 1);
        n >= VL ? store(y + c, v) : store_n(y + c, v, n);
    }
}

EW_INLINE bool any_nan(vf v) {
#if EW_ISA_AVX512
    return _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q) != 0;
#elif EW_ISA_AVX2
    return _mm256_movemask_ps(_mm256_cmp_ps((__m256)v, (__m256)v, _CMP_UNORD_Q)) != 0;
#else
    bool any = false;
    for (int i = 0; i < VL; ++i) any |= v[i] != v[i];
    return any;
#endif
}

// One vector of a whole window, whose elements lie `offsets` behind `from`. TAPS: how many there are, 0: `taps`.
template <bool Mean, int TAPS>
EW_INLINE vf pool_whole(const float *from, const int64_t *offsets, int64_t taps, int64_t n, vf factor) {
    const auto element = [&](int64_t i) { return n >= VL ? load(from + offsets[i]) : load_n(from + offsets[i], n); };
    const int64_t count = TAPS > 0 ? TAPS : taps;
    const vf first = element(0);
    vf sum = first, best = first;
#pragma GCC unroll 9
    for (int64_t i = 1; i < count; ++i) {
        const vf v = element(i);
        sum += v;
        if (!Mean) best = vmax(best, v);
    }
    if (Mean) return sum / factor;
    if (!any_nan(sum)) return best;  // no element is NaN, which the fast maximum could lose
    best = first;
    for (int64_t i = 1; i < count; ++i) best = larger(best, element(i));
    return best;
}

template <bool Mean, int TAPS>
void pool_whole_ones(const LastPool &p, const float *from, const int64_t *offsets, int64_t taps, int64_t positions,
                     float *y) {
    const vf factor = splat(static_cast<float>(taps));
    for (; positions > 0; --positions, from += p.stride[2] * p.c, y += p.c)
        for (int64_t c = 0; c < p.c; c += VL) {
            const int64_t n = p.c - c;
            const vf v = pool_whole<Mean, TAPS>(from + c, offsets, taps, n, factor);
            n >= VL ? store(y + c, v) : store_n(y + c, v, n);
        }
}

using PoolWhole = void (*)(const LastPool &, const float *, const int64_t *, int64_t, int64_t, float *);

PoolWhole find_whole(bool mean, int64_t taps) {
    if (mean) return taps == 9 ? pool_whole_ones<true, 9> : pool_whole_ones<true, 0>;
    return taps == 4 ? pool_whole_ones<false, 4> : taps == 9 ? pool_whole_ones<false, 9> : pool_whole_ones<false, 0>;
}

// One row of positions: those whose windows lie inside it share a list of taps.
void pool_row(const LastPool &p, const float *image, int64_t z, int64_t y, float *to) {
    Seen s[3] = {seen(p, 0, z), seen(p, 1, y), {}};
    const float *row =
        image + ((z * p.stride[0] - p.begin[0]) * p.in[1] + y * p.stride[1] - p.begin[1]) * p.in[2] * p.c;
    auto *offsets = reinterpret_cast<int64_t *>(scratch(SCRATCH_A, 2 * most(1, p.taps())));
    int64_t taps = 0;
    for (int64_t kz = s[0].lo; kz < s[0].hi; ++kz)
        for (int64_t ky = s[1].lo; ky < s[1].hi; ++ky)
            for (int64_t kx = 0; kx < p.kernel[2]; ++kx)
                offsets[taps++] =
                    ((kz * p.dilation[0] * p.in[1] + ky * p.dilation[1]) * p.in[2] + kx * p.dilation[2]) * p.c;
    const int64_t past = p.in[2] + p.begin[2] - (p.kernel[2] - 1) * p.dilation[2];  // of the first elements
    int64_t first = least(p.out[2], ceil_div(p.begin[2], p.stride[2]));
    const int64_t last = most(first, least(p.out[2], ceil_div(most(0, past), p.stride[2])));
    // Without elements, or with others counted, none is a plain one.
    if (taps == 0 || (p.kind != 0 && s[0].counted * s[1].counted * p.kernel[2] != taps)) first = last;
    int64_t x = 0;
    for (; x < first; ++x) pool_position(p, row, s, x, to + x * p.c);
    if (x < last) {
        const float *from = row + (x * p.stride[2] - p.begin[2]) * p.c;
        find_whole(p.kind != 0, taps)(p, from, offsets, taps, last - x, to + x * p.c);
    }
    for (x = last; x < p.out[2]; ++x) pool_position(p, row, s, x, to + x * p.c);
}

int32_t run(const ew_call *call) {
    LastPool p;
    if (!read_last_pool(call, p)) return call->host->error(call, EW_SHAPE, "pooling: sizes disagree");
    const int64_t rows = p.n * p.out[0] * p.out[1], work = p.out[2] * p.c * p.taps();
    if (rows * p.out[2] * p.c == 0) return EW_OK;
    const int64_t group = 1 + 100000 / (work + 1);
    parallel(call, ceil_div(rows, group), [&](int64_t task) {
        for (int64_t row = task * group; row < least(rows, (task + 1) * group); ++row)
            pool_row(p, f32(*p.x) + row / (p.out[1] * p.out[0]) * p.in_size() * p.c, row / p.out[1] % p.out[0],
                     row % p.out[1], static_cast<float *>(p.y->data) + row * p.out[2] * p.c);
    });
    return EW_OK;
}

// Mean over all places: [N, places, C] to [N, C], a task for some channels of an image.
int32_t global_mean(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    const int64_t n = x.shape[0], c = x.shape[x.rank - 1], places = count(x) / most(1, n * c);
    constexpr int64_t WIDTH = 4 * VL;
    const int64_t by_channels = ceil_div(c, WIDTH), group = 1 + 20000 / (places * WIDTH + 1);
    const float scale = static_cast<float>(places);
    parallel(call, ceil_div(n * by_channels, group), [&](int64_t task) {
        for (int64_t i = task * group; i < least(n * by_channels, (task + 1) * group); ++i) {
            const int64_t first = i % by_channels * WIDTH, width = least(WIDTH, c - first);
            const float *from = f32(x) + i / by_channels * places * c + first;
            float *to = static_cast<float *>(call->outputs[0].data) + i / by_channels * c + first;
            for (int64_t at = 0; at < width; at += VL) {
                const int64_t left = width - at;
                vf sum{};
                for (int64_t q = 0; q < places; ++q)
                    sum += left >= VL ? load(from + q * c + at) : load_n(from + q * c + at, left);
                left >= VL ? store(to + at, sum / splat(scale)) : store_n(to + at, sum / splat(scale), left);
            }
        }
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(pool_nhwc_f32, run)
EW_KERNEL(global_mean_nhwc_f32, global_mean)

}  // namespace ew::EW_ISA
