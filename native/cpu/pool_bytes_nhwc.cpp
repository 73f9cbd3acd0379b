// The largest byte of each window of an image with its channels last, 0 where a window sees nothing. Params as in
// pool_last.h.
#include "cpu/pool_last.h"

namespace ew::EW_ISA {

namespace {

typedef uint8_t Bytes __attribute__((vector_size(VL * 4)));
typedef uint8_t AnyBytes __attribute__((vector_size(VL * 4), aligned(1), may_alias));

// Calls fn with where each pixel lies that the window s sees; `first`: its first one, real or not.
template <typename Fn>
EW_INLINE void for_pixels(const LastPool &p, const Seen *s, int64_t first, Fn &&fn) {
    for (int64_t kz = s[0].lo; kz < s[0].hi; ++kz)
        for (int64_t ky = s[1].lo; ky < s[1].hi; ++ky)
            for (int64_t kx = s[2].lo; kx < s[2].hi; ++kx) {
                const int64_t z = kz * p.dilation[0], row = ky * p.dilation[1], x = kx * p.dilation[2];
                fn((first + (z * p.in[1] + row) * p.in[2] + x) * p.c);
            }
}

// One position: whole vectors of channels, then the others.
void pool_position(const LastPool &p, const uint8_t *image, const Seen *s, int64_t first, uint8_t *__restrict y) {
    constexpr int64_t WIDE = sizeof(Bytes);
    int64_t channel = 0;
    for (; channel + WIDE <= p.c; channel += WIDE) {
        Bytes largest{};
        for_pixels(p, s, first, [&](int64_t at) {
            const Bytes v = *reinterpret_cast<const AnyBytes *>(image + at + channel);
            largest = largest > v ? largest : v;
        });
        *reinterpret_cast<AnyBytes *>(y + channel) = largest;
    }
    if (channel == p.c) return;
    std::memset(y + channel, 0, static_cast<size_t>(p.c - channel));
    for_pixels(p, s, first, [&](int64_t at) {
        for (int64_t c = channel; c < p.c; ++c) y[c] = y[c] > image[at + c] ? y[c] : image[at + c];
    });
}

void pool_row(const LastPool &p, int64_t row) {
    const int64_t at[3] = {row / p.out[1] % p.out[0], row % p.out[1], 0};
    const auto *image = static_cast<const uint8_t *>(p.x->data) + row / (p.out[1] * p.out[0]) * p.in_size() * p.c;
    auto *y = static_cast<uint8_t *>(p.y->data) + row * p.out[2] * p.c;
    const int64_t z = at[0] * p.stride[0] - p.begin[0], line = at[1] * p.stride[1] - p.begin[1];
    Seen s[3] = {seen(p, 0, at[0]), seen(p, 1, at[1]), {}};
    for (int64_t x = 0; x < p.out[2]; ++x, y += p.c) {
        s[2] = seen(p, 2, x);
        pool_position(p, image, s, (z * p.in[1] + line) * p.in[2] + x * p.stride[2] - p.begin[2], y);
    }
}

int32_t run(const ew_call *call) {
    LastPool p;
    if (!read_last_pool(call, p)) return call->host->error(call, EW_SHAPE, "pooling: sizes disagree");
    const int64_t rows = p.n * p.out[0] * p.out[1], work = p.out[2] * p.c * p.taps();
    if (rows * p.out[2] * p.c == 0) return EW_OK;
    const int64_t group = 1 + 400000 / (work + 1);
    parallel(call, ceil_div(rows, group), [&](int64_t task) {
        for (int64_t row = task * group; row < least(rows, (task + 1) * group); ++row) pool_row(p, row);
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(pool_nhwc_u8, run)

}  // namespace ew::EW_ISA
