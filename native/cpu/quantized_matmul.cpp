// Products of 8-bit matrices, B packed or not: MatMulInteger (int32 out) and QLinearMatMul (8 bits out).
//
// Inputs of the first: a, b, a_zero_point, b_zero_point (one number, or one for each row of a / column of b); then the
// fused program's. Of the second: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. Params: packed, number of
// inputs.
#include <cmath>

#include "cpu/blocks_once.h"
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

constexpr int64_t ROWS = 16;  // rows of A that are prepared at once

int32_t number_at(const ew_tensor &t, int64_t i) {
    return t.dtype == EW_INT8 ? static_cast<const int8_t *>(t.data)[i] : static_cast<const uint8_t *>(t.data)[i];
}

const ew_tensor *given(const ew_call *call, int index) {
    return index >= 0 && present(call, index) ? &call->inputs[index] : nullptr;
}

// B: panels of each matrix and what belongs to its columns; zero points are of the flipped bytes.
struct Right {
    const uint8_t *panels;
    int64_t step;  // bytes between packed matrices of a batch; 0: shared
    int32_t zero;
    const int32_t *zeros = nullptr;  // NULL: `zero` for all
};

// The zero points of B in `own`, or one number for all.
Right read_right(const Problem &p, const ew_tensor *zero, int32_t *own) {
    const int32_t shift = p.flip_b ? -128 : 0;
    Right r{p.b, 0, shift};
    const int64_t n = zero ? count(*zero) : 0;
    if (n == 1) r.zero = number_at(*zero, 0) + shift;
    if (n <= 1) return r;
    for (int64_t j = 0; j < n; ++j) own[j] = number_at(*zero, j) + shift;
    r.zero = 0;
    r.zeros = own;
    return r;
}

// A: rows of words, and the terms of each row. Matrices follow each other.
class Left {
  public:
    // Words of memory that it needs at most.
    static int64_t memory(const Problem &p, const ew_tensor &a) {
        const int64_t rows = rows_of(p, a);
        return rows * (spaced(byte_steps(p.k)) + TERM_WORDS) + TERM_WORDS + BlocksOnce::floats(ceil_div(rows, ROWS));
    }

    // `zero`: that of A; NULL: 0. What is given must outlive it.
    Left(const Problem &p, const Right &right, const ew_call *call, const ew_tensor *zero, int32_t *memory)
        : p_(p),
          right_(right),
          zero_(zero),
          total_(rows_of(p, call->inputs[0])),
          with_sums_(right.zero != 0 || right.zeros),
          alike_(!with_sums_ && (!zero || count(*zero) == 1)),
          in_place_(!p.flip_a && p.k % 4 == 0 && p.k % 2048 != 0 && !with_sums_),
          ld_(in_place_ ? byte_steps(p.k) : spaced(byte_steps(p.k))),
          words_(in_place_ ? reinterpret_cast<const int32_t *>(p.a) : memory),
          own_(in_place_ ? nullptr : memory),
          terms_(reinterpret_cast<RowTerms *>(memory + (in_place_ ? 0 : total_ * ld_))) {
        if (alike_) *terms_ = terms_of(0, 0);
        if (in_place_ && alike_) return;
        blocks_ = BlocksOnce(reinterpret_cast<float *>(terms_ + (alike_ ? 1 : total_)), ceil_div(total_, ROWS));
    }

    // Words from this row on, of which so many rows are read, and their terms in the finish.
    Words rows(int64_t row, int64_t rows, ByteFinish &finish) const {
        blocks_.need(row / ROWS, ceil_div(row + rows, ROWS), [&](int64_t block) { prepare(block * ROWS); });
        finish.alike = alike_;
        finish.rows = !alike_ ? terms_ + row : terms_->zero != 0 ? terms_ : nullptr;
        return {words_ + row * ld_, ld_, 1};
    }

  private:
    static constexpr int64_t TERM_WORDS = sizeof(RowTerms) / sizeof(int32_t);
    static int64_t rows_of(const Problem &p, const ew_tensor &a) { return p.k == 0 ? p.m * p.batch : count(a) / p.k; }

    RowTerms terms_of(int64_t row, int32_t sum) const {  // unsigned: sums may wrap, as int32 sums do
        RowTerms t{p_.flip_a ? 128 : 0, 0, 0, 1};
        if (zero_) t.zero += number_at(*zero_, count(*zero_) == 1 ? 0 : row % count(*zero_));
        const uint32_t term = static_cast<uint32_t>(p_.k) * static_cast<uint32_t>(t.zero) - static_cast<uint32_t>(sum);
        t.term = static_cast<int32_t>(term);
        t.add = static_cast<int32_t>(term * static_cast<uint32_t>(right_.zero));
        return t;
    }

    void prepare(int64_t first) const {
        for (int64_t r = first; r < least(total_, first + ROWS); ++r) {
            int32_t sum = 0;
            if (own_) {
                auto *out = reinterpret_cast<uint8_t *>(own_ + r * ld_);
                copy_byte_rows({p_.a + r * p_.k, p_.k, 1, p_.flip_a}, 1, p_.k, out, 0, with_sums_ ? &sum : nullptr);
            }
            if (!alike_) terms_[r] = terms_of(r, sum);
        }
    }

    const Problem &p_;
    const Right &right_;
    const ew_tensor *zero_;
    int64_t total_;
    bool with_sums_, alike_, in_place_;
    int64_t ld_;
    const int32_t *words_;
    int32_t *own_;
    RowTerms *terms_;
    BlocksOnce blocks_;
};

// Handles a finished block of sums: rows [row, row + rows) of the whole output, columns [col, col + cols).
struct Sink {
    void (*run)(const void *self, void *sums, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols);
    const void *self;
};

struct After {
    const Sink *sink;
    void *c;
    int64_t ld, row, col;
    static void run(void *arg, int64_t row, int64_t rows, int64_t col, int64_t cols) {
        const auto *self = static_cast<const After *>(arg);
        auto *sums = static_cast<int32_t *>(self->c) + row * self->ld + col;
        self->sink->run(self->sink->self, sums, self->ld, self->row + row, rows, self->col + col, cols);
    }
};

// All products of a batch. `direct`: C where the sums, or their reals, are the output; else they go to `sink`.
struct Job {
    const ew_call *call;
    const Problem &p;
    const Left &left;
    Right right;
    bool real;
    const float *scale_b;  // NULL: 1
    bool scale_by_column;
    int32_t *direct;
    const Sink *sink;
    Split split;

    ByteFinish finish(int64_t index) const {
        ByteFinish f;
        f.col_sums = reinterpret_cast<const int32_t *>(right.panels + index * right.step + byte_panels(p.k, p.n));
        f.zero_b = right.zeros;
        f.real = real;
        f.scale_col = scale_by_column ? scale_b : nullptr;
        f.scale = scale_b && !scale_by_column ? *scale_b : 1;
        return f;
    }
    int64_t row_of_a(int64_t index) const { return p.k == 0 ? 0 : offset(p, index, p.step_a) / p.k; }

    void run(int64_t index, int64_t task) const {
        const auto [row, rows, first, col, cols] = split.block(task);
        const int64_t steps = byte_steps(p.k), global = index * p.m + row;
        void *c = direct ? direct + global * p.n + col : static_cast<void *>(scratch(SCRATCH_C, rows * cols));
        const auto *panels = reinterpret_cast<const int32_t *>(right.panels + index * right.step) + col * steps;
        ByteFinish f = shifted(finish(index), row, col);
        const Words a = left.rows(row_of_a(index) + row, rows, f);
        NarrowGemm g{rows, cols, steps, a, panels, c, direct ? p.n : cols};
        After after{sink, c, g.ldc, global, col};
        if (sink) {
            g.after = After::run;
            g.arg = &after;
        }
        run_byte_gemm(g, f);
    }

    void run_all() {
        split = split_gemm(p.m, p.n, byte_steps(p.k), p.batch >= 32 ? 1 : 32);
        const double work = 2.0 * static_cast<double>(p.m * p.n) * static_cast<double>(byte_steps(p.k) + 8);
        const int64_t group = work > 3e5 ? 1 : least(p.batch, 1 + static_cast<int64_t>(1e6 / (work + 1)));
        const int64_t tasks = split.tasks(), units = p.batch * tasks;
        parallel(call, ceil_div(units, group), [&](int64_t task) {
            for (int64_t u = task * group; u < least(units, (task + 1) * group); ++u) run(u / tasks, u % tasks);
        });
    }
};

// How the sums leave: as they are, as reals times a scale, into `direct` or a sink.
struct Exit {
    bool real = false;
    const float *scale_b = nullptr;
    bool scale_by_column = false;
    bool direct = false;
    const Sink *sink = nullptr;
};

// One product of all rows where all matrices of A share B.
void flatten(Problem &p, const ew_tensor &b) {
    if (b.rank > 2) return;
    p.m *= p.batch;
    p.batch = 1;
    p.rank = 0;
}

int32_t run_product(const ew_call *call, Problem &p, const ew_tensor *zero_a, const ew_tensor *zero_b,
                    const Exit &exit) {
    if (p.m * p.n * p.batch == 0) return EW_OK;
    bool shared = true;
    for (int32_t i = 0; i < p.rank; ++i) shared = shared && p.step_b[i] == 0;
    const int64_t step = round_up(packed_bytes(p.k, p.n), 64), matrices = shared ? 1 : p.batch;
    const int64_t bytes = p.packed ? 0 : step * matrices, n_zeros = zero_b ? count(*zero_b) : 0;
    const int64_t words = bytes / 4 + Left::memory(p, call->inputs[0]) + n_zeros + 16;
    auto *own = reinterpret_cast<uint8_t *>(scratch(SCRATCH_D, words));
    auto *memory = reinterpret_cast<int32_t *>(own + bytes);
    Right right = read_right(p, zero_b, memory);
    if (!p.packed) {
        right.panels = own;
        right.step = shared ? 0 : step;
        parallel(call, matrices, [&](int64_t i) {
            const ByteMatrix b{p.b + offset(p, i, p.step_b), p.n, 1, p.flip_b};
            pack_byte_panels(b, p.k, p.n, own + i * step);
        });
    }
    const Left left(p, right, call, zero_a, memory + round_up(n_zeros, 4));
    Job job{call,
            p,
            left,
            right,
            exit.real,
            exit.scale_b,
            exit.scale_by_column,
            exit.direct ? static_cast<int32_t *>(call->outputs[0].data) : nullptr,
            exit.sink,
            {}};
    job.run_all();
    return EW_OK;
}

int32_t bad_sizes(const ew_call *call) {
    return call->host->error(call, EW_SHAPE, "8-bit matrix product: the inner sizes or the output disagree");
}

void store_program(const void *self, void *sums, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    static_cast<const Epilogue *>(self)->run(static_cast<int32_t *>(sums), ld, row, row + rows, col, col + cols);
}

void store_reals(const void *self, void *reals, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    static_cast<const Epilogue *>(self)->run(static_cast<float *>(reals), ld, row, row + rows, col, col + cols);
}

int32_t matmul_integer(const ew_call *call) {
    Problem p;
    if (!read(call, 1, p)) return bad_sizes(call);
    if (p.m * p.n * p.batch == 0) return EW_OK;
    const int inputs = static_cast<int>(call->params[1].i);
    Epilogue epilogue;
    if (!epilogue.parse(call, FIXED, inputs, p.batch * p.m, p.n)) return EW_INVALID_PLAN;
    const Sink sink{epilogue.scaled() ? store_reals : store_program, &epilogue};
    Exit exit;
    exit.real = epilogue.scaled();
    exit.scale_b = epilogue.scale();
    exit.scale_by_column = epilogue.scale_by_column();
    exit.direct = epilogue.empty() || epilogue.scaled();
    exit.sink = epilogue.empty() ? nullptr : &sink;
    flatten(p, call->inputs[1]);
    return run_product(call, p, given(call, inputs > 2 ? 2 : -1), given(call, inputs > 3 ? 3 : -1), exit);
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

void store_bytes(const void *self, void *data, int64_t ld, int64_t row, int64_t rows, int64_t col, int64_t cols) {
    const auto &q = *static_cast<const Requantize *>(self);
    const auto *sums = static_cast<const int32_t *>(data);
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
    const Sink sink{store_bytes, &q};
    Exit exit;
    exit.sink = &sink;
    flatten(p, in[3]);
    return run_product(call, p, given(call, 2), given(call, 5), exit);
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
