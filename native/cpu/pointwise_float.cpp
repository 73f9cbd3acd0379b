// The functions of pointwise programs on float32 and float64: what float32 models spend their time in as vectors.
#include <cmath>

#include "cpu/pointwise_loops.h"
#include "cpu/vector_math.h"

namespace ew::EW_ISA {
namespace {

// clang-format off
struct Add { template <class T> static T f(T a, T b) { return a + b; } };
struct Sub { template <class T> static T f(T a, T b) { return a - b; } };
struct Mul { template <class T> static T f(T a, T b) { return a * b; } };
struct Div { template <class T> static T f(T a, T b) { return a / b; } };
struct Fmod { template <class T> static T f(T a, T b) { return std::fmod(a, b); } };
struct Pow { template <class T> static T f(T a, T b) { return std::pow(a, b); } };
struct Neg { template <class T> static T f(T a) { return -a; } };
struct Abs { template <class T> static T f(T a) { return std::fabs(a); } };
struct Sign { template <class T> static T f(T a) { return a != a ? a : static_cast<T>((a > 0) - (a < 0)); } };
struct Floor { template <class T> static T f(T a) { return std::floor(a); } };
struct Ceil { template <class T> static T f(T a) { return std::ceil(a); } };
struct Round { template <class T> static T f(T a) { return std::rint(a); } };
struct Sqrt { template <class T> static T f(T a) { return std::sqrt(a); } };
struct Reciprocal { template <class T> static T f(T a) { return 1 / a; } };
struct Exp { template <class T> static T f(T a) { return std::exp(a); } };
struct Log { template <class T> static T f(T a) { return std::log(a); } };
struct Erf { template <class T> static T f(T a) { return std::erf(a); } };
struct Sin { template <class T> static T f(T a) { return std::sin(a); } };
struct Cos { template <class T> static T f(T a) { return std::cos(a); } };
struct Tan { template <class T> static T f(T a) { return std::tan(a); } };
struct Asin { template <class T> static T f(T a) { return std::asin(a); } };
struct Acos { template <class T> static T f(T a) { return std::acos(a); } };
struct Atan { template <class T> static T f(T a) { return std::atan(a); } };
struct Sinh { template <class T> static T f(T a) { return std::sinh(a); } };
struct Cosh { template <class T> static T f(T a) { return std::cosh(a); } };
struct Tanh { template <class T> static T f(T a) { return std::tanh(a); } };
struct Asinh { template <class T> static T f(T a) { return std::asinh(a); } };
struct Acosh { template <class T> static T f(T a) { return std::acosh(a); } };
struct Atanh { template <class T> static T f(T a) { return std::atanh(a); } };
// clang-format on

// The sign of the divisor, as in Python.
struct Mod {
    template <class T>
    static T f(T a, T b) {
        const T r = std::fmod(a, b);
        if (r == 0) return std::copysign(T(0), b);
        return (r < 0) != (b < 0) ? r + b : r;
    }
};
struct Sigmoid {
    static double f(double x) {
        const double e = std::exp(-std::fabs(x));
        return (x < 0 ? e : 1) / (1 + e);
    }
    template <class T>
    static T f(T x) {
        return f(static_cast<double>(x));
    }
};
struct Silu {
    template <class T>
    static T f(T x) {
        return x * Sigmoid::f<T>(x);
    }
};
struct Gelu {
    template <class T>
    static T f(T x) {
        return 0.5 * x * std::erfc(x * -0.70710678118654752440);
    }
};
struct GeluTanh {
    template <class T>
    static T f(T x) {
        return x * Sigmoid::f<T>(1.59576912160573071176 * (x + 0.044715 * x * x * x));
    }
};
struct Softplus {
    template <class T>
    static T f(T x) {
        return (x < 0 ? T(0) : x) + std::log1p(std::exp(-std::fabs(x)));
    }
};

template <vf (*f)(vf)>
void vector_unary(void *out, const void *a, const void *, const void *, int64_t n) {
    float *o = static_cast<float *>(out);
    const float *x = static_cast<const float *>(a);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(o + i, f(load(x + i)));
    if (i < n) store_n(o + i, f(load_n(x + i, n - i)), n - i);
}

// Lanes beyond the reach of the quick range reduction are done by libm.
template <int32_t quarter, float (*exact)(float)>
vf trigonometric(vf x) {
    vf y = vsin_shifted(x, quarter);
    float far[VL], near[VL];
    store(far, x);
    bool all = true;
    for (int i = 0; i < VL; ++i) all &= std::fabs(far[i]) < 8192.0f;
    if (__builtin_expect(all, 1)) return y;
    store(near, y);
    for (int i = 0; i < VL; ++i)
        if (!(std::fabs(far[i]) < 8192.0f)) near[i] = exact(far[i]);
    return load(near);
}

float exact_sin(float x) { return std::sin(x); }
float exact_cos(float x) { return std::cos(x); }
vf vsin(vf x) { return trigonometric<0, exact_sin>(x); }
vf vcos(vf x) { return trigonometric<1, exact_cos>(x); }
vf vsilu(vf x) { return x * vsigmoid(x); }

// Through double precision where base and exponent are ordinary, by libm elsewhere: correct to 1 ulp.
vf vpow(vf x, vf y) {
    typedef float half_vector __attribute__((vector_size(VL * 2)));
    float xs[VL], ys[VL], out[VL];
    store(xs, x);
    store(ys, y);
    for (int part = 0; part < 2; ++part) {
        half_vector a, b;
        __builtin_memcpy(&a, xs + part * (VL / 2), sizeof a);
        __builtin_memcpy(&b, ys + part * (VL / 2), sizeof b);
        vd power = __builtin_convertvector(b, vd) * log_double(__builtin_convertvector(a, vd));
        power = power > 200.0 ? vd{} + 200.0 : power;
        power = power < -200.0 ? vd{} - 200.0 : power;
        const half_vector result = __builtin_convertvector(exp_double(power), half_vector);
        __builtin_memcpy(out + part * (VL / 2), &result, sizeof result);
    }
    for (int i = 0; i < VL; ++i)
        if (!(xs[i] > 1e-38f && xs[i] < 1e38f && std::fabs(ys[i]) < 1e30f)) out[i] = std::pow(xs[i], ys[i]);
    return load(out);
}

void vector_pow(void *out, const void *a, const void *b, const void *, int64_t n) {
    float *o = static_cast<float *>(out);
    const float *x = static_cast<const float *>(a), *y = static_cast<const float *>(b);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store(o + i, vpow(load(x + i), load(y + i)));
    if (i < n) store_n(o + i, vpow(load_n(x + i, n - i), load_n(y + i, n - i)), n - i);
}

template <class T>
TileFunction common_function(int32_t opcode) {
    switch (opcode) {
        case op_add: return binary<Add, T, T>;
        case op_sub: return binary<Sub, T, T>;
        case op_mul: return binary<Mul, T, T>;
        case op_div: return binary<Div, T, T>;
        case op_mod: return binary<Mod, T, T>;
        case op_fmod: return binary<Fmod, T, T>;
        case op_min: return binary<Min, T, T>;
        case op_max: return binary<Max, T, T>;
        case op_neg: return unary<Neg, T, T>;
        case op_abs: return unary<Abs, T, T>;
        case op_sign: return unary<Sign, T, T>;
        case op_floor: return unary<Floor, T, T>;
        case op_ceil: return unary<Ceil, T, T>;
        case op_round: return unary<Round, T, T>;
        case op_sqrt: return unary<Sqrt, T, T>;
        case op_reciprocal: return unary<Reciprocal, T, T>;
        case op_tan: return unary<Tan, T, T>;
        case op_asin: return unary<Asin, T, T>;
        case op_acos: return unary<Acos, T, T>;
        case op_atan: return unary<Atan, T, T>;
        case op_sinh: return unary<Sinh, T, T>;
        case op_cosh: return unary<Cosh, T, T>;
        case op_asinh: return unary<Asinh, T, T>;
        case op_acosh: return unary<Acosh, T, T>;
        case op_atanh: return unary<Atanh, T, T>;
        default: return nullptr;
    }
}

}  // namespace

TileFunction float32_function(int32_t opcode) {
    switch (opcode) {
        case op_pow: return vector_pow;
        case op_exp: return vector_unary<vexp>;
        case op_log: return vector_unary<vlog>;
        case op_erf: return vector_unary<verf>;
        case op_sin: return vector_unary<vsin>;
        case op_cos: return vector_unary<vcos>;
        case op_tanh: return vector_unary<vtanh>;
        case op_sigmoid: return vector_unary<vsigmoid>;
        case op_silu: return vector_unary<vsilu>;
        case op_gelu: return vector_unary<vgelu>;
        case op_gelu_tanh: return vector_unary<vgelu_tanh>;
        case op_softplus: return vector_unary<vsoftplus>;
        default: return common_function<float>(opcode);
    }
}

TileFunction float64_function(int32_t opcode) {
    switch (opcode) {
        case op_pow: return binary<Pow, double, double>;
        case op_exp: return unary<Exp, double, double>;
        case op_log: return unary<Log, double, double>;
        case op_erf: return unary<Erf, double, double>;
        case op_sin: return unary<Sin, double, double>;
        case op_cos: return unary<Cos, double, double>;
        case op_tanh: return unary<Tanh, double, double>;
        case op_sigmoid: return unary<Sigmoid, double, double>;
        case op_silu: return unary<Silu, double, double>;
        case op_gelu: return unary<Gelu, double, double>;
        case op_gelu_tanh: return unary<GeluTanh, double, double>;
        case op_softplus: return unary<Softplus, double, double>;
        default: return common_function<double>(opcode);
    }
}

}  // namespace ew::EW_ISA
