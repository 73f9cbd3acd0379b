// The f32 matrix core of gemm.h: micro-kernels, packing and the blocked loops.
#include <utility>

#include "cpu/gemm_finish.h"
#include "src/scratch.h"

namespace ew::EW_ISA {

namespace {

// `Rows`: A has unit stride along k (row-major), else along its rows.
template <int M, int V, bool Rows>
void tile_kernel(const Tile &t, const Finish &f) {
    vf acc[M][V] = {};
    for (int64_t part = 0; part < t.n_parts; ++part) {
        const float *a = t.parts[part].a, *b = t.parts[part].b;
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
    const bool whole = t.n == V * VL;
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            int64_t left = t.n - v * VL;
            finish_vector(t.c, t.ldc, f, r, v * VL, acc[r][v], whole || left >= VL, left);
        }
}

using TileKernel = void (*)(const Tile &, const Finish &);

template <int V, bool Rows, typename Sequence>
struct Row;
template <int V, bool Rows, int... M>
struct Row<V, Rows, std::integer_sequence<int, M...>> {
    static constexpr TileKernel kernels[] = {tile_kernel<M + 1, V, Rows>...};
};

template <bool Rows>
TileKernel find_kernel(int m, int vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const TileKernel *table[] = {Row<1, Rows, All>::kernels, Row<2, Rows, All>::kernels,
#if EW_ISA_AVX512
                                                  Row<3, Rows, All>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

}  // namespace

void run_tile(const Tile &tile, const Finish &finish) {
    const int vectors = static_cast<int>(ceil_div(tile.n, VL));
    (tile.col_a == 1 ? find_kernel<true>(tile.m, vectors) : find_kernel<false>(tile.m, vectors))(tile, finish);
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

// Rows of A whose distance is a multiple of 2 KiB fall into the same cache sets: such blocks are copied.
constexpr int64_t ALIASING_FLOATS = 512;
constexpr int64_t MAX_K = 768;  // 48 columns * 768 rows of B: 144 KiB, streamed from L2
constexpr int64_t GROUP = 192 / NR * NR;
constexpr int64_t MAX_ROWS = 128;  // 128 rows * 768 of A: 384 KiB, kept in L2

Matrix copy_block(const Matrix &a, int64_t rows, int64_t k) {
    const int64_t ld = round_up(k, VL) + VL;
    float *out = scratch(SCRATCH_A, rows * ld);
    for (int64_t r = 0; r < rows; ++r) std::memcpy(out + r * ld, a.data + r * a.row, sizeof(float) * k);
    return {out, ld, 1};
}

// One block: rows [row, row + rows) of C, all panels, k values from k0 on; `a` is the block's A.
void run_block(const Gemm &g, const Finish &finish, int64_t row, int64_t rows, int64_t k0, int64_t k, Matrix a) {
    const bool last = k0 + k == g.k;
    Finish partial;
    partial.alpha = finish.alpha;
    partial.accumulate = finish.accumulate || k0 > 0;
    for (int64_t col = 0; col < g.n; col += NR) {
        const int width = static_cast<int>(least(NR, g.n - col));
        const int64_t row_b = panel_width(g.n, col / NR);
        const float *b = panel(g.panels, g.k, col / NR) + k0 * row_b;
        for (int64_t r = 0; r < rows; r += MR) {
            const Part part{a.data + r * a.row, b};
            const Tile tile{&part,
                            1,
                            k,
                            a.row,
                            a.col,
                            row_b,
                            g.c + (row + r) * g.ldc + col,
                            g.ldc,
                            static_cast<int>(least(MR, rows - r)),
                            width};
            if (last) {
                Finish f = shifted(finish, row + r, col);
                f.accumulate = partial.accumulate;
                run_tile(tile, f);
            } else {
                run_tile(tile, partial);
            }
        }
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
    const bool aliasing = g.a.col == 1 && g.m > 1 && g.n > 2 * NR && g.a.row % ALIASING_FLOATS == 0;
    for (int64_t row = 0; row < g.m; row += MAX_ROWS) {
        const int64_t rows = least(MAX_ROWS, g.m - row);
        int64_t k0 = 0;
        do {
            const int64_t k = least(step, g.k - k0);
            Matrix a{g.a.data + row * g.a.row + k0 * g.a.col, g.a.row, g.a.col};
            if (aliasing) a = copy_block(a, rows, k);
            run_block(g, finish, row, rows, k0, k, a);
            k0 += k;
        } while (k0 < g.k);
    }
}

Split split_gemm(int64_t m, int64_t n, int64_t k, int64_t most_tasks) {
    constexpr double TASK = 1.5e6;  // about 10 us of one core; a fork and join costs 2 us
    const double work = static_cast<double>(n) * static_cast<double>(k) * static_cast<double>(2 * m + 8);
    const double tasks = work / TASK;
    const int64_t wanted = tasks < 1 ? 1 : tasks > double(most_tasks) ? most_tasks : static_cast<int64_t>(tasks);
    const int64_t panels = most(1, ceil_div(n, NR));
    const int64_t by_rows = most(1, least(wanted, ceil_div(m, MAX_ROWS)));
    int64_t by_rows_more = by_rows;
    const int64_t by_panels = most(1, least(panels, ceil_div(wanted, by_rows)));
    if (by_rows * by_panels < wanted)  // few panels: lower blocks of rows keep all threads busy
        by_rows_more = most(by_rows, least(ceil_div(wanted, by_panels), m / (4 * MR)));
    Split s;
    s.rows = most(MR, round_up(ceil_div(m, by_rows_more), MR));
    s.by_rows = most(1, ceil_div(m, s.rows));
    s.panels = ceil_div(panels, most(1, least(panels, ceil_div(wanted, s.by_rows))));
    s.by_panels = ceil_div(panels, s.panels);
    return s;
}

float *scratch(Scratch slot, int64_t floats) { return thread_scratch(slot, floats); }

}  // namespace ew::EW_ISA
