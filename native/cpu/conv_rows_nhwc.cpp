// Convolution of images with few channels, which lie last: what the window sees of a row of the image is one run of numbers,
// so a tile needs no pointer for each of its positions. Of float32, or of bfloat16 with an even number of channels: then a
// number is a word of two (narrow_gemm.h), and the image of a window of one pixel is one row, cut into parts. In bfloat16
// rows of an image of float32 are rounded when they are copied.
//
// Rows of a tile are positions side by side, columns output channels. Rows of the image that have padding are copied first,
// a few at a time. Inputs, params and packed w as for conv_nhwc.cpp, with one group and no dilation.
#include "cpu/conv_last.h"
#include "cpu/gemm_rows.h"
#include "cpu/gemm_rows_sums.h"
#include "cpu/narrow_ending.h"
#include "cpu/narrow_gemm.h"

#include <utility>

namespace ew::EW_ISA {

namespace {

constexpr int64_t COPIED_FLOATS = 1 << 14;  // 64 KiB: of rows with padding, for as many rows of the output as it takes

#if EW_ISA_AVX512
constexpr int MOST_POSITIONS = 12;  // sums of two vectors each still fit the registers
#else
constexpr int MOST_POSITIONS = MR;
#endif

EW_INLINE int positions_of_tile(int64_t vectors) { return vectors <= 2 ? MOST_POSITIONS : rows_of_tile(vectors); }

// What the window sees: `height` rows of `depth` numbers, `step` further on for each position; w: [height][depth][columns].
struct Window {
    const float *const *rows;
    int64_t offset, height, depth, step;
    const float *w;
};

using RunKernel = void (*)(Window, RowsTile, NarrowFinish, int64_t);

template <class Kind, int M, int V, bool Whole>
EW_INLINE void run_one(const Window &window, const RowsTile &t, const NarrowFinish &f) {
    vf sums[M][V];
    begin_sums<M, V, Whole>(t, f, sums);
    const float *b = window.w;
    const int64_t step = window.step, depth = window.depth;
    for (int64_t y = 0; y < window.height; ++y) {
        const float *a[(M + 2) / 3];  // of every third position; the two behind are one and two steps on
#pragma GCC unroll 4
        for (int i = 0; i < (M + 2) / 3; ++i) a[i] = window.rows[y] + window.offset + 3 * i * step;
        for (int64_t k = 0; k < depth; ++k, b += V * VL) {
            typename Kind::Wide bv[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) bv[v] = Kind::widen(load(b + v * VL));
#pragma GCC unroll 12
            for (int r = 0; r < M; ++r) {
                const vf av = splat(a[r / 3][k + r % 3 * step]);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) sums[r][v] = Kind::dot(sums[r][v], av, bv[v]);
            }
        }
    }
    end_sums<M, V, Whole>(t, f, sums);
}

// Some tiles side by side.
template <class Kind, int M, int V, bool Whole>
void run_kernel(Window window, RowsTile t, NarrowFinish f, int64_t tiles) {
    for (; tiles > 0; --tiles) {
        run_one<Kind, M, V, Whole>(window, t, f);
        window.offset += M * window.step;
        if (t.c) t.c += M * t.ldc;
        if (f.residual) f.residual += M * f.ld_residual;
        if (f.narrow_residual) f.narrow_residual += M * f.ld_residual;
        if (f.narrow) f.narrow += M * f.ld_narrow;
    }
}

template <class Kind, int V, bool Whole, typename Sequence>
struct Kernels;
template <class Kind, int V, bool Whole, int... M>
struct Kernels<Kind, V, Whole, std::integer_sequence<int, M...>> {
    static constexpr RunKernel all[] = {run_kernel<Kind, M + 1, V, Whole>...};
};

template <class Kind, bool Whole>
RunKernel find_kernel(int m, int vectors) {
    using Narrow = std::make_integer_sequence<int, MOST_POSITIONS>;
    static constexpr const RunKernel *table[] = {
        Kernels<Kind, 1, Whole, Narrow>::all,
        Kernels<Kind, 2, Whole, Narrow>::all,
#if EW_ISA_AVX512
        Kernels<Kind, 3, Whole, std::make_integer_sequence<int, MR>>::all,
        Kernels<Kind, 4, Whole, std::make_integer_sequence<int, MR * NV / MAX_VECTORS>>::all,
#endif
    };
    return table[vectors - 1][m - 1];
}

RunKernel find_kernel(const LastConv &c, int m, int vectors, bool whole) {
    if (c.bf16) return whole ? find_kernel<Pairs, true>(m, vectors) : find_kernel<Pairs, false>(m, vectors);
    return whole ? find_kernel<Floats, true>(m, vectors) : find_kernel<Floats, false>(m, vectors);
}

// Pixels as words of two channels, the last one with a zero if their number is odd.
void round_pixels(const float *x, int64_t channels, int64_t pixels, int32_t *out) {
    if (channels % 2 == 0) return pack_bf16_rows({x, 0, 1}, 1, pixels * channels, out, 0);
#if EW_ISA_AVX512
    for (; channels == 3 && pixels >= 8; pixels -= 8, x += 24, out += 16) {
        const vf four = (vf)_mm512_maskz_expand_ps(0x7777, (__m512)load_n(x, 12));
        const vf more = (vf)_mm512_maskz_expand_ps(0x7777, (__m512)load_n(x + 12, 12));
        store_two_bf16(reinterpret_cast<uint16_t *>(out), four, more);
    }
#endif
    pack_bf16_rows({x, channels, 1}, pixels, channels, out, bf16_steps(channels));
}

struct Job {
    const LastConv &c;
    const Panels &panels;
    const NarrowEnding &ending;
    const Epilogue &epilogue;
    const float *wide;   // the image where its rows are rounded; else NULL
    int64_t channels;    // of it
    int64_t width;       // pixels that the windows of a row of the output see
    bool copied;         // some of them are padding, or rows are rounded
    int64_t positions;   // of all images; the last row may be cut off there
    const float *zeros;  // as many as such a row has

    // The rows of the image that the output rows [from, from + rows) see.
    const float *const *see(int64_t image, int64_t from, int64_t rows) const {
        const int64_t seen = (rows - 1) * c.stride[1] + c.kernel[1], floats = width * c.c;
        const int64_t first = from * c.stride[1] - c.begin[1];
        float *copies = copied ? scratch(SCRATCH_A, seen * floats) : nullptr;
        constexpr int64_t FLOATS = sizeof(const float *) / sizeof(int32_t);  // of a pointer
        auto *at = reinterpret_cast<const float **>(scratch(SCRATCH_B, seen * FLOATS));
        for (int64_t i = 0; i < seen; ++i) {
            const int64_t y = first + i, pixel = (image * c.in[1] + y) * c.in[2];
            if (y < 0 || y >= c.in[1])
                at[i] = zeros;
            else
                at[i] = copied ? copy_row(pixel, copies + i * floats) : c.x + pixel * c.c;
        }
        return at;
    }

    // Output rows [from, from + rows) of an image.
    void run(int64_t image, int64_t from, int64_t rows) const {
        const float *const *seen = see(image, from, rows);
        for (int64_t i = 0; i < rows; ++i) {
            const int64_t position = (image * c.out[1] + from + i) * c.out[2];
            run_row(seen + i * c.stride[1], position, 0, least(c.out[2], positions - position));
        }
    }

    // The only row of the output, in stretches.
    void run_signal(const ew_call *call, int64_t tasks) const {
        const float *const *seen = see(0, 0, 1);
        const int64_t length = round_up(ceil_div(positions, tasks), MOST_POSITIONS);
        parallel(call, ceil_div(positions, length), [&](int64_t task) {
            const int64_t first = task * length;
            run_row(seen, first, first, least(length, positions - first));
        });
    }

    // The row that begins at this pixel, with its padding.
    const float *copy_row(int64_t pixel, float *to) const {
        const int64_t begin = least(c.begin[2], width), real = most(0, least(c.in[2], width - begin));
        std::memset(to, 0, sizeof(float) * static_cast<size_t>(begin * c.c));
        if (wide)
            round_pixels(wide + pixel * channels, channels, real, reinterpret_cast<int32_t *>(to + begin * c.c));
        else
            std::memcpy(to + begin * c.c, c.x + pixel * c.c, sizeof(float) * static_cast<size_t>(real * c.c));
        std::memset(to + (begin + real) * c.c, 0, sizeof(float) * static_cast<size_t>((width - begin - real) * c.c));
        return to;
    }

    // So many positions of a row of the output, from the one at `first` on, which is `position` of all.
    void run_row(const float *const *rows, int64_t position, int64_t first, int64_t count) const {
        const int64_t depth = c.kernel[2] * c.c, step = c.stride[2] * c.c;
        float *y = ending.in_y ? c.y + position * c.m : ending.rest ? scratch(SCRATCH_C, count * c.m) : nullptr;
        for (int64_t p = 0; p < panels.count; ++p) {
            const int64_t vectors = panels.vectors(p), column = panels.column(p), columns = panels.columns(p);
            const int64_t tiles = ceil_div(count, positions_of_tile(vectors)), m = ceil_div(count, tiles);
            const Window window{rows, 0, c.kernel[1], depth, step, c.w + column * c.kernel[1] * depth};
            const auto run_tiles = [&](int64_t x, int64_t n, int64_t several) {
                if (several == 0 || n == 0) return;
                Window part = window;
                part.offset = (first + x) * step;
                const RowsTile tile{nullptr,
                                    0,
                                    y ? y + column + x * c.m : nullptr,
                                    c.m,
                                    static_cast<int>(n),
                                    static_cast<int>(vectors),
                                    static_cast<int>(columns)};
                find_kernel(c, tile.m, tile.vectors, columns == vectors * VL)(
                    part, tile, moved_finish(ending.finish, position + x, column), several);
            };
            run_tiles(0, m, count / m);
            run_tiles(count / m * m, count % m, 1);
        }
        if (ending.rest) epilogue.run(y, c.m, position, position + count, 0, c.m);
    }
};

// Rows of the output, one below the other, as long as is good for tiles, of images whose windows are one pixel.
void cut_into_rows(LastConv &c) {
    constexpr int64_t LONG = 96, SHORT = 24, FEW = 1536;  // multiples of the positions of all tiles
    const int64_t positions = c.positions(), length = positions < FEW ? SHORT : LONG;
    c.n = 1;
    c.in[1] = c.out[1] = ceil_div(positions, length);
    c.in[2] = c.out[2] = length;
}

int32_t run_typed(const ew_call *call, bool bf16) {
    LastConv c;
    if (!read_last_conv(call, c) || c.group != 1 || c.in[0] != 1 || c.kernel[0] != 1 || c.out[0] != 1)
        return call->host->error(call, EW_SHAPE, "convolution by rows: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    Epilogue epilogue;
    NarrowEnding ending;
    if (!read_ending(call, c, epilogue, ending)) return EW_INVALID_PLAN;
    const bool rounds = bf16 && call->inputs[0].dtype == EW_FLOAT32;
    const int64_t channels = c.c;
    if (bf16) {
        if (!rounds && c.c % 2 != 0)
            return call->host->error(call, EW_SHAPE, "convolution by rows in bfloat16: pairs of channels are needed");
        c.bf16 = true;
        c.c = c.channels = bf16_steps(c.c);
    }
    const Panels panels(c.m);
    const int64_t positions = c.positions();
    if (bf16 && !rounds && is_product(c)) cut_into_rows(c);
    const int64_t width = (c.out[2] - 1) * c.stride[2] + c.kernel[2], none = width * c.c;
    const bool copied = rounds || c.begin[2] > 0 || width > c.in[2];
    float *zeros = scratch(SCRATCH_D, none);
    std::memset(zeros, 0, sizeof(float) * static_cast<size_t>(none));
    const Job job{c, panels, ending, epilogue, rounds ? c.x : nullptr, channels, width, copied, positions, zeros};
    // Tasks of some 10 us or more, two of 3 us at least, cut into parts whose rows fit the cache.
    constexpr double TASK = 1.5e6, SMALL_TASK = 3e5, MOST = 32;
    const int64_t rows = c.n * c.out[1], part = most(1, COPIED_FLOATS / most(1, none) / c.stride[1]);
    const double work = 2.0 * static_cast<double>(c.positions() * c.m) * static_cast<double>(c.c * c.taps());
    const int64_t wanted = static_cast<int64_t>(work / TASK > MOST ? MOST : work / TASK);
    const int64_t good = work < 2 * SMALL_TASK ? 1 : most(2, round_up(wanted, 2)), tasks = least(rows, good);
    if (rows == 1) return job.run_signal(call, good), EW_OK;
    parallel(call, tasks, [&](int64_t task) {
        const int64_t end = rows * (task + 1) / tasks;
        for (int64_t row = rows * task / tasks; row < end;) {
            const int64_t image = row / c.out[1], from = row % c.out[1];
            const int64_t count = least(part, least(end - row, c.out[1] - from));
            job.run(image, from, count);
            row += count;
        }
    });
    return EW_OK;
}

int32_t run(const ew_call *call) { return run_typed(call, false); }
int32_t run_bf16(const ew_call *call) { return run_typed(call, true); }

}  // namespace

EW_KERNEL(conv_rows_nhwc_f32, run)
EW_KERNEL(conv_rows_nhwc_bf16, run_bf16)

}  // namespace ew::EW_ISA
