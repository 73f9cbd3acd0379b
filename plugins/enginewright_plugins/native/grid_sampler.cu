// GridSampler: a thread for each place goes through the channels.
#include "cuda_kernels.h"

#include "grid_places.h"

namespace ew_plugins::cuda {
namespace {

struct Sampling {
    int64_t channels, plane, places, total;  // plane: elements of a channel of x; places: of an image
    Sampler sampler;
};

template <class T>
__global__ void sample_all(const T *x, const T *grid, T *y, const Sampling s) {
    for (int64_t item = first_item(); item < s.total; item += all_threads()) {
        const int64_t image = item / s.places, place = item % s.places;
        float normal[3];
        for (int axis = 0; axis < s.sampler.dimensions; ++axis)
            normal[axis] = read(grid[item * s.sampler.dimensions + axis]);
        const Corners corners = corners_of(normal, s.sampler);
        const T *from = x + image * s.channels * s.plane;
        T *to = y + image * s.channels * s.places + place;
        for (int64_t channel = 0; channel < s.channels; ++channel, from += s.plane, to += s.places) {
            float sum = 0;
            for (int k = 0; k < corners.count; ++k) sum += corners.share[k] * read(from[corners.place[k]]);
            write(to, sum);
        }
    }
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: x, grid; params: mode, padding, whether corners are aligned.
extern "C" int32_t grid_sampler(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (count(y) == 0) return EW_OK;
    const int64_t images = x.shape[0], channels = x.shape[1];
    const int64_t places = count(y) / (images * channels);
    const Sampling s{channels, count(x) / (images * channels), places, images * places, ew_plugins::sampler_of(call)};
    return by_type(call, x.dtype, [&](auto element) {
        using T = decltype(element);
        sample_all<<<blocks_for(s.total), THREADS, 0, stream_of(call)>>>(data<const T>(x),
                                                                         data<const T>(call->inputs[1]), data<T>(y), s);
        return checked(call, cudaGetLastError());
    });
}
