// What If, Loop and Scan share: handing tensors to nested programs and taking them back.
//
// A nested program gets its inputs by pointer, never by copy. Python objects live in slots: an input or output in a
// slot is copied by a Python step with the single param -1 (input 0 to output 0, by reference).
#include "control.h"

#include <cstring>
#include <string_view>

#include "failure.h"
#include "types.h"

namespace ew {

const Tensor &tensor_of(const Program &program, int32_t id) { return program.tensors[static_cast<size_t>(id)]; }

int64_t literal_param(const Program &program, const Step &step, int32_t index) {
    if (index >= step.n_params) return -1;
    const Param &param = program.params[static_cast<size_t>(step.params + index)];
    return param.kind == ParamKind::Int ? param.value : -1;
}

const char *control_error(const Model &model, const Program &program, const Step &step) {
    const std::string_view kernel = model.string(step.kernel);
    if (kernel == "if") return if_error(model, program, step);
    if (kernel == "loop") return loop_error(model, program, step);
    if (kernel == "scan") return scan_error(model, program, step);
    return step.n_programs == 0 ? nullptr : "only control flow has nested programs";
}

bool needs_program(std::string_view kernel) { return kernel == "if" || kernel == "loop" || kernel == "scan"; }

bool same_type(const Program &a, int32_t tensor_a, const Program &b, int32_t tensor_b) {
    const Tensor &x = tensor_of(a, tensor_a), &y = tensor_of(b, tensor_b);
    return x.dtype == y.dtype && x.format == y.format;
}

const char *inputs_error(const Program &program, const int32_t *tensors, const Program &inner, int32_t first) {
    for (int32_t i = first; i < inner.n_inputs; ++i) {
        const int32_t id = tensors[i - first], wanted = inner.inputs[static_cast<size_t>(i)];
        if (id < 0) return "hands a missing tensor to its nested program";
        if (!same_type(program, id, inner, wanted))
            return "hands its nested program a tensor of another type or format";
        if (tensor_of(program, id).rank != tensor_of(inner, wanted).rank)
            return "hands its nested program a tensor of another rank";
    }
    return nullptr;
}

void rethrow_status(const ew_call *call, int32_t status) {
    const std::string text = Host::of(call).state->take_error();
    fail(status, "%s", text.c_str());
}

void copy_slot(const ew_call *call, void *from, void *to) {
    if (from == to) return;
    ew_tensor source{}, target{};
    source.dtype = target.dtype = EW_STRING;
    source.data = from;
    target.data = to;
    const ew_param copy{.i = -1};
    const ew_call inner{sizeof(ew_call), 1, 1, 1, &source, &target, &copy, nullptr, 0, nullptr, call->host};
    if (const int32_t status = find_kernel("python")->run(&inner); status != EW_OK) rethrow_status(call, status);
}

void pass_input(const ew_call *call, Frame &child, int32_t input, const ew_tensor &tensor) {
    const Program &inner = child.program();
    const Tensor &wanted = tensor_of(inner, inner.inputs[static_cast<size_t>(input)]);
    if (wanted.dtype != EW_STRING) return child.bind_input(input, tensor.data, tensor.shape, tensor.rank);
    const int64_t slot = inner.storages[static_cast<size_t>(wanted.storage)].value;
    copy_slot(call, tensor.data, reinterpret_cast<void *>(static_cast<intptr_t>(slot + 1)));
    child.bind_input(input, nullptr, tensor.shape, tensor.rank);
}

void pass_params(const ew_call *call, Frame &child, int32_t first) {
    for (int32_t i = first; i < call->n_params; ++i) child.set_param(i - first, call->params[i].i);
}

int64_t bytes_of(const ew_tensor &tensor) {
    return tensor_bytes(tensor.dtype, tensor.format, tensor.shape, tensor.rank);
}

char *shape_output(const ew_call *call, int32_t output, const int64_t *shape, int32_t rank) {
    const ew_tensor &wanted = call->outputs[output];
    if (wanted.dtype == 0) return nullptr;
    if (wanted.rank != rank)
        fail(EW_SHAPE, "output %d: the nested program gives rank %d, the plan says %d", output, rank, wanted.rank);
    if (const int32_t status = call->host->resize(call, output, shape); status != EW_OK) rethrow_status(call, status);
    return static_cast<char *>(wanted.data);
}

void copy_to_output(const ew_call *call, int32_t output, const ew_tensor &tensor) {
    const ew_tensor &wanted = call->outputs[output];
    if (wanted.dtype == 0) return;
    char *memory = shape_output(call, output, tensor.shape, tensor.rank);
    if (wanted.dtype == EW_STRING) return copy_slot(call, tensor.data, wanted.data);
    const int64_t bytes = bytes_of(tensor);
    if (bytes > 0 && memory != tensor.data) std::memcpy(memory, tensor.data, static_cast<size_t>(bytes));
}

bool read_flag(const ew_tensor &tensor, const char *what) {
    if (tensor.dtype != EW_BOOL || bytes_of(tensor) < 1) fail(EW_SHAPE, "the %s must be one truth value", what);
    return *static_cast<const uint8_t *>(tensor.data) != 0;
}

}  // namespace ew
