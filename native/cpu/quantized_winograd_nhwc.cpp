// 3 x 3 convolution of uint8 images with int8 weights in steps of 1, channels last, by Winograd's F(4 x 4, 3 x 3): 36
// products of int16 for the 144 of bytes, and exactly the sums of those.
//
// The points 0, 1, -1, 2, -2 and infinity leave fractions only in the weights and in the way back, so these are taken
// times 24 in each direction: then the turned image (at most 68 * 255) and weights (at most 49 * 128) are int16, and the
// result is the sum times 24, 12, 6 or 6 by its row, and again by its column. All that is computed modulo 2^32, where
// dividing by 9 is a product and dividing by the power of two, at most 64, is a shift: the sums themselves must be
// smaller than 2^25, which the weights tell when building.
//
// Inputs and params as in quantized_conv.h. Packed: int16 [panel][point][words][width][2], then the sum of each channel's
// weights. Points: A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks" (2015).
#include "cpu/byte_tile.h"
#include "cpu/quantized_conv.h"

namespace ew::EW_ISA {

namespace {

constexpr int SIDE = 6, T = 4, POINTS = SIDE * SIDE;
constexpr int64_t CHUNK = 28;  // tiles whose products, with a panel of weights of 64 channels, are in L2
constexpr int64_t FEW_TILES = 4, MANY_TASKS = 8;
constexpr int64_t STRIP = 4;  // tiles whose sums are finished at once
constexpr int64_t WIDE = 2 * VL;

typedef int16_t vs __attribute__((vector_size(VL * 4)));
typedef int16_t vsu __attribute__((vector_size(VL * 4), aligned(2), may_alias));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));

struct Whole {
    const ByteConv &c;
    const Panels &panels;
    int64_t down, across;  // tiles of an image
    const uint8_t *outside;
    const int32_t *start;
    int64_t all() const { return c.n * down * across; }
};

// Tiles as the points see them, [point][tile][channels], `apart` numbers from point to point: powers of two would fall
// into the same sets of a cache.
struct Turned {
    int16_t *data;
    int64_t first, apart;  // the first tile
    static int64_t size(const Whole &w, int64_t tiles) { return POINTS * (tiles * w.c.channels + WIDE); }
    Turned(const Whole &w, int64_t begin, int64_t tiles)
        : data(reinterpret_cast<int16_t *>(scratch(SCRATCH_A, ceil_div(size(w, tiles), 2)))),
          first(begin),
          apart(size(w, tiles) / POINTS) {}
};

// ---- images to points ----

EW_INLINE vs load_wide(const uint8_t *p) {
#if EW_ISA_AVX512
    return (vs)_mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)));
#else
    typedef uint8_t Narrow __attribute__((vector_size(VL * 2)));
    Narrow bytes;
    std::memcpy(&bytes, p, sizeof bytes);
    return __builtin_convertvector(bytes, vs);
#endif
}

EW_INLINE void turn_input(const vs &d0, const vs &d1, const vs &d2, const vs &d3, const vs &d4, const vs &d5, vs *u) {
    const vs a = d4 - (d2 << 2), b = d3 - (d1 << 2), even = d4 - d2, odd = d3 - d1, twice = odd + odd;
    u[0] = ((d0 - d2) << 2) + even;
    u[1] = a + b;
    u[2] = a - b;
    u[3] = even + twice;
    u[4] = even - twice;
    u[5] = d5 - d3 - twice - twice;
}

// Where the pixels of a tile lie, or those that stand for pixels outside.
void list_pixels(const Whole &w, int64_t tile, const uint8_t **pixels) {
    const ByteConv &c = w.c;
    const int64_t image = tile / (w.down * w.across), y0 = tile / w.across % w.down * T - c.begin[1];
    const int64_t x0 = tile % w.across * T - c.begin[2];
    for (int64_t i = 0; i < POINTS; ++i) {
        const int64_t y = y0 + i / SIDE, x = x0 + i % SIDE;
        const bool inside = y >= 0 && y < c.in[1] && x >= 0 && x < c.in[2];
        pixels[i] = inside ? c.x + ((image * c.in[1] + y) * c.in[2] + x) * c.c : w.outside;
    }
}

void turn_tile(const Whole &w, const Turned &turned, int64_t tile) {
    const uint8_t *p[POINTS];
    list_pixels(w, tile, p);
    for (int64_t channel = 0; channel < w.c.channels; channel += WIDE) {
        vs rows[SIDE][SIDE];
#pragma GCC unroll 6
        for (int y = 0; y < SIDE; ++y) {
            const auto at = [&](int x) { return load_wide(p[y * SIDE + x] + channel); };
            turn_input(at(0), at(1), at(2), at(3), at(4), at(5), rows[y]);
        }
        int16_t *to = turned.data + (tile - turned.first) * w.c.channels + channel;
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; ++x) {
            vs u[SIDE];
            turn_input(rows[0][x], rows[1][x], rows[2][x], rows[3][x], rows[4][x], rows[5][x], u);
#pragma GCC unroll 6
            for (int y = 0; y < SIDE; ++y) *reinterpret_cast<vsu *>(to + (y * SIDE + x) * turned.apart) = u[y];
        }
    }
}

// ---- products and back ----

EW_INLINE void turn_back(const vu *m, int64_t step, vu *y) {
    const vu even = m[step] + m[2 * step], odd = m[step] - m[2 * step];
    const vu even2 = m[3 * step] + m[4 * step], odd2 = m[3 * step] - m[4 * step];
    y[0] = m[0] - (even << 2) + even2;  // 24 times
    y[1] = odd2 - odd - odd;            // 12 times
    y[2] = even2 - even;                // 6 times
    y[3] = odd2 + odd2 - odd + m[5 * step];
}

// Tiles [first, first + tiles) and one panel.
struct Job {
    const Whole &w;
    const Turned &turned;
    int64_t first, tiles, panel, vectors, width;
    int32_t *products;  // [point][tile][width]

    // Numbers from point to point, as in `inputs`.
    int64_t between() const { return tiles * width + VL; }

    void multiply() const {
        const int64_t channels = w.c.channels, blocks = ceil_div(tiles, rows_of_tile(vectors));
        const int64_t begin = 0, matrix = channels / 2 * width;
        int64_t places[MAX_ROWS_OF_TILE];
        for (int64_t r = 0; r < MAX_ROWS_OF_TILE; ++r) places[r] = r * channels * int64_t{sizeof(int16_t)};
        const int32_t zeros[MAX_VECTORS * VL] = {};
        const auto *weights = reinterpret_cast<const int32_t *>(w.c.w) + w.panels.column(panel) * POINTS * channels / 2;
        for (int64_t point = 0; point < POINTS; ++point)
            for (int64_t block = 0; block < blocks; ++block) {
                const int64_t t = block * tiles / blocks, end = (block + 1) * tiles / blocks;
                const int16_t *x = turned.data + point * turned.apart + (first + t - turned.first) * channels;
                find_kernel<Pairs>(end - t, vectors)(
                    {reinterpret_cast<const uint8_t *>(x),
                     places,
                     {&begin, 1, channels / 2},
                     weights + point * matrix,
                     zeros,
                     weights + (point + 1) * matrix + block * channels / 2 * FETCHED * VL},
                    products + point * between() + t * width);
            }
    }

    // A vector of channels of a tile: sums of its positions, `line` numbers from row to row.
    void turn_products(const int32_t *from, const int32_t *start, int32_t *sums, int64_t line) const {
        constexpr uint32_t NINTH = 0x38e38e39;  // times 9 is 1 modulo 2^32
        constexpr int SHIFT[T] = {3, 2, 1, 1};
        vu rows[T][SIDE];
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; ++x) {
            vu m[SIDE], y[T];
#pragma GCC unroll 6
            for (int i = 0; i < SIDE; ++i) m[i] = (vu)load(from + (i * SIDE + x) * between());
            turn_back(m, 1, y);
#pragma GCC unroll 4
            for (int i = 0; i < T; ++i) rows[i][x] = y[i];
        }
        const vi begin = load(start);
#pragma GCC unroll 4
        for (int i = 0; i < T; ++i) {
            vu y[T];
            turn_back(rows[i], 1, y);
#pragma GCC unroll 4
            for (int x = 0; x < T; ++x)
                store(sums + i * line + x * width, ((vi)(y[x] * NINTH) >> (SHIFT[i] + SHIFT[x])) + begin);
        }
    }

    // Tiles side by side, from `t` on.
    void finish(int64_t t, int64_t count, int32_t *sums) const {
        const ByteConv &c = w.c;
        const int64_t column = w.panels.column(panel), line = STRIP * T * width;
        for (int64_t i = 0; i < count; ++i)
            for (int64_t v = 0; v < vectors; ++v)
                turn_products(products + (t + i) * width + v * VL, w.start + column + v * VL,
                              sums + i * T * width + v * VL, line);
        const int64_t tile = first + t, x = tile % w.across * T, rows = least(count * T, c.out[2] - x);
        const int64_t image = tile / (w.down * w.across), y = tile / w.across % w.down * T;
        for (int64_t i = 0; i < least(T, c.out[1] - y); ++i)
            finish_tile(c, {(image * c.out[1] + y + i) * c.out[2] + x, rows, column, w.panels.columns(panel)}, vectors,
                        sums + i * line);
    }

    void run() const {
        multiply();
        alignas(64) int32_t sums[T * STRIP * T * MAX_VECTORS * VL];
        for (int64_t t = 0; t < tiles;) {
            const int64_t count = least(least(STRIP, tiles - t), w.across - (first + t) % w.across);
            finish(t, count, sums);
            t += count;
        }
    }
};

// Tiles [first, end) times a panel of weights.
void run_part(const Whole &w, const Turned &turned, int64_t first, int64_t end, int64_t panel) {
    const int64_t vectors = w.panels.vectors(panel), width = vectors * VL;
    float *products = scratch(SCRATCH_B, POINTS * ((end - first) * width + VL));
    Job{w, turned, first, end - first, panel, vectors, width, reinterpret_cast<int32_t *>(products)}.run();
}

// Where there are many tiles, each task turns its own, which stay in L2.
void run_all(const ew_call *call, const Whole &w) {
    const int64_t all = w.all(), chunks = ceil_div(all, CHUNK), even = chunks > 1 ? round_up(chunks, 2) : 1;
    const int64_t count = w.panels.count;
    if (even >= MANY_TASKS)
        return parallel(call, even, [&](int64_t task) {
            const int64_t first = task * all / even, end = (task + 1) * all / even;
            const Turned turned(w, first, end - first);
            for (int64_t t = first; t < end; ++t) turn_tile(w, turned, t);
            for (int64_t panel = 0; panel < count; ++panel) run_part(w, turned, first, end, panel);
        });
    const Turned turned(w, 0, all);
    parallel(call, ceil_div(all, FEW_TILES), [&](int64_t task) {
        for (int64_t t = task * FEW_TILES; t < least(all, (task + 1) * FEW_TILES); ++t) turn_tile(w, turned, t);
    });
    parallel(call, even * count, [&](int64_t task) {
        run_part(w, turned, task / count * all / even, (task / count + 1) * all / even, task % count);
    });
}

int32_t run(const ew_call *call) {
    ByteConv c;
    const bool read = read_byte_conv(call, c);
    if (!read || c.taps() != 9 || c.kernel[1] != 3 || c.kernel[2] != 3 || c.group != 1 || c.channels % WIDE != 0)
        return call->host->error(call, EW_SHAPE, "filtered quantized convolution: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    const Panels panels(c.m);
    Whole w{c, panels, ceil_div(c.out[1], T), ceil_div(c.out[2], T), nullptr, nullptr};
    const int64_t starts = round_up(c.m, VL), bytes = round_up(c.channels, 64);
    auto *start = reinterpret_cast<int32_t *>(scratch(SCRATCH_D, round_up(starts, 16) + bytes / 4));
    auto *outside = reinterpret_cast<uint8_t *>(start + round_up(starts, 16));
    std::memset(outside, c.x_zero, static_cast<size_t>(bytes));
    const auto *bias = static_cast<const int32_t *>(call->inputs[2].data);
    const auto *sums = reinterpret_cast<const int32_t *>(c.w) + POINTS * c.channels / 2 * starts;
    for (int64_t m = 0; m < starts; ++m) start[m] = m < c.m ? bias[m] - c.x_zero * sums[m] : 0;
    w.start = start;
    w.outside = outside;
    run_all(call, w);
    return EW_OK;
}

// ---- weights ----

void turn_weight(const int *g, int step, int *u, int to) {
    const int a = g[0], b = g[step], c = g[2 * step];
    const int turned[SIDE] = {6 * a, a + b + c, a - b + c, a + 2 * b + 4 * c, a - 2 * b + 4 * c, 6 * c};
    for (int i = 0; i < SIDE; ++i) u[i * to] = turned[i];
}

// What the points see of a window.
void turn_window(const int8_t *w, int *u) {
    int taps[9], rows[3 * SIDE];
    for (int i = 0; i < 9; ++i) taps[i] = w[i];
    for (int y = 0; y < 3; ++y) turn_weight(taps + 3 * y, 1, rows + SIDE * y, 1);
    for (int x = 0; x < SIDE; ++x) turn_weight(rows + x, SIDE, u + x, SIDE);
}

// [M, C, 3, 3] as above.
int32_t pack(const ew_call *call) {
    const ew_tensor &t = call->inputs[0];
    const auto *w = static_cast<const int8_t *>(t.data);
    const int64_t m = t.shape[0], channels = t.shape[1], words = POINTS * channels / 2 * round_up(m, VL);
    const Panels panels(m);
    auto *out = static_cast<int16_t *>(call->outputs[0].data);
    auto *sums = reinterpret_cast<int32_t *>(out) + words;
    std::memset(out, 0, static_cast<size_t>(4 * words));
    for (int64_t p = 0; p < panels.count; ++p)
        for (int64_t j = 0; j < panels.columns(p); ++j) {
            const int64_t column = panels.column(p), width = panels.vectors(p) * VL;
            int32_t &sum = sums[column + j];
            sum = 0;
            for (int64_t k = 0; k < channels; ++k) {
                const int8_t *window = w + ((column + j) * channels + k) * 9;
                int u[POINTS];
                turn_window(window, u);
                for (int i = 0; i < 9; ++i) sum += window[i];
                int16_t *to = out + POINTS * channels * column + (k / 2 * width + j) * 2 + k % 2;
                for (int64_t i = 0; i < POINTS; ++i) to[i * channels * width] = static_cast<int16_t>(u[i]);
            }
        }
    clear_rest(call->outputs[0], words + m);
    return EW_OK;
}

}  // namespace

EW_KERNEL(quantized_winograd_nhwc, run)
EW_KERNEL(pack_quantized_winograd_nhwc, pack)

}  // namespace ew::EW_ISA
