// "if": runs one of two nested programs.
//
//   inputs    condition (one bool), captures...
//   params    handed to the nested program as its PARAM values
//   programs  then, else; inputs: the captures in order; outputs: the step's
//
// An output of known size is written by the nested program in place; another is copied.
#include "control.h"
#include "failure.h"

namespace ew {

namespace {

// The nested program writes straight into the step's output where that is known to be large enough.
void lend_outputs(const ew_call *call, Frame &child) {
    for (int32_t i = 0; i < call->n_outputs; ++i) {
        const ew_tensor &wanted = call->outputs[i];
        const bool known = wanted.dtype != 0 && wanted.dtype != EW_STRING && wanted.data != nullptr;
        child.bind_output(i, known ? wanted.data : nullptr, known ? bytes_of(wanted) : 0, true);
    }
}

int32_t run_if(const ew_call *call) {
    Frame &frame = *Host::of(call).frame;
    Frame &child = frame.child(read_flag(call->inputs[0], "condition") ? 0 : 1);
    for (int32_t i = 1; i < call->n_inputs; ++i) pass_input(call, child, i - 1, call->inputs[i]);
    pass_params(call, child, 0);
    lend_outputs(call, child);
    child.run();
    for (int32_t i = 0; i < call->n_outputs; ++i) copy_to_output(call, i, child.output(i));
    return EW_OK;
}

const PlainKernel if_kernel("if", run_if);

}  // namespace

const char *if_error(const Model &model, const Program &program, const Step &step) {
    if (step.n_programs != 2 || step.n_inputs < 1 || program.inputs_of(step)[0] < 0)
        return "needs a condition and two programs";
    if (tensor_of(program, program.inputs_of(step)[0]).dtype != EW_BOOL) return "needs a condition of bool";
    for (int32_t branch = 0; branch < 2; ++branch) {
        const int32_t index = program.programs[static_cast<size_t>(step.programs + branch)];
        const Program &inner = model.programs[static_cast<size_t>(index)];
        if (inner.n_inputs != step.n_inputs - 1 || inner.n_outputs != step.n_outputs || inner.n_params != step.n_params)
            return "has a nested program with other inputs, outputs or params";
        if (const char *why = inputs_error(program, program.inputs_of(step) + 1, inner, 0)) return why;
        for (int32_t i = 0; i < step.n_outputs; ++i) {
            const int32_t id = program.outputs_of(step)[i];
            if (id >= 0 && !same_type(program, id, inner, inner.outputs[static_cast<size_t>(i)]))
                return "has a nested program with an output of another type or format";
        }
    }
    return nullptr;
}

}  // namespace ew
