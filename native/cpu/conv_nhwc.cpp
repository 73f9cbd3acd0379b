// Convolution of float32 images with their channels last: no patches are copied, each row of a tile points at a pixel.
//
// Rows of a tile are output positions, columns output channels. Every tap of the window is a part of a batch-reduce
// product: the pixel that each position sees through it, or zeros where that lies in the padding.
// Inputs x [N, spatial, C], packed w (logical shape [M, C / group, kernel]), bias [M] if any. Params: group, number of
// inputs, then stride, dilation, padding for each spatial axis, then the fused program (rows: positions, columns: M).
//
// In bfloat16 the same is done with half as many "channels", which are words of two (narrow_gemm.h). An image of bfloat16
// with an even number of channels consists of such words; one of float32 is rounded to them, by the task that sees a pixel
// where that is one task or two, else as a whole. The output is float32 or bfloat16. Words of an odd number of channels, as a
// signal has, would be half empty: where the window goes along a row in even steps and has an even number of taps, words are
// pairs along the row instead.
#include "cpu/conv_last.h"
#include "cpu/gemm_rows.h"
#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"
#include "cpu/weight_panels.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t FEW_FLOATS = 1 << 12;    // of weights, 16 KiB: half of L1
constexpr int64_t BLOCK_FLOATS = 1 << 16;  // of a panel, for all tiles of a task in turn: 256 KiB, a part of L2
constexpr int64_t MOST_CHANNELS = 1024;    // of a part
constexpr int64_t MOST_POSITIONS = 256;    // of a task
constexpr int64_t FEW_CHANNELS = 40;       // taps of a row are joined up to here
constexpr int64_t FEW_TASKS = 2;           // that may round the same pixels again
constexpr int TILE = MAX_ROWS_OF_TILE;

struct Cut {
    int64_t rows, by_rows;      // positions of a task
    int64_t panels, by_panels;  // panels of a task
};

// Tasks of some 10 us or more, of 3 us where there would be a single one; weights are read again for each block of
// positions, so these are few.
Cut cut(const LastConv &c, const Panels &p) {
    constexpr double SMALL_TASK = 3e5, MOST = 24;
    const double TASK = c.bf16 ? 0.75e6 : 1.5e6;  // of 1.5 million products three would leave one of two threads idle
    const int64_t positions = c.positions();
    const double work = 2.0 * static_cast<double>(positions * c.per_group) * static_cast<double>(c.channels * c.taps());
    int64_t wanted = static_cast<int64_t>(work / TASK > MOST ? MOST : work / TASK);
    if (wanted < 2) wanted = work < 2 * SMALL_TASK ? 1 : 2;
    Cut t;
    t.by_rows =
        most(1, most(ceil_div(positions, MOST_POSITIONS), least(positions / (4 * MR), ceil_div(wanted, p.count))));
    t.by_panels = most(1, least(p.count, ceil_div(wanted, t.by_rows * c.group)));
    t.panels = ceil_div(p.count, t.by_panels);
    t.by_panels = ceil_div(p.count, t.panels);
    // An odd number of equal tasks leaves one of two threads without work at the end.
    if (t.by_rows > 1 || t.by_panels > 1) t.by_rows += t.by_rows * t.by_panels * c.group % 2;
    t.rows = ceil_div(positions, t.by_rows);
    t.by_rows = ceil_div(positions, t.rows);
    return t;
}

// One tap of the window: elements of the axes from its first pixel, and floats of x.
struct Tap {
    int64_t offset;
    int32_t z, y, x;
};

// Where the window of each row of a tile begins, padding counted; a tile of fewer rows repeats its first.
struct Places {
    int64_t at[TILE];  // floats from x; before it where there is padding
    int32_t z[TILE], y[TILE], x[TILE];
    bool inside;  // no row sees padding
};

void list_taps(const LastConv &c, Tap *taps) {
    for (int64_t z = 0; z < c.kernel[0]; ++z)
        for (int64_t y = 0; y < c.kernel[1]; ++y)
            for (int64_t x = 0; x < c.kernel[2]; ++x) {
                const int64_t at[3] = {z * c.dilation[0], y * c.dilation[1], x * c.dilation[2]};
                *taps++ = {((at[0] * c.in[1] + at[1]) * c.in[2] + at[2]) * c.c, static_cast<int32_t>(at[0]),
                           static_cast<int32_t>(at[1]), static_cast<int32_t>(at[2])};
            }
}

// The tiles of positions [first, first + rows).
void find_places(const LastConv &c, int64_t first, int64_t rows, int64_t tile, Places *out) {
    if (is_product(c)) {
        for (int64_t row = 0; row < rows; row += tile, ++out) {
            out->inside = true;
            for (int64_t r = 0; r < TILE; ++r) out->at[r] = (first + row + (r < rows - row ? r : 0)) * c.c;
        }
        return;
    }
    int64_t image = first / c.out_size();
    const int64_t rest = first % c.out_size();
    int64_t at[3] = {rest / (c.out[1] * c.out[2]), rest / c.out[2] % c.out[1], rest % c.out[2]}, reach[3];
    for (int i = 0; i < 3; ++i) reach[i] = c.in[i] - (c.kernel[i] - 1) * c.dilation[i];
    for (int64_t row = 0; row < rows; ++out) {
        out->inside = true;
        for (int64_t r = 0; r < tile && row < rows; ++r, ++row) {
            int64_t from[3];
            for (int i = 0; i < 3; ++i) {
                from[i] = at[i] * c.stride[i] - c.begin[i];
                out->inside &= from[i] >= 0 && from[i] < reach[i];
            }
            out->at[r] = (((image * c.in[0] + from[0]) * c.in[1] + from[1]) * c.in[2] + from[2]) * c.c;
            out->z[r] = static_cast<int32_t>(from[0]);
            out->y[r] = static_cast<int32_t>(from[1]);
            out->x[r] = static_cast<int32_t>(from[2]);
            for (int64_t same = r + 1; r == 0 && same < TILE; ++same) {
                out->at[same] = out->at[0];
                out->z[same] = out->z[0], out->y[same] = out->y[0], out->x[same] = out->x[0];
            }
            int axis = 2;
            while (axis >= 0 && ++at[axis] == c.out[axis]) at[axis--] = 0;
            image += axis < 0;
        }
    }
}

// The image before it becomes words: float32, or bfloat16 with an odd number of channels.
struct Rounding {
    const float *x = nullptr;
    const uint16_t *narrow = nullptr;
    int64_t channels = 0;
};

void round_pixels(const Rounding &r, int64_t first, int64_t pixels, int32_t *out) {
    const int64_t n = r.channels;
    if (r.narrow) {
        const uint16_t *x = r.narrow + first * n;
        for (int64_t i = 0; i < pixels; ++i, x += n, out += bf16_steps(n)) {
            out[n / 2] = 0;
            std::memcpy(out, x, sizeof(uint16_t) * static_cast<size_t>(n));
        }
        return;
    }
    const float *x = r.x + first * n;
    if (n % 2 == 0)  // pixels follow each other without a gap
        pack_bf16_rows({x, 0, 1}, 1, pixels * n, out, 0);
    else
        pack_bf16_rows({x, n, 1}, pixels, n, out, bf16_steps(n));
}

// One task: positions [first, first + rows), some panels of one group.
struct Job {
    const LastConv &c;
    const Panels &panels;
    const NarrowEnding &ending;
    const Epilogue &epilogue;
    int64_t group, first, rows, panel, last_panel;
    bool runs;  // taps of a row see pixels that follow each other, all channels of them
    float *y;   // of the first position and channel 0 of the group; else room for the sums of a panel
    int64_t ld;
    const float *zeros;
    const Tap *taps;
    const float *x;     // what places are relative to
    Rounding rounding;  // with x: the task rounds the pixels that it sees, those of its positions
};

// What a block of a panel multiplies: taps [tap, end) and `depth` channels from `channel` on.
struct Block {
    int64_t index, tap, end, channel, depth;
    bool begins, ends;
};

// The pixel that each row of a tile sees through a tap, or zeros; false if none sees any.
bool find_pixels(const LastConv &c, const Places &p, const Tap &tap, int64_t shift, const float *zeros,
                 const float **rows) {
    bool any = false;
    for (int r = 0; r < TILE; ++r) {
        const int64_t z = p.z[r] + tap.z, y = p.y[r] + tap.y, x = p.x[r] + tap.x;
        const bool real = z >= 0 && z < c.in[0] && y >= 0 && y < c.in[1] && x >= 0 && x < c.in[2];
        rows[r] = (real ? c.x + p.at[r] + tap.offset : zeros) + shift;
        any |= real;
    }
    return any;
}

// Parts of a tile for a block of weights `w`; taps through which all its rows see padding drop out.
int64_t list_parts(const Job &j, const Block &b, const Places &p, const float *w, int64_t width, RowsPart *parts) {
    const int64_t shift = j.group * j.c.channels + b.channel;
    int64_t n = 0;
    for (int64_t tap = b.tap; tap < b.end; ++tap) {
        RowsPart &part = parts[n];
        part.b = w + (tap * j.c.channels + b.channel) * width;
        part.k = b.depth;
        if (p.inside) {
            if (j.runs) {  // the pixels that taps of a row see follow each other, and so do the weights
                const int64_t wide = j.c.kernel[2], end = least(b.end, (tap / wide + 1) * wide);
                part.k *= end - tap;
                const float *from = j.x + j.taps[tap].offset;
                for (int r = 0; r < TILE; ++r) part.rows[r] = from + p.at[r];
                tap = end - 1;
                ++n;
                continue;
            }
            const float *from = j.x + j.taps[tap].offset + shift;
            for (int r = 0; r < TILE; ++r) part.rows[r] = from + p.at[r];
            ++n;
        } else {
            n += find_pixels(j.c, p, j.taps[tap], shift, j.zeros, part.rows);
        }
    }
    return n;
}

// One tile, whose first position is `row` behind the task's first.
void run_tile_of(const Job &j, const Block &b, int64_t row, int64_t m, const Places &places, RowsPart *parts) {
    const LastConv &c = j.c;
    const int64_t vectors = j.panels.vectors(b.index), column = j.panels.column(b.index);
    const int64_t columns = j.panels.columns(b.index), channel0 = j.group * c.per_group + column;
    const float *w = c.w + (j.group * round_up(c.per_group, VL) + column) * c.channels * c.taps();
    NarrowFinish f;
    if (b.ends) f = moved_finish(j.ending.finish, j.first + row, channel0);
    f.bias_col = b.begins && j.ending.finish.bias_col ? j.ending.finish.bias_col + channel0 : nullptr;
    f.accumulate = !b.begins;
    float *y = j.y + row * j.ld + (j.ending.in_y ? column : 0);
    const int64_t n = list_parts(j, b, places, w, vectors * VL, parts);
    run_rows_tile(
        {parts, n, y, j.ld, static_cast<int>(m), static_cast<int>(vectors), static_cast<int>(columns), c.bf16}, f);
    if (b.ends && j.ending.rest)
        j.epilogue.run(y, j.ld, j.first + row, j.first + row + m, channel0, channel0 + columns);
}

// Calls fn(block) for the blocks of a panel, each small enough to stay in L2.
template <typename Fn>
void for_blocks(const LastConv &c, const Panels &panels, int64_t index, Fn &&fn) {
    const int64_t taps = c.taps(), width = panels.vectors(index) * VL;
    const int64_t blocks = ceil_div(c.channels, MOST_CHANNELS), k = most(1, ceil_div(c.channels, blocks));
    const int64_t step = most(1, least(taps, BLOCK_FLOATS / (k * width)));
    for (int64_t channel = 0; channel < c.channels; channel += k)
        for (int64_t tap = 0; tap < taps; tap += step) {
            const int64_t end = least(taps, tap + step), depth = least(k, c.channels - channel);
            const bool ends = channel + depth == c.channels && end == taps;
            fn(Block{index, tap, end, channel, depth, channel == 0 && tap == 0, ends});
        }
}

void run_job(Job j) {
    const int64_t taps = j.c.taps(), count = j.last_panel - j.panel;
    const int64_t tiles = ceil_div(j.rows, rows_of_tile(j.panels.vectors(j.panel))), tile = ceil_div(j.rows, tiles);
    const int64_t for_places = round_up(tiles * static_cast<int64_t>(sizeof(Places) / sizeof(float)), VL);
    const bool rounds = j.rounding.x || j.rounding.narrow;
    float *memory = scratch(SCRATCH_A, for_places + (rounds ? j.rows * j.c.c : 0));
    auto *places = reinterpret_cast<Places *>(memory);
    auto *parts =
        reinterpret_cast<RowsPart *>(scratch(SCRATCH_B, taps * static_cast<int64_t>(sizeof(RowsPart) / sizeof(float))));
    if (rounds) {
        LastConv seen = j.c;
        seen.n = seen.in[0] = seen.in[1] = seen.out[0] = seen.out[1] = 1;
        seen.in[2] = seen.out[2] = j.rows;
        round_pixels(j.rounding, j.first, j.rows, reinterpret_cast<int32_t *>(memory + for_places));
        find_places(seen, 0, j.rows, tile, places);
        j.x = memory + for_places;
    } else {
        find_places(j.c, j.first, j.rows, tile, places);
    }
    const auto run_rows = [&](int64_t row, const Block &b) {
        run_tile_of(j, b, row, least(tile, j.rows - row), places[row / tile], parts);
    };
    if (j.c.channels * taps * count * MAX_VECTORS * VL <= FEW_FLOATS) {  // all stay in L1: write whole rows of y
        for (int64_t row = 0; row < j.rows; row += tile)
            for (int64_t index = j.panel; index < j.last_panel; ++index)
                run_rows(row, Block{index, 0, taps, 0, j.c.channels, true, true});
        return;
    }
    for (int64_t index = j.panel; index < j.last_panel; ++index)
        for_blocks(j.c, j.panels, index, [&](const Block &b) {
            for (int64_t row = 0; row < j.rows; row += tile) run_rows(row, b);
        });
}

// Few channels: the taps of a row are one with their channels side by side. `copy`: for the image with its rows padded.
void join_taps(const ew_call *call, LastConv &c, float *copy) {
    const int64_t width = (c.out[2] - 1) * c.stride[2] + c.kernel[2], rows = c.n * c.in[0] * c.in[1];
    const int64_t begin = least(c.begin[2], width), real = most(0, least(c.in[2], width - begin)),
                  group = 1 + 8192 / width;
    if (copy)
        parallel(call, ceil_div(rows, group), [&](int64_t task) {
            for (int64_t row = task * group; row < least(rows, (task + 1) * group); ++row) {
                float *to = copy + row * width * c.c;
                std::memset(to, 0, sizeof(float) * static_cast<size_t>(begin * c.c));
                std::memcpy(to + begin * c.c, c.x + row * c.in[2] * c.c,
                            sizeof(float) * static_cast<size_t>(real * c.c));
                std::memset(to + (begin + real) * c.c, 0,
                            sizeof(float) * static_cast<size_t>((width - begin - real) * c.c));
            }
        });
    if (copy) {
        c.x = copy;
        c.in[2] = width;
        c.begin[2] = 0;
    }
    c.channels *= c.kernel[2];
    c.kernel[2] = 1;
}

// Rounds the image as a whole. Groups have an even number of channels, or there is one group.
void round_image(const ew_call *call, const Rounding &r, int64_t pixels, int32_t *words) {
    const int64_t task = 1 + 8192 / most(1, r.channels), step = bf16_steps(r.channels);
    parallel(call, ceil_div(pixels, task),
             [&](int64_t i) { round_pixels(r, i * task, least(task, pixels - i * task), words + i * task * step); });
}

// Zeros that stand for padding, taps, and copies of the image, rounded or with taps joined, which `c` then sees.
struct Prepared {
    float *zeros;
    Tap *taps;
};

Prepared prepare(const ew_call *call, LastConv &c, const Rounding &rounding, bool rounds) {
    const int64_t image = rounds ? round_up(c.n * c.in_size() * c.c, VL) : 0;
    const bool joins = !c.bf16 && c.group == 1 && c.c <= FEW_CHANNELS && c.kernel[2] > 1 && c.dilation[2] == 1;
    const int64_t width = (c.out[2] - 1) * c.stride[2] + c.kernel[2], none = round_up(c.c * c.kernel[2], VL);
    const int64_t for_taps = round_up(c.taps() * static_cast<int64_t>(sizeof(Tap) / sizeof(float)), VL);
    const bool copies = joins && (c.begin[2] > 0 || width > c.in[2]);
    const int64_t joined = copies ? c.n * c.in[0] * c.in[1] * width * c.c : 0;
    float *zeros = scratch(SCRATCH_D, none + for_taps + image + joined), *images = zeros + none + for_taps;
    std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(none));
    if (image > 0) {
        const int64_t pixels = c.n * c.in_size() * c.c / most(1, bf16_steps(rounding.channels));
        round_image(call, rounding, pixels, reinterpret_cast<int32_t *>(images));
        c.x = images;
    }
    if (joins) join_taps(call, c, copies ? images + image : nullptr);
    auto *taps = reinterpret_cast<Tap *>(zeros + none);
    list_taps(c, taps);
    return {zeros, taps};
}

Rounding rounding_of(const ew_tensor &x, const LastConv &c) {
    if (x.dtype == EW_BFLOAT16) return {nullptr, static_cast<const uint16_t *>(x.data), c.c};
    return {c.x, nullptr, c.c};
}

void count_words(LastConv &c) {
    c.c = bf16_steps(c.c);
    c.channels = bf16_steps(c.channels);
    c.bf16 = true;
}

// Whether words are pairs along a row; the tactic asks the same when weights are packed.
bool has_pairs(const LastConv &c) {
    const bool even = c.kernel[2] % 2 == 0 && c.stride[2] % 2 == 0 && c.begin[2] % 2 == 0;
    return c.group == 1 && c.c % 2 != 0 && c.dilation[2] == 1 && even;
}

// A row of pixels becomes a row of words: windows see half as many, in steps half as long.
void count_pairs(LastConv &c, Rounding &rounding) {
    rounding.channels = c.in[2] * c.c;  // rows are rounded as pixels are, a zero behind an odd number
    c.in[2] = bf16_steps(rounding.channels);
    c.kernel[2] = c.kernel[2] / 2 * c.c;
    c.stride[2] = c.stride[2] / 2 * c.c;
    c.begin[2] = c.begin[2] / 2 * c.c;
    c.c = c.channels = 1;
    c.bf16 = true;
}

int32_t run_typed(const ew_call *call, bool bf16) {
    LastConv c;
    if (!read_last_conv(call, c)) return call->host->error(call, EW_SHAPE, "convolution: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    Epilogue epilogue;
    NarrowEnding ending;
    if (!read_ending(call, c, epilogue, ending)) return EW_INVALID_PLAN;
    if (bf16 && c.group > 1 && c.channels % 2 != 0)
        return call->host->error(call, EW_SHAPE, "convolution in bfloat16: groups of an odd number of channels");
    Rounding rounding = rounding_of(call->inputs[0], c);
    const bool pairs = bf16 && has_pairs(c);
    if (pairs) count_pairs(c, rounding);
    const bool is_words = !bf16 || (rounding.narrow && rounding.channels % 2 == 0);
    if (bf16 && !pairs) count_words(c);
    const Panels panels(c.per_group);
    const Cut t = cut(c, panels);
    const bool late = !is_words && !pairs && c.group == 1 && is_product(c) && t.by_panels <= FEW_TASKS;
    const Prepared prepared = prepare(call, c, rounding, !is_words && !late);
    parallel(call, c.group * t.by_rows * t.by_panels, [&](int64_t task) {
        const int64_t by_panel = task % t.by_panels, by_row = task / t.by_panels % t.by_rows;
        Job j{c,
              panels,
              ending,
              epilogue,
              task / t.by_panels / t.by_rows,
              by_row * t.rows,
              0,
              by_panel * t.panels,
              least(panels.count, (by_panel + 1) * t.panels),
              c.group == 1 && c.dilation[2] == 1 && c.channels <= MOST_CHANNELS,
              nullptr,
              0,
              prepared.zeros,
              prepared.taps,
              c.x,
              late ? rounding : Rounding{}};
        j.rows = least(t.rows, c.positions() - j.first);
        constexpr int64_t WIDEST = MAX_VECTORS * VL;
        j.ld = ending.in_y ? c.m : WIDEST;
        j.y = ending.in_y ? c.y + j.first * c.m + j.group * c.per_group : scratch(SCRATCH_C, j.rows * WIDEST);
        run_job(j);
    });
    return EW_OK;
}

int32_t run(const ew_call *call) { return run_typed(call, false); }
int32_t run_bf16(const ew_call *call) { return run_typed(call, true); }

// [M, C, taps] to [panel][pair of a row's taps and channels][width].
void pack_pairs(const ew_tensor &w, const Panels &panels, float *out) {
    const int64_t channels = w.shape[1], taps = count(w) / most(1, w.shape[0] * channels);
    const int64_t row = w.shape[w.rank - 1] * channels;  // numbers
    for (int64_t p = 0; p < panels.count; ++p)
        out = write_panel(panels, p, taps * channels, true, out, [&](int64_t at, int64_t m) {
            const int64_t tap = at / row * w.shape[w.rank - 1] + at % row / channels;
            return m < w.shape[0] ? f32(w)[(m * channels + at % channels) * taps + tap] : 0.0F;
        });
}

// [M, C / group, taps] to [group][panel][tap][C / group][width], the last panel zero-padded; in bfloat16 pairs of channels
// are words, or pairs along a row. Params: group, pairs along a row.
int32_t pack_typed(const ew_call *call, bool bf16) {
    const ew_tensor &w = call->inputs[0];
    const int64_t group = call->params[0].i, per_group = w.shape[0] / group, channels = w.shape[1];
    const int64_t taps = count(w) / most(1, w.shape[0] * channels);
    const Panels panels(per_group);
    float *out = static_cast<float *>(call->outputs[0].data), *begin = out;
    if (bf16 && call->n_params > 1 && call->params[1].i != 0) {
        pack_pairs(w, panels, out);
        clear_rest(call->outputs[0], taps * channels / 2 * round_up(per_group, VL));
        return EW_OK;
    }
    for (int64_t g = 0; g < group; ++g)
        for (int64_t p = 0; p < panels.count; ++p)
            for (int64_t tap = 0; tap < taps; ++tap)
                out = write_panel(panels, p, channels, bf16, out, [&](int64_t channel, int64_t m) {
                    const bool real = m < per_group && channel < channels;
                    return real ? f32(w)[((g * per_group + m) * channels + channel) * taps + tap] : 0.0F;
                });
    clear_rest(call->outputs[0], out - begin);
    return EW_OK;
}

int32_t pack(const ew_call *call) { return pack_typed(call, false); }
int32_t pack_bf16(const ew_call *call) { return pack_typed(call, true); }

}  // namespace

EW_KERNEL(conv_nhwc_f32, run)
EW_KERNEL(pack_conv_nhwc_f32, pack)
EW_KERNEL(conv_nhwc_bf16, run_bf16)
EW_KERNEL(pack_conv_nhwc_bf16, pack_bf16)

}  // namespace ew::EW_ISA
