// A window that slides over up to three axes of a tensor [outer, depth, height, width].
#pragma once

#include "cuda/kernel.h"

namespace ew::cuda {

struct WindowAxis {
    int size, out, kernel, stride, dilation, begin, end;  // begin, end: padding before and behind

    // Where the window at place `at` has its element `tap`; outside of [0, size) in the padding.
    __device__ __forceinline__ int element(int at, int tap) const { return at * stride - begin + tap * dilation; }
    // How many of its elements lie in the padded axis.
    __device__ __forceinline__ int covered(int at) const {
        const int first = at * stride - begin, bound = min(first + (kernel - 1) * dilation + 1, size + end);
        return (bound - first + dilation - 1) / dilation;
    }
};

struct Window {
    WindowAxis axis[3];

    __host__ __device__ int64_t places() const { return static_cast<int64_t>(axis[0].out) * axis[1].out * axis[2].out; }
    __host__ __device__ int64_t elements() const {
        return static_cast<int64_t>(axis[0].size) * axis[1].size * axis[2].size;
    }
    __host__ __device__ int taps() const { return axis[0].kernel * axis[1].kernel * axis[2].kernel; }
};

// Where the elements of [images, channels, places], or with the channels last, lie.
struct Layout {
    int64_t image, channel, place;  // elements from one to the next

    static Layout of(bool last, int64_t channels, int64_t places) {
        return {channels * places, last ? 1 : places, last ? channels : 1};
    }
    __host__ __device__ int64_t at(int64_t image_, int64_t channel_, int64_t place_) const {
        return image_ * image + channel_ * channel + place_ * place;
    }
    // What lies at an index.
    __host__ __device__ void split(int64_t index, int channels, int64_t places, int64_t *image_, int *channel_,
                                   int64_t *place_) const {
        const int64_t in_image = index % image;
        *image_ = index / image;
        *channel_ = static_cast<int>(in_image / channel % channels);
        *place_ = in_image / place % places;
    }
};

constexpr int WINDOW_PARAMS = 21;

// From seven parameters an axis, in the order of WindowAxis; false where they describe no window.
inline bool read_window(const ew_param *params, Window *window) {
    constexpr int64_t MOST = 1 << 24;
    for (int i = 0; i < WINDOW_PARAMS; ++i)
        if (params[i].i < 0 || params[i].i > MOST) return false;
    for (int i = 0; i < 3; ++i) {
        const auto number = [&](int at) { return static_cast<int>(params[i * 7 + at].i); };
        window->axis[i] = {number(0), number(1), number(2), number(3), number(4), number(5), number(6)};
        if (number(2) < 1 || number(3) < 1 || number(4) < 1) return false;
    }
    return window->places() <= INT32_MAX && window->elements() <= INT32_MAX &&
           params[2].i * params[9].i * params[16].i <= INT32_MAX;
}

}  // namespace ew::cuda
