// f32 3x3 convolution in steps of 1 by Winograd's minimal filtering, images with their channels last.
//
// F(T, 3): T x T outputs from (T + 2)^2 inputs with as many products, instead of 9 T^2: 2.25 times fewer for T = 2, 4
// times for T = 4 (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2015). The points 0, 0.625,
// -0.625, 1.5, -1.5 keep rounding errors of T = 4 three times lower than the usual 0, 1, -1, 2, -2 do. Infinity or NaN
// in an input reaches all outputs of its tiles.
// A task turns its tiles into one matrix for each point, multiplies these by the weights' (turned when building), and
// turns the products of a panel back. Inputs and params as for conv_nhwc.cpp.
#include "cpu/conv_last.h"
#include "cpu/gemm_rows.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

// One axis of the three transforms: inputs in place, weights, and products to outputs.
template <int T>
struct Transform;

template <>
struct Transform<2> {
    EW_INLINE void input(vf *d) {
        const vf a = d[0] - d[2], b = d[1] + d[2], c = d[2] - d[1], e = d[1] - d[3];
        d[0] = a, d[1] = b, d[2] = c, d[3] = e;
    }
    static void weight(const double *g, double *u) {
        u[0] = g[0];
        u[1] = (g[0] + g[1] + g[2]) / 2;
        u[2] = (g[0] - g[1] + g[2]) / 2;
        u[3] = g[2];
    }
    EW_INLINE void output(const vf *m, vf *y) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    }
};

template <>
struct Transform<4> {
    static constexpr double A = 0.625, B = 1.5, A2 = A * A, B2 = B * B;
    EW_INLINE void input(vf *d) {
        const vf a2 = splat(float(A2)), b2 = splat(float(B2)), sum = splat(float(A2 + B2)),
                 product = splat(float(A2 * B2));
        const vf even = d[4] - b2 * d[2], odd = splat(float(A)) * (d[3] - b2 * d[1]);
        const vf even2 = d[4] - a2 * d[2], odd2 = splat(float(B)) * (d[3] - a2 * d[1]);
        const vf first = product * d[0] - sum * d[2] + d[4], last = product * d[1] - sum * d[3] + d[5];
        d[0] = first, d[1] = even + odd, d[2] = even - odd, d[3] = even2 + odd2, d[4] = even2 - odd2, d[5] = last;
    }
    static void weight(const double *g, double *u) {
        const double n = 2 * A2 * (A2 - B2), n2 = 2 * B2 * (B2 - A2);
        u[0] = g[0] / (A2 * B2);
        u[1] = (g[0] + A * g[1] + A2 * g[2]) / n;
        u[2] = (g[0] - A * g[1] + A2 * g[2]) / n;
        u[3] = (g[0] + B * g[1] + B2 * g[2]) / n2;
        u[4] = (g[0] - B * g[1] + B2 * g[2]) / n2;
        u[5] = g[2];
    }
    EW_INLINE void output(const vf *m, vf *y) {
        const vf plus = m[1] + m[2], minus = m[1] - m[2], plus2 = m[3] + m[4], minus2 = m[3] - m[4];
        y[0] = m[0] + plus + plus2;
        y[1] = splat(float(A)) * minus + splat(float(B)) * minus2;
        y[2] = splat(float(A2)) * plus + splat(float(B2)) * plus2;
        y[3] = splat(float(A2 * A)) * minus + splat(float(B2 * B)) * minus2 + m[5];
    }
};

constexpr int64_t INPUT_FLOATS = 150000;  // of a task's turned inputs: a good half of L2
constexpr int64_t MOST_TILES = 48;

// Output position and image of a tile.
struct Place {
    int64_t image, y, x;
};

template <int T>
struct Job {
    static constexpr int SIDE = T + 2, POINTS = SIDE * SIDE;
    const LastConv &c;
    const Panels &panels;
    const Ending &ending;
    const Epilogue &epilogue;
    int64_t down, across;  // tiles of an image
    int64_t first, tiles;  // tiles of the task
    int64_t depth;         // channels, rounded up to vectors
    const float *zeros;
    float *inputs;    // [point][tile][depth]
    float *products;  // [point][tile][width of a panel]
    float *rows;      // [T][M]: where sums lie that can't be kept in the output

    Place place(int64_t i) const {
        const int64_t tile = first + i, row = tile / across;
        return {row / down, row % down * T, tile % across * T};
    }

    // One vector of channels of one tile.
    void turn_vector(const float *const *pixels, int64_t channel, float *to) const {
        vf d[SIDE][SIDE], column[SIDE];
        const int64_t n = c.channels - channel;
        for (int j = 0; j < SIDE; ++j) {
            for (int i = 0; i < SIDE; ++i) {
                const float *from = pixels[i * SIDE + j] + channel;
                column[i] = n >= VL ? load(from) : load_n(from, n);
            }
            Transform<T>::input(column);
            for (int i = 0; i < SIDE; ++i) d[i][j] = column[i];
        }
        for (int i = 0; i < SIDE; ++i) {
            Transform<T>::input(d[i]);
            for (int j = 0; j < SIDE; ++j) store(to + (i * SIDE + j) * tiles * depth, d[i][j]);
        }
    }

    void turn_inputs() const {
        const float *pixels[POINTS];
        for (int64_t t = 0; t < tiles; ++t) {
            const Place p = place(t);
            const float *image = c.x + p.image * c.in_size() * c.c;
            for (int i = 0; i < SIDE; ++i)
                for (int j = 0; j < SIDE; ++j) {
                    const int64_t y = p.y + i - c.begin[1], x = p.x + j - c.begin[2];
                    const bool real = y >= 0 && y < c.in[1] && x >= 0 && x < c.in[2];
                    pixels[i * SIDE + j] = real ? image + (y * c.in[2] + x) * c.c : zeros;
                }
            for (int64_t channel = 0; channel < c.channels; channel += VL)
                turn_vector(pixels, channel, inputs + t * depth + channel);
        }
    }

    void multiply(int64_t panel) const {
        const int64_t vectors = panels.vectors(panel), width = vectors * VL, all = round_up(c.m, VL);
        const int64_t blocks = ceil_div(tiles, rows_of_tile(vectors)), step = ceil_div(tiles, blocks);
        for (int64_t point = 0; point < POINTS; ++point)
            for (int64_t t = 0; t < tiles; t += step) {
                RowsPart part;
                part.b = c.w + (point * all + panels.column(panel)) * c.channels;
                part.k = c.channels;
                const int64_t m = least(step, tiles - t);
                for (int64_t r = 0; r < m; ++r) part.rows[r] = inputs + (point * tiles + t + r) * depth;
                float *to = products + (point * tiles + t) * width;
                run_rows_tile(
                    {&part, 1, to, width, static_cast<int>(m), static_cast<int>(vectors), static_cast<int>(width)},
                    Finish{});
            }
    }

    // T x T sums of one vector of output channels.
    void turn_back(const float *from, int64_t step, vf bias, vf (&y)[T][T]) const {
        vf half[T][SIDE], column[SIDE], out[T];
        for (int j = 0; j < SIDE; ++j) {
            for (int i = 0; i < SIDE; ++i) column[i] = load(from + (i * SIDE + j) * step);
            Transform<T>::output(column, out);
            for (int i = 0; i < T; ++i) half[i][j] = out[i];
        }
        for (int i = 0; i < T; ++i) {
            Transform<T>::output(half[i], y[i]);
            for (int j = 0; j < T; ++j) y[i][j] += bias;
        }
    }

    void finish(vf v, float *to, int64_t position, int64_t channel, int64_t n) const {
        const Finish &f = ending.finish;
        if (f.residual) v += load_n(f.residual + position * f.ld_residual + channel, n);
        v = bounded(f, v);
        n >= VL ? store(to, v) : store_n(to, v, n);
    }

    void write(int64_t panel) const {
        const int64_t width = panels.vectors(panel) * VL, step = tiles * width, column = panels.column(panel);
        const int64_t columns = panels.columns(panel);
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
                        finish(y[i][k], to + channel, position, channel, n);
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
        inputs = scratch(SCRATCH_A, POINTS * tiles * depth);
        products = scratch(SCRATCH_B, POINTS * tiles * MAX_VECTORS * VL);
        rows = ending.in_y ? nullptr : scratch(SCRATCH_C, T * T * c.m);
        turn_inputs();
        for (; panel < last_panel; ++panel) {
            multiply(panel);
            write(panel);
        }
    }
};

template <int T>
int32_t run(const ew_call *call) {
    LastConv c;
    if (!read_last_conv(call, c) || c.in[0] != 1 || c.kernel[0] != 1 || c.kernel[1] != 3 || c.kernel[2] != 3 ||
        c.group != 1)
        return call->host->error(call, EW_SHAPE, "3x3 convolution: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, c.fixed, c.inputs, c.positions(), c.m)) return EW_INVALID_PLAN;
    Ending ending;
    ending.finish.bias_col = c.bias;
    ending.rest = !epilogue.empty() && !epilogue.as_finish(ending.finish);
    ending.in_y = !ending.rest || writes_f32(call);
    const Panels panels(c.m);
    const int64_t depth = round_up(most(1, c.channels), VL), down = ceil_div(c.out[1], T),
                  across = ceil_div(c.out[2], T);
    const int64_t all = c.n * down * across, most_tiles = INPUT_FLOATS / (Job<T>::POINTS * depth);
    const int64_t chunks = ceil_div(all, most(4, least(MOST_TILES, most_tiles)));
    const int64_t by_tiles = all >= 8 * chunks ? round_up(chunks, 2) : chunks, tiles = ceil_div(all, by_tiles);
    // Every part of the panels turns the inputs again.
    const int64_t by_panels = by_tiles >= 8 ? 1 : least(panels.count, ceil_div(8, by_tiles));
    const int64_t step = ceil_div(panels.count, by_panels), parts = ceil_div(panels.count, step);
    float *zeros = scratch(SCRATCH_D, depth);
    std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(depth));
    parallel(call, ceil_div(all, tiles) * parts, [&](int64_t task) {
        const int64_t first = task / parts * tiles, panel = task % parts * step;
        Job<T> job{c,     panels, ending,  epilogue, down,   across, first, least(tiles, all - first),
                   depth, zeros,  nullptr, nullptr,  nullptr};
        job.run(panel, least(panels.count, panel + step));
    });
    return EW_OK;
}

// [M, C, 3, 3] to [point][panel][C][width], the last panel zero-padded.
template <int T>
int32_t pack(const ew_call *call) {
    constexpr int SIDE = T + 2, POINTS = SIDE * SIDE;
    const ew_tensor &w = call->inputs[0];
    const int64_t m = w.shape[0], channels = w.shape[1], all = round_up(m, VL);
    const Panels panels(m);
    float *out = static_cast<float *>(call->outputs[0].data);
    std::memset(out, 0, sizeof(float) * static_cast<size_t>(POINTS * all * channels));
    for (int64_t p = 0; p < panels.count; ++p)
        for (int64_t j = 0; j < panels.columns(p); ++j)
            for (int64_t k = 0; k < channels; ++k) {
                const float *g = f32(w) + ((panels.column(p) + j) * channels + k) * 9;
                double rows[3][SIDE], column[3], turned[SIDE];
                for (int i = 0; i < 3; ++i) {
                    const double row[3] = {g[3 * i], g[3 * i + 1], g[3 * i + 2]};
                    Transform<T>::weight(row, rows[i]);
                }
                float *to = out + panels.column(p) * channels + k * panels.vectors(p) * VL + j;
                for (int x = 0; x < SIDE; ++x) {
                    for (int i = 0; i < 3; ++i) column[i] = rows[i][x];
                    Transform<T>::weight(column, turned);
                    for (int y = 0; y < SIDE; ++y) to[(y * SIDE + x) * all * channels] = static_cast<float>(turned[y]);
                }
            }
    clear_rest(call->outputs[0], POINTS * all * channels);
    return EW_OK;
}

}  // namespace

EW_KERNEL(winograd2_nhwc_f32, run<2>)
EW_KERNEL(winograd4_nhwc_f32, run<4>)
EW_KERNEL(pack_winograd2_nhwc_f32, pack<2>)
EW_KERNEL(pack_winograd4_nhwc_f32, pack<4>)

}  // namespace ew::EW_ISA
