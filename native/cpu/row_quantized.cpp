// Products of float rows with int8 weights: each group of 64 numbers of a row becomes uint8 by its own range, integers are
// multiplied and summed within a group, and the groups are summed in float32.
//
// Inputs: a (float32), b (int8 [K, N], or packed), b_scale (one number, or one for each column); then the fused program's.
// Params: packed, number of inputs, then the program. Packed: the panels of narrow_gemm.h, then for each group the sums of
// its columns as floats.
#include <utility>

#include "cpu/matmul.h"
#include "cpu/narrow_dot.h"
#include "cpu/quantized_gemm.h"

namespace ew::EW_ISA {

namespace {

constexpr int FIXED = 2;
constexpr int64_t GROUP = 64, STEPS = GROUP / 4;
constexpr int ROWS = MR / 2;  // of a tile: integer and float sums share the registers

int64_t groups_of(int64_t k) { return ceil_div(k, GROUP); }
int64_t group_sums(int64_t k, int64_t n) { return groups_of(k) * round_up(n, NR); }
int64_t packed_words(int64_t k, int64_t n) { return packed_floats(byte_steps(k), n) + group_sums(k, n); }

// Panels, then the sums.
void pack_groups(const uint8_t *b, int64_t k, int64_t n, int32_t *out) {
    auto *sums = reinterpret_cast<float *>(out + packed_floats(byte_steps(k), n));
    pack_bytes({b, n, 1, 0}, k, n, reinterpret_cast<uint8_t *>(out));
    for (int64_t g = 0; g < groups_of(k); ++g, sums += round_up(n, NR)) {
        for (int64_t j = 0; j < round_up(n, NR); ++j) sums[j] = 0;
        for (int64_t i = g * GROUP; i < least(k, (g + 1) * GROUP); ++i)
            for (int64_t j = 0; j < n; ++j) sums[j] += static_cast<float>(static_cast<int8_t>(b[i * n + j]));
    }
}

// Quantized rows: words `ld` apart; of each row and group the scale, and scale times zero point.
struct Left {
    int32_t *words;
    int64_t ld, groups;
    float *scales, *shifts;
};

void quantize_groups(const float *x, int64_t k, const Left &left, int64_t row) {
    auto *out = reinterpret_cast<uint8_t *>(left.words + row * left.ld);
    for (int64_t g = 0; g < left.groups; ++g) {
        const int64_t n = least(GROUP, k - g * GROUP);
        float scale, zero;
        find_row_range(x + g * GROUP, n, &scale, &zero);
        quantize_row(x + g * GROUP, n, scale, zero, out + g * GROUP);
        left.scales[row * left.groups + g] = scale;
        left.shifts[row * left.groups + g] = scale * zero;
    }
    for (int64_t i = k; i < 4 * byte_steps(k); ++i) out[i] = 0;
}

struct GroupedTile {
    const int32_t *a;
    int64_t ld, groups, steps;
    const float *scales, *shifts;  // of the tile's first row
    const int32_t *b;
    const float *sums;
    int64_t row_sums;  // floats between groups
    float scale;
    const float *scale_col;  // NULL: `scale` for all
    float *c;
    int64_t ldc, n;
};

template <int M, int V>
void tile_kernel(const GroupedTile &t) {
    vf total[M][V] = {};
    const int32_t *a = t.a, *b = t.b;
    for (int64_t g = 0; g < t.groups; ++g) {
        vi acc[M][V] = {};
        for (int64_t k = least(STEPS, t.steps - g * STEPS); k > 0; --k, ++a, b += V * VL) {
            Bytes::Wide bv[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) bv[v] = Bytes::widen(load(b + v * VL));
#pragma GCC unroll 8
            for (int r = 0; r < M; ++r) {
                const vi av = splat(a[r * t.ld]);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) acc[r][v] = Bytes::dot(acc[r][v], av, bv[v]);
            }
        }
        const float *sums = t.sums + g * t.row_sums;
#pragma GCC unroll 8
        for (int r = 0; r < M; ++r) {
            const vf scale = splat(t.scales[r * t.groups + g]), shift = splat(t.shifts[r * t.groups + g]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v)
                total[r][v] += scale * __builtin_convertvector(acc[r][v], vf) - shift * load(sums + v * VL);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            const int64_t left = t.n - v * VL;
            const vf factor = t.scale_col
                                  ? (left >= VL ? load(t.scale_col + v * VL) : load_n(t.scale_col + v * VL, left))
                                  : splat(t.scale);
            float *c = t.c + r * t.ldc + v * VL;
            if (left >= VL)
                store(c, total[r][v] * factor);
            else
                store_n(c, total[r][v] * factor, left);
        }
}

using Kernel = void (*)(const GroupedTile &);
template <int V, typename Sequence>
struct Row;
template <int V, int... M>
struct Row<V, std::integer_sequence<int, M...>> {
    static constexpr Kernel kernels[] = {tile_kernel<M + 1, V>...};
};
Kernel find_kernel(int64_t m, int64_t vectors) {
    using All = std::make_integer_sequence<int, ROWS>;
    static constexpr const Kernel *table[] = {Row<1, All>::kernels, Row<2, All>::kernels,
#if EW_ISA_AVX512
                                              Row<3, All>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

struct Product {
    const ew_call *call;
    int64_t m, n, k;
    Left left;
    const int32_t *panels;
    const float *scales_b;
    bool by_column, direct;
    const Epilogue &epilogue;
    Split split;

    // Columns that are handed on at once.
    static constexpr int64_t HANDED = 192 / NR * NR;

    void run(int64_t task) const {
        const auto [row, rows, panel, first, cols] = split.block(task);
        float *c =
            direct ? static_cast<float *>(call->outputs[0].data) + row * n + first : scratch(SCRATCH_C, rows * cols);
        const int64_t ldc = direct ? n : cols;
        for (int64_t col = 0; col < cols; col += NR) {
            for (int64_t r = 0; r < rows; r += ROWS)
                run_tile(row + r, least(ROWS, rows - r), first + col, c + r * ldc + col, ldc);
            const int64_t done = least(cols, col + NR), begin = col / HANDED * HANDED;
            if (!epilogue.empty() && (done == cols || done % HANDED == 0))
                epilogue.run(c + begin, ldc, row, row + rows, first + begin, first + done);
        }
    }

    void run_tile(int64_t row, int64_t rows, int64_t col, float *c, int64_t ldc) const {
        const int64_t steps = byte_steps(k), width = panel_width(n, col / NR);
        const auto *sums = reinterpret_cast<const float *>(panels + packed_floats(steps, n));
        find_kernel(
            rows, width / VL)({left.words + row * left.ld, left.ld, left.groups, steps, left.scales + row * left.groups,
                               left.shifts + row * left.groups, panels + col * steps, sums + col, round_up(n, NR),
                               *scales_b, by_column ? scales_b + col : nullptr, c, ldc, least(NR, n - col)});
    }
};

int32_t run(const ew_call *call) {
    const ew_tensor &a = call->inputs[0], &b = call->inputs[1], &scale = call->inputs[2];
    const bool packed = call->params[0].i != 0;
    if (a.rank < 1 || b.rank != 2 || a.shape[a.rank - 1] != b.shape[0]) return bad_sizes(call);
    const int64_t k = b.shape[0], n = b.shape[1], scales = count(scale);
    int64_t m = 1;
    for (int32_t i = 0; i + 1 < a.rank; ++i) m *= a.shape[i];
    if (m * n != count(call->outputs[0]) || (scales != 1 && scales != n)) return bad_sizes(call);
    if (m * n == 0) return EW_OK;
    Epilogue epilogue;
    if (!epilogue.parse(call, FIXED, static_cast<int>(call->params[1].i), m, n)) return EW_INVALID_PLAN;

    const int64_t ld = spaced(byte_steps(k)), groups = groups_of(k),
                  own = packed ? 0 : round_up(packed_words(k, n), 16);
    auto *memory = reinterpret_cast<int32_t *>(scratch(SCRATCH_D, own + m * (ld + 2 * groups) + 16));
    const auto *panels = packed ? static_cast<const int32_t *>(b.data) : memory;
    if (!packed) pack_groups(static_cast<const uint8_t *>(b.data), k, n, memory);
    auto *scales_a = reinterpret_cast<float *>(memory + own + m * ld);
    const Left left{memory + own, ld, groups, scales_a, scales_a + m * groups};
    constexpr int64_t TASK = 1 << 13;  // numbers that a task quantizes
    const int64_t rows = most(1, TASK / most(1, k));
    parallel(call, ceil_div(m, rows), [&](int64_t task) {
        for (int64_t r = task * rows; r < least(m, (task + 1) * rows); ++r) quantize_groups(f32(a) + r * k, k, left, r);
    });
    const Product product{call,
                          m,
                          n,
                          k,
                          left,
                          panels,
                          f32(scale),
                          scales > 1,
                          epilogue.empty() || output_is_f32(call),
                          epilogue,
                          split_gemm(m, n, byte_steps(k))};
    parallel(call, product.split.tasks(), [&](int64_t task) { product.run(task); });
    return EW_OK;
}

int32_t pack(const ew_call *call) {
    const ew_tensor &b = call->inputs[0];
    const int64_t k = b.shape[0], n = b.shape[1];
    pack_groups(static_cast<const uint8_t *>(b.data), k, n, static_cast<int32_t *>(call->outputs[0].data));
    clear_rest(call->outputs[0], packed_words(k, n));
    return EW_OK;
}

}  // namespace

EW_KERNEL(row_quantized_matmul, run)
EW_KERNEL(pack_row_quantized, pack)

}  // namespace ew::EW_ISA
