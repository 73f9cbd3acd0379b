// Pointwise programs as CUDA C++: a preamble with every operation, then a kernel with one line an instruction.
#include "pointwise_source.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <vector>

#include "program_compiler.h"

namespace ew::cuda {

namespace {

constexpr int WORDS_PER_STEP = 6;

// The order of OPERATIONS in enginewright/ops/pointwise_table.py; a test compares them.
constexpr const char *OPCODES[] = {
    "constant",    "cast",      "add",      "sub",        "mul",     "div",     "mod",    "fmod",    "pow",
    "min",         "max",       "neg",      "abs",        "sign",    "floor",   "ceil",   "round",   "sqrt",
    "reciprocal",  "exp",       "log",      "erf",        "sin",     "cos",     "tan",    "asin",    "acos",
    "atan",        "sinh",      "cosh",     "tanh",       "asinh",   "acosh",   "atanh",  "sigmoid", "silu",
    "gelu",        "gelu_tanh", "softplus", "is_nan",     "bit_not", "bit_and", "bit_or", "bit_xor", "shift_left",
    "shift_right", "equal",     "less",     "less_equal", "where"};
constexpr int N_OPCODES = sizeof OPCODES / sizeof *OPCODES;

struct Type {
    int32_t dtype;
    const char *memory, *value;  // as it lies in memory, and in registers
    int bytes;
};
constexpr Type TYPES[] = {{EW_FLOAT32, "float", "float", 4},
                          {EW_FLOAT64, "double", "double", 8},
                          {EW_FLOAT16, "half16", "float", 2},
                          {EW_BFLOAT16, "brain16", "float", 2},
                          {EW_INT8, "signed char", "signed char", 1},
                          {EW_UINT8, "unsigned char", "unsigned char", 1},
                          {EW_INT16, "short", "short", 2},
                          {EW_UINT16, "unsigned short", "unsigned short", 2},
                          {EW_INT32, "int", "int", 4},
                          {EW_UINT32, "unsigned int", "unsigned int", 4},
                          {EW_INT64, "long long", "long long", 8},
                          {EW_UINT64, "unsigned long long", "unsigned long long", 8},
                          {EW_BOOL, "bool", "bool", 1}};

const Type *type_of(int64_t dtype) {
    for (const Type &type : TYPES)
        if (type.dtype == dtype) return &type;
    return nullptr;
}

// What each opcode is: halves are float in registers and rounded after each step; integers wrap.
constexpr const char *PREAMBLE = R"(
struct half16 { unsigned short bits; };
struct brain16 { unsigned short bits; };
struct __align__(16) sixteen { unsigned int words[4]; };
template <int bytes> struct Block { unsigned char data[bytes]; };
template <> struct Block<2> { unsigned short data; };
template <> struct Block<4> { unsigned int data; };
template <> struct Block<8> { uint2 data; };
template <> struct Block<16> { uint4 data; };
template <typename T, int n> union Vector {
    Block<(sizeof(T) * n > 16 ? 16 : sizeof(T) * n)> blocks[sizeof(T) * n > 16 ? sizeof(T) * n / 16 : 1];
    T at[n];
    Vector() {}
};
template <typename T, int n> void read(Vector<T, n> &to, const T *from) {
    using B = Block<(sizeof(T) * n > 16 ? 16 : sizeof(T) * n)>;
    for (int i = 0; i < int(sizeof to.blocks / sizeof(B)); ++i) to.blocks[i] = reinterpret_cast<const B *>(from)[i];
}
template <typename T, int n> void write(T *to, const Vector<T, n> &from) {
    using B = Block<(sizeof(T) * n > 16 ? 16 : sizeof(T) * n)>;
    for (int i = 0; i < int(sizeof from.blocks / sizeof(B)); ++i) reinterpret_cast<B *>(to)[i] = from.blocks[i];
}
template <typename T> T load(T x) { return x; }
float load(half16 x) { float y; asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits)); return y; }
float load(brain16 x) { return __uint_as_float(unsigned(x.bits) << 16); }
template <typename T, typename V> T store(V x) { return x; }
template <> half16 store<half16, float>(float x) {
    half16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
template <> brain16 store<brain16, float>(float x) {
    brain16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
template <typename T, typename V> V rounded(V x) { return load(store<T, V>(x)); }
template <typename T> constexpr bool is_float = false;
template <> constexpr bool is_float<float> = true;
template <> constexpr bool is_float<double> = true;
template <typename T> constexpr bool is_signed = T(-1) < T(0);
template <typename To, typename From> To cast_to(From x) {
    if constexpr (sizeof(To) == 1 && To(2) == To(1)) {
        return x != From(0);
    } else if constexpr (is_float<From> && !is_float<To>) {
        constexpr int bits = sizeof(To) * 8;
        constexpr double top = is_signed<To> ? double(1ULL << (bits - 1)) : 2.0 * double(1ULL << (bits - 1));
        constexpr double low = is_signed<To> ? -top : 0.0;
        if (x != x) return To(0);
        if (double(x) >= top) return To(is_signed<To> ? ~(1ULL << (bits - 1)) : ~0ULL);
        if (double(x) <= low) return To(is_signed<To> ? 1ULL << (bits - 1) : 0ULL);
        return To(x);
    } else if constexpr (is_float<To> && sizeof(From) == 8 && is_float<From>) {
        return To(x);
    } else {
        return To(x);
    }
}
template <typename T> T op_add(T a, T b) { if constexpr (is_float<T>) return a + b; else return T((unsigned long long)a + (unsigned long long)b); }
template <typename T> T op_sub(T a, T b) { if constexpr (is_float<T>) return a - b; else return T((unsigned long long)a - (unsigned long long)b); }
template <typename T> T op_mul(T a, T b) { if constexpr (is_float<T>) return a * b; else return T((unsigned long long)a * (unsigned long long)b); }
template <typename T> T op_div(T a, T b) {
    if constexpr (is_float<T>) return a / b;
    else if (b == T(0)) return T(0);
    else if (is_signed<T> && b == T(-1)) return T(0ULL - (unsigned long long)a);
    else return T(a / b);
}
template <typename T> T op_fmod(T a, T b) {
    if constexpr (is_float<T>) return fmod(a, b);
    else if (b == T(0) || (is_signed<T> && b == T(-1))) return T(0);
    else return T(a % b);
}
template <typename T> T op_mod(T a, T b) {
    T r = op_fmod(a, b);
    if constexpr (is_float<T>) {
        if (r == T(0)) return copysign(r, b);
    }
    return r != T(0) && ((r < T(0)) != (b < T(0))) ? op_add(r, b) : r;
}
template <typename T> T op_pow(T a, T b) {
    if constexpr (is_float<T>) { return b == T(2) ? a * a : b == T(0.5) ? T(pow(a, b)) : T(pow(a, b)); }
    else {
        if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? (b % T(2) ? T(-1) : T(1)) : T(0);
        unsigned long long result = 1, base = (unsigned long long)a, left = (unsigned long long)b;
        for (; left; left >>= 1, base *= base) if (left & 1) result *= base;
        return T(result);
    }
}
template <typename T> T op_min(T a, T b) { return a != a ? a : b != b ? b : a < b ? a : b; }
template <typename T> T op_max(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; }
template <typename T> T op_neg(T a) { if constexpr (is_float<T>) return -a; else return T(0ULL - (unsigned long long)a); }
template <typename T> T op_abs(T a) { if constexpr (is_float<T>) return fabs(a); else return a < T(0) ? op_neg(a) : a; }
template <typename T> T op_sign(T a) { return a != a ? a : T((a > T(0)) - (a < T(0))); }
template <typename T> T op_floor(T a) { return floor(a); }
template <typename T> T op_ceil(T a) { return ceil(a); }
template <typename T> T op_round(T a) { return rint(a); }
template <typename T> T op_sqrt(T a) { return sqrt(a); }
template <typename T> T op_reciprocal(T a) { return T(1) / a; }
template <typename T> T op_exp(T a) { return exp(a); }
template <typename T> T op_log(T a) { return log(a); }
template <typename T> T op_erf(T a) { return erf(a); }
template <typename T> T op_sin(T a) { return sin(a); }
template <typename T> T op_cos(T a) { return cos(a); }
template <typename T> T op_tan(T a) { return tan(a); }
template <typename T> T op_asin(T a) { return asin(a); }
template <typename T> T op_acos(T a) { return acos(a); }
template <typename T> T op_atan(T a) { return atan(a); }
template <typename T> T op_sinh(T a) { return sinh(a); }
template <typename T> T op_cosh(T a) { return cosh(a); }
template <typename T> T op_tanh(T a) { return tanh(a); }
template <typename T> T op_asinh(T a) { return asinh(a); }
template <typename T> T op_acosh(T a) { return acosh(a); }
template <typename T> T op_atanh(T a) { return atanh(a); }
template <typename T> T op_sigmoid(T a) { T e = exp(-fabs(a)); return (a < T(0) ? e : T(1)) / (T(1) + e); }
template <typename T> T op_silu(T a) { return a * op_sigmoid(a); }
template <typename T> T op_gelu(T a) { return T(0.5) * a * erfc(a * T(-0.70710678118654752440)); }
template <typename T> T op_gelu_tanh(T a) {
    return a * op_sigmoid(T(1.5957691216057307600) * (a + T(0.044715) * a * a * a));
}
template <typename T> T op_softplus(T a) { return (a > T(0) ? a : T(0)) + log1p(exp(-fabs(a))); }
template <typename T> bool op_is_nan(T a) { return a != a; }
template <typename T> T op_bit_not(T a) { return T(~a); }
template <> bool op_bit_not<bool>(bool a) { return !a; }
template <typename T> T op_bit_and(T a, T b) { return T(a & b); }
template <typename T> T op_bit_or(T a, T b) { return T(a | b); }
template <typename T> T op_bit_xor(T a, T b) { return T(a ^ b); }
template <typename T> T op_shift_left(T a, T b) {
    return b >= T(0) && b < T(sizeof(T) * 8) ? T((unsigned long long)a << b) : T(0);
}
template <typename T> T op_shift_right(T a, T b) {
    return b >= T(0) && b < T(sizeof(T) * 8) ? T(a >> b) : a < T(0) ? T(-1) : T(0);
}
template <typename T> bool op_equal(T a, T b) { return a == b; }
template <typename T> bool op_less(T a, T b) { return a < b; }
template <typename T> bool op_less_equal(T a, T b) { return a <= b; }
template <typename T> T op_where(bool c, T a, T b) { return c ? a : b; }
)";

// What begin() in launch.h does: the kernel is launched while the one before it runs.
constexpr const char *BEGIN = R"(
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;\n\tgriddepcontrol.wait;" ::: "memory");
#endif
)";

std::string number(const Type &type, const ew_param &word) {
    char text[64];
    const bool is_float = std::strcmp(type.value, "float") == 0 || type.dtype == EW_FLOAT64;
    if (!is_float) {
        std::snprintf(text, sizeof text, "(%s)%lldLL", type.value, static_cast<long long>(word.i));
        if (word.i == INT64_MIN) std::snprintf(text, sizeof text, "(%s)(-9223372036854775807LL - 1)", type.value);
        return text;
    }
    uint64_t bits;
    std::memcpy(&bits, &word.f, sizeof bits);
    std::snprintf(text, sizeof text, "(%s)__longlong_as_double(0x%llxLL)", type.value,
                  static_cast<unsigned long long>(bits));
    if (std::isfinite(word.f)) std::snprintf(text, sizeof text, "(%s)%a", type.value, word.f);
    return text;
}

struct Program {
    int n_inputs = 0, n_steps = 0, n_outputs = 0;
    std::vector<const Type *> types;  // of the values
    const ew_param *steps = nullptr, *outputs = nullptr;

    bool parse(const ew_param *words, int64_t n_words) {
        if (n_words < 3) return false;
        const int64_t inputs = words[0].i, count = words[1].i, results = words[2].i;
        if (inputs < 0 || inputs > MAX_PROGRAM_INPUTS || count < 0 || count > 1000 || results < 1 ||
            results > MAX_PROGRAM_OUTPUTS || n_words < 3 + inputs + WORDS_PER_STEP * count + results)
            return false;
        n_inputs = static_cast<int>(inputs);
        n_steps = static_cast<int>(count);
        n_outputs = static_cast<int>(results);
        steps = words + 3 + n_inputs;
        outputs = steps + WORDS_PER_STEP * n_steps;
        for (int i = 0; i < n_inputs; ++i) types.push_back(type_of(words[3 + i].i));
        for (int i = 0; i < n_steps; ++i) types.push_back(type_of(steps[WORDS_PER_STEP * i + 1].i));
        for (const Type *type : types)
            if (type == nullptr) return false;
        return check();
    }

  private:
    bool check() const {
        for (int i = 0; i < n_steps; ++i) {
            const ew_param *step = steps + WORDS_PER_STEP * i;
            if (step[0].i < 0 || step[0].i >= N_OPCODES) return false;
            for (int k = 2; k < 5; ++k)
                if (step[k].i < -1 || step[k].i >= n_inputs + i) return false;
            if (step[0].i > 0 && step[2].i < 0) return false;
        }
        for (int i = 0; i < n_outputs; ++i)
            if (outputs[i].i < 0 || outputs[i].i >= n_inputs + n_steps) return false;
        return true;
    }
};

void write_step(std::ostringstream &out, const Program &program, int index) {
    const ew_param *step = program.steps + WORDS_PER_STEP * index;
    const Type &type = *program.types[static_cast<size_t>(program.n_inputs + index)];
    std::ostringstream value;
    if (step[0].i == 0) {
        value << number(type, step[5]);
    } else if (step[0].i == 1) {
        value << "cast_to<" << type.value << ">(v" << step[2].i << ")";
    } else {
        value << "op_" << OPCODES[step[0].i] << '(';
        for (int k = 2; k < 5 && step[k].i >= 0; ++k) value << (k > 2 ? ", v" : "v") << step[k].i;
        value << ')';
    }
    const bool half = type.dtype == EW_FLOAT16 || type.dtype == EW_BFLOAT16;
    out << "        const " << type.value << " v" << program.n_inputs + index << " = ";
    if (half && step[0].i != 0) {
        out << "rounded<" << type.memory << ">(" << value.str() << ");\n";
    } else {
        out << value.str() << ";\n";
    }
}

void write_signature(std::ostringstream &out, const Program &program) {
    out << "struct Sizes { unsigned int groups, size[8], stride[16][8]; };\n"
        << "extern \"C\" __global__ void __launch_bounds__(256) pointwise(const __grid_constant__ Sizes sizes";
    for (int i = 0; i < program.n_inputs; ++i) {
        const Type &type = *program.types[static_cast<size_t>(i)];
        out << ", const " << type.memory << " *in" << i;
    }
    for (int i = 0; i < program.n_outputs; ++i)
        out << ", " << program.types[static_cast<size_t>(program.outputs[i].i)]->memory << " *out" << i;
    out << ") {\n";
}

// The place of an input's first element: its offset from the axes' indices.
void write_place(std::ostringstream &out, const PointwiseForm &form, int input) {
    out << "    const unsigned int o" << input << " = ";
    switch (form.access[input]) {
        case Access::whole: out << "e"; break;
        case Access::scalar: out << "0"; break;
        default:
            for (int axis = 0; axis < form.rank; ++axis)
                out << (axis > 0 ? " + i" : "i") << axis << " * sizes.stride[" << input << "][" << axis << ']';
    }
    out << ";\n";
}

void write_loads(std::ostringstream &out, const Program &program, const PointwiseForm &form) {
    for (int i = 0; i < program.n_inputs; ++i) {
        const Type &type = *program.types[static_cast<size_t>(i)];
        write_place(out, form, i);
        if (form.access[i] == Access::whole || form.access[i] == Access::row) {
            out << "    Vector<" << type.memory << ", " << form.vector << "> x" << i << ";\n    read(x" << i << ", in"
                << i << " + o" << i << ");\n";
        } else {
            out << "    const " << type.value << " v" << i << " = load(in" << i << "[o" << i << "]);\n";
        }
    }
}

void write_indices(std::ostringstream &out, const PointwiseForm &form) {
    out << "    const unsigned int group = blockIdx.x * 256 + threadIdx.x;\n"
        << "    if (group >= sizes.groups) return;\n"
        << "    const unsigned int e = group * " << form.vector << ";\n";
    bool indexed = false;
    for (int i = 0; i < MAX_PROGRAM_INPUTS; ++i)
        indexed = indexed || form.access[i] == Access::row || form.access[i] == Access::broadcast;
    if (!indexed) return;
    out << "    unsigned int rest = e;\n";
    for (int axis = 0; axis + 1 < form.rank; ++axis)
        out << "    const unsigned int i" << axis << " = rest % sizes.size[" << axis << "]; rest /= sizes.size[" << axis
            << "];\n";
    out << "    const unsigned int i" << form.rank - 1 << " = rest;\n";
}

}  // namespace

int element_bytes(int32_t dtype) {
    const Type *type = type_of(dtype);
    return type == nullptr ? 0 : type->bytes;
}

std::string pointwise_source(const PointwiseForm &form) {
    Program program;
    if (!program.parse(form.words, form.n_words)) return {};
    std::ostringstream out;
    out << PREAMBLE;
    write_signature(out, program);
    out << BEGIN;
    write_indices(out, form);
    write_loads(out, program, form);
    for (int i = 0; i < program.n_outputs; ++i)
        out << "    Vector<" << program.types[static_cast<size_t>(program.outputs[i].i)]->memory << ", " << form.vector
            << "> y" << i << ";\n";
    out << "    #pragma unroll\n    for (int k = 0; k < " << form.vector << "; ++k) {\n";
    for (int i = 0; i < program.n_inputs; ++i)
        if (form.access[i] == Access::whole || form.access[i] == Access::row)
            out << "        const " << program.types[static_cast<size_t>(i)]->value << " v" << i << " = load(x" << i
                << ".at[k]);\n";
    for (int i = 0; i < program.n_steps; ++i) write_step(out, program, i);
    for (int i = 0; i < program.n_outputs; ++i) {
        const Type &type = *program.types[static_cast<size_t>(program.outputs[i].i)];
        out << "        y" << i << ".at[k] = store<" << type.memory << ", " << type.value << ">(v"
            << program.outputs[i].i << ");\n";
    }
    out << "    }\n";
    for (int i = 0; i < program.n_outputs; ++i) out << "    write(out" << i << " + e, y" << i << ");\n";
    out << "}\n";
    return out.str();
}

}  // namespace ew::cuda

extern "C" EW_EXPORT int32_t ew_cuda_compile(const ew_param *words, int64_t n_words, int32_t vector, int32_t rank,
                                             const char *access, const char *architecture, char *error,
                                             int64_t error_size) {
    using namespace ew::cuda;
    PointwiseForm form{words, n_words, vector, rank, {}};
    const size_t given = std::strlen(access);
    for (size_t i = 0; i < MAX_PROGRAM_INPUTS; ++i)
        form.access[i] = i < given ? static_cast<Access>(access[i]) : Access::scalar;
    const std::string source = pointwise_source(form);
    std::string code, why = "the words are no program";
    if (!source.empty() && compile(source, architecture, code, why)) return EW_OK;
    std::snprintf(error, static_cast<size_t>(error_size), "%s", why.c_str());
    return EW_FAILED;
}
