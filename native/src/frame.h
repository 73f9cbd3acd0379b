// One program being run: what is bound to it, its memory, and the sizes it was last resolved for.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "buffer.h"
#include "failure.h"
#include "host.h"
#include "model.h"
#include "resolved.h"

namespace ew {

// What a control-flow step keeps between runs.
struct ControlState {
    virtual ~ControlState() = default;
    virtual int64_t memory() const = 0;
};

// Where time goes: each nanosecond from the start on belongs to a step, or to what lies between steps.
struct Profile {
    using Clock = std::chrono::steady_clock;

    int64_t *totals = nullptr;  // nanoseconds by step; behind the last step, if there is room, those between steps
    int64_t n_totals = 0;
    Clock::time_point last = Clock::now();

    // What has passed since the last time was spent there.
    void spend(int32_t where) {
        const Clock::time_point now = Clock::now();
        if (where < n_totals) totals[where] += std::chrono::duration_cast<std::chrono::nanoseconds>(now - last).count();
        last = now;
    }
};

class Frame final : public ValueSource {
  public:
    Frame(const Model &model, const Program &program, CallState &state);
    Frame(const Frame &) = delete;
    Frame &operator=(const Frame &) = delete;
    ~Frame();

    const Program &program() const { return program_; }
    // The device that the program uses besides the host, if any.
    const Device &device() const { return device_; }
    // The shape is copied, the data is not. `device`: where it lies. Throws EW_SHAPE for another rank.
    void bind_input(int32_t index, void *data, const int64_t *shape, int32_t rank, int32_t device = 0);
    void set_param(int32_t index, int64_t value);
    // Memory for an output; NULL: the frame's own. If `soft`, memory that turns out too small is not used.
    void bind_output(int32_t index, void *data, int64_t capacity, bool soft, int32_t device = 0);

    void resolve();
    void run(Profile *profile = nullptr);
    // Queues a run on a stream of the caller (frame_device.cpp). Throws EW_USAGE where something needs the host.
    void run_async(void *stream);
    // Nanoseconds of one of at most `repeats` runs on the device in a row, fewer of long ones.
    double time(int32_t repeats);
    // Copies an output of the last run to the host.
    void fetch(int32_t index, void *to, int64_t bytes);
    // Takes the memory that runs with these bindings need, by a run whose results and refusals do not count.
    void rehearse();
    // Shape (-1: not known yet), type and, after a run, data.
    ew_tensor output(int32_t index);
    // The output's own memory, to be swapped for another; NULL unless the output has such.
    Buffer *own_output(int32_t index);

    // For the kernel that runs now.
    void resize(int32_t index, const int64_t *shape);
    const Step &step() const { return program_.steps[static_cast<size_t>(step_)]; }
    Frame &child(int32_t index);
    std::unique_ptr<ControlState> &control_state();

    int64_t memory() const;
    int64_t read_value(const Resolved &resolved, int32_t tensor, int64_t element) const override;
    int64_t input_dim(int32_t input, int32_t axis) const override;
    int64_t param(int32_t index) const override;

  private:
    struct Input {
        char *data = nullptr;
        int32_t key = 0;  // where its sizes begin in key_
        bool bound = false;
        bool foreign = false;   // data lies elsewhere than the program reads it
        char *base = nullptr;   // what the program reads
        Buffer staged, pinned;  // of foreign data: where the program reads it, and on the way there
    };
    struct Output {
        char *user = nullptr;
        int64_t capacity = 0;
        bool soft = false;
        Buffer own;
        char *data = nullptr;
        bool foreign = false;  // `user` lies elsewhere than the program writes
        Buffer pinned;         // on the way there
    };
    // What running on a device takes.
    struct Queue {
        void *stream = nullptr;
        bool busy = false;   // something was queued that nobody waited for
        bool async = false;  // the caller waits, on a stream of its own
        void *caller = nullptr;
    };

    const Tensor &tensor(int32_t id) const { return program_.tensors[static_cast<size_t>(id)]; }
    const Storage &storage(const Tensor &of) const { return program_.storages[static_cast<size_t>(of.storage)]; }
    // executor.cpp
    void begin(bool with_data);
    void run_segments(Profile *profile);
    void run_step(int32_t index);
    void run_steps(const Segment &segment);
    void run_steps_timed(const Segment &segment, Profile &profile);
    [[noreturn]] void fail_step(int32_t status);
    void reset_sizes(const Segment &segment);
    void check_sizes(const Step &step);
    void copy_outputs();
    // frame_device.cpp
    void use_device();
    void stage_inputs();
    void stage_input(Input &input, int64_t bytes, bool to_device);
    void run_stretches(int32_t segment);
    void run_stretch(int32_t segment, size_t index);
    void record(const Stretch &stretch, StretchGraph &graph, int32_t runs);
    void run_stretches_timed(const Segment &segment, Profile &profile);
    void wait();
    void copy_output(Output &output, const ew_tensor &found, int64_t bytes);
    bool is_recorded(int32_t segment) const;
    // frame.cpp
    void select_resolved();
    bool reads_changed(int32_t segment);
    bool prepare(int32_t segment);
    // frame_memory.cpp
    char *address(const Resolved &resolved, const Tensor &of) const;
    char *address_for_step(const Step &step, int32_t id) const;
    int64_t growing_room(const Tensor &of) const;
    int64_t input_bytes(int32_t index) const;
    char *grow(const Tensor &of, int64_t bytes);
    void ensure_memory(int32_t segment);
    void ensure_output(int32_t storage);
    void patch(int32_t segment);

    const Model &model_;
    const Program &program_;
    CallState &state_;
    Host host_;
    std::vector<Input> inputs_;
    std::vector<Output> outputs_;
    Device device_;  // NULL for a program on the host
    Queue queue_;
    StretchGraph row_;                              // of several runs, to time them
    std::vector<Buffer> arenas_;                    // one a segment, so that a later one cannot move what is alive
    std::vector<Buffer> device_arenas_;             // the same on the device
    std::vector<Buffer> grown_;                     // by storage
    std::vector<std::unique_ptr<Frame>> children_;  // as Program::programs
    std::vector<std::unique_ptr<ControlState>> control_;
    std::vector<int64_t> key_;
    std::vector<std::unique_ptr<Resolved>> recent_;  // latest first
    Resolved *current_ = nullptr;
    std::vector<int64_t> output_shape_;
    uint64_t memory_version_ = 1;  // changes whenever a pointer does
    bool key_changed_ = true, inputs_changed_ = true, has_run_ = false;
    int32_t resolved_until_ = 0;  // segments whose sizes are known
    int32_t step_ = -1;
};

inline void Frame::run_step(int32_t index) {
    const auto at = static_cast<size_t>(index);
    const Step &running = program_.steps[at];
    step_ = index;
    if (const int32_t status = running.run(&current_->calls[at]); status != EW_OK) fail_step(status);
    if (running.sized) check_sizes(running);
    if (state_.cancelled.load(std::memory_order_relaxed)) fail(EW_CANCELLED, "the run was cancelled");
}

}  // namespace ew
