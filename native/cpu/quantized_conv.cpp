// Convolution of 8-bit integers on the 8-bit matrix core: ConvInteger (int32 out) and QLinearConv (8 bits out).
//
// Inputs of the first: x, w, x_zero_point, w_zero_point. Of the second: x, x_scale, x_zero, w, w_scale, w_zero, y_scale,
// y_zero, bias. w's zero point and scale: one number, or one for each output channel. Params: group, number of inputs,
// whether w is packed, then stride, dilation, padding for each spatial axis. Patches of a block of positions are the
// rows; padding is x_zero.
#include <cstring>

#include "cpu/conv.h"
#include "cpu/quantized_gemm.h"

namespace ew::EW_ISA {

namespace {

struct Conv : Sliding {
    int64_t k, per_group;
    bool packed;
    const uint8_t *x, *w;
    uint8_t flip_x, flip_w, padding;
    int32_t zero_x;
    const ew_tensor *zero_w;
};

bool read(const ew_call *call, int index_w, int index_zero_x, int index_zero_w, Conv &c) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[index_w];
    if (!read_sliding(call, 3, x, call->outputs[0], c)) return false;
    c.packed = call->params[2].i != 0;
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

constexpr int64_t ROWS = 64;

// Positions of a block that lie in one row of the output: count of them, and where the first stands.
struct Segment {
    int64_t row, count, at[3];
};

int64_t find_segments(const Conv &c, int64_t first, int64_t rows, Segment *segments) {
    int64_t n = 0;
    for (int64_t row = 0; row < rows; row += segments[n++].count) {
        const int64_t p = first + row, col = p % c.out[2], line = p / c.out[2];
        segments[n] = {row, least(rows - row, c.out[2] - col), {line / c.out[1], line % c.out[1], col}};
    }
    return n;
}

// What element `tap` of the window sees of one channel at each position of the block.
void fill_tap(const Conv &c, const uint8_t *plane, int64_t tap, const Segment *segments, int64_t n, uint8_t *out) {
    const int64_t kx = tap % c.kernel[2], ky = tap / c.kernel[2] % c.kernel[1], kz = tap / c.kernel[2] / c.kernel[1];
    for (int64_t i = 0; i < n; ++i) {
        const Segment &s = segments[i];
        const int64_t z = s.at[0] * c.stride[0] + kz * c.dilation[0] - c.begin[0];
        const int64_t y = s.at[1] * c.stride[1] + ky * c.dilation[1] - c.begin[1];
        const int64_t col = s.at[2] * c.stride[2] + kx * c.dilation[2] - c.begin[2], step = c.stride[2];
        uint8_t *to = out + s.row;
        int64_t from = 0, end = 0;  // the positions inside
        if (z >= 0 && z < c.in[0] && y >= 0 && y < c.in[1]) {
            from = col < 0 ? least(s.count, ceil_div(-col, step)) : 0;
            end = col < c.in[2] ? least(s.count, ceil_div(c.in[2] - col, step)) : 0;
        }
        if (end <= from) from = end = s.count;
        std::memset(to, c.padding, static_cast<size_t>(end == s.count && from == end ? s.count : from));
        const uint8_t *line = plane + (z * c.in[1] + y) * c.in[2] + col;
        if (step == 1)
            for (int64_t j = from; j < end; ++j) to[j] = static_cast<uint8_t>(line[j] ^ c.flip_x);
        else
            for (int64_t j = from; j < end; ++j) to[j] = static_cast<uint8_t>(line[j * step] ^ c.flip_x);
        if (end < s.count) std::memset(to + end, c.padding, static_cast<size_t>(s.count - end));
    }
}

// Patches of positions [first, first + rows) of one image and group as rows, four taps at a time.
void fill_rows(const Conv &c, const uint8_t *x, int64_t first, int64_t rows, uint8_t *out, int32_t *row_sums) {
    const int64_t ld = round_up(c.k, 4), taps = c.taps();
    Segment segments[ROWS];
    const int64_t n = find_segments(c, first, rows, segments);
    int32_t sums[ROWS] = {};
    for (int64_t i = 0; i < c.k; i += 4) {
        uint8_t seen[4][ROWS] = {};
        for (int64_t t = 0; t < 4 && i + t < c.k; ++t)
            fill_tap(c, x + (i + t) / taps * c.in_size(), (i + t) % taps, segments, n, seen[t]);
        for (int64_t r = 0; r < rows; ++r) {
            const uint8_t four[4] = {seen[0][r], seen[1][r], seen[2][r], seen[3][r]};
            sums[r] += four[0] + four[1] + four[2] + four[3];
            std::memcpy(out + r * ld + i, four, 4);
        }
    }
    for (int64_t r = 0; r < rows; ++r) row_sums[r] = sums[r];
}

int64_t packed_step(const Conv &c) { return round_up(packed_bytes(c.k, c.per_group), 64); }

void pack_group(const Conv &c, int64_t g, uint8_t *out) {
    pack_byte_panels({c.w + g * c.per_group * c.k, 1, c.k, c.flip_w}, c.k, c.per_group, out + g * packed_step(c));
}

// inputs: w [M, C / group, kernel]; params: group.
int32_t pack(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    Conv c{};
    c.group = call->params[0].i;
    c.m = w.shape[0];
    if (c.group <= 0 || c.m % c.group != 0 || c.m == 0) return call->host->error(call, EW_SHAPE, "weight and group");
    c.k = count(w) / c.m;
    c.per_group = c.m / c.group;
    c.w = static_cast<const uint8_t *>(w.data);
    c.flip_w = w.dtype == EW_UINT8 ? 0x80 : 0;
    for (int64_t g = 0; g < c.group; ++g) pack_group(c, g, static_cast<uint8_t *>(call->outputs[0].data));
    clear_rest(call->outputs[0], c.group * packed_step(c) / 4);
    return EW_OK;
}

// Calls write(sums, position, rows, channel) with sums [rows][per_group] of a block of positions.
template <typename Write>
int32_t run_conv(const ew_call *call, const Conv &c, Write &&write) {
    const int64_t positions = c.out_size(), units = c.n * c.group, step = packed_step(c);
    if (units * positions * c.per_group == 0) return EW_OK;
    auto *own = reinterpret_cast<uint8_t *>(scratch(SCRATCH_D, (c.packed ? 0 : c.group * step / 4) + c.m));
    auto *zeros = reinterpret_cast<int32_t *>(own + (c.packed ? 0 : c.group * step));
    const uint8_t *packed = c.packed ? c.w : own;
    for (int64_t m = 0; m < c.m; ++m) zeros[m] = zero_of_w(c, m);
    if (!c.packed) parallel(call, c.group, [&](int64_t g) { pack_group(c, g, own); });
    const int64_t blocks = ceil_div(positions, ROWS);
    parallel(call, units * blocks, [&](int64_t task) {
        const int64_t unit = task / blocks, first = task % blocks * ROWS, rows = least(ROWS, positions - first);
        const int64_t ld = round_up(c.k, 4), g = unit % c.group;
        auto *a = reinterpret_cast<uint8_t *>(scratch(SCRATCH_A, ceil_div(rows * ld, 4) + rows));
        auto *row_sums = reinterpret_cast<int32_t *>(a + rows * ld);
        fill_rows(c, c.x + unit * (c.c / c.group) * c.in_size(), first, rows, a, row_sums);
        auto *sums = reinterpret_cast<int32_t *>(scratch(SCRATCH_B, rows * c.per_group));
        const uint8_t *b = packed + g * step;
        sum_bytes({rows, c.per_group, c.k, a, b, sums, c.per_group});
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
    const double lo = is_signed ? -128 : 0, hi = is_signed ? 127 : 255;
    const double zero =
        is_signed ? *static_cast<const int8_t *>(in[7].data) : *static_cast<const uint8_t *>(in[7].data);
    const int64_t positions = c.out_size(), scales = count(in[4]);
    auto *factor = reinterpret_cast<double *>(scratch(SCRATCH_C, 4 * c.m)), *bias = factor + c.m;
    for (int64_t m = 0; m < c.m; ++m) {
        const double scale = static_cast<double>(*f32(in[1])) * static_cast<double>(f32(in[4])[scales == 1 ? 0 : m]);
        factor[m] = scale / static_cast<double>(*f32(in[6]));
        bias[m] = with_bias ? static_cast<const int32_t *>(in[8].data)[m] : 0;
    }
    return run_conv(call, c, [&](int32_t *sums, int64_t first, int64_t rows, int64_t channel) {
        constexpr double MAGIC = 6755399441055744.0;  // 1.5 * 2**52: adding it rounds to even, without a call
        const double *f = factor + channel % c.m, *b = bias + channel % c.m;
        for (int64_t r = 0; r < rows; ++r) {
            int32_t *row = sums + r * c.per_group;
            for (int64_t m = 0; m < c.per_group; ++m) {
                double v = (row[m] + b[m]) * f[m];
                v = v + MAGIC - MAGIC + zero;
                v = v < lo ? lo : v > hi ? hi : v;
                row[m] = static_cast<int32_t>(v);
            }
        }
        for (int64_t m = 0; m < c.per_group; ++m)
            for (int64_t r = 0; r < rows; ++r)
                y[(channel + m) * positions + first + r] = static_cast<uint8_t>(sums[r * c.per_group + m]);
    });
}

}  // namespace

EW_KERNEL(pack_conv_i8, pack)
EW_KERNEL(conv_integer, conv_integer)
EW_KERNEL(qlinear_conv, qlinear_conv)

}  // namespace ew::EW_ISA
