// The rules of steps: each reads memory that exists and was written, and writes memory that may be written.
#include <string_view>

#include "control.h"
#include "failure.h"
#include "model.h"

namespace ew {

namespace {

// Kernels that leave an address in an output for their next call, where a plan could put another.
bool keeps_address(std::string_view kernel) {
    return kernel.starts_with("cpu_blake3_chunks") || kernel.starts_with("cpu_xxh3_pieces");
}

struct StepChecker {
    const Model &model;
    Program &program;
    std::vector<bool> written;  // by storage

    [[noreturn]] void reject(const Step &step, const char *why) const {
        fail(EW_INVALID_PLAN, "program %d, step \"%s\" (%s): %s", program.index, model.string(step.layer),
             model.string(step.kernel), why);
    }
    bool operand_ok(const Step &step, Operand operand) const {
        const Segment &segment = program.segments[static_cast<size_t>(step.segment)];
        return operand >= 0 || (is_expr(operand) && static_cast<int64_t>(expr_of(operand)) < segment.end_expr);
    }
    void check_device(const Step &step, int32_t device, bool is_input) const {
        const std::string_view kernel = model.string(step.kernel);
        int32_t wanted = step.device;
        if (kernel == "copy_to_device") wanted = is_input ? 0 : 1;
        if (kernel == "copy_to_host") wanted = is_input ? 1 : 0;
        if (device != wanted) reject(step, "uses memory that is not on its device");
    }
    void check_copy(const Step &step) const {
        const std::string_view kernel = model.string(step.kernel);
        if (kernel != "copy_to_device" && kernel != "copy_to_host" && kernel != "copy_on_device") return;
        const bool whole = step.n_inputs == 1 && step.n_outputs == 1 && step.device == 1 &&
                           program.inputs_of(step)[0] >= 0 && program.outputs_of(step)[0] >= 0;
        if (!whole) reject(step, "copies something else than one tensor on a device");
        const Tensor &from = program.tensors[static_cast<size_t>(program.inputs_of(step)[0])];
        const Tensor &to = program.tensors[static_cast<size_t>(program.outputs_of(step)[0])];
        bool same = from.dtype == to.dtype && from.format == to.format && from.rank == to.rank;
        for (int32_t i = 0; i < from.rank && same; ++i) same = program.dims_of(from)[i] == program.dims_of(to)[i];
        if (!same) reject(step, "copies between tensors of different type or shape");
    }
    void check_alive(const Step &step, int32_t index, const Tensor &tensor) const {
        const Storage &storage = program.storages[static_cast<size_t>(tensor.storage)];
        if (tensor.segment > step.segment) reject(step, "uses a tensor whose sizes are known only later");
        if (storage.kind == StorageKind::Arena && (index < storage.first || index > storage.last))
            reject(step, "uses a tensor outside the lifetime of its memory");
    }
    void check_input(const Step &step, int32_t index, const Tensor &tensor) const {
        check_alive(step, index, tensor);
        const StorageKind kind = program.storages[static_cast<size_t>(tensor.storage)].kind;
        check_device(step, program.storages[static_cast<size_t>(tensor.storage)].device, true);
        if (tensor.unknown) reject(step, "reads a tensor of unknown size");
        if (kind == StorageKind::Input || kind == StorageKind::Weight) return;
        if (!written[static_cast<size_t>(tensor.storage)]) reject(step, "reads memory that no earlier step wrote");
    }
    void check_output(const Step &step, int32_t index, Tensor &tensor) {
        check_alive(step, index, tensor);
        const StorageKind kind = program.storages[static_cast<size_t>(tensor.storage)].kind;
        check_device(step, program.storages[static_cast<size_t>(tensor.storage)].device, false);
        if (kind == StorageKind::Input || kind == StorageKind::Weight) reject(step, "writes an input or a weight");
        written[static_cast<size_t>(tensor.storage)] = true;
        if (tensor.writer < 0) tensor.writer = index;
    }
    void check(int32_t index) {
        Step &step = program.steps[static_cast<size_t>(index)];
        for (int32_t i = 0; i < step.n_inputs; ++i)
            if (const int32_t id = program.inputs_of(step)[i]; id >= 0)
                check_input(step, index, program.tensors[static_cast<size_t>(id)]);
        for (int32_t i = 0; i < step.n_outputs; ++i)
            if (const int32_t id = program.outputs_of(step)[i]; id >= 0)
                check_output(step, index, program.tensors[static_cast<size_t>(id)]);
        for (int32_t i = 0; i < step.n_params; ++i) {
            const Param &param = program.params[static_cast<size_t>(step.params + i)];
            if (param.kind == ParamKind::Expr && (param.value < 0 || !operand_ok(step, ~param.value)))
                reject(step, "has a param that no expr gives yet");
        }
        if (!operand_ok(step, step.workspace)) reject(step, "has a workspace of unknown size");
        check_copy(step);
        check_objects(step);
        find(step);
    }
    // The data of an object is no address: kernels that are no Python, nor hand it on, would read wild memory.
    void check_objects(const Step &step) const {
        const std::string_view kernel = model.string(step.kernel);
        if (kernel == "python" || needs_program(kernel)) return;
        for (int32_t i = 0; i < step.n_inputs + step.n_outputs; ++i) {
            const int32_t id = program.args[static_cast<size_t>(step.args + i)];
            if (id >= 0 && program.tensors[static_cast<size_t>(id)].dtype == EW_STRING)
                reject(step, "gives an object to a native kernel");
        }
    }
    void find(Step &step) const {
        if (keeps_address(model.string(step.kernel))) reject(step, "runs outside programs only");
        const ew_kernel *kernel = find_kernel(model.string(step.kernel));
        if (kernel == nullptr)
            fail(EW_UNKNOWN_KERNEL, "step \"%s\" needs the kernel %s, which this library and machine do not have",
                 model.string(step.layer), model.string(step.kernel));
        step.run = kernel->run;
        if (const char *why = control_error(model, program, step)) reject(step, why);
    }
};

}  // namespace

void validate_steps(const Model &model, Program &program) {
    StepChecker checker{model, program, std::vector<bool>(program.storages.size())};
    for (const int32_t id : program.inputs)  // an object is there before the first step; memory of inputs needs no mark
        checker.written[static_cast<size_t>(program.tensors[static_cast<size_t>(id)].storage)] = true;
    for (size_t i = 0; i < program.steps.size(); ++i) checker.check(static_cast<int32_t>(i));
    for (const int32_t id : program.outputs) {
        const Tensor &tensor = program.tensors[static_cast<size_t>(id)];
        const StorageKind kind = program.storages[static_cast<size_t>(tensor.storage)].kind;
        const bool readable = kind == StorageKind::Input || kind == StorageKind::Weight;
        if (!readable && !checker.written[static_cast<size_t>(tensor.storage)])
            fail(EW_INVALID_PLAN, "program %d: no step writes an output", program.index);
        if (tensor.unknown && tensor.writer < 0)
            fail(EW_INVALID_PLAN, "program %d: no step gives an output its size", program.index);
    }
}

}  // namespace ew
