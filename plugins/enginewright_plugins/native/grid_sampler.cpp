// GridSampler: some places at a time, for one channel after another.
#include "kernels.h"

#include "grid_places.h"

namespace ew_plugins {
namespace {

constexpr int64_t BLOCK = 64;  // places at once: 7 KiB

struct Sampling {
    const float *x, *grid;
    float *y;
    int64_t channels, plane, places;  // plane: elements of a channel of x; places: of an image
    Sampler sampler;
};

void sample(const Sampling &s, int64_t image, int64_t first, int64_t count) {
    Corners corners[BLOCK];
    const float *normal = s.grid + (image * s.places + first) * s.sampler.dimensions;
    for (int64_t i = 0; i < count; ++i) corners[i] = corners_of(normal + i * s.sampler.dimensions, s.sampler);
    for (int64_t channel = 0; channel < s.channels; ++channel) {
        const float *x = s.x + (image * s.channels + channel) * s.plane;
        float *y = s.y + (image * s.channels + channel) * s.places + first;
        for (int64_t i = 0; i < count; ++i) {
            float sum = 0;
            for (int k = 0; k < corners[i].count; ++k) sum += corners[i].share[k] * x[corners[i].place[k]];
            y[i] = sum;
        }
    }
}

}  // namespace
}  // namespace ew_plugins

// inputs: x, grid; params: mode, padding, whether corners are aligned.
extern "C" int32_t grid_sampler_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor &x = call->inputs[0];
    if (count(call->outputs[0]) == 0) return EW_OK;
    Sampling s{};
    s.x = data<const float>(x);
    s.grid = data<const float>(call->inputs[1]);
    s.y = data<float>(call->outputs[0]);
    s.channels = x.shape[1];
    s.plane = count(x) / (x.shape[0] * x.shape[1]);
    s.places = count(call->outputs[0]) / (x.shape[0] * x.shape[1]);
    s.sampler = sampler_of(call);
    const int64_t blocks = (s.places + BLOCK - 1) / BLOCK;
    for_ranges(call, x.shape[0] * blocks, BLOCK * (s.channels + 8) * 8, [&s, blocks](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
            const int64_t first = task % blocks * BLOCK;
            sample(s, task / blocks, first, std::min(BLOCK, s.places - first));
        }
    });
    return EW_OK;
}
