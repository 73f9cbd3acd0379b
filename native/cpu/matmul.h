// How the kernels of MatMul and Gemm read their call: sizes, the batch, what is added to the product.
#pragma once

#include "cpu/gemm_finish.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {
namespace {

constexpr int FIXED_PARAMS = 5;

// Sizes and strides of one product of a batch, and the batch axes of the three tensors.
struct Problem {
    int64_t m, n, k;
    int64_t batch;
    Matrix a, b;
    float *c;
    int32_t rank = 0;  // batch axes
    int64_t shape[EW_MAX_RANK], step_a[EW_MAX_RANK], step_b[EW_MAX_RANK];

    int64_t offset(int64_t index, const int64_t *step) const {
        int64_t at = 0;
        for (int32_t i = rank - 1; i >= 0; --i) {
            at += index % shape[i] * step[i];
            index /= shape[i];
        }
        return at;
    }
};

[[maybe_unused]] int64_t size_from_end(const ew_tensor &t, int32_t back) {
    return t.rank >= back ? t.shape[t.rank - back] : 1;
}

[[maybe_unused]] void set_batch_steps(const ew_tensor &t, int64_t matrix, int32_t rank, int64_t *step) {
    int64_t stride = matrix;
    for (int32_t i = rank - 1; i >= 0; --i) {
        const int32_t axis = t.rank - 2 - (rank - i);
        const int64_t size = axis >= 0 ? t.shape[axis] : 1;
        step[i] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

// Reads the sizes; a vector A is one row, a vector B one column. False: inner sizes disagree.
[[maybe_unused]] bool read_problem(const ew_call *call, Problem &p) {
    const ew_tensor &a = call->inputs[0], &b = call->inputs[1], &c = call->outputs[0];
    const bool trans_a = call->params[0].i != 0, trans_b = call->params[1].i != 0;
    const int64_t rows_a = a.rank > 1 ? size_from_end(a, 2) : 1, cols_a = size_from_end(a, 1);
    const int64_t rows_b = b.rank > 1 ? size_from_end(b, 2) : size_from_end(b, 1);
    const int64_t cols_b = b.rank > 1 ? size_from_end(b, 1) : 1;
    p.m = trans_a ? cols_a : rows_a;
    p.k = trans_a ? rows_a : cols_a;
    p.n = trans_b ? rows_b : cols_b;
    p.a = trans_a ? Matrix{f32(a), 1, cols_a} : Matrix{f32(a), cols_a, 1};
    p.b = trans_b ? Matrix{f32(b), 1, cols_b} : Matrix{f32(b), cols_b, 1};
    p.c = static_cast<float *>(c.data);
    p.rank = static_cast<int32_t>(most(0, most(a.rank, b.rank) - 2));
    set_batch_steps(a, rows_a * cols_a, p.rank, p.step_a);
    set_batch_steps(b, rows_b * cols_b, p.rank, p.step_b);
    p.batch = 1;
    for (int32_t i = 0; i < p.rank; ++i) {
        const int32_t back = p.rank - i + 2;
        const int64_t x = size_from_end(a, back), y = size_from_end(b, back);
        p.shape[i] = x == 1 ? y : x;
        p.batch *= p.shape[i];
    }
    if (!trans_a && b.rank <= 2) {  // all rows of the batch share B: one tall product
        p.m *= p.batch;
        p.batch = 1;
        p.rank = 0;
    }
    return p.k == (trans_b ? cols_b : rows_b) && p.m * p.n * p.batch == count(c);
}

[[maybe_unused]] int32_t bad_sizes(const ew_call *call) {
    return call->host->error(call, EW_SHAPE, "matrix product: the inner sizes or the output disagree");
}

[[maybe_unused]] bool has_c(const ew_call *call) { return call->params[4].i > 2 && present(call, 2); }

// Writes beta C, broadcast, into the output; the product is then added to it.
[[maybe_unused]] void fill_with_c(const Problem &p, const ew_tensor &c, float beta) {
    const int64_t rows = c.rank > 1 ? c.shape[c.rank - 2] : 1, cols = c.rank > 0 ? c.shape[c.rank - 1] : 1;
    for (int64_t i = 0; i < p.m; ++i)
        for (int64_t j = 0; j < p.n; ++j)
            p.c[i * p.n + j] = beta * f32(c)[(rows == 1 ? 0 : i * cols) + (cols == 1 ? 0 : j)];
}

// Finds the cheapest way to add beta C: as bias of columns, as residual, or by filling the output first.
[[maybe_unused]] Finish read_finish(const ew_call *call, const Problem &p) {
    Finish f;
    f.alpha = static_cast<float>(call->params[2].f);
    const float beta = static_cast<float>(call->params[3].f);
    if (!has_c(call) || beta == 0) return f;
    const ew_tensor &c = call->inputs[2];
    const int64_t rows = c.rank > 1 ? c.shape[c.rank - 2] : 1, cols = c.rank > 0 ? c.shape[c.rank - 1] : 1;
    if (beta == 1 && rows == 1 && cols == p.n) {
        f.bias_col = f32(c);
    } else if (beta == 1 && rows == p.m && cols == p.n) {
        f.residual = f32(c);
        f.ld_residual = p.n;
    } else {
        fill_with_c(p, c, beta);
        f.accumulate = true;
    }
    return f;
}

struct After {
    const Epilogue *epilogue;
    float *c;
    int64_t ld, row, col;
    static void run(void *arg, int64_t row, int64_t rows, int64_t col, int64_t cols) {
        const After *self = static_cast<const After *>(arg);
        const int64_t r = self->row + row, c = self->col + col;
        self->epilogue->run(self->c + row * self->ld + col, self->ld, r, r + rows, c, c + cols);
    }
};

[[maybe_unused]] bool output_is_f32(const ew_call *call) {
    return call->n_outputs == 1 && call->outputs[0].dtype == EW_FLOAT32;
}

// Inputs before those of a fused program; the last fixed parameter says so.
[[maybe_unused]] int32_t anchor_inputs(const ew_call *call) { return static_cast<int32_t>(call->params[4].i); }

}  // namespace
}  // namespace ew::EW_ISA
