// Kernels that only move elements: units of 1 to 16 bytes, whatever their type.
#pragma once

#include "cuda/launch.h"

namespace ew::cuda {

// 0 for a type that has no whole bytes on the device.
inline int bytes_of(int32_t dtype) {
    switch (dtype) {
        case EW_BOOL:
        case EW_UINT8:
        case EW_INT8:
        case EW_FLOAT8E4M3FN:
        case EW_FLOAT8E4M3FNUZ:
        case EW_FLOAT8E5M2:
        case EW_FLOAT8E5M2FNUZ: return 1;
        case EW_FLOAT16:
        case EW_BFLOAT16:
        case EW_INT16:
        case EW_UINT16: return 2;
        case EW_FLOAT32:
        case EW_INT32:
        case EW_UINT32: return 4;
        case EW_FLOAT64:
        case EW_INT64:
        case EW_UINT64:
        case EW_COMPLEX64: return 8;
        case EW_COMPLEX128: return 16;
        default: return 0;
    }
}

// The widest unit, up to 16 bytes, that divides all sizes.
template <class... Sizes>
int unit_of(Sizes... sizes) {
    int unit = 16;
    while (((sizes % unit != 0) || ...)) unit /= 2;
    return unit;
}

// Calls f with a value of a type of `unit` bytes.
template <class F>
int32_t for_unit(int unit, const F &f) {
    switch (unit) {
        case 1: return f(uint8_t{});
        case 2: return f(uint16_t{});
        case 4: return f(uint32_t{});
        case 8: return f(uint2{});
        default: return f(uint4{});
    }
}

inline int64_t address(const void *place) { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(place)); }

inline int64_t count_of(const ew_tensor &tensor) {
    int64_t count = 1;
    for (int axis = 0; axis < tensor.rank; ++axis) count *= tensor.shape[axis];
    return count;
}

constexpr int64_t SMALL = int64_t{1} << 30;  // positions and the step of the grid fit 32 bits

// Threads that each take one element after the other.
inline Shape3 grid_for(int64_t count) {
    constexpr int64_t MOST_BLOCKS = 4096;
    const int64_t blocks = (count + 255) / 256;
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS));
    shape.block = dim3(256);
    return shape;
}

}  // namespace ew::cuda
