// f32 convolution [N, C, spatial] as matrix products: patches of the input are packed a panel at a time, never as a whole.
//
// Two forms, to be timed against each other: output channels as rows of the tile and positions as columns (written in
// place), or positions as rows and channels as columns (better for few positions; tiles are transposed when written).
// Inputs x, packed w (logical shape [M, C / group, kernel]), bias [M] if any. Params: group, number of inputs, then
// stride, dilation, padding for each spatial axis, then the fused program (rows N * M, columns positions).
#include "cpu/conv.h"
#include "cpu/pointwise.h"
#include "cpu/small_transpose.h"

namespace ew::EW_ISA {

namespace {

int32_t bad_sizes(const ew_call *call) {
    return call->host->error(call, EW_SHAPE, "convolution: sizes of data, weight and output disagree");
}

// ---- patches ----

// What one tap sees along one row of the output: `n` elements from `from` (in the input plane) to `to` (in the panel).
struct Copy {
    int32_t from, to, n;
};

// The copies of each tap for one panel of positions; taps [t, t + 1) have copies [begin[t], begin[t + 1]).
struct Copies {
    Copy *list;
    int32_t *begin;
    bool *whole;  // the copies fill the panel's columns: nothing is padding
};

// Input columns x * stride + shift that are real, for output columns [x, x + length).
EW_INLINE Copy copy_of_run(const Conv &c, int64_t row, int64_t x, int64_t length, int64_t shift, int64_t to) {
    const int64_t stride = c.stride[2], past = c.in[2] - shift;
    const int64_t lo = shift < 0 ? most(x, (stride - 1 - shift) / stride) : x;
    const int64_t hi = least(x + length, past <= 0 ? 0 : (past + stride - 1) / stride);
    return {static_cast<int32_t>(row + lo * stride + shift), static_cast<int32_t>(to + lo - x),
            static_cast<int32_t>(most(0, hi - lo))};
}

Copies find_copies(const Conv &c, int64_t first, int64_t columns, float *memory) {
    const int64_t taps = c.taps();
    Copies out{reinterpret_cast<Copy *>(memory), reinterpret_cast<int32_t *>(memory + 3 * taps * NR), nullptr};
    out.whole = reinterpret_cast<bool *>(out.begin + taps + 1);
    int32_t n = 0;
    for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t kx = tap % c.kernel[2], ky = tap / c.kernel[2] % c.kernel[1],
                      kz = tap / (c.kernel[1] * c.kernel[2]);
        int64_t real = 0;
        out.begin[tap] = n;
        for (int64_t at = 0; at < columns;) {
            const int64_t position = first + at, x = position % c.out[2], row = position / c.out[2];
            const int64_t length = least(columns - at, c.out[2] - x);
            const int64_t z = row / c.out[1] * c.stride[0] + kz * c.dilation[0] - c.begin[0];
            const int64_t y = row % c.out[1] * c.stride[1] + ky * c.dilation[1] - c.begin[1];
            if (z >= 0 && z < c.in[0] && y >= 0 && y < c.in[1]) {
                const int64_t line = (z * c.in[1] + y) * c.in[2];
                out.list[n] = copy_of_run(c, line, x, length, kx * c.dilation[2] - c.begin[2], at);
                real += out.list[n].n;
                n += out.list[n].n > 0;
            }
            at += length;
        }
        out.whole[tap] = real == columns;
    }
    out.begin[taps] = n;
    return out;
}

int64_t copies_floats(const Conv &c) { return c.taps() * (3 * NR + 2) + 2; }

EW_INLINE void run_copy(const Copy &copy, const float *plane, float *out, int64_t stride) {
    const float *in = plane + copy.from;
    int64_t n = copy.n;
    out += copy.to;
    if (stride == 1) {
        for (; n >= VL; n -= VL, in += VL, out += VL) store(out, load(in));
        if (n > 0) store_n(out, load_n(in, n), n);
        return;
    }
    if (stride == 2)
        for (; n >= VL; n -= VL, in += 2 * VL, out += VL) store(out, load_even(in));
    for (int64_t i = 0; i < n; ++i) out[i] = in[i * stride];
}

// Packs rows [k0, k0 + k) of the patches of one image and group: `width` columns, rows `ld` apart.
void pack_patches(const Conv &c, const float *x, const Copies &copies, int64_t width, int64_t k0, int64_t k, float *out,
                  int64_t ld) {
    const int64_t taps = c.taps(), stride = c.stride[2];
    const float *plane = x + k0 / taps * c.in_size();
    int64_t tap = k0 % taps;
    for (int64_t i = 0; i < k; ++i, out += ld) {
        if (!copies.whole[tap])
            for (int64_t j = 0; j < width; j += VL) store(out + j, vf{});
        for (int32_t n = copies.begin[tap]; n < copies.begin[tap + 1]; ++n)
            run_copy(copies.list[n], plane, out, stride);
        if (++tap == taps) {
            tap = 0;
            plane += c.in_size();
        }
    }
}

// The same where the input is the matrix of patches.
void pack_input(const Conv &c, const float *x, int64_t first, int64_t columns, int64_t width, int64_t k0, int64_t k,
                float *out) {
    const int64_t ld = c.in_size();
    for (int64_t i = 0; i < k; ++i, out += width) {
        const float *row = x + (k0 + i) * ld + first;
        int64_t j = 0;
        for (; j + VL <= columns; j += VL) store(out + j, load(row + j));
        if (j < width) store(out + j, load_n(row + j, columns - j));
    }
}

// ---- channels as rows ----

constexpr int64_t MAX_K = 1024;  // rows of a panel packed at once: 192 KiB at 48 columns

int64_t blocks(int64_t channels) { return ceil_div(channels, MR); }

// One panel of positions for channels [row, row + rows) of a group; row is a multiple of MR.
void run_panel(const Conv &c, int64_t image, int64_t group, int64_t first, int64_t row, int64_t rows, float *y,
               int64_t ldy) {
    const int64_t columns = least(NR, c.out_size() - first), width = round_up(columns, VL);
    const float *x = c.x + (image * c.group + group) * (c.c / c.group) * c.in_size();
    const float *w = c.w + group * blocks(c.per_group) * MR * c.k;
    float *b = scratch(SCRATCH_B, least(MAX_K, most(c.k, 1)) * width);
    Copies copies{};
    if (!c.pointwise) copies = find_copies(c, first, columns, scratch(SCRATCH_A, copies_floats(c)));
    int64_t k0 = 0;
    do {
        const int64_t k = least(MAX_K, c.k - k0);
        if (c.pointwise)
            pack_input(c, x, first, columns, width, k0, k, b);
        else
            pack_patches(c, x, copies, width, k0, k, b, width);
        for (int64_t r = row; r < row + rows; r += MR) {
            const Part part{w + r * c.k + k0 * MR, b};
            const Tile tile{&part,
                            1,
                            k,
                            1,
                            MR,
                            width,
                            y + (r - row) * ldy,
                            ldy,
                            static_cast<int>(least(MR, row + rows - r)),
                            static_cast<int>(columns)};
            Finish f;
            f.accumulate = k0 > 0;
            if (k0 + k == c.k && c.bias) f.bias_row = c.bias + group * c.per_group + r;
            run_tile(tile, f);
        }
        k0 += k;
    } while (k0 < c.k);
}

// Tasks: images * groups * panels * parts of the channels.
struct Cut {
    int64_t panels, group, channels, parts;  // panels; panels of a task; channels of a task (multiple of MR)
};

Cut cut_conv(const Conv &c) {
    constexpr double TASK = 1.5e6;
    Cut t;
    t.panels = ceil_div(c.out_size(), NR);
    const double panel_work = 2.0 * static_cast<double>(c.per_group * c.k) * NR,
                 units = double(c.n * c.group * t.panels);
    t.group = most(1, least(t.panels, static_cast<int64_t>(TASK / panel_work)));
    t.parts = 1;
    if (units < 16 && panel_work > 2 * TASK)
        t.parts = least(ceil_div(16, static_cast<int64_t>(units)), most(1, c.per_group / (4 * MR)));
    t.channels = round_up(ceil_div(c.per_group, t.parts), MR);
    t.parts = ceil_div(c.per_group, t.channels);
    return t;
}

// [M, K] per group in blocks of MR rows: [M / MR][K][MR], the last block zero-padded. Returns the floats written.
int64_t pack_rows(const float *w, int64_t group, int64_t per_group, int64_t k, float *out) {
    const float *begin = out;
    for (int64_t g = 0; g < group; ++g)
        for (int64_t r0 = 0; r0 < per_group; r0 += MR)
            for (int64_t i = 0; i < k; ++i)
                for (int64_t r = r0; r < r0 + MR; ++r) *out++ = r < per_group ? w[(g * per_group + r) * k + i] : 0.0F;
    return out - begin;
}

int32_t run_rows(const ew_call *call, bool packed) {
    Conv c;
    if (!read_conv(call, c)) return bad_sizes(call);
    const int64_t positions = c.out_size();
    if (c.n * c.m * positions == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, c.fixed, c.inputs, c.n * c.m, positions)) return EW_INVALID_PLAN;
    if (!packed) {
        float *own = scratch(SCRATCH_D, c.group * blocks(c.per_group) * MR * c.k);
        pack_rows(c.w, c.group, c.per_group, c.k, own);
        c.w = own;
    }
    const Cut t = cut_conv(c);
    const bool direct = epilogue.empty() || writes_f32(call);
    const int64_t by_panels = ceil_div(t.panels, t.group);
    parallel(call, c.n * c.group * by_panels * t.parts, [&](int64_t task) {
        const int64_t part = task % t.parts, chunk = task / t.parts % by_panels, unit = task / t.parts / by_panels;
        const int64_t row = part * t.channels, rows = least(t.channels, c.per_group - row);
        const int64_t end = least(t.panels, (chunk + 1) * t.group), start = unit * c.per_group + row;
        for (int64_t p = chunk * t.group; p < end; ++p) {
            const int64_t first = p * NR, columns = least(NR, positions - first);
            float *y = direct ? c.y + start * positions + first : scratch(SCRATCH_C, rows * NR);
            const int64_t ldy = direct ? positions : NR;
            run_panel(c, unit / c.group, unit % c.group, first, row, rows, y, ldy);
            if (!epilogue.empty()) epilogue.run(y, ldy, start, start + rows, first, first + columns);
        }
    });
    return EW_OK;
}

int32_t conv(const ew_call *call) { return run_rows(call, true); }
int32_t conv_dynamic(const ew_call *call) { return run_rows(call, false); }

int32_t pack_rows_of_w(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t group = call->params[0].i, per_group = w.shape[0] / group, k = count(w) / most(1, w.shape[0]);
    clear_rest(call->outputs[0], pack_rows(f32(w), group, per_group, k, static_cast<float *>(call->outputs[0].data)));
    return EW_OK;
}

// ---- positions as rows ----

// A block of positions (rows of the product) and channels of one image and group.
struct Block {
    int64_t group, row, rows, col, columns;
};

// `patches`: the first of the block's positions; y: its first channel and position.
void run_block(const Conv &c, const Block &b, const float *patches, int64_t ld, float *y, int64_t ldy) {
    const int64_t ldt = round_up(b.columns, VL);
    const float *w = c.w + b.group * packed_floats(c.k, c.per_group) + b.col * c.k;
    float *tile = scratch(SCRATCH_D, b.rows * ldt);
    Finish f;
    if (c.bias) f.bias_col = c.bias + b.group * c.per_group + b.col;
    run_gemm({b.rows, b.columns, c.k, {patches, 1, ld}, w, tile, ldt}, f);
    write_transposed(tile, ldt, b.rows, b.columns, y, ldy);
}

// Patches of positions [first, first + n) of one image and group as a matrix [k][n], rows `ld` apart (whole vectors).
void fill_patches(const Conv &c, int64_t unit, int64_t first, int64_t n, float *out, int64_t ld) {
    const float *x = c.x + unit * (c.c / c.group) * c.in_size();
    for (int64_t p = 0; p < n; p += NR) {
        const int64_t columns = least(NR, n - p);
        const Copies copies = find_copies(c, first + p, columns, scratch(SCRATCH_A, copies_floats(c)));
        pack_patches(c, x, copies, round_up(columns, VL), 0, c.k, out + p, ld);
    }
}

struct Swapped {
    const ew_call *call;
    const Conv &c;
    const Epilogue &epilogue;
    bool direct;

    // `patches` of the block's positions, rows `ld` apart.
    void run(int64_t unit, const Block &b, const float *patches, int64_t ld) const {
        const int64_t positions = c.out_size(), start = unit * c.per_group + b.col, ldy = direct ? positions : b.rows;
        float *y = direct ? c.y + start * positions + b.row : scratch(SCRATCH_B, b.columns * b.rows);
        run_block(c, b, patches, ld, y, ldy);
        if (!epilogue.empty()) epilogue.run(y, ldy, start, start + b.columns, b.row, b.row + b.rows);
    }

    // Many positions: each task packs the patches of its own, for all channels.
    void run_by_positions(int64_t rows) const {
        const int64_t positions = c.out_size(), blocks = ceil_div(positions, rows);
        parallel(call, c.n * c.group * blocks, [&](int64_t task) {
            const int64_t unit = task / blocks, row = task % blocks * rows, n = least(rows, positions - row);
            const int64_t ld = round_up(n, VL);
            float *own = scratch(SCRATCH_C, c.k * ld);
            fill_patches(c, unit, row, n, own, ld);
            run(unit, {unit % c.group, row, n, 0, c.per_group}, own, ld);
        });
    }

    // Few positions, or the input is the matrix of patches: all of them first, then blocks of channels and positions.
    void run_by_channels() const {
        const int64_t positions = c.out_size(), units = c.n * c.group, parts = ceil_div(positions, NR);
        const int64_t ld = c.pointwise ? positions : round_up(positions, VL);
        float *own = c.pointwise ? nullptr : scratch(SCRATCH_C, units * c.k * ld);
        if (!c.pointwise)
            parallel(call, units * parts, [&](int64_t task) {
                const int64_t unit = task / parts, first = task % parts * NR;
                fill_patches(c, unit, first, least(NR, positions - first), own + unit * c.k * ld + first, ld);
            });
        const Split s = split_gemm(positions, c.per_group, c.k, units >= 16 ? 1 : 32);
        parallel(call, units * s.tasks(), [&](int64_t task) {
            const int64_t unit = task / s.tasks();
            const auto [row, rows, panel, col, cols] = s.block(task % s.tasks());
            const Block b{unit % c.group, row, rows, col, cols};
            const float *x = c.x + unit * (c.c / c.group) * c.in_size();
            run(unit, b, (c.pointwise ? x : own + unit * c.k * ld) + b.row, ld);
        });
    }
};

int32_t conv_swapped(const ew_call *call) {
    Conv c;
    if (!read_conv(call, c)) return bad_sizes(call);
    const int64_t positions = c.out_size();
    if (c.n * c.m * positions == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, c.fixed, c.inputs, c.n * c.m, positions)) return EW_INVALID_PLAN;
    const Swapped swapped{call, c, epilogue, epilogue.empty() || writes_f32(call)};
    constexpr int64_t ROWS = 2 * NR;  // with 768 rows of patches: 288 KiB, which stays in L2
    if (!c.pointwise && c.n * c.group * ceil_div(positions, ROWS) >= 8)
        swapped.run_by_positions(ROWS);
    else
        swapped.run_by_channels();
    return EW_OK;
}

// Weight [M, K] per group, transposed, in panels of columns.
int32_t pack_columns_of_w(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t group = call->params[0].i, per_group = w.shape[0] / group, k = count(w) / most(1, w.shape[0]);
    float *out = static_cast<float *>(call->outputs[0].data);
    for (int64_t g = 0; g < group; ++g, out += packed_floats(k, per_group))
        pack_panels({f32(w) + g * per_group * k, 1, k}, k, per_group, out);
    clear_rest(call->outputs[0], group * packed_floats(k, per_group));
    return EW_OK;
}

}  // namespace

EW_KERNEL(conv_gemm_f32, conv)
EW_KERNEL(conv_dynamic_f32, conv_dynamic)
EW_KERNEL(pack_conv_rows_f32, pack_rows_of_w)
EW_KERNEL(conv_swapped_f32, conv_swapped)
EW_KERNEL(pack_conv_columns_f32, pack_columns_of_w)

}  // namespace ew::EW_ISA
