// The callback for steps that run in Python.
#pragma once

#include "registry.h"

namespace ew {

void set_python_step(KernelFn run);

}  // namespace ew
