// Matrix products, and convolutions seen as such, in half or bfloat16: bulk copies feed Hopper's tensor cores.
//
// One warp fetches tiles of a and b into a ring in shared memory; one to three groups of four warps multiply, 64
// rows each, and finish. The ring's first tiles of constant weights are fetched before the kernel waits for the one that
// makes a. What limits it is how fast a multiprocessor takes in tiles: about 42 bytes a cycle.
//
// Where there is much to do, a block computes tile after tile, and while one is finished the ring fills with the next;
// the blocks of a cluster take tiles below each other, and each fetches a part of b's tile for all of them. Where there
// is little (SPLIT), the blocks of a cluster share the sum over k of one tile, as those of gemm_tile.h do.
#pragma once

#include "cuda/bulk.h"
#include "cuda/bulk_maps.h"
#include "cuda/launch.h"

namespace ew::cuda {

struct BulkProduct {
    const void *bias, *residual;
    void *c;
    int m, n, k;
    int constant_b, activate_first, wide;  // wide: c is float
    Activate activate;
    // Of an image: places in a row and in an image, channels, taps in a row, and how corners move.
    int out_width, places, channels, kernel_width;
    int stride_y, stride_x, begin_y, begin_x, dilation_y, dilation_x;

    static bool has(int64_t activation) {
        return activation == NO_ACTIVATION || activation == RELU || activation == CLIP || activation == SILU ||
               activation == GELU || activation == GELU_TANH;
    }
    // From three parameters: its number, low and high bound.
    void set_activation(const ew_param *params) {
        activate = {static_cast<int>(params[0].i), static_cast<float>(params[1].f), static_cast<float>(params[2].f)};
        if (activate.kind == RELU) activate.low = 0.0f, activate.high = INFINITY;
    }
};

constexpr int BULK_K = 64;

enum BulkSource { BULK_ROWS, BULK_ROWS_B_NK, BULK_PATCHES };

template <class T_, int GROUPS_, int N, int STAGES_, int BLOCKS_, BulkSource SOURCE_, bool SPLIT_ = false>
struct BulkTile {
    using T = T_;
    static constexpr BulkSource SOURCE = SOURCE_;
    static constexpr bool SPLIT = SPLIT_, B_NK = SOURCE != BULK_ROWS;
    static constexpr int GROUPS = GROUPS_, BM = 64 * GROUPS_, BN = N, STAGES = STAGES_, BLOCKS = BLOCKS_;
    static constexpr int THREADS = 128 * (1 + GROUPS), FEWEST_RANKS = SPLIT ? 2 : 1, MOST_RANKS = SPLIT ? 8 : 2;
    static constexpr int A_BYTES = BM * BULK_K * 2, B_BYTES = N * BULK_K * 2, STAGE = A_BYTES + B_BYTES;
    static constexpr int CHUNK = 16 * 128,
                         STAGING = N / 64 * CHUNK;  // of a warp: 16 rows of its tile, 64 elements each
    static constexpr int C_STRIDE = N + 8, SUMS = BM * C_STRIDE * 4;
    static constexpr int BARRIERS = STAGES * STAGE + (SPLIT ? SUMS : 4 * GROUPS * STAGING);
    static constexpr int SHARED = BARRIERS + 16 * STAGES + 4 * GROUPS * 8;
    // What the fetching group leaves to those that multiply; a block gets no more registers than at its launch.
    static constexpr int AT_LAUNCH = 65536 / (THREADS * BLOCKS) / 8 * 8, FETCHING = AT_LAUNCH < 40 ? 24 : 40;
    static constexpr int SPARE = (AT_LAUNCH * (1 + GROUPS) - FETCHING) / GROUPS / 8 * 8;
    static constexpr int MULTIPLYING = SPARE > 232 ? 232 : SPARE;
};

// What bulk copies know of the tensors; c and residual only where rows are whole vectors.
struct BulkMaps {
    CUtensorMap a, b, c, residual;
};

// Where a block stands: its cluster's tiles, and its place in the ring, which goes on from tile to tile.
template <class S>
struct BulkRing {
    uint32_t base;
    int stage = 0;
    uint32_t turn = 0;

    __device__ __forceinline__ uint32_t full() const { return base + S::BARRIERS + stage * 8; }
    __device__ __forceinline__ uint32_t empty() const { return base + S::BARRIERS + (S::STAGES + stage) * 8; }
    __device__ __forceinline__ uint32_t own(int warp) const { return base + S::BARRIERS + (2 * S::STAGES + warp) * 8; }
    __device__ __forceinline__ uint32_t tile() const { return base + stage * S::STAGE; }
    __device__ __forceinline__ void next() {
        if (++stage == S::STAGES) stage = 0, turn ^= 1;
    }
};

struct BulkPlace {
    int rows, columns, count, clusters, ranks, rank;  // tiles below each other count by clusters
    int first_step, steps;

    template <class S>
    static __device__ __forceinline__ BulkPlace of(const BulkProduct &p) {
        BulkPlace place;
        asm("mov.u32 %0, %%cluster_nctaid.x;" : "=r"(place.ranks));
        asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(place.rank));
        const int height = S::SPLIT ? S::BM : S::BM * place.ranks, all = (p.k + BULK_K - 1) / BULK_K;
        place.rows = (p.m + height - 1) / height, place.columns = (p.n + S::BN - 1) / S::BN;
        place.count = place.rows * place.columns, place.clusters = static_cast<int>(gridDim.x) / place.ranks;
        place.first_step = S::SPLIT ? all * place.rank / place.ranks : 0;
        place.steps = S::SPLIT ? all * (place.rank + 1) / place.ranks - place.first_step : all;
        return place;
    }
    __device__ __forceinline__ int first() const { return static_cast<int>(blockIdx.x) / ranks; }
    template <class S>
    __device__ __forceinline__ int m(int tile) const {
        return (S::SPLIT ? tile % rows : (tile % rows) * ranks + rank) * S::BM;
    }
    template <class S>
    __device__ __forceinline__ int n(int tile) const {
        return tile / rows * S::BN;
    }
};

// This block's part of b's tile, for all blocks of its cluster; all of it where they share no columns.
template <class S>
__device__ __forceinline__ void fetch_b(const CUtensorMap &map, const BulkPlace &place, uint32_t to, int n0, int k0,
                                        uint32_t barrier) {
    const int ranks = S::SPLIT ? 1 : place.ranks, rank = S::SPLIT ? 0 : place.rank;
    const auto copy = [&](uint32_t at, int x, int y) {
        if (ranks == 1)
            copy_tile(at, map, x, y, barrier);
        else
            copy_tile(at, map, x, y, barrier, uint16_t{3});
    };
    if constexpr (S::B_NK) {
        const int row = rank * (S::BN / ranks);
        copy(to + row * 128, k0, n0 + row);
    } else {
        const int row = rank * (BULK_K / ranks);
#pragma unroll
        for (int block = 0; block < S::BN / 64; ++block)
            copy(to + block * (BULK_K * 128) + row * 128, n0 + block * 64, k0 + row);
    }
}

// Fetches a's tiles of some rows one after another.
template <class S>
struct BulkFetchA {
    int m0, k0;
    PatchPlace place;
    int tap_x, tap_y;

    __device__ __forceinline__ BulkFetchA(const BulkProduct &p, int m0_, int step) : m0(m0_), k0(step * BULK_K) {
        if constexpr (S::SOURCE == BULK_PATCHES) {
            const int tap = k0 / p.channels, at = m0 % p.places, y = at / p.out_width;
            tap_y = tap / p.kernel_width, tap_x = tap - tap_y * p.kernel_width;
            place = {k0 - tap * p.channels,
                     (at - y * p.out_width) * p.stride_x + p.begin_x,
                     y * p.stride_y + p.begin_y,
                     m0 / p.places,
                     0,
                     0};
        }
    }

    __device__ __forceinline__ void next(const CUtensorMap &map, const BulkProduct &p, uint32_t to, uint32_t barrier) {
        if constexpr (S::SOURCE == BULK_PATCHES) {
            place.tap_x = static_cast<uint16_t>(tap_x * p.dilation_x);
            place.tap_y = static_cast<uint16_t>(tap_y * p.dilation_y);
            copy_patches(to, map, place, barrier);
            place.channel += BULK_K;
            if (place.channel == p.channels) place.channel = 0, ++tap_x;
            if (tap_x == p.kernel_width) tap_x = 0, ++tap_y;
        } else {
            copy_tile(to, map, k0, m0, barrier);
            k0 += BULK_K;
        }
    }
};

template <class S>
__device__ __forceinline__ void fetch_all(const CUtensorMap &a, const CUtensorMap &b, const BulkProduct &p,
                                          const BulkPlace &place, BulkRing<S> ring) {
    int ahead = 0;  // tiles of b that are on their way
    if (p.constant_b && place.first() < place.count) {
        BulkRing<S> early = ring;
        const int n0 = place.n<S>(place.first());
        for (; ahead < place.steps && ahead < S::STAGES; ++ahead, early.next()) {
            barrier_expect(early.full(), S::STAGE);
            fetch_b<S>(b, place, early.tile() + S::A_BYTES, n0, (place.first_step + ahead) * BULK_K, early.full());
        }
    }
    wait_for_previous();
    for (int tile = place.first(); tile < place.count; tile += place.clusters) {
        BulkFetchA<S> fetch_a(p, place.m<S>(tile), place.first_step);
        const int n0 = place.n<S>(tile), k0 = place.first_step * BULK_K;
#pragma unroll 1
        for (int step = 0; step < place.steps; ++step, ring.next()) {
            if (ahead > 0) {
                --ahead;
            } else {
                barrier_wait(ring.empty(), ring.turn ^ 1);
                barrier_expect(ring.full(), S::STAGE);
                fetch_b<S>(b, place, ring.tile() + S::A_BYTES, n0, k0 + step * BULK_K, ring.full());
            }
            fetch_a.next(a, p, ring.tile(), ring.full());
        }
    }
}

template <class S>
__device__ __forceinline__ void release(const BulkRing<S> &ring, const BulkPlace &place) {
    if ((threadIdx.x & 31) != 0) return;
    barrier_arrive(ring.empty(), place.rank);
    if (!S::SPLIT && place.ranks > 1) barrier_arrive(ring.empty(), place.rank ^ 1);
}

// halfway: what else is to be done then.
template <class S, class F>
__device__ __forceinline__ void multiply_tile(float (&sum)[S::BN / 8][4], BulkRing<S> &ring, const BulkPlace &place,
                                              int group, const F &halfway) {
    constexpr bool ROWS_OF_K = !S::B_NK;
    const uint64_t first_a = operand(ring.base + group * (64 * BULK_K * 2), 16);
    const uint64_t first_b = operand(ring.base + S::A_BYTES, ROWS_OF_K ? BULK_K * 128 : 16);
    BulkRing<S> before = ring;
#pragma unroll 1
    for (int step = 0; step < place.steps; ++step) {
        const uint64_t at = static_cast<uint64_t>(ring.stage * (S::STAGE >> 4));
        barrier_wait(ring.full(), ring.turn);
        group_begin();
#pragma unroll
        for (int k = 0; k < BULK_K / 16; ++k)
            multiply_group<typename S::T, ROWS_OF_K>(sum, first_a + at + (k * 32 >> 4),
                                                     first_b + at + (k * (ROWS_OF_K ? 16 * 128 : 32) >> 4));
        group_commit();
        group_wait<1>();
        if (step > 0) release(before, place);
        if (step == place.steps / 2) halfway();
        before = ring;
        ring.next();
    }
    group_wait<0>();
    if (place.steps > 0) release(before, place);
}

__device__ __forceinline__ void activate_32(float (&x)[8][4], const Activate &how) {
    const auto each = [&](auto f) {
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) x[j][e] = f(x[j][e]);
    };
    switch (how.kind) {
        case NO_ACTIVATION: break;
        case GELU: each(gelu); break;
        case GELU_TANH: each(gelu_tanh); break;
        case SILU: each(silu); break;
        default: each([&](float v) { return clip(v, how.low, how.high); }); break;
    }
}

// One warp's 16 rows of 64 columns in shared memory, where they lie as a bulk copy brings or takes them.
template <class T>
struct BulkChunk {
    const BulkProduct &p;
    uint32_t staging;
    int m0, n0;

    __device__ __forceinline__ uint32_t place(int row, int chunk) const {
        return staging + static_cast<uint32_t>(row * 128 + ((chunk ^ (row & 7)) << 4));
    }
    __device__ __forceinline__ uint32_t own(int j, int h) const {
        const int lane = threadIdx.x & 31;
        return place(lane / 4 + h * 8, j) + lane % 4 * 4;
    }

    __device__ __forceinline__ void add_residual(float (&x)[8][4]) const {
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int h = 0; h < 2; ++h) {
                Vector<T, 2> more;
                asm volatile("ld.shared.b32 %0, [%1];"
                             : "=r"(*reinterpret_cast<uint32_t *>(&more))
                             : "r"(own(j, h))
                             : "memory");
                x[j][h * 2] += widen(more.v[0]), x[j][h * 2 + 1] += widen(more.v[1]);
            }
    }

    __device__ __forceinline__ void keep(const float (&x)[8][4]) const {
#pragma unroll
        for (int j = 0; j < 8; ++j)
#pragma unroll
            for (int h = 0; h < 2; ++h)
                asm volatile("st.shared.b32 [%0], %1;" ::"r"(own(j, h)), "r"(pair<T>(x[j][h * 2], x[j][h * 2 + 1]))
                             : "memory");
    }

    // The sums as they are, 32 columns at a time.
    __device__ __forceinline__ void write_wide(const float (&x)[8][4]) const {
        const int lane = threadIdx.x & 31;
        float *to = static_cast<float *>(p.c) + static_cast<int64_t>(m0) * p.n + n0 + lane;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
            for (int j = 0; j < 4; ++j)
#pragma unroll
                for (int h = 0; h < 2; ++h)
                    asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(
                                     place(lane / 4 + h * 8, j * 2 + lane % 4 / 2) + lane % 2 * 8),
                                 "f"(x[half * 4 + j][h * 2]), "f"(x[half * 4 + j][h * 2 + 1])
                                 : "memory");
            __syncwarp();
#pragma unroll 8
            for (int row = 0; row < 16; ++row) {
                float value;
                asm volatile("ld.shared.f32 %0, [%1];"
                             : "=f"(value)
                             : "r"(place(row, lane / 4) + lane % 4 * 4)
                             : "memory");
                if (m0 + row < p.m && n0 + half * 32 + lane < p.n)
                    to[static_cast<int64_t>(row) * p.n + half * 32] = value;
            }
            __syncwarp();
        }
    }

    __device__ __forceinline__ void write(const float (&x)[8][4]) const {
        if (p.wide) return write_wide(x);
        const int lane = threadIdx.x & 31, chunk = lane % 8;
        keep(x);
        __syncwarp();
        T *to = static_cast<T *>(p.c) + static_cast<int64_t>(m0) * p.n + n0;
        if (p.n % 8 == 0) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int row = i * 4 + lane / 8;
                uint4 value;
                asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
                             : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
                             : "r"(place(row, chunk))
                             : "memory");
                if (m0 + row < p.m && n0 + chunk * 8 < p.n)
                    *reinterpret_cast<uint4 *>(to + static_cast<int64_t>(row) * p.n + chunk * 8) = value;
            }
        } else {
#pragma unroll 8
            for (int i = 0; i < 32; ++i) {
                const int row = i / 2, column = i % 2 * 32 + lane;
                uint16_t value;
                asm volatile("ld.shared.b16 %0, [%1];"
                             : "=h"(value)
                             : "r"(place(row, column / 8) + column % 8 * 2)
                             : "memory");
                if (m0 + row < p.m && n0 + column < p.n)
                    reinterpret_cast<uint16_t *>(to)[static_cast<int64_t>(row) * p.n + column] = value;
            }
        }
        __syncwarp();
    }
};

// What a warp adds to its 16 rows of a tile, and how it finishes them. Bulk copies bring the residual while the product
// is computed, and take the result away while the next one is.
template <class S>
struct BulkFinish {
    using T = typename S::T;
    const BulkProduct &p;
    const CUtensorMap &c_map, &residual_map;
    uint32_t staging, barrier;
    int m0, n0;
    uint32_t bias[S::BN / 8];

    // m0, n0: the first of its rows and columns.
    __device__ __forceinline__ void begin_tile(int m0_, int n0_) {
        m0 = m0_, n0 = n0_;
        const int count = p.bias == nullptr ? 0 : p.n - n0;
        const auto *from = static_cast<const uint16_t *>(p.bias) + n0;
        int column = static_cast<int>(threadIdx.x & 3) * 2;
        if (p.n % 2 == 0) {
#pragma unroll
            for (int j = 0; j < S::BN / 8; ++j, column += 8)
                bias[j] = column < count ? *reinterpret_cast<const uint32_t *>(from + column) : 0;
        } else {
#pragma unroll
            for (int j = 0; j < S::BN / 8; ++j, column += 8) {
                const uint32_t low = column < count ? from[column] : 0,
                               high = column + 1 < count ? from[column + 1] : 0;
                bias[j] = low | high << 16;
            }
        }
    }

    __device__ __forceinline__ BulkChunk<T> chunk(int c) const { return {p, staging + c * S::CHUNK, m0, n0 + c * 64}; }
    __device__ __forceinline__ int chunks() const { return m0 < p.m ? min(S::BN / 64, (p.n - n0 + 63) / 64) : 0; }

    __device__ __forceinline__ void fetch_residual() const {
        if (p.residual == nullptr || (threadIdx.x & 31) != 0) return;
        wait_stores_read();
        barrier_expect(barrier, chunks() * S::CHUNK);
        for (int c = 0; c < chunks(); ++c) copy_tile(staging + c * S::CHUNK, residual_map, n0 + c * 64, m0, barrier);
    }

    // turn: counts tiles.
    __device__ __forceinline__ void write(const float (&sum)[S::BN / 8][4], int turn) const {
        const bool leader = (threadIdx.x & 31) == 0;
        if (p.residual != nullptr) {
            barrier_wait(barrier, turn & 1);
        } else {
            if (leader) wait_stores_read();
            __syncwarp();
        }
#pragma unroll
        for (int c = 0; c < S::BN / 64; ++c) {
            if (c >= chunks()) return;
            const BulkChunk<T> one = chunk(c);
            float x[8][4];
#pragma unroll
            for (int j = 0; j < 8; ++j) {
                const auto add = *reinterpret_cast<const Vector<T, 2> *>(&bias[c * 8 + j]);
#pragma unroll
                for (int e = 0; e < 4; ++e) x[j][e] = sum[c * 8 + j][e] + widen(add.v[e % 2]);
            }
            if (p.residual != nullptr && !p.activate_first) one.add_residual(x);
            activate_32(x, p.activate);
            if (p.residual != nullptr && p.activate_first) one.add_residual(x);
            if (p.n % 8 != 0 || p.wide) {
                one.write(x);
                continue;
            }
            one.keep(x);
            publish_copies();
            __syncwarp();
            if (leader) store_tile(one.staging, c_map, one.n0, m0);
        }
    }
};

// How the blocks of a cluster share a sum: each finishes its rows of the tile, and the others send it theirs.
template <class S>
struct BulkExchange {
    using T = typename S::T;
    uint32_t sums, barrier;
    int ranks, rank, rows;

    __device__ __forceinline__ BulkExchange(const BulkRing<S> &ring, const BulkPlace &place)
        : sums(ring.base + S::STAGES * S::STAGE),
          barrier(ring.own(0)),
          ranks(place.ranks),
          rank(place.rank),
          rows(S::BM / place.ranks) {}

    // sum: 16 rows from `row0` of the tile.
    __device__ __forceinline__ void send(const float (&sum)[S::BN / 8][4], int row0) const {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const int row = row0 + lane / 4 + h * 8, owner = row / rows, place = rank * rows + row - owner * rows;
            const uint32_t to = in_block(sums + (place * S::C_STRIDE + lane % 4 * 2) * 4, owner);
            const uint32_t signal = in_block(barrier, owner);
#pragma unroll
            for (int j = 0; j < S::BN / 8; ++j)
                asm volatile(
                    "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::"r"(
                        to + j * 32),
                    "f"(sum[j][h * 2]), "f"(sum[j][h * 2 + 1]), "r"(signal)
                    : "memory");
        }
    }

    // Eight neighbours a thread; rows are whole vectors. `thread`: of those that multiply.
    __device__ __forceinline__ void finish(const BulkProduct &p, const float *from, int m0, int n0, int thread) const {
        constexpr int ACROSS = S::BN / 8;
        bool waited = false;
        for (int at = thread; at < rows * ACROSS; at += S::THREADS - 128) {
            const int row = at / ACROSS, column = at % ACROSS * 8, m = m0 + rank * rows + row, n = n0 + column;
            const bool inside = m < p.m && n < p.n;
            float bias[8] = {}, more[8] = {};
            const int64_t place = static_cast<int64_t>(m) * p.n + n;
            if (inside && p.bias != nullptr) load(bias, static_cast<const T *>(p.bias) + n);
            if (inside && p.residual != nullptr) load(more, static_cast<const T *>(p.residual) + place);
            if (!waited) barrier_wait_for_cluster(barrier, 0), waited = true;
            float x[8];
#pragma unroll
            for (int i = 0; i < 8; ++i) x[i] = bias[i] + (p.activate_first ? 0.0f : more[i]);
            for (int r = 0; r < ranks; ++r) {
                const float4 *four = reinterpret_cast<const float4 *>(from + (r * rows + row) * S::C_STRIDE + column);
                const float4 low = four[0], high = four[1];
                x[0] += low.x, x[1] += low.y, x[2] += low.z, x[3] += low.w;
                x[4] += high.x, x[5] += high.y, x[6] += high.z, x[7] += high.w;
            }
            p.activate(x);
#pragma unroll
            for (int i = 0; i < 8; ++i) x[i] += p.activate_first ? more[i] : 0.0f;
            if (inside && p.wide) store(static_cast<float *>(p.c) + place, x);
            if (inside && !p.wide) store(static_cast<T *>(p.c) + place, x);
        }
        if (!waited) barrier_wait_for_cluster(barrier, 0);
    }

  private:
    static __device__ __forceinline__ uint32_t in_block(uint32_t address, int rank) {
        uint32_t there;
        asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
        return there;
    }
};

template <class S>
__global__ void __launch_bounds__(S::THREADS, S::BLOCKS)
    bulk_kernel(const __grid_constant__ BulkMaps maps, const __grid_constant__ BulkProduct p) {
    extern __shared__ __align__(1024) unsigned char shared[];
    BulkRing<S> ring{shared_address(shared)};
    const BulkPlace place = BulkPlace::of<S>(p);
    allow_next();
    if (threadIdx.x == 0) {
        for (int i = 0; i < S::STAGES; ++i) {
            barrier_init(ring.base + S::BARRIERS + i * 8, 1);
            barrier_init(ring.base + S::BARRIERS + (S::STAGES + i) * 8, 4 * S::GROUPS * (S::SPLIT ? 1 : place.ranks));
        }
        for (int i = 0; i < 4 * S::GROUPS; ++i) barrier_init(ring.own(i), 1);
        publish_barriers();
        if constexpr (S::SPLIT) barrier_expect(ring.own(0), S::BM * S::BN * 4);
    }
    if (place.ranks > 1)
        cluster_barrier();
    else
        __syncthreads();
    if (threadIdx.x < 128) {
        give_registers<S::FETCHING>();
        if (threadIdx.x == 0) fetch_all<S>(maps.a, maps.b, p, place, ring);
        __syncwarp();
    } else {
        take_registers<S::MULTIPLYING>();
        const int warp = __shfl_sync(~0u, static_cast<int>(threadIdx.x) / 32 - 4, 0);
        BulkFinish<S> finish{p, maps.c, maps.residual, ring.base + S::STAGES * S::STAGE + warp * S::STAGING,
                             ring.own(warp)};
        wait_for_previous();
        int turn = 0;
#pragma unroll 1
        for (int tile = place.first(); tile < place.count; tile += place.clusters, ++turn) {
            const int m0 = place.m<S>(tile), n0 = place.n<S>(tile);
            float sum[S::BN / 8][4] = {};
            if constexpr (S::SPLIT) {
                const BulkExchange<S> exchange(ring, place);
                multiply_tile<S>(sum, ring, place, warp / 4, [] {});
                exchange.send(sum, warp * 16);
                exchange.finish(p, reinterpret_cast<const float *>(shared + S::STAGES * S::STAGE), m0, n0,
                                static_cast<int>(threadIdx.x) - 128);
            } else {
                finish.begin_tile(m0 + warp * 16, n0);
                multiply_tile<S>(sum, ring, place, warp / 4, [&] { finish.fetch_residual(); });
                finish.write(sum, turn);
            }
        }
        if constexpr (!S::SPLIT) wait_stores();
    }
    if (place.ranks > 1) cluster_barrier();  // a block's memory and barriers are there until no other writes to them
}

inline int multiprocessors() {
    int device = 0, count = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
    return count;
}

// b is a matrix [n, k] or [k, n], `ranks` the blocks of a cluster: powers of 2 up to MOST_RANKS.
template <class S>
int32_t launch_bulk(const ew_call *call, const CUtensorMap &a, const void *b, const BulkProduct &p, int ranks) {
    if (ranks > S::MOST_RANKS || ranks < S::FEWEST_RANKS)
        return call->host->error(call, EW_INVALID_PLAN, "a cluster of %d blocks", ranks);
    BulkMaps maps = {a, {}, {}, {}};
    const int parts = S::SPLIT ? 1 : ranks;
    constexpr int WARP_ROWS = 16;
    int32_t status = S::B_NK ? describe_rows(call, b, p.n, p.k, S::BN / parts, &maps.b)
                             : describe_rows(call, b, p.k, p.n, BULK_K / parts, &maps.b);
    if (status == EW_OK && !S::SPLIT && p.n % 8 == 0 && !p.wide)
        status = describe_rows(call, p.c, p.m, p.n, WARP_ROWS, &maps.c);
    if (status == EW_OK && !S::SPLIT && p.residual != nullptr)
        status = describe_rows(call, p.residual, p.m, p.n, WARP_ROWS, &maps.residual);
    if (status != EW_OK) return status;
    const int64_t height = S::BM * parts, tiles = (p.m + height - 1) / height * ((p.n + S::BN - 1) / S::BN);
    const int64_t most = multiprocessors() * S::BLOCKS / ranks, clusters = S::SPLIT || tiles < most ? tiles : most;
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>(clusters * ranks));
    shape.block = dim3(S::THREADS);
    shape.shared = S::SHARED;
    shape.cluster = ranks;
    return launch(call, bulk_kernel<S>, shape, maps, p);
}

}  // namespace ew::cuda
