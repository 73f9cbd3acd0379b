// How a built-in kernel is written and signs in: include this, write `static int32_t run(const ew_call *)`,
// then EW_KERNEL(softmax_f32, run).
//
// Sources in native/cpu/ are compiled once per instruction set (EW_ISA = avx512, avx2 or portable); the macro
// registers each copy as "cpu_<name>@<isa>". Everything else in such a source must have internal linkage
// (static or an anonymous namespace), so that the copies never mix.
#pragma once

#include "enginewright.h"

namespace ew {

struct KernelEntry {
    KernelEntry(const char *name, const char *isa, int32_t (*run)(const ew_call *));
};

}  // namespace ew

#define EW_STRING2(x) #x
#define EW_STRING(x) EW_STRING2(x)
#define EW_KERNEL(name, fn) static const ::ew::KernelEntry ew_entry_##name("cpu_" #name, EW_STRING(EW_ISA), fn);
