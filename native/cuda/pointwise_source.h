// Pointwise programs as CUDA C++: the words of a step (native/cpu/pointwise.h tells their order) become one kernel.
#pragma once

#include <string>

#include "enginewright.h"

namespace ew::cuda {

constexpr int MAX_PROGRAM_INPUTS = 16, MAX_PROGRAM_OUTPUTS = 8;

// How the kernel reads one input, by its strides on the output's axes.
enum class Access : char { whole = 'w', scalar = 's', broadcast = 'b', row = 'r' };

// What of a call is part of the kernel's text; sizes are arguments.
struct PointwiseForm {
    const ew_param *words;
    int64_t n_words;
    int vector;                         // elements a thread does
    int rank;                           // axes of the output after merging, the innermost is axis 0
    Access access[MAX_PROGRAM_INPUTS];  // row: innermost axis read in vectors; broadcast: one number a vector
};

// What the kernel takes by value, besides a pointer for each input and output.
struct PointwiseSizes {
    unsigned int groups;  // of `vector` elements
    unsigned int size[EW_MAX_RANK];
    unsigned int stride[MAX_PROGRAM_INPUTS][EW_MAX_RANK];
};

// The source, with the kernel "pointwise"; empty where the words are no program.
std::string pointwise_source(const PointwiseForm &form);
// Bytes of an element in memory; 0 for a type that programs do not have.
int element_bytes(int32_t dtype);

}  // namespace ew::cuda
