// 1 x 1 convolutions in groups, of images with their channels last, whose channels may be shuffled first (pixels.h). Of
// float32, or of bfloat16 with an even number of channels; the output is either.
//
// Inputs x [N, spatial, C], packed w (logical shape [M, C / group, 1...]), bias [M] if any. Params: group, number of
// inputs, shuffled, then the fused program (rows: pixels, columns: M).
#include "cpu/pixels.h"

#include "cpu/narrow_gemm.h"
#include "cpu/weight_panels.h"

namespace ew::EW_ISA {

namespace {

// The runs of a group, those of no channels left out.
struct Runs {
    int64_t n = 0;
    ChannelRun list[MAX_SHUFFLED];
    Runs(const PixelConv &c, int64_t group) {
        for (int64_t s = 0; s < c.shuffled; ++s)
            if (const ChannelRun run = number_run(c, group, s); run.n > 0) list[n++] = run;
    }
    // Parts of `rows` pixels from x on, weights from w on.
    void list_parts(const float *x, int64_t ld, int rows, const float *w, int64_t width, RowsPart *parts) const {
        for (int64_t i = 0; i < n; ++i) {
            parts[i].b = w;
            parts[i].k = list[i].n;
            for (int r = 0; r < MAX_ROWS_OF_TILE; ++r) parts[i].rows[r] = x + (r < rows ? r : 0) * ld + list[i].first;
            w += list[i].n * width;
        }
    }
};

}  // namespace

void run_pixels(const PixelConv &c, const PixelRows &p, const NarrowFinish &finish, int64_t from, int64_t to) {
    const Panels panels(c.per_group);
    const int64_t depth = c.most_of_group(), padded = round_up(c.per_group, VL) * depth;
    RowsPart parts[MAX_SHUFFLED];
    for (int64_t first = 0; first < p.rows; first += PIXELS_OF_BLOCK) {
        const int64_t end = least(p.rows, first + PIXELS_OF_BLOCK);
        for (int64_t group = from; group < to; ++group) {
            const Runs runs(c, group);
            for (int64_t index = 0; index < panels.count; ++index) {
                const int64_t vectors = panels.vectors(index), column = panels.column(index);
                const int64_t tiles = ceil_div(end - first, rows_of_tile(vectors)), tile = ceil_div(end - first, tiles);
                const float *w = c.w + group * padded + column * depth;
                for (int64_t row = first; row < end; row += tile) {
                    const int m = static_cast<int>(least(tile, end - row));
                    runs.list_parts(p.x + row * p.ld_x, p.ld_x, m, w, vectors * VL, parts);
                    const int64_t channel = group * c.per_group + column;
                    run_rows_tile({parts, runs.n, p.y ? p.y + row * p.ld_y + channel : nullptr, p.ld_y, m,
                                   static_cast<int>(vectors), static_cast<int>(panels.columns(index)), c.bf16},
                                  moved_finish(finish, row, channel));
                }
            }
        }
    }
}

void run_slice(const PixelConv &c, const PixelRows &p, const Finish &finish, const PixelSlice &s) {
    const Panels panels(c.per_group);
    for (int64_t first = 0; first < p.rows; first += PIXELS_OF_BLOCK) {
        const int64_t end = least(p.rows, first + PIXELS_OF_BLOCK);
        for (int64_t index = s.from; index < s.to; ++index) {
            const int64_t vectors = panels.vectors(index), column = panels.column(index);
            const int64_t tiles = ceil_div(end - first, rows_of_tile(vectors)), tile = ceil_div(end - first, tiles);
            RowsPart part{c.w + column * c.channels + s.channel * vectors * VL, s.depth, {}};
            for (int64_t row = first; row < end; row += tile) {
                const int m = static_cast<int>(least(tile, end - row));
                for (int r = 0; r < MAX_ROWS_OF_TILE; ++r) part.rows[r] = p.x + (row + (r < m ? r : 0)) * p.ld_x;
                run_rows_tile({&part, 1, p.y + row * p.ld_y + column - panels.column(s.from), p.ld_y, m,
                               static_cast<int>(vectors), static_cast<int>(panels.columns(index))},
                              moved_finish(finish, row, column));
            }
        }
    }
}

namespace {

int32_t run_typed(const ew_call *call, bool bf16) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    PixelConv c;
    if (!read_pixels(call, c) || (bf16 && (x.dtype != EW_BFLOAT16 || c.inputs() % 2 != 0)))
        return call->host->error(call, EW_SHAPE, "convolution in groups: sizes disagree");
    c.bf16 = bf16;
    const int inputs = static_cast<int>(call->params[1].i);
    const int64_t rows = count(y) / most(1, c.outputs());
    if (rows == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, 3, inputs, rows, c.outputs())) return EW_INVALID_PLAN;
    NarrowEnding ending;
    if (inputs > 2 && present(call, 2)) ending.finish.bias_col = f32(call->inputs[2]);
    const bool rest = !epilogue.empty() && !read_finish(call, 3, rows, c.outputs(), ending), in_y = writes_f32(call);
    // Tasks of some pixels, and of one group where there are few.
    constexpr double TASK = 1.5e6, MOST = 16;
    const double work = 2.0 * static_cast<double>(rows * c.per_group) * static_cast<double>(c.numbers()) / TASK;
    const int64_t wanted = static_cast<int64_t>(work > MOST ? MOST : work);
    const int64_t by_rows = most(1, least(wanted, rows / PIXELS_OF_BLOCK)), groups = by_rows < wanted ? 1 : c.group;
    const int64_t height = ceil_div(rows, by_rows), by_groups = c.group / groups;
    parallel(call, ceil_div(rows, height) * by_groups, [&](int64_t task) {
        const int64_t first = task / by_groups * height, n = least(height, rows - first);
        const int64_t from = task % by_groups * groups, columns = c.outputs();
        float *out = in_y   ? static_cast<float *>(y.data) + first * columns
                     : rest ? scratch(SCRATCH_C, n * columns)
                            : nullptr;
        run_pixels(c, {f32(x) + first * c.numbers(), c.numbers(), n, out, columns},
                   moved_finish(ending.finish, first, 0), from, from + groups);
        const int64_t left = from * c.per_group, right = (from + groups) * c.per_group;
        if (rest) epilogue.run(out + left, columns, first, first + n, left, right);
    });
    return EW_OK;
}

int32_t run(const ew_call *call) { return run_typed(call, false); }
int32_t run_bf16(const ew_call *call) { return run_typed(call, true); }

// The weight of output m of a group for the channel that lies at `place` in x, of part s; 0 if the group does not see it.
float weight_at(const ew_tensor &w, const PixelConv &c, int64_t group, int64_t m, int64_t s, int64_t place) {
    const int64_t part = c.inputs() / c.shuffled, at = place - s * part;
    const int64_t channel = at * c.shuffled + s - group * c.channels;
    const bool seen = at >= 0 && at < part && channel >= 0 && channel < c.channels && m < c.per_group;
    return seen ? f32(w)[(group * c.per_group + m) * c.channels + channel] : 0.0F;
}

// [M, C / group] to [group][panel][numbers][width], the last panel zero-padded. Params: group, shuffled.
int32_t pack_typed(const ew_call *call, bool bf16) {
    const ew_tensor &w = call->inputs[0];
    PixelConv c;
    c.bf16 = bf16;
    c.group = call->params[0].i;
    c.shuffled = call->params[1].i;
    c.channels = w.shape[1];
    c.per_group = w.shape[0] / c.group;
    const Panels panels(c.per_group);
    const int64_t depth = c.most_of_group(), padded = round_up(c.per_group, VL) * depth;
    std::memset(call->outputs[0].data, 0, sizeof(float) * static_cast<size_t>(c.group * padded));
    for (int64_t g = 0; g < c.group; ++g)
        for (int64_t p = 0; p < panels.count; ++p) {
            float *out = static_cast<float *>(call->outputs[0].data) + g * padded + panels.column(p) * depth;
            for (int64_t s = 0; s < c.shuffled; ++s) {
                const ChannelRun run = number_run(c, g, s);
                const int64_t numbers = bf16 ? 2 : 1, first = run.first * numbers;
                out = write_panel(panels, p, run.n * numbers, bf16, out,
                                  [&](int64_t row, int64_t m) { return weight_at(w, c, g, m, s, first + row); });
            }
        }
    clear_rest(call->outputs[0], c.group * padded);
    return EW_OK;
}

int32_t pack(const ew_call *call) { return pack_typed(call, false); }
int32_t pack_bf16(const ew_call *call) { return pack_typed(call, true); }

}  // namespace

EW_KERNEL(pixels_nhwc_f32, run)
EW_KERNEL(pack_pixels_f32, pack)
EW_KERNEL(pixels_nhwc_bf16, run_bf16)
EW_KERNEL(pack_pixels_bf16, pack_bf16)

}  // namespace ew::EW_ISA
