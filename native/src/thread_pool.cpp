// Fork-join: each thread begins with tasks of its own, always the same ones of as many, so that what it wrote or read in
// the step or run before is still in its cache; once it has no more it claims those of others.
//
// One word says everything: the number of the job, whether it still takes helpers, how many it may have, and how many
// work on it now. A worker joins by compare-and-swap on that word; the caller closes the job when no task is left and
// waits for those inside. A worker that comes late, or never, is not waited for: on a busy machine the caller simply
// does all the work. Idle workers look for a job for a while (longer during a run), then sleep.
#include "thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "pause.h"
#include "scratch.h"

namespace ew {

namespace {

constexpr int32_t MAX_WORKERS = 255;
constexpr uint64_t ACTIVE = 0xFF;            // bits 0-7: workers inside
constexpr uint64_t OPEN = uint64_t{1} << 8;  // takes more workers
constexpr int LIMIT_SHIFT = 16;              // bits 16-23: how many workers may be inside
constexpr int JOB_SHIFT = 24;                // the rest: number of the job
constexpr auto AWAKE_IN_BURST = std::chrono::microseconds(200);
constexpr auto AWAKE_AFTER = std::chrono::microseconds(50);
constexpr auto VISIT_LIMIT = std::chrono::seconds(10);

thread_local bool inside_task = false;
thread_local bool begun = false;  // this thread has to end a job

class Pool {
  public:
    void run(int64_t n_tasks, TaskFn fn, void *arg, int32_t helpers);
    bool begin(TaskFn fn, void *arg, int32_t helpers);
    void end();
    bool visit(void (*fn)(), int32_t helpers);
    void burst(int32_t by) { bursts_.fetch_add(by, std::memory_order_relaxed); }

  private:
    void start_workers(int32_t count);
    void fork(int64_t n_tasks, TaskFn fn, void *arg, int32_t helpers);
    void join();
    void work(int32_t thread);
    bool enter(uint64_t &state);
    bool wait_for_job(uint64_t &state);
    void share_tasks(int64_t n_tasks, int32_t threads);
    void claim_tasks(int32_t thread);
    void wake(int32_t count);
    void wait_for_helpers();

    alignas(64) std::atomic<uint64_t> state_{0};
    struct alignas(64) Share {
        std::atomic<int64_t> next{0};
        int64_t end = 0;
    };
    Share shares_[MAX_WORKERS + 1];
    alignas(64) int32_t n_shares_ = 0;
    TaskFn fn_ = nullptr;
    void *arg_ = nullptr;
    alignas(64) std::atomic<bool> busy_{false};
    std::atomic<int32_t> sleepers_{0};
    std::atomic<int32_t> bursts_{0};
    int32_t n_workers_ = 0;  // guarded by busy_
    std::mutex mutex_;
    std::condition_variable wake_up_;
};

// Never destroyed: workers may outlive main. A forked child forgets the parent's pool, whose threads it lacks.
std::atomic<Pool *> the_pool{nullptr};

void forget_pool() {
    the_pool.store(nullptr);
    inside_task = begun = false;
}

Pool &pool() {
    Pool *found = the_pool.load(std::memory_order_acquire);
    if (found != nullptr) return *found;
    static std::atomic<bool> registered{false};
    if (!registered.exchange(true)) pthread_atfork(nullptr, nullptr, forget_pool);
    auto *made = new Pool;
    if (the_pool.compare_exchange_strong(found, made)) return *made;
    delete made;
    return *found;
}

void run_alone(int64_t n_tasks, TaskFn fn, void *arg) {
    for (int64_t i = 0; i < n_tasks; ++i) fn(arg, i);
}

void Pool::start_workers(int32_t count) {
    while (n_workers_ < std::min(count, MAX_WORKERS)) {
        try {
            std::thread([this, thread = n_workers_ + 1] { work(thread); }).detach();
        } catch (const std::exception &) {
            return;  // no more threads to be had: those there are do the work
        }
        ++n_workers_;
    }
}

void Pool::run(int64_t n_tasks, TaskFn fn, void *arg, int32_t helpers) {
    bool idle = false;
    if (!busy_.compare_exchange_strong(idle, true, std::memory_order_acquire)) return run_alone(n_tasks, fn, arg);
    helpers = static_cast<int32_t>(std::min<int64_t>({helpers, n_tasks - 1, MAX_WORKERS}));
    start_workers(helpers);
    fork(n_tasks, fn, arg, helpers);
    join();
    busy_.store(false, std::memory_order_release);
}

bool Pool::begin(TaskFn fn, void *arg, int32_t helpers) {
    bool idle = false;
    if (!busy_.compare_exchange_strong(idle, true, std::memory_order_acquire)) return false;
    start_workers(helpers);
    fork(helpers + 1, fn, arg, std::min(helpers, MAX_WORKERS));
    return begun = true;
}

void Pool::end() {
    begun = false;
    join();
    busy_.store(false, std::memory_order_release);
}

void Pool::fork(int64_t n_tasks, TaskFn fn, void *arg, int32_t helpers) {
    share_tasks(n_tasks, helpers + 1);
    fn_ = fn;
    arg_ = arg;
    const uint64_t job = (state_.load(std::memory_order_relaxed) >> JOB_SHIFT) + 1;
    state_.store(job << JOB_SHIFT | static_cast<uint64_t>(helpers) << LIMIT_SHIFT | OPEN);
    wake(helpers);
}

void Pool::join() {
    inside_task = true;
    claim_tasks(0);
    inside_task = false;
    wait_for_helpers();
}

// What each thread does on a visit: it stays until all have come, so that none comes twice.
struct Visit {
    void (*fn)();
    int32_t everyone;
    std::atomic<int32_t> arrived{0};
    std::atomic<bool> complete{true};

    void receive() {
        fn();
        arrived.fetch_add(1);
        const auto start = std::chrono::steady_clock::now();
        while (arrived.load() < everyone && std::chrono::steady_clock::now() - start < VISIT_LIMIT) sched_yield();
        if (arrived.load() < everyone) complete.store(false);
    }
};

bool Pool::visit(void (*fn)(), int32_t helpers) {
    if (begun) end();  // nobody else would
    for (bool idle = false; !busy_.compare_exchange_weak(idle, true, std::memory_order_acquire); idle = false)
        sched_yield();
    start_workers(helpers);
    Visit visit{fn, n_workers_ + 1};
    fork(visit.everyone, [](void *arg, int64_t) { static_cast<Visit *>(arg)->receive(); }, &visit, n_workers_);
    join();
    busy_.store(false, std::memory_order_release);
    return visit.complete.load() && n_workers_ >= std::min(helpers, MAX_WORKERS);
}

void Pool::wait_for_helpers() {
    state_.fetch_and(~OPEN);
    wait_until([this] { return (state_.load(std::memory_order_acquire) & ACTIVE) == 0; });
}

void Pool::share_tasks(int64_t n_tasks, int32_t threads) {
    n_shares_ = threads;
    for (int32_t i = 0; i < threads; ++i) {
        shares_[i].next.store(n_tasks * i / threads, std::memory_order_relaxed);
        shares_[i].end = n_tasks * (i + 1) / threads;
    }
}

void Pool::claim_tasks(int32_t thread) {
    for (int32_t i = 0; i < n_shares_; ++i) {
        Share &share = shares_[(thread + i) % n_shares_];
        for (int64_t task = share.next.fetch_add(1, std::memory_order_relaxed); task < share.end;
             task = share.next.fetch_add(1, std::memory_order_relaxed))
            fn_(arg_, task);
    }
}

void Pool::wake(int32_t count) {
    if (sleepers_.load() == 0) return;
    const std::lock_guard lock(mutex_);
    for (int32_t i = 0; i < count; ++i) wake_up_.notify_one();
}

// Takes part in the job of `state` if it still takes helpers.
bool Pool::enter(uint64_t &state) {
    while ((state & OPEN) != 0 && (state & ACTIVE) < (state >> LIMIT_SHIFT & 0xFF))
        if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) return true;
    return false;
}

// Waits awake, then asleep, until the word is not `state`; false if it slept.
bool Pool::wait_for_job(uint64_t &state) {
    const uint64_t old_job = state >> JOB_SHIFT;
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
        for (int i = 0; i < 64; ++i) {
            state = state_.load(std::memory_order_acquire);
            if (state >> JOB_SHIFT != old_job) return true;
            pause_cpu();
        }
        const bool burst = bursts_.load(std::memory_order_relaxed) > 0;
        if (std::chrono::steady_clock::now() - start > (burst ? AWAKE_IN_BURST : AWAKE_AFTER)) break;
    }
    std::unique_lock lock(mutex_);
    sleepers_.fetch_add(1);
    state = state_.load();
    while (state >> JOB_SHIFT == old_job) {
        wake_up_.wait(lock);
        state = state_.load();
    }
    sleepers_.fetch_sub(1);
    return false;
}

void Pool::work(int32_t thread) {
    inside_task = true;
    reserve_scratch();  // what earlier runs needed, so that a plan that may allocate no more finds it
    uint64_t state = state_.load(std::memory_order_acquire);
    for (;;) {
        if (enter(state)) {
            claim_tasks(thread);
            state = state_.fetch_sub(1, std::memory_order_release) - 1;
        }
        wait_for_job(state);
    }
}

}  // namespace

void run_parallel(int64_t n_tasks, TaskFn fn, void *arg, int32_t threads) {
    if (n_tasks <= 1 || threads <= 1 || inside_task) return run_alone(n_tasks, fn, arg);
    pool().run(n_tasks, fn, arg, threads - 1);
}

bool begin_parallel(TaskFn fn, void *arg, int32_t threads) {
    return threads > 1 && !inside_task && pool().begin(fn, arg, threads - 1);
}

void end_parallel() {
    if (begun) pool().end();
}

bool run_on_every_thread(void (*fn)(), int32_t threads) {
    if (threads <= 1 && the_pool.load(std::memory_order_acquire) == nullptr) {
        fn();
        return true;
    }
    return pool().visit(fn, std::max(threads - 1, 0));
}

Burst::Burst(int32_t threads) : pool_(threads > 1 ? &pool() : nullptr) {
    if (pool_ != nullptr) static_cast<Pool *>(pool_)->burst(1);
}

Burst::~Burst() {
    if (pool_ != nullptr) static_cast<Pool *>(pool_)->burst(-1);
}

int32_t usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return static_cast<int32_t>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace ew
