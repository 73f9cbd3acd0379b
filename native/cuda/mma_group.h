// Tensor core instructions of Hopper for four warps: both operands in shared memory, in tiles of mma.h's form, which is
// the hardware's swizzle of 128 bytes; a tile begins at a multiple of 1024 bytes.
#pragma once

#include "cuda/mma.h"

namespace ew::cuda {

// What ordinary and asynchronous copies wrote to shared memory becomes visible to the tensor cores; then a barrier.
__device__ __forceinline__ void publish_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

__device__ __forceinline__ void group_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void group_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void group_wait() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

// Where an operand lies. leading: bytes from 64 columns to the next 64 where rows run along k; 8 rows take 1024 bytes.
__device__ __forceinline__ uint64_t operand(uint32_t address, int leading) {
    constexpr uint64_t SWIZZLE_128 = uint64_t{1} << 62, EIGHT_ROWS = uint64_t{1024 >> 4} << 32;
    return SWIZZLE_128 | EIGHT_ROWS | static_cast<uint64_t>(leading >> 4) << 16 | (address & 0x3FFFF) >> 4;
}

// d [64, N] += a [64, 16] * b [16, N]; each warp of the four has 16 rows of d, laid out as in mma.h. ROWS_OF_K: b's rows
// run along n, one for each k.
template <class T, bool ROWS_OF_K, int BLOCKS>
__device__ __forceinline__ void multiply_group(float (&d)[BLOCKS][4], uint64_t a, uint64_t b);

#define EW_REGISTERS_32                                                      \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define EW_REGISTERS_64                                                                \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "           \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define EW_SUMS_4(d) "+f"((d)[0]), "+f"((d)[1]), "+f"((d)[2]), "+f"((d)[3])
#define EW_SUMS_32(d)                                                                                     \
    EW_SUMS_4(d[0]), EW_SUMS_4(d[1]), EW_SUMS_4(d[2]), EW_SUMS_4(d[3]), EW_SUMS_4(d[4]), EW_SUMS_4(d[5]), \
        EW_SUMS_4(d[6]), EW_SUMS_4(d[7])
#define EW_SUMS_64(d)                                                                                           \
    EW_SUMS_4(d[0]), EW_SUMS_4(d[1]), EW_SUMS_4(d[2]), EW_SUMS_4(d[3]), EW_SUMS_4(d[4]), EW_SUMS_4(d[5]),       \
        EW_SUMS_4(d[6]), EW_SUMS_4(d[7]), EW_SUMS_4(d[8]), EW_SUMS_4(d[9]), EW_SUMS_4(d[10]), EW_SUMS_4(d[11]), \
        EW_SUMS_4(d[12]), EW_SUMS_4(d[13]), EW_SUMS_4(d[14]), EW_SUMS_4(d[15])

template <>
__device__ __forceinline__ void multiply_group<half, false, 8>(float (&d)[8][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" EW_REGISTERS_32
        "}, %32, %33, p, 1, 1, 0, 0;}"
        : EW_SUMS_32(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<half, true, 8>(float (&d)[8][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" EW_REGISTERS_32
        "}, %32, %33, p, 1, 1, 0, 1;}"
        : EW_SUMS_32(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<bf16, false, 8>(float (&d)[8][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" EW_REGISTERS_32
        "}, %32, %33, p, 1, 1, 0, 0;}"
        : EW_SUMS_32(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<bf16, true, 8>(float (&d)[8][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" EW_REGISTERS_32
        "}, %32, %33, p, 1, 1, 0, 1;}"
        : EW_SUMS_32(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<half, false, 16>(float (&d)[16][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {" EW_REGISTERS_64
        "}, %64, %65, p, 1, 1, 0, 0;}"
        : EW_SUMS_64(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<half, true, 16>(float (&d)[16][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {" EW_REGISTERS_64
        "}, %64, %65, p, 1, 1, 0, 1;}"
        : EW_SUMS_64(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<bf16, false, 16>(float (&d)[16][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" EW_REGISTERS_64
        "}, %64, %65, p, 1, 1, 0, 0;}"
        : EW_SUMS_64(d)
        : "l"(a), "l"(b));
}

template <>
__device__ __forceinline__ void multiply_group<bf16, true, 16>(float (&d)[16][4], uint64_t a, uint64_t b) {
    asm volatile(
        "{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" EW_REGISTERS_64
        "}, %64, %65, p, 1, 1, 0, 1;}"
        : EW_SUMS_64(d)
        : "l"(a), "l"(b));
}

#undef EW_REGISTERS_32
#undef EW_REGISTERS_64
#undef EW_SUMS_4
#undef EW_SUMS_32
#undef EW_SUMS_64

}  // namespace ew::cuda
