// "scan": ONNX's Scan.
//
//   inputs    state x ns, scanned x ni (one or more), captures...
//   params    ns, ni, axis of each scanned input, direction of each (1: from the end), axis of each stacked output,
//             direction of each, then the PARAM values of the body. Axes count from 0
//   programs  body; inputs: state..., slices..., captures...; outputs: state..., slices...
//   outputs   state..., stacked...
#include "carried.h"
#include "failure.h"
#include "types.h"

#include <cstring>

namespace ew {

namespace {

struct ScanState final : ControlState {
    Carried carried;
    std::vector<Buffer> slices;  // of inputs scanned along another axis than the first
    std::vector<Stack> stacks;

    int64_t memory() const override {
        int64_t bytes = carried.memory();
        for (const Stack &stack : stacks) bytes += stack.memory();
        for (const Buffer &slice : slices) bytes += slice.capacity();
        return bytes;
    }
};

// The params of a step by name; `at` is the first axis.
struct Layout {
    int32_t n_state, n_scanned, n_stacked;
    const ew_param *at;

    explicit Layout(const ew_call *call)
        : n_state(static_cast<int32_t>(call->params[0].i)),
          n_scanned(static_cast<int32_t>(call->params[1].i)),
          n_stacked(call->n_outputs - n_state),
          at(call->params + 2) {}
    int32_t input_axis(int32_t i) const { return static_cast<int32_t>(at[i].i); }
    bool input_reversed(int32_t i) const { return at[n_scanned + i].i != 0; }
    int32_t output_axis(int32_t i) const { return static_cast<int32_t>(at[2 * n_scanned + i].i); }
    bool output_reversed(int32_t i) const { return at[2 * n_scanned + n_stacked + i].i != 0; }
    int32_t first_param() const { return 2 + 2 * n_scanned + 2 * n_stacked; }
};

ScanState &state_of(Frame &frame, const Layout &layout) {
    auto &kept = frame.control_state();
    if (kept == nullptr) {
        auto made = std::make_unique<ScanState>();
        made->slices.resize(static_cast<size_t>(layout.n_scanned));
        made->stacks.resize(static_cast<size_t>(layout.n_stacked));
        kept = std::move(made);
    }
    return static_cast<ScanState &>(*kept);
}

int64_t trip_count(const ew_call *call, const Layout &layout) {
    int64_t trips = -1;
    for (int32_t i = 0; i < layout.n_scanned; ++i) {
        const int64_t size = call->inputs[layout.n_state + i].shape[layout.input_axis(i)];
        if (trips >= 0 && size != trips)
            fail(EW_SHAPE, "scanned inputs have %lld and %lld elements", static_cast<long long>(trips),
                 static_cast<long long>(size));
        trips = size;
    }
    return trips;
}

void pass_slice(const ew_tensor &input, int32_t axis, int64_t index, Buffer &buffer, Frame &body, int32_t body_input) {
    int64_t shape[EW_MAX_RANK], outer = 1, chunk = element_bits(input.dtype) / 8;
    for (int32_t i = 0, at = 0; i < input.rank; ++i) {
        if (i == axis) continue;
        shape[at++] = input.shape[i];
        (i < axis ? outer : chunk) *= input.shape[i];
    }
    const char *from = static_cast<const char *>(input.data) + index * chunk;
    char *data = const_cast<char *>(from);
    if (axis != 0) {
        buffer.reserve(outer * chunk);
        data = buffer.data();
        for (int64_t o = 0; o < outer && chunk > 0; ++o)
            std::memcpy(data + o * chunk, from + o * input.shape[axis] * chunk, static_cast<size_t>(chunk));
    }
    body.bind_input(body_input, data, shape, input.rank - 1);
}

void run_body(const ew_call *call, const Layout &layout, Frame &body, ScanState &state, int64_t index, int64_t trips) {
    state.carried.pass(call, body, 0);
    for (int32_t i = 0; i < layout.n_scanned; ++i)
        pass_slice(call->inputs[layout.n_state + i], layout.input_axis(i),
                   layout.input_reversed(i) ? trips - 1 - index : index, state.slices[static_cast<size_t>(i)], body,
                   layout.n_state + i);
    body.run();
    for (int32_t i = 0; i < layout.n_stacked; ++i)
        state.stacks[static_cast<size_t>(i)].append(body.output(layout.n_state + i));
    state.carried.take(body, 0);
    if (call->host->cancelled(call) != 0) fail(EW_CANCELLED, "the run was cancelled");
}

int32_t run_scan(const ew_call *call) {
    Frame &frame = *Host::of(call).frame;
    const Layout layout(call);
    ScanState &state = state_of(frame, layout);
    Frame &body = frame.child(0);
    state.carried.start(call, 0, layout.n_state);
    for (Stack &stack : state.stacks) stack.start();
    for (int32_t i = layout.n_state + layout.n_scanned; i < call->n_inputs; ++i)
        pass_input(call, body, i, call->inputs[i]);
    pass_params(call, body, layout.first_param());
    const int64_t trips = trip_count(call, layout);
    for (int64_t i = 0; i < trips; ++i) run_body(call, layout, body, state, i, trips);
    state.carried.finish(call);
    const Program &program = body.program();
    for (int32_t i = 0; i < layout.n_stacked; ++i) {
        const Tensor &slice = tensor_of(program, program.outputs[static_cast<size_t>(layout.n_state + i)]);
        state.stacks[static_cast<size_t>(i)].finish(call, layout.n_state + i, layout.output_axis(i),
                                                    layout.output_reversed(i), program.dims_of(slice));
    }
    return EW_OK;
}

const PlainKernel scan_kernel("scan", run_scan);

const char *scanned_error(const Program &program, const Step &step, const Program &body, int32_t ns, int32_t ni) {
    for (int32_t i = 0; i < ni; ++i) {
        const int32_t id = program.inputs_of(step)[ns + i], slice = body.inputs[static_cast<size_t>(ns + i)];
        if (id < 0 || !same_type(program, id, body, slice)) return "scans a tensor of another type or format";
        const Tensor &input = tensor_of(program, id);
        const int64_t axis = literal_param(program, step, 2 + i);
        if (input.rank != tensor_of(body, slice).rank + 1 || axis < 0 || axis >= input.rank)
            return "scans a tensor of another rank, or along no axis of it";
        if (element_bits(input.dtype) % 8 != 0 || input.dtype == EW_STRING || input.format != EW_LINEAR)
            return "scans a tensor of a type or format that cannot be cut";
    }
    return nullptr;
}

}  // namespace

const char *scan_error(const Model &model, const Program &program, const Step &step) {
    const int64_t ns = literal_param(program, step, 0), ni = literal_param(program, step, 1);
    if (step.n_programs != 1 || ns < 0 || ni < 1 || ns > step.n_outputs || ns > step.n_inputs ||
        ni > step.n_inputs - ns)
        return "needs its numbers of values, one input to scan, and one program";
    const int64_t n_stacked = step.n_outputs - ns, first_param = 2 + 2 * ni + 2 * n_stacked;
    const Program &body = model.programs[static_cast<size_t>(program.programs[static_cast<size_t>(step.programs)])];
    if (body.n_inputs != step.n_inputs || body.n_outputs != step.n_outputs ||
        body.n_params != step.n_params - first_param)
        return "has a body with other inputs, outputs or params";
    for (int64_t i = 0; i < n_stacked; ++i) {
        const int64_t axis = literal_param(program, step, static_cast<int32_t>(2 + 2 * ni + i));
        const int32_t slice = body.outputs[static_cast<size_t>(ns + i)];
        if (axis < 0 || axis > tensor_of(body, slice).rank) return "stacks along no axis of its output";
    }
    const auto n_state = static_cast<int32_t>(ns), n_scanned = static_cast<int32_t>(ni);
    const int32_t first_capture = n_state + n_scanned;
    if (const char *why = inputs_error(program, program.inputs_of(step) + first_capture, body, first_capture))
        return why;
    if (const char *why = carried_error(program, step, body, 0, 0, 0, n_state)) return why;
    if (const char *why = scanned_error(program, step, body, n_state, n_scanned)) return why;
    return stacked_error(program, step, body, n_state, n_state);
}

}  // namespace ew
