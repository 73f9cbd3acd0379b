// Element types and memory formats: how many bytes a dense tensor takes.
#pragma once

#include <cstdint>

#include "enginewright.h"

namespace ew {

// Bits of one element; 0 for a type without bytes of its own (strings, unknown numbers).
constexpr int32_t element_bits(int64_t dtype) {
    switch (dtype) {
        case EW_UINT2:
        case EW_INT2: return 2;
        case EW_UINT4:
        case EW_INT4:
        case EW_FLOAT4E2M1: return 4;
        case EW_UINT8:
        case EW_INT8:
        case EW_BOOL: return 8;
        case EW_FLOAT8E4M3FN:
        case EW_FLOAT8E4M3FNUZ:
        case EW_FLOAT8E5M2:
        case EW_FLOAT8E5M2FNUZ:
        case EW_FLOAT8E8M0: return 8;
        case EW_UINT16:
        case EW_INT16:
        case EW_FLOAT16:
        case EW_BFLOAT16: return 16;
        case EW_FLOAT32:
        case EW_INT32:
        case EW_UINT32: return 32;
        case EW_FLOAT64:
        case EW_INT64:
        case EW_UINT64:
        case EW_COMPLEX64: return 64;
        case EW_COMPLEX128: return 128;
        default: return 0;
    }
}

// Channels are padded to a multiple of this in a blocked format.
constexpr int64_t channel_block(int64_t format) { return format == EW_NCHW8C ? 8 : format == EW_NCHW16C ? 16 : 1; }

// Bytes of a dense tensor, or -1 where a size is negative or the product overflows. A packed tensor's bytes are
// known to its kernels only: 0.
inline int64_t tensor_bytes(int64_t dtype, int64_t format, const int64_t *dims, int32_t rank) {
    if (format == EW_PACKED) return 0;
    const int64_t block = channel_block(format);
    int64_t count = 1;
    bool empty = false;
    for (int32_t i = 0; i < rank; ++i) {
        int64_t size = dims[i];
        if (size < 0) return -1;
        if (size == 0) empty = true;
        if (i == 1 && block > 1) {
            if (size > INT64_MAX - block) return -1;
            size = (size + block - 1) / block * block;
        }
        if (size != 0 && __builtin_mul_overflow(count, size, &count)) return -1;
    }
    if (empty) return 0;
    int64_t bits;
    if (__builtin_mul_overflow(count, static_cast<int64_t>(element_bits(dtype)), &bits)) return -1;
    return bits / 8 + (bits % 8 != 0);
}

inline int64_t element_count(const int64_t *dims, int32_t rank) {
    int64_t count = 1;
    for (int32_t i = 0; i < rank; ++i) count *= dims[i];
    return count;
}

}  // namespace ew
