// Sums, means, norms, products, largest and smallest elements over any axes, of all number types.
//
// Parameters: operation, number of groups, then for each group of neighbouring axes: its size, and 1 where it is
// reduced. Groups alternate. float16 and bfloat16 are summed in float32, integers in 64 bits.
#include "cpu/reduction.h"

namespace ew::EW_ISA {
namespace {

// The order of REDUCTIONS in enginewright/tactics/reduction.py.
enum Operation : int64_t {
    op_sum_,
    op_mean,
    op_largest,
    op_smallest,
    op_product,
    op_l1,
    op_l2,
    op_sum_square,
    op_log_sum,
    op_log_sum_exp,
    OPERATIONS
};
constexpr int MAX_GROUPS = EW_MAX_RANK;
constexpr int64_t BLOCK = 256;  // columns, or short lines, reduced at once
constexpr int64_t SHORT = 16;   // elements of a line that takes less time than what is done around it
constexpr int64_t LINE_COST = 8, BLOCK_COST = 64;  // of a short line and of a block beside their elements

struct Job {
    const ew_call *call;
    Operation operation;
    int n = 0, n_kept = 0, n_reduced = 0;
    int64_t kept[MAX_GROUPS], kept_stride[MAX_GROUPS];        // but for a last kept group: `columns`
    int64_t reduced[MAX_GROUPS], reduced_stride[MAX_GROUPS];  // but for a last reduced group: `line`
    int64_t rows = 1, lines = 1, line = 1, columns = 1, count = 1;
    int32_t dtype;
    int64_t size;
};

Mode mode_of(Operation operation) {
    switch (operation) {
        case op_largest: return mode_max;
        case op_smallest: return mode_min;
        case op_product: return mode_prod;
        case op_l1: return mode_abs;
        case op_l2:
        case op_sum_square: return mode_square;
        case op_log_sum_exp: return mode_exp;
        default: return mode_sum;
    }
}

bool parse(const ew_call *call, Job &job) {
    if (call->n_params < 2 || call->n_inputs != 1 || call->n_outputs != 1) return false;
    const int64_t groups = call->params[1].i;
    if (groups < 0 || groups > MAX_GROUPS || call->n_params != 2 + 2 * groups) return false;
    if (call->params[0].i < 0 || call->params[0].i >= OPERATIONS) return false;
    job.call = call;
    job.operation = static_cast<Operation>(call->params[0].i);
    job.dtype = call->inputs[0].dtype;
    job.size = element_size(job.dtype);
    int64_t stride = 1;
    for (int64_t g = groups - 1; g >= 0; --g) {
        const int64_t size = call->params[2 + 2 * g].i;
        const bool reduced = call->params[3 + 2 * g].i != 0, last = g == groups - 1;
        if (reduced) job.count *= size;
        if (last && reduced)
            job.line = size;
        else if (last)
            job.columns = size;
        else if (reduced) {
            job.lines *= size;
            job.reduced[job.n_reduced] = size;
            job.reduced_stride[job.n_reduced++] = stride;
        } else {
            job.rows *= size;
            job.kept[job.n_kept] = size;
            job.kept_stride[job.n_kept++] = stride;
        }
        stride *= size;
    }
    return job.size != 0;
}

int64_t offset_of(int64_t index, const int64_t *sizes, const int64_t *strides, int n) {
    int64_t offset = 0;
    for (int k = 0; k < n; ++k) {
        offset += index % sizes[k] * strides[k];
        index /= sizes[k];
    }
    return offset;
}

// The limit of a narrow integer type: what the largest or smallest of no elements is.
template <class A>
A limit_of(int32_t dtype, bool lowest, A wide) {
    switch (dtype) {
        case EW_INT8: return static_cast<A>(lowest ? INT8_MIN : INT8_MAX);
        case EW_INT16: return static_cast<A>(lowest ? INT16_MIN : INT16_MAX);
        case EW_INT32: return static_cast<A>(lowest ? INT32_MIN : INT32_MAX);
        case EW_UINT8: return static_cast<A>(lowest ? 0 : UINT8_MAX);
        case EW_UINT16: return static_cast<A>(lowest ? 0 : UINT16_MAX);
        case EW_UINT32: return static_cast<A>(lowest ? 0 : UINT32_MAX);
        default: return wide;
    }
}

template <class A>
A finish(const Job &job, A total, A shift) {
    if (job.count == 0 && (job.operation == op_largest || job.operation == op_smallest))
        return limit_of(job.dtype, job.operation == op_largest, total);
    const double n = static_cast<double>(job.count);
    switch (job.operation) {
        case op_mean:
            if (std::is_integral_v<A>) return job.count == 0 ? A(0) : static_cast<A>(total / static_cast<A>(job.count));
            return static_cast<A>(static_cast<double>(total) / n);
        case op_l2: return static_cast<A>(std::sqrt(static_cast<double>(total)));
        case op_log_sum: return static_cast<A>(std::log(static_cast<double>(total)));
        case op_log_sum_exp: return static_cast<A>(std::log(static_cast<double>(total)) + static_cast<double>(shift));
        default: return total;
    }
}

// Elements lie side by side: one result a line, or several lines far apart.
template <class A, Mode mode>
A reduce_lines(const Job &job, const char *data, A shift) {
    A total = neutral<A, mode>(), buffer[PIECE];
    for (int64_t l = 0; l < job.lines; ++l) {
        const char *line = data + offset_of(l, job.reduced, job.reduced_stride, job.n_reduced) * job.size;
        const int64_t piece = job.dtype == dtype_of<A>() ? job.line : PIECE;
        for (int64_t i = 0; i < job.line; i += piece) {
            const int64_t n = std::min(piece, job.line - i);
            total = join_line<A, mode>(fetch<A>(line + i * job.size, job.dtype, n, buffer), n, total, shift);
        }
    }
    return total;
}

template <class A, Mode mode>
void reduce_columns(const Job &job, const char *data, int64_t width, A *total, const A *shift) {
    A buffer[BLOCK];
    std::fill(total, total + width, neutral<A, mode>());
    for (int64_t l = 0; l < job.lines; ++l) {
        const int64_t offset = offset_of(l, job.reduced, job.reduced_stride, job.n_reduced);
        join_row<A, mode>(total, fetch<A>(data + offset * job.size, job.dtype, width, buffer), width, shift);
    }
}

// What is subtracted before exponentials are taken: the largest element, 0 where that is infinite.
template <class A>
A usable(A largest) {
    if constexpr (std::is_floating_point_v<A>) return std::isfinite(largest) ? largest : A(0);
    return largest;
}

template <class A, Mode mode>
void reduce_block(const Job &job, int64_t row, int64_t column, int64_t width) {
    const int64_t offset = offset_of(row, job.kept, job.kept_stride, job.n_kept) + column;
    const char *data = static_cast<const char *>(job.call->inputs[0].data) + offset * job.size;
    char *out = static_cast<char *>(job.call->outputs[0].data) + (row * job.columns + column) * job.size;
    A total[BLOCK], shift[BLOCK] = {};
    const bool by_line = job.line > 1 || job.columns == 1;
    if (by_line) {
        if (mode == mode_exp) shift[0] = usable(reduce_lines<A, mode_max>(job, data, A(0)));
        total[0] = reduce_lines<A, mode>(job, data, shift[0]);
    } else {
        if (mode == mode_exp) {
            reduce_columns<A, mode_max>(job, data, width, shift, shift);
            for (int64_t i = 0; i < width; ++i) shift[i] = usable(shift[i]);
        }
        reduce_columns<A, mode>(job, data, width, total, shift);
    }
    for (int64_t i = 0; i < width; ++i) total[i] = finish(job, total[i], shift[i]);
    put(out, job.dtype, total, width);
}

// Lines of few elements one behind another: [rows, line].
template <class A, Mode mode>
bool are_short(const Job &job) {
    return mode != mode_exp && job.line > 1 && job.line <= SHORT && job.n_reduced == 0 && job.n_kept == 1 &&
           job.dtype == dtype_of<A>();
}

template <class A, Mode mode>
void reduce_short(const Job &job, int64_t first, int64_t n) {
    const A *x = static_cast<const A *>(job.call->inputs[0].data) + first * job.line;
    A total[BLOCK];
    for (int64_t i = 0; i < n; ++i, x += job.line) {
        total[i] = neutral<A, mode>();
        for (int64_t k = 0; k < job.line; ++k) total[i] = join<A, mode>(total[i], prepare<A, mode>(x[k], A(0)));
    }
    if (job.operation != op_sum_ && job.operation != op_sum_square)
        for (int64_t i = 0; i < n; ++i) total[i] = finish(job, total[i], A(0));
    store_elements(static_cast<char *>(job.call->outputs[0].data) + first * job.size, total, job.dtype, n);
}

// Line groups and the last reduced group of kept columns both count as lines.
template <class A, Mode mode>
void run_mode(const Job &job) {
    if (are_short<A, mode>(job)) {
        const int64_t parts = (job.rows + BLOCK - 1) / BLOCK;
        return for_ranges(job.call, parts, (job.line + LINE_COST) * BLOCK, [&](int64_t begin, int64_t end) {
            for (int64_t p = begin; p < end; ++p)
                reduce_short<A, mode>(job, p * BLOCK, std::min(BLOCK, job.rows - p * BLOCK));
        });
    }
    const int64_t blocks = (job.columns + BLOCK - 1) / BLOCK;
    const int64_t cost = job.count * std::min(job.columns, BLOCK) * (mode == mode_exp ? 10 : 1) + BLOCK_COST;
    for_ranges(job.call, job.rows * blocks, cost, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
            const int64_t column = b % blocks * BLOCK;
            reduce_block<A, mode>(job, b / blocks, column, std::min(BLOCK, job.columns - column));
        }
    });
}

template <class A>
void run_type(const Job &job) {
    switch (mode_of(job.operation)) {
        case mode_abs: return run_mode<A, mode_abs>(job);
        case mode_square: return run_mode<A, mode_square>(job);
        case mode_max: return run_mode<A, mode_max>(job);
        case mode_min: return run_mode<A, mode_min>(job);
        case mode_prod: return run_mode<A, mode_prod>(job);
        case mode_exp:
            if constexpr (std::is_floating_point_v<A>) run_mode<A, mode_exp>(job);
            return;
        default: return run_mode<A, mode_sum>(job);
    }
}

int32_t run(const ew_call *call) {
    Job job;
    if (!parse(call, job)) return call->host->error(call, EW_INVALID_PLAN, "the parameters are no reduction");
    if (count_of(call->outputs[0]) == 0) return EW_OK;
    switch (job.dtype) {
        case EW_FLOAT32:
        case EW_FLOAT16:
        case EW_BFLOAT16: run_type<float>(job); return EW_OK;
        case EW_FLOAT64: run_type<double>(job); return EW_OK;
        case EW_INT8:
        case EW_INT16:
        case EW_INT32:
        case EW_INT64: run_type<int64_t>(job); return EW_OK;
        default: run_type<uint64_t>(job); return EW_OK;
    }
}

}  // namespace

EW_KERNEL(reduction, run)

}  // namespace ew::EW_ISA
