// f32 depthwise convolution of images with their channels last: vectors along the channels, nothing copied.
//
// Inputs and params as for conv_nhwc.cpp with one channel a group; w is packed as [kernel][C].
#include "cpu/depthwise_rows.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

// The input rows that an output row sees, with their weights.
int64_t list_lines(const LastConv &c, int64_t row, Line *list) {
    const int64_t oy = row % c.out[1], oz = row / c.out[1] % c.out[0], image = row / (c.out[1] * c.out[0]);
    int64_t n = 0;
    for (int64_t kz = 0; kz < c.kernel[0]; ++kz)
        for (int64_t ky = 0; ky < c.kernel[1]; ++ky) {
            const int64_t z = oz * c.stride[0] + kz * c.dilation[0] - c.begin[0];
            const int64_t y = oy * c.stride[1] + ky * c.dilation[1] - c.begin[1];
            if (z < 0 || z >= c.in[0] || y < 0 || y >= c.in[1]) continue;
            list[n++] = {c.x + ((image * c.in[0] + z) * c.in[1] + y) * c.in[2] * c.c,
                         c.w + (kz * c.kernel[1] + ky) * c.kernel[2] * c.c};
        }
    return n;
}

int32_t run(const ew_call *call) {
    LastConv c;
    if (!read_last_conv(call, c) || c.channels != 1 || c.per_group != 1)
        return call->host->error(call, EW_SHAPE, "depthwise convolution: sizes disagree");
    const int64_t rows = c.n * c.out[0] * c.out[1], width = c.out[2];
    if (rows * width * c.c == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, c.fixed, c.inputs, c.positions(), c.m)) return EW_INVALID_PLAN;
    Ending ending;
    ending.finish.bias_col = c.bias;
    ending.rest = !epilogue.empty() && !epilogue.as_finish(ending.finish);
    ending.in_y = !ending.rest || writes_f32(call);
    // Tasks of some rows; of some channels, too, where there are few rows.
    const int64_t work = width * c.c * (c.taps() + 4), group = 1 + 400000 / (work + 1);
    const int64_t by_rows = ceil_div(rows, group);
    const int64_t parts = by_rows < 12 ? most(1, least(ceil_div(12, by_rows), c.c / 32)) : 1;
    const int64_t channels = round_up(ceil_div(c.c, parts), VL), by_channels = ceil_div(c.c, channels);
    parallel(call, by_rows * by_channels, [&](int64_t task) {
        const int64_t from = task % by_channels * channels, to = least(c.c, from + channels);
        auto *list = reinterpret_cast<Line *>(
            scratch(SCRATCH_A, c.kernel[0] * c.kernel[1] * static_cast<int64_t>(sizeof(Line) / sizeof(float))));
        const int64_t first = task / by_channels * group;
        for (int64_t row = first; row < least(rows, first + group); ++row) {
            const int64_t n = list_lines(c, row, list), start = row * width;
            float *y = ending.in_y ? c.y + start * c.c : scratch(SCRATCH_C, width * c.c);
            run_lines({c, ending.finish, list, n, y, start, c.c}, from, to);
            if (ending.rest) epilogue.run(y + from, c.c, start, start + width, from, to);
        }
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(depthwise_nhwc_f32, run)

}  // namespace ew::EW_ISA
