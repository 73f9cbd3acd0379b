// Evaluates size expressions. Every overflow and every size that is no size is an error, never a wrong number.
#include <cmath>
#include <cstring>

#include "failure.h"
#include "resolved.h"

namespace ew {

namespace {

using Wide = long long;

[[noreturn]] void overflow() { fail(EW_SHAPE, "a size is too large: its computation overflows 64 bits"); }

void check_divisor(int64_t a, int64_t b) {
    if (b == 0) fail(EW_SHAPE, "a size is divided by zero");
    if (b == -1 && a == INT64_MIN) overflow();
}

int64_t floor_div(int64_t a, int64_t b) {
    check_divisor(a, b);
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

int64_t ceil_div(int64_t a, int64_t b) {
    check_divisor(a, b);
    return a / b + (a % b != 0 && (a < 0) == (b < 0));
}

int64_t floor_mod(int64_t a, int64_t b) {
    check_divisor(a, b);
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

int64_t broadcast(int64_t a, int64_t b) {
    if (a == b || b == 1) return a;
    if (a == 1) return b;
    fail(EW_SHAPE, "sizes %lld and %lld cannot be broadcast", static_cast<Wide>(a), static_cast<Wide>(b));
}

int64_t scale(int64_t a, int64_t bits) {
    double factor;
    std::memcpy(&factor, &bits, sizeof factor);
    const double scaled = std::floor(static_cast<double>(a) * factor);
    if (!(scaled >= -0x1p62 && scaled <= 0x1p62)) overflow();
    return static_cast<int64_t>(scaled);
}

int64_t arithmetic(ExprOp op, int64_t a, int64_t b) {
    int64_t result = 0;
    switch (op) {
        case ExprOp::Add:
            if (__builtin_add_overflow(a, b, &result)) overflow();
            return result;
        case ExprOp::Sub:
            if (__builtin_sub_overflow(a, b, &result)) overflow();
            return result;
        case ExprOp::Mul:
            if (__builtin_mul_overflow(a, b, &result)) overflow();
            return result;
        case ExprOp::FloorDiv: return floor_div(a, b);
        case ExprOp::Mod: return floor_mod(a, b);
        case ExprOp::CeilDiv: return ceil_div(a, b);
        case ExprOp::Min: return a < b ? a : b;
        case ExprOp::Max: return a > b ? a : b;
        case ExprOp::Broadcast: return broadcast(a, b);
        case ExprOp::Equal: return a == b;
        case ExprOp::Less: return a < b;
        default: return 0;  // a Pair has no value of its own
    }
}

int64_t data_size(const Program &program, const Resolved &resolved, const Expr &expr) {
    const Tensor &tensor = program.tensors[static_cast<size_t>(expr.a)];
    return resolved.sizes[static_cast<size_t>(tensor.dims + expr.b)];
}

}  // namespace

int64_t evaluate(const Program &program, const Resolved &resolved, const Expr &expr, const ValueSource &source) {
    switch (expr.op) {
        case ExprOp::Const: return expr.a;
        case ExprOp::InputDim: return source.input_dim(static_cast<int32_t>(expr.a), static_cast<int32_t>(expr.b));
        case ExprOp::Param: return source.param(static_cast<int32_t>(expr.a));
        case ExprOp::Value: return source.read_value(resolved, static_cast<int32_t>(expr.a), expr.b);
        case ExprOp::Data: return data_size(program, resolved, expr);
        case ExprOp::Scale: return scale(value_of(resolved, expr.a), expr.b);
        case ExprOp::Select: {
            const Expr &pair = program.exprs[static_cast<size_t>(expr.b)];
            return value_of(resolved, value_of(resolved, expr.a) != 0 ? pair.a : pair.b);
        }
        default: return arithmetic(expr.op, value_of(resolved, expr.a), value_of(resolved, expr.b));
    }
}

}  // namespace ew
