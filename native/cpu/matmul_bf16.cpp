// Matrix products whose two sides are rounded to bfloat16 and summed in float32. A and the output are float32 or bfloat16, B
// is float32.
//
// Inputs and params are those of gemm_matmul.cpp. A row of A is rounded once, by the task that needs it first, and most of
// them between the products of the rows above (rows_ahead.h). B comes in panels of words (narrow_gemm.h) packed when building,
// or each task packs its own.
#include "cpu/blocks_once.h"
#include "cpu/matmul.h"
#include "cpu/pack_columns.h"
#include "cpu/rows_ahead.h"

namespace ew::EW_ISA {

namespace {

constexpr int64_t ROWS = RowsAhead::ROWS;  // rows that are rounded at once

// A's matrices one after the other as rows of words, which are there once somebody needed them.
class Rounded {
  public:
    Rounded(const ew_call *call, const Problem &p)
        : p_(p), input_(call->inputs[0]), ld_(bf16_steps(p.k)), blocks_of_matrix_(ceil_div(p.m, ROWS)) {
        if (usable_where_it_lies()) {
            words_ = static_cast<const int32_t *>(input_.data);
            return;
        }
        ld_ = spaced(ld_);
        const int64_t matrices = p.m * p.k == 0 ? 0 : count(input_) / (p.m * p.k),
                      blocks = matrices * blocks_of_matrix_;
        const int64_t words = matrices * p.m * ld_ + 16;
        float *memory = scratch(SCRATCH_D, words + BlocksOnce::floats(blocks));
        words_ = own_ = reinterpret_cast<int32_t *>(memory);
        if (blocks > 0) blocks_ = BlocksOnce(memory + words, blocks);
    }

    // Words from this row on, whether or not they are there.
    Words words(int64_t matrix, int64_t row) const { return {words_ + (matrix * p_.m + row) * ld_, ld_, 1}; }

    bool done(int64_t matrix, int64_t row, int64_t rows) const {
        return blocks_.done(block(matrix, row), block(matrix, row + rows + ROWS - 1));
    }

    void need(int64_t matrix, int64_t row, int64_t rows) const {
        blocks_.need(block(matrix, row), block(matrix, row + rows + ROWS - 1), [&](int64_t block) { round(block); });
    }

    // The first block of these rows that nobody has begun. Only blocks of all rows, of pairs of float32: no others are
    // rounded between products.
    RowsAhead begin(int64_t matrix, int64_t row, int64_t rows) const {
        if (input_.dtype != EW_FLOAT32 || p_.a.col != 1 || p_.k % 2) return {};
        for (int64_t at = row / ROWS * ROWS; at < row + rows && at + ROWS <= p_.m; at += ROWS)
            if (blocks_.begin(block(matrix, at)))
                return {f32(input_) + from(matrix, at), p_.a.row, p_.k, own(matrix, at), ld_, block(matrix, at)};
        return {};
    }
    void end(const RowsAhead &rows) const { blocks_.end(rows.block); }

  private:
    // Rows of bfloat16 that consist of words and do not share cache sets.
    bool usable_where_it_lies() const {
        return input_.dtype == EW_BFLOAT16 && p_.a.col == 1 && p_.k % 2 == 0 && (spaced(ld_) == ld_ || p_.m < MR);
    }

    int64_t block(int64_t matrix, int64_t row) const { return matrix * blocks_of_matrix_ + row / ROWS; }
    int64_t from(int64_t matrix, int64_t row) const { return matrix * p_.m * p_.k + row * p_.a.row; }
    int32_t *own(int64_t matrix, int64_t row) const { return own_ + (matrix * p_.m + row) * ld_; }

    void round(int64_t block) const {
        const int64_t matrix = block / blocks_of_matrix_, row = block % blocks_of_matrix_ * ROWS;
        const int64_t rows = least(ROWS, p_.m - row), first = from(matrix, row);
        int32_t *out = own(matrix, row);
        if (input_.dtype == EW_BFLOAT16)
            for (int64_t r = 0; r < rows; ++r) copy_row(first + r * p_.a.row, out + r * ld_);
        else
            pack_bf16_rows({f32(input_) + first, p_.a.row, p_.a.col}, rows, p_.k, out, ld_);
    }

    void copy_row(int64_t from, int32_t *out) const {
        const uint16_t *row = static_cast<const uint16_t *>(input_.data) + from;
        auto *to = reinterpret_cast<uint16_t *>(out);
        if (p_.a.col == 1)
            std::memcpy(to, row, sizeof(uint16_t) * static_cast<size_t>(p_.k));
        else
            for (int64_t j = 0; j < p_.k; ++j) to[j] = row[j * p_.a.col];
        if (p_.k % 2) to[p_.k] = 0;
    }

    const Problem &p_;
    const ew_tensor &input_;
    const int32_t *words_;
    int32_t *own_ = nullptr;
    int64_t ld_, blocks_of_matrix_;
    BlocksOnce blocks_;
};

// The rows of a task.
class RowsOfTask final : public RowSource {
  public:
    RowsOfTask(const Rounded &left, int64_t matrix, int64_t row) : left_(left), matrix_(matrix), row_(row) {}
    void need(int64_t row, int64_t rows) const override { left_.need(matrix_, row_ + row, rows); }
    RowsAhead begin(int64_t row, int64_t rows) const override { return left_.begin(matrix_, row_ + row, rows); }
    void end(const RowsAhead &rows) const override { left_.end(rows); }

  private:
    const Rounded &left_;
    int64_t matrix_, row_;
};

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
        const int32_t *panels = packed ? packed + steps * col : pack_own(index, col, cols);
        NarrowGemm g{rows, cols, steps, left.words(matrix, row), panels, c, ldc};
        if (!epilogue.empty()) {
            g.after = After::run;
            g.arg = &after;
        }
        if (left.done(matrix, row, rows)) return run_bf16_gemm(g, shifted(finish, row, col));
        run_bf16_gemm(g, shifted(finish, row, col), RowsOfTask(left, matrix, row));
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
    const Rounded left(call, p);
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
    const Columns b = read_columns(call);
    const int64_t steps = bf16_steps(b.k);
    auto *out = static_cast<int32_t *>(call->outputs[0].data);
    pack_columns(call, b, [&](const Matrix &part, int64_t first, int64_t columns) {
        pack_bf16_panels(part, b.k, columns, out + first * steps);
    });
    clear_rest(call->outputs[0], packed_floats(steps, b.n));
    return EW_OK;
}

}  // namespace

EW_KERNEL(pack_gemm_b_bf16, pack_b)
EW_KERNEL(matmul_packed_bf16, matmul_packed)
EW_KERNEL(matmul_bf16, matmul)

}  // namespace ew::EW_ISA
