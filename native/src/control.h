// Control flow: kernels that run nested programs. Each file control_*.cpp says how its step is written.
#pragma once

#include <string_view>

#include "buffer.h"
#include "frame.h"
#include "model.h"

namespace ew {

// Why the programs of a step do not fit it; NULL if they do, or if it is no control flow and has none.
const char *control_error(const Model &model, const Program &program, const Step &step);

// True for a kernel that cannot be called outside a program.
bool needs_program(std::string_view kernel);

// Rules of the kinds, each in its file.
const char *if_error(const Model &model, const Program &program, const Step &step);
const char *loop_error(const Model &model, const Program &program, const Step &step);
const char *scan_error(const Model &model, const Program &program, const Step &step);

// Parts that they share (control.cpp).
const Tensor &tensor_of(const Program &program, int32_t id);
// The literal value of a param, -1 where it is none.
int64_t literal_param(const Program &program, const Step &step, int32_t index);
const char *inputs_error(const Program &program, const int32_t *tensors, const Program &inner, int32_t first);
bool same_type(const Program &a, int32_t tensor_a, const Program &b, int32_t tensor_b);
// Binds a tensor of the running step to an input of the nested program.
void pass_input(const ew_call *call, Frame &child, int32_t input, const ew_tensor &tensor);
void pass_params(const ew_call *call, Frame &child, int32_t first);
// Gives an output of the running step a shape and returns its memory (NULL if it has no bytes, or nobody wants it).
char *shape_output(const ew_call *call, int32_t output, const int64_t *shape, int32_t rank);
// Copies a tensor, or a Python object, to an output of the running step.
void copy_to_output(const ew_call *call, int32_t output, const ew_tensor &tensor);
// Lets Python copy the object of one slot to another.
void copy_slot(const ew_call *call, void *from, void *to);
bool read_flag(const ew_tensor &tensor, const char *what);
int64_t bytes_of(const ew_tensor &tensor);
[[noreturn]] void rethrow_status(const ew_call *call, int32_t status);

}  // namespace ew
