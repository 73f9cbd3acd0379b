// Convolution along one axis in steps of 1 by Winograd's minimal filtering, images with their channels last.
//
// F(T, K): T outputs from P = T + K - 1 inputs with P products instead of T K, so 5 taps need 2.5 times fewer with P = 8
// points, 3 taps 2 times fewer with 6 and 2.25 times with 8. The points 0, 0.625, -0.625, 1, -1, ... keep rounding errors
// lower than the usual 0, 1, -1, 2, -2, 0.5, -0.5 do. Infinity or NaN in an input reaches all outputs of its tile.
// A dilated axis, or one with others behind it, is a line on which neighbouring inputs lie `step` pixels apart.
// Tiles are turned into one matrix for each point, these multiplied by the weights' (turned when building), and the
// products of a panel turned back. Inputs and params as for conv_nhwc.cpp.
//
// In bfloat16 the image is of that type, and what has been turned, image and weights, is rounded to it once more; words of
// two channels are multiplied (narrow_gemm.h), sums are float32, and so are the turns. With 8 points errors would be 5 times
// those of plain products, 1.3e-2 by norm, so there are 6: 2.4 times.
#include "cpu/narrow_ending.h"

namespace ew::EW_ISA {

namespace {

// Finite points other than 0 come in pairs a, -a; the last point is infinity.
template <int P>
struct Points;
template <>
struct Points<6> {
    static constexpr int PAIRS = 2;
    static constexpr double at[PAIRS] = {0.625, 1.5};
    // prod(x^2 - a^2) over all pairs, and over all but one; the lowest power first.
    static constexpr double A = at[0] * at[0], B = at[1] * at[1];
    static constexpr double all[PAIRS + 1] = {A * B, -(A + B), 1};
    static constexpr double but[PAIRS][PAIRS] = {{-B, 1}, {-A, 1}};
};
template <>
struct Points<8> {
    static constexpr int PAIRS = 3;
    static constexpr double at[PAIRS] = {0.625, 1, 1.625};
    static constexpr double A = at[0] * at[0], B = at[1] * at[1], C = at[2] * at[2];
    static constexpr double all[PAIRS + 1] = {-A * B * C, A * B + A * C + B * C, -(A + B + C), 1};
    static constexpr double but[PAIRS][PAIRS] = {{B * C, -(B + C), 1}, {A * C, -(A + C), 1}, {A * B, -(A + B), 1}};
};

// sum of c[i] d[2 i], the last c being 1.
template <int N>
EW_INLINE vf every_second(const double (&c)[N], const vf *d) {
    vf sum = d[2 * (N - 1)];
#pragma GCC unroll 4
    for (int i = 0; i < N - 1; ++i) sum += splat(float(c[i])) * d[2 * i];
    return sum;
}

template <int P>
EW_INLINE void turn_input(const vf *d, vf *u) {
    using Of = Points<P>;
    u[0] = every_second(Of::all, d);
    u[P - 1] = every_second(Of::all, d + 1);
#pragma GCC unroll 4
    for (int i = 0; i < Of::PAIRS; ++i) {
        const vf even = every_second(Of::but[i], d + 2),
                 odd = splat(float(Of::at[i])) * every_second(Of::but[i], d + 1);
        u[2 * i + 1] = even + odd;
        u[2 * i + 2] = even - odd;
    }
}

constexpr double power(double x, int n) { return n == 0 ? 1 : x * power(x, n - 1); }

template <int P, int T>
EW_INLINE void turn_output(const vf *m, vf *y) {
    using Of = Points<P>;
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) y[t] = vf{};
    y[0] = m[0];
#pragma GCC unroll 4
    for (int i = 0; i < Of::PAIRS; ++i) {
        const vf even = m[2 * i + 1] + m[2 * i + 2], odd = m[2 * i + 1] - m[2 * i + 2];
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) y[t] += splat(float(power(Of::at[i], t))) * (t % 2 ? odd : even);
    }
    y[T - 1] += m[P - 1];
}

// u: what P points see of the taps g.
template <int P>
void turn_weight(const double *g, int taps, double *u) {
    double points[P - 1] = {};
    for (int i = 0; i < Points<P>::PAIRS; ++i)
        points[2 * i + 1] = Points<P>::at[i], points[2 * i + 2] = -points[2 * i + 1];
    for (int p = 0; p < P - 1; ++p) {
        double sum = 0, apart = 1;
        for (int k = taps - 1; k >= 0; --k) sum = sum * points[p] + g[k];
        for (int other = 0; other < P - 1; ++other) apart *= other == p ? 1 : points[p] - points[other];
        u[p] = sum / apart;
    }
    u[P - 1] = g[taps - 1];
}

// The axis along which the window lies: pixels of the axes behind it are part of a line.
struct Line {
    int64_t lines, in, out, begin, step;
    int taps;
};

// False: the window has more than one axis, moves by more than a pixel, or there are groups.
bool read_line(const LastConv &c, Line &line) {
    int axis = 2;
    for (int i = 0; i < 3; ++i)
        if (c.kernel[i] > 1) axis = i;
    line = {c.n, 1, 1, 1, 1, static_cast<int>(c.kernel[axis])};
    bool fits = c.group == 1 && c.stride[axis] == 1;
    int64_t behind = 1;
    for (int i = 0; i < 3; ++i) {
        if (i < axis) line.lines *= c.in[i];
        if (i > axis) behind *= c.in[i];
        if (i != axis) fits = fits && c.kernel[i] == 1 && c.stride[i] == 1 && c.begin[i] == 0 && c.in[i] == c.out[i];
    }
    line.in = c.in[axis] * behind;
    line.out = c.out[axis] * behind;
    line.begin = c.begin[axis] * behind;
    line.step = c.dilation[axis] * behind;
    return fits;
}

// T: the type of images and of turned numbers, float or uint16_t for bfloat16.
template <class T>
constexpr int64_t PER_WORD = sizeof(float) / sizeof(T);

EW_INLINE vf take(const float *x, int64_t n) { return n >= VL ? load(x) : load_n(x, n); }
EW_INLINE vf take(const uint16_t *x, int64_t n) { return n >= VL ? load_bf16(x) : load_bf16_n(x, n); }
EW_INLINE void give(float *x, vf v) { store(x, v); }
EW_INLINE void give(uint16_t *x, vf v) { store_bf16(x, v); }

constexpr int64_t INPUT_FLOATS = 150000;   // of a task's turned inputs: a good half of L2
constexpr int64_t SHARED_FLOATS = 600000;  // of all turned inputs, where all tasks share them
constexpr int64_t MOST_TILES = 96, AT_ONCE = 16;
constexpr int64_t FEW_TASKS = 8, FEW_TILES = 8;

// What all tasks know.
template <int P, class T>
struct Whole {
    const LastConv &c;
    const Line &line;
    const Panels &panels;
    const NarrowEnding &ending;
    const Epilogue &epilogue;
    const T *x;
    int64_t depth;    // channels, rounded up to vectors
    int64_t all;      // tiles
    int64_t by_line;  // tiles of a line: those of neighbouring pixels follow each other
    const T *zeros;

    int64_t words() const { return ceil_div(c.channels, PER_WORD<T>); }
    int tile() const { return P + 1 - line.taps; }
    // The first output of a tile, on its line.
    int64_t place(int64_t index) const {
        const int64_t i = index % by_line;
        return i / line.step * line.step * tile() + i % line.step;
    }
};

// Numbers from the matrix of one point to the next: powers of two would fall into the same sets of a cache.
int64_t apart(int64_t rows, int64_t width) { return rows * width + 2 * VL; }

// Turns tiles [first, end) into inputs [point][tile][depth], `between` numbers from point to point; tile `at` is the first.
template <int P, class T>
void turn_inputs(const Whole<P, T> &w, int64_t first, int64_t end, T *inputs, int64_t at, int64_t between) {
    const LastConv &c = w.c;
    const T *pixels[P];
    for (int64_t t = first; t < end; ++t) {
        const T *from = w.x + t / w.by_line * w.line.in * c.c;
        const int64_t place = w.place(t) - w.line.begin;
        for (int i = 0; i < P; ++i) {
            const int64_t pixel = place + i * w.line.step;
            pixels[i] = pixel >= 0 && pixel < w.line.in ? from + pixel * c.c : w.zeros;
        }
        T *to = inputs + (t - at) * w.depth;
        for (int64_t channel = 0; channel < c.channels; channel += VL) {
            vf d[P], u[P];
            for (int i = 0; i < P; ++i) d[i] = take(pixels[i] + channel, c.channels - channel);
            turn_input<P>(d, u);
            for (int i = 0; i < P; ++i) give(to + i * between + channel, u[i]);
        }
    }
}

// One part: tiles [first, first + tiles) and one panel at a time.
template <int P, class T>
struct Part {
    const Whole<P, T> &whole;
    int64_t first, tiles;
    const T *inputs;  // of the first tile and point 0
    int64_t between;  // numbers from one point's inputs to the next
    float *products;  // [point][tile][width of a panel]
    float *sums;      // [tile][output][width of a panel], where they can't be kept in the output

    void multiply(int64_t panel) const {
        const int64_t vectors = whole.panels.vectors(panel), width = vectors * VL, all = round_up(whole.c.m, VL);
        const int64_t blocks = ceil_div(tiles, rows_of_tile(vectors)), step = ceil_div(tiles, blocks);
        for (int64_t point = 0; point < P; ++point)
            for (int64_t t = 0; t < tiles; t += step) {
                RowsPart part;
                part.b = whole.c.w + (point * all + whole.panels.column(panel)) * whole.words();
                part.k = whole.words();
                const int64_t m = least(step, tiles - t);
                for (int64_t r = 0; r < m; ++r)
                    part.rows[r] = reinterpret_cast<const float *>(inputs + point * between + (t + r) * whole.depth);
                float *to = products + point * apart(tiles, width) + t * width;
                run_rows_tile({&part, 1, to, width, static_cast<int>(m), static_cast<int>(vectors),
                               static_cast<int>(width), PER_WORD<T> > 1},
                              NarrowFinish());
            }
    }

    // Where the sums of an output belong.
    float *sums_of(int64_t tile, int output, int64_t position, int64_t panel) const {
        if (whole.ending.in_y) return whole.c.y + position * whole.c.m + whole.panels.column(panel);
        return sums + (tile * whole.tile() + output) * whole.panels.vectors(panel) * VL;
    }

    // Tiles [tile, last_tile) of the part.
    template <int OUT>
    void turn_back(int64_t panel, int64_t tile, int64_t last_tile) const {
        const int64_t width = whole.panels.vectors(panel) * VL, step = apart(tiles, width);
        const int64_t column = whole.panels.column(panel), columns = whole.panels.columns(panel);
        const NarrowFinish &f = whole.ending.finish;
        for (int64_t t = tile; t < last_tile; ++t) {
            const int64_t place = whole.place(first + t), line = (first + t) / whole.by_line * whole.line.out;
            for (int64_t j = 0; j < columns; j += VL) {
                vf m[P], y[OUT];
                for (int i = 0; i < P; ++i) m[i] = load(products + i * step + t * width + j);
                turn_output<P, OUT>(m, y);
                const int64_t n = least(VL, columns - j);
                const vf bias = f.bias_col ? load_n(f.bias_col + column + j, n) : vf{};
                for (int i = 0; i < OUT; ++i) {
                    const int64_t at = place + i * whole.line.step, position = line + at;
                    if (at >= whole.line.out) break;
                    vf v = y[i] + bias;
                    const int64_t added = position * f.ld_residual + column + j;
                    if (f.residual) v += take(f.residual + added, n);
                    if (f.narrow_residual) v += take(f.narrow_residual + added, n);
                    v = bounded(f, v, column + j, n);
                    if (f.narrow) {
                        uint16_t *to = f.narrow + position * f.ld_narrow + column + j;
                        n >= VL ? store_bf16(to, v) : store_bf16_n(to, v, n);
                        continue;
                    }
                    float *to = sums_of(t, i, position, panel) + j;
                    n >= VL ? store(to, v) : store_n(to, v, n);
                }
            }
        }
    }

    // The rest of the fused program, on as many positions in a row as there are.
    void end(int64_t panel, int64_t tile, int64_t last_tile) const {
        const int64_t column = whole.panels.column(panel), last = column + whole.panels.columns(panel),
                      out = whole.line.out;
        const int outputs = whole.tile(), inner = whole.line.step == 1 ? outputs : 1;
        const int64_t width = whole.panels.vectors(panel) * VL;
        const int64_t ld = whole.ending.in_y ? whole.c.m : inner == 1 ? outputs * width : width;
        float *from = nullptr;  // the sums of `begun`
        int64_t begun = -1, stop = -1;
        const auto flush = [&] {
            if (stop > begun) whole.epilogue.run(from, ld, begun, stop, column, last);
        };
        for (int i = 0; i < outputs; i += inner)
            for (int64_t t = tile; t < last_tile; ++t) {
                const int64_t at = whole.place(first + t) + i * whole.line.step, count = least(inner, out - at);
                if (count <= 0) continue;
                const int64_t position = (first + t) / whole.by_line * out + at;
                float *here = sums_of(t, i, position, panel);
                if (position != stop || here != from + (stop - begun) * ld) {
                    flush();
                    begun = position;
                    from = here;
                }
                stop = position + count;
            }
        flush();
    }

    void run(int64_t panel) const {
        multiply(panel);
        for (int64_t t = 0; t < tiles; t += AT_ONCE) {  // the rest of the program finds its sums in L1
            const int64_t last = least(tiles, t + AT_ONCE);
            switch (whole.tile()) {
                case 2: turn_back<2>(panel, t, last); break;
                case 3: turn_back<3>(panel, t, last); break;
                case 4: turn_back<4>(panel, t, last); break;
                case 5: turn_back<(P > 6 ? 5 : 4)>(panel, t, last); break;
                default: turn_back<(P > 6 ? 6 : 4)>(panel, t, last);
            }
            if (whole.ending.rest) end(panel, t, last);
        }
    }
};

template <int P, class T>
Part<P, T> part_of(const Whole<P, T> &w, int64_t first, int64_t tiles) {
    float *sums = w.ending.in_y || !w.ending.rest ? nullptr : scratch(SCRATCH_C, tiles * w.tile() * MAX_VECTORS * VL);
    return {w, first, tiles, nullptr, 0, scratch(SCRATCH_B, P * apart(tiles, MAX_VECTORS * VL)), sums};
}

// All inputs are turned first; then each task takes some tiles of a panel.
template <int P, class T>
void run_shared(const ew_call *call, const Whole<P, T> &w, int64_t chunk, T *inputs) {
    const int64_t chunks = ceil_div(w.all, chunk), group = 16;
    parallel(call, ceil_div(w.all, group), [&](int64_t task) {
        turn_inputs(w, task * group, least(w.all, (task + 1) * group), inputs, 0, apart(w.all, w.depth));
    });
    parallel(call, chunks * w.panels.count, [&](int64_t task) {
        const int64_t first = task % chunks * chunk;
        auto part = part_of(w, first, least(chunk, w.all - first));
        part.inputs = inputs + first * w.depth;
        part.between = apart(w.all, w.depth);
        part.run(task / chunks);
    });
}

// Each task turns its tiles and multiplies them by all panels.
template <int P, class T>
void run_apart(const ew_call *call, const Whole<P, T> &w, int64_t chunk) {
    parallel(call, ceil_div(w.all, chunk), [&](int64_t task) {
        const int64_t first = task * chunk;
        auto part = part_of(w, first, least(chunk, w.all - first));
        part.between = apart(part.tiles, w.depth);
        auto *inputs = reinterpret_cast<T *>(scratch(SCRATCH_A, P * part.between / PER_WORD<T>));
        turn_inputs(w, first, first + part.tiles, inputs, first, part.between);
        part.inputs = inputs;
        for (int64_t panel = 0; panel < w.panels.count; ++panel) part.run(panel);
    });
}

template <int P, class T>
int32_t run(const ew_call *call) {
    LastConv c;
    Line line;
    if (!read_last_conv(call, c) || !read_line(c, line) || line.taps < 3 || line.taps >= P)
        return call->host->error(call, EW_SHAPE, "convolution along one axis: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    Epilogue epilogue;
    NarrowEnding ending;
    if (!read_ending(call, c, epilogue, ending)) return EW_INVALID_PLAN;
    const Panels panels(c.m);
    const int64_t depth = round_up(most(1, c.channels), VL);
    const int64_t by_line = ceil_div(line.out, line.step * (P + 1 - line.taps)) * line.step, all = line.lines * by_line;
    int64_t chunks = ceil_div(all, most(4, least(MOST_TILES, INPUT_FLOATS / (P * depth))));
    const bool shared = chunks < FEW_TASKS && P * all * depth <= SHARED_FLOATS;
    while (shared && (chunks * panels.count < 4 || chunks * panels.count % 2) && all >= 2 * FEW_TILES * chunks)
        ++chunks;
    auto *zeros =
        reinterpret_cast<T *>(scratch(SCRATCH_D, (depth + (shared ? P * apart(all, depth) : 0)) / PER_WORD<T>));
    std::memset(zeros, 0, sizeof(T) * static_cast<size_t>(depth));
    const auto *x = static_cast<const T *>(call->inputs[0].data);
    const Whole<P, T> whole{c, line, panels, ending, epilogue, x, depth, all, by_line, zeros};
    if (shared)
        run_shared(call, whole, ceil_div(all, chunks), zeros + depth);
    else
        run_apart(call, whole, ceil_div(all, chunks % 2 ? chunks + 1 : chunks));
    return EW_OK;
}

void put(float *to, float weight, int64_t) { *to = weight; }
void put(uint16_t *to, float weight, int64_t half) { to[half] = narrow(weight, true); }

// [M, C, taps] to [point][panel][C][width], the last panel zero-padded; in bfloat16 pairs of channels are words.
template <int P, class T>
int32_t pack(const ew_call *call) {
    constexpr int64_t PER = PER_WORD<T>;
    const ew_tensor &w = call->inputs[0];
    const int64_t m = w.shape[0], channels = w.shape[1], all = round_up(m, VL), words = ceil_div(channels, PER);
    const int taps = static_cast<int>(count(w) / most(1, m * channels));
    const Panels panels(m);
    auto *out = static_cast<T *>(call->outputs[0].data);
    std::memset(out, 0, sizeof(float) * static_cast<size_t>(P * all * words));
    for (int64_t p = 0; p < panels.count; ++p)
        for (int64_t j = 0; j < panels.columns(p); ++j)
            for (int64_t k = 0; k < channels && taps < P; ++k) {
                double g[P], u[P];
                for (int t = 0; t < taps; ++t) g[t] = f32(w)[((panels.column(p) + j) * channels + k) * taps + t];
                turn_weight<P>(g, taps, u);
                T *to = out + PER * (panels.column(p) * words + k / PER * panels.vectors(p) * VL + j);
                for (int i = 0; i < P; ++i) put(to + i * all * words * PER, static_cast<float>(u[i]), k % PER);
            }
    clear_rest(call->outputs[0], P * all * words);
    return EW_OK;
}

}  // namespace

EW_KERNEL(winograd_line6_nhwc_f32, (run<6, float>))
EW_KERNEL(winograd_line8_nhwc_f32, (run<8, float>))
EW_KERNEL(pack_winograd_line6_nhwc_f32, (pack<6, float>))
EW_KERNEL(pack_winograd_line8_nhwc_f32, (pack<8, float>))
EW_KERNEL(winograd_line6_nhwc_bf16, (run<6, uint16_t>))
EW_KERNEL(pack_winograd_line6_nhwc_bf16, (pack<6, uint16_t>))

}  // namespace ew::EW_ISA
