// A model in memory: the words of program.h as structures, checked, immutable, shared by every context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "buffer.h"
#include "device.h"
#include "program.h"
#include "registry.h"

namespace ew {

// A size: a literal, UNKNOWN, or ~k for the value of expr k.
using Operand = int64_t;
inline bool is_unknown(Operand operand) { return operand == UNKNOWN; }
inline bool is_expr(Operand operand) { return operand < 0 && operand != UNKNOWN; }
inline size_t expr_of(Operand operand) { return static_cast<size_t>(~operand); }

struct Expr {
    ExprOp op;
    int64_t a, b;
};

// Steps that follow each other on one device.
struct Stretch {
    int32_t first_step, end_step, device;
};

// Half-open ranges of exprs, checks and steps, and what is resolved at the start of the segment.
struct Segment {
    int32_t first_expr, end_expr;
    int32_t first_check, end_check;
    int32_t first_step, end_step;
    std::vector<int32_t> reads;  // exprs that read values (Value, Data)
    std::vector<int32_t> storages;
    std::vector<int32_t> outputs;  // storages of kind Output among them
    std::vector<int32_t> tensors;
    std::vector<int32_t> sized_steps;  // steps that fill in sizes
    std::vector<Stretch> stretches;    // its steps by device; only where the program uses a device
};

struct Check {
    CheckKind kind;
    Operand a, b;
    int32_t label;
};

struct Storage {
    StorageKind kind;
    int64_t value;
    Operand size;
    int32_t first, last, segment, device;
    bool growing;  // its kernel asks for its memory: Grown, or an Output of unknown size
};

struct Tensor {
    int32_t dtype, format, storage;
    Operand offset;
    int32_t rank;
    int32_t dims;  // index of the first of its dims in Program::dims
    int32_t segment;
    int32_t writer;     // the first step that writes it, or -1
    bool unknown;       // some dim is UNKNOWN: no memory until its kernel asks for it
    bool sized;         // its kernel fills size_out
    uint8_t data_axes;  // axes that DATA exprs read, one bit each
};

struct Param {
    ParamKind kind;
    int64_t value;
};

struct Step {
    KernelFn run;
    int32_t kernel, layer;  // string ids
    int32_t segment, device;
    int32_t n_inputs, n_outputs, args;  // args: index of the first tensor id in Program::args; inputs, then outputs
    int32_t n_params, params;
    Operand workspace;
    int32_t n_programs, programs;
    bool sized;  // some output has size_out
};

struct Program {
    int32_t index;
    bool on_device = false;  // some storage or step is
    int32_t n_inputs, n_outputs, n_params;
    std::vector<Expr> exprs;
    std::vector<Segment> segments;
    std::vector<Check> checks;
    std::vector<Storage> storages;
    std::vector<Tensor> tensors;
    std::vector<Operand> dims;
    std::vector<int32_t> inputs, outputs;  // tensor ids
    std::vector<Step> steps;
    std::vector<int32_t> args;  // tensor ids, -1: missing
    std::vector<Param> params;
    std::vector<int32_t> programs;

    const Operand *dims_of(const Tensor &tensor) const { return dims.data() + tensor.dims; }
    const int32_t *inputs_of(const Step &step) const { return args.data() + step.args; }
    const int32_t *outputs_of(const Step &step) const { return args.data() + step.args + step.n_inputs; }
};

struct Model {
    std::vector<Program> programs;
    std::vector<std::string> strings;
    const char *weights = nullptr;
    int64_t n_weights = 0;
    Device device;          // NULL until ew_model_use_device
    Buffer device_weights;  // the same bytes there

    const char *string(int32_t id) const { return strings[static_cast<size_t>(id)].c_str(); }
};

// The words, bounds-checked, as structures (program.cpp). Throws EW_INVALID_PLAN.
void read_programs(Model &model, const int64_t *words, int64_t n_words);
void read_strings(Model &model, const char *bytes, int64_t n_bytes);
// Every rule that makes running them safe (validate.cpp, validate_steps.cpp). Fills in what is derived. Throws
// EW_INVALID_PLAN or EW_UNKNOWN_KERNEL.
void validate(Model &model);
void validate_steps(const Model &model, Program &program);
// Gives the model its device and copies the weights there (device.cpp). Throws EW_DEVICE, EW_OUT_OF_MEMORY.
void use_device(Model &model, Device device);
// Segment in whose beginning the value of the operand is known (exprs carry no segment of their own).
int32_t segment_of(const Program &program, Operand operand);

}  // namespace ew
