// Matrix products whose two sides are rounded to bfloat16 and summed in float32. A and the output are float32 or bfloat16, B
// is float32.
//
// Inputs and params are those of gemm_matmul.cpp. A is rounded once for all tasks; B comes in panels of words
// (narrow_gemm.h) packed when building, or each task packs its own.
#include "cpu/matmul.h"
#include "cpu/narrow_gemm.h"

namespace ew::EW_ISA {

namespace {

// A's matrices one after the other as rows of words.
struct Rounded {
    const int32_t *words;
    int64_t ld, step;  // words between rows, and between matrices
};

constexpr int64_t ROWS = 16;  // rows that a task rounds

// A of bfloat16: words where it lies, if rows consist of such and do not share cache sets; else a copy.
Rounded words_of(const ew_call *call, const Problem &p) {
    const auto *x = static_cast<const uint16_t *>(call->inputs[0].data);
    const int64_t steps = bf16_steps(p.k), matrices = p.m * p.k == 0 ? 0 : count(call->inputs[0]) / (p.m * p.k);
    if (p.a.col == 1 && p.k % 2 == 0 && (spaced(steps) == steps || p.m < MR))
        return {reinterpret_cast<const int32_t *>(x), steps, steps * p.m};
    Rounded out{nullptr, spaced(steps), spaced(steps) * p.m};
    auto *words = reinterpret_cast<int32_t *>(scratch(SCRATCH_D, matrices * out.step + 16));
    out.words = words;
    parallel(call, matrices * p.m, [&](int64_t i) {
        const uint16_t *row = x + i / p.m * p.m * p.k + i % p.m * p.a.row;
        auto *to = reinterpret_cast<uint16_t *>(words + i * out.ld);
        if (p.a.col == 1)
            std::memcpy(to, row, sizeof(uint16_t) * static_cast<size_t>(p.k));
        else
            for (int64_t j = 0; j < p.k; ++j) to[j] = row[j * p.a.col];
        if (p.k % 2) to[p.k] = 0;
    });
    return out;
}

Rounded round_left(const ew_call *call, const Problem &p) {
    if (call->inputs[0].dtype == EW_BFLOAT16) return words_of(call, p);
    const int64_t matrices = p.m * p.k == 0 ? 0 : count(call->inputs[0]) / (p.m * p.k), blocks = ceil_div(p.m, ROWS);
    Rounded out{nullptr, spaced(bf16_steps(p.k)), 0};
    out.step = out.ld * p.m;
    auto *words = reinterpret_cast<int32_t *>(scratch(SCRATCH_D, matrices * out.step + 16));
    out.words = words;
    const auto round = [&](int64_t task) {
        const int64_t row = task % blocks * ROWS, matrix = task / blocks;
        const Matrix a{p.a.data + matrix * p.m * p.k + row * p.a.row, p.a.row, p.a.col};
        pack_bf16_rows(a, least(ROWS, p.m - row), p.k, words + matrix * out.step + row * out.ld, out.ld);
    };
    constexpr int64_t ALONE = 1 << 15;  // numbers that are rounded sooner than another thread is called
    if (matrices * p.m * p.k < ALONE)
        for (int64_t task = 0; task < matrices * blocks; ++task) round(task);
    else
        parallel(call, matrices * blocks, round);
    return out;
}

struct Product {
    const ew_call *call;
    const Problem &p;
    const Rounded &left;
    const int32_t *packed;  // NULL: B is dynamic
    const Finish &finish;
    const Epilogue &epilogue;
    Split split;

    void run(int64_t index, int64_t task) const {
        const auto [row, rows, first, col, cols] = split.block(task);
        const int64_t steps = bf16_steps(p.k), matrix = p.m * p.k == 0 ? 0 : p.offset(index, p.step_a) / (p.m * p.k);
        const bool direct = epilogue.empty() || output_is_f32(call);
        float *c = direct ? p.c + index * p.m * p.n + row * p.n + col : scratch(SCRATCH_C, rows * cols);
        const int64_t ldc = direct ? p.n : cols;
        After after{&epilogue, c, ldc, index * p.m + row, col};
        NarrowGemm g{rows,
                     cols,
                     steps,
                     {left.words + matrix * left.step + row * left.ld, left.ld, 1},
                     packed ? packed + steps * col : pack_own(index, col, cols),
                     c,
                     ldc};
        if (!epilogue.empty()) {
            g.after = After::run;
            g.arg = &after;
        }
        run_bf16_gemm(g, shifted(finish, row, col));
    }

    const int32_t *pack_own(int64_t index, int64_t col, int64_t cols) const {
        auto *own = reinterpret_cast<int32_t *>(scratch(SCRATCH_B, packed_floats(bf16_steps(p.k), cols)));
        pack_bf16_panels({p.b.data + p.offset(index, p.step_b) + col * p.b.col, p.b.row, p.b.col}, p.k, cols, own);
        return own;
    }
};

int32_t run_product(const ew_call *call, bool packed) {
    Problem p;
    if (!read_problem(call, p)) return bad_sizes(call);
    if (p.m * p.n * p.batch == 0) return EW_OK;
    const Finish finish = read_finish(call, p);
    Epilogue epilogue;
    if (!epilogue.parse(call, FIXED_PARAMS, anchor_inputs(call), p.batch * p.m, p.n)) return EW_INVALID_PLAN;
    const Rounded left = round_left(call, p);
    const int32_t *panels = packed ? static_cast<const int32_t *>(call->inputs[1].data) : nullptr;
    const Product product{
        call, p, left, panels, finish, epilogue, split_gemm(p.m, p.n, bf16_steps(p.k), p.batch >= 32 ? 1 : 32)};
    const double work = 2.0 * static_cast<double>(p.m * p.n) * static_cast<double>(bf16_steps(p.k) + 8);
    const int64_t group = work > 3e5 ? 1 : least(p.batch, 1 + static_cast<int64_t>(1e6 / (work + 1)));
    const int64_t tasks = product.split.tasks(), units = p.batch * tasks;
    parallel(call, ceil_div(units, group), [&](int64_t task) {
        for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u) product.run(u / tasks, u % tasks);
    });
    return EW_OK;
}

int32_t matmul_packed(const ew_call *call) { return run_product(call, true); }
int32_t matmul(const ew_call *call) { return run_product(call, false); }

// Output: panels of words. Params: transposed.
int32_t pack_b(const ew_call *call) {
    const ew_tensor &b = call->inputs[0];
    const bool trans = call->params[0].i != 0;
    const int64_t rows = b.rank > 1 ? b.shape[b.rank - 2] : count(b), cols = b.rank > 1 ? b.shape[b.rank - 1] : 1;
    const Matrix matrix = trans ? Matrix{f32(b), 1, cols} : Matrix{f32(b), cols, 1};
    const int64_t k = trans ? cols : rows, n = trans ? rows : cols;
    pack_bf16_panels(matrix, k, n, static_cast<int32_t *>(call->outputs[0].data));
    clear_rest(call->outputs[0], packed_floats(bf16_steps(k), n));
    return EW_OK;
}

}  // namespace

EW_KERNEL(pack_gemm_b_bf16, pack_b)
EW_KERNEL(matmul_packed_bf16, matmul_packed)
EW_KERNEL(matmul_bf16, matmul)

}  // namespace ew::EW_ISA
