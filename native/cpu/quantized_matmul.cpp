// Products of 8-bit matrices: MatMulInteger (int32 out) and QLinearMatMul (8 bits out), B packed or not.
//
// Inputs of the first: a, b, a_zero_point, b_zero_point (one number, or one for each row of a / column of b); then the
// fused program's. Of the second: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. Params: packed, number of
// inputs.
#include <cmath>

#include "cpu/pointwise.h"
#include "cpu/quantized_gemm.h"

namespace ew::EW_ISA {

namespace {

constexpr int FIXED = 2;

struct Problem {
    int64_t m, n, k, batch = 1;
    const uint8_t *a, *b;  // b: packed bytes, or the matrix
    uint8_t flip_a, flip_b;
    bool packed;
    int32_t rank = 0;
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

bool read(const ew_call *call, int index_b, Problem &p) {
    const ew_tensor &a = call->inputs[0], &b = call->inputs[index_b];
    p.packed = call->params[0].i != 0;
    p.m = a.rank > 1 ? from_end(a, 2) : 1;
    p.k = from_end(a, 1);
    p.n = b.rank > 1 ? from_end(b, 1) : 1;
    p.a = static_cast<const uint8_t *>(a.data);
    p.b = static_cast<const uint8_t *>(b.data);
    p.flip_a = a.dtype == EW_INT8 ? 0x80 : 0;
    p.flip_b = b.dtype == EW_UINT8 ? 0x80 : 0;
    p.rank = static_cast<int32_t>(most(0, most(a.rank, b.rank) - 2));
    set_steps(a, p.m * p.k, p.rank, p.step_a);
    set_steps(b, p.k * p.n, p.rank, p.step_b);
    for (int32_t i = 0; i < p.rank; ++i) {
        const int64_t x = from_end(a, p.rank - i + 2), y = from_end(b, p.rank - i + 2);
        p.sizes[i] = x == 1 ? y : x;
        p.batch *= p.sizes[i];
    }
    return p.k == (b.rank > 1 ? from_end(b, 2) : from_end(b, 1)) && p.m * p.n * p.batch == count(call->outputs[0]);
}

int64_t offset(const Problem &p, int64_t index, const int64_t *step) {
    int64_t at = 0;
    for (int32_t i = p.rank - 1; i >= 0; --i) {
        at += index % p.sizes[i] * step[i];
        index /= p.sizes[i];
    }
    return at;
}

// Zero points as int32 in `own` (or one number), moved by the flip: a byte x flipped is x + 128 (int8) or x - 128.
const int32_t *read_zero(const ew_call *call, int index, int32_t shift, int32_t *one, int32_t *own) {
    *one = shift;
    if (index < 0 || !present(call, index)) return nullptr;
    const ew_tensor &t = call->inputs[index];
    const int64_t n = count(t);
    for (int64_t i = 0; i < n; ++i) {
        const int32_t zero =
            t.dtype == EW_INT8 ? static_cast<const int8_t *>(t.data)[i] : static_cast<const uint8_t *>(t.data)[i];
        if (n == 1)
            *one = zero + shift;
        else
            own[i] = zero + shift;
    }
    return n == 1 ? nullptr : own;
}

int64_t zero_count(const ew_call *call, int index) {
    return index >= 0 && present(call, index) ? count(call->inputs[index]) : 0;
}

// Handles a finished block of sums: rows [row, row + rows) of the whole output, columns [col, col + cols).
struct Sink {
    void (*run)(const void *self, int32_t *sums, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols);
    const void *self;
};

constexpr int64_t ROWS = 64;  // rows of a task's block: their copies stay in L1 and L2

struct Work {
    const Problem &p;
    const uint8_t *panels;  // of all matrices
    int64_t step_panels;    // bytes between packed matrices of a batch; 0: shared
    ZeroPoints zero;
    int64_t zero_rows;  // rows that zero.a has; a batch starts again where it has one matrix's
};

// Rows of one matrix: copied, multiplied, corrected, handed on.
void run_rows(const Work &w, int64_t index, int64_t row, int64_t rows, int64_t first, int64_t cols, const Sink &sink) {
    const Problem &p = w.p;
    const int64_t ld = round_up(p.k, 4);
    auto *a = reinterpret_cast<uint8_t *>(scratch(SCRATCH_A, ceil_div(rows * ld, 4) + rows));
    auto *row_sums = reinterpret_cast<int32_t *>(a + rows * ld);
    copy_byte_rows({p.a + offset(p, index, p.step_a) + row * p.k, p.k, 1, p.flip_a}, rows, p.k, a, row_sums);
    auto *sums = reinterpret_cast<int32_t *>(scratch(SCRATCH_B, rows * cols));
    const uint8_t *packed = w.panels + index * w.step_panels;
    const auto *col_sums = reinterpret_cast<const int32_t *>(packed + byte_panels(p.k, p.n)) + first;
    run_byte_gemm({rows, cols, p.k, a, packed + 4 * first * ceil_div(p.k, 4), sums, cols});
    ZeroPoints zero = w.zero;
    const int64_t global = index * p.m + row;
    if (zero.a) zero.a += w.zero_rows > p.m ? global : row;
    if (zero.b) zero.b += first;
    correct_sums(sums, cols, rows, cols, p.k, zero, row_sums, col_sums);
    sink.run(sink.self, sums, cols, global, rows, first, cols);
}

// Cuts all products into tasks: images of the batch, rows, and groups of panels where there are few rows.
int32_t run_product(const ew_call *call, Problem &p, int zero_a, int zero_b, const Sink &sink) {
    if (p.m * p.n * p.batch == 0) return EW_OK;
    bool shared = true;
    for (int32_t i = 0; i < p.rank; ++i) shared = shared && p.step_b[i] == 0;
    if (shared && !p.packed && p.rank) shared = true;
    const int64_t count_a = zero_count(call, zero_a), count_b = zero_count(call, zero_b);
    const int64_t bytes = p.packed ? 0 : round_up(packed_bytes(p.k, p.n), 64) * (shared ? 1 : p.batch);
    auto *own = reinterpret_cast<uint8_t *>(scratch(SCRATCH_D, bytes / 4 + count_a + count_b + 16));
    auto *zeros = reinterpret_cast<int32_t *>(own + bytes);
    Work w{p, p.packed ? p.b : own, shared ? 0 : round_up(packed_bytes(p.k, p.n), 64), {}, count_a};
    w.zero.a = read_zero(call, zero_a, p.flip_a ? 128 : 0, &w.zero.a0, zeros);
    w.zero.b = read_zero(call, zero_b, p.flip_b ? -128 : 0, &w.zero.b0, zeros + count_a);
    if (!p.packed)
        parallel(call, shared ? 1 : p.batch, [&](int64_t i) {
            const ByteMatrix b{p.b + offset(p, i, p.step_b), p.n, 1, p.flip_b};
            pack_byte_panels(b, p.k, p.n, own + i * w.step_panels);
        });
    const int64_t blocks = ceil_div(p.m, ROWS), panels = ceil_div(p.n, NR);
    const double work = static_cast<double>(p.m * p.n) * static_cast<double>(p.k) / 4;
    const int64_t wanted = work < 1e6 ? 1 : least(16, static_cast<int64_t>(work / 5e5));
    const int64_t per_task = ceil_div(panels, most(1, least(panels, ceil_div(wanted, blocks))));
    const int64_t parts = ceil_div(panels, per_task), units = p.batch * blocks * parts;
    const int64_t group = most(1, static_cast<int64_t>(3e5 / (work / static_cast<double>(blocks * parts) + 1)));
    parallel(call, ceil_div(units, group), [&](int64_t task) {
        for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u) {
            const int64_t first = u % parts * per_task * NR, block = u / parts % blocks, index = u / parts / blocks;
            run_rows(w, index, block * ROWS, least(ROWS, p.m - block * ROWS), first, least(per_task * NR, p.n - first),
                     sink);
        }
    });
    return EW_OK;
}

int32_t bad_sizes(const ew_call *call) {
    return call->host->error(call, EW_SHAPE, "8-bit matrix product: the inner sizes or the output disagree");
}

void store_program(const void *self, int32_t *sums, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    static_cast<const Epilogue *>(self)->run(sums, ld, row, row + rows, col, col + cols);
}

int32_t matmul_integer(const ew_call *call) {
    Problem p;
    if (!read(call, 1, p)) return bad_sizes(call);
    if (count(call->outputs[0]) == 0) return EW_OK;
    const int inputs = static_cast<int>(call->params[1].i);
    Epilogue epilogue;
    if (!epilogue.parse(call, FIXED, inputs, p.batch * p.m, p.n)) return EW_INVALID_PLAN;
    return run_product(call, p, inputs > 2 ? 2 : -1, inputs > 3 ? 3 : -1, {store_program, &epilogue});
}

// ---- quantized output ----

struct Requantize {
    void *y;
    bool is_signed;
    int64_t n;
    double zero;
    const float *scale_a, *scale_b;  // one number, or one for each row / column
    int64_t count_a, count_b;
    double scale_y;
};

double factor(const Requantize &q, int64_t row, int64_t col) {
    const double a = q.scale_a[q.count_a == 1 ? 0 : row % q.count_a], b = q.scale_b[q.count_b == 1 ? 0 : col];
    return a * b / q.scale_y;
}

void store_bytes(const void *self, int32_t *sums, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    const auto &q = *static_cast<const Requantize *>(self);
    const double lo = q.is_signed ? -128 : 0, hi = q.is_signed ? 127 : 255;
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
            double v = std::nearbyint(sums[i * ld + j] * factor(q, row + i, col + j)) + q.zero;
            v = v < lo ? lo : v > hi ? hi : v;
            static_cast<uint8_t *>(q.y)[(row + i) * q.n + col + j] = static_cast<uint8_t>(static_cast<int32_t>(v));
        }
}

int32_t qlinear_matmul(const ew_call *call) {
    Problem p;
    if (!read(call, 3, p)) return bad_sizes(call);
    const ew_tensor *in = call->inputs;
    if (in[1].dtype != EW_FLOAT32 || in[4].dtype != EW_FLOAT32 || in[6].dtype != EW_FLOAT32 || count(in[6]) != 1)
        return call->host->error(call, EW_FAILED,
                                 "quantized matrix product: scales must be float32, y_scale one number");
    const double zero =
        in[7].dtype == EW_INT8 ? *static_cast<const int8_t *>(in[7].data) : *static_cast<const uint8_t *>(in[7].data);
    const Requantize q{
        call->outputs[0].data, call->outputs[0].dtype == EW_INT8, p.n, zero, f32(in[1]), f32(in[4]), count(in[1]),
        count(in[4]),          static_cast<double>(*f32(in[6]))};
    return run_product(call, p, 2, 5, {store_bytes, &q});
}

// Params: none. Output: the bytes of quantized_gemm.h.
int32_t pack_b(const ew_call *call) {
    const ew_tensor &b = call->inputs[0];
    const int64_t k = b.rank > 1 ? b.shape[0] : count(b), n = b.rank > 1 ? b.shape[1] : 1;
    const uint8_t flip = b.dtype == EW_UINT8 ? 0x80 : 0;
    pack_byte_panels({static_cast<const uint8_t *>(b.data), n, 1, flip}, k, n,
                     static_cast<uint8_t *>(call->outputs[0].data));
    clear_rest(call->outputs[0], packed_bytes(k, n) / 4);
    return EW_OK;
}

}  // namespace

EW_KERNEL(matmul_integer, matmul_integer)
EW_KERNEL(qlinear_matmul, qlinear_matmul)
EW_KERNEL(pack_gemm_b_i8, pack_b)

}  // namespace ew::EW_ISA
