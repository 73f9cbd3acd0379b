// Bytes that several threads hash together, unit by unit, some of them beside what their caller does meanwhile.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "src/kernel.h"
#include "src/thread_pool.h"

namespace ew::EW_ISA {

// Lets the kernel map what is read next, in one call and on the thread that reads it: less than half of what a page
// fault for every 64 KiB takes. Kernels before 5.14 refuse, and then there are such faults.
inline void map_pages(const uint8_t *data, int64_t size) {
#ifdef MADV_POPULATE_READ
    const uintptr_t start = reinterpret_cast<uintptr_t>(data) & ~uintptr_t{4095};
    madvise(reinterpret_cast<void *>(start), reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(size) - start,
            MADV_POPULATE_READ);
#else
    (void)data, (void)size;
#endif
}

// Each thread claims units that lie side by side, fewer of them towards the end so that all come to it together, until
// none is left. The last unit may be longer or shorter than the others.
struct Units {
    static constexpr int64_t AT_ONCE = 8, MOST_THREADS = 256;

    const uint8_t *data;
    int64_t size, unit, count;
    int64_t *claimed;

    int64_t end(int64_t index) const { return index + 1 == count ? size : (index + 1) * unit; }

    bool claim(int64_t &index, int64_t &n) const {
        const std::atomic_ref<int64_t> next(*claimed);
        index = next.load(std::memory_order_relaxed);
        do {
            if (index >= count) return false;
            n = std::clamp<int64_t>((count - index) / AT_ONCE, 1, AT_ONCE);
        } while (!next.compare_exchange_weak(index, index + n, std::memory_order_relaxed));
        return true;
    }

    template <class Hash>
    void each(Hash hash) const {
        for (int64_t index = 0, n = 0; claim(index, n);) {
            map_pages(data + index * unit, end(index + n - 1) - index * unit);
            for (; n > 0; --n, ++index) hash(index);
        }
    }
};

template <class Job>
void work_on(void *job, int64_t) {
    static_cast<const Job *>(job)->work();
}

// With some threads to begin with, lets them work and returns at once; `begun` then holds the address of their job, and the
// next call, which must come, returns when all is done. Without, and none begun, all threads of the call do the work.
template <class Job>
void begin_or_finish(const ew_call *call, Job job, int64_t count, int32_t begin_with, int64_t &begun) {
    if (begin_with > 0) {
        auto *shared = new Job(job);
        if (begin_parallel(work_on<Job>, shared, begin_with))
            begun = reinterpret_cast<intptr_t>(shared);
        else
            delete shared;
    } else if (begun != 0) {
        end_parallel();
        delete reinterpret_cast<Job *>(std::exchange(begun, 0));
    } else {
        call->host->parallel(call, std::min(count, Units::MOST_THREADS), work_on<Job>, &job);
    }
}

}  // namespace ew::EW_ISA
