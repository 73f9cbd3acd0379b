// Pointwise programs on the CPU: parsed once a call, run tile by tile on registers that stay in the first-level cache.
//
//   words = n_inputs, n_instructions, n_outputs, input dtype..., instruction..., output value id...
//   instruction = opcode, dtype of the result, a, b, c (value ids, -1: none), immediate (as the dtype: integer or float)
//
// Value ids count the inputs first, then the instructions. float16 and bfloat16 are float32 in registers, rounded after
// each instruction; bool is a byte of 0 or 1. enginewright/ops/pointwise_table.py says what each opcode computes.
#pragma once

#include <cstdint>

#include "cpu/pointwise_pattern.h"
#include "src/kernel.h"

namespace ew {
namespace EW_ISA {

struct Finish;

// The order of OPERATIONS in enginewright/ops/pointwise_table.py; a test compares them.
// clang-format off
enum Opcode : int32_t {
    op_constant, op_cast, op_add, op_sub, op_mul, op_div, op_mod, op_fmod, op_pow, op_min, op_max, op_neg, op_abs,
    op_sign, op_floor, op_ceil, op_round, op_sqrt, op_reciprocal, op_exp, op_log, op_erf, op_sin, op_cos, op_tan,
    op_asin, op_acos, op_atan, op_sinh, op_cosh, op_tanh, op_asinh, op_acosh, op_atanh, op_sigmoid, op_silu, op_gelu,
    op_gelu_tanh, op_softplus, op_is_nan, op_bit_not, op_bit_and, op_bit_or, op_bit_xor, op_shift_left,
    op_shift_right, op_equal, op_less, op_less_equal, op_where, OPCODES
};
// clang-format on

constexpr int MAX_INPUTS = 16, MAX_OUTPUTS = 8, MAX_INSTRUCTIONS = 96, MAX_VALUES = MAX_INPUTS + MAX_INSTRUCTIONS;
constexpr int64_t REGISTER_BYTES = 64 << 10;

// out[i] = f(a[i], b[i], c[i]) for i < n. out may be one of the operands if the element sizes are equal.
using TileFunction = void (*)(void *out, const void *a, const void *b, const void *c, int64_t n);

// The type in which registers hold elements of `dtype`: float32 for the halves. 0: not supported.
int32_t machine_type(int32_t dtype);
int64_t element_size(int32_t dtype);
// Memory to register and back; they differ for the halves only.
void load_elements(void *out, const void *data, int32_t dtype, int64_t n);
void store_elements(void *data, const void *elements, int32_t dtype, int64_t n);
// One number n times, in the machine type: of memory, or of a constant of that dtype.
void fill_elements(void *out, const void *element, int32_t dtype, int64_t n);
// The function of an opcode on operands and a result of these types (float32 for the halves); NULL: there is none.
TileFunction find_function(int32_t opcode, int32_t operand, int32_t result);
// Rounds float32 registers to float16 or bfloat16.
void round_elements(void *elements, int32_t dtype, int64_t n);

// The memory of one running task. values[id] is where the value lies: a register, or the caller's memory.
struct Registers {
    void *values[MAX_VALUES];
    alignas(64) char memory[REGISTER_BYTES];
};

// A parsed program. Set up once a call, then read by all tasks.
class Program {
  public:
    struct Step {
        TileFunction function;
        int32_t opcode, result, args[3];
        ew_param immediate;
    };
    int n_inputs = 0, n_outputs = 0, n_instructions = 0;
    int32_t dtypes[MAX_VALUES];
    int outputs[MAX_OUTPUTS];

    // False where the words are no program (broken plan). *used: the number of words read.
    bool parse(const ew_param *words, int64_t n_words, int64_t *used);
    // Chooses registers; returns the number of elements of a tile. Masks of inputs: `direct` ones are read from the
    // caller's memory, `lasting` ones are filled once and keep their register.
    int64_t allocate(uint32_t direct, uint32_t lasting);
    // The only output may be written by its instruction straight into the caller's memory.
    bool direct_output() const;
    bool reads(int input) const { return last_use_[input] >= 0; }
    const Step &step(int index) const { return steps_[index]; }
    // The number of instructions, weighted by how long they take.
    int64_t cost() const;
    // Points values at registers and fills constants, for tiles of at most n elements.
    void begin(Registers &registers, int64_t n) const;
    // Runs all instructions on n elements; the caller set values[] of its direct inputs and output, and filled the
    // registers of the other inputs.
    void run(Registers &registers, int64_t n) const;

  private:
    Step steps_[MAX_INSTRUCTIONS];
    int slot_[MAX_VALUES], last_use_[MAX_VALUES];
    int64_t slot_bytes_ = 0;

    bool parse_step(const ew_param *words, int index);
    void specialize_power(Step &step);
    void find_last_uses();
};

// The program fused behind an anchor (GEMM, convolution, ...), run on parts of the anchor's output, which is seen as a
// matrix rows x cols (see "split" of Launch). A kernel with `fixed` parameters of its own:
//
//   Epilogue epilogue;
//   if (!epilogue.parse(call, fixed, anchor_inputs, rows, cols)) return EW_INVALID_PLAN;
//   ... for each finished part, from any task:
//   epilogue.run(tile, ld, r0, r1, c0, c1);       // tile[(r - r0) * ld + (c - c0)] is element (r, c)
//
// `run` applies the program and writes the elements to the call's outputs, in their types; the tile may lie in the
// output itself (pass ld = cols then) or in scratch memory, which may be overwritten. With nothing fused it only
// stores, and `empty()` says so. Larger parts are cheaper per element: 64 elements or more are good.
class Epilogue {
  public:
    bool parse(const ew_call *call, int fixed, int anchor_inputs, int64_t rows, int64_t cols);
    bool empty() const { return !fused_; }
    // Whether the program is a row of biases, a residual and a clamp at most: added to `finish`, for kernels that do
    // this on sums in registers; or a slope for negative sums, for those that can do that. False: finish is unchanged.
    bool as_finish(Finish &finish, bool slopes = false) const;
    void run(float *tile, int64_t ld, int64_t r0, int64_t r1, int64_t c0, int64_t c1) const;
    // Whether a program on int32 sums begins by making float32 of them, times one number or one for each column: an anchor
    // that does this itself, on sums in registers, calls `run` with float tiles.
    bool scaled() const { return simple_ && pattern_.scaled; }
    // The numbers of a scaled program; NULL: 1.
    const float *scale() const {
        return scaled() && pattern_.scale_input >= 0
                   ? reinterpret_cast<const float *>(extra_[pattern_.scale_input].data)
                   : nullptr;
    }
    bool scale_by_column() const { return scale() && !extra_[pattern_.scale_input].column_broadcast; }
    // For anchors with integer accumulators; the program's input 0 is int32 then.
    void run(int32_t *tile, int64_t ld, int64_t r0, int64_t r1, int64_t c0, int64_t c1) const;

  private:
    struct Extra {
        const char *data;
        int64_t period;
        int32_t dtype;
        bool column_broadcast;
    };
    struct Part {
        int64_t r0, r1, c0, c1, ld;
    };
    bool fused_ = false, simple_ = false;
    int64_t rows_ = 0, cols_ = 0, tile_ = 0;
    int n_extra_ = 0;
    Program program_;
    Extra extra_[MAX_INPUTS];
    Pattern pattern_;
    const ew_tensor *outputs_ = nullptr;

    bool parse_extras(const ew_call *call, const ew_param *words, int anchor_inputs);
    void store_part(const void *tile, int32_t dtype, const Part &part) const;
    void interpret(const char *tile, int32_t dtype, const Part &part) const;
    void interpret_block(Registers &registers, const char *tile, int32_t dtype, const Part &part) const;
    template <PatternKind kind>
    void run_pattern(const float *tile, const Part &part) const;
};

}  // namespace EW_ISA
}  // namespace ew
