// Waiting for another thread without sleeping.
#pragma once

#include <sched.h>

namespace ew {

static inline void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Until `done()`; after a while the CPU is given to whoever wants it: the other thread may have lost its own.
template <typename Done>
static inline void wait_until(Done &&done) {
    for (int spins = 0; !done(); ++spins) {
        if (spins < 2000)
            pause_cpu();
        else
            sched_yield();
    }
}

}  // namespace ew
