// Convolution by Winograd's minimal filtering (winograd_points.h), images with their channels last: for kernels of float32
// and of bfloat16.
//
// F(T, R): T x T outputs of a window of R x R from (T + R - 1)^2 products for each pair of channels, instead of (T R)^2:
// F(2, 3) takes 2.25 times fewer, F(4, 3) 4 times, F(2, 5) 2.8 times. Infinity or NaN in an input reaches all outputs of
// its tiles.
// A window in steps of s is one in steps of 1 over s x s times as many channels, the *phases*: phase (a, b) is every
// s-th pixel from (a, b) on, and sees the taps of the same numbers. So 7 x 7 in steps of 2 is F(3, 4).
// A task turns its tiles into one matrix for each point, multiplies these by the weights' (turned when building), and
// turns the products of a panel back. Inputs and params as for conv_nhwc.cpp.
#pragma once

#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"
#include "cpu/winograd_points.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t INPUT_FLOATS = 150000;                      // of a task's turned inputs: a good half of L2
constexpr int64_t SMALL_PANEL = 130000, ALL_FLOATS = 220000;  // weights that stay in L2, beside inputs and products
constexpr int64_t MOST_TILES = 48;
constexpr int64_t FEW_CHANNELS = 8;  // with fewer in a phase, phases are put side by side first

// What an image holds, `In` in memory, and what is made of it when it has been turned, which happens in float32. A vector
// that is loaded has `PARTS` vectors of numbers in it.
struct FloatImage {
    using In = float;
    static constexpr int PARTS = 1;
    static EW_ALWAYS_INLINE vf take(const float *p, int64_t n) { return n >= VL ? load(p) : load_n(p, n); }
    static EW_ALWAYS_INLINE void put(float *p, vf v, int64_t n) { store_n(p, v, n); }
    static EW_ALWAYS_INLINE vf part(vf loaded, int) { return loaded; }
    static EW_ALWAYS_INLINE vf join(const vf *parts) { return parts[0]; }
};
// Words of two channels in bfloat16, which `channels` counts then; turned ones are rounded to such words again.
struct PairImage : FloatImage {
    static constexpr int PARTS = 2;
    static EW_ALWAYS_INLINE vf part(vf words, int i) {
        return (vf)(i == 0 ? (vi)words << 16 : (vi)words & splat(int32_t(0xffff0000)));
    }
    static EW_ALWAYS_INLINE vf join(const vf *parts) { return (vf)join_bf16(parts[0], parts[1]); }
};
// bfloat16 that becomes float32.
struct NarrowImage : FloatImage {
    using In = uint16_t;
    static EW_ALWAYS_INLINE vf take(const uint16_t *p, int64_t n) { return n >= VL ? load_bf16(p) : load_bf16_n(p, n); }
    static EW_ALWAYS_INLINE void put(uint16_t *p, vf v, int64_t n) { store_bf16_n(p, v, n); }
};

// Output position and image of a tile.
struct Place {
    int64_t image, y, x;
};

// The image as the tiles see it: `phases` squared of `channels` each, `step` pixels apart.
template <typename In>
struct Seen {
    const In *x;
    int64_t in[2], begin[2], pixel;  // numbers of a pixel
    int64_t phases, channels;
    int64_t size() const { return in[0] * in[1] * pixel; }
    int64_t k() const { return phases * phases * channels; }
    // Floats of a turned tile, whose last vector may be cut off.
    int64_t depth() const { return round_up((phases * phases - 1) * channels + round_up(channels, VL), VL); }
};

template <class Image, int SIDE, int T>
struct Job {
    static constexpr int POINTS = SIDE * SIDE;
    using Axis = Filtering<SIDE, T>;
    using In = typename Image::In;
    const LastConv &c;
    const Seen<In> &seen;
    const Panels &panels;
    const NarrowEnding &ending;
    const Epilogue &epilogue;
    int64_t down, across;  // tiles of an image
    int64_t depth;
    const In *zeros;
    int64_t group, first, tiles;
    float *inputs;  // [point][pitch][depth], from the task's first tile on
    int64_t pitch;
    float *products;  // [point][tile][width of a panel]
    float *rows;      // [T][M]: where sums lie that can't be kept in the output

    Place place(int64_t i) const {
        const int64_t tile = first + i, row = tile / across;
        return {row / down, row % down * T, tile % across * T};
    }

    // One vector of channels of one tile; at(i, j): that of a pixel.
    template <typename At>
    EW_ALWAYS_INLINE void turn_vector(At &&at, float *to) const {
        constexpr int PARTS = Image::PARTS;
        vf d[SIDE][SIDE][PARTS];
        for (int part = 0; part < PARTS; ++part) {
            vf half[SIDE][SIDE], column[SIDE];
            for (int j = 0; j < SIDE; ++j) {
                for (int i = 0; i < SIDE; ++i) column[i] = Image::part(at(i, j), part);
                Points<SIDE>::input(column);
                for (int i = 0; i < SIDE; ++i) half[i][j] = column[i];
            }
            for (int i = 0; i < SIDE; ++i) {
                Points<SIDE>::input(half[i]);
                for (int j = 0; j < SIDE; ++j) d[i][j][part] = half[i][j];
            }
        }
        for (int i = 0; i < SIDE; ++i)
            for (int j = 0; j < SIDE; ++j) store(to + (i * SIDE + j) * pitch * depth, Image::join(d[i][j]));
    }

    // One phase of one tile, at row y and column x of the image; all of it is real.
    void turn_inside(const In *from, float *to) const {
        const int64_t down_by = seen.phases * seen.in[1] * seen.pixel, right_by = seen.phases * seen.pixel;
        for (int64_t channel = 0; channel < seen.channels; channel += VL) {
            const int64_t n = seen.channels - channel;
            const In *first = from + channel;
            const auto at = [&](int i, int j) { return first + i * down_by + j * right_by; };
            if (n >= VL)
                turn_vector([&](int i, int j) { return Image::take(at(i, j), VL); }, to + channel);
            else
                turn_vector([&](int i, int j) { return Image::take(at(i, j), n); }, to + channel);
        }
    }

    // The same where some of it is padding.
    void turn_border(const In *image, int64_t y0, int64_t x0, float *to) const {
        const In *pixels[POINTS];
        for (int i = 0; i < SIDE; ++i)
            for (int j = 0; j < SIDE; ++j) {
                const int64_t y = y0 + i * seen.phases, x = x0 + j * seen.phases;
                const bool real = y >= 0 && y < seen.in[0] && x >= 0 && x < seen.in[1];
                pixels[i * SIDE + j] = real ? image + (y * seen.in[1] + x) * seen.pixel : zeros;
            }
        for (int64_t channel = 0; channel < seen.channels; channel += VL) {
            const int64_t n = least(VL, seen.channels - channel);
            turn_vector([&](int i, int j) { return Image::take(pixels[i * SIDE + j] + channel, n); }, to + channel);
        }
    }

    void turn_inputs() const {
        const int64_t reach = (SIDE - 1) * seen.phases;
        for (int64_t t = 0; t < tiles; ++t) {
            const Place p = place(t);
            const In *image = seen.x + p.image * seen.size() + group * c.channels;
            float *to = inputs + t * depth;
            for (int64_t i = 0; i < seen.phases; ++i)
                for (int64_t j = 0; j < seen.phases; ++j, to += seen.channels) {
                    const int64_t y = p.y * seen.phases + i - seen.begin[0], x = p.x * seen.phases + j - seen.begin[1];
                    if (y >= 0 && x >= 0 && y + reach < seen.in[0] && x + reach < seen.in[1])
                        turn_inside(image + (y * seen.in[1] + x) * seen.pixel, to);
                    else
                        turn_border(image, y, x, to);
                }
        }
    }

    void multiply(int64_t panel) const {
        const int64_t vectors = panels.vectors(panel), width = vectors * VL, all = round_up(c.per_group, VL);
        const int64_t blocks = ceil_div(tiles, rows_of_tile(vectors)), step = ceil_div(tiles, blocks), k = seen.k();
        for (int64_t point = 0; point < POINTS; ++point)
            for (int64_t t = 0; t < tiles; t += step) {
                RowsPart part;
                part.b = c.w + ((group * POINTS + point) * all + panels.column(panel)) * k;
                part.k = k;
                const int64_t m = least(step, tiles - t);
                for (int64_t r = 0; r < m; ++r) part.rows[r] = inputs + (point * pitch + t + r) * depth;
                float *to = products + (point * tiles + t) * width;
                const RowsTile tile{&part, 1, to, width, int(m), int(vectors), int(width), c.bf16};
                run_rows_tile(tile, NarrowFinish{});
            }
    }

    // T x T sums of one vector of output channels.
    void turn_back(const float *from, int64_t step, vf bias, vf (&y)[T][T]) const {
        vf half[T][SIDE], column[SIDE], out[T];
        for (int j = 0; j < SIDE; ++j) {
            for (int i = 0; i < SIDE; ++i) column[i] = load(from + (i * SIDE + j) * step);
            Axis::output(column, out);
            for (int i = 0; i < T; ++i) half[i][j] = out[i];
        }
        for (int i = 0; i < T; ++i) {
            Axis::output(half[i], y[i]);
            for (int j = 0; j < T; ++j) y[i][j] += bias;
        }
    }

    void finish(vf v, float *to, int64_t position, int64_t channel, int64_t n) const {
        const NarrowFinish &f = ending.finish;
        const int64_t at = position * f.ld_residual + channel;
        if (f.residual) v += load_n(f.residual + at, n);
        if (f.narrow_residual) v += load_bf16_n(f.narrow_residual + at, n);
        v = bounded(f, v, channel, n);
        if (f.narrow) return store_bf16_n(f.narrow + position * f.ld_narrow + channel, v, n);
        n == VL ? store(to + channel, v) : store_n(to + channel, v, n);
    }

    void write(int64_t panel) const {
        const int64_t width = panels.vectors(panel) * VL, step = tiles * width, columns = panels.columns(panel);
        const int64_t column = group * c.per_group + panels.column(panel);
        for (int64_t t = 0; t < tiles; ++t) {
            const Place p = place(t);
            const int64_t high = least(T, c.out[1] - p.y), wide = least(T, c.out[2] - p.x);
            const int64_t start = p.image * c.out_size() + p.y * c.out[2] + p.x;
            for (int64_t j = 0; j < columns; j += VL) {
                const int64_t n = least(VL, columns - j), channel = column + j;
                const vf bias = ending.finish.bias_col ? load_n(ending.finish.bias_col + channel, n) : vf{};
                vf y[T][T];
                turn_back(products + t * width + j, step, bias, y);
                for (int i = 0; i < high; ++i)
                    for (int k = 0; k < wide; ++k) {
                        const int64_t position = start + i * c.out[2] + k;
                        float *to = ending.in_y ? c.y + position * c.m : rows + (i * T + k) * c.m;
                        finish(y[i][k], to, position, channel, n);
                    }
            }
            if (!ending.rest) continue;
            for (int64_t i = 0; i < high; ++i) {
                const int64_t position = start + i * c.out[2];
                float *from = ending.in_y ? c.y + position * c.m : rows + i * T * c.m;
                epilogue.run(from + column, c.m, position, position + wide, column, column + columns);
            }
        }
    }

    void run(int64_t panel, int64_t last_panel) {
        products = scratch(SCRATCH_B, POINTS * tiles * MAX_VECTORS * VL);
        rows = ending.in_y ? nullptr : scratch(SCRATCH_C, T * T * c.m);
        for (; panel < last_panel; ++panel) {
            multiply(panel);
            write(panel);
        }
    }
};

// Copies the image so that the phases lie side by side, [N, rows, columns, phases * phases * C], with its padding.
template <class Image, typename In = typename Image::In>
void put_phases_together(const ew_call *call, const LastConv &c, Seen<In> &s, In *copy) {
    const int64_t run = s.phases * s.channels, rows = c.n * s.in[0], width = s.in[1] * s.phases * run;
    const int64_t begin = least(s.in[1] * s.phases, c.begin[2]), wide = least(c.in[2], s.in[1] * s.phases - begin);
    parallel(call, ceil_div(rows, 8), [&](int64_t task) {
        auto *line = reinterpret_cast<In *>(scratch(SCRATCH_A, s.in[1] * run));  // a row of the image with its padding
        std::memset(line, 0, sizeof(In) * static_cast<size_t>(s.in[1] * run));
        for (int64_t i = task * 8 * s.phases; i < least(rows, (task + 1) * 8) * s.phases; ++i) {
            const int64_t row = i / s.phases, phase = i % s.phases, y = row % s.in[0] * s.phases + phase - c.begin[1];
            In *to = copy + row * width + phase * run;
            const bool real = y >= 0 && y < c.in[1];
            if (real)
                std::memcpy(line + begin * s.channels, s.x + ((row / s.in[0] * c.in[1] + y) * c.in[2]) * s.channels,
                            sizeof(In) * static_cast<size_t>(wide * s.channels));
            for (int64_t x = 0; x < s.in[1]; ++x, to += s.phases * run)
                for (int64_t k = 0; k < run; k += VL) {
                    const int64_t n = least(VL, run - k);
                    Image::put(to + k, real ? Image::take(line + x * run + k, n) : vf{}, n);
                }
        }
    });
    s = {copy, {s.in[0], s.in[1]}, {0, 0}, s.phases * run, 1, s.phases * run};
}

// What tiles see of `c`, down x across of them of T outputs and SIDE inputs; zeros: as many as a pixel has numbers.
template <class Image, typename In = typename Image::In>
Seen<In> see(const ew_call *call, const LastConv &c, int64_t down, int64_t across, const In **zeros) {
    const auto *x = reinterpret_cast<const In *>(c.x);
    Seen<In> s{x, {c.in[1], c.in[2]}, {c.begin[1], c.begin[2]}, c.c, c.stride[1], c.channels};
    const int64_t none = round_up(s.phases * s.phases * c.channels, VL);
    const bool copies = s.phases > 1 && c.channels < FEW_CHANNELS && c.group == 1;
    if (copies) s.in[0] = down, s.in[1] = across;
    auto *memory = reinterpret_cast<In *>(scratch(SCRATCH_D, none + (copies ? c.n * down * across * s.k() : 0)));
    std::memset(memory, 0, sizeof(In) * static_cast<size_t>(none));
    *zeros = memory;
    if (copies) put_phases_together<Image>(call, c, s, memory + none);
    return s;
}

// Tiles and panels of a task; how many tasks share the inputs of one.
struct Shares {
    int64_t tiles, panels, parts;
};

Shares share(const LastConv &c, const Panels &panels, int64_t k, int64_t depth, int64_t points, int64_t all) {
    const int64_t width = panels.vectors(0) * VL, panel = points * k * width;
    int64_t most_tiles = INPUT_FLOATS / (points * depth);
    if (panel <= SMALL_PANEL) most_tiles = (ALL_FLOATS - panel) / (points * (depth + width));
    const int64_t chunks = ceil_div(all, most(4, least(MOST_TILES, most_tiles)));
    int64_t by_tiles = all >= 8 * chunks ? round_up(chunks, 2) : chunks;
    const int64_t units = by_tiles * c.group;
    const int64_t by_panels = units >= 8 ? 1 : least(panels.count, ceil_div(8, units));
    const int64_t step = ceil_div(panels.count, by_panels), parts = ceil_div(panels.count, step);
    // An odd number of equal tasks leaves one of two threads without work at the end.
    if (by_tiles * c.group * parts % 2 != 0 && all >= 8 * by_tiles) ++by_tiles;
    return {ceil_div(all, by_tiles), step, parts};
}

template <class Image, int SIDE, int T>
int32_t run_filtering(const ew_call *call, const LastConv &c) {
    Epilogue epilogue;
    NarrowEnding ending;
    if (!read_ending(call, c, epilogue, ending)) return EW_INVALID_PLAN;
    const Panels panels(c.per_group);
    const int64_t down = ceil_div(c.out[1], T), across = ceil_div(c.out[2], T), taps = SIDE - T;
    const typename Image::In *zeros;
    const auto seen = see<Image>(call, c, down * T + taps, across * T + taps, &zeros);
    const int64_t depth = seen.depth(), all = c.n * down * across;
    const Shares s = share(c, panels, seen.k(), depth, SIDE * SIDE, all);
    const auto job = [&](int64_t group, int64_t by_tile) {
        const int64_t first = by_tile * s.tiles;
        return Job<Image, SIDE, T>{c,       seen,    panels,  ending, epilogue, down,
                                   across,  depth,   zeros,   group,  first,    least(s.tiles, all - first),
                                   nullptr, s.tiles, nullptr, nullptr};
    };
    const int64_t by_tiles = ceil_div(all, s.tiles), floats = SIDE * SIDE * s.tiles * depth;
    if (s.parts == 1) {
        parallel(call, by_tiles * c.group, [&](int64_t task) {
            auto mine = job(task % c.group, task / c.group);
            mine.inputs = scratch(SCRATCH_A, floats);
            mine.turn_inputs();
            mine.run(0, panels.count);
        });
        return EW_OK;
    }
    // Tasks share turned inputs.
    float *inputs = scratch(SCRATCH_A, c.group * by_tiles * floats);
    const int64_t few = ceil_div(s.tiles, 4);
    parallel(call, by_tiles * c.group * 4, [&](int64_t task) {
        auto mine = job(task / 4 % c.group, task / 4 / c.group);
        const int64_t from = least(mine.tiles, task % 4 * few);
        mine.inputs = inputs + task / 4 * floats + from * depth;
        mine.first += from;
        mine.tiles = least(few, mine.tiles - from);
        mine.turn_inputs();
    });
    parallel(call, by_tiles * c.group * s.parts, [&](int64_t task) {
        const int64_t unit = task / s.parts, panel = task % s.parts * s.panels;
        auto mine = job(unit % c.group, unit / c.group);
        mine.inputs = inputs + unit * floats;
        mine.run(panel, least(panels.count, panel + s.panels));
    });
    return EW_OK;
}

template <class Image, int SIDE>
int32_t run(const ew_call *call) {
    LastConv c;
    if (!read_last_conv(call, c) || c.in[0] != 1 || c.kernel[0] != 1 || c.stride[1] < 1 || c.stride[1] != c.stride[2] ||
        c.channels % Image::PARTS != 0)
        return call->host->error(call, EW_SHAPE, "filtered convolution: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    c.bf16 = Image::PARTS > 1;
    c.c /= Image::PARTS;
    c.channels /= Image::PARTS;
    switch (ceil_div(most(c.kernel[1], c.kernel[2]), c.stride[1])) {
        case 2: return run_filtering<Image, SIDE, SIDE - 1>(call, c);
        case 3: return run_filtering<Image, SIDE, SIDE - 2>(call, c);
        case 4:
            if constexpr (SIDE > 4) return run_filtering<Image, SIDE, SIDE - 3>(call, c);
            break;
        case 5:
            if constexpr (SIDE > 4) return run_filtering<Image, SIDE, SIDE - 4>(call, c);
            break;
        default: break;
    }
    return call->host->error(call, EW_SHAPE, "filtered convolution: a window of another size");
}

// The turned taps of one phase of the window g of a pair of channels.
template <int SIDE, int T>
void turn_window(const float *g, const int64_t *kernel, int64_t phases, int64_t phase, float *to) {
    using Axis = Filtering<SIDE, T>;
    constexpr int R = Axis::R;
    double rows[R][SIDE], column[R], turned[SIDE];
    for (int i = 0; i < R; ++i) {
        double row[R] = {};
        for (int j = 0; j < R; ++j) {
            const int64_t y = i * phases + phase / phases, x = j * phases + phase % phases;
            if (y < kernel[0] && x < kernel[1]) row[j] = g[y * kernel[1] + x];
        }
        Axis::filter(row, rows[i]);
    }
    for (int x = 0; x < SIDE; ++x) {
        for (int i = 0; i < R; ++i) column[i] = rows[i][x];
        Axis::filter(column, turned);
        for (int y = 0; y < SIDE; ++y) to[y * SIDE + x] = static_cast<float>(turned[y]);
    }
}

// A weight, or two as a word.
template <class Image>
void put_weight(float even, float odd, float *to) {
    *to = even;
    if (Image::PARTS > 1) pair_bf16(&even, &odd, 1, reinterpret_cast<int32_t *>(to));
}

// [M, C / group, R, R] to [group][point][panel][phase][C / group][width], the last panel zero-padded; of PARTS channels a
// word.
template <class Image, int SIDE, int T>
void pack_filtering(const ew_call *call, int64_t group, int64_t phases) {
    constexpr int PARTS = Image::PARTS, POINTS = SIDE * SIDE;
    const ew_tensor &w = call->inputs[0];
    const int64_t per_group = w.shape[0] / group, channels = w.shape[1], all = round_up(per_group, VL);
    const int64_t words = channels / PARTS, k = phases * phases * words, size = w.shape[2] * w.shape[3];
    const int64_t floats = group * POINTS * all * k;
    const Panels panels(per_group);
    float *out = static_cast<float *>(call->outputs[0].data);
    parallel(call, group * panels.count, [&](int64_t task) {
        const int64_t g = task / panels.count, p = task % panels.count, width = panels.vectors(p) * VL;
        float *begin = out + g * POINTS * all * k + panels.column(p) * k, turned[PARTS][POINTS];
        for (int64_t point = 0; point < POINTS; ++point)
            std::memset(begin + point * all * k, 0, sizeof(float) * static_cast<size_t>(k * width));
        for (int64_t i = 0; i < k; ++i)
            for (int64_t j = 0; j < panels.columns(p); ++j) {
                const int64_t m = g * per_group + panels.column(p) + j;
                const float *from = f32(w) + (m * channels + i % words * PARTS) * size;
                float *to = begin + i * width + j;
                for (int part = 0; part < PARTS; ++part)
                    turn_window<SIDE, T>(from + part * size, w.shape + 2, phases, i / words, turned[part]);
                for (int point = 0; point < POINTS; ++point, to += all * k)
                    put_weight<Image>(turned[0][point], turned[PARTS - 1][point], to);
            }
    });
    clear_rest(call->outputs[0], floats);
}

// Params: group, step of the window.
template <class Image, int SIDE>
int32_t pack(const ew_call *call) {
    const ew_tensor &w = call->inputs[0];
    const int64_t group = call->params[0].i, phases = call->params[1].i;
    switch (ceil_div(most(w.shape[2], w.shape[3]), phases)) {
        case 2: pack_filtering<Image, SIDE, SIDE - 1>(call, group, phases); return EW_OK;
        case 3: pack_filtering<Image, SIDE, SIDE - 2>(call, group, phases); return EW_OK;
        case 4:
            if constexpr (SIDE > 4) return pack_filtering<Image, SIDE, SIDE - 3>(call, group, phases), EW_OK;
            break;
        case 5:
            if constexpr (SIDE > 4) return pack_filtering<Image, SIDE, SIDE - 4>(call, group, phases), EW_OK;
            break;
        default: break;
    }
    return call->host->error(call, EW_SHAPE, "filtered convolution: a window of another size");
}

}  // namespace

}  // namespace ew::EW_ISA
