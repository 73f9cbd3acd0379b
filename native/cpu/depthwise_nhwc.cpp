// f32 depthwise convolution of images with their channels last: vectors along the channels, nothing copied.
//
// Inputs and params as for conv_nhwc.cpp with one channel a group; w is packed as [kernel][C].
#include "cpu/depthwise_rows.h"
#include "cpu/depthwise_tasks.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

int32_t run(const ew_call *call) {
    LastConv c;
    if (!read_last_conv(call, c) || c.channels != 1 || c.per_group != 1)
        return call->host->error(call, EW_SHAPE, "depthwise convolution: sizes disagree");
    const int64_t width = c.out[2];
    if (c.positions() * c.c == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, c.fixed, c.inputs, c.positions(), c.m)) return EW_INVALID_PLAN;
    Ending ending;
    ending.finish.bias_col = c.bias;
    ending.rest = !epilogue.empty() && !epilogue.as_finish(ending.finish);
    ending.in_y = !ending.rest || writes_f32(call);
    for_rows(call, c, {400000, VL, 32}, [&](int64_t row, int64_t from, int64_t to) {
        auto *list = lines_of<Line>(c);
        int64_t n = 0;
        for_lines(c, row, [&](int64_t line, int64_t pixel) {
            list[n++] = {c.x + pixel * c.c, c.w + line * c.kernel[2] * c.c};
        });
        const int64_t start = row * width;
        float *y = ending.in_y ? c.y + start * c.c : scratch(SCRATCH_C, width * c.c);
        run_lines({c, ending.finish, list, n, y, start, c.c}, from, to);
        if (ending.rest) epilogue.run(y + from, c.c, start, start + width, from, to);
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(depthwise_nhwc_f32, run)

}  // namespace ew::EW_ISA
