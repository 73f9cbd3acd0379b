// Convolution of 8-bit integers on the 8-bit matrix core: ConvInteger (int32 out) and QLinearConv (8 bits out).
//
// Inputs of the first: x, w, x_zero_point, w_zero_point. Of the second: x, x_scale, x_zero, w, w_scale, w_zero, y_scale,
// y_zero, bias. w's zero point and scale: one number, or one for each output channel. Params: group, number of inputs,
// then stride, dilation, padding for each spatial axis. Patches of a block of positions are the rows; padding is x_zero.
#include <cmath>

#include "cpu/conv.h"
#include "cpu/quantized_gemm.h"

namespace ew::EW_ISA {

namespace {

struct Conv : Sliding {
    int64_t k, per_group;
    const uint8_t *x, *w;
    uint8_t flip_x, flip_w, padding;
    int32_t zero_x;
    const ew_tensor *zero_w;
};

bool read(const ew_call *call, int index_w, int index_zero_x, int index_zero_w, Conv &c) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[index_w];
    if (!read_sliding(call, 2, x, call->outputs[0], c)) return false;
    c.group = call->params[0].i;
    const int inputs = static_cast<int>(call->params[1].i);
    fill_axes(c.kernel, w.shape + 2, w.rank - 2);
    if (c.group <= 0 || c.m % c.group != 0 || w.shape[1] * c.group != c.c) return false;
    c.k = w.shape[1] * c.taps();
    c.per_group = c.m / c.group;
    c.x = static_cast<const uint8_t *>(x.data);
    c.w = static_cast<const uint8_t *>(w.data);
    c.flip_x = x.dtype == EW_INT8 ? 0x80 : 0;
    c.flip_w = w.dtype == EW_UINT8 ? 0x80 : 0;
    const bool given = index_zero_x < inputs && present(call, index_zero_x);
    const uint8_t zero = given ? *static_cast<const uint8_t *>(call->inputs[index_zero_x].data) : 0;
    c.padding = zero ^ c.flip_x;
    c.zero_x = c.padding;  // of the flipped bytes
    c.zero_w = index_zero_w < inputs && present(call, index_zero_w) ? &call->inputs[index_zero_w] : nullptr;
    return true;
}

int32_t zero_of_w(const Conv &c, int64_t channel) {
    const int32_t shift = c.flip_w ? -128 : 0;
    if (!c.zero_w) return shift;
    const int64_t i = count(*c.zero_w) == 1 ? 0 : channel;
    return shift + (c.flip_w ? static_cast<const uint8_t *>(c.zero_w->data)[i]
                             : static_cast<const int8_t *>(c.zero_w->data)[i]);
}

// Patches of positions [first, first + rows) of one image and group as rows.
void fill_rows(const Conv &c, const uint8_t *x, int64_t first, int64_t rows, uint8_t *out, int32_t *row_sums) {
    const int64_t ld = round_up(c.k, 4), channels = c.c / c.group;
    for (int64_t r = 0; r < rows; ++r, out += ld) {
        const int64_t p = first + r, at[3] = {p / (c.out[1] * c.out[2]), p / c.out[2] % c.out[1], p % c.out[2]};
        int64_t i = 0;
        int32_t sum = 0;
        for (int64_t channel = 0; channel < channels; ++channel)
            for (int64_t kz = 0; kz < c.kernel[0]; ++kz)
                for (int64_t ky = 0; ky < c.kernel[1]; ++ky)
                    for (int64_t kx = 0; kx < c.kernel[2]; ++kx, ++i) {
                        const int64_t z = at[0] * c.stride[0] + kz * c.dilation[0] - c.begin[0];
                        const int64_t y = at[1] * c.stride[1] + ky * c.dilation[1] - c.begin[1];
                        const int64_t col = at[2] * c.stride[2] + kx * c.dilation[2] - c.begin[2];
                        const bool inside = z >= 0 && z < c.in[0] && y >= 0 && y < c.in[1] && col >= 0 && col < c.in[2];
                        const int64_t place = ((channel * c.in[0] + z) * c.in[1] + y) * c.in[2] + col;
                        out[i] = inside ? static_cast<uint8_t>(x[place] ^ c.flip_x) : c.padding;
                        sum += out[i];
                    }
        for (; i < ld; ++i) out[i] = 0;
        row_sums[r] = sum;
    }
}

constexpr int64_t ROWS = 64;

// Calls write(sums, position, rows, channel) with sums [rows][per_group] of a block of positions.
template <typename Write>
int32_t run_conv(const ew_call *call, const Conv &c, Write &&write) {
    const int64_t positions = c.out_size(), units = c.n * c.group, step = round_up(packed_bytes(c.k, c.per_group), 64);
    if (units * positions * c.per_group == 0) return EW_OK;
    auto *packed = reinterpret_cast<uint8_t *>(scratch(SCRATCH_D, c.group * step / 4 + c.m));
    auto *zeros = reinterpret_cast<int32_t *>(packed + c.group * step);
    for (int64_t m = 0; m < c.m; ++m) zeros[m] = zero_of_w(c, m);
    parallel(call, c.group, [&](int64_t g) {
        pack_byte_panels({c.w + g * c.per_group * c.k, 1, c.k, c.flip_w}, c.k, c.per_group, packed + g * step);
    });
    const int64_t blocks = ceil_div(positions, ROWS);
    parallel(call, units * blocks, [&](int64_t task) {
        const int64_t unit = task / blocks, first = task % blocks * ROWS, rows = least(ROWS, positions - first);
        const int64_t ld = round_up(c.k, 4), g = unit % c.group;
        auto *a = reinterpret_cast<uint8_t *>(scratch(SCRATCH_A, ceil_div(rows * ld, 4) + rows));
        auto *row_sums = reinterpret_cast<int32_t *>(a + rows * ld);
        fill_rows(c, c.x + unit * (c.c / c.group) * c.in_size(), first, rows, a, row_sums);
        auto *sums = reinterpret_cast<int32_t *>(scratch(SCRATCH_B, rows * c.per_group));
        const uint8_t *b = packed + g * step;
        run_byte_gemm({rows, c.per_group, c.k, a, b, sums, c.per_group});
        ZeroPoints zero;
        zero.a0 = c.zero_x;
        zero.b = zeros + g * c.per_group;
        const auto *col_sums = reinterpret_cast<const int32_t *>(b + byte_panels(c.k, c.per_group));
        correct_sums(sums, c.per_group, rows, c.per_group, c.k, zero, row_sums, col_sums);
        write(sums, first, rows, unit * c.per_group);
    });
    return EW_OK;
}

int32_t bad_sizes(const ew_call *call) {
    return call->host->error(call, EW_SHAPE, "8-bit convolution: sizes of data, weight and output disagree");
}

int32_t conv_integer(const ew_call *call) {
    Conv c;
    if (!read(call, 1, 2, 3, c)) return bad_sizes(call);
    auto *y = static_cast<int32_t *>(call->outputs[0].data);
    const int64_t positions = c.out_size();
    return run_conv(call, c, [&](const int32_t *sums, int64_t first, int64_t rows, int64_t channel) {
        for (int64_t m = 0; m < c.per_group; ++m)
            for (int64_t r = 0; r < rows; ++r) y[(channel + m) * positions + first + r] = sums[r * c.per_group + m];
    });
}

int32_t qlinear_conv(const ew_call *call) {
    Conv c;
    if (!read(call, 3, 2, 5, c)) return bad_sizes(call);
    const ew_tensor *in = call->inputs;
    auto *y = static_cast<uint8_t *>(call->outputs[0].data);
    const bool is_signed = call->outputs[0].dtype == EW_INT8, with_bias = call->params[1].i > 8 && present(call, 8);
    const double lo = is_signed ? -128 : 0, hi = is_signed ? 127 : 255, scale_y = static_cast<double>(*f32(in[6]));
    const double zero =
        is_signed ? *static_cast<const int8_t *>(in[7].data) : *static_cast<const uint8_t *>(in[7].data);
    const int64_t positions = c.out_size(), scales = count(in[4]);
    return run_conv(call, c, [&](const int32_t *sums, int64_t first, int64_t rows, int64_t channel) {
        for (int64_t m = 0; m < c.per_group; ++m) {
            const int64_t of_w = (channel + m) % c.m;
            const double factor =
                static_cast<double>(*f32(in[1])) * static_cast<double>(f32(in[4])[scales == 1 ? 0 : of_w]) / scale_y;
            const double bias = with_bias ? static_cast<const int32_t *>(in[8].data)[of_w] : 0;
            for (int64_t r = 0; r < rows; ++r) {
                double v = std::nearbyint((sums[r * c.per_group + m] + bias) * factor) + zero;
                v = v < lo ? lo : v > hi ? hi : v;
                y[(channel + m) * positions + first + r] = static_cast<uint8_t>(static_cast<int32_t>(v));
            }
        }
    });
}

}  // namespace

EW_KERNEL(conv_integer, conv_integer)
EW_KERNEL(qlinear_conv, qlinear_conv)

}  // namespace ew::EW_ISA
