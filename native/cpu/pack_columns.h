// Packs the columns of a matrix product's B as tasks of some panels each; B may lie at any address, as in a model's file.
#pragma once
#include <cstring>

#include "cpu/gemm.h"

namespace ew::EW_ISA {

// B [k, n], or [n, k] if transposed.
struct Columns {
    const float *data;
    int64_t k, n;
    bool transposed;
};

EW_INLINE Columns read_columns(const ew_call *call) {
    const ew_tensor &b = call->inputs[0];
    const bool transposed = call->params[0].i != 0;
    const int64_t rows = b.rank > 1 ? b.shape[b.rank - 2] : count(b), cols = b.rank > 1 ? b.shape[b.rank - 1] : 1;
    return {static_cast<const float *>(b.data), transposed ? cols : rows, transposed ? rows : cols, transposed};
}

// A copy of some columns where floats may lie.
EW_INLINE Matrix copy_columns(const Columns &b, int64_t first, int64_t columns) {
    auto *own = scratch(SCRATCH_B, b.k * columns);
    const char *from = reinterpret_cast<const char *>(b.data);
    const auto bytes = [](int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); };
    if (b.transposed) {
        std::memcpy(own, from + bytes(first * b.k), bytes(b.k * columns));
        return {own, 1, b.k};
    }
    for (int64_t row = 0; row < b.k; ++row)
        std::memcpy(own + row * columns, from + bytes(row * b.n + first), bytes(columns));
    return {own, columns, 1};
}

// Calls pack(columns as a matrix, index of the first one, number of them), each time for whole panels.
template <class Pack>
void pack_columns(const ew_call *call, const Columns &b, Pack &&pack) {
    constexpr int64_t FLOATS = 1 << 16;  // about 50 us of one core
    const int64_t step = NR * most(1, FLOATS / most(1, b.k * NR));
    const bool aligned = reinterpret_cast<uintptr_t>(b.data) % alignof(float) == 0;
    parallel(call, ceil_div(b.n, step), [&](int64_t task) {
        const int64_t first = task * step, columns = least(step, b.n - first);
        const Matrix there = b.transposed ? Matrix{b.data + first * b.k, 1, b.k} : Matrix{b.data + first, b.n, 1};
        pack(aligned ? there : copy_columns(b, first, columns), first, columns);
    });
}

}  // namespace ew::EW_ISA
