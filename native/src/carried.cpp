// Carried values by swapping memory, stacked outputs in memory that grows geometrically.
#include "carried.h"

#include <algorithm>
#include <cstring>

#include "failure.h"
#include "types.h"

namespace ew {

void Kept::describe(const ew_tensor &from) {
    tensor = from;
    std::copy_n(from.shape, from.rank, shape);
    tensor.shape = shape;
    tensor.size_out = nullptr;
}

void Carried::start(const ew_call *call, int32_t first_input, int32_t count) {
    if (kept_.size() != static_cast<size_t>(count)) kept_ = std::vector<Kept>(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) kept_[static_cast<size_t>(i)].describe(call->inputs[first_input + i]);
}

void Carried::pass(const ew_call *call, Frame &body, int32_t first_input) {
    for (size_t i = 0; i < kept_.size(); ++i)
        pass_input(call, body, first_input + static_cast<int32_t>(i), kept_[i].tensor);
}

// A result that the body did not write itself (an input passed on, a constant) is copied, and before anything is
// swapped: its source may be the memory of another carried value.
void Carried::take(Frame &body, int32_t first_output) {
    for (size_t i = 0; i < kept_.size(); ++i) {
        Kept &kept = kept_[i];
        const int32_t output = first_output + static_cast<int32_t>(i);
        const ew_tensor result = body.output(output);
        const bool in_place = result.dtype == EW_STRING || result.data == kept.tensor.data;
        if (in_place || body.own_output(output) != nullptr) continue;
        const int64_t bytes = bytes_of(result);
        kept.spare.reserve(bytes);
        if (bytes > 0) std::memcpy(kept.spare.data(), result.data, static_cast<size_t>(bytes));
    }
    for (size_t i = 0; i < kept_.size(); ++i) {
        Kept &kept = kept_[i];
        const int32_t output = first_output + static_cast<int32_t>(i);
        const ew_tensor result = body.output(output);
        const bool in_place = result.dtype == EW_STRING || result.data == kept.tensor.data;
        kept.describe(result);
        if (in_place) continue;
        if (Buffer *own = body.own_output(output); own != nullptr) {
            kept.buffer.swap(*own);
        } else {
            kept.buffer.swap(kept.spare);
        }
        kept.tensor.data = kept.buffer.data();
    }
}

void Carried::finish(const ew_call *call) const {
    for (size_t i = 0; i < kept_.size(); ++i) copy_to_output(call, static_cast<int32_t>(i), kept_[i].tensor);
}

int64_t Carried::memory() const {
    int64_t bytes = 0;
    for (const Kept &kept : kept_) bytes += kept.buffer.capacity() + kept.spare.capacity();
    return bytes;
}

void Stack::append(const ew_tensor &slice) {
    if (count_ == 0) {
        slice_ = slice;
        std::copy_n(slice.shape, slice.rank, shape_);
        slice_bytes_ = bytes_of(slice);
    } else if (!std::equal(slice.shape, slice.shape + slice.rank, shape_)) {
        fail(EW_SHAPE, "iteration %lld gives a scan output of another shape than the first one",
             static_cast<long long>(count_));
    }
    const int64_t used = count_ * slice_bytes_;
    buffer_.extend(used + slice_bytes_, used);
    if (slice_bytes_ > 0) std::memcpy(buffer_.data() + used, slice.data, static_cast<size_t>(slice_bytes_));
    ++count_;
}

void Stack::finish(const ew_call *call, int32_t output, int32_t axis, bool reversed, const Operand *declared) {
    const ew_tensor &wanted = call->outputs[output];
    if (wanted.dtype == 0) return;
    int64_t shape[EW_MAX_RANK] = {}, outer = 1;
    for (int32_t i = 0, inner = 0; i < wanted.rank; ++i) {
        if (i == axis) {
            shape[i] = count_;
            continue;
        }
        const int64_t guess = wanted.shape[i] >= 0 ? wanted.shape[i] : std::max<int64_t>(declared[inner], 0);
        shape[i] = count_ > 0 ? shape_[inner] : guess;
        if (i < axis) outer *= shape[i];
        ++inner;
    }
    char *to = shape_output(call, output, shape, wanted.rank);
    const int64_t chunk = outer > 0 ? slice_bytes_ / outer : 0;
    if (count_ == 0 || chunk == 0) return;
    if (axis == 0 && !reversed) {
        std::memcpy(to, buffer_.data(), static_cast<size_t>(count_ * slice_bytes_));
        return;
    }
    for (int64_t t = 0; t < count_; ++t)
        for (int64_t o = 0; o < outer; ++o)
            std::memcpy(to + (o * count_ + (reversed ? count_ - 1 - t : t)) * chunk,
                        buffer_.data() + t * slice_bytes_ + o * chunk, static_cast<size_t>(chunk));
}

const char *carried_error(const Program &program, const Step &step, const Program &body, int32_t first_input,
                          int32_t first_body_input, int32_t first_body_output, int32_t count) {
    for (int32_t i = 0; i < count; ++i) {
        const int32_t given = program.inputs_of(step)[first_input + i], taken = program.outputs_of(step)[i];
        const int32_t in = body.inputs[static_cast<size_t>(first_body_input + i)];
        const int32_t out = body.outputs[static_cast<size_t>(first_body_output + i)];
        if (given < 0) return "carries a missing tensor";
        if (!same_type(program, given, body, in) || !same_type(body, in, body, out) ||
            (taken >= 0 && !same_type(program, taken, body, out)))
            return "carries a tensor that changes its type or format";
        const Tensor &in_tensor = tensor_of(body, in), &out_tensor = tensor_of(body, out);
        if (in_tensor.rank != out_tensor.rank) return "carries a tensor that changes its rank";
        if (in_tensor.dtype != EW_STRING) continue;
        for (const int32_t other : body.inputs)
            if (other != in && tensor_of(body, other).storage == out_tensor.storage)
                return "carries an object into the slot of another";
    }
    return nullptr;
}

const char *stacked_error(const Program &program, const Step &step, const Program &body, int32_t first_body_output,
                          int32_t first_output) {
    for (int32_t i = first_output; i < step.n_outputs; ++i) {
        const int32_t taken = program.outputs_of(step)[i];
        const int32_t out = body.outputs[static_cast<size_t>(first_body_output + i - first_output)];
        const Tensor &slice = tensor_of(body, out);
        if (element_bits(slice.dtype) % 8 != 0 || slice.dtype == EW_STRING || slice.format != EW_LINEAR)
            return "stacks a tensor of a type or format that cannot be stacked";
        if (taken < 0) continue;
        if (!same_type(program, taken, body, out) || tensor_of(program, taken).rank != slice.rank + 1)
            return "stacks a tensor of another type or rank";
    }
    return nullptr;
}

}  // namespace ew
