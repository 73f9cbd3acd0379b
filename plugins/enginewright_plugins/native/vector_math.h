// Exponentials and sums in loops that the compiler turns into vector code.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace ew_plugins {

// e^x within 2 units in the last place, between e^-87.3 and e^88.3 (beyond, the value there). Range
// reduction by multiples of ln 2 in two parts, then the Taylor polynomial of degree 7 on half of ln 2 to either side.
inline float fast_exp(float given) {
    float x = given;
    x = x > -87.3f ? x : -87.3f;
    x = x < 88.3f ? x : 88.3f;
    const float n = std::floor(x * 1.44269504f + 0.5f);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const float made = p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
    return given == given ? made : given;
}

constexpr int64_t LANES = 16;

// The sum of f(0) ... f(n - 1), in lanes.
template <class F>
inline float lane_sum(int64_t n, const F &f) {
    float lanes[LANES] = {}, rest = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int64_t k = 0; k < LANES; ++k) lanes[k] += f(i + k);
    for (; i < n; ++i) rest += f(i);
    for (int64_t half = LANES / 2; half > 0; half /= 2)
        for (int64_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
    return lanes[0] + rest;
}

// The same in pieces whose sums are added in double precision, for many numbers.
template <class F>
inline double long_sum(int64_t n, const F &f) {
    constexpr int64_t PIECE = 1024;
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += PIECE)
        total += lane_sum(n - begin < PIECE ? n - begin : PIECE, [&f, begin](int64_t i) { return f(begin + i); });
    return total;
}

}  // namespace ew_plugins
