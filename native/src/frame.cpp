// Binds inputs and outputs, and finds or makes the sizes for the shapes that are bound.
#include "frame.h"

#include <algorithm>
#include <cstring>

#include "failure.h"

namespace ew {

namespace {

constexpr size_t MAX_RESOLVED = 8;  // sets of shapes that are kept

}  // namespace

Frame::Frame(const Model &model, const Program &program, CallState &state)
    : model_(model),
      program_(program),
      state_(state),
      host_(state, this),
      inputs_(static_cast<size_t>(program.n_inputs)),
      outputs_(static_cast<size_t>(program.n_outputs)),
      arenas_(program.segments.size()),
      device_arenas_(program.on_device ? program.segments.size() : 0),
      grown_(program.storages.size()),
      children_(program.programs.size()),
      output_shape_(static_cast<size_t>(program.n_outputs) * EW_MAX_RANK) {
    size_t size = 0;
    for (size_t i = 0; i < inputs_.size(); ++i) {
        inputs_[i].key = static_cast<int32_t>(size);
        size += static_cast<size_t>(tensor(program.inputs[i]).rank);
    }
    key_.resize(size + static_cast<size_t>(program.n_params));
    if (program.on_device) use_device();
}

void Frame::bind_input(int32_t index, void *data, const int64_t *shape, int32_t rank, int32_t device) {
    Input &input = inputs_[static_cast<size_t>(index)];
    const Tensor &own = tensor(program_.inputs[static_cast<size_t>(index)]);
    if (rank != own.rank) fail(EW_SHAPE, "input %d: the rank is %d, must be %d", index, rank, own.rank);
    int64_t *sizes = key_.data() + input.key;
    for (int32_t i = 0; i < rank; ++i) {
        if (shape[i] < 0) fail(EW_SHAPE, "input %d, axis %d: the size is negative", index, i);
        if (sizes[i] == shape[i]) continue;
        sizes[i] = shape[i];
        key_changed_ = true;
    }
    const bool foreign = device != storage(own).device;
    if (input.data != data || !input.bound || input.foreign != foreign) {
        input.data = static_cast<char *>(data);
        input.bound = true;
        input.foreign = foreign;
        char *base = foreign ? input.staged.data() : input.data;
        if (base != input.base) ++memory_version_;
        input.base = base;
    }
    inputs_changed_ = true;
}

void Frame::set_param(int32_t index, int64_t value) {
    int64_t &kept = key_[key_.size() - static_cast<size_t>(program_.n_params) + static_cast<size_t>(index)];
    if (kept == value) return;
    kept = value;
    key_changed_ = true;
}

void Frame::bind_output(int32_t index, void *data, int64_t capacity, bool soft, int32_t device) {
    Output &output = outputs_[static_cast<size_t>(index)];
    const Tensor &own = tensor(program_.outputs[static_cast<size_t>(index)]);
    const bool foreign = data != nullptr && device != storage(own).device;
    if (output.user == data && output.capacity == capacity && output.soft == soft && output.foreign == foreign) return;
    const bool apart = foreign && (output.foreign || output.user == nullptr);
    output.user = static_cast<char *>(data);
    output.capacity = capacity;
    output.soft = soft;
    output.foreign = foreign;
    if (!apart) ++memory_version_;  // else the program writes the same memory as before
}

int64_t Frame::input_dim(int32_t input, int32_t axis) const {
    return key_[static_cast<size_t>(inputs_[static_cast<size_t>(input)].key + axis)];
}

int64_t Frame::param(int32_t index) const {
    return key_[key_.size() - static_cast<size_t>(program_.n_params) + static_cast<size_t>(index)];
}

void Frame::select_resolved() {
    if (!key_changed_ && current_ != nullptr) return;
    auto found = std::find_if(recent_.begin(), recent_.end(), [this](const auto &kept) { return kept->key == key_; });
    if (found == recent_.end()) {
        if (recent_.size() < MAX_RESOLVED) recent_.push_back(std::make_unique<Resolved>(program_, &host_.api));
        found = recent_.end() - 1;
        (*found)->key = key_;
        for (SegmentState &segment : (*found)->segments) segment.valid = false;
    }
    std::rotate(recent_.begin(), found, found + 1);
    current_ = recent_.front().get();
    key_changed_ = false;
}

// Reads what the exprs of the segment read; true if something is not what it was when they were evaluated.
bool Frame::reads_changed(int32_t index) {
    for (const int32_t i : program_.segments[static_cast<size_t>(index)].reads) {
        const auto at = static_cast<size_t>(i);
        if (evaluate(program_, *current_, program_.exprs[at], *this) != current_->values[at]) return true;
    }
    return false;
}

// Makes the sizes of a segment good; true if they had to be computed.
bool Frame::prepare(int32_t index) {
    if (current_->segments[static_cast<size_t>(index)].valid && !reads_changed(index)) return false;
    resolve_segment(model_, program_, *current_, index, *this, recent_.size() > 1 ? recent_[1].get() : nullptr);
    return true;
}

void Frame::resolve() {
    begin(false);
    const bool with_data =
        std::all_of(inputs_.begin(), inputs_.end(), [](const Input &i) { return i.base != nullptr && !i.foreign; });
    const auto n_segments = static_cast<int32_t>(program_.segments.size());
    for (int32_t k = 0; k < n_segments; ++k) {
        // What a segment reads must be there: only the first can read inputs and weights before anything ran.
        if (!program_.segments[static_cast<size_t>(k)].reads.empty() && !(k == 0 && with_data)) break;
        prepare(k);
        resolved_until_ = k + 1;
    }
}

ew_tensor Frame::output(int32_t index) {
    const int32_t id = program_.outputs[static_cast<size_t>(index)];
    const Tensor &own = tensor(id);
    int64_t *shape = output_shape_.data() + static_cast<ptrdiff_t>(index) * EW_MAX_RANK;
    for (int32_t i = 0; i < own.rank; ++i) {
        const Operand dim = program_.dims_of(own)[i];
        if (own.sized && (is_unknown(dim) || (own.data_axes >> i & 1) != 0 || has_run_)) {
            shape[i] = has_run_ ? current_->sizes[static_cast<size_t>(own.dims + i)] : -1;
        } else if (is_unknown(dim) || (is_expr(dim) && segment_of(program_, dim) >= resolved_until_)) {
            shape[i] = -1;
        } else {
            shape[i] = is_expr(dim) ? current_->values[expr_of(dim)] : dim;
        }
    }
    ew_tensor described{};
    described.data = has_run_ ? address(*current_, own) : nullptr;
    described.shape = shape;
    described.rank = own.rank;
    described.dtype = own.dtype;
    described.format = own.format;
    described.device = storage(own).device;
    return described;
}

Buffer *Frame::own_output(int32_t index) {
    Output &output = outputs_[static_cast<size_t>(index)];
    const Tensor &own = tensor(program_.outputs[static_cast<size_t>(index)]);
    const bool stored = storage(own).kind == StorageKind::Output && storage(own).value == index;
    return stored && output.data == output.own.data() ? &output.own : nullptr;
}

Frame &Frame::child(int32_t index) {
    const auto at = static_cast<size_t>(step().programs + index);
    if (children_[at] == nullptr) {
        const Program &inner = model_.programs[static_cast<size_t>(program_.programs[at])];
        children_[at] = std::make_unique<Frame>(model_, inner, state_);
    }
    return *children_[at];
}

std::unique_ptr<ControlState> &Frame::control_state() {
    if (control_.empty()) control_.resize(program_.steps.size());
    return control_[static_cast<size_t>(step_)];
}

int64_t Frame::memory() const {
    int64_t bytes = 0;
    for (const Input &input : inputs_) bytes += input.staged.capacity() + input.pinned.capacity();
    for (const Output &output : outputs_) bytes += output.own.capacity() + output.pinned.capacity();
    for (const Buffer &buffer : device_arenas_) bytes += buffer.capacity();
    for (const Buffer &buffer : arenas_) bytes += buffer.capacity();
    for (const Buffer &buffer : grown_) bytes += buffer.capacity();
    for (const auto &frame : children_) bytes += frame != nullptr ? frame->memory() : 0;
    for (const auto &state : control_) bytes += state != nullptr ? state->memory() : 0;
    return bytes;
}

}  // namespace ew
