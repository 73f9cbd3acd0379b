// Work that several tasks need, in blocks: the task that needs a block first does it, so that a thread waits for what it
// reads and not for all. A fork and join less before the tasks.
#pragma once

#include <atomic>
#include <new>

#include "cpu/gemm.h"
#include "src/pause.h"

namespace ew::EW_ISA {

class BlocksOnce {
  public:
    // Memory for the states of so many blocks, in floats.
    static int64_t floats(int64_t blocks) { return ceil_div(blocks, static_cast<int64_t>(sizeof(float))); }

    // No blocks: all is there.
    BlocksOnce() = default;
    BlocksOnce(float *memory, int64_t blocks) : states_(reinterpret_cast<State *>(memory)) {
        for (int64_t i = 0; i < blocks; ++i) new (states_ + i) State(UNDONE);
    }

    // Returns when the blocks from first up to last, without it, are done, by do_block(block) here or by others.
    template <typename Do>
    void need(int64_t first, int64_t last, Do &&do_block) const {
        if (!states_) return;
        for (int64_t i = first; i < last; ++i) {
            uint8_t undone = UNDONE;
            if (states_[i].load(std::memory_order_relaxed) != UNDONE) continue;
            if (!states_[i].compare_exchange_strong(undone, BEGUN, std::memory_order_relaxed)) continue;
            do_block(i);
            states_[i].store(DONE, std::memory_order_release);
        }
        for (int64_t i = first; i < last; ++i)
            wait_until([this, i] { return states_[i].load(std::memory_order_acquire) == DONE; });
    }

  private:
    using State = std::atomic<uint8_t>;
    static_assert(sizeof(State) == 1);
    static constexpr uint8_t UNDONE = 0, BEGUN = 1, DONE = 2;
    State *states_ = nullptr;
};

}  // namespace ew::EW_ISA
