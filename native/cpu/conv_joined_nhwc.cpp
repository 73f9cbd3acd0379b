// 1x1 convolution of images side by side, [N, spatial, C_i] each, as if they were one of all their channels, whose numbers
// may first be scaled, shifted and cut off at zero: what lies before the convolutions of dense blocks.
//
// In bfloat16 the numbers are rounded behind that, to words of two (narrow_gemm.h); images may be float32 or bfloat16.
// Inputs: the first image, packed w (logical shape [M, C, 1, 1], as for conv_nhwc.cpp), bias, scale [C], shift [C] (each
// may be missing; scale and shift together), then the other images. Params: number of images, whether negative numbers
// become zero, the fused program.
#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"

namespace ew::EW_ISA {

namespace {

constexpr int FIXED = 2, BEFORE = 4;    // params; inputs between the first image and the others
constexpr int64_t PART_FLOATS = 32768;  // of the numbers of a task: 128 KiB
constexpr int64_t LEAST_ROWS = 24, MOST_ROWS = 192;
constexpr int64_t MOST_CHANNELS = 1024;  // of a product

struct Joined {
    const ew_call *call;
    int64_t n_images, channels, m, positions;
    bool cut, bf16;
    const float *w, *scale, *shift;
    float *y;
    const ew_tensor &image(int64_t i) const { return call->inputs[i == 0 ? 0 : BEFORE + i]; }
    // Floats or words that n channels take.
    int64_t depth(int64_t n) const { return bf16 ? bf16_steps(n) : n; }
    // Whether an image can be multiplied where it lies.
    bool as_it_is(const ew_tensor &x) const {
        return bf16 ? x.dtype == EW_BFLOAT16 && x.shape[x.rank - 1] % 2 == 0 : x.dtype == EW_FLOAT32;
    }
};

bool read(const ew_call *call, bool bf16, Joined &j) {
    if (call->n_params < FIXED || call->params[0].i < 1 || call->n_inputs < BEFORE + call->params[0].i) return false;
    const ew_tensor &w = call->inputs[1], &y = call->outputs[0];
    j.call = call;
    j.bf16 = bf16;
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

EW_INLINE vf take(const float *p, int64_t n) { return n == VL ? load(p) : load_n(p, n); }
EW_INLINE vf take(const uint16_t *p, int64_t n) { return n == VL ? load_bf16(p) : load_bf16_n(p, n); }
EW_INLINE void put(float *p, vf v, int64_t n) { n == VL ? store(p, v) : store_n(p, v, n); }
EW_INLINE void put(uint16_t *p, vf v, int64_t n) { n == VL ? store_bf16(p, v) : store_bf16_n(p, v, n); }

// Rows of an image whose first channel is `at`, scaled, shifted and cut off.
template <typename From, typename To>
void gather_image(const Joined &j, const From *x, int64_t channels, int64_t at, int64_t rows, To *to, int64_t pitch) {
    const vf zero{};
    for (int64_t c = 0; c < channels; c += VL) {
        const int64_t n = least(VL, channels - c);
        const vf scale = j.scale ? take(j.scale + at + c, n) : zero, shift = j.scale ? take(j.shift + at + c, n) : zero;
        for (int64_t r = 0; r < rows; ++r) {
            vf v = take(x + r * channels + c, n);
            if (j.scale) v = v * scale + shift;
            if (j.cut) v = vmax(zero, v);
            put(to + r * pitch + at + c, v, n);
        }
    }
}

// Positions [first, first + rows) as one matrix of all channels.
template <typename To>
void gather(const Joined &j, int64_t first, int64_t rows, To *to, int64_t pitch) {
    int64_t at = 0;
    for (int64_t i = 0; i < j.n_images; ++i) {
        const ew_tensor &image = j.image(i);
        const int64_t channels = image.shape[image.rank - 1], from = first * channels;
        if (image.dtype == EW_BFLOAT16)
            gather_image(j, static_cast<const uint16_t *>(image.data) + from, channels, at, rows, to, pitch);
        else
            gather_image(j, f32(image) + from, channels, at, rows, to, pitch);
        at += channels;
    }
    for (; at < pitch; ++at)
        for (int64_t r = 0; r < rows; ++r) to[r * pitch + at] = 0;
}

const float *gather(const Joined &j, int64_t first, int64_t rows) {
    const int64_t depth = j.depth(j.channels);
    float *to = scratch(SCRATCH_A, rows * depth);
    if (j.bf16)
        gather(j, first, rows, reinterpret_cast<uint16_t *>(to), 2 * depth);
    else
        gather(j, first, rows, to, depth);
    return to;
}

struct Task {
    const Joined &j;
    const Panels &panels;
    const NarrowEnding &ending;
    const Epilogue &epilogue;
    int64_t first, rows;
    const float *gathered;  // NULL: images are read where they are

    // Calls fn(rows of the matrix from channel c on, their pitch, c, depth) for stretches of channels.
    template <typename Fn>
    void for_stretches(Fn &&fn) const {
        int64_t at = 0;
        for (int64_t i = 0; i < (gathered ? 1 : j.n_images); ++i) {
            const ew_tensor &x = j.image(i);
            const int64_t channels = j.depth(gathered ? j.channels : x.shape[x.rank - 1]);
            const float *from = gathered ? gathered : f32(x) + first * channels;
            for (int64_t c = 0; c < channels; c += MOST_CHANNELS)
                fn(from + c, channels, at + c, least(MOST_CHANNELS, channels - c));
            at += channels;
        }
    }

    void run_panel(int64_t index, int64_t tile, RowsPart *parts, float *y, int64_t ld) const {
        const int64_t vectors = panels.vectors(index), column = panels.column(index), columns = panels.columns(index);
        const float *w = j.w + column * j.depth(j.channels);
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
                           static_cast<int>(columns), j.bf16},
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

int32_t run_typed(const ew_call *call, bool bf16) {
    Joined j;
    if (!read(call, bf16, j)) return call->host->error(call, EW_SHAPE, "joined convolution: sizes disagree");
    if (j.positions * j.m == 0) return EW_OK;
    Epilogue epilogue;
    const int anchor_inputs = static_cast<int>(BEFORE + j.n_images);
    if (!epilogue.parse(call, FIXED, anchor_inputs, j.positions, j.m)) return EW_INVALID_PLAN;
    NarrowEnding ending;
    if (present(call, 2)) ending.finish.bias_col = f32(call->inputs[2]);
    ending.rest = !epilogue.empty() && !read_finish(call, FIXED, j.positions, j.m, ending);
    ending.in_y = writes_f32(call);
    bool gathers = j.scale || j.cut;
    for (int64_t i = 0; i < j.n_images; ++i) gathers = gathers || !j.as_it_is(j.image(i));
    const Panels panels(j.m);
    const int64_t fitting = most(LEAST_ROWS, least(MOST_ROWS, PART_FLOATS / most(1, j.depth(j.channels))));
    const int64_t tasks = round_up(ceil_div(j.positions, fitting), 2), rows = ceil_div(j.positions, tasks);
    parallel(call, ceil_div(j.positions, rows), [&](int64_t index) {
        const int64_t first = index * rows, n = least(rows, j.positions - first);
        Task{j, panels, ending, epilogue, first, n, gathers ? gather(j, first, n) : nullptr}.run();
    });
    return EW_OK;
}

int32_t run(const ew_call *call) { return run_typed(call, false); }
int32_t run_bf16(const ew_call *call) { return run_typed(call, true); }

}  // namespace

EW_KERNEL(conv_joined_nhwc_f32, run)
EW_KERNEL(conv_joined_nhwc_bf16, run_bf16)

}  // namespace ew::EW_ISA
