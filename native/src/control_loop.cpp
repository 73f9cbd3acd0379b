// "loop": ONNX's Loop.
//
//   inputs    trip count (int64, or missing), condition (bool, or missing), carried x nc, captures...
//   params    nc, n_scan, then the PARAM values of the body
//   programs  body; inputs: iteration (int64), condition (bool), carried..., captures...
//                   outputs: condition (bool), carried..., scan...
//   outputs   carried..., scan... (stacked along a new axis 0)
//
// Carried values may change their shape in every iteration.
#include "carried.h"
#include "failure.h"

namespace ew {

namespace {

struct LoopState final : ControlState {
    Carried carried;
    std::vector<Stack> stacks;
    int64_t iteration = 0;
    uint8_t condition = 1;

    int64_t memory() const override {
        int64_t bytes = carried.memory();
        for (const Stack &stack : stacks) bytes += stack.memory();
        return bytes;
    }
};

LoopState &state_of(Frame &frame, int32_t n_scan) {
    auto &kept = frame.control_state();
    if (kept == nullptr) {
        auto made = std::make_unique<LoopState>();
        made->stacks.resize(static_cast<size_t>(n_scan));
        kept = std::move(made);
    }
    return static_cast<LoopState &>(*kept);
}

int64_t trip_count(const ew_tensor &input) {
    if (input.dtype == 0) return INT64_MAX;
    if (bytes_of(input) < 8) fail(EW_SHAPE, "the trip count must be one number");
    return *static_cast<const int64_t *>(input.data);
}

void run_body(const ew_call *call, Frame &body, LoopState &state, int32_t nc) {
    body.bind_input(0, &state.iteration, nullptr, 0);
    body.bind_input(1, &state.condition, nullptr, 0);
    state.carried.pass(call, body, 2);
    body.run();
    state.condition = read_flag(body.output(0), "condition") ? 1 : 0;
    for (size_t i = 0; i < state.stacks.size(); ++i)
        state.stacks[i].append(body.output(1 + nc + static_cast<int32_t>(i)));
    state.carried.take(body, 1);
    if (call->host->cancelled(call) != 0) fail(EW_CANCELLED, "the run was cancelled");
}

int32_t run_loop(const ew_call *call) {
    Frame &frame = *Host::of(call).frame;
    const auto nc = static_cast<int32_t>(call->params[0].i), n_scan = static_cast<int32_t>(call->params[1].i);
    LoopState &state = state_of(frame, n_scan);
    Frame &body = frame.child(0);
    const int64_t trips = trip_count(call->inputs[0]);
    state.condition = call->inputs[1].dtype == 0 || read_flag(call->inputs[1], "condition") ? 1 : 0;
    state.carried.start(call, 2, nc);
    for (Stack &stack : state.stacks) stack.start();
    for (int32_t i = 2 + nc; i < call->n_inputs; ++i) pass_input(call, body, i, call->inputs[i]);
    pass_params(call, body, 2);
    for (state.iteration = 0; state.iteration < trips && state.condition != 0; ++state.iteration)
        run_body(call, body, state, nc);
    state.carried.finish(call);
    const Program &program = body.program();
    for (int32_t i = 0; i < n_scan; ++i) {
        const Tensor &slice = tensor_of(program, program.outputs[static_cast<size_t>(1 + nc + i)]);
        state.stacks[static_cast<size_t>(i)].finish(call, nc + i, 0, false, program.dims_of(slice));
    }
    return EW_OK;
}

const PlainKernel loop_kernel("loop", run_loop);

bool scalar(const Program &program, int32_t id, int32_t dtype) {
    return tensor_of(program, id).dtype == dtype && tensor_of(program, id).rank == 0;
}

}  // namespace

const char *loop_error(const Model &model, const Program &program, const Step &step) {
    const int64_t nc = literal_param(program, step, 0), n_scan = literal_param(program, step, 1);
    if (step.n_programs != 1 || step.n_inputs < 2 || nc < 0 || n_scan < 0 || nc > step.n_inputs - 2 ||
        n_scan > step.n_outputs)
        return "needs a trip count, a condition, its numbers of values, and one program";
    const Program &body = model.programs[static_cast<size_t>(program.programs[static_cast<size_t>(step.programs)])];
    if (body.n_inputs != step.n_inputs || body.n_params != step.n_params - 2 || nc + n_scan != step.n_outputs ||
        body.n_outputs != step.n_outputs + 1)
        return "has a body with other inputs, outputs or params";
    const int32_t *inputs = program.inputs_of(step);
    if ((inputs[0] >= 0 && tensor_of(program, inputs[0]).dtype != EW_INT64) ||
        (inputs[1] >= 0 && tensor_of(program, inputs[1]).dtype != EW_BOOL))
        return "needs a trip count of int64 and a condition of bool";
    if (!scalar(body, body.inputs[0], EW_INT64) || !scalar(body, body.inputs[1], EW_BOOL) ||
        tensor_of(body, body.outputs[0]).dtype != EW_BOOL)
        return "has a body without iteration or condition";
    if (const char *why = inputs_error(program, inputs + 2, body, 2)) return why;
    if (const char *why = carried_error(program, step, body, 2, 2, 1, static_cast<int32_t>(nc))) return why;
    return stacked_error(program, step, body, 1 + static_cast<int32_t>(nc), static_cast<int32_t>(nc));
}

}  // namespace ew
