// BLAKE3-256 of each chunk of a run of bytes: how a plan's weights are verified while it loads.
//
// The tree hash of the BLAKE3 paper (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020), one leaf of 1 KiB or one pair of
// nodes in each lane of a vector. The lines that the lanes read next are fetched into the second cache: 5.5 GB/s a core
// from memory on a 3.6 GHz machine with AVX-512, where the package blake3 reads 4.6 (and 6.4 in cache, ours 5.9).
#include <sys/mman.h>

#include <cstring>

#include "src/kernel.h"

namespace ew::EW_ISA {

namespace {

#if defined(EW_ISA_AVX512)
constexpr int LANES = 16;
#elif defined(EW_ISA_AVX2)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef uint32_t Lanes __attribute__((vector_size(4 * LANES)));

constexpr int64_t BLOCK = 64, LEAF = 1024, UNIT = 128 * LEAF;  // a unit is what one task hashes
constexpr int64_t DIGEST = 32, UNIT_LEAVES = UNIT / LEAF;
constexpr int64_t UNITS_MAPPED = 16, MAPPED = UNITS_MAPPED * UNIT;  // a huge page
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

template <class V>
inline void mix(V &a, V &b, V &c, V &d, V x, V y) {
    a = a + b + x;
    d = rotate(d ^ a, 16);
    c = c + d;
    b = rotate(b ^ c, 12);
    a = a + b + y;
    d = rotate(d ^ a, 8);
    c = c + d;
    b = rotate(b ^ c, 7);
}

// One block into the chaining value h; V is a vector with a tree node in each lane, or one word.
template <class V>
inline void compress(V h[8], const V m[16], V counter, V counter_high, uint32_t length, uint32_t flags) {
    const V zero = counter ^ counter;
    V v[16] = {h[0],    h[1],         h[2],          h[3],         h[4],         h[5],
               h[6],    h[7],         zero + IV[0],  zero + IV[1], zero + IV[2], zero + IV[3],
               counter, counter_high, zero + length, zero + flags};
#pragma GCC unroll 7
    for (int r = 0; r < 7; ++r) {
        const uint8_t *s = ORDER[r];
        mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
        mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
        mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
        mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
        mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
        mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
        mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
        mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; ++i) h[i] = v[i] ^ v[i + 8];
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

// Hashes LANES nodes of n_blocks blocks each, the nodes lying `stride` bytes apart, into digests one after another.
inline void hash_lanes(const uint8_t *data, int64_t stride, int n_blocks, uint64_t first_counter, uint32_t flags,
                       uint8_t *digests) {
    Lanes h[8], m[16], counter{}, high{};
    for (int i = 0; i < 8; ++i) h[i] = Lanes{} + IV[i];
    if (flags != PARENT)
        for (int lane = 0; lane < LANES; ++lane) {
            counter[lane] = static_cast<uint32_t>(first_counter + static_cast<uint64_t>(lane));
            high[lane] = static_cast<uint32_t>((first_counter + static_cast<uint64_t>(lane)) >> 32);
        }
    for (int block = 0; block < n_blocks; ++block) {
        for (int lane = 0; lane < LANES; ++lane) {
            const uint8_t *from = data + lane * stride + block * BLOCK;
            __builtin_prefetch(from + LANES * stride, 0, 2);
            for (int part = 0; part < 16 / LANES; ++part)
                std::memcpy(&m[part * LANES + lane], from + part * 4 * LANES, sizeof(Lanes));
        }
        for (int part = 0; part < 16 / LANES; ++part) transpose(m + part * LANES);
        uint32_t now = flags;
        if (flags != PARENT) now = (block == 0 ? LEAF_START : 0u) | (block == n_blocks - 1 ? LEAF_END : 0u);
        compress(h, m, counter, high, BLOCK, now);
    }
    for (int lane = 0; lane < LANES; ++lane)
        for (int i = 0; i < 8; ++i) {
            const uint32_t word = h[i][lane];
            std::memcpy(digests + lane * DIGEST + 4 * i, &word, 4);
        }
}

// One node of up to 1 KiB: a leaf, or with PARENT a pair of digests.
void hash_one(const uint8_t *data, int64_t size, uint64_t counter, uint32_t flags, uint8_t *digest) {
    uint32_t h[8];
    std::memcpy(h, IV, sizeof h);
    int64_t at = 0;
    do {
        const int64_t length = size - at < BLOCK ? size - at : BLOCK;
        uint32_t m[16] = {};
        if (length > 0) std::memcpy(m, data + at, static_cast<size_t>(length));
        const bool last = at + length >= size;
        uint32_t now = last ? flags : flags & ~ROOT;
        if (!(flags & PARENT)) now |= (at == 0 ? LEAF_START : 0u) | (last ? LEAF_END : 0u);
        compress<uint32_t>(h, m, static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                           static_cast<uint32_t>(length), now);
        at += BLOCK;
    } while (at < size);
    std::memcpy(digest, h, DIGEST);
}

// n nodes into one, level by level and in place; an odd one goes up as it is, which gives the same left-balanced tree.
void reduce(uint8_t *nodes, int64_t n, uint32_t root, uint8_t *digest) {
    for (; n > 2; n = (n + 1) / 2) {
        int64_t pair = 0;
        for (; pair + LANES <= n / 2; pair += LANES)
            hash_lanes(nodes + pair * BLOCK, BLOCK, 1, 0, PARENT, nodes + pair * DIGEST);
        for (; pair < n / 2; ++pair) hash_one(nodes + pair * BLOCK, BLOCK, 0, PARENT, nodes + pair * DIGEST);
        if (n % 2) std::memmove(nodes + pair * DIGEST, nodes + (n - 1) * DIGEST, DIGEST);
    }
    if (n == 2)
        hash_one(nodes, BLOCK, 0, PARENT | root, digest);
    else
        std::memcpy(digest, nodes, DIGEST);
}

// The node of up to UNIT bytes whose first leaf has this number; `root`: ROOT where it is a whole chunk.
void hash_unit(const uint8_t *data, int64_t size, uint64_t leaf, uint32_t root, uint8_t *digest) {
    alignas(64) uint8_t nodes[(UNIT_LEAVES + LANES) * DIGEST];
    if (size <= LEAF) return hash_one(data, size, leaf, root, digest);
    const int64_t whole = size / LEAF;
    int64_t n = 0;
    for (; n + LANES <= whole; n += LANES)
        hash_lanes(data + n * LEAF, LEAF, LEAF / BLOCK, leaf + static_cast<uint64_t>(n), 0, nodes + n * DIGEST);
    for (; n * LEAF < size; ++n) {
        const int64_t left = size - n * LEAF;
        hash_one(data + n * LEAF, left < LEAF ? left : LEAF, leaf + static_cast<uint64_t>(n), 0, nodes + n * DIGEST);
    }
    reduce(nodes, n, root, digest);
}

// Lets the kernel map what is read next, in one call and on the thread that reads it: less than half of what a page
// fault for every 64 KiB takes. Kernels before 5.14 refuse, and then there are such faults.
void map_pages(const uint8_t *data, int64_t size) {
#ifdef MADV_POPULATE_READ
    const uintptr_t start = reinterpret_cast<uintptr_t>(data) & ~uintptr_t{4095};
    madvise(reinterpret_cast<void *>(start), reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(size) - start,
            MADV_POPULATE_READ);
#else
    (void)data, (void)size;
#endif
}

struct Job {
    const uint8_t *data;
    uint8_t *digests, *units;
    int64_t size, chunk, units_in_chunk;

    void hash(int64_t unit) const {
        const int64_t start = unit / units_in_chunk * chunk, inside = unit % units_in_chunk * UNIT;
        const int64_t length = size - start < chunk ? size - start : chunk, left = length - inside;
        if (left <= 0) return;
        if (unit % UNITS_MAPPED == 0) map_pages(data + start + inside, left < MAPPED ? left : MAPPED);
        hash_unit(data + start + inside, left < UNIT ? left : UNIT, static_cast<uint64_t>(inside / LEAF),
                  length <= UNIT ? ROOT : 0u, units + unit * DIGEST);
    }
};

// inputs: bytes; outputs: 32 bytes for each chunk; params: bytes of a chunk, a multiple of 128 KiB; workspace: 32 bytes
// for each 128 KiB begun in each chunk.
int32_t blake3_chunks(const ew_call *call) {
    const ew_tensor &in = call->inputs[0], &out = call->outputs[0];
    const int64_t size = in.shape[0], chunk = call->n_params == 1 ? call->params[0].i : 0;
    if (chunk <= 0 || chunk % UNIT) return call->host->error(call, EW_FAILED, "chunks are multiples of 128 KiB");
    const int64_t chunks = (size + chunk - 1) / chunk, units_in_chunk = chunk / UNIT;
    const uint64_t needed = static_cast<uint64_t>(chunks * units_in_chunk * DIGEST);
    if (out.shape[0] != chunks * DIGEST || call->workspace_size < needed)
        return call->host->error(call, EW_SHAPE, "each chunk has one digest, and its units their workspace");
    Job job{static_cast<const uint8_t *>(in.data),
            static_cast<uint8_t *>(out.data),
            static_cast<uint8_t *>(call->workspace),
            size,
            chunk,
            units_in_chunk};
    call->host->parallel(
        call, chunks * units_in_chunk,
        [](void *argument, int64_t unit) { static_cast<const Job *>(argument)->hash(unit); }, &job);
    for (int64_t index = 0; index < chunks; ++index) {
        const int64_t length = size - index * chunk < chunk ? size - index * chunk : chunk;
        reduce(job.units + index * units_in_chunk * DIGEST, (length + UNIT - 1) / UNIT, ROOT,
               job.digests + index * DIGEST);
    }
    return EW_OK;
}

}  // namespace

EW_KERNEL(blake3_chunks, blake3_chunks)

}  // namespace ew::EW_ISA
