// The largest byte of each window of an image with its channels last, 0 where a window sees nothing. Params as in
// pool_last.h.
#include "cpu/pool_last.h"

namespace ew::EW_ISA {

namespace {

// One position; s: what its window sees. The compiler makes vectors of the channels.
void pool_position(const LastPool &p, const uint8_t *image, const Seen *s, int64_t first, uint8_t *__restrict y) {
    const int64_t channels = p.c;
    std::memset(y, 0, static_cast<size_t>(channels));
    for (int64_t kz = s[0].lo; kz < s[0].hi; ++kz)
        for (int64_t ky = s[1].lo; ky < s[1].hi; ++ky)
            for (int64_t kx = s[2].lo; kx < s[2].hi; ++kx) {
                const int64_t z = kz * p.dilation[0], row = ky * p.dilation[1], x = kx * p.dilation[2];
                const uint8_t *from = image + (first + (z * p.in[1] + row) * p.in[2] + x) * channels;
                for (int64_t c = 0; c < channels; ++c) y[c] = y[c] > from[c] ? y[c] : from[c];
            }
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
