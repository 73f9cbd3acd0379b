// Values that loops carry from one iteration to the next, and outputs that they stack.
#pragma once

#include <vector>

#include "control.h"

namespace ew {

// A tensor whose shape is held here, with memory for it if it has to be kept.
struct Kept {
    ew_tensor tensor{};
    int64_t shape[EW_MAX_RANK] = {};
    Buffer buffer, spare;

    void describe(const ew_tensor &from);
};

// The carried values of a loop. No iteration copies what its body wrote: memory is swapped with the body's.
class Carried {
  public:
    void start(const ew_call *call, int32_t first_input, int32_t count);
    void pass(const ew_call *call, Frame &body, int32_t first_input);
    // Takes over outputs first_output... of the body.
    void take(Frame &body, int32_t first_output);
    void finish(const ew_call *call) const;
    int64_t memory() const;

  private:
    std::vector<Kept> kept_;
};

// One output stacked from slices, all of one shape, along a new axis.
class Stack {
  public:
    void start() { count_ = 0; }
    void append(const ew_tensor &slice);
    // `declared`: sizes of the body's output, used where no iteration has told them.
    void finish(const ew_call *call, int32_t output, int32_t axis, bool reversed, const Operand *declared);
    int64_t memory() const { return buffer_.capacity(); }

  private:
    Buffer buffer_;
    ew_tensor slice_{};
    int64_t shape_[EW_MAX_RANK] = {};
    int64_t count_ = 0, slice_bytes_ = 0;
};

// Types and ranks of `count` carried values agree on all four sides; NULL, or why not.
const char *carried_error(const Program &program, const Step &step, const Program &body, int32_t first_input,
                          int32_t first_body_input, int32_t first_body_output, int32_t count);
const char *stacked_error(const Program &program, const Step &step, const Program &body, int32_t first_body_output,
                          int32_t first_output);

}  // namespace ew
