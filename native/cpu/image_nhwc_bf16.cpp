// Turns a float32 image [N, C, spatial] into one of bfloat16 with its channels last and their number made even by zeros:
// what convolutions in bfloat16 read as words of two channels.
#include "cpu/bfloat16.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t BLOCK = 1 << 13;  // pixels of a task

// Pixels [from, to) of an image: words of channels 2 i and 2 i + 1, for all i.
void turn(const float *x, int64_t channels, int64_t places, int64_t from, int64_t to, int32_t *y, int64_t words) {
    for (int64_t i = 0; i < words; ++i) {
        const float *even = x + 2 * i * places, *odd = 2 * i + 1 < channels ? even + places : nullptr;
        for (int64_t p = from; p < to; p += VL) {
            const int64_t n = least(VL, to - p);
            int32_t pair[VL];
            store(pair, join_bf16(load_n(even + p, n), odd ? load_n(odd + p, n) : vf{}));
            for (int64_t k = 0; k < n; ++k) y[(p + k) * words + i] = pair[k];
        }
    }
}

#if EW_ISA_AVX512
// The same for three or four channels, whole vectors of pixels only; where it ended.
int64_t turn_four(const float *x, int64_t channels, int64_t places, int64_t from, int64_t to, int32_t *y) {
    const vi low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23}, high = low + splat(8);
    for (; from + VL <= to; from += VL) {
        const float *at = x + from;
        const vi a = join_bf16(load(at), load(at + places));
        const vi b = join_bf16(load(at + 2 * places), channels > 3 ? load(at + 3 * places) : vf{});
        store(y + 2 * from, (vi)_mm512_permutex2var_epi32((__m512i)a, (__m512i)low, (__m512i)b));
        store(y + 2 * from + VL, (vi)_mm512_permutex2var_epi32((__m512i)a, (__m512i)high, (__m512i)b));
    }
    return from;
}
#endif

int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (x.rank < 3 || y.rank != x.rank || y.shape[y.rank - 1] % 2 != 0 || y.shape[y.rank - 1] < x.shape[1])
        return call->host->error(call, EW_SHAPE, "an image with channels last: sizes disagree");
    const int64_t n = x.shape[0], channels = x.shape[1], words = y.shape[y.rank - 1] / 2;
    if (count(y) == 0) return EW_OK;
    const int64_t places = count(y) / (n * 2 * words), blocks = ceil_div(places, BLOCK);
    if (channels + 1 < 2 * words) return call->host->error(call, EW_SHAPE, "an image with channels last: too many");
    parallel(call, n * blocks, [&](int64_t task) {
        const float *from = f32(x) + task / blocks * channels * places;
        int32_t *to = static_cast<int32_t *>(y.data) + task / blocks * places * words;
        int64_t first = task % blocks * BLOCK;
        const int64_t last = least(places, first + BLOCK);
#if EW_ISA_AVX512
        if (words == 2) first = turn_four(from, channels, places, first, last, to);
#endif
        turn(from, channels, places, first, last, to, words);
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(image_nhwc_bf16, run)

}  // namespace ew::EW_ISA
