// The functions of ew_host. None throws: kernels in C call them.
#include "host.h"

#include <cstdarg>
#include <deque>

#include "failure.h"
#include "frame.h"
#include "thread_pool.h"

namespace ew {

namespace {

constexpr size_t MAX_MESSAGES = 1000;  // further ones are dropped until somebody takes some

struct Message {
    int32_t level;
    std::string text;
};

struct Log {
    std::mutex mutex;
    std::deque<Message> messages;
};

Log &the_log() {
    static Log *log = new Log;
    return *log;
}

std::string safe_text(const char *format, va_list values) {
    try {
        return format_text(format, values);
    } catch (const std::exception &) {
        return {};
    }
}

void keep_error(CallState &state, std::string &&text) {
    const std::lock_guard lock(state.mutex);
    if (state.error.empty()) state.error = std::move(text);
}

int32_t host_error(const ew_call *call, int32_t status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    keep_error(*Host::of(call).state, safe_text(format, values));
    va_end(values);
    return status;
}

void host_log(const ew_call *, int32_t level, const char *format, ...) {
    va_list values;
    va_start(values, format);
    std::string text = safe_text(format, values);
    va_end(values);
    Log &log = the_log();
    const std::lock_guard lock(log.mutex);
    if (log.messages.size() < MAX_MESSAGES) log.messages.push_back({level, std::move(text)});
}

int32_t host_cancelled(const ew_call *call) {
    return Host::of(call).state->cancelled.load(std::memory_order_relaxed) ? 1 : 0;
}

void host_parallel(const ew_call *call, int64_t n_tasks, void (*fn)(void *, int64_t), void *arg) {
    run_parallel(n_tasks, fn, arg, Host::of(call).state->threads);
}

int32_t host_resize(const ew_call *call, int32_t index, const int64_t *shape) {
    Host &host = Host::of(call);
    try {
        if (host.frame == nullptr) fail(EW_USAGE, "outside a program no output can grow");
        host.frame->resize(index, shape);
        return EW_OK;
    } catch (Failure &failure) {
        keep_error(*host.state, std::move(failure.text));
        return failure.status;
    } catch (const std::exception &) {
        return EW_OUT_OF_MEMORY;
    }
}

}  // namespace

std::string CallState::take_error() {
    const std::lock_guard lock(mutex);
    return std::exchange(error, {});
}

Host::Host(CallState &state_, Frame *frame_)
    : api{sizeof(ew_host), 0, host_error, host_log, host_cancelled, host_parallel, host_resize},
      state(&state_),
      frame(frame_) {}

bool take_log(int32_t &level, std::string &text) {
    Log &log = the_log();
    const std::lock_guard lock(log.mutex);
    if (log.messages.empty()) return false;
    level = log.messages.front().level;
    text = std::move(log.messages.front().text);
    log.messages.pop_front();
    return true;
}

}  // namespace ew
