// One tile of a matrix product on tensor cores, or of a convolution seen as one: c = epilogue(a b), in half or bfloat16
// with sums in float.
//
// The blocks of a cluster share the sum over k of one tile: each adds its part of k, then each finishes some rows of the
// tile, of which the others send it their sums. So a product with few tiles still fills the device, the sum has one
// order, and no memory beside the output is needed. Weights are constant: their first tiles are fetched, and
// the rest brought into the second-level cache, before the kernel waits for the one that makes a.
#pragma once

#include "cuda/launch.h"
#include "cuda/mma_group.h"

namespace ew::cuda {

struct Epilogue {
    const void *bias;      // [n], or NULL
    const void *residual;  // [m, n], or NULL
    Activate activate;
    int activate_first;  // before the residual is added, instead of after it
};

// Where the rows and columns of a lie in a tensor [batch, height, width, channels]: row (batch, y, x) of the output,
// column (ky, kx, channel).
struct Patches {
    int height, width, channels, out_height, out_width, kernel_width;
    int stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
    int step_channel, step_x, step_y;  // what TILE_K columns are, in channels, then kx, then ky
};

struct Product {
    const void *a, *b;
    void *c;
    int m, n, k;
    int constant_b;
    Epilogue epilogue;
    Patches patches;
};

enum Source {
    ROWS,         // a [m, k], b [k, n]
    ROWS_B_NK,    // a [m, k], b [n, k]
    PATCHES,      // a of an image with channels in eights, b [n, k]
    PATCHES_OF_4  // a of an image with 4 channels, b [n, k]
};

constexpr int TILE_K = 64;

template <class T_, int M, int N, int WARP_M, int WARP_N, int STAGES_, Source SOURCE_>
struct Tile {
    using T = T_;
    static constexpr int BM = M, BN = N, WM = WARP_M, WN = WARP_N, STAGES = STAGES_;
    static constexpr Source SOURCE = SOURCE_;
    static constexpr int THREADS = 32 * (M / WARP_M) * (N / WARP_N);
    static constexpr int A_BYTES = M * TILE_K * 2, B_BYTES = N * TILE_K * 2, STAGE = A_BYTES + B_BYTES;
    static constexpr int C_STRIDE = N + 8;
    static constexpr int C_BYTES = M * C_STRIDE * 4;
    static constexpr bool GROUPS = WARP_M == 16 && WARP_N == N && M % 64 == 0;  // instructions of four warps
    static constexpr bool PATCHED = SOURCE == PATCHES || SOURCE == PATCHES_OF_4;
    static constexpr int A_CHUNK = SOURCE == PATCHES_OF_4 ? 4 : 8;  // elements that one copy fetches
    static constexpr int A_CHUNKS = TILE_K / A_CHUNK;
    static constexpr int A_STEP = THREADS / A_CHUNKS;
    static constexpr int A_ROWS = (M + A_STEP - 1) / A_STEP;  // rows of a that a thread fetches from
};

__device__ __forceinline__ uint32_t swizzled(int row, int chunk, int row_bytes) {
    return static_cast<uint32_t>(row * row_bytes + ((chunk ^ (row & 7)) << 4));
}

// Fetches a's tiles one after another: each thread always the same columns of the same rows.
template <class S>
struct FetchA {
    using T = typename S::T;
    const T *rows[S::A_ROWS];
    int y[S::PATCHED ? S::A_ROWS : 1], x[S::PATCHED ? S::A_ROWS : 1];
    int k, channel, kx, ky;
    uint32_t to[S::A_ROWS];

    __device__ __forceinline__ FetchA(const Product &p, int m0, int k0) {
        const int column = threadIdx.x % S::A_CHUNKS, row = threadIdx.x / S::A_CHUNKS;
        k = k0 + column * S::A_CHUNK;
        if constexpr (S::PATCHED) {
            const int tap = k / p.patches.channels;
            channel = k - tap * p.patches.channels;
            ky = tap / p.patches.kernel_width;
            kx = tap - ky * p.patches.kernel_width;
        }
        const T *a = static_cast<const T *>(p.a);
#pragma unroll
        for (int i = 0; i < S::A_ROWS; ++i) {
            const int r = row + i * S::A_STEP, m = m0 + r;
            const bool inside = m < p.m && r < S::BM;
            if constexpr (S::PATCHED) {
                const Patches &w = p.patches;
                const int image = m / (w.out_height * w.out_width), place = m - image * w.out_height * w.out_width;
                const int out_y = place / w.out_width, out_x = place - out_y * w.out_width;
                y[i] = inside ? out_y * w.stride_y - w.pad_y : -(1 << 28);  // far outside the image
                x[i] = out_x * w.stride_x - w.pad_x;
                rows[i] = a + static_cast<int64_t>(inside ? image : 0) * w.height * w.width * w.channels;
            } else {
                rows[i] = inside ? a + static_cast<int64_t>(m) * p.k : nullptr;
            }
            if constexpr (S::A_CHUNK == 8)
                to[i] = swizzled(r, column, TILE_K * 2);
            else
                to[i] = swizzled(r, column >> 1, TILE_K * 2) + ((column & 1) << 3);
        }
    }

    __device__ __forceinline__ void next(const Product &p, uint32_t stage) {
#pragma unroll
        for (int i = 0; i < S::A_ROWS; ++i) {
            if (S::BM % S::A_STEP != 0 && threadIdx.x / S::A_CHUNKS + i * S::A_STEP >= S::BM) break;
            const T *from;
            bool inside = k < p.k;
            if constexpr (S::PATCHED) {
                const Patches &w = p.patches;
                const int at_y = y[i] + ky * w.dilation_y, at_x = x[i] + kx * w.dilation_x;
                inside = inside && static_cast<unsigned>(at_y) < static_cast<unsigned>(w.height) &&
                         static_cast<unsigned>(at_x) < static_cast<unsigned>(w.width);
                from = rows[i] + (inside ? (at_y * w.width + at_x) * w.channels + channel : 0);
            } else {
                inside = inside && rows[i] != nullptr;
                from = inside ? rows[i] + k : static_cast<const T *>(p.a);
            }
            if constexpr (S::A_CHUNK == 8)
                copy_async(stage + to[i], from, inside ? 16 : 0);
            else
                copy_async_8(stage + to[i], from, inside ? 8 : 0);
        }
        k += TILE_K;
        if constexpr (S::PATCHED) {
            const Patches &w = p.patches;
            channel += w.step_channel, kx += w.step_x, ky += w.step_y;
            if (channel >= w.channels) channel -= w.channels, ++kx;
            if (kx >= w.kernel_width) kx -= w.kernel_width, ++ky;
        }
    }
};

// Fetches b's tiles one after another, or only brings them into the second-level cache.
template <class S>
struct FetchB {
    using T = typename S::T;
    static constexpr bool NK = S::SOURCE != ROWS;
    static constexpr int CHUNKS = NK ? TILE_K / 8 : S::BN / 8;  // in a row of the tile
    static constexpr int ROWS_ = NK ? S::BN : TILE_K, STEP = S::THREADS / CHUNKS, COUNT = ROWS_ / STEP;
    static constexpr int BLOCK_BYTES = TILE_K * TILE_K * 2;  // rows of more than 128 bytes lie in blocks side by side
    const T *from;
    int64_t row_step;  // elements between the rows that a thread fetches from
    int k, n;

    __device__ __forceinline__ FetchB(const Product &p, int n0, int k0) {
        const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
        n = NK ? n0 + row : n0 + chunk * 8;
        k = NK ? k0 + chunk * 8 : k0 + row;
        from =
            static_cast<const T *>(p.b) + (NK ? static_cast<int64_t>(n) * p.k + k : static_cast<int64_t>(k) * p.n + n);
        row_step = static_cast<int64_t>(STEP) * (NK ? p.k : p.n);
    }

    __device__ __forceinline__ void next(const Product &p, uint32_t stage) {
        const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const bool inside = NK ? k < p.k && n + i * STEP < p.n : k + i * STEP < p.k && n < p.n;
            copy_async(stage + chunk / 8 * BLOCK_BYTES + swizzled(row + i * STEP, chunk % 8, TILE_K * 2),
                       inside ? from + i * row_step : static_cast<const T *>(p.b), inside ? 16 : 0);
        }
        k += TILE_K;
        from += NK ? TILE_K : static_cast<int64_t>(TILE_K) * p.n;
    }

    static __device__ __forceinline__ void prefetch(const Product &p, int n0, int k0) {
        for (int index = threadIdx.x; index < ROWS_ * CHUNKS / 8; index += S::THREADS) {
            const int row = index / (CHUNKS / 8), chunk = index % (CHUNKS / 8) * 8;
            const int at_n = NK ? n0 + row : n0 + chunk * 8, at_k = NK ? k0 + chunk * 8 : k0 + row;
            if (at_n < p.n && at_k < p.k)
                prefetch_l2(static_cast<const T *>(p.b) +
                            (NK ? static_cast<int64_t>(at_n) * p.k + at_k : static_cast<int64_t>(at_k) * p.n + at_n));
        }
    }
};

template <class S>
__device__ __forceinline__ void multiply_in_groups(float (&sum)[1][S::WN / 8][4], uint32_t a, uint32_t b) {
    constexpr bool ROWS_OF_K = !FetchB<S>::NK;
    a += threadIdx.x / 128 * (64 * TILE_K * 2);
    group_begin();
#pragma unroll
    for (int k = 0; k < TILE_K / 16; ++k)
        multiply_group<typename S::T, ROWS_OF_K>(
            sum[0], operand(a + k * 32, 16),
            operand(b + k * (ROWS_OF_K ? 16 * TILE_K * 2 : 32), ROWS_OF_K ? FetchB<S>::BLOCK_BYTES : 16));
    group_commit();
}

template <class S>
__device__ __forceinline__ void multiply_in_warps(float (&sum)[S::WM / 16][S::WN / 8][4], uint32_t a, uint32_t b) {
    constexpr int WARPS_N = S::BN / S::WN;
    static_assert(FetchB<S>::NK || S::BN == TILE_K, "rows of b in one block");
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int m = warp / WARPS_N * S::WM, n = warp % WARPS_N * S::WN;
#pragma unroll
    for (int k = 0; k < TILE_K / 16; ++k) {
        uint32_t left[S::WM / 16][4], right[S::WN / 16][4];
#pragma unroll
        for (int i = 0; i < S::WM / 16; ++i)
            load_matrices(left[i], a + swizzled(m + i * 16 + (lane & 15), k * 2 + (lane >> 4), TILE_K * 2));
#pragma unroll
        for (int j = 0; j < S::WN / 16; ++j) {
            if constexpr (FetchB<S>::NK)
                load_matrices(right[j], b + swizzled(n + j * 16 + (lane & 7) + ((lane >> 4) << 3),
                                                     k * 2 + ((lane >> 3) & 1), TILE_K * 2));
            else
                load_matrices_transposed(right[j],
                                         b + swizzled(k * 16 + (lane & 15), n / 8 + j * 2 + (lane >> 4), TILE_K * 2));
        }
#pragma unroll
        for (int i = 0; i < S::WM / 16; ++i)
#pragma unroll
            for (int j = 0; j < S::WN / 8; ++j)
                multiply<typename S::T>(sum[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
    }
}

// How the blocks of a cluster share a sum: each finishes its rows of the tile, and the others send it theirs, into
// memory that nothing else uses, while they go on. One barrier counts the bytes that arrive.
template <class S>
struct Exchange {
    uint32_t sums, barrier;
    int ranks, rank, rows;

    // count: tiles of k that a block adds up; its memory for them lies before that for the sums.
    __device__ __forceinline__ void open(uint32_t base, int ranks_, int rank_, int count) {
        ranks = ranks_, rank = rank_, rows = S::BM / ranks;
        sums = base + (count < S::STAGES ? count : S::STAGES) * S::STAGE, barrier = sums + S::C_BYTES;
        constexpr int BYTES = S::BM * S::BN * 4;
        if (threadIdx.x == 0) {
            asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(barrier) : "memory");
            asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        }
        __syncthreads();
        if (threadIdx.x == 0)
            asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "n"(BYTES) : "memory");
        asm volatile("barrier.cluster.arrive.release;" ::: "memory");
    }

    // Each row of the tile to the block that finishes it.
    __device__ __forceinline__ void send(const float (&sum)[S::WM / 16][S::WN / 8][4]) const {
        asm volatile("barrier.cluster.wait.acquire;" ::: "memory");  // all blocks run, their barriers are ready
        constexpr int WARPS_N = S::BN / S::WN;
        const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
        const int row0 = warp / WARPS_N * S::WM + lane / 4, column = warp % WARPS_N * S::WN + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < S::WM / 16; ++i)
#pragma unroll
            for (int h = 0; h < 2; ++h) {
                const int row = row0 + i * 16 + h * 8, owner = row / rows, place = rank * rows + row - owner * rows;
                const uint32_t to = in_block(sums + (place * S::C_STRIDE + column) * 4, owner);
                const uint32_t signal = in_block(barrier, owner);
#pragma unroll
                for (int j = 0; j < S::WN / 8; ++j)
                    asm volatile(
                        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::"r"(
                            to + j * 32),
                        "f"(sum[i][j][h * 2]), "f"(sum[i][j][h * 2 + 1]), "r"(signal)
                        : "memory");
            }
    }

    __device__ __forceinline__ void wait() const {
        uint32_t done = 0;
        while (done == 0)
            asm volatile(
                "{.reg .pred p; mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], 0; selp.u32 %0, 1, "
                "0, "
                "p;}"
                : "=r"(done)
                : "r"(barrier)
                : "memory");
    }

  private:
    static __device__ __forceinline__ uint32_t in_block(uint32_t address, int rank) {
        uint32_t there;
        asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
        return there;
    }
};

// Leaves the sums of all threads in shared memory.
template <class S>
__device__ __forceinline__ void keep_sums(const float (&sum)[S::WM / 16][S::WN / 8][4], float *sums) {
    constexpr int WARPS_N = S::BN / S::WN;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    float *to = sums + (warp / WARPS_N * S::WM + lane / 4) * S::C_STRIDE + warp % WARPS_N * S::WN + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < S::WM / 16; ++i)
#pragma unroll
        for (int j = 0; j < S::WN / 8; ++j) {
            *reinterpret_cast<float2 *>(to + i * 16 * S::C_STRIDE + j * 8) = make_float2(sum[i][j][0], sum[i][j][1]);
            *reinterpret_cast<float2 *>(to + (i * 16 + 8) * S::C_STRIDE + j * 8) =
                make_float2(sum[i][j][2], sum[i][j][3]);
        }
}

// This block's part of the finished tile: 8 neighbours at a time, of the same columns in each round.
template <class S, bool SHARED>
struct Finish {
    using T = typename S::T;
    static constexpr int ACROSS = S::BN / 8, CHUNKS = S::BM * ACROSS, ROUNDS = (CHUNKS + S::THREADS - 1) / S::THREADS;
    Vector<T, 8> residual;  // of the next round
    float bias[8];
    int m0, n, column, count, rows;  // m0: the first of its rows

    __device__ __forceinline__ Finish(const Product &p, int m0_, int n0, int rank, int ranks) {
        rows = SHARED ? S::BM / ranks : S::BM, m0 = SHARED ? m0_ + rank * rows : m0_;
        column = threadIdx.x % ACROSS * 8, n = n0 + column;
        count = p.n - n < 8 ? p.n - n : 8;
        const T *from = static_cast<const T *>(p.epilogue.bias) + n;
#pragma unroll
        for (int i = 0; i < 8; ++i) bias[i] = p.epilogue.bias != nullptr && i < count ? widen(from[i]) : 0.0f;
    }

    __device__ __forceinline__ int row(int round) const {
        return (static_cast<int>(threadIdx.x) + round * S::THREADS) / ACROSS;
    }

    __device__ __forceinline__ bool mine(const Product &p, int round) const {
        return row(round) < rows && m0 + row(round) < p.m && count > 0;
    }

    __device__ __forceinline__ int64_t place(const Product &p, int round) const {
        return static_cast<int64_t>(m0 + row(round)) * p.n + n;
    }

    // Brings the residual into the second-level cache, which is far nearer than memory.
    __device__ __forceinline__ void prefetch(const Product &p) const {
        const T *from = static_cast<const T *>(p.epilogue.residual);
        if (from == nullptr || column % 64 != 0) return;
#pragma unroll 1
        for (int round = 0; round < ROUNDS && mine(p, round); ++round) prefetch_l2(from + place(p, round));
    }

    // Asks for the residual, so that it comes while something else is done.
    __device__ __forceinline__ void fetch(const Product &p, int round) {
        const T *from = static_cast<const T *>(p.epilogue.residual);
        if (from == nullptr || !mine(p, round)) return;
        if (p.n % 8 == 0) {
            residual = *reinterpret_cast<const Vector<T, 8> *>(from + place(p, round));
        } else {
#pragma unroll
            for (int i = 0; i < 8; ++i) residual.v[i] = i < count ? from[place(p, round) + i] : T{};
        }
    }

    __device__ __forceinline__ void write(const Product &p, const float *sums, int ranks) {
#pragma unroll 1  // unrolled it would not fit the instruction cache: three times as slow
        for (int round = 0; round < ROUNDS && mine(p, round); ++round) {
            const Vector<T, 8> more = residual;
            fetch(p, round + 1);
            float x[8];
#pragma unroll
            for (int i = 0; i < 8; ++i) x[i] = bias[i];
#pragma unroll 1
            for (int r = 0; r < (SHARED ? ranks : 1); ++r) {
                const float *from = sums + (r * rows + row(round)) * S::C_STRIDE + column;
                const float4 *four = reinterpret_cast<const float4 *>(from);
                const float4 low = four[0], high = four[1];
                x[0] += low.x, x[1] += low.y, x[2] += low.z, x[3] += low.w;
                x[4] += high.x, x[5] += high.y, x[6] += high.z, x[7] += high.w;
            }
            if (p.epilogue.residual != nullptr && !p.epilogue.activate_first) add(x, more);
            p.epilogue.activate(x);
            if (p.epilogue.residual != nullptr && p.epilogue.activate_first) add(x, more);
            T *to = static_cast<T *>(p.c) + place(p, round);
            if (p.n % 8 == 0)
                store(to, x);
            else
                store_some(to, x, count);
        }
    }

    static __device__ __forceinline__ void add(float (&x)[8], const Vector<T, 8> &more) {
#pragma unroll
        for (int i = 0; i < 8; ++i) x[i] += widen(more.v[i]);
    }
};

// The sum over tiles [first, last) of k, of which a's and b's first ones are on their way.
template <class S>
__device__ __forceinline__ void sum_up(float (&sum)[S::WM / 16][S::WN / 8][4], const Product &p, FetchA<S> &fetch_a,
                                       FetchB<S> &fetch_b, uint32_t base, int count) {
    int reading = 0, writing = S::STAGES - 1;
#pragma unroll 1
    for (int tile = 0; tile < count; ++tile) {
        wait_copies<S::STAGES - 2>();
        if constexpr (S::GROUPS) publish_copies();
        __syncthreads();
        const uint32_t a = base + reading * S::STAGE;
        if constexpr (S::GROUPS) multiply_in_groups<S>(sum, a, a + S::A_BYTES);
        if (tile + S::STAGES - 1 < count) {
            fetch_b.next(p, base + writing * S::STAGE + S::A_BYTES);
            fetch_a.next(p, base + writing * S::STAGE);
        }
        commit_copies();
        if constexpr (S::GROUPS)
            group_wait();
        else
            multiply_in_warps<S>(sum, a, a + S::A_BYTES);
        reading = reading + 1 == S::STAGES ? 0 : reading + 1;
        writing = writing + 1 == S::STAGES ? 0 : writing + 1;
    }
    wait_copies<0>();
    __syncthreads();
}

// SHARED: the blocks of a cluster share a sum.
template <class S, bool SHARED>
__global__ void __launch_bounds__(S::THREADS, 2) product_kernel(const __grid_constant__ Product p) {
    extern __shared__ __align__(1024) unsigned char shared[];
    const uint32_t base = shared_address(shared);
    const int ranks = SHARED ? static_cast<int>(gridDim.x) : 1, rank = SHARED ? static_cast<int>(blockIdx.x) : 0;
    const int m0 = static_cast<int>(blockIdx.y) * S::BM, n0 = static_cast<int>(blockIdx.z) * S::BN;
    const int tiles = (p.k + TILE_K - 1) / TILE_K, first = tiles * rank / ranks, last = tiles * (rank + 1) / ranks;
    allow_next();
    Exchange<S> exchange;
    if constexpr (SHARED) exchange.open(base, ranks, rank, (tiles + ranks - 1) / ranks);
    FetchB<S> fetch_b(p, n0, first * TILE_K);
    if (p.constant_b) {
#pragma unroll 1
        for (int i = 0; i < S::STAGES - 1 && first + i < last; ++i) fetch_b.next(p, base + i * S::STAGE + S::A_BYTES);
        if (blockIdx.y == 0)
#pragma unroll 1
            for (int tile = first + S::STAGES - 1; tile < last; ++tile) FetchB<S>::prefetch(p, n0, tile * TILE_K);
    }
    FetchA<S> fetch_a(p, m0, first * TILE_K);
    wait_for_previous();
#pragma unroll 1
    for (int i = 0; i < S::STAGES - 1; ++i) {
        if (first + i < last) {
            if (!p.constant_b) fetch_b.next(p, base + i * S::STAGE + S::A_BYTES);
            fetch_a.next(p, base + i * S::STAGE);
        }
        commit_copies();
    }
    Finish<S, SHARED> finish(p, m0, n0, rank, ranks);  // not before the wait: another kernel may make the bias
    finish.prefetch(p);
    float sum[S::WM / 16][S::WN / 8][4] = {};
    sum_up<S>(sum, p, fetch_a, fetch_b, base, last - first);
    finish.fetch(p, 0);
    if constexpr (SHARED) {
        exchange.send(sum);
        exchange.wait();
        finish.write(p, reinterpret_cast<float *>(shared + (exchange.sums - base)), ranks);
    } else {
        keep_sums<S>(sum, reinterpret_cast<float *>(shared));
        __syncthreads();
        finish.write(p, reinterpret_cast<float *>(shared), 1);
    }
}

template <class S>
int32_t launch_product(const ew_call *call, const Product &p, int split) {
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>(split), static_cast<unsigned>((p.m + S::BM - 1) / S::BM),
                      static_cast<unsigned>((p.n + S::BN - 1) / S::BN));
    shape.block = dim3(S::THREADS);
    const int tiles = (p.k + TILE_K - 1) / TILE_K, most = (tiles + split - 1) / split;
    const int stages = (most < S::STAGES ? most : S::STAGES) * S::STAGE;  // less memory, more blocks at once
    constexpr int BARRIER = 16;
    const int apart = stages + S::C_BYTES + BARRIER, together = stages > S::C_BYTES ? stages : S::C_BYTES;
    shape.shared = static_cast<size_t>(split > 1 ? apart : together);
    shape.cluster = split;
    return launch(call, split > 1 ? product_kernel<S, true> : product_kernel<S, false>, shape, p);
}

}  // namespace ew::cuda
