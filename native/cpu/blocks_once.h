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
            if (!begin(i)) continue;
            do_block(i);
            end(i);
        }
        for (int64_t i = first; i < last; ++i) wait_until([this, i] { return done(i); });
    }

    // Whether the blocks from first up to last, without it, are done.
    bool done(int64_t first, int64_t last) const {
        while (first < last && (!states_ || done(first))) ++first;
        return first == last;
    }

    // Claims a block that nobody has begun; the caller does it and then says so, as others wait for it.
    bool begin(int64_t block) const {
        uint8_t undone = UNDONE;
        return states_ && states_[block].load(std::memory_order_relaxed) == UNDONE &&
               states_[block].compare_exchange_strong(undone, BEGUN, std::memory_order_relaxed);
    }
    void end(int64_t block) const { states_[block].store(DONE, std::memory_order_release); }

  private:
    using State = std::atomic<uint8_t>;
    static_assert(sizeof(State) == 1);
    bool done(int64_t block) const { return states_[block].load(std::memory_order_acquire) == DONE; }
    static constexpr uint8_t UNDONE = 0, BEGUN = 1, DONE = 2;
    State *states_ = nullptr;
};

}  // namespace ew::EW_ISA
