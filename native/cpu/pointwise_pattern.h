// The programs that are common behind convolutions and products, so that they can run in one pass over the elements.
#pragma once

#include <cstdint>

namespace ew::EW_ISA {

class Program;

enum class PatternKind : int32_t { none, clip, affine, gate, sloped, sigmoid, silu, gelu, gelu_tanh, tanh };

// y = kind(x + added inputs), with
//   clip:   clamp(x, low, high)
//   affine: clamp(x * scale + shift, low, high) * outer_scale + outer_shift
//   gate:   clamp(x * scale + shift, low, high) * x * outer_scale + outer_shift
//   sloped: x where x >= 0, else x * slope
// `added` and `slope_input` are numbers of the program's further inputs; behind a function the latter is added to it.
struct Pattern {
    int n_added = 0, added[2] = {};
    PatternKind kind = PatternKind::none;
    float low = -__builtin_inff(), high = __builtin_inff();
    float scale = 1, shift = 0, outer_scale = 1, outer_shift = 0;
    int slope_input = -1;
    float slope = 0;
    // Of programs on int32 sums: what is described begins behind a cast to float32, times input `scale_input` if it is not
    // -1. That input is one number, or one for each column.
    bool scaled = false;
    int scale_input = -1;
};

// False: the program is none of these.
bool find_pattern(const Program &program, Pattern &pattern);

}  // namespace ew::EW_ISA
