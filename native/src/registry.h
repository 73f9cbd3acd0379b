// The table of kernels: built in ones sign in when the library is loaded, plugins and tests add theirs later.
#pragma once

#include "kernel.h"

namespace ew {

using KernelFn = int32_t (*)(const ew_call *);

// Instruction sets of this library that this machine has, best first, separated by blanks.
const char *available_isas();
bool isa_available(const char *isa);

// False where the name is taken by another function.
bool add_kernel(const char *name, KernelFn run);
const ew_kernel *find_kernel(const char *name);
int64_t kernel_count();
const ew_kernel *kernel_at(int64_t index);

// A kernel that is not in native/cpu/ and has no instruction set: control flow, Python.
struct PlainKernel {
    PlainKernel(const char *name, KernelFn run) { add_kernel(name, run); }
};

}  // namespace ew
