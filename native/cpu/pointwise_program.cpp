// Reads a pointwise program from a step's parameters, gives its values registers, and runs it on one tile.
#include <algorithm>
#include <cmath>

#include "cpu/pointwise_loops.h"

namespace ew::EW_ISA {
namespace {

constexpr int STEP_WORDS = 6;
constexpr int64_t CACHE_BYTES = 24 << 10;  // of the first-level cache for registers; the rest is for inputs and outputs
constexpr int64_t MAX_TILE = 1024, MIN_TILE = 64;

bool is_half(int32_t dtype) { return dtype == EW_FLOAT16 || dtype == EW_BFLOAT16; }

int arity(int32_t opcode) {
    if (opcode == op_constant) return 0;
    if (opcode == op_where) return 3;
    const bool two = (opcode >= op_add && opcode <= op_max) || (opcode >= op_bit_and && opcode <= op_less_equal);
    return two ? 2 : 1;
}

bool gives_bool(int32_t opcode) { return opcode == op_is_nan || (opcode >= op_equal && opcode <= op_less_equal); }

struct Square {
    template <class T>
    static T f(T x) {
        return x * x;
    }
};
struct Cube {
    template <class T>
    static T f(T x) {
        return x * x * x;
    }
};

// The power 0.5, which unlike the square root is positive at -0 and infinite at -infinity.
struct Root {
    template <class T>
    static T f(T x) {
        return x == -__builtin_inff() ? -x : std::sqrt(x) + 0;
    }
};

// Bytes of an element in a register.
int64_t register_size(int32_t dtype) { return element_size(machine_type(dtype)); }

void fill_constant(void *out, int32_t dtype, ew_param number, int64_t n) {
    const float single = static_cast<float>(number.f);
    if (machine_type(dtype) == EW_FLOAT32) return fill_elements(out, &single, EW_FLOAT32, n);
    fill_elements(out, dtype == EW_FLOAT64 ? static_cast<const void *>(&number.f) : &number.i, dtype, n);
}

void copy_float(void *out, const void *a, const void *, const void *, int64_t n) {
    store_elements(out, a, EW_FLOAT32, n);
}

}  // namespace

TileFunction find_function(int32_t opcode, int32_t operand, int32_t result) {
    if (opcode == op_cast) return cast_function(operand, result);
    if (gives_bool(opcode)) return result == EW_BOOL ? compare_function(opcode, operand) : nullptr;
    if (operand != result) return nullptr;
    if (opcode == op_where) return where_function(operand);
    switch (operand) {
        case EW_FLOAT32: return float32_function(opcode);
        case EW_FLOAT64: return float64_function(opcode);
        case EW_INT8: return integer_function<int8_t>(opcode);
        case EW_UINT8: return integer_function<uint8_t>(opcode);
        case EW_INT16: return integer_function<int16_t>(opcode);
        case EW_UINT16: return integer_function<uint16_t>(opcode);
        case EW_INT32: return integer_function<int32_t>(opcode);
        case EW_UINT32: return integer_function<uint32_t>(opcode);
        case EW_INT64: return integer_function<int64_t>(opcode);
        case EW_UINT64: return integer_function<uint64_t>(opcode);
        case EW_BOOL: return bool_function(opcode);
        default: return nullptr;
    }
}

bool Program::parse(const ew_param *words, int64_t n_words, int64_t *used) {
    if (n_words < 3) return false;
    const int64_t inputs = words[0].i, steps = words[1].i, results = words[2].i;
    if (inputs < 0 || inputs > MAX_INPUTS || steps < 0 || steps > MAX_INSTRUCTIONS) return false;
    if (results < 1 || results > MAX_OUTPUTS) return false;
    *used = 3 + inputs + steps * STEP_WORDS + results;
    if (n_words < *used) return false;
    n_inputs = static_cast<int>(inputs);
    n_instructions = static_cast<int>(steps);
    n_outputs = static_cast<int>(results);
    const ew_param *word = words + 3;
    for (int i = 0; i < n_inputs; ++i) {
        dtypes[i] = static_cast<int32_t>((word++)->i);
        if (machine_type(dtypes[i]) == 0) return false;
    }
    for (int k = 0; k < n_instructions; ++k, word += STEP_WORDS)
        if (!parse_step(word, k)) return false;
    for (int k = 0; k < n_outputs; ++k) {
        const int64_t id = (word++)->i;
        if (id < 0 || id >= n_inputs + n_instructions) return false;
        outputs[k] = static_cast<int>(id);
    }
    find_last_uses();
    return true;
}

bool Program::parse_step(const ew_param *words, int index) {
    const int64_t opcode = words[0].i, dtype = words[1].i, limit = n_inputs + index;
    if (opcode < 0 || opcode >= OPCODES || dtype < 0 || dtype > 255) return false;
    Step &step = steps_[index];
    step.opcode = static_cast<int32_t>(opcode);
    step.result = static_cast<int32_t>(dtype);
    step.immediate = words[5];
    step.function = nullptr;
    dtypes[limit] = step.result;
    if (machine_type(step.result) == 0) return false;
    for (int k = 0; k < 3; ++k) {
        const int64_t id = k < arity(step.opcode) ? words[2 + k].i : 0;
        if (id < 0 || (k < arity(step.opcode) && id >= limit)) return false;
        step.args[k] = static_cast<int32_t>(id);
    }
    if (opcode == op_constant) return true;
    const int32_t operand = dtypes[opcode == op_where ? step.args[1] : step.args[0]];
    if (opcode == op_where && (dtypes[step.args[0]] != EW_BOOL || dtypes[step.args[2]] != operand)) return false;
    if (arity(step.opcode) == 2 && dtypes[step.args[1]] != operand) return false;
    if (opcode != op_cast && !gives_bool(step.opcode) && operand != step.result) return false;
    const int32_t from = machine_type(operand), to = machine_type(step.result);
    // A half widened to float32, or rounded from it, keeps its register's type.
    step.function =
        opcode == op_cast && from == to && from == EW_FLOAT32 ? copy_float : find_function(step.opcode, from, to);
    if (opcode == op_pow && operand == EW_FLOAT32) specialize_power(step);
    return step.function != nullptr;
}

// The powers that models are full of, where the exponent is a constant.
void Program::specialize_power(Step &step) {
    const int exponent = step.args[1] - n_inputs;
    if (exponent < 0 || steps_[exponent].opcode != op_constant) return;
    const double number = steps_[exponent].immediate.f;
    if (number == 2) step.function = unary<Square, float, float>;
    if (number == 0.5) step.function = unary<Root, float, float>;
    if (number == 3) step.function = unary<Cube, float, float>;
    if (number == -1) step.function = float32_function(op_reciprocal);
}

void Program::find_last_uses() {
    const int n_values = n_inputs + n_instructions;
    std::fill(last_use_, last_use_ + n_values, -1);
    for (int k = 0; k < n_instructions; ++k) {
        const int count = arity(steps_[k].opcode);
        if (count > 0) last_use_[steps_[k].args[0]] = k;
        if (count > 1) last_use_[steps_[k].args[1]] = k;
        if (count > 2) last_use_[steps_[k].args[2]] = k;
    }
    for (int k = 0; k < n_outputs; ++k) last_use_[outputs[k]] = n_instructions;
    // Casts between a half and float32 that leave numbers in their register have no function: halves are widened when they
    // are loaded, and those that are only outputs are rounded when they are stored.
    for (int k = n_instructions - 1; k >= 0; --k) {
        Step &step = steps_[k];
        if (step.opcode != op_cast) continue;
        const int value = n_inputs + k, arg = step.args[0];
        const bool output = last_use_[value] == n_instructions;
        const bool widens = is_half(dtypes[arg]) && step.result == EW_FLOAT32 && !output;
        bool ends = is_half(step.result) && dtypes[arg] == EW_FLOAT32 && output;
        for (int later = k + 1; later < n_instructions && ends; ++later)
            for (int j = 0; j < arity(steps_[later].opcode); ++j) ends = ends && steps_[later].args[j] != value;
        if (!widens && !ends) continue;
        step.function = nullptr;
        last_use_[arg] = std::max(last_use_[arg], last_use_[value]);
    }
}

bool Program::direct_output() const {
    if (n_outputs != 1 || n_instructions == 0 || outputs[0] != n_inputs + n_instructions - 1) return false;
    return steps_[n_instructions - 1].opcode != op_constant && !is_half(dtypes[outputs[0]]);
}

int64_t Program::cost() const {
    int64_t total = 1;
    for (int k = 0; k < n_instructions; ++k) {
        const int32_t opcode = steps_[k].opcode;
        const bool slow =
            opcode == op_pow || opcode == op_mod || opcode == op_fmod || (opcode >= op_exp && opcode <= op_softplus);
        total += slow ? 8 : 1;
    }
    return total;
}

int64_t Program::allocate(uint32_t direct, uint32_t lasting) {
    const int n_values = n_inputs + n_instructions;
    int count = 0, n_free = 0, free_slots[MAX_VALUES];
    int64_t bytes = 4;
    for (int v = 0; v < n_values; ++v) {
        bytes = std::max(bytes, register_size(dtypes[v]));
        slot_[v] = -1;
    }
    const auto take = [&] { return n_free > 0 ? free_slots[--n_free] : count++; };
    const auto is_constant = [&](int v) { return v >= n_inputs && steps_[v - n_inputs].opcode == op_constant; };
    const auto stays = [&](int v) { return v >= n_inputs && !steps_[v - n_inputs].function && !is_constant(v); };
    const auto root = [&](int v) {
        while (stays(v)) v = steps_[v - n_inputs].args[0];
        return v;
    };
    for (int v = 0; v < n_values; ++v)
        if (v < n_inputs ? reads(v) && !(direct >> v & 1) : is_constant(v)) slot_[v] = take();
    for (int k = 0; k < n_instructions; ++k) {
        const int value = n_inputs + k, n = arity(steps_[k].opcode);
        if (n == 0 || stays(value)) continue;
        // The result may take the place of an operand with elements of the same size, no other.
        for (const bool same_size : {true, false}) {
            for (int j = 0; j < n; ++j) {
                const int *args = steps_[k].args, arg = root(args[j]);
                const bool again = (j > 0 && root(args[0]) == arg) || (j > 1 && root(args[1]) == arg);
                const bool lasts = is_constant(arg) || (arg < n_inputs && (lasting >> arg & 1));
                if (again || lasts || slot_[arg] < 0 || last_use_[arg] != k) continue;
                if ((register_size(dtypes[arg]) == register_size(dtypes[value])) == same_size)
                    free_slots[n_free++] = slot_[arg];
            }
            if (same_size && !(direct_output() && value == outputs[0])) slot_[value] = take();
        }
        if (last_use_[value] < 0) free_slots[n_free++] = slot_[value];
    }
    if (count == 0) return MAX_TILE * 4;
    const int64_t tile = std::clamp(CACHE_BYTES / (count * bytes) / MIN_TILE * MIN_TILE, MIN_TILE, MAX_TILE);
    slot_bytes_ = tile * bytes;
    return count * slot_bytes_ <= REGISTER_BYTES ? tile : 0;
}

void Program::begin(Registers &registers, int64_t n) const {
    for (int v = 0; v < n_inputs + n_instructions; ++v)
        registers.values[v] = slot_[v] < 0 ? nullptr : registers.memory + slot_[v] * slot_bytes_;
    for (int k = 0; k < n_instructions; ++k) {
        const Step &step = steps_[k];
        if (step.opcode == op_constant) fill_constant(registers.values[n_inputs + k], step.result, step.immediate, n);
    }
}

void Program::run(Registers &registers, int64_t n) const {
    void **values = registers.values;
    for (int k = 0; k < n_instructions; ++k) {
        const Step &step = steps_[k];
        if (step.opcode == op_constant) continue;
        if (!step.function) {
            values[n_inputs + k] = values[step.args[0]];
            continue;
        }
        void *out = values[n_inputs + k];
        step.function(out, values[step.args[0]], values[step.args[1]], values[step.args[2]], n);
        if (is_half(step.result)) round_elements(out, step.result, n);
    }
}

}  // namespace ew::EW_ISA
