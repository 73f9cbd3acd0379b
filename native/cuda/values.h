// Numbers on the device: 16-byte vectors of float, half and bfloat16, their widening to float, and activations.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "enginewright.h"

namespace ew::cuda {

using bf16 = __nv_bfloat16;

__device__ __forceinline__ float widen(float x) { return x; }
__device__ __forceinline__ float widen(half x) { return __half2float(x); }
__device__ __forceinline__ float widen(bf16 x) { return __bfloat162float(x); }

template <class T>
__device__ __forceinline__ T narrow(float x);
template <>
__device__ __forceinline__ float narrow<float>(float x) {
    return x;
}
template <>
__device__ __forceinline__ half narrow<half>(float x) {
    return __float2half_rn(x);
}
template <>
__device__ __forceinline__ bf16 narrow<bf16>(float x) {
    return __float2bfloat16_rn(x);
}

// N elements that are loaded and stored at once.
template <class T, int N>
struct alignas(sizeof(T) * N) Vector {
    T v[N];
};

// Elements in 16 bytes.
template <class T>
constexpr int LANES = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
__device__ __forceinline__ void load(float (&x)[N], const T *p) {
    const Vector<T, N> raw = *reinterpret_cast<const Vector<T, N> *>(p);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = widen(raw.v[i]);
}

template <class T, int N>
__device__ __forceinline__ void store(T *p, const float (&x)[N]) {
    Vector<T, N> raw;
#pragma unroll
    for (int i = 0; i < N; ++i) raw.v[i] = narrow<T>(x[i]);
    *reinterpret_cast<Vector<T, N> *>(p) = raw;
}

// The first `count` of N elements; the others are 0.
template <class T, int N>
__device__ __forceinline__ void load_some(float (&x)[N], const T *p, int count) {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = i < count ? widen(p[i]) : 0.0f;
}

template <class T, int N>
__device__ __forceinline__ void store_some(T *p, const float (&x)[N], int count) {
#pragma unroll
    for (int i = 0; i < N; ++i)
        if (i < count) p[i] = narrow<T>(x[i]);
}

// What follows a matrix product or convolution; the numbers are parameters of plans, so they never change.
enum Activation {
    NO_ACTIVATION = 0,
    RELU = 1,
    CLIP = 2,  // to [low, high]
    SIGMOID = 3,
    SILU = 4,
    HARD_SWISH = 5,
    GELU = 6,
    GELU_TANH = 7,
    TANH = 8,
    N_ACTIVATIONS = 9
};

// Single instructions: 2 to the x, and 1 / x, within 2 units in the last place; what is too small for a float is 0.
__device__ __forceinline__ float power_of_2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
__device__ __forceinline__ float inverse_of(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// x within [low, high]; NaN stays.
__device__ __forceinline__ float clip(float x, float low, float high) {
    asm("max.NaN.f32 %0, %0, %1;\n\tmin.NaN.f32 %0, %0, %2;" : "+f"(x) : "f"(low), "f"(high));
    return x;
}

// x times the normal distribution's cumulative function, by Abramowitz and Stegun, Handbook of Mathematical Functions,
// 7.1.26: within 1.5e-7 |x|.
__device__ __forceinline__ float gelu(float x) {
    const float t = inverse_of(1.0f + 0.3275911f * 0.70710678f * fabsf(x));
    const float poly = ((((0.53070271f * t - 0.72657601f) * t + 0.71070687f) * t - 0.14224837f) * t + 0.12741480f) * t;
    const float beyond = poly * power_of_2(-0.72134752f * x * x);
    return x * (x < 0.0f ? beyond : 1.0f - beyond);
}

// The same in its tanh form, which is x times a logistic function.
__device__ __forceinline__ float gelu_tanh(float x) {
    return x * inverse_of(1.0f + power_of_2(-2.3022082f * (x + 0.044715f * x * x * x)));
}

__device__ __forceinline__ float silu(float x) { return x * inverse_of(1.0f + power_of_2(-1.4426950f * x)); }

struct Activate {
    int kind;
    float low, high;

    // One switch for all elements: the code of one for each would not fit the instruction caches.
    template <int N>
    __device__ __forceinline__ void operator()(float (&x)[N]) const {
        switch (kind) {
            case RELU: each(x, [](float v) { return clip(v, 0.0f, INFINITY); }); break;
            case CLIP: each(x, [this](float v) { return clip(v, low, high); }); break;
            case SIGMOID: each(x, [](float v) { return inverse_of(1.0f + power_of_2(-1.4426950f * v)); }); break;
            case SILU: each(x, silu); break;
            case HARD_SWISH: each(x, [](float v) { return v * __saturatef(v * (1.0f / 6.0f) + 0.5f); }); break;
            case GELU: each(x, gelu); break;
            case GELU_TANH: each(x, gelu_tanh); break;
            case TANH: each(x, [](float v) { return tanhf(v); }); break;
            default: break;
        }
    }

  private:
    template <int N, class F>
    static __device__ __forceinline__ void each(float (&x)[N], const F &f) {
#pragma unroll
        for (int i = 0; i < N; ++i) x[i] = f(x[i]);
    }
};

// Calls f with a value of the element type; EW_INVALID_PLAN for a type that it is not made for.
template <class F>
int32_t for_float(const ew_call *call, int32_t dtype, const F &f) {
    switch (dtype) {
        case EW_FLOAT32: return f(float{});
        case EW_FLOAT16: return f(half{});
        case EW_BFLOAT16: return f(bf16{});
        default: return call->host->error(call, EW_INVALID_PLAN, "no CUDA kernel for element type %d", dtype);
    }
}

template <class F>
int32_t for_half(const ew_call *call, int32_t dtype, const F &f) {
    switch (dtype) {
        case EW_FLOAT16: return f(half{});
        case EW_BFLOAT16: return f(bf16{});
        default: return call->host->error(call, EW_INVALID_PLAN, "no CUDA kernel for element type %d", dtype);
    }
}

}  // namespace ew::cuda
