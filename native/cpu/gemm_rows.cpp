// The micro-kernels of gemm_rows.h.
#include "cpu/gemm_rows.h"

#include "cpu/gemm_rows_sums.h"
#include "cpu/narrow_ending.h"

#include <utility>

namespace ew::EW_ISA {

namespace {

// Else the stores at the end would wait for one line after the other.
template <int M, int V>
EW_INLINE void prefetch_tile(const RowsTile &t, const NarrowFinish &f) {
#pragma GCC unroll 8
    for (int r = 0; r < M; ++r) {
        if (f.narrow)
#pragma GCC unroll 4
            for (int v = 0; v < V; v += 2) __builtin_prefetch(f.narrow + r * f.ld_narrow + v * VL, 1);
        else
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) __builtin_prefetch(t.c + r * t.ldc + v * VL, 1);
        if (f.residual)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) __builtin_prefetch(f.residual + r * f.ld_residual + v * VL);
        if (f.narrow_residual)
#pragma GCC unroll 4
            for (int v = 0; v < V; v += 2) __builtin_prefetch(f.narrow_residual + r * f.ld_residual + v * VL);
    }
}

template <class Kind, int M, int V, bool Whole>
void rows_kernel(const RowsTile &t, const NarrowFinish &f) {
    prefetch_tile<M, V>(t, f);
    vf sums[M][V];
    begin_sums<M, V, Whole>(t, f, sums);
    for (int64_t part = 0; part < t.n_parts; ++part) {
        const float *rows[M], *b = t.parts[part].b;
        for (int r = 0; r < M; ++r) rows[r] = t.parts[part].rows[r];
        const int64_t depth = t.parts[part].k;
        for (int64_t k = 0; k < depth; ++k) {
            typename Kind::Wide bv[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) bv[v] = Kind::widen(load(b + v * VL));
#pragma GCC unroll 8
            for (int r = 0; r < M; ++r) {
                const vf av = splat(rows[r][k]);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) sums[r][v] = Kind::dot(sums[r][v], av, bv[v]);
            }
            b += V * VL;
        }
    }
    end_sums<M, V, Whole>(t, f, sums);
}

using RowsKernel = void (*)(const RowsTile &, const NarrowFinish &);

template <class Kind, int V, bool Whole, typename Sequence>
struct Row;
template <class Kind, int V, bool Whole, int... M>
struct Row<Kind, V, Whole, std::integer_sequence<int, M...>> {
    static constexpr RowsKernel kernels[] = {rows_kernel<Kind, M + 1, V, Whole>...};
};

template <class Kind, bool Whole>
RowsKernel find_kernel(int m, int vectors) {
    using All = std::make_integer_sequence<int, MR>;
    static constexpr const RowsKernel *table[] = {Row<Kind, 1, Whole, All>::kernels, Row<Kind, 2, Whole, All>::kernels,
#if EW_ISA_AVX512
                                                  Row<Kind, 3, Whole, All>::kernels,
                                                  Row<Kind, 4, Whole, std::make_integer_sequence<int, 6>>::kernels
#endif
    };
    return table[vectors - 1][m - 1];
}

}  // namespace

void run_rows_tile(const RowsTile &tile, const NarrowFinish &finish) {
    const bool whole = tile.n == tile.vectors * VL;
    const auto find = tile.bf16 ? (whole ? find_kernel<Pairs, true> : find_kernel<Pairs, false>)
                                : (whole ? find_kernel<Floats, true> : find_kernel<Floats, false>);
    find(tile.m, tile.vectors)(tile, finish);
}

void run_rows_tile(const RowsTile &tile, const Finish &finish) { run_rows_tile(tile, NarrowFinish(finish)); }

}  // namespace ew::EW_ISA
