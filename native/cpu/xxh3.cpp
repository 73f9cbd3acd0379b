// XXH3-128 of each piece of a run of bytes: what finds accidents in a plan's weights as fast as memory gives them.
//
// The hash of Collet's xxHash 0.8 for long inputs, with seed 0 and the secret of its specification: eight sums of 64 bits
// over stripes of 64 bytes, stirred after each block of 1 KiB.
#if defined(EW_ISA_AVX512) || defined(EW_ISA_AVX2)
#include <immintrin.h>
#endif

#include <cstring>

#include "cpu/hash_units.h"
#include "src/kernel.h"

namespace ew::EW_ISA {

namespace {

#if defined(EW_ISA_AVX512)
constexpr int LANES = 8;
#elif defined(EW_ISA_AVX2)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif

typedef uint64_t Sums __attribute__((vector_size(8 * LANES)));
constexpr int VECTORS = 8 / LANES;

constexpr int64_t STRIPE = 64, BLOCK = 1024, SUM = 16, LEAST = 241;  // shorter inputs have other hashes
constexpr uint64_t PRIME32_1 = 0x9E3779B1, PRIME32_2 = 0x85EBCA77, PRIME32_3 = 0xC2B2AE3D;
constexpr uint64_t PRIME64_1 = 0x9E3779B185EBCA87, PRIME64_2 = 0xC2B2AE3D27D4EB4F, PRIME64_3 = 0x165667B19E3779F9,
                   PRIME64_4 = 0x85EBCA77C2B2AE63, PRIME64_5 = 0x27D4EB2F165667C5;
constexpr int64_t SECRET_SIZE = 192, STIR = SECRET_SIZE - STRIPE, LAST = STIR - 7, LOW = 11, HIGH = STIR - LOW;
alignas(64) constexpr uint8_t SECRET[SECRET_SIZE] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
    0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
    0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
    0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
    0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
    0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

template <class T>
inline T load(const uint8_t *data) {
    T value;
    std::memcpy(&value, data, sizeof value);
    return value;
}

// The low half of each element by its high half.
inline Sums halves_multiplied(Sums x) {
    const Sums high = x >> 32;
#if defined(EW_ISA_AVX512)
    return reinterpret_cast<Sums>(_mm512_mul_epu32(reinterpret_cast<__m512i>(x), reinterpret_cast<__m512i>(high)));
#elif defined(EW_ISA_AVX2)
    return reinterpret_cast<Sums>(_mm256_mul_epu32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(high)));
#else
    return (x & 0xFFFFFFFF) * high;
#endif
}

inline Sums neighbours_swapped(Sums x) {
    Sums index{};
    for (int k = 0; k < LANES; ++k) index[k] = static_cast<uint64_t>(k ^ 1);
    return __builtin_shuffle(x, index);
}

inline void add_stripe(Sums sums[VECTORS], const uint8_t *data, const uint8_t *secret) {
    for (int v = 0; v < VECTORS; ++v) {
        const auto x = load<Sums>(data + v * sizeof(Sums));
        sums[v] += halves_multiplied(x ^ load<Sums>(secret + v * sizeof(Sums))) + neighbours_swapped(x);
    }
}

inline uint64_t merge(const uint64_t sums[8], const uint8_t *secret, uint64_t result) {
    for (int i = 0; i < 8; i += 2) {
        const auto a = sums[i] ^ load<uint64_t>(secret + 8 * i), b = sums[i + 1] ^ load<uint64_t>(secret + 8 * i + 8);
        const auto product = static_cast<unsigned __int128>(a) * b;
        result += static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
    }
    result = (result ^ result >> 37) * 0x165667919E3779F9;
    return result ^ result >> 32;
}

// Bytes of at least LEAST; the sum in its canonical form, the most significant byte first.
void xxh3_128(const uint8_t *data, int64_t size, uint8_t *sum) {
    alignas(64)
        uint64_t state[8] = {PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1};
    Sums sums[VECTORS];
    std::memcpy(sums, state, sizeof state);
    const int64_t blocks = (size - 1) / BLOCK;
    for (int64_t block = 0; block < blocks; ++block) {
        for (int64_t i = 0; i < BLOCK / STRIPE; ++i)
            add_stripe(sums, data + block * BLOCK + i * STRIPE, SECRET + 8 * i);
        for (int v = 0; v < VECTORS; ++v) {
            const Sums stirred = sums[v] ^ sums[v] >> 47 ^ load<Sums>(SECRET + STIR + v * sizeof(Sums));
            sums[v] = stirred * PRIME32_1;
        }
    }
    for (int64_t i = 0; i < (size - 1 - blocks * BLOCK) / STRIPE; ++i)
        add_stripe(sums, data + blocks * BLOCK + i * STRIPE, SECRET + 8 * i);
    add_stripe(sums, data + size - STRIPE, SECRET + LAST);
    std::memcpy(state, sums, sizeof state);
    const auto length = static_cast<uint64_t>(size);
    const uint64_t words[2] = {merge(state, SECRET + HIGH, ~(length * PRIME64_2)),
                               merge(state, SECRET + LOW, length * PRIME64_1)};
    for (int i = 0; i < SUM; ++i) sum[i] = static_cast<uint8_t>(words[i / 8] >> (56 - 8 * (i % 8)));
}

struct Job {
    Units units;
    uint8_t *sums;

    void work() const {
        units.each([this](int64_t index) {
            const int64_t start = index * units.unit;
            xxh3_128(units.data + start, units.end(index) - start, sums + index * SUM);
        });
    }
};

// inputs: bytes; outputs: 16 bytes for each piece, of which the last takes what is left over as well; two numbers, zero at
// first. params: bytes of a piece, at least 241; with how many threads to begin (see hash_units.h).
int32_t xxh3_pieces(const ew_call *call) {
    const ew_tensor &in = call->inputs[0];
    const int64_t size = in.shape[0], piece = call->n_params == 2 ? call->params[0].i : 0;
    if (piece < LEAST || size < piece)
        return call->host->error(call, EW_FAILED, "a piece has at least 241 bytes, and no more than there are");
    const ew_tensor *out = call->outputs;
    const int64_t count = size / piece;
    if (call->n_outputs != 2 || out[0].shape[0] != count * SUM || out[1].shape[0] != 2)
        return call->host->error(call, EW_SHAPE, "each piece has one sum, all of them two numbers");
    auto *numbers = static_cast<int64_t *>(out[1].data);
    const Units units{static_cast<const uint8_t *>(in.data), size, piece, count, numbers};
    const Job job{units, static_cast<uint8_t *>(out[0].data)};
    begin_or_finish(call, job, count, static_cast<int32_t>(call->params[1].i), numbers[1]);
    return EW_OK;
}

}  // namespace

EW_KERNEL(xxh3_pieces, xxh3_pieces)

}  // namespace ew::EW_ISA
