// Tensor core instructions of Hopper for four warps: both operands in shared memory, in tiles of mma.h's form, which is
// the hardware's swizzle of 128 bytes; a tile begins at a multiple of 1024 bytes.
#pragma once

#include "cuda/mma.h"

namespace ew::cuda {

// What ordinary and asynchronous copies wrote to shared memory becomes visible to the tensor cores; then a barrier.
__device__ __forceinline__ void publish_copies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

__device__ __forceinline__ void group_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void group_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int PENDING = 0>
__device__ __forceinline__ void group_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

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
    EW_REGISTERS_32                                                                    \
    ", "                                                                               \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define EW_REGISTERS_96                                                                \
    EW_REGISTERS_64                                                                    \
    ", "                                                                               \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define EW_REGISTERS_128                                                                           \
    EW_REGISTERS_96                                                                                \
    ", "                                                                                           \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define EW_SUMS_4(d) "+f"((d)[0]), "+f"((d)[1]), "+f"((d)[2]), "+f"((d)[3])
#define EW_SUMS_32(d)                                                                                                 \
    EW_SUMS_4((d)[0]), EW_SUMS_4((d)[1]), EW_SUMS_4((d)[2]), EW_SUMS_4((d)[3]), EW_SUMS_4((d)[4]), EW_SUMS_4((d)[5]), \
        EW_SUMS_4((d)[6]), EW_SUMS_4((d)[7])
#define EW_SUMS_64(d) EW_SUMS_32(d), EW_SUMS_32((d) + 8)
#define EW_SUMS_96(d) EW_SUMS_64(d), EW_SUMS_32((d) + 16)
#define EW_SUMS_128(d) EW_SUMS_64(d), EW_SUMS_64((d) + 16)

// TYPE of the operands, as T and in the instruction; N columns in BLOCKS of 8; TRANSPOSED 1 where b's rows run along n.
// A and B are the numbers of the operands behind the sums.
#define EW_MULTIPLY(T, TYPE, N, BLOCKS, SUMS, A, B, ROWS_OF_K, TRANSPOSED)                                      \
    template <>                                                                                                 \
    __device__ __forceinline__ void multiply_group<T, ROWS_OF_K, BLOCKS>(float (&d)[BLOCKS][4], uint64_t a,     \
                                                                         uint64_t b) {                          \
        asm volatile("{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE \
                     "." TYPE " {" EW_REGISTERS_##SUMS "}, %" #A ", %" #B ", p, 1, 1, 0, " #TRANSPOSED ";}"     \
                     : EW_SUMS_##SUMS(d)                                                                        \
                     : "l"(a), "l"(b));                                                                         \
    }
#define EW_MULTIPLY_ALL(N, BLOCKS, SUMS, A, B)                 \
    EW_MULTIPLY(half, "f16", N, BLOCKS, SUMS, A, B, false, 0)  \
    EW_MULTIPLY(half, "f16", N, BLOCKS, SUMS, A, B, true, 1)   \
    EW_MULTIPLY(bf16, "bf16", N, BLOCKS, SUMS, A, B, false, 0) \
    EW_MULTIPLY(bf16, "bf16", N, BLOCKS, SUMS, A, B, true, 1)

EW_MULTIPLY_ALL(64, 8, 32, 32, 33)
EW_MULTIPLY_ALL(128, 16, 64, 64, 65)
EW_MULTIPLY_ALL(192, 24, 96, 96, 97)
EW_MULTIPLY_ALL(256, 32, 128, 128, 129)

// d [64, 64] += a [64, 16] * b [16, 64]: a in registers, laid out as in mma.h, 16 rows a warp; b's rows run along n.
template <class T>
__device__ __forceinline__ void multiply_group_kept(float (&d)[8][4], const uint32_t (&a)[4], uint64_t b);

#define EW_MULTIPLY_KEPT(T, TYPE)                                                                                    \
    template <>                                                                                                      \
    __device__ __forceinline__ void multiply_group_kept<T>(float (&d)[8][4], const uint32_t (&a)[4], uint64_t b) {   \
        asm volatile("{.reg .pred p; setp.eq.u32 p, 0, 0; wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE \
                     " {" EW_REGISTERS_32 "}, {%32, %33, %34, %35}, %36, p, 1, 1, 1;}"                               \
                     : EW_SUMS_32(d)                                                                                 \
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));                                          \
    }
EW_MULTIPLY_KEPT(half, "f16")
EW_MULTIPLY_KEPT(bf16, "bf16")

#undef EW_REGISTERS_32
#undef EW_REGISTERS_64
#undef EW_REGISTERS_96
#undef EW_REGISTERS_128
#undef EW_SUMS_4
#undef EW_SUMS_32
#undef EW_SUMS_64
#undef EW_SUMS_96
#undef EW_SUMS_128
#undef EW_MULTIPLY
#undef EW_MULTIPLY_KEPT
#undef EW_MULTIPLY_ALL

}  // namespace ew::cuda
