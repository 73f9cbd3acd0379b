// RoIAlignRotated: a thread for each cell of each channel of a box takes the mean of its samples.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr float MAX_SAMPLES = 4096;  // along a side of a cell, if their number depends on the box

struct Align {
    int64_t images, channels, total;
    int height, width, rows, columns, samples;
    float scale;
    bool aligned, clockwise;
};

// A sample: 0 beyond a pixel outside, else bilinear at the nearest place inside.
template <class T>
__device__ float sample(const T *x, const Align &a, float row, float column) {
    const auto h = static_cast<float>(a.height), w = static_cast<float>(a.width);
    if (!(row >= -1 && row <= h && column >= -1 && column <= w) || h < 1 || w < 1) return 0;
    row = fminf(fmaxf(row, 0), h - 1);
    column = fminf(fmaxf(column, 0), w - 1);
    const int top = static_cast<int>(row), left = static_cast<int>(column);
    const int bottom = min(top + 1, a.height - 1), right = min(left + 1, a.width - 1);
    const float down = row - static_cast<float>(top), across = column - static_cast<float>(left);
    const T *above = x + static_cast<int64_t>(top) * a.width, *below = x + static_cast<int64_t>(bottom) * a.width;
    return (1 - down) * ((1 - across) * read(above[left]) + across * read(above[right])) +
           down * ((1 - across) * read(below[left]) + across * read(below[right]));
}

// Offset from the middle of a box of sample s of cell c.
__device__ float offset(float size, int cells, int samples, int c, int s) {
    const float cell = size / static_cast<float>(cells);
    return -size / 2 + static_cast<float>(c) * cell +
           (static_cast<float>(s) + 0.5f) * (cell / static_cast<float>(samples));
}

template <class T>
__device__ float mean_of(const T *x, const T *roi, const Align &a, int64_t channel, int row, int column) {
    const float image = read(roi[0]), shift = a.aligned ? 0.5f : 0.0f;
    float width = read(roi[3]) * a.scale, height = read(roi[4]) * a.scale;
    if (!a.aligned) {
        width = fmaxf(width, 1);
        height = fmaxf(height, 1);
    }
    const float tall = height / static_cast<float>(a.rows), wide = width / static_cast<float>(a.columns);
    if (!(image > -1 && image < static_cast<float>(a.images))) return NAN;
    if (a.samples == 0 && !(tall <= MAX_SAMPLES && wide <= MAX_SAMPLES)) return NAN;
    const int down = a.samples > 0 ? a.samples : max(static_cast<int>(ceilf(tall)), 0);
    const int across = a.samples > 0 ? a.samples : max(static_cast<int>(ceilf(wide)), 0);
    const float angle = read(roi[5]), sine = a.clockwise ? -sinf(angle) : sinf(angle), cosine = cosf(angle);
    const float center_column = read(roi[1]) * a.scale - shift, center_row = read(roi[2]) * a.scale - shift;
    x += (static_cast<int64_t>(image) * a.channels + channel) * a.height * a.width;
    float sum = 0;
    for (int i = 0; i < down; ++i)
        for (int k = 0; k < across; ++k) {
            const float v = offset(height, a.rows, down, row, i), u = offset(width, a.columns, across, column, k);
            sum += sample(x, a, v * cosine - u * sine + center_row, v * sine + u * cosine + center_column);
        }
    return sum / static_cast<float>(max(down * across, 1));
}

template <class T>
__global__ void align_all(const T *x, const T *rois, T *y, const Align a) {
    for (int64_t item = first_item(); item < a.total; item += all_threads()) {
        const int column = static_cast<int>(item % a.columns), row = static_cast<int>(item / a.columns % a.rows);
        const int64_t plane = item / a.columns / a.rows;
        write(y + item, mean_of(x, rois + plane / a.channels * 6, a, plane % a.channels, row, column));
    }
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: x, rois; params: scale, samples, aligned, clockwise.
extern "C" int32_t roi_align_rotated(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (x.shape[2] * x.shape[3] > INT32_MAX || call->params[1].i > 32768)
        return call->host->error(call, EW_SHAPE, "images of %lld x %lld are too large",
                                 static_cast<long long>(x.shape[2]), static_cast<long long>(x.shape[3]));
    Align a{};
    a.images = x.shape[0];
    a.channels = x.shape[1];
    a.total = count(y);
    a.height = static_cast<int>(x.shape[2]);
    a.width = static_cast<int>(x.shape[3]);
    a.rows = static_cast<int>(y.shape[2]);
    a.columns = static_cast<int>(y.shape[3]);
    a.samples = static_cast<int>(call->params[1].i);
    a.scale = static_cast<float>(call->params[0].f);
    a.aligned = call->params[2].i != 0;
    a.clockwise = call->params[3].i != 0;
    if (a.total == 0) return EW_OK;
    return by_type(call, x.dtype, [&](auto element) {
        using T = decltype(element);
        align_all<<<blocks_for(a.total), THREADS, 0, stream_of(call)>>>(data<const T>(x),
                                                                        data<const T>(call->inputs[1]), data<T>(y), a);
        return checked(call, cudaGetLastError());
    });
}
