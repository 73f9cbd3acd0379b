// Hopper's bulk copies of tiles into shared memory (TMA), and the barriers by which their arrival is told.
//
// A tile lies in shared memory as mma.h says: rows of 128 bytes whose 16-byte chunks are swizzled, beginning at a
// multiple of 1024 bytes. What lies outside the tensor arrives as zeros.
#pragma once

#include <cuda.h>

#include "cuda/mma_group.h"

namespace ew::cuda {

__device__ __forceinline__ void barrier_init(uint32_t barrier, int arrivals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ __forceinline__ void publish_barriers() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

// One arrival, and so many bytes that are to come.
__device__ __forceinline__ void barrier_expect(uint32_t barrier, int bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

__device__ __forceinline__ void barrier_arrive(uint32_t barrier, int block) {
    asm volatile(
        "{.reg .b32 there; mapa.shared::cluster.u32 there, %0, %1; "
        "mbarrier.arrive.shared::cluster.b64 _, [there];}" ::"r"(barrier),
        "r"(block)
        : "memory");
}

__device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity) {
    uint32_t done = 0;
    while (done == 0)
        asm volatile(
            "{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; "
            "selp.u32 %0, 1, 0, p;}"
            : "=r"(done)
            : "r"(barrier), "r"(parity)
            : "memory");
}

// The same, and what other blocks of the cluster stored before is seen.
__device__ __forceinline__ void barrier_wait_for_cluster(uint32_t barrier, uint32_t parity) {
    uint32_t done = 0;
    while (done == 0)
        asm volatile(
            "{.reg .pred p; mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2; "
            "selp.u32 %0, 1, 0, p;}"
            : "=r"(done)
            : "r"(barrier), "r"(parity)
            : "memory");
}

// The tile at column x and row y, into the memory of all blocks of the mask.
__device__ __forceinline__ void copy_tile(uint32_t to, const CUtensorMap &from, int x, int y, uint32_t barrier,
                                          uint16_t blocks) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster "
        "[%0], [%1, {%2, %3}], [%4], %5;" ::"r"(to),
        "l"(&from), "r"(x), "r"(y), "r"(barrier), "h"(blocks)
        : "memory");
}

__device__ __forceinline__ void copy_tile(uint32_t to, const CUtensorMap &from, int x, int y, uint32_t barrier) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
            to),
        "l"(&from), "r"(x), "r"(y), "r"(barrier)
        : "memory");
}

// The other way round: a tile from shared memory, whose writes have been published (publish_copies in mma_group.h). The
// thread that began such copies waits until their memory may be written again, or until they are done.
__device__ __forceinline__ void store_tile(uint32_t from, const CUtensorMap &to, int x, int y) {
    asm volatile(
        "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];\n\t"
        "cp.async.bulk.commit_group;" ::"l"(&to),
        "r"(from), "r"(x), "r"(y)
        : "memory");
}

__device__ __forceinline__ void wait_stores_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

__device__ __forceinline__ void wait_stores() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

// Where a tile of an image's patches begins: channel, the first place's corner and image, and the tap.
struct PatchPlace {
    int channel, x, y, image;
    uint16_t tap_x, tap_y;
};

__device__ __forceinline__ void copy_patches(uint32_t to, const CUtensorMap &from, const PatchPlace &p,
                                             uint32_t barrier) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};" ::"r"(to),
        "l"(&from), "r"(p.channel), "r"(p.x), "r"(p.y), "r"(p.image), "r"(barrier), "h"(p.tap_x), "h"(p.tap_y)
        : "memory");
}

// A piece of an image, which may reach beyond its edges.
__device__ __forceinline__ void copy_image(uint32_t to, const CUtensorMap &from, int channel, int x, int y, int image,
                                           uint32_t barrier) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
        "[%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(to),
        "l"(&from), "r"(channel), "r"(x), "r"(y), "r"(image), "r"(barrier)
        : "memory");
}

template <int REGISTERS>
__device__ __forceinline__ void give_registers() {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS>
__device__ __forceinline__ void take_registers() {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

}  // namespace ew::cuda
