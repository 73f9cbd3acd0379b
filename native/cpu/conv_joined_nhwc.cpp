// f32 1x1 convolution of images side by side, [N, spatial, C_i] each, as if they were one of all their channels, whose
// numbers may first be scaled, shifted and cut off at zero: what lies before the convolutions of dense blocks.
//
// Inputs: the first image, packed w (logical shape [M, C, 1, 1], as for conv_nhwc.cpp), bias, scale [C], shift [C] (each
// may be missing; scale and shift together), then the other images. Params: number of images, whether negative numbers become zero, the fused program.
#include "cpu/conv_last.h"
#include "cpu/gemm_rows.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

constexpr int FIXED = 2, BEFORE = 4;    // params; inputs between the first image and the others
constexpr int64_t PART_FLOATS = 32768;  // of the numbers of a task: 128 KiB
constexpr int64_t LEAST_ROWS = 24, MOST_ROWS = 192;
constexpr int64_t MOST_CHANNELS = 1024;  // of a product

struct Joined {
    const ew_call *call;
    int64_t n_images, channels, m, positions;
    bool cut;
    const float *w, *scale, *shift;
    float *y;
    const ew_tensor &image(int64_t i) const { return call->inputs[i == 0 ? 0 : BEFORE + i]; }
};

bool read(const ew_call *call, Joined &j) {
    if (call->n_params < FIXED || call->params[0].i < 1 || call->n_inputs < BEFORE + call->params[0].i) return false;
    const ew_tensor &w = call->inputs[1], &y = call->outputs[0];
    j.call = call;
    j.n_images = call->params[0].i;
    j.cut = call->params[1].i != 0;
    j.m = y.shape[y.rank - 1];
    j.positions = count(y) / most(1, j.m);
    j.channels = 0;
    for (int64_t i = 0; i < j.n_images; ++i) {
        const ew_tensor &x = j.image(i);
        const int64_t channels = x.shape[x.rank - 1];
        if (count(x) != j.positions * channels) return false;
        j.channels += channels;
    }
    j.w = f32(w);
    j.scale = present(call, 3) ? f32(call->inputs[3]) : nullptr;
    j.shift = present(call, 4) ? f32(call->inputs[4]) : nullptr;
    j.y = static_cast<float *>(y.data);
    const bool fits =
        !j.scale || (j.shift && count(call->inputs[3]) == j.channels && count(call->inputs[4]) == j.channels);
    return fits && w.rank > 1 && w.shape[0] == j.m && w.shape[1] == j.channels;
}

// Positions [first, first + rows) as one matrix of all channels, scaled, shifted and cut off.
void gather(const Joined &j, int64_t first, int64_t rows, float *to) {
    const vf zero{};
    for (int64_t i = 0, at = 0; i < j.n_images; ++i) {
        const ew_tensor &image = j.image(i);
        const int64_t channels = image.shape[image.rank - 1];
        const float *x = f32(image) + first * channels;
        for (int64_t r = 0; r < rows; ++r, x += channels) {
            float *y = to + r * j.channels + at;
            for (int64_t c = 0; c < channels; c += VL) {
                const int64_t n = least(VL, channels - c);
                const bool whole = n == VL;
                const auto take = [&](const float *p) { return whole ? load(p) : load_n(p, n); };
                vf v = take(x + c) * take(j.scale + at + c) + take(j.shift + at + c);
                if (j.cut) v = vmax(zero, v);
                whole ? store(y + c, v) : store_n(y + c, v, n);
            }
        }
        at += channels;
    }
}

struct Task {
    const Joined &j;
    const Panels &panels;
    const Ending &ending;
    const Epilogue &epilogue;
    int64_t first, rows;
    const float *gathered;  // NULL: images are read where they are

    // Calls fn(rows of the matrix from channel c on, their pitch, c, depth) for stretches of channels.
    template <typename Fn>
    void for_stretches(Fn &&fn) const {
        int64_t at = 0;
        for (int64_t i = 0; i < (gathered ? 1 : j.n_images); ++i) {
            const ew_tensor &x = j.image(i);
            const int64_t channels = gathered ? j.channels : x.shape[x.rank - 1];
            const float *from = gathered ? gathered : f32(x) + first * channels;
            for (int64_t c = 0; c < channels; c += MOST_CHANNELS)
                fn(from + c, channels, at + c, least(MOST_CHANNELS, channels - c));
            at += channels;
        }
    }

    void run_panel(int64_t index, int64_t tile, RowsPart *parts, float *y, int64_t ld) const {
        const int64_t vectors = panels.vectors(index), column = panels.column(index), columns = panels.columns(index);
        const float *w = j.w + column * j.channels;
        for (int64_t row = 0; row < rows; row += tile) {
            const int64_t m = least(tile, rows - row);
            int64_t n = 0;
            for_stretches([&](const float *from, int64_t pitch, int64_t c, int64_t depth) {
                parts[n].b = w + c * vectors * VL;
                parts[n].k = depth;
                for (int64_t r = 0; r < m; ++r) parts[n].rows[r] = from + (row + r) * pitch;
                ++n;
            });
            run_rows_tile({parts, n, y + row * ld + column, ld, static_cast<int>(m), static_cast<int>(vectors),
                           static_cast<int>(columns)},
                          moved_finish(ending.finish, first + row, column));
        }
    }

    void run() const {
        int64_t n = 0;
        for_stretches([&](const float *, int64_t, int64_t, int64_t) { ++n; });
        constexpr int64_t FLOATS = sizeof(RowsPart) / sizeof(float);
        auto *parts = reinterpret_cast<RowsPart *>(scratch(SCRATCH_B, n * FLOATS));
        float *y = ending.in_y ? j.y + first * j.m : scratch(SCRATCH_C, rows * j.m);
        for (int64_t index = 0; index < panels.count; ++index) {
            const int64_t tiles = ceil_div(rows, rows_of_tile(panels.vectors(index)));
            run_panel(index, ceil_div(rows, tiles), parts, y, j.m);
        }
        if (ending.rest) epilogue.run(y, j.m, first, first + rows, 0, j.m);
    }
};

int32_t run(const ew_call *call) {
    Joined j;
    if (!read(call, j)) return call->host->error(call, EW_SHAPE, "joined convolution: sizes disagree");
    if (j.positions * j.m == 0) return EW_OK;
    Epilogue epilogue;
    const int anchor_inputs = static_cast<int>(BEFORE + j.n_images);
    if (!epilogue.parse(call, FIXED, anchor_inputs, j.positions, j.m)) return EW_INVALID_PLAN;
    Ending ending;
    if (present(call, 2)) ending.finish.bias_col = f32(call->inputs[2]);
    ending.rest = !epilogue.empty() && !epilogue.as_finish(ending.finish, true);
    ending.in_y = !ending.rest || writes_f32(call);
    const Panels panels(j.m);
    const int64_t fitting = most(LEAST_ROWS, least(MOST_ROWS, PART_FLOATS / most(1, j.channels)));
    const int64_t tasks = round_up(ceil_div(j.positions, fitting), 2), rows = ceil_div(j.positions, tasks);
    parallel(call, ceil_div(j.positions, rows), [&](int64_t index) {
        const int64_t first = index * rows, n = least(rows, j.positions - first);
        float *gathered = j.scale ? scratch(SCRATCH_A, n * j.channels) : nullptr;
        if (gathered) gather(j, first, n, gathered);
        Task{j, panels, ending, epilogue, first, n, gathered}.run();
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(conv_joined_nhwc_f32, run)

}  // namespace ew::EW_ISA
