// Finds every size of a segment for the inputs at hand, checks them all, and lays out its memory.
#include "failure.h"
#include "resolved.h"
#include "types.h"

namespace ew {

namespace {

using Wide = long long;
constexpr int64_t MAX_BYTES = INT64_MAX / 2;  // so that adding the alignment cannot overflow

ew_tensor describe(const Program &program, Resolved &resolved, int32_t id) {
    ew_tensor arg{};
    if (id < 0) return arg;
    const Tensor &tensor = program.tensors[static_cast<size_t>(id)];
    arg.shape = resolved.dims.data() + tensor.dims;
    arg.rank = tensor.rank;
    arg.dtype = tensor.dtype;
    arg.format = tensor.format;
    arg.device = program.storages[static_cast<size_t>(tensor.storage)].device;
    return arg;
}

void run_check(const Model &model, const Resolved &resolved, const Check &check) {
    const auto a = static_cast<Wide>(value_of(resolved, check.a)), b = static_cast<Wide>(value_of(resolved, check.b));
    const char *label = model.string(check.label);
    switch (check.kind) {
        case CheckKind::Equal:
            if (a != b) fail(EW_SHAPE, "%s: %lld and %lld must be equal", label, a, b);
            return;
        case CheckKind::Broadcast:
            if (a != b && a != 1 && b != 1) fail(EW_SHAPE, "%s: %lld and %lld cannot be broadcast", label, a, b);
            return;
        case CheckKind::AtLeast:
            if (a < b) fail(EW_SHAPE, "%s: %lld must be at least %lld", label, a, b);
            return;
        case CheckKind::AtMost:
            if (a > b) fail(EW_SHAPE, "%s: %lld must be at most %lld", label, a, b);
            return;
    }
}

void resolve_storage(const Program &program, Resolved &resolved, int32_t id) {
    const Storage &storage = program.storages[static_cast<size_t>(id)];
    int64_t &bytes = resolved.storage_bytes[static_cast<size_t>(id)];
    bytes = storage.growing || is_unknown(storage.size) ? 0 : value_of(resolved, storage.size);
    if (bytes < 0 || bytes > MAX_BYTES) fail(EW_SHAPE, "a tensor would take %lld bytes", static_cast<Wide>(bytes));
}

void check_input_axis(int32_t input, int32_t axis, int64_t wanted, const ValueSource &source) {
    const int64_t given = source.input_dim(input, axis);
    if (wanted != given)
        fail(EW_SHAPE, "input %d, axis %d: the size is %lld, must be %lld", input, axis, static_cast<Wide>(given),
             static_cast<Wide>(wanted));
}

// Sizes that the words state outright come first: an error behind them would only be their consequence.
void check_inputs(const Program &program, const ValueSource &source) {
    for (int32_t input = 0; input < program.n_inputs; ++input) {
        const Tensor &tensor = program.tensors[static_cast<size_t>(program.inputs[static_cast<size_t>(input)])];
        for (int32_t i = 0; i < tensor.rank; ++i)
            if (const Operand dim = program.dims_of(tensor)[i]; dim >= 0) check_input_axis(input, i, dim, source);
    }
}

void check_input(const Program &program, const Tensor &tensor, const int64_t *dims, const ValueSource &source) {
    const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
    for (int32_t i = 0; i < tensor.rank; ++i) check_input_axis(static_cast<int32_t>(storage.value), i, dims[i], source);
}

// What an input is bound to has the bytes of its own tensor, whatever the words say about the storage.
int64_t input_bytes(const Program &program, const Storage &storage, const ValueSource &source) {
    const Tensor &tensor = program.tensors[static_cast<size_t>(program.inputs[static_cast<size_t>(storage.value)])];
    int64_t dims[EW_MAX_RANK];
    for (int32_t i = 0; i < tensor.rank; ++i) dims[i] = source.input_dim(static_cast<int32_t>(storage.value), i);
    return tensor_bytes(tensor.dtype, tensor.format, dims, tensor.rank);
}

void check_bounds(const Program &program, const Resolved &resolved, int32_t id, const ValueSource &source) {
    const Tensor &tensor = program.tensors[static_cast<size_t>(id)];
    const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
    const int64_t offset = resolved.offsets[static_cast<size_t>(id)], bytes = resolved.bytes[static_cast<size_t>(id)];
    const int64_t element = std::max(1, element_bits(tensor.dtype) / 8);
    if (offset < 0 || offset % element != 0) fail(EW_SHAPE, "a view begins at byte %lld", static_cast<Wide>(offset));
    int64_t room = resolved.storage_bytes[static_cast<size_t>(tensor.storage)];
    if (storage.kind == StorageKind::Input) {
        const int32_t own = program.inputs[static_cast<size_t>(storage.value)];
        if (own == id) check_input(program, tensor, resolved.dims.data() + tensor.dims, source);
        room = input_bytes(program, storage, source);
    } else if (storage.growing) {
        return;  // compared with the memory there is, once its kernel asked for it
    }
    if (offset > room || bytes > room - offset)
        fail(EW_SHAPE, "a view of %lld bytes at byte %lld leaves its memory of %lld bytes", static_cast<Wide>(bytes),
             static_cast<Wide>(offset), static_cast<Wide>(room));
}

void resolve_shape(const Program &program, Resolved &resolved, int32_t id) {
    const Tensor &tensor = program.tensors[static_cast<size_t>(id)];
    int64_t *dims = resolved.dims.data() + tensor.dims;
    const Operand *operands = program.dims_of(tensor);
    for (int32_t i = 0; i < tensor.rank; ++i) {
        dims[i] = is_unknown(operands[i]) ? -1 : value_of(resolved, operands[i]);
        if (dims[i] < 0 && !is_unknown(operands[i]))
            fail(EW_SHAPE, "a size is negative: %lld", static_cast<Wide>(dims[i]));
    }
}

void resolve_memory(const Program &program, Resolved &resolved, int32_t id, const ValueSource &source) {
    const Tensor &tensor = program.tensors[static_cast<size_t>(id)];
    resolved.offsets[static_cast<size_t>(id)] = value_of(resolved, tensor.offset);
    int64_t &bytes = resolved.bytes[static_cast<size_t>(id)];
    bytes = 0;
    if (tensor.unknown || tensor.dtype == EW_STRING) return;
    bytes = tensor_bytes(tensor.dtype, tensor.format, resolved.dims.data() + tensor.dims, tensor.rank);
    if (bytes < 0 || bytes > MAX_BYTES) fail(EW_SHAPE, "a tensor is too large for 64-bit sizes");
    check_bounds(program, resolved, id, source);
}

void resolve_step(const Program &program, Resolved &resolved, const Step &step, ew_call &call) {
    for (int32_t i = 0; i < step.n_params; ++i) {
        const auto at = static_cast<size_t>(step.params + i);
        const Param &param = program.params[at];
        resolved.params[at].i =
            param.kind == ParamKind::Expr ? resolved.values[static_cast<size_t>(param.value)] : param.value;
    }
    const int64_t bytes = value_of(resolved, step.workspace);
    if (bytes < 0 || bytes > MAX_BYTES) fail(EW_SHAPE, "a workspace would take %lld bytes", static_cast<Wide>(bytes));
    call.workspace_size = static_cast<uint64_t>(bytes);
}

}  // namespace

Resolved::Resolved(const Program &program, const ew_host *host)
    : values(program.exprs.size()),
      dims(program.dims.size()),
      sizes(program.dims.size()),
      offsets(program.tensors.size()),
      bytes(program.tensors.size()),
      storage_bytes(program.storages.size()),
      storage_offsets(program.storages.size()),
      workspace_offsets(program.steps.size()),
      segments(program.segments.size()),
      args(program.args.size()),
      params(program.params.size()),
      calls(program.steps.size()) {
    for (size_t i = 0; i < args.size(); ++i) args[i] = describe(program, *this, program.args[i]);
    for (size_t i = 0; i < calls.size(); ++i) {
        const Step &step = program.steps[i];
        ew_tensor *first = args.data() + step.args;
        calls[i] = {sizeof(ew_call),
                    step.n_inputs,
                    step.n_outputs,
                    step.n_params,
                    first,
                    first + step.n_inputs,
                    params.data() + step.params,
                    nullptr,
                    0,
                    nullptr,
                    host};
        for (int32_t j = 0; j < step.n_outputs; ++j) {
            const int32_t id = program.outputs_of(step)[j];
            if (id < 0 || !program.tensors[static_cast<size_t>(id)].sized) continue;
            first[step.n_inputs + j].size_out = sizes.data() + program.tensors[static_cast<size_t>(id)].dims;
        }
    }
}

void resolve_segment(const Model &model, const Program &program, Resolved &resolved, int32_t index,
                     const ValueSource &source, const Resolved *similar) {
    for (size_t i = static_cast<size_t>(index); i < resolved.segments.size(); ++i) resolved.segments[i].valid = false;
    if (index == 0) check_inputs(program, source);
    const Segment &segment = program.segments[static_cast<size_t>(index)];
    for (int32_t i = segment.first_expr; i < segment.end_expr; ++i) {
        const auto at = static_cast<size_t>(i);
        resolved.values[at] = evaluate(program, resolved, program.exprs[at], source);
    }
    for (int32_t i = segment.first_check; i < segment.end_check; ++i)
        run_check(model, resolved, program.checks[static_cast<size_t>(i)]);
    for (const int32_t id : segment.tensors) resolve_shape(program, resolved, id);
    for (const int32_t id : segment.storages) resolve_storage(program, resolved, id);
    for (const int32_t id : segment.tensors) resolve_memory(program, resolved, id, source);
    for (int32_t i = segment.first_step; i < segment.end_step; ++i)
        resolve_step(program, resolved, program.steps[static_cast<size_t>(i)], resolved.calls[static_cast<size_t>(i)]);
    lay_out_segment(program, resolved, index, similar);
    SegmentState &state = resolved.segments[static_cast<size_t>(index)];
    state.memory_version = 0;
    state.graphs.resize(segment.stretches.size());
    for (StretchGraph &graph : state.graphs) {
        graph.warm = false;
        graph.memory_version = 0;
    }
    state.valid = true;
}

}  // namespace ew
