// What a running kernel is offered by the runtime, and what a call leaves behind.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "enginewright.h"

namespace ew {

class Frame;

// Shared by a whole call, nested programs included.
struct CallState {
    int32_t threads = 1;
    std::atomic<bool> cancelled{false};
    std::mutex mutex;  // several tasks may fail at once; the first message is kept
    std::string error;

    std::string take_error();
};

// The functions come first, so that the pointer a kernel has is a pointer to this.
struct Host {
    ew_host api;
    CallState *state;
    Frame *frame;  // NULL for a kernel called outside any program

    Host(CallState &state_, Frame *frame_);
    static Host &of(const ew_call *call) { return *const_cast<Host *>(reinterpret_cast<const Host *>(call->host)); }
};

// Messages of kernels wait in one queue until Python takes them. False if there is none.
bool take_log(int32_t &level, std::string &text);

}  // namespace ew
