// Matrix products: f32 with packed or dynamic right-hand side, batched with broadcast; other types by simple loops.
//
// Inputs A, B and, for Gemm, C (broadcast to the output). Params: trans_a, trans_b, alpha, beta, number of these inputs;
// then the fused program. Output: alpha A B + beta C. A packed B keeps its logical shape.
#include "cpu/matmul.h"
#include "cpu/pack_columns.h"

namespace ew::EW_ISA {

namespace {

// One task of one product: packs its panels of B if they are not packed yet.
void run_part(const ew_call *call, const Problem &p, int64_t index, const float *packed, const Finish &finish,
              const Epilogue &epilogue, const Split &s, int64_t task) {
    const auto [row, rows, first, col, cols] = s.block(task);
    const Matrix a{p.a.data + p.offset(index, p.step_a) + row * p.a.row, p.a.row, p.a.col};
    const float *panels = packed ? panel(packed, p.k, first) : nullptr;
    if (!packed) {
        float *own = scratch(SCRATCH_B, packed_floats(p.k, cols));
        pack_panels({p.b.data + p.offset(index, p.step_b) + col * p.b.col, p.b.row, p.b.col}, p.k, cols, own);
        panels = own;
    }
    // The program may write another type than the product's: the product then stays in scratch memory.
    const bool direct = epilogue.empty() || output_is_f32(call);
    float *c = direct ? p.c + index * p.m * p.n + row * p.n + col : scratch(SCRATCH_C, rows * cols);
    const int64_t ldc = direct ? p.n : cols;
    After after{&epilogue, c, ldc, index * p.m + row, col};
    Gemm g{rows, cols, p.k, a, panels, c, ldc};
    if (!epilogue.empty()) {
        g.after = After::run;
        g.arg = &after;
    }
    run_gemm(g, shifted(finish, row, col));
}

int32_t run_product(const ew_call *call, const float *packed) {
    Problem p;
    if (!read_problem(call, p)) return bad_sizes(call);
    if (p.m * p.n * p.batch == 0) return EW_OK;
    const Finish finish = read_finish(call, p);
    Epilogue epilogue;
    if (!epilogue.parse(call, FIXED_PARAMS, anchor_inputs(call), p.batch * p.m, p.n)) return EW_INVALID_PLAN;
    const Split s = split_gemm(p.m, p.n, p.k, p.batch >= 32 ? 1 : 32);
    const double work = 2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k + 8);
    const int64_t group = work > 3e5 ? 1 : least(p.batch, 1 + static_cast<int64_t>(1e6 / (work + 1)));
    const int64_t units = p.batch * s.tasks();
    parallel(call, ceil_div(units, group), [&](int64_t task) {
        for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u)
            run_part(call, p, u / s.tasks(), packed, finish, epilogue, s, u % s.tasks());
    });
    return EW_OK;
}

int32_t matmul_packed(const ew_call *call) { return run_product(call, f32(call->inputs[1])); }

// Output: the panels. Params: transposed.
int32_t pack_b(const ew_call *call) {
    const Columns b = read_columns(call);
    float *out = static_cast<float *>(call->outputs[0].data);
    pack_columns(call, b, [&](const Matrix &part, int64_t first, int64_t columns) {
        pack_panels(part, b.k, columns, out + first * b.k);
    });
    clear_rest(call->outputs[0], packed_floats(b.k, b.n));
    return EW_OK;
}

// ---- few rows and a dynamic B: packing would cost more than the product ----

// c[r, j] = sum over k of a[r, k] b[j, k], for COLS columns at a time so that their loads overlap.
template <int COLS>
void dot_columns(const Matrix &a, int64_t rows, const float *b, int64_t ld, int64_t k, float *c, int64_t ldc) {
    for (int64_t r = 0; r < rows; ++r) {
        vf sum[COLS] = {};
        const float *x = a.data + r * a.row;
        int64_t i = 0;
        for (; i + VL <= k; i += VL)
            for (int j = 0; j < COLS; ++j) sum[j] += load(x + i) * load(b + j * ld + i);
        if (i < k)
            for (int j = 0; j < COLS; ++j) sum[j] += load_n(x + i, k - i) * load_n(b + j * ld + i, k - i);
        for (int j = 0; j < COLS; ++j) c[r * ldc + j] = reduce_add(sum[j]);
    }
}

// A few rows times B [k, n] in place: whole vectors of B are read, its last columns through partial loads.
void row_columns(const Matrix &a, int64_t rows, const Matrix &b, int64_t k, int64_t n, float *c, int64_t ldc) {
    for (int64_t j = 0; j < n; j += VL) {
        const int64_t width = least(VL, n - j);
        for (int64_t r = 0; r < rows; ++r) {
            vf sum{};
            for (int64_t i = 0; i < k; ++i)
                sum += splat(a.data[r * a.row + i * a.col]) * load_n(b.data + i * b.row + j, width);
            store_n(c + r * ldc + j, sum, width);
        }
    }
}

void run_skinny(const Problem &p, int64_t index, int64_t col, int64_t cols) {
    const Matrix a{p.a.data + p.offset(index, p.step_a), p.a.row, p.a.col};
    const float *b = p.b.data + p.offset(index, p.step_b) + col * p.b.col;
    float *c = p.c + index * p.m * p.n + col;
    if (p.b.col != 1 || p.b.row == 1) {
        int64_t j = 0;
        for (; j + 4 <= cols; j += 4) dot_columns<4>(a, p.m, b + j * p.b.col, p.b.col, p.k, c + j, p.n);
        for (; j < cols; ++j) dot_columns<1>(a, p.m, b + j * p.b.col, p.b.col, p.k, c + j, p.n);
        return;
    }
    const int64_t whole = cols / NR * NR;
    for (int64_t j = 0; j < whole; j += NR) {
        const Part part{a.data, b + j};
        run_tile({&part, 1, p.k, a.row, a.col, p.b.row, c + j, p.n, static_cast<int>(p.m), NR}, Finish{});
    }
    row_columns(a, p.m, {b + whole, p.b.row, 1}, p.k, cols - whole, c + whole, p.n);
}

constexpr int64_t SKINNY = 4;  // rows up to which B is used in place

int32_t matmul(const ew_call *call) {
    Problem p;
    if (!read_problem(call, p)) return bad_sizes(call);
    const bool plain = call->n_params == FIXED_PARAMS && call->params[2].f == 1 && !has_c(call);
    if (!plain || p.m > SKINNY || p.m > MR || (p.a.col != 1 && p.m > 1)) return run_product(call, nullptr);
    const Split s = split_gemm(p.m, p.n, p.k, p.batch >= 32 ? 1 : 32);
    const int64_t cols = s.panels * NR, parts = ceil_div(p.n, cols);
    const double work = static_cast<double>(p.n) * static_cast<double>(p.k + 8) * 10;
    const int64_t group = 1 + static_cast<int64_t>(1e6 / (work + 1)), units = p.batch * parts;
    parallel(call, ceil_div(units, group), [&](int64_t task) {
        for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u)
            run_skinny(p, u / parts, u % parts * cols, least(cols, p.n - u % parts * cols));
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(pack_gemm_b_f32, pack_b)
EW_KERNEL(matmul_packed_f32, matmul_packed)
EW_KERNEL(matmul_f32, matmul)

}  // namespace ew::EW_ISA
