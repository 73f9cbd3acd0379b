// GridSampler on CPUs and GPUs: which elements a place reads, and how much of each.
#pragma once

#include <math.h>

#include <cstdint>

#if defined(__CUDACC__)
#define EW_BOTH __host__ __device__
#else
#define EW_BOTH
#endif

namespace ew_plugins {

constexpr int CORNERS = 8;

struct Sampler {
    bool nearest, align;
    int padding;       // 0: zeros, 1: border, 2: reflection
    int dimensions;    // 2 or 3
    int64_t sizes[3];  // of x, the first axis first
};

// What a place reads.
struct Corners {
    int count;
    int64_t place[CORNERS];
    float share[CORNERS];
};

EW_BOTH inline float place_on_axis(float normal, int64_t size, const Sampler &s) {
    const auto n = static_cast<float>(size);
    float place = s.align ? (normal + 1) / 2 * (n - 1) : ((normal + 1) * n - 1) / 2;
    if (s.padding == 2) {
        const float low = s.align ? 0.0f : -0.5f, span = s.align ? n - 1 : n;
        const float far = fabsf(place - low), rest = fmodf(far, span);
        place = span <= 0 ? 0.0f : (fmodf(floorf(far / span), 2) == 0 ? rest : span - rest) + low;
    }
    return s.padding == 0 ? place : fminf(fmaxf(place, 0), n - 1);
}

// Each corner that was found becomes one or two: with the elements on one more axis.
EW_BOTH inline void add_axis(Corners &c, float normal, int64_t size, const Sampler &s) {
    const float place = place_on_axis(normal, size, s);
    const float low = s.nearest ? rintf(place) : floorf(place);
    const int count = c.count;
    c.count = 0;
    Corners made{};
    for (int k = 0; k < (s.nearest ? 1 : 2); ++k) {
        const float at = low + static_cast<float>(k);
        const float share = s.nearest ? 1.0f : k == 0 ? low + 1 - place : place - low;
        if (!(at >= 0 && at < static_cast<float>(size))) continue;  // NaN, too
        for (int i = 0; i < count; ++i) {
            made.place[made.count] = c.place[i] * size + static_cast<int64_t>(at);
            made.share[made.count++] = c.share[i] * share;
        }
    }
    c = made;
}

// normal: the coordinates of a place, those of the last axis first.
EW_BOTH inline Corners corners_of(const float *normal, const Sampler &s) {
    Corners c{};
    c.count = 1;
    c.share[0] = 1;
    for (int axis = 0; axis < s.dimensions; ++axis) add_axis(c, normal[s.dimensions - 1 - axis], s.sizes[axis], s);
    return c;
}

inline Sampler sampler_of(const ew_call *call) {
    const ew_tensor &x = call->inputs[0];
    Sampler s{};
    s.nearest = call->params[0].i == 1;
    s.padding = static_cast<int>(call->params[1].i);
    s.align = call->params[2].i != 0;
    s.dimensions = x.rank - 2;
    for (int axis = 0; axis < s.dimensions; ++axis) s.sizes[axis] = x.shape[2 + axis];
    return s;
}

}  // namespace ew_plugins
