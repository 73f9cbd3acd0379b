// Runs a frame: one flat loop over the steps of each segment.
#include <cstring>

#include "failure.h"
#include "frame.h"
#include "types.h"

namespace ew {

namespace {

using Wide = long long;

}  // namespace

void Frame::begin(bool with_data) {
    has_run_ = false;
    resolved_until_ = 0;
    step_ = -1;
    if (inputs_changed_) {
        for (size_t i = 0; i < inputs_.size(); ++i) {
            const Tensor &own = tensor(program_.inputs[i]);
            if (!inputs_[i].bound) fail(EW_USAGE, "input %d is not bound", static_cast<int>(i));
            if (!with_data || inputs_[i].data != nullptr || own.dtype == EW_STRING) continue;
            if (input_bytes(static_cast<int32_t>(i)) != 0) fail(EW_USAGE, "input %d has no data", static_cast<int>(i));
        }
        inputs_changed_ = !with_data;
    }
    if (device_ && with_data) stage_inputs();
    select_resolved();
}

void Frame::run(Profile *profile) {
    try {
        begin(true);
        run_segments(profile);
        step_ = -1;
        has_run_ = true;
        copy_outputs();
        if (device_ && !queue_.async) wait();
    } catch (Failure &failure) {
        if (device_) device_.api->synchronize(queue_.stream);  // nothing may still be reading or writing
        has_run_ = false;
        if (failure.program < 0) {
            failure.program = program_.index;
            failure.step = step_;
        }
        throw;
    }
}

void Frame::rehearse() {
    if (device_) fail(EW_USAGE, "only programs on the host can be rehearsed");
    begin(true);
    for (int32_t k = 0; k < static_cast<int32_t>(program_.segments.size()); ++k) {
        const Segment &segment = program_.segments[static_cast<size_t>(k)];
        prepare(k);
        ensure_memory(k);
        for (step_ = segment.first_step; step_ < segment.end_step; ++step_) {
            const auto at = static_cast<size_t>(step_);
            if (program_.steps[at].run(&current_->calls[at]) != EW_OK) state_.take_error();
        }
    }
    step_ = -1;
}

void Frame::run_segments(Profile *profile) {
    const auto n_segments = static_cast<int32_t>(program_.segments.size());
    for (int32_t k = 0; k < n_segments; ++k) {
        const Segment &segment = program_.segments[static_cast<size_t>(k)];
        step_ = -1;
        if (queue_.busy && !segment.reads.empty()) wait();
        prepare(k);
        ensure_memory(k);
        reset_sizes(segment);
        if (device_) {
            profile != nullptr ? run_stretches_timed(segment, *profile) : run_stretches(k);
        } else if (profile != nullptr) {
            run_steps_timed(segment, *profile);
        } else {
            run_steps(segment);
        }
        resolved_until_ = k + 1;
    }
}

void Frame::run_steps(const Segment &segment) {
    for (int32_t i = segment.first_step; i < segment.end_step; ++i) run_step(i);
}

void Frame::run_steps_timed(const Segment &segment, Profile &profile) {
    profile.spend(static_cast<int32_t>(program_.steps.size()));
    for (int32_t i = segment.first_step; i < segment.end_step; ++i) {
        run_step(i);
        profile.spend(i);
    }
}

void Frame::fail_step(int32_t status) {
    std::string text = state_.take_error();
    if (text.empty())
        text = std::string("kernel ") + model_.string(step().kernel) + " failed with status " + std::to_string(status);
    const char *layer = model_.string(step().layer);
    fail(status, "%s%s%s", layer, *layer != '\0' ? ": " : "", text.c_str());
}

// Sizes that a kernel fills in start at their upper bounds; memory that it asks for is not there yet.
void Frame::reset_sizes(const Segment &segment) {
    for (const int32_t s : segment.sized_steps) {
        const Step &of = program_.steps[static_cast<size_t>(s)];
        for (int32_t i = 0; i < of.n_outputs; ++i) {
            const int32_t id = program_.outputs_of(of)[i];
            if (id < 0 || !tensor(id).sized) continue;
            const Tensor &written = tensor(id);
            for (int32_t axis = written.dims; axis < written.dims + written.rank; ++axis)
                current_->sizes[static_cast<size_t>(axis)] = current_->dims[static_cast<size_t>(axis)];
            if (written.unknown && written.dtype != EW_STRING)
                current_->args[static_cast<size_t>(of.args + of.n_inputs + i)].data = nullptr;
        }
    }
}

// Nothing behind this step trusts what a kernel says about sizes.
void Frame::check_sizes(const Step &of) {
    for (int32_t i = 0; i < of.n_outputs; ++i) {
        const int32_t id = program_.outputs_of(of)[i];
        if (id < 0 || !tensor(id).sized) continue;
        const Tensor &written = tensor(id);
        const int64_t *sizes = current_->sizes.data() + written.dims;
        for (int32_t axis = 0; axis < written.rank; ++axis) {
            const int64_t upper = current_->dims[static_cast<size_t>(written.dims + axis)];
            if (sizes[axis] < 0 || (upper >= 0 && sizes[axis] > upper))
                fail(EW_FAILED, "kernel %s gave output %d the size %lld on axis %d, the plan allows %lld",
                     model_.string(of.kernel), i, static_cast<Wide>(sizes[axis]), axis, static_cast<Wide>(upper));
        }
        if (!written.unknown || written.dtype == EW_STRING) continue;
        const int64_t bytes = tensor_bytes(written.dtype, written.format, sizes, written.rank);
        if (bytes < 0 || bytes > growing_room(written))
            fail(EW_FAILED, "kernel %s gave output %d a size without asking for the memory", model_.string(of.kernel),
                 i);
    }
}

// An output that lives elsewhere (an input passed through, a constant) is copied to where the user wants it.
void Frame::copy_outputs() {
    for (int32_t i = 0; i < program_.n_outputs; ++i) {
        const Output &bound = outputs_[static_cast<size_t>(i)];
        if (bound.user == nullptr || bound.soft) continue;
        const ew_tensor found = output(i);
        if (found.data == bound.user || found.dtype == EW_STRING) continue;
        const int64_t bytes = tensor_bytes(found.dtype, found.format, found.shape, found.rank);
        if (bytes > bound.capacity)
            fail(EW_USAGE, "output %d needs %lld bytes, the memory bound to it has %lld", i, static_cast<Wide>(bytes),
                 static_cast<Wide>(bound.capacity));
        if (bytes <= 0) continue;
        if (device_) {
            copy_output(outputs_[static_cast<size_t>(i)], found, bytes);
        } else {
            std::memmove(bound.user, found.data, static_cast<size_t>(bytes));
        }
    }
}

}  // namespace ew
