// Winograd's minimal filtering along one axis: T outputs of an R tap filter from SIDE = T + R - 1 products.
//
// A filter and an input are polynomials that are multiplied at SIDE - 1 points and at infinity, so the transform of the
// input depends on the points only (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2015).
#pragma once

#include "cpu/gemm_vec.h"

namespace ew::EW_ISA {

template <int SIDE>
struct Points;

// 0, 1, -1. The row of the point 0 has the other sign, in the input and in the filter.
template <>
struct Points<4> {
    static constexpr double AT[] = {0, 1, -1}, NORM[] = {1, 2, 2};
    EW_INLINE void input(vf *d) {
        const vf a = d[0] - d[2], b = d[1] + d[2], c = d[2] - d[1], e = d[3] - d[1];
        d[0] = a, d[1] = b, d[2] = c, d[3] = e;
    }
};

// 0, 0.625, -0.625, 1.5, -1.5: rounding errors of F(4, 3) are three times lower than with the usual 0, 1, -1, 2, -2.
template <>
struct Points<6> {
    static constexpr double A = 0.625, B = 1.5, A2 = A * A, B2 = B * B;
    static constexpr double NA = 2 * A2 * (A2 - B2), NB = 2 * B2 * (B2 - A2);
    static constexpr double AT[] = {0, A, -A, B, -B}, NORM[] = {A2 * B2, NA, NA, NB, NB};
    EW_INLINE void input(vf *d) {
        const vf a2 = splat(float(A2)), b2 = splat(float(B2)), sum = splat(float(A2 + B2)),
                 product = splat(float(A2 * B2));
        const vf even = d[4] - b2 * d[2], odd = splat(float(A)) * (d[3] - b2 * d[1]);
        const vf even2 = d[4] - a2 * d[2], odd2 = splat(float(B)) * (d[3] - a2 * d[1]);
        const vf first = product * d[0] - sum * d[2] + d[4], last = product * d[1] - sum * d[3] + d[5];
        d[0] = first, d[1] = even + odd, d[2] = even - odd, d[3] = even2 + odd2, d[4] = even2 - odd2, d[5] = last;
    }
};

template <int SIDE, int T>
struct Filtering {
    static constexpr int R = SIDE + 1 - T;
    using At = Points<SIDE>;

    static void filter(const double *g, double *u) {
        for (int i = 0; i < SIDE - 1; ++i) {
            double sum = 0;
            for (int k = R - 1; k >= 0; --k) sum = sum * At::AT[i] + g[k];
            u[i] = sum / At::NORM[i];
        }
        u[SIDE - 1] = g[R - 1];
    }

    // The points come in pairs of opposite sign.
    EW_INLINE void output(const vf *m, vf *y) {
        constexpr int PAIRS = SIDE / 2 - 1;
        vf even[PAIRS], odd[PAIRS];
        for (int i = 0; i < PAIRS; ++i) {
            even[i] = m[2 * i + 1] + m[2 * i + 2];
            odd[i] = m[2 * i + 1] - m[2 * i + 2];
        }
        double power[PAIRS];
        for (int i = 0; i < PAIRS; ++i) power[i] = 1;
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) {
            vf sum = t == 0 ? m[0] : vf{};
#pragma GCC unroll 2
            for (int i = 0; i < PAIRS; ++i) {
                const vf term = t % 2 == 0 ? even[i] : odd[i];
                sum = t > 0 && i == 0 ? splat(float(power[i])) * term : sum + splat(float(power[i])) * term;
                power[i] *= At::AT[2 * i + 1];
            }
            y[t] = t == T - 1 ? sum + m[SIDE - 1] : sum;
        }
    }
};

}  // namespace ew::EW_ISA
