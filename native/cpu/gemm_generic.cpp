// Matrix products of types without a tuned kernel: f64 and integers by plain loops, f16 and bf16 through f32.
//
// Inputs A, B and, for Gemm, C; params trans_a, trans_b, alpha, beta, number of inputs, as in gemm_matmul.cpp.
#include "cpu/gemm_half.h"

namespace ew::EW_ISA {

namespace {

struct Shape {
    int64_t m, n, k, batch = 1;
    int64_t row_a, col_a, row_b, col_b;
    int32_t rank;
    int64_t sizes[EW_MAX_RANK], step_a[EW_MAX_RANK], step_b[EW_MAX_RANK];
};

int64_t from_end(const ew_tensor &t, int32_t back) { return t.rank >= back ? t.shape[t.rank - back] : 1; }

void set_steps(const ew_tensor &t, int64_t matrix, int32_t rank, int64_t *step) {
    int64_t stride = matrix;
    for (int32_t i = rank - 1; i >= 0; --i) {
        const int64_t size = from_end(t, rank - i + 2);
        step[i] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

Shape read_shape(const ew_call *call) {
    const ew_tensor &a = call->inputs[0], &b = call->inputs[1];
    const bool ta = call->params[0].i != 0, tb = call->params[1].i != 0;
    const int64_t rows_a = a.rank > 1 ? from_end(a, 2) : 1, cols_a = from_end(a, 1);
    const int64_t rows_b = b.rank > 1 ? from_end(b, 2) : from_end(b, 1), cols_b = b.rank > 1 ? from_end(b, 1) : 1;
    Shape s;
    s.m = ta ? cols_a : rows_a;
    s.k = ta ? rows_a : cols_a;
    s.n = tb ? rows_b : cols_b;
    s.row_a = ta ? 1 : cols_a;
    s.col_a = ta ? cols_a : 1;
    s.row_b = tb ? 1 : cols_b;
    s.col_b = tb ? cols_b : 1;
    s.rank = static_cast<int32_t>(most(0, most(a.rank, b.rank) - 2));
    set_steps(a, rows_a * cols_a, s.rank, s.step_a);
    set_steps(b, rows_b * cols_b, s.rank, s.step_b);
    for (int32_t i = 0; i < s.rank; ++i) {
        const int64_t x = from_end(a, s.rank - i + 2), y = from_end(b, s.rank - i + 2);
        s.sizes[i] = x == 1 ? y : x;
        s.batch *= s.sizes[i];
    }
    return s;
}

int64_t offset(const Shape &s, int64_t index, const int64_t *step) {
    int64_t at = 0;
    for (int32_t i = s.rank - 1; i >= 0; --i) {
        at += index % s.sizes[i] * step[i];
        index /= s.sizes[i];
    }
    return at;
}

template <typename T>
T c_at(const ew_call *call, int64_t i, int64_t j) {
    const ew_tensor &c = call->inputs[2];
    const int64_t rows = c.rank > 1 ? c.shape[c.rank - 2] : 1, cols = c.rank > 0 ? c.shape[c.rank - 1] : 1;
    return static_cast<const T *>(c.data)[(rows == 1 ? 0 : i * cols) + (cols == 1 ? 0 : j)];
}

// One row of the output; Sum is wide enough for the products (unsigned for integers: they wrap).
template <typename T, typename Sum>
void run_row(const ew_call *call, const Shape &s, int64_t index, int64_t i) {
    const T *a = static_cast<const T *>(call->inputs[0].data) + offset(s, index, s.step_a) + i * s.row_a;
    const T *b = static_cast<const T *>(call->inputs[1].data) + offset(s, index, s.step_b);
    T *c = static_cast<T *>(call->outputs[0].data) + (index * s.m + i) * s.n;
    const double alpha = call->params[2].f, beta = call->params[3].f;
    const bool scaled = alpha != 1 || (present(call, 2) && beta != 0);
    constexpr int64_t BLOCK = 64;
    for (int64_t j0 = 0; j0 < s.n; j0 += BLOCK) {
        const int64_t width = least(BLOCK, s.n - j0);
        Sum sum[BLOCK] = {};
        for (int64_t k = 0; k < s.k; ++k) {
            const Sum x = static_cast<Sum>(a[k * s.col_a]);
            const T *row = b + k * s.row_b + j0 * s.col_b;
            if (s.col_b == 1)
                for (int64_t j = 0; j < width; ++j) sum[j] += x * static_cast<Sum>(row[j]);
            else
                for (int64_t j = 0; j < width; ++j) sum[j] += x * static_cast<Sum>(row[j * s.col_b]);
        }
        for (int64_t j = 0; j < width; ++j) {
            c[j0 + j] = static_cast<T>(sum[j]);
            if (!scaled) continue;
            double v = alpha * static_cast<double>(c[j0 + j]);
            if (present(call, 2)) v += beta * static_cast<double>(c_at<T>(call, i, j0 + j));
            c[j0 + j] = static_cast<T>(v);
        }
    }
}

template <typename T, typename Sum>
int32_t run_typed(const ew_call *call) {
    const Shape s = read_shape(call);
    const int64_t rows = s.batch * s.m, group = 1 + 200000 / (s.n * s.k + 1);
    if (rows * s.n == 0) return EW_OK;
    parallel(call, ceil_div(rows, group), [&](int64_t task) {
        for (int64_t r = task * group; r < least(rows, (task + 1) * group); ++r)
            run_row<T, Sum>(call, s, r / s.m, r % s.m);
    });
    return EW_OK;
}

// ---- 16-bit floats ----

int32_t run_half(const ew_call *call) {
    const Shape s = read_shape(call);
    const ew_tensor &out = call->outputs[0];
    const bool brain = out.dtype == EW_BFLOAT16, with_c = present(call, 2);
    const int64_t na = count(call->inputs[0]), nb = count(call->inputs[1]), nc = with_c ? count(call->inputs[2]) : 0;
    float *a = scratch(SCRATCH_C, na + nb + nc), *b = a + na, *extra = b + nb;
    widen_all(call->inputs[0], a);
    widen_all(call->inputs[1], b);
    if (with_c) widen_all(call->inputs[2], extra);
    float *c = scratch(SCRATCH_D, s.m * s.n), *panels = scratch(SCRATCH_B, packed_floats(s.k, s.n));
    Finish finish;
    finish.alpha = static_cast<float>(call->params[2].f);
    const float beta = static_cast<float>(call->params[3].f);
    const ew_tensor *t = with_c ? &call->inputs[2] : nullptr;
    const int64_t rows = t && t->rank > 1 ? t->shape[t->rank - 2] : 1;
    const int64_t cols = t && t->rank > 0 ? t->shape[t->rank - 1] : 1;
    for (int64_t index = 0; index < s.batch; ++index) {
        pack_panels({b + offset(s, index, s.step_b), s.row_b, s.col_b}, s.k, s.n, panels);
        run_gemm({s.m, s.n, s.k, {a + offset(s, index, s.step_a), s.row_a, s.col_a}, panels, c, s.n}, finish);
        uint16_t *to = static_cast<uint16_t *>(out.data) + index * s.m * s.n;
        for (int64_t i = 0; i < s.m * s.n; ++i) {
            const int64_t at = (rows == 1 ? 0 : i / s.n * cols) + (cols == 1 ? 0 : i % s.n);
            to[i] = narrow(with_c ? c[i] + beta * extra[at] : c[i], brain);
        }
    }
    return EW_OK;
}

int32_t matmul_generic(const ew_call *call) {
    switch (call->outputs[0].dtype) {
        case EW_FLOAT32: return run_typed<float, float>(call);
        case EW_FLOAT64: return run_typed<double, double>(call);
        case EW_INT32:
        case EW_UINT32: return run_typed<int32_t, uint32_t>(call);
        case EW_INT64:
        case EW_UINT64: return run_typed<int64_t, uint64_t>(call);
        case EW_FLOAT16:
        case EW_BFLOAT16: return run_half(call);
        default: return call->host->error(call, EW_FAILED, "matrix product: element type %d", call->outputs[0].dtype);
    }
}

}  // namespace

EW_KERNEL(matmul_generic, matmul_generic)

}  // namespace ew::EW_ISA
