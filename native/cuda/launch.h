// How a CUDA kernel is launched on the stream of its call: errors become the call's error, clusters and early starts
// (programmatic dependent launch) are attributes, so that they hold in a captured graph, too.
//
// A kernel launched with `early` starts while the one before it on the stream still runs. It must call begin() in
// every thread before it reads anything that another kernel wrote and before it writes anything; what it may do
// earlier is fetch constant weights.
#pragma once

#include "cuda/kernel.h"

namespace ew::cuda {

struct Shape3 {
    dim3 grid, block;
    size_t shared = 0;  // dynamic shared memory in bytes
    int cluster = 1;    // blocks along x that share their memory
    bool early = true;
};

// Lets the next kernel on the stream start its preparations, then waits for all kernels before this one.
__device__ __forceinline__ void begin() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;\n\tgriddepcontrol.wait;" ::: "memory");
#endif
}

// begin() in two halves, for a kernel that fetches weights in between.
__device__ __forceinline__ void allow_next() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ void prefetch_l2(const void *address) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

// All threads of all blocks of the cluster have come here, and see what the others wrote to shared memory.
__device__ __forceinline__ void cluster_barrier() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.release;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
#endif
}

__device__ __forceinline__ void cluster_barrier_without_memory() {
#if __CUDA_ARCH__ >= 900
    asm volatile("barrier.cluster.arrive.relaxed;\n\tbarrier.cluster.wait;" ::: "memory");
#endif
}

template <class... Parameters, class... Arguments>
int32_t launch(const ew_call *call, void (*kernel)(Parameters...), const Shape3 &shape, const Arguments &...arguments) {
    constexpr size_t WITHOUT_ASKING = 48 * 1024;
    if (shape.shared > WITHOUT_ASKING) {
        const cudaError_t status =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared));
        if (status != cudaSuccess) return checked(call, status);
    }
    cudaLaunchAttribute attributes[2];
    cudaLaunchConfig_t config = {};
    config.gridDim = shape.grid;
    config.blockDim = shape.block;
    config.dynamicSmemBytes = shape.shared;
    config.stream = stream_of(call);
    config.attrs = attributes;
    if (shape.early) {
        attributes[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
        attributes[config.numAttrs++].val.programmaticStreamSerializationAllowed = 1;
    }
    if (shape.cluster > 1) {
        attributes[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
        attributes[config.numAttrs].val.clusterDim.x = static_cast<unsigned>(shape.cluster);
        attributes[config.numAttrs].val.clusterDim.y = 1;
        attributes[config.numAttrs++].val.clusterDim.z = 1;
    }
    return checked(call, cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...));
}

}  // namespace ew::cuda
