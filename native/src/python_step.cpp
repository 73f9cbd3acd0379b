// "python": a step that calls back into Python, through the one callback that the package sets.
#include <atomic>

#include "python_step.h"
#include "registry.h"

namespace ew {

namespace {

std::atomic<KernelFn> callback{nullptr};

int32_t run_python(const ew_call *call) {
    const KernelFn run = callback.load(std::memory_order_acquire);
    if (run == nullptr) return call->host->error(call, EW_UNKNOWN_KERNEL, "no Python is there to run this step");
    return run(call);
}

const PlainKernel python_kernel("python", run_python);

}  // namespace

void set_python_step(KernelFn run) { callback.store(run, std::memory_order_release); }

}  // namespace ew
