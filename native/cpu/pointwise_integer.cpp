// The functions of pointwise programs on integers and bool.
#include <type_traits>

#include "cpu/pointwise_loops.h"

namespace ew::EW_ISA {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;

// Signed overflow is undefined in C++, so sums and products are made of unsigned numbers, wide enough not to be
// promoted to int.
template <class T>
using Wrap = std::conditional_t<sizeof(T) < 4, uint32_t, Unsigned<T>>;

struct Add {
    template <class T>
    static T f(T a, T b) {
        return static_cast<T>(static_cast<Wrap<T>>(a) + static_cast<Wrap<T>>(b));
    }
};
struct Sub {
    template <class T>
    static T f(T a, T b) {
        return static_cast<T>(static_cast<Wrap<T>>(a) - static_cast<Wrap<T>>(b));
    }
};
struct Mul {
    template <class T>
    static T f(T a, T b) {
        return static_cast<T>(static_cast<Wrap<T>>(a) * static_cast<Wrap<T>>(b));
    }
};
template <class T>
bool is_minus_one(T b) {
    return std::is_signed_v<T> && b == static_cast<T>(-1);
}
struct Div {
    template <class T>
    static T f(T a, T b) {
        if (b == 0) return 0;
        return is_minus_one(b) ? Sub::f<T>(0, a) : static_cast<T>(a / b);
    }
};
struct Fmod {
    template <class T>
    static T f(T a, T b) {
        return b == 0 || is_minus_one(b) ? T(0) : static_cast<T>(a % b);
    }
};
struct Mod {
    template <class T>
    static T f(T a, T b) {
        const T r = Fmod::f(a, b);
        return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
    }
};
struct Pow {
    template <class T>
    static T f(T a, T b) {
        if (b < 0) return a == 1 ? T(1) : is_minus_one(a) ? static_cast<T>(b % 2 == 0 ? 1 : -1) : T(0);
        Wrap<T> base = static_cast<Wrap<T>>(a), result = 1;
        for (Unsigned<T> e = static_cast<Unsigned<T>>(b); e != 0; e = static_cast<Unsigned<T>>(e >> 1)) {
            if (e & 1) result *= base;
            base *= base;
        }
        return static_cast<T>(result);
    }
};
struct Neg {
    template <class T>
    static T f(T a) {
        return Sub::f<T>(0, a);
    }
};
struct Abs {
    template <class T>
    static T f(T a) {
        return a < 0 ? Sub::f<T>(0, a) : a;
    }
};
struct Sign {
    template <class T>
    static T f(T a) {
        return static_cast<T>((a > 0) - (a < 0));
    }
};
struct Not {
    template <class T>
    static T f(T a) {
        return static_cast<T>(~a);
    }
};
struct NotBool {
    template <class T>
    static T f(T a) {
        return a ^ 1;
    }
};
struct And {
    template <class T>
    static T f(T a, T b) {
        return a & b;
    }
};
struct Or {
    template <class T>
    static T f(T a, T b) {
        return a | b;
    }
};
struct Xor {
    template <class T>
    static T f(T a, T b) {
        return a ^ b;
    }
};
template <class T>
bool within(T b) {
    return static_cast<Unsigned<T>>(b) < sizeof(T) * 8;
}
struct ShiftLeft {
    template <class T>
    static T f(T a, T b) {
        return within(b) ? static_cast<T>(static_cast<Wrap<T>>(a) << static_cast<int>(b)) : T(0);
    }
};
struct ShiftRight {
    template <class T>
    static T f(T a, T b) {
        return within(b) ? static_cast<T>(a >> static_cast<int>(b)) : static_cast<T>(a < 0 ? -1 : 0);
    }
};

}  // namespace

template <class T>
TileFunction integer_function(int32_t opcode) {
    switch (opcode) {
        case op_add: return binary<Add, T, T>;
        case op_sub: return binary<Sub, T, T>;
        case op_mul: return binary<Mul, T, T>;
        case op_div: return binary<Div, T, T>;
        case op_mod: return binary<Mod, T, T>;
        case op_fmod: return binary<Fmod, T, T>;
        case op_pow: return binary<Pow, T, T>;
        case op_min: return binary<Min, T, T>;
        case op_max: return binary<Max, T, T>;
        case op_neg: return unary<Neg, T, T>;
        case op_abs: return unary<Abs, T, T>;
        case op_sign: return unary<Sign, T, T>;
        case op_bit_not: return unary<Not, T, T>;
        case op_bit_and: return binary<And, T, T>;
        case op_bit_or: return binary<Or, T, T>;
        case op_bit_xor: return binary<Xor, T, T>;
        case op_shift_left: return binary<ShiftLeft, T, T>;
        case op_shift_right: return binary<ShiftRight, T, T>;
        default: return nullptr;
    }
}

template TileFunction integer_function<int8_t>(int32_t);
template TileFunction integer_function<uint8_t>(int32_t);
template TileFunction integer_function<int16_t>(int32_t);
template TileFunction integer_function<uint16_t>(int32_t);
template TileFunction integer_function<int32_t>(int32_t);
template TileFunction integer_function<uint32_t>(int32_t);
template TileFunction integer_function<int64_t>(int32_t);
template TileFunction integer_function<uint64_t>(int32_t);

TileFunction bool_function(int32_t opcode) {
    switch (opcode) {
        case op_min:
        case op_bit_and: return binary<And, uint8_t, uint8_t>;
        case op_max:
        case op_bit_or: return binary<Or, uint8_t, uint8_t>;
        case op_bit_xor: return binary<Xor, uint8_t, uint8_t>;
        case op_bit_not: return unary<NotBool, uint8_t, uint8_t>;
        default: return nullptr;
    }
}

}  // namespace ew::EW_ISA
