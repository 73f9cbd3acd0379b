// Pooling of float32 or bfloat16 images with their channels last: maximum or mean of a window, mean over all places.
//
// Vectors along the channels. Params of a window as in pool_last.h.
#include "cpu/pool_last.h"

#include "cpu/bfloat16.h"

namespace ew::EW_ISA {

namespace {

// A vector of elements of either type, `n` of them if that is less.
EW_INLINE vf take(const float *from, int64_t n) { return n >= VL ? load(from) : load_n(from, n); }
EW_INLINE vf take(const uint16_t *from, int64_t n) { return n >= VL ? load_bf16(from) : load_bf16_n(from, n); }
EW_INLINE void put(float *to, vf v, int64_t n) { n >= VL ? store(to, v) : store_n(to, v, n); }
EW_INLINE void put(uint16_t *to, vf v, int64_t n) { n >= VL ? store_bf16(to, v) : store_bf16_n(to, v, n); }

// A NaN stays: max gives its second operand for an unordered pair, so either order loses one kind.
EW_INLINE vf larger(vf best, vf x) { return best != best ? best : x > best || x != x ? x : best; }

template <bool Mean, class T>
EW_INLINE vf pool_vector(const LastPool &p, const T *from, const Seen *s, int64_t n, float scale) {
    vf sum = splat(Mean ? 0.0F : -__builtin_inff());
    for (int64_t kz = s[0].lo; kz < s[0].hi; ++kz)
        for (int64_t ky = s[1].lo; ky < s[1].hi; ++ky)
            for (int64_t kx = s[2].lo; kx < s[2].hi; ++kx) {
                const int64_t z = kz * p.dilation[0], y = ky * p.dilation[1], x = kx * p.dilation[2];
                const vf v = take(from + ((z * p.in[1] + y) * p.in[2] + x) * p.c, n);
                sum = Mean ? sum + v : larger(sum, v);
            }
    return Mean ? sum / splat(scale) : sum;
}

// A position whose window is cut off along the row; s: what it sees of the other axes.
template <class T>
void pool_position(const LastPool &p, const T *row, Seen *s, int64_t x, T *y) {
    s[2] = seen(p, 2, x);
    const T *from = row + (x * p.stride[2] - p.begin[2]) * p.c;
    const float scale = static_cast<float>(s[0].counted * s[1].counted * s[2].counted);
    for (int64_t c = 0; c < p.c; c += VL) {
        const int64_t n = p.c - c;
        const vf v = p.kind ? pool_vector<true>(p, from + c, s, n, scale) : pool_vector<false>(p, from + c, s, n, 1);
        put(y + c, v, n);
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
template <bool Mean, int TAPS, class T>
EW_INLINE vf pool_whole(const T *from, const int64_t *offsets, int64_t taps, int64_t n, vf factor) {
    const auto element = [&](int64_t i) { return take(from + offsets[i], n); };
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

template <class T, bool Mean, int TAPS>
void pool_whole_ones(const LastPool &p, const T *from, const int64_t *offsets, int64_t taps, int64_t positions, T *y) {
    const vf factor = splat(static_cast<float>(taps));
    for (; positions > 0; --positions, from += p.stride[2] * p.c, y += p.c)
        for (int64_t c = 0; c < p.c; c += VL) {
            const int64_t n = p.c - c;
            const vf v = pool_whole<Mean, TAPS>(from + c, offsets, taps, n, factor);
            put(y + c, v, n);
        }
}

template <class T>
using PoolWhole = void (*)(const LastPool &, const T *, const int64_t *, int64_t, int64_t, T *);

template <class T>
PoolWhole<T> find_whole(bool mean, int64_t taps) {
    if (mean) return taps == 9 ? pool_whole_ones<T, true, 9> : pool_whole_ones<T, true, 0>;
    if (taps == 4) return pool_whole_ones<T, false, 4>;
    return taps == 9 ? pool_whole_ones<T, false, 9> : pool_whole_ones<T, false, 0>;
}

// One row of positions: those whose windows lie inside it share a list of taps.
template <class T>
void pool_row(const LastPool &p, const T *image, int64_t z, int64_t y, T *to) {
    Seen s[3] = {seen(p, 0, z), seen(p, 1, y), {}};
    const T *row = image + ((z * p.stride[0] - p.begin[0]) * p.in[1] + y * p.stride[1] - p.begin[1]) * p.in[2] * p.c;
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
        const T *from = row + (x * p.stride[2] - p.begin[2]) * p.c;
        find_whole<T>(p.kind != 0, taps)(p, from, offsets, taps, last - x, to + x * p.c);
    }
    for (x = last; x < p.out[2]; ++x) pool_position(p, row, s, x, to + x * p.c);
}

template <class T>
int32_t run(const ew_call *call) {
    const T *const x = static_cast<const T *>(call->inputs[0].data);
    T *const y = static_cast<T *>(call->outputs[0].data);
    LastPool p;
    if (!read_last_pool(call, p)) return call->host->error(call, EW_SHAPE, "pooling: sizes disagree");
    const int64_t rows = p.n * p.out[0] * p.out[1], work = p.out[2] * p.c * p.taps();
    if (rows * p.out[2] * p.c == 0) return EW_OK;
    const int64_t group = 1 + 100000 / (work + 1);
    parallel(call, ceil_div(rows, group), [&](int64_t task) {
        for (int64_t row = task * group; row < least(rows, (task + 1) * group); ++row)
            pool_row(p, x + row / (p.out[1] * p.out[0]) * p.in_size() * p.c, row / p.out[1] % p.out[0], row % p.out[1],
                     y + row * p.out[2] * p.c);
    });
    return EW_OK;
}

// Mean over all places: [N, places, C] to [N, C], a task for some channels of an image.
template <class T>
int32_t global_mean(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    const int64_t n = x.shape[0], c = x.shape[x.rank - 1], places = count(x) / most(1, n * c);
    constexpr int64_t WIDTH = 4 * VL;
    const int64_t by_channels = ceil_div(c, WIDTH), group = 1 + 20000 / (places * WIDTH + 1);
    const float scale = static_cast<float>(places);
    parallel(call, ceil_div(n * by_channels, group), [&](int64_t task) {
        for (int64_t i = task * group; i < least(n * by_channels, (task + 1) * group); ++i) {
            const int64_t first = i % by_channels * WIDTH, width = least(WIDTH, c - first);
            const T *from = static_cast<const T *>(x.data) + i / by_channels * places * c + first;
            T *to = static_cast<T *>(call->outputs[0].data) + i / by_channels * c + first;
            for (int64_t at = 0; at < width; at += VL) {
                const int64_t left = width - at;
                vf sum{};
                for (int64_t q = 0; q < places; ++q) sum += take(from + q * c + at, left);
                put(to + at, sum / splat(scale), left);
            }
        }
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(pool_nhwc_f32, run<float>)
EW_KERNEL(global_mean_nhwc_f32, global_mean<float>)
EW_KERNEL(pool_nhwc_bf16, run<uint16_t>)
EW_KERNEL(global_mean_nhwc_bf16, global_mean<uint16_t>)

}  // namespace ew::EW_ISA
