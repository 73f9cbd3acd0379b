// CUDA as the runtime sees it: memory, streams and graphs of one GPU, and the table of kernels of this library.
#include <string>
#include <vector>

#include "kernel.h"

namespace ew::cuda {

namespace {

std::vector<ew_kernel> &kernels() {
    static auto *table = new std::vector<ew_kernel>;
    return *table;
}

thread_local std::string message;

int32_t kept(const char *what, cudaError_t error) {
    if (error == cudaSuccess) return 0;
    message = std::string(what) + ": " + cudaGetErrorString(error);
    cudaGetLastError();  // a failure that was told is over
    return error == cudaErrorMemoryAllocation ? EW_OUT_OF_MEMORY : EW_FAILED;
}

cudaStream_t as_stream(void *stream) { return static_cast<cudaStream_t>(stream); }

const char *error() { return message.c_str(); }

int32_t select(int32_t ordinal) { return kept("selecting the GPU", cudaSetDevice(ordinal)); }

int32_t allocate(void **memory, uint64_t bytes) { return kept("allocating GPU memory", cudaMalloc(memory, bytes)); }

void release(void *memory) { cudaFree(memory); }

int32_t allocate_host(void **memory, uint64_t bytes) {
    return kept("allocating pinned memory", cudaMallocHost(memory, bytes));
}

void release_host(void *memory) { cudaFreeHost(memory); }

int32_t copy(void *to, const void *from, uint64_t bytes, void *stream) {
    return kept("copying", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, as_stream(stream)));
}

int32_t create_stream(void **stream) {
    auto *made = reinterpret_cast<cudaStream_t *>(stream);
    return kept("making a stream", cudaStreamCreateWithFlags(made, cudaStreamNonBlocking));
}

void destroy_stream(void *stream) { cudaStreamDestroy(as_stream(stream)); }

int32_t synchronize(void *stream) { return kept("running on the GPU", cudaStreamSynchronize(as_stream(stream))); }

int32_t begin_capture(void *stream) {
    return kept("recording a graph", cudaStreamBeginCapture(as_stream(stream), cudaStreamCaptureModeThreadLocal));
}

// New pointers in a graph of the same form are exchanged in place, which takes a fraction of making it.
int32_t end_capture(void *stream, void **graph) {
    cudaGraph_t recorded = nullptr;
    if (const int32_t status = kept("recording a graph", cudaStreamEndCapture(as_stream(stream), &recorded)))
        return status;
    auto *known = static_cast<cudaGraphExec_t>(*graph);
    cudaGraphExecUpdateResultInfo info{};
    if (known != nullptr && cudaGraphExecUpdate(known, recorded, &info) != cudaSuccess) {
        cudaGetLastError();
        cudaGraphExecDestroy(known);
        known = nullptr;
    }
    cudaError_t found = cudaSuccess;
    if (known == nullptr) found = cudaGraphInstantiate(&known, recorded, 0);
    cudaGraphDestroy(recorded);
    *graph = found == cudaSuccess ? known : nullptr;
    return kept("making a graph", found);
}

void abandon_capture(void *stream) {
    cudaGraph_t recorded = nullptr;
    cudaStreamEndCapture(as_stream(stream), &recorded);
    if (recorded != nullptr) cudaGraphDestroy(recorded);
    cudaGetLastError();
}

int32_t launch(void *graph, void *stream) {
    return kept("launching a graph", cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), as_stream(stream)));
}

int32_t time(void *graph, void *stream, int32_t repeats, double *nanoseconds) {
    cudaEvent_t begin = nullptr, end = nullptr;
    cudaError_t found = cudaEventCreate(&begin);
    if (found == cudaSuccess) found = cudaEventCreate(&end);
    if (found == cudaSuccess) found = cudaEventRecord(begin, as_stream(stream));
    for (int32_t i = 0; i < repeats && found == cudaSuccess; ++i)
        found = cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), as_stream(stream));
    if (found == cudaSuccess) found = cudaEventRecord(end, as_stream(stream));
    if (found == cudaSuccess) found = cudaEventSynchronize(end);
    float milliseconds = 0;
    if (found == cudaSuccess) found = cudaEventElapsedTime(&milliseconds, begin, end);
    *nanoseconds = milliseconds * 1e6 / repeats;
    if (begin != nullptr) cudaEventDestroy(begin);
    if (end != nullptr) cudaEventDestroy(end);
    return kept("timing a graph", found);
}

void destroy_graph(void *graph) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

}  // namespace

KernelEntry::KernelEntry(const char *name, KernelFn run) { kernels().push_back({name, run}); }

}  // namespace ew::cuda

extern "C" EW_EXPORT const ew_device *ew_device_v1(void) {
    using namespace ew::cuda;
    static const ew_device device = {sizeof(ew_device),
                                     EW_ABI_MAJOR,
                                     EW_ABI_MINOR,
                                     static_cast<uint32_t>(kernels().size()),
                                     "cuda",
                                     kernels().data(),
                                     error,
                                     select,
                                     allocate,
                                     release,
                                     allocate_host,
                                     release_host,
                                     copy,
                                     create_stream,
                                     destroy_stream,
                                     synchronize,
                                     begin_capture,
                                     end_capture,
                                     abandon_capture,
                                     launch,
                                     time,
                                     destroy_graph};
    return &device;
}
