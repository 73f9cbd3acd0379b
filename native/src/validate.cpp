// The graph rules of a program, apart from those of its steps: sizes are computed before they are used, memory exists
// before it is looked at.
#include <string>

#include "failure.h"
#include "model.h"
#include "types.h"

namespace ew {

namespace {

[[noreturn]] void reject(const Program &program, const char *what, int64_t index, const char *why) {
    fail(EW_INVALID_PLAN, "program %d, %s %lld: %s", program.index, what, static_cast<long long>(index), why);
}

bool operand_ok(Operand operand, int64_t end_expr) {
    return operand >= 0 || (is_expr(operand) && static_cast<int64_t>(expr_of(operand)) < end_expr);
}

bool readable_type(int32_t dtype) {
    switch (dtype) {
        case EW_INT8:
        case EW_INT16:
        case EW_INT32:
        case EW_INT64:
        case EW_BOOL:
        case EW_FLOAT32: return true;
        case EW_UINT8:
        case EW_UINT16:
        case EW_UINT32:
        case EW_UINT64:
        case EW_FLOAT64: return true;
        default: return false;
    }
}

bool tensor_ok(const Program &program, int64_t id) {
    return id >= 0 && id < static_cast<int64_t>(program.tensors.size());
}

// Whether a step before the segment wrote the tensor, or what it is a view of.
bool written_before(const Program &program, const Tensor &tensor, int32_t segment) {
    const int32_t first_step = program.segments[static_cast<size_t>(segment)].first_step;
    const auto wrote = [&](const Tensor &other) {
        return other.writer >= 0 && other.writer < first_step && other.segment < segment;
    };
    if (tensor.writer >= 0) return wrote(tensor);
    for (const Tensor &other : program.tensors)
        if (other.storage == tensor.storage && wrote(other)) return true;
    return false;
}

// A Value expr may read weights and inputs at once, and what a step wrote after its segment.
void check_value(const Program &program, int32_t index, int32_t segment) {
    const Expr &expr = program.exprs[static_cast<size_t>(index)];
    if (!tensor_ok(program, expr.a) || expr.b < 0) reject(program, "expr", index, "reads no element of a tensor");
    const Tensor &tensor = program.tensors[static_cast<size_t>(expr.a)];
    const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
    if (storage.device != 0) reject(program, "expr", index, "reads a value on a device");
    if (!readable_type(tensor.dtype) || tensor.format != EW_LINEAR)
        reject(program, "expr", index, "reads a value of a type or format that holds none");
    bool ready = operand_ok(tensor.offset, index);
    for (int32_t i = 0; i < tensor.rank; ++i)
        ready = ready && (tensor.unknown || operand_ok(program.dims_of(tensor)[i], index));
    if (storage.kind != StorageKind::Input && storage.kind != StorageKind::Weight) {
        const int32_t first_step = program.segments[static_cast<size_t>(segment)].first_step;
        ready = ready && written_before(program, tensor, segment);
        if (storage.kind == StorageKind::Arena && storage.last < first_step - 1)
            reject(program, "expr", index, "reads a tensor whose memory ends before the segment does");
    }
    if (!ready) reject(program, "expr", index, "reads a tensor before it is written");
}

void check_data(Program &program, int32_t index, int32_t segment) {
    const Expr &expr = program.exprs[static_cast<size_t>(index)];
    if (!tensor_ok(program, expr.a)) reject(program, "expr", index, "names no tensor");
    Tensor &tensor = program.tensors[static_cast<size_t>(expr.a)];
    if (expr.b < 0 || expr.b >= tensor.rank) reject(program, "expr", index, "names no axis of its tensor");
    if (tensor.writer < 0 || tensor.writer >= program.segments[static_cast<size_t>(segment)].first_step)
        reject(program, "expr", index, "reads the size of a tensor that no earlier segment writes");
    tensor.data_axes = static_cast<uint8_t>(tensor.data_axes | 1U << expr.b);
    tensor.sized = true;
}

void check_input_dim(const Program &program, int32_t index) {
    const Expr &expr = program.exprs[static_cast<size_t>(index)];
    if (expr.a < 0 || expr.a >= program.n_inputs) reject(program, "expr", index, "names no input");
    const int32_t tensor = program.inputs[static_cast<size_t>(expr.a)];
    if (expr.b < 0 || expr.b >= program.tensors[static_cast<size_t>(tensor)].rank)
        reject(program, "expr", index, "names no axis of its input");
}

void check_expr(Program &program, int32_t index, int32_t segment) {
    const Expr &expr = program.exprs[static_cast<size_t>(index)];
    switch (expr.op) {
        case ExprOp::Const: return;
        case ExprOp::InputDim: return check_input_dim(program, index);
        case ExprOp::Param:
            if (expr.a < 0 || expr.a >= program.n_params) reject(program, "expr", index, "names no param");
            return;
        case ExprOp::Value: return check_value(program, index, segment);
        case ExprOp::Data: return check_data(program, index, segment);
        case ExprOp::Scale:
            if (!operand_ok(expr.a, index)) reject(program, "expr", index, "has an operand that is not known yet");
            return;
        case ExprOp::Select:
            if (!operand_ok(expr.a, index) || expr.b < 0 || expr.b >= index ||
                program.exprs[static_cast<size_t>(expr.b)].op != ExprOp::Pair)
                reject(program, "expr", index, "selects from no pair");
            return;
        default:
            if (!operand_ok(expr.a, index) || !operand_ok(expr.b, index))
                reject(program, "expr", index, "has an operand that is not known yet");
    }
}

void check_storage(const Model &model, const Program &program, int32_t index) {
    const Storage &storage = program.storages[static_cast<size_t>(index)];
    const auto n_segments = static_cast<int32_t>(program.segments.size());
    if (storage.segment < 0 || storage.segment >= n_segments) reject(program, "storage", index, "names no segment");
    if (storage.device == 1 && (storage.growing || storage.kind == StorageKind::Slot))
        reject(program, "storage", index, "grows, or holds an object, on a device");
    const Segment &segment = program.segments[static_cast<size_t>(storage.segment)];
    const bool growing = storage.kind == StorageKind::Grown || storage.kind == StorageKind::Output;
    const bool free_size = storage.kind == StorageKind::Slot || storage.kind == StorageKind::Input;
    if (!operand_ok(storage.size, segment.end_expr) && !(is_unknown(storage.size) && (growing || free_size)))
        reject(program, "storage", index, "has a size that is not known in its segment");
    switch (storage.kind) {
        case StorageKind::Input:
            if (storage.value < 0 || storage.value >= program.n_inputs)
                reject(program, "storage", index, "names no input");
            break;
        case StorageKind::Output:
            if (storage.value < 0 || storage.value >= program.n_outputs)
                reject(program, "storage", index, "names no output");
            break;
        case StorageKind::Weight:
            if (storage.value < 0 || storage.value % 64 != 0 || storage.size < 0 || storage.value > model.n_weights ||
                storage.size > model.n_weights - storage.value)
                reject(program, "storage", index, "is not an aligned part of the weights");
            break;
        case StorageKind::Arena:
            if (storage.first < segment.first_step || storage.first > storage.last)
                reject(program, "storage", index, "lives outside its segment, or ends before it begins");
            break;
        case StorageKind::Slot:
            if (storage.value < 0 || storage.value >= INT32_MAX) reject(program, "storage", index, "names no slot");
            break;
        case StorageKind::Grown: break;
    }
}

// Bytes of the tensor if all is literal: a mistake is then found when loading.
void check_literal_bounds(const Program &program, int32_t index) {
    const Tensor &tensor = program.tensors[static_cast<size_t>(index)];
    const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
    const Operand *dims = program.dims_of(tensor);
    for (int32_t i = 0; i < tensor.rank; ++i)
        if (dims[i] < 0) return;
    const int64_t bytes = tensor_bytes(tensor.dtype, tensor.format, dims, tensor.rank);
    if (bytes < 0) reject(program, "tensor", index, "is too large");
    if (storage.kind == StorageKind::Slot || storage.kind == StorageKind::Input || storage.growing) return;
    if (storage.size >= 0 && tensor.offset >= 0 &&
        (tensor.offset > storage.size || bytes > storage.size - tensor.offset))
        reject(program, "tensor", index, "does not fit into its storage");
}

void check_tensor(Program &program, int32_t index) {
    Tensor &tensor = program.tensors[static_cast<size_t>(index)];
    if (tensor.storage < 0 || tensor.storage >= static_cast<int64_t>(program.storages.size()))
        reject(program, "tensor", index, "names no storage");
    Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
    const bool slot = storage.kind == StorageKind::Slot;
    if (slot != (tensor.dtype == EW_STRING) || (!slot && element_bits(tensor.dtype) == 0))
        reject(program, "tensor", index, "has an unknown type, or one that its storage cannot hold");
    if (tensor.format < EW_LINEAR || tensor.format > EW_PACKED)
        reject(program, "tensor", index, "has an unknown format");
    if (channel_block(tensor.format) > 1 && tensor.rank < 2)
        reject(program, "tensor", index, "has a blocked format but no channels");
    const auto n_exprs = static_cast<int64_t>(program.exprs.size());
    if (!operand_ok(tensor.offset, n_exprs)) reject(program, "tensor", index, "has an unknown offset");
    tensor.segment = std::max(storage.segment, segment_of(program, tensor.offset));
    for (int32_t i = 0; i < tensor.rank; ++i) {
        const Operand dim = program.dims_of(tensor)[i];
        if (is_unknown(dim)) {
            tensor.unknown = tensor.sized = true;
            continue;
        }
        if (!operand_ok(dim, n_exprs)) reject(program, "tensor", index, "has a size that no expr gives");
        tensor.segment = std::max(tensor.segment, segment_of(program, dim));
    }
    const bool may_grow = storage.kind == StorageKind::Grown || storage.kind == StorageKind::Output;
    if (tensor.unknown && !slot && (!may_grow || tensor.offset != 0))
        reject(program, "tensor", index, "has an unknown size in memory that cannot grow");
    if (tensor.unknown) {
        if (storage.device != 0) reject(program, "tensor", index, "has an unknown size on a device");
        storage.growing = !slot;  // an object has no memory that could grow
    }
}

void check_inputs(const Program &program) {
    for (int32_t i = 0; i < program.n_inputs; ++i) {
        const Tensor &tensor = program.tensors[static_cast<size_t>(program.inputs[static_cast<size_t>(i)])];
        const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
        const bool own = storage.kind == StorageKind::Input && storage.value == i && tensor.offset == 0;
        if (!own && storage.kind != StorageKind::Slot)
            reject(program, "input", i, "is not the beginning of its own memory");
        if (storage.segment != 0 || tensor.segment != 0 || tensor.unknown)
            reject(program, "input", i, "has a size that the first segment does not know");
        if (tensor.format == EW_PACKED) reject(program, "input", i, "is packed");
    }
}

void check_outputs(const Program &program) {
    std::vector<bool> stored(static_cast<size_t>(program.n_outputs));
    for (size_t i = 0; i < program.storages.size(); ++i) {
        const Storage &storage = program.storages[i];
        if (storage.kind != StorageKind::Output) continue;
        const auto output = static_cast<size_t>(storage.value);
        const Tensor &tensor = program.tensors[static_cast<size_t>(program.outputs[output])];
        if (stored[output] || tensor.storage != static_cast<int64_t>(i) || tensor.offset != 0)
            reject(program, "output", storage.value, "is not the beginning of its own memory");
        stored[output] = true;
    }
    for (int32_t i = 0; i < program.n_outputs; ++i) {
        const Tensor &tensor = program.tensors[static_cast<size_t>(program.outputs[static_cast<size_t>(i)])];
        const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
        if (tensor.format == EW_PACKED) reject(program, "output", i, "is packed");
        if (storage.kind == StorageKind::Arena && storage.last < static_cast<int64_t>(program.steps.size()) - 1)
            reject(program, "output", i, "is in memory that is reused before the end");
    }
}

// Whether the program uses a device, and then its steps by device.
void list_stretches(Program &program) {
    for (const Storage &storage : program.storages) program.on_device |= storage.device != 0;
    for (const Step &step : program.steps) program.on_device |= step.device != 0;
    if (!program.on_device) return;
    for (Segment &segment : program.segments) {
        for (int32_t i = segment.first_step; i < segment.end_step; ++i) {
            const int32_t device = program.steps[static_cast<size_t>(i)].device;
            if (segment.stretches.empty() || segment.stretches.back().device != device)
                segment.stretches.push_back({i, i, device});
            segment.stretches.back().end_step = i + 1;
        }
    }
}

void list_by_segment(Program &program) {
    for (size_t k = 0; k < program.segments.size(); ++k) {
        Segment &segment = program.segments[k];
        for (int32_t i = segment.first_expr; i < segment.end_expr; ++i) {
            const ExprOp op = program.exprs[static_cast<size_t>(i)].op;
            if (op == ExprOp::Value || op == ExprOp::Data) segment.reads.push_back(i);
        }
        for (int32_t i = segment.first_step; i < segment.end_step; ++i)
            program.steps[static_cast<size_t>(i)].segment = static_cast<int32_t>(k);
    }
    list_stretches(program);
    for (size_t i = 0; i < program.storages.size(); ++i) {
        Segment &segment = program.segments[static_cast<size_t>(program.storages[i].segment)];
        segment.storages.push_back(static_cast<int32_t>(i));
        if (program.storages[i].kind == StorageKind::Output) segment.outputs.push_back(static_cast<int32_t>(i));
    }
    for (size_t i = 0; i < program.tensors.size(); ++i)
        program.segments[static_cast<size_t>(program.tensors[i].segment)].tensors.push_back(static_cast<int32_t>(i));
}

void check_exprs(Program &program) {
    for (size_t k = 0; k < program.segments.size(); ++k) {
        const Segment &segment = program.segments[k];
        for (int32_t i = segment.first_expr; i < segment.end_expr; ++i) check_expr(program, i, static_cast<int32_t>(k));
        for (int32_t i = segment.first_check; i < segment.end_check; ++i) {
            const Check &check = program.checks[static_cast<size_t>(i)];
            if (!operand_ok(check.a, segment.end_expr) || !operand_ok(check.b, segment.end_expr))
                reject(program, "check", i, "compares sizes that are not known in its segment");
        }
    }
}

// Exprs and unknown sizes say which outputs have sizes to be filled in; their steps need a look before and after.
void mark_sized_steps(Program &program) {
    for (size_t s = 0; s < program.steps.size(); ++s) {
        Step &step = program.steps[s];
        for (int32_t i = 0; i < step.n_outputs; ++i) {
            const int32_t id = program.outputs_of(step)[i];
            if (id >= 0 && program.tensors[static_cast<size_t>(id)].sized) step.sized = true;
        }
        if (step.sized && step.device != 0)
            fail(EW_INVALID_PLAN, "program %d, step %d: finds sizes on a device", program.index, static_cast<int>(s));
        if (step.sized)
            program.segments[static_cast<size_t>(step.segment)].sized_steps.push_back(static_cast<int32_t>(s));
    }
}

// The programs form a graph without cycles: a nested one never contains itself.
void check_nesting(const Model &model, size_t index, std::vector<int8_t> &state, int32_t depth) {
    if (depth > 0 && model.programs[index].on_device)
        fail(EW_INVALID_PLAN, "program %d is nested and uses a device", static_cast<int>(index));
    if (state[index] == 2) return;
    if (state[index] == 1 || depth > 64)
        fail(EW_INVALID_PLAN, "program %d contains itself, or is nested too deep", static_cast<int>(index));
    state[index] = 1;
    for (const int32_t inner : model.programs[index].programs)
        check_nesting(model, static_cast<size_t>(inner), state, depth + 1);
    state[index] = 2;
}

}  // namespace

int32_t segment_of(const Program &program, Operand operand) {
    if (!is_expr(operand)) return 0;
    const auto index = static_cast<int64_t>(expr_of(operand));
    size_t low = 0, high = program.segments.size() - 1;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (index < program.segments[middle].end_expr) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return static_cast<int32_t>(low);
}

void validate(Model &model) {
    for (Program &program : model.programs) {
        for (size_t i = 0; i < program.storages.size(); ++i) check_storage(model, program, static_cast<int32_t>(i));
        for (size_t i = 0; i < program.tensors.size(); ++i) check_tensor(program, static_cast<int32_t>(i));
        for (size_t i = 0; i < program.tensors.size(); ++i) check_literal_bounds(program, static_cast<int32_t>(i));
        check_inputs(program);
        check_outputs(program);
        list_by_segment(program);
    }
    std::vector<int8_t> state(model.programs.size());
    for (size_t i = 0; i < model.programs.size(); ++i) check_nesting(model, i, state, 0);
    for (Program &program : model.programs) {
        validate_steps(model, program);
        check_exprs(program);
        mark_sized_steps(program);
    }
}

}  // namespace ew
