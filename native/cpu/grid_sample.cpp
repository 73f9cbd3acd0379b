// GridSample for float32 and up to three spatial axes: each output point is a weighted sum of its neighbours.
#include <cmath>

#include "cpu/rows.h"

namespace ew::EW_ISA {

namespace {

enum Mode : int64_t { NEAREST, LINEAR, CUBIC };
enum Padding : int64_t { ZEROS, BORDER, REFLECTION };
constexpr int MAX_SPATIAL = 3, MAX_TAPS = 4;

struct Options {
    int64_t mode, padding;
    bool align;
};

struct Taps {
    int64_t index[MAX_TAPS];
    float weight[MAX_TAPS];
    int count;
};

float reflect(float place, float low, float high) {
    const float span = high - low;
    if (!(span > 0)) return 0;
    const float far = place < low ? low - place : place - high, turns = std::trunc(far / span);
    const float rest = far - turns * span;
    const bool even = std::fmod(turns, 2.0F) == 0;
    if (place < low) return even ? low + rest : high - rest;
    if (place > high) return even ? high - rest : low + rest;
    return place;
}

float reflect_in(const Options &o, float place, int64_t size) {
    const float n = static_cast<float>(size);
    return o.align ? reflect(place, 0, n - 1) : reflect(place, -0.5F, n - 0.5F);
}

float clip(float place, int64_t size) {
    const float last = static_cast<float>(size - 1);
    return place > 0 ? (place < last ? place : last) : 0;  // 0 for what is no number
}

// Keys' cubic kernel with a = -0.75 (https://doi.org/10.1109/TASSP.1981.1163711).
float cubic(float d) {
    constexpr float a = -0.75F;
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

void add_tap(const Options &o, int64_t size, float at, float weight, Taps &taps) {
    if (o.padding == REFLECTION) at = std::trunc(reflect_in(o, at, size));
    if (o.padding == ZEROS && !(at >= 0 && at < static_cast<float>(size))) return;
    taps.index[taps.count] = static_cast<int64_t>(clip(at, size));
    taps.weight[taps.count++] = weight;
}

Taps taps_at(const Options &o, float normal, int64_t size) {
    const float n = static_cast<float>(size);
    float place = o.align ? (normal + 1) * 0.5F * (n - 1) : ((normal + 1) * n - 1) * 0.5F;
    if (o.mode == NEAREST) place = std::nearbyint(place);
    if (o.mode != CUBIC) {
        if (o.padding == BORDER) place = clip(place, size);
        if (o.padding == REFLECTION) place = reflect_in(o, place, size);
    }
    Taps taps;
    taps.count = 0;
    if (o.mode == NEAREST) {
        add_tap(o, size, place, 1, taps);
        return taps;
    }
    const float base = std::floor(place), ratio = place - base;
    if (o.mode == LINEAR) {
        add_tap(o, size, base, 1 - ratio, taps);
        add_tap(o, size, base + 1, ratio, taps);
        return taps;
    }
    for (int step = -1; step <= 2; ++step)
        add_tap(o, size, base + static_cast<float>(step), cubic(std::fabs(ratio - static_cast<float>(step))), taps);
    return taps;
}

struct Sampling {
    Options o;
    const float *x, *grid;
    float *y;
    int64_t channels, points, plane;  // points of one image, elements of one channel
    int spatial;
    int64_t size[MAX_SPATIAL];
};

// All neighbours of one point: offsets in a channel and weights; returns how many.
int neighbours(const Sampling &s, const float *place, int64_t *offset, float *weight) {
    int count = 1;
    offset[0] = 0;
    weight[0] = 1;
    for (int axis = 0; axis < s.spatial; ++axis) {
        const Taps taps = taps_at(s.o, place[s.spatial - 1 - axis], s.size[axis]);
        int64_t before[64];
        float factor[64];
        std::copy(offset, offset + count, before);
        std::copy(weight, weight + count, factor);
        int made = 0;
        for (int i = 0; i < count; ++i)
            for (int t = 0; t < taps.count; ++t, ++made) {
                offset[made] = before[i] * s.size[axis] + taps.index[t];
                weight[made] = factor[i] * taps.weight[t];
            }
        count = made;
    }
    return count;
}

void sample_points(const Sampling &s, int64_t begin, int64_t end) {
    int64_t offset[64];
    float weight[64];
    for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / s.points, point = i % s.points;
        const int count = neighbours(s, s.grid + i * s.spatial, offset, weight);
        const float *x = s.x + image * s.channels * s.plane;
        float *y = s.y + image * s.channels * s.points + point;
        for (int64_t c = 0; c < s.channels; ++c, x += s.plane, y += s.points) {
            float total = 0;
            for (int k = 0; k < count; ++k) total += weight[k] * x[offset[k]];
            *y = total;
        }
    }
}

// inputs: x [N, C, spatial], grid [N, output, spatial]; params: mode, padding, align_corners.
int32_t run(const ew_call *call) {
    const ew_tensor &x = call->inputs[0], &grid = call->inputs[1], &y = call->outputs[0];
    Sampling s{};
    s.spatial = x.rank - 2;
    if (call->n_params != 3 || s.spatial < 1 || s.spatial > MAX_SPATIAL || grid.rank != x.rank ||
        grid.shape[grid.rank - 1] != s.spatial || grid.shape[0] != x.shape[0])
        return call->host->error(call, EW_INVALID_PLAN, "the grid does not fit the data");
    s.o = {call->params[0].i, call->params[1].i, call->params[2].i != 0};
    s.x = static_cast<const float *>(x.data);
    s.grid = static_cast<const float *>(grid.data);
    s.y = static_cast<float *>(y.data);
    s.channels = x.shape[1];
    s.plane = 1;
    for (int axis = 0; axis < s.spatial; ++axis) s.plane *= s.size[axis] = x.shape[axis + 2];
    const int64_t total = count_of(grid) / s.spatial;
    s.points = x.shape[0] ? total / x.shape[0] : 0;
    if (s.plane == 0) {
        std::fill(s.y, s.y + count_of(y), 0.0F);
        return EW_OK;
    }
    for_ranges(call, total, s.channels * 8 + 32, [&s](int64_t begin, int64_t end) { sample_points(s, begin, end); });
    return EW_OK;
}

}  // namespace

EW_KERNEL(grid_sample_f32, run)

}  // namespace ew::EW_ISA
