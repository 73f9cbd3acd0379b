// Transposed convolution whose windows lie side by side (steps as wide as the kernel), images with channels last.
//
// For each row of the kernel, the pixels of an input row times [C, kernel width * M] are a row of the output as it lies
// in memory. Inputs x [N, H, W, C], packed w (logical shape [C, M, kernel]), bias [M] if any. Params as for conv_nhwc.cpp.
// In bfloat16 pixels are words of two channels (narrow_gemm.h); those of float32 are rounded to them row by row.
#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"
#include "cpu/weight_panels.h"

namespace ew::EW_ISA {

namespace {

struct Spread : Sliding {
    int64_t wide;   // kernel width * M: what a pixel becomes in one output row
    int64_t depth;  // floats or words of a pixel
    bool bf16, rounds;
    const float *x, *w;
    float *y;
    int32_t fixed, inputs;
};

bool read(const ew_call *call, bool bf16, Spread &s) {
    const ew_tensor &x = call->inputs[0], &w = call->inputs[1];
    if (x.rank != 4 || !read_sliding_last(call, 2, x, call->outputs[0], s)) return false;
    s.inputs = static_cast<int32_t>(call->params[1].i);
    s.fixed = 2 + sliding_params(x);
    fill_axes(s.kernel, w.shape + 2, w.rank - 2);
    s.wide = s.kernel[2] * s.m;
    s.bf16 = bf16;
    s.rounds = bf16 && x.dtype == EW_FLOAT32;
    s.depth = bf16 ? bf16_steps(s.c) : s.c;
    s.x = f32(x);
    s.w = f32(w);
    s.y = static_cast<float *>(call->outputs[0].data);
    bool fits = w.shape[0] == s.c && w.shape[1] == s.m && (!bf16 || s.c % 2 == 0);
    for (int i = 1; i < 3; ++i) fits = fits && s.kernel[i] == s.stride[i] && s.out[i] == s.in[i] * s.stride[i];
    return fits;
}

// A row of biases for each pixel that one becomes.
const float *repeat(const float *bias, int64_t times, int64_t n, float *to) {
    for (int64_t i = 0; bias && i < times; ++i) std::memcpy(to + i * n, bias, sizeof(float) * static_cast<size_t>(n));
    return bias ? to : nullptr;
}

// The pixels of an input row, as words if they are to be.
const float *pixels_of(const Spread &s, int64_t row) {
    if (!s.rounds) return s.x + row * s.in[2] * s.depth;
    float *words = scratch(SCRATCH_A, s.in[2] * s.depth);
    pack_bf16_rows({s.x + row * s.in[2] * s.c, 0, 1}, 1, s.in[2] * s.c, reinterpret_cast<int32_t *>(words), 0);
    return words;
}

// One output row, from the input row above it and one row of the kernel.
void run_row(const Spread &s, const Panels &panels, const NarrowFinish &finish, int64_t row, float *y) {
    const int64_t ky = row % s.kernel[1], tile = rows_of_tile(panels.vectors(0));
    const float *x = pixels_of(s, row / s.kernel[1]), *w = s.w + ky * round_up(s.wide, VL) * s.depth;
    for (int64_t p = 0; p < panels.count; ++p)
        for (int64_t at = 0; at < s.in[2]; at += tile) {
            const int64_t m = least(tile, s.in[2] - at), column = panels.column(p);
            RowsPart part;
            part.b = w + column * s.depth;
            part.k = s.depth;
            for (int64_t r = 0; r < m; ++r) part.rows[r] = x + (at + r) * s.depth;
            NarrowFinish f = moved_finish(finish, row * s.in[2] + at, column);
            run_rows_tile({&part, 1, y + at * s.wide + column, s.wide, static_cast<int>(m),
                           static_cast<int>(panels.vectors(p)), static_cast<int>(panels.columns(p)), s.bf16},
                          f);
        }
}

int32_t run_typed(const ew_call *call, bool bf16) {
    Spread s;
    if (!read(call, bf16, s)) return call->host->error(call, EW_SHAPE, "transposed convolution: sizes disagree");
    const int64_t rows = s.n * s.out[1], width = s.out[2];
    if (rows * width * s.m == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, s.fixed, s.inputs, rows * width, s.m)) return EW_INVALID_PLAN;
    NarrowEnding ending, plain;
    const float *bias = s.inputs > 2 && present(call, 2) ? f32(call->inputs[2]) : nullptr;
    ending.finish.bias_col = plain.finish.bias_col = bias;
    ending.rest = !epilogue.empty() && !read_finish(call, s.fixed, rows * width, s.m, ending);
    if (ending.finish.slope_col) ending = plain, ending.rest = true;
    NarrowFinish &finish = ending.finish;
    finish.bias_col = repeat(finish.bias_col, s.kernel[2], s.m, scratch(SCRATCH_D, s.wide));
    finish.ld_residual = finish.ld_narrow = s.wide;
    const Panels panels(s.wide);
    const bool in_y = writes_f32(call);
    const int64_t group = 1 + 400000 / (s.in[2] * s.wide * (s.depth + 4) / VL * 8 + 1);
    parallel(call, ceil_div(rows, group), [&](int64_t task) {
        for (int64_t row = task * group; row < least(rows, (task + 1) * group); ++row) {
            float *y = in_y ? s.y + row * width * s.m : scratch(SCRATCH_C, width * s.m);
            run_row(s, panels, finish, row, y);
            if (ending.rest) epilogue.run(y, s.m, row * width, (row + 1) * width, 0, s.m);
        }
    });
    return EW_OK;
}

int32_t run(const ew_call *call) { return run_typed(call, false); }
int32_t run_bf16(const ew_call *call) { return run_typed(call, true); }

// [C, M, kernel] to [kernel row][panel][C][width], columns kernel column * M + output channel; in bfloat16 pairs of
// channels are words.
int32_t pack_typed(const ew_call *call, bool bf16) {
    const ew_tensor &w = call->inputs[0];
    const int64_t channels = w.shape[0], m = w.shape[1], high = w.shape[2], wide = w.shape[3];
    const Panels panels(wide * m);
    float *out = static_cast<float *>(call->outputs[0].data), *begin = out;
    for (int64_t y = 0; y < high; ++y)
        for (int64_t p = 0; p < panels.count; ++p)
            out = write_panel(panels, p, channels, bf16, out, [&](int64_t channel, int64_t column) {
                const int64_t from = ((channel * m + column % most(1, m)) * high + y) * wide + column / most(1, m);
                return column < wide * m && channel < channels ? f32(w)[from] : 0.0F;
            });
    clear_rest(call->outputs[0], out - begin);
    return EW_OK;
}

int32_t pack(const ew_call *call) { return pack_typed(call, false); }
int32_t pack_bf16(const ew_call *call) { return pack_typed(call, true); }

}  // namespace

EW_KERNEL(conv_transpose_nhwc_f32, run)
EW_KERNEL(pack_conv_transpose_nhwc_f32, pack)
EW_KERNEL(conv_transpose_nhwc_bf16, run_bf16)
EW_KERNEL(pack_conv_transpose_nhwc_bf16, pack_bf16)

}  // namespace ew::EW_ISA
