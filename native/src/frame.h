// One program being run: what is bound to it, its memory, and the sizes it was last resolved for.
#pragma once

#include <memory>
#include <vector>

#include "buffer.h"
#include "host.h"
#include "model.h"
#include "resolved.h"

namespace ew {

// What a control-flow step keeps between runs.
struct ControlState {
    virtual ~ControlState() = default;
    virtual int64_t memory() const = 0;
};

struct Profile {
    int64_t *totals = nullptr;  // nanoseconds by step
    int64_t n_totals = 0;
};

class Frame final : public ValueSource {
  public:
    Frame(const Model &model, const Program &program, CallState &state);

    const Program &program() const { return program_; }
    // The shape is copied, the data is not. Throws EW_SHAPE for another rank.
    void bind_input(int32_t index, void *data, const int64_t *shape, int32_t rank);
    void set_param(int32_t index, int64_t value);
    // Memory for an output; NULL: the frame's own. If `soft`, memory that turns out too small is not used.
    void bind_output(int32_t index, void *data, int64_t capacity, bool soft);

    void resolve();
    void run(Profile *profile = nullptr);
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
    };
    struct Output {
        char *user = nullptr;
        int64_t capacity = 0;
        bool soft = false;
        Buffer own;
        char *data = nullptr;
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
    std::vector<Buffer> arenas_;                    // one a segment, so that a later one cannot move what is alive
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

}  // namespace ew
