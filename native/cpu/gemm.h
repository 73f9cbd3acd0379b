// The f32 matrix core: one packed batch-reduce micro-kernel family, its panels, and the loops around it.
//
// A tile is up to MR rows by NR columns of C in registers. B comes in panels [n / NR][k][NR] (the last panel is
// as wide as its columns, rounded up to VL, and zero-padded), A is row-major, or column-major/packed, as strides say.
// Loops and blocking: K. Goto, R. van de Geijn, "Anatomy of high-performance matrix multiplication" (2008), with
// the roles of A and B exchanged: a panel of B streams from L2, which is wide enough for NR = 3 vectors.
#pragma once

#include <type_traits>

#include "cpu/gemm_vec.h"
#include "cpu/pointwise_pattern.h"
#include "src/kernel.h"

namespace ew::EW_ISA {

#if EW_ISA_AVX512
constexpr int MR = 8, NV = 3;
#elif EW_ISA_AVX2
constexpr int MR = 6, NV = 2;
#else
constexpr int MR = 4, NV = 2;
#endif
constexpr int NR = NV * VL;

// What is done with the sums of a tile before they are written: sums * alpha, plus C itself, the biases and the
// residual, then clamped. Pointers are for the tile's first row and column; NULL: none.
struct Finish {
    float alpha = 1;
    bool accumulate = false;
    const float *bias_col = nullptr;  // one number per column
    const float *bias_row = nullptr;  // one number per row
    const float *residual = nullptr;
    int64_t ld_residual = 0;
    bool clamped = false;
    float lo = 0, hi = 0;
    // Instead of the clamp, in kernels for channels last: PatternKind affine, gate or sloped; of the last, the slope of
    // each column, if it is not one number.
    const Pattern *line = nullptr;
    const float *slope_col = nullptr;
};

// The numbers of an affine or gate pattern in vectors.
struct LineNumbers {
    vf low, high, scale, shift, outer_scale, outer_shift;
    explicit LineNumbers(const Pattern &p)
        : low(splat(p.low)),
          high(splat(p.high)),
          scale(splat(p.scale)),
          shift(splat(p.shift)),
          outer_scale(splat(p.outer_scale)),
          outer_shift(splat(p.outer_shift)) {}
    vf affine(vf x) const { return clamp(x * scale + shift, low, high) * outer_scale + outer_shift; }
    vf gate(vf x) const { return clamp(x * scale + shift, low, high) * x * outer_scale + outer_shift; }
};

// C[m, n] = finish(sum over parts of A_i[m, k] B_i[k, n]); m <= MR, n <= NR.
struct Part {
    const float *a, *b;
};
struct Tile {
    const Part *parts;
    int64_t n_parts, k;
    int64_t row_a, col_a;  // elements between rows and between columns of A; one of them must be 1
    int64_t row_b;         // elements between rows of B
    float *c;
    int64_t ldc;
    int m, n;
    int64_t count = 1;  // tiles of this height, one below the other: a call less for each
};
void run_tile(const Tile &tile, const Finish &finish);

// Floats of B [k, n] in panels.
int64_t packed_floats(int64_t k, int64_t n);
// Packs B [k, n] into panels.
struct Matrix {
    const float *data;
    int64_t row, col;  // strides in elements
};
void pack_panels(const Matrix &b, int64_t k, int64_t n, float *out);
inline const float *panel(const float *packed, int64_t k, int64_t index) { return packed + index * k * NR; }
EW_INLINE int64_t panel_width(int64_t n, int64_t index) { return least(NR, round_up(n - index * NR, VL)); }

// C[m, n] = finish(A B) on the calling thread, for B in panels; finish's pointers belong to C's first element.
struct Gemm {
    int64_t m, n, k;
    Matrix a;
    const float *panels;
    float *c;
    int64_t ldc;
    // Called for each finished block of C (rows and columns relative to c), while it is in cache; NULL: none.
    void (*after)(void *arg, int64_t row, int64_t rows, int64_t col, int64_t cols) = nullptr;
    void *arg = nullptr;
};
void run_gemm(const Gemm &gemm, const Finish &finish);

// How C [m, n] is cut into tasks; it depends on the sizes only, so results never depend on the threads. Tasks of the same
// rows follow each other: a thread keeps to rows that it wrote in the step before.
struct Split {
    struct Block {
        int64_t row, rows, panel, col, cols;
    };
    int64_t m, n;
    int64_t rows, panels;  // of a task
    int64_t by_rows, by_panels;
    int64_t tasks() const { return by_rows * by_panels; }
    Block block(int64_t task) const {
        const int64_t row = task / by_panels * rows, panel = task % by_panels * panels, col = panel * NR;
        return {row, least(rows, m - row), panel, col, least(panels * NR, n - col)};
    }
};
Split split_gemm(int64_t m, int64_t n, int64_t k, int64_t most_tasks = 32);

// Memory of the calling thread that lives until its next call with the same slot; 64-byte aligned.
enum Scratch { SCRATCH_A, SCRATCH_B, SCRATCH_C, SCRATCH_D };
float *scratch(Scratch slot, int64_t floats);

// Runs fn(task) for tasks on the pool; fn is any callable.
template <typename Fn>
static inline void parallel(const ew_call *call, int64_t tasks, Fn &&fn) {
    if (tasks <= 0) return;
    using Plain = std::remove_reference_t<Fn>;
    auto *address = const_cast<std::remove_const_t<Plain> *>(&fn);
    if (tasks == 1 || !call->host) {
        for (int64_t i = 0; i < tasks; ++i) (*address)(i);
        return;
    }
    call->host->parallel(call, tasks, [](void *arg, int64_t i) { (*static_cast<Plain *>(arg))(i); }, address);
}

EW_INLINE int64_t count(const ew_tensor &t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t.rank; ++i) n *= t.shape[i];
    return n;
}
// The plan reserves the largest size of any instruction set for packed bytes: the end is zero.
EW_INLINE void clear_rest(const ew_tensor &packed, int64_t floats) {
    if (packed.dtype != EW_UINT8) return;
    const int64_t used = floats * static_cast<int64_t>(sizeof(float)), size = count(packed);
    if (size > used) std::memset(static_cast<char *>(packed.data) + used, 0, static_cast<size_t>(size - used));
}
EW_INLINE bool present(const ew_call *call, int32_t index) {
    return index < call->n_inputs && call->inputs[index].dtype != 0;
}
EW_INLINE const float *f32(const ew_tensor &t) { return static_cast<const float *>(t.data); }

}  // namespace ew::EW_ISA
