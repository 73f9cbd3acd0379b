// Depthwise convolution of uint8 images, channels last, to uint8 or float32: vectors along the channels, products in int32.
//
// Inputs and params as in quantized_conv.h, with a group for each channel. Packed: weights as int32 [taps][channels, whole
// vectors], then the sum of each channel's weights.
#include "cpu/quantized_conv.h"

namespace ew::EW_ISA {

namespace {

constexpr int POSITIONS = 8;  // that share the reading of a weight

EW_INLINE vi load_numbers(const uint8_t *p, int64_t n) {
#if EW_ISA_AVX512
    const auto mask = static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<uint32_t>(n)));
    return (vi)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, p));
#else
    typedef uint8_t Bytes __attribute__((vector_size(VL)));
    Bytes bytes{};
    std::memcpy(&bytes, p, static_cast<size_t>(n));
    return __builtin_convertvector(bytes, vi);
#endif
}

struct Taps {
    const int64_t *begin;  // bytes from the first pixel that a window sees
    int64_t count;
};

// Sums of `n` channels at P positions whose windows begin `step` bytes apart: [P][VL].
template <int P>
void sum_channels(const uint8_t *x, int64_t step, const Taps &taps, const int32_t *w, int64_t ld, vi start, int64_t n,
                  int32_t *sums) {
    vi acc[P];
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) acc[p] = start;
    for (int64_t t = 0; t < taps.count; ++t) {
        const vi weight = load(w + t * ld);
        const uint8_t *from = x + taps.begin[t];
#pragma GCC unroll 8
        for (int p = 0; p < P; ++p) acc[p] += load_numbers(from + p * step, n) * weight;
    }
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) store(sums + p * VL, acc[p]);
}

// A row of the output, whose first window begins at x.
void run_line(const ByteConv &c, const Taps &taps, const int32_t *start, const uint8_t *x, int64_t row) {
    const auto *w = reinterpret_cast<const int32_t *>(c.w);
    const int64_t ld = round_up(c.m, VL), step = c.stride[2] * c.pixel;
    int32_t sums[POSITIONS * VL];
    for (int64_t channel = 0; channel < c.m; channel += VL) {
        const int64_t n = least(VL, c.m - channel);
        const vi begin = load(start + channel);
        for (int64_t at = 0; at < c.out[2];) {
            const bool many = c.out[2] - at >= POSITIONS;
            const int64_t rows = many ? POSITIONS : 1;
            const auto sum = many ? sum_channels<POSITIONS> : sum_channels<1>;
            sum(x + at * step + channel, step, taps, w + channel, ld, begin, n, sums);
            finish_tile(c, {row + at, rows, channel, n}, 1, sums);
            at += rows;
        }
    }
}

int32_t run(const ew_call *call) {
    ByteConv c;
    if (!read_byte_conv(call, c) || c.group != c.c || c.m != c.c)
        return call->host->error(call, EW_SHAPE, "quantized depthwise convolution: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    c.group = 1;  // of all channels: the image is copied, or seen, as such
    c.channels = c.per_group = c.m;
    c.words = ceil_div(c.m, 4);
    const int64_t copied = copied_bytes(c), starts = round_up(c.m, 16), taps = c.taps();
    float *memory = scratch(SCRATCH_D, starts + 2 * taps + round_up(ceil_div(copied, 4), 16) + 16);
    auto *start = reinterpret_cast<int32_t *>(memory);
    auto *copy = reinterpret_cast<uint8_t *>(start + starts);
    auto *begin = reinterpret_cast<int64_t *>(copy + round_up(copied, 64));
    const auto *bias = static_cast<const int32_t *>(call->inputs[2].data);
    const int32_t *sums = reinterpret_cast<const int32_t *>(c.w) + taps * round_up(c.m, VL);
    for (int64_t m = 0; m < starts; ++m) start[m] = m < c.m ? bias[m] - c.x_zero * sums[m] : 0;
    if (copied > 0) copy_image(call, c, copy);
    for (int64_t t = 0; t < taps; ++t) {
        const int64_t z = t / c.kernel[2] / c.kernel[1] * c.dilation[0];
        const int64_t y = t / c.kernel[2] % c.kernel[1] * c.dilation[1], x = t % c.kernel[2] * c.dilation[2];
        begin[t] = ((z * c.in[1] + y) * c.in[2] + x) * c.pixel;
    }
    const int64_t lines = c.n * c.out[0] * c.out[1], each = 1 + 200000 / (c.out[2] * c.m * taps + 1);
    parallel(call, ceil_div(lines, each), [&](int64_t task) {
        for (int64_t i = task * each; i < least(lines, (task + 1) * each); ++i) {
            const int64_t z = i / c.out[1] % c.out[0] * c.stride[0], y = i % c.out[1] * c.stride[1];
            const int64_t line = (i / c.out[1] / c.out[0] * c.in[0] + z) * c.in[1] + y;
            run_line(c, {begin, taps}, start, c.x + line * c.in[2] * c.pixel, i * c.out[2]);
        }
    });
    return EW_OK;
}

// [M, 1, kernel] as above.
int32_t pack(const ew_call *call) {
    const ew_tensor &t = call->inputs[0];
    const auto *w = static_cast<const int8_t *>(t.data);
    const int64_t m = t.shape[0], taps = count(t) / most(1, m), ld = round_up(m, VL);
    auto *out = static_cast<int32_t *>(call->outputs[0].data), *sums = out + taps * ld;
    for (int64_t i = 0; i < m; ++i) sums[i] = 0;
    for (int64_t tap = 0; tap < taps; ++tap)
        for (int64_t i = 0; i < ld; ++i) {
            out[tap * ld + i] = i < m ? w[i * taps + tap] : 0;
            if (i < m) sums[i] += w[i * taps + tap];
        }
    clear_rest(call->outputs[0], taps * ld + m);
    return EW_OK;
}

}  // namespace

EW_KERNEL(quantized_depthwise_nhwc, run)
EW_KERNEL(pack_quantized_depthwise_nhwc, pack)

}  // namespace ew::EW_ISA
