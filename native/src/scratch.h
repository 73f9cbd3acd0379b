// Memory that a thread keeps for kernels between calls, so that a steady state allocates nothing.
#pragma once

#include <cstdint>

namespace ew {

constexpr int SCRATCH_SLOTS = 4;

// Memory of the calling thread that lives until its next call with the same slot; 64-byte aligned.
float *thread_scratch(int slot, int64_t floats);

// Gives the calling thread, in every slot, as much as any thread has needed so far.
void reserve_scratch();

}  // namespace ew
