// The f32 matrix core of gemm.h: micro-kernels, packing and the blocked loops.
#include <utility>

#include "cpu/gemm_finish.h"
#include "src/scratch.h"

namespace ew::EW_ISA {

namespace {

// `Rows`: A has unit stride along k (row-major), else along its rows. `Whole`: all V vectors of C are written wholly.
template <int M, int V, bool Rows, bool Whole>
void tile_kernel(const Tile &t, const Finish &f) {
    float *c = t.c;
    for (int64_t row = 0; row < t.count * M; row += M, c += M * t.ldc) {
        expect_writes<M, V>(c, t.ldc);
        vf acc[M][V] = {};
        for (int64_t part = 0; part < t.n_parts; ++part) {
            const float *a = t.parts[part].a + row * t.row_a, *b = t.parts[part].b;
            const int64_t stride = Rows ? t.row_a : t.col_a, row_b = t.row_b;
            for (int64_t k = t.k; k > 0; --k) {
                vf bv[V];
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) bv[v] = load(b + v * VL);
#pragma GCC unroll 8
                for (int r = 0; r < M; ++r) {
                    vf av = splat(Rows ? a[r * stride] : a[r]);
#pragma GCC unroll 4
                    for (int v = 0; v < V; ++v) acc[r][v] += av * bv[v];
                }
                a += Rows ? 1 : stride;
                b += row_b;
            }
        }
        finish_tile<M, V, Whole>(c, t.ldc, t.n, f, row, acc);
    }
}

using TileKernel = void (*)(const Tile &, const Finish &);

template <int V, bool Rows, bool Whole, typename Sequence>
struct Row;
template <int V, bool Rows, bool Whole, int... M>
struct Row<V, Rows, Whole, std::integer_sequence<int, M...>> {
    static constexpr TileKernel kernels[] = {tile_kernel<M + 1, V, Rows, Whole>...};
};

template <bool Rows, bool Whole>
TileKernel find_kernel(int m, int vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const TileKernel *table[] = {Row<1, Rows, Whole, All>::kernels, Row<2, Rows, Whole, All>::kernels,
#if EW_ISA_AVX512
                                                  Row<3, Rows, Whole, All>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

}  // namespace

void run_tile(const Tile &tile, const Finish &finish) {
    const int vectors = static_cast<int>(ceil_div(tile.n, VL));
    const bool whole = tile.n == vectors * VL;
    const auto find = tile.col_a == 1 ? (whole ? find_kernel<true, true> : find_kernel<true, false>)
                                      : (whole ? find_kernel<false, true> : find_kernel<false, false>);
    find(tile.m, vectors)(tile, finish);
}

int64_t packed_floats(int64_t k, int64_t n) { return k * (n / NR * NR + round_up(n % NR, VL)); }

namespace {

// One panel of a transposed B: columns of the panel are rows in memory.
void pack_transposed(const Matrix &b, int64_t k, int64_t columns, int64_t width, float *out) {
    constexpr int64_t BLOCK = 16;  // k at a time, so that the lines being written stay in L1
    for (int64_t k0 = 0; k0 < k; k0 += BLOCK) {
        const int64_t k1 = least(k, k0 + BLOCK);
        for (int64_t j = 0; j < columns; ++j)
            for (int64_t i = k0; i < k1; ++i) out[i * width + j] = b.data[j * b.col + i * b.row];
        for (int64_t j = columns; j < width; ++j)
            for (int64_t i = k0; i < k1; ++i) out[i * width + j] = 0;
    }
}

void pack_rows(const Matrix &b, int64_t k, int64_t columns, int64_t width, float *out) {
    for (int64_t i = 0; i < k; ++i, out += width) {
        const float *row = b.data + i * b.row;
        int64_t j = 0;
        for (; j + VL <= columns; j += VL) store(out + j, load(row + j));
        if (j < width) store(out + j, load_n(row + j, columns - j));
    }
}

constexpr int64_t MAX_K = 4096;  // 48 columns * 4096 rows of B: 768 KiB, streamed from L2
constexpr int64_t GROUP = 192 / NR * NR;
constexpr int64_t MAX_ROWS = 128;  // rows of A that stay in L2 while panels of B pass by, if they are short

// One block: rows [row, row + rows) of C, all panels, k values from k0 on.
void run_block(const Gemm &g, const Finish &finish, int64_t row, int64_t rows, int64_t k0, int64_t k) {
    const float *a = g.a.data + row * g.a.row + k0 * g.a.col;
    const bool last = k0 + k == g.k;
    Finish partial;
    partial.alpha = finish.alpha;
    partial.accumulate = finish.accumulate || k0 > 0;
    const Heights heights(rows);
    for (int64_t col = 0; col < g.n; col += NR) {
        const int width = static_cast<int>(least(NR, g.n - col));
        const int64_t row_b = panel_width(g.n, col / NR);
        const float *b = panel(g.panels, g.k, col / NR) + k0 * row_b;
        heights.each([&](int64_t r, int64_t height, int64_t tiles) {
            const Part part{a + r * g.a.row, b};
            float *c = g.c + (row + r) * g.ldc + col;
            const Tile tile{&part, 1, k, g.a.row, g.a.col, row_b, c, g.ldc, static_cast<int>(height), width, tiles};
            if (!last) return run_tile(tile, partial);
            Finish f = shifted(finish, row + r, col);
            f.accumulate = partial.accumulate;
            run_tile(tile, f);
        });
        // A few panels at a time: long rows are cheaper for what comes after, and this much stays in L2.
        const int64_t done = col + width, first = col / GROUP * GROUP;
        if (last && g.after && (done == g.n || done % GROUP == 0)) g.after(g.arg, row, rows, first, done - first);
    }
}

}  // namespace

void pack_panels(const Matrix &b, int64_t k, int64_t n, float *out) {
    for (int64_t j = 0; j < n; j += NR) {
        const Matrix part{b.data + j * b.col, b.row, b.col};
        const int64_t columns = least(NR, n - j), width = round_up(columns, VL);
        (b.col == 1 ? pack_rows : pack_transposed)(part, k, columns, width, out);
        out += k * width;
    }
}

void run_gemm(const Gemm &g, const Finish &finish) {
    const int64_t blocks = most(1, ceil_div(g.k, MAX_K)), step = round_up(ceil_div(g.k, blocks), 8);
    for (int64_t row = 0; row < g.m; row += MAX_ROWS) {
        const int64_t rows = least(MAX_ROWS, g.m - row);
        int64_t k0 = 0;
        do {
            const int64_t k = least(step, g.k - k0);
            run_block(g, finish, row, rows, k0, k);
            k0 += k;
        } while (k0 < g.k);
    }
}

Split split_gemm(int64_t m, int64_t n, int64_t k, int64_t most_tasks) {
    constexpr double TASK = 1.5e6;   // about 10 us of one core; a fork and join costs 2 us
    constexpr int64_t LOW = 4 * MR;  // rows for which reading B again does not cost much
    const double work = static_cast<double>(n) * static_cast<double>(k) * static_cast<double>(2 * m + 8);
    const double tasks = work / TASK;
    const int64_t wanted = tasks < 1 ? 1 : tasks > double(most_tasks) ? most_tasks : static_cast<int64_t>(tasks);
    const int64_t panels = most(1, ceil_div(n, NR));
    // Halves of rows are equal, other than halves of panels.
    const int64_t blocks = m < 2 * LOW ? 1 : round_up(ceil_div(m, MAX_ROWS), 2), by_rows = least(wanted, blocks);
    const int64_t by_panels = least(panels, ceil_div(wanted, by_rows));
    // Few panels: lower blocks of rows keep all threads busy.
    const int64_t lower = most(by_rows, least(ceil_div(wanted, by_panels), m / LOW));
    Split s{m, n, 0, 0, 0, 0};
    s.rows = most(1, ceil_div(m, lower));
    s.by_rows = most(1, ceil_div(m, s.rows));
    s.panels = ceil_div(panels, most(1, least(panels, ceil_div(wanted, s.by_rows))));
    s.by_panels = ceil_div(panels, s.panels);
    return s;
}

float *scratch(Scratch slot, int64_t floats) { return thread_scratch(slot, floats); }

}  // namespace ew::EW_ISA
