// Gives a frame its memory and fills the pointers into the calls of its steps.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "frame.h"
#include "types.h"

namespace ew {

namespace {

using Wide = long long;

template <typename T>
int64_t load(const char *data, int64_t element) {
    T value;
    std::memcpy(&value, data + element * static_cast<int64_t>(sizeof(T)), sizeof(T));
    if constexpr (std::is_floating_point_v<T>) {
        if (!(value >= -0x1p62 && value <= 0x1p62))
            fail(EW_SHAPE, "a value that is used as a size is no number of that range");
        return static_cast<int64_t>(value);
    } else if constexpr (std::is_same_v<T, uint64_t>) {
        if (value > static_cast<uint64_t>(INT64_MAX)) fail(EW_SHAPE, "a value that is used as a size exceeds 63 bits");
        return static_cast<int64_t>(value);
    } else {
        return static_cast<int64_t>(value);
    }
}

int64_t load_as(int32_t dtype, const char *data, int64_t element) {
    switch (dtype) {
        case EW_INT8: return load<int8_t>(data, element);
        case EW_INT16: return load<int16_t>(data, element);
        case EW_INT32: return load<int32_t>(data, element);
        case EW_INT64: return load<int64_t>(data, element);
        case EW_BOOL: return load<uint8_t>(data, element) != 0;
        case EW_UINT8: return load<uint8_t>(data, element);
        case EW_UINT16: return load<uint16_t>(data, element);
        case EW_UINT32: return load<uint32_t>(data, element);
        case EW_UINT64: return load<uint64_t>(data, element);
        case EW_FLOAT64: return load<double>(data, element);
        default: return load<float>(data, element);
    }
}

[[noreturn]] void fail_capacity(int64_t output, int64_t bytes, int64_t capacity) {
    fail(EW_USAGE, "output %lld needs %lld bytes, the memory bound to it has %lld", static_cast<Wide>(output),
         static_cast<Wide>(bytes), static_cast<Wide>(capacity));
}

}  // namespace

char *Frame::address(const Resolved &resolved, const Tensor &of) const {
    const auto id = static_cast<size_t>(of.storage);
    const Storage &memory = program_.storages[id];
    char *base = nullptr;
    switch (memory.kind) {
        case StorageKind::Input: base = inputs_[static_cast<size_t>(memory.value)].base; break;
        case StorageKind::Output: base = outputs_[static_cast<size_t>(memory.value)].data; break;
        case StorageKind::Weight:
            base =
                (memory.device == 0 ? const_cast<char *>(model_.weights) : model_.device_weights.data()) + memory.value;
            break;
        case StorageKind::Grown: base = grown_[id].data(); break;
        case StorageKind::Slot: return reinterpret_cast<char *>(static_cast<intptr_t>(memory.value + 1));
        case StorageKind::Arena:
            base = (memory.device == 0 ? arenas_ : device_arenas_)[static_cast<size_t>(memory.segment)].data() +
                   resolved.storage_offsets[id];
            break;
    }
    return base == nullptr ? nullptr : base + value_of(resolved, of.offset);
}

// Bytes there are behind a tensor whose memory a kernel makes.
int64_t Frame::growing_room(const Tensor &of) const {
    const Storage &memory = storage(of);
    if (memory.kind == StorageKind::Grown) return grown_[static_cast<size_t>(of.storage)].capacity();
    const Output &output = outputs_[static_cast<size_t>(memory.value)];
    if (output.data == nullptr) return 0;
    return output.data == output.user ? output.capacity : output.own.capacity();
}

int64_t Frame::input_bytes(int32_t index) const {
    const Tensor &own = tensor(program_.inputs[static_cast<size_t>(index)]);
    return tensor_bytes(own.dtype, own.format, key_.data() + inputs_[static_cast<size_t>(index)].key, own.rank);
}

int64_t Frame::read_value(const Resolved &resolved, int32_t id, int64_t element) const {
    const Tensor &of = tensor(id);
    const Storage &memory = storage(of);
    int64_t dims[EW_MAX_RANK];
    for (int32_t i = 0; i < of.rank; ++i)
        dims[i] =
            of.sized ? resolved.sizes[static_cast<size_t>(of.dims + i)] : value_of(resolved, program_.dims_of(of)[i]);
    const int64_t bytes = tensor_bytes(of.dtype, of.format, dims, of.rank), size = element_bits(of.dtype) / 8;
    const int64_t count = bytes / size;
    if (bytes < 0 || element >= count)
        fail(EW_SHAPE, "a size is read from element %lld of a tensor of %lld elements", static_cast<Wide>(element),
             static_cast<Wide>(count));
    const char *data = address(resolved, of);
    if (data == nullptr && memory.kind == StorageKind::Input)
        fail(EW_USAGE, "input %lld has no data", static_cast<Wide>(memory.value));
    const int64_t offset = value_of(resolved, of.offset);
    int64_t room = resolved.storage_bytes[static_cast<size_t>(of.storage)];
    if (memory.growing) room = growing_room(of);
    if (memory.kind == StorageKind::Weight) room = memory.size;
    if (memory.kind == StorageKind::Input) room = input_bytes(static_cast<int32_t>(memory.value));
    if (data == nullptr || offset < 0 || bytes > room || offset > room - bytes)
        fail(EW_SHAPE, "a size is read from a view that leaves its memory");
    return load_as(of.dtype, data, element);
}

void Frame::ensure_output(int32_t id) {
    const Storage &memory = program_.storages[static_cast<size_t>(id)];
    Output &output = outputs_[static_cast<size_t>(memory.value)];
    const int64_t bytes = current_->storage_bytes[static_cast<size_t>(id)];
    const bool fits = output.user != nullptr && output.capacity >= bytes;
    if (output.user != nullptr && !fits && !output.soft) fail_capacity(memory.value, bytes, output.capacity);
    const bool direct = fits && !output.foreign;
    if (!direct && !memory.growing) output.own.reserve(bytes);
    char *data = direct ? output.user : output.own.data();
    if (data == output.data) return;
    output.data = data;
    ++memory_version_;
}

void Frame::ensure_memory(int32_t index) {
    const auto at = static_cast<size_t>(index);
    const int64_t bytes = current_->segments[at].arena_bytes[0];
    if ((bytes > arenas_[at].capacity() || arenas_[at].data() == nullptr) && arenas_[at].reserve(bytes))
        ++memory_version_;
    if (device_ && device_arenas_[at].reserve(current_->segments[at].arena_bytes[1])) ++memory_version_;
    for (const int32_t id : program_.segments[at].outputs) ensure_output(id);
    if (current_->segments[at].memory_version == memory_version_) return;
    patch(index);
    current_->segments[at].memory_version = memory_version_;
}

// The memory of a tensor that a step uses; none if the step itself asks for it.
char *Frame::address_for_step(const Step &step, int32_t id) const {
    const Tensor &of = tensor(id);
    const Storage &memory = storage(of);
    if (of.unknown && memory.kind != StorageKind::Slot) return nullptr;
    if (memory.growing) {
        const int64_t offset = current_->offsets[static_cast<size_t>(id)],
                      bytes = current_->bytes[static_cast<size_t>(id)];
        if (offset > growing_room(of) || bytes > growing_room(of) - offset)
            fail(EW_SHAPE, "step \"%s\" uses more memory than the kernel before it asked for",
                 model_.string(step.layer));
    }
    return address(*current_, of);
}

void Frame::patch(int32_t index) {
    const Segment &segment = program_.segments[static_cast<size_t>(index)];
    Resolved &resolved = *current_;
    for (int32_t s = segment.first_step; s < segment.end_step; ++s) {
        const Step &step = program_.steps[static_cast<size_t>(s)];
        for (int32_t i = step.args; i < step.args + step.n_inputs + step.n_outputs; ++i) {
            const int32_t id = program_.args[static_cast<size_t>(i)];
            if (id >= 0) resolved.args[static_cast<size_t>(i)].data = address_for_step(step, id);
        }
        ew_call &call = resolved.calls[static_cast<size_t>(s)];
        const std::vector<Buffer> &arenas = step.device == 0 ? arenas_ : device_arenas_;
        call.stream = step.device == 0 ? nullptr : queue_.stream;
        call.workspace = call.workspace_size == 0 ? nullptr
                                                  : arenas[static_cast<size_t>(index)].data() +
                                                        resolved.workspace_offsets[static_cast<size_t>(s)];
    }
}

// Makes the memory of a tensor at least so large.
char *Frame::grow(const Tensor &of, int64_t bytes) {
    const Storage &memory = storage(of);
    if (memory.kind == StorageKind::Grown) {
        Buffer &buffer = grown_[static_cast<size_t>(of.storage)];
        if (buffer.reserve(bytes)) ++memory_version_;
        return buffer.data();
    }
    Output &output = outputs_[static_cast<size_t>(memory.value)];
    const bool fits = output.user != nullptr && output.capacity >= bytes;
    if (output.user != nullptr && !fits && !output.soft) fail_capacity(memory.value, bytes, output.capacity);
    const bool direct = fits && !output.foreign;
    if (!direct && output.own.reserve(bytes)) ++memory_version_;
    char *data = direct ? output.user : output.own.data();
    if (data != output.data) ++memory_version_;
    return output.data = data;
}

void Frame::resize(int32_t index, const int64_t *shape) {
    const Step &running = step();
    if (index < 0 || index >= running.n_outputs) fail(EW_FAILED, "the step has no output %d to resize", index);
    const int32_t id = program_.outputs_of(running)[index];
    if (id < 0) return;  // nobody wants this output
    const Tensor &of = tensor(id);
    for (int32_t i = 0; i < of.rank; ++i) {
        const int64_t upper = current_->dims[static_cast<size_t>(of.dims + i)];
        const bool fits = of.sized ? shape[i] >= 0 && (upper < 0 || shape[i] <= upper) : shape[i] == upper;
        if (!fits)
            fail(EW_SHAPE, "output %d, axis %d: the size is %lld, the plan allows %lld", index, i,
                 static_cast<Wide>(shape[i]), static_cast<Wide>(upper));
    }
    if (of.sized) std::copy_n(shape, of.rank, current_->sizes.data() + of.dims);
    if (!of.unknown || of.dtype == EW_STRING) return;
    const int64_t bytes = tensor_bytes(of.dtype, of.format, shape, of.rank);
    if (bytes < 0) fail(EW_SHAPE, "output %d is too large for 64-bit sizes", index);
    char *data = grow(of, bytes);
    current_->args[static_cast<size_t>(running.args + running.n_inputs + index)].data = data;
}

}  // namespace ew
