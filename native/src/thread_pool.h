// The process's thread pool: one fork-join at a time; whoever comes while it is busy works alone.
#pragma once

#include <cstdint>

namespace ew {

using TaskFn = void (*)(void *arg, int64_t task);

// Runs fn(arg, 0) ... fn(arg, n_tasks - 1), each exactly once, on at most `threads` threads, the caller among them;
// returns when all are done. Inside a task everything runs on the task's own thread.
void run_parallel(int64_t n_tasks, TaskFn fn, void *arg, int32_t threads);

// Lets workers run fn(arg, 0) ... fn(arg, threads - 1) while the caller does something else, until it calls end_parallel,
// on the same thread, which takes part in what is left. False if there are no workers now: then nothing is run.
bool begin_parallel(TaskFn fn, void *arg, int32_t threads);
void end_parallel();

// Runs fn once on the caller, on each of at least `threads` - 1 workers, and on all others that exist. False if some did
// not come within ten seconds.
bool run_on_every_thread(void (*fn)(), int32_t threads);

// While a Burst lives, workers wait for the next fork-join awake: a run has many, microseconds apart.
class Burst {
  public:
    explicit Burst(int32_t threads);
    ~Burst();
    Burst(const Burst &) = delete;
    Burst &operator=(const Burst &) = delete;

  private:
    void *pool_;  // kept: a child forked meanwhile has another pool
};

// CPUs this process may run on.
int32_t usable_cpus();

}  // namespace ew
