// Scratch memory by thread and slot; the largest size that any thread needed is remembered for the others.
#include "scratch.h"

#include <atomic>
#include <cstdlib>

namespace ew {

namespace {

std::atomic<int64_t> largest[SCRATCH_SLOTS];

struct Memory {
    float *data = nullptr;
    int64_t size = 0;
    ~Memory() { std::free(data); }
};

thread_local Memory memories[SCRATCH_SLOTS];

void take(Memory &memory, int64_t floats) {
    std::free(memory.data);
    memory.size = floats;
    memory.data = static_cast<float *>(std::aligned_alloc(64, static_cast<size_t>(floats) * sizeof(float)));
    if (memory.data == nullptr) std::abort();
}

void remember(int slot, int64_t floats) {
    int64_t known = largest[slot].load(std::memory_order_relaxed);
    while (known < floats && !largest[slot].compare_exchange_weak(known, floats)) {}
}

}  // namespace

float *thread_scratch(int slot, int64_t floats) {
    Memory &memory = memories[slot];
    if (memory.size < floats) {
        take(memory, (floats + floats / 4 + 1023) / 1024 * 1024);
        remember(slot, memory.size);
    }
    return memory.data;
}

void reserve_scratch() {
    for (int slot = 0; slot < SCRATCH_SLOTS; ++slot)
        if (const int64_t floats = largest[slot].load(); memories[slot].size < floats) take(memories[slot], floats);
}

}  // namespace ew
