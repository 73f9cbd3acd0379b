// Convolution of uint8 images with int8 weights, channels last, to uint8 or float32: vpdpbusd on pixels where they lie.
//
// Rows of a tile are output positions, columns output channels; each row points at the first pixel that its window sees.
// Only an image with padding, or whose groups are no whole words of four channels, is copied before: then no window
// leaves it. What a window sees without a gap is one run of words: 7 pixels of 3 channels are 6 words, not 7.
//
// Inputs and params as in quantized_conv.h. Packed: [group][panel][run][words][width][4], zero where a run or panel ends
// inside, then the sum of each channel's weights.
#include "cpu/quantized_conv.h"

#include "cpu/byte_tile.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t MOST_POSITIONS = 256;  // of a task

// How a window falls into runs; `joined`: pixels along the last axis follow each other.
struct Cutting {
    int64_t count, words;
    Cutting(bool joined, int64_t taps, int64_t last, int64_t channels)
        : count(taps / (joined ? last : 1)), words(ceil_div(channels * (joined ? last : 1), 4)) {}
    int64_t all() const { return count * words; }
};

bool joins_taps(const ByteConv &c) { return c.group == 1 && c.dilation[2] == 1; }
Cutting cut_window(const ByteConv &c) { return {joins_taps(c), c.taps(), c.kernel[2], c.channels}; }

Runs list_runs(const ByteConv &c, int64_t *begin) {
    const bool joined = joins_taps(c);
    int64_t n = 0;
    for (int64_t z = 0; z < c.kernel[0]; ++z)
        for (int64_t y = 0; y < c.kernel[1]; ++y)
            for (int64_t x = 0; x < (joined ? 1 : c.kernel[2]); ++x)
                begin[n++] =
                    ((z * c.dilation[0] * c.in[1] + y * c.dilation[1]) * c.in[2] + x * c.dilation[2]) * c.pixel;
    return {begin, n, cut_window(c).words};
}

// Where the windows of positions [first, first + rows) begin, in bytes from x.
void list_places(const ByteConv &c, int64_t first, int64_t rows, int64_t *out) {
    int64_t image = first / c.out_size();
    const int64_t rest = first % c.out_size();
    int64_t at[3] = {rest / (c.out[1] * c.out[2]), rest / c.out[2] % c.out[1], rest % c.out[2]};
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t line = (image * c.in[0] + at[0] * c.stride[0]) * c.in[1] + at[1] * c.stride[1];
        out[r] = (line * c.in[2] + at[2] * c.stride[2]) * c.pixel;
        int axis = 2;
        while (axis >= 0 && ++at[axis] == c.out[axis]) at[axis--] = 0;
        image += axis < 0;
    }
}

// ---- sums of a tile ----

constexpr int LAST_WORDS = 8;

// A tile of whole columns, whose sums become bytes before they leave the registers: 56 x 56 x 64 to 256 takes 330 us
// otherwise.
// The last words are multiplied row by row: while those of a row are, the row before is made bytes by other ports.
template <int M, bool Added>
void run_whole_tile(const ByteTile &t, const ByteConv &c, const Done &d) {
    vi acc[M][MAX_VECTORS];
    Reading<M> from;
    const int64_t left = t.runs.words >= LAST_WORDS ? LAST_WORDS : 0, first = t.runs.words - left;
    sum_products<Bytes>(t, left, from, acc);
    const ByteEnding<MAX_VECTORS, Added> ending(c, d);
    if (left == 0) {
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) ending.whole_row(acc[r], r);
        return;
    }
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
#pragma GCC unroll 8
        for (int k = 0; k < LAST_WORDS; ++k) {
            const vi av = splat(static_cast<int32_t>(from.a[r][first + k]));
#pragma GCC unroll 4
            for (int v = 0; v < MAX_VECTORS; ++v)
                acc[r][v] = Bytes::dot(acc[r][v], av, Bytes::widen(load(from.b + (k * MAX_VECTORS + v) * VL)));
        }
        if (r > 0) ending.whole_row(acc[r - 1], r - 1);
    }
    ending.whole_row(acc[M - 1], M - 1);
}

void run_byte_tile(const ByteTile &t, const ByteConv &c, const Done &d, int64_t vectors) {
    constexpr int LOWER = 3, TOP = WHOLE_ROWS;  // heights that this is made for
    using Whole = void (*)(const ByteTile &, const ByteConv &, const Done &);
    static constexpr Whole whole[2][LOWER] = {
        {run_whole_tile<TOP - 2, false>, run_whole_tile<TOP - 1, false>, run_whole_tile<TOP, false>},
        {run_whole_tile<TOP - 2, true>, run_whole_tile<TOP - 1, true>, run_whole_tile<TOP, true>}};
    const int64_t height = d.rows - (TOP - LOWER + 1);
    if (!c.real && c.tame && height >= 0 && d.n == MAX_VECTORS * VL) return whole[c.addend != nullptr][height](t, c, d);
    int32_t sums[MR * NV * VL];
    find_kernel<Bytes>(d.rows, vectors)(t, sums);
    finish_tile(c, d, vectors, sums);
}

// ---- tasks ----

struct Cut {
    int64_t rows, by_rows, panels, by_panels;
};

// Tasks of some 10 us or more; a panel of weights is read by as few of them as may be.
Cut cut_tasks(const ByteConv &c, const Panels &p) {
    constexpr double TASK = 6e6;
    constexpr int64_t MOST = 24;
    const int64_t positions = c.positions();
    const double work =
        2.0 * static_cast<double>(positions * c.per_group) * static_cast<double>(4 * cut_window(c).all());
    const int64_t wanted = work / TASK > MOST ? MOST : static_cast<int64_t>(work / TASK);
    Cut t;
    t.by_rows = most(ceil_div(positions, MOST_POSITIONS), least(positions / (4 * MR), ceil_div(wanted, p.count)));
    t.rows = ceil_div(positions, most(1, t.by_rows));
    t.by_rows = ceil_div(positions, t.rows);
    t.by_panels = most(1, least(p.count, ceil_div(wanted, t.by_rows * c.group)));
    t.panels = ceil_div(p.count, t.by_panels);
    t.by_panels = ceil_div(p.count, t.panels);
    return t;
}

// Positions [first, first + rows) and panels [panel, end) of a group.
struct Job {
    const ByteConv &c;
    const Panels &panels;
    const Runs &runs;
    const int32_t *start;
    int64_t group, first, rows, panel, end;

    void run() const {
        auto *places = reinterpret_cast<int64_t *>(scratch(SCRATCH_A, 2 * rows));
        list_places(c, first, rows, places);
        const int64_t steps = cut_window(c).all(), column0 = group * c.padded();
        const auto *w = reinterpret_cast<const int32_t *>(c.w) + column0 * steps;
        for (int64_t i = panel; i < end; ++i) {
            const int64_t vectors = panels.vectors(i), column = panels.column(i);
            const int64_t tiles = ceil_div(rows, rows_of_tile(vectors));  // as equal as may be: a low one wastes loads
            ByteTile t{c.x + group * c.words * 4, nullptr, runs, w + column * steps, start + column0 + column, nullptr};
            for (int64_t tile = 0; tile < tiles; ++tile) {
                const int64_t part = tile - tiles + ceil_div(vectors, FETCHED);  // the last tiles fetch the next panel
                t.ahead = t.w + (part < 0 ? 0 : (vectors + part * FETCHED) * steps * VL);
                const int64_t row = tile * rows / tiles, m = (tile + 1) * rows / tiles - row;
                t.places = places + row;
                run_byte_tile(t, c, {first + row, m, group * c.per_group + column, panels.columns(i)}, vectors);
            }
        }
    }
};

int32_t run(const ew_call *call) {
    ByteConv c;
    if (!read_byte_conv(call, c)) return call->host->error(call, EW_SHAPE, "quantized convolution: sizes disagree");
    if (c.positions() * c.m == 0) return EW_OK;
    c.dense = joins_taps(c);
    const Panels panels(c.per_group);
    const int64_t copied = copied_bytes(c), starts = round_up(c.group * c.padded(), 16);
    float *memory = scratch(SCRATCH_D, starts + 2 * c.taps() + round_up(ceil_div(copied, 4), 16) + 16);
    auto *start = reinterpret_cast<int32_t *>(memory);
    auto *copy = reinterpret_cast<uint8_t *>(start + starts);
    auto *begin = reinterpret_cast<int64_t *>(copy + round_up(copied, 64));
    const auto *bias = static_cast<const int32_t *>(call->inputs[2].data);
    const auto *sums = reinterpret_cast<const int32_t *>(c.w) + c.group * c.padded() * cut_window(c).all();
    for (int64_t g = 0; g < c.group; ++g)
        for (int64_t j = 0; j < c.padded(); ++j) {
            const int64_t m = g * c.per_group + j;
            start[g * c.padded() + j] = j < c.per_group ? bias[m] - c.x_zero * sums[m] : 0;
        }
    if (copied > 0) copy_image(call, c, copy);
    const Runs runs = list_runs(c, begin);
    const Cut t = cut_tasks(c, panels);
    parallel(call, c.group * t.by_rows * t.by_panels, [&](int64_t task) {
        const int64_t by_panel = task % t.by_panels, by_row = task / t.by_panels % t.by_rows;
        const int64_t first = by_row * t.rows, panel = by_panel * t.panels;
        Job{c,
            panels,
            runs,
            start,
            task / t.by_panels / t.by_rows,
            first,
            least(t.rows, c.positions() - first),
            panel,
            least(panels.count, panel + t.panels)}
            .run();
    });
    return EW_OK;
}

// [M, C / group, kernel] as above. Params: group, whether pixels along the last axis follow each other.
int32_t pack(const ew_call *call) {
    const ew_tensor &t = call->inputs[0];
    const auto *w = static_cast<const int8_t *>(t.data);
    const int64_t group = call->params[0].i, m = t.shape[0], channels = t.shape[1], per_group = m / most(1, group);
    const int64_t taps = count(t) / most(1, m * channels), last = call->params[1].i ? t.shape[t.rank - 1] : 1;
    const Cutting cut(last > 1, taps, last, channels);
    const Panels panels(per_group);
    auto *begin = static_cast<int8_t *>(call->outputs[0].data), *out = begin;
    const auto weight = [&](int64_t channel, int64_t run, int64_t i) {  // i: of the run's bytes
        if (i >= last * channels) return int8_t{0};
        return w[(channel * channels + i % channels) * taps + run * last + i / channels];
    };
    for (int64_t g = 0; g < group; ++g)
        for (int64_t p = 0; p < panels.count; ++p)
            for (int64_t word = 0; word < cut.all(); ++word)
                for (int64_t j = 0; j < panels.vectors(p) * VL; ++j)
                    for (int64_t i = 0; i < 4; ++i) {
                        const int64_t column = panels.column(p) + j;
                        *out++ = column < per_group
                                     ? weight(g * per_group + column, word / cut.words, word % cut.words * 4 + i)
                                     : int8_t{0};
                    }
    auto *sums = reinterpret_cast<int32_t *>(out);
    for (int64_t i = 0; i < m; ++i) {
        sums[i] = 0;
        for (int64_t k = 0; k < channels * taps; ++k) sums[i] += w[i * channels * taps + k];
    }
    clear_rest(call->outputs[0], (out - begin) / 4 + m);
    return EW_OK;
}

}  // namespace

EW_KERNEL(quantized_conv_nhwc, run)
EW_KERNEL(pack_quantized_conv_nhwc, pack)

}  // namespace ew::EW_ISA
