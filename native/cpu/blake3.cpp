// BLAKE3-256 of each chunk of a run of bytes: how a plan's weights are verified while it loads.
//
// The tree hash of the BLAKE3 paper (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020), one leaf of 1 KiB or one pair of
// nodes in each lane of a vector. With AVX-512 two vectors go side by side, since the mixes of one leave an eighth of
// the adders idle: the states fill the 32 registers, and the message is read from the first cache. What comes next is
// fetched, and the next block put into lanes, between the rounds, a little at a time.
#if defined(EW_ISA_AVX512)
#include <immintrin.h>
#endif
#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "cpu/hash_units.h"
#include "src/kernel.h"

namespace ew::EW_ISA {

namespace {

#if defined(EW_ISA_AVX512)
constexpr int LANES = 16, STREAMS = 2;
#elif defined(EW_ISA_AVX2)
constexpr int LANES = 8, STREAMS = 1;
#else
constexpr int LANES = 4, STREAMS = 1;
#endif

typedef uint32_t Lanes __attribute__((vector_size(4 * LANES)));
constexpr bool MEANWHILE = LANES > 4;  // the next block is put into lanes between the rounds: AVX-512 6.2 to 6.65 GB/s

constexpr int64_t BLOCK = 64, LEAF = 1024, UNIT = 128 * LEAF;  // a unit is what one task hashes
constexpr int64_t DIGEST = 32, UNIT_LEAVES = UNIT / LEAF;
constexpr int LEVELS = 3, ROUNDS = 7;  // a unit climbs three levels of the tree: any more have few nodes for the lanes
constexpr int64_t UNIT_NODES = UNIT_LEAVES >> LEVELS;
enum Flag : uint32_t { LEAF_START = 1, LEAF_END = 2, PARENT = 4, ROOT = 8 };

constexpr uint32_t IV[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                            0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
// The order of the message words in each of the seven rounds.
constexpr uint8_t ORDER[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1}, {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4}, {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13}};

template <class V>
inline V rotate(V x, int n) {
    return (x >> n) | (x << (32 - n));
}

struct Index {
    Lanes take_a, take_b;
};

// Which elements of (a, b) swap blocks of `step` lanes between two rows: one stage of a transposition.
constexpr Index stage(int step) {
    Index index{};
    for (int k = 0; k < LANES; ++k) {
        index.take_a[k] = static_cast<uint32_t>(k & step ? LANES + k - step : k);
        index.take_b[k] = static_cast<uint32_t>(k & step ? LANES + k : k + step);
    }
    return index;
}

inline void transpose(Lanes rows[LANES]) {
#pragma GCC unroll 4
    for (int step = 1; step < LANES; step *= 2) {
        const Index index = stage(step);
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) {
            if (i & step) continue;
            const Lanes a = rows[i], b = rows[i + step];
            rows[i] = __builtin_shuffle(a, b, index.take_a);
            rows[i + step] = __builtin_shuffle(a, b, index.take_b);
        }
    }
}

// Four words of the blocks of LANES nodes that lie `stride` bytes apart: those from word 4 * part on.
__attribute__((always_inline)) inline void read_part(const uint8_t *data, int64_t stride, int part, Lanes m[16]) {
#if defined(EW_ISA_AVX512)  // a load puts 16 bytes where they belong, and what is left are transpositions of 4 by 4
    __m512i x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        const auto row = [&](int lane) {
            return _mm_loadu_si128(reinterpret_cast<const __m128i *>(data + lane * stride + 16 * part));
        };
        x[i] = _mm512_inserti32x4(_mm512_castsi128_si512(row(i)), row(i + 4), 1);
        x[i] = _mm512_inserti32x4(_mm512_inserti32x4(x[i], row(i + 8), 2), row(i + 12), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(x[0], x[1]), b = _mm512_unpacklo_epi32(x[2], x[3]);
    const __m512i c = _mm512_unpackhi_epi32(x[0], x[1]), d = _mm512_unpackhi_epi32(x[2], x[3]);
    m[4 * part] = reinterpret_cast<Lanes>(_mm512_unpacklo_epi64(a, b));
    m[4 * part + 1] = reinterpret_cast<Lanes>(_mm512_unpackhi_epi64(a, b));
    m[4 * part + 2] = reinterpret_cast<Lanes>(_mm512_unpacklo_epi64(c, d));
    m[4 * part + 3] = reinterpret_cast<Lanes>(_mm512_unpackhi_epi64(c, d));
#else
    if (part * 4 % LANES) return;
    for (int lane = 0; lane < LANES; ++lane)
        std::memcpy(&m[part * 4 + lane], data + lane * stride + part * 16, sizeof(Lanes));
    transpose(m + part * 4);
#endif
}

// Word i of the blocks of LANES nodes that lie `stride` bytes apart into m[i].
inline void read_words(const uint8_t *data, int64_t stride, Lanes m[16]) {
#pragma GCC unroll 4
    for (int part = 0; part < 4; ++part) read_part(data, stride, part, m);
}

struct Block {
    uint32_t length, flags;
    const uint8_t *next;  // fetched meanwhile: the first of n_next lines
    int n_next;
    const uint8_t *leaves = nullptr;  // whose next blocks are put into lanes meanwhile, if there are any,
    Lanes (*words)[16] = nullptr;     // and where to
};

// One of the 14 steps of half a round, on the columns or the diagonals of a state: all four, then the next step.
template <int STEP, class V>
__attribute__((always_inline)) inline void mix(V v[16], const V m[16], const uint8_t *s) {
    constexpr int half = STEP / 14, step = STEP % 7, second = STEP / 7 % 2;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        V &a = v[i], &b = v[4 + (i + half) % 4], &c = v[8 + (i + 2 * half) % 4], &d = v[12 + (i + 3 * half) % 4];
        if constexpr (step == 0) a += m[s[8 * half + 2 * i + second]];
        if constexpr (step == 1) a += b;
        if constexpr (step == 2) d ^= a;
        if constexpr (step == 3) d = rotate(d, second ? 8 : 16);
        if constexpr (step == 4) c += d;
        if constexpr (step == 5) b ^= c;
        if constexpr (step == 6) b = rotate(b, second ? 7 : 12);
    }
}

// One round of N states, each step for all of them before the next.
template <int N, class V, int... STEP>
__attribute__((always_inline)) inline void mix_all(V v[N][16], const V (*m)[16], const uint8_t *s,
                                                   std::integer_sequence<int, STEP...>, const Block &block, int round) {
    const auto each = [&]<int step>(std::integral_constant<int, step>) __attribute__((always_inline)) {
        mix<step>(v[0], m[0], s);
        if constexpr (N == 2) mix<step>(v[1], m[1], s);
        if constexpr (MEANWHILE && sizeof(V) == sizeof(Lanes) && step % 14 == 13) {
            const int part = 2 * round + step / 14, t = part / 4;
            if (t < N && block.leaves != nullptr)
                read_part(block.leaves + t * LANES * LEAF, LEAF, part % 4, block.words[t]);
        }
    };
    (each(std::integral_constant<int, STEP>{}), ...);
}

// One block into each of N chaining values; V is a vector with a tree node in each lane, or one word.
template <int N, class V>
inline void compress(V h[N][8], const V (*m)[16], const V (*counter)[2], const Block &block) {
    const V zero = h[0][0] ^ h[0][0];
    V v[N][16];
#pragma GCC unroll 2
    for (int t = 0; t < N; ++t) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) v[t][i] = h[t][i];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) v[t][8 + i] = zero + IV[i];
        v[t][12] = counter[t][0];
        v[t][13] = counter[t][1];
        v[t][14] = zero + block.length;
        v[t][15] = zero + block.flags;
    }
#pragma GCC unroll 1
    for (int round = 0; round < ROUNDS; ++round) {
        const int at_once = (block.n_next + ROUNDS - 1) / ROUNDS;
        for (int i = 0; i < at_once; ++i) __builtin_prefetch(block.next + (round * at_once + i) * BLOCK);
        mix_all<N>(v, m, ORDER[round], std::make_integer_sequence<int, 28>{}, block, round);
    }
#pragma GCC unroll 2
    for (int t = 0; t < N; ++t)
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) h[t][i] = v[t][i] ^ v[t][i + 8];
}

typedef Lanes Nodes[8];  // the digests of LANES nodes: word i of all of them in [i]

template <int N>
inline void begin(Nodes h[N]) {
    for (int t = 0; t < N; ++t)
        for (int i = 0; i < 8; ++i) h[t][i] = Lanes{} + IV[i];
}

// Hashes N * LANES leaves, one behind another. What follows them is fetched meanwhile, in its order in memory.
template <int N>
void hash_leaves(const uint8_t *data, uint64_t counter, Nodes h[N]) {
    constexpr int LEAVES = N * LANES;
    Lanes m[2][N][16], counters[N][2];
    begin<N>(h);
    for (int leaf = 0; leaf < LEAVES; ++leaf) {
        counters[leaf / LANES][0][leaf % LANES] = static_cast<uint32_t>(counter + static_cast<uint64_t>(leaf));
        counters[leaf / LANES][1][leaf % LANES] = static_cast<uint32_t>((counter + static_cast<uint64_t>(leaf)) >> 32);
    }
    for (int t = 0; t < N; ++t) read_words(data + t * LANES * LEAF, LEAF, m[0][t]);
    for (int block = 0; block < LEAF / BLOCK; ++block) {
        const bool last = block == LEAF / BLOCK - 1;
        const uint32_t flags = (block == 0 ? LEAF_START : 0u) | (last ? LEAF_END : 0u);
        compress<N>(h, m[block % 2], counters,
                    {BLOCK, flags, data + LEAVES * (LEAF + block * BLOCK), LEAVES,
                     last ? nullptr : data + (block + 1) * BLOCK, m[(block + 1) % 2]});
        if (!MEANWHILE && !last) read_words(data + (block + 1) * BLOCK, LEAF, m[(block + 1) % 2][0]);
    }
}

struct Halves {
    Lanes even, odd;
};

constexpr Halves halves() {
    Halves index{};
    for (int k = 0; k < LANES; ++k) {
        index.even[k] = static_cast<uint32_t>(2 * k);
        index.odd[k] = static_cast<uint32_t>(2 * k + 1);
    }
    return index;
}

// The N * LANES parents of twice as many nodes, which they may overwrite; both stay in their lanes.
template <int N>
void hash_pairs(const Nodes *pairs, Nodes *parents) {
    const Halves index = halves();
    Lanes m[N][16], counters[N][2] = {};
    Nodes h[N];
    for (int t = 0; t < N; ++t)
        for (int i = 0; i < 8; ++i) {
            const Lanes a = pairs[2 * t][i], b = pairs[2 * t + 1][i];
            m[t][i] = __builtin_shuffle(a, b, index.even);
            m[t][8 + i] = __builtin_shuffle(a, b, index.odd);
        }
    begin<N>(h);
    compress<N>(h, m, counters, {BLOCK, PARENT, nullptr, 0});
    std::memcpy(parents, h, sizeof h);
}

// The digests of LANES nodes, one behind another.
void write_digests(const Nodes &nodes, uint8_t *digests) {
    for (int node = 0; node < LANES; ++node)
        for (int i = 0; i < 8; ++i) {
            const uint32_t word = nodes[i][node];
            std::memcpy(digests + node * DIGEST + 4 * i, &word, 4);
        }
}

// The parents of LANES pairs of digests, one behind another.
void hash_pairs_of_bytes(const uint8_t *pairs, uint8_t *parents) {
    Lanes m[1][16], counters[1][2] = {};
    Nodes h[1];
    read_words(pairs, BLOCK, m[0]);
    begin<1>(h);
    compress<1>(h, m, counters, {BLOCK, PARENT, nullptr, 0});
    write_digests(h[0], parents);
}

// One node of up to 1 KiB: a leaf, or with PARENT a pair of digests.
void hash_one(const uint8_t *data, int64_t size, uint64_t counter, uint32_t flags, uint8_t *digest) {
    uint32_t h[1][8];
    const uint32_t counters[1][2] = {{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32)}};
    std::memcpy(h, IV, sizeof h);
    int64_t at = 0;
    do {
        const int64_t length = size - at < BLOCK ? size - at : BLOCK;
        uint32_t m[1][16] = {};
        if (length > 0) std::memcpy(m, data + at, static_cast<size_t>(length));
        const bool last = at + length >= size;
        uint32_t now = last ? flags : flags & ~ROOT;
        if (!(flags & PARENT)) now |= (at == 0 ? LEAF_START : 0u) | (last ? LEAF_END : 0u);
        compress<1>(h, m, counters, {static_cast<uint32_t>(length), now, data, 0});
        at += BLOCK;
    } while (at < size);
    std::memcpy(digest, h, DIGEST);
}

// One level up the tree, in place; an odd node goes up as it is, which gives the same left-balanced tree.
int64_t climb(uint8_t *nodes, int64_t n) {
    int64_t pair = 0;
    for (; pair + LANES <= n / 2; pair += LANES) hash_pairs_of_bytes(nodes + pair * BLOCK, nodes + pair * DIGEST);
    if (const int64_t left = n / 2 - pair; left > 0) {  // too few for the lanes take no longer than one by itself
        alignas(64) uint8_t pairs[LANES * BLOCK] = {}, parents[LANES * DIGEST];
        std::memcpy(pairs, nodes + pair * BLOCK, static_cast<size_t>(left * BLOCK));
        hash_pairs_of_bytes(pairs, parents);
        std::memcpy(nodes + pair * DIGEST, parents, static_cast<size_t>(left * DIGEST));
    }
    if (n % 2) std::memmove(nodes + n / 2 * DIGEST, nodes + (n - 1) * DIGEST, DIGEST);
    return (n + 1) / 2;
}

// How many levels the units of a chunk climb: none in one so small that they might pass its root.
int levels(int64_t chunk) { return chunk > UNIT_NODES * LEAF ? LEVELS : 0; }

// The nodes of a whole unit, which climbs: they stay in their lanes until the last level.
void hash_whole_unit(const uint8_t *data, uint64_t leaf, uint8_t *nodes) {
    constexpr int VECTORS = UNIT_LEAVES / LANES;
    Nodes tree[VECTORS];
    for (int t = 0; t < VECTORS; t += STREAMS)
        hash_leaves<STREAMS>(data + t * LANES * LEAF, leaf + static_cast<uint64_t>(t) * LANES, tree + t);
    int n = VECTORS / 2;
    for (; n >= STREAMS && n * LANES >= UNIT_NODES; n /= 2)
        for (int t = 0; t < n; t += STREAMS) hash_pairs<STREAMS>(tree + 2 * t, tree + t);
    for (; n * LANES >= UNIT_NODES; n /= 2)
        for (int t = 0; t < n; ++t) hash_pairs<1>(tree + 2 * t, tree + t);
    for (int t = 0; t < UNIT_NODES / LANES; ++t) write_digests(tree[t], nodes + t * LANES * DIGEST);
}

// The nodes of up to UNIT bytes of a chunk whose first leaf has this number.
void hash_unit(const uint8_t *data, int64_t size, uint64_t leaf, int64_t chunk, uint8_t *nodes) {
    if (size == UNIT && levels(chunk)) return hash_whole_unit(data, leaf, nodes);
    alignas(64) uint8_t leaves[UNIT_LEAVES * DIGEST];
    int64_t n = 0;
    for (; (n + LANES) * LEAF <= size; n += LANES) {
        Nodes h[1];
        hash_leaves<1>(data + n * LEAF, leaf + static_cast<uint64_t>(n), h);
        write_digests(h[0], leaves + n * DIGEST);
    }
    for (; n * LEAF < size; ++n) {
        const int64_t left = size - n * LEAF;
        hash_one(data + n * LEAF, left < LEAF ? left : LEAF, leaf + static_cast<uint64_t>(n), chunk <= LEAF ? ROOT : 0u,
                 leaves + n * DIGEST);
    }
    for (int level = levels(chunk); level > 0; --level) n = climb(leaves, n);
    std::memcpy(nodes, leaves, static_cast<size_t>(n * DIGEST));
}

// The digest of a chunk from the nodes of its units, which are lost.
void join(uint8_t *nodes, int64_t chunk, uint8_t *digest) {
    int64_t n = (chunk + LEAF - 1) / LEAF;
    for (int level = levels(chunk); level > 0; --level) n = (n + 1) / 2;
    while (n > 2) n = climb(nodes, n);
    if (n == 2)
        hash_one(nodes, BLOCK, 0, PARENT | ROOT, digest);
    else
        std::memcpy(digest, nodes, DIGEST);
}

// What all threads that hash the same bytes do; the last of a chunk joins its nodes.
struct Job {
    Units units;
    uint8_t *digests, *nodes;
    int64_t *hashed;  // units of each chunk
    int64_t chunk;

    void work() const {
        units.each([this](int64_t unit) { hash(unit); });
    }

    void hash(int64_t unit) const {
        const int64_t in_chunk = chunk / UNIT, index = unit / in_chunk, start = index * chunk;
        const int64_t length = std::min(units.size - start, chunk);
        hash_unit(units.data + unit * UNIT, units.end(unit) - unit * UNIT,
                  static_cast<uint64_t>((unit * UNIT - start) / LEAF), length, nodes + unit * UNIT_NODES * DIGEST);
        const int64_t done = std::atomic_ref(hashed[index]).fetch_add(1, std::memory_order_acq_rel) + 1;
        if (done == std::min(in_chunk, units.count - index * in_chunk))
            join(nodes + index * in_chunk * UNIT_NODES * DIGEST, length, digests + index * DIGEST);
    }
};

// inputs: bytes; outputs: 32 bytes for each chunk; numbers, all zero at first: two, and one for each chunk; 512 bytes for
// each 128 KiB begun. params: bytes of a chunk, a multiple of 128 KiB; with how many threads to begin (see hash_units.h).
int32_t blake3_chunks(const ew_call *call) {
    const ew_tensor &in = call->inputs[0];
    const int64_t size = in.shape[0], chunk = call->n_params == 2 ? call->params[0].i : 0;
    if (chunk <= 0 || chunk % UNIT) return call->host->error(call, EW_FAILED, "chunks are multiples of 128 KiB");
    const int64_t chunks = (size + chunk - 1) / chunk, count = (size + UNIT - 1) / UNIT;
    const ew_tensor *out = call->outputs;
    if (call->n_outputs != 3 || out[0].shape[0] != chunks * DIGEST || out[1].shape[0] != 2 + chunks ||
        out[2].shape[0] != count * UNIT_NODES * DIGEST)
        return call->host->error(call, EW_SHAPE, "each chunk has one digest and a number, its units their nodes");
    auto *numbers = static_cast<int64_t *>(out[1].data);
    const Units units{static_cast<const uint8_t *>(in.data), size, UNIT, count, numbers};
    const Job job{units, static_cast<uint8_t *>(out[0].data), static_cast<uint8_t *>(out[2].data), numbers + 2, chunk};
    begin_or_finish(call, job, count, static_cast<int32_t>(call->params[1].i), numbers[1]);
    return EW_OK;
}

}  // namespace

EW_KERNEL(blake3_chunks, blake3_chunks)

}  // namespace ew::EW_ISA
