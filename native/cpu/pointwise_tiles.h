// How elementwise layers walk over a tensor: consecutive elements tile by tile, inputs broadcast to its shape.
//
// An input of the output's shape is read in place; what is broadcast is first spread into a register, a run of equal or
// consecutive elements at a time.
#pragma once

#include <algorithm>

#include "cpu/pointwise.h"

namespace ew::EW_ISA {

// The output's axes, merged where every input allows it, and each input's strides on them, in elements.
struct Axes {
    int rank = 0;
    int64_t size[EW_MAX_RANK];
    int64_t stride[MAX_INPUTS][EW_MAX_RANK];
};

enum class Access : uint8_t { direct, widened, scalar, spread, unused };  // widened: halves of the output's shape

// What a register holds of an input that is one number in a whole row, or the same in every row, so that it is not filled
// again.
struct Filled {
    int64_t offset = -1, n = 0;
};

struct Job {
    const ew_call *call;
    Program program;
    Axes axes;
    Access access[MAX_INPUTS];
    int64_t total = 1, tile = 0, chunk = 0;
    bool by_rows = false;  // a tile ends with its row: then inputs are one number or in one piece
    int64_t tasks() const { return chunk == 0 ? 0 : (total + chunk - 1) / chunk; }
};
constexpr int64_t MOST_TASKS = 256;

// Reads the call's program, compares its inputs with those of the step and cuts output 0 into tiles; a job without elements
// has no tasks.
int32_t prepare(const ew_call *call, Job &job);

// Points an input's value at elements [start, start + n), spread into the register `slot` where they lie elsewhere.
void read_input(const Job &job, Registers &registers, int input, int64_t start, int64_t n, void *slot, Filled &filled);

// Calls fn(registers, start, n) for each tile of a task, with all inputs in place.
template <class Fn>
void for_tiles(const Job &job, int64_t task, Fn &&fn) {
    const Program &program = job.program;
    Registers registers;
    Filled filled[MAX_INPUTS];
    void *slots[MAX_INPUTS];
    const int64_t first = task * job.chunk, last = std::min(job.total, first + job.chunk);
    const int64_t most = std::min(job.tile, last - first), row = job.axes.size[0];
    program.begin(registers, most);
    std::copy(registers.values, registers.values + program.n_inputs, slots);
    for (int i = 0; i < program.n_inputs; ++i)
        if (job.access[i] == Access::scalar)
            fill_elements(registers.values[i], job.call->inputs[i].data, program.dtypes[i], most);
    for (int64_t start = first, n = 0; start < last; start += n) {
        n = std::min(job.tile, last - start);
        if (job.by_rows) n = std::min(n, row - start % row);
        for (int i = 0; i < program.n_inputs; ++i) read_input(job, registers, i, start, n, slots[i], filled[i]);
        fn(registers, start, n);
    }
}

}  // namespace ew::EW_ISA
