// ArgMax and ArgMin along one axis, of all number types; NaN is the extreme, as in NumPy.
//
// Parameters: outer, n, inner, smallest instead of largest (0 or 1), the last of equal elements (0 or 1).
#include "cpu/reduction.h"

namespace ew::EW_ISA {
namespace {

constexpr int64_t COLUMNS = 64;

struct Job {
    const char *data;
    int64_t *out;
    int64_t outer, n, inner, size;
    int32_t dtype;
    bool last;
};

template <class A, Mode mode>
bool better(A a, A b, bool last) {
    if (a != a) return last || b == b;
    return (mode == mode_max ? a > b : a < b) || (last && a == b);
}

// Each piece is searched, as vectors, for their extreme, and only a better piece for its place.
template <class A, Mode mode>
int64_t find_in_line(const Job &job, const char *line) {
    A best{}, buffer[PIECE];
    int64_t index = 0;
    for (int64_t start = 0; start < job.n; start += PIECE) {
        const int64_t n = std::min(PIECE, job.n - start);
        const A *x = fetch(line + start * job.size, job.dtype, n, buffer);
        const A extreme = join_line<A, mode>(x, n, x[0], A(0));
        if (start > 0 && !better<A, mode>(extreme, best, job.last)) continue;
        best = extreme;
        const bool nan = extreme != extreme;
        int64_t i = job.last ? n - 1 : 0;
        const auto differs = [&](A v) { return nan ? v == v : v != extreme; };
        while (differs(x[i])) i += job.last ? -1 : 1;
        index = start + i;
    }
    return index;
}

template <class A, Mode mode>
void find_in_columns(const Job &job, const char *data, int64_t width, int64_t *index) {
    A best[COLUMNS], buffer[COLUMNS];
    for (int64_t j = 0; j < job.n; ++j) {
        const A *x = fetch(data + j * job.inner * job.size, job.dtype, width, buffer);
        for (int64_t i = 0; i < width; ++i) {
            const bool take = j == 0 || better<A, mode>(x[i], best[i], job.last);
            best[i] = take ? x[i] : best[i];
            index[i] = take ? j : index[i];
        }
    }
}

template <class A, Mode mode>
void find(const ew_call *call, const Job &job) {
    const int64_t blocks = (job.inner + COLUMNS - 1) / COLUMNS;
    for_ranges(call, job.outer * blocks, job.n * std::min(job.inner, COLUMNS) * 2, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) {
            const int64_t row = b / blocks, column = b % blocks * COLUMNS;
            const char *data = job.data + (row * job.n * job.inner + column) * job.size;
            int64_t *out = job.out + row * job.inner + column;
            if (job.inner == 1)
                *out = find_in_line<A, mode>(job, data);
            else
                find_in_columns<A, mode>(job, data, std::min(COLUMNS, job.inner - column), out);
        }
    });
}

template <class A>
void run_type(const ew_call *call, const Job &job) {
    if (call->params[3].i != 0)
        find<A, mode_min>(call, job);
    else
        find<A, mode_max>(call, job);
}

int32_t run(const ew_call *call) {
    if (call->n_params != 5) return call->host->error(call, EW_INVALID_PLAN, "ArgMax takes 5 parameters");
    const ew_tensor &input = call->inputs[0];
    const ew_param *p = call->params;
    const Job job{static_cast<const char *>(input.data),
                  static_cast<int64_t *>(call->outputs[0].data),
                  p[0].i,
                  p[1].i,
                  p[2].i,
                  element_size(input.dtype),
                  input.dtype,
                  p[4].i != 0};
    if (count_of(call->outputs[0]) == 0) return EW_OK;
    if (job.n < 1) return call->host->error(call, EW_SHAPE, "ArgMax along an axis without elements");
    switch (job.dtype) {
        case EW_FLOAT32:
        case EW_FLOAT16:
        case EW_BFLOAT16: run_type<float>(call, job); return EW_OK;
        case EW_FLOAT64: run_type<double>(call, job); return EW_OK;
        case EW_INT8:
        case EW_INT16:
        case EW_INT32:
        case EW_INT64: run_type<int64_t>(call, job); return EW_OK;
        default: run_type<uint64_t>(call, job); return EW_OK;
    }
}

}  // namespace

EW_KERNEL(reduction_index, run)

}  // namespace ew::EW_ISA
