// Moving elements between two strided layouts: the engine of transpose, slice, concat, split, expand, tile and others.
#pragma once

#include <cstring>
#if EW_ISA_AVX2 || EW_ISA_AVX512
#include <immintrin.h>
#endif

#include "src/kernel.h"
#include "src/types.h"

namespace ew::EW_ISA {

constexpr int MAX_WALK = 2 * EW_MAX_RANK;

// A loop nest, outermost first: sizes, and bytes from one element to the next on both sides.
struct Walk {
    int rank = 0;
    int64_t size[MAX_WALK];
    int64_t to[MAX_WALK];
    int64_t from[MAX_WALK];
    void add(int64_t n, int64_t to_bytes, int64_t from_bytes) {
        size[rank] = n;
        to[rank] = to_bytes;
        from[rank++] = from_bytes;
    }
};

// Copies every element of `bytes` bytes that the nest visits; large copies are cut into tasks. The two sides don't
// overlap, and each element of `to` is written once.
void copy_strided(const ew_call *call, void *to, const void *from, const Walk &walk, int64_t bytes);

// Tasks for a movement of so many bytes that can be cut into `units`: one for each 32 KiB, none smaller.
int64_t task_count(int64_t bytes, int64_t units);

// `count` times the same element of `bytes` bytes (1, 2, 4, 8 or 16).
void fill_run(char *to, const char *element, int64_t count, int64_t bytes);

// Runs body(first, last) on the units [0, units), cut into tasks.
template <class Body>
void for_ranges(const ew_call *call, int64_t units, int64_t tasks, const Body &body) {
    if (tasks <= 1) {
        body(int64_t{0}, units);
        return;
    }
    struct Shared {
        const Body *body;
        int64_t units, tasks;
    } shared{&body, units, tasks};
    call->host->parallel(
        call, tasks,
        [](void *arg, int64_t task) {
            const Shared &s = *static_cast<const Shared *>(arg);
            (*s.body)(s.units *task / s.tasks, s.units * (task + 1) / s.tasks);
        },
        &shared);
}

// Bytes of one element, 0 where elements share bytes or have none.
static inline int64_t element_bytes(const ew_tensor &tensor) { return element_bits(tensor.dtype) / 8; }

static inline int64_t count_of(const int64_t *sizes, int first, int last) {
    int64_t count = 1;
    for (int i = first; i < last; ++i) count *= sizes[i];
    return count;
}

static inline int64_t count_of(const ew_tensor &tensor) { return count_of(tensor.shape, 0, tensor.rank); }

// Bytes from one element to the next along each axis of a dense tensor.
static inline void dense_strides(const ew_tensor &tensor, int64_t *strides) {
    int64_t stride = element_bytes(tensor);
    for (int i = tensor.rank - 1; i >= 0; --i) {
        strides[i] = stride;
        stride *= tensor.shape[i];
    }
}

// A run of bytes; short ones without a call, in vectors of which the last two may overlap.
static inline void copy_run(char *to, const char *from, int64_t n) {
#if EW_ISA_AVX2 || EW_ISA_AVX512
    if (n >= 32 && n < 1024) {
        for (int64_t i = 0; i + 32 <= n; i += 32)
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + i),
                                _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + i)));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + n - 32),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + n - 32)));
        return;
    }
#endif
    std::memcpy(to, from, n);
}

// An index that counts from the end if negative; -1 where it is outside [-size, size).
static inline int64_t index_in(int64_t index, int64_t size) {
    if (index < 0) index += size;
    return index >= 0 && index < size ? index : -1;
}

// Element i of an int32 or int64 tensor.
static inline int64_t read_index(const ew_tensor &tensor, int64_t i) {
    return tensor.dtype == EW_INT32 ? static_cast<const int32_t *>(tensor.data)[i]
                                    : static_cast<const int64_t *>(tensor.data)[i];
}

// Checks all indices for an axis of this size; EW_INPUT names the first that is outside.
int32_t check_indices(const ew_call *call, const ew_tensor &indices, int64_t size);

}  // namespace ew::EW_ISA
