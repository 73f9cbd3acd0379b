// Finds the patterns of pointwise_pattern.h in a program.
#include "cpu/pointwise.h"

namespace ew::EW_ISA {
namespace {

bool is_function(PatternKind kind) {
    switch (kind) {
        case PatternKind::sigmoid:
        case PatternKind::silu:
        case PatternKind::gelu:
        case PatternKind::gelu_tanh:
        case PatternKind::tanh: return true;
        default: return false;
    }
}

// Follows a chain of instructions, each of which uses the result of the one before.
class Chain {
  public:
    Chain(const Program &program, Pattern &pattern) : program_(program), p_(pattern) {}

    bool follow() {
        if (program_.n_outputs != 1 || program_.n_instructions == 0) return false;
        const bool integer = program_.dtypes[0] == EW_INT32;
        result_ = program_.outputs[0];
        const Program::Step *last = made_by(result_);
        narrow_ = last && last->opcode == op_cast && last->result == EW_BFLOAT16;
        if (narrow_) result_ = last->args[0];
        for (int v = integer; v < program_.n_inputs + program_.n_instructions; ++v)
            if (program_.dtypes[v] != EW_FLOAT32 && !is_end(v) && !is_narrow_extra(v)) return follow_sloped();
        for (int k = integer ? begin() : 0; k < program_.n_instructions; ++k) {
            const Program::Step &step = program_.step(k);
            const int made = program_.n_inputs + k;
            if (step.opcode == op_constant || is_end(made) || widened(made) != made) continue;
            if ((integer && !p_.scaled) || !(closed_ ? take_behind(step) : take(step))) return false;
            value_ = made;
        }
        return result_ == value_;
    }

  private:
    const Program &program_;
    Pattern &p_;
    int value_ = 0, base_ = 0;  // the result so far; what the activation is applied to
    int result_ = 0;            // the program's result before it is rounded to bfloat16
    bool narrow_ = false;       // it is
    bool closed_ = false;       // after an activation that nothing may follow

    // Behind a cast of the integer sums, and their scale: the instruction with which the pattern begins.
    int begin() {
        int k = 0;
        const auto skip = [&] {
            while (k < program_.n_instructions && program_.step(k).opcode == op_constant) ++k;
            return k < program_.n_instructions;
        };
        if (!skip() || program_.step(k).opcode != op_cast || program_.step(k).args[0] != 0) return 0;
        p_.scaled = true;
        value_ = base_ = program_.n_inputs + k++;
        if (!skip() || program_.step(k).opcode != op_mul) return k;
        const Program::Step &step = program_.step(k);
        const bool first = step.args[0] == value_;
        if ((!first && step.args[1] != value_) || !is_extra(step.args[first ? 1 : 0])) return k;
        p_.scale_input = step.args[first ? 1 : 0] - 1;
        value_ = base_ = program_.n_inputs + k++;
        return k;
    }

    bool is_extra(int id) const { return id > 0 && id < program_.n_inputs; }
    bool is_narrow_extra(int id) const { return is_extra(id) && program_.dtypes[id] == EW_BFLOAT16; }
    // The instruction that rounds the result.
    bool is_end(int id) const { return narrow_ && id == program_.outputs[0]; }
    // The bfloat16 input of which a value is the float32 form, or the value itself.
    int widened(int id) const {
        const Program::Step *step = made_by(id);
        const bool widens = step && step->opcode == op_cast && step->result == EW_FLOAT32;
        return widens && is_narrow_extra(step->args[0]) ? step->args[0] : id;
    }
    const Program::Step *made_by(int id) const {
        return id >= program_.n_inputs ? &program_.step(id - program_.n_inputs) : nullptr;
    }
    bool constant(int id, float *number) const {
        const Program::Step *step = made_by(id);
        if (!step || step->opcode != op_constant) return false;
        *number = static_cast<float>(step->immediate.f);
        return *number == *number;
    }

    bool take(const Program::Step &step) {
        const bool first = step.args[0] == value_;
        if (!first && step.args[1] != value_) return false;
        const int other = widened(step.args[first ? 1 : 0]);
        if (step.opcode == op_add && is_extra(other) && p_.kind == PatternKind::none && p_.n_added < 2) {
            p_.added[p_.n_added++] = other - 1;
            base_ = program_.n_inputs + static_cast<int>(&step - &program_.step(0));
            return true;
        }
        float number = 0;
        if (step.opcode == op_max && other == base_ && value_ != base_) return take_leak();
        if (step.opcode == op_mul && other == base_ && value_ != base_) return take_gate();
        switch (step.opcode) {
            case op_max: return constant(other, &number) && take_low(number);
            case op_min: return constant(other, &number) && take_high(number);
            case op_mul: return constant(other, &number) && take_affine(number, 0);
            case op_add: return constant(other, &number) && take_affine(1, number);
            case op_sub: return first && constant(other, &number) && take_affine(1, -number);
            case op_div: return first && constant(other, &number) && number != 0 && take_affine(1 / number, 0);
            default: closed_ = true; return first && p_.kind == PatternKind::none && take_function(step.opcode);
        }
    }

    bool clipped() const { return p_.low != -__builtin_inff() || p_.high != __builtin_inff(); }
    bool is_outer() const { return p_.outer_scale != 1 || p_.outer_shift != 0 || p_.kind == PatternKind::gate; }

    bool take_affine(float scale, float shift) {
        const bool outer = clipped() || p_.kind == PatternKind::gate;
        float &a = outer ? p_.outer_scale : p_.scale, &b = outer ? p_.outer_shift : p_.shift;
        a *= scale;
        b = b * scale + shift;
        if (p_.kind != PatternKind::gate) p_.kind = PatternKind::affine;
        return true;
    }
    // One of each, the lower bound first: then a clamp gives the same bits.
    bool take_low(float number) {
        if (is_outer() || clipped()) return false;
        p_.low = number;
        return take_clip();
    }
    bool take_high(float number) {
        if (is_outer() || p_.high != __builtin_inff()) return false;
        p_.high = number;
        return take_clip();
    }
    bool take_clip() {
        if (p_.kind == PatternKind::none) p_.kind = PatternKind::clip;
        return true;
    }
    bool take_gate() {
        if (is_outer()) return false;
        p_.kind = PatternKind::gate;
        return true;
    }
    // max(x, slope * x), where that is the larger one for a negative x.
    bool take_leak() {
        closed_ = true;
        if (p_.kind != PatternKind::affine || clipped() || p_.shift != 0) return false;
        if (p_.scale < 0 || p_.scale > 1) return false;
        p_.kind = PatternKind::sloped;
        p_.slope = p_.scale;
        return true;
    }
    bool take_function(int32_t opcode) {
        switch (opcode) {
            case op_sigmoid: p_.kind = PatternKind::sigmoid; return true;
            case op_silu: p_.kind = PatternKind::silu; return true;
            case op_gelu: p_.kind = PatternKind::gelu; return true;
            case op_gelu_tanh: p_.kind = PatternKind::gelu_tanh; return true;
            case op_tanh: p_.kind = PatternKind::tanh; return true;
            default: return false;
        }
    }

    // A residual behind a function, as blocks with gelu or silu have it.
    bool take_behind(const Program::Step &step) {
        if (step.opcode != op_add || !is_function(p_.kind) || p_.slope_input >= 0) return false;
        const bool first = step.args[0] == value_;
        const int other = widened(step.args[first ? 1 : 0]);
        if ((!first && step.args[1] != value_) || !is_extra(other)) return false;
        p_.slope_input = other - 1;
        return true;
    }

    // where(x < 0, x * slope, x), and nothing else.
    bool follow_sloped() {
        const Program::Step *last = made_by(result_);
        if (!last || last->opcode != op_where || last->args[2] != 0) return false;
        const Program::Step *less = made_by(last->args[0]), *mul = made_by(last->args[1]);
        if (!less || less->opcode != op_less || less->args[0] != 0 || !mul || mul->opcode != op_mul) return false;
        float zero = 1;
        if (!constant(less->args[1], &zero) || zero != 0) return false;
        const int factor = mul->args[0] == 0 ? mul->args[1] : mul->args[0];
        if (mul->args[0] != 0 && mul->args[1] != 0) return false;
        p_.kind = PatternKind::sloped;
        const int values[] = {0, factor, result_};
        for (int v : values)
            if (program_.dtypes[v] != EW_FLOAT32) return false;
        if (is_extra(factor)) p_.slope_input = factor - 1;
        return is_extra(factor) || constant(factor, &p_.slope);
    }
};

}  // namespace

bool find_pattern(const Program &program, Pattern &pattern) { return Chain(program, pattern).follow(); }

}  // namespace ew::EW_ISA
